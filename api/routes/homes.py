"""Homes: is one ready to be relied on."""

from __future__ import annotations

from fastapi import APIRouter

from api import commissioning, deps, errors, wire
from ingest.kernel import ids

router = APIRouter(tags=["homes"])


@router.get("/homes/{home}/commissioning", summary="Is a home ready to be relied on")
def checklist(hub: deps.Hub, who: deps.PatientReader, home: str) -> wire.Commissioning:
    """Return what has to be seen to before a home is relied on, done or not; nothing is stored."""
    setup = hub.commissioning.of_home(deps.number("home", home))
    if setup is None:
        raise errors.NotFoundError(what="home")
    deps.seen(
        hub,
        who,
        "homes.commissioning",
        people=[p.no for p in setup.people] or [None],
        subject=ids.public("home", setup.home.no),
    )
    items = commissioning.checklist(setup, now=hub.clock.now())
    return wire.Commissioning(
        home=ids.public("home", setup.home.no),
        ready=commissioning.ready(items),
        items=[
            wire.CommissioningItem(what=i.what, about=i.about, done=i.done, said=i.said)
            for i in items
        ],
    )
