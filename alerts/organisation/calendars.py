"""When a team is open: hours by the local clock, bank holidays, nights on which clocks change.

Hours are spans of real time that begin and end when the local clock says so. Where a clock passes
twice, a team opens at the first passing and closes at the last; where it never passes, at the
change of the clocks: two teams that follow one another may overlap, and never leave a gap.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import holidays

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HOLIDAY: Final = "holiday"
"""A day of its own: hours for it hold on bank holidays instead of those of the weekday."""
HOLIDAYS: Final = ("GB-ENG", "GB-NIR", "GB-SCT", "GB-WLS")
"""Lists of bank holidays (ISO 3166-2); dates are those of the library ``holidays``."""
LOOK_AHEAD_DAYS: Final = 400
"""How far a change is looked for: over a year, so that what happens once a year is found."""

_CLOCK = re.compile(r"([01]\d|2[0-4]):([0-5]\d)")
_DAY = timedelta(days=1)
_MINUTES = 24 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Open from a clock time to another, on some days; over midnight where it ends no later.

    The same time twice is 24 hours. ``days`` are of the beginning.
    """

    days: frozenset[str]  # of DAYS and HOLIDAY
    start: int  # minutes after local midnight
    end: int  # up to 1440

    @property
    def length_days(self) -> int:
        """Return how many midnights the closing lies after the opening's day."""
        return 1 if self.end <= self.start else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """Hours in one time zone, without any: always open."""

    hours: tuple[Hours, ...] = ()
    timezone: str = "Europe/London"
    holidays: str | None = None  # of HOLIDAYS

    @property
    def always_open(self) -> bool:
        """Tell whether it never closes."""
        return not self.hours


ALWAYS: Final = Calendar()


@dataclass(frozen=True, slots=True)
class Span:
    """A time from its first instant up to, and without, its last."""

    start: datetime
    end: datetime


def is_open(calendar: Calendar, at: datetime) -> bool:
    """Tell whether it is open at an instant, which has to be aware."""
    if calendar.always_open:
        return True
    today = at.astimezone(zone_of(calendar.timezone)).date()
    return any(s.start <= at < s.end for d in (today - _DAY, today) for s in _of(calendar, d))


def next_opening(calendar: Calendar, at: datetime) -> datetime | None:
    """Return the first instant from ``at`` on at which it is open; None where there is none."""
    if calendar.always_open:
        return at.astimezone(UTC)
    for span in openings(calendar, at, at + LOOK_AHEAD_DAYS * _DAY):
        return span.start
    return None


def next_change(calendar: Calendar, at: datetime) -> datetime | None:
    """Return the first instant after ``at`` at which it opens or closes; None for never."""
    if calendar.always_open:
        return None
    until = at + LOOK_AHEAD_DAYS * _DAY
    for span in openings(calendar, at, until):
        if span.start > at:
            return span.start
        return span.end if span.end < until else None
    return None


def openings(calendar: Calendar, start: datetime, end: datetime) -> Iterator[Span]:
    """Return when it is open within a time, in order; what touches is one span. In UTC."""
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    if calendar.always_open:
        if start < end:
            yield Span(start, end)
        return
    held: Span | None = None
    for span in _spans(calendar, start, end):
        begin, close = max(span.start, start), min(span.end, end)
        if begin >= close:
            continue
        if held is None:
            held = Span(begin, close)
        elif begin <= held.end:
            held = Span(held.start, max(held.end, close))
        else:
            yield held
            held = Span(begin, close)
    if held is not None:
        yield held


def parse(hours: Sequence[Mapping[str, Any]], timezone: str, holiday_list: str | None) -> Calendar:
    """Read hours as the register and the database spell them.

    Raises
    ------
    ValueError
        Something about them is not as it has to be; the message says what.
    """
    made = tuple(_hours(one) for one in hours)
    if holiday_list is not None and holiday_list not in HOLIDAYS:
        raise ValueError(f"no list of bank holidays {holiday_list!r}")
    return Calendar(hours=made, timezone=timezone, holidays=holiday_list)


def minutes(clock: object) -> int:
    """Return the minutes after midnight of ``HH:MM``, up to 24:00.

    Raises
    ------
    ValueError
        It is no clock time.
    """
    found = _CLOCK.fullmatch(clock) if isinstance(clock, str) else None
    at = int(found[1]) * 60 + int(found[2]) if found else _MINUTES + 1
    if at > _MINUTES:
        raise ValueError(f"{clock!r} is no clock time such as 08:30")
    return at


def is_holiday(holiday_list: str | None, day: date) -> bool:
    """Tell whether a day is a bank holiday."""
    return holiday_list is not None and _is_holiday(holiday_list, day)


@lru_cache(maxsize=64)
def zone_of(name: str) -> tzinfo:
    """Return a time zone, UTC where this machine doesn't know it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def _hours(one: Mapping[str, Any]) -> Hours:
    days = frozenset(one["days"])
    unknown = days - {*DAYS, HOLIDAY}
    if unknown or not days:
        raise ValueError(f"no days {', '.join(sorted(map(str, unknown))) or 'at all'}")
    start, end = minutes(one["from"]), minutes(one["to"])
    if start == _MINUTES:
        raise ValueError("24:00 is an end, not a beginning")
    return Hours(days=days, start=start, end=end)


def _spans(calendar: Calendar, start: datetime, end: datetime) -> Iterator[Span]:
    """Return what is open day after day, by the instant it begins."""
    zone = zone_of(calendar.timezone)
    day = start.astimezone(zone).date() - _DAY
    last = end.astimezone(zone).date()
    while day <= last:
        yield from _of(calendar, day)
        day += _DAY


@lru_cache(maxsize=4096)
def _of(calendar: Calendar, day: date) -> tuple[Span, ...]:
    """Return the spans that begin on a local day, by the instant they begin."""
    name = HOLIDAY if is_holiday(calendar.holidays, day) else DAYS[day.weekday()]
    zone = zone_of(calendar.timezone)
    found = []
    for hours in calendar.hours:
        if name in hours.days:
            start = min(_instants(day, hours.start, zone))
            end = max(_instants(day + hours.length_days * _DAY, hours.end, zone))
            found.append(Span(start, end))
    return tuple(sorted(found, key=lambda s: (s.start, s.end)))


def _instants(day: date, minute: int, zone: tzinfo) -> tuple[datetime, ...]:
    """Return when the local clock shows a time: once, twice, or at the change that skips it."""
    local = datetime.combine(day + (minute // _MINUTES) * _DAY, time(), zone) + timedelta(
        minutes=minute % _MINUTES
    )  # the wall clock's arithmetic: the offset is looked up afterwards
    first, second = (local.replace(fold=f).astimezone(UTC) for f in (0, 1))
    if second >= first:  # once, or twice
        return first, second
    return (_turn(second, first, zone),)


def _turn(before: datetime, after: datetime, zone: tzinfo) -> datetime:
    """Return the instant between two at which the offset changes."""
    old = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after


@lru_cache(maxsize=4096)
def _is_holiday(holiday_list: str, day: date) -> bool:
    return day in _list(holiday_list)


@lru_cache(maxsize=16)
def _list(holiday_list: str) -> holidays.HolidayBase:
    country, _, part = holiday_list.partition("-")
    return holidays.country_holidays(country, subdiv=part or None)
