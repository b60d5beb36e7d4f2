"""Every signal of the vocabulary, computed from what was said, against plain Python."""

# ruff: noqa: E501  (tables read best as such)
from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts import signals
from alerts.rules import language
from alerts.rules.language import Signal
from ingest.kernel.observation import Quality
from tests.support.judging import (
    DAY,
    HOUR,
    LONG_AGO,
    MINUTE,
    NOW,
    Hub,
    Reading,
    days,
    pack_of,
    rule,
)

EVERYTHING = pack_of(
    rule("a", 'when = "gain(weight, \'3 d\') > 1 and spo2 < 90 and on_oxygen and glucose < 4 and fall"')
    + rule("b", 'subject = "home"', 'when = "door_open and room_temperature < 5 and light() < 9"',
           'clear = "not door_open and bed_overdue() > 1 and held(door_open) > 1"')
    + rule("c", 'subject = "device"', 'when = "battery < 20 and not mains"')
    + '[[limit]]\nquantity = "weight"\nleast_spread = 0.4\nsource = "x"\n'
)  # fmt: skip


def hub() -> Hub:
    return Hub(EVERYTHING)


def of_person(one: Hub, text: str, *, no: int = 1, at: float = NOW, now: float = NOW,
              fresh: float = DAY) -> float:  # fmt: skip
    """The value of a signal, written as rules write it."""
    slot = one.memory.people.rows(np.array([no]))
    env = signals.PersonEnv(one.memory, slot, np.array([at]), now=now, fresh=fresh)
    return float(env.signal(signal(text))[0])


def of_home(one: Hub, text: str, *, no: int = 1, now: float = NOW, at: float | None = None,
            fresh: float = DAY) -> float:  # fmt: skip
    slot = one.memory.homes.rows(np.array([no]))
    moment = np.array([now if at is None else at])
    env = signals.HomeEnv(one.memory, slot, moment, now=now, fresh=fresh)
    return float(env.signal(signal(text))[0])


def signal(text: str) -> Signal:
    (found,) = language.signals(language.parse(f"{text} == {text}"))
    return found


def same(a: float, b: float) -> bool:
    return (math.isnan(a) and math.isnan(b)) or a == pytest.approx(b)


# -- of people -----------------------------------------------------------------------------------

weights = st.lists(
    st.one_of(st.none(), st.integers(600, 900).map(lambda n: n / 10)), min_size=1, max_size=15
)


@settings(max_examples=60, deadline=None)
@given(weights, st.integers(1, 15), st.integers(1, 8))
def test_signals_of_days_are_those_of_plain_python(
    given: list[float | None], window: int, least: int
) -> None:
    """One weight a day, the last of them today's; some days without."""
    one, last = hub().put(), len(given) - 1
    for n, value in enumerate(given):
        if value is not None:
            one.say(Reading("weight", value, (last - n) * DAY, flags=int(Quality.HISTORICAL)))
    ages = {last - n: v for n, v in enumerate(given) if v is not None}
    now = ages.get(0, math.nan)
    before = [v for a, v in ages.items() if 1 <= a <= window]
    inside = [v for a, v in ages.items() if a < window]
    old = [v for a, v in ages.items() if a >= 3]
    span = f"'{window} d'"
    gain = now - min(before) if before else math.nan
    loss = max(before) - now if before else math.nan
    mean = statistics.fmean(inside) if len(inside) >= least else math.nan
    points = [(-a, v) for a, v in ages.items() if a <= window]
    slope = math.nan
    if len(points) >= 3:
        slope = statistics.linear_regression(*zip(*points, strict=True)).slope
    middle = statistics.median(old) if len(old) >= 5 else math.nan
    apart = statistics.median(abs(v - middle) for v in old) if old else math.nan
    spread = max(0.4, 1.4826 * apart)
    fresh = {"fresh": DAY - 1}
    assert same(of_person(one, "weight", **fresh), now)
    assert same(of_person(one, f"gain(weight, {span})", **fresh), gain)
    assert same(of_person(one, f"loss(weight, {span})", **fresh), loss)
    assert same(of_person(one, f"mean(weight, {span}, {least})"), mean)
    assert of_person(one, f"slope(weight, {span})") == pytest.approx(slope, abs=1e-6, nan_ok=True)
    assert same(of_person(one, "usual(weight)"), middle)
    assert same(of_person(one, "z(weight)", **fresh), (now - middle) / spread)


