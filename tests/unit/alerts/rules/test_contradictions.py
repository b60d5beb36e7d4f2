"""Conditions that can't hold, can't end, or hold and end at once are found, and no others."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.rules import contradictions, language, pack, registry

NEVER, NO_END, OVERLAP = "this can never hold", "no reading could ever clear", "raise and clear"


def problem(when: str, clear: str) -> contradictions.Problem | None:
    return contradictions.of_level(language.parse(when), language.parse(clear))


@pytest.mark.parametrize(
    ("when", "clear", "said"),
    [
        ("spo2 < 35", "spo2 >= 92", NEVER),  # nothing below is plausible
        ("spo2 > 100", "spo2 < 99", NEVER),
        ("spo2 < 90 and spo2 > 92", "spo2 > 93", NEVER),
        ("spo2 < 90 and spo2 >= 90", "spo2 > 93", NEVER),
        ("not (spo2 < 90 or spo2 >= 90)", "spo2 > 93", NEVER),
        ("fall and not fall", "not fall", NEVER),
        ("acvpu == 'C' and acvpu == 'V'", "acvpu == 'A'", NEVER),
        ("gain(weight, '3 d') < 0", "gain(weight, '3 d') > 1", NEVER),
        ("hours('10:00', '12:00') and hours('13:00', '14:00') and fall", "not fall", NEVER),
        ("hours('10:00', '12:00', door_minute()) and door_minute() > 720", "not fall", NEVER),
        ("low(spo2) > high(spo2)", "spo2 > 3", NEVER),
        ("spo2 < 90", "spo2 > 100", NO_END),
        ("spo2 < 90", "spo2 > 95 and spo2 < 94", NO_END),
        ("fall", "acvpu == 'A' and acvpu != 'A'", NO_END),
        ("spo2 < 90", "spo2 >= 89", OVERLAP),
        ("spo2 <= 90", "spo2 >= 90", OVERLAP),
        ("spo2 < 90", "spo2 < 95", OVERLAP),
        ("spo2 < low(spo2)", "spo2 >= low(spo2) - 1", OVERLAP),
        ("spo2 < low(spo2) or spo2 > high(spo2)", "spo2 >= low(spo2) + 1", OVERLAP),
        ("acvpu != 'A'", "acvpu == 'C'", OVERLAP),
        ("least(2, fall, mains, tamper)", "not fall or not mains", OVERLAP),
        ("times(spo2 < 90, 2, 3, '2 h')", "spo2 < 95", OVERLAP),
        ("spo2 < 90 and hours('22:00', '06:00')", "spo2 < 91 and hours('05:00', '07:00')", OVERLAP),
        ("spo2 < 90 or weight > 100", "spo2 >= 92", OVERLAP),
        ("spo2 < usual(spo2) - 3", "spo2 >= usual(spo2) - 4", OVERLAP),
    ],
)
def test_what_makes_no_sense_is_found(when: str, clear: str, said: str) -> None:
    found = problem(when, clear)
    assert found is not None
    assert said in found.text
    assert found.clear is (said != NEVER)


@pytest.mark.parametrize(
    ("when", "clear"),
    [
        ("spo2 < 90", "spo2 >= 90"),
        ("spo2 <= 90", "spo2 > 90"),
        ("spo2 < 36", "spo2 >= 36"),
        ("spo2 < low(spo2) or spo2 > high(spo2)",
         "spo2 >= low(spo2) + 1 and spo2 <= high(spo2) - 1"),
        ("fall", "not fall"),
        ("acvpu != 'A'", "acvpu == 'A'"),
        ("least(2, fall, mains, tamper)", "not fall and not mains"),
        ("spo2 < usual(spo2) - 3", "spo2 >= usual(spo2) - 2"),
        ("z(spo2) <= -3.5", "z(spo2) > -2"),
        ("slope(weight, '7 d') < -0.15", "slope(weight, '7 d') > 0"),
        ("gain(weight, '3 d') > '2 kg'", "gain(weight, '3 d') < '1.5 kg'"),
        ("weight > 100 and fall", "weight < 100 or not fall"),
        ("hours('22:00', '06:00') and fall", "not fall"),
        ("hours('22:00', '06:00') and hours('07:00', '08:00', door_minute()) and fall", "not fall"),
        ("after_fall() >= '15 min'", "after_fall() < '1 min'"),
        ("symptom.breathless >= 2", "symptom.breathless < 2"),
        # things that hang together: motion ends both, whatever the values say one by one
        ("quiet_hours() >= 6", "still() < '10 min'"),
        ("times(fall, 2, 4, '365 d')", "age(fall) > '90 d'"),
    ],
)  # fmt: skip
def test_what_makes_sense_is_left_alone(when: str, clear: str) -> None:
    assert problem(when, clear) is None


def test_an_overlap_names_where_both_hold() -> None:
    found = problem("spo2 < 90", "spo2 >= 89")
    assert found is not None
    assert found.text == "raise and clear overlap: both hold where spo2 is 89"


def test_the_shipped_rules_make_sense_with_many_signals_too() -> None:
    rules = registry.load().of(pack.ConditionRule)
    assert len(rules) > 30
    for rule in rules:
        for level in rule.levels:
            assert contradictions.of_level(level.when, rule.clear) is None, rule.id


@settings(max_examples=100, deadline=None)
@given(st.integers(40, 100), st.integers(40, 100), st.sampled_from(["<", "<="]),
       st.sampled_from([">", ">="]))  # fmt: skip
def test_two_bounds_of_one_reading_overlap_exactly_where_a_reading_satisfies_both(
    raised: int, cleared: int, low: str, high: str
) -> None:
    overlap = cleared < raised or (cleared == raised and (low, high) == ("<=", ">="))
    found = problem(f"spo2 {low} {raised}", f"spo2 {high} {cleared}")
    if cleared == 100 and high == ">":
        assert found is not None  # no reading is above 100
    else:
        assert (found is not None) is overlap


def test_it_is_tried_the_same_way_each_time() -> None:
    names = ("spo2", "heart_rate", "systolic", "diastolic", "weight", "glucose", "humidity")
    when = " or ".join(f"{q} < 50" for q in names)
    clear = when.replace("<", ">=").replace(" or ", " and ")
    assert [problem(when, clear) for _ in range(3)] == [None] * 3
