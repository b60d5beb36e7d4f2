"""What conditions are judged on: every signal of the vocabulary, computed from the memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alerts.rules import vocabulary
from alerts.rules.language import Signal
from alerts.rules.pack import AT_HOME
from alerts.state import activity, series
from alerts.state.memory import Memory
from alerts.state.subjects import States
from alerts.state.table import BoolArray, FloatArray, IntArray, exact, places
from ingest.kernel import localtime, vitals

DAY_S: Final = 86_400.0
AFTER_DOOR_S: Final = 120.0
"""Motion this soon after the door is of the person who is leaving. Unsourced. [s]"""
AFTER_FALL_S: Final = 60.0
"""Motion this soon after a fall is of the fall. Unsourced. [s]"""
_DAY_MINUTES: Final = 1_440
FALL_COUNTS_S: Final = 12 * 3_600.0
"""A fall longer ago is no reason to look for stillness. Unsourced. [s]"""


class _Env(ABC):
    """n subjects, each at a moment; the clock is the hub's."""

    def __init__(
        self, memory: Memory, slots: IntArray, moment: FloatArray, *, now: float, fresh: float
    ) -> None:
        self._memory = memory
        self._slots = slots
        self._moment = moment
        self._now = now
        self._fresh = fresh
        self._cache: dict[Signal, FloatArray] = {}
        self.size = slots.size

    def signal(self, signal: Signal) -> FloatArray:
        """Return a signal's values, NaN where unknown."""
        found = self._cache.get(signal)
        if found is None:
            found = self._cache[signal] = self._signal(signal)
        return found

    @abstractmethod
    def _signal(self, signal: Signal) -> FloatArray: ...

    def recent(self, signal: Signal, n: int) -> tuple[FloatArray, FloatArray]:
        """Return nothing: of homes and devices only the newest is remembered."""
        del signal
        return np.full((self.size, n), np.nan), np.full((self.size, n), np.inf)

    def parameter(self, n: int) -> FloatArray:
        """Return nothing: only people have numbers of their own."""
        del n
        return np.full(self.size, np.nan)


