"""The plain live page: rendered here, works without script; script only adds live updates."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

import jinja2
from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from alerts import errors as alert_errors
from alerts import escalation, lifecycle, model
from api import deps, errors, middleware, security, wire
from api.routes import alerts as alert_routes
from api.routes import auth
from api.storage import accounts
from api.web import phrases
from ingest.kernel import nhs_number, vitals

router = APIRouter()

_TEMPLATES = Path(__file__).parent / "templates"
_STATES = {
    "": "Everything not closed",
    "mine": "Mine",
    "open": "Open: nobody has it yet",
    "acknowledged": "Acknowledged",
    "in_progress": "In progress",
    "closed": "Closed",
}
_MINE = "mine"
_RANKS = {str(s): s.rank for s in model.Severity}
_PAGE = 50
_WAITS = (5, 10, 15, 30, 60, 120, 240, 480, 720, 1440, 4320, 10_080)
"""For how many minutes a form offers to put an alert off, as far as its response goes."""
_MESSAGES = {
    "acknowledged": "Acknowledged. The alert is yours; the device was told.",
    "noted": "The note is saved.",
    "contacted": "The call is written down; the alert is in progress.",
    "sent": "Sent. A team of the hub has to answer; anybody else is on the way.",
    "set-out": "On the way. The device was told.",
    "turned-down": "They can't go: more people are asked now.",
    "arrived": "Somebody is there.",
    "escalated": "More people are asked now. The alert is nobody's until somebody takes it.",
    "offered": "Offered. It stays yours until they accept.",
    "assigned": "It is theirs now.",
    "accepted": "It is yours now.",
    "declined": "The offer has ended.",
    "put-off": "Put off.",
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
        "clock_time": phrases.clock_time,
        "ago": phrases.ago,
        "ahead": phrases.ahead,
        "standing": phrases.standing,
        "until": phrases.until,
        "coming": phrases.coming,
        "happened": phrases.happened,
        "dial": dial,
        "figure": figure,
        "unit": unit,
        "label": label,
    }
    made.globals |= {
        "dispositions": wire.DISPOSITIONS,
        "falls": lifecycle.FALLS,
        "hospital": phrases.HOSPITAL,
        "outcomes": phrases.OUTCOMES,
        "ranks": _RANKS,
        "states": _STATES,
        "waits": phrases.waits,
    }
    return made


# -- how things are said


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
    mine_only = state == _MINE
    found, after = hub.alerts.queue(
        team=_team(hub, who, team), state=None if mine_only else state or None,
        owner=who.username if mine_only else None, limit=_PAGE, after=cursor,
    )  # fmt: skip
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
    if state == _MINE:
        wanted = found.owner == who.username and found.state is not model.State.CLOSED
    else:
        wanted = found.state == state if state else found.state is not model.State.CLOSED
    if not wanted or (team and team != found.team and team not in found.told):
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
    answer = _Act(hub, who, alert, expected_version).do(
        "acknowledge", "acknowledged", hub.alerts.acknowledge
    )
    if back == "queue" and answer.status_code == _SEE_OTHER:
        where = answer.headers["location"].partition("?")[0].rpartition("/")[2]
        return RedirectResponse(f"/?done=acknowledged#{where}", status_code=_SEE_OTHER)
    return answer


Version = Annotated[int, Form(ge=1)]
Line = Annotated[str, Form(max_length=200)]
Words = Annotated[str, Form(max_length=2000)]


@router.post("/alerts/{alert}/note", dependencies=[OwnForm])
def note(
    hub: deps.Hub, who: deps.AlertActor, alert: str, expected_version: Version, text: Words = ""
) -> Response:
    """Write something down."""
    act = _Act(hub, who, alert, expected_version, {"form": "note", "text": text})
    return act.do("note", "noted", hub.alerts.note, text=_clean(text))


@router.post("/alerts/{alert}/contact", dependencies=[OwnForm])
def contact(
    hub: deps.Hub, who: deps.AlertActor, alert: str, expected_version: Version,
    whom: Line = "", outcome: Line = "", note: Words = "",
) -> Response:  # fmt: skip
    """Write down whom one rang."""
    typed = {"form": "contact", "whom": whom, "outcome": outcome, "note": note}
    act = _Act(hub, who, alert, expected_version, typed)
    return act.do("contact", "contacted", hub.alerts.contact,
                  whom=_clean(whom), outcome=outcome, note=_clean(note) or None)  # fmt: skip


@router.post("/alerts/{alert}/dispatch", dependencies=[OwnForm])
def dispatch(
    hub: deps.Hub, who: deps.AlertActor, alert: str, expected_version: Version,
    team: Line = "", to: Line = "", note: Words = "", answer: Line = "",
) -> Response:  # fmt: skip
    """Send somebody, or answer for the team that was sent."""
    typed = {"form": "dispatch", "team": team, "to": to, "note": note}
    act = _Act(hub, who, alert, expected_version, typed)
    said = _clean(note) or None
    if answer == "accept":
        return act.do("set_out", "set-out", hub.alerts.set_out, note=said)
    if answer == "decline":
        return act.do("turn_down", "turned-down", hub.alerts.turn_down, note=said)
    try:
        chosen, name = alert_routes.whom_to_send(hub, team=team or None, to=_clean(to))
    except errors.InvalidError as error:
        return act.refuse(str(error))
    return act.do("dispatch", "sent", hub.alerts.dispatch, to=name, team=chosen, note=said)


@router.post("/alerts/{alert}/arrive", dependencies=[OwnForm])
def arrive(
    hub: deps.Hub, who: deps.AlertActor, alert: str, expected_version: Version
) -> Response:  # fmt: skip
    """Write down that somebody is there."""
    return _Act(hub, who, alert, expected_version).do("arrive", "arrived", hub.alerts.arrive)


@router.post("/alerts/{alert}/escalate", dependencies=[OwnForm])
def escalate(
    hub: deps.Hub, who: deps.AlertActor, alert: str, expected_version: Version
) -> Response:  # fmt: skip
    """Ask more people now."""
    return _Act(hub, who, alert, expected_version).do("escalate", "escalated", hub.alerts.escalate)


@router.post("/alerts/{alert}/handover", dependencies=[OwnForm])
def handover(
    hub: deps.Hub, who: deps.AlertActor, alert: str, expected_version: Version,
    to: Line = "", note: Words = "", answer: Line = "",
) -> Response:  # fmt: skip
    """Offer one's alert to somebody, give it to somebody, or answer an offer."""
    act = _Act(hub, who, alert, expected_version, {"form": "handover", "to": to, "note": note})
    said = _clean(note) or None
    if answer == "accept":
        return act.do("accept", "accepted", hub.alerts.accept, note=said)
    if answer == "decline":
        return act.do("decline", "declined", hub.alerts.decline, note=said)
    if not to:
        return act.refuse("Choose who it is for first.")
    try:
        account = alert_routes.colleague(hub, to, alert_routes.visible(hub, who, alert))
    except errors.InvalidError as error:
        return act.refuse(str(error))
    if answer == "give":
        return act.do("assign", "assigned", hub.alerts.assign, to=account, note=said)
    return act.do("offer", "offered", hub.alerts.offer, to=account, note=said)


