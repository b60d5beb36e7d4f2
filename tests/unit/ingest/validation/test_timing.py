"""Lost, future, late and historical times."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.kernel.observation import Quality
from ingest.validation import timing
from tests.unit.ingest.doubles import NOW

LIMITS = timing.Limits(future_tolerance=120.0, late_after=900.0, historical_after=86_400.0)


def judge(
    *sent: float, message: list[int] | None = None, hub_timed: bool = False
) -> tuple[list[float], list[Quality]]:
    n = len(sent)
    time, flags = timing.judge(
        np.array(sent, dtype=np.float64),
        np.full(n, NOW),
        np.full(n, hub_timed),
        np.array(message or [0] * n, dtype=np.int64),
        LIMITS,
    )
    return time.tolist(), [Quality(int(f)) for f in flags]


@pytest.mark.parametrize(
    ("sent", "time", "flags"),
    [
        pytest.param(NOW, NOW, Quality.NONE, id="now"),
        pytest.param(NOW + 120, NOW + 120, Quality.NONE, id="just within the tolerance"),
        pytest.param(NOW + 120.001, NOW, Quality.FUTURE, id="just past it"),
        pytest.param(NOW - 900, NOW - 900, Quality.NONE, id="not yet late"),
        pytest.param(NOW - 901, NOW - 901, Quality.LATE, id="late"),
        pytest.param(NOW - 86_400, NOW - 86_400, Quality.LATE, id="a day"),
        pytest.param(
            NOW - 86_401, NOW - 86_401, Quality.LATE | Quality.HISTORICAL, id="over a day"
        ),
        pytest.param(946_684_800.0, 946_684_800.0, Quality.LATE | Quality.HISTORICAL, id="2000"),
        pytest.param(946_684_799.9, NOW, Quality.CLOCK_LOST, id="just before 2000"),
        pytest.param(0.0, NOW, Quality.CLOCK_LOST, id="1970"),
        pytest.param(4_102_444_800.0, NOW, Quality.FUTURE, id="2100"),
        pytest.param(-1e300, NOW, Quality.CLOCK_LOST, id="far out of any calendar"),
        pytest.param(1e300, NOW, Quality.FUTURE, id="as far the other way"),
    ],
)
def test_each_time_is_kept_or_corrected_and_flagged(
    sent: float, time: float, flags: Quality
) -> None:
    assert judge(sent) == ([time], [flags])


def test_the_spacing_of_a_buffer_with_a_lost_clock_is_kept() -> None:
    time, flags = judge(100.0, 160.0, 220.0)
    assert time == [NOW - 120, NOW - 60, NOW]
    assert set(flags) == {Quality.CLOCK_LOST}


def test_times_too_far_apart_are_no_spacing() -> None:
    time, _ = judge(-1e9, 220.0)
    assert time == [NOW, NOW]


def test_each_message_is_shifted_by_itself() -> None:
    time, _ = judge(100.0, 500.0, 160.0, message=[0, 1, 0])
    assert time == [NOW - 60, NOW, NOW]


def test_a_good_time_beside_a_lost_one_is_left_alone() -> None:
    time, flags = judge(100.0, NOW - 5)
    assert time == [NOW, NOW - 5]
    assert flags == [Quality.CLOCK_LOST, Quality.NONE]


def test_a_time_made_by_the_hub_says_so() -> None:
    assert judge(NOW - 5, hub_timed=True) == ([NOW - 5], [Quality.HUB_TIMED])


def test_no_rows_are_no_trouble() -> None:
    assert judge() == ([], [])


@given(st.lists(st.floats(-1e18, 1e18), min_size=1, max_size=8), st.integers(0, 3))
def test_a_corrected_time_is_never_lost_or_future(sent: list[float], spread: int) -> None:
    message = [i % (spread + 1) for i in range(len(sent))]
    time, _ = judge(*sent, message=message)
    assert all(t <= NOW + 120 for t in time)
    assert all(t >= timing.CLOCK_EPOCH for t in time)
