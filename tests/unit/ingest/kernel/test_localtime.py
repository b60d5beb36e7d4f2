"""Local days and minutes of arrays of instants, against the standard library's own zones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.kernel import localtime

NAMES = ("Europe/London", "America/New_York", "Asia/Kathmandu", "Pacific/Auckland", "UTC")
FIRST = datetime(1995, 1, 1, tzinfo=UTC).timestamp()
LAST = datetime(2100, 12, 31, tzinfo=UTC).timestamp()


def offset(name: str, at: float) -> float:
    found = datetime.fromtimestamp(at, tz=ZoneInfo(name)).utcoffset()
    assert found is not None
    return found.total_seconds()


@pytest.mark.parametrize("name", NAMES)
def test_offsets_are_those_of_the_standard_library_at_random_instants(name: str) -> None:
    times = np.random.default_rng(3).uniform(FIRST, LAST, 2_000).round(3)
    wanted = [offset(name, t) for t in times]
    assert localtime.zone(name).offset(times).tolist() == wanted


def changes(name: str, year: int) -> list[float]:
    """The instants of a year at which a zone changes, found hour by hour."""
    at = datetime(year, 1, 1, tzinfo=UTC).timestamp()
    hours = at + 3_600.0 * np.arange(366 * 24)
    known = [offset(name, h) for h in hours]
    return [hours[n] for n in range(1, len(hours)) if known[n] != known[n - 1]]


@pytest.mark.parametrize("name", ["Europe/London", "America/New_York", "Pacific/Auckland"])
def test_both_sides_of_each_change_of_the_clocks_are_right_to_the_second(name: str) -> None:
    found = [c for year in (1997, 2025, 2026, 2060) for c in changes(name, year)]
    assert len(found) == 8
    zone = localtime.zone(name)
    for change in found:
        times = np.array([change - 1, change - 0.001, change, change + 1])
        assert zone.offset(times).tolist() == [offset(name, t) for t in times]
        assert zone.offset(times)[0] != zone.offset(times)[-1]


def test_an_unknown_zone_is_taken_for_utc() -> None:
    for name in ("Mars/Olympus", "", "../../etc/passwd", "Europe/"):
        assert localtime.zone(name).offset(np.array([1e9])).tolist() == [0.0]


def test_before_and_after_the_years_that_are_known_the_nearest_offset_stands_in() -> None:
    zone = localtime.zone("Asia/Kathmandu")
    assert zone.offset(np.array([-1e12, 0.0, 1e12])).tolist() == [20_700.0] * 3


def test_no_instants_have_no_offsets() -> None:
    assert localtime.zone("Europe/London").offset(np.zeros(0)).shape == (0,)
    zones = localtime.Zones()
    zones.number("Europe/London")
    assert zones.local(np.zeros(0), np.zeros(0, np.int64)).shape == (0,)


def test_zones_are_numbered_once_each() -> None:
    zones = localtime.Zones()
    assert [zones.number(n) for n in ("UTC", "Asia/Kathmandu", "UTC")] == [0, 1, 0]
    assert zones.names == ["UTC", "Asia/Kathmandu"]


@pytest.mark.parametrize(
    ("local", "day", "minute"),
    [(0.0, 0, 0), (59.999, 0, 0), (60.0, 0, 1), (86_399.999, 0, 1_439), (86_400.0, 1, 0),
     (-0.001, -1, 1_439)],
)  # fmt: skip
def test_a_local_clock_reading_has_a_day_and_a_minute(local: float, day: int, minute: int) -> None:
    at = np.array([local])
    assert (localtime.day(at)[0], localtime.minute(at)[0]) == (day, minute)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(NAMES), st.integers(int(FIRST), int(LAST))), max_size=9))
def test_local_time_is_what_a_clock_on_the_wall_shows(given: list[tuple[str, int]]) -> None:
    zones = localtime.Zones()
    for name in NAMES:
        zones.number(name)
    number = np.array([zones.number(n) for n, _ in given], dtype=np.uint8)
    local = zones.local(np.array([t for _, t in given], dtype=np.float64), number)
    for (name, t), day, minute in zip(
        given, localtime.day(local), localtime.minute(local), strict=True
    ):
        wall = datetime.fromtimestamp(t, tz=ZoneInfo(name))
        assert (wall.date() - datetime(1970, 1, 1).date()).days == day
        assert wall.hour * 60 + wall.minute == minute


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(NAMES), st.integers(int(FIRST), int(LAST))), max_size=9))
def test_an_instant_comes_back_from_its_local_time_unless_its_hour_is_repeated(
    given: list[tuple[str, int]],
) -> None:
    zones = localtime.Zones()
    for name in NAMES:
        zones.number(name)
    number = np.array([zones.number(n) for n, _ in given], dtype=np.uint8)
    times = np.array([t for _, t in given], dtype=np.float64)
    back = zones.utc(zones.local(times, number), number)
    for n, (name, t) in enumerate(given):
        first = datetime.fromtimestamp(t, tz=ZoneInfo(name))
        repeated = first.replace(fold=1).timestamp()  # of a repeated hour the second pass
        assert back[n] == repeated


@pytest.mark.parametrize("name", ["Europe/London", "America/New_York", "Pacific/Auckland"])
def test_of_a_repeated_hour_the_second_pass_is_meant_and_a_missing_one_is_moved_on(
    name: str,
) -> None:
    zones = localtime.Zones()
    only = np.array([zones.number(name)], dtype=np.uint8)
    for change in changes(name, 2026):
        gain = offset(name, change) - offset(name, change - 1)
        wall = np.array([change + offset(name, change - 1) + (900.0 if gain > 0 else -900.0)])
        found = zones.utc(wall, only)[0]
        moved_on = change + 900.0  # a quarter past the change, whatever the clock on the wall says
        assert found == (moved_on if gain > 0 else change + 3_600 - 900.0)


def test_a_day_of_a_changing_clock_has_23_or_25_hours() -> None:
    zones = localtime.Zones()
    only = np.array([zones.number("Europe/London")] * 2, dtype=np.uint8)
    for first, hours in (((2026, 3, 29), 23), ((2026, 10, 25), 25), ((2026, 6, 1), 24)):
        midnight = (datetime(*first) - datetime(1970, 1, 1)) / timedelta(seconds=1)
        begin, end = zones.utc(np.array([midnight, midnight + 86_400.0]), only)
        assert end - begin == hours * 3_600
