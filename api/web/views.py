"""The plain live page: rendered here, works without script; script only adds live updates."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from functools import cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import jinja2
from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from alerts import errors as alert_errors
from alerts import model
from api import deps, errors, middleware, security, wire
from api.routes import alerts as alert_routes
from api.routes import auth
from ingest.kernel import nhs_number, vitals

router = APIRouter()

_TEMPLATES = Path(__file__).parent / "templates"
_STATES = {
    "": "Everything not closed",
    "open": "Open: nobody has it yet",
    "acknowledged": "Acknowledged",
    "closed": "Closed",
}
_RANKS = {str(s): s.rank for s in model.Severity}
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_PAGE = 50
_MESSAGES = {
    "acknowledged": "Acknowledged. The alert is yours; the device was told.",
    "noted": "The note is saved.",
    "closed": "The alert is closed.",
}
_STALE = (
    "Somebody else changed this alert first. Below is how it is now; nothing of yours was saved."
)


@cache
def _environment() -> jinja2.Environment:
    """Return the templates' environment: everything is escaped, nothing undefined is shown."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "rfc3339": wire.rfc3339,
        "clock_time": clock_time,
        "ago": ago,
        "dial": dial,
        "figure": figure,
        "unit": unit,
        "label": label,
        "words": words,
    }
    made.globals |= {"dispositions": wire.DISPOSITIONS, "ranks": _RANKS, "states": _STATES}
    return made


# -- how things are said


@cache
def _zone() -> tzinfo:
    try:
        return ZoneInfo("Europe/London")
    except ZoneInfoNotFoundError:  # a machine without time zones
        return UTC


def clock_time(moment: datetime) -> str:
    """Return a time as it is said at home: day and clock time in the country's own time."""
    local = moment.astimezone(_zone())
    return f"{local:%a} {local.day} {local:%b} {local:%H:%M}"


def ago(moment: datetime, now: datetime) -> str:
    """Return how long ago something was, in words; the page's script says it the same way."""
    seconds = max(0, round((now - moment).total_seconds()))
    if seconds < _MINUTE:
        return f"{seconds} s ago"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE} min ago"
    if seconds < 2 * _DAY:
        return f"{seconds // _HOUR} h {seconds % _HOUR // _MINUTE} min ago"
    return f"{seconds // _DAY} days ago"


def dial(phone: str) -> str:
    """Return a telephone number as a link dials it."""
    return re.sub(r"[^0-9+]", "", phone)


def figure(value: float) -> str:
    """Return a number without a tail of noughts."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


_UNITS = {"mm[Hg]": "mmHg", "Cel": "°C", "/min": "per minute"}


def unit(text: str) -> str:
    """Return a unit as people write it."""
    return _UNITS.get(text, text)


def label(code: str) -> str:
    """Return a quantity's name in words."""
    place, _, name = code.rpartition("/")
    known = vitals.BY_NAME.get(name)
    said = known.label if known else name.replace("_", " ")
    return f"{said} ({place})" if place else said


def words(kind: str) -> str:
    """Return an event's kind as a sentence begins."""
    return kind.replace("_", " ").capitalize()


def page(name: str, *, status: int = 200, **context: Any) -> HTMLResponse:
    """Render a template."""
    text = _environment().get_template(name).render(**context)
    return HTMLResponse(text, status_code=status)


def problem_page(request: Request, body: Mapping[str, Any]) -> HTMLResponse:
    """Say to a person what a problem document says to a program."""
    return page(
        "message.html",
        status=int(body["status"]),
        who=getattr(request.state, "principal", None),
        heading=body["title"],
        detail=body.get("detail"),
        request_id=getattr(request.state, "request_id", None),
    )


# -- forms


def own_form(request: Request, csrf_token: Annotated[str, Form(max_length=128)] = "") -> None:
    """Refuse a form that no page of this session's made."""
    principal: security.Principal | None = request.state.principal
    if principal is None or not security.csrf_fits(principal, csrf_token):
        raise errors.ForgedRequestError


OwnForm = Depends(own_form)
_OPEN = Depends(deps.Open("who signs in has no session yet"))

# -- signing in and out


@router.get("/sign-in", dependencies=[_OPEN])
def sign_in_page(
    request: Request,
    next: Annotated[str, Query(max_length=1000)] = "/",
) -> Response:
    """Show the form, or go on where somebody is signed in."""
    if request.state.principal is not None:
        return RedirectResponse(_target(next), status_code=303)
    return page("sign_in.html", who=None, problem=None, next=_target(next), username="")


