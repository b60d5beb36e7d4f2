"""What could not be accepted, on its way back in."""

from __future__ import annotations

import json
from collections.abc import Callable

from ingest.batch import WHOLE, Refusal
from ingest.ports import Kept
from ingest.storage import register
from ingest.storage.pool import LOCK_REPLAY, Pool, store_errors

_MOST_AT_ONCE = 100


class PostgresQuarantine:
    """The gateway's side of the quarantine."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def replay(self, take: Callable[[list[Kept]], list[Refusal | None]]) -> int:
        """Hand queued messages, oldest first, to ``take``; mark each by what it returns.

        One replayer at a time. The rows are not locked meanwhile: a lane that quarantines one of
        them again would wait for us while ``take`` may be waiting for that lane, each in another
        session, which no database sees as a deadlock. After a crash they are taken again, and
        deduplication removes what had been stored.
        """
        with store_errors(), self._pool.connection() as db:
            register.queue_registered(db)  # a transaction of its own
        with store_errors(), self._pool.connection() as db:
            mine = db.execute("SELECT pg_try_advisory_xact_lock(%s, 0)", [LOCK_REPLAY]).fetchone()
            if not (mine and mine[0]):
                return 0
            rows = db.execute(
                "SELECT no, topic, payload, content_type, received_at FROM ingest.quarantine"
                " WHERE state = 'queued' ORDER BY received_at, no LIMIT %s",
                [_MOST_AT_ONCE],
            ).fetchall()
            if not rows:
                return 0
            kept = [
                Kept(no=no, topic=topic, payload=bytes(payload), content_type=ct, received_at=at)
                for no, topic, payload, ct, at in rows
            ]
            for message, refusal in zip(kept, take(kept), strict=True):
                if refusal is None:
                    db.execute(
                        "UPDATE ingest.quarantine SET state = 'replayed', replayed_at = now()"
                        " WHERE no = %s AND state = 'queued'",
                        [message.no],
                    )
                else:
                    refused = [
                        {"record": None if j == WHOLE else j, "reason": reason.replace("\0", "?")}
                        for j, reason in refusal.records[:100]
                    ]
                    db.execute(
                        "UPDATE ingest.quarantine SET state = 'refused', replayed_at = now(),"
                        " reason = %s, refused = %s WHERE no = %s AND state = 'queued'",
                        [refusal.code, json.dumps(refused), message.no],
                    )
        return len(rows)
