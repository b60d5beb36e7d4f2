"""Teams, areas, practices and sites as the API lists and changes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from api import errors
from ingest.storage import pool as pools

_TEAMS = """
SELECT t.id, t.name, t.kind, a.id AS area, s.id AS site, t.phone, t.cluster, t.professions,
    t.classes, t.severities, t.hours, t.timezone, t.holidays, t.fallback, t.capacity
FROM alerts.team t
LEFT JOIN ingest.area a ON a.no = t.area_no LEFT JOIN ingest.site s ON s.no = t.site_no
ORDER BY t.name, t.id
"""
_MEMBERS = (
    "SELECT t.id, m.name, m.account, m.profession, m.rank FROM alerts.member m"
    " JOIN alerts.team t ON t.no = m.team_no ORDER BY m.rank, m.no"
)
_ADD_TEAM = """
INSERT INTO alerts.team (id, name, kind, area_no, site_no, phone, cluster, professions, classes,
    severities, hours, timezone, holidays, fallback, capacity)
VALUES (%(id)s, %(name)s, %(kind)s, %(area)s, %(site)s, %(phone)s, %(cluster)s, %(professions)s,
    %(classes)s, %(severities)s, %(hours)s, %(timezone)s, %(holidays)s, %(fallback)s, %(capacity)s)
"""
_CHANGE_TEAM = """
UPDATE alerts.team SET name = %(name)s, kind = %(kind)s, area_no = %(area)s, site_no = %(site)s,
    phone = %(phone)s, cluster = %(cluster)s, professions = %(professions)s, classes = %(classes)s,
    severities = %(severities)s, hours = %(hours)s, timezone = %(timezone)s,
    holidays = %(holidays)s, fallback = %(fallback)s, capacity = %(capacity)s
WHERE id = %(id)s
"""
_DROP_MEMBERS = (
    "DELETE FROM alerts.member m USING alerts.team t"
    " WHERE t.no = m.team_no AND t.id = %s AND m.name <> ALL(%s)"
)
_PUT_MEMBER = (
    "INSERT INTO alerts.member (team_no, name, account, profession, rank)"
    " SELECT no, %(name)s, %(account)s, %(profession)s, %(rank)s FROM alerts.team"
    " WHERE id = %(team)s ON CONFLICT (team_no, name) DO UPDATE SET account = excluded.account,"
    " profession = excluded.profession, rank = excluded.rank"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Somebody of a team."""

    name: str
    account: str | None
    profession: str | None
    rank: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """People who take alerts of one kind: what, where and when."""

    id: str
    name: str
    kind: str
    area: str | None
    site: str | None
    phone: str | None
    cluster: str | None
    professions: Sequence[str]
    classes: Sequence[str] | None
    severities: Sequence[str] | None
    hours: Sequence[Mapping[str, Any]]
    timezone: str
    holidays: str | None
    fallback: str | None
    capacity: int | None
    members: tuple[Member, ...] | None = None  # None when changing: they stay


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """An area or a practice."""

    id: str
    name: str
    area: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A place with its own name space of devices."""

    id: str
    name: str
    area: str | None
    timezone: str


class Organisation:
    """Who there is to take alerts, and for where. Safe for many threads."""

    def __init__(self, pool: pools.Pool) -> None:
        self._pool = pool

    def teams(self) -> list[Team]:
        """Return every team by name, with its members."""
        with (
            pools.store_errors(),
            self._pool.connection() as db,
            db.cursor(row_factory=class_row(Team)) as rows,
        ):
            found = rows.execute(_TEAMS).fetchall()
            members: dict[str, list[Member]] = {}
            for team, name, account, profession, rank in db.execute(_MEMBERS).fetchall():
                members.setdefault(team, []).append(
                    Member(name=name, account=account, profession=profession, rank=rank)
                )
        return [replace(t, members=tuple(members.get(t.id, ()))) for t in found]

    def put_team(self, team: Team, *, new: bool) -> Team:
        """Add a team (``new``), or replace one that is there; its members where they are said."""
        with pools.store_errors(), self._pool.connection() as db, db.transaction():
            given = {
                **asdict(team),
                "area": _number(db, "ingest.area", team.area, "area"),
                "site": _number(db, "ingest.site", team.site, "site"),
                "hours": Jsonb(list(team.hours)),
            }
            if team.fallback not in (None, team.id):
                _number(db, "alerts.team", team.fallback, "team to stand in")
            if new:
                try:
                    db.execute(_ADD_TEAM, given)
                except psycopg.errors.UniqueViolation as error:
                    raise errors.ConflictError(what="There is a team of that id") from error
            elif db.execute(_CHANGE_TEAM, given).rowcount == 0:
                raise errors.NotFoundError(what="team")
            if team.members is not None:
                members = [asdict(m) for m in team.members]
                if len({m["name"] for m in members}) < len(members):
                    raise errors.BadRequestError(what="Two members have the same name")
                db.execute(_DROP_MEMBERS, [team.id, [m["name"] for m in members]])
                with db.cursor() as cursor:
                    cursor.executemany(_PUT_MEMBER, [{**m, "team": team.id} for m in members])
            db.execute("NOTIFY ingest_register")
        return next(t for t in self.teams() if t.id == team.id)

    def areas(self) -> list[Named]:
        """Return every area by name."""
        with (
            pools.store_errors(),
            self._pool.connection() as db,
            db.cursor(row_factory=class_row(Named)) as rows,
        ):
            return rows.execute(
                "SELECT id, name, NULL AS area FROM ingest.area ORDER BY name, id"
            ).fetchall()

    def practices(self) -> list[Named]:
        """Return every practice by name."""
        with (
            pools.store_errors(),
            self._pool.connection() as db,
            db.cursor(row_factory=class_row(Named)) as rows,
        ):
            return rows.execute(
                "SELECT p.id, p.name, a.id AS area FROM ingest.practice p"
                " LEFT JOIN ingest.area a ON a.no = p.area_no ORDER BY p.name, p.id"
            ).fetchall()

    def sites(self) -> list[Site]:
        """Return every site by name."""
        with (
            pools.store_errors(),
            self._pool.connection() as db,
            db.cursor(row_factory=class_row(Site)) as rows,
        ):
            return rows.execute(
                "SELECT s.id, s.name, a.id AS area, s.timezone FROM ingest.site s"
                " LEFT JOIN ingest.area a ON a.no = s.area_no ORDER BY s.name, s.id"
            ).fetchall()


def _number(db: pools.Connection, table: LiteralString, id_: str | None, what: str) -> int | None:
    """Return the number behind an id that a team refers to."""
    if id_ is None:
        return None
    query = sql.SQL("SELECT no FROM {} WHERE id = %s").format(sql.SQL(table))
    row = db.execute(query, [id_]).fetchone()
    if row is None:
        raise errors.BadRequestError(what=f"There is no such {what}")
    return int(row[0])
