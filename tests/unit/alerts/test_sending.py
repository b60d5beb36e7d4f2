"""Who is sent and answers, who is asked next, and when somebody counts as seen to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from alerts import lifecycle
from alerts.model import Alert, Condition, Event, Severity, Source, State
from alerts.policies import responses

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
RESPONSE = responses.load().by_severity[Severity.EMERGENCY]
ALERT = Alert(
    no=7, episode="e", source=Source.DEVICE, rule_id="fall", rule_version="1",
    severity=Severity.EMERGENCY, title="Fall", reason="because", evidence=(), person_no=1,
    dwelling_no=1, device_no=None, site="s", raised_at=NOW, reading_at=NOW, late=False,
    state=State.OPEN, condition=Condition.ACTIVE, team_no=3, routed_because="r",
    chain=RESPONSE.frozen(),
)  # fmt: skip


def event(kind: str, **detail: object) -> Event:
    return Event(no=1, alert_no=7, at=NOW, kind=kind, by=None, reason=None, detail=detail)


def did(change: lifecycle.Change | lifecycle.Refused) -> lifecycle.Change:
    assert isinstance(change, lifecycle.Change), change
    return change


def test_a_team_that_was_sent_is_waited_for_as_long_as_an_acknowledgement_stands() -> None:
    words = did(lifecycle.dispatch(ALERT, by="n", to="the neighbour", note=None, now=NOW))
    assert words.receipt == "on_the_way"
    assert words.alert.acknowledged_until == NOW + timedelta(seconds=RESPONSE.in_progress_s)
    team = did(lifecycle.dispatch(ALERT, by="n", to="Rapid", team="rr", note=None, now=NOW))
    assert team.receipt is None
    assert team.alert.acknowledged_until == NOW + timedelta(seconds=RESPONSE.acknowledged_s)
    goes = did(lifecycle.set_out(team.alert, by="r", to="Rapid", sending=1, note=None, now=NOW))
    assert goes.receipt == "on_the_way"
    assert goes.alert.owner == "n"  # who sent them still has it
    assert goes.alert.acknowledged_until == NOW + timedelta(seconds=RESPONSE.in_progress_s)


def test_who_cant_go_leaves_it_to_those_who_are_asked_next() -> None:
    sent = did(lifecycle.dispatch(ALERT, by="n", to="Rapid", team="rr", note=None, now=NOW))
    down = did(
        lifecycle.turn_down(
            sent.alert, by="r", to="Rapid", sending=1, position=2, note="no car", now=NOW
        )
    )
    assert (down.alert.state, down.alert.owner, down.page) == (State.OPEN, None, True)
    assert down.event.detail["owner_before"] == "n"
    assert down.steps is not None
    assert (down.steps[0].position, down.steps[0].due_at) == (2, NOW)


@pytest.mark.parametrize(
    ("events", "wanted"),
    [
        ([], 1),
        ([event("raised", page=True)], 1),
        ([event("raised", page=True), event("told", position=0), event("told", position=2)], 3),
        ([event("raised", page=True), event("told", position=2),
          event("pressed_again", page=True)], 1),
        ([event("raised", page=True), event("escalated", page=True, position=3)], 4),
        ([event("escalated", page=True, position=3), event("note"), event("told", position=3)], 4),
        ([event("raised", page=True), event("told", position=4)], 4),  # its end: the last again
    ],
)  # fmt: skip
def test_asked_next_is_whom_the_present_run_has_not_told(events: list[Event], wanted: int) -> None:
    assert len(RESPONSE.steps) == 5
    assert lifecycle.further(events, RESPONSE.frozen()) == wanted


@pytest.mark.parametrize(
    ("kinds", "wanted"),
    [
        (["raised", "acknowledged", "note", "contact_tried"], False),
        (["raised", "contacted"], True),
        (["raised", "dispatched"], True),
        (["raised", "dispatched", "turned_down"], False),
        (["raised", "dispatched", "turned_down", "dispatched"], True),
        (["raised", "dispatched", "turned_down", "arrived"], True),
    ],
)
def test_somebody_who_was_sent_and_did_not_go_is_no_help(kinds: list[str], wanted: bool) -> None:
    assert lifecycle.helped(kinds) is wanted