class HomeEnv(_Env):
    """n homes, each at a moment."""

    def __init__(
        self, memory: Memory, slots: IntArray, moment: FloatArray, *, now: float, fresh: float
    ) -> None:
        super().__init__(memory, slots, moment, now=now, fresh=fresh)
        self._patterned: tuple[IntArray, IntArray, FloatArray, IntArray] | None = None
        self._local_moment: FloatArray | None = None
        self._whether_out: tuple[BoolArray, BoolArray] | None = None

    def some(self, which: NDArray[np.intp]) -> HomeEnv:
        """Return the same for some of them."""
        out = HomeEnv(
            self._memory, self._slots[which], self._moment[which], now=self._now, fresh=self._fresh
        )
        out._cache.update({k: v[which] for k, v in self._cache.items()})
        return out

    def minute(self) -> FloatArray:
        """Return the local minute of the day."""
        return localtime.minute(self._here()).astype(np.float64)

    def when(self, minute: int) -> FloatArray:
        """Return when it will next be that minute of the day; never too late. [s, Unix]"""
        wait = np.mod(minute - self.minute(), _DAY_MINUTES)
        wait = np.where(wait == 0, _DAY_MINUTES, wait) * 60.0
        turned = self._local(self._moment + wait) - self._here() - wait  # clocks that are changed
        return self._moment + wait - np.maximum(turned, 0.0)

    def _here(self) -> FloatArray:
        if self._local_moment is None:
            self._local_moment = self._local(self._moment)
        return self._local_moment

    def watched(self) -> BoolArray:
        """Return in which homes anything has ever moved."""
        return self._out()[0]

    def _out(self) -> tuple[BoolArray, BoolArray]:
        """Return in which homes anything has ever moved, and out of which everybody has gone."""
        if self._whether_out is None:
            moved, door = (a[self._slots] for a in (self._memory.homes.moved,
                                                    self._memory.homes.door))  # fmt: skip
            watched = np.isfinite(moved)
            out = watched & np.isfinite(door) & (door + AFTER_DOOR_S >= moved)
            self._whether_out = watched, out
        return self._whether_out

    def time_of(self, signal: Signal) -> FloatArray:
        """Return when what a signal rests on was measured, NaN where that says nothing."""
        m, s = self._memory, self._slots
        if signal.name in ("value", "held"):
            rows = m.home_states.find(s, m.plan.column(signal.quantity))
            return np.where(rows >= 0, m.home_states.time[np.maximum(rows, 0)], np.nan)
        if signal.name == "after_fall":
            return np.where(np.isfinite(m.homes.fell[s]), m.homes.fell[s], np.nan)
        if signal.name in ("away", "door_minute"):
            return np.where(np.isfinite(m.homes.door[s]), m.homes.door[s], np.nan)
        return np.where(np.isfinite(m.homes.moved[s]), m.homes.moved[s], np.nan)

    def _signal(self, signal: Signal) -> FloatArray:
        m, s, homes = self._memory, self._slots, self._memory.homes
        if signal.quantity:
            return self._state(signal)
        if signal.name == "residents":
            return homes.residents[s].astype(np.float64)
        if signal.name == "light":
            value = self._state(Signal("value", "illuminance"))
            return np.where(np.isnan(value), 0.0, value)
        if signal.name == "door_minute":
            used = np.isfinite(homes.door[s])
            at = self._local(np.where(used, homes.door[s], 0.0))
            return np.where(used, localtime.minute(at), np.nan)
        watched, out = self._out()
        # time in which the hub heard nothing is no stillness
        moved = np.maximum(homes.moved[s], m.heard_since)
        if signal.name == "still":
            return np.where(watched, np.where(out, 0.0, self._now - moved), np.nan)
        if signal.name == "away":
            gone = self._now - np.maximum(homes.door[s], m.heard_since)
            return np.where(watched, np.where(out, gone, 0.0), np.nan)
        if signal.name == "after_fall":
            fell = homes.fell[s]
            lying = np.isfinite(fell) & (homes.moved[s] <= fell + AFTER_FALL_S)
            since = self._now - np.maximum(fell, m.heard_since)
            # too long ago to be raised, and still nothing has moved: unknown, not over
            since = np.where(self._now - fell <= FALL_COUNTS_S, since, np.nan)
            return np.where(watched, np.where(lying, since, 0.0), np.nan)
        return self._pattern(signal, moved)

    def _pattern(self, signal: Signal, moved: FloatArray) -> FloatArray:
        m, value = self._memory, np.full(self.size, np.nan)
        if self._patterned is None:
            at = places(self.watched() & (m.homes.activity[self._slots] >= 0))
            rows = m.homes.activity[self._slots[at]].astype(np.int64)
            local = self._local(np.full(self.size, self._now))[at]
            self._patterned = at, rows, local, localtime.day(local)
        at, rows, local, today = self._patterned
        if not at.size:
            return value
        if signal.name == "days_known":
            value[at] = m.activity.days_known(rows)
        elif signal.name == "quiet_hours":
            value[at] = 0.0
            inside = places(~self._out()[1][at])
            at, rows, local = at[inside], rows[inside], local[inside]
            begin = self._memory.zones.local(moved[at], m.homes.zone[self._slots[at]])
            value[at] = m.activity.quiet_hours(
                rows, np.maximum(begin, local - 2 * DAY_S), local
            )  # fmt: skip
        elif signal.name == "bed_overdue":
            value[at] = self._bed_overdue(rows, local, at)
        else:
            which = activity.EVERY.index(signal.what)
            count = m.activity.on_day(rows, which, today)
            if signal.name == "count":
                value[at] = count
            else:
                middle, spread = m.activity.usual(rows, which, today)
                value[at] = middle if signal.name == "usual_count" else (count - middle) / spread
        return value

    def _bed_overdue(self, rows: IntArray, local: FloatArray, at: IntArray) -> FloatArray:
        m, out = self._memory, np.full(at.size, np.nan)
        states = m.home_states.find(self._slots[at], vitals.BY_NAME["bed_occupied"].no)
        known = places(states >= 0)
        if not known.size:
            return out
        rows, local, states = rows[known], local[known], states[known]
        lying = m.home_states.value[states] > 0
        today = localtime.day(local)
        usual = m.activity.usual_up(rows, today)
        over = np.maximum(localtime.minute(local) - usual, 0.0) * 60.0
        still_in = lying & ~m.activity.up_today(rows, today)
        out[known] = np.where(np.isnan(usual), np.nan, np.where(still_in, over, 0.0))
        return out

    def _state(self, signal: Signal) -> FloatArray:
        m = self._memory
        rows = m.home_states.find(self._slots, m.plan.column(signal.quantity))
        return _state_of(m.home_states, rows, signal, at=self._moment, fresh=self._fresh)

    def _local(self, times: FloatArray) -> FloatArray:
        return self._memory.zones.local(times, self._memory.homes.zone[self._slots])


