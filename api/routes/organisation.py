"""Teams, areas, practices, sites; rotas and policies say that they come later."""

from __future__ import annotations

from typing import NoReturn

from fastapi import APIRouter

from api import deps, errors, wire
from api.storage import organisation

router = APIRouter(tags=["organisation"])


@router.get("/teams", summary="Who takes alerts")
def teams(hub: deps.Hub, who: deps.TeamReader) -> wire.Page[wire.Team]:
    """Return every team."""
    return wire.Page(items=[_team(t) for t in hub.organisation.teams()])


@router.post("/teams", status_code=201, summary="Add a team")
def add_team(hub: deps.Hub, who: deps.TeamWriter, body: wire.Team) -> wire.Team:
    """Add a team; alerts are routed to it within seconds."""
    return _put(hub, who.username, body, new=True)


@router.put("/teams/{team}", summary="Change a team")
def put_team(hub: deps.Hub, who: deps.TeamWriter, team: str, body: wire.Team) -> wire.Team:
    """Replace what is known of a team. Its id stays."""
    if body.id != team:
        raise errors.BadRequestError(what="The id in the body is another one than in the address")
    return _put(hub, who.username, body, new=False)


@router.get("/areas", summary="Areas")
def areas(hub: deps.Hub, who: deps.TeamReader) -> wire.Page[wire.Area]:
    """Return every area."""
    return wire.Page(items=[wire.Area(id=a.id, name=a.name) for a in hub.organisation.areas()])


@router.get("/practices", summary="General practices")
def practices(hub: deps.Hub, who: deps.TeamReader) -> wire.Page[wire.Practice]:
    """Return every practice."""
    return wire.Page(
        items=[
            wire.Practice(id=p.id, name=p.name, area=p.area) for p in hub.organisation.practices()
        ]
    )


@router.get("/sites", summary="Sites")
def sites(hub: deps.Hub, who: deps.TeamReader) -> wire.Page[wire.Site]:
    """Return every site."""
    return wire.Page(
        items=[
            wire.Site(id=s.id, name=s.name, area=s.area, timezone=s.timezone)
            for s in hub.organisation.sites()
        ]
    )


def _later(path: str, method: str) -> None:
    def refuse(who: deps.TeamReader) -> NoReturn:
        raise errors.NotYetError(what=f"What {path} is for")

    refuse.__doc__ = "Not yet: answers 501."
    router.add_api_route(
        path,
        refuse,
        methods=[method],
        name=f"{method} {path}",
        summary="Comes with a later issue",
        status_code=501,
        response_model=None,
        responses={501: {"model": wire.Problem}},
    )


for _path in ("/rotas", "/policies"):
    for _method in ("GET", "POST", "PUT"):
        _later(_path, _method)
for _path in ("/areas", "/practices", "/sites"):
    for _method in ("POST", "PUT"):
        _later(_path, _method)


def _put(hub: deps.Services, by: str, body: wire.Team, *, new: bool) -> wire.Team:
    kept = hub.organisation.put_team(
        organisation.Team(
            id=body.id, name=body.name, kind=body.kind, area=body.area, phone=body.phone
        ),
        new=new,
    )
    hub.audit.write(
        at=hub.clock.now(),
        account=by,
        action="teams.create" if new else "teams.change",
        subject=body.id,
    )
    return _team(kept)


def _team(team: organisation.Team) -> wire.Team:
    # not checked again: what an import left in the register is shown as it is
    return wire.Team.model_construct(
        id=team.id, name=team.name, kind=team.kind, area=team.area, phone=team.phone
    )
