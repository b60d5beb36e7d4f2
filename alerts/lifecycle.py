"""What may happen to an alert: pure transitions that say what changed and why, or why not.

Whatever happens, an alert that isn't closed has a step that is still to come, and one that is
open and nobody's asks its team: :attr:`Change.steps` is what is due from then on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from alerts import escalation
from alerts.escalation import Due, Kind, Response
from alerts.model import Alert, Condition, Event, Evidence, Severity, State

Receipt = Literal["acknowledged", "on_the_way", "closed"]
_LONGEST = 4_000
_EVIDENCE_KEPT = 20

FALLS: Final = ("fall_no_injury", "fall_injury", "fall_conveyed", "not_a_fall")
"""Dispositions that say what came of a fall."""
HELPED: Final = ("ambulance", "rapid_response")
"""Dispositions that are help by themselves."""
DISPOSITIONS: Final = (
    "advice", "same_day", *HELPED, *FALLS, "gp", "false_alarm", "equipment_fault",
    "no_further_action",
)  # fmt: skip
HELP: Final = frozenset(("contacted", "dispatched", "arrived"))
"""Kinds of events that show that somebody saw to the person."""
OUTCOMES: Final = ("reached", "no_answer", "line_busy", "refused", "message_left")
"""What came of ringing somebody."""
HOSPITAL: Final = ("avoided", "conveyed", "not_applicable")
_FALL: Final = "fall"
_NO_OFFER: Final[Mapping[str, Any]] = {"offered_to": None, "offered_until": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An alert as it becomes, what is written about it, and whom else it concerns."""

    alert: Alert
    event: Event
    page: bool = False  # asks for attention again
    receipt: Receipt | None = None  # what the devices are told
    steps: tuple[Due, ...] | None = None  # what is due from now on; None: what was due before


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Why something can't be done to an alert now."""

    reason: str


# -- what the hub does ----------------------------------------------------------------------------


def raised(
    alert: Alert, *, now: datetime, detail: Mapping[str, Any] | None = None,
    hold: escalation.Hold | None = None,
) -> Change:  # fmt: skip
    """Open a new alert; one that is held pages nobody before the time is over.

    When what raised it was measured is said on the event: the alert's own moves on.
    """
    if alert.reading_at is not None:
        detail = {"reading_at": alert.reading_at.isoformat(), **(detail or {})}
    if hold is not None and alert.severity is not Severity.EMERGENCY:
        return _held(alert, "raised", hold, reason=alert.reason, now=now, detail=detail)
    return _page(alert, "raised", now=now, reason=alert.reason, detail=detail)


def press_again(
    alert: Alert,
    *,
    severity: Severity,
    title: str,
    reason: str,
    evidence: Evidence,
    reading_at: datetime,
    late: bool,
    cleared: bool,
    now: datetime,
    response: Response | None = None,
) -> Change:
    """Page again for the same emergency; nobody owns it until somebody answers."""
    worse = severity.rank > alert.severity.rank
    after = replace(
        alert,
        severity=severity if worse else alert.severity,
        title=title if worse else alert.title,
        reason=reason,
        evidence=(*evidence, *alert.evidence)[:_EVIDENCE_KEPT],
        reading_at=reading_at,
        late=late,
        condition=Condition.CLEARED if cleared else Condition.ACTIVE,
    )
    if worse and response is not None:
        after = replace(after, response=response.id, chain=response.frozen())
    return _again(after, alert, "pressed_again", now=now, reason=reason)


def cancel(alert: Alert, *, reason: str, all_cancelled: bool, now: datetime) -> Change:
    """Mark it as taken back at the device. A person still closes the alert."""
    condition = Condition.CLEARED if all_cancelled else alert.condition
    after = replace(alert, condition=condition, version=alert.version + 1)
    return _change(after, "cancelled", now=now, reason=reason)


