"""What was promised and did not come: device, stream, reading, site; never early, never twice."""

# ruff: noqa: E501  (tables read best as such)
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts import model
from alerts.model import Finding, Outcome
from alerts.state.subjects import Device
from ingest.kernel.observation import Quality
from tests.support.dumps import PACKS
from tests.support.judging import DAY, HOUR, LONG_AGO, MINUTE, NOW, Hub, Reading

RAISE, CLEAR, REFRESH = Outcome.RAISE, Outcome.CLEAR, Outcome.REFRESH
DEVICE, STREAM = "equipment.device_silent", "equipment.stream_silent"
READING, SITE = "readings.overdue", "equipment.site_silent"


def device(no: int = 1, *, person: int = 0, site: int = 1, state: str = "", since: float = NOW,
           **cadence: float) -> Device:  # fmt: skip
    return Device(no=no, shard=no % 64, home_no=no, person_no=person, site_no=site, state=state,
                  cadence=cadence, since=since)  # fmt: skip


def hub(*devices: Device) -> Hub:
    one = Hub()
    one.engine.put(devices=devices)
    return one


def says(one: Hub, name: str, now: float, no: int = 1, *, flags: int = 0) -> list[tuple]:
    value = 80.0 if name == "battery" else 1.0
    found = one.say(Reading(name, value, 0.0, 0, no, no, flags), now=now)
    return [(f.rule_id, f.outcome) for f in found]


def ticks(one: Hub, begin: float, end: float, step: float = MINUTE) -> list[tuple]:
    return [(at, f.rule_id, f.outcome) for at, f in one.ticks(NOW + begin, NOW + end, step)]


@pytest.mark.parametrize(
    ("cadence", "wait"),
    [(60.0, 30 * MINUTE), (900.0, 30 * MINUTE), (1_200.0, 40 * MINUTE), (DAY, 2 * DAY)],
)
def test_a_device_is_silent_after_twice_its_interval_and_at_least_half_an_hour(
    cadence: float, wait: float
) -> None:
    one = hub(device(battery=cadence))
    assert one.tick(NOW + wait - 0.1) == []
    (found,) = one.tick(NOW + wait)
    assert (found.rule_id, found.outcome) == (DEVICE, RAISE)
    assert (found.subject, found.subject_no, found.device_no) == ("device", 1, 1)
    assert (found.facts[0].quantity, found.facts[0].values) == ("battery", (cadence,))
    assert found.facts[0].value == pytest.approx(wait)
    assert one.tick(NOW + 5 * wait) == []  # told once
    assert says(one, "battery", NOW + 6 * wait) == [(DEVICE, CLEAR)]
    assert (NOW + 7 * wait) not in [f.at for f in one.tick(NOW + 7 * wait - 1)]


def test_what_is_heard_in_time_is_never_called_silent() -> None:
    one = hub(device(battery=900.0))
    for n in range(1, 200):
        assert says(one, "battery", NOW + n * 1_799) == []
        assert one.tick(NOW + n * 1_799 + 1_798) == []


def test_it_is_the_receive_clock_that_counts() -> None:
    """A device that sends what it has stored is alive, however old its readings are."""
    one = hub(device(battery=900.0))
    assert one.say(Reading("battery", 80.0, 5 * DAY, 0, 1, 1, int(Quality.HISTORICAL)),
                   now=NOW + 1_700) == []  # fmt: skip
    assert one.tick(NOW + 1_800) == []
    assert [f.rule_id for f in one.tick(NOW + 3_500)] == [DEVICE]


@pytest.mark.parametrize("flags", [Quality.RETAINED, Quality.IMPORTED])
def test_a_copy_and_an_import_are_no_sign_of_life(flags: int) -> None:
    one = hub(device(battery=900.0))
    says(one, "battery", NOW + 1_700, flags=int(flags))
    assert [f.rule_id for f in one.tick(NOW + 1_800)] == [DEVICE]


def test_an_impossible_reading_is_a_sign_of_life() -> None:
    one = hub(device(battery=900.0))
    says(one, "battery", NOW + 1_700, flags=int(Quality.IMPLAUSIBLE))
    assert one.tick(NOW + 1_800) == []


