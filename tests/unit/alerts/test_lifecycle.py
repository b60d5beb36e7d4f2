"""Transitions: what may follow what, who owns it, what asks for attention."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts import lifecycle
from alerts.model import Alert, Condition, Severity, Source, State

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
ALERT = Alert(
    no=7, episode="person:1/news2", source=Source.RULE, rule_id="news2", rule_version="1",
    severity=Severity.URGENT, title="NEWS2 5", reason="because", evidence=(), person_no=1,
    dwelling_no=1, device_no=None, site="s", raised_at=NOW, reading_at=NOW, late=False,
    state=State.OPEN, condition=Condition.ACTIVE, team_no=3, routed_because="r",
)  # fmt: skip


def again(alert: Alert, severity: Severity, *, since: float = 0.0) -> lifecycle.Change:
    return lifecycle.found_again(
        alert, severity=severity, title="new title", reason="new", evidence=({"code": "spo2"},),
        reading_at=NOW, late=False, since_page_s=since, repage_s=1_800, now=NOW,
    )  # fmt: skip


def press(alert: Alert, **changes: object) -> lifecycle.Change:
    values = {
        "severity": Severity.EMERGENCY, "title": "Call for help", "reason": "again",
        "evidence": ({"code": "sos"},), "reading_at": NOW, "late": False, "cleared": False,
        "now": NOW,
    } | changes  # fmt: skip
    return lifecycle.press_again(alert, **values)  # type: ignore[arg-type]


def did(change: lifecycle.Change | lifecycle.Refused) -> lifecycle.Change:
    assert isinstance(change, lifecycle.Change), change
    return change


def test_acknowledging_gives_it_to_one_person() -> None:
    change = did(lifecycle.acknowledge(ALERT, by="n", note=None, now=NOW))
    assert (change.alert.state, change.alert.owner) == (State.ACKNOWLEDGED, "n")
    assert change.receipt == "acknowledged"
    refused = lifecycle.acknowledge(change.alert, by="m", note=None, now=NOW)
    assert refused == lifecycle.Refused(reason="it is already acknowledged by n")


@pytest.mark.parametrize("state", [State.OPEN, State.ACKNOWLEDGED, State.IN_PROGRESS])
def test_only_a_closed_alert_cannot_be_closed(state: State) -> None:
    before = replace(ALERT, state=state)
    change = did(lifecycle.close(before, by="n", disposition="advice", note=None, now=NOW))
    assert (change.alert.state, change.receipt) == (State.CLOSED, "closed")
    after = lifecycle.close(change.alert, by="n", disposition="x", note=None, now=NOW)
    assert isinstance(after, lifecycle.Refused)


def test_a_note_must_say_something_and_not_a_novel() -> None:
    assert isinstance(lifecycle.note(ALERT, by="n", text="  ", now=NOW), lifecycle.Refused)
    assert isinstance(lifecycle.note(ALERT, by="n", text="x" * 5_000, now=NOW), lifecycle.Refused)


def test_a_second_press_takes_the_alert_from_its_owner_and_pages() -> None:
    owned = replace(ALERT, state=State.ACKNOWLEDGED, owner="n", severity=Severity.EMERGENCY)
    change = press(owned)
    assert (change.alert.state, change.alert.owner, change.alert.pages) == (State.OPEN, None, 2)
    assert change.page
    assert change.event.detail["owner_before"] == "n"


def test_worse_asks_for_attention_and_the_same_stays_quiet() -> None:
    owned = replace(ALERT, state=State.ACKNOWLEDGED, owner="n")
    worse = again(owned, Severity.EMERGENCY)
    assert worse.page
    assert (worse.alert.state, worse.alert.severity) == (State.OPEN, Severity.EMERGENCY)
    same = again(owned, Severity.URGENT)
    assert not same.page
    assert same.alert.version == owned.version
    assert same.alert.state is State.ACKNOWLEDGED
    less = again(owned, Severity.SOON)
    assert less.alert.severity is Severity.URGENT
    assert less.alert.title == owned.title


def test_what_comes_back_soon_after_a_page_is_quiet_and_later_pages() -> None:
    cleared = replace(ALERT, condition=Condition.CLEARED)
    assert not again(cleared, Severity.URGENT, since=60).page
    assert again(cleared, Severity.URGENT, since=60).alert.condition is Condition.ACTIVE
    assert again(cleared, Severity.URGENT, since=3_600).page


def test_clearing_leaves_the_alert_to_a_person() -> None:
    change = did(lifecycle.clear(ALERT, reason="back", now=NOW))
    assert (change.alert.state, change.alert.condition) == (State.OPEN, Condition.CLEARED)
    assert isinstance(lifecycle.clear(change.alert, reason="x", now=NOW), lifecycle.Refused)


def test_a_cancel_only_clears_when_nothing_else_is_pressed() -> None:
    assert lifecycle.cancel(ALERT, reason="c", all_cancelled=True, now=NOW).alert.condition == (
        Condition.CLEARED
    )
    assert lifecycle.cancel(ALERT, reason="c", all_cancelled=False, now=NOW).alert.condition == (
        Condition.ACTIVE
    )


steps = st.sampled_from(
    ["acknowledge", "note", "close", "press", "cancel", "clear", "worse", "same", "less"]
)


@given(st.lists(steps, max_size=25))
def test_no_sequence_closes_without_a_person_or_leaves_an_open_page_owned(
    path: list[str],
) -> None:
    alert = ALERT
    for n, step in enumerate(path):
        at = NOW + timedelta(seconds=n)
        if alert.state is State.CLOSED and step not in {"note", "cancel", "close"}:
            continue  # whoever finds it again opens a new alert
        done = {
            "acknowledge": lambda a=alert, at=at: lifecycle.acknowledge(
                a, by="n", note=None, now=at
            ),
            "note": lambda a=alert, at=at: lifecycle.note(a, by="n", text="x", now=at),
            "close": lambda a=alert, at=at: lifecycle.close(
                a, by="n", disposition="advice", note=None, now=at
            ),
            "press": lambda a=alert: press(a),
            "cancel": lambda a=alert, at=at: lifecycle.cancel(
                a, reason="c", all_cancelled=True, now=at
            ),
            "clear": lambda a=alert, at=at: lifecycle.clear(a, reason="b", now=at),
            "worse": lambda a=alert: again(a, Severity.EMERGENCY),
            "same": lambda a=alert: again(a, a.severity),
            "less": lambda a=alert: again(a, Severity.INFORMATION),
        }[step]()
        if isinstance(done, lifecycle.Refused):
            assert done.reason
            continue
        after = done.alert
        assert after.severity.rank >= alert.severity.rank  # never falls by itself
        assert after.pages == alert.pages + done.page
        assert after.version >= alert.version
        assert done.event.alert_version == after.version
        assert done.event.alert_no == alert.no
        if done.page:
            assert after.state is State.OPEN
            assert after.owner is None
        if after.state is State.CLOSED and alert.state is not State.CLOSED:
            assert step == "close"
            assert after.disposition
        if after.state is State.ACKNOWLEDGED:
            assert after.owner
        alert = after


def test_every_state_of_the_first_cut_can_be_reached() -> None:
    taken = did(lifecycle.acknowledge(ALERT, by="n", note=None, now=NOW)).alert
    closed = did(lifecycle.close(taken, by="n", disposition="advice", note=None, now=NOW)).alert
    reopened = press(taken).alert
    assert {ALERT.state, taken.state, closed.state, reopened.state} == {
        State.OPEN, State.ACKNOWLEDGED, State.CLOSED,
    }  # fmt: skip
