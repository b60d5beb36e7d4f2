"""What the hub has to say to devices, taken a few at a time by whichever gateway is free."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import psycopg

from ingest.ports import Outgoing
from ingest.storage.pool import connect, store_errors

_MOST_AT_ONCE = 200
_DUE = """
SELECT no, site, device, tail, body, tries,
    greatest(1, extract(epoch FROM expires_at - now()))::int
FROM ingest.outbox
WHERE sent_at IS NULL AND failed IS NULL AND next_try_at <= now() AND expires_at > now()
ORDER BY no LIMIT %s FOR UPDATE SKIP LOCKED
"""
_EXPIRE = """
UPDATE ingest.outbox SET failed = 'expired'
WHERE sent_at IS NULL AND failed IS NULL AND expires_at <= now()
"""
_RETRY = """
UPDATE ingest.outbox SET tries = least(tries + 1, 1000),
    next_try_at = now() + make_interval(secs => least(60, power(2, least(tries, 6))))
WHERE no = ANY(%s)
"""


class PostgresOutbox:
    """The outbox through one session that also listens for news."""

    def __init__(self, db: psycopg.Connection[Any]) -> None:
        self._db = db
        with store_errors():
            db.execute("LISTEN ingest_outbox")

    @classmethod
    def open(cls, database_url: str) -> PostgresOutbox:
        """Open a session of its own."""
        db = connect(database_url, name="outbox", autocommit=True)
        try:
            return cls(db)
        except BaseException:
            db.close()
            raise

    def close(self) -> None:
        """End the session; what it had taken is free for others."""
        self._db.close()

    def wait(self, seconds: float) -> None:
        """Return when there may be news, or after the time."""
        with store_errors():
            for _ in self._db.notifies(timeout=seconds, stop_after=1):
                pass

    def send(self, publish: Callable[[list[Outgoing]], set[int]]) -> int:
        """Hand what is due to ``publish``, which returns the numbers the broker took.

        The rows stay locked meanwhile; after a crash they are sent again, which receipts and
        commands (by their id) bear.
        """
        with store_errors(), self._db.transaction():
            self._db.execute(_EXPIRE)
            due = [
                Outgoing(
                    no=no, site=site, device=device, tail=tail, body=json.dumps(body).encode(),
                    expiry_s=expiry,
                )
                for no, site, device, tail, body, _, expiry in self._db.execute(
                    _DUE, [_MOST_AT_ONCE]
                ).fetchall()
            ]  # fmt: skip
            if not due:
                return 0
            taken = publish(due)
            self._db.execute(
                "UPDATE ingest.outbox SET sent_at = now(), tries = tries + 1 WHERE no = ANY(%s)",
                [list(taken)],
            )
            left = [m.no for m in due if m.no not in taken]
            if left:
                self._db.execute(_RETRY, [left])
        return len(taken)
