"""Local days and minutes of many instants at once: time zones as arrays of transitions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

DAY = 86_400.0
_FIRST, _LAST = datetime(1995, 1, 1, tzinfo=UTC), datetime(2101, 1, 1, tzinfo=UTC)


class Zone:
    """Offsets of one time zone from UTC, for arrays of instants.

    Before 1995 and after 2100 the nearest known offset stands in.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        zone = _known(name)
        starts, offsets = [-np.inf], [_offset(zone, _FIRST)]
        at = _FIRST
        while at < _LAST:
            after = min(at + timedelta(days=7), _LAST)
            if _offset(zone, after) != offsets[-1]:
                turn = _turn(zone, at, after)
                starts.append(turn.timestamp())
                offsets.append(_offset(zone, turn))
                after = turn
            at = after
        self._starts = np.array(starts)
        self._offsets = np.array(offsets)

    def offset(self, times: FloatArray) -> FloatArray:
        """Return the offset from UTC at each instant. [s]"""
        if not times.size:
            return np.zeros(times.shape)
        ends = np.array([times.min(), times.max()])
        first, last = np.searchsorted(self._starts, ends, side="right") - 1
        if first == last and ends[0] <= ends[1]:  # nearly always: they are of one season
            return np.full(times.shape, self._offsets[first])
        found = self._offsets[np.searchsorted(self._starts, times, side="right") - 1]
        return np.asarray(found, dtype=np.float64)


class Zones:
    """The zones in use, numbered, so that a table holds a small number per row."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._zones: list[Zone] = []

    def number(self, name: str) -> int:
        """Return a zone's number, giving it one where it is new."""
        if name not in self.names:
            self._zones.append(zone(name))
            self.names.append(name)
        return self.names.index(name)

    def local(self, times: FloatArray, zones: NDArray[np.integer]) -> FloatArray:
        """Return local clock readings as seconds since 1970-01-01 00:00 local time, shape (n,)."""
        if len(self._zones) == 1:
            return times + self._zones[0].offset(times)
        out = times.astype(np.float64, copy=True)
        for n in np.unique(zones):
            here = zones == n
            out[here] += self._zones[int(n)].offset(times[here])
        return out

    def utc(self, local: FloatArray, zones: NDArray[np.integer]) -> FloatArray:
        """Return the instants of local clock readings; of a repeated hour the second pass."""
        out = local.astype(np.float64, copy=True)
        for n in np.unique(zones):
            here = zones == n
            one = self._zones[int(n)]
            # the offsets a day before and after are those on both sides of a change
            before = local[here] - one.offset(local[here] - DAY)
            after = local[here] - one.offset(local[here] + DAY)
            fits = local[here] - one.offset(after) == after
            out[here] = np.where(fits, after, before)
        return out


def day(local: FloatArray) -> IntArray:
    """Return the local day of local clock readings, days since 1970-01-01."""
    return np.floor(local / DAY).astype(np.int64)


def minute(local: FloatArray) -> IntArray:
    """Return the minute of the local day, 0 to 1439."""
    second = local - np.floor(local / DAY) * DAY  # as np.mod, which is much slower
    return (second / 60.0).astype(np.int64)


@lru_cache(maxsize=64)
def zone(name: str) -> Zone:
    """Return a zone by its name; one that isn't known is taken for UTC."""
    return Zone(name)


def _known(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def _offset(zone: ZoneInfo, at: datetime) -> float:
    found = at.astimezone(zone).utcoffset()
    return found.total_seconds() if found else 0.0


def _turn(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """Return the first second with an offset other than that of ``before``."""
    old = _offset(zone, before)
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=round((after - before).total_seconds()) // 2)
        if _offset(zone, middle) == old:
            before = middle
        else:
            after = middle
    return after
