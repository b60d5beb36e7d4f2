"""Triggers of single people: one rule a form, a row of numbers a person."""

# ruff: noqa: E501  (tables read best as such)
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts import care_plans, plan
from alerts.care_plans import CarePlans
from alerts.model import Outcome, Severity
from alerts.state.subjects import Home, Person
from ingest.kernel.observation import Quality
from tests.support.judging import MINUTE, NOW, SHIPPED, Hub, days, told

RAISE, CLEAR = Outcome.RAISE, Outcome.CLEAR


def trigger(when: str, *, id: str = "t", severity: str = "urgent", **more: str) -> dict[str, str]:
    return {"id": id, "title": id, "severity": severity, "when": when} | more


def person(no: int, *triggers: dict[str, str]) -> Person:
    return Person(no=no, shard=no % 64, triggers=triggers)


@pytest.fixture
def plans() -> CarePlans:
    return CarePlans(plan.compile_packs(SHIPPED.packs.values(), plan.Defaults()))


def test_triggers_that_differ_in_numbers_only_are_one_rule(plans: CarePlans) -> None:
    plans.put([person(n, trigger(f"glucose < {n / 10}", id=f"id{n}")) for n in range(30, 50)])
    assert len(plans) == 1
    (one,) = plans.rules
    mine, numbers = plans.parameters(one, np.array([31, 7, 49]))
    assert mine.tolist() == [0, 2]
    assert numbers.tolist() == [[3.1, 3.1], [4.9, 4.9]]  # of its raising and of its end
    assert plans.trigger(one, 31).id == "id31"
    assert one.column == len(plans._plan.person)  # after the packs' rules


@pytest.mark.parametrize(
    "other",
    [trigger("glucose > 4"), trigger("spo2 < 90"), trigger("glucose < 4", severity="soon"),
     trigger("glucose < 4", clear="glucose > 5"), trigger("glucose < 4", **{"for": "1 h"}),
     trigger("glucose < 4 and fall")],
)  # fmt: skip
def test_anything_else_that_differs_is_another_rule(
    plans: CarePlans, other: dict[str, str]
) -> None:
    plans.put([person(1, trigger("glucose < 3")), person(2, other)])
    assert len(plans) == 2


def test_a_trigger_is_found_by_person_and_id(plans: CarePlans) -> None:
    plans.put([person(1, trigger("glucose < 3", id="a"), trigger("glucose < 4", id="b"))])
    columns = [plans.column(1, f"care_plan.{name}") for name in "abc"]
    assert columns[0] != columns[1]
    assert columns[2] is None
    assert plans.column(2, "care_plan.a") is None


def test_rules_are_woken_by_what_they_read(plans: CarePlans) -> None:
    plans.put([person(1, trigger("glucose < 3 and symptom.dizzy > 1"))])
    reads = {q: bool(plans.reading(np.array([plans._plan.column(q)])))
             for q in ("glucose", "symptom.dizzy", "spo2")}  # fmt: skip
    assert reads == {"glucose": True, "symptom.dizzy": True, "spo2": False}


def test_new_triggers_take_the_place_of_the_old_ones(plans: CarePlans) -> None:
    assert plans.put([person(1, trigger("glucose < 3")), person(2, trigger("glucose < 4"))]) == []
    (one,) = plans.rules
    assert plans.put([person(1, trigger("glucose < 3.5"))]) == []  # the same, with a new number
    assert plans.parameters(one, np.array([1, 2]))[1][:, 0].tolist() == [3.5, 4.0]
    assert [g[:2] for g in plans.put([person(1)])] == [(1, one.column)]
    assert plans.put([person(1)]) == []
    assert plans.parameters(one, np.array([1, 2]))[0].tolist() == [1]
    other = plans.put([person(2, trigger("glucose < 4", id="other"))])
    assert [g[:2] for g in other] == [(2, one.column)]
    assert [g[:2] for g in plans.put([person(2)])] == [(2, one.column)]
    assert plans.parameters(one, np.array([1, 2]))[0].size == 0


def test_what_cannot_be_read_is_counted_and_stops_nothing(plans: CarePlans) -> None:
    wrong = [{}, {"id": "x"}, trigger("spo <"), trigger("glucose < 3", severity="red"),
             {"id": 3, "title": [], "severity": None, "when": {}}]  # fmt: skip
    plans.put([person(1, *wrong, trigger("glucose < 3"))])
    assert len(plans) == 1
    assert plans.unread == 5


