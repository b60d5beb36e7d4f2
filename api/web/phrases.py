"""How an alert is said on the page: where it stands, what comes next, what happened to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from api import wire

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400

OUTCOMES = {
    "reached": "Reached",
    "no_answer": "No answer",
    "message_left": "Left a message",
    "line_busy": "Line busy",
    "refused": "Did not want to talk",
}
HOSPITAL = {
    "avoided": "Hospital was avoided",
    "conveyed": "Taken to hospital",
    "not_applicable": "Hospital was no question",
}
_TELLS = {
    "team": "its team",
    "on_call": "who is on call",
    "rapid_response": "rapid response",
    "contacts": "the person's contacts",
    "last_resort": "the last resort",
    "hub": "who runs the hub",
}
_ARE = {"contacts"}  # said in the plural


@cache
def _zone() -> tzinfo:
    try:
        return ZoneInfo("Europe/London")
    except ZoneInfoNotFoundError:  # a machine without time zones
        return UTC


def clock_time(moment: datetime) -> str:
    """Return a time as it is said at home: day and clock time in the country's own time."""
    local = moment.astimezone(_zone())
    return f"{local:%a} {local.day} {local:%b} {local:%H:%M}"


def until(moment: datetime, now: datetime) -> str:
    """Return a time near by: the clock time alone where it is of the same day."""
    local = moment.astimezone(_zone())
    same_day = local.date() == now.astimezone(_zone()).date()
    return f"{local:%H:%M}" if same_day else clock_time(moment)


def ago(moment: datetime, now: datetime) -> str:
    """Return how long ago something was, in words; the page's script says it the same way."""
    seconds = max(0, round((now - moment).total_seconds()))
    if seconds < 2 * _DAY:
        return f"{_span(seconds)} ago"
    return f"{seconds // _DAY} days ago"


def ahead(moment: datetime, now: datetime) -> str:
    """Return how soon something comes, in words; the page's script says it the same way."""
    seconds = round((moment - now).total_seconds())
    if seconds <= 0:
        return "now"
    if seconds < 2 * _DAY:
        return f"in {_span(seconds)}"
    return f"in {seconds // _DAY} days"


def _span(seconds: int) -> str:
    if seconds < _MINUTE:
        return f"{seconds} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE} min"
    return f"{seconds // _HOUR} h {seconds % _HOUR // _MINUTE} min"


def standing(alert: wire.Alert, now: datetime) -> list[str]:
    """Return where an alert stands, as sentences; what somebody has to notice comes first."""
    said = []
    if alert.stale:
        said.append("Too late to page anybody: it was not answered while the hub was away")
    said += _whose(alert, now)
    if alert.snoozed_until:
        held = [e.detail["held"] for e in alert.history if e.detail.get("held")]
        why = f": {held[-1]}" if held else ""
        said.append(f"Put off until {until(alert.snoozed_until, now)}{why}")
    if alert.offered_to:
        said.append(f"Offered to {alert.offered_to}, who has not answered")
    if alert.state != "closed":
        said += [words for d in alert.dispatches if (words := _sent(d, now))]
    if alert.condition == "cleared":
        said.append("What raised it has cleared")
    if alert.pages > 1:
        said.append(f"Asked {alert.pages} times")
    return said


def _whose(alert: wire.Alert, now: datetime) -> list[str]:
    who, back = alert.owner or "nobody", ""
    if alert.acknowledged_until is not None and alert.snoozed_until is None:
        back = f"; open again at {until(alert.acknowledged_until, now)} unless more is recorded"
    if alert.state == "acknowledged":
        return [f"With {who}" if alert.snoozed_until else f"Acknowledged by {who}{back}"]
    if alert.state == "in_progress":
        return [f"In progress with {who}{back}"]
    if alert.state == "closed":
        done = wire.DISPOSITIONS.get(alert.disposition or "", alert.disposition)
        return [f"Closed: {done}" if done else "Closed"]
    return []


def _sent(sent: wire.Dispatch, now: datetime) -> str | None:
    """Return where somebody who was sent is; None once they can't go or are done."""
    if sent.declined_at or sent.done_at:
        return None
    if sent.on_scene_at:
        return f"{sent.to} there since {until(sent.on_scene_at, now)}"
    if waits(sent):
        return f"{sent.to} was sent and has not answered"
    return f"{sent.to} on the way since {until(sent.accepted_at or sent.sent_at, now)}"


def waits(sent: wire.Dispatch) -> bool:
    """Tell whether a team that was sent has yet to answer."""
    answered = (sent.accepted_at, sent.declined_at, sent.on_scene_at, sent.done_at)
    return sent.team is not None and not any(answered)


def coming(alert: wire.Alert) -> str | None:
    """Return what comes next of an alert, without when; None where nothing else does.

    Until when somebody has it, or it is put off, `standing` says.
    """
    step = alert.next_step
    if step is None:
        return None
    if step.kind == "tell":
        whom = alert.team_name if step.tell == "team" and alert.team_name else None
        verb = "are" if step.tell in _ARE else "is"
        return f"{whom or _TELLS.get(step.tell or '', step.tell)} {verb} told"
    if step.kind == "offer_ends":
        return "the offer ends"
    return "it asks again" if step.kind == "look_again" else None


def happened(event: wire.Event) -> str:
    """Return what happened, as a sentence begins; the reason that was given stands after it."""
    phrase = _HAPPENED.get(event.kind)
    if phrase is None:
        return event.kind.replace("_", " ").capitalize()
    return phrase(event.detail)


def _put_off(detail: Mapping[str, Any]) -> str:
    try:
        end = clock_time(datetime.fromisoformat(str(detail.get("until"))))
    except ValueError:
        return "Put off"
    return f"Put off until {end}"


def _rang(detail: Mapping[str, Any]) -> str:
    came = OUTCOMES.get(str(detail.get("outcome")), "")
    return f"Rang {detail.get('whom', 'somebody')}: {came.lower()}"


def _closed(detail: Mapping[str, Any]) -> str:
    what = str(detail.get("disposition", ""))
    said = f"Closed - {wire.DISPOSITIONS.get(what, what)}"
    if hospital := HOSPITAL.get(str(detail.get("hospital"))):
        said += f". {hospital}"
    if view := detail.get("patient_view"):
        said += f'. The person says: "{view}"'
    return said


def _raised(detail: Mapping[str, Any]) -> str:
    return "Raised" + (f", put off: {detail['held']}" if detail.get("held") else "")


_HAPPENED: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "raised": _raised,
    "told": lambda d: "Told, late" if d.get("late_s") else "Told",
    "step_too_late": lambda _: "Not told",
    "lapsed": lambda _: "Open again",
    "due_again": lambda _: "Asks again",
    "resumed": lambda _: "Asks anew",
    "assigned": lambda d: f"Given to {d.get('to', 'somebody')}",
    "handover_offered": lambda d: f"Offered to {d.get('to', 'somebody')}",
    "handover_accepted": lambda d: f"Taken over from {d.get('owner_before') or 'nobody'}",
    "handover_ended": lambda _: "The offer ended",
    "snoozed": _put_off,
    "contacted": _rang,
    "contact_tried": _rang,
    "dispatched": lambda d: f"Sent: {d.get('to', 'somebody')}",
    "set_out": lambda d: f"On the way: {d.get('to', 'somebody')}",
    "turned_down": lambda d: f"Can't go: {d.get('to', 'somebody')}; more people are asked",
    "arrived": lambda _: "Somebody is there",
    "escalated": lambda _: "More people are asked",
    "closed": _closed,
}
