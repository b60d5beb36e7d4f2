"""Responses and their steps: when each is due, what repeats, what is too late to page."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts import escalation
from alerts.escalation import ChainStep, Due, Kind, Tell
from alerts.model import Severity
from alerts.policies import responses

NOW = datetime(2026, 1, 5, 2, 0, tzinfo=UTC)
ALL = responses.load()
EMERGENCY, SOON = ALL.by_id["emergency"], ALL.by_id["soon"]


def seconds(due: Due) -> float:
    return (due.due_at - NOW).total_seconds()


def due(position: int, repetition: int = 0, *, at: datetime = NOW) -> Due:
    tell = EMERGENCY.steps[position].tell
    return Due(
        kind=Kind.TELL, run=1, position=position, repetition=repetition, due_at=at, tell=tell
    )


def test_a_fall_goes_up_the_chain_of_the_published_targets() -> None:
    steps = escalation.begin(EMERGENCY, run=1, now=NOW)
    assert [(str(s.tell), seconds(s)) for s in steps] == [
        ("team", 0), ("on_call", 60), ("rapid_response", 180), ("contacts", 300),
        ("last_resort", 600),
    ]  # fmt: skip


def test_escalating_by_hand_begins_further_on_and_at_once() -> None:
    steps = escalation.begin(EMERGENCY, run=2, now=NOW, position=2)
    assert [(str(s.tell), seconds(s)) for s in steps] == [
        ("rapid_response", 0), ("contacts", 120), ("last_resort", 420),
    ]  # fmt: skip
    beyond = escalation.begin(EMERGENCY, run=2, now=NOW, position=99)
    assert [(str(s.tell), seconds(s)) for s in beyond] == [("last_resort", 0)]


def test_a_step_repeats_as_often_as_it_says_and_the_last_without_end() -> None:
    again = escalation.follow(EMERGENCY, due(0), now=NOW)
    assert again is not None
    assert (again.repetition, seconds(again)) == (1, 30)
    assert escalation.follow(EMERGENCY, due(0, 1), now=NOW) is None
    assert escalation.follow(EMERGENCY, due(1), now=NOW) is None
    last = escalation.follow(EMERGENCY, due(4, 1_000), now=NOW)
    assert last is not None
    assert (last.repetition, seconds(last)) == (1_001, 600)


def test_repetitions_that_fell_into_a_pause_are_told_once() -> None:
    late = NOW - timedelta(hours=3)
    again = escalation.follow(EMERGENCY, due(4, 2, at=late), now=NOW)
    assert again is not None
    assert again.due_at == NOW + timedelta(seconds=600)  # on its beat, and not before now
    assert again.repetition == 3


@given(
    step=st.floats(1, 1e5), behind=st.floats(0, 1e6),
)  # fmt: skip
def test_what_follows_is_always_to_come_and_within_one_beat(step: float, behind: float) -> None:
    one = replace(EMERGENCY, steps=(ChainStep(tell=Tell.TEAM, after_s=0, repeat_s=step),))
    again = escalation.follow(one, due(0, at=NOW - timedelta(seconds=behind)), now=NOW)
    assert again is not None
    assert -0.001 <= (again.due_at - NOW).total_seconds() <= step + 0.001


@pytest.mark.parametrize(
    ("severity", "late_h", "stale"),
    [
        (Severity.SOON, 23.99, False),
        (Severity.SOON, 24.0, False),
        (Severity.SOON, 24.01, True),
        (Severity.EMERGENCY, 24 * 90, False),
    ],
)
def test_only_what_is_no_emergency_can_be_too_late_to_page(
    severity: Severity, late_h: float, stale: bool
) -> None:
    one = Due(kind=Kind.TELL, run=1, position=0, repetition=0, tell=Tell.TEAM,
              due_at=NOW - timedelta(hours=late_h))  # fmt: skip
    assert escalation.judge(SOON, severity, one, now=NOW).stale is stale


def test_a_page_that_comes_late_says_so() -> None:
    at = [NOW - timedelta(seconds=s) for s in (0, 60, 61)]
    judged = [escalation.judge(SOON, Severity.SOON, due(0, at=t), now=NOW) for t in at]
    assert [j.delayed for j in judged] == [False, False, True]
    assert escalation.judge(SOON, Severity.SOON, due(0, at=NOW + timedelta(hours=1)), now=NOW) == (
        escalation.Judged(stale=False, delayed=False, late_s=0.0)
    )  # a clock that was set back


@pytest.mark.parametrize("one", ALL.by_id.values(), ids=lambda r: r.id)
def test_a_response_comes_back_out_of_its_alert_as_it_was_frozen(
    one: escalation.Response,
) -> None:
    assert escalation.thawed(json.loads(json.dumps(one.frozen()))) == one


@pytest.mark.parametrize(
    "chain", [{}, {"steps": []}, {"steps": [{"tell": "nobody"}]}, {"id": "x", "steps": None}]
)
def test_an_alert_without_a_readable_response_still_has_one(chain: dict[str, object]) -> None:
    assert escalation.thawed(chain) is escalation.LEAST
    assert escalation.problem(escalation.LEAST) is None


def step(after: float, **more: object) -> ChainStep:
    return ChainStep(tell=Tell.TEAM, after_s=after, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ((), "at least one step"),
        ((step(5.0, repeat_s=60.0),), "comes at once"),
        ((step(0.0), step(60.0), step(30.0, repeat_s=60.0)), "may not fall"),
        ((step(0.0), step(60.0)), "repeat without end"),
        ((step(0.0), step(60.0, repeat_s=60.0, times=3)), "repeat without end"),
        ((step(0.0, times=2), step(60.0, repeat_s=60.0)), "beside a 'repeat'"),
        ((step(0.0, repeat_s=0.0),), "longer than nothing"),
    ],
)
def test_a_response_that_could_forget_an_alert_is_refused(
    steps: tuple[ChainStep, ...], said: str
) -> None:
    assert said in (escalation.problem(replace(SOON, steps=steps)) or "")
