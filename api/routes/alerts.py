"""Alerts: the queue, one of them, what people do about it, and the stream of events."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from alerts import model
from api import deps, errors, security, wire

router = APIRouter(tags=["alerts"])

_State = Literal["open", "acknowledged", "in_progress", "closed"]
_STALE: dict[int | str, dict[str, Any]] = {
    409: {
        "model": wire.Problem,
        "description": "somebody else was first; `current` is the alert as it now is",
    }
}


@router.get("/alerts", summary="The queue, in the order to work it")
def queue(
    hub: deps.Hub,
    who: deps.AlertReader,
    *,
    team: Annotated[str | None, Query(max_length=64)] = None,
    state: _State | None = None,
    severity: wire.Severity | None = None,
    owner: Annotated[str | None, Query(max_length=64)] = None,
    patient: Annotated[str | None, Query(max_length=40)] = None,
    limit: deps.Limit = 50,
    cursor: deps.Cursor = None,
) -> wire.Page[wire.Alert]:
    """Return alerts: emergencies first, then what came too late to page, then the longest waiting.

    Without a `state`: all that are not closed. A `team` has what was routed to it, and what it
    was told of or sent for beside another. Histories come with a single alert only.
    """
    person_no = deps.number("person", patient) if patient is not None else None
    if team is None and who.equipment_only:
        mine_only = hub.showing.equipment_teams()
        team = mine_only[0] if len(mine_only) == 1 else None
    found, after = hub.alerts.queue(
        team=team, state=state, severity=severity, person_no=person_no, owner=owner,
        limit=limit, after=cursor,
    )  # fmt: skip
    mine = [a for a in found if hub.showing.may_see(who, a)]
    deps.seen(hub, who, "alerts.list", people=[a.person_no for a in mine if a.person_no])
    return wire.Page(items=hub.showing.many(mine), next=after)


@router.get(
    "/alerts/stream",
    summary="Events as they happen (server-sent events)",
    response_class=StreamingResponse,
    responses={
        200: {
            "content": {
                "text/event-stream": {
                    "example": 'id: 71\nevent: alert\ndata: {"event":"event_71","kind":"raised",'
                    '"alert":{"id":"alert_5","severity":"emergency"}}\n\n'
                }
            }
        }
    },
)
async def stream(
    hub: deps.Hub,
    who: deps.AlertReader,
    last_event_id: Annotated[str | None, Header(max_length=40)] = None,
    after: Annotated[int | None, Query(ge=0, le=2**62)] = None,
) -> StreamingResponse:
    """Send `alert` events with the alert as it now is, and `hub` events about the stream itself.

    An event's id is its number; a client that comes back with `Last-Event-ID` (or `after=`)
    misses nothing. `{"live": false}` means that the hub has lost its database: what is shown
    may be out of date. A comment line comes every 15 s.
    """
    start = after
    if last_event_id:
        if not (last_event_id.isascii() and last_event_id.isdigit()):
            raise errors.BadRequestError(what="Last-Event-ID is not one of this stream")
        start = min(int(last_event_id), 2**62)
    return StreamingResponse(
        hub.feed.stream(who, after=start),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-cache, no-store", "X-Accel-Buffering": "no"},
    )


@router.get("/alerts/{alert}", summary="One alert with its history")
def one(hub: deps.Hub, who: deps.AlertReader, alert: str) -> wire.Alert:
    """Return an alert with evidence, ages, history and whom to ring first."""
    found = visible(hub, who, alert)
    deps.seen(hub, who, "alerts.view", people=[found.person_no], subject=found.id)
    return hub.showing.one(found, who)


@router.post("/alerts/{alert}/acknowledge", summary="Take it on", responses=_STALE)
def acknowledge(
    hub: deps.Hub, who: deps.AlertActor, alert: str, body: wire.Acknowledge
) -> wire.Alert:
    """Say that somebody has seen it and owns it now. The device is told.

    It stands until `acknowledged_until`: open again then, unless something more is recorded.
    """
    found = visible(hub, who, alert)
    done = hub.alerts.acknowledge(
        found.no, by=who.username, expected_version=body.expected_version, note=body.note
    )
    return _done(hub, who, "alerts.acknowledge", done)


@router.post("/alerts/{alert}/assign", summary="Give it to somebody", responses=_STALE)
def assign(hub: deps.Hub, who: deps.AlertActor, alert: str, body: wire.Assign) -> wire.Alert:
    """Make it somebody else's, as if they had taken it on. No answer is waited for."""
    found = visible(hub, who, alert)
    done = hub.alerts.assign(
        found.no, by=who.username, expected_version=body.expected_version,
        to=colleague(hub, body.to, found), note=body.note,
    )  # fmt: skip
    return _done(hub, who, "alerts.assign", done)


