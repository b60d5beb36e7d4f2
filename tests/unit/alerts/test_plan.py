"""The layout of rules: what each reads, what wakes it, who speaks for whom."""

# ruff: noqa: E501  (tables read best as such)
from __future__ import annotations

import pytest

from alerts import plan
from alerts.rules import language, pack
from ingest.kernel import vitals
from tests.support.judging import SHIPPED, pack_of, rule

DEFAULTS = plan.Defaults(fresh=100.0, live=200.0, refresh=300.0)


def laid_out(*rules: str) -> plan.Plan:
    return plan.compile_packs([pack_of("".join(rules))], DEFAULTS)


def shipped() -> plan.Plan:
    return plan.compile_packs(SHIPPED.packs.values(), DEFAULTS)


def test_every_shipped_rule_has_a_column_of_its_own_among_its_kind() -> None:
    made = shipped()
    wanted = [*SHIPPED.of(pack.ConditionRule), *SHIPPED.of(pack.ScoreRule)]
    every = [c for kind in ("person", "home", "device") for c in made.of(kind)]
    assert {c.rule.id for c in every} == {r.id for r in wanted}
    for kind in ("person", "home", "device"):
        assert [c.column for c in made.of(kind)] == list(range(len(made.of(kind))))
    assert set(made.silences) == {"device", "stream", "reading", "site"}


def test_who_speaks_for_a_rule_is_judged_before_it() -> None:
    made = shipped()
    for kind in ("person", "home", "device"):
        of = made.of(kind)
        for one in of:
            assert all(of[c].rule.id for c in one.muted_by)
            assert all(c < one.column for c in one.muted_by), one.rule.id
            for column in one.mutes:
                assert one.column in of[column].muted_by
                assert of[column].rule.id in one.rule.mutes


def test_rules_that_speak_for_each_other_in_a_circle_are_laid_out_all_the_same() -> None:
    made = laid_out(rule("a", 'when = "spo2 < 90"', 'mutes = ["b"]'),
                    rule("b", 'when = "spo2 < 91"', 'mutes = ["a"]'),
                    rule("c", 'when = "spo2 < 92"', 'mutes = ["c", "a"]'))  # fmt: skip
    assert {c.rule.id for c in made.person} == {"a", "b", "c"}
    assert made.person[0].rule.id == "c"


def test_a_rule_reads_what_raises_and_what_clears_it() -> None:
    made = laid_out(rule("a", 'when = "spo2 < usual(spo2) - 3 and symptom.dizzy > 1"',
                         'clear = "spo2 >= usual(spo2) and heart_rate < 100"'))  # fmt: skip
    reads = {made.name(c) for c in made.person[0].reads.nonzero()[0]}
    assert reads == {"spo2", "symptom.dizzy", "heart_rate"}
    assert made.kept.nonzero()[0].tolist() == sorted(
        [vitals.SPO2, vitals.HEART_RATE, made.keys["dizzy"]]
    )
    assert made.dated.nonzero()[0].tolist() == [vitals.SPO2]
    assert made.dated[vitals.SPO2] == plan.EVERYBODY


def test_a_state_that_only_a_signal_reads_is_kept() -> None:
    made = laid_out(rule("a", 'subject = "home"', 'when = "light() < 5 and bed_overdue() > 60"',
                         'clear = "light() > 6"'))  # fmt: skip
    kept = {made.name(c) for c in made.kept.nonzero()[0]}
    assert kept == {"illuminance", "bed_occupied"}