def test_a_device_that_sends_something_else_has_a_dead_stream() -> None:
    one = hub(device(battery=900.0, humidity=900.0))
    for n in range(1, 5):
        says(one, "battery", NOW + n * 800)
    (found,) = one.tick(NOW + 3_300)
    assert (found.rule_id, found.outcome) == (STREAM, RAISE)
    assert [f.quantity for f in found.facts] == ["humidity"]
    assert says(one, "humidity", NOW + 3_400) == [(STREAM, CLEAR)]


@pytest.mark.parametrize(
    ("state", "rule_id"), [("online", STREAM), ("", DEVICE), ("offline", DEVICE), ("sleeping", DEVICE)]
)  # fmt: skip
def test_a_device_that_is_connected_is_not_silent_itself(state: str, rule_id: str) -> None:
    one = hub(device(battery=900.0, state=state))
    assert [f.rule_id for f in one.tick(NOW + 1_800)] == [rule_id]


@pytest.mark.parametrize(
    ("state", "rule_id"), [("", READING), ("online", READING), ("offline", DEVICE)]
)
def test_a_reading_that_a_person_was_to_take_is_the_persons_unless_the_device_is_gone(
    state: str, rule_id: str
) -> None:
    one = hub(device(person=9, weight=DAY, state=state))
    assert one.tick(NOW + 2 * DAY - 1) == []
    (found,) = one.tick(NOW + 2 * DAY)
    assert found.rule_id == rule_id
    wanted = ("person", 9) if rule_id == READING else ("device", 1)
    assert (found.subject, found.subject_no) == wanted
    assert (found.person_no, found.device_no) == (9, 1)
    assert says(one, "weight", NOW + 3 * DAY) == [(rule_id, CLEAR)]


def test_a_persons_readings_that_are_overdue_at_once_are_told_together() -> None:
    one = hub(device(1, person=9, weight=DAY), device(2, person=9, glucose=DAY),
              device(9, weight=DAY))  # fmt: skip
    found = one.tick(NOW + 2 * DAY)
    assert [(f.subject, f.subject_no, len(f.facts)) for f in found] == [
        ("device", 9, 1), ("person", 9, 2),
    ]  # fmt: skip
    assert says(one, "weight", NOW + 3 * DAY) == []
    assert says(one, "glucose", NOW + 3 * DAY, 2) == [(READING, CLEAR)]


def test_one_more_silent_stream_of_a_silent_device_is_no_news() -> None:
    one = hub(device(battery=900.0, humidity=3_600.0))
    assert ticks(one, 0, 3 * HOUR) == [(1_800, DEVICE, RAISE), (7_200, DEVICE, REFRESH)]
    assert says(one, "humidity", NOW + 4 * HOUR) == [(DEVICE, CLEAR)]
    assert says(one, "battery", NOW + 4 * HOUR + 1) == []


def test_a_device_that_talks_again_is_not_silent_and_its_dead_stream_is_told_as_one() -> None:
    one = hub(device(battery=900.0, humidity=1_200.0))
    assert ticks(one, 0, HOUR) == [(1_800, DEVICE, RAISE), (2_400, DEVICE, REFRESH)]
    back = 2 * HOUR
    assert says(one, "battery", NOW + back) == [(DEVICE, CLEAR)]
    found = []
    for at in np.arange(back, back + 4 * HOUR, 300.0):
        assert says(one, "battery", NOW + at) == []
        found += [(at, f) for f in one.tick(NOW + at)]
    ((at, dead),) = found  # once, and as long after as any stream has
    assert (at, dead.rule_id, dead.outcome) == (back + 2_400, STREAM, RAISE)
    assert [f.quantity for f in dead.facts] == ["humidity"]
    assert dead.facts[0].value == pytest.approx(back + 2_400)  # since its own last word
    assert says(one, "humidity", NOW + 7 * HOUR) == [(STREAM, CLEAR)]


