"""Test mode of devices: begun by somebody, ends by itself, and never lasts for long."""

from __future__ import annotations

from datetime import datetime, timedelta

from ingest.storage.pool import Pool, store_errors

LONGEST = timedelta(hours=2)
"""Unsourced: an installer's visit. However often it is prolonged, it counts from its beginning."""

_LOCK = "SELECT 1 FROM ingest.device WHERE no = %s FOR UPDATE"
_PROLONG = """
UPDATE ingest.device_test SET until = least(%(until)s, starts + %(longest)s), by = %(by)s
WHERE device_no = %(device)s AND ended_at IS NULL AND until > %(now)s
"""
_BEGIN = """
INSERT INTO ingest.device_test (device_no, starts, until, by)
VALUES (%(device)s, %(now)s, least(%(until)s, %(now)s + %(longest)s), %(by)s)
"""
_END = """
UPDATE ingest.device_test SET ended_at = %s, ended_by = %s
WHERE device_no = %s AND ended_at IS NULL AND until > %s
"""


class DeviceTests:
    """Begins and ends tests. Safe for many threads."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def begin(self, device_no: int, *, until: datetime, by: str, now: datetime) -> None:
        """Say that a device is being tested until then; a test that runs is moved to that end."""
        values = {"device": device_no, "until": until, "by": by, "now": now, "longest": LONGEST}
        with store_errors(), self._pool.connection() as db, db.transaction():
            db.execute(_LOCK, [device_no])
            if db.execute(_PROLONG, values).rowcount == 0:
                db.execute(_BEGIN, values)

    def end(self, device_no: int, *, by: str, now: datetime) -> bool:
        """Say that it is no longer tested; false when it was not."""
        with store_errors(), self._pool.connection() as db:
            return db.execute(_END, [now, by, device_no, now]).rowcount > 0
