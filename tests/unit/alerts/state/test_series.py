"""Readings of a person: the newest few and the days, against plain lists; what days tell."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.rules.vocabulary import DAYS, RECENT
from alerts.state import series
from alerts.state.table import ABSENT

DAY = 86_400.0
NAN = math.nan
Reading = tuple[int, int, int]  # series, second, value


def new_series() -> series.Series:
    return series.Series(lambda slots, _: slots >= 0)


def put(made: series.Series, readings: Sequence[Reading]) -> None:
    """Put readings in the order given, at most one per series at a time, as the engine does."""
    for key, second, value in readings:
        row = made.meet(np.array([key]), np.array([2]))
        at = np.array([float(second)])
        made.put(row, at, at, np.array([float(value)]))


def plain(readings: Sequence[Reading], key: int) -> dict[int, int]:
    """Of each moment the highest value."""
    out: dict[int, int] = {}
    for k, second, value in readings:
        if k == key:
            out[second] = max(value, out.get(second, value))
    return out


readings = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 30 * 4).map(lambda n: n * 21_600),
              st.integers(50, 60)), max_size=30,
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(readings, st.randoms(use_true_random=False))
def test_the_newest_readings_and_the_days_do_not_depend_on_the_order_they_came_in(
    given: list[Reading], chance
) -> None:
    made = new_series()
    shuffled = list(given)
    chance.shuffle(shuffled)
    put(made, shuffled)
    for key in range(3):
        said = plain(given, key)
        row = made.find(np.array([key]), 2)
        times = sorted(said, reverse=True)
        values, at = made.last(row, np.array([1e12]), RECENT)
        assert [t for t in at[0] if t > -np.inf] == times[:RECENT]
        assert [v for v in values[0] if not np.isnan(v)] == [said[t] for t in times[:RECENT]]
        if not times:
            assert row[0] == ABSENT
            continue
        newest = times[0] // 86_400
        days, age = made.days_until(row, np.array([newest]))
        for value, back in zip(days[0], age[0], strict=True):
            of_day = [t for t in said if t // 86_400 == newest - back]
            wanted = said[max(of_day)] if of_day else NAN
            assert value == wanted or (np.isnan(value) and np.isnan(wanted))


@settings(max_examples=60, deadline=None)
@given(readings, st.integers(0, 31 * 4))
def test_at_a_moment_the_newest_reading_up_to_it_is_known(given: list[Reading], at: int) -> None:
    made, moment = new_series(), at * 21_600.0 + 1
    put(made, given)
    for key in range(3):
        kept = sorted(plain(given, key).items(), reverse=True)[:RECENT]
        before = [(t, v) for t, v in kept if t <= moment]
        value, time = made.at(made.find(np.array([key]), 2), np.array([moment]))
        assert time[0] == (before[0][0] if before else -np.inf)
        assert value[0] == before[0][1] if before else np.isnan(value[0])
        values, times = made.last(made.find(np.array([key]), 2), np.array([moment]), 2)
        assert [t for t in times[0] if t > -np.inf] == [t for t, _ in before[:2]]
        assert [v for v in values[0] if not np.isnan(v)] == [v for _, v in before[:2]]


def test_a_reading_on_the_moment_counts_and_one_a_little_later_does_not() -> None:
    made = new_series()
    put(made, [(0, 100, 90)])
    row = made.find(np.array([0, 0, 7]), 2)
    value, time = made.at(row, np.array([100.0, 99.999, 100.0]))
    assert value[0] == 90
    assert np.isnan(value[1:]).all()
    assert time.tolist() == [100.0, -np.inf, -np.inf]


@settings(max_examples=40, deadline=None)
@given(readings, st.integers(0, 40))
def test_days_seen_from_an_earlier_day_leave_out_what_came_later(
    given: list[Reading], day: int
) -> None:
    made = new_series()
    put(made, given)
    for key in range(3):
        said = plain(given, key)
        days, age = made.days_until(made.find(np.array([key]), 2), np.array([day]))
        assert days.shape == age.shape == (1, DAYS)
        newest = max((t // 86_400 for t in said), default=0)
        for value, back in zip(days[0], age[0], strict=True):
            if np.isnan(value):
                continue
            seen = day - back
            assert back >= 0
            assert newest - DAYS < seen <= min(day, newest)
            assert value == said[max(t for t in said if t // 86_400 == seen)]


def test_a_day_far_ahead_drops_all_the_days_before_and_a_day_too_old_is_not_taken() -> None:
    made = new_series()
    put(made, [(0, int(n * DAY), 50 + n) for n in range(5)])
    put(made, [(0, int(1_000 * DAY), 60)])
    row = made.find(np.array([0]), 2)
    days, _ = made.days_until(row, np.array([1_000]))
    assert [d for d in days[0] if not np.isnan(d)] == [60]
    put(made, [(0, int((1_000 - DAYS) * DAY), 51), (0, int((1_001 - DAYS) * DAY), 52)])
    days, age = made.days_until(row, np.array([1_000]))
    known = [(int(a), v) for v, a in zip(days[0], age[0], strict=True) if not np.isnan(v)]
    assert known == [(DAYS - 1, 52), (0, 60)]


@pytest.mark.parametrize("first", [(86_398, 50), (86_399, 60), (86_397, 70)])
def test_of_a_day_the_last_reading_counts_and_within_two_seconds_the_higher(
    first: tuple[int, int],
) -> None:
    made = new_series()
    given = [(0, second, value) for second, value in
             (first, (0, 80), (86_397, 70), (86_398, 50), (86_399, 60))]  # fmt: skip
    put(made, given)
    days, _ = made.days_until(made.find(np.array([0]), 2), np.array([0]))
    assert days[0, -1] == 60


def test_both_sides_of_midnight_are_two_days() -> None:
    made = new_series()
    put(made, [(0, int(DAY) - 1, 51), (0, int(DAY), 52)])
    days, age = made.days_until(made.find(np.array([0]), 2), np.array([1]))
    assert days[0, -2:].tolist() == [51, 52]
    assert age[0, -2:].tolist() == [1, 0]


def test_days_are_kept_only_of_quantities_whose_days_are_asked_for() -> None:
    made = series.Series(lambda _, column: column == 7)
    rows = made.meet(np.array([0, 0, 1]), np.array([2, 7, 7]))
    made.put(rows, np.full(3, DAY), np.full(3, DAY), np.arange(3.0))
    assert made.by_day.count == 2
    days, _ = made.days_until(rows, np.ones(3, dtype=np.int64))
    assert [np.nanmax(d) if not np.isnan(d).all() else None for d in days] == [None, 1.0, 2.0]
    empty, age = new_series().days_until(np.array([ABSENT]), np.array([3]))
    assert np.isnan(empty).all()
    assert empty.shape == age.shape == (1, DAYS)


def test_who_is_forgotten_takes_their_days_along_and_nobody_elses() -> None:
    made = new_series()
    put(made, [(k, int(n * DAY), 50 + k) for k in range(4) for n in range(3)])
    before = made.nbytes
    made.forget(np.array([ABSENT, 0, ABSENT, 1, ABSENT]))
    assert made.by_day.count == made.count == 2
    for key, value in ((0, 51), (1, 53)):
        row = made.find(np.array([key]), 2)
        days, _ = made.days_until(row, np.array([2]))
        assert days[0, -3:].tolist() == [value] * 3
    assert made.find(np.array([2, 3]), 2).tolist() == [ABSENT, ABSENT]
    assert made.nbytes <= before


# -- what days tell ------------------------------------------------------------------------------

value = st.one_of(st.just(NAN), st.integers(40, 120).map(float))
week = st.lists(value, min_size=DAYS, max_size=DAYS)
AGE = np.arange(DAYS - 1, -1, -1)[None]


def known(days: Sequence[float], least: int) -> list[float]:
    return [d for d, a in zip(days, AGE[0], strict=True) if a >= least and not math.isnan(d)]


@settings(deadline=None)
@given(week)
def test_usual_is_the_median_and_the_spread_of_the_days_before_the_last_three(
    days: list[float],
) -> None:
    median, spread = series.usual(np.array([days]), AGE, np.array([2.0]))
    old = known(days, 3)
    if len(old) < 5:
        assert np.isnan(median[0])
        assert np.isnan(spread[0])
        return
    middle = statistics.median(old)
    apart = 1.4826 * statistics.median([abs(v - middle) for v in old])
    assert median[0] == middle
    assert spread[0] == pytest.approx(max(2.0, apart))


@pytest.mark.parametrize(("count", "is_known"), [(4, False), (5, True)])
def test_usual_needs_five_days(count: int, is_known: bool) -> None:
    days = np.full((1, DAYS), NAN)
    days[0, :count] = 80.0
    days[0, -3:] = 99.0  # the last three, today included, never count
    median, spread = series.usual(days, AGE, np.array([0.5]))
    assert bool(median[0] == 80.0) is is_known
    assert bool(spread[0] == 0.5) is is_known


@settings(deadline=None)
@given(week, st.booleans())
def test_drift_is_the_tabular_cusum_of_the_days(days: list[float], up: bool) -> None:
    median, spread = series.usual(np.array([days]), AGE, np.array([1.0]))
    found = series.drift(np.array([days]), AGE, median, spread, up=up)
    if np.isnan(median[0]):
        assert np.isnan(found[0])
        return
    total = 0.0
    for day in days:
        if not math.isnan(day):
            step = (day - median[0]) / spread[0]
            total = max(0.0, total + (step if up else -step) - 0.5)
    assert found[0] == pytest.approx(total)


def test_the_cusum_is_that_of_the_published_example() -> None:
    """Montgomery, Introduction to Statistical Quality Control, table of the tabular CUSUM.

    Mean 10, sigma 1, K = 0.5: the sums above after the first ten observations.
    """
    x = [9.45, 7.99, 9.29, 11.66, 12.16, 10.18, 8.04, 11.46, 9.20, 10.34]
    up = [0.00, 0.00, 0.00, 1.16, 2.82, 2.50, 0.04, 1.00, 0.00, 0.00]
    down = [0.05, 1.56, 1.77, 0.00, 0.00, 0.00, 1.46, 0.00, 0.30, 0.00]
    for n in range(1, 11):
        days = np.array([x[:n]])
        age = np.arange(n - 1, -1, -1)[None]
        mean, sigma = np.array([10.0]), np.array([1.0])
        above = series.drift(days, age, mean, sigma, up=True)[0]
        below = series.drift(days, age, mean, sigma, up=False)[0]
        assert (round(above, 2), round(below, 2)) == (up[n - 1], down[n - 1])


@settings(deadline=None)
@given(week, st.integers(1, 15))
def test_the_slope_is_that_of_least_squares(days: list[float], window: int) -> None:
    found = series.slope(np.array([days]), AGE, window)[0]
    points = [
        (-a, d) for d, a in zip(days, AGE[0], strict=True) if a <= window and not math.isnan(d)
    ]
    if len(points) < 3:
        assert np.isnan(found)
        return
    wanted = statistics.linear_regression(*zip(*points, strict=True)).slope
    assert found == pytest.approx(wanted, abs=1e-9)


def test_two_days_are_no_trend_and_three_are() -> None:
    for days, wanted in (([NAN, 80.0, 80.5], NAN), ([80.0, 80.5, 81.0], 0.5)):
        found = series.slope(np.array([days]), np.array([[2, 1, 0]]), 7)[0]
        assert found == wanted or (math.isnan(wanted) and math.isnan(found))


@settings(deadline=None)
@given(st.lists(st.lists(value, min_size=4, max_size=4).filter(lambda r: not np.isnan(r).all()),
                max_size=5))  # fmt: skip
def test_the_median_leaves_out_what_was_not_measured(rows: list[list[float]]) -> None:
    found = series.median_of(np.array(rows, dtype=np.float64).reshape(-1, 4))
    assert found.tolist() == [statistics.median([v for v in r if not math.isnan(v)]) for r in rows]


def test_of_nobody_nothing_is_told() -> None:
    none, age = np.zeros((0, DAYS)), np.zeros((0, DAYS), dtype=np.int64)
    median, spread = series.usual(none, age, np.zeros(0))
    assert series.drift(none, age, median, spread, up=True).shape == (0,)
    assert series.slope(none, age, 7).shape == (0,)
