"""How much the alerts ask of people: how many per person-day and rule, and how many for nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alerts import model
from alerts.measures import grouping
from alerts.measures.grouping import By
from alerts.measures.record import DISPOSITIONS, IntArray, Moments, Record, moments
from alerts.measures.table import Cell, Column, Table

PERSON_DAYS: Final = np.dtype([
    ("day", "i4"), ("practice", "i4"), ("site", "i4"), ("area", "i4"), ("people", "i8"),
])  # fmt: skip
"""How many people were heard of on a local day (days since 1970) at a site, of a practice."""
DECISIONS: Final = np.dtype([
    ("shadow", "i2"), ("rule", "i4"), ("severity", "i2"), ("day", "i4"), ("practice", "i4"),
    ("site", "i4"), ("area", "i4"), ("count", "i8"),
])  # fmt: skip
"""Decisions that paged nobody: of a rule in the shadow (1) or held back by another (0)."""

COLUMNS: Final = (
    Column(name="rule"), Column(name="severity"),
    Column(name="alerts", kind="count"), Column(name="person_days", kind="size"),
    Column(name="per_1000_person_days", unit="1", kind="rate", of=("alerts",)),
    Column(name="closed", kind="count"), Column(name="false_alarms", kind="count"),
    Column(name="equipment_faults", kind="count"), Column(name="no_action", kind="count"),
    Column(name="override_share", unit="1", kind="rate", of=("false_alarms", "no_action")),
    Column(name="pressed_again", kind="count"), Column(name="over_unseen", kind="count"),
    Column(name="lapsed", kind="count"),
    Column(name="pages_per_alert", unit="1", kind="rate", of=("alerts",)),
    Column(name="told_per_alert", unit="1", kind="rate", of=("alerts",)),
    Column(name="held_back", kind="count"), Column(name="in_shadow", kind="count"),
)  # fmt: skip
NOTES: Final = (
    "person_days: people with a device of theirs heard on a local day, summed over the days. By"
    " team or severity each row is held against all of them, for people belong to neither.",
    "override_share: closed as false alarm or with no further action, of all that were closed."
    " over_unseen: its condition cleared, or it was taken back at the device, before anybody took"
    " it on. pages: how often it asked for attention; told: steps of its response that were taken.",
    "held_back: another alert of the same person spoke for it; in_shadow: a rule on trial would"
    " have raised it. Neither is an alert, and neither belongs to a team.",
)  # fmt: skip


def table(
    record: Record,
    person_days: NDArray[np.void],
    decisions: NDArray[np.void],
    *,
    by: By | None,
) -> Table:
    """Tell the burden by group, rule and severity, and of each group over all its rules."""
    found = moments(record)
    days = dict(_days(record, person_days, by))
    counts = dict(_decided(record, decisions, by))
    rows: list[tuple[Cell, ...]] = []
    groups = grouping.of_alerts(record, by)
    both = dict(groups.each())
    placed = by in grouping.PLACED
    names = grouping.joined(by, groups.names, counts, days if placed else ())
    for group in (*names, grouping.ALL):
        members = both.get(group, grouping.NOBODY)
        decided = decisions[counts.get(group, grouping.NOBODY)]
        mine = days.get(group, 0 if placed else days[grouping.ALL])
        head = (group,) if by else ()
        pairs: list[tuple[tuple[str, str], IntArray, NDArray[np.void]]] = [
            ((grouping.ALL, grouping.ALL), members, decided)
        ]
        rule, severity = (record.alerts[name][members] for name in ("rule", "severity"))
        for r, s in _pairs(record.alerts[members], decided):
            those = decided[(decided["rule"] == r) & (decided["severity"] == s)]
            named = record.rules[r], str(model.BY_RANK[s])
            pairs.append((named, members[(rule == r) & (severity == s)], those))
        rows += [
            (*head, *named, *_row(record.take(some), found.take(some), mine, those))
            for named, some, those in pairs
        ]
    told = Table(columns=COLUMNS, rows=rows, notes=NOTES)
    if by == "severity":  # which each row says already
        return replace(told, rows=[(group, rule, *rest) for group, rule, _, *rest in rows],
                       columns=(COLUMNS[1], COLUMNS[0], *COLUMNS[2:]))  # fmt: skip
    return replace(told, columns=(Column(name=by), *COLUMNS)) if by else told


def per_thousand(count: int, person_days: int) -> float | None:
    """Return how many there were per 1,000 person-days, None where there were no person-days."""
    return round(1_000.0 * count / person_days, 4) if person_days else None


def _days(record: Record, person_days: NDArray[np.void], by: By | None) -> list[tuple[str, int]]:
    each = grouping.of_places(person_days, record.names, by).each()
    return [(name, int(person_days["people"][there].sum())) for name, there in each]


def _decided(
    record: Record, decisions: NDArray[np.void], by: By | None
) -> list[tuple[str, IntArray]]:
    if by == "severity":
        return list(grouping.of_severities(decisions["severity"]).each())
    return list(grouping.of_places(decisions, record.names, by).each())


def _pairs(alerts: NDArray[np.void], decided: NDArray[np.void]) -> list[tuple[int, int]]:
    """Return the pairs of rule and severity there are, most alerts first."""
    counts: dict[tuple[int, int], int] = {}
    for rows, each in ((alerts, 1), (decided, 0)):
        codes, n = np.unique(rows["rule"] * _RANKS + rows["severity"], return_counts=True)
        for code, count in zip(codes.tolist(), n.tolist(), strict=True):
            pair = divmod(code, _RANKS)
            counts[pair] = counts.get(pair, 0) + count * each
    return sorted(counts, key=lambda pair: (-counts[pair], pair))


_RANKS: Final = 8  # more than there are severities


def _row(
    record: Record, found: Moments, person_days: int,
    decided: NDArray[np.void],
) -> tuple[Cell, ...]:  # fmt: skip
    alerts = len(record)
    closed = int(np.sum(~np.isnan(found.closed)))

    def ended(disposition: str) -> int:
        return int(np.sum(record.which("disposition", disposition, DISPOSITIONS)))

    false, faulty = ended("false_alarm"), ended("equipment_fault")
    nothing = ended("no_further_action")
    unseen = ~np.isnan(found.over) & ~(found.answered <= found.over)
    return (
        alerts, person_days, per_thousand(alerts, person_days), closed, false, faulty, nothing,
        round((false + nothing) / closed, 4) if closed else None,
        int(found.presses.sum()), int(unseen.sum()), int(found.lapses.sum()),
        round(int(record.alerts["pages"].sum()) / alerts, 3) if alerts else None,
        round(int(found.told.sum()) / alerts, 3) if alerts else None,
        int(decided["count"][decided["shadow"] == 0].sum()),
        int(decided["count"][decided["shadow"] == 1].sum()),
    )  # fmt: skip
