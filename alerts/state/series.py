"""Readings of a person by quantity: the newest few one by one, and the days before as one each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from alerts.rules.vocabulary import DAYS, RECENT
from alerts.state.table import (
    ABSENT,
    BoolArray,
    Column,
    FloatArray,
    IntArray,
    Scattered,
    Table,
    any_of,
    exact,
    places,
)
from ingest.kernel import localtime

_NEVER = -np.inf
_PLACE = DAYS - 1
"""Of a day among the days: their number is a power of two."""
_STEP_S = 2.0
"""Two bytes hold a day in such steps."""
_MAD = 1.4826
"""Makes the median absolute deviation of a normal distribution its standard deviation: Iglewicz
and Hoaglin, How to Detect and Handle Outliers, ASQC 1993."""
SLACK = 0.5
"""Reference value of the CUSUM in standard deviations, half the shift looked for: Montgomery,
Introduction to Statistical Quality Control, chapter on CUSUM."""
BASELINE_FROM = 3
"""Days that are left out of "usual", today included, so that a change doesn't hide itself.
Unsourced."""
BASELINE_LEAST = 5
"""Days that have to be known before there is a "usual". Unsourced."""


class Days(Table):
    """The last reading of each of the last days of a series, by local day.

    The entry of day ``d`` is at place ``d % DAYS``; ``day`` is the newest one.
    """

    COLUMNS: ClassVar = {
        "day": Column("i4", -(2**30)),
        "last": Column("f4", np.nan, (DAYS,)),
        # when that was measured, in steps of two seconds of the day from one on; zero: none
        "when": Column("u2", 0, (DAYS,)),
    }
    day: NDArray[np.int32]
    last: NDArray[np.float32]
    when: NDArray[np.uint16]

    def put(self, rows: IntArray, local: FloatArray, value: FloatArray) -> None:
        """Take in readings, at most one per row; of one day the last counts.

        The higher counts of those within the same two seconds, whatever came first.
        """
        day = localtime.day(local)
        when = (np.mod(local, localtime.DAY) / _STEP_S).astype(np.uint16) + np.uint16(1)
        self._advance(rows, day)
        known = day > self.day[rows] - DAYS
        rows, day, when, value = rows[known], day[known], when[known], value[known]
        place = day & _PLACE
        was, old = self.when[rows, place], self.last[rows, place]
        later = (when > was) | ((when == was) & (value > old))
        rows, place = rows[later], place[later]
        self.last[rows, place] = value[later]
        self.when[rows, place] = when[later]

    def _advance(self, rows: IntArray, day: IntArray) -> None:
        ahead = day - self.day[rows]
        new = ahead > 0
        if not any_of(new):
            return
        at, step, to = rows[new], np.minimum(ahead[new], DAYS), day[new]
        age = (to[:, None] - np.arange(DAYS)) & _PLACE
        gone = age < step[:, None]
        self.when[at] = np.where(gone, np.uint16(0), self.when[at])
        self.last[at] = np.where(gone, np.nan, self.last[at])
        self.day[at] = to

    def until(self, rows: IntArray, day: IntArray) -> tuple[FloatArray, IntArray]:
        """Return the days of each row and their ages seen from a day, oldest first.

        Returns
        -------
        tuple[FloatArray, IntArray]
            Values, NaN for days without one or after ``day``, shape (n, DAYS); ages in days.
        """
        value, age = np.full((rows.size, DAYS), np.nan), np.zeros((rows.size, DAYS), np.int64)
        there = places(rows >= 0)
        if not there.size:
            return value, age
        at = rows[there]
        newest = self.day[at].astype(np.int64)
        back = np.arange(DAYS - 1, -1, -1)
        place = (newest[:, None] - back) & _PLACE
        found = exact(np.take_along_axis(self.last[at], place, axis=1))
        age[there] = (day[there] - newest)[:, None] + back
        found[age[there] < 0] = np.nan
        value[there] = found
        return value, age


class Series(Scattered):
    """The newest readings of a person's quantity, newest first, and its limits.

    Extra memory for days is taken for those quantities only whose days some rule reads.
    """

    COLUMNS: ClassVar = {
        "days": Column("i4", ABSENT),
        "time": Column("f8", _NEVER, (RECENT,)),
        "value": Column("f4", np.nan, (RECENT,)),
    }
    days: NDArray[np.int32]
    time: FloatArray
    value: NDArray[np.float32]

    def __init__(self, dated: Callable[[IntArray, IntArray], BoolArray]) -> None:
        super().__init__()
        self.by_day = Days()
        self._dated = dated  # tells of which people's (slots) quantities days are kept

    @property
    def nbytes(self) -> int:
        """Return the memory, look-up and days included. [B]"""
        return super().nbytes + self.by_day.nbytes

    def made(self, rows: IntArray, slots: IntArray, small: IntArray) -> None:
        """Take in whose new rows are, and keep their days where those are asked for."""
        super().made(rows, slots, small)
        self.begin_days(rows[self._dated(slots, small)])

    def begin_days(self, rows: IntArray) -> None:
        """Keep days of series, none of which has any yet, from now on."""
        self.days[rows] = self.by_day.add(rows.size)

    def put(
        self, rows: IntArray, time: FloatArray, local: FloatArray, value: FloatArray
    ) -> BoolArray:
        """Take in readings, at most one per series; return which of them are the newest.

        Of two readings at the same time the higher counts, whatever came first.
        """
        newest = time >= self.time[rows, 0]
        ahead = time > self.time[rows, 0]
        if any_of(ahead):  # nearly always: it goes in front of the others
            at = rows[ahead]
            self.time[at, 1:], self.value[at, 1:] = self.time[at, :-1], self.value[at, :-1]
            self.time[at, 0], self.value[at, 0] = time[ahead], value[ahead]
        if not ahead.all():
            self._sort_in(rows[~ahead], time[~ahead], value[~ahead])
        days = self.days[rows]
        dated = days >= 0
        if any_of(dated):
            self.by_day.put(days[dated].astype(np.int64), local[dated], value[dated])
        return np.asarray(newest)

    def _sort_in(self, rows: IntArray, time: FloatArray, value: FloatArray) -> None:
        """Take in readings that are not newer than what is known."""
        times = np.concatenate([self.time[rows], time[:, None]], axis=1)
        values = np.concatenate([self.value[rows], value[:, None]], axis=1)
        order = np.lexsort((values, times))[:, ::-1]
        n = np.arange(rows.size)[:, None]
        times, values = times[n, order], values[n, order]
        same = times[:, 1:] == times[:, :-1]
        if any_of(same):  # one reading a moment
            times[:, 1:][same], values[:, 1:][same] = _NEVER, np.nan
            order = np.argsort(-times, axis=1, kind="stable")
            times, values = times[n, order], values[n, order]
        self.time[rows] = times[:, :RECENT]
        self.value[rows] = values[:, :RECENT]

    def at(self, rows: IntArray, moment: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return what was the newest reading at each moment, and when it was measured.

        NaN and ``-inf`` where nothing that old is remembered one by one.
        """
        value, times = np.full(rows.size, np.nan), np.full(rows.size, _NEVER)
        there = places(rows >= 0)
        if not there.size:
            return value, times
        at, until = rows[there], moment[there]
        newest = self.time[at, 0]
        value[there], times[there] = self.value[at, 0], newest
        before = places(newest > until)
        if before.size:  # judged at a moment that is over
            every = self.time[at[before]]
            fit = (every <= until[before, None]) & (every > _NEVER)
            which, n = fit.argmax(axis=1), np.arange(before.size)
            known = fit.any(axis=1)
            value[there[before]] = np.where(known, self.value[at[before], which], np.nan)
            times[there[before]] = np.where(known, every[n, which], _NEVER)
        return exact(value), times

    def last(self, rows: IntArray, moment: FloatArray, n: int) -> tuple[FloatArray, FloatArray]:
        """Return the n newest readings up to each moment and their times, newest first."""
        there = rows >= 0
        safe = np.where(there, rows, 0)
        times, values = self.time[safe].copy(), exact(self.value[safe])
        hide = (times > moment[:, None]) | ~there[:, None]
        times[hide], values[hide] = _NEVER, np.nan
        if any_of(hide):
            order = np.argsort(-times, axis=1, kind="stable")
            k = np.arange(rows.size)[:, None]
            times, values = times[k, order], values[k, order]
        return values[:, :n], times[:, :n]

    def days_until(self, rows: IntArray, day: IntArray) -> tuple[FloatArray, IntArray]:
        """Return the days of each series up to a day; all NaN for a series without days."""
        safe = np.where(rows >= 0, rows, 0)
        at = np.where(rows >= 0, self.days[safe], ABSENT).astype(np.int64)
        if not self.by_day.count:
            empty = np.full((rows.size, DAYS), np.nan)
            return empty, np.zeros(empty.shape, dtype=np.int64)
        return self.by_day.until(at, day)

    def forget(self, new_slot: IntArray) -> None:
        """Follow subjects to their new slots; series of those who are gone are dropped."""
        super().forget(new_slot)
        dated = places(self.days[: self.count] >= 0)
        self.by_day.keep(self.days[dated].astype(np.int64))
        self.days[dated] = np.arange(dated.size)

    def take_days(self, rows: IntArray, days: Mapping[str, NDArray[Any]]) -> None:
        """Add the dumped days of series that were taken in just now."""
        dated = rows[self.days[rows] >= 0]
        self.days[dated] = self.by_day.extend(days)


