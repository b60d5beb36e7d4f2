"""Intervals against published values, and what holds of every interval."""

from __future__ import annotations

import math

import numpy as np
import pytest

from alerts.backtest import statistics


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [  # Newcombe, Stat. Med. 17 (1998) 857-872, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_is_as_published(hits: int, n: int, low: float, high: float) -> None:
    found = statistics.wilson(hits, n)
    assert found == pytest.approx((low, high), abs=5e-5)


def test_wilson_mirrors_and_knows_nothing_of_nothing() -> None:
    low, high = statistics.wilson(3, 11)
    assert statistics.wilson(8, 11) == pytest.approx((1 - high, 1 - low))
    assert all(math.isnan(x) for x in statistics.wilson(0, 0))


def test_alike_homes_leave_no_doubt_and_one_home_says_nothing_of_others() -> None:
    alike = np.tile([2.0, 10.0], (12, 1))
    assert statistics.over_homes(alike, statistics.ratio) == pytest.approx((0.2, 0.2))
    assert all(math.isnan(x) for x in statistics.over_homes(alike[:1], statistics.ratio))


def test_homes_that_differ_widen_the_interval_and_it_is_the_same_each_time() -> None:
    counts = np.array([[0.0, 10.0], [0.0, 10.0], [9.0, 10.0], [1.0, 10.0], [0.0, 10.0]])
    low, high = statistics.over_homes(counts, statistics.ratio)
    assert low < 0.2 < high
    assert high - low > np.diff(statistics.wilson(10, 50))[0]
    assert statistics.over_homes(counts, statistics.ratio) == (low, high)


def test_f1_of_true_positives_alerts_and_labels() -> None:
    assert statistics.f1(np.array([[6.0, 10.0, 8.0]])).tolist() == [pytest.approx(12 / 18)]