@pytest.mark.parametrize(("age", "known"), [(100.0, True), (100.1, False)])
def test_a_reading_counts_while_it_is_fresh(age: float, known: bool) -> None:
    one = hub().put()
    one.say(("spo2", 95.0, age))
    assert math.isnan(of_person(one, "spo2", fresh=100.0)) is not known
    assert of_person(one, "age(spo2)", fresh=1.0) == pytest.approx(age)
    assert math.isnan(of_person(one, "age(glucose)"))


def test_the_register_says_whether_somebody_is_on_oxygen_where_no_device_does() -> None:
    one = hub().put(1, on_oxygen=True).put(2)
    assert (of_person(one, "on_oxygen"), of_person(one, "on_oxygen", no=2)) == (1, 0)
    one.say(("on_oxygen", 0.0), ("on_oxygen", 1.0, 0, 2))
    assert (of_person(one, "on_oxygen"), of_person(one, "on_oxygen", no=2)) == (0, 1)
    later = {"at": NOW + 2 * DAY, "now": NOW + 2 * DAY}
    assert of_person(one, "on_oxygen", **later) == 1


def test_limits_are_infinite_where_there_are_none() -> None:
    one = hub().put(limits={"weight": {"high": 90.1}})
    assert of_person(one, "low(weight)") == -math.inf
    assert of_person(one, "high(weight)") == 90.1


def test_a_late_reading_stands_at_its_own_moment_whatever_else_is_remembered() -> None:
    one = hub().put()
    one.say(*days("glucose", 5, 6, 7, 8, 9))
    slot, at = np.zeros(1, dtype=np.int64), np.array([NOW - 2 * DAY - 60])
    column = one.plan.column("glucose")
    env = signals.PersonEnv(one.memory, slot, at, now=NOW, fresh=DAY, own={column: np.array([3.3])})
    assert env.signal(signal("glucose")).tolist() == [3.3]
    assert env.time_of(signal("glucose")).tolist() == at.tolist()
    plain = signals.PersonEnv(one.memory, slot, at, now=NOW, fresh=DAY)
    assert plain.signal(signal("glucose")).tolist() == [7.0]


def test_the_newest_readings_come_with_their_ages() -> None:
    one = hub().put()
    one.say(*[("glucose", float(n), n * 60) for n in range(6)])
    env = signals.PersonEnv(one.memory, np.zeros(1, np.int64), np.array([NOW]), now=NOW, fresh=DAY)
    values, ages = env.recent(signal("glucose"), 3)
    assert (values.tolist(), ages.tolist()) == ([[0, 1, 2]], [[0, 60, 120]])


def test_a_home_says_something_of_a_person_only_who_lives_there_alone() -> None:
    one = hub().put(1).put(2, others=(7,))
    one.say(("kitchen/motion", 1, HOUR, 1), ("kitchen/motion", 1, HOUR, 2))
    assert of_person(one, "still()") == HOUR
    assert math.isnan(of_person(one, "still()", no=2))
    assert (of_person(one, "residents()"), of_person(one, "residents()", no=2)) == (1, 2)
    assert of_home(one, "still()", no=2) == HOUR


