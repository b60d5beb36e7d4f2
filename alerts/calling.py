"""Whom a step of a response tells, with the reason where it isn't who was asked for. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from alerts import routing
from alerts.escalation import Tell
from alerts.model import Alert, Severity, Team, TeamKind
from alerts.organisation import rotas

NEVER, EMERGENCIES, ALWAYS = "never", "emergencies", "always"
_RAPID: Final = (TeamKind.RAPID_RESPONSE, TeamKind.OUT_OF_HOURS, TeamKind.TELECARE_OPERATOR)
_AFTER_HOURS: Final = (TeamKind.OUT_OF_HOURS, TeamKind.TELECARE_OPERATOR)
_LAST: Final = (TeamKind.TELECARE_OPERATOR, TeamKind.OUT_OF_HOURS, TeamKind.DISTRICT_NURSING)


class Owner(NamedTuple):
    """Who is told: a ``team``, ``member`` or ``contact`` with its number, or ``("hub", 0)``."""

    kind: str
    no: int


HUB: Final = Owner("hub", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """Somebody of a person's own, and when they may be told."""

    no: int
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What is known when somebody has to be told."""

    team: Team  # that the alert was routed to
    organisation: routing.Organisation
    facts: routing.Facts
    members: Sequence[rotas.Member]  # of that team
    shifts: Sequence[rotas.Shift]
    contacts: Sequence[Contact]  # in ringing order
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """Who is told, and on whose queue the alert stands from now on."""

    owners: tuple[Owner, ...]
    said: str
    team: Team | None = None


def call(tell: Tell, alert: Alert, scene: Scene, *, repetition: int) -> Called:
    """Return whom to tell; somebody, unless it is about contacts and there are none."""
    match tell:
        case Tell.TEAM:
            there = _working(scene, rotas.DUTY)
            called = Called(owners=(_team(scene.team), *there), said=f"{scene.team.name}")
            return called if there else _while_closed(alert, scene, called)
        case Tell.ON_CALL:
            return _on_call(alert, scene)
        case Tell.RAPID_RESPONSE:
            return _other_team(alert, scene, _RAPID, "rapid response")
        case Tell.CONTACTS:
            return _contacts(alert, scene, repetition)
        case Tell.LAST_RESORT:
            found = _other_team(alert, scene, _LAST, "telecare operator")
            return Called(
                owners=(*found.owners, HUB), team=found.team,
                said=f"last resort: {found.said}, and who runs the hub",
            )  # fmt: skip
    return Called(owners=(HUB,), said="who runs the hub")


def _on_call(alert: Alert, scene: Scene) -> Called:
    name = scene.team.name
    called = _working(scene, rotas.ON_CALL)
    if called:
        return Called(owners=called, said=f"on call for {name}")
    there = _working(scene, rotas.DUTY)
    if there:
        return Called(
            owners=there, said=f"nobody is on call for {name}: who is on duty is told again"
        )
    said = f"nobody is on call for {name}: the team again"
    return _while_closed(alert, scene, Called(owners=(_team(scene.team),), said=said))


def stands_in(alert: Alert, team: Team, organisation: routing.Organisation, now: datetime) -> bool:
    """Tell whether somebody else is told beside a team that has closed since it was chosen."""
    return alert.severity.rank >= Severity.URGENT.rank and not organisation.is_open(team, now)


def _while_closed(alert: Alert, scene: Scene, called: Called) -> Called:
    """Tell who is open beside a team that isn't, of what can't wait for its opening."""
    if not stands_in(alert, scene.team, scene.organisation, scene.now):
        return called
    other = _other_team(alert, scene, _AFTER_HOURS, "out-of-hours team")
    if other.team is None:
        return called
    said = f"{called.said}, which is closed; {other.said}"
    return Called(owners=(*called.owners, *other.owners), said=said, team=other.team)


def _other_team(alert: Alert, scene: Scene, kinds: Sequence[TeamKind], wanted: str) -> Called:
    """Return the nearest open team of the first kind there is one of; else the alert's own."""
    for kind in kinds:
        for team, _ in scene.organisation.near(kind.value, scene.facts).serving:
            takes = routing.takes(team, alert.alert_class, alert.severity)
            if takes and scene.organisation.is_open(team, scene.now):
                said = team.name if kind == kinds[0] else f"no {wanted} here and now: {team.name}"
                return Called(owners=(_team(team),), said=said, team=team)
    said = f"no {wanted} here and now: {scene.team.name} again"
    return Called(owners=(_team(scene.team),), said=said)


def _contacts(alert: Alert, scene: Scene, repetition: int) -> Called:
    """Return one contact after another, as the step repeats, of those who may be told."""
    if alert.person_no is None:
        return Called(owners=(), said="contacts: it is about nobody in particular")
    urgent = alert.severity is Severity.EMERGENCY
    may = [c for c in scene.contacts if c.told == ALWAYS or (urgent and c.told == EMERGENCIES)]
    if not may:
        said = "none is registered" if not scene.contacts else "none may be told"
        return Called(owners=(), said=f"contacts: {said}")
    one = may[repetition % len(may)]
    place = scene.contacts.index(one) + 1
    return Called(
        owners=(Owner("contact", one.no),), said=f"contact {place} of {len(scene.contacts)}"
    )


def _working(scene: Scene, duty: str) -> tuple[Owner, ...]:
    there = rotas.working(scene.members, scene.shifts, scene.now, duty)
    return tuple(Owner("member", m.no) for m in there)


def _team(team: Team) -> Owner:
    return Owner("team", team.no)