@router.post("/alerts/{alert}/note", summary="Add to its history", responses=_STALE)
def note(hub: deps.Hub, who: deps.AlertActor, alert: str, body: wire.Note) -> wire.Alert:
    """Write something down."""
    found = visible(hub, who, alert)
    done = hub.alerts.note(
        found.no, by=who.username, expected_version=body.expected_version, text=body.text
    )
    return _done(hub, who, "alerts.note", done)


@router.post("/alerts/{alert}/contact", summary="Whom you rang", responses=_STALE)
def contact(hub: deps.Hub, who: deps.AlertActor, alert: str, body: wire.Ringing) -> wire.Alert:
    """Write down whom you rang and what came of it; who does it has the alert."""
    found = visible(hub, who, alert)
    done = hub.alerts.contact(
        found.no, by=who.username, expected_version=body.expected_version, whom=body.whom,
        outcome=body.outcome, note=body.note,
    )  # fmt: skip
    return _done(hub, who, "alerts.contact", done)


@router.post("/alerts/{alert}/dispatch", summary="Send somebody", responses=_STALE)
def dispatch(hub: deps.Hub, who: deps.AlertActor, alert: str, body: wire.Sending) -> wire.Alert:
    """Send a team, or somebody in words; or answer for the team that was sent last.

    A team has it on its queue from then on and answers with `accept` (the device is told that
    somebody is on the way) or `decline` (the alert asks more people at once). Whoever is sent in
    words is on the way.
    """
    found = visible(hub, who, alert)
    by, version = who.username, body.expected_version
    if body.accept:
        done = hub.alerts.set_out(found.no, by=by, expected_version=version, note=body.note)
        return _done(hub, who, "alerts.set_out", done)
    if body.decline:
        done = hub.alerts.turn_down(found.no, by=by, expected_version=version, note=body.note)
        return _done(hub, who, "alerts.turn_down", done)
    team, to = whom_to_send(hub, team=body.team, to=body.to)
    done = hub.alerts.dispatch(
        found.no, by=by, expected_version=version, to=to, team=team, note=body.note
    )
    return _done(hub, who, "alerts.dispatch", done)


@router.post("/alerts/{alert}/arrive", summary="Somebody is there", responses=_STALE)
def arrive(hub: deps.Hub, who: deps.AlertActor, alert: str, body: wire.Arrival) -> wire.Alert:
    """Write down that somebody is with the person."""
    found = visible(hub, who, alert)
    done = hub.alerts.arrive(
        found.no, by=who.username, expected_version=body.expected_version, note=body.note
    )
    return _done(hub, who, "alerts.arrive", done)


@router.post("/alerts/{alert}/escalate", summary="Ask more people", responses=_STALE)
def escalate(hub: deps.Hub, who: deps.AlertActor, alert: str, body: wire.Escalation) -> wire.Alert:
    """Tell at once whom its response would tell next; it is nobody's until somebody takes it."""
    found = visible(hub, who, alert)
    done = hub.alerts.escalate(
        found.no, by=who.username, expected_version=body.expected_version, note=body.note
    )
    return _done(hub, who, "alerts.escalate", done)


@router.post("/alerts/{alert}/handover", summary="Hand it over", responses=_STALE)
def handover(hub: deps.Hub, who: deps.AlertActor, alert: str, body: wire.Handover) -> wire.Alert:
    """Offer your alert to somebody, or answer an offer. It stays yours until they accept."""
    found = visible(hub, who, alert)
    by, version = who.username, body.expected_version
    if body.to is not None:
        to = colleague(hub, body.to, found)
        done = hub.alerts.offer(found.no, by=by, expected_version=version, to=to, note=body.note)
        return _done(hub, who, "alerts.offer", done)
    if body.accept:
        done = hub.alerts.accept(found.no, by=by, expected_version=version, note=body.note)
        return _done(hub, who, "alerts.accept", done)
    done = hub.alerts.decline(found.no, by=by, expected_version=version, note=body.note)
    return _done(hub, who, "alerts.decline", done)


