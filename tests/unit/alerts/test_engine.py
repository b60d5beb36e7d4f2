"""The rules core: each shipped rule on both sides of its numbers, lateness, clearing, the clock."""

# ruff: noqa: E501  (tables read best as such)
from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from alerts.model import Outcome, Severity
from alerts.state.subjects import Device, Home, Person
from ingest.kernel import vitals
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
    raised,
    rule,
    told,
)

RAISE, CLEAR, MUTED, REFRESH = Outcome.RAISE, Outcome.CLEAR, Outcome.MUTED, Outcome.REFRESH
SOON, URGENT, EMERGENCY = Severity.SOON, Severity.URGENT, Severity.EMERGENCY
INFORMATION = Severity.INFORMATION
HISTORY = int(Quality.HISTORICAL)
EVERYTHING = ["copd", "heart_failure", "hypertension", "diabetes", "dementia", "falls_risk",
              "cold_risk", "frailty"]  # fmt: skip


def hub(**about) -> Hub:
    return Hub().put(conditions=EVERYTHING, **about)


def history(*readings: Reading) -> list[Reading]:
    """The same readings as what is too old to be judged."""
    return [r._replace(flags=HISTORY) for r in readings]


# -- limits ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "raises"),
    [
        ("spo2", 93.0, False), ("spo2", 92.9, True), ("spo2", 100.0, False),
        ("heart_rate", 55.0, False), ("heart_rate", 54.9, True), ("heart_rate", 100.0, False),
        ("heart_rate", 100.1, True), ("systolic", 80.0, False), ("systolic", 79.9, True),
        ("systolic", 190.0, False), ("systolic", 190.1, True), ("diastolic", 50.0, False),
        ("diastolic", 49.9, True), ("diastolic", 110.0, False), ("diastolic", 110.1, True),
        ("body_temperature", 35.0, False), ("body_temperature", 34.9, True),
        ("body_temperature", 37.6, False), ("body_temperature", 37.7, True),
        ("body_water", 40.0, False), ("body_water", 39.9, True), ("body_water", 70.0, False),
        ("body_water", 70.1, True), ("glucose", 1.0, False), ("weight", 30.0, False),
        ("resp_rate", 70.0, False), ("fev1", 0.2, False), ("inr", 9.0, False),
    ],
)  # fmt: skip
def test_a_value_on_its_limit_is_inside_and_one_beyond_is_not(
    name: str, value: float, raises: bool
) -> None:
    found = {f.rule_id for f in Hub().put().say((name, value))}
    assert (f"limits.{name}" in found) is raises


@pytest.mark.parametrize("name", ["spo2", "heart_rate", "systolic", "diastolic", "body_temperature",
                                  "body_water", "resp_rate", "glucose", "weight", "fev1", "inr"])  # fmt: skip
def test_a_personal_limit_is_judged_on_both_sides(name: str) -> None:
    low, high = {"fev1": (1.1, 4.4), "inr": (2.1, 4.4), "body_temperature": (35.6, 38.1),
                 "glucose": (4.1, 11.1)}.get(name, (60.1, 79.3))  # fmt: skip
    for value, raises in ((low, False), (low - 0.1, True), (high, False), (high + 0.1, True)):
        one = Hub().put(limits={name: {"low": low, "high": high}})
        found = {f.rule_id: f for f in one.say((name, round(value, 4)))}
        assert (f"limits.{name}" in found) is raises, value
        if raises:
            facts = {f.name: f for f in found[f"limits.{name}"].facts}
            assert facts[f"low({name})"].value == low
            assert facts[f"low({name})"].origin == "care plan"


def test_null_in_the_care_plan_switches_a_side_off_and_the_rest_stands() -> None:
    one = Hub().put(limits={"heart_rate": {"high": None}, "spo2": {"low": 85}})
    assert "limits.heart_rate" not in raised(one.say(("heart_rate", 150.0)))
    assert "limits.heart_rate" in raised(one.say(("heart_rate", 54.0, -1)))
    assert "limits.spo2" not in raised(one.say(("spo2", 86.0)))
    assert "limits.spo2" in raised(one.say(("spo2", 84.0, -1)))


def test_scale_2_is_used_by_flag_only() -> None:
    one = Hub().put(1, scale2=True).put(2, conditions=["copd"])
    found = one.say(("spo2", 90.0), ("spo2", 90.0, 0, 2))
    assert {(f.person_no, f.rule_id) for f in found} == {(2, "limits.spo2"), (2, "news2")}
    found = one.say(("spo2", 87.9, -1), ("spo2", 87.9, -1, 2))
    assert ("limits.spo2", 1) in {(f.rule_id, f.person_no) for f in found}


def test_the_margin_keeps_a_value_at_the_limit_from_flapping() -> None:
    one = Hub().put()
    outcomes = [
        outcome
        for n, value in enumerate([101.0, 99.5, 101.0, 98.1, 98.0, 99.5])
        for outcome in told(one.say(("heart_rate", value, 100 - n)), "limits.heart_rate")
    ]
    assert outcomes == [RAISE, CLEAR]


def test_more_of_the_same_is_told_again_only_after_a_while() -> None:
    one = Hub().put()
    assert "limits.heart_rate" in raised(one.say(("heart_rate", 105.0)))
    assert one.say(("heart_rate", 106.0), now=NOW + 899) == []
    assert told(one.say(("heart_rate", 107.0), now=NOW + 900), "limits.heart_rate") == [REFRESH]


# -- conditions of people --------------------------------------------------------------------------

WELL_16 = history(*days("resp_rate", *[16.0] * 8))
WELL_70 = history(*days("heart_rate", *[70.0] * 8))
WELL_95 = history(*days("spo2", *[95.0] * 8, until=2))
WEIGHT_80 = history(*days("weight", *[80.0] * 10, until=3))


def rising(step: float) -> list[Reading]:
    """Weights of seven days, a step more each day; today's is not among them."""
    return days("weight", *[80.0 + n * step for n in range(7)])