def found_again(
    alert: Alert,
    *,
    severity: Severity,
    title: str,
    reason: str,
    evidence: Evidence,
    reading_at: datetime,
    late: bool,
    since_page_s: float,
    repage_s: float,
    now: datetime,
    detail: Mapping[str, Any] | None = None,
    response: Response | None = None,
) -> Change:
    """Take in that a rule found it again while its alert is open.

    Worse asks for attention again, with the response of what it has become, and so does a
    condition that had cleared and comes back some time after the last page. Anything else renews
    the readings without a sound; the version doesn't move then, so that nobody is refused for
    having looked a minute ago.
    """
    worse = severity.rank > alert.severity.rank
    back = alert.condition is Condition.CLEARED
    after = replace(
        alert,
        severity=severity if worse else alert.severity,
        title=title if severity.rank >= alert.severity.rank else alert.title,
        reason=reason,
        evidence=evidence,
        reading_at=reading_at,
        late=alert.late and late,
        condition=Condition.ACTIVE,
    )
    if worse and response is not None:
        after = replace(after, response=response.id, chain=response.frozen())
    because = "worse" if worse else "back" if back else "renewed"
    said: dict[str, Any] = {**(detail or {}), "because": because}
    if worse:
        said["severity_before"] = str(alert.severity)
    held = alert.snoozed_until is not None and not worse  # it pages when that is over
    if worse or (back and since_page_s >= repage_s and not held):
        return _again(after, alert, "changed", now=now, reason=reason, detail=said)
    after = replace(after, version=alert.version + back)
    return _change(after, "changed", now=now, reason=reason, detail=said)


def answered(alert: Alert, *, contact: int, going: bool, now: datetime) -> Change:
    """Write down what one of the person's contacts answered; nobody is relieved by it.

    The version doesn't move: a nurse who acts at that moment is not refused for it.
    """
    said = "is going" if going else "can't go"
    detail = {"contact": contact, "going": going}
    reason = f"contact {contact} {said}" if contact else f"a contact {said}"
    return _change(alert, "contact_answered", now=now, reason=reason, detail=detail)


def muted(alert: Alert, *, rule_id: str, reason: str, now: datetime) -> Change:
    """Note on an alert that it speaks for another rule too, which therefore raises none."""
    return _change(alert, "muted", now=now, reason=reason, detail={"rule": rule_id})


def clear(
    alert: Alert, *, reason: str, now: datetime, detail: Mapping[str, Any] | None = None
) -> Change | Refused:
    """Mark that a reading is back inside. The alert stays until a person closes it."""
    if alert.condition is Condition.CLEARED:
        return Refused(reason="its condition has cleared before")
    after = replace(alert, condition=Condition.CLEARED, version=alert.version + 1)
    return _change(after, "cleared", now=now, reason=reason, detail=detail)


def told(
    alert: Alert, due: Due, judged: escalation.Judged, *, said: str, now: datetime,
    detail: Mapping[str, Any] | None = None,
) -> Change:  # fmt: skip
    """Write down that a step of its chain was taken; the version doesn't move.

    A step that came too late pages nobody, and puts the alert on top of the queue.
    """
    late = {"late_s": round(judged.late_s)} if judged.delayed else {}
    more = {"tell": str(due.tell), "run": due.run, "position": due.position,
            "repetition": due.repetition, **late, **(detail or {})}  # fmt: skip
    if judged.stale:
        after = replace(alert, stale=True)
        return _change(after, "step_too_late", now=now, reason=said, detail=more)
    return _change(alert, "told", now=now, reason=said, detail=more)


def lapse(alert: Alert, due: Due, judged: escalation.Judged, *, now: datetime) -> Change | None:
    """Come back to an alert at a step that watches over it, None where that is over.

    What somebody took on and nobody went on with is everybody's again; what was put off is due;
    a handover that nobody accepted stays with whom it was. What comes too late to page, after an
    outage, is open again on top of the queue and pages when the last step of its chain would.
    """
    who = alert.owner or "nobody"
    if due.kind is Kind.OFFER_ENDS:
        if alert.offered_to is None:
            return None
        return _offer_over(alert, f"{alert.offered_to} did not accept it in time", now=now)
    if alert.state is State.CLOSED:
        return None
    kind = "lapsed"
    if due.kind is Kind.SNOOZE_ENDS:
        kind, said = "due_again", "it had been put off until now"
        if alert.condition is Condition.CLEARED:
            said += "; its condition has cleared meanwhile"
    elif due.kind is Kind.LOOK_AGAIN:
        kind, said = "due_again", "nobody has taken it on since it became too old to page"
    elif due.kind is Kind.ACKNOWLEDGEMENT_ENDS:
        said = f"{who} had taken it on; nothing followed"
    else:
        said = f"{who} had taken it on; nothing more followed"
    if judged.stale:
        return _too_late(alert, kind, said, now=now)
    return _again(alert, alert, kind, now=now, reason=said)


