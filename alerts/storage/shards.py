"""Which shards this process judges: advisory locks on a session of their own, fairly shared.

The locks are for economy only. What keeps two processes from judging the same rows is the
compare-and-set on the cursors.
"""

from __future__ import annotations

from collections.abc import Sequence

from ingest.kernel import shards
from ingest.storage.pool import LOCK_SHARD, Connection, connect, store_errors

_PRESENT = 1_000_000
"""A shared lock that every alerts process holds: who counts its holders counts processes."""

_HERE = "SELECT pg_advisory_lock_shared(%s, %s)"
_HELD = """
SELECT l.objid::bigint, l.pid = pg_backend_pid() FROM pg_locks l
WHERE l.locktype = 'advisory' AND l.classid = %s AND l.objsubid = 2 AND l.granted
AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_TAKE = "SELECT s, pg_try_advisory_lock(%s, s) FROM unnest(%s::int[]) AS s"
_GIVE = "SELECT pg_advisory_unlock(%s, s) FROM unnest(%s::int[]) AS s"


class ShardLocks:
    """The shards held by one session."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        self.held: set[int] = set()
        with store_errors():
            db.execute(_HERE, [LOCK_SHARD, _PRESENT])

    @classmethod
    def open(cls, database_url: str) -> ShardLocks:
        """Open a session for the locks."""
        db = connect(database_url, name="alerts shards", autocommit=True)
        try:
            return cls(db)
        except BaseException:
            db.close()
            raise

    def close(self) -> None:
        """End the session; the locks go with it."""
        self._db.close()

    def balance(self) -> tuple[Sequence[int], Sequence[int]]:
        """Take free shards up to a fair share, or give up what is beyond it: gained, lost.

        Shards given up may be another's from here on: stop judging them before the next balance.
        """
        with store_errors():
            rows = self._db.execute(_HELD, [LOCK_SHARD]).fetchall()
            processes = max(1, sum(1 for number, _ in rows if number == _PRESENT))
            share = -(-shards.SHARDS // processes)
            if len(self.held) > share:
                lost = sorted(self.held)[share:]
                self._db.execute(_GIVE, [LOCK_SHARD, lost])
                self.held.difference_update(lost)
                return [], lost
            taken = {number for number, _ in rows}
            free = [s for s in range(shards.SHARDS) if s not in taken]
            wanted = free[: share - len(self.held)]
            if not wanted:
                return [], []
            got = [s for s, ok in self._db.execute(_TAKE, [LOCK_SHARD, wanted]) if ok]
            self.held.update(got)
            return got, []