# -- what days tell; pure --------------------------------------------------------------------------


def usual(
    days: FloatArray, age: IntArray, least_spread: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Median and robust spread of a person's own days.

    Parameters
    ----------
    days
        One value a day, NaN where there is none, shape (n, days).
    age
        How many days ago, shape (n, days).
    least_spread
        The smallest spread that is believed, shape (n,). [the quantity's unit]

    Returns
    -------
    tuple[FloatArray, FloatArray]
        Median and 1.4826 times the median absolute deviation (at least ``least_spread``), NaN
        where fewer than `BASELINE_LEAST` days before the last `BASELINE_FROM` are known.

    References
    ----------
    .. [1] B. Iglewicz, D. Hoaglin, How to Detect and Handle Outliers, ASQC 1993 (factor 1.4826).
    """
    old = np.where(age >= BASELINE_FROM, days, np.nan)
    enough = (~np.isnan(old)).sum(axis=1) >= BASELINE_LEAST
    median, spread = np.full(len(days), np.nan), np.full(len(days), np.nan)
    if any_of(enough):
        known = old[enough]
        middle = median_of(known)
        median[enough] = middle
        spread[enough] = _MAD * median_of(np.abs(known - middle[:, None]))
    return median, np.maximum(spread, least_spread)


def median_of(values: FloatArray) -> FloatArray:
    """Return the median of each row, NaN left out; every row has a number in it."""
    ordered = np.sort(values, axis=1)  # NaN last
    n = (~np.isnan(ordered)).sum(axis=1)
    k = np.arange(len(values))
    return np.asarray((ordered[k, (n - 1) // 2] + ordered[k, n // 2]) / 2.0)


def drift(
    days: FloatArray, age: IntArray, median: FloatArray, spread: FloatArray, *, up: bool
) -> FloatArray:
    """One-sided tabular CUSUM of a person's days, standardised by their own usual.

    Parameters
    ----------
    days, age
        As in :func:`usual`, oldest first.
    median, spread
        What :func:`usual` gives.
    up
        Whether a rise is looked for, else a fall.

    Returns
    -------
    FloatArray
        Sum after the newest day, in spreads, NaN where there is no usual. [1]

    References
    ----------
    .. [1] E. S. Page, Continuous Inspection Schemes, Biometrika 41 (1954) 100-115.
    .. [2] D. C. Montgomery, Introduction to Statistical Quality Control (k = 0.5, h = 4 or 5).
    """
    steps = (days - median[:, None]) / spread[:, None]
    if not up:
        steps = -steps
    steps = np.where(np.isnan(steps), 0.0, steps - SLACK)
    total = np.zeros(len(days))
    for column in range(days.shape[1]):  # over days, for everybody at once
        total = np.maximum(0.0, total + steps[:, column])
    return np.where(np.isnan(median), np.nan, total)


def slope(days: FloatArray, age: IntArray, window: int) -> FloatArray:
    """Least-squares slope over the days of a window, NaN for fewer than three. [unit/d]"""
    fit = ~np.isnan(days) & (age >= 0) & (age <= window)
    n = fit.sum(axis=1)
    x = np.where(fit, -age.astype(np.float64), 0.0)
    y = np.where(fit, days, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mx, my = x.sum(axis=1) / n, y.sum(axis=1) / n
        dx = np.where(fit, x - mx[:, None], 0.0)
        dy = np.where(fit, days - my[:, None], 0.0)
        found = (dx * dy).sum(axis=1) / (dx * dx).sum(axis=1)
    return np.where(n >= 3, found, np.nan)  # noqa: PLR2004  (two points are no trend)
