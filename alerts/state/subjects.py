"""Whom rules are judged on: people, homes and devices, as tables, and what the register says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from alerts.state.conditions import Judged
from alerts.state.table import (
    ABSENT,
    BoolArray,
    Column,
    FloatArray,
    Grouped,
    IntArray,
    Numbered,
    Scattered,
    places,
)

_NEVER = -np.inf
_AT_ONCE = 65_536
DUE = Column("f8", np.inf)
"""When the clock alone may change something."""
BANDS = ("", "green", "amber", "red")
ONLINE, OFFLINE, SLEEPING = 1, 2, 3
STATES: Mapping[str, int] = {"online": ONLINE, "offline": OFFLINE, "sleeping": SLEEPING}


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What the rules need to know of a person. No name, no number of the outside world."""

    no: int
    shard: int
    home_no: int = 0
    scale2: bool = False
    on_oxygen: bool = False
    pregnant: bool = False
    born: float | None = None  # Unix seconds; None: not known, taken for an adult
    limits: Mapping[str, Any] | None = None
    band: str = ""
    conditions: Sequence[str] = ()
    triggers: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A dwelling: where it is, and how many live there."""

    no: int
    shard: int
    zone: str = "Europe/London"
    site_no: int = 0
    people: Sequence[int] = ()  # numbers of those who live there


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device: where it is, whose, and how often it says what."""

    no: int
    shard: int
    home_no: int
    person_no: int = 0  # 0: of the home
    site_no: int = 0
    kind: str = ""
    place: str = ""
    state: str = ""
    cadence: Mapping[str, float] = field(default_factory=dict)  # quantity -> seconds
    since: float = 0.0  # registered or assigned then: nothing is due from before


class Subjects(Judged):
    """A table of subjects of one kind, with the state of each rule's condition."""

    COLUMNS: ClassVar = {
        **Judged.COLUMNS,
        "no": Column("i4", 0),  # dense, so four bytes are enough, as for the look-up
        "shard": Column("u1", 0),
    }
    no: NDArray[np.int32]
    shard: NDArray[np.uint8]

    def __init__(self) -> None:
        super().__init__()
        self.numbers = Numbered()

    def rows(self, numbers: NDArray[np.integer]) -> IntArray:
        """Return the slots of numbers, ``ABSENT`` for those who aren't here."""
        return self.numbers.rows(numbers)

    def meet(self, numbers: Sequence[int]) -> tuple[IntArray, BoolArray]:
        """Return the slots of numbers, made where they are new, and which are new."""
        wanted = np.array(numbers, dtype=np.int64)
        new = self.rows(wanted) < 0
        made = self.add(int(new.sum()))
        self.no[made] = wanted[new]
        self.numbers.put(wanted[new], made)
        return self.rows(wanted), new

    def forget(self, kept: IntArray) -> None:
        """Keep the given slots only."""
        self.keep(kept)
        self.numbers.reset(self.no[: self.count])

    @property
    def nbytes(self) -> int:
        """Return the memory, look-up included. [B]"""
        return super().nbytes + self.numbers.nbytes


class People(Subjects):
    """People, and what scores and limits must know of them."""

    COLUMNS: ClassVar = {
        **Subjects.COLUMNS,
        "due": DUE,
        "home": Column("i4", 0),
        "zone": Column("u1", 0),
        "scale2": Column("?", False),
        "oxygen": Column("?", False),
        "pregnant": Column("?", False),
        "band": Column("u1", 0),
        "marks": Column("u4", 0),  # bits of the conditions they are registered with
        "born": Column("f8", _NEVER),
        "latest": Column("f8", _NEVER),  # the newest reading of any quantity
    }
    due: FloatArray
    home: NDArray[np.int32]
    zone: NDArray[np.uint8]
    scale2: BoolArray
    oxygen: BoolArray
    pregnant: BoolArray
    band: NDArray[np.uint8]
    marks: NDArray[np.uint32]
    born: FloatArray
    latest: FloatArray


