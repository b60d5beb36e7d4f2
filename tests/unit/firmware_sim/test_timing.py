"""Tests of `firmware_sim.timing`."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from firmware_sim import timing


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("3h12m", 11520), ("0.5s", 0.5), ("5d", 432000), (7, 7.0), ("1d1s", 86401)],
)
def test_durations_are_read(text, seconds):
    assert timing.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "3", "h", "3h nonsense", "3x"])
def test_a_bad_duration_is_refused(text):
    with pytest.raises(ValueError, match="is no duration"):
        timing.seconds(text)


def test_a_compressed_story_ends_now_and_is_never_in_the_future():
    clock = timing.StoryClock(started=1e9, live_from=86400, speed=1000)
    for elapsed in (0, 10, 80, 86.4, 100):
        assert clock.unix(clock.story(1e9 + elapsed)) <= 1e9 + elapsed + 1e-6
    assert clock.unix(86400) == pytest.approx(1e9 + 86.4)


def test_after_the_fast_part_story_and_world_run_in_step():
    clock = timing.StoryClock(started=0, live_from=100, speed=10)
    assert clock.story(10) == 100
    assert clock.story(15) == 105
    assert clock.unix(clock.story(15)) == 15


@pytest.mark.parametrize("story", [0, 50, 100, 250])
def test_story_to_real_and_back_is_the_same_moment(story):
    clock = timing.StoryClock(started=7, live_from=100, speed=10)
    assert clock.story(clock.real(story)) == pytest.approx(story)


def test_a_drifting_clock_gains_what_it_is_said_to_gain():
    clock = timing.DeviceClock(drift_per_day=60)
    assert clock.show(1e9 + 2 * 86400, since=1e9) == 1e9 + 2 * 86400 + 120


def test_a_lost_clock_shows_its_epoch_or_nothing_and_can_be_set():
    clock = timing.DeviceClock()
    clock.lose(1000.0, restarts_at=315964800)
    assert clock.show(1060.0, since=0) == 315964860
    clock.lose(1000.0, restarts_at=None)
    assert clock.show(1060.0, since=0) is None
    clock.set()
    assert clock.show(1060.4, since=0) == 1060


@pytest.mark.parametrize("hour", range(24))
@pytest.mark.parametrize("wanted", [0.0, 2.5, 12.0, 23.5])
def test_there_is_a_zone_in_which_it_is_that_time_now(hour, wanted):
    now = 1_795_392_000.0 + hour * 3600 + 1234
    zone = ZoneInfo(timing.zone_where(wanted * 3600, now))
    there = datetime.fromtimestamp(now, zone)
    away = (there.hour + there.minute / 60 - wanted + 12) % 24 - 12
    assert abs(away) <= 0.52