RULES: list[tuple[str, list[Reading], list[Reading], Severity | None]] = [
    ("copd.exacerbation", [], [Reading("symptom.breathless", 2)], None),
    ("copd.exacerbation", [], [Reading("symptom.breathless", 2), Reading("symptom.sputum", 1)], None),
    ("copd.exacerbation", [], [Reading("symptom.breathless", 2), Reading("symptom.sputum", 2)], SOON),
    ("copd.exacerbation", [], [Reading("symptom.sputum", 3), Reading("symptom.sputum_colour", 2)], SOON),
    ("copd.exacerbation", [], [Reading(f"symptom.{k}", 2) for k in ("breathless", "sputum", "sputum_colour")],
     URGENT),
    ("copd.supporting_signs", WELL_16 + WELL_70, [Reading("symptom.sputum", 2), Reading("resp_rate", 19.2)], SOON),
    ("copd.supporting_signs", WELL_16 + WELL_70, [Reading("symptom.sputum", 2), Reading("resp_rate", 19.1)], None),
    ("copd.supporting_signs", WELL_16 + WELL_70, [Reading("symptom.sputum", 2), Reading("heart_rate", 84)], SOON),
    ("copd.supporting_signs", WELL_16 + WELL_70, [Reading("symptom.sputum", 2), Reading("heart_rate", 83)], None),
    ("copd.supporting_signs", WELL_16 + WELL_70, [Reading("symptom.sputum", 1), Reading("heart_rate", 90)], None),
    ("copd.supporting_signs", [], [Reading("symptom.sputum", 2), Reading("heart_rate", 99)], None),
    ("copd.resp_rate_rising", WELL_16, [Reading("resp_rate", 20.4)], SOON),
    ("copd.resp_rate_rising", WELL_16, [Reading("resp_rate", 20.3)], None),
    ("copd.resp_rate_rising", [], [Reading("resp_rate", 24)], None),
    ("copd.spo2_falling", WELL_95, [Reading("spo2", 91.5, HOUR), Reading("spo2", 91.5)], SOON),
    ("copd.spo2_falling", WELL_95, [Reading("spo2", 91.6, HOUR), Reading("spo2", 91.6)], None),
    ("copd.spo2_falling", WELL_95, [Reading("spo2", 91.5)], None),
    ("copd.spo2_falling", WELL_95, [Reading("spo2", 91, 36 * HOUR), Reading("spo2", 96, HOUR), Reading("spo2", 91)],
     SOON),
    ("copd.spo2_falling", WELL_95,
     [Reading("spo2", 91, 36 * HOUR + 1), Reading("spo2", 96, HOUR), Reading("spo2", 91)], None),
    ("diabetes.hypoglycaemia", [], [Reading("glucose", 4.0)], None),
    ("diabetes.hypoglycaemia", [], [Reading("glucose", 3.9)], URGENT),
    ("diabetes.hypoglycaemia", [], [Reading("glucose", 3.0)], URGENT),
    ("diabetes.hypoglycaemia", [], [Reading("glucose", 2.9)], EMERGENCY),
    ("diabetes.hyperglycaemia", [], [Reading("glucose", 29.9)], None),
    ("diabetes.hyperglycaemia", [], [Reading("glucose", 30)], URGENT),
    ("diabetes.hyperglycaemia", [], [Reading("glucose", 15, 24 * HOUR), Reading("glucose", 15)], SOON),
    ("diabetes.hyperglycaemia", [], [Reading("glucose", 15, 24 * HOUR + 1), Reading("glucose", 15)], None),
    ("diabetes.hyperglycaemia", [], [Reading("glucose", 14.9, HOUR), Reading("glucose", 15)], None),
    ("heart_failure.weight_gain", WEIGHT_80, [Reading("weight", 82.0)], None),
    ("heart_failure.weight_gain", WEIGHT_80, [Reading("weight", 82.1)], SOON),
    ("heart_failure.weight_gain", days("weight", 80.0, until=4), [Reading("weight", 85.0)], None),
    ("heart_failure.weight_gain", [], [Reading("weight", 95.0)], None),
    ("heart_failure.weight_week", rising(0.33), [Reading("weight", 82.3)], SOON),
    ("heart_failure.weight_week", rising(0.33), [Reading("weight", 82.2)], None),
    ("heart_failure.weight_drift", WEIGHT_80,
     [Reading("weight", 81, 2 * DAY), Reading("weight", 81, DAY), Reading("weight", 81)], INFORMATION),
    ("heart_failure.weight_drift", WEIGHT_80, [Reading("weight", 81, DAY), Reading("weight", 81)], None),
    ("heart_failure.swelling", WEIGHT_80, [Reading("symptom.swelling", 2), Reading("weight", 81.0)], SOON),
    ("heart_failure.swelling", WEIGHT_80, [Reading("symptom.swelling", 2), Reading("weight", 80.9)], None),
    ("heart_failure.swelling", WEIGHT_80, [Reading("symptom.swelling", 1), Reading("weight", 82.0)], None),
    ("hypertension.severe", [], [Reading("systolic", 180)], SOON),
    ("hypertension.severe", [], [Reading("systolic", 179), Reading("diastolic", 119)], None),
    ("hypertension.severe", [], [Reading("diastolic", 120)], SOON),
    ("hypertension.severe", [], [Reading("systolic", 180), Reading("acvpu", 1)], URGENT),
    ("hypertension.severe", [], [Reading("systolic", 180), Reading("acvpu", 0)], SOON),
    ("hypertension.severe", [], [Reading("systolic", 180), Reading("symptom.chest_pain", 1)], URGENT),
    ("hypertension.severe", [], [Reading("systolic", 180), Reading("symptom.breathless", 2)], URGENT),
    ("hypertension.severe", [], [Reading("systolic", 180), Reading("symptom.breathless", 1)], SOON),
    ("hypertension.average", days("systolic", 135, 135, 135), [Reading("systolic", 135)], INFORMATION),
    ("hypertension.average", days("systolic", 135, 135, 135), [Reading("systolic", 134.9)], None),
    ("hypertension.average", days("systolic", 150, 150), [Reading("systolic", 150)], None),
    ("hypertension.average", days("diastolic", 85, 85, 85), [Reading("diastolic", 85)], INFORMATION),
    ("hypertension.low_and_dizzy", [], [Reading("systolic", 89), Reading("symptom.dizzy", 1)], SOON),
    ("hypertension.low_and_dizzy", [], [Reading("systolic", 90), Reading("symptom.dizzy", 1)], None),
    ("hypertension.low_and_dizzy", [], [Reading("diastolic", 59), Reading("symptom.dizzy", 1)], SOON),
    ("hypertension.low_and_dizzy", [], [Reading("systolic", 85), Reading("symptom.dizzy", 0)], None),
    ("falls.repeated", [], [Reading("fall", 1)], None),
    ("falls.repeated", [Reading("fall", 1, 365 * DAY, flags=HISTORY)], [Reading("fall", 1)], SOON),
    ("falls.repeated", [Reading("fall", 1, 365 * DAY + 1, flags=HISTORY)], [Reading("fall", 1)], None),
]  # fmt: skip


@pytest.mark.parametrize(("rule_id", "before", "readings", "severity"), RULES)
def test_a_rule_raises_where_it_should_and_is_quiet_where_it_should(
    rule_id: str, before: list[Reading], readings: list[Reading], severity: Severity | None
) -> None:
    one = hub()
    for reading in before:
        one.say(reading)
    found = {f.rule_id: f for f in one.say(*readings) if f.outcome in (RAISE, MUTED)}
    assert (found[rule_id].severity if rule_id in found else None) is severity


@pytest.mark.parametrize("rule_id", sorted({r for r, *_ in RULES if r != "falls.repeated"}))
def test_a_rule_for_a_condition_is_for_people_registered_with_it_only(rule_id: str) -> None:
    case = next(c for c in RULES if c[0] == rule_id and c[3] is not None)
    one = Hub().put(conditions=["dementia"])
    for reading in case[1]:
        one.say(reading)
    assert rule_id not in {f.rule_id for f in one.say(*case[2])}


def test_decompensation_is_seen_in_weight_nights_and_saturation_together() -> None:
    """Out of bed once a night and five times the last night, more weight, less saturation."""

    def nights(exits: int, spo2: float, weight: float) -> dict:
        one, midnight = hub(), NOW - 8 * HOUR
        readings = []
        for n in range(10):
            for k in range(1 if n else exits):
                at = NOW - (midnight - n * DAY + 2 * HOUR + k * 20 * MINUTE)
                readings += [Reading("bed_occupied", 1, at + 60), Reading("bed_occupied", 0, at)]
        one.say(*readings, *WELL_95, *WEIGHT_80)
        return raised(one.say(("spo2", spo2), ("weight", weight)))

    found = nights(5, 93.0, 81.0)["heart_failure.decompensation"]
    assert found.severity is URGENT
    assert {f.name for f in found.facts} >= {"excess('night_bed_exits')", "gain(weight, '7 d')"}
    for exits, spo2, weight in ((3, 93.0, 81.0), (5, 93.1, 81.0), (5, 93.0, 80.9)):
        assert "heart_failure.decompensation" not in nights(exits, spo2, weight)


def test_decompensation_speaks_for_its_parts_and_clears_when_they_have_been_over_for_hours() -> (
    None
):
    one, midnight = hub(), NOW - 8 * HOUR
    readings = []
    for n in range(10):
        for k in range(1 if n else 6):
            at = NOW - (midnight - n * DAY + 2 * HOUR + k * 20 * MINUTE)
            readings += [Reading("bed_occupied", 1, at + 60), Reading("bed_occupied", 0, at)]
    one.say(*readings, *WELL_95, *WEIGHT_80)
    found = one.say(("spo2", 93.0), ("weight", 82.5))
    assert told(found, "heart_failure.decompensation") == [RAISE]
    assert told(found, "heart_failure.weight_gain") == [MUTED]
    over = one.say(("spo2", 95.0), now=NOW + HOUR)
    assert told(over, "heart_failure.decompensation") == []
    late = one.ticks(NOW + 2 * HOUR, NOW + 16 * HOUR, HOUR)
    assert [(at, f.rule_id) for at, f in late if f.outcome is CLEAR] == [
        (11 * HOUR, "heart_failure.decompensation")
    ]
    assert "heart_failure.weight_gain" in raised(f for _, f in late)  # it speaks for itself again


