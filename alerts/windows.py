"""What is known of each person now: the latest reading per quantity, as a structure of arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alerts.rules import pack
from alerts.rules.early_warning import PARTS, BoolArray, FloatArray, IntArray
from ingest.kernel import vitals
from ingest.kernel.observation import NOT_LIVE, Quality, Rows

UNKNOWN = -1
_NOT_JUDGED = int(NOT_LIVE | Quality.IMPLAUSIBLE)
_MOST_QUANTITIES = 1024
_LAST_TIME = 4_102_444_800.0
"""2100-01-01. Ingest re-times what lies outside; nothing of the kind may stop the rules."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What the rules need to know of a person. No name, no number of the outside world."""

    no: int
    shard: int
    scale2: bool = False
    on_oxygen: bool = False
    pregnant: bool = False
    born: float | None = None  # Unix seconds; None: not known, taken for an adult
    limits: Mapping[str, Mapping[str, float | None]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An open alert of a rule, as it was when the memory was loaded."""

    person_no: int
    rule_id: str
    rank: int  # of its severity; 0: its condition has cleared
    at: float  # when it was last written
    measured: int = 0  # bits of the score parts it rests on


@dataclass(frozen=True, slots=True)
class Columns:
    """Which quantities are kept and which rules are judged on them, as column numbers.

    Rule column 0 is the early-warning score; rule column ``1 + n`` is the n-th limit rule.
    """

    quantities: tuple[int, ...]
    of_quantity: NDArray[np.int64]
    parts: NDArray[np.int64]
    score: pack.ScoreRule
    limits: tuple[pack.LimitRule, ...]
    limit_of: NDArray[np.int64]
    low: FloatArray
    high: FloatArray
    low_scale2: FloatArray
    margin: FloatArray
    rank: NDArray[np.int8]

    @classmethod
    def of(cls, score: pack.ScoreRule, limits: Sequence[pack.LimitRule]) -> Columns:
        """Lay out the columns that the given rules need."""
        part_numbers = [vitals.BY_NAME[name].no for name in PARTS]
        quantities = tuple(dict.fromkeys([*part_numbers, *(r.quantity for r in limits)]))
        of_quantity = np.full(_MOST_QUANTITIES, UNKNOWN)
        of_quantity[list(quantities)] = np.arange(len(quantities))
        limit_of = np.full(len(quantities), UNKNOWN)
        limit_of[of_quantity[[r.quantity for r in limits]]] = np.arange(len(limits))
        bounds = np.array(
            [[_nan(r.low), _nan(r.high), _nan(r.low_scale2), r.clear_margin] for r in limits]
        ).reshape(len(limits), 4)
        return cls(
            quantities,
            of_quantity,
            of_quantity[part_numbers],
            score,
            tuple(limits),
            limit_of,
            bounds[:, 0],
            bounds[:, 1],
            bounds[:, 2],
            bounds[:, 3],
            np.array([0, *(r.severity.rank for r in limits)], dtype=np.int8),
        )

    def index(self, quantity: IntArray) -> IntArray:
        """Return the column of each quantity number, -1 for those that no rule reads."""
        inside = (quantity >= 0) & (quantity < _MOST_QUANTITIES)
        return np.where(inside, self.of_quantity[np.where(inside, quantity, 0)], UNKNOWN)

    @property
    def rules(self) -> int:
        """Return how many rule columns there are."""
        return 1 + len(self.limits)

    def rule_column(self, rule_id: str) -> int | None:
        """Return the rule column of a rule's id, None when these columns don't have it."""
        if rule_id == self.score.id:
            return 0
        return next((1 + n for n, r in enumerate(self.limits) if r.id == rule_id), None)


def judged(rows: Rows) -> BoolArray:
    """Return which rows can be judged at all: of a person, alive, plausible, a number."""
    keep: BoolArray = (
        (rows["person"] > 0)
        & ((rows["flags"] & _NOT_JUDGED) == 0)
        & np.isfinite(rows["value"])
        & (rows["time"] > 0)
        & (rows["time"] < _LAST_TIME)
    )
    return keep


class Latest:
    """Latest values of n people; slots are positions in the arrays, kept while a person is here.

    All arrays are as long as the capacity; the first ``count`` rows are in use.
    """

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self.count = 0
        self._slot_of = np.full(1024, UNKNOWN, dtype=np.int64)
        self._allocate(64)

    def _allocate(self, capacity: int) -> None:
        k, r = len(self.columns.quantities), self.columns.rules
        self.person = np.zeros(capacity, dtype=np.int64)
        self.shard = np.zeros(capacity, dtype=np.int16)
        self.value = np.full((capacity, k), np.nan)
        self.time = np.full((capacity, k), -np.inf)
        self.low = np.full((capacity, len(self.columns.limits)), np.nan)
        self.high = np.full((capacity, len(self.columns.limits)), np.nan)
        self.personal = np.zeros((capacity, len(self.columns.limits), 2), dtype=bool)
        self.scale2 = np.zeros(capacity, dtype=bool)
        self.oxygen = np.zeros(capacity, dtype=bool)
        self.pregnant = np.zeros(capacity, dtype=bool)
        self.adult_at = np.full(capacity, -np.inf)
        self.told = np.zeros((capacity, r), dtype=np.int8)
        self.told_at = np.full((capacity, r), -np.inf)
        self.told_parts = np.zeros(capacity, dtype=np.int64)

    _ARRAYS = (
        "person", "shard", "value", "time", "low", "high", "personal", "scale2", "oxygen",
        "pregnant", "adult_at", "told", "told_at", "told_parts",
    )  # fmt: skip

    @property
    def nbytes(self) -> int:
        """Return the memory of the arrays. [B]"""
        arrays = (getattr(self, name) for name in self._ARRAYS)
        return int(sum(array.nbytes for array in arrays)) + self._slot_of.nbytes

    def slots(self, persons: IntArray) -> IntArray:
        """Return each person's slot, -1 for people who aren't here."""
        inside = (persons >= 0) & (persons < self._slot_of.size)
        return np.where(inside, self._slot_of[np.where(inside, persons, 0)], UNKNOWN)

    def unknown(self, rows: Rows) -> IntArray:
        """Return the people of a batch that would be judged but aren't here yet."""
        keep = judged(rows) & (self.columns.index(rows["quantity"].astype(np.int64)) >= 0)
        persons = np.unique(rows["person"][keep])
        return np.asarray(persons[self.slots(persons) < 0], dtype=np.int64)

    def put(self, people: Sequence[Person]) -> None:
        """Add people, or renew what the register says of those who are here."""
        if not people:
            return
        numbers = np.array([p.no for p in people], dtype=np.int64)
        slots = self._places(numbers)
        self.shard[slots] = [p.shard for p in people]
        self.scale2[slots] = [p.scale2 for p in people]
        self.oxygen[slots] = [p.on_oxygen for p in people]
        self.pregnant[slots] = [p.pregnant for p in people]
        year = 365.2425 * 86_400
        self.adult_at[slots] = [
            -np.inf if p.born is None else p.born + self.columns.score.from_age * year
            for p in people
        ]
        second = self.scale2[slots, None] & ~np.isnan(self.columns.low_scale2)
        self.low[slots] = np.where(second, self.columns.low_scale2, self.columns.low)
        self.high[slots] = self.columns.high
        self.personal[slots] = False
        for slot, one in zip(slots, people, strict=True):
            if one.limits:  # only people whose care plan sets limits
                self._personal(int(slot), one.limits)

    def _personal(self, slot: int, limits: Mapping[str, Mapping[str, float | None]]) -> None:
        for n, rule in enumerate(self.columns.limits):
            own = limits.get(vitals.BY_NO[rule.quantity].name)
            if not isinstance(own, Mapping):
                continue
            for side, array, key in ((0, self.low, "low"), (1, self.high, "high")):
                # null switches the default off; what is no number leaves it standing
                if key in own and _sound(own[key]):
                    array[slot, n] = _nan(own[key])
                    self.personal[slot, n, side] = True

    def put_told(self, told: Sequence[Told]) -> None:
        """Take over which alerts are open, as the database has them."""
        for one in told:
            slot = int(self.slots(np.array([one.person_no]))[0])
            column = self.columns.rule_column(one.rule_id)
            if slot >= 0 and column is not None:
                self.told[slot, column] = one.rank
                self.told_at[slot, column] = one.at
                if column == 0:
                    self.told_parts[slot] = one.measured

    def forget_told(self, person_no: int, rule_id: str) -> None:
        """Forget an alert that a person closed, so that the next bad reading raises anew."""
        slot = int(self.slots(np.array([person_no]))[0])
        column = self.columns.rule_column(rule_id)
        if slot >= 0 and column is not None:
            self.told[slot, column] = 0
            self.told_at[slot, column] = -np.inf

    def fill(
        self, persons: IntArray, quantities: IntArray, times: FloatArray, values: FloatArray
    ) -> None:
        """Take over readings from the store; one per person and quantity."""
        slots, columns = self.slots(persons), self.columns.index(quantities)
        keep = (slots >= 0) & (columns >= 0)
        slots, columns, times, values = slots[keep], columns[keep], times[keep], values[keep]
        newer = times > self.time[slots, columns]
        self.time[slots[newer], columns[newer]] = times[newer]
        self.value[slots[newer], columns[newer]] = values[newer]

    def forget(self, shards: Sequence[int]) -> None:
        """Drop everybody of the given shards and close the gaps."""
        keep = np.flatnonzero(~np.isin(self.shard[: self.count], list(shards)))
        self._slot_of[self.person[: self.count]] = UNKNOWN
        kept = {name: getattr(self, name)[keep] for name in self._ARRAYS}
        self._allocate(max(64, keep.size))
        for name, array in kept.items():
            getattr(self, name)[: keep.size] = array
        self.count = int(keep.size)
        self._slot_of[self.person[: self.count]] = np.arange(self.count)

    def _places(self, numbers: IntArray) -> IntArray:
        most = int(numbers.max())
        if most >= self._slot_of.size:
            grown = np.full(max(most + 1, 2 * self._slot_of.size), UNKNOWN, dtype=np.int64)
            grown[: self._slot_of.size] = self._slot_of
            self._slot_of = grown
        new = np.unique(numbers[self._slot_of[numbers] < 0])
        if self.count + new.size > self.person.size:
            self._grow(self.count + new.size)
        places = np.arange(self.count, self.count + new.size)
        self.person[places] = new
        self._slot_of[new] = places
        self.count += int(new.size)
        return np.asarray(self._slot_of[numbers], dtype=np.int64)

    def _grow(self, least: int) -> None:
        old = {name: getattr(self, name) for name in self._ARRAYS}
        self._allocate(max(least, 2 * self.person.size))
        for name, array in old.items():
            getattr(self, name)[: self.count] = array[: self.count]


def _sound(value: object) -> bool:
    """Tell whether a bound of the register is one; one bad care plan must not stop the others."""
    if value is None:
        return True
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _nan(value: float | None) -> float:
    return float("nan") if value is None else float(value)
