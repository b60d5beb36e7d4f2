"""What moves in a home, by local hour and day, against plain dicts."""

from __future__ import annotations

import statistics
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.rules.vocabulary import DAYS, SPELL_S
from alerts.state import activity
from alerts.state.activity import Activity
from ingest.kernel import localtime

DAY = 86_400.0
HOUR = 3_600.0
FIRST = 20_000  # a local day
BATH = activity.EVERY.index("bathroom_visits")


def home(count: int = 1) -> Activity:
    made = Activity()
    made.add(count)
    return made


def move(made: Activity, *local: float, row: int = 0) -> None:
    at = np.array(local, dtype=np.float64)
    rows = np.full(at.size, row)
    made.advance(rows, localtime.day(at))
    made.moved(rows, at)


def visit(made: Activity, *local: float, row: int = 0) -> None:
    at = np.sort(np.array(local, dtype=np.float64))
    rows = np.full(at.size, row)
    made.advance(rows, localtime.day(at))
    made.visits(BATH, rows, at, at)


def moving(made: Activity, row: int = 0) -> set[tuple[int, int]]:
    """Days (modulo the pattern's) and hours in which something moved."""
    places = range(activity.PATTERN_DAYS)
    hours = {(d, h) for d in places for h in range(24) if made.hours[row, h] >> d & 1}
    assert {d for d in places if made.days[row] >> d & 1} == {d for d, _ in hours}
    return hours


moments = st.integers(0, 40 * 24 * 4).map(lambda n: FIRST * DAY + n * 900.0)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), moments), max_size=40), st.integers(1, 4))
def test_motion_is_known_by_hour_of_the_last_two_weeks_in_whatever_order_it_comes(
    given: list[tuple[int, float]], parts: int
) -> None:
    made = home(3)
    for batch in (given[n::parts] for n in range(parts)):
        rows = np.array([r for r, _ in batch], dtype=np.int64)
        local = np.array([t for _, t in batch], dtype=np.float64)
        made.advance(rows, localtime.day(local))
        made.moved(rows, local)
    for row in range(3):
        mine = [t for r, t in given if r == row]
        if not mine:
            assert not moving(made, row)
            continue
        newest = int(max(mine) // DAY)
        assert made.day[row] == newest
        assert moving(made, row) == {
            (int(t // DAY) % activity.PATTERN_DAYS, int(t % DAY // HOUR))
            for t in mine
            if t // DAY > newest - activity.PATTERN_DAYS
        }


def test_a_day_far_ahead_forgets_all_and_a_day_long_ago_is_not_taken() -> None:
    made = home()
    for n in range(20):
        move(made, (FIRST + n) * DAY)
        visit(made, (FIRST + n) * DAY)
    assert made.days_known(np.array([0]))[0] == 13
    move(made, (FIRST + 400) * DAY)
    assert made.days_known(np.array([0]))[0] == 0
    assert len(moving(made)) == 1
    assert made.counts.sum() == 0
    move(made, (FIRST + 400 - 14) * DAY)
    assert len(moving(made)) == 1
    move(made, (FIRST + 400 - 13) * DAY)
    assert made.days_known(np.array([0]))[0] == 1


def test_counts_stop_at_255_and_do_not_begin_again() -> None:
    made = home()
    made.advance(np.array([0]), np.array([FIRST]))
    for n in range(2):
        time = (n * 300 + np.arange(300)) * SPELL_S
        made.visits(BATH, np.zeros(300, dtype=np.int64), time, np.full(300, FIRST * DAY))
        assert made.on_day(np.array([0]), BATH, np.array([FIRST]))[0] == 255


def test_one_home_says_nothing_of_another() -> None:
    made = home(2)
    move(made, FIRST * DAY, row=1)
    assert not moving(made, 0)
    assert made.day[0] < 0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 200).map(lambda n: n * 300.0), min_size=1, max_size=25))