@router.post("/alerts/{alert}/snooze", summary="Put it off", responses=_STALE)
def snooze(hub: deps.Hub, who: deps.AlertActor, alert: str, body: wire.Snooze) -> wire.Alert:
    """Let it wait for a bounded time, after which it asks again; never an emergency."""
    found = visible(hub, who, alert)
    by, version = who.username, body.expected_version
    if body.until is not None:
        done = hub.alerts.snooze(
            found.no, by=by, expected_version=version, until=body.until, reason=body.reason
        )
    else:
        done = hub.alerts.snooze_for(
            found.no, by=by, expected_version=version, minutes=body.minutes or 0.0,
            reason=body.reason,
        )  # fmt: skip
    return _done(hub, who, "alerts.snooze", done)


@router.post("/alerts/{alert}/close", summary="Say what came of it", responses=_STALE)
def close(hub: deps.Hub, who: deps.AlertActor, alert: str, body: wire.Close) -> wire.Alert:
    """Close the alert with a disposition, and others of the same person with it. Devices are told.

    A fall needs a falls disposition (`fall_...`, `not_a_fall`), or that somebody spoke to the
    person, was sent or arrived.
    """
    found = visible(hub, who, alert)
    others = [(visible(hub, who, other.id), other.expected_version) for other in body.also]
    done = hub.alerts.close(
        found.no,
        by=who.username,
        expected_version=body.expected_version,
        disposition=body.disposition,
        note=body.note,
        outcome={"patient_view": body.patient_view, "hospital": body.hospital},
        also=[(other.no, version) for other, version in others],
    )
    for other, _ in others:
        deps.seen(hub, who, "alerts.close", people=[other.person_no], subject=other.id,
                  detail={"with": done.id})  # fmt: skip
    return _done(hub, who, "alerts.close", done)


def colleague(hub: deps.Services, username: str, alert: model.Alert) -> str:
    """Return the account of somebody who can have an alert, or say why not."""
    found = hub.accounts.find(username.strip().lower())
    problem = None
    if found is None or found.disabled:
        problem = "there is no enabled account of that name"
    elif not security.role_may(found.role, security.Permission.ALERTS_ACT):
        problem = f"the role {found.role} may not act on alerts"
    elif found.role in security.EQUIPMENT_ONLY and not hub.showing.for_equipment(alert):
        problem = f"the role {found.role} sees alerts of equipment teams only"
    if found is None or problem is not None:
        what = f"The alert can't be given to {username.strip()}: {problem}"
        raise errors.InvalidError(what=what, errors=[{"at": "body.to", "problem": problem}])
    return found.username


def whom_to_send(
    hub: deps.Services, *, team: str | None, to: str | None
) -> tuple[str | None, str]:  # fmt: skip
    """Return the id of the team that is sent, None where it is somebody else, and its name."""
    known = {t.id: t.name for t in hub.organisation.teams()}
    if team is not None and team not in known:
        problem = {"at": "body.team", "problem": "there is no such team"}
        raise errors.InvalidError(what=f"There is no team {team} to send", errors=[problem])
    chosen = team or (to if to in known else None)
    return chosen, known[chosen] if chosen is not None else str(to)


def visible(hub: deps.Services, who: security.Principal, alert: str) -> model.Alert:
    """Return an alert that somebody may see; to them there are no others."""
    found = hub.alerts.get(deps.number("alert", alert))
    if found is None or not hub.showing.may_see(who, found):
        raise errors.NotFoundError(what="alert")
    return found


def _done(
    hub: deps.Services, who: security.Principal, action: str, done: model.Alert
) -> wire.Alert:
    deps.seen(
        hub,
        who,
        action,
        people=[done.person_no],
        subject=done.id,
        detail={"version": done.version},
    )
    return hub.showing.one(done, who)
