"""Loading a registration into the register: one transaction, set by set, all or nothing.

Entries are copied to temporary tables and compared there, so that a hundred thousand devices
take a few dozen statements. Loading the same again changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from ingest.kernel import assignments, broker_password, errors, registration
from ingest.kernel.registration import Count, Counted, Kind, Origin, Problem, Registration, Report
from ingest.storage.pool import Connection, store_errors
from ingest.storage.vault import Vault

_HASHERS = 4
_HASHED_AT_ONCE = 500
_MOST_SUGGESTED = 20
_SECRETS = ("address", "access_notes", "key_safe")


def load(db: Connection, said: Registration, *, vault: Vault, check: bool) -> Report:
    """Bring the register to what a registration says, or with ``check`` tell what that would do.

    With any problem - of the registration itself or found here against what the register
    holds - nothing is changed, and the report has all of them.

    Raises
    ------
    StoreUnavailableError
        The database can't be reached; nothing was changed.
    WrongKeyError
        The vault's keys are not those of what the register holds.
    """
    with store_errors(), _migrated(), db.transaction() as transaction:
        # One loading at a time, and nobody else writing these tables meanwhile: what is compared
        # here must still hold when it is written. Readers are not held up.
        db.execute(
            "LOCK TABLE ingest.area, ingest.practice, ingest.site, alerts.team, alerts.member,"
            " alerts.shift, ingest.home, ingest.person, ingest.contact, alerts.caseload,"
            " ingest.device, ingest.assignment"
            " IN SHARE ROW EXCLUSIVE MODE"
        )
        loading = _Loading(db, said, vault)
        report = loading.run(check=check)
        if check or report.problems:
            raise psycopg.Rollback(transaction)
    return report


@contextmanager
def _migrated() -> Iterator[None]:
    """Say what to do about a database without tables, or with older ones."""
    try:
        yield
    except (
        psycopg.errors.UndefinedTable,
        psycopg.errors.UndefinedColumn,
        psycopg.errors.InvalidSchemaName,
    ) as error:
        detail = "it lacks the hub's tables, or has those of an older hub: run telecare migrate"
        raise errors.StoreUnavailableError(detail=detail) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """A table to be brought to what its temporary twin ``merged_<kind>`` says."""

    kind: Kind
    table: tuple[str, str]
    keys: tuple[str, ...]
    columns: tuple[str, ...]


_TARGETS: dict[Kind, _Target] = {
    t.kind: t
    for t in (
        _Target(kind="areas", table=("ingest", "area"), keys=("id",), columns=("name", "kind")),
        _Target(
            kind="practices", table=("ingest", "practice"), keys=("id",),
            columns=("name", "area_no", "cluster"),
        ),
        _Target(
            kind="sites", table=("ingest", "site"), keys=("id",),
            columns=("name", "area_no", "council_area_no", "timezone", "onboarding_hash"),
        ),
        # The alerts package owns these tables but stands above this one, so that it can't be asked;
        # a registration is one transaction, so that it can't be left to others either.
        _Target(
            kind="teams", table=("alerts", "team"), keys=("id",),
            columns=(
                "name", "kind", "area_no", "site_no", "cluster", "phone", "professions", "classes",
                "severities", "hours", "timezone", "holidays", "fallback", "capacity",
            ),
        ),
        _Target(
            kind="members", table=("alerts", "member"), keys=("team_no", "name"),
            columns=("account", "profession", "rank"),
        ),
        _Target(
            kind="shifts", table=("alerts", "shift"), keys=("member_no", "starts", "duty"),
            columns=("team_no", "ends"),
        ),
        _Target(
            kind="homes", table=("ingest", "home"), keys=("id",),
            columns=("site_no", *_SECRETS),
        ),
        _Target(
            kind="people", table=("ingest", "person"), keys=("id",),
            columns=(
                "home_no", "practice_no", "name", "nhs_number", "born", "phone", "language",
                "communication", "scale2", "on_oxygen", "pregnant", "limits", "conditions",
                "risk_band", "model_band", "triggers", "place_of_care",
            ),
        ),
        _Target(
            kind="caseloads", table=("alerts", "caseload"),
            keys=("person_no", "role", "team_no", "account"), columns=(),
        ),
        _Target(
            kind="devices", table=("ingest", "device"), keys=("site_no", "name"),
            columns=("kind", "model", "password_hash", "cadence", "place"),
        ),
    )
}  # fmt: skip

# What a copied entry says, its place in the registration (n) first.
_SAID: dict[str, LiteralString] = {
    "areas": "n int, id text, name text, kind text",
    "practices": "n int, id text, name text, area text, cluster text",
    "sites": "n int, id text, name text, area text, council_area text, timezone text,"
    " onboarding_hash text",
    "teams": "n int, id text, name text, kind text, area text, site text, cluster text,"
    " phone text, professions text[], classes text[], severities text[], hours jsonb,"
    " timezone text, holidays text, fallback text, capacity int",
    "members": "n int, team text, name text, account text, profession text, rank int",
    "shifts": "n int, team text, member text, starts timestamptz, ends timestamptz, duty text,"
    " instead_of text",
    "homes": "n int, id text, site text, address bytea, access_notes bytea, key_safe bytea",
    "people": "n int, id text, home text, practice text, name text, nhs_number text, born date,"
    " phone text, language text, communication text, scale2 boolean, on_oxygen boolean,"
    " pregnant boolean, limits jsonb, conditions text[], risk_band text, triggers jsonb,"
    " place_of_care text, contacts jsonb",
    "caseloads": "n int, person text, role text, team text, account text",
    "devices": "n int, site text, name text, kind text, model text, password_hash text,"
    " cadence jsonb, place text",
    "assignments": "n int, position int, person text, home text, starts timestamptz,"
    " ends timestamptz",
    "endings": "n int, starts timestamptz, ends timestamptz",
}

# What the register shall hold: a null was not said and keeps what is there, '' clears it.
_MERGED: dict[Kind, LiteralString] = {
    "areas": "SELECT n.n, t.no, n.id, n.name, coalesce(n.kind, t.kind, 'health') AS kind"
    " FROM said_areas n"
    " LEFT JOIN ingest.area t ON t.id = n.id",
    "practices": "SELECT n.n, t.no, n.id, n.name, coalesce(a.no, t.area_no) AS area_no,"
    " nullif(coalesce(n.cluster, t.cluster), '') AS cluster"
    " FROM said_practices n LEFT JOIN ingest.area a ON a.id = n.area"
    " LEFT JOIN ingest.practice t ON t.id = n.id",
    "teams": "SELECT n.n, t.no, n.id, n.name, n.kind, coalesce(a.no, t.area_no) AS area_no,"
    " coalesce(s.no, t.site_no) AS site_no,"
    " nullif(coalesce(n.cluster, t.cluster), '') AS cluster,"
    " nullif(coalesce(n.phone, t.phone), '') AS phone,"
    " coalesce(n.professions, t.professions, '{}') AS professions,"
    " nullif(coalesce(n.classes, t.classes), '{}') AS classes,"
    " nullif(coalesce(n.severities, t.severities), '{}') AS severities,"
    " coalesce(n.hours, t.hours, '[]') AS hours,"
    " coalesce(n.timezone, t.timezone, 'Europe/London') AS timezone,"
    " nullif(coalesce(n.holidays, t.holidays), '') AS holidays,"
    " nullif(coalesce(n.fallback, t.fallback), '') AS fallback,"
    " coalesce(n.capacity, t.capacity) AS capacity"
    " FROM said_teams n LEFT JOIN ingest.area a ON a.id = n.area"
    " LEFT JOIN ingest.site s ON s.id = n.site"
    " LEFT JOIN alerts.team t ON t.id = n.id",
    "members": "SELECT n.n, t.no, m.no AS team_no, n.name,"
    " nullif(coalesce(n.account, t.account), '') AS account,"
    " nullif(coalesce(n.profession, t.profession), '') AS profession,"
    " coalesce(n.rank, t.rank, 1)::smallint AS rank"
    " FROM said_members n JOIN alerts.team m ON m.id = n.team"
    " LEFT JOIN alerts.member t ON t.team_no = m.no AND t.name = n.name",
    "shifts": "SELECT n.n, t.no, m.no AS team_no, b.no AS member_no, n.starts, n.ends, n.duty"
    " FROM said_shifts n JOIN alerts.team m ON m.id = n.team"
    " JOIN alerts.member b ON b.team_no = m.no AND b.name = n.member"
    " LEFT JOIN alerts.shift t"
    " ON t.member_no = b.no AND t.starts = n.starts AND t.duty = n.duty",
    "caseloads": "SELECT n.n, t.no, p.no AS person_no, n.role, m.no AS team_no, n.account"
    " FROM said_caseloads n JOIN ingest.person p ON p.id = n.person"
    " LEFT JOIN alerts.team m ON m.id = n.team"
    " LEFT JOIN alerts.caseload t ON t.person_no = p.no AND t.role = n.role"
    " AND t.team_no IS NOT DISTINCT FROM m.no AND t.account IS NOT DISTINCT FROM n.account",
    "sites": "SELECT n.n, t.no, n.id, n.name, coalesce(a.no, t.area_no) AS area_no,"
    " coalesce(c.no, t.council_area_no) AS council_area_no,"
    " coalesce(n.timezone, t.timezone, 'Europe/London') AS timezone,"
    " coalesce(n.onboarding_hash, t.onboarding_hash) AS onboarding_hash"
    " FROM said_sites n LEFT JOIN ingest.area a ON a.id = n.area"
    " LEFT JOIN ingest.area c ON c.id = n.council_area"
    " LEFT JOIN ingest.site t ON t.id = n.id",
    "homes": "SELECT n.n, t.no, n.id, s.no AS site_no, n.address, n.access_notes, n.key_safe"
    " FROM said_homes n JOIN ingest.site s ON s.id = n.site"
    " LEFT JOIN ingest.home t ON t.id = n.id",
    "people": "SELECT n.n, t.no, n.id, h.no AS home_no,"
    " coalesce(r.no, t.practice_no) AS practice_no, n.name,"
    " nullif(coalesce(n.nhs_number, t.nhs_number), '') AS nhs_number,"
    " coalesce(n.born, t.born) AS born, nullif(coalesce(n.phone, t.phone), '') AS phone,"
    " coalesce(n.language, t.language, 'en') AS language,"
    " nullif(coalesce(n.communication, t.communication), '') AS communication,"
    " coalesce(n.scale2, t.scale2, false) AS scale2,"
    " coalesce(n.on_oxygen, t.on_oxygen, false) AS on_oxygen,"
    " coalesce(n.pregnant, t.pregnant, false) AS pregnant,"
    " coalesce(n.limits, t.limits, '{}') AS limits,"
    " coalesce(n.conditions, t.conditions, '{}') AS conditions,"
    # a professional's judgement stands beside what an import says, and counts before it
    " nullif(coalesce(n.risk_band, t.model_band), '') AS model_band,"
    " CASE WHEN t.judged THEN t.risk_band"
    " ELSE nullif(coalesce(n.risk_band, t.risk_band), '') END AS risk_band,"
    " coalesce(n.triggers, t.triggers, '[]') AS triggers,"
    " nullif(coalesce(n.place_of_care, t.place_of_care), '') AS place_of_care, n.contacts,"
    " n.contacts IS NOT NULL AND n.contacts <> coalesce((SELECT jsonb_agg(jsonb_build_object("
    "'name', c.name, 'relation', c.relation, 'phone', c.phone, 'told', c.told) ORDER BY c.rank)"
    " FROM ingest.contact c WHERE c.person_no = t.no), '[]') AS contacts_changed"
    " FROM said_people n JOIN ingest.home h ON h.id = n.home"
    " LEFT JOIN ingest.practice r ON r.id = n.practice"
    " LEFT JOIN ingest.person t ON t.id = n.id",
    "devices": "SELECT n.n, t.no, s.no AS site_no, n.name, n.kind,"
    " nullif(coalesce(n.model, t.model), '') AS model,"
    " coalesce(n.password_hash, t.password_hash) AS password_hash,"
    " coalesce(n.cadence, t.cadence, '{}') AS cadence,"
    " nullif(coalesce(n.place, t.place), '') AS place"
    " FROM said_devices n JOIN ingest.site s ON s.id = n.site"
    " LEFT JOIN ingest.device t ON t.site_no = s.no AND t.name = n.name",
}

# kind, key, the kind referred to, and the entries whose reference leads nowhere
_REFERENCES: tuple[tuple[str, str, Kind, LiteralString], ...] = (
    ("practices", "area", "areas", "ingest.area"),
    ("sites", "area", "areas", "ingest.area"),
    ("sites", "council_area", "areas", "ingest.area"),
    ("teams", "area", "areas", "ingest.area"),
    ("teams", "site", "sites", "ingest.site"),
    ("members", "team", "teams", "alerts.team"),
    ("shifts", "team", "teams", "alerts.team"),
    ("homes", "site", "sites", "ingest.site"),
    ("people", "home", "homes", "ingest.home"),
    ("people", "practice", "practices", "ingest.practice"),
    ("caseloads", "person", "people", "ingest.person"),
    ("caseloads", "team", "teams", "alerts.team"),
    ("devices", "site", "sites", "ingest.site"),
    ("assignments", "person", "people", "ingest.person"),
    ("assignments", "home", "homes", "ingest.home"),
)

_TABLES: dict[Kind, LiteralString] = {to: table for _, _, to, table in _REFERENCES}
_CALLED: dict[Kind, str] = {
    "areas": "area", "practices": "practice", "sites": "site", "teams": "team", "homes": "home",
    "people": "person",
}  # fmt: skip


class _Loading:
    """One run. Problems gather; whoever started it rolls back when there are any."""

    def __init__(self, db: Connection, said: Registration, vault: Vault) -> None:
        self.db = db
        self.said = said
        self.vault = vault
        self.problems: list[Problem] = list(said.problems)
        self.counts: dict[Counted, Count] = {}
        self.credentials = False
        self.queued = 0

    def run(self, *, check: bool) -> Report:
        self._open_one()
        steps: dict[Kind, Any] = {
            "areas": self._areas, "practices": self._practices, "sites": self._sites,
            "teams": self._teams, "members": self._members, "shifts": self._shifts,
            "homes": self._homes, "people": self._people, "caseloads": self._caseloads,
            "devices": self._devices,
        }  # fmt: skip
        for kind, step in steps.items():
            if getattr(self.said, kind):
                step()
        self._moved_away()
        self._dangling()
        report = Report(
            check=check, counts=self.counts, problems=tuple(self.problems), queued=self.queued
        )
        if not report.problems:
            self._notify(report)
        return report

    def _notify(self, report: Report) -> None:
        channels = {
            "ingest_register": report.changed,
            "ingest_credentials": self.credentials,
            "ingest_replay": self.queued > 0,
        }
        for channel, due in channels.items():
            if due:
                self.db.execute("SELECT pg_notify(%s, '')", [channel])

    # -- kinds --------------------------------------------------------------------------------

    def _areas(self) -> None:
        self._copy("areas", ((n, a.id, a.name, a.kind) for n, a in enumerate(self.said.areas)))
        self._merge("areas")

    def _practices(self) -> None:
        self._copy(
            "practices",
            ((n, p.id, p.name, p.area, p.cluster) for n, p in enumerate(self.said.practices)),
        )
        self._merge("practices")

    def _teams(self) -> None:
        self._copy(
            "teams",
            (
                (
                    n, t.id, t.name, t.kind, t.area, t.site, t.cluster, t.phone,
                    _list(t.professions), _list(t.classes), _list(t.severities),
                    None if t.hours is None else json.dumps([h.said() for h in t.hours]),
                    t.timezone, t.holidays, t.fallback, t.capacity,
                )
                for n, t in enumerate(self.said.teams)
            ),
        )  # fmt: skip
        self._merge("teams")
        # a team may name one that stands after it
        found = self.db.execute(
            "SELECT n.n, n.fallback FROM said_teams n WHERE nullif(n.fallback, '') IS NOT NULL"
            " AND NOT EXISTS (SELECT FROM alerts.team t WHERE t.id = n.fallback) ORDER BY n.n"
        ).fetchall()
        self._not_registered(
            registration.Reference(
                to="teams", id=name, key="fallback", origin=self._origin("teams", n, 0)
            )
            for n, name in found
        )

    def _members(self) -> None:
        self._copy(
            "members",
            (
                (n, m.team, m.name, m.account, m.profession, m.rank)
                for n, m in enumerate(self.said.members)
            ),
        )
        self._merge("members")

    def _shifts(self) -> None:
        self._copy(
            "shifts",
            (
                (n, s.team, s.member, s.start, s.end, s.duty, s.instead_of)
                for n, s in enumerate(self.said.shifts)
            ),
        )
        self._merge("shifts")
        for key in ("member", "instead_of"):
            column = sql.Identifier("n", key)
            for n, team, name in self.db.execute(
                sql.SQL(
                    "SELECT n.n, m.id, {0} FROM said_shifts n JOIN alerts.team m ON m.id = n.team"
                    " WHERE {0} IS NOT NULL AND NOT EXISTS (SELECT FROM alerts.member b"
                    " WHERE b.team_no = m.no AND b.name = {0}) ORDER BY n.n"
                ).format(column)
            ).fetchall():
                if ("members", f"{team}/{name}") not in self.said.flawed:
                    self._problem(
                        self.said.shifts[n].origin, key, f'{key} "{name}" is not in team "{team}"',
                        "the name of a member in these files or in the register",
                    )  # fmt: skip
        self._swaps()

    def _swaps(self) -> None:
        """Let shifts take over those of others, which may stand in the same files."""
        self.db.execute(
            "CREATE TEMP TABLE swapped ON COMMIT DROP AS SELECT x.n, s.no,"
            " s.swapped_from AS was, n.instead_of, (SELECT o.no FROM alerts.shift o"
            " JOIN alerts.member b ON b.no = o.member_no WHERE b.team_no = x.team_no"
            " AND b.name = n.instead_of AND o.duty <> 'leave' AND o.no <> s.no"
            " AND o.starts <= x.starts AND o.ends > x.starts"
            " ORDER BY o.starts DESC, o.no LIMIT 1) AS of"
            " FROM merged_shifts x JOIN said_shifts n ON n.n = x.n JOIN alerts.shift s"
            " ON s.member_no = x.member_no AND s.starts = x.starts AND s.duty = x.duty"
            " WHERE n.instead_of IS NOT NULL"
        )
        for n, name in self.db.execute(
            "SELECT n, instead_of FROM swapped WHERE of IS NULL ORDER BY n"
        ).fetchall():
            self._problem(
                self.said.shifts[n].origin, "instead_of",
                f'"{name}" has no shift at its beginning to take over',
                "a shift of that member that has begun by then",
            )  # fmt: skip
        changed = self.db.execute(
            "UPDATE alerts.shift s SET swapped_from = x.of FROM swapped x"
            " WHERE s.no = x.no AND x.was IS DISTINCT FROM x.of RETURNING x.n"
        ).fetchall()
        old = {
            row[0] for row in self.db.execute("SELECT n FROM merged_shifts WHERE no IS NOT NULL")
        }
        again, count = sum(n in old for (n,) in changed), self.counts["shifts"]
        self.counts["shifts"] = Count(
            created=count.created,
            updated=count.updated + again,
            unchanged=max(count.unchanged - again, 0),
        )

    def _caseloads(self) -> None:
        self._copy(
            "caseloads",
            ((n, c.person, c.role, c.team, c.account) for n, c in enumerate(self.said.caseloads)),
        )
        self._merge("caseloads")

    def _sites(self) -> None:
        rows = self.db.execute(
            "SELECT id, onboarding_hash FROM ingest.site WHERE onboarding_hash IS NOT NULL"
        )
        stored: dict[Any, str] = dict(rows)
        hashes = _hashes([(s.id, s.onboarding_password) for s in self.said.sites], stored)
        self.credentials |= hashes != {k: stored[k] for k in hashes if k in stored}
        self._copy(
            "sites",
            (
                (n, s.id, s.name, s.area, s.council_area, s.timezone, hashes.get(s.id))
                for n, s in enumerate(self.said.sites)
            ),
        )
        self._merge("sites")

    def _homes(self) -> None:
        held = {
            str(row[0]): row[1:]
            for row in self.db.execute(
                "SELECT h.id, s.id, h.address, h.access_notes, h.key_safe FROM ingest.home h"
                " JOIN ingest.site s ON s.no = h.site_no WHERE h.id = ANY(%s)",
                [[h.id for h in self.said.homes]],
            )
        }
        rows: list[tuple[Any, ...]] = []
        for n, home in enumerate(self.said.homes):
            site, *sealed = held.get(home.id, (home.site, None, None, None))
            if site != home.site:
                what = f'home "{home.id}" is at site "{site}"'
                self._problem(home.origin, "site", what, "a home stays where it is: a new id")
            texts = [getattr(home, column) for column in _SECRETS]
            kept = [self._sealed(*pair) for pair in zip(texts, sealed, strict=True)]
            rows.append((n, home.id, home.site, *kept))
        self._copy("homes", rows)
        self._merge("homes")

    def _sealed(self, text: str | None, held: bytes | None) -> bytes | None:
        """Return what to keep of a secret: the very same bytes where it is unchanged."""
        if text is None or (held is not None and self.vault.open(held) == text):
            return held
        return self.vault.seal(text) if text else None

    def _people(self) -> None:
        self._copy(
            "people",
            (
                (
                    n, p.id, p.home, p.practice, p.name, p.nhs_number, p.born, p.phone, p.language,
                    p.communication, p.scale2, p.on_oxygen, p.pregnant, _limits(p),
                    None if p.conditions is None else list(p.conditions), p.risk_band,
                    _triggers(p), p.place_of_care, _contacts(p),
                )
                for n, p in enumerate(self.said.people)
            ),
        )  # fmt: skip
        for n, other in self.db.execute(
            "SELECT n.n, t.id FROM said_people n JOIN ingest.person t"
            " ON t.nhs_number = n.nhs_number AND t.id <> n.id"
            " LEFT JOIN said_people o ON o.id = t.id"
            " WHERE o.nhs_number IS NULL OR o.nhs_number = n.nhs_number ORDER BY n.n"
        ).fetchall():
            what = f'nhs_number is already that of person "{other}"'
            self._problem(
                self.said.people[n].origin, "nhs_number", what,
                "each person has a number of their own",
            )  # fmt: skip
        if self.problems:
            # A number that is another's would break the statement instead of being reported.
            self.db.execute("UPDATE said_people SET nhs_number = NULL")
        self._merge("people")
        self.db.execute(
            "DELETE FROM ingest.contact c USING merged_people m"
            " WHERE c.person_no = m.no AND m.contacts_changed"
        )
        self.db.execute(
            "INSERT INTO ingest.contact (person_no, rank, name, relation, phone, told)"
            " SELECT p.no, c.rank, c.item ->> 'name', c.item ->> 'relation', c.item ->> 'phone',"
            " c.item ->> 'told'"
            " FROM merged_people m JOIN ingest.person p ON p.id = m.id,"
            " jsonb_array_elements(m.contacts) WITH ORDINALITY AS c (item, rank)"
            " WHERE m.contacts_changed"
        )

    def _devices(self) -> None:
        devices = self.said.devices
        rows = self.db.execute(
            "SELECT s.id, d.name, d.password_hash FROM ingest.device d"
            " JOIN ingest.site s ON s.no = d.site_no"
            " JOIN unnest(%s::text[], %s::text[]) AS n (site, name)"
            " ON n.site = s.id AND n.name = d.name WHERE d.password_hash IS NOT NULL",
            [[d.site for d in devices], [d.id for d in devices]],
        )
        stored: dict[Any, str] = {(site, name): kept for site, name, kept in rows}
        hashes = _hashes([((d.site, d.id), d.password) for d in devices], stored)
        self.credentials |= hashes != {k: stored[k] for k in hashes if k in stored}
        self._copy(
            "devices",
            (
                (
                    n, d.site, d.id, d.kind, d.model, hashes.get((d.site, d.id)),
                    _json(d.cadence), d.place,
                )
                for n, d in enumerate(devices)
            ),
        )  # fmt: skip
        self._merge("devices")
        self._assign()
        self._queue()

    # -- assignments --------------------------------------------------------------------------

    def _assign(self) -> None:
        """Fit the assignments in between those that the register holds."""
        added: list[tuple[Any, ...]] = []
        endings: list[tuple[Any, ...]] = []
        kept = 0
        held = self._held()
        for n, device in enumerate(self.said.devices):
            plan = assignments.plan(
                held.get(n, ()),
                [
                    assignments.Wanted(holder=a.holder, start=a.start, end=a.end)
                    for a in device.assignments
                ],
            )
            for refused in plan.refused:
                self._refused(device.assignments[refused.position], refused)
            at = {a.start: i for i, a in enumerate(device.assignments)}
            for span in plan.added:
                kind, holder = span.holder
                person, home = (holder, None) if kind == "person" else (None, holder)
                position = at.get(span.start, at.get(None, 0))
                added.append((n, position, person, home, span.start, span.end or "infinity"))
            endings.extend((n, span.start, span.end or "infinity") for span in plan.ended)
            kept += plan.kept
        self._copy("assignments", added)
        self._copy("endings", endings)
        self._unknown("assignments")
        self.counts["assignments"] = Count(created=len(added), updated=len(endings), unchanged=kept)
        self._write_assignments()

    def _held(self) -> dict[int, list[assignments.Span]]:
        held: dict[int, list[assignments.Span]] = {}
        for n, person, home, starts, ends in self.db.execute(
            "SELECT m.n, p.id, h.id, a.starts, nullif(a.ends, 'infinity') FROM merged_devices m"
            " JOIN ingest.assignment a ON a.device_no = m.no"
            " JOIN ingest.home h ON h.no = a.home_no"
            " LEFT JOIN ingest.person p ON p.no = a.person_no ORDER BY a.starts"
        ):
            holder = ("person", person) if person is not None else ("home", home)
            span = assignments.Span(
                holder=holder, start=_utc(starts), end=None if ends is None else _utc(ends)
            )
            held.setdefault(n, []).append(span)
        return held

    def _write_assignments(self) -> None:
        self.db.execute(
            "UPDATE ingest.assignment a SET ends = e.ends FROM said_endings e"
            " JOIN said_devices n ON n.n = e.n JOIN ingest.site s ON s.id = n.site"
            " JOIN ingest.device d ON d.site_no = s.no AND d.name = n.name"
            " WHERE a.device_no = d.no AND a.starts = e.starts"
        )
        self.db.execute(
            "CREATE TEMP TABLE placed_assignments ON COMMIT DROP AS"
            " SELECT n.n, n.position, d.no AS device_no, d.site_no, p.no AS person_no,"
            " coalesce(p.home_no, h.no) AS home_no, n.starts, n.ends"
            " FROM said_assignments n JOIN said_devices x ON x.n = n.n"
            " JOIN ingest.site s ON s.id = x.site"
            " JOIN ingest.device d ON d.site_no = s.no AND d.name = x.name"
            " LEFT JOIN ingest.person p ON p.id = n.person"
            " LEFT JOIN ingest.home h ON h.id = n.home"
        )
        self.db.execute(
            "INSERT INTO ingest.assignment (device_no, person_no, home_no, starts, ends)"
            " SELECT device_no, person_no, home_no, starts, ends FROM placed_assignments"
            " WHERE home_no IS NOT NULL"
        )
        for n, position, home, site in self.db.execute(
            "SELECT x.n, x.position, h.id, s.id FROM placed_assignments x"
            " JOIN ingest.home h ON h.no = x.home_no JOIN ingest.site s ON s.no = h.site_no"
            " WHERE h.site_no <> x.site_no ORDER BY x.n, x.position"
        ).fetchall():
            device = self.said.devices[n]
            span = device.assignments[position]
            key = "person" if span.person is not None else "home"
            whose = f'the home of person "{span.person}"' if span.person else f'home "{home}"'
            self._problem(
                span.origin, key, f'{whose} is at site "{site}", the device at "{device.site}"',
                "a device and the home that it watches have the same site",
            )  # fmt: skip

    def _moved_away(self) -> None:
        """Take people's devices along to their new home, which must be at the devices' site."""
        if not self.said.people:
            return
        for n, site, name in self.db.execute(
            "SELECT m.n, s.id, d.name FROM merged_people m"
            " JOIN ingest.person p ON p.no = m.no JOIN ingest.home h ON h.no = p.home_no"
            " JOIN ingest.assignment a ON a.person_no = p.no AND a.ends > now()"
            " AND a.home_no <> p.home_no"
            " JOIN ingest.device d ON d.no = a.device_no AND d.site_no <> h.site_no"
            " JOIN ingest.site s ON s.no = d.site_no ORDER BY m.n, d.name"
        ).fetchall():
            self._problem(
                self.said.people[n].origin, "home",
                f'that home is at another site than device "{name}" of site "{site}", which the'
                " person still has",
                "first end (to) the device's assignment",
            )  # fmt: skip
        self.db.execute(
            "UPDATE ingest.assignment a SET home_no = p.home_no FROM merged_people m"
            " JOIN ingest.person p ON p.no = m.no"
            " WHERE a.person_no = p.no AND a.ends > now() AND a.home_no <> p.home_no"
        )

    def _refused(self, span: registration.Assignment, refused: assignments.Refused) -> None:
        key = "from" if span.start is not None else span.holder[0]
        self._problem(span.origin, key, refused.what(), assignments.ALLOWED)

    def _queue(self) -> None:
        """Have replayed what these devices sent when they were not known, or nobody's."""
        self.queued = self.db.execute(
            "UPDATE ingest.quarantine SET state = 'queued' WHERE no IN ("
            "SELECT q.no FROM ingest.quarantine q JOIN said_devices n"
            " ON n.site = q.site AND n.name = q.device"
            " WHERE q.state IN ('waiting', 'refused') AND (q.reason = 'unregistered'"
            " OR q.reason = 'unassigned' AND n.n IN (SELECT n FROM said_assignments"
            " UNION SELECT n FROM said_endings)) ORDER BY q.no FOR UPDATE OF q)"
        ).rowcount

    # -- set by set ---------------------------------------------------------------------------

    def _copy(self, kind: str, rows: Iterable[Sequence[Any]]) -> None:
        table = sql.Identifier(f"said_{kind}")
        self.db.execute(
            sql.SQL("CREATE TEMP TABLE {} ({}) ON COMMIT DROP").format(table, sql.SQL(_SAID[kind]))
        )
        with (
            self.db.cursor() as cursor,
            cursor.copy(sql.SQL("COPY {} FROM STDIN").format(table)) as copy,
        ):
            for row in rows:
                copy.write_row(row)
        self.db.execute(sql.SQL("ANALYZE {}").format(table))

    def _merge(self, kind: Kind) -> None:
        """Write what is new or different, and count."""
        self._unknown(kind)
        target = _TARGETS[kind]
        merged, table = sql.Identifier(f"merged_{kind}"), sql.Identifier(*target.table)
        columns = sql.SQL(", ").join(map(sql.Identifier, target.columns))
        self.db.execute(
            sql.SQL("CREATE TEMP TABLE {} ON COMMIT DROP AS {}").format(
                merged, sql.SQL(_MERGED[kind])
            )
        )
        self.db.execute(sql.SQL("ANALYZE {}").format(merged))
        differs = sql.SQL("ROW({}) IS DISTINCT FROM ROW({})").format(
            _of("t", target.columns or target.keys), _of("m", target.columns or target.keys)
        )
        also = sql.SQL(" OR m.contacts_changed" if kind == "people" else "")
        changed = self.db.execute(
            sql.SQL("SELECT count(*) FROM {} m JOIN {} t ON t.no = m.no WHERE {}{}").format(
                merged, table, differs, also
            )
        ).fetchone()
        updated = changed[0] if changed else 0
        if kind == "people" and updated:
            # Two people whose numbers were mixed up are put right without passing through a
            # state in which both have the same.
            self.db.execute(
                "UPDATE ingest.person t SET nhs_number = NULL FROM merged_people m"
                " WHERE t.no = m.no AND t.nhs_number IS DISTINCT FROM m.nhs_number"
                " AND t.nhs_number IS NOT NULL"
            )
        if target.columns:
            self.db.execute(
                sql.SQL("UPDATE {} t SET ({}) = ROW({}) FROM {} m WHERE t.no = m.no AND {}").format(
                    table, columns, _of("m", target.columns), merged, differs
                )
            )
        written = sql.SQL(", ").join(map(sql.Identifier, (*target.keys, *target.columns)))
        created = self.db.execute(
            sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {} WHERE no IS NULL ORDER BY n").format(
                table, written, written, merged
            )
        ).rowcount
        total = len(getattr(self.said, kind))
        self.counts[kind] = Count(
            created=created, updated=updated, unchanged=total - created - updated
        )

    def _unknown(self, kind: str) -> None:
        """Note references to what neither the registration nor the register has."""
        for of, key, to, table in _REFERENCES:
            if of != kind:
                continue
            column, source = sql.Identifier(key), sql.Identifier(f"said_{kind}")
            position = sql.SQL("n.position" if kind == "assignments" else "0")
            rows = self.db.execute(
                sql.SQL(
                    "SELECT n.n, {}, n.{} FROM {} n WHERE n.{} IS NOT NULL"
                    " AND NOT EXISTS (SELECT FROM {} t WHERE t.id = n.{}) ORDER BY 1, 2"
                ).format(position, column, source, column, sql.SQL(table), column)
            ).fetchall()
            self._not_registered(
                registration.Reference(to=to, id=name, key=key, origin=self._origin(kind, n, i))
                for n, i, name in rows
            )

    def _dangling(self) -> None:
        """Note the same of entries that were left out for something else."""
        for kind, table in _TABLES.items():
            names = sorted({r.id for r in self.said.references if r.to == kind})
            found = self.db.execute(
                sql.SQL("SELECT id FROM {} WHERE id = ANY(%s)").format(sql.SQL(table)), [names]
            )
            known = {row[0] for row in found}
            self._not_registered(
                r for r in self.said.references if r.to == kind and r.id not in known
            )

    def _not_registered(self, references: Iterable[registration.Reference]) -> None:
        flawed = self.said.flawed
        missing = [r for r in references if (r.to, r.id) not in flawed]
        for to, table in _TABLES.items():
            of_kind = [r for r in missing if r.to == to]
            near = self._near([r.id for r in of_kind], table)
            for reference in of_kind:
                hint = f'did you mean "{near[reference.id]}"? ' if reference.id in near else ""
                allowed = f"{hint}the id of a {_CALLED[to]} in these files or in the register"
                what = f'{reference.key} "{reference.id}" is not registered'
                self._problem(reference.origin, reference.key, what, allowed)

    def _near(self, names: Sequence[str], table: LiteralString) -> dict[str, str]:
        """Return what mistyped ids were probably meant to be."""
        if not names:
            return {}
        rows = self.db.execute(sql.SQL("SELECT id FROM {} LIMIT 10000").format(sql.SQL(table)))
        known = [str(row[0]) for row in rows]
        found = {name: get_close_matches(name, known, n=1) for name in names[:_MOST_SUGGESTED]}
        return {name: close[0] for name, close in found.items() if close}

    def _origin(self, kind: str, n: int, position: int) -> Origin:
        if kind == "assignments":
            return self.said.devices[n].assignments[position].origin
        origin: Origin = getattr(self.said, kind)[n].origin
        return origin

    def _problem(self, origin: Origin, key: str, what: str, allowed: str) -> None:
        self.problems.append(
            Problem(file=origin.file, line=origin.at(key), what=what, allowed=allowed, key=key)
        )

    def _open_one(self) -> None:
        """Try the key on something that is there: a wrong one must not add to the mixture."""
        for column in _SECRETS:
            row = self.db.execute(
                sql.SQL("SELECT {0} FROM ingest.home WHERE {0} IS NOT NULL LIMIT 1").format(
                    sql.Identifier(column)
                )
            ).fetchone()
            if row is not None:
                self.vault.open(row[0])
                return


