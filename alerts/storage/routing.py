"""Routing in the database: the organisation as it stands, and what the register says of people.

Whatever is odd about them, an alert gets a team: where resolving fails, the built-in one takes it,
the reason is on the alert, and it is logged.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, LiteralString

import psycopg

from alerts import errors, model, routing
from alerts.organisation import calendars
from alerts.policies import routes
from ingest import telemetry
from ingest.kernel.clock import Clock

TEAM_COLUMNS: LiteralString = (
    "t.no, t.id, t.name, t.kind, t.area_no, t.phone, t.site_no, t.cluster, t.classes,"
    " t.severities, t.hours, t.timezone, t.holidays, t.fallback, t.capacity, t.professions"
)
_TEAMS = f"SELECT {TEAM_COLUMNS} FROM alerts.team t ORDER BY t.no"  # noqa: S608 - our own columns
_DEFAULT = """
INSERT INTO alerts.team (id, name, kind) VALUES (%s, 'Hub (nobody else is set up)', 'hub')
ON CONFLICT (id) DO NOTHING
"""
_AREAS = "SELECT no, id FROM ingest.area"
_SITES = "SELECT id, no, area_no, council_area_no FROM ingest.site WHERE id = ANY(%s)"
_PEOPLE = """
SELECT p.no, p.home_no, s.no, s.id, s.area_no, s.council_area_no, r.id, r.cluster, p.risk_band,
    p.place_of_care, (
        SELECT coalesce(jsonb_agg(jsonb_build_array(c.role, coalesce(c.team_no, m.team_no))
            ORDER BY c.no, m.no), '[]')
        FROM (SELECT no, person_no, role, team_no, account FROM alerts.caseload
            UNION ALL SELECT e.no, e.person_no, 'virtual_ward', e.team_no, NULL
            FROM alerts.ward_episode e WHERE e.discharged_at IS NULL) c
        LEFT JOIN alerts.member m ON c.team_no IS NULL AND m.account = c.account
        WHERE c.person_no = p.no AND coalesce(c.team_no, m.team_no) IS NOT NULL)
