"""The figures of a run as plain data: burden, what becomes of readings outside limits, labels."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from alerts.backtest import labels, statistics
from alerts.backtest.episodes import Episode
from alerts.backtest.labels import Labels
from alerts.backtest.run import Run

AUDIENCES: Final = ("nurse", "responder", "equipment", "none")
_TOP: Final = 10
LIMIT_RULES: Final = "limits."


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Alerts per person-day, with a 95 % interval over homes."""

    alerts: int
    per_day: float
    low: float
    high: float


def rate(run: Run, episodes: Sequence[Episode]) -> Rate:
    """Return how many alerts there are per person-day."""
    home_of = {p.no: p.home_no for p in run.source.people}
    homes = sorted({h.no for h in run.source.homes})
    at = {home: n for n, home in enumerate(homes)}
    counts = np.zeros((len(homes), 2))
    for one in episodes:
        if one.home_no in at:
            counts[at[one.home_no], 0] += 1
    for person, days in run.days.items():
        if home_of.get(person) in at:
            counts[at[home_of[person]], 1] += len(days)
    low, high = statistics.over_homes(counts, statistics.ratio)
    total = run.person_days
    per_day = len(episodes) / total if total else math.nan
    return Rate(alerts=len(episodes), per_day=per_day, low=low, high=high)


def summary(run: Run, marks: Labels | None = None) -> dict[str, Any]:
    """Return everything a report says of one run, as JSON takes it."""
    of = {rule: [e for e in run.episodes if e.rule_id == rule] for rule in run.rules}
    by_audience = {
        a: [e for e in run.episodes if run.rules[e.rule_id].audience == a] for a in AUDIENCES
    }
    found: dict[str, Any] = {
        "source": run.source.said,
        "packs": dict(run.packs),
        "begin": run.source.begin, "end": run.source.end,
        "readings": run.rows, "refused_rows": len(run.source.refused),
        "homes": len(run.source.homes), "people": len(run.source.people),
        "person_days": run.person_days, "alerts": len(run.episodes),
        "by_audience": {a: _rate(run, e) for a, e in by_audience.items() if e},
        "by_rule": {
            rule: {"audience": run.rules[rule].audience, "muted": run.muted.get(rule, 0),
                   **_rate(run, episodes)}
            for rule, episodes in sorted(of.items()) if episodes or run.muted.get(rule)
        },
        "from_readings_to_alerts": funnel(run),
        "commands": dict(sorted(run.commands.items())),
        "top_people": _top(run),
        "by_home": _by_home(run, by_audience),
    }  # fmt: skip
    if marks is not None:
        found["labels"] = [_score(run, labels.score(run, marks, kind)) for kind in marks.days]
        found["label_rows"] = marks.rows
        found["labels_of_strangers"] = marks.strangers
    return found


def funnel(run: Run) -> dict[str, int]:
    """Return what becomes of readings outside limits: how many reach a person as an alert."""
    mine = [e for e in run.episodes if e.rule_id.startswith(LIMIT_RULES)]
    muted = sum(n for rule, n in run.muted.items() if rule.startswith(LIMIT_RULES))
    return {
        "readings outside limits": run.crossings.raw,
        "without impossible ones": run.crossings.plausible,
        "after hysteresis and duration": len(mine) + muted,
        "alerts, where no other speaks for them": len(mine),
    }


def _rate(run: Run, episodes: Sequence[Episode]) -> dict[str, Any]:
    found = rate(run, episodes)
    return {
        "alerts": found.alerts, "per_person_day": found.per_day,
        "per_person_day_95": [found.low, found.high],
    }  # fmt: skip


def _top(run: Run) -> list[dict[str, Any]]:
    """Return those whom most alerts are about, a home where it isn't one person's."""
    count = Counter(name_of(run, e) for e in run.episodes)
    return [{"who": who, "alerts": n} for who, n in count.most_common(_TOP)]


def name_of(run: Run, one: Episode) -> str:
    """Return the person's id, else the home's, else the device's."""
    if one.person_no is not None:
        return run.source.person_ids.get(one.person_no, str(one.person_no))
    if one.home_no is not None:
        return run.source.home_ids.get(one.home_no, str(one.home_no))
    return run.source.device_ids.get(one.device_no or 0, f"site {one.subject_no}")


def _by_home(run: Run, by_audience: Mapping[str, Sequence[Episode]]) -> list[dict[str, Any]]:
    people: dict[int, int] = Counter()
    for one in run.source.people:
        people[one.home_no] += len(run.days.get(one.no, ()))
    return [
        {
            "home": run.source.home_ids.get(home.no, str(home.no)), "person_days": people[home.no],
            **{a: sum(e.home_no == home.no for e in found) for a, found in by_audience.items()},
        }
        for home in run.source.homes
    ]  # fmt: skip


def _score(run: Run, one: labels.Score) -> dict[str, Any]:
    return {
        "type": one.type, "about": list(one.about), "labelled_days": one.labelled,
        "found_days": one.found, "found_by_an_alert_raised_that_day": one.found_raised,
        "alert_days": one.alert_days, "recall": one.recall, "recall_95": list(one.recall_95),
        "recall_95_over_homes": list(one.recall_95_homes), "precision": one.precision,
        "precision_95": list(one.precision_95), "f1": one.f1, "f1_95_over_homes": list(one.f1_95),
        "by_home": [
            {"home": run.source.home_ids.get(home, str(home)), "found_days": c[0],
             "labelled_days": c[1], "alert_days": c[2], "person_days": c[3]}
            for home, c in one.by_home.items()
        ],
    }  # fmt: skip