def _too_late(alert: Alert, kind: str, said: str, *, now: datetime) -> Change:
    """Open it again without a page, on top of the queue."""
    after = replace(
        alert, state=State.OPEN, owner=None, acknowledged_until=None, snoozed_until=None,
        stale=True, version=alert.version + 1, **_NO_OFFER,
    )  # fmt: skip
    wait = escalation.thawed(alert.chain).steps[-1].repeat_s or 0.0
    again = escalation.watch(
        Kind.LOOK_AGAIN, run=after.pages, version=after.version,
        due_at=now + timedelta(seconds=wait),
    )  # fmt: skip
    detail = {"owner_before": alert.owner} if alert.owner else None
    return _change(
        after, kind, now=now, reason=f"{said}; too late to page", detail=detail, steps=(again,)
    )


def look_after(alert: Alert, *, now: datetime) -> Change:
    """Give an alert that has none a step to come, as after an upgrade.

    What somebody has taken on stays theirs, and comes back when nothing follows. What waits for
    longer than its response pages pages nobody out of the blue and goes on top of the queue.
    """
    response = escalation.thawed(alert.chain)
    if alert.state is not State.OPEN and alert.owner:
        working = alert.state is State.IN_PROGRESS
        stands = response.in_progress_s if working else response.acknowledged_s
        after = replace(
            alert, acknowledged_until=now + timedelta(seconds=stands), snoozed_until=None,
            version=alert.version + 1, **_NO_OFFER,
        )  # fmt: skip
        said = f"no step was to come; it stays {alert.owner}'s"
        return _change(after, "resumed", now=now, reason=said, steps=_watched(after, now))
    since = alert.next_step_at or alert.raised_at
    due = Due(kind=Kind.LOOK_AGAIN, run=alert.pages, position=0, repetition=0, due_at=since)
    if escalation.judge(response, alert.severity, due, now=now).stale:
        return _too_late(alert, "resumed", "no step was to come", now=now)
    return resume(alert, now=now)


def resume(alert: Alert, *, now: datetime) -> Change:
    """Begin the chain of an alert that has none to come: none may be forgotten."""
    return _again(
        alert, alert, "resumed", now=now, reason="no step was to come; its response begins anew"
    )


# -- what people do -------------------------------------------------------------------------------


def acknowledge(alert: Alert, *, by: str, note: str | None, now: datetime) -> Change | Refused:
    """Give it to somebody, who owns it from now on, for as long as something follows."""
    if alert.state is not State.OPEN:
        who = f" by {alert.owner}" if alert.owner else ""
        return Refused(reason=f"it is already {alert.state.replace('_', ' ')}{who}")
    return _taken(
        alert, "acknowledged", owner=by, by=by, reason=note, now=now, receipt="acknowledged"
    )


def note(alert: Alert, *, by: str, text: str, now: datetime) -> Change | Refused:
    """Write something down; possible at any time, also after closing."""
    if not text.strip():
        return Refused(reason="a note must say something")
    if len(text) > _LONGEST:
        return Refused(reason=f"a note has at most {_LONGEST} characters")
    return _change(
        replace(alert, version=alert.version + 1), "note", now=now, by=by, reason=text.strip()
    )


def assign(alert: Alert, *, by: str, to: str, note: str | None, now: datetime) -> Change | Refused:
    """Give it to somebody else, who has to go on with it in time as if they had taken it."""
    if alert.state is State.CLOSED:
        return Refused(reason="it is closed")
    if alert.owner == to:
        return Refused(reason=f"it is {to}'s already")
    receipt: Receipt | None = "acknowledged" if alert.state is State.OPEN else None
    detail = {"to": to, "owner_before": alert.owner} if alert.owner else {"to": to}
    return _taken(
        alert, "assigned", owner=to, by=by, reason=note, now=now, receipt=receipt, detail=detail
    )


def offer(alert: Alert, *, by: str, to: str, note: str | None, now: datetime) -> Change | Refused:
    """Offer it to somebody; it stays its owner's until they accept."""
    if alert.state is State.CLOSED:
        return Refused(reason="it is closed")
    if alert.owner is None:
        return Refused(
            reason="it is nobody's: it can be assigned, or acknowledged by whom it is for"
        )
    if alert.owner != by:
        return Refused(reason=f"it is {alert.owner}'s to hand over")
    if to == alert.owner:
        return Refused(reason=f"it is {to}'s already")
    until = now + timedelta(seconds=escalation.thawed(alert.chain).offer_s)
    after = replace(alert, offered_to=to, offered_until=until, version=alert.version + 1)
    return _change(
        after, "handover_offered", now=now, by=by, reason=note, detail={"to": to},
        steps=_watched(after, now),
    )  # fmt: skip


