"""The page behind the link in a contact's message: whether they are going, answered once.

Who opens it has no account; the link is what they have. It shows nobody's name, and opening it
changes nothing.
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response

from alerts.delivery.links import Refused
from api import deps, middleware
from api.web.views import page

router = APIRouter()
_OPEN = Depends(deps.Open("contacts have no account: the signed link is what they have"))
_NO_GOOD = {
    Refused.FORGED: "This link is not one of ours. Was all of it copied?",
    Refused.EXPIRED: "This link is too old.",
}
_USED = "This has been answered already."


@router.get("/answer/{token}", dependencies=[_OPEN])
def ask(hub: deps.Hub, token: str) -> Response:
    """Show the question; nothing is changed by looking at it."""
    opened = hub.links.open(token, now=hub.clock.now())
    if isinstance(opened, Refused):
        return _no_more(_NO_GOOD[opened])
    if not hub.alerts.can_be_answered(opened.delivery_no):
        return _no_more(_USED)
    return page("answer.html", who=None, token=token, answered=None)


@router.post("/answer/{token}", dependencies=[_OPEN])
def answer(
    request: Request, hub: deps.Hub, token: str, going: Annotated[Literal["yes", "no"], Form()]
) -> Response:
    """Take in whether they are going, once, and tell those who look after the alert."""
    middleware.refuse_foreign(request.headers, hub.settings.public_url)
    opened = hub.links.open(token, now=hub.clock.now())
    if isinstance(opened, Refused):
        return _no_more(_NO_GOOD[opened])
    if not hub.alerts.answer(opened.delivery_no, going=going == "yes"):
        return _no_more(_USED)
    return page("answer.html", who=None, token=token, answered=going)


def _no_more(why: str) -> Response:
    return page("answer.html", status=410, who=None, token=None, answered=None, why=why)