@router.post("/sign-in", dependencies=[_OPEN])
def sign_in(
    request: Request,
    hub: deps.Hub,
    username: Annotated[str, Form(max_length=auth.MOST)] = "",
    password: Annotated[str, Form(max_length=auth.MOST)] = "",
    next: Annotated[str, Form(max_length=1000)] = "/",
) -> Response:
    """Begin a session in a cookie that scripts can't read and other sites can't use."""
    middleware.refuse_foreign(request.headers, hub.settings.public_url)
    try:
        issued = hub.gatekeeper.sign_in(username, password, address=auth.address_of(request))
    except (
        errors.WrongCredentialsError,
        errors.TooManyAttemptsError,
        errors.BusyError,
    ) as error:
        answer = page(
            "sign_in.html",
            status=error.status,
            who=None,
            problem=str(error),
            next=_target(next),
            username=username,
        )
        if isinstance(error, errors.TooManyAttemptsError):
            answer.headers.update(error.headers())
        return answer
    answer_to = RedirectResponse(_target(next), status_code=303)
    answer_to.set_cookie(
        middleware.COOKIE,
        issued.token,
        max_age=int((issued.expires_at - hub.clock.now()).total_seconds()),
        path="/",
        httponly=True,
        samesite="lax",
        secure=hub.settings.public_url.startswith("https://"),
    )
    return answer_to


@router.post("/sign-out", dependencies=[OwnForm])
def sign_out(hub: deps.Hub, who: deps.Who) -> Response:
    """End the session here and in the database."""
    hub.gatekeeper.sign_out(who)
    answer = RedirectResponse("/sign-in", status_code=303)
    answer.delete_cookie(middleware.COOKIE, path="/", httponly=True, samesite="lax")
    return answer


# -- the queue


