"""Alerts and their events as arrays, and the moments of each alert that measures are made of.

Events are the only source of when something happened. Times are Unix seconds, NaN: never.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alerts import lifecycle

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

KINDS: Final = (
    "raised", "changed", "pressed_again", "cancelled", "cleared", "told", "step_too_late",
    "acknowledged", "assigned", "handover_accepted", "snoozed", "contact_tried", "contacted",
    "dispatched", "arrived", "lapsed", "closed",
)  # fmt: skip
"""Kinds of events that count here, by their number."""
ANSWERS: Final = (
    "acknowledged", "assigned", "handover_accepted", "snoozed", "contact_tried", "contacted",
    "dispatched", "arrived", "closed",
)  # fmt: skip
"""Kinds by which a person takes an alert on. A note, or asking for more people, is none."""
DISPOSITIONS: Final = lifecycle.DISPOSITIONS
HOSPITAL: Final = lifecycle.HOSPITAL

ALERT: Final = np.dtype([
    ("no", "i8"), ("raised", "f8"), ("reading", "f8"), ("day", "i4"), ("severity", "i2"),
    ("rule", "i4"), ("team", "i4"), ("practice", "i4"), ("site", "i4"), ("area", "i4"),
    ("class", "i2"), ("closed", "i2"), ("disposition", "i2"), ("hospital", "i2"),
    ("pages", "i4"), ("person", "i8"), ("home", "i8"),
])  # fmt: skip
"""One alert: ``reading`` is its newest reading, ``day`` the local day it was raised on (days since
1970), ``severity`` its rank, the places and the team by the register's numbers (0: none),
``rule``, ``class``, ``disposition`` and ``hospital`` by their place in a list (-1: none)."""
EVENT: Final = np.dtype([
    ("alert", "i8"), ("at", "f8"), ("kind", "i2"), ("severity", "i2"), ("reading", "f8"),
])  # fmt: skip
"""One event: ``severity`` is the alert's rank after it (0: not said), ``reading`` when what raised
it was measured (only on ``raised``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Alerts in the order of their numbers, what happened to them, and names for numbers."""

    alerts: NDArray[np.void]  # of ALERT, shape (n,)
    events: NDArray[np.void]  # of EVENT, shape (m,), of these alerts
    rules: Sequence[str] = ()
    classes: Sequence[str] = ()
    names: Mapping[str, Mapping[int, str]]  # "team", "practice", "site", "area": number -> id

    def __len__(self) -> int:
        """Return how many alerts there are."""
        return len(self.alerts)

    def which(self, field: str, name: str, listed: Sequence[str]) -> BoolArray:
        """Tell which alerts have a name in a field that holds places in a list, shape (n,)."""
        number = list(listed).index(name) if name in listed else -2
        return np.asarray(self.alerts[field] == number, dtype=np.bool_)

    def take(self, rows: IntArray) -> Record:
        """Return some of the alerts, without their events."""
        return replace(self, alerts=self.alerts[rows], events=self.events[:0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """When what happened to each alert first, each of shape (n,) [s, Unix]; counts beside."""

    reading: FloatArray  # when what raised it was measured, where that is known
    start: FloatArray  # when it became as severe as it is: what is answered counts from there
    answered: FloatArray  # when a person first took it on since then
    contacted: FloatArray
    dispatched: FloatArray
    arrived: FloatArray
    closed: FloatArray
    over: FloatArray  # when its condition first cleared, or it was taken back at the device
    presses: IntArray  # how often it was pressed again
    told: IntArray  # how many steps of its response were taken
    lapses: IntArray  # how often somebody took it on and nothing followed

    def take(self, rows: IntArray) -> Moments:
        """Return those of some of the alerts."""
        return Moments(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


def moments(record: Record) -> Moments:
    """Work out the moments of each alert."""
    alerts, events = record.alerts, record.events
    index = np.searchsorted(alerts["no"], events["alert"])
    at, kind = events["at"], events["kind"]

    def first(among: BoolArray) -> FloatArray:
        out = np.full(len(alerts), np.inf)
        np.minimum.at(out, index[among], at[among])
        return np.where(np.isfinite(out), out, np.nan)

    def of(*names: str) -> BoolArray:
        return np.isin(kind, [KINDS.index(n) for n in names])

    def count(name: str) -> IntArray:
        return np.bincount(index[of(name)], minlength=len(alerts)).astype(np.int64)

    worst = of("raised", "changed", "pressed_again")
    worst &= events["severity"] >= alerts["severity"][index]
    start = first(worst)
    start = np.where(np.isnan(start), alerts["raised"], start)
    # what was done before it became worse was an answer to something milder
    since = at >= start[index]
    return Moments(
        reading=_reading(record, index, of("raised"), of("changed", "pressed_again")),
        start=start,
        answered=first(of(*ANSWERS) & since),
        contacted=first(of("contacted") & since),
        dispatched=first(of("dispatched") & since),
        arrived=first(of("arrived") & since),
        closed=first(of("closed")),
        over=first(of("cleared", "cancelled")),
        presses=count("pressed_again"),
        told=count("told"),
        lapses=count("lapsed"),
    )


def _reading(record: Record, index: IntArray, raised: BoolArray, renewed: BoolArray) -> FloatArray:
    """Return when what raised each alert was measured: as the event says, else as the alert does.

    The alert's own is that of its newest reading, so it serves only where nothing came after.
    """
    out = np.array(record.alerts["reading"], dtype=np.float64)
    out[index[renewed]] = np.nan
    said = raised & ~np.isnan(record.events["reading"])
    out[index[said]] = record.events["reading"][said]
    return out