def test_some_of_many_are_what_they_were_among_the_many() -> None:
    one = hub()
    for no in range(1, 6):
        one.put(no, limits={"weight": {"low": 50 + no}})
        one.say(Reading("weight", 60.0 + no, 0, no))
    slots = np.arange(5)
    env = signals.PersonEnv(one.memory, slots, np.full(5, NOW), now=NOW, fresh=DAY)
    for text in ("weight", "low(weight)", "age(weight)", "residents()"):
        whole = env.signal(signal(text))
        for which in ([0], [4, 1], []):
            at = np.array(which, dtype=np.int64)
            part = env.some(at)
            assert part.signal(signal(text)).tolist() == whole[at].tolist()
            assert (
                part.time_of(signal("weight")).tolist()
                == env.time_of(signal("weight"))[at].tolist()
            )


# -- of homes ------------------------------------------------------------------------------------


def test_before_anything_moved_a_home_is_unknown_and_afterwards_it_is_still() -> None:
    one = hub().put()
    names = ("still()", "away()", "after_fall()", "quiet_hours()", "days_known()", "bed_overdue()",
             "count('night_motion')", "usual_count('night_motion')", "excess('night_motion')")  # fmt: skip
    assert all(math.isnan(of_home(one, name)) for name in names)
    one.say(("kitchen/motion", 1))
    later = NOW + 100
    assert [of_home(one, name, now=later) for name in names[:3]] == [100, 0, 0]
    assert of_home(one, "days_known()", now=later) == 0
    assert of_home(one, "count('night_motion')", now=later) == 0
    assert math.isnan(of_home(one, "quiet_hours()", now=later))


@pytest.mark.parametrize(
    ("events", "still", "away"),
    [
        ([("kitchen/motion", 1, 500)], 500, 0),
        ([("kitchen/motion", 0, 100), ("kitchen/motion", 1, 500)], 500, 0),  # "no motion" is none
        ([("front-door/door_open", 0, 300), ("kitchen/motion", 1, 500)], 0, 300),
        ([("front-door/door_open", 1, 300), ("kitchen/motion", 1, 180)], 0, 300),
        ([("front-door/door_open", 1, 300), ("kitchen/motion", 1, 179)], 179, 0),
        ([("wardrobe/door_open", 1, 300), ("kitchen/motion", 1, 500)], 300, 0),
        ([("bed_occupied", 1, 300), ("kitchen/motion", 1, 500)], 300, 0),
        ([("chair_occupied", 0, 300), ("kitchen/motion", 1, 500)], 300, 0),
        ([("front-door/door_open", 1, 300)], math.nan, math.nan),  # a door alone sees no motion
    ],
)
def test_stillness_is_since_the_last_motion_and_none_while_somebody_is_out(
    events: list[tuple], still: float, away: float
) -> None:
    one = hub().put()
    one.say(*events)
    assert same(of_home(one, "still()"), still)
    assert same(of_home(one, "away()"), away)


def test_the_time_of_day_of_the_door_is_by_the_homes_clock_and_unknown_before_it_was_used() -> None:
    one = hub().put()
    one.say(("kitchen/motion", 1, 2 * HOUR))
    assert math.isnan(of_home(one, "door_minute()"))
    one.say(("front-door/door_open", 1, HOUR), ("wardrobe/door_open", 1))
    assert of_home(one, "door_minute()") == 7 * 60
    assert of_home(one, "door_minute()", now=NOW + 5 * HOUR) == 7 * 60  # whatever the clock says
    one.say(("front-door/door_open", 0, HOUR - 60), ("front-door/door_open", 1, 2 * HOUR))
    assert of_home(one, "door_minute()") == 7 * 60 + 1  # used is opened or shut, and the newest


def test_nothing_lasts_longer_than_the_hub_has_been_listening() -> None:
    one = hub().put()
    one.say(("kitchen/motion", 1, 5 * HOUR), ("fall", 1, 4 * HOUR))
    one.tick(NOW, heard_since=NOW - HOUR)
    assert of_home(one, "still()") == HOUR
    assert of_home(one, "after_fall()") == HOUR
    one.say(("front-door/door_open", 1, 3 * HOUR))
    assert of_home(one, "away()") == HOUR


