"""The API process: everything wired together in one place."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute
from starlette.staticfiles import StaticFiles

from alerts import errors as alert_errors
from alerts import service
from alerts.delivery.links import Links
from alerts.policies import responses, targets
from alerts.rules import triggers
from alerts.storage import alerts as alert_store
from alerts.storage import mutes as mute_store
from alerts.storage.measures import Measures
from alerts.storage.wards import Wards
from api import (
    deps,
    errors,
    middleware,
    reports,
    security,
    settings,
    showing,
    stream,
    wire,
)
from api.routes import (
    alerts,
    auth,
    devices,
    health,
    homes,
    mutes,
    observations,
    organisation,
    patients,
    quarantine,
    referrals,
    rotas,
    wards,
)
from api.routes import (
    reports as reports_route,
)
from api.storage import (
    accounts,
    audit,
    board,
    commands,
    commissioning,
    listener,
    timeline,
)
from api.storage import (
    health as health_store,
)
from api.storage import (
    organisation as organisation_store,
)
from api.storage import (
    quarantine as quarantine_store,
)
from api.storage import (
    rotas as rota_store,
)
from api.web import answer, views
from ingest import telemetry
from ingest.kernel import clock as clocks
from ingest.kernel import errors as kernel_errors
from ingest.storage import device_tests, readings, register, vault
from ingest.storage import pool as pools

_STATIC = Path(__file__).parent / "static"
_STOP_PATIENCE_S = 2
_DATABASE_PATIENCE_S = 4.0  # somebody waits for the page: say that it's gone rather than hang
_JSON = (
    alerts.router,
    auth.router,
    devices.router,
    homes.router,
    mutes.router,
    observations.router,
    organisation.router,
    rotas.router,
    patients.router,
    quarantine.router,
    referrals.router,
    reports_route.router,
    wards.router,
)
_DESCRIPTION = """
Readings, alerts and people of a telehealth and telecare hub. **Not a certified medical device.**

- Sign in with `POST /api/v1/auth/token`; send `Authorization: Bearer <token>` with everything else.
- Errors are problem documents (RFC 9457). Times are RFC 3339, UTC. Ids are opaque strings.
- Lists have `next`: give it back as `cursor` for the part that follows.
- What shows or changes something about a person is written into the audit.
"""


def create_app(config: settings.ApiSettings, *, clock: clocks.Clock) -> FastAPI:
    """Return the application; its pool and listener live from start-up to shutdown."""
    keeper: list[security.Gatekeeper] = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with running(config, clock=clock) as hub:
            app.state.services = hub
            keeper[:] = [hub.gatekeeper]
            hub.feed.start(asyncio.get_running_loop())
            yield

    app = FastAPI(
        title="Telecare hub",
        version="1",
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # they load scripts from another host; ours is api.web.views.docs
        redoc_url=None,
        openapi_url="/openapi.json",
        responses={
            401: {"model": wire.Problem, "description": "no token, or it is no good (any more)"},
            422: {"model": wire.Problem, "description": "the request is not valid"},
        },
    )
    app.add_middleware(
        middleware.Gate,
        gatekeeper=lambda: keeper[0],
        metrics_to_loopback=config.metrics_to_loopback,
        public_url=config.public_url,
    )
    app.add_middleware(middleware.BodyLimit, limit=config.body_limit)
    app.add_middleware(
        middleware.Frame, clock=clock, https=config.public_url.startswith("https://")
    )
    _answer_with_problems(app)
    for router in _JSON:
        app.include_router(router, prefix="/api/v1")
    app.include_router(health.router)
    app.include_router(views.router, include_in_schema=False)
    app.include_router(answer.router, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    unguarded = [path for path, route in endpoints(app) if not guards(route)]
    if unguarded:
        raise RuntimeError(f"endpoints without a permission: {', '.join(unguarded)}")
    return app


@contextlib.contextmanager
def running(config: settings.ApiSettings, *, clock: clocks.Clock) -> Iterator[deps.Services]:
    """Make the services and let go of them when the block ends, last made first."""
    url = config.require_database()
    secrets = vault.Vault(config.require_secret())
    with contextlib.ExitStack() as stack:
        pool = pools.open_pool(url, name="api", most=config.database_sessions)
        pool.timeout = _DATABASE_PATIENCE_S
        stack.callback(pool.close)
        staff = accounts.Accounts(pool)
        gatekeeper = security.Gatekeeper(
            accounts=staff,
            passwords=security.Passwords(),
            limits=security.Limits(
                login_failures=config.login_failures,
                address_failures=config.address_failures,
                window=timedelta(seconds=config.login_window_s),
                token_life=timedelta(hours=config.token_hours),
            ),
            clock=clock,
        )
        known = organisation_store.Organisation(pool)
        policies = config.alerts_policies_dir
        store = alert_store.AlertStore(pool, responses.load(policies), policies=policies)
        alerting = service.Alerts(store=store, clock=clock)
        people = register.RegisterStore(pool, vault=secrets, check_trigger=triggers.problem)
        shown = showing.Showing(
            alerts=alerting,
            board=board.Board(pool),
            organisation=known,
            register=people,
            reveal=_revealing(secrets),
            clock=clock,
        )
        feed = stream.Feed(
            open_news=lambda: listener.Listener(url),
            events=showing.EncodedEvents(alerts=alerting, showing=shown),
            still_good=gatekeeper.still_good,
            queue=config.stream_queue,
            ping_s=config.stream_ping_s,
            recheck_s=config.stream_recheck_s,
        )
        stack.callback(feed.join, 5.0)
        stack.callback(feed.close)
        yield deps.Services(
            settings=config,
            clock=clock,
            gatekeeper=gatekeeper,
            accounts=staff,
            audit=audit.Audit(pool),
            alerts=alerting,
            links=Links(config.require_secret()),
            mutes=service.Mutes(store=mute_store.Mutes(pool), clock=clock),
            showing=shown,
            feed=feed,
            register=people,
            readings=readings.Readings(pool),
            timeline=timeline.Timeline(pool),
            quarantine=quarantine_store.Quarantine(pool),
            commands=commands.Commands(pool),
            device_tests=device_tests.DeviceTests(pool),
            commissioning=commissioning.Commissioning(pool),
            organisation=known,
            wards=Wards(pool),
            reports=reports.Reports(
                Measures(pool),
                targets=targets.load(config.alerts_policies_dir),
                secret=config.require_secret(),
                clock=clock,
            ),
            rotas=rota_store.Rotas(pool),
            health=health_store.Health(pool, url),
        )


def _revealing(secrets: vault.Vault) -> Callable[[bytes | None], str | None]:
    def reveal(sealed: bytes | None) -> str | None:
        """Decrypt; an address that can't be read must not hide an alert."""
        try:
            return secrets.open(sealed)
        except vault.WrongKeyError:
            return None

    return reveal


