"""Whether somebody takes every alert at every hour to come: gaps, overlaps, empty rotas."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from alerts import routing
from alerts.model import AlertClass, Severity, Source, Team, TeamKind
from alerts.organisation import calendars, rotas
from alerts.policies import routes
from alerts.rules import pack

AHEAD = timedelta(days=14)
"""How far ahead rotas are looked at. Unsourced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Somewhere that alerts come from."""

    name: str
    facts: routing.Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A sort of alert that can come from anywhere."""

    alert_class: AlertClass
    kind: TeamKind  # the rule's own
    rule_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Alerts of a sort that only the built-in team takes, for some of the time."""

    place: str
    alert_class: AlertClass
    kind: TeamKind
    severities: tuple[Severity, ...]
    hours: float
    first: datetime

    def __str__(self) -> str:
        what = ", ".join(self.severities) if len(self.severities) < len(Severity) else "all"
        return (
            f"{self.place}: {self.alert_class} alerts for {self.kind.replace('_', ' ')} ({what})"
            f" reach nobody but the hub's own team for {self.hours:,.0f} h,"
            f" first {self.first:%a %d %b %Y %H:%M} UTC"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rota:
    """A team's members and shifts."""

    team: Team
    members: Sequence[rotas.Member]
    shifts: Sequence[rotas.Shift]

    def missing(self, start: datetime, end: datetime) -> tuple[calendars.Span, ...]:
        """Return when the team is open and nobody is on duty or on call."""
        wanted = calendars.openings(self.team.calendar, start, end)
        return rotas.gaps(self.members, self.shifts, wanted)


def gaps(
    tree: routes.Tree,
    organisation: routing.Organisation,
    places: Iterable[Place],
    asked: Sequence[Asked],
    *,
    start: datetime,
    end: datetime,
) -> Iterator[Gap]:
    """Route every sort of alert from everywhere at every hour; return what nobody takes.

    Between two changes of anybody's hours nothing differs, and times at which the same teams are
    open are judged once.
    """
    times = _times(organisation, start, end)
    for place in places:
        for one in asked:
            if (one.alert_class is AlertClass.HUB) is not (place.facts == routing.NOTHING_KNOWN):
                continue  # the hub's own alerts come from nowhere, and only they do
            found: dict[tuple[float, datetime], list[Severity]] = {}
            for severity in Severity:
                alone = [
                    (at, hours) for at, hours in times
                    if _team(tree, organisation, place, one, severity, at) is organisation.default
                ]  # fmt: skip
                if alone:
                    key = (sum(hours for _, hours in alone), min(at for at, _ in alone))
                    found.setdefault(key, []).append(severity)
            for (hours, first), severities in found.items():
                yield Gap(
                    place=place.name, alert_class=one.alert_class, kind=one.kind, hours=hours,
                    severities=tuple(severities), first=first,
                )  # fmt: skip


def overlaps(
    organisation: routing.Organisation, *, start: datetime, end: datetime
) -> Iterator[tuple[Team, Team]]:
    """Return teams alike that are open together: the older one gets all that both take."""
    for n, one in enumerate(organisation.teams):
        for other in organisation.teams[n + 1 :]:
            if _scope(one) != _scope(other):
                continue
            shared = any(
                routing.takes(one, c, s) and routing.takes(other, c, s)
                for c in AlertClass
                for s in Severity
            )
            if shared and _open_together(one, other, start, end):
                yield one, other


def year(number: int) -> tuple[datetime, datetime]:
    """Return the first instant of a year and the one after its last, in UTC."""
    return datetime(number, 1, 1, tzinfo=UTC), datetime(number + 1, 1, 1, tzinfo=UTC)


def distinct(places: Iterable[Place], tree: routes.Tree, teams: Sequence[Team]) -> list[Place]:
    """Leave one of the places between which neither routes nor teams make a difference."""
    asked = {key for route in tree.routes() for key in route.when}
    sites = {t.site_no for t in teams}
    clusters = {t.cluster for t in teams}
    found: dict[routing.Facts, Place] = {}
    for place in places:
        f = place.facts
        facts = replace(
            f,
            site_no=f.site_no if f.site_no in sites else None,
            site=f.site if "site" in asked else None,
            practice=f.practice if "practice" in asked else None,
            cluster=f.cluster if f.cluster in clusters or "cluster" in asked else None,
        )
        found.setdefault(facts, replace(place, facts=facts))
    return list(found.values())


def _scope(team: Team) -> tuple[object, ...]:
    return team.kind, team.area_no, team.site_no, team.cluster


def _open_together(one: Team, other: Team, start: datetime, end: datetime) -> bool:
    if one.calendar.always_open and other.calendar.always_open:
        return True
    changing, still = (other, one) if one.calendar.always_open else (one, other)
    return any(
        next(calendars.openings(still.calendar, span.start, span.end), None) is not None
        for span in calendars.openings(changing.calendar, start, end)
    )


def _team(
    tree: routes.Tree, organisation: routing.Organisation, place: Place, one: Asked,
    severity: Severity, at: datetime,
) -> Team:  # fmt: skip
    request = routing.Request(
        alert_class=one.alert_class, severity=severity, kind=one.kind, source=Source.RULE,
        rule_id=one.rule_id, now=at,
    )  # fmt: skip
    return routing.route(request, place.facts, tree, organisation).team


def _times(
    organisation: routing.Organisation, start: datetime, end: datetime
) -> list[tuple[datetime, float]]:
    """Return one instant for each set of teams that are open at once, and how long it lasts. [h]"""
    calendar_of: Mapping[calendars.Calendar, None] = dict.fromkeys(
        t.calendar for t in organisation.teams if not t.calendar.always_open
    )
    open_at = {c: list(calendars.openings(c, start, end)) for c in calendar_of}
    edges = {start, end}
    for spans in open_at.values():
        edges |= {edge for span in spans for edge in (span.start, span.end)}
    positions = dict.fromkeys(open_at, 0)
    found: dict[tuple[bool, ...], tuple[datetime, float]] = {}
    for at, after in pairwise(sorted(edges)):
        state = []
        for calendar, spans in open_at.items():
            n = positions[calendar]
            while n < len(spans) and spans[n].end <= at:
                n += 1
            positions[calendar] = n
            state.append(n < len(spans) and spans[n].start <= at)
        first, hours = found.get(tuple(state), (at, 0.0))
        found[tuple(state)] = (first, hours + (after - at).total_seconds() / 3_600)
    return list(found.values())


def sorts(rules: Iterable[pack.Rule]) -> list[Asked]:
    """Return the sorts of alerts that rules raise, and those that people do."""
    found = {
        (r.alert_class, r.team): Asked(alert_class=r.alert_class, kind=r.team, rule_id=r.id)
        for r in rules
    }
    for of_people in (AlertClass.REFERRAL, AlertClass.CARER):
        key = (of_people, TeamKind.DISTRICT_NURSING)
        found[key] = Asked(alert_class=key[0], kind=key[1], rule_id="referral")
    return list(found.values())
