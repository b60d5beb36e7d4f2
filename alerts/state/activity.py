"""What moves in a home, by local hour and day: the home's own pattern and what differs from it."""

from __future__ import annotations

from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from alerts.rules.vocabulary import COUNTERS, DAYS, SPELL_S
from alerts.state.series import median_of
from alerts.state.table import BoolArray, Column, FloatArray, IntArray, Table
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
    """Counts of one home by local hour and day.

    The entry of day ``d`` is at place ``d % PATTERN_DAYS`` (hours) and ``d % DAYS`` (counters);
    ``day`` is the newest one.
    """

    COLUMNS: ClassVar = {
        "day": Column("i4", -(2**30)),
        "hours": Column("u1", 0, (PATTERN_DAYS, HOURS)),
        "counts": Column("u1", 0, (len(EVERY), DAYS)),
        "seen": Column("f8", -np.inf, (len(EVERY),)),  # the newest event of a counter
        "up": Column("u2", _NO_TIME, (DAYS,)),  # minute of the first getting up
    }
    day: NDArray[np.int32]
    hours: NDArray[np.uint8]
    counts: NDArray[np.uint8]
    seen: FloatArray
    up: NDArray[np.uint16]

    def advance(self, rows: IntArray, day: IntArray) -> None:
        """Make room for new days; rows may be repeated."""
        new = np.flatnonzero(day > self.day[rows])
        if not new.size:
            return
        at, which = np.unique(rows[new], return_inverse=True)
        to = np.full(at.size, -(2**30), dtype=np.int64)
        np.maximum.at(to, which, day[new])
        step = to - self.day[at]
        for array, size, axis in ((self.hours, PATTERN_DAYS, 1), (self.up, DAYS, 1),
                                  (self.counts, DAYS, 2)):  # fmt: skip
            age = np.mod(to[:, None] - np.arange(size), size)
            gone = age < np.minimum(step, size)[:, None]
            fill = _NO_TIME if array is self.up else 0
            shape = [at.size] + [1] * (array.ndim - 1)
            shape[axis] = size
            array[at] = np.where(gone.reshape(shape), array.dtype.type(fill), array[at])
        self.day[at] = to

    def moved(self, rows: IntArray, local: FloatArray) -> None:
        """Count motion by hour; rows may be repeated."""
        day, hour = localtime.day(local), localtime.minute(local) // 60
        known = day > self.day[rows] - PATTERN_DAYS
        rows, day, hour = rows[known], day[known], hour[known]
        place = (rows * PATTERN_DAYS + day % PATTERN_DAYS) * HOURS + hour
        self._add(self.hours, place)

    def visits(self, which: int, rows: IntArray, time: FloatArray, local: FloatArray) -> None:
        """Count visits: events apart by more than a spell; sorted by row and time.

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
        self._add(self.counts, place)
        np.maximum.at(self.seen[:, which], rows, time)

    def got_up(self, rows: IntArray, local: FloatArray) -> None:
        """Take in that somebody left a bed; the first time from four in the morning counts."""
        day, minute = localtime.day(local), localtime.minute(local)
        fit = (minute >= _MORNING) & (day > self.day[rows] - DAYS)
        place = rows[fit] * DAYS + day[fit] % DAYS
        np.minimum.at(self.up.reshape(-1), place, minute[fit].astype(np.uint16))

    @staticmethod
    def _add(array: NDArray[np.uint8], place: IntArray) -> None:
        flat = array.reshape(-1)
        at, times = np.unique(place, return_counts=True)
        flat[at] = np.minimum(flat[at].astype(np.int64) + times, 255)

    # -- what it tells ------------------------------------------------------------------------

    def days_known(self, rows: IntArray) -> IntArray:
        """Return on how many days before today anything moved."""
        return np.asarray(self._pattern(rows)[1].sum(axis=1), dtype=np.int64)

    def _pattern(self, rows: IntArray) -> tuple[BoolArray, BoolArray]:
        """Return whether each hour of each earlier day had motion, and which days had any."""
        some = self.hours[rows] > 0
        today = np.mod(self.day[rows], PATTERN_DAYS)
        some[np.arange(rows.size), today] = False
        return some, np.asarray(some.any(axis=2))

    def share(self, rows: IntArray) -> FloatArray:
        """Return on which share of a home's days each hour has motion, shape (n, 24).

        NaN where fewer than `PATTERN_LEAST` days are known.
        """
        some, days = self._pattern(rows)
        known = days.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            found = some.sum(axis=1) / known[:, None]
        return np.where((known >= PATTERN_LEAST)[:, None], found, np.nan)

    def usual_hours(self, rows: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return median and robust spread of the motions in each hour, shape (n, 24) each."""
        _, days = self._pattern(rows)
        counts = np.where(days[:, :, None], self.hours[rows].astype(np.float64), np.nan)
        enough = days.sum(axis=1) >= PATTERN_LEAST
        median = np.full((rows.size, HOURS), np.nan)
        spread = median.copy()
        if enough.any():
            flat = counts[enough].transpose(0, 2, 1).reshape(-1, PATTERN_DAYS)
            middle = median_of(flat)
            median[enough] = middle.reshape(-1, HOURS)
            apart = _MAD * median_of(np.abs(flat - middle[:, None]))
            spread[enough] = apart.reshape(-1, HOURS)
        return median, spread

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
            Expected hours with motion that passed without, NaN without a pattern. [h]
        """
        share = self.share(rows)
        out = np.where(np.isnan(share[:, 0]), np.nan, 0.0)
        first = np.floor(begin / 3_600)
        for step in range(2 * HOURS):  # over hours, for everybody at once
            at = first + step
            part = np.clip(
                np.minimum(end, (at + 1) * 3_600) - np.maximum(begin, at * 3_600), 0, None
            )
            if not part.any():
                break
            hour = np.mod(at, HOURS).astype(np.int64)
            out = out + part / 3_600 * share[np.arange(rows.size), hour]
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
        _, moved = self._pattern(rows)
        newest = self.day[rows].astype(np.int64)
        back = np.arange(1, PATTERN_DAYS)
        days = newest[:, None] - back
        k = np.arange(rows.size)[:, None]
        known = moved[k, days % PATTERN_DAYS] & (days < day[:, None])
        counts = np.where(
            known, self.counts[rows, which][k, days % DAYS].astype(np.float64), np.nan
        )
        enough = known.sum(axis=1) >= PATTERN_LEAST
        median, spread = np.full(rows.size, np.nan), np.full(rows.size, np.nan)
        if enough.any():
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
        if enough.any():
            out[enough] = median_of(minutes[enough])
        return out

    def up_today(self, rows: IntArray, day: IntArray) -> BoolArray:
        """Return who has left the bed since four this morning."""
        known = self.day[rows] == day
        return np.asarray(known & (self.up[rows, day % DAYS] < _NO_TIME))


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
