"""Triggers of one person's care plan: read like a pack's rules, refused in words."""

from __future__ import annotations

from typing import Any

import pytest

from alerts import model
from alerts.rules import language, triggers

GOOD = {"id": "a", "title": "Low", "severity": "urgent", "when": "spo2 < 85"}


def test_a_trigger_is_read_with_its_contrary_for_an_end() -> None:
    read = triggers.read(GOOD)
    assert (read.id, read.title, read.severity) == ("a", "Low", model.Severity.URGENT)
    assert read.when == language.parse("spo2 < 85")
    assert read.clear == language.parse("spo2 >= 85")
    assert (read.text, read.wait_s) == ("spo2 < 85", 0.0)


def test_a_trigger_may_say_its_end_and_how_long_it_must_hold() -> None:
    read = triggers.read(GOOD | {"clear": "spo2 > 88", "for": "2 h"})
    assert read.clear == language.parse("spo2 > 88")
    assert read.wait_s == 7_200.0
    assert triggers.problem(GOOD | {"clear": "spo2 > 88", "for": "2 h"}) is None


@pytest.mark.parametrize(
    "when",
    ["gain(weight, '3 d') > '2 kg'", "spo2 < low(spo2) - 2", "glucose < '3.9 mmol/L'",
     "times(spo2 < 88, 2, 3, '6 h')", "symptom.dizzy >= 2 and systolic < 100",
     "excess('night_bathroom_visits') > 3 and weight > 90", "still() >= '3 h'",
     "hours('22:00', '06:00') and heart_rate > 120", "age(weight) > '3 d'"],
)  # fmt: skip
def test_a_trigger_may_ask_what_rules_of_people_may_ask(when: str) -> None:
    assert triggers.problem(GOOD | {"when": when}) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"when": "spo < 85"}, "'spo' is no quantity"),
        ({"when": "spo2 <"}, "this is no condition"),
        ({"when": ""}, "'when' must be a text"),
        ({"when": None}, "'when' must be a text"),
        ({"when": 3}, "'when' must be a text"),
        ({"id": " "}, "'id' must be a text"),
        ({"title": None}, "'title' must be a text"),
        ({"severity": "red"}, "'red' is no severity"),
        ({"severity": None}, "'None' is no severity"),
        ({"for": "soon"}, "'soon' is no length of time"),
        ({"for": 3}, "'3' is no length of time"),
        ({"clear": "spo >= 85"}, "'spo' is no quantity"),
        ({"clear": 7}, "'clear' must be a text"),
        ({"clear": "spo2 > 84"}, "raise and clear overlap"),
        ({"clear": "spo2 > 100"}, "no reading could ever clear this"),
        ({"when": "spo2 < 85 and spo2 > 90"}, "this can never hold"),
        ({"when": "spo2 < 20"}, "20 is outside what is plausible"),
        ({"when": "battery < 20"}, "'battery' is not kept of a person"),
        ({"when": "light() < 5"}, "'light()' is not known of a person"),
        ({"when": "motion"}, "motion comes and goes"),
        ({"when": "held(door_open) > '2 h'"}, "is not known of a person"),
        ({"when": "not " * 500 + "fall"}, "nested too deeply"),
    ],
)
def test_a_trigger_that_cannot_be_judged_is_refused_in_words(
    change: dict[str, Any], said: str
) -> None:
    found = triggers.problem(GOOD | change)
    assert found is not None
    assert said in found


def test_a_trigger_that_makes_no_sense_is_read_all_the_same() -> None:
    """What the register holds already is judged; only what is new is refused."""
    assert triggers.read(GOOD | {"clear": "spo2 > 84"}).id == "a"