def test_a_device_that_is_back_with_all_its_streams_has_no_dead_one() -> None:
    one = hub(device(battery=900.0, humidity=1_200.0))
    ticks(one, 0, HOUR)
    assert says(one, "battery", NOW + 2 * HOUR) == [(DEVICE, CLEAR)]
    assert says(one, "humidity", NOW + 2 * HOUR + 2_399) == []
    assert says(one, "battery", NOW + 2 * HOUR + 1_799) == []
    assert one.tick(NOW + 2 * HOUR + 2_400) == []


def test_a_device_that_falls_silent_again_after_a_word_is_silent_itself() -> None:
    one = hub(device(battery=900.0, humidity=900.0))
    ticks(one, 0, HOUR)
    assert says(one, "battery", NOW + 2 * HOUR) == [(DEVICE, CLEAR)]
    (found,) = one.tick(NOW + 2 * HOUR + 1_800)
    assert (found.rule_id, found.outcome, len(found.facts)) == (DEVICE, RAISE, 2)
    assert ticks(one, 3 * HOUR, 9 * HOUR) == []


def test_any_word_of_a_device_ends_its_silence_also_one_that_nobody_promised() -> None:
    one = hub(device(battery=900.0, humidity=900.0))
    ticks(one, 0, HOUR)
    assert says(one, "illuminance", NOW + 2 * HOUR, flags=int(Quality.RETAINED)) == []
    assert says(one, "illuminance", NOW + 2 * HOUR) == [(DEVICE, CLEAR)]
    assert one.tick(NOW + 2 * HOUR + 1_799) == []
    assert [(f.rule_id, f.outcome) for f in one.tick(NOW + 2 * HOUR + 1_800)] == [(STREAM, RAISE)]


@pytest.mark.parametrize(
    ("state", "later", "over"),
    [
        ("online", 1.0, True),
        ("sleeping", 1.0, True),
        ("offline", 1.0, False),
        ("online", 0.0, False),
    ],
)
def test_what_a_device_says_of_itself_ends_its_silence_and_a_brokers_word_does_not(
    state: str, later: float, over: bool
) -> None:
    one = hub(device(battery=900.0, humidity=900.0))
    says(one, "battery", NOW)
    ticks(one, 0, HOUR)
    found = one.engine.presence(np.array([1]), [state], np.array([np.nan]), np.array([NOW + later]),
                                now=NOW + 2 * HOUR)  # fmt: skip
    assert [(f.rule_id, f.outcome) for f in found] == ([(DEVICE, CLEAR)] if over else [])


def test_dead_streams_that_come_back_together_are_over_once() -> None:
    one = hub(device(battery=900.0, humidity=900.0, illuminance=900.0))
    for n in range(1, 5):
        says(one, "battery", NOW + n * 800)
    assert [len(f.facts) for f in one.tick(NOW + 3_300)] == [2]
    found = one.say(Reading("humidity", 50.0, 0, 0, 1, 1), Reading("illuminance", 50.0, 0, 0, 1, 1),
                    now=NOW + 3_400)  # fmt: skip
    assert [(f.rule_id, f.outcome) for f in found] == [(STREAM, CLEAR)]


def test_the_hub_calls_nothing_silent_while_it_is_deaf_and_for_a_whole_interval_after() -> None:
    one = hub(device(battery=3_600.0))
    assert one.tick(NOW + 3 * HOUR, heard_since=None) == []
    back = NOW + 3 * HOUR
    assert one.tick(back + 3_599, heard_since=back) == []
    assert [f.rule_id for f in one.tick(back + 3_600, heard_since=back)] == [DEVICE]


def test_what_was_told_before_the_hub_was_deaf_is_not_told_again() -> None:
    one = hub(device(battery=900.0))
    assert len(one.tick(NOW + HOUR)) == 1
    back = NOW + 5 * HOUR
    for at in range(0, 5 * 3_600, 300):
        assert one.tick(back + at, heard_since=back) == []


