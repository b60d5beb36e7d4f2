"""Alerts written down by hand: what was raised, and what happened after how many seconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from alerts import model
from alerts.measures.record import ALERT, DISPOSITIONS, EVENT, HOSPITAL, KINDS, Record

RULES = ("fall", "limits.spo2_low", "sos")
NAMES = {
    "team": {1: "dn-north", 2: "ooh"},
    "practice": {1: "high-street", 2: "mill-lane"},
    "site": {1: "elm", 2: "oak"},
    "area": {1: "north"},
}
DAY = 20_454  # 2026-01-01
RAISED = DAY * 86_400.0


def alert(*events: tuple[str, float] | tuple[str, float, str], **said: Any) -> dict[str, Any]:
    """Return an alert with its events: kind, seconds after it was raised, its severity then."""
    return {"events": events, **said}


def record(*alerts: dict[str, Any]) -> Record:
    """Put alerts into arrays."""
    rows, events = [], []
    for n, one in enumerate(alerts, start=10):
        severity = model.Severity(one.get("severity", "emergency"))
        raised = RAISED + one.get("day", 0) * 86_400.0
        happened: Sequence[Any] = one["events"]
        closed = any(e[0] == "closed" for e in happened)
        rows.append((
            n, raised, raised + one.get("reading", np.nan), DAY + one.get("day", 0), severity.rank,
            RULES.index(one.get("rule", "fall")), one.get("team", 1), one.get("practice", 1),
            one.get("site", 1), 1, 0, closed,
            _place(DISPOSITIONS, one.get("disposition")), _place(HOSPITAL, one.get("hospital")),
            one.get("pages", 1), one.get("person", n), one.get("home", n),
        ))  # fmt: skip
        first = model.Severity(one.get("raised_as", severity)).rank
        events.append((n, raised, 0, first, raised + one.get("said_reading", np.nan)))
        events += [
            (n, raised + e[1], KINDS.index(e[0]), model.Severity(e[2]).rank if len(e) > 2 else 0,
             np.nan)
            for e in happened
        ]  # fmt: skip
    return Record(
        alerts=np.array(rows, dtype=ALERT), events=np.array(events, dtype=EVENT), rules=RULES,
        classes=("telecare",), names=NAMES,
    )  # fmt: skip


def _place(listed: Sequence[str], name: str | None) -> int:
    return -1 if name is None else list(listed).index(name)


def as_dicts(table: Any) -> list[dict[str, Any]]:
    """Return a table's rows by column."""
    names = [c.name for c in table.columns]
    return [dict(zip(names, row, strict=True)) for row in table.rows]