class Homes(Subjects):
    """Homes, and the newest of what happened there."""

    COLUMNS: ClassVar = {
        **Subjects.COLUMNS,
        "due": DUE,
        "zone": Column("u1", 0),
        "site": Column("i4", 0),
        "residents": Column("u1", 0),
        "only": Column("i4", 0),  # the person who lives there alone
        "marks": Column("u4", 0),  # of everybody who lives there
        "activity": Column("i4", ABSENT),
        "moved": Column("f8", _NEVER),
        "place": Column("i4", 0),  # part number of the newest motion
        "door": Column("f8", _NEVER),  # the newest event of a door to the outside
        "fell": Column("f8", _NEVER),
        "lit": Column("f8", _NEVER),  # a light was last asked for
    }
    due: FloatArray
    zone: NDArray[np.uint8]
    site: NDArray[np.int32]
    residents: NDArray[np.uint8]
    only: NDArray[np.int32]
    marks: NDArray[np.uint32]
    activity: NDArray[np.int32]
    moved: FloatArray
    place: NDArray[np.int32]
    door: FloatArray
    fell: FloatArray
    lit: FloatArray


class Devices(Subjects):
    """Devices, and when each was last heard."""

    COLUMNS: ClassVar = {
        **Subjects.COLUMNS,
        "home": Column("i4", 0),
        "person": Column("i4", 0),
        "site": Column("i4", 0),
        "state": Column("u1", 0),
        "heard": Column("f8", _NEVER),
    }
    home: NDArray[np.int32]
    person: NDArray[np.int32]
    site: NDArray[np.int32]
    state: NDArray[np.uint8]
    heard: FloatArray


class States(Scattered):
    """The newest value of each quantity of a home or device.

    Since when it has been that is kept of those kinds of subjects only some rule of which asks.
    """

    COLUMNS: ClassVar = {
        "value": Column("f4", np.nan),
        "time": Column("f8", _NEVER),
    }
    HELD: ClassVar = {
        "since": Column("f8", _NEVER),
        "both": Column("?", False),  # it has been seen to change: the sensor tells both ways
    }
    value: NDArray[np.float32]
    time: FloatArray
    since: FloatArray
    both: BoolArray

    def __init__(self, *, held: bool) -> None:
        super().__init__(**(self.HELD if held else {}))
        self._held = held

    def put(self, rows: IntArray, time: FloatArray, value: FloatArray) -> BoolArray:
        """Take in values, at most one per state; return which of them are the newest."""
        newest = (time > self.time[rows]) | (
            (time == self.time[rows]) & ~(value <= self.value[rows])
        )
        rows, time, value = rows[newest], time[newest], value[newest].astype(np.float32)
        if self._held:
            other = ~(value == self.value[rows])
            self.both[rows[other & ~np.isnan(self.value[rows])]] = True
            self.since[rows[other]] = time[other]
        self.value[rows], self.time[rows] = value, time
        return np.asarray(newest)


class Feeds(Grouped):
    """What each device has promised to send, and when it is overdue."""

    COLUMNS: ClassVar = {
        "column": Column("u1", 0),  # number of the quantity
        "cadence": Column("f4", np.inf),
        "received": Column("f8", _NEVER),
        "wait": Column("f4", np.inf),  # how long after that it is overdue
        "told": Column("u1", 0),  # 0: heard in time, see alerts.silence
    }
    column: NDArray[np.uint8]
    cadence: NDArray[np.float32]
    received: FloatArray
    wait: NDArray[np.float32]
    told: NDArray[np.uint8]

    def promise(self, slots: IntArray, column: IntArray, since: FloatArray) -> None:
        """Add what devices newly promise, and since when."""
        new = {name: np.full(slots.size, c.fill, dtype=c.dtype) for name, c in self.columns.items()}
        self.take(new | {"column": column, "received": since}, slots)

    def set_due(self, rows: IntArray, due: FloatArray) -> None:
        """Have feeds be overdue from these moments on: a little later, never before."""
        exactly = due - self.received[rows]
        wait = exactly.astype(np.float32)
        self.wait[rows] = np.where(wait < exactly, np.nextafter(wait, np.float32(np.inf)), wait)

    def overdue(self, now: float) -> IntArray:
        """Return what is overdue."""
        found = [n + places(due <= now) for n, due in self._due()]
        return np.concatenate([np.zeros(0, dtype=np.int64), *found])

    def next_due(self) -> float:
        """Return when the first of all is overdue."""
        return min((float(due.min()) for _, due in self._due()), default=np.inf)

    def _due(self) -> Iterator[tuple[int, FloatArray]]:
        """Yield from which row on, and when each is overdue: part by part, which stays in cache."""
        for n in range(0, self.count, _AT_ONCE):
            part = slice(n, min(n + _AT_ONCE, self.count))
            yield n, self.received[part] + self.wait[part]
