"""Alerts as people work with them: the queue, one alert, its history, changes with a version."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from alerts import errors, lifecycle, model, ports, routing
from alerts.policies import responses
from alerts.storage import rows
from alerts.storage.ledger import Ledger
from alerts.storage.routing import Router
from ingest.kernel.clock import SystemClock
from ingest.storage.pool import Pool, store_errors

_FROM = "FROM alerts.alert a LEFT JOIN alerts.team t ON t.no = a.team_no"
_RANK = "array_position(ARRAY['emergency', 'urgent', 'soon', 'information'], a.severity)"
_GET = f"SELECT {rows.ALERT_COLUMNS}, t.id, t.name {_FROM} WHERE a.no = %s"
_LOCK = f"SELECT {rows.ALERT_COLUMNS} FROM alerts.alert a WHERE a.no = %s FOR UPDATE"  # noqa: S608
_QUEUE = f"""
SELECT {rows.ALERT_COLUMNS}, t.id, t.name, {_RANK} {_FROM}
WHERE (%(team)s::text IS NULL OR t.id = %(team)s)
AND CASE WHEN %(state)s::text IS NULL THEN a.state <> 'closed' ELSE a.state = %(state)s END
AND (%(severity)s::text IS NULL OR a.severity = %(severity)s)
AND (%(person_no)s::bigint IS NULL OR a.person_no = %(person_no)s)
AND (%(rank)s::int IS NULL
     OR ({_RANK}, a.raised_at, a.no) > (%(rank)s::int, %(raised_at)s::timestamptz, %(no)s::bigint))
ORDER BY {_RANK}, a.raised_at, a.no LIMIT %(limit)s
"""
_HISTORY = f"SELECT {rows.EVENT_COLUMNS} FROM alerts.event e WHERE e.alert_no = %s ORDER BY e.no"  # noqa: S608
_AFTER = f"SELECT {rows.EVENT_COLUMNS} FROM alerts.event e WHERE e.no > %s ORDER BY e.no LIMIT %s"  # noqa: S608
_LAST = "SELECT coalesce(max(no), 0) FROM alerts.event"
_MOST = 500


class AlertStore:
    """Alerts in PostgreSQL, through a pool that is shared with others."""

    def __init__(
        self,
        pool: Pool,
        answers: responses.Responses | None = None,
        *,
        policies: Path | None = None,
    ) -> None:
        self._pool = pool
        self._responses = answers
        self._policies = policies

    def get(self, no: int) -> model.Alert | None:
        """Return an alert."""
        with store_errors(), self._pool.connection() as db:
            row = db.execute(_GET, [no]).fetchone()
        return None if row is None else rows.alert(row)

    def queue(
        self,
        *,
        team: str | None,
        state: str | None,
        severity: str | None,
        person_no: int | None,
        limit: int,
        after: str | None,
    ) -> tuple[list[model.Alert], str | None]:
        """Return alerts in working order and where the next page starts.

        A cursor that was not made here starts from the beginning.
        """
        limit = max(1, min(limit, _MOST))
        rank, raised_at, no = _parse(after)
        values = {
            "team": team, "state": state, "severity": severity, "person_no": person_no,
            "rank": rank, "raised_at": raised_at, "no": no, "limit": limit + 1,
        }  # fmt: skip
        with store_errors(), self._pool.connection() as db:
            found = db.execute(_QUEUE, values).fetchall()
        alerts = [rows.alert(row) for row in found[:limit]]
        if len(found) <= limit:
            return alerts, None
        last = alerts[-1]
        return alerts, _cursor(int(found[limit - 1][-1]), last.raised_at, last.no)

    def history(self, no: int) -> list[model.Event]:
        """Return an alert's events, oldest first."""
        with store_errors(), self._pool.connection() as db:
            return [rows.event(row) for row in db.execute(_HISTORY, [no]).fetchall()]

    def change(self, no: int, *, expected_version: int, decide: ports.Decide) -> model.Alert:
        """Change an alert by a decision on its locked present state."""
        with store_errors(), self._pool.connection() as db, db.transaction():
            row = db.execute(_LOCK, [no]).fetchone()
            if row is None:
                raise errors.UnknownAlertError(no=no)
            current = rows.alert(row)
            if current.version != expected_version:
                shown = db.execute(_GET, [no]).fetchone()
                assert shown is not None  # noqa: S101  (it is locked)
                raise errors.StaleVersionError(current=rows.alert(shown))
            decided = decide(current)
            if isinstance(decided, lifecycle.Refused):
                raise errors.TransitionRefusedError(reason=decided.reason)
            ledger = Ledger(db, self._responses)
            ledger.take(current)
            ledger.apply(decided)
            ledger.write()
            after = db.execute(_GET, [no]).fetchone()
        assert after is not None  # noqa: S101  (just written)
        return rows.alert(after)

    def open(self, alert: model.Alert, *, detail: Mapping[str, Any] | None = None) -> model.Alert:
        """Store a new alert and return it with its number and team."""
        with store_errors(), self._pool.connection() as db, db.transaction():
            ledger = Ledger(db, self._responses)
            ledger.open_new(alert, now=alert.raised_at, detail=detail)
            ledger.write()
            stored = ledger.open(alert.episode)
            assert stored is not None  # noqa: S101  (just written)
            row = db.execute(_GET, [stored.no]).fetchone()
        assert row is not None  # noqa: S101  (just written)
        return rows.alert(row)

    def route(self, request: routing.Request) -> routing.Routed:
        """Return who takes an alert, and why."""
        # one for each call: threads share this store, and what is kept is the caller's moment
        router = Router(age_s=0.0, clock=SystemClock(), policies=self._policies)
        with store_errors(), self._pool.connection() as db, db.transaction():
            return router.route(db, request)

    def events_after(self, event_no: int, limit: int) -> list[model.Event]:
        """Return events with a higher number, in order; numbers are in commit order."""
        with store_errors(), self._pool.connection() as db:
            return [rows.event(row) for row in db.execute(_AFTER, [event_no, limit]).fetchall()]

    def last_event_no(self) -> int:
        """Return the highest event number there is, 0 when there is none."""
        with store_errors(), self._pool.connection() as db:
            row = db.execute(_LAST).fetchone()
        assert row is not None  # noqa: S101  (max of anything is one row)
        return int(row[0])


def _cursor(rank: int, raised_at: datetime, no: int) -> str:
    text = json.dumps([rank, raised_at.isoformat(), no])
    return base64.urlsafe_b64encode(text.encode()).decode("ascii")


def _parse(after: str | None) -> tuple[int | None, datetime | None, int | None]:
    if not after:
        return None, None, None
    try:
        rank, raised_at, no = json.loads(base64.urlsafe_b64decode(after.encode()))
        return int(rank), datetime.fromisoformat(raised_at), int(no)
    except (binascii.Error, ValueError, TypeError):
        return None, None, None