@pytest.mark.parametrize("between", [30 * DAY, 300 * DAY, 364 * DAY])
def test_a_fall_long_ago_stops_counting_by_the_clock_alone(between: float) -> None:
    """Not a quarter of a year after the last fall, nor only then: when it is no more two in a year."""
    one = hub()
    one.say(("fall", 1, between, 1, 0, 0, HISTORY))
    assert "falls.repeated" in raised(one.say(("fall", 1)))
    found = one.ticks(NOW, NOW + 366 * DAY - between, HOUR)
    over = [(at, f.outcome) for at, f in found if f.rule_id == "falls.repeated"]
    assert over == [(365 * DAY - between + HOUR, CLEAR)]
    anew = one.say(("fall", 1), now=NOW + 366 * DAY - between)
    assert told(anew, "falls.repeated") == [RAISE]


def test_two_falls_that_the_clock_drops_between_two_looks_are_over_too() -> None:
    one = hub()
    assert "falls.repeated" in raised(one.say(("fall", 1, 20 * MINUTE), ("fall", 1)))
    found = one.ticks(NOW + 364 * DAY + 30 * MINUTE, NOW + 366 * DAY, HOUR)
    assert [at for at, f in found if told([f], "falls.repeated") == [CLEAR]] == [DAY]


# -- the early-warning score ----------------------------------------------------------------------

WELL = {"resp_rate": 16.0, "spo2": 97.0, "systolic": 120.0, "heart_rate": 70.0, "acvpu": 0.0,
        "body_temperature": 37.0}  # fmt: skip


def vital(ago: float = 0.0, person: int = 1, **changes: float) -> list[Reading]:
    return [Reading(q, v, ago, person) for q, v in (WELL | changes).items()]


@pytest.mark.parametrize(
    ("changes", "severity"),
    [
        ({"resp_rate": 24.0, "heart_rate": 111.0}, None),  # 4, no single 3
        ({"resp_rate": 25.0}, SOON),
        ({"resp_rate": 25.0, "systolic": 101.0}, SOON),  # 4, with a single 3
        ({"resp_rate": 25.0, "systolic": 100.0}, URGENT),  # 5
        ({"resp_rate": 25.0, "systolic": 90.0}, URGENT),  # 6
        ({"resp_rate": 25.0, "systolic": 100.0, "heart_rate": 111.0}, EMERGENCY),  # 7
    ],
)
def test_the_score_sets_the_severity(changes: dict[str, float], severity: Severity | None) -> None:
    found = raised(Hub().put().say(*vital(**changes)))
    assert (found["news2"].severity if "news2" in found else None) is severity
    if severity:
        assert not found["news2"].partial
        assert {f.quantity for f in found["news2"].facts} >= set(WELL)


def test_a_partial_score_is_a_lower_bound_and_says_what_is_missing_and_for_how_long() -> None:
    one = Hub().put()
    one.say(("spo2", 97.0, 90_000))
    found = raised(one.say(("resp_rate", 25.0)))["news2"]
    assert (found.score, found.partial, found.level) == (3, True, "low-medium")
    assert found.missing == ("spo2", "systolic", "heart_rate", "acvpu", "body_temperature")
    assert found.missing_for == (90_000.0, None, None, None, None)


@pytest.mark.parametrize(("ago", "counts"), [(DAY, True), (DAY + 1, False)])
def test_readings_age_out_of_the_score(ago: float, counts: bool) -> None:
    one = Hub().put()
    one.say(("resp_rate", 22.0, ago), ("systolic", 95.0, 3_000))
    assert ("news2" in raised(one.say(("heart_rate", 95.0)))) is counts


def test_missing_readings_never_clear_a_score() -> None:
    one = Hub().put()
    assert "news2" in raised(one.say(*vital(resp_rate=25.0)))
    later = NOW + 2 * DAY  # the respiration rate is too old by now
    found = one.say(*[r for r in vital() if r.name != "resp_rate"], now=later)
    assert told(found, "news2") == []
    assert one.tick(later) == []
    assert told(one.say(("resp_rate", 16.0), now=later + 1), "news2") == [CLEAR]


def test_a_score_needs_only_those_parts_again_that_it_rested_on() -> None:
    one = Hub().put()
    assert "news2" in raised(one.say(("resp_rate", 25.0), ("spo2", 97.0)))
    later = NOW + 2 * DAY
    assert told(one.say(("resp_rate", 16.0), now=later), "news2") == []
    assert told(one.say(("spo2", 97.0), now=later + 1), "news2") == [CLEAR]


@pytest.mark.parametrize(
    ("about", "applies"),
    [
        ({"pregnant": True}, False),
        ({"born": NOW - 16 * 365.2425 * DAY + 1}, False),
        ({"born": NOW - 16 * 365.2425 * DAY}, True),
        ({}, True),
    ],
)
def test_the_score_is_not_applied_under_16_or_in_pregnancy(about: dict, applies: bool) -> None:
    found = raised(Hub().put(**about).say(*vital(resp_rate=30.0, spo2=80.0)))
    assert ("news2" in found) is applies
    if not applies:
        assert "limits.spo2" in found


def test_oxygen_of_the_register_counts_where_no_device_says_it() -> None:
    one = Hub().put(on_oxygen=True)
    found = raised(one.say(*vital(resp_rate=25.0)))["news2"]
    assert found.score == 5
    assert {f.name: f.origin for f in found.facts}["on_oxygen"] == "register"
    on_air = one.say(*vital(-1, resp_rate=25.0, on_oxygen=0.0), now=NOW + 1_000)
    assert [f.score for f in on_air if f.rule_id == "news2"] == [3]


def test_a_tie_is_scored_as_on_the_chart_though_readings_are_kept_in_four_bytes() -> None:
    for value, points in ((38.05, 1), (38.04, 0)):
        one = Hub().put()
        found = raised(one.say(*vital(body_temperature=value, resp_rate=25.0)))["news2"]
        assert {f.name: f.points for f in found.facts}["body_temperature"] == points


def test_the_score_speaks_for_readings_that_are_no_worse_and_they_speak_again_after_it() -> None:
    one = Hub().put()
    found = one.say(*vital(resp_rate=25.0, heart_rate=112.0))  # 5: urgent
    assert told(found, "news2") == [RAISE]
    (muted,) = [f for f in found if f.rule_id == "limits.heart_rate"]
    assert (muted.outcome, muted.muted_by) == (MUTED, "news2")
    over = one.say(("resp_rate", 16.0, -1), ("heart_rate", 102.0, -1), ("systolic", 120.0, -1))
    assert told(over, "news2") == [CLEAR]
    assert told(over, "limits.heart_rate") == [RAISE]


def test_what_was_muted_ends_in_silence() -> None:
    one = Hub().put()
    one.say(*vital(resp_rate=25.0, heart_rate=112.0))
    assert told(one.say(("heart_rate", 90.0, -1)), "limits.heart_rate") == []
    assert told(one.say(("resp_rate", 16.0, -2)), "limits.heart_rate") == []


def test_a_reading_that_is_worse_than_the_score_is_told_by_itself() -> None:
    found = Hub().put().say(*vital(spo2=91.0))  # a single 3 is soon, the limit is urgent
    assert (told(found, "news2"), told(found, "limits.spo2")) == ([RAISE], [RAISE])


def test_a_rule_that_was_muted_is_told_though_its_time_of_silence_is_not_over() -> None:
    """Nobody has been told of it: it isn't "again"."""
    one = hub()
    one.say(*WELL_16)
    found = one.say(*vital(resp_rate=25.0))
    assert told(found, "copd.resp_rate_rising") == [MUTED]
    over = one.say(("resp_rate", 20.4, -1), now=NOW + 60)
    assert told(over, "news2") == [CLEAR]
    assert told(over, "copd.resp_rate_rising") == [RAISE]