def test_a_silence_that_somebody_closed_is_told_again_when_it_lasts_as_long_once_more() -> None:
    one = hub(device(battery=900.0), device(2, person=9, weight=DAY))
    one.tick(NOW + HOUR)
    one.engine.forget_told("device", 1, DEVICE, now=NOW + HOUR)
    assert one.tick(NOW + HOUR + 1_799) == []
    assert [f.rule_id for f in one.tick(NOW + HOUR + 1_800)] == [DEVICE]
    one.tick(NOW + 2 * DAY)
    one.engine.forget_told("person", 9, READING, now=NOW + 2 * DAY)
    assert [f.rule_id for f in one.tick(NOW + 4 * DAY - 1)] == []
    assert [f.rule_id for f in one.tick(NOW + 4 * DAY)] == [READING]
    one.engine.forget_told("device", 77, DEVICE, now=NOW)
    assert one.tick(NOW + 4 * DAY) == []


def test_a_quantity_nobody_knows_is_no_sign_of_life_of_another_devices_stream() -> None:
    one = hub(device(1, site=1, battery=900.0), device(2, site=2, battery=900.0))
    rows = one.rows([Reading("battery", 80.0, 0.0, 0, 1, 1)], now=NOW + 1_700)
    rows["quantity"] += 256  # the look-up of streams counts devices by 256
    one.engine.on_data(rows, now=NOW + 1_700)
    assert {f.subject_no for f in one.tick(NOW + 1_800)} == {1, 2}


def test_a_promise_taken_back_is_not_overdue_and_a_new_device_has_its_whole_interval() -> None:
    one = hub(device(battery=900.0))
    one.engine.put(devices=[device()])
    assert one.tick(NOW + DAY) == []
    one.engine.put(devices=[device(battery=900.0, since=NOW + DAY)])
    assert one.tick(NOW + DAY + 1_799) == []
    assert len(one.tick(NOW + DAY + 1_800)) == 1


# -- sites ---------------------------------------------------------------------------------------


def site(count: int, silent: int, *, others: int = 0) -> tuple[Hub, list[Finding]]:
    """So many devices on one site, some of which fall silent together."""
    one = hub(*[device(n, battery=900.0) for n in range(1, count + 1)],
              *[device(n, site=2, battery=900.0) for n in range(100, 100 + others)],
              *[device(n, person=n, weight=DAY) for n in range(200, 220)])  # fmt: skip
    for n in range(silent + 1, count + 1):
        says(one, "battery", NOW + 1_000, n)
    return one, one.tick(NOW + 1_800)


@pytest.mark.parametrize(
    ("count", "silent", "outage"), [(10, 5, True), (11, 5, False), (4, 4, False), (5, 5, True)]
)
def test_half_of_a_site_silent_at_once_and_at_least_five_is_one_outage(
    count: int, silent: int, outage: bool
) -> None:
    _, found = site(count, silent)
    if outage:
        (one,) = found
        assert (one.rule_id, one.subject, one.subject_no) == (SITE, "site", 1)
        assert one.said == f"{silent} of {count} devices that send by themselves are silent."
        assert one.severity is model.Severity.URGENT
    else:
        assert [f.rule_id for f in found] == [DEVICE] * silent


def test_another_site_is_told_by_itself() -> None:
    _, found = site(8, 8, others=2)
    assert sorted(f.rule_id for f in found) == [DEVICE, DEVICE, SITE]


def test_when_a_site_is_back_what_is_still_silent_there_is_told_device_by_device() -> None:
    one, _ = site(10, 10)
    for n in range(1, 6):
        assert says(one, "battery", NOW + 2_000, n) == []  # the outage speaks for them
    assert one.tick(NOW + 2_001) == []  # half is still silent
    says(one, "battery", NOW + 2_002, 6)
    found = one.tick(NOW + 2_003)
    assert [(f.rule_id, f.outcome) for f in found] == [(SITE, CLEAR)] + [(DEVICE, RAISE)] * 4
    assert found[0].said == "6 of its 10 devices are heard again."
    assert one.tick(NOW + 2_004) == []


def test_what_falls_silent_during_an_outage_belongs_to_it() -> None:
    one, _ = site(10, 6)
    assert ticks(one, 1_801, 2 * HOUR) == []
    for n in range(1, 11):
        says(one, "battery", NOW + 2 * HOUR, n)
    found = one.tick(NOW + 2 * HOUR + 1)
    assert [(f.rule_id, f.outcome) for f in found] == [(SITE, CLEAR)]