def endpoints(app: FastAPI) -> Iterator[tuple[str, BaseRoute]]:
    """Yield the path and route of every endpoint, static files left out."""
    yield from _endpoints(app.routes, "")


def _endpoints(routes: list[BaseRoute], prefix: str) -> Iterator[tuple[str, BaseRoute]]:
    for route in routes:
        inner: APIRouter | None = getattr(route, "original_router", None)
        if inner is not None:  # fastapi keeps included routers whole
            context: Any = getattr(route, "include_context")  # noqa: B009  (no public type)
            yield from _endpoints(inner.routes, prefix + context.prefix)
        elif hasattr(route, "endpoint"):
            yield prefix + str(getattr(route, "path")), route  # noqa: B009


def guards(route: BaseRoute) -> bool:
    """Tell whether an endpoint names the permission it needs, or says why it is open."""
    if not isinstance(route, APIRoute):
        return (
            getattr(route, "path", "") == "/openapi.json"
        )  # behind the gate; says nothing private
    todo = [route.dependant]
    while todo:
        dependant = todo.pop()
        if isinstance(dependant.call, deps.Allow | deps.Open):
            return True
        todo.extend(dependant.dependencies)
    return False


def _answer_with_problems(app: FastAPI) -> None:
    """Give every error that is known a problem document; `middleware.Frame` takes the rest."""

    def told_by(tell: Callable[[Any], tuple[dict[str, Any], dict[str, str]]]) -> Handler:
        async def handle(request: Request, error: Exception) -> Response:
            return _problem(request, *tell(error))

        return handle

    for kind, tell in _TOLD.items():
        app.add_exception_handler(kind, told_by(tell))

    async def stale(request: Request, error: Exception) -> Response:
        assert isinstance(error, alert_errors.StaleVersionError)  # noqa: S101  (registered for it)
        hub: deps.Services = request.app.state.services
        who = request.state.principal
        current = await asyncio.to_thread(hub.showing.one, error.data["current"], who)
        problem = errors.StaleVersionError(current=current.model_dump(mode="json"))
        return _problem(request, errors.problem(problem), {})

    app.add_exception_handler(alert_errors.StaleVersionError, stale)


Handler = Callable[[Request, Exception], Awaitable[Response]]


def _declared(error: errors.ApiError) -> tuple[dict[str, Any], dict[str, str]]:
    return errors.problem(error), error.headers()


