"""Teams with their members, areas, practices, sites, and the policies in force."""

from __future__ import annotations

from dataclasses import asdict
from typing import NoReturn

from fastapi import APIRouter

from alerts.policies import shelf
from api import deps, errors, wire
from api.storage import organisation

_AS_IS = {
    "id", "name", "kind", "area", "site", "phone", "cluster", "professions", "classes",
    "severities", "timezone", "holidays", "fallback", "capacity",
}  # fmt: skip
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
        summary="Not there yet",
        status_code=501,
        response_model=None,
        responses={501: {"model": wire.Problem}},
    )


@router.get("/policies", summary="Policies in force")
def policies(hub: deps.Hub, who: deps.TeamReader) -> wire.Page[wire.Policy]:
    """Return where alerts go and how they are answered: read-only, with version and source."""
    folder = hub.settings.alerts_policies_dir
    return wire.Page(items=[wire.Policy(**p) for p in shelf.policies(folder)])


for _method in ("POST", "PUT"):
    _later("/policies", _method)
for _path in ("/areas", "/practices", "/sites"):
    for _method in ("POST", "PUT"):
        _later(_path, _method)


def _put(hub: deps.Services, by: str, body: wire.Team, *, new: bool) -> wire.Team:
    kept = hub.organisation.put_team(
        organisation.Team(
            **body.model_dump(include=_AS_IS),
            hours=[h.model_dump(by_alias=True) for h in body.hours],
            members=None
            if body.members is None
            else tuple(organisation.Member(**m.model_dump()) for m in body.members),
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
        **{key: getattr(team, key) for key in _AS_IS},
        hours=[wire.Hours.model_construct(**hours) for hours in team.hours],
        members=[wire.Member.model_construct(**asdict(m)) for m in team.members or ()],
    )
