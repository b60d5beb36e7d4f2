"""Who is told: a pure, total choice of one team, with the reason and whom it passed over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from alerts.model import AlertClass, Severity, Source, Team, TeamKind
from alerts.organisation import calendars
from alerts.policies import routes

DEFAULT_TEAM_ID: Final = "hub-default"
"""The built-in team that takes what nobody else takes; it exists before anything is routed."""

_SITE, _CLUSTER, _AREA, _EVERYWHERE, _ELSEWHERE = range(5)
"""How near a team is to where somebody lives; the nearest that can take it does."""
_NEAR: Final = {
    _SITE: "team on site",
    _CLUSTER: "team of the practice's cluster",
    _AREA: "team of the area",
    _EVERYWHERE: "team that serves every area",
}
_NOT_FOR_NURSES: Final = frozenset((AlertClass.EQUIPMENT, AlertClass.HUB))
_MOST_PLACES = 50_000
"""How many places and kinds of team are remembered before they are forgotten and asked anew."""
_MOST_TOLD = 3
"""How many of those passed over the reason names; all of them are in the detail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An alert that looks for a team, as whoever raises it knows it."""

    alert_class: AlertClass
    severity: Severity
    kind: TeamKind  # the rule's own
    source: Source
    rule_id: str
    now: datetime
    person_no: int | None = None
    dwelling_no: int | None = None
    site: str | None = None
    area_no: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the register says of whom an alert is about, as far as routes look at it."""

    site_no: int | None = None
    site: str | None = None
    area_no: int | None = None
    council_area_no: int | None = None
    practice: str | None = None
    cluster: str | None = None
    risk_band: str | None = None
    place_of_care: str | None = None
    caseload: tuple[tuple[str, int], ...] = ()  # role and team number


