"""Transitions: what may follow what, who owns it, what asks for attention."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts import escalation, lifecycle
from alerts.escalation import Due, Judged, Kind
from alerts.model import Alert, Condition, Severity, Source, State
from alerts.policies import responses

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


# -- what people do beyond taking and closing ---------------------------------------------------


def frozen(severity: Severity = Severity.URGENT, **more: Any) -> Alert:
    response = responses.load().by_severity[severity]
    return replace(ALERT, severity=severity, response=response.id, chain=response.frozen(), **more)


def taken(severity: Severity = Severity.URGENT, by: str = "n") -> Alert:
    return did(lifecycle.acknowledge(frozen(severity), by=by, note=None, now=NOW)).alert


def minutes(alert: Alert) -> float | None:
    at = alert.next_step_at
    return None if at is None else (at - NOW).total_seconds() / 60


def watched(change: lifecycle.Change) -> list[str]:
    return [str(s.kind) for s in change.steps or ()]


def test_what_is_taken_on_comes_back_when_nothing_follows() -> None:
    change = did(lifecycle.acknowledge(frozen(), by="n", note=None, now=NOW))
    assert watched(change) == ["acknowledgement_ends"]
    assert minutes(change.alert) == 15
    (due,) = change.steps or ()
    on_time = Judged(stale=False, delayed=False, late_s=0.0)
    lapsed = lifecycle.lapse(change.alert, due, on_time, now=due.due_at)
    assert lapsed is not None
    assert lapsed.page
    assert (lapsed.alert.state, lapsed.alert.owner) == (State.OPEN, None)
    assert "n had taken it on" in (lapsed.event.reason or "")
    assert [s.position for s in lapsed.steps or ()] == [0, 1, 2, 3]


def test_what_goes_on_is_given_longer_and_longest_on_the_scene() -> None:
    alert = taken(Severity.EMERGENCY)
    assert minutes(alert) == 5
    rung = did(lifecycle.contact(
        alert, by="n", whom="the person", outcome="reached", note=None, now=NOW))  # fmt: skip
    assert (rung.alert.state, minutes(rung.alert)) == (State.IN_PROGRESS, 30)
    sent = did(lifecycle.dispatch(rung.alert, by="n", to="rapid response", note=None, now=NOW))
    assert sent.receipt == "on_the_way"
    there = did(lifecycle.arrive(sent.alert, by="r", note=None, now=NOW))
    assert minutes(there.alert) == 60
    assert watched(there) == ["progress_due"]
    assert there.alert.owner == "n"  # still one owner


def test_whoever_acts_on_what_is_nobody_s_takes_it_on() -> None:
    rung = did(lifecycle.contact(
        frozen(), by="n", whom="daughter", outcome="no_answer", note=None, now=NOW))  # fmt: skip
    assert (rung.alert.owner, rung.alert.state) == ("n", State.IN_PROGRESS)
    assert rung.event.kind == "contact_tried"


def test_a_handover_stays_with_whom_it_was_until_it_is_accepted() -> None:
    alert = taken()
    offered = did(lifecycle.offer(alert, by="n", to="m", note=None, now=NOW))
    assert (offered.alert.owner, offered.alert.offered_to) == ("n", "m")
    assert watched(offered) == ["acknowledgement_ends", "offer_ends"]
    assert isinstance(
        lifecycle.accept(offered.alert, by="x", note=None, now=NOW), lifecycle.Refused
    )
    over = did(lifecycle.accept(offered.alert, by="m", note=None, now=NOW))
    assert (over.alert.owner, over.alert.offered_to) == ("m", None)
    assert over.event.detail["owner_before"] == "n"
    no = did(lifecycle.decline(offered.alert, by="m", note="on a visit", now=NOW))
    assert (no.alert.owner, no.alert.offered_to) == ("n", None)
    assert watched(no) == ["acknowledgement_ends"]
    ends = next(s for s in offered.steps or () if s.kind is Kind.OFFER_ENDS)
    on_time = Judged(stale=False, delayed=False, late_s=0.0)
    late = lifecycle.lapse(offered.alert, ends, on_time, now=ends.due_at)
    assert late is not None
    assert (late.alert.owner, late.alert.offered_to, late.page) == ("n", None, False)
    assert lifecycle.lapse(over.alert, ends, on_time, now=ends.due_at) is None


def test_an_offer_ends_when_it_was_to_whatever_its_owner_does_meanwhile() -> None:
    offered = did(lifecycle.offer(taken(), by="n", to="m", note=None, now=NOW))
    later = NOW + timedelta(minutes=4)
    rung = did(lifecycle.contact(
        offered.alert, by="n", whom="w", outcome="no_answer", note=None, now=later))  # fmt: skip
    ends = [s.due_at for s in rung.steps or () if s.kind is Kind.OFFER_ENDS]
    assert ends == [NOW + timedelta(minutes=5)]


@pytest.mark.parametrize(
    ("by", "to", "said"), [("x", "m", "n's to hand over"), ("n", "n", "n's already")]
)
def test_only_its_owner_hands_it_over_and_to_somebody_else(by: str, to: str, said: str) -> None:
    refused = lifecycle.offer(taken(), by=by, to=to, note=None, now=NOW)
    assert isinstance(refused, lifecycle.Refused)
    assert said in refused.reason
    nobody = lifecycle.offer(frozen(), by="n", to="m", note=None, now=NOW)
    assert isinstance(nobody, lifecycle.Refused)


@pytest.mark.parametrize(
    ("severity", "minutes_", "reason", "said"),
    [
        (Severity.EMERGENCY, 1, "r", "an emergency can't be put off"),
        (Severity.URGENT, 31, "r", "30 minutes at most"),
        (Severity.URGENT, 0, "r", "in the past"),
        (Severity.URGENT, 10, " ", "needs a reason"),
    ],
)
def test_putting_off_is_bounded(severity: Severity, minutes_: int, reason: str, said: str) -> None:
    until = NOW + timedelta(minutes=minutes_)
    refused = lifecycle.snooze(frozen(severity), by="n", until=until, reason=reason, now=NOW)
    assert isinstance(refused, lifecycle.Refused)
    assert said in refused.reason


def test_what_was_put_off_pages_again_when_the_time_is_over() -> None:
    until = NOW + timedelta(minutes=30)
    put_off = did(lifecycle.snooze(frozen(), by="n", until=until, reason="asleep", now=NOW))
    assert watched(put_off) == ["snooze_ends"]
    assert put_off.alert.owner == "n"
    (due,) = put_off.steps or ()
    on_time = Judged(stale=False, delayed=False, late_s=0.0)
    again = lifecycle.lapse(put_off.alert, due, on_time, now=until)
    assert again is not None
    assert again.page
    assert again.alert.snoozed_until is None


def test_worse_pages_with_the_response_of_what_it_has_become() -> None:
    held = did(lifecycle.snooze(
        frozen(Severity.SOON), by="n", until=NOW + timedelta(hours=1), reason="r", now=NOW,
    )).alert  # fmt: skip
    emergency = responses.load().by_severity[Severity.EMERGENCY]
    worse = lifecycle.found_again(
        held, severity=Severity.EMERGENCY, title="t", reason="r", evidence=(), reading_at=NOW,
        late=False, since_page_s=0.0, repage_s=1_800, now=NOW, response=emergency,
    )  # fmt: skip
    assert worse.page
    assert (worse.alert.response, worse.alert.snoozed_until) == ("emergency", None)
    assert len(worse.steps or ()) == len(emergency.steps)


def test_escalating_takes_it_from_its_owner_and_goes_on_in_the_chain() -> None:
    change = did(lifecycle.escalate(
        taken(Severity.EMERGENCY), by="n", position=2, note=None, now=NOW))  # fmt: skip
    assert (change.alert.state, change.alert.owner, change.page) == (State.OPEN, None, True)
    assert [s.position for s in change.steps or ()] == [2, 3, 4]


@pytest.mark.parametrize("disposition", lifecycle.DISPOSITIONS)
@pytest.mark.parametrize("history", [(), ("raised", "contact_tried"), ("contacted",), ("arrived",)])
def test_a_fall_is_closed_with_what_came_of_it_or_after_help(
    disposition: str, history: tuple[str, ...]
) -> None:
    fall = replace(frozen(Severity.EMERGENCY), rule_id="fall")
    done = lifecycle.close(
        fall, by="n", disposition=disposition, note=None, now=NOW, history=history
    )
    helped = bool(lifecycle.HELP & set(history))
    allowed = helped or disposition in (*lifecycle.FALLS, *lifecycle.HELPED)
    assert isinstance(done, lifecycle.Change) is allowed
    other = lifecycle.close(frozen(), by="n", disposition=disposition, note=None, now=NOW)
    assert isinstance(other, lifecycle.Change)


def test_closing_keeps_the_patient_s_view_and_whether_hospital_was_avoided() -> None:
    outcome = {"patient_view": "glad to stay at home", "hospital": "avoided"}
    done = did(lifecycle.close(
        frozen(), by="n", disposition="advice", note=None, now=NOW, outcome=outcome))  # fmt: skip
    assert done.alert.outcome == outcome
    assert done.steps == ()
    assert done.alert.next_step_at is None
    wrong = lifecycle.close(
        frozen(), by="n", disposition="advice", note=None, now=NOW, outcome={"hospital": "maybe"}
    )
    assert isinstance(wrong, lifecycle.Refused)


def test_what_lapses_too_late_is_open_on_top_and_pages_nobody_at_once() -> None:
    alert = taken(Severity.SOON)
    due = escalation.watch(Kind.ACKNOWLEDGEMENT_ENDS, run=1, version=alert.version, due_at=NOW)
    judged = Judged(stale=True, delayed=True, late_s=1e6)
    change = lifecycle.lapse(alert, due, judged, now=NOW)
    assert change is not None
    assert not change.page
    assert (change.alert.state, change.alert.owner, change.alert.stale) == (State.OPEN, None, True)
    assert watched(change) == ["look_again"]
    assert minutes(change.alert) == 24 * 60


Doing = Callable[[Alert, datetime, str], "lifecycle.Change | lifecycle.Refused"]


def _found(severity: Callable[[Alert], Severity]) -> Doing:
    def again_(alert: Alert, now: datetime, _: str) -> lifecycle.Change:
        return lifecycle.found_again(
            alert, severity=severity(alert), title="t", reason="r", evidence=(), reading_at=now,
            late=False, since_page_s=3_600, repage_s=1_800, now=now,
            response=responses.load().by_severity[severity(alert)],
        )  # fmt: skip

    return again_


_DOINGS: dict[str, Doing] = {
    "acknowledge": lambda a, t, by: lifecycle.acknowledge(a, by=by, note=None, now=t),
    "note": lambda a, t, by: lifecycle.note(a, by=by, text="x", now=t),
    "close": lambda a, t, by: lifecycle.close(a, by=by, disposition="gp", note=None, now=t),
    "press": lambda a, t, _: press(a, now=t),
    "cancel": lambda a, t, _: lifecycle.cancel(a, reason="c", all_cancelled=True, now=t),
    "clear": lambda a, t, _: lifecycle.clear(a, reason="b", now=t),
    "worse": _found(lambda _: Severity.EMERGENCY),
    "same": _found(lambda a: a.severity),
    "less": _found(lambda _: Severity.INFORMATION),
    "assign": lambda a, t, by: lifecycle.assign(a, by=by, to="m", note=None, now=t),
    "offer": lambda a, t, by: lifecycle.offer(a, by=by, to="m", note=None, now=t),
    "accept": lambda a, t, by: lifecycle.accept(a, by=by, note=None, now=t),
    "decline": lambda a, t, by: lifecycle.decline(a, by=by, note=None, now=t),
    "snooze": lambda a, t, by: lifecycle.snooze(
        a, by=by, until=t + timedelta(minutes=5), reason="r", now=t
    ),
    "contact": lambda a, t, by: lifecycle.contact(
        a, by=by, whom="w", outcome="no_answer", note=None, now=t
    ),
    "dispatch": lambda a, t, by: lifecycle.dispatch(a, by=by, to="rr", note=None, now=t),
    "send": lambda a, t, by: lifecycle.dispatch(a, by=by, to="R", team="rr", note=None, now=t),
    "set_out": lambda a, t, by: lifecycle.set_out(a, by=by, to="R", sending=1, note=None, now=t),
    "turn_down": lambda a, t, by: lifecycle.turn_down(
        a, by=by, to="R", sending=1, position=1, note=None, now=t
    ),
    "arrive": lambda a, t, by: lifecycle.arrive(a, by=by, note=None, now=t),
    "escalate": lambda a, t, by: lifecycle.escalate(a, by=by, position=1, note=None, now=t),
}
_TICKS = {"tick": timedelta(), "long tick": timedelta(days=9)}
_ALL = (*_DOINGS, *_TICKS)


def _tick(alert: Alert, pending: tuple[Due, ...], late: timedelta) -> lifecycle.Change | None:
    due = min(pending, key=lambda d: d.due_at)
    at = due.due_at + late
    judged = escalation.judge(escalation.thawed(alert.chain), alert.severity, due, now=at)
    if due.kind is Kind.TELL:
        return lifecycle.told(alert, due, judged, said="s", now=at)
    return lifecycle.lapse(alert, due, judged, now=at)


def _pending(change: lifecycle.Change, pending: tuple[Due, ...], what: str) -> tuple[Due, ...]:
    """Return what is due after a change, as the store keeps it."""
    if change.steps is not None:
        return change.steps
    if what not in _TICKS:
        return pending
    due = min(pending, key=lambda d: d.due_at)
    after = escalation.follow(escalation.thawed(change.alert.chain), due, now=change.event.at)
    return tuple(d for d in pending if d is not due) + ((after,) if after else ())


@given(
    severity=st.sampled_from(Severity),
    path=st.lists(
        st.tuples(st.sampled_from([*_DOINGS, *_TICKS]), st.sampled_from("nm")), max_size=30
    ),
)
def test_no_path_leaves_an_alert_without_an_owner_or_a_step_to_come(
    severity: Severity, path: list[tuple[str, str]]
) -> None:
    first = lifecycle.raised(frozen(severity), now=NOW)
    alert, pending, at = first.alert, first.steps or (), NOW
    runs = {(d.run, d.position, d.repetition) for d in pending}
    for what, by in path:
        at += timedelta(seconds=1)
        if alert.state is State.CLOSED and what not in {"note", "cancel", "close", "assign"}:
            continue  # whoever finds it again opens a new alert; nothing is due of it
        ticks = what in _TICKS
        done = _tick(alert, pending, _TICKS[what]) if ticks else _DOINGS[what](alert, at, by)
        if done is None:
            continue
        if isinstance(done, lifecycle.Refused):
            assert done.reason
            continue
        after = done.alert
        at = max(at, done.event.at)
        before, pending = pending, _pending(done, pending, what)
        assert after.severity.rank >= alert.severity.rank  # never falls by itself
        assert after.pages == alert.pages + done.page
        assert after.version >= alert.version
        assert (done.event.alert_version, done.event.alert_no) == (after.version, alert.no)
        if done.page:
            assert (after.state, after.owner) == (State.OPEN, None)
        if after.state is State.CLOSED:
            assert pending == ()
            assert after.next_step_at is None
            assert after.disposition
            assert what == "close" or alert.state is State.CLOSED
        else:
            assert pending, f"nothing is due after {what}"
            assert after.state is State.OPEN or after.owner
            assert not (after.severity is Severity.EMERGENCY and after.snoozed_until)
            if done.steps is not None:
                assert after.next_step_at == escalation.soonest(pending)
        new = {(d.run, d.position, d.repetition) for d in pending if d not in before}
        assert not new & runs, "a step would be taken for one that was there before"
        runs |= new
        alert = after


def test_every_state_of_the_first_cut_can_be_reached() -> None:
    taken = did(lifecycle.acknowledge(ALERT, by="n", note=None, now=NOW)).alert
    closed = did(lifecycle.close(taken, by="n", disposition="advice", note=None, now=NOW)).alert
    reopened = press(taken).alert
    assert {ALERT.state, taken.state, closed.state, reopened.state} == {
        State.OPEN, State.ACKNOWLEDGED, State.CLOSED,
    }  # fmt: skip