FROM ingest.person p JOIN ingest.home h ON h.no = p.home_no JOIN ingest.site s ON s.no = h.site_no
LEFT JOIN ingest.practice r ON r.no = p.practice_no
"""
_BY_NUMBER = "WHERE p.no = ANY(%(people)s::bigint[]) OR p.home_no = ANY(%(homes)s::bigint[])"


class Router:
    """Chooses teams. It keeps the organisation for a while; people are looked up every time."""

    def __init__(self, *, age_s: float, clock: Clock, policies: Path | None = None) -> None:
        self._age_s = age_s
        self._clock = clock
        self._policies = policies
        self._tree: routes.Tree | None = None
        self._read_at = float("-inf")
        self._organisation: routing.Organisation | None = None
        self._people: dict[int, routing.Facts | None] = {}
        self._homes: dict[int, routing.Facts] = {}
        self._sites: dict[str, routing.Facts | None] = {}
        self._say = telemetry.logger()

    def forget(self) -> None:
        """Read the organisation again at the next need."""
        self._read_at = float("-inf")

    def look_up(self, db: psycopg.Connection[Any], requests: Iterable[routing.Request]) -> None:
        """Read what routes look at of everybody that alerts are about, in place of what was."""
        found = list(requests)
        self._people, self._homes, self._sites = {}, {}, {}
        people = {r.person_no for r in found if r.person_no is not None}
        homes = {r.dwelling_no for r in found if r.dwelling_no is not None}
        sites = {r.site for r in found if r.site is not None}
        try:
            with db.transaction():  # what is odd in the register must not undo the alerts
                self._read_sites(db, sites)
                if people or homes:
                    self._read_people(db, people, homes)
            for no in people:  # nothing is known of them: that is known, and not asked again
                self._people.setdefault(no, None)
            for site in sites:
                self._sites.setdefault(site, None)
        except (psycopg.DataError, psycopg.ProgrammingError, LookupError, TypeError, ValueError):
            self._say.exception("What the register says for routing could not be read")

    def route(self, db: psycopg.Connection[Any], request: routing.Request) -> routing.Routed:
        """Return who takes an alert; never fails for want of sound data."""
        organisation = self._known(db)
        if not self._has(request):
            self.look_up(db, [request])
        try:
            return routing.route(request, self._facts(request), self._routes(), organisation)
        except (errors.PackError, ArithmeticError, AttributeError, LookupError, OSError, TypeError,
                ValueError) as error:  # fmt: skip
            self._say.exception("An alert could not be routed: the hub's own team has it",
                                rule=request.rule_id)  # fmt: skip
            return routing.Routed(
                team=organisation.default,
                because=f"it could not be routed ({type(error).__name__}): the hub's own team",
                response=request.severity.value,
            )

    def organisation(
        self, db: psycopg.Connection[Any], *, fresh: bool = True
    ) -> routing.Organisation:
        """Return the organisation as it stands now, or as it was known a little while ago."""
        if fresh:
            self.forget()
        return self._known(db)

    def facts(self, db: psycopg.Connection[Any], request: routing.Request) -> routing.Facts:
        """Return what routes look at of whom an alert is about."""
        self.look_up(db, [request])
        return self._facts(request)

    def _known(self, db: psycopg.Connection[Any]) -> routing.Organisation:
        now = self._clock.monotonic()
        if self._organisation is None or now - self._read_at > self._age_s:
            self._organisation = self._load(db)
            self._read_at = now
        return self._organisation

    def _load(self, db: psycopg.Connection[Any]) -> routing.Organisation:
        teams = self._teams(db)
        default = next((t for t in teams if t.id == routing.DEFAULT_TEAM_ID), None)
        if default is None:
            db.execute(_DEFAULT, [routing.DEFAULT_TEAM_ID])
            teams = self._teams(db)
            default = next(t for t in teams if t.id == routing.DEFAULT_TEAM_ID)
        areas = dict(db.execute(_AREAS).fetchall())
        return routing.Organisation(teams, default, areas)

    def _teams(self, db: psycopg.Connection[Any]) -> list[model.Team]:
        return [self._team(row) for row in db.execute(_TEAMS).fetchall()]

    def _team(self, row: tuple[Any, ...]) -> model.Team:
        try:
            return team(row)
        except (LookupError, TypeError, ValueError):
            # better asked at a time when it is closed than not at all
            self._say.exception("A team's hours make no sense: it counts as always open",
                                team=row[1])  # fmt: skip
            return team((*row[:10], [], *row[11:12], None, *row[13:]))

    def _routes(self) -> routes.Tree:
        if self._tree is None:
            try:
                self._tree = _tree(self._policies)
            except errors.PackError:
                self._say.exception("The routing tree is not sound: the shipped one stands in")
                self._tree = _tree(None)
        return self._tree

    def _read_sites(self, db: psycopg.Connection[Any], sites: Collection[str]) -> None:
        for id_, no, area, council in db.execute(_SITES, [sorted(sites)]).fetchall():
            self._sites[id_] = routing.Facts(
                site_no=no, site=id_, area_no=area, council_area_no=council
            )

    def _read_people(
        self, db: psycopg.Connection[Any], people: Collection[int], homes: Collection[int]
    ) -> None:
        living: dict[int, list[routing.Facts]] = {}
        wanted = {"people": sorted(people), "homes": sorted(homes)}
        for no, home, *said, caseload in db.execute(_PEOPLE + _BY_NUMBER, wanted).fetchall():
            site_no, site, area, council, practice, cluster, band, place = said
            facts = routing.Facts(
                site_no=site_no, site=site, area_no=area, council_area_no=council,
                practice=practice, cluster=cluster, risk_band=band, place_of_care=place,
                caseload=tuple((role, team_no) for role, team_no in caseload),
            )  # fmt: skip
            self._people[no] = facts
            living.setdefault(home, []).append(facts)
        # a home is its one resident's; of several nobody's in particular
        self._homes = {no: of[0] for no, of in living.items() if len(of) == 1 and no in homes}

    def _has(self, request: routing.Request) -> bool:
        if request.person_no is not None:
            return request.person_no in self._people
        return request.site is None or request.site in self._sites

    def _facts(self, request: routing.Request) -> routing.Facts:
        found = None
        if request.person_no is not None:
            found = self._people.get(request.person_no)
        elif request.dwelling_no is not None:
            found = self._homes.get(request.dwelling_no)
        if found is None and request.site is not None:
            found = self._sites.get(request.site)
        return found or routing.NOTHING_KNOWN


@lru_cache(maxsize=8)
def _tree(policies: Path | None) -> routes.Tree:
    return routes.load(policies)


def team(row: tuple[Any, ...]) -> model.Team:
    """Return the team of ``TEAM_COLUMNS``.

    Raises
    ------
    ValueError, LookupError, TypeError
        Its hours make no sense.
    """
    (no, id_, name, kind, area_no, phone, site_no, cluster, classes, severities, hours, timezone,
     holidays, fallback, capacity, professions) = row  # fmt: skip
    return model.Team(
        no=no, id=id_, name=name, kind=kind, area_no=area_no, phone=phone, site_no=site_no,
        cluster=cluster, classes=None if classes is None else frozenset(classes),
        severities=None if severities is None else frozenset(severities),
        calendar=calendars.parse(hours, timezone, holidays), fallback=fallback, capacity=capacity,
        professions=tuple(professions),
    )  # fmt: skip
