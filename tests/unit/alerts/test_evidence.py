"""What is told of a decision: every number it rests on, from which it is made again."""

# ruff: noqa: E501  (tables read best as such)
from __future__ import annotations

import math

import numpy as np
import pytest

from alerts import evidence, explain, model
from alerts.model import Fact, Finding, Outcome
from alerts.rules import language, pack
from alerts.storage import findings
from tests.support.judging import DAY, HOUR, MINUTE, NOW, SHIPPED, Hub, Reading, days, raised

EVERYTHING = ["copd", "heart_failure", "hypertension", "diabetes", "dementia", "falls_risk"]


def hub(**about) -> Hub:
    return Hub().put(conditions=EVERYTHING, **about)


def facts(finding: Finding) -> dict[str, Fact]:
    return {f.name: f for f in finding.facts}


def test_a_limit_is_told_with_the_reading_its_time_and_where_the_limit_comes_from() -> None:
    for about, low, origin in (
        ({}, 93.0, "default"), ({"limits": {"spo2": {"low": 95.5}}}, 95.5, "care plan"),
    ):  # fmt: skip
        found = raised(Hub().put(**about).say(("spo2", 92.0, 10)))["limits.spo2"]
        told = facts(found)
        assert (told["spo2"].value, told["spo2"].time) == (92.0, NOW - 10)
        assert (told["low(spo2)"].value, told["low(spo2)"].origin) == (low, origin)
        assert told["high(spo2)"].value is None  # there is none
        assert found.reading_at == NOW - 10
        assert found.when == "spo2 < low(spo2) or spo2 > high(spo2)"


def test_the_worst_level_that_holds_is_told_as_the_rule_writes_it() -> None:
    one = hub()
    mild = raised(one.say(("glucose", 3.5)))["diabetes.hypoglycaemia"]
    assert mild.when == "glucose < '4.0 mmol/L'"
    worse = raised(one.say(("glucose", 2.5, -1)))["diabetes.hypoglycaemia"]
    assert worse.when == "glucose < '3.0 mmol/L'"
    (over,) = [f for f in one.say(("glucose", 5.0, -2)) if f.rule_id == "diabetes.hypoglycaemia"]
    assert (over.outcome, over.when) == (Outcome.CLEAR, "glucose >= '4.5 mmol/L'")
    assert facts(over)["glucose"].value == 5.0


def test_the_time_of_day_of_the_door_is_shown_as_a_clock_shows_it() -> None:
    one, door = hub(), NOW - 9 * HOUR + 5 * MINUTE
    one.say(("kitchen/motion", 1), now=door - 1)
    one.say(("front-door/door_open", 1), now=door)
    left = next(
        f for _, f in one.ticks(door, door + HOUR) if f.rule_id == "inactivity.left_at_night"
    )
    (item,) = [i for i in findings._evidence(left) if i["code"] == "door_minute()"]
    assert (item["value"], item["said"]) == (23 * 60 + 5, "23:05")
    said = explain._said(facts(left)["door_minute()"])
    assert said == "door_minute() = 23:05, measured 2026-01-04 23:05:00 UTC"
    assert evidence.severity_again(SHIPPED.rules[left.rule_id], left.facts) is left.severity


def test_beside_a_distance_from_usual_stand_the_usual_and_the_reading() -> None:
    one = hub()
    one.say(*days("spo2", *[95.0] * 8, until=2))
    one.say(("spo2", 91.4, HOUR))
    found = {f.rule_id: f for f in one.say(("spo2", 91.2))}["copd.spo2_falling"]
    told = facts(found)
    assert told["usual(spo2)"].value == 95.0
    assert told["z(spo2)"].value == pytest.approx(-3.8)
    assert (
        told["recent(spo2, 3)"].values == (91.2, 91.4, 95.0)[: int(told["recent(spo2, 3)"].value)]
    )
    assert told["recent(spo2, 3)"].ages[:2] == (0.0, HOUR)


def test_a_gain_is_told_with_the_reading_it_is_of() -> None:
    one = hub()
    one.say(*days("weight", 80.0, 80.5))
    told = facts(raised(one.say(("weight", 82.5)))["heart_failure.weight_gain"])
    assert told["gain(weight, '3 d')"].value == 2.5
    assert told["weight"].value == 82.5


def test_the_hour_is_told_where_it_decides() -> None:
    one, now = Hub().put(), NOW - 7 * HOUR
    (found,) = one.say(("bathroom/motion", 1), now=now)
    assert facts(found)["minute()"].value == 60.0
    assert found.outcome is Outcome.COMMAND