# -- what is late, impossible, or of nobody -------------------------------------------------------


@pytest.mark.parametrize("flags", [Quality.IMPLAUSIBLE, Quality.RETAINED])
def test_what_is_impossible_or_a_brokers_copy_is_neither_judged_nor_remembered(flags: int) -> None:
    one = hub()
    assert one.say(("spo2", 60.0, 0, 1, 0, 0, int(flags))) == []
    assert one.memory.series.count == 0


@pytest.mark.parametrize("flags", [Quality.HISTORICAL, Quality.IMPORTED])
def test_what_is_history_is_never_judged_and_remembered_for_what_is_usual(flags: int) -> None:
    one = hub()
    assert one.say(*[r._replace(flags=int(flags)) for r in days("spo2", *[70.0] * 8)]) == []
    assert one.tick() == []
    found = raised(one.say(("spo2", 70.0)))
    assert "limits.spo2" in found
    assert "copd.spo2_falling" not in found  # 70 is this person's own


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_changes_nothing(value: float) -> None:
    one = hub()
    assert one.say(("spo2", value), ("motion", value), ("battery", value)) == []
    assert one.memory.series.count == 0
    assert one.memory.homes.moved[0] == -np.inf


@pytest.mark.parametrize("time", [-5.0, 0.0, 5e9, 1e18, np.nan, np.inf])
def test_a_reading_out_of_all_time_changes_nothing(time: float) -> None:
    one = hub()
    rows = one.rows([("spo2", 70.0), ("kitchen/motion", 1.0), ("battery", 1.0)], now=NOW)
    rows["time"] = time
    assert one.engine.on_data(rows, now=NOW) == []
    assert one.memory.series.count == 0


@pytest.mark.parametrize(("ago", "late"), [(3_600.0, False), (3_601.0, True)])
def test_a_reading_of_long_ago_is_late_and_at_most_soon(ago: float, late: bool) -> None:
    found = raised(Hub().put().say(("spo2", 92.0, ago)))["limits.spo2"]
    assert found.late is late
    assert found.severity is (SOON if late else URGENT)


def test_an_older_reading_judges_its_own_moment_and_never_replaces_the_latest() -> None:
    one = Hub().put()
    one.say(("spo2", 97.0, 10))
    found = one.say(("spo2", 80.0, 100))
    assert told(found, "limits.spo2") == [RAISE, CLEAR]
    first = next(f for f in found if f.rule_id == "limits.spo2")
    assert first.at == NOW - 100
    assert {f.name: f.value for f in first.facts}["spo2"] == 80.0
    assert told(one.say(("heart_rate", 70.0)), "limits.spo2") == []


def test_a_late_reading_is_judged_with_what_was_known_at_its_moment() -> None:
    one = Hub().put()
    one.say(("systolic", 95.0, 600))
    one.say(("systolic", 120.0, 100), ("heart_rate", 70.0, 100), ("resp_rate", 16.0, 100))
    found = one.say(("resp_rate", 25.0, 500))  # 3, and 2 of the pressure of then
    (first,) = [f for f in found if f.rule_id == "news2" and f.outcome is RAISE]
    assert (first.score, first.severity, first.at) == (5, URGENT, NOW - 500)
    assert told(found, "news2") == [RAISE, CLEAR]


def test_a_late_reading_that_is_well_clears_nothing() -> None:
    one = Hub().put()
    one.say(("spo2", 90.0, 10))
    assert one.say(("spo2", 97.0, 100)) == []


def test_each_moment_of_a_batch_is_judged_by_itself() -> None:
    """A person who was ill and well again within one batch is not missed."""
    found = Hub().put().say(*vital(100), *vital(60, resp_rate=30.0, heart_rate=140.0), *vital(20))
    assert told(found, "news2") == [RAISE, CLEAR]


def test_two_devices_that_measure_at_once_count_as_the_higher_whatever_the_order() -> None:
    for first, second in ((100.5, 99.0), (99.0, 100.5)):
        one = Hub().put().put(2)
        found = one.say(("heart_rate", first, 0, 1, 1, 1), ("heart_rate", second, 0, 1, 1, 2))
        assert "limits.heart_rate" in raised(found)


def test_a_higher_reading_of_the_same_moment_that_comes_afterwards_is_the_latest() -> None:
    one = Hub().put().put(2)
    assert "limits.spo2" in raised(one.say(("spo2", 92.0, 60, 1, 1, 1)))
    assert told(one.say(("spo2", 97.0, 60, 1, 1, 2)), "limits.spo2") == [CLEAR]
    assert one.say(("spo2", 91.0, 60, 1, 1, 1)) == []  # the lower one counts for nothing


def test_people_homes_and_quantities_nobody_knows_change_nothing() -> None:
    one = hub(cadence={"battery": 60.0})
    rows = one.rows(
        [("spo2", 70.0, 0, 99), ("spo2", 70.0, 0, 0), ("spo2", 70.0), ("motion", 1.0, 0, 0, 98),
         ("battery", 3.0, 0, 0, 0, 97)], now=NOW,
    )  # fmt: skip
    rows["quantity"][2] = 300  # not the pulse of the next device either
    assert one.engine.on_data(rows, now=NOW) == []
    people, homes, devices = one.engine.unknown(rows)
    assert (people.tolist(), homes.tolist(), devices.tolist()) == ([99], [98, 99], [97, 99])
    assert one.engine.on_data(rows[:0], now=NOW) == []
    empty = Hub()
    assert empty.engine.on_data(rows, now=NOW) == []
    assert empty.tick() == []


# -- care plans ---------------------------------------------------------------------------------------


def trigger(when: str, *, id: str = "t", severity: str = "urgent", **more: str) -> dict[str, str]:
    return {"id": id, "title": "Own", "severity": severity, "when": when} | more


def test_a_trigger_is_judged_with_each_persons_own_numbers() -> None:
    one = Hub()
    for no in (1, 2, 3):
        one.put(no, triggers=[trigger(f"heart_rate > {60 + 10 * no}")] if no != 3 else [])
    found = one.say(*[("heart_rate", 75.0, 0, no) for no in (1, 2, 3)])
    assert [(f.rule_id, f.person_no, f.severity) for f in found] == [("care_plan.t", 1, URGENT)]
    (found_2,) = [f for f in one.say(("heart_rate", 80.1, -1, 2)) if f.rule_id == "care_plan.t"]
    assert found_2.when == "heart_rate > 80"
    assert {f.name: f.value for f in found_2.facts} == {"heart_rate": 80.1}
    assert told(one.say(("heart_rate", 80.0, -2, 2)), "care_plan.t") == [CLEAR]


def test_a_trigger_may_last_and_have_an_end_of_its_own() -> None:
    one = Hub().put(triggers=[trigger("glucose < 4.1", clear="glucose > 5", **{"for": "10 min"})])
    values = ((0, 4.0), (599, 4.0), (600, 4.0), (700, 4.6), (800, 5.1))
    out = [(at, o) for at, v in values
           for o in told(one.say(("glucose", v), now=NOW + at), "care_plan.t")]  # fmt: skip
    assert out == [(600, RAISE), (800, CLEAR)]


def test_a_trigger_of_the_home_or_the_clock_is_judged_without_a_reading() -> None:
    one = Hub().put(triggers=[trigger("still() >= '2 h'", id="a"), trigger("age(weight) > '3 d'", id="b"),
                              trigger("hours('10:00', '12:00') and still() > '1 h'", id="c")])  # fmt: skip
    one.say(("kitchen/motion", 1), ("weight", 80.0))
    found = one.ticks(NOW, NOW + 4 * DAY, 10 * MINUTE)
    at = {f: first(found, f"care_plan.{f}")[RAISE] for f in "abc"}
    assert 2 <= at["a"] <= 3  # people are looked at by the hour
    assert 72 <= at["b"] <= 73.5
    assert 2 <= at["c"] <= 3.5