def test_events_within_a_spell_of_the_one_before_are_one_visit(given: list[float]) -> None:
    made = home()
    visit(made, *[FIRST * DAY + t for t in given])
    wanted, before = 0, -np.inf
    for t in sorted(given):
        wanted += t - before >= SPELL_S
        before = t
    assert made.on_day(np.array([0]), BATH, np.array([FIRST]))[0] == wanted


@pytest.mark.parametrize(("apart", "visits"), [(SPELL_S - 0.1, 1), (SPELL_S, 2)])
def test_a_visit_begins_when_a_spell_has_passed_also_from_batch_to_batch(
    apart: float, visits: int
) -> None:
    made = home()
    visit(made, FIRST * DAY)
    visit(made, FIRST * DAY + apart)
    assert made.on_day(np.array([0]), BATH, np.array([FIRST]))[0] == visits


def test_an_event_older_than_the_newest_is_part_of_no_new_visit() -> None:
    made = home()
    visit(made, FIRST * DAY + 7_200)
    visit(made, FIRST * DAY)
    assert made.on_day(np.array([0]), BATH, np.array([FIRST]))[0] == 1


def test_a_home_in_which_nothing_ever_moved_has_no_counts_and_another_day_has_none() -> None:
    made = home(2)
    visit(made, FIRST * DAY)
    rows, on = np.array([0, 0, 0, 1]), np.array([FIRST, FIRST + 1, FIRST - DAYS, FIRST])
    found = made.on_day(rows, BATH, on)
    assert found[:3].tolist() == [1, 0, 0]
    assert np.isnan(found[3])


def days_of(made: Activity, counts: list[int]) -> None:
    """As many visits on each day, one day after another; every day has motion."""
    for n, count in enumerate(counts):
        day = (FIRST + n) * DAY
        move(made, day)
        if count:
            visit(made, *[day + k * 2 * SPELL_S for k in range(count)])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 20), min_size=1, max_size=20))
def test_the_usual_count_is_the_median_of_the_days_before(counts: list[int]) -> None:
    made = home()
    days_of(made, counts)
    today = FIRST + len(counts) - 1
    median, spread = made.usual(np.array([0]), BATH, np.array([today]))
    before = counts[-14:-1]
    if len(before) < activity.PATTERN_LEAST:
        assert np.isnan(median[0])
        assert np.isnan(spread[0])
        return
    middle = statistics.median(before)
    apart = 1.4826 * statistics.median([abs(c - middle) for c in before])
    assert median[0] == middle
    assert spread[0] == pytest.approx(max(1.0, apart))


def test_a_day_on_which_nothing_moved_is_no_day_of_the_pattern() -> None:
    made = home()
    days_of(made, [2] * 8)
    move(made, (FIRST + 13) * DAY)  # five days away
    at, today = np.array([0]), np.array([FIRST + 13])
    assert made.days_known(at)[0] == 8
    assert made.usual(at, BATH, today)[0][0] == 2
    midnight = np.array([(FIRST + 13) * DAY])
    assert made.quiet_hours(at, midnight, midnight + HOUR)[0] == 1.0
    assert made.quiet_hours(at, midnight + HOUR, midnight + 2 * HOUR)[0] == 0.0