def test_an_outage_survives_a_restart() -> None:
    one, _ = site(6, 6)
    other = Hub()
    for shard in range(64):
        assert other.memory.load(one.memory.dump(shard, packs=PACKS), packs=PACKS)
    assert other.tick(NOW + 2_000) == []
    for n in range(1, 7):
        assert says(other, "battery", NOW + 2_100, n) == []
    assert [(f.rule_id, f.outcome) for f in other.tick(NOW + 2_200)] == [(SITE, CLEAR)]


def test_the_devices_of_a_site_are_counted_anew_when_they_come_and_go() -> None:
    one, found = site(10, 5)
    assert [f.rule_id for f in found] == [SITE]
    one.memory.forget([6, 7, 8, 9, 10])  # their homes are judged elsewhere now
    for n in range(1, 4):
        says(one, "battery", NOW + 2_000, n)
    found = one.tick(NOW + 2_001)
    assert [(f.rule_id, f.said) for f in found if f.subject == "site"] == [
        (SITE, "3 of its 5 devices are heard again.")
    ]
    two, _ = site(5, 0)
    two.memory.senders(1)
    for shard in (11, 12):
        extra = hub(device(shard, battery=900.0))
        two.memory.load(extra.memory.dump(shard, packs=PACKS), packs=PACKS)
    assert two.memory.senders(1) == 7


# -- laws ----------------------------------------------------------------------------------------

events = st.lists(
    st.tuples(st.integers(1, 3), st.sampled_from(["battery", "humidity"]), st.integers(1, 5_000)),
    max_size=30,
)


@settings(max_examples=80, deadline=None)
@given(events, st.sampled_from([60.0, 300.0]))
def test_silence_is_told_once_and_over_once_and_never_early(given, step: float) -> None:
    """Device by device: whatever is silent had not been heard for as long as it may be."""
    cadence = {"battery": 900.0, "humidity": 1_500.0}
    one = hub(*[device(n, site=n, **cadence) for n in (1, 2, 3)])
    heard = {(n, name): NOW for n in (1, 2, 3) for name in cadence}
    told: set[tuple[int, str]] = set()
    now = NOW
    for no, name, wait in given:
        for at in np.arange(now, now + wait, step):
            for f in one.tick(float(at)):
                key = (f.subject_no, f.rule_id)
                assert (f.outcome is RAISE) == (key not in told)
                told.add(key)
                for fact in f.facts:
                    quiet = float(at) - heard[f.subject_no, fact.quantity]
                    assert quiet >= max(2 * cadence[fact.quantity], 1_800)
        now += wait
        heard[no, name] = now
        for rule_id, outcome in says(one, name, now, no):
            assert outcome is CLEAR
            told.remove((no, rule_id))
        assert (no, DEVICE) not in told  # whoever was heard just now is not silent
    assert {n for n, _ in told} <= {n for n, _ in heard}


@settings(max_examples=60, deadline=None)
@given(events, st.integers(1, 20_000))
def test_what_is_silent_at_last_is_told_whenever_the_clock_speaks(given, wait: int) -> None:
    often, seldom = (hub(*[device(n, site=n, battery=900.0) for n in (1, 2, 3)]) for _ in range(2))
    now = NOW
    for no, _, gap in given:
        now += gap % 1_000
        for one in (often, seldom):
            says(one, "battery", now, no)
        often.tick(now)
    end = now + wait
    silent = {
        one: {int(one.memory.devices.no[one.memory.feeds.whose(n)]) for n in range(3)
              if one.memory.feeds.told[n]}
        for one in (often, seldom) if one.tick(end) is not None
    }  # fmt: skip
    assert silent[often] == silent[seldom]


def test_nobody_promised_anything() -> None:
    one = hub(device(), device(2))
    assert ticks(one, 0, DAY, HOUR) == []
    assert says(one, "battery", NOW + DAY) == []
    assert one.tick(NOW, heard_since=LONG_AGO) == []
