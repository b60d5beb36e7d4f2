"""Commands to devices: rows of the outbox, which a gateway publishes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from ingest.kernel import ids
from ingest.storage import pool as pools

State = Literal["queued", "sent", "done", "refused", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command, and how far it got."""

    no: int
    body: Mapping[str, Any]
    created_at: datetime
    expires_at: datetime
    sent_at: datetime | None
    answered_at: datetime | None
    answer: Mapping[str, Any] | None
    failed: str | None

    def state(self) -> State:
        """Return how far it got, in one word."""
        if self.answered_at is not None:
            return "done" if (self.answer or {}).get("ok") else "refused"
        if self.failed is not None:
            return "failed"
        return "sent" if self.sent_at is not None else "queued"


class Commands:
    """The way back to the devices. Safe for many threads."""

    def __init__(self, pool: pools.Pool) -> None:
        self._pool = pool

    def send(
        self,
        *,
        site: str,
        device: str,
        do: str,
        args: Mapping[str, Any],
        now: datetime,
        expires_at: datetime,
    ) -> Command:
        """Put a command on its way; its id is its number in the outbox."""
        with (
            pools.store_errors(),
            self._pool.connection() as db,
            db.cursor(row_factory=class_row(Command)) as rows,
        ):
            number = db.execute(
                "SELECT nextval(pg_get_serial_sequence('ingest.outbox', 'no'))"
            ).fetchone()
            assert number is not None  # noqa: S101  (nextval always answers)
            body = {
                "id": ids.public("command", number[0]),
                "do": do,
                "args": dict(args),
                "expires": expires_at.timestamp(),
            }
            made = rows.execute(
                "INSERT INTO ingest.outbox"
                " (no, site, device, tail, body, created_at, expires_at, next_try_at)"
                " OVERRIDING SYSTEM VALUE VALUES (%s, %s, %s, 'cmd', %s, %s, %s, %s)"
                " RETURNING no, body, created_at, expires_at, sent_at, answered_at, answer, failed",
                [number[0], site, device, Jsonb(body), now, expires_at, now],
            ).fetchone()
            db.execute("NOTIFY ingest_outbox")
        assert made is not None  # noqa: S101  (an INSERT ... RETURNING that did not raise)
        return made

    def recent(self, *, site: str, device: str, limit: int) -> list[Command]:
        """Return a device's newest commands, newest first."""
        with (
            pools.store_errors(),
            self._pool.connection() as db,
            db.cursor(row_factory=class_row(Command)) as rows,
        ):
            return rows.execute(
                "SELECT no, body, created_at, expires_at, sent_at, answered_at, answer, failed"
                " FROM ingest.outbox WHERE site = %s AND device = %s AND tail = 'cmd'"
                " ORDER BY no DESC LIMIT %s",
                [site, device, limit],
            ).fetchall()