@pytest.mark.parametrize(("days", "is_known"), [(7, False), (8, True)])
def test_the_pattern_is_believed_after_seven_days_before_today(days: int, is_known: bool) -> None:
    made = home()
    days_of(made, [1] * days)
    at = np.array([0])
    assert made.days_known(at)[0] == days - 1
    now = np.array([(FIRST + days) * DAY])
    assert bool(np.isnan(made.quiet_hours(at, now - HOUR, now)[0])) is not is_known
    assert bool(np.isnan(made.quiet_hours(at, now, now)[0])) is not is_known


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 23), max_size=6), min_size=9, max_size=14),
    st.integers(0, 47 * 60), st.integers(0, 47 * 60),
)  # fmt: skip
def test_quiet_hours_are_the_share_of_days_with_motion_summed_over_the_time(
    hours: list[list[int]], begin: int, length: int
) -> None:
    made = home()
    for n, some in enumerate(hours):
        move(made, *[(FIRST + n) * DAY + h * HOUR for h in (0, *some)])
    before = hours[-14:-1]
    share = [sum(h in (0, *some) for some in before) / len(before) for h in range(24)]
    start = (FIRST + len(hours)) * DAY + begin * 60.0
    end = start + min(length, 47 * 60) * 60.0
    found = made.quiet_hours(np.array([0]), np.array([start]), np.array([end]))[0]
    minutes = np.arange(start, end, 60.0)
    wanted = sum(share[int(m % DAY // HOUR)] for m in minutes) / 60
    assert found == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize(("minute", "counts"), [(239, False), (240, True), (241, True)])
def test_getting_up_counts_from_four_in_the_morning(minute: int, counts: bool) -> None:
    made = home()
    at = np.array([FIRST * DAY + minute * 60.0])
    made.advance(np.array([0]), localtime.day(at))
    made.got_up(np.array([0]), at)
    assert made.up_today(np.array([0]), np.array([FIRST]))[0] == counts
    assert not made.up_today(np.array([0]), np.array([FIRST + 1]))[0]


def test_the_usual_time_of_getting_up_is_the_median_of_the_days_before_today() -> None:
    made, at = home(), np.array([0])
    for n in range(8):
        local = np.array([(FIRST + n) * DAY + 60.0 * m for m in (420 + n * 10, 500 + n * 10, 900)])
        rows = np.zeros(3, dtype=np.int64)
        made.advance(rows, localtime.day(local))
        made.got_up(rows, local[::-1])  # the first of the day counts, whatever came first
        up = made.usual_up(at, np.array([FIRST + n]))[0]
        assert np.isnan(up) if n < 7 else up == statistics.median(420 + k * 10 for k in range(7))


def test_days_on_which_the_clocks_change_are_counted_as_days() -> None:
    zones = localtime.Zones()
    zone = np.array([zones.number("Europe/London")], dtype=np.uint8)
    for year, month, day, hours in ((2026, 3, 29, 23), (2026, 10, 25, 25)):
        made = home()
        first = (datetime(year, month, day) - datetime(1970, 1, 1)).days
        midnight = zones.utc(np.array([first * DAY]), zone)[0]
        utc = midnight + HOUR * np.arange(hours)
        local = zones.local(utc, np.repeat(zone, hours))
        move(made, *local)
        assert made.day[0] == first
        assert len(moving(made)) == min(hours, 24)  # one hour may come twice
        move(made, *zones.local(np.array([midnight + hours * HOUR]), zone))
        assert made.day[0] == first + 1


@pytest.mark.parametrize(
    ("minute", "names"),
    [
        (299, {"bathroom_visits", "night_bathroom_visits", "night_motion", "night_bed_exits"}),
        (300, {"bathroom_visits", "night_bathroom_visits", "night_bed_exits"}),
        (359, {"bathroom_visits", "night_bathroom_visits", "night_bed_exits"}),
        (360, {"bathroom_visits"}),
        (1_319, {"bathroom_visits"}),
        (1_320, {"bathroom_visits", "night_bed_exits"}),
    ],
)
def test_what_an_event_is_counted_for_depends_on_the_hour(minute: int, names: set[str]) -> None:
    yes = np.array([True])
    found = activity.counted(yes, yes, yes, np.array([minute]))
    assert {activity.EVERY[which] for which, hit in found if hit[0]} == names
    no = np.array([False])
    assert not any(hit[0] for _, hit in activity.counted(no, no, yes, np.array([720])))


def test_of_no_homes_nothing_is_told() -> None:
    made, none = home(), np.zeros(0, dtype=np.int64)
    assert made.days_known(none).shape == (0,)
    assert made.usual(none, BATH, none)[0].shape == (0,)
    assert made.quiet_hours(none, np.zeros(0), np.zeros(0)).shape == (0,)
    made.advance(none, none)
    made.moved(none, np.zeros(0))
