"""Tables of columns that grow and shrink, and the two ways from a number to a row of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

ABSENT = -1
DECIMALS = 4
"""Of readings: what a four-byte number holds of a value of up to three digits."""


class Column(NamedTuple):
    """One column: its type, what a new row holds, and the shape of one row's entry."""

    dtype: str
    fill: Any = 0
    shape: tuple[int, ...] = ()


class Table:
    """A structure of arrays; the first ``count`` rows are in use, the rest is room to grow."""

    COLUMNS: ClassVar[Mapping[str, Column]] = {}

    def __init__(self, **more: Column) -> None:
        self.columns: dict[str, Column] = {**self.COLUMNS, **more}
        self.count = 0
        self._capacity = 0
        self._room(16)

    def add(self, n: int) -> IntArray:
        """Add n rows as new and return where they are."""
        if self.count + n > self._capacity:
            self._room(max(self.count + n, self._capacity + self._capacity // 2))
        rows = np.arange(self.count, self.count + n)
        for name, column in self.columns.items():
            getattr(self, name)[rows] = column.fill
        self.count += n
        return rows

    def keep(self, rows: IntArray) -> None:
        """Keep only the given rows, in that order."""
        kept = {name: getattr(self, name)[rows] for name in self.columns}
        self._capacity = 0
        self.count = 0
        self._room(max(16, rows.size))
        self.count = int(rows.size)
        for name, array in kept.items():
            getattr(self, name)[: rows.size] = array

    def widen(self, name: str, width: int) -> None:
        """Make the entries of a one-dimensional column longer; they never get shorter."""
        old, column = getattr(self, name), self.columns[name]
        if column.shape[0] >= width:
            return
        self.columns[name] = column._replace(shape=(width,))
        new = np.full((self._capacity, width), column.fill, dtype=column.dtype)
        new[:, : column.shape[0]] = old
        setattr(self, name, new)

    def dump(self, rows: IntArray) -> dict[str, NDArray[Any]]:
        """Return copies of the given rows, column by column."""
        return {name: getattr(self, name)[rows] for name in self.columns}

    def extend(self, columns: Mapping[str, NDArray[Any]]) -> IntArray:
        """Add dumped rows and return where they are."""
        n = len(next(iter(columns.values())))
        rows = self.add(n)
        for name in self.columns:
            getattr(self, name)[rows] = columns[name]
        return rows

    @property
    def nbytes(self) -> int:
        """Return the memory of all columns, room to grow included. [B]"""
        return sum(int(getattr(self, name).nbytes) for name in self.columns)

    def _room(self, capacity: int) -> None:
        for name, column in self.columns.items():
            new = np.full((capacity, *column.shape), column.fill, dtype=column.dtype)
            if self._capacity:
                new[: self.count] = getattr(self, name)[: self.count]
            setattr(self, name, new)
        self._capacity = capacity


class Numbered:
    """Rows by numbers of the database, which are dense: one array."""

    def __init__(self) -> None:
        self._row = np.full(1024, ABSENT, dtype=np.int32)

    def rows(self, numbers: NDArray[np.integer]) -> IntArray:
        """Return each number's row, ``ABSENT`` for those without one."""
        inside = (numbers >= 0) & (numbers < self._row.size)
        return np.where(inside, self._row[np.where(inside, numbers, 0)], ABSENT).astype(np.int64)

    def row(self, number: int) -> int:
        """Return one number's row."""
        return int(self._row[number]) if 0 <= number < self._row.size else ABSENT

    def put(self, numbers: NDArray[np.integer], rows: IntArray) -> None:
        """Say where numbers are."""
        if not numbers.size:
            return
        most = int(numbers.max())
        if most >= self._row.size:
            grown = np.full(max(most + 1, self._row.size * 3 // 2), ABSENT, dtype=np.int32)
            grown[: self._row.size] = self._row
            self._row = grown
        self._row[numbers] = rows

    def reset(self, numbers: NDArray[np.integer]) -> None:
        """Have exactly these numbers, in the order of their rows."""
        self._row = np.full(max(1024, int(numbers.max(initial=0)) + 1), ABSENT, dtype=np.int32)
        self._row[numbers] = np.arange(numbers.size)

    @property
    def nbytes(self) -> int:
        """Return the memory. [B]"""
        return self._row.nbytes


class Paired:
    """Rows by (row of another table, small number): open addressing over arrays.

    A look-up of many keys costs a few array operations, whatever the size.
    """

    _EMPTY: ClassVar[int] = -1

    def __init__(self) -> None:
        self._keys = np.full(64, self._EMPTY, dtype=np.int64)
        self._rows = np.full(64, ABSENT, dtype=np.int32)
        self._used = 0

    @property
    def nbytes(self) -> int:
        """Return the memory. [B]"""
        return self._keys.nbytes + self._rows.nbytes

    def find(self, slots: NDArray[np.integer], small: NDArray[np.integer] | int) -> IntArray:
        """Return the row of each pair, ``ABSENT`` where there is none or the slot is absent."""
        keys = np.where(slots >= 0, slots.astype(np.int64) * 256 + small, -2)
        place = self._place(keys)
        out = np.full(keys.shape, ABSENT, dtype=np.int64)
        todo = np.arange(keys.size)
        while todo.size:
            at = place[todo]
            there = self._keys[at]
            hit = there == keys[todo]
            out[todo[hit]] = self._rows[at[hit]]
            go_on = ~hit & (there != self._EMPTY)
            todo = todo[go_on]
            place[todo] = (place[todo] + 1) & (self._keys.size - 1)
        return out

    def put(
        self,
        slots: NDArray[np.integer],
        small: NDArray[np.integer],
        rows: IntArray,
    ) -> None:
        """Take in new pairs, none of them known and none twice."""
        need = self._used + slots.size
        if need * 10 > self._keys.size * 7:
            self._grow(need)
        self._insert(slots.astype(np.int64) * 256 + small, rows.astype(np.int32))
        self._used = need

    def _insert(self, keys: IntArray, rows: NDArray[np.int32]) -> None:
        place = self._place(keys)
        todo = np.arange(keys.size)
        while todo.size:
            at = place[todo]
            free = self._keys[at] == self._EMPTY
            # of several that want the same free place the last one written gets it
            self._keys[at[free]] = keys[todo[free]]
            won = free & (self._keys[at] == keys[todo])
            self._rows[at[won]] = rows[todo[won]]
            todo = todo[~won]
            place[todo] = (place[todo] + 1) & (self._keys.size - 1)

    def _grow(self, need: int) -> None:
        size = 64
        while need * 10 > size * 6:
            size *= 2
        used = self._keys != self._EMPTY
        keys, rows = self._keys[used], self._rows[used]
        self._keys = np.full(size, self._EMPTY, dtype=np.int64)
        self._rows = np.full(size, ABSENT, dtype=np.int32)
        self._insert(keys, rows)

    def _place(self, keys: IntArray) -> IntArray:
        bits = int(self._keys.size).bit_length() - 1
        mixed = keys.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        return (mixed >> np.uint64(64 - bits)).astype(np.int64)


def exact(values: NDArray[np.floating]) -> FloatArray:
    """Return numbers kept in four bytes as the decimal fractions that were measured."""
    return np.round(values.astype(np.float64), DECIMALS)


def renumbered(keep: Sequence[int] | IntArray, size: int) -> IntArray:
    """Return the new row of each old one after keeping some, ``ABSENT`` for those dropped."""
    out = np.full(size + 1, ABSENT, dtype=np.int64)  # the last entry answers for ABSENT itself
    kept = np.asarray(keep, dtype=np.int64)
    out[kept] = np.arange(kept.size)
    return out