@router.get("/")
def queue(
    hub: deps.Hub,
    who: deps.AlertReader,
    team: Annotated[str, Query(max_length=64)] = "",
    state: Annotated[str, Query(max_length=20)] = "",
    cursor: deps.Cursor = None,
    done: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """Show what waits, emergencies first."""
    state = state if state in _STATES else ""
    last_event = hub.alerts.last_event_no()  # before the list, so that nothing falls between
    found, after = hub.alerts.queue(
        team=_team(hub, who, team), state=state or None, limit=_PAGE, after=cursor
    )
    mine = [a for a in found if hub.showing.may_see(who, a)]
    deps.seen(hub, who, "alerts.list", people=[a.person_no for a in mine if a.person_no])
    further = {"team": team, "state": state, "cursor": after} if after else None
    return page(
        "queue.html",
        who=who,
        now=hub.clock.now(),
        alerts=hub.showing.many(mine),
        teams=hub.organisation.teams(),
        filters={"team": team, "state": state, "cursor": cursor},
        next=f"/?{urlencode(further)}" if further else None,
        last_event=last_event,
        live=state != "closed",
        message=_MESSAGES.get(done),
    )


@router.get("/fragments/alerts/{alert}")
def fragment(
    hub: deps.Hub,
    who: deps.AlertReader,
    alert: str,
    team: Annotated[str, Query(max_length=64)] = "",
    state: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """Return one card of the queue, or nothing where the alert isn't in this queue (any more)."""
    found = alert_routes.visible(hub, who, alert)
    wanted = found.state == state if state else found.state is not model.State.CLOSED
    if not wanted or (team and found.team != team):
        return Response(status_code=204)
    deps.seen(hub, who, "alerts.list", people=[found.person_no])
    shown = hub.showing.many([found])[0]
    return page("card.html", alert=shown, now=hub.clock.now(), who=who)


# -- one alert


@router.get("/alerts/{alert}")
def one(
    hub: deps.Hub,
    who: deps.AlertReader,
    alert: str,
    done: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """Show an alert with evidence, history and whom to ring."""
    return _detail(hub, who, alert, message=_MESSAGES.get(done))


@router.post("/alerts/{alert}/acknowledge", dependencies=[OwnForm])
def acknowledge(
    hub: deps.Hub,
    who: deps.AlertActor,
    alert: str,
    expected_version: Annotated[int, Form(ge=1)],
    back: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """Take an alert on."""
    found = alert_routes.visible(hub, who, alert)
    try:
        done = hub.alerts.acknowledge(found.no, by=who.username, expected_version=expected_version)
    except alert_errors.AlertsError as error:
        return _refused(hub, who, alert, error)
    deps.seen(hub, who, "alerts.acknowledge", people=[done.person_no], subject=done.id)
    if back == "queue":
        return RedirectResponse(f"/?done=acknowledged#{done.id}", status_code=303)
    return RedirectResponse(f"/alerts/{done.id}?done=acknowledged", status_code=303)


@router.post("/alerts/{alert}/note", dependencies=[OwnForm])
def note(
    hub: deps.Hub,
    who: deps.AlertActor,
    alert: str,
    expected_version: Annotated[int, Form(ge=1)],
    text: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Write something down."""
    found = alert_routes.visible(hub, who, alert)
    try:
        done = hub.alerts.note(
            found.no, by=who.username, expected_version=expected_version, text=_clean(text)
        )
    except alert_errors.AlertsError as error:
        return _refused(hub, who, alert, error, typed={"text": text})
    deps.seen(hub, who, "alerts.note", people=[done.person_no], subject=done.id)
    return RedirectResponse(f"/alerts/{done.id}?done=noted", status_code=303)


@router.post("/alerts/{alert}/close", dependencies=[OwnForm])
def close(
    hub: deps.Hub,
    who: deps.AlertActor,
    alert: str,
    expected_version: Annotated[int, Form(ge=1)],
    disposition: Annotated[str, Form(max_length=40)] = "",
    note: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Say what came of it."""
    found = alert_routes.visible(hub, who, alert)
    typed = {"note": note, "disposition": disposition}
    if disposition not in wire.DISPOSITIONS:
        return _detail(
            hub, who, alert, status=422, problem="Choose what came of it first.", typed=typed
        )
    try:
        done = hub.alerts.close(
            found.no,
            by=who.username,
            expected_version=expected_version,
            disposition=disposition,
            note=_clean(note) or None,
        )
    except alert_errors.AlertsError as error:
        return _refused(hub, who, alert, error, typed=typed)
    deps.seen(hub, who, "alerts.close", people=[done.person_no], subject=done.id)
    return RedirectResponse("/?done=closed", status_code=303)


def _detail(
    hub: deps.Services,
    who: security.Principal,
    alert: str,
    *,
    status: int = 200,
    message: str | None = None,
    problem: str | None = None,
    typed: Mapping[str, str] | None = None,
) -> HTMLResponse:
    last_event = hub.alerts.last_event_no()
    found = alert_routes.visible(hub, who, alert)
    deps.seen(hub, who, "alerts.view", people=[found.person_no], subject=found.id)
    person = None
    access = None
    if found.person_no is not None and who.may(security.Permission.PATIENTS_READ):
        person = hub.register.person(found.person_no)
        access = hub.showing.access(person.home_no) if person else None
    return page(
        "alert.html",
        status=status,
        who=who,
        now=hub.clock.now(),
        alert=hub.showing.one(found, who),
        contacts=person.contacts if person else (),
        communication=person.communication if person else None,
        nhs_number=(nhs_number.shown(person.nhs_number) if person and person.nhs_number else None),
        born=f"{person.born:%d %b %Y}" if person and person.born else None,
        access_notes=access.access_notes if access else None,
        key_safe=access.key_safe if access else None,
        last_event=last_event,
        message=message,
        problem=problem,
        typed={"text": None, "note": None, "disposition": None} | dict(typed or {}),
    )


def _refused(
    hub: deps.Services,
    who: security.Principal,
    alert: str,
    error: alert_errors.AlertsError,
    typed: Mapping[str, str] | None = None,
) -> HTMLResponse:
    problem = _STALE if isinstance(error, alert_errors.StaleVersionError) else str(error)
    return _detail(hub, who, alert, status=409, problem=problem, typed=typed)


def _team(hub: deps.Services, who: security.Principal, asked: str) -> str | None:
    if not asked and who.equipment_only:
        mine = hub.showing.equipment_teams()
        return mine[0] if len(mine) == 1 else None
    return asked or None


def _target(text: str) -> str:
    """Return where to go after signing in: a page of ours, never another site."""
    return middleware.own_page(text) or "/"


def _clean(text: str) -> str:
    return text.replace("\0", "").strip()


# -- the interface description


@router.get("/docs")
def docs(request: Request, who: deps.Who) -> Response:
    """Show the OpenAPI description as a page, without anybody else's scripts."""
    spec = request.app.openapi()
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, item in spec["paths"].items():
        for method, call in item.items():
            tag = (call.get("tags") or ["other"])[0]
            groups.setdefault(tag, []).append(_call(spec, method, path, call))
    return page("docs.html", who=who, spec=spec, groups=groups)


def _call(
    spec: Mapping[str, Any], method: str, path: str, call: Mapping[str, Any]
) -> dict[str, Any]:
    answers = {
        code: text
        for code, answer in call.get("responses", {}).items()
        if code.startswith("2") and (text := _sample(spec, answer.get("content", {})))
    }
    return {
        "method": method.upper(),
        "path": path,
        "summary": call.get("summary", ""),
        "description": call.get("description", ""),
        "parameters": [
            {
                "name": p["name"],
                "in": p["in"],
                "required": p.get("required", False),
                "description": p.get("description", ""),
            }
            for p in call.get("parameters", [])
        ],
        "body": _sample(spec, call.get("requestBody", {}).get("content", {})),
        "answers": answers,
    }


def _sample(spec: Mapping[str, Any], content: Mapping[str, Any]) -> str | None:
    for media in content.values():
        if "example" in media:
            return str(media["example"])
        made = _example(spec, media.get("schema", {}), 0)
        if made is not None:
            return json.dumps(made, indent=2, ensure_ascii=False)
    return None


_DEEPEST = 6


def _example(spec: Mapping[str, Any], schema: Mapping[str, Any], depth: int) -> Any:
    if depth > _DEEPEST:
        return None
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _example(spec, spec["components"]["schemas"][name], depth + 1)
    if schema.get("examples"):
        return schema["examples"][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return _example(spec, schema[key][0], depth + 1)
    if schema.get("type") == "array":
        inner = _example(spec, schema.get("items", {}), depth + 1)
        return [] if inner is None else [inner]
    if schema.get("type") == "object" and "properties" in schema:
        return {k: _example(spec, v, depth + 1) for k, v in schema["properties"].items()}
    return schema.get("default", schema.get("type"))