def test_a_score_is_told_part_by_part_with_points_and_what_came_from_the_register() -> None:
    one = Hub().put(on_oxygen=True, scale2=True)
    found = raised(one.say(("resp_rate", 25.0), ("spo2", 94.0), ("heart_rate", 70.0)))["news2"]
    told = facts(found)
    assert {n: f.points for n, f in told.items()} == {
        "resp_rate": 3, "spo2": 1, "heart_rate": 0, "on_oxygen": 2, "scale2": None,
    }  # fmt: skip
    assert told["on_oxygen"].origin == told["scale2"].origin == "register"
    assert told["on_oxygen"].time is None
    assert found.score == 6
    assert found.missing == ("systolic", "acvpu", "body_temperature")
    assert found.missing_for == (None, None, None)


def again(found: Finding) -> model.Severity | None:
    return evidence.severity_again(SHIPPED.rules[found.rule_id], found.facts)


@pytest.mark.parametrize("oxygen", [True, False])
@pytest.mark.parametrize("scale2", [True, False])
@pytest.mark.parametrize("said", [None, 0.0, 1.0])
def test_a_score_is_made_again_from_its_facts(
    oxygen: bool, scale2: bool, said: float | None
) -> None:
    rng = np.random.default_rng(3)
    for _ in range(25):
        one = Hub().put(on_oxygen=oxygen, scale2=scale2)
        given = [("resp_rate", rng.integers(5, 30)), ("spo2", rng.integers(80, 100)),
                 ("heart_rate", rng.integers(35, 140)), ("systolic", rng.integers(80, 230)),
                 ("acvpu", rng.integers(0, 2)), ("body_temperature", rng.integers(350, 400) / 10)]  # fmt: skip
        some = [(q, float(v)) for q, v in given if rng.random() < 0.7]
        if said is not None:
            some.append(("on_oxygen", said))
        for f in one.say(*some):
            assert again(f) is f.severity, f


def test_an_unknown_part_stays_unknown_when_a_decision_is_made_again() -> None:
    found = raised(hub().say(("symptom.sputum", 2), ("symptom.breathless", 2)))["copd.exacerbation"]
    assert facts(found)["symptom.sputum_colour"].value is None
    assert again(found) is model.Severity.SOON


def test_other_facts_make_another_decision() -> None:
    found = raised(hub().say(("glucose", 3.5)))["diabetes.hypoglycaemia"]
    rule = SHIPPED.rules["diabetes.hypoglycaemia"]
    for value, wanted in ((2.9, model.Severity.EMERGENCY), (4.1, None), (None, None)):
        changed = [Fact(name="glucose", value=value, quantity="glucose")]
        assert evidence.severity_again(rule, changed) is wanted
    assert evidence.severity_again(rule, []) is None
    assert again(found) is model.Severity.URGENT


def test_what_is_no_condition_and_no_score_is_not_made_again() -> None:
    for rule in (*SHIPPED.of(pack.AlarmRule), *SHIPPED.of(pack.SilenceRule)):
        assert evidence.severity_again(rule, []) is None


def test_a_limit_that_is_not_among_the_facts_is_no_limit() -> None:
    env = evidence.Again.of([Fact(name="spo2", value=99.0), Fact(name="high(spo2)", value=None)])
    yes, no = language.judge(language.parse("spo2 < low(spo2) or spo2 > high(spo2)"), env)
    assert (yes.tolist(), no.tolist()) == ([False], [True])
    assert np.isnan(env.parameter(0)).all()
    assert np.isnan(env.minute()).all()
    assert env.size == 1


def test_rules_of_a_home_are_made_again_from_their_facts() -> None:
    one = hub()
    at = [NOW - 8 * HOUR - d * DAY + h * HOUR for d in range(12) for h in range(7, 23)]
    one.say(*[Reading("kitchen/motion", 1, NOW - t) for t in at if t <= NOW])
    one.say(("fall", 1), ("front-door/door_open", 0, 5 * DAY))
    found = [
        f for _, f in one.ticks(NOW, NOW + 14 * HOUR, 10 * MINUTE) if f.outcome is Outcome.RAISE
    ]
    assert {f.rule_id for f in found} >= {"inactivity.still", "falls.no_motion"}
    for f in found:
        assert again(f) is f.severity, f
        assert f.home_no == 1
        assert f.reading_at <= f.at
        assert all(x.value is None or math.isfinite(x.value) for x in f.facts)
