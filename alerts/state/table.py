"""Tables of columns that grow and shrink, and the ways from a number to a row of one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
            self._room(max(self.count + n, grown(self._capacity)))
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
        if not numbers.size:
            return np.zeros(0, dtype=np.int64)
        if numbers.min() >= 0 and numbers.max() < self._row.size:  # nearly always
            return np.asarray(self._row[numbers], dtype=np.int64)
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
            longer = np.full(max(most + 1, grown(self._row.size)), ABSENT, dtype=np.int32)
            longer[: self._row.size] = self._row
            self._row = longer
        self._row[numbers] = rows

    def reset(self, numbers: NDArray[np.integer]) -> None:
        """Have exactly these numbers, in the order of their rows."""
        self._row = np.full(max(1024, int(numbers.max(initial=0)) + 1), ABSENT, dtype=np.int32)
        self._row[numbers] = np.arange(numbers.size)

    @property
    def nbytes(self) -> int:
        """Return the memory. [B]"""
        return self._row.nbytes


class ByColumn:
    """Rows by (row of another table, small number), where few small numbers are in use.

    One array for each small number that was ever met, so that a look-up is one gather.
    """

    def __init__(self) -> None:
        self._row: dict[int, NDArray[np.int32]] = {}

    @property
    def nbytes(self) -> int:
        """Return the memory. [B]"""
        return sum(int(row.nbytes) for row in self._row.values())

    def find(self, slots: NDArray[np.integer], small: NDArray[np.integer] | int) -> IntArray:
        """Return the row of each pair, ``ABSENT`` where there is none or the slot is absent."""
        if not isinstance(small, np.ndarray):
            return self._of(int(small), slots)
        numbers = numbers_in(small)
        if numbers.size == 1:
            return self._of(int(numbers[0]), slots)
        out = np.full(slots.shape, ABSENT, dtype=np.int64)
        for number in numbers.tolist():  # few
            mine = places(small == number)
            out[mine] = self._of(number, slots[mine])
        return out

    def _of(self, number: int, slots: NDArray[np.integer]) -> IntArray:
        row = self._row.get(number)
        if row is None:
            return np.full(slots.shape, ABSENT, dtype=np.int64)
        # the last entry answers for what is absent or beyond
        beyond = row.size - 1
        at = np.minimum(slots, beyond)
        at[at < 0] = beyond
        return np.asarray(row[at], dtype=np.int64)

    def put(self, slots: NDArray[np.integer], small: NDArray[np.integer], rows: IntArray) -> None:
        """Take in new pairs, none of them known and none twice."""
        for number in numbers_in(small).tolist():
            mine = places(small == number)
            most = int(slots[mine].max())
            row = self._row.get(number)
            had = 0 if row is None else row.size - 1
            if row is None or most >= had:
                room = most + 1 if row is None else max(most + 1, grown(had))
                longer = np.full(room + 1, ABSENT, dtype=np.int32)
                if row is not None:
                    longer[:had] = row[:had]
                self._row[number] = row = longer
            row[slots[mine]] = rows[mine]

    def pairs(self, count: int) -> tuple[IntArray, IntArray]:
        """Return the pair of each of the rows, which are ``count``."""
        slots, small = np.full((2, count), ABSENT, dtype=np.int64)
        for number, row in self._row.items():
            there = places(row[:-1] >= 0)
            slots[row[there]], small[row[there]] = there, number
        return slots, small


class Paired:
    """Rows by (row of another table, small number): open addressing over arrays.

    A look-up of many keys costs a few array operations, whatever the size.
    """

    _NARROW: ClassVar[int] = 2**24 - 1
    """Slots below this have keys of 32 bits."""

    def __init__(self) -> None:
        self._keys: NDArray[np.integer[Any]] = _no_keys(64, np.uint32)
        self._rows = np.full(64, ABSENT, dtype=np.int32)
        self._used = 0
        self._met = np.zeros(256, dtype=bool)  # small numbers that there are keys of

    @property
    def nbytes(self) -> int:
        """Return the memory. [B]"""
        return self._keys.nbytes + self._rows.nbytes

    def find(self, slots: NDArray[np.integer], small: NDArray[np.integer] | int) -> IntArray:
        """Return the row of each pair, ``ABSENT`` where there is none or the slot is absent."""
        out = np.full(slots.shape, ABSENT, dtype=np.int64)
        met = self._met[small]
        if not np.any(met):
            return out
        if not np.all(met):
            some = places(met)
            out[some] = self.find(slots[some], np.asarray(small)[some])
            return out
        keys = np.where(slots >= 0, slots.astype(np.int64) * 256 + small, -2)
        place, empty = self._place(keys), _empty(self._keys)
        there = self._keys[place]
        hit = there == keys
        out[hit] = self._rows[place[hit]]
        todo = places(~hit & (there != empty))
        while todo.size:
            at = place[todo] + 1
            at[at == self._keys.size] = 0
            place[todo] = at
            there = self._keys[at]
            hit = there == keys[todo]
            out[todo[hit]] = self._rows[at[hit]]
            todo = todo[~hit & (there != empty)]
        return out

    def put(
        self,
        slots: NDArray[np.integer],
        small: NDArray[np.integer],
        rows: IntArray,
    ) -> None:
        """Take in new pairs, none of them known and none twice."""
        if not slots.size:
            return
        need = self._used + slots.size
        narrow = int(slots.max()) < self._NARROW and self._keys.itemsize == 4  # noqa: PLR2004
        if need * 4 > self._keys.size * 3 or narrow != (self._keys.itemsize == 4):  # noqa: PLR2004
            self._grow(need, np.uint32 if narrow else np.int64)
        self._insert(slots.astype(np.int64) * 256 + small, rows.astype(np.int32))
        self._used = need
        self._met[small] = True

    def _insert(self, keys: IntArray, rows: NDArray[np.int32]) -> None:
        place, empty = self._place(keys), _empty(self._keys)
        todo = np.arange(keys.size)
        while todo.size:
            at = place[todo]
            free = self._keys[at] == empty
            # of several that want the same free place the last one written gets it
            self._keys[at[free]] = keys[todo[free]]
            won = free & (self._keys[at] == keys[todo])
            self._rows[at[won]] = rows[todo[won]]
            todo, at = todo[~won], at[~won] + 1
            at[at == self._keys.size] = 0
            place[todo] = at

    def _grow(self, need: int, dtype: type[np.integer[Any]]) -> None:
        size = max(64, need * 3 // 2)
        used = self._keys != _empty(self._keys)
        keys, rows = self._keys[used].astype(np.int64), self._rows[used]
        self._keys = _no_keys(size, dtype)
        self._rows = np.full(size, ABSENT, dtype=np.int32)
        self._insert(keys, rows)

    def _place(self, keys: IntArray) -> IntArray:
        mixed = keys.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        # the upper 32 bits as a fraction of the size
        return (((mixed >> np.uint64(32)) * np.uint64(self._keys.size)) >> np.uint64(32)).astype(
            np.int64
        )


class Begins:
    """Where the rows of each subject begin, where they stand together in the order of the slots.

    It says both where to look and whose a row is.
    """

    def __init__(self) -> None:
        self._begin = np.zeros(1, dtype=np.int32)  # of each slot, and where the last one's end
        self._count = 0

    @property
    def nbytes(self) -> int:
        """Return the memory. [B]"""
        return self._begin.nbytes

    @property
    def last(self) -> int:
        """Return the last slot that has rows, -1 for none."""
        return self._count - 1

    def each(self, slots: NDArray[np.integer]) -> Iterator[tuple[IntArray, IntArray]]:
        """Yield everybody's first row, then the second of those who have one, and so on.

        Each time which of the slots, and their rows.
        """
        which = places((slots >= 0) & (slots < self._count))
        row, end = self._begin[slots[which]].astype(np.int64), self._begin[slots[which] + 1]
        while any_of(more := row < end):
            which, row, end = which[more], row[more], end[more]
            yield which, row
            row = row + 1

    def whose(self, rows: IntArray) -> IntArray:
        """Return the slot that each of some rows is of."""
        wanted = np.asarray(rows, dtype=np.int32)  # of another type all of the look-up is copied
        return self._begin[: self._count + 1].searchsorted(wanted, side="right") - 1

    def slots(self) -> IntArray:
        """Return the slot of every row."""
        return np.repeat(np.arange(self._count), np.diff(self._begin[: self._count + 1]))

    def append(self, slots: IntArray, row: int) -> None:
        """Take in rows from ``row`` on: of the last subject, then of new ones in their order."""
        count = max(self._count, int(slots.max(initial=-1)) + 1)
        if count >= self._begin.size:
            longer = np.zeros(max(count + 1, grown(self._begin.size)), dtype=np.int32)
            longer[: self._count + 1] = self._begin[: self._count + 1]
            self._begin = longer
        first = max(0, self.last)
        self._begin[first + 1 : count + 1] = row + slots.searchsorted(
            np.arange(first, count), side="right"
        )
        self._count = count


class Keyed(Table):
    """A table whose rows are found by a subject's slot and a small number, none of them twice.

    Each kind says which column holds the small number and which look-up suits it.
    """

    SMALL: ClassVar[str] = "column"
    LOOK_UP: ClassVar[type[Any]]
    slot: NDArray[np.int32]

    def __init__(self, **more: Column) -> None:
        super().__init__(**more)
        self.index = self.LOOK_UP()

    @property
    def nbytes(self) -> int:
        """Return the memory, look-up included. [B]"""
        return super().nbytes + int(self.index.nbytes)

    @property
    def small(self) -> NDArray[np.uint8]:
        """Return the column of the small number."""
        return np.asarray(getattr(self, self.SMALL))

    def find(self, slots: NDArray[np.integer], small: NDArray[np.integer] | int) -> IntArray:
        """Return the row of each pair, ``ABSENT`` where there is none or the slot is absent."""
        return np.asarray(self.index.find(slots, small))

    def pairs(self) -> tuple[IntArray, IntArray]:
        """Return whose each row is: the slot and the small number."""
        n = self.count
        return self.slot[:n].astype(np.int64), self.small[:n].astype(np.int64)

    def forget(self, new_slot: IntArray) -> None:
        """Follow subjects to their new slots; rows of those who are gone are dropped."""
        slot = new_slot[self.slot[: self.count]]
        kept = places(slot >= 0)
        self.keep(kept)
        self.slot[: self.count] = slot[kept]
        self.reindex()

    def take(self, columns: Mapping[str, NDArray[Any]], slots: IntArray) -> IntArray:
        """Add dumped rows of subjects that are at ``slots`` now; return where they are."""
        self.extend({**columns, "slot": slots})
        self.reindex()
        return self.find(slots, columns[self.SMALL])

    def reindex(self) -> None:
        """Build the look-up anew."""
        self.index = self.LOOK_UP()
        n = self.count
        self.index.put(self.slot[:n], self.small[:n], np.arange(n))


class Scattered(Keyed):
    """A keyed table whose look-up alone knows whose each row is: nothing else asks often."""

    LOOK_UP = ByColumn

    def meet(self, slots: IntArray, small: IntArray) -> IntArray:
        """Return the row of each pair, made where it is new; pairs may be repeated."""
        rows = self.find(slots, small)
        new = rows < 0
        if not any_of(new):
            return rows
        keys = np.unique(slots[new] * 256 + small[new])
        self.made(self.add(keys.size), keys // 256, keys % 256)
        return self.find(slots, small)

    def made(self, rows: IntArray, slots: IntArray, small: IntArray) -> None:
        """Take in whose new rows are."""
        self.index.put(slots, small, rows)

    def pairs(self) -> tuple[IntArray, IntArray]:
        """Return whose each row is: the slot and the small number."""
        slots, small = self.index.pairs(self.count)
        return slots, small

    def forget(self, new_slot: IntArray) -> None:
        """Follow subjects to their new slots; rows of those who are gone are dropped."""
        slot, column = self.pairs()
        slot = new_slot[slot]
        kept = places(slot >= 0)
        self.keep(kept)
        self.index = self.LOOK_UP()
        self.index.put(slot[kept], column[kept], np.arange(kept.size))

    def take(self, columns: Mapping[str, NDArray[Any]], slots: IntArray) -> IntArray:
        """Add dumped rows of subjects that are at ``slots`` now; return where they are."""
        rows = self.extend(columns)
        self.index.put(slots, columns[self.SMALL], rows)
        return rows


class Grouped(Keyed):
    """A keyed table in which the few rows of a subject stand together, subjects by their slots."""

    LOOK_UP = Begins

    def find(self, slots: NDArray[np.integer], small: NDArray[np.integer] | int) -> IntArray:
        """Return the row of each pair, ``ABSENT`` where there is none or the slot is absent."""
        out = np.full(slots.shape, ABSENT, dtype=np.int64)
        wanted = np.broadcast_to(small, slots.shape)
        for which, row in self.index.each(slots):
            hit = self.small[row] == wanted[which]
            out[which[hit]] = row[hit]
        return out

    def pairs(self) -> tuple[IntArray, IntArray]:
        """Return whose each row is: the slot and the small number."""
        return self.index.slots(), self.small[: self.count].astype(np.int64)

    def of(self, slots: IntArray) -> IntArray:
        """Return the rows of subjects, none of whom is named twice."""
        return np.sort(np.concatenate([slots[:0], *(row for _, row in self.index.each(slots))]))

    def whose(self, rows: IntArray) -> IntArray:
        """Return the slot of the subject that each of some rows is of."""
        return np.asarray(self.index.whose(rows))

    def take(self, columns: Mapping[str, NDArray[Any]], slots: IntArray) -> IntArray:
        """Add rows of subjects, no pair of which is known or named twice; return where they are."""
        had = self.count
        order = np.argsort(slots, kind="stable")
        self.extend({name: column[order] for name, column in columns.items()})
        last = self.index.last
        if slots.min(initial=last) >= last:
            self.index.append(slots[order], had)
        else:  # seldom: who is new comes last
            self._arrange(np.r_[self.index.slots(), slots[order]], np.arange(self.count))
        return self.find(slots, columns[self.SMALL])

    def forget(self, new_slot: IntArray) -> None:
        """Follow subjects to their new slots; rows of those who are gone are dropped."""
        slots = new_slot[self.index.slots()]
        kept = places(slots >= 0)
        self._arrange(slots[kept], kept)

    def drop(self, rows: IntArray) -> None:
        """Drop some rows."""
        kept = np.setdiff1d(np.arange(self.count), rows)
        self._arrange(self.index.slots()[kept], kept)

    def _arrange(self, slots: IntArray, rows: IntArray) -> None:
        """Keep rows, which are of these subjects, in the order of the subjects."""
        order = np.argsort(slots, kind="stable")
        self.keep(rows[order])
        self.index = self.LOOK_UP()
        self.index.append(slots[order], 0)


def grown(size: int) -> int:
    """Return the size of what is full and grows: by a sixteenth, for room not used is memory too.

    Everything is copied some sixteen times while it grows, which costs less than filling it.
    """
    return size + max(16, size // 16)


def _no_keys(size: int, dtype: type[np.integer[Any]]) -> NDArray[np.integer[Any]]:
    return np.full(size, np.iinfo(dtype).max, dtype=dtype)


def _empty(keys: NDArray[np.integer[Any]]) -> int:
    """Return what stands where there is no key."""
    return int(np.iinfo(keys.dtype).max)


def any_of(mask: NDArray[Any]) -> bool:
    """Tell whether a mask is true anywhere; numpy's own costs more on small arrays."""
    return bool(np.count_nonzero(mask))