def accept(alert: Alert, *, by: str, note: str | None, now: datetime) -> Change | Refused:
    """Take over what was offered."""
    if alert.offered_to != by:
        return Refused(reason="it is not offered to you")
    before = alert.owner
    return _taken(
        alert, "handover_accepted", owner=by, by=by, reason=note, now=now,
        detail={"owner_before": before},
    )  # fmt: skip


def decline(alert: Alert, *, by: str, note: str | None, now: datetime) -> Change | Refused:
    """Leave an offer with whom it is, or take one's own offer back."""
    if alert.offered_to is None:
        return Refused(reason="it is not offered to anybody")
    if by not in (alert.offered_to, alert.owner):
        return Refused(reason=f"it is offered to {alert.offered_to}")
    what = "declined" if by == alert.offered_to else "took the offer back"
    return _offer_over(alert, f"{by} {what}" + (f": {note}" if note else ""), now=now, by=by)


def snooze(
    alert: Alert, *, by: str, until: datetime, reason: str | None, now: datetime
) -> Change | Refused:
    """Put it off for a bounded time, after which it pages again; never an emergency."""
    if alert.state is State.CLOSED:
        return Refused(reason="it is closed")
    if alert.severity is Severity.EMERGENCY:
        return Refused(reason="an emergency can't be put off")
    most = escalation.thawed(alert.chain).snooze_most_s
    if not most:
        return Refused(reason="it can't be put off")
    if until <= now:
        return Refused(reason="until when lies in the past")
    if until > now + timedelta(seconds=most):
        return Refused(reason=f"it can be put off for {_span(most)} at most")
    if not (reason or "").strip():
        return Refused(reason="putting it off needs a reason")
    hold = escalation.Hold(until=until, reason=(reason or "").strip())
    after = replace(alert, owner=alert.owner or by, **_NO_OFFER)
    if after.state is State.OPEN:
        after = replace(after, state=State.ACKNOWLEDGED)
    return _held(
        replace(after, version=alert.version + 1), "snoozed", hold, reason=hold.reason, now=now,
        by=by,
    )  # fmt: skip


def contact(
    alert: Alert, *, by: str, whom: str, outcome: str, note: str | None, now: datetime
) -> Change | Refused:
    """Write down that somebody was rung, and what came of it."""
    if outcome not in OUTCOMES:
        return Refused(reason=f"what came of it is one of {', '.join(OUTCOMES)}")
    if not whom.strip():
        return Refused(reason="whom was rung has to be said")
    kind = "contacted" if outcome == "reached" else "contact_tried"
    detail = {"whom": whom.strip(), "outcome": outcome}
    return _went_on(alert, kind, by=by, reason=note, now=now, detail=detail)


def dispatch(
    alert: Alert, *, by: str, to: str, note: str | None, now: datetime, team: str | None = None
) -> Change | Refused:
    """Write down that somebody was sent; the person at home is told.

    A team of the hub has to answer first: until it does, it stands as long as an acknowledgement,
    and nobody at home is told that somebody comes.
    """
    if not to.strip():
        return Refused(reason="who was sent has to be said")
    detail = {"to": to.strip()}
    if team is None:
        return _went_on(
            alert, "dispatched", by=by, reason=note, now=now, detail=detail, receipt="on_the_way"
        )
    stands = escalation.thawed(alert.chain).acknowledged_s
    return _went_on(
        alert, "dispatched", by=by, reason=note, now=now, detail={**detail, "team": team},
        stands=stands,
    )  # fmt: skip


def set_out(
    alert: Alert, *, by: str, to: str, sending: int, note: str | None, now: datetime
) -> Change | Refused:
    """Write down that who was sent accepts and is on the way; the person at home is told."""
    return _went_on(
        alert, "set_out", by=by, reason=note, now=now, detail={"to": to, "dispatch": sending},
        receipt="on_the_way",
    )  # fmt: skip


def turn_down(
    alert: Alert, *, by: str, to: str, sending: int, position: int, note: str | None,
    now: datetime,
) -> Change | Refused:  # fmt: skip
    """Write down that who was sent can't go: more people are asked at once."""
    if alert.state is State.CLOSED:
        return Refused(reason="it is closed")
    detail = {"to": to, "dispatch": sending, "position": position}
    return _again(
        alert, alert, "turned_down", now=now, by=by, reason=note, detail=detail, position=position
    )


