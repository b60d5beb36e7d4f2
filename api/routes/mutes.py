"""Mute windows: times in which a person, a home or a device pages nobody, but for emergencies."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from alerts import ports, suppression
from api import deps, errors, security, wire
from ingest.kernel import ids

router = APIRouter(tags=["alerts"])


@router.get("/mutes", summary="Who pages nobody just now")
def listed(
    hub: deps.Hub,
    who: deps.AlertActor,
    patient: Annotated[str | None, Query(max_length=40)] = None,
) -> wire.Page[wire.Mute]:
    """Return the windows that are not over, the first to end first; at most 500."""
    person_no = deps.number("person", patient) if patient is not None else None
    mine = [m for m in hub.mutes.listed(person_no=person_no) if _may_see(who, m)]
    deps.seen(hub, who, "mutes.list", people=[m.mute.person_no for m in mine] or [None])
    return wire.Page(items=[_shown(m) for m in mine])


@router.post("/mutes", status_code=201, summary="Let somebody page nobody for a while")
def add(hub: deps.Hub, who: deps.AlertActor, body: wire.NewMute) -> wire.Mute:
    """Hold back what is no emergency until the window ends; what is open already stays as it is.

    What was held pages when the window ends, or is ended.
    """
    if who.equipment_only and body.device is None:
        raise errors.ForbiddenError(role=who.role, permission="to mute people and homes")
    person = deps.person(hub, body.patient).no if body.patient is not None else None
    home = deps.number("home", body.home) if body.home is not None else None
    device = deps.number("device", body.device) if body.device is not None else None
    if home is not None and not hub.showing.has_home(home):
        raise errors.NotFoundError(what="home")
    if device is not None and not hub.showing.has_device(device):
        raise errors.NotFoundError(what="device")
    made = hub.mutes.add(
        suppression.Mute(
            starts=body.starts or hub.clock.now(), ends=body.ends, reason=body.reason,
            by=who.username, person_no=person, dwelling_no=home, device_no=device,
        )
    )  # fmt: skip
    _seen(hub, who, "mutes.create", made)
    return _shown(made)


@router.delete("/mutes/{mute}", summary="End it now")
def end(hub: deps.Hub, who: deps.AlertActor, mute: str) -> wire.Mute:
    """End a window: what it held back pages at once, unless another window holds it."""
    no = deps.number("mute", mute)
    found = hub.mutes.get(no)
    if found is None or not _may_see(who, found):
        raise errors.NotFoundError(what="mute")
    ended = hub.mutes.end(no) or found
    _seen(hub, who, "mutes.end", ended)
    return _shown(ended)


def _may_see(who: security.Principal, known: ports.KnownMute) -> bool:
    return not who.equipment_only or known.mute.device_no is not None


def _seen(hub: deps.Services, who: security.Principal, action: str, known: ports.KnownMute) -> None:
    subject = ids.public("mute", known.no)
    deps.seen(hub, who, action, people=[known.mute.person_no], subject=subject)


def _shown(known: ports.KnownMute) -> wire.Mute:
    mute = known.mute

    def public(kind: ids.Kind, no: int | None) -> str | None:
        return None if no is None else ids.public(kind, no)

    return wire.Mute(
        id=ids.public("mute", known.no), patient=public("person", mute.person_no),
        home=public("home", mute.dwelling_no), device=public("device", mute.device_no),
        starts=mute.starts, ends=mute.ends, reason=mute.reason, by=mute.by,
        ended_at=known.ended_at,
    )  # fmt: skip
