"""Who looked at whom, and what they changed: written before the answer goes out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from ingest.storage import pool as pools


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the audit."""

    no: int
    at: datetime
    account: str
    action: str
    person_no: int | None
    subject: str | None
    detail: Mapping[str, Any]


class Audit:
    """The access audit. A view that can't be written down is not shown: errors go up."""

    def __init__(self, pool: pools.Pool) -> None:
        self._pool = pool

    def write(
        self,
        *,
        at: datetime,
        account: str,
        action: str,
        people: Iterable[int | None] = (None,),
        subject: str | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Write one line for each person seen (one line without a person by default)."""
        who = list(dict.fromkeys(people))
        if not who:
            who = [None]
        with pools.store_errors(), self._pool.connection() as db:
            db.execute(
                "INSERT INTO api.audit (at, account, action, person_no, subject, detail)"
                " SELECT %s, %s, %s, p, %s, %s FROM unnest(%s::bigint[]) AS p",
                [at, account, action, subject, Jsonb(dict(detail or {})), who],
            )

    def of_person(self, person_no: int, *, before: int | None, limit: int) -> list[Entry]:
        """Return who saw a person, newest first, numbers below ``before``."""
        with (
            pools.store_errors(),
            self._pool.connection() as db,
            db.cursor(row_factory=class_row(Entry)) as rows,
        ):
            return rows.execute(
                "SELECT no, at, account, action, person_no, subject, detail FROM api.audit"
                " WHERE person_no = %s AND (%s::bigint IS NULL OR no < %s)"
                " ORDER BY no DESC LIMIT %s",
                [person_no, before, before, limit],
            ).fetchall()