def arrive(alert: Alert, *, by: str, note: str | None, now: datetime) -> Change | Refused:
    """Write down that somebody is there."""
    stands = escalation.thawed(alert.chain).on_scene_s
    return _went_on(alert, "arrived", by=by, reason=note, now=now, stands=stands)


def escalate(
    alert: Alert, *, by: str, position: int, note: str | None, now: datetime
) -> Change | Refused:
    """Ask for more people than were told: the chain goes on from a position at once."""
    if alert.state is State.CLOSED:
        return Refused(reason="it is closed")
    return _again(
        alert, alert, "escalated", now=now, by=by, reason=note, detail={"position": position},
        position=position,
    )  # fmt: skip


def further(history: Sequence[Event], chain: Mapping[str, Any]) -> int:
    """Return the position of the chain that comes after the last one told, at most its last.

    ``history`` is the alert's events, oldest first; what was told before it last asked for
    attention doesn't count, but where it began to ask then does.
    """
    highest = 0
    for event in history:
        if event.detail.get("page"):
            highest = int(event.detail.get("position", 0))
        elif event.kind == "told":
            highest = max(highest, int(event.detail.get("position", 0)))
    return min(highest + 1, len(escalation.thawed(chain).steps) - 1)


def close(
    alert: Alert,
    *,
    by: str,
    disposition: str,
    note: str | None,
    now: datetime,
    history: Sequence[str] = (),
    outcome: Mapping[str, Any] | None = None,
) -> Change | Refused:
    """End it and say how. Only people close alerts.

    A fall is closed with what came of the fall, or once somebody saw to the person: ``history``
    is the kinds of its events. ``outcome`` may hold the patient's own view and whether hospital
    was avoided.
    """
    if alert.state is State.CLOSED:
        return Refused(reason="it is already closed")
    said = disposition.strip()
    if said not in DISPOSITIONS:
        return Refused(
            reason=f"closing needs a disposition, what came of it: {', '.join(DISPOSITIONS)}"
        )
    fall = alert.rule_id == _FALL
    if fall and said not in (*FALLS, *HELPED) and not helped(history):
        return Refused(
            reason="a fall is closed with what came of the fall"
            f" ({', '.join(FALLS)}), or after it was recorded that somebody spoke to the person,"
            " was sent or arrived"
        )
    known = {k: v for k, v in (outcome or {}).items() if v not in (None, "")}
    if known.get("hospital", HOSPITAL[0]) not in HOSPITAL:
        return Refused(reason=f"hospital is one of {', '.join(HOSPITAL)}")
    after = replace(
        alert,
        state=State.CLOSED,
        owner=alert.owner or by,
        disposition=said,
        outcome=known,
        acknowledged_until=None,
        snoozed_until=None,
        **_NO_OFFER,
        stale=False,
        version=alert.version + 1,
    )
    detail = {"disposition": said, **known}
    return _change(
        after, "closed", now=now, by=by, reason=note, receipt="closed", detail=detail, steps=()
    )


def helped(history: Sequence[str]) -> bool:
    """Tell from the kinds of an alert's events whether somebody saw to the person.

    Who was sent and turned it down did not.
    """
    kinds = [k for k in history if k in HELP]
    return len(kinds) > history.count("turned_down")


# -- what they share ------------------------------------------------------------------------------


def _page(
    alert: Alert, kind: str, *, now: datetime, reason: str | None, by: str | None = None,
    detail: Mapping[str, Any] | None = None, position: int = 0,
) -> Change:  # fmt: skip
    """Ask the team: nobody owns it, and its chain begins."""
    after = replace(
        alert, state=State.OPEN, owner=None, acknowledged_until=None, snoozed_until=None,
        stale=False, **_NO_OFFER,
    )  # fmt: skip
    steps = escalation.begin(
        escalation.thawed(after.chain), run=after.pages, now=now, position=position
    )
    return _change(
        after, kind, now=now, by=by, reason=reason, page=True, detail=detail, steps=steps
    )


def _again(
    after: Alert, before: Alert, kind: str, *, now: datetime, reason: str | None,
    by: str | None = None, detail: Mapping[str, Any] | None = None, position: int = 0,
) -> Change:  # fmt: skip
    """Ask the team once more."""
    said = dict(detail or {})
    if before.owner:
        said["owner_before"] = before.owner
    after = replace(after, pages=before.pages + 1, version=before.version + 1)
    return _page(after, kind, now=now, by=by, reason=reason, detail=said or None, position=position)