def test_too_many_forms_are_counted_and_the_first_ones_are_judged(plans: CarePlans) -> None:
    forms = [f"gain(weight, '{n} d') > 2 and {q} > 50"
             for n in range(1, 16) for q in ("heart_rate", "resp_rate", "systolic", "spo2", "weight",
                                             "diastolic", "body_water", "humidity", "steps")]  # fmt: skip
    plans.put([person(n, trigger(when)) for n, when in enumerate(forms, start=1)])
    assert (len(plans), plans.unread) == (care_plans._MOST, len(forms) - care_plans._MOST)
    plans.put([person(1_000, trigger(forms[0].replace("> 2 ", "> 3 ")))])  # a form that is known
    assert plans.unread == len(forms) - care_plans._MOST


values = st.integers(30, 200)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.integers(1, 40), values, min_size=1, max_size=20), st.data())
def test_each_person_is_judged_by_their_own_number(bounds: dict[int, int], data) -> None:
    one, readings = Hub(), []
    for no, bound in bounds.items():
        one.put(no, pregnant=True, triggers=[trigger(f"weight > {bound}", id=f"t{no}")])
        readings.append(("weight", float(data.draw(values)), 0, no))
    found = {f.person_no: f.rule_id for f in one.say(*readings)}
    assert found == {no: f"care_plan.t{no}" for _, v, _, no in readings if v > bounds[no]}


# -- in the engine --------------------------------------------------------------------------------


def test_another_trigger_of_the_same_form_is_raised_though_the_old_one_was_told() -> None:
    one = Hub().put(triggers=[trigger("glucose > 12", id="a")])
    assert told(one.say(("glucose", 13.0)), "care_plan.a") == [RAISE]
    one.put(triggers=[trigger("glucose > 11", id="b")])
    assert told(one.say(("glucose", 13.0, -1)), "care_plan.b") == [RAISE]
    one.put(triggers=[])
    one.put(triggers=[trigger("glucose > 12", id="c")])
    assert told(one.say(("glucose", 13.0, -2)), "care_plan.c") == [RAISE]


def test_a_trigger_with_a_new_number_goes_on_as_the_same() -> None:
    one = Hub().put(triggers=[trigger("glucose > 12")])
    assert told(one.say(("glucose", 13.0)), "care_plan.t") == [RAISE]
    one.put(triggers=[trigger("glucose > 11")])
    assert told(one.say(("glucose", 13.0, -1)), "care_plan.t") == []
    assert told(one.say(("glucose", 11.0, -2)), "care_plan.t") == [CLEAR]


CHANGED = "The care plan's trigger was changed: whether this still holds is not known."
WITHDRAWN = ("The care plan's trigger was withdrawn, or can't be judged any more: whether this"
             " still holds is not known.")  # fmt: skip


@pytest.mark.parametrize(
    ("new", "said"),
    [
        ([], WITHDRAWN),
        ([trigger("glucose > 12", id="b")], WITHDRAWN),
        ([trigger("glucose > 12", severity="soon")], CHANGED),
        ([trigger("glucose > 12 or spo2 < 85")], CHANGED),
        ([trigger("glucos >")], CHANGED),  # the register refuses it; all the same
        ([trigger("glucose > 11")], None),
        ([trigger("glucose > 14", id="b"), trigger("glucose > 12")], None),
    ],
)
def test_what_a_trigger_raised_is_over_with_it_and_says_why(
    new: list[dict[str, str]], said: str | None
) -> None:
    one = Hub().put(2, triggers=[trigger("glucose > 12")]).put(triggers=[trigger("glucose > 12")])
    assert len(one.say(("glucose", 13.0), ("glucose", 13.0, 0, 2))) == 2
    home = Home(no=1, shard=1, people=(1,))
    found = one.engine.put(homes=[home], people=[Person(no=1, shard=1, home_no=1, triggers=new)])
    assert [(f.outcome, f.subject, f.subject_no, f.rule_id, f.said) for f in found] == (
        [(CLEAR, "person", 1, "care_plan.t", said)] if said else []
    )
    assert [f.at for f in found] == [NOW] * len(found)  # nothing was judged: when it was told
    assert one.engine.put(people=[Person(no=1, shard=1, home_no=1, triggers=new)]) == []  # once


def test_a_trigger_that_was_not_told_goes_without_a_word() -> None:
    one = Hub().put(
        triggers=[
            trigger("glucose > 12", id="a"),
            trigger("glucose > 12", id="b", **{"for": "1 h"}),
        ]
    )
    assert told(one.say(("glucose", 11.0)), "care_plan.a") == []
    one.say(("glucose", 13.0, -60))
    one.say(("glucose", 11.0, -120))  # told and over; the other waited
    assert one.engine.put(people=[Person(no=1, shard=1, home_no=1)]) == []


