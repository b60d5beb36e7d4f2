"""What every request passes through, as plain ASGI: request ids, headers, limits, the gate.

Plain ASGI because a stream passes here too: wrapping middleware triples its latency.
"""

from __future__ import annotations

import ipaddress
import json
import re
import traceback
from collections.abc import Callable, Iterable
from http.cookies import CookieError, SimpleCookie
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

import structlog
from prometheus_client import Counter, Histogram
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import errors, security
from ingest import telemetry
from ingest.kernel import clock as clocks
from ingest.kernel import errors as kernel_errors
from ingest.kernel import ids

COOKIE = "telecare_session"
CSRF_HEADER = "X-CSRF-Token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

OPEN_PATHS = frozenset({"/healthz", "/readyz", "/api/v1/auth/token", "/sign-in"})
"""Exact paths that need no token. Everything else does, known or not."""
OPEN_PREFIXES = ("/static/", "/answer/")
"""What lies below needs no token: files that are the same for all, and signed links of contacts."""
METRICS_PATH = "/metrics"

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_LONGEST_TARGET = 200
_TARGET = re.compile(r"/(?!/)[\w./~-]*(?:\?[\w.~%&=+-]*)?", re.ASCII)
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_FORWARDING = ("forwarded", "x-forwarded-for", "x-forwarded-host", "via")

_SECONDS = Histogram(
    "telecare_http_request_seconds",
    "How long requests took, streams left out",
    ["method", "route", "status"],
    registry=telemetry.REGISTRY,
)
_CRASHES = Counter(
    "telecare_http_errors_total",
    "Requests that ended in an error nobody expected",
    registry=telemetry.REGISTRY,
)


async def send_problem(
    scope: Scope, receive: Receive, send: Send, body: dict[str, Any], headers: dict[str, str]
) -> None:
    """Answer with a problem document."""
    raw = json.dumps(body, default=str).encode()
    if scope["type"] != "http":
        return
    lines = [
        (b"content-type", errors.MEDIA_TYPE.encode()),
        (b"content-length", str(len(raw)).encode()),
        (b"cache-control", b"no-store"),
        *((k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in headers.items()),
    ]
    await send({"type": "http.response.start", "status": body["status"], "headers": lines})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else raw})