def test_a_trigger_of_the_home_alone_is_judged_of_somebody_who_measures_nothing() -> None:
    one = Hub().put(triggers=[trigger("still() >= '2 h'")])
    one.say(("kitchen/motion", 1))
    found = one.ticks(NOW, NOW + 5 * HOUR, 10 * MINUTE)
    assert 2 <= first(found, "care_plan.t")[RAISE] <= 3


def test_two_triggers_of_one_form_are_told_apart() -> None:
    one = Hub().put(
        triggers=[trigger("heart_rate > 90", id="a"), trigger("heart_rate > 95", id="b")]
    )
    assert {f.rule_id for f in one.say(("heart_rate", 93.0))} == {"care_plan.a"}
    assert {f.rule_id for f in one.say(("heart_rate", 96.0, -1))} == {"care_plan.b"}


def test_a_trigger_is_never_muted() -> None:
    one = Hub().put(triggers=[trigger("resp_rate > 24", severity="soon")])
    assert {"news2", "care_plan.t"} <= set(raised(one.say(*vital(resp_rate=30.0, systolic=90.0))))


def test_new_numbers_of_a_trigger_count_at_once() -> None:
    one = Hub().put(triggers=[trigger("heart_rate > 60")])
    one.put(triggers=[trigger("heart_rate > 90")])
    assert one.say(("heart_rate", 80.0)) == []
    one.put(triggers=[])
    assert "care_plan.t" not in raised(one.say(("heart_rate", 99.0, -1)))


# -- movement at home ---------------------------------------------------------------------------------


def lived(days_: int = 14, hours: range = range(7, 23), **about) -> Hub:
    """A home with motion every hour of every day until eight this morning."""
    one = Hub().put(**about)
    at = [NOW - 8 * HOUR - d * DAY + h * HOUR for d in range(days_ + 1) for h in hours]
    one.say(*[("kitchen/motion", 1, NOW - t) for t in at if t <= NOW])
    return one


def first(found: list, rule_id: str) -> dict[Outcome, float]:
    """When after the beginning a rule was first told what. [h]"""
    out: dict[Outcome, float] = {}
    for at, f in found:
        if f.rule_id == rule_id and f.outcome is not REFRESH:
            out.setdefault(f.outcome, round(at / HOUR, 2))
    return out


def test_stillness_is_told_after_six_hours_in_which_there_usually_is_motion() -> None:
    found = lived().ticks(NOW, NOW + 12 * HOUR)
    of = [(at / HOUR, f.severity) for at, f in found
          if f.rule_id == "inactivity.still" and f.outcome is RAISE]  # fmt: skip
    assert of == [(6.0, SOON), (9.0, URGENT)]


def test_a_night_in_which_nothing_usually_moves_is_not_still() -> None:
    one = lived()
    end = NOW + 14.5 * HOUR
    for h in range(1, 15):
        one.say(("kitchen/motion", 1), now=NOW + h * HOUR)
    assert first(one.ticks(end, end + 8 * HOUR), "inactivity.still") == {}


@pytest.mark.parametrize("days_", [0, 5])
def test_before_the_pattern_is_known_twelve_and_fourteen_hours_count(days_: int) -> None:
    found = lived(days_).ticks(NOW, NOW + 15 * HOUR)
    of = [(at / HOUR, f.severity) for at, f in found
          if f.rule_id == "inactivity.still" and f.outcome is RAISE]  # fmt: skip
    assert of == [(12.0, SOON), (14.0, URGENT)]


def test_motion_ends_stillness_at_once_and_it_may_begin_again() -> None:
    one = lived()
    one.ticks(NOW, NOW + 7 * HOUR)
    assert told(one.say(("kitchen/motion", 1), now=NOW + 7 * HOUR), "inactivity.still") == [CLEAR]
    found = one.ticks(NOW + 7 * HOUR, NOW + 15 * HOUR)
    assert first(found, "inactivity.still")[RAISE] == 6.0


def test_a_home_that_somebody_left_by_the_front_door_is_out_and_not_still() -> None:
    one = lived()
    one.say(
        ("front-door/door_open", 1, 60), ("front-door/door_open", 0, 50), ("kitchen/motion", 1, 20)
    )
    found = one.ticks(NOW, NOW + 30 * HOUR)
    assert first(found, "inactivity.still") == {}
    assert first(found, "inactivity.away") == {RAISE: 24.0}
    back = one.say(("front-door/door_open", 1), now=NOW + 30 * HOUR)
    assert told(back, "inactivity.away") == [CLEAR]


@pytest.mark.parametrize(("after", "away"), [(120.0, True), (121.0, False)])
def test_motion_soon_after_the_door_is_of_who_is_leaving(after: float, away: bool) -> None:
    one, now = lived(), NOW + HOUR
    one.say(("front-door/door_open", 1, 200), ("kitchen/motion", 1, 200 - after), now=now)
    found = one.ticks(now, now + 25 * HOUR)
    assert ("inactivity.away" in {f.rule_id for _, f in found}) is away
    assert ("inactivity.still" in {f.rule_id for _, f in found}) is not away


def test_a_cupboard_door_is_motion_and_no_way_out() -> None:
    one = lived()
    one.say(("wardrobe/door_open", 1))
    found = one.ticks(NOW, NOW + 7 * HOUR)
    assert first(found, "inactivity.still") == {RAISE: 6.0}


def test_a_home_without_sensors_is_neither_still_nor_out() -> None:
    one = hub()
    one.say(("spo2", 97.0))
    assert [f for _, f in one.ticks(NOW, NOW + 3 * DAY, HOUR)] == []


def test_time_in_which_the_hub_was_deaf_is_no_stillness() -> None:
    one = lived()
    assert one.tick(NOW + 10 * HOUR, heard_since=None) == []
    heard = NOW + 9 * HOUR
    told_at = [h for h in np.arange(9, 40, 0.25)
               for f in one.tick(NOW + h * HOUR, heard_since=heard)
               if f.rule_id == "inactivity.still" and f.severity is URGENT]  # fmt: skip
    # 14 usual hours are left until 23:00, which is too few; 14 hours of stillness after that
    assert told_at[0] >= 9 + 9
    one = lived(0)
    at = [h for h in np.arange(9, 40, 0.25)
          for f in one.tick(NOW + h * HOUR, heard_since=heard)
          if f.rule_id == "inactivity.still" and f.outcome is RAISE]  # fmt: skip
    assert at == [21.0, 23.0]


def test_a_shared_home_is_spoken_of_as_a_home() -> None:
    alone, shared = lived(), lived(others=(7,))
    for one, person in ((alone, 1), (shared, None)):
        (found,) = [f for _, f in one.ticks(NOW, NOW + 6 * HOUR) if f.rule_id == "inactivity.still"]
        assert (found.subject, found.home_no, found.person_no) == ("home", 1, person)


def test_an_empty_home_is_not_judged() -> None:
    one = Hub()
    one.engine.put(homes=[Home(no=1, shard=1)])
    one.say(("kitchen/motion", 1, 0, 0, 1))
    assert one.ticks(NOW, NOW + 2 * DAY, HOUR) == []


def slept(days_: int = 8, **about) -> Hub:
    """Up at seven every day, and in bed since eleven last night."""
    one = Hub().put(**about)
    midnight = NOW - 8 * HOUR
    readings = []
    for d in range(1, days_ + 1):
        readings += [Reading("bed_occupied", 1, NOW - (midnight - d * DAY - HOUR)),
                     Reading("bed_occupied", 0, NOW - (midnight - d * DAY + 7 * HOUR))]  # fmt: skip
    one.say(*readings, Reading("bed_occupied", 1, NOW - (midnight - HOUR)))
    return one


def test_who_is_in_bed_two_hours_beyond_the_usual_time_is_overdue() -> None:
    one = slept()
    found = one.ticks(NOW - 2 * HOUR, NOW + 3 * HOUR)
    assert first(found, "inactivity.still_in_bed")[RAISE] == pytest.approx(3.0, abs=0.51)
    assert min(at for at, f in found if f.rule_id == "inactivity.still_in_bed") >= 3 * HOUR
    up = one.say(("bed_occupied", 0), now=NOW + 3 * HOUR)
    assert told(up, "inactivity.still_in_bed") == [CLEAR]