@router.post("/alerts/{alert}/snooze", dependencies=[OwnForm])
def snooze(
    hub: deps.Hub, who: deps.AlertActor, alert: str, expected_version: Version,
    minutes: Annotated[int, Form(ge=1, le=129_600)] = 5, reason: Words = "",
) -> Response:  # fmt: skip
    """Put an alert off."""
    typed = {"form": "snooze", "minutes": str(minutes), "reason": reason}
    act = _Act(hub, who, alert, expected_version, typed)
    return act.do("snooze", "put-off", hub.alerts.snooze_for,
                  minutes=minutes, reason=_clean(reason))  # fmt: skip


@router.post("/alerts/{alert}/close", dependencies=[OwnForm])
def close(
    hub: deps.Hub, who: deps.AlertActor, alert: str, expected_version: Version,
    *, disposition: Annotated[str, Form(max_length=40)] = "", note: Words = "",
    patient_view: Words = "", hospital: Annotated[str, Form(max_length=40)] = "",
    also: Annotated[list[str] | None, Form(max_length=20)] = None,
) -> Response:  # fmt: skip
    """Say what came of it, of this alert and of those that were ticked with it."""
    typed = {"form": "close", "note": note, "disposition": disposition,
             "patient_view": patient_view, "hospital": hospital}  # fmt: skip
    act = _Act(hub, who, alert, expected_version, typed)
    if disposition not in wire.DISPOSITIONS:
        return act.refuse("Choose what came of it first.")
    others = [_seen_version(hub, who, one) for one in also or ()]
    answer = act.do(
        "close", "closed", hub.alerts.close, disposition=disposition, note=_clean(note) or None,
        outcome={"patient_view": _clean(patient_view), "hospital": hospital},
        also=[(other.no, version) for other, version in others],
    )  # fmt: skip
    if answer.status_code != _SEE_OTHER:
        return answer
    for other, _ in others:
        deps.seen(hub, who, "alerts.close", people=[other.person_no], subject=other.id)
    return RedirectResponse("/?done=closed", status_code=_SEE_OTHER)