def places(mask: NDArray[Any]) -> IntArray:
    """Return where a mask is true; numpy's own costs more on small arrays."""
    return mask.nonzero()[0]


def numbers_in(small: NDArray[np.integer]) -> IntArray:
    """Return which numbers below 256 there are, in rising order."""
    there = np.zeros(256, dtype=bool)
    there[small] = True
    return there.nonzero()[0]


def by_slot(slots: NDArray[np.integer]) -> IntArray:
    """Return the order of slots that keeps those of the same slot as they come.

    A radix sort of 16 bits a pass: slots are small numbers.
    """
    order = np.argsort(slots.astype(np.uint16), kind="stable")
    if slots.size and int(slots.max()) > np.iinfo(np.uint16).max:
        high = (slots >> 16).astype(np.uint16)
        order = order[np.argsort(high[order], kind="stable")]
    return order


def begins(ordered: NDArray[Any]) -> BoolArray:
    """Return where in ordered values a new one begins."""
    out = np.ones(ordered.size, dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=out[1:])
    return out


def ends(ordered: NDArray[Any]) -> BoolArray:
    """Return where in ordered values the last of each is."""
    out = np.ones(ordered.size, dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=out[:-1])
    return out


def exact(values: NDArray[np.floating]) -> FloatArray:
    """Return numbers kept in four bytes as the decimal fractions that were measured."""
    return values.astype(np.float64).round(DECIMALS)


def renumbered(keep: Sequence[int] | IntArray, size: int) -> IntArray:
    """Return the new row of each old one after keeping some, ``ABSENT`` for those dropped."""
    out = np.full(size + 1, ABSENT, dtype=np.int64)  # the last entry answers for ABSENT itself
    kept = np.asarray(keep, dtype=np.int64)
    out[kept] = np.arange(kept.size)
    return out