def _held(
    alert: Alert, kind: str, hold: escalation.Hold, *, reason: str | None, now: datetime,
    by: str | None = None, detail: Mapping[str, Any] | None = None,
) -> Change:  # fmt: skip
    """Leave it on the queue without a page until a time is over."""
    after = replace(alert, snoozed_until=hold.until, acknowledged_until=None, stale=False)
    said = {**(detail or {}), "until": hold.until.isoformat(), "held": hold.reason}
    return _change(
        after, kind, now=now, by=by, reason=reason, detail=said, steps=_watched(after, now)
    )


def _taken(
    alert: Alert, kind: str, *, owner: str, by: str, reason: str | None, now: datetime,
    receipt: Receipt | None = None, detail: Mapping[str, Any] | None = None,
) -> Change:  # fmt: skip
    """Make it somebody's, for as long as their response says before something has to follow."""
    response = escalation.thawed(alert.chain)
    state = alert.state if alert.state is State.IN_PROGRESS else State.ACKNOWLEDGED
    stands = response.acknowledged_s
    after = replace(
        alert, state=state, owner=owner, snoozed_until=None, stale=False,
        acknowledged_until=now + timedelta(seconds=stands), version=alert.version + 1, **_NO_OFFER,
    )  # fmt: skip
    return _change(
        after, kind, now=now, by=by, reason=reason, receipt=receipt, detail=detail,
        steps=_watched(after, now),
    )  # fmt: skip


def _went_on(
    alert: Alert, kind: str, *, by: str, reason: str | None, now: datetime,
    detail: Mapping[str, Any] | None = None, receipt: Receipt | None = None,
    stands: float | None = None,
) -> Change | Refused:  # fmt: skip
    """Record that something is being done; whoever does it on what is nobody's takes it on."""
    if alert.state is State.CLOSED:
        return Refused(reason="it is closed")
    if stands is None:
        stands = escalation.thawed(alert.chain).in_progress_s
    after = replace(
        alert, state=State.IN_PROGRESS, owner=alert.owner or by, snoozed_until=None, stale=False,
        acknowledged_until=now + timedelta(seconds=stands), version=alert.version + 1,
    )  # fmt: skip
    return _change(
        after, kind, now=now, by=by, reason=reason, detail=detail, receipt=receipt,
        steps=_watched(after, now),
    )  # fmt: skip


def _watched(alert: Alert, now: datetime) -> tuple[Due, ...]:
    """Return the step that comes back to what somebody has taken on, and where an offer ends.

    An offer ends when it was to, however much its owner does meanwhile.
    """
    working = alert.state is State.IN_PROGRESS
    kind = Kind.PROGRESS_DUE if working else Kind.ACKNOWLEDGEMENT_ENDS
    if alert.snoozed_until is not None:
        kind = Kind.SNOOZE_ENDS
    due_at = alert.snoozed_until or alert.acknowledged_until or now
    ends = [(kind, due_at)]
    if alert.offered_until is not None:
        ends.append((Kind.OFFER_ENDS, alert.offered_until))
    return tuple(
        escalation.watch(kind, run=alert.pages, version=alert.version, due_at=at)
        for kind, at in ends
    )


def _offer_over(alert: Alert, reason: str, *, now: datetime, by: str | None = None) -> Change:
    after = replace(alert, **_NO_OFFER, version=alert.version + 1)
    return _change(
        after, "handover_ended", now=now, by=by, reason=reason, steps=_watched(after, now)
    )


def _span(seconds: float) -> str:
    for size, word in ((86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes")):
        if seconds >= size:
            return f"{seconds / size:g} {word}"
    return f"{seconds:g} seconds"


def _change(
    after: Alert,
    kind: str,
    *,
    now: datetime,
    by: str | None = None,
    reason: str | None = None,
    page: bool = False,
    receipt: Receipt | None = None,
    detail: Mapping[str, Any] | None = None,
    steps: tuple[Due, ...] | None = None,
) -> Change:
    if steps is not None:
        after = replace(after, next_step_at=escalation.soonest(steps))
    said = {
        "page": page,
        "state": str(after.state),
        "severity": str(after.severity),
        "condition": str(after.condition),
        **(detail or {}),
    }
    event = Event(
        no=0, alert_no=after.no, at=now, kind=kind, by=by, reason=reason, detail=said,
        alert_version=after.version,
    )  # fmt: skip
    return Change(alert=after, event=event, page=page, receipt=receipt, steps=steps)
