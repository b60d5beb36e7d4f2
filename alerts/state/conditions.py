"""How far the condition of each rule is: quiet, pending, told, clearing. One rule's step, pure.

Per subject and rule one bit says what most need: nothing at all. The rest is kept in rows that
exist only while something is going on.
"""

from __future__ import annotations

from typing import ClassVar, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alerts.plan import Timing
from alerts.state.table import (
    ABSENT,
    BoolArray,
    Column,
    FloatArray,
    IntArray,
    Keyed,
    Paired,
    Table,
    any_of,
    places,
)

RANK: Final = 0x07  # of what was told, 0: nothing
PENDING: Final = 0x08
CLEARING: Final = 0x10
MUTED: Final = 0x20  # it holds, and another alert of the same subject speaks for it
_NEVER = -np.inf
_EMERGENCY: Final = 4  # the rank of the worst severity


class Open(Keyed):
    """Conditions in which something is going on."""

    SMALL = "rule"
    LOOK_UP = Paired
    COLUMNS: ClassVar = {
        "slot": Column("i4", ABSENT),
        "rule": Column("u1", 0),
        "phase": Column("u1", 0),
        "pending_at": Column("f8", np.inf),
        "clearing_at": Column("f8", np.inf),
        "raised_at": Column("f8", _NEVER),
        "told_at": Column("f8", _NEVER),
        "due": Column("f8", np.inf),  # of devices: when the clock alone may change it
        "basis": Column("u4", 0),  # parts of a score that were measured when it was told
    }
    rule: NDArray[np.uint8]
    phase: NDArray[np.uint8]
    pending_at: FloatArray
    clearing_at: FloatArray
    raised_at: FloatArray
    told_at: FloatArray
    due: FloatArray
    basis: NDArray[np.uint32]

    def meet(self, slots: IntArray, rule: int) -> IntArray:
        """Return the rows of subjects for a rule, made where they are new; none twice."""
        rows = self.find(slots, rule)
        new = places(rows < 0)
        if new.size:
            made = self.add(new.size)
            self.slot[made], self.rule[made] = slots[new], rule
            self.index.put(slots[new], np.full(new.size, rule), made)
            rows[new] = made
        return rows