def _of(alias: LiteralString, columns: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(alias, column) for column in columns)


def _hashes(given: Iterable[tuple[Any, str | None]], stored: Mapping[Any, str]) -> dict[Any, str]:
    """Return the hash to keep for each given password: the stored one where it still matches.

    Hashing lets go of the interpreter, so several at once use all processors.
    """

    def some(items: Sequence[tuple[Any, str]]) -> list[tuple[Any, str]]:
        return [(key, one(password, stored.get(key))) for key, password in items]

    def one(password: str, held: str | None) -> str:
        if held is not None and broker_password.matches(password, held):
            return held
        return broker_password.digest(password)

    items = [(key, password) for key, password in given if password is not None]
    parts = [items[i : i + _HASHED_AT_ONCE] for i in range(0, len(items), _HASHED_AT_ONCE)]
    with ThreadPoolExecutor(_HASHERS) as hashers:
        return {key: made for part in hashers.map(some, parts) for key, made in part}


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, sort_keys=True)


def _list(words: Sequence[str] | None) -> list[str] | None:
    return None if words is None else list(words)


def _limits(person: registration.Person) -> str | None:
    if person.limits is None:
        return None
    return _json({name: {"low": v.low, "high": v.high} for name, v in person.limits.items()})


def _triggers(person: registration.Person) -> str | None:
    return None if person.triggers is None else _json([t.said() for t in person.triggers])


def _contacts(person: registration.Person) -> str | None:
    if person.contacts is None:
        return None
    return _json(
        [
            {"name": c.name, "relation": c.relation or None, "phone": c.phone, "told": c.told}
            for c in person.contacts
        ]
    )


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)