class Frame:
    """The outermost layer: an id for each request, security headers, and nothing leaks.

    An error that nobody expected is answered with its request id and logged by its type and
    place only: a message may carry a name or a reading.
    """

    def __init__(self, app: ASGIApp, *, clock: clocks.Clock, https: bool) -> None:
        self._app = app
        self._clock = clock
        self._headers = dict(_HEADERS)
        if https:
            self._headers["Strict-Transport-Security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and frame the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = Headers(scope=scope).get("x-request-id", "")
        request_id = asked if _REQUEST_ID.fullmatch(asked) else ids.token(9)
        scope.setdefault("state", {})["request_id"] = request_id
        structlog.contextvars.bind_contextvars(request=request_id)
        started = self._clock.monotonic()
        status = 0

        async def framed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            await self._app(scope, receive, framed)
        except Exception as error:
            _CRASHES.inc()
            telemetry.logger().error(
                "A request ended in an unexpected error.",
                kind=type(error).__name__,
                where=place_of(error),
                method=scope["method"],
            )
            if status == 0:
                body = errors.plain(500) | {"request": request_id}
                await send_problem(scope, receive, framed, body, {})
        finally:
            self._measure(scope, status, self._clock.monotonic() - started)
            structlog.contextvars.unbind_contextvars("request")

    @staticmethod
    def _measure(scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "none")
        if not str(route).endswith("/stream"):
            _SECONDS.labels(scope["method"], route, str(status)).observe(seconds)


def place_of(error: BaseException) -> str:
    """Return the innermost line of our own an error passed, without its message."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if "site-packages" not in f.filename] or frames
    return f"{PurePath(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "unknown"


class BodyLimit:
    """Refuses bodies over a size, told by their header or found out while they come in."""

    def __init__(self, app: ASGIApp, *, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting its body."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        said = Headers(scope=scope).get("content-length", "0")
        if not said.isdigit() or int(said) > self._limit:
            await self._refuse(scope, receive, send)
            return
        taken = 0
        started = False

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._limit:
                raise _TooLarge
            return message

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, counted, noted)
        except _TooLarge:
            if not started:
                await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        error = errors.TooLargeError(limit=self._limit)
        await send_problem(scope, receive, send, errors.problem(error), {"Connection": "close"})


class _TooLarge(BaseException):
    """Travels through the framework's own handling of exceptions, which would hide it."""


class Gate:
    """Deny by default: a path is either listed as open or needs a token that is good.

    The gate stands before routing, so that a path nobody knows needs a token too, and a new
    route can't forget it. What the role may do is each route's business.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        gatekeeper: Callable[[], security.Gatekeeper],
        metrics_to_loopback: bool,
        public_url: str,
    ) -> None:
        self._app = app
        self._gatekeeper = gatekeeper
        self._metrics_to_loopback = metrics_to_loopback
        self._public = public_url.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is open or comes with a good token."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # no websockets here: closed without an answer
        headers = Headers(scope=scope)
        scope.setdefault("state", {})["principal"] = None
        scope["state"]["from_here"] = self._metrics_to_loopback and _from_here(scope, headers)
        path: str = scope["path"]
        try:
            principal = await self._principal(headers)
            scope["state"]["principal"] = principal
            if principal is not None:
                self._refuse_forged(scope, headers, principal)
            elif not self._is_open(scope, path):
                if _wants_page(scope, headers):
                    await _to_sign_in(path, scope["query_string"].decode("latin-1"), send)
                    return
                raise errors.NotSignedInError
        except errors.ApiError as error:
            await send_problem(scope, receive, send, errors.problem(error), error.headers())
            return
        except kernel_errors.StoreUnavailableError:
            # An open path answers even without a database: readiness has to say so.
            if not self._is_open(scope, path):
                gone = errors.UnavailableError()
                await send_problem(scope, receive, send, errors.problem(gone), gone.headers())
                return
        await self._app(scope, receive, send)

    async def _principal(self, headers: Headers) -> security.Principal | None:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme:
            token = token.strip()
            if scheme.lower() != "bearer" or not token:
                return None
            return await run_in_threadpool(self._gatekeeper().who, token, by_cookie=False)
        kept = cookie(headers.getlist("cookie"))
        if kept is None:
            return None
        return await run_in_threadpool(self._gatekeeper().who, kept, by_cookie=True)

    def _refuse_forged(self, scope: Scope, headers: Headers, principal: security.Principal) -> None:
        """Refuse what another site made a browser send along with our cookie.

        The pages' own forms are checked again, by the secret in the form, where they are read.
        """
        if not principal.by_cookie or scope["method"] in SAFE_METHODS:
            return
        refuse_foreign(headers, self._public)
        if scope["path"].startswith("/api/") and not security.csrf_fits(
            principal, headers.get(CSRF_HEADER)
        ):
            raise errors.ForgedRequestError

    @staticmethod
    def _is_open(scope: Scope, path: str) -> bool:
        if path in OPEN_PATHS or path.startswith(OPEN_PREFIXES):
            return True
        return path == METRICS_PATH and bool(scope["state"]["from_here"])


def refuse_foreign(headers: Headers, public_url: str) -> None:
    """Refuse what a browser sends for a page of another site."""
    if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise errors.ForgedRequestError
    origin = headers.get("origin")
    ours = {None, public_url.rstrip("/")}
    if origin not in ours and str(origin).partition("://")[2] != headers.get("host"):
        raise errors.ForgedRequestError


def cookie(lines: Iterable[str]) -> str | None:
    """Return the session's token out of the Cookie headers."""
    for line in lines:
        try:
            found = SimpleCookie(line).get(COOKIE)
        except CookieError:
            continue
        if found is not None and found.value:
            return found.value
    return None


def _from_here(scope: Scope, headers: Headers) -> bool:
    """Tell whether the connection comes from this machine, and not through a proxy on it."""
    if any(name in headers for name in _FORWARDING):
        return False
    client = scope.get("client")
    try:
        return client is not None and ipaddress.ip_address(client[0]).is_loopback
    except ValueError:
        return False


def _wants_page(scope: Scope, headers: Headers) -> bool:
    return (
        scope["method"] in {"GET", "HEAD"}
        and not scope["path"].startswith("/api/")
        and "text/html" in headers.get("accept", "")
    )


def own_page(text: str) -> str | None:
    """Return a path of ours as it is; None for what could lead elsewhere, or back to signing in."""
    path = text.partition("?")[0]
    if len(text) > _LONGEST_TARGET or not _TARGET.fullmatch(text) or "//" in path:
        return None
    return None if path.startswith("/sign-") else text


async def _to_sign_in(path: str, query: str, send: Send) -> None:
    target = b"/sign-in"
    wanted = own_page(f"{path}?{query}" if query else path)
    if wanted not in {None, "/"}:
        target += b"?next=" + quote(str(wanted), safe="/").encode()
    await send(
        {
            "type": "http.response.start",
            "status": 303,
            "headers": [(b"location", target), (b"content-length", b"0")],
        }
    )
    await send({"type": "http.response.body", "body": b""})