class Judged(Table):
    """A table of subjects that rules are judged on."""

    COLUMNS: ClassVar = {"busy": Column("u1", 0, (1,))}  # a bit a rule: something is going on
    busy: NDArray[np.uint8]

    def __init__(self) -> None:
        super().__init__()
        self.open = Open()
        self.phase = Phases(self)

    def have_rules(self, count: int) -> None:
        """Have room for so many rules."""
        self.widen("busy", max(1, -(-count // 8)))

    def going_on(self, slots: IntArray) -> BoolArray:
        """Tell in which subjects some condition is going on, or has been told."""
        bits = self.busy[slots, 0]
        for n in range(1, self.busy.shape[1]):
            bits |= self.busy[slots, n]
        return np.asarray(bits != 0)

    def told(self, slots: IntArray) -> BoolArray:
        """Tell of which subjects a condition has been told and isn't over."""
        n, found = self.open.count, np.zeros(self.count, dtype=bool)
        found[self.open.slot[:n][(self.open.phase[:n] & RANK) != 0]] = True
        return np.asarray(found[slots])


class Phases:
    """How far conditions are: a byte by slots and rule, kept in a row where it isn't zero."""

    def __init__(self, subjects: Judged) -> None:
        self._subjects = subjects

    def __getitem__(self, key: tuple[IntArray | int, int]) -> NDArray[np.uint8]:
        slots, rule = key
        open_, slot = self._subjects.open, np.atleast_1d(slots)
        at = (self._subjects.busy[:, rule >> 3][slot] & np.uint8(1 << (rule & 7))).nonzero()[0]
        out = np.zeros(slot.shape, dtype=np.uint8)
        if at.size:
            out[at] = open_.phase[open_.find(slot[at], rule)]
        return out.reshape(np.shape(slots))

    def __setitem__(
        self, key: tuple[IntArray | int, int], phase: NDArray[np.integer] | int
    ) -> None:
        """Say how far the condition of a rule is; none of the subjects is named twice."""
        slots, rule = key
        open_, slot = self._subjects.open, np.atleast_1d(slots)
        byte = np.broadcast_to(phase, slot.shape)
        some = byte != 0
        bits = self._subjects.busy[slot, rule >> 3]
        bit = np.uint8(1 << (rule & 7))
        kept = places(some | (bits & bit != 0))
        rows = open_.meet(slot[kept], rule)
        open_.phase[rows] = byte[kept]
        self._subjects.busy[slot, rule >> 3] = np.where(some, bits | bit, bits & ~bit)

    def recall(self, rows: IntArray) -> None:
        """Take in what rows of what is open say, which were added just now."""
        subjects, open_ = self._subjects, self._subjects.open
        rows = rows[open_.phase[rows] != 0]
        bit = np.left_shift(np.uint8(1), open_.rule[rows] & 7)
        np.bitwise_or.at(subjects.busy, (open_.slot[rows], open_.rule[rows] >> 3), bit)


class Step(NamedTuple):
    """What one step of a rule did to n subjects."""

    worse: BoolArray
    renew: BoolArray
    clear: BoolArray
    pending: BoolArray  # waits for its length of time; the clock alone may end that


def step(
    phase: Phases,
    open_: Open,
    slots: IntArray,
    rule: int,
    *,
    rank: IntArray,
    false: BoolArray,
    over: BoolArray,
    at: FloatArray,
    now: float,
    timing: Timing,
) -> Step:
    """Move the condition of one rule on for n subjects, and say what has to be told.

    Parameters
    ----------
    phase
        How far the conditions of subjects are. Changed.
    open_
        What is going on. Changed.
    slots
        The subjects, none twice, shape (n,).
    rule
        The rule's column.
    rank
        How bad it certainly is, 0 where it doesn't certainly hold, shape (n,).
    false
        Where it certainly doesn't hold: what was pending is dropped, shape (n,).
    over
        Where it is certainly over, shape (n,). Neither: unknown, and nothing moves.
    at
        The moment that is judged, shape (n,). [s, Unix]
    now
        The hub's clock. [s, Unix]
    timing
        Its lengths of time.
    """
    byte = phase[slots, rule]
    told = (byte & RANK).astype(np.int64)
    nothing = np.zeros(slots.size, dtype=bool)
    busy = (rank > 0) | (byte != 0)
    if not any_of(busy):
        return Step(nothing, nothing, nothing, nothing)
    which = places(busy)
    s, rank_, at_, told_ = slots[which], rank[which], at[which], told[which]
    over_ = over[which] & (rank_ == 0)
    row = open_.meet(s, rule)
    higher = rank_ > told_
    dropped = ~higher & (false[which] | (rank_ > 0))
    open_.pending_at[row] = np.where(
        higher, np.minimum(open_.pending_at[row], at_),
        np.where(dropped, np.inf, open_.pending_at[row]),
    )  # fmt: skip
    long = at_ - open_.pending_at[row] >= timing.wait
    # a clock that was set back holds nothing for longer, and nothing holds an emergency
    since = np.maximum(now - open_.raised_at[row], 0.0)
    soon = (told_ == 0) & (since < timing.again) & (rank_ < _EMERGENCY)
    worse_ = higher & long & ~soon
    renew_ = (rank_ > 0) & ~worse_ & (told_ > 0) & (now - open_.told_at[row] >= timing.refresh)
    ending = over_ & (told_ > 0)
    open_.clearing_at[row] = np.where(
        ending, np.minimum(open_.clearing_at[row], at_),
        np.where(rank_ > 0, np.inf, open_.clearing_at[row]),
    )  # fmt: skip
    clear_ = ending & (at_ - open_.clearing_at[row] >= timing.clear)
    pending_ = higher & ~worse_
    new_told = np.where(worse_, rank_, np.where(clear_, 0, told_))
    open_.raised_at[row[worse_ & (told_ == 0)]] = now
    open_.told_at[row[worse_ | renew_ | clear_]] = now
    open_.pending_at[row[worse_]] = np.inf
    open_.clearing_at[row[clear_]] = np.inf
    muted = np.where(clear_ | worse_, 0, byte[which] & MUTED)
    # while it is unknown what is pending stays so: only then will it be seen to be over
    waits = np.isfinite(open_.pending_at[row])
    phase[s, rule] = (
        new_told | np.where(waits, PENDING, 0) | np.where(ending & ~clear_, CLEARING, 0) | muted
    ).astype(np.uint8)
    out = Step(nothing.copy(), nothing.copy(), nothing.copy(), nothing.copy())
    for whole, part in zip(out, (worse_, renew_, clear_, pending_), strict=True):
        whole[which] = part
    return out
