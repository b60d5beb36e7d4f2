"""What an alarm becomes, and what is said about it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts import emergencies, model, routing, words
from alerts.model import Condition, Severity, State
from alerts.policies import responses
from alerts.rules import pack, registry
from ingest.kernel import vitals
from ingest.kernel.observation import Alarm, Quality

RULES = {r.quantity: r for r in registry.load().of(pack.AlarmRule)}
NOW = datetime(2026, 1, 5, 14, 0, tzinfo=UTC).timestamp()
ROUTED = routing.Routed(
    team=model.Team(no=1, id="t", name="T", kind="district_nursing"), because="r",
    response="emergency",
)  # fmt: skip
ALARM = Alarm(
    site="maple-court", device="pendant-1", alarm_id="a1", receipt_id="a1",
    quantity=vitals.BY_NAME["sos"].no, cancel=False, place="", time=NOW - 1, received=NOW,
    flags=0, device_no=5, person_no=17, dwelling_no=3,
)  # fmt: skip


def scene(alarm: Alarm, **changes: object) -> emergencies.Scene:
    values: dict[str, object] = {
        "rule": emergencies.rule_for(alarm, RULES), "open": None, "pressed": set(),
        "cancelled": set(), "linked": set(), "routed": ROUTED,
        "late_after_s": 900.0, "zone": UTC, "now": NOW, "responses": responses.load(),
    } | changes  # fmt: skip
    return emergencies.Scene(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("quantity", "place", "title"),
    [
        ("fall", "bathroom", "Fall in the bathroom"),
        ("sos", "", "Call for help"),
        ("smoke", "kitchen", "Smoke in the kitchen"),
        ("carbon_monoxide", "flat-3", "Carbon monoxide (flat 3)"),
        ("flood", "utility_room", "Flood (utility room)"),
    ],
)
def test_titles_say_what_and_where(quantity: str, place: str, title: str) -> None:
    alarm = replace(ALARM, quantity=vitals.BY_NAME[quantity].no, place=place)
    change = emergencies.judge(alarm, scene(alarm))
    assert change.alert.title == title
    assert change.alert.severity is Severity.EMERGENCY
    assert change.page


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "Pressed at 13:59."),
        ({"time": NOW - 6 * 3_600 - 60}, "Pressed 6 h ago (07:59), delivered now."),
        ({"time": NOW - 3 * 86_400}, "Pressed 3 days ago (2 Jan 14:00), delivered now."),
        ({"flags": int(Quality.HUB_TIMED)}, "The device gave no time"),
        ({"flags": int(Quality.FUTURE)}, "clock is wrong"),
        ({"device_no": None, "person_no": None, "dwelling_no": None}, "is not registered"),
        ({"person_no": None}, "shared by the home"),
        ({"quantity": 0, "detail": "no SenML"}, "No SenML."),
    ],
)
def test_the_reason_says_when_and_what_is_known_against_it(
    changes: dict[str, object], said: str
) -> None:
    alarm = replace(ALARM, **changes)  # type: ignore[arg-type]
    assert said in emergencies.judge(alarm, scene(alarm)).alert.reason


@pytest.mark.parametrize(
    ("changes", "episode"),
    [
        ({}, "person:17/sos"),
        ({"person_no": None}, "home:3/sos"),
        ({"person_no": None, "dwelling_no": None}, "device:maple-court/pendant-1/sos"),
        ({"quantity": 0}, "person:17/unreadable_alarm"),
        ({"quantity": vitals.SPO2}, "person:17/unreadable_alarm"),
    ],
)
def test_one_alert_is_of_a_person_else_a_home_else_a_device(
    changes: dict[str, object], episode: str
) -> None:
    alarm = replace(ALARM, **changes)  # type: ignore[arg-type]
    assert emergencies.episode(alarm, emergencies.rule_for(alarm, RULES)) == episode


def test_only_retained_and_imported_alarms_are_silent() -> None:
    assert emergencies.silent(replace(ALARM, flags=int(Quality.RETAINED))) is not None
    assert emergencies.silent(replace(ALARM, flags=int(Quality.IMPORTED))) is not None
    others = Quality.HISTORICAL | Quality.LATE | Quality.REPLAYED | Quality.CLOCK_LOST
    assert emergencies.silent(replace(ALARM, flags=int(others))) is None


def test_every_emergency_of_the_nomenclature_has_a_rule() -> None:
    assert set(RULES) == vitals.EMERGENCIES | {vitals.UNKNOWN_ALARM}


def test_a_press_that_comes_after_its_cancel_still_pages() -> None:
    change = emergencies.judge(ALARM, scene(ALARM, cancelled={emergencies.key(ALARM)}))
    assert change.page
    assert change.alert.condition is Condition.CLEARED
    assert "cancelled at the device" in change.alert.reason


def test_a_second_press_keeps_the_first_ones_evidence() -> None:
    first = emergencies.judge(ALARM, scene(ALARM)).alert
    taken = replace(first, no=4, state=State.ACKNOWLEDGED, owner="n")
    second = replace(ALARM, alarm_id="a2", time=NOW)
    change = emergencies.judge(second, scene(second, open=taken))
    assert (change.alert.state, len(change.alert.evidence), change.alert.pages) == ("open", 2, 2)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-5, "0 s"), (59, "59 s"), (60, "1 min"), (7_199, "119 min"), (7_200, "2 h"),
     (172_799, "47 h"), (172_800, "2 days")],
)  # fmt: skip
def test_spans_are_said_in_their_largest_unit(seconds: float, said: str) -> None:
    assert words.span(seconds) == said


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("spo2", 84.0, "84 %"),
        ("body_temperature", 37.25, "37.25 °C"),
        ("systolic", 120.0, "120 mmHg"),
        ("acvpu", 1.0, "C"),
        ("on_oxygen", 1.0, "yes"),
        ("inr", 2.5, "2.5"),
    ],
)
def test_values_are_said_with_their_unit(name: str, value: float, said: str) -> None:
    assert words.number(vitals.BY_NAME[name].no, value) == said


def test_a_time_of_another_day_is_said_with_its_date() -> None:
    assert words.when(NOW, now=NOW, zone=UTC) == "14:00"
    assert words.when(NOW - 86_400, now=NOW, zone=UTC) == "4 Jan 14:00"
    assert words.when(NOW - 40 * 86_400, now=NOW, zone=UTC) == "26 Nov 2025 14:00"


@pytest.mark.parametrize("time", [float("inf"), float("nan"), 1e18])
def test_an_alarm_that_can_not_be_put_into_words_pages_all_the_same(time: float) -> None:
    alarm = replace(ALARM, time=time, cancel=True)
    change = emergencies.judge_or_page(alarm, scene(alarm))
    assert change.page
    assert change.alert.severity is Severity.EMERGENCY
    assert "could not be put into words" in change.alert.reason


MODE = emergencies.TestMode(no=1, starts=NOW - 60, ends=NOW + 60, by="fitter.f")


@given(pressed=st.floats(-120, 120), travelled=st.floats(0, 120))
def test_a_press_is_a_test_only_when_it_was_made_and_came_wholly_within_the_time(
    pressed: float, travelled: float
) -> None:
    alarm = replace(ALARM, time=NOW + pressed, received=NOW + pressed + travelled)
    call = emergencies.test_call(alarm, [MODE], open_alert=None, tried=set())
    inside = all(MODE.starts < at < MODE.ends for at in (alarm.time, alarm.received))
    assert (call is not None) == inside


@pytest.mark.parametrize(
    ("changes", "modes"),
    [
        ({}, []),
        ({"time": MODE.starts}, [MODE]),
        ({"received": MODE.ends}, [MODE]),
        ({"time": float("nan")}, [MODE]),
        ({"quantity": vitals.UNKNOWN_ALARM}, [MODE]),
        ({"cancel": True}, [MODE]),
    ],
)
def test_what_is_in_doubt_is_real(
    changes: dict[str, object], modes: list[emergencies.TestMode]
) -> None:
    alarm = replace(ALARM, **changes)  # type: ignore[arg-type]
    assert emergencies.test_call(alarm, modes, open_alert=None, tried=set()) is None


def test_a_press_on_an_open_alert_is_real_also_while_the_device_is_tested() -> None:
    alert = emergencies.judge(ALARM, scene(ALARM)).alert
    assert emergencies.test_call(ALARM, [MODE], open_alert=alert, tried=set()) is None
    assert emergencies.test_call(ALARM, [MODE], open_alert=None, tried=set()) is not None


def test_only_the_cancel_of_a_test_call_belongs_to_the_test() -> None:
    cancel = replace(ALARM, cancel=True)
    tried = {emergencies.key(ALARM)}
    assert emergencies.test_call(cancel, [], open_alert=None, tried=tried) is not None
    other = replace(cancel, alarm_id="other")
    assert emergencies.test_call(other, [MODE], open_alert=None, tried=tried) is None
