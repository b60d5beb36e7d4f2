"""What the hub knows of its own room, clocks, ticks and losses, for its verdict on itself."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, LiteralString

from alerts import ports
from ingest.kernel.clock import Clock
from ingest.storage.pool import Connection, Pool, store_errors

_TICKS = "SELECT name, extract(epoch FROM clock_timestamp() - at)::float8 FROM alerts.tick"
_BEAT = """
INSERT INTO alerts.tick (name, at) VALUES (%s, clock_timestamp())
ON CONFLICT (name) DO UPDATE SET at = excluded.at
"""
_OVERDUE = """
SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(due_at)), 0)::float8
FROM alerts.step WHERE state = 'pending' AND due_at <= clock_timestamp() - %s::interval
"""
_LOSSES = """
SELECT (SELECT coalesce(sum(messages), 0)::bigint FROM ingest.broker_loss
        WHERE at > now() - interval '1 hour'),
    (SELECT count(*) FROM ingest.quarantine WHERE received_at > now() - interval '1 hour')
"""
_MEASURE = """
INSERT INTO alerts.database_size (bytes) VALUES (pg_database_size(current_database()))
ON CONFLICT DO NOTHING
"""
_OLD_SIZES = "DELETE FROM alerts.database_size WHERE at < now() - interval '8 days'"
_OLD_LOSSES = "DELETE FROM ingest.broker_loss WHERE at < now() - interval '90 days'"
_GROWN = """
SELECT n.bytes - o.bytes, extract(epoch FROM n.at - o.at)::float8
FROM (SELECT at, bytes FROM alerts.database_size ORDER BY at DESC LIMIT 1) n,
LATERAL (SELECT at, bytes FROM alerts.database_size WHERE at <= n.at - interval '23 hours'
         ORDER BY at DESC LIMIT 1) o
"""
_ROOT = """
SELECT coalesce(extract(epoch FROM %(now)s - max(at)), 0)::float8,
    coalesce(extract(epoch FROM %(now)s - min(at) FILTER (WHERE
        (%(file)s AND filed_at IS NULL) OR (%(url)s AND posted_at IS NULL))), 0)::float8
FROM alerts.root
"""
_DAY_S = 86_400.0


class SelfCheck:
    """Facts about the hub through a pool that is shared with others."""

    def __init__(
        self,
        pool: Pool,
        *,
        data_dir: Path,
        overdue_s: float,
        root_file: bool,
        root_url: bool,
        clock: Clock,
    ) -> None:
        self._pool = pool
        self._data_dir = data_dir
        self._overdue = timedelta(seconds=overdue_s)
        self._root_file, self._root_url = root_file, root_url
        self._clock = clock

    def facts(self, certificates: Mapping[str, datetime]) -> ports.Facts:
        """Return what is known now; of certificates somebody else has looked."""
        with store_errors(), self._pool.connection() as db:
            ticks = dict(db.execute(_TICKS).fetchall())
            overdue, overdue_s = _row(db, _OVERDUE, [self._overdue])
            lost, quarantined = _row(db, _LOSSES)
            grown = db.execute(_GROWN).fetchone()
            return ports.Facts(
                ticks_s=ticks,
                steps_overdue=overdue,
                overdue_s=overdue_s,
                broker_lost=lost,
                quarantined=quarantined,
                disk_free=self._free(),
                grown_day=None if grown is None else int(grown[0] / grown[1] * _DAY_S),
                clock_off_s=self._offset_s(db),
                root_waits_s=self._root_waits_s(db),
                certificates=certificates,
            )

    def beat(self, name: str) -> None:
        """Write down that something that works by the clock has just run."""
        with store_errors(), self._pool.connection() as db:
            db.execute(_BEAT, [name])

    def measure(self) -> None:
        """Write down how big the database is."""
        with store_errors(), self._pool.connection() as db:
            db.execute(_MEASURE)
            db.execute(_OLD_SIZES)
            db.execute(_OLD_LOSSES)

    def _free(self) -> int | None:
        try:
            return shutil.disk_usage(self._data_dir).free
        except OSError:
            return None

    def _offset_s(self, db: Connection) -> float:
        """Return how far the database's clock is ahead of ours, from the quickest of three. [s]"""
        best = (float("inf"), 0.0)
        for _ in range(3):
            before = self._clock.now()
            (there,) = _row(db, "SELECT clock_timestamp()")
            after = self._clock.now()
            middle = before + (after - before) / 2
            best = min(best, ((after - before).total_seconds(), (there - middle).total_seconds()))
        return best[1]

    def _root_waits_s(self, db: Connection) -> float | None:
        if not (self._root_file or self._root_url):
            return None
        values = {"now": self._clock.now(), "file": self._root_file, "url": self._root_url}
        return float(max(_row(db, _ROOT, values)))


def _row(
    db: Connection, query: LiteralString, values: Sequence[Any] | Mapping[str, Any] = ()
) -> tuple[Any, ...]:
    row: tuple[Any, ...] | None = db.execute(query, values).fetchone()
    assert row is not None  # noqa: S101  (each gives one row)
    return row
