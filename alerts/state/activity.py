"""What moves in a home, by local hour and day: the home's own pattern and what differs from it."""

from __future__ import annotations

from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from alerts.rules.vocabulary import COUNTERS, DAYS, SPELL_S
from alerts.state.series import median_of
from alerts.state.table import BoolArray, Column, FloatArray, IntArray, Table, any_of, places
from ingest.kernel import localtime

HOURS: Final = 24
PATTERN_DAYS: Final = 14
"""Days of the pattern by hour. Unsourced: two weeks hold each weekday twice."""
PATTERN_LEAST: Final = 7
"""Days with motion before the pattern is believed. Unsourced."""
EVERY: Final = tuple(COUNTERS)
_BATHROOM, _BATHROOM_NIGHT, _MOTION_NIGHT, _BED_NIGHT = range(len(EVERY))
_MORNING: Final = 240  # unsourced: getting up before four in the morning isn't the day's first
_NO_TIME: Final = 2_000
_MAD: Final = 1.4826  # see alerts.state.series
_LEAST_SPREAD: Final = 1.0  # unsourced: one visit more or less is never a difference


class Activity(Table):
    """What moved in one home by local hour and day, and how often what is counted happened.

    Of day ``d`` tell bit ``d % PATTERN_DAYS`` (``days``, ``hours``) and the entry at place
    ``d % DAYS`` (``counts``, ``up``); ``day`` is the newest one.
    """

    COLUMNS: ClassVar = {
        "day": Column("i4", -(2**30)),
        "days": Column("u2", 0),  # on which anything moved: a bit each
        "hours": Column("u2", 0, (HOURS,)),  # on which days anything moved in that hour
        "counts": Column("u1", 0, (len(EVERY), DAYS)),
        "seen": Column("f8", -np.inf, (len(EVERY),)),  # the newest event of a counter
        "up": Column("u2", _NO_TIME, (DAYS,)),  # minute of the first getting up
    }
    day: NDArray[np.int32]
    days: NDArray[np.uint16]
    hours: NDArray[np.uint16]
    counts: NDArray[np.uint8]
    seen: FloatArray
    up: NDArray[np.uint16]

    def advance(self, rows: IntArray, day: IntArray) -> None:
        """Make room for new days; rows may be repeated."""
        new = places(day > self.day[rows])
        if not new.size:
            return
        at, which = np.unique(rows[new], return_inverse=True)
        to = np.full(at.size, -(2**30), dtype=np.int64)
        np.maximum.at(to, which, day[new])
        step = to - self.day[at]
        kept = ~_bits(_gone(to, step, PATTERN_DAYS))
        self.days[at] &= kept
        self.hours[at] &= kept[:, None]
        gone = _gone(to, step, DAYS)
        self.up[at] = np.where(gone, np.uint16(_NO_TIME), self.up[at])
        self.counts[at] = np.where(gone[:, None], np.uint8(0), self.counts[at])
        self.day[at] = to

    def moved(self, rows: IntArray, local: FloatArray) -> None:
        """Take in motion; rows may be repeated."""
        day, hour = localtime.day(local), localtime.minute(local) // 60
        known = day > self.day[rows] - PATTERN_DAYS
        rows, bit = rows[known], _bit(day[known])
        np.bitwise_or.at(self.days, rows, bit)
        np.bitwise_or.at(self.hours.reshape(-1), rows * HOURS + hour[known], bit)

    def visits(self, which: int, rows: IntArray, time: FloatArray, local: FloatArray) -> BoolArray:
        """Count visits and return which events begin one; sorted by row and time.

        Visits are apart by more than a spell.

        An event older than the newest known of its counter is part of no new visit.
        """
        first = np.r_[True, rows[1:] != rows[:-1]]
        before = np.r_[-np.inf, time[:-1]]
        before = np.where(first, self.seen[rows, which], before)
        # within a row times rise, but the remembered one may be newer than the first few
        before = np.maximum(before, self.seen[rows, which])
        begins = time - before >= SPELL_S
        day = localtime.day(local)
        known = begins & (day > self.day[rows] - DAYS)
        place = (rows[known] * len(EVERY) + which) * DAYS + day[known] % DAYS
        flat = self.counts.reshape(-1)
        at, times = np.unique(place, return_counts=True)
        flat[at] = np.minimum(flat[at].astype(np.int64) + times, 255)
        np.maximum.at(self.seen[:, which], rows, time)
        return np.asarray(known)

    def got_up(self, rows: IntArray, local: FloatArray) -> None:
        """Take in that somebody left a bed; the first time from four in the morning counts."""
        day, minute = localtime.day(local), localtime.minute(local)
        fit = (minute >= _MORNING) & (day > self.day[rows] - DAYS)
        place = rows[fit] * DAYS + day[fit] % DAYS
        np.minimum.at(self.up.reshape(-1), place, minute[fit].astype(np.uint16))

    # -- what it tells ------------------------------------------------------------------------

    def days_known(self, rows: IntArray) -> IntArray:
        """Return on how many days before today anything moved."""
        days = np.bitwise_count(self.days[rows] & self._before(rows))
        return np.asarray(days, dtype=np.int64)

    def _before(self, rows: IntArray) -> NDArray[np.uint16]:
        """Return the bits of all days but the newest one."""
        return ~_bit(self.day[rows].astype(np.int64))

    def quiet_hours(self, rows: IntArray, begin: FloatArray, end: FloatArray) -> FloatArray:
        """Return the hours without motion, each weighted by how usual motion is in it.

        Parameters
        ----------
        rows
            Homes, shape (n,).
        begin, end
            Local clock readings of the last motion and of now. [s]

        Returns
        -------
        FloatArray
            Expected hours with motion that passed without, NaN where fewer than `PATTERN_LEAST`
            days are known. [h]
        """
        before, days = self._before(rows), self.days_known(rows)
        known = np.where(days >= PATTERN_LEAST, days, np.nan)
        out = 0.0 * known
        first = np.floor(begin / 3_600)
        left = places(end > begin)
        for step in range(2 * HOURS + 1):  # over hours, the first of them a part
            if not left.size:
                break
            at = first[left] + step
            part = np.minimum(end[left], (at + 1) * 3_600) - np.maximum(begin[left], at * 3_600)
            hour = np.mod(at, HOURS).astype(np.int64)
            share = np.bitwise_count(self.hours[rows[left], hour] & before[left]) / known[left]
            out[left] += part / 3_600 * share
            left = left[end[left] > (at + 1) * 3_600]
        return out

    def on_day(self, rows: IntArray, which: int, day: IntArray) -> FloatArray:
        """Return the count of a day, NaN where nothing has ever moved in the home."""
        known = (day <= self.day[rows]) & (day > self.day[rows] - DAYS)
        found = self.counts[rows, which, day % DAYS].astype(np.float64)
        return np.where(known, found, np.where(self.day[rows] > 0, 0.0, np.nan))

    def usual(self, rows: IntArray, which: int, day: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return median and spread of the days before, NaN where fewer than a week is known.

        A day on which nothing at all moved is a day nobody was there, or no sensor.
        """
        newest = self.day[rows].astype(np.int64)
        back = np.arange(1, PATTERN_DAYS)
        days = newest[:, None] - back
        k = np.arange(rows.size)[:, None]
        moved = (self.days[rows][:, None] & _bit(days)) != 0
        known = moved & (days < day[:, None])
        counts = np.where(
            known, self.counts[rows, which][k, days % DAYS].astype(np.float64), np.nan
        )
        enough = known.sum(axis=1) >= PATTERN_LEAST
        median, spread = np.full(rows.size, np.nan), np.full(rows.size, np.nan)
        if any_of(enough):
            some = counts[enough]
            median[enough] = median_of(some)
            spread[enough] = _MAD * median_of(np.abs(some - median[enough][:, None]))
        return median, np.maximum(spread, _LEAST_SPREAD)

    def usual_up(self, rows: IntArray, day: IntArray) -> FloatArray:
        """Return the usual minute of the first getting up, NaN where it isn't known yet."""
        newest = self.day[rows].astype(np.int64)
        back = np.arange(DAYS)
        days = newest[:, None] - back
        k = np.arange(rows.size)[:, None]
        minutes = self.up[rows][k, days % DAYS].astype(np.float64)
        fit = (minutes < _NO_TIME) & (days < day[:, None])
        minutes = np.where(fit, minutes, np.nan)
        out = np.full(rows.size, np.nan)
        enough = fit.sum(axis=1) >= PATTERN_LEAST
        if any_of(enough):
            out[enough] = median_of(minutes[enough])
        return out

    def up_today(self, rows: IntArray, day: IntArray) -> BoolArray:
        """Return who has left the bed since four this morning."""
        known = self.day[rows] == day
        return np.asarray(known & (self.up[rows, day % DAYS] < _NO_TIME))


def _gone(newest: IntArray, step: IntArray, size: int) -> BoolArray:
    """Return which of ``size`` places are of the newest ``step`` days, shape (n, size)."""
    age = np.mod(newest[:, None] - np.arange(size), size)
    return np.asarray(age < np.minimum(step, size)[:, None])


def _bit(day: IntArray) -> NDArray[np.uint16]:
    return np.left_shift(np.uint16(1), np.mod(day, PATTERN_DAYS).astype(np.uint16))


def _bits(places: BoolArray) -> NDArray[np.uint16]:
    """Return a number whose bits are the places of each row."""
    weight = np.left_shift(np.uint16(1), np.arange(places.shape[1], dtype=np.uint16))
    return np.asarray(places @ weight, dtype=np.uint16)


def counted(
    bathroom: BoolArray, bed_exit: BoolArray, moved: BoolArray, minute: IntArray
) -> list[tuple[int, BoolArray]]:
    """Return for each counter which events it counts; hours as in ``vocabulary.COUNTERS``."""
    bath = moved & bathroom
    return [
        (_BATHROOM, bath),
        (_BATHROOM_NIGHT, bath & (minute < 6 * 60)),
        (_MOTION_NIGHT, moved & (minute < 5 * 60)),
        (_BED_NIGHT, bed_exit & ((minute >= 22 * 60) | (minute < 6 * 60))),
    ]