@pytest.mark.parametrize(
    ("fell", "moved", "lying"),
    [(900, 840, 900), (900, 839, 0), (12 * HOUR, 13 * HOUR, 12 * HOUR),
     (12 * HOUR + 1, 13 * HOUR, math.nan), (12 * HOUR + 1, 60, 0)],
)  # fmt: skip
def test_after_a_fall_time_counts_until_something_moves(
    fell: float, moved: float, lying: float
) -> None:
    one = hub().put()
    one.say(("fall", 1, fell), ("kitchen/motion", 1, moved))
    one.tick(NOW, heard_since=LONG_AGO)
    assert same(of_home(one, "after_fall()"), lying)


def test_a_state_is_what_was_said_last_and_since_when_it_is_that() -> None:
    one = hub().put()
    one.say(("front-door/door_open", 1, 900))
    assert of_home(one, "door_open") == 1
    assert math.isnan(of_home(one, "held(door_open)"))  # it may tell one way only
    one.say(("front-door/door_open", 0, 600), ("front-door/door_open", 0, 300))
    assert of_home(one, "door_open", fresh=1.0) == 0  # a yes or no stands
    assert of_home(one, "held(door_open)") == 600
    assert of_home(one, "held(door_open)", at=NOW - 100) == 500  # judged at its own moment
    one.say(("front-door/door_open", 1, 450))  # too late to change what is known
    assert of_home(one, "held(door_open)") == 600


@pytest.mark.parametrize(("age", "known"), [(100.0, True), (100.1, False)])
def test_a_temperature_counts_while_it_is_fresh_and_light_is_dark_where_unknown(
    age: float, known: bool
) -> None:
    one = hub().put()
    assert of_home(one, "light()") == 0
    one.say(("room_temperature", 17.9, age), ("illuminance", 40.0, age))
    assert same(of_home(one, "room_temperature", fresh=100.0), 17.9 if known else math.nan)
    assert of_home(one, "light()", fresh=100.0) == (40.0 if known else 0.0)


def test_quiet_hours_begin_at_the_last_motion_and_are_none_while_out() -> None:
    one = hub().put()
    midnight = NOW - 8 * HOUR
    for back in range(10):
        at = [midnight - back * DAY + h * HOUR for h in (range(24) if back else range(6))]
        one.say(*[("kitchen/motion", 1, NOW - t) for t in at])
    assert of_home(one, "quiet_hours()") == pytest.approx(3.0)  # since five
    assert of_home(one, "days_known()") == 9
    one.say(("front-door/door_open", 1, 10))
    assert of_home(one, "quiet_hours()") == 0


def test_homes_and_devices_have_no_numbers_of_their_own_and_no_readings_one_by_one() -> None:
    one = hub().put()
    one.say(("battery", 15.0), ("mains", 1), ("room_temperature", 20.0))
    slot = np.zeros(1, dtype=np.int64)
    home = signals.HomeEnv(one.memory, slot, np.array([NOW]), now=NOW, fresh=DAY)
    device = signals.DeviceEnv(one.memory, slot, now=NOW + 9 * DAY, fresh=DAY)
    for env in (home, device):
        assert np.isnan(env.parameter(0)).all()
        values, ages = env.recent(signal("spo2"), 2)
        assert np.isnan(values).all()
        assert np.isinf(ages).all()
    assert np.isnan(device.minute()).all()
    assert home.minute().tolist() == [480.0]
    assert device.signal(signal("battery")).tolist() == [15.0]  # however long ago
    assert device.time_of(signal("battery")).tolist() == [NOW]
    assert device.some(slot).signal(signal("mains")).tolist() == [1.0]


def test_the_minute_of_the_day_is_the_local_one() -> None:
    one = Hub(EVERYTHING).put(1, zone="Asia/Kathmandu").put(2, zone="America/New_York")
    slots, at = np.arange(2), np.full(2, NOW + MINUTE)
    for kind in (signals.HomeEnv, signals.PersonEnv):
        env = kind(one.memory, slots, at, now=NOW, fresh=DAY)
        assert env.minute().tolist() == [13 * 60 + 46, 3 * 60 + 1]
