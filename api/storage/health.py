"""How the hub does, as the database tells it: for readiness."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ingest.storage import migrate
from ingest.storage import pool as pools


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A gateway's subscription: who holds it, and when it last heard its own probe."""

    lane: str
    position: int
    held: bool
    probe_age_s: float | None


class Health:
    """Questions about the hub's own state. Safe for many threads."""

    def __init__(self, pool: pools.Pool, database_url: str) -> None:
        self._pool = pool
        self._url = database_url
        self._migrated = False

    def database(self) -> bool:
        """Tell whether the database answers."""
        try:
            with pools.store_errors(), self._pool.connection(timeout=2) as db:
                db.execute("SELECT 1")
        except Exception:  # the pool's own time-out too: whatever it is, it doesn't answer
            return False
        return True

    def pending(self) -> list[str]:
        """Return the migrations that are missing; once there are none it isn't asked again."""
        if self._migrated:
            return []
        with pools.store_errors():
            missing = migrate.pending(self._url)
        self._migrated = not missing
        return missing

    def slots(self, now: datetime) -> list[Slot]:
        """Return the gateways' slots."""
        with pools.store_errors(), self._pool.connection() as db:
            rows = db.execute(
                # held is what the lock says: a gateway that died leaves its name behind
                "SELECT lane, position, EXISTS ("
                "   SELECT FROM pg_locks l WHERE l.locktype = 'advisory' AND l.classid = %s"
                "   AND l.objid = s.no AND l.objsubid = 2 AND l.granted AND l.database ="
                "   (SELECT oid FROM pg_database WHERE datname = current_database())),"
                " extract(epoch FROM %s - probed_at)::float8"
                " FROM ingest.slot s ORDER BY lane, position",
                [pools.LOCK_SLOT, now],
            ).fetchall()
        return [Slot(lane=r[0], position=r[1], held=r[2], probe_age_s=r[3]) for r in rows]

    def lag_s(self, now: datetime) -> float:
        """Return the age of the oldest reading or alarm that no rules worker has read yet. [s]

        One index probe per live writer, shard and partition, however long the log is.
        """
        with pools.store_errors(), self._pool.connection() as db:
            row = db.execute(
                """
                WITH live AS (SELECT no FROM ingest.writer WHERE retired_at IS NULL)
                SELECT extract(epoch FROM %s - min(at))::float8 FROM (
                    SELECT l.at FROM live w CROSS JOIN generate_series(0, 63) AS s (shard)
                    LEFT JOIN alerts.cursor c ON c.stream = s.shard AND c.writer = w.no
                    CROSS JOIN LATERAL (
                        SELECT at FROM ingest.log
                        WHERE writer = w.no AND shard = s.shard AND batch > coalesce(c.batch, 0)
                        ORDER BY batch LIMIT 1
                    ) l
                    UNION ALL
                    SELECT a.received_at FROM live w
                    LEFT JOIN alerts.cursor c ON c.stream = -1 AND c.writer = w.no
                    CROSS JOIN LATERAL (
                        SELECT received_at FROM ingest.alarm
                        WHERE writer = w.no AND batch > coalesce(c.batch, 0)
                        ORDER BY batch LIMIT 1
                    ) a
                ) AS unread
                """,
                [now],
            ).fetchone()
        return max(0.0, float(row[0])) if row and row[0] is not None else 0.0