_SEE_OTHER = 303


def _seen_version(
    hub: deps.Services, who: security.Principal, ticked: str
) -> tuple[model.Alert, int]:
    """Return the alert that a form names as ``alert_7:3``, and the version that it showed."""
    alert, _, version = ticked.partition(":")
    if not (version.isascii() and version.isdigit() and len(version) < 10):  # noqa: PLR2004
        raise errors.BadRequestError(what="That is no alert to close with it")
    return alert_routes.visible(hub, who, alert), int(version)


class _Act:
    """One form that was sent: what it wants done, or the page again with what was typed."""

    def __init__(
        self, hub: deps.Services, who: security.Principal, alert: str, version: int,
        typed: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self._hub, self._who, self._alert, self._version = hub, who, alert, version
        self._typed = typed

    def do(self, action: str, said: str, work: Callable[..., model.Alert], **how: Any) -> Response:
        """Do it, write it into the audit, and show the alert as it now is."""
        found = alert_routes.visible(self._hub, self._who, self._alert)
        try:
            done = work(found.no, by=self._who.username, expected_version=self._version, **how)
        except alert_errors.StaleVersionError:
            return self.refuse(_STALE, status=409)
        except alert_errors.AlertsError as error:
            return self.refuse(str(error), status=409)
        deps.seen(self._hub, self._who, f"alerts.{action}", people=[done.person_no],
                  subject=done.id)  # fmt: skip
        return RedirectResponse(f"/alerts/{done.id}?done={said}", status_code=_SEE_OTHER)

    def refuse(self, problem: str, *, status: int = 422) -> Response:
        """Show the page again with what was typed, and why nothing was done."""
        return _detail(self._hub, self._who, self._alert, status=status, problem=problem,
                       typed=self._typed)  # fmt: skip


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
    acts = who.may(security.Permission.ALERTS_ACT) and found.state is not model.State.CLOSED
    teams = hub.organisation.teams()
    names = {team.id: team.name for team in teams}
    longest = escalation.thawed(found.chain).snooze_most_s
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
        typed=dict(typed or {}),
        acts=acts,
        longest=[m for m in _WAITS if m * 60 <= longest],
        colleagues=_colleagues(hub, who, found) if acts else (),
        teams=sorted(teams, key=lambda t: t.kind != model.TeamKind.RAPID_RESPONSE),
        told=[names.get(team, team) for team in found.told],
    )


def _colleagues(
    hub: deps.Services, who: security.Principal, alert: model.Alert
) -> Sequence[accounts.Account]:
    """Return whom an alert can be given to."""
    equipment = hub.showing.for_equipment(alert)
    return [
        a for a in hub.accounts.every()
        if not a.disabled and security.role_may(a.role, security.Permission.ALERTS_ACT)
        and a.username != who.username and (equipment or a.role not in security.EQUIPMENT_ONLY)
    ]  # fmt: skip


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
