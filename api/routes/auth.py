"""Signing in and out with a token."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response

from api import deps, security, wire

router = APIRouter(tags=["signing in"])

MOST = 256


@router.post(
    "/auth/token",
    summary="Sign in and get a token",
    dependencies=[Depends(deps.Open("who signs in has no token yet"))],
)
def token(
    request: Request,
    response: Response,
    hub: deps.Hub,
    username: Annotated[str, Form(max_length=MOST, examples=["nurse"])],
    password: Annotated[str, Form(max_length=MOST, examples=["correct horse battery"])],
    grant_type: Annotated[str | None, Form(pattern="^password$")] = None,
) -> wire.Token:
    """Give a token for a local account (OAuth 2.0 password form).

    Send it as `Authorization: Bearer <token>`. An unknown user, a wrong password and a disabled
    account get the same answer. Failed sign-ins from one address have to wait (429).
    """
    issued = hub.gatekeeper.sign_in(username, password, address=address_of(request))
    response.headers["Pragma"] = "no-cache"  # RFC 6749, section 5.1
    deps_now = hub.clock.now()
    return wire.Token(
        access_token=issued.token,
        expires_in=int((issued.expires_at - deps_now).total_seconds()),
        expires_at=issued.expires_at,
        role=issued.role,
    )


@router.post("/auth/revoke", status_code=204, summary="Sign out: end this token")
def revoke(hub: deps.Hub, who: deps.Who) -> None:
    """End the token that the request came with."""
    hub.gatekeeper.sign_out(who)


@router.get("/auth/me", summary="Who am I, and what may I do")
def me(who: deps.Who) -> wire.Me:
    """Return the account behind the token."""
    return wire.Me(
        username=who.username,
        name=who.name,
        role=who.role,
        permissions=sorted(security.POLICY.get(who.role, frozenset())),
        expires_at=who.expires_at,
    )


def address_of(request: Request) -> str:
    """Return the network address a request came from."""
    return request.client.host if request.client else "unknown"
