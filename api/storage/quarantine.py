"""The quarantine as people see it: what was refused, why, and sending it through again."""

# ruff: noqa: S608  (queries are put together from LiteralStrings only: the type checker holds it)

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from psycopg.rows import class_row

from ingest.storage import pool as pools


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A message that was not taken."""

    no: int
    site: str
    device: str
    topic: str
    content_type: str | None
    reason: str
    refused: list[Any]
    size: int
    received_at: datetime
    last_received_at: datetime
    times: int
    state: str
    replayed_at: datetime | None


_COLUMNS: LiteralString = (
    "no, site, device, topic, content_type, reason, refused, octet_length(payload) AS size,"
    " received_at, last_received_at, times, state, replayed_at"
)


class Quarantine:
    """Messages set aside. Safe for many threads."""

    def __init__(self, pool: pools.Pool) -> None:
        self._pool = pool

    def page(
        self,
        *,
        site: str | None = None,
        device: str | None = None,
        state: str | None = None,
        reason: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[Entry]:
        """Return entries, newest first, numbers below ``before``."""
        with (
            pools.store_errors(),
            self._pool.connection() as db,
            db.cursor(row_factory=class_row(Entry)) as rows,
        ):
            return rows.execute(
                f"SELECT {_COLUMNS} FROM ingest.quarantine"
                " WHERE (%(site)s::text IS NULL OR site = %(site)s)"
                " AND (%(device)s::text IS NULL OR device = %(device)s)"
                " AND (%(state)s::text IS NULL OR state = %(state)s)"
                " AND (%(reason)s::text IS NULL OR reason = %(reason)s)"
                " AND (%(before)s::bigint IS NULL OR no < %(before)s)"
                " ORDER BY no DESC LIMIT %(limit)s",
                {
                    "site": site,
                    "device": device,
                    "state": state,
                    "reason": reason,
                    "before": before,
                    "limit": limit,
                },
            ).fetchall()

    def one(self, no: int) -> tuple[Entry, bytes] | None:
        """Return an entry and what was sent."""
        with (
            pools.store_errors(),
            self._pool.connection() as db,
            db.cursor(row_factory=class_row(Entry)) as rows,
        ):
            entry = rows.execute(
                f"SELECT {_COLUMNS} FROM ingest.quarantine WHERE no = %s", [no]
            ).fetchone()
            if entry is None:
                return None
            payload = db.execute(
                "SELECT payload FROM ingest.quarantine WHERE no = %s", [no]
            ).fetchone()
        return entry, bytes(payload[0]) if payload else b""

    def queue(
        self, *, no: int | None = None, site: str | None = None, device: str | None = None
    ) -> int:
        """Hand entries to the gateways to be taken once more; return how many.

        One entry by number, or all that wait of a device or a site. What was refused again may
        be queued again; what is stored already changes nothing when it comes twice.
        """
        with pools.store_errors(), self._pool.connection() as db:
            done = db.execute(
                "UPDATE ingest.quarantine SET state = 'queued'"
                " WHERE (%(no)s::bigint IS NULL OR no = %(no)s)"
                " AND (%(site)s::text IS NULL OR site = %(site)s)"
                " AND (%(device)s::text IS NULL OR device = %(device)s)"
                " AND (state = 'waiting' OR (%(no)s::bigint IS NOT NULL AND state = 'refused'))",
                {"no": no, "site": site, "device": device},
            )
            db.execute("NOTIFY ingest_replay")
            return done.rowcount