def test_a_trigger_keeps_its_place_when_its_twin_is_taken_back() -> None:
    twins = [trigger("glucose > 12", id="a"), trigger("glucose > 13", id="b")]
    one = Hub().put(triggers=twins)
    assert {f.rule_id for f in one.say(("glucose", 14.0))} == {"care_plan.a", "care_plan.b"}
    found = one.engine.put(people=[Person(no=1, shard=1, home_no=1, triggers=twins[1:])])
    assert [f.rule_id for f in found] == ["care_plan.a"]
    assert told(one.say(("glucose", 12.5, -60)), "care_plan.b") == [CLEAR]
    one.engine.put(people=[Person(no=1, shard=1, home_no=1, triggers=twins[::-1])])
    assert told(one.say(("glucose", 12.5, -120)), "care_plan.a") == [RAISE]


def test_an_alert_of_a_trigger_that_went_while_nobody_judged_is_over_when_it_is_taken_over() -> (
    None
):
    one = Hub().put(triggers=[trigger("glucose > 12", id="a")])

    def over(kind: str, no: int, rule_id: str, rank: int) -> list[tuple]:
        found = one.engine.put_told(kind, no, rule_id, rank=rank, at=NOW - 60, basis=())
        return [(f.outcome, f.rule_id, f.said, f.severity, f.at) for f in found]

    assert over("person", 1, "care_plan.a", 3) == []
    urgent = Severity.URGENT
    assert over("person", 1, "care_plan.b", 3) == [
        (CLEAR, "care_plan.b", WITHDRAWN, urgent, NOW - 60)
    ]
    assert over("person", 1, "care_plan.b", 0) == []  # it had cleared
    assert over("person", 1, "a_rule_of_no_pack", 3) == []
    assert over("person", 9, "care_plan.b", 3) == []  # who isn't here
    assert told(one.say(("glucose", 11.0)), "care_plan.a") == [CLEAR]


def test_what_another_trigger_waited_for_does_not_shorten_the_wait() -> None:
    wait = {"for": "10 min"}
    one = Hub().put(triggers=[trigger("glucose > 12", id="a", **wait)])
    assert one.say(("glucose", 13.0)) == []
    one.put(triggers=[trigger("glucose > 12", id="b", **wait)])
    assert one.say(("glucose", 13.0), now=NOW + 11 * MINUTE) == []
    assert told(one.say(("glucose", 13.0), now=NOW + 21 * MINUTE), "care_plan.b") == [RAISE]


def test_the_days_of_a_quantity_are_kept_of_whoever_has_a_trigger_that_reads_them() -> None:
    hub = Hub().put(1, triggers=[trigger("mean(heart_rate, '7 d') > 90")]).put(2)
    for no in (1, 2):
        hub.say(*days("heart_rate", *[95] * 6, person=no))
    assert hub.memory.series.by_day.count == 1
    found = hub.say(("heart_rate", 95, 0, 1), ("heart_rate", 95, 0, 2))
    assert told(found, "care_plan.t") == [Outcome.RAISE]


def test_a_trigger_that_comes_later_has_the_past_of_its_person_read_again() -> None:
    hub = Hub().put(1).put(2)
    past = [r for no in (1, 2) for r in days("heart_rate", *[95] * 6, person=no)]
    hub.say(*past)
    asks = Person(no=1, shard=1, home_no=1, triggers=[trigger("mean(heart_rate, '7 d') > 90")])
    hub.engine.put(people=[asks])
    assert hub.engine.begun == {1}
    hub.engine.begun.clear()
    hub.engine.put(people=[asks])
    assert not hub.engine.begun  # once is enough
    assert not hub.say(*(r._replace(flags=int(Quality.IMPORTED)) for r in past))
    found = hub.say(("heart_rate", 95, 0, 1), ("heart_rate", 95, 0, 2))
    assert told(found, "care_plan.t") == [Outcome.RAISE]


def test_a_condition_that_is_registered_later_has_the_past_read_again_where_its_rules_ask() -> None:
    hub = Hub().put(1).put(2, conditions=["heart_failure"])
    past = [r for no in (1, 2) for r in days("weight", 80, 80, 80, person=no)]
    hub.say(*past)
    assert hub.memory.series.by_day.count == 1
    ill = [Person(no=no, shard=no, home_no=no, conditions=["heart_failure"]) for no in (1, 2)]
    hub.engine.put(people=ill)
    assert hub.engine.begun == {1}
    hub.say(*(r._replace(flags=int(Quality.IMPORTED)) for r in past))
    found = hub.say(("weight", 82.5, 0, 1), ("weight", 82.5, 0, 2))
    assert sorted(f.subject_no for f in found if f.rule_id == "heart_failure.weight_gain") == [1, 2]