NOTHING_KNOWN: Final = Facts()


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """A team that could have been asked, and why it wasn't."""

    team: Team
    why: str

    def __str__(self) -> str:
        return f"{self.team.name} {self.why}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """A team and why it."""

    team: Team
    because: str
    response: str = ""
    note: str = ""
    path: tuple[str, ...] = ()
    policy: str = ""
    candidate: str = ""  # the entry of the route's list that led here
    passed: tuple[Passed, ...] = ()

    def detail(self) -> dict[str, Any]:
        """Return what an event keeps: enough to say later why it went where."""
        return {
            "team": self.team.id, "policy": self.policy, "path": list(self.path),
            "candidate": self.candidate, "response": self.response,
            **({"note": self.note} if self.note else {}),
            "passed": [{"team": p.team.id, "why": p.why} for p in self.passed],
        }  # fmt: skip


class Organisation:
    """The teams, found by kind, and until when each is open or closed.

    That is remembered from one alert to the next, and is the same whoever asks first.
    """

    def __init__(
        self, teams: Sequence[Team], default: Team, areas: Mapping[int, str] | None = None
    ) -> None:
        self.default = default
        self.teams = tuple(sorted((t for t in teams if t.no != default.no), key=lambda t: t.no))
        self.areas = dict(areas or {})
        self._by_kind: dict[str, tuple[Team, ...]] = {}
        for team in self.teams:
            self._by_kind[team.kind] = (*self._by_kind.get(team.kind, ()), team)
        self._by_no = {t.no: t for t in self.teams}
        self._by_id = {t.id: t for t in self.teams}
        self._states: dict[int, _State] = {}
        self._near: dict[tuple[object, ...], _Near] = {}

    def of_kind(self, kind: str) -> tuple[Team, ...]:
        """Return the teams of a kind, oldest first."""
        return self._by_kind.get(kind, ())

    def team(self, which: int | str) -> Team | None:
        """Return a team by number or id."""
        return self._by_no.get(which) if isinstance(which, int) else self._by_id.get(which)

    def near(self, word: str, facts: Facts) -> _Near:
        """Return the teams of a kind, those on site, or "any", by how near they are to somebody."""
        key = (word, facts.site_no, facts.area_no, facts.council_area_no, facts.cluster)
        found = self._near.get(key)
        if found is None:
            teams = self.teams if word in ("any", "site") else self.of_kind(word)
            if word == "site":
                teams = tuple(t for t in teams if t.site_no is not None)
            ranked = sorted(((nearness(t, facts), t.no, t) for t in teams), key=lambda n: n[:2])
            serving = tuple(
                (t, f"{_words(t.kind)} {_NEAR[n]}") for n, _, t in ranked if n < _ELSEWHERE
            )
            elsewhere = tuple(  # asked only where nobody serves the place
                (t, f"no {_words(t.kind)} team serves this area: another area's")
                for _, _, t in ranked
                if not serving and t.site_no is None
            )
            found = _Near(serving, elsewhere)
            if len(self._near) >= _MOST_PLACES:
                self._near.clear()
            self._near[key] = found
        return found

    def is_open(self, team: Team, at: datetime) -> bool:
        """Tell whether a team is open."""
        if team.calendar.always_open:
            return True
        state = self._states.get(team.no)
        if state is None or not state.since <= at < state.until:
            open_ = calendars.is_open(team.calendar, at)
            change = calendars.next_change(team.calendar, at)
            until = change or at + timedelta(days=1)
            state = self._states[team.no] = _State(open_, at, until)
        return state.open


@dataclass(frozen=True, slots=True)
class _Near:
    """Teams that serve a place, nearest first; where none does, others. Each with what it is."""

    serving: tuple[tuple[Team, str], ...]
    elsewhere: tuple[tuple[Team, str], ...]


@dataclass(frozen=True, slots=True)
class _State:
    open: bool
    since: datetime
    until: datetime


def route(request: Request, facts: Facts, tree: routes.Tree, organisation: Organisation) -> Routed:
    """Return the team for an alert; there is always one.

    The route's candidates in order; of each the nearest team that serves the place, takes the
    class and severity, and is open; of several alike the oldest, so that the answer doesn't
    depend on chance. A team that is passed over names its own fallback first.
    """
    return _Search(request, facts, organisation).run(tree)


def takes(team: Team, alert_class: str, severity: str) -> bool:
    """Tell whether a team takes a class and severity, as it says, else as is usual for its kind."""
    if team.severities is not None and severity not in team.severities:
        return False
    if team.classes is not None:
        return alert_class in team.classes
    if team.kind == TeamKind.EQUIPMENT:
        return alert_class in _NOT_FOR_NURSES
    return team.kind == TeamKind.TELECARE_OPERATOR or alert_class not in _NOT_FOR_NURSES


def nearness(team: Team, facts: Facts) -> int:
    """Return how near a team is to somebody: 0 on site up to 4 for not serving the place."""
    if team.site_no is not None:
        return _SITE if team.site_no == facts.site_no else _ELSEWHERE
    there = team.area_no is not None and team.area_no in (facts.area_no, facts.council_area_no)
    if team.area_no is not None and not there:
        return _ELSEWHERE
    if team.cluster is not None:
        return _CLUSTER if team.cluster == facts.cluster else _ELSEWHERE
    return _AREA if there else _EVERYWHERE


class _Search:
    """One alert on its way down the tree and along its route's candidates."""

    def __init__(self, request: Request, facts: Facts, organisation: Organisation) -> None:
        self.request = request
        known = facts.area_no is not None or request.area_no is None
        self.facts = facts if known else replace(facts, area_no=request.area_no)
        self.organisation = organisation
        self.passed: dict[int, Passed] = {}

    def run(self, tree: routes.Tree) -> Routed:
        found = tree.find(self._traits(asks_open=tree.asks_open))
        for candidate in found.to:
            for team, words in self._teams(candidate):
                taken = self._taken(team, words, own=candidate.word == "kind")
                if taken is not None:
                    return self._routed(*taken, tree, found, str(candidate))
        nobody = "no other team can take it"
        if not self.passed:
            operator = "" if self.organisation.of_kind(TeamKind.TELECARE_OPERATOR) else (
                " and no telecare operator")  # fmt: skip
            nobody = f"nobody takes it: there is no {_words(self.request.kind)} team{operator}"
        return self._routed(self.organisation.default, nobody, tree, found, DEFAULT_TEAM_ID)

    def _traits(self, *, asks_open: bool) -> routes.Traits:
        r, f = self.request, self.facts
        roles = frozenset(role for role, _ in f.caseload)
        names = self.organisation.areas
        return routes.Traits(
            alert_class=r.alert_class, severity=r.severity, source=r.source, kind=r.kind,
            rule=r.rule_id, area=names.get(f.area_no, "") if f.area_no else "",
            council_area=names.get(f.council_area_no, "") if f.council_area_no else "",
            practice=f.practice or "", cluster=f.cluster or "", site=f.site or r.site or "",
            risk_band=f.risk_band or "", virtual_ward="virtual_ward" in roles, caseload=roles,
            place_of_care=f.place_of_care or "", open=not asks_open or self._own_kind_is_open(),
        )  # fmt: skip

    def _own_kind_is_open(self) -> bool:
        near = self.organisation.near(self.request.kind.value, self.facts)
        return any(self.organisation.is_open(t, self.request.now) for t, _ in near.serving)

    def _teams(self, candidate: routes.Candidate) -> Iterator[tuple[Team, str]]:
        """Return the teams that a candidate stands for, nearest first, and what each is."""
        if candidate.word == "caseload":
            yield from self._caseload()
            return
        word = self.request.kind.value if candidate.word == "kind" else candidate.word
        near = self.organisation.near(word, self.facts)
        yield from near.serving
        if candidate.anywhere and not near.serving:
            yield from near.elsewhere

    def _caseload(self) -> Iterator[tuple[Team, str]]:
        for role in routes.ROLES:
            for its_role, team_no in self.facts.caseload:
                team = self.organisation.team(team_no) if its_role == role else None
                if team is not None:
                    yield team, f"the person's {_words(role)}"

    def _taken(self, team: Team, words: str, *, own: bool) -> tuple[Team, str] | None:
        """Return the team or who stands in for it; None where both are passed over."""
        seen: set[int] = set()
        at: Team | None = team
        while at is not None and at.no not in seen:
            seen.add(at.no)
            why = self._why_not(at, own=own and at is team)
            if why is None:
                return at, words if at is team else f"{at.name} stands in for {team.name}"
            self.passed.setdefault(at.no, Passed(team=at, why=why))
            at = self.organisation.team(at.fallback) if at.fallback else None
        return None

    def _why_not(self, team: Team, *, own: bool) -> str | None:
        """Say why a team can't take it; a rule that names a kind knows what it takes."""
        r = self.request
        if team.severities is not None and r.severity not in team.severities:
            return f"takes nothing of severity {r.severity}"
        if not (own and team.classes is None) and not takes(team, r.alert_class, r.severity):
            return f"takes no {r.alert_class} alerts"
        if self.organisation.is_open(team, r.now):
            return None
        opening = calendars.next_opening(team.calendar, r.now)
        if opening is None:
            return "is closed"
        return f"is closed until {_local(opening, team.calendar.timezone)}"

    def _routed(
        self, team: Team, words: str, tree: routes.Tree, found: routes.Route, candidate: str
    ) -> Routed:
        passed = tuple(self.passed.values())
        parts = [str(p) for p in passed[:_MOST_TOLD]]
        kind = self.request.kind
        of_person = candidate in ("caseload", "site")
        if team.id != DEFAULT_TEAM_ID and not of_person and not self.organisation.of_kind(kind):
            parts.insert(0, f"there is no {_words(kind)} team")
        return Routed(
            team=team,
            because="; ".join([*parts, words]),
            response=found.response,
            note=found.note,
            path=found.path,
            policy=f"{tree.id} {tree.version}",
            candidate=candidate,
            passed=passed,
        )


def _words(name: str) -> str:
    return name.replace("_", " ")


def _local(at: datetime, timezone: str) -> str:
    return at.astimezone(calendars.zone_of(timezone)).strftime("%a %d %b %H:%M")
