"""Liveness, readiness with reasons, metrics."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from api import deps, health, security, wire
from ingest import telemetry
from ingest.kernel import errors as kernel_errors

router = APIRouter(tags=["health"])


@router.get(
    "/healthz",
    summary="Is this process alive",
    dependencies=[Depends(deps.Open("supervisors have no account"))],
)
def healthz() -> dict[str, str]:
    """Answer. Says nothing about anything but this process."""
    return {"status": "ok"}


@router.get(
    "/readyz",
    summary="Is the hub working, and if not, why",
    response_model=wire.Readiness,
    responses={503: {"model": wire.Readiness, "description": "not ready; `reasons` says why"}},
    dependencies=[Depends(deps.Open("supervisors have no account"))],
)
def readyz(
    hub: deps.Hub,
    scope: Annotated[
        Literal["hub", "api"],
        Query(description="`api` leaves out what other roles do: for a load balancer"),
    ] = "hub",
) -> Response:
    """Tell whether readings come in, are judged and can be seen."""
    found = readiness(hub, whole=scope == "hub")
    return JSONResponse(found.model_dump(mode="json"), status_code=200 if found.ready else 503)


def readiness(hub: deps.Services, *, whole: bool) -> wire.Readiness:
    """Ask the database how the hub does."""
    reasons: list[str] = []
    checks: dict[str, object] = {"database": hub.health.database(), "stream_live": hub.feed.live}
    if not checks["database"]:
        reasons.append("the database can't be reached")
        return wire.Readiness(ready=False, reasons=reasons, checks=checks)
    try:
        pending = hub.health.pending()
        checks["migrations_pending"] = len(pending)
        if pending:
            reasons.append(f"{len(pending)} migrations are pending: run telecare migrate")
        elif whole:
            now = hub.clock.now()
            slots = hub.health.slots(now)
            lag = hub.health.lag_s(now)
            checks["slots"] = [
                {
                    "lane": s.lane,
                    "position": s.position,
                    "held": s.held,
                    "probe_age_s": None if s.probe_age_s is None else round(s.probe_age_s, 1),
                }
                for s in slots
            ]
            checks["alerts_lag_s"] = round(lag, 1)
            reasons += health.listening(slots, oldest_probe_s=hub.settings.probe_age_s)
            reasons += health.lagging(lag, most_s=hub.settings.alerts_lag_s)
    except kernel_errors.HubError:
        reasons.append("the database stopped answering")
    if not hub.feed.live:
        reasons.append("the event stream has no database session")
    return wire.Readiness(ready=not reasons, reasons=reasons, checks=checks)


@router.get(
    "/metrics",
    summary="Prometheus metrics",
    response_class=Response,
    dependencies=[
        Depends(deps.Open("the gate lets it pass with a token, or from this machine itself"))
    ],
)
def metrics(request: Request) -> Response:
    """Return the process's metrics. Open to this machine; from elsewhere it needs a token."""
    if not request.state.from_here:
        deps.Allow(security.Permission.METRICS_READ)(request)
    return Response(generate_latest(telemetry.REGISTRY), media_type=CONTENT_TYPE_LATEST)