@pytest.mark.parametrize("about", [{"others": (7,)}, {}])
def test_nobody_is_overdue_in_bed_who_was_up_or_shares_the_home(about: dict) -> None:
    one = slept(**about)
    if not about:
        one.say(("bed_occupied", 0, 3 * HOUR + 60), ("bed_occupied", 1, 2 * HOUR))
    assert first(one.ticks(NOW, NOW + 6 * HOUR), "inactivity.still_in_bed") == {}


def test_the_bed_is_not_judged_before_a_week_is_known() -> None:
    assert first(slept(6).ticks(NOW, NOW + 6 * HOUR), "inactivity.still_in_bed") == {}


def nights(counts: list[int], name: str, *, gap: float = 15 * MINUTE) -> Hub:
    """So many visits each night from one o'clock, the last list entry tonight; every day lived in."""
    one = Hub().put(conditions=["dementia", "falls_risk"])
    readings = []
    for back, count in enumerate(reversed(counts)):
        midnight = NOW - 8 * HOUR - back * DAY
        readings += [Reading("kitchen/motion", 1, NOW - (midnight - 12 * HOUR))]
        readings += [Reading(name, 1, NOW - (midnight + HOUR + k * gap)) for k in range(count)]
    one.found = one.say(*readings) + [f for _, f in one.ticks(NOW, NOW + 2 * HOUR)]  # type: ignore[attr-defined]
    return one


@pytest.mark.parametrize(
    ("rule_id", "name", "counts", "raises"),
    [
        ("falls.night_bathroom", "bathroom/motion", [0] * 9 + [4], True),
        ("falls.night_bathroom", "bathroom/motion", [0] * 9 + [3], False),  # 3 spreads
        ("falls.night_bathroom", "bathroom/motion", [2] * 9 + [4], False),
        ("falls.night_bathroom", "bathroom/motion", [0] * 5 + [6], False),  # too few days
        ("inactivity.night_wandering", "kitchen/motion", [1] * 9 + [6], True),
        ("inactivity.night_wandering", "kitchen/motion", [0] * 9 + [5], False),
        ("inactivity.night_wandering", "kitchen/motion", [3] * 9 + [6], False),
    ],
)
def test_a_night_is_told_when_it_is_unlike_the_nights_before(
    rule_id: str, name: str, counts: list[int], raises: bool
) -> None:
    assert (rule_id in raised(nights(counts, name).found)) is raises  # type: ignore[attr-defined]


def test_events_of_one_visit_are_counted_once() -> None:
    found = nights([0] * 9 + [30], "bathroom/motion", gap=2 * MINUTE).found  # type: ignore[attr-defined]
    assert "falls.night_bathroom" not in raised(found)


def at_night(minute: int) -> float:
    """An instant of the night before NOW: minutes after midnight, negative before. London."""
    return NOW - 8 * HOUR + minute * 60.0


@pytest.mark.parametrize(
    ("opened", "begins"), [(-90, -60), (-80, -60), (-60, -45), (60, 75), (344, 359), (346, None)]
)
def test_the_front_door_open_at_night_is_told_after_a_quarter_of_an_hour(
    opened: int, begins: int | None
) -> None:
    one = Hub().put()
    one.say(("front-door/door_open", 0, 300), now=at_night(opened) - HOUR)
    one.say(("front-door/door_open", 1), now=at_night(opened))
    found = one.ticks(at_night(opened), at_night(420), 60.0)
    got = first(found, "inactivity.door_open_at_night")
    wanted = {} if begins is None else {RAISE: round((begins - opened) / 60, 2)}
    assert got == pytest.approx(wanted, abs=0.04)
    if begins is not None:
        shut = one.say(("front-door/door_open", 0), now=at_night(421))
        assert told(shut, "inactivity.door_open_at_night") == [CLEAR]


def test_a_door_sensor_that_has_never_told_both_ways_is_not_believed() -> None:
    one = Hub().put()
    one.say(("front-door/door_open", 1), now=at_night(60))
    assert (
        first(one.ticks(at_night(60), at_night(200), 60.0), "inactivity.door_open_at_night") == {}
    )


def test_a_cupboard_open_at_night_is_nobodys_business() -> None:
    one = Hub().put()
    one.say(("wardrobe/door_open", 0, 300), now=at_night(0))
    one.say(("wardrobe/door_open", 1), now=at_night(1))
    assert first(one.ticks(at_night(1), at_night(200), 60.0), "inactivity.door_open_at_night") == {}


@pytest.mark.parametrize(
    ("conditions", "left", "told_after"),
    [(["dementia"], 60, 15), (["dementia"], -40, 15), (["dementia"], -60, 30), ([], 60, None),
     (["dementia"], 320, None)],
)  # fmt: skip
def test_who_went_out_at_night_is_told_of_for_marked_people(
    conditions: list[str], left: int, told_after: int | None
) -> None:
    one = Hub().put(conditions=conditions)
    one.say(("kitchen/motion", 1, HOUR), now=at_night(left))
    one.say(("front-door/door_open", 1), now=at_night(left))
    got = first(one.ticks(at_night(left), at_night(left + 200), 60.0), "inactivity.left_at_night")
    assert got == pytest.approx({} if told_after is None else {RAISE: told_after / 60}, abs=0.04)


@pytest.mark.parametrize(
    "day", [(2026, 6, 10), (2026, 3, 28), (2026, 3, 29), (2026, 10, 24), (2026, 10, 25)]
)
@pytest.mark.parametrize(("minute", "night"), [(50, False), (59, False), (60, True)])
def test_who_locks_up_before_eleven_and_moves_no_more_has_not_gone_out_at_night(
    day: tuple[int, int, int], minute: int, night: bool
) -> None:
    """By the home's clock, on the evenings before and after it is changed as on any other."""
    evening = datetime(*day, 22, 0, tzinfo=ZoneInfo("Europe/London")).timestamp()
    one, door = Hub().put(conditions=["dementia"]), evening + minute * 60
    one.say(("hall/motion", 1), now=door - 60)
    one.say(("front-door/door_open", 1), now=door)
    found = one.ticks(door, evening + 9 * HOUR, 60.0)
    wanted = {RAISE: (evening + 90 * 60 - door) / HOUR} if night else {}
    assert first(found, "inactivity.left_at_night") == pytest.approx(wanted)
    told_of = [f for _, f in found if f.rule_id == "inactivity.left_at_night"]
    doors = [fact for f in told_of for fact in f.facts if fact.name == "door_minute()"]
    assert {(fact.value, fact.time) for fact in doors} == ({(23 * 60, door)} if night else set())


def test_who_goes_out_again_in_the_night_has_gone_out_at_night() -> None:
    one = Hub().put(conditions=["dementia"])
    one.say(("hall/motion", 1), now=at_night(-71))
    one.say(("front-door/door_open", 1), now=at_night(-70))
    assert first(one.ticks(at_night(-70), at_night(120), 60.0), "inactivity.left_at_night") == {}
    one.say(("front-door/door_open", 1), now=at_night(120))
    found = one.ticks(at_night(120), at_night(200), 60.0)
    assert first(found, "inactivity.left_at_night") == {RAISE: 0.25}


# -- falls, cold, light ---------------------------------------------------------------------------------


def test_a_fall_after_which_nothing_moves_is_an_emergency_after_a_quarter_of_an_hour() -> None:
    one = lived()
    one.say(("fall", 1))
    found = one.ticks(NOW, NOW + HOUR, 60.0)
    assert first(found, "falls.no_motion") == {RAISE: 0.25}
    assert next(f for _, f in found if f.rule_id == "falls.no_motion").severity is EMERGENCY
    up = one.say(("kitchen/motion", 1), now=NOW + HOUR)
    assert told(up, "falls.no_motion") == [CLEAR]


