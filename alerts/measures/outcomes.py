"""What came of the alerts: dispositions, hospital, help at home, falls against a baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alerts import lifecycle
from alerts.measures import grouping
from alerts.measures.burden import per_thousand
from alerts.measures.grouping import By
from alerts.measures.record import DISPOSITIONS, BoolArray, Moments, Record, moments
from alerts.measures.table import Cell, Column, Table

FALL: Final = "fall"
"""The rule of falls."""
NO_FALL: Final = ("not_a_fall", "false_alarm", "equipment_fault")
"""Dispositions that say that it was none after all."""

COLUMNS: Final = (
    Column(name="alerts", kind="count"), Column(name="closed", kind="count"),
    *(Column(name=d, kind="count", part_of="closed") for d in DISPOSITIONS),
    Column(name="hospital_avoided_estimate", kind="count"),
    Column(name="hospital_conveyed", kind="count"),
    Column(name="attended", kind="count"),
    Column(name="attended_stayed_home", kind="count", part_of="attended"),
    Column(name="attended_conveyed", kind="count", part_of="attended"),
    Column(name="stayed_home_share", unit="1", kind="rate",
           of=("attended", "attended_stayed_home")),
    Column(name="falls", kind="count"), Column(name="person_days", kind="size"),
    Column(name="falls_per_1000_person_days", unit="1", kind="rate", of=("falls",)),
    Column(name="baseline_falls", kind="count"), Column(name="baseline_person_days", kind="size"),
    Column(name="baseline_falls_per_1000_person_days", unit="1", kind="rate",
           of=("baseline_falls",)),
    Column(name="falls_change", unit="1", kind="rate", of=("falls", "baseline_falls")),
)  # fmt: skip
NOTES: Final = (
    "hospital_avoided_estimate is the judgement of whoever closed the alert, not a measurement:"
    " nobody knows what would have happened.",
    "attended: somebody arrived; stayed home: and the person was not conveyed to hospital.",
    "falls: alerts of the rule fall that were not closed as something else, and others closed with"
    " what came of a fall. falls_change: the rate against the baseline's, -0.2 is a fifth less. A"
    " change of rate has many causes; few falls make it a matter of chance.",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Alerts of some days, and the person-days of the same days."""

    record: Record
    person_days: NDArray[np.void]


def falls(record: Record) -> BoolArray:
    """Tell which alerts are of a fall, shape (n,)."""
    out = record.which("rule", FALL, record.rules)
    for name in NO_FALL:
        out &= ~record.which("disposition", name, DISPOSITIONS)
    for name in lifecycle.FALLS:
        if name not in NO_FALL:
            out |= record.which("disposition", name, DISPOSITIONS)
    return out


def table(period: Period, baseline: Period | None, *, by: By | None) -> Table:
    """Tell the outcomes by group. By month each is held against the whole baseline."""
    record, found = period.record, moments(period.record)
    fell, days = falls(record), _days(period, by)
    then_by = None if by == "month" else by
    then = _rates(baseline, then_by) if baseline is not None else {}
    groups = grouping.of_alerts(record, by)
    both = dict(groups.each())
    placed = by in grouping.PLACED
    names = grouping.joined(by, groups.names, days if placed else (), then)
    rows: list[tuple[Cell, ...]] = []
    for group in (*names, grouping.ALL):
        among = both.get(group, grouping.NOBODY)
        mine = days.get(group, 0 if placed else days[grouping.ALL])
        fallen = int(fell[among].sum())
        other: tuple[int, int] | None = None
        if baseline is not None:
            key = grouping.ALL if by == "month" else group
            other = then.get(key, (0, 0))
        rows.append((
            *((group,) if by else ()), *_row(record.take(among), found.take(among)), fallen, mine,
            per_thousand(fallen, mine), *_against(fallen, mine, other),
        ))  # fmt: skip
    first = (Column(name=by),) if by else ()
    return Table(columns=(*first, *COLUMNS), rows=rows, notes=NOTES)


def _days(period: Period, by: By | None) -> dict[str, int]:
    groups = grouping.of_places(period.person_days, period.record.names, by)
    return {name: int(period.person_days["people"][there].sum()) for name, there in groups.each()}


def _rates(period: Period, by: By | None) -> dict[str, tuple[int, int]]:
    """Return (falls, person-days) of each group."""
    fell, days = falls(period.record), _days(period, by)
    placed = by in grouping.PLACED
    among = dict(grouping.of_alerts(period.record, by).each())
    return {
        name: (
            int(fell[among[name]].sum()) if name in among else 0,
            days.get(name, 0 if placed else days[grouping.ALL]),
        )
        for name in (*among, *days)
    }


def _row(record: Record, found: Moments) -> tuple[Cell, ...]:
    def ended(*names: str, field: str = "disposition") -> int:
        listed = DISPOSITIONS if field == "disposition" else lifecycle.HOSPITAL
        return int(sum(np.sum(record.which(field, name, listed)) for name in names))

    conveyed = record.which("hospital", "conveyed", lifecycle.HOSPITAL)
    conveyed |= record.which("disposition", "fall_conveyed", DISPOSITIONS)
    attended = ~np.isnan(found.arrived)
    home = int(np.sum(attended & ~conveyed))
    there = int(attended.sum())
    return (
        len(record), int(np.sum(~np.isnan(found.closed))),
        *(ended(d) for d in DISPOSITIONS),
        ended("avoided", field="hospital"), int(conveyed.sum()), there, home,
        there - home, round(home / there, 4) if there else None,
    )  # fmt: skip


def _against(fallen: int, days: int, other: tuple[int, int] | None) -> tuple[Cell, ...]:
    """Return the baseline's falls, person-days and rate, and how the rate has changed."""
    if other is None:
        return None, None, None, None
    then_fallen, then_days = other
    change = None
    if days and then_days and then_fallen:
        change = round((fallen / days) / (then_fallen / then_days) - 1.0, 4)
    return then_fallen, then_days, per_thousand(then_fallen, then_days), change