def _framework(error: HTTPException) -> tuple[dict[str, Any], dict[str, str]]:
    # its own words for 400 and 422 may quote the body; for 404 and 405 they add nothing
    quiet = error.status_code in {400, 404, 405, 422}
    body = errors.plain(error.status_code, None if quiet else str(error.detail))
    return body, dict(error.headers or {})


def _not_fitting(error: register.RefusedError) -> tuple[dict[str, Any], dict[str, str]]:
    found = [
        {"at": f"body.{p.key}" if p.key else "body", "problem": p.what, "allowed": p.allowed}
        for p in error.problems
    ]
    return _declared(errors.InvalidError(what="The register can't take this", errors=found))


_TOLD: dict[type[Exception], Callable[[Any], tuple[dict[str, Any], dict[str, str]]]] = {
    errors.ApiError: _declared,
    HTTPException: _framework,
    RequestValidationError: lambda e: (errors.invalid(list(e.errors())), {}),
    kernel_errors.StoreUnavailableError: lambda _: _declared(errors.UnavailableError()),
    kernel_errors.PoisonError: lambda _: (
        errors.plain(422, "The database can't keep one of the values"),
        {},
    ),
    register.UnknownError: lambda e: _declared(
        errors.NotFoundError(what=str(e.data.get("kind", "entry")))
    ),
    register.RefusedError: _not_fitting,
    vault.WrongKeyError: lambda _: (
        errors.plain(500, "An address was encrypted with another TELECARE_SECRET_KEY"),
        {},
    ),
    alert_errors.UnknownAlertError: lambda _: _declared(errors.NotFoundError(what="alert")),
    alert_errors.UnknownEpisodeError: lambda _: _declared(errors.NotFoundError(what="episode")),
    alert_errors.WardRefusedError: lambda e: _declared(errors.InvalidError(what=str(e)[:-1])),
    alert_errors.MuteRefusedError: lambda e: _declared(errors.InvalidError(what=str(e)[:-1])),
    alert_errors.TransitionRefusedError: lambda e: _declared(
        errors.TransitionRefusedError(reason=str(e.data.get("reason", "")))
    ),
}


def _problem(
    request: Request, body: dict[str, Any], headers: dict[str, str] | None = None
) -> Response:
    """Answer a program with a problem document, a person with a page that says the same."""
    if not request.url.path.startswith("/api/") and "text/html" in request.headers.get(
        "accept", ""
    ):
        shown = views.problem_page(request, body)
        shown.headers.update(headers or {})
        return shown
    return JSONResponse(
        body, status_code=body["status"], headers=headers, media_type=errors.MEDIA_TYPE
    )


class Server(uvicorn.Server):
    """Ends the open streams as soon as it is told to stop, so that stopping takes no time."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take note of a signal; a second Ctrl-C does not wait for requests in hand."""
        app = self.config.app
        hub: deps.Services | None = getattr(getattr(app, "state", None), "services", None)
        if hub is not None:
            hub.feed.close()
        # not uvicorn's own: it raises the signal again at the end, and an orderly stop would
        # look like a death to whoever supervises this process
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


def server(config: settings.ApiSettings, *, clock: clocks.Clock) -> Server:
    """Return a server that is ready to run."""
    return Server(
        uvicorn.Config(
            create_app(config, clock=clock),
            host=config.http_host,
            port=config.http_port,
            loop="uvloop",
            http="httptools",
            ws="none",
            lifespan="on",
            access_log=False,
            log_level="warning",
            server_header=False,
            proxy_headers=True,
            forwarded_allow_ips=config.forwarded_allow_ips,
            timeout_graceful_shutdown=_STOP_PATIENCE_S,
            limit_concurrency=None,
        )
    )


def main(*, http_host: str | None = None, http_port: int | None = None) -> int:
    """Run the API until it is told to stop; return the exit code."""
    config = settings.ApiSettings()
    given = {"http_host": http_host, "http_port": http_port}
    config = config.model_copy(update={k: v for k, v in given.items() if v is not None})
    telemetry.configure("api", config.log_level)
    log = telemetry.logger()
    try:
        config.require_database()
        config.require_secret()
        _try_address(config.http_host, config.http_port)
    except kernel_errors.HubError as error:
        log.error("The API can't start.", why=str(error))  # noqa: TRY400  (a sentence says it)
        return 1
    at_work = server(config, clock=clocks.SystemClock())
    log.info("The API answers.", url=f"http://{config.http_host}:{config.http_port}")
    at_work.run()
    return 0 if at_work.started else 1


def _try_address(host: str, port: int) -> None:
    """Say in words that a port is taken, before the server says it in numbers."""
    if port == 0:
        return
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError as error:
            raise kernel_errors.SettingsError(
                setting="TELECARE_HTTP_PORT",
                problem=f"can't be used: {error.strerror} ({host}:{port})",
            ) from error
