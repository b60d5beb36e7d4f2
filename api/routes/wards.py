"""Virtual wards: who is on one, admission, going on, discharge."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from alerts import wards
from api import deps, security, wire
from ingest.kernel import ids

router = APIRouter(tags=["wards"])


@router.get("/wards", summary="Who is on a virtual ward")
def census(
    hub: deps.Hub,
    who: deps.PatientReader,
    ward: Annotated[str | None, Query(max_length=200)] = None,
    patient: Annotated[str | None, Query(max_length=40)] = None,
    over: Annotated[bool, Query(description="those discharged, too")] = False,
) -> wire.Page[wire.WardEpisode]:
    """Return episodes, the first to be looked at first; at most 500."""
    person_no = deps.number("person", patient) if patient is not None else None
    found = hub.wards.census(ward=ward, person_no=person_no, over=over)
    deps.seen(hub, who, "wards.list", people=[e.person_no for e in found] or [None])
    return wire.Page(items=[_shown(e) for e in found])


@router.post("/wards", status_code=201, summary="Admit somebody")
def admit(hub: deps.Hub, who: deps.PlanWriter, body: wire.NewWardEpisode) -> wire.WardEpisode:
    """Begin an episode; it is asked two days before its end whether it goes on."""
    person = deps.person(hub, body.patient)
    now = hub.clock.now()
    made = hub.wards.admit(
        wards.Episode(
            no=0, person_no=person.no, ward=body.ward, team=body.team, admitted_at=now,
            admitted_by=who.username, reason=body.reason,
            expires_at=body.expires_at or now + wards.LONGEST,
        )
    )  # fmt: skip
    return _done(hub, who, "wards.admit", made)


@router.post("/wards/{episode}/extend", summary="Go on")
def extend(
    hub: deps.Hub, who: deps.PlanWriter, episode: str, body: wire.WardExtension
) -> wire.WardEpisode:
    """Let an episode go on; its end is asked about anew."""
    done = hub.wards.extend(
        deps.number("ward", episode), until=body.until, reason=body.reason, now=hub.clock.now()
    )
    return _done(hub, who, "wards.extend", done)


@router.post("/wards/{episode}/discharge", summary="End it")
def discharge(
    hub: deps.Hub, who: deps.PlanWriter, episode: str, body: wire.WardDischarge
) -> wire.WardEpisode:
    """End an episode with what came of it; a follow-up is an alert on its day."""
    done = hub.wards.discharge(
        deps.number("ward", episode), by=who.username, outcome=body.outcome,
        follow_up_at=body.follow_up_at, now=hub.clock.now(),
    )  # fmt: skip
    return _done(hub, who, "wards.discharge", done)


def _done(
    hub: deps.Services, who: security.Principal, action: str, done: wards.Episode
) -> wire.WardEpisode:
    deps.seen(hub, who, action, people=[done.person_no], subject=ids.public("ward", done.no))
    return _shown(done)


def _shown(e: wards.Episode) -> wire.WardEpisode:
    return wire.WardEpisode(
        id=ids.public("ward", e.no), patient=ids.public("person", e.person_no), ward=e.ward,
        team=e.team, admitted_at=e.admitted_at, admitted_by=e.admitted_by, reason=e.reason,
        expires_at=e.expires_at, discharged_at=e.discharged_at, discharged_by=e.discharged_by,
        outcome=e.outcome, follow_up_at=e.follow_up_at,
    )  # fmt: skip
