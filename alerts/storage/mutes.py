"""The times in which a person, home or device pages nobody; ending one lets go of what it held."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from alerts import ports, suppression
from ingest.storage.pool import Pool, store_errors

_COLUMNS = "no, person_no, dwelling_no, device_no, starts, ends, reason, by, ended_at"
_ADD = f"""
INSERT INTO alerts.mute (person_no, dwelling_no, device_no, starts, ends, reason, by)
VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING {_COLUMNS}
"""  # noqa: S608 - our own column names
_LISTED = f"""
SELECT {_COLUMNS} FROM alerts.mute WHERE ends > %(now)s AND ended_at IS NULL
AND (%(person_no)s::bigint IS NULL OR person_no = %(person_no)s) ORDER BY ends, no LIMIT 500
"""  # noqa: S608
_GET = f"SELECT {_COLUMNS} FROM alerts.mute WHERE no = %s"  # noqa: S608
_END = f"""
UPDATE alerts.mute SET ended_at = %(now)s WHERE no = %(no)s AND ended_at IS NULL
RETURNING {_COLUMNS}
"""  # noqa: S608
# What it held is known by its end, and that nobody has taken it on. Another window that still
# covers such an alert goes on holding it.
_LET_GO = """
WITH held AS (
    SELECT a.no, coalesce((
        SELECT max(m.ends) FROM alerts.mute m
        WHERE (m.person_no = a.person_no OR m.dwelling_no = a.dwelling_no
               OR m.device_no = a.device_no)
        AND m.ended_at IS NULL AND m.starts <= %(now)s AND m.ends > %(now)s), %(now)s) AS until
    FROM alerts.alert a
    WHERE a.state = 'open' AND a.owner IS NULL AND a.snoozed_until = %(ends)s
    AND (a.person_no = %(person)s OR a.dwelling_no = %(home)s OR a.device_no = %(device)s)
    ORDER BY a.no FOR UPDATE
), moved AS (
    UPDATE alerts.step s SET due_at = h.until FROM held h
    WHERE s.alert_no = h.no AND s.state = 'pending' AND s.kind = 'snooze_ends'
)
UPDATE alerts.alert a SET snoozed_until = h.until, next_step_at = h.until FROM held h
WHERE a.no = h.no
"""


class Mutes:
    """Mute windows in PostgreSQL, through a pool that is shared with others."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def add(self, mute: suppression.Mute) -> ports.KnownMute:
        """Store one."""
        values = [mute.person_no, mute.dwelling_no, mute.device_no, mute.starts, mute.ends,
                  mute.reason, mute.by]  # fmt: skip
        with store_errors(), self._pool.connection() as db:
            row = db.execute(_ADD, values).fetchone()
        assert row is not None  # noqa: S101  (an insert returns its row)
        return _known(row)

    def listed(self, *, now: datetime, person_no: int | None) -> list[ports.KnownMute]:
        """Return those that are not over, of everybody or of one person, the first to end first."""
        with store_errors(), self._pool.connection() as db:
            found = db.execute(_LISTED, {"now": now, "person_no": person_no}).fetchall()
        return [_known(row) for row in found]

    def get(self, no: int) -> ports.KnownMute | None:
        """Return one."""
        with store_errors(), self._pool.connection() as db:
            row = db.execute(_GET, [no]).fetchone()
        return None if row is None else _known(row)

    def end(self, no: int, *, now: datetime) -> ports.KnownMute | None:
        """End one now: what it held back pages, unless another holds it. None: no such one."""
        with store_errors(), self._pool.connection() as db, db.transaction():
            row = db.execute(_END, {"no": no, "now": now}).fetchone()
            if row is None:
                row = db.execute(_GET, [no]).fetchone()
                return None if row is None else _known(row)
            ended = _known(row)
            mute = ended.mute
            db.execute(
                _LET_GO,
                {"now": now, "ends": mute.ends, "person": mute.person_no,
                 "home": mute.dwelling_no, "device": mute.device_no},
            )  # fmt: skip
        return ended


def _known(row: Sequence[Any]) -> ports.KnownMute:
    no, person_no, dwelling_no, device_no, starts, ends, reason, by, ended_at = row
    return ports.KnownMute(
        no=no, ended_at=ended_at,
        mute=suppression.Mute(
            starts=starts, ends=ends, reason=reason, by=by, person_no=person_no,
            dwelling_no=dwelling_no, device_no=device_no,
        ),
    )  # fmt: skip