@pytest.mark.parametrize(("after", "lying"), [(60.0, True), (61.0, False)])
def test_motion_right_after_a_fall_is_of_the_fall(after: float, lying: bool) -> None:
    one, now = lived(), NOW + HOUR
    one.say(("fall", 1, 100), ("kitchen/motion", 1, 100 - after), now=now)
    found = one.ticks(now, now + HOUR, 60.0)
    assert ("falls.no_motion" in {f.rule_id for _, f in found}) is lying


def test_a_fall_in_a_home_without_sensors_says_nothing_of_motion() -> None:
    one = hub()
    one.say(("fall", 1))
    assert first(one.ticks(NOW, NOW + HOUR, 60.0), "falls.no_motion") == {}


def test_a_fall_of_half_a_day_ago_is_no_reason_to_look_and_no_reason_to_clear() -> None:
    one = lived()
    one.say(("fall", 1, 12 * HOUR + 60, 1, 0, 0, int(Quality.LATE)))
    assert first(one.ticks(NOW, NOW + HOUR, 60.0), "falls.no_motion") == {}
    one = lived()
    one.say(("fall", 1))
    found = one.ticks(NOW, NOW + 20 * HOUR)
    assert first(found, "falls.no_motion") == {RAISE: 0.25}


def temperatures(value: float, until: float, conditions: list[str]) -> tuple[Hub, list]:
    one = Hub().put(conditions=conditions)
    found = []
    for at in np.arange(0, until + 1, 30 * MINUTE):
        told_now = one.say(("kitchen/room_temperature", value), now=NOW + at)
        found += [(float(at), f) for f in (*told_now, *one.tick(NOW + float(at)))]
    return one, found


@pytest.mark.parametrize(
    ("rule_id", "value", "conditions", "raises"),
    [
        ("environment.cold", 17.9, ["cold_risk"], True),
        ("environment.cold", 18.0, ["cold_risk"], False),
        ("environment.cold", 12.0, ["frailty"], False),
        ("environment.cold", 12.0, [], False),
        ("environment.hot", 26.1, ["frailty"], True),
        ("environment.hot", 26.0, ["frailty"], False),
        ("environment.hot", 30.0, ["dementia"], False),
    ],
)
def test_cold_and_heat_are_told_after_four_hours_for_marked_people(
    rule_id: str, value: float, conditions: list[str], raises: bool
) -> None:
    _, found = temperatures(value, 6 * HOUR, conditions)
    assert first(found, rule_id) == ({RAISE: 4.0} if raises else {})


def test_a_warm_room_in_between_begins_the_four_hours_anew() -> None:
    one, found = temperatures(17.0, 3 * HOUR, ["cold_risk"])
    one.say(("kitchen/room_temperature", 18.0), now=NOW + 3.2 * HOUR)
    for at in np.arange(3.5, 8, 0.5):
        found += [(at * HOUR, f)
                  for f in one.say(("kitchen/room_temperature", 17.0), now=NOW + at * HOUR)]  # fmt: skip
    assert first(found, "environment.cold") == {RAISE: 7.5}


def test_cold_is_not_told_from_a_reading_that_is_too_old() -> None:
    one = Hub().put(conditions=["cold_risk"])
    one.say(("kitchen/room_temperature", 12.0))
    assert first(one.ticks(NOW, NOW + 6 * HOUR), "environment.cold") == {}


@pytest.mark.parametrize(
    ("minute", "light", "lit"),
    [(120, None, True), (120, 9.9, True), (120, 10.0, False), (-121, None, False),
     (-120, None, True), (359, None, True), (360, None, False)],
)  # fmt: skip
def test_motion_in_the_dark_at_night_asks_for_light(
    minute: int, light: float | None, lit: bool
) -> None:
    one = Hub().put()
    if light is not None:
        one.say(("illuminance", light), now=at_night(minute) - 60)
    found = one.say(("bathroom/motion", 1), now=at_night(minute))
    assert [f.outcome for f in found] == ([Outcome.COMMAND] if lit else [])
    if lit:
        assert (found[0].rule_id, found[0].home_no) == ("falls.light", 1)
        assert found[0].part == one.part["bathroom"]


def test_light_is_asked_for_once_in_five_minutes_and_only_for_motion_that_is_now() -> None:
    one, begin = Hub().put(1).put(2), at_night(120)
    times = [at for at in range(0, 700, 50)
             if one.say(("bathroom/motion", 1, 5), now=begin + at)]  # fmt: skip
    assert times == [0, 300, 600]
    assert one.say(("bathroom/motion", 1, 0, 2), now=begin + 10)  # another home
    assert one.say(("bathroom/motion", 1, 61), now=begin + 2_000) == []
    assert one.say(("bathroom/motion", 0), now=begin + 3_000) == []
    assert one.say(("bathroom/motion", 1, 60), now=begin + 4_000)


# -- equipment ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "severities"),
    [
        ([20.1], []), ([20.0], [INFORMATION]), ([10.0], [SOON]), ([10.1], [INFORMATION]),
        ([20.0, 10.0, 5.0, 39.9, 15.0], [INFORMATION, SOON]),
        ([20.0, 40.0, 20.0], [INFORMATION, None, INFORMATION]),
    ],
)  # fmt: skip
def test_a_low_battery_is_told_and_ends_when_it_is_charged(
    values: list[float], severities: list[Severity | None]
) -> None:
    one, out = Hub().put(), []
    for n, value in enumerate(values):
        for f in one.say(("battery", value), now=NOW + n):
            assert (f.subject, f.device_no, f.rule_id) == ("device", 1, "equipment.battery_low")
            out.append(f.severity if f.outcome is RAISE else None)
    assert out == severities


def test_mains_lost_is_told_after_ten_minutes_by_the_clock() -> None:
    one = Hub().put()
    one.say(("mains", 0))
    assert first(one.ticks(NOW, NOW + HOUR, 60.0), "equipment.mains_lost") == {
        RAISE: pytest.approx(10 / 60, abs=0.01)
    }
    assert told(one.say(("mains", 1), now=NOW + HOUR), "equipment.mains_lost") == [CLEAR]
    one.say(("mains", 0), now=NOW + 2 * HOUR)
    one.say(("mains", 1), now=NOW + 2 * HOUR + 599)
    assert one.ticks(NOW + 2 * HOUR + 600, NOW + 4 * HOUR) == []


def test_tampering_is_told_at_once() -> None:
    one = Hub().put()
    assert told(one.say(("tamper", 1)), "equipment.tamper") == [RAISE]
    assert told(one.say(("tamper", 0, -1)), "equipment.tamper") == [CLEAR]


# -- the clock ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("day", "hours"), [((2026, 3, 29), 23), ((2026, 10, 25), 25)])
def test_nights_on_which_the_clocks_change_begin_and_end_by_the_local_clock(
    day: tuple[int, int, int], hours: int
) -> None:
    zone = ZoneInfo("Europe/London")
    midnight = datetime(*day, tzinfo=zone).timestamp()
    six = datetime(*day, 6, tzinfo=zone).timestamp()
    assert datetime(*day, 23, 59, tzinfo=zone).timestamp() - midnight == (hours - 1) * HOUR + 3_540
    for at, dark in ((midnight - 7_201, False), (midnight - 7_200, True), (midnight + 1_800, True),
                     (midnight + 2 * HOUR, True), (six - 1, True), (six, False)):  # fmt: skip
        assert bool(Hub().put().say(("bathroom/motion", 1), now=at)) is dark
    one = Hub().put()
    one.say(("front-door/door_open", 0), now=six - 3 * HOUR)
    one.say(("front-door/door_open", 1), now=six - 20 * MINUTE)
    got = first(one.ticks(six - 20 * MINUTE, six + HOUR, 60.0), "inactivity.door_open_at_night")
    assert got == {RAISE: 0.25}


