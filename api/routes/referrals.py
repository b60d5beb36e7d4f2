"""Referrals: alerts from people."""

from __future__ import annotations

from fastapi import APIRouter

from alerts import model
from api import deps, wire

router = APIRouter(tags=["alerts"])


@router.post("/referrals", status_code=201, summary="Raise an alert from a person")
def refer(hub: deps.Hub, who: deps.Referrer, body: wire.NewReferral) -> wire.Alert:
    """Put what somebody says about a person into the same queue as the devices' alarms."""
    person = deps.person(hub, body.patient)
    raised = hub.alerts.raise_manual(
        by=who.username,
        title=body.title,
        reason=f"{body.reason} (reported by: {body.referrer})",
        severity=model.Severity(body.severity),
        person_no=person.no,
        kind=model.TeamKind(body.team_kind),
        concern=model.Concern(body.concern),
    )
    deps.seen(hub, who, "referrals.create", people=[person.no], subject=raised.id)
    return hub.showing.one(raised, who)