@pytest.mark.parametrize(
    ("lines", "clocked", "begins", "home"),
    [
        (['when = "spo2 < 90"'], False, False, False),
        (['when = "spo2 < 90"', 'for = "1 h"'], False, False, False),
        (['when = "spo2 < 90"', 'clear = "age(spo2) > \'1 d\'"'], True, False, False),
        (['when = "age(spo2) > \'1 d\'"'], True, True, False),
        (['when = "spo2 < 90 and hours(\'22:00\', \'06:00\')"'], True, True, False),
        (['when = "spo2 < 90 and still() > \'1 h\'"'], True, True, True),
        (['subject = "home"', 'when = "room_temperature < 9"'], False, False, False),
        (['subject = "home"', 'when = "room_temperature < 9"', 'for = "1 h"'], True, False, False),
        (['subject = "home"', 'when = "room_temperature < 9"', 'clear_for = "1 h"'], True, False, False),
        (['subject = "home"', 'when = "still() > \'1 h\'"'], True, True, True),
        (['subject = "device"', 'when = "battery < 9"'], False, False, False),
        (['subject = "device"', 'when = "battery < 9"', 'for = "1 h"'], True, False, False),
    ],
)  # fmt: skip
def test_what_the_clock_may_change_is_known(
    lines: list[str], clocked: bool, begins: bool, home: bool
) -> None:
    made = laid_out(rule("a", *lines))
    (one,) = [c for kind in ("person", "home", "device") for c in made.of(kind)]
    assert (one.clocked, one.begins, one.home) == (clocked, begins, home)


def test_since_when_a_state_has_been_so_is_kept_where_a_rule_asks() -> None:
    made = laid_out(
        rule("a", 'subject = "home"', 'when = "door_open"', 'clear = "held(door_open) > 60"'),
        rule("b", 'subject = "device"', 'when = "battery < 20"'),
    )
    assert made.holds("home")
    assert not made.holds("device")
    assert not shipped().holds("person")


def test_lengths_of_time_are_the_rules_own_else_the_defaults() -> None:
    own = rule("a", 'when = "spo2 < 90"', 'for = "1 s"', 'clear_for = "2 s"', 'again = "3 s"',
               'fresh = "4 s"')  # fmt: skip
    one, other = laid_out(own, rule("b", 'when = "spo2 < 90"')).person
    assert (*one.timing, one.fresh) == (1.0, 2.0, 3.0, 300.0, 4.0)
    assert (*other.timing, other.fresh) == (0.0, 0.0, 0.0, 300.0, 100.0)


def test_whom_a_rule_is_for_is_a_mark_a_condition() -> None:
    made = laid_out(
        rule("a", 'when = "spo2 < 90"', 'applies = { conditions = ["copd", "frailty"] }')
    )
    assert made.person[0].marks == plan.MARKS["copd"] | plan.MARKS["frailty"]
    assert len(set(plan.MARKS.values())) == len(plan.MARKS) <= 32


def test_a_score_reads_its_parts_and_is_a_score() -> None:
    made = shipped()
    one = next(c for c in made.person if c.rule.id == "news2")
    assert one.score is one.rule
    assert {made.name(c) for c in one.reads.nonzero()[0]} == set(one.score.chart.quantities)
    with pytest.raises(AssertionError):
        _ = one.condition
    assert next(c for c in made.person if c.rule.id == "limits.inr").score is None


def test_limits_of_some_come_after_those_of_everybody() -> None:
    limit = '[[limit]]\nquantity = "spo2"\nlow = {}\nleast_spread = 2\nsource = "x"\n{}\n'
    text = limit.format(91, 'conditions = ["copd"]') + limit.format(93, "")
    made = plan.compile_packs([pack_of(text)], DEFAULTS)
    assert [x.low for x in made.limits[vitals.SPO2]] == [93, 91]
    assert made.spread[vitals.SPO2] == 2


def test_questions_get_columns_of_their_own_and_not_more_than_there_are() -> None:
    made = laid_out(rule("a", 'when = "spo2 < 90"'))
    columns = [made.column(f"symptom.k{n}") for n in range(plan.WIDE - plan.FIRST_KEY)]
    assert columns == list(range(plan.FIRST_KEY, plan.WIDE))
    assert made.column("symptom.k0") == plan.FIRST_KEY
    assert made.name(plan.FIRST_KEY + 1) == "symptom.k1"
    with pytest.raises(ValueError, match="more than 128 questionnaire keys"):
        made.column("symptom.one_more")
    assert max(vitals.BY_NO) < plan.FIRST_KEY


def test_without_packs_there_is_nothing_to_judge() -> None:
    made = plan.compile_packs([], DEFAULTS)
    assert made.person == made.home == made.device == []
    made.learn(language.parse("spo2 < 90"), plan.EVERYBODY)
    assert made.kept[vitals.SPO2]