class DeviceEnv(_Env):
    """n devices, now."""

    def __init__(self, memory: Memory, slots: IntArray, *, now: float, fresh: float) -> None:
        super().__init__(memory, slots, np.full(slots.size, now), now=now, fresh=fresh)

    def some(self, which: NDArray[np.intp]) -> DeviceEnv:
        """Return the same for some of them."""
        return DeviceEnv(self._memory, self._slots[which], now=self._now, fresh=self._fresh)

    def minute(self) -> FloatArray:
        """Return nothing: devices have no day."""
        return np.full(self.size, np.nan)

    def time_of(self, signal: Signal) -> FloatArray:
        """Return when the value was said."""
        rows = self._rows(signal)
        times = self._memory.device_states.time
        return np.where(rows >= 0, times[np.maximum(rows, 0)], np.nan)

    def _signal(self, signal: Signal) -> FloatArray:
        states = self._memory.device_states
        return _state_of(states, self._rows(signal), signal, at=self._moment, fresh=np.inf)

    def _rows(self, signal: Signal) -> IntArray:
        column = self._memory.plan.column(signal.quantity)
        return self._memory.device_states.find(self._slots, column)


class PersonEnv(_Env):
    """n people, each at a moment."""

    def __init__(
        self,
        memory: Memory,
        slots: IntArray,
        moment: FloatArray,
        *,
        now: float,
        fresh: float,
        own: Mapping[int, FloatArray] | None = None,
        parameters: FloatArray | None = None,
    ) -> None:
        super().__init__(memory, slots, moment, now=now, fresh=fresh)
        self._own = own or {}  # what a late reading itself says, by column
        self._parameters = parameters
        self._times: dict[str, FloatArray] = {}
        self._days: dict[str, tuple[FloatArray, IntArray]] = {}
        self._usual: dict[str, tuple[FloatArray, FloatArray]] = {}
        self._limits: dict[str, tuple[FloatArray, FloatArray, IntArray]] = {}
        self._home: HomeEnv | None = None

    def some(self, which: NDArray[np.intp]) -> PersonEnv:
        """Return the same for some of them."""
        out = PersonEnv(
            self._memory, self._slots[which], self._moment[which], now=self._now, fresh=self._fresh,
            own={c: v[which] for c, v in self._own.items()},
            parameters=None if self._parameters is None else self._parameters[which],
        )  # fmt: skip
        out._cache.update({k: v[which] for k, v in self._cache.items()})
        out._times.update({k: v[which] for k, v in self._times.items()})
        return out

    def recent(self, signal: Signal, n: int) -> tuple[FloatArray, FloatArray]:
        """Return the newest n readings up to each moment and their ages."""
        rows = self._rows(signal.quantity)
        values, times = self._memory.series.last(rows, self._moment, n)
        return values, self._moment[:, None] - times

    def minute(self) -> FloatArray:
        """Return the local minute of the day."""
        return localtime.minute(self._local()).astype(np.float64)

    def parameter(self, n: int) -> FloatArray:
        """Return the n-th of each person's own numbers."""
        assert self._parameters is not None  # noqa: S101  (only care plans have them)
        return self._parameters[:, n]

    def origin(self, quantity: str) -> IntArray:
        """Return where each person's limits come from, see :meth:`Memory.limit`."""
        return self._limit(quantity)[2]

    def time_of(self, signal: Signal) -> FloatArray:
        """Return when what a signal rests on was measured, NaN where that says nothing."""
        q = signal.quantity
        if signal.name in ("low", "high"):
            return np.full(self.size, np.nan)
        if not q or q in AT_HOME:
            return self._of_home(signal, times=True)
        self._value(q)
        return np.where(np.isfinite(self._times[q]), self._times[q], np.nan)

    def _signal(self, signal: Signal) -> FloatArray:
        q = signal.quantity
        if not q or q in AT_HOME:
            return self._of_home(signal)
        match signal.name:
            case "value":
                return self._value(q)
            case "low" | "high":
                low, high, _ = self._limit(q)
                return low if signal.name == "low" else high
            case "age":
                value, times = self._memory.series.at(self._rows(q), self._moment)
                return np.where(np.isnan(value), np.nan, self._now - times)
            case "gain" | "loss" | "mean" | "slope":
                return self._over(signal)
        median, spread = self._usually(q)
        if signal.name == "usual":
            return median
        if signal.name == "z":
            return (self._value(q) - median) / spread
        days, age = self._by_day(q)
        return series.drift(days, age, median, spread, up=signal.name == "drift_up")

    def _over(self, signal: Signal) -> FloatArray:
        """Return what the days of a window come to."""
        days, age = self._by_day(signal.quantity)
        window = round(signal.window / DAY_S)
        if signal.name == "slope":
            return series.slope(days, age, window)
        if signal.name == "mean":
            inside = (age >= 0) & (age < window) & ~np.isnan(days)
            n = inside.sum(axis=1)
            with np.errstate(invalid="ignore", divide="ignore"):
                found = np.where(inside, days, 0.0).sum(axis=1) / n
            return np.where(n >= max(1, signal.least), found, np.nan)
        value = self._value(signal.quantity)
        inside = (age >= 1) & (age <= window) & ~np.isnan(days)
        if signal.name == "gain":
            base = np.where(inside, days, np.inf).min(axis=1)
            return np.where(np.isfinite(base), value - base, np.nan)
        base = np.where(inside, days, -np.inf).max(axis=1)
        return np.where(np.isfinite(base), base - value, np.nan)

    def _value(self, quantity: str) -> FloatArray:
        signal = Signal("value", quantity)
        if signal in self._cache and quantity in self._times:
            return self._cache[signal]
        column = self._memory.plan.column(quantity)
        value, times = self._memory.series.at(self._rows(quantity), self._moment)
        own = self._own.get(column)
        if own is not None:
            said = ~np.isnan(own)
            value, times = np.where(said, own, value), np.where(said, self._moment, times)
        old = self._moment - times > self._fresh
        value = np.where(old, np.nan, value)
        if quantity == "on_oxygen":  # known from the register where no device says it
            times = np.where(np.isnan(value), -np.inf, times)
            register = self._memory.people.oxygen[self._slots].astype(np.float64)
            value = np.where(np.isnan(value), register, value)
        self._cache[signal], self._times[quantity] = value, times
        return value

    def _limit(self, quantity: str) -> tuple[FloatArray, FloatArray, IntArray]:
        if quantity not in self._limits:
            column = self._memory.plan.column(quantity)
            self._limits[quantity] = self._memory.limit(self._slots, column)
        return self._limits[quantity]

    def _usually(self, quantity: str) -> tuple[FloatArray, FloatArray]:
        if quantity not in self._usual:
            days, age = self._by_day(quantity)
            least = self._memory.plan.spread[self._memory.plan.column(quantity)]
            floor = np.full(self.size, 1e-9 if np.isnan(least) else least)
            self._usual[quantity] = series.usual(days, age, floor)
        return self._usual[quantity]

    def _by_day(self, quantity: str) -> tuple[FloatArray, IntArray]:
        if quantity not in self._days:
            day = localtime.day(self._local())
            self._days[quantity] = self._memory.series.days_until(self._rows(quantity), day)
        return self._days[quantity]

    def _rows(self, quantity: str) -> IntArray:
        return self._memory.series.find(self._slots, self._memory.plan.column(quantity))

    def _local(self) -> FloatArray:
        return self._memory.zones.local(self._moment, self._memory.people.zone[self._slots])

    def _of_home(self, signal: Signal, *, times: bool = False) -> FloatArray:
        """Return what a home says of a person: only of somebody who lives there alone."""
        m = self._memory
        homes = m.homes.rows(m.people.home[self._slots])
        alone = homes >= 0
        alone[alone] &= m.homes.only[homes[alone]] == m.people.no[self._slots[alone]]
        if signal.name == "residents":
            alone = homes >= 0
        if self._home is None:
            self._home = HomeEnv(
                m, np.maximum(homes, 0), self._moment, now=self._now, fresh=self._fresh
            )
        if not m.homes.count:
            return np.full(self.size, np.nan)
        found = self._home.time_of(signal) if times else self._home.signal(signal)
        return np.where(alone, found, np.nan)


def _state_of(
    states: States, rows: IntArray, signal: Signal, *, at: FloatArray, fresh: float
) -> FloatArray:
    """Return a state's value, or how long it has been that, at a moment.

    The moment is that of the message which is judged: one that comes late says how it was then,
    not that it has been so ever since. A yes or no stands until the next message says otherwise; a
    number only while it is fresh. How long is only known of a sensor that has been seen to tell
    both ways.
    """
    there = rows >= 0
    safe = np.maximum(rows, 0)
    if signal.name == "held":
        known = there & states.both[safe]
        return np.where(known, at - states.since[safe], np.nan)
    value = np.where(there, exact(states.value[safe]), np.nan)
    if vocabulary.kind_of(signal.quantity) is vitals.ValueKind.BOOLEAN:
        return value
    return np.where(at - states.time[safe] <= fresh, value, np.nan)
