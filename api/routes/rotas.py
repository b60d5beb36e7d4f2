"""Rotas: who of a team works when, is on call, is away, and takes over from whom."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from api import deps, security, wire
from api.storage import rotas
from ingest.kernel import ids

router = APIRouter(tags=["organisation"])


@router.get("/rotas", summary="Who works when")
def shifts(
    hub: deps.Hub,
    who: deps.TeamReader,
    team: Annotated[str | None, Query(description="a team's id")] = None,
    since: Annotated[wire.Time | None, Query(alias="from")] = None,
    until: Annotated[wire.Time | None, Query(alias="to")] = None,
) -> wire.Page[wire.Shift]:
    """Return the shifts that overlap a time, in order: at most 1,000, so ask by the week."""
    found = hub.rotas.between(since, until, team=team)
    return wire.Page(items=[_shift(s) for s in found])


@router.post("/rotas", status_code=201, summary="Add a shift")
def add_shift(hub: deps.Hub, who: deps.TeamWriter, body: wire.NewShift) -> wire.Shift:
    """Add a shift, a time on call, leave, or a swap (``instead_of`` a colleague's shift)."""
    return _put(hub, who, body, no=0)


@router.put("/rotas/{shift}", summary="Change a shift")
def put_shift(hub: deps.Hub, who: deps.TeamWriter, shift: str, body: wire.NewShift) -> wire.Shift:
    """Replace a shift."""
    return _put(hub, who, body, no=deps.number("shift", shift))


@router.delete("/rotas/{shift}", status_code=204, summary="Remove a shift")
def remove_shift(hub: deps.Hub, who: deps.TeamWriter, shift: str) -> None:
    """Take a shift out of the rota."""
    hub.rotas.remove(deps.number("shift", shift))
    deps.seen(hub, who, "rotas.remove", subject=shift)


def _put(
    hub: deps.Services, who: security.Principal, body: wire.NewShift, *, no: int
) -> wire.Shift:
    taken = None if body.instead_of is None else deps.number("shift", body.instead_of)
    kept = hub.rotas.put(
        rotas.Shift(
            no=no, team=body.team, member=body.member, start=body.start, end=body.end,
            duty=body.duty, swapped_from=taken,
        )
    )  # fmt: skip
    made = _shift(kept)
    deps.seen(hub, who, "rotas.change" if no else "rotas.create", subject=made.id)
    return made


def _shift(shift: rotas.Shift) -> wire.Shift:
    said: dict[str, Any] = {
        "id": ids.public("shift", shift.no), "team": shift.team, "member": shift.member,
        "from": shift.start, "to": shift.end, "duty": shift.duty,
        "instead_of": shift.swapped_from and ids.public("shift", shift.swapped_from),
    }  # fmt: skip
    return wire.Shift.model_construct(**said)