def test_homes_in_different_zones_have_their_own_nights() -> None:
    one = Hub().put(1, zone="Europe/London").put(2, zone="America/New_York")
    one.put(3, zone="Pacific/Auckland")
    dark = lambda now: {f.home_no for n in (1, 2, 3)  # noqa: E731
                        for f in one.say(("bathroom/motion", 1, 0, n), now=now)}  # fmt: skip
    assert dark(NOW - 8 * HOUR) == {1}  # midnight, 19:00, 13:00
    assert dark(NOW - 3 * HOUR + 600) == {1, 2}  # 05:10, 00:10, 18:10
    assert dark(NOW + 3 * HOUR) == {3}  # 11:00, 06:00, 00:00


def test_a_clock_that_jumps_ahead_or_back_tells_nothing_twice_and_stops_nothing() -> None:
    one = Hub().put()
    one.say(("heart_rate", 120.0))
    for jump in (-10 * HOUR, 0.0, 2 * HOUR, -DAY):
        assert one.tick(NOW + jump) == []
        assert told(one.say(("heart_rate", 120.0), now=NOW + jump), "limits.heart_rate") in (
            [], [REFRESH],
        )  # fmt: skip
    back = NOW + 3 * HOUR
    assert told(one.say(("heart_rate", 80.0), now=back), "limits.heart_rate") == [CLEAR]
    ahead = told(one.say(("heart_rate", 120.0), now=back - HOUR), "limits.heart_rate")
    assert ahead in ([RAISE], [RAISE, CLEAR])  # the present is that of the reading of later


# -- rules of one's own, and what people did ------------------------------------------------------------


def test_a_device_may_be_asked_how_long_it_has_been_as_it_is() -> None:
    one = Hub(pack_of(rule("off", 'subject = "device"',
                           'when = "not mains and held(mains) >= \'10 min\'"'))).put()  # fmt: skip
    assert not one.say(("mains", 1, HOUR), ("mains", 0, 500), ("mains", 0, 300))
    assert raised(one.say(("mains", 0), now=NOW + 100))
    assert told(one.say(("mains", 1), now=NOW + 160), "off") == [CLEAR]


def test_rules_of_homes_and_devices_may_speak_for_others_and_take_time_to_clear() -> None:
    local = pack_of(
        rule("cold", 'subject = "home"', 'when = "room_temperature < 10"',
             'clear = "room_temperature > 12"', 'clear_for = "20 min"', 'mutes = ["cool"]')
        + rule("cool", 'subject = "home"', 'when = "room_temperature < 16"')
        + rule("flat", 'subject = "device"', 'when = "battery < 5"', 'mutes = ["weak"]')
        + rule("weak", 'subject = "device"', 'when = "battery < 30"')
    )  # fmt: skip
    one = Hub(local).put()
    found = one.say(("kitchen/room_temperature", 9.0), ("battery", 4.0))
    assert {(f.rule_id, f.outcome) for f in found} == {
        ("cold", RAISE), ("cool", MUTED), ("flat", RAISE), ("weak", MUTED),
    }  # fmt: skip
    found = one.say(("battery", 20.0, -1), ("kitchen/room_temperature", 13.0, -1))
    assert {(f.rule_id, f.outcome) for f in found} == {("flat", CLEAR), ("weak", RAISE)}
    later = one.ticks(NOW + 60, NOW + HOUR, 60.0)
    assert [(round(at), f.rule_id, f.outcome) for at, f in later] == [
        (20 * 60, "cold", CLEAR), (20 * 60, "cool", RAISE),
    ]  # fmt: skip


def test_a_rule_told_again_too_soon_waits_and_is_told_by_the_clock_when_it_may_be() -> None:
    local = pack_of(rule("cool", 'subject = "home"', 'when = "room_temperature < 16"',
                         'again = "2 h"', 'for = "1 min"'))  # fmt: skip
    one = Hub(local).put()
    one.say(("room_temperature", 9.0))
    assert "cool" in raised(one.tick(NOW + 60))
    assert told(one.say(("room_temperature", 18.0), now=NOW + 100), "cool") == [CLEAR]
    assert one.say(("room_temperature", 9.0), now=NOW + 200) == []
    assert one.tick(NOW + 300) == []
    assert one.memory.homes.due[0] >= NOW + 60 + 2 * HOUR  # it isn't looked at every second
    found = one.ticks(NOW + 360, NOW + 3 * HOUR, 60.0)
    assert [round(at + 360) for at, f in found if f.outcome is RAISE] == [60 + 7_200]


def test_what_the_database_says_was_told_is_not_raised_again() -> None:
    one = Hub().put()
    one.engine.put_told("person", 1, "limits.heart_rate", rank=2, at=NOW - 10, basis=())
    one.engine.put_told("person", 1, "sos", rank=4, at=NOW, basis=())  # no rule of the engine
    one.engine.put_told("person", 99, "news2", rank=4, at=NOW, basis=())  # nobody here
    assert "limits.heart_rate" not in raised(one.say(("heart_rate", 105.0)))
    assert told(one.say(("heart_rate", 80.0, -1)), "limits.heart_rate") == [CLEAR]


def test_a_score_taken_over_from_the_database_keeps_what_it_rested_on() -> None:
    one = Hub().put()
    one.engine.put_told("person", 1, "news2", rank=2, at=NOW - 10, basis=("resp_rate", "spo2"))
    assert told(one.say(("resp_rate", 16.0)), "news2") == []
    assert told(one.say(("spo2", 97.0, -1)), "news2") == [CLEAR]


def test_an_alert_that_a_person_closed_is_raised_by_the_next_bad_reading() -> None:
    one = Hub().put(triggers=[trigger("heart_rate > 100")])
    one.say(("heart_rate", 120.0))
    for rule_id in ("limits.heart_rate", "care_plan.t"):
        one.engine.forget_told("person", 1, rule_id, now=NOW)
    again = raised(one.say(("heart_rate", 121.0), now=NOW + 5))
    assert {"limits.heart_rate", "care_plan.t"} <= set(again)
    one.engine.forget_told("person", 99, "limits.heart_rate", now=NOW)
    one.engine.forget_told("site", 1, "equipment.site_silent", now=NOW)


def test_closing_the_score_lets_what_it_spoke_for_speak() -> None:
    one = Hub().put()
    one.say(*vital(resp_rate=25.0, heart_rate=112.0))
    one.engine.forget_told("person", 1, "news2", now=NOW)
    found = one.say(*vital(-1, resp_rate=16.0, heart_rate=112.0), now=NOW + 1)
    assert "limits.heart_rate" in raised(found)


def test_what_is_over_for_long_is_let_go_of_and_what_goes_on_is_kept() -> None:
    one = Hub()
    for no in range(1, 9):
        one.put(no)
    one.say(*[("heart_rate", 120.0, 0, no) for no in range(1, 9)])
    one.say(*[("heart_rate", 80.0, -1, no) for no in range(1, 8)])
    opened = one.memory.open["person"]
    before = opened.count
    one.engine.tidy(now=NOW + 30 * DAY)
    assert opened.count == before
    one.engine.tidy(now=NOW + 32 * DAY)
    assert opened.count < before
    one.say(("heart_rate", 80.0, -2, 8))
    assert told(one.say(("heart_rate", 81.0, -3, 8), now=NOW + 33 * DAY), "limits.heart_rate") == []


def test_a_device_of_nobody_in_a_home_that_is_not_here_is_judged_by_itself() -> None:
    one = Hub()
    one.engine.put(devices=[Device(no=5, shard=5, home_no=77, since=LONG_AGO)])
    (found,) = one.say(("battery", 5.0, 0, 0, 77, 5))
    assert (found.device_no, found.person_no, found.home_no) == (5, None, 77)


def test_a_person_without_a_home_is_judged_and_the_home_says_nothing_of_them() -> None:
    one = Hub()
    one.engine.put(people=[Person(no=1, shard=1, triggers=[trigger("still() > '1 min'"),
                                                           trigger("residents() < 5", id="r")])])  # fmt: skip
    assert {f.rule_id for f in one.say(("spo2", 92.0))} == {"limits.spo2"}
    assert one.ticks(NOW, NOW + 3 * HOUR, HOUR) == []
    assert vitals.SPO2 in one.memory.series.pairs()[1]
