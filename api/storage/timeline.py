"""What happened to a person's alerts and devices, for the timeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row

from ingest.storage import pool as pools


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """An event of an alert (raised, acknowledged, a note), or a command to a device."""

    time: datetime
    kind: str  # the event's own kind, or "command"
    title: str
    by: str | None
    reason: str | None
    detail: Mapping[str, Any]
    alert_no: int | None
    device: str | None


class Timeline:
    """What people and the hub did about a person. Safe for many threads."""

    def __init__(self, pool: pools.Pool) -> None:
        self._pool = pool

    def recent(self, person_no: int, *, before: datetime | None, limit: int) -> list[Happening]:
        """Return what happened before ``before``, newest first."""
        with (
            pools.store_errors(),
            self._pool.connection() as db,
            db.cursor(row_factory=class_row(Happening)) as rows,
        ):
            return rows.execute(
                """
                SELECT * FROM (
                    (SELECT e.at AS time, e.kind, a.title, e.by, e.reason, e.detail,
                            a.no AS alert_no, NULL::text AS device
                     FROM alerts.alert a JOIN alerts.event e ON e.alert_no = a.no
                     WHERE a.person_no = %(person)s
                       AND (%(before)s::timestamptz IS NULL OR e.at < %(before)s)
                     ORDER BY e.at DESC, e.no DESC LIMIT %(limit)s)
                    UNION ALL
                    (SELECT o.created_at, 'command', o.body ->> 'do', NULL, o.failed,
                            coalesce(o.answer, '{}'), NULL, o.site || '/' || o.device
                     FROM (SELECT DISTINCT s.id AS site, d.name AS device
                           FROM ingest.assignment g
                           JOIN ingest.device d ON d.no = g.device_no
                           JOIN ingest.site s ON s.no = d.site_no
                           WHERE g.person_no = %(person)s) mine
                     JOIN ingest.outbox o ON o.site = mine.site AND o.device = mine.device
                     WHERE o.tail = 'cmd'
                       AND (%(before)s::timestamptz IS NULL OR o.created_at < %(before)s)
                     ORDER BY o.created_at DESC LIMIT %(limit)s)
                ) AS happened
                ORDER BY time DESC LIMIT %(limit)s
                """,
                {"person": person_no, "before": before, "limit": limit},
            ).fetchall()
