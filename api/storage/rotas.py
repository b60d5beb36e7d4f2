"""Rotas as the API lists and changes them: shifts of members, leave, swaps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import class_row

from api import errors
from ingest.storage import pool as pools

_LIST = """
SELECT s.no, t.id AS team, m.name AS member, s.starts AS start, s.ends AS "end", s.duty,
    s.swapped_from
FROM alerts.shift s JOIN alerts.team t ON t.no = s.team_no
JOIN alerts.member m ON m.no = s.member_no
WHERE (%(no)s::bigint IS NULL OR s.no = %(no)s) AND (%(team)s::text IS NULL OR t.id = %(team)s)
AND (%(since)s::timestamptz IS NULL OR s.ends > %(since)s)
AND (%(until)s::timestamptz IS NULL OR s.starts < %(until)s)
ORDER BY s.starts, s.no LIMIT %(most)s
"""
_MEMBER = """
SELECT t.no, m.no FROM alerts.team t
LEFT JOIN alerts.member m ON m.team_no = t.no AND m.name = %s WHERE t.id = %s
"""
_TAKEN = """
SELECT EXISTS (SELECT FROM alerts.shift WHERE no = %s AND team_no = %s AND duty <> 'leave'
    AND no IS DISTINCT FROM %s)
"""
_ADD = """
INSERT INTO alerts.shift (team_no, member_no, starts, ends, duty, swapped_from)
VALUES (%s, %s, %s, %s, %s, %s) RETURNING no
"""
_CHANGE = """
UPDATE alerts.shift SET team_no = %s, member_no = %s, starts = %s, ends = %s, duty = %s,
    swapped_from = %s WHERE no = %s RETURNING no
"""
MOST = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """A shift; ``no`` 0 until it is stored."""

    no: int
    team: str
    member: str
    start: datetime
    end: datetime
    duty: str
    swapped_from: int | None


class Rotas:
    """Who works when. Safe for many threads."""

    def __init__(self, pool: pools.Pool) -> None:
        self._pool = pool

    def between(
        self, since: datetime | None, until: datetime | None, *, team: str | None
    ) -> list[Shift]:
        """Return the shifts of a team, or of all, that overlap a time, at most `MOST`."""
        return self._find(no=None, team=team, since=since, until=until)

    def put(self, shift: Shift) -> Shift:
        """Add a shift, or replace the one of its number."""
        with pools.store_errors(), self._pool.connection() as db, db.transaction():
            row = db.execute(_MEMBER, [shift.member, shift.team]).fetchone()
            if row is None or row[1] is None:
                what = "There is no such team" if row is None else "That team has no such member"
                raise errors.BadRequestError(what=what)
            if shift.swapped_from is not None:
                there = db.execute(_TAKEN, [shift.swapped_from, row[0], shift.no]).fetchone()
                if not there or not there[0]:
                    raise errors.BadRequestError(what="That team has no such shift to take over")
            values = [*row, shift.start, shift.end, shift.duty, shift.swapped_from]
            try:
                if shift.no:
                    done = db.execute(_CHANGE, [*values, shift.no]).fetchone()
                else:
                    done = db.execute(_ADD, values).fetchone()
            except psycopg.errors.UniqueViolation as error:
                raise errors.ConflictError(
                    what="The member has such a shift from then already"
                ) from error
            if done is None:
                raise errors.NotFoundError(what="shift")
        return self._find(no=done[0])[0]

    def remove(self, no: int) -> None:
        """Take a shift out of the rota."""
        with pools.store_errors(), self._pool.connection() as db:
            if db.execute("DELETE FROM alerts.shift WHERE no = %s", [no]).rowcount == 0:
                raise errors.NotFoundError(what="shift")

    def _find(
        self, *, no: int | None, team: str | None = None, since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[Shift]:  # fmt: skip
        values = {"no": no, "team": team, "since": since, "until": until, "most": MOST}
        with (
            pools.store_errors(),
            self._pool.connection() as db,
            db.cursor(row_factory=class_row(Shift)) as rows,
        ):
            return rows.execute(_LIST, values).fetchall()
