"""Roots over the chains of events: made each hour, published where nobody here can reach them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from alerts import chain, errors, ports
from alerts.storage import chains
from ingest.kernel.clock import Clock
from ingest.storage.pool import LOCK_SHARD, Connection, Pool, store_errors

_ROOTS = 1_000_002
"""The lock that lets one alerts process at a time make and publish roots."""
_LAST_EVENT = "SELECT coalesce(max(no), 0) FROM alerts.event"
_INSERT = """
INSERT INTO alerts.root (at, after, before, event_no, heads, hash) VALUES (%s, %s, %s, %s, %s, %s)
"""
_WAITING = {
    "file": "SELECT no, at, after, before, event_no, heads, hash FROM alerts.root"
    " WHERE filed_at IS NULL ORDER BY no LIMIT %s",
    "url": "SELECT no, at, after, before, event_no, heads, hash FROM alerts.root"
    " WHERE posted_at IS NULL ORDER BY no LIMIT %s",
}
_DONE = {
    "file": "UPDATE alerts.root SET filed_at = %s WHERE no = %s",
    "url": "UPDATE alerts.root SET posted_at = %s WHERE no = %s",
}
_MOST = 100
"""Roots that one tick publishes at one place: it may have been away for long."""


class Roots:
    """Makes roots and brings them to the places outside; any process may try at any time."""

    def __init__(
        self, pool: Pool, *, places: Mapping[str, ports.Place], every_s: float, clock: Clock
    ) -> None:
        self._pool = pool
        self._places = places
        self._every = timedelta(seconds=every_s)
        self._clock = clock

    def keep(self) -> None:
        """Make a root where one is due, and publish what isn't published yet.

        Raises
        ------
        PlaceUnavailableError
            A place could not be reached; the others were, and the next tick goes on from there.
        """
        failed: errors.PlaceUnavailableError | None = None
        with store_errors(), self._pool.connection() as db:
            db.autocommit = True
            try:
                if not self._alone(db):
                    return
                self._make(db)
                for name, place in self._places.items():
                    try:
                        self._publish(db, name, place)
                    except errors.PlaceUnavailableError as error:
                        failed = error
            finally:
                if not db.closed and not db.broken:
                    db.execute("SELECT pg_advisory_unlock_all()")
                    db.autocommit = False
        if failed is not None:
            raise failed

    def _make(self, db: Connection) -> None:
        before, now = chains.newest_root(db), self._clock.now()
        if before is not None and now - before.at < self._every:
            return
        # Numbers are in commit order: whatever commits later has a higher one.
        last = chains.one(db, _LAST_EVENT)
        after = 0 if before is None else before.event_no
        heads = chains.moved(db, after=after, up_to=last)
        made = chain.root(before, heads, event_no=last, at=now)
        db.execute(
            _INSERT, [made.at, made.after, made.before, made.event_no, made.heads, made.hash]
        )

    def _publish(self, db: Connection, name: str, place: ports.Place) -> None:
        for no, *said in db.execute(_WAITING[name], [_MOST]).fetchall():
            place.publish(chain.line(chains.root(tuple(said))))
            db.execute(_DONE[name], [self._clock.now(), no])

    def _alone(self, db: Connection) -> bool:
        row = db.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCK_SHARD, _ROOTS]).fetchone()
        return bool(row and row[0])
