"""Alerts: the queue, one of them, what people do about it, and the stream of events."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NoReturn

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
    team: Annotated[str | None, Query(max_length=64)] = None,
    state: _State | None = None,
    severity: wire.Severity | None = None,
    patient: Annotated[str | None, Query(max_length=40)] = None,
    limit: deps.Limit = 50,
    cursor: deps.Cursor = None,
) -> wire.Page[wire.Alert]:
    """Return alerts, emergencies first, then the longest waiting.

    Without a `state`: all that are not closed. Histories come with a single alert only.
    """
    person_no = deps.number("person", patient) if patient is not None else None
    if team is None and who.equipment_only:
        mine_only = hub.showing.equipment_teams()
        team = mine_only[0] if len(mine_only) == 1 else None
    found, after = hub.alerts.queue(
        team=team, state=state, severity=severity, person_no=person_no, limit=limit, after=cursor
    )
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
    return hub.showing.one(found)


@router.post("/alerts/{alert}/acknowledge", summary="Take it on", responses=_STALE)
def acknowledge(
    hub: deps.Hub, who: deps.AlertActor, alert: str, body: wire.Acknowledge
) -> wire.Alert:
    """Say that somebody has seen it and owns it now. The device is told."""
    found = visible(hub, who, alert)
    done = hub.alerts.acknowledge(
        found.no, by=who.username, expected_version=body.expected_version, note=body.note
    )
    return _done(hub, who, "alerts.acknowledge", done)


@router.post("/alerts/{alert}/note", summary="Add to its history", responses=_STALE)
def note(hub: deps.Hub, who: deps.AlertActor, alert: str, body: wire.Note) -> wire.Alert:
    """Write something down."""
    found = visible(hub, who, alert)
    done = hub.alerts.note(
        found.no, by=who.username, expected_version=body.expected_version, text=body.text
    )
    return _done(hub, who, "alerts.note", done)


@router.post("/alerts/{alert}/close", summary="Say what came of it", responses=_STALE)
def close(hub: deps.Hub, who: deps.AlertActor, alert: str, body: wire.Close) -> wire.Alert:
    """Close the alert with a disposition. The device is told."""
    found = visible(hub, who, alert)
    done = hub.alerts.close(
        found.no,
        by=who.username,
        expected_version=body.expected_version,
        disposition=body.disposition,
        note=body.note,
    )
    return _done(hub, who, "alerts.close", done)


def _later(step: str) -> None:
    def refuse(alert: str, who: deps.AlertActor) -> NoReturn:
        raise errors.NotYetError(what=f"The step {step}")

    refuse.__doc__ = "Not yet: answers 501."
    router.add_api_route(
        f"/alerts/{{alert}}/{step}",
        refuse,
        methods=["POST"],
        name=f"alert {step}",
        summary=f"{step.capitalize()} (comes with a later issue)",
        status_code=501,
        response_model=None,
        responses={501: {"model": wire.Problem}},
    )


for _step in ("assign", "contact", "dispatch", "arrive", "escalate", "handover", "snooze"):
    _later(_step)


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
    return hub.showing.one(done)
