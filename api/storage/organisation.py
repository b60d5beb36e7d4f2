"""Teams, areas, practices and sites as the API lists and changes them."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg.rows import class_row

from api import errors
from ingest.storage import pool as pools


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """People who take alerts of one kind."""

    id: str
    name: str
    kind: str
    area: str | None
    phone: str | None


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
        """Return every team by name."""
        with (
            pools.store_errors(),
            self._pool.connection() as db,
            db.cursor(row_factory=class_row(Team)) as rows,
        ):
            return rows.execute(
                "SELECT t.id, t.name, t.kind, a.id AS area, t.phone FROM alerts.team t"
                " LEFT JOIN ingest.area a ON a.no = t.area_no ORDER BY t.name, t.id"
            ).fetchall()

    def put_team(self, team: Team, *, new: bool) -> Team:
        """Add a team (``new``), or replace one that is there."""
        with pools.store_errors(), self._pool.connection() as db:
            area_no = None
            if team.area is not None:
                area = db.execute(
                    "SELECT no FROM ingest.area WHERE id = %s", [team.area]
                ).fetchone()
                if area is None:
                    raise errors.BadRequestError(what="There is no such area")
                area_no = area[0]
            given = {
                "id": team.id,
                "name": team.name,
                "kind": team.kind,
                "area": area_no,
                "phone": team.phone,
            }
            if new:
                try:
                    db.execute(
                        "INSERT INTO alerts.team (id, name, kind, area_no, phone)"
                        " VALUES (%(id)s, %(name)s, %(kind)s, %(area)s, %(phone)s)",
                        given,
                    )
                except psycopg.errors.UniqueViolation as error:
                    raise errors.ConflictError(what="There is a team of that id") from error
            else:
                done = db.execute(
                    "UPDATE alerts.team SET name = %(name)s, kind = %(kind)s, area_no = %(area)s,"
                    " phone = %(phone)s WHERE id = %(id)s",
                    given,
                )
                if done.rowcount == 0:
                    raise errors.NotFoundError(what="team")
        return team

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
