"""Alerts as people work with them: the queue, one alert, its history, changes with a version."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, LiteralString

from alerts import errors, escalation, lifecycle, model, ports, routing
from alerts.policies import responses
from alerts.storage import deliveries, rows
from alerts.storage.ledger import Ledger
from alerts.storage.routing import Router
from ingest.kernel.clock import SystemClock
from ingest.storage.pool import Connection, Pool, store_errors

_FROM = "FROM alerts.alert a LEFT JOIN alerts.team t ON t.no = a.team_no"
_RANK = "array_position(ARRAY['emergency', 'urgent', 'soon', 'information'], a.severity)"
_ORDER = f"{_RANK}, (NOT a.stale), a.raised_at, a.no"
_GET = f"SELECT {rows.ALERT_COLUMNS}, {rows.TEAMS} {_FROM} WHERE a.no = %s"
_SEVERAL = f"SELECT {rows.ALERT_COLUMNS}, {rows.TEAMS} {_FROM} WHERE a.no = ANY(%s)"
_LOCK = f"SELECT {rows.ALERT_COLUMNS} FROM alerts.alert a WHERE a.no = %s FOR UPDATE"  # noqa: S608
_TEAM_NO = "SELECT no FROM alerts.team WHERE id = %s"
# Each part reads its index in the order wanted and stops at a page: a team's own, and what it was
# told of beside its own. Only the conditions that are asked for are in the text, so that the
# partial indexes are known to fit.
_PART = f"(SELECT a.no FROM alerts.alert a WHERE %s ORDER BY {_ORDER} LIMIT %%(limit)s)"  # noqa: S608
_PAGE = f"""
WITH page AS (%s)
SELECT {rows.ALERT_COLUMNS}, {rows.TEAMS}, {_RANK}
FROM page JOIN alerts.alert a ON a.no = page.no LEFT JOIN alerts.team t ON t.no = a.team_no
ORDER BY {_ORDER} LIMIT %%(limit)s
"""  # noqa: S608
_RELATED = f"""
SELECT {rows.ALERT_COLUMNS}, {rows.TEAMS} {_FROM}
WHERE a.state <> 'closed' AND a.no <> %(no)s
AND (a.person_no = %(person_no)s
     OR a.dwelling_no = %(dwelling_no)s AND (a.person_no IS NULL OR %(person_no)s::bigint IS NULL))
ORDER BY {_ORDER} LIMIT 50
"""
_NEXT_STEPS = """
SELECT DISTINCT ON (s.alert_no)
    s.alert_no, s.kind, s.run, s.position, s.repetition, s.due_at, s.tell
FROM alerts.step s WHERE s.alert_no = ANY(%s) AND s.state = 'pending'
ORDER BY s.alert_no, s.due_at, s.position
"""
_DISPATCHES = """
SELECT d.no, d.alert_no, d.sent_to, t.id, d.by, d.sent_at, d.accepted_at, d.accepted_by,
    d.declined_at, d.declined_by, d.on_scene_at, d.done_at
FROM alerts.dispatch d LEFT JOIN alerts.team t ON t.no = d.team_no WHERE d.alert_no = %s
ORDER BY d.no
"""
_BESIDE: Mapping[str, tuple[LiteralString, ...]] = {
    "dispatched": (
        "INSERT INTO alerts.dispatch (alert_no, team_no, sent_to, by, sent_at) VALUES (%(alert)s,"
        " (SELECT no FROM alerts.team WHERE id = %(team)s), %(to)s, %(by)s, %(at)s)",
        "UPDATE alerts.alert a SET told_teams = a.told_teams || t.no FROM alerts.team t"
        " WHERE t.id = %(team)s AND a.no = %(alert)s AND a.team_no IS DISTINCT FROM t.no"
        " AND NOT a.told_teams @> ARRAY[t.no]",
    ),
    "set_out": (
        "UPDATE alerts.dispatch SET accepted_at = %(at)s, accepted_by = %(by)s"
        " WHERE no = %(dispatch)s",
    ),
    "turned_down": (
        "UPDATE alerts.dispatch SET declined_at = %(at)s, declined_by = %(by)s"
        " WHERE no = %(dispatch)s",
    ),
    "arrived": (
        "UPDATE alerts.dispatch SET on_scene_at = %(at)s WHERE no = (SELECT max(no)"
        " FROM alerts.dispatch WHERE alert_no = %(alert)s AND declined_at IS NULL"
        " AND on_scene_at IS NULL)",
    ),
    "closed": (
        "UPDATE alerts.dispatch SET done_at = %(at)s"
        " WHERE alert_no = %(alert)s AND declined_at IS NULL",
    ),
}
"""What the list of who was sent takes over from an event of a kind."""
_ASKED = f"""
SELECT {rows.ALERT_COLUMNS} FROM alerts.alert a
WHERE a.no = (SELECT d.alert_no FROM alerts.delivery d WHERE d.no = %s) FOR UPDATE
"""  # noqa: S608 - our own column names
_RINGING_ORDER = "SELECT rank FROM ingest.contact WHERE no = %s"
_UNANSWERED = """
SELECT FROM alerts.delivery WHERE no = %s AND receiver_kind = 'contact' AND answered_at IS NULL
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

    def several(self, numbers: Sequence[int]) -> dict[int, model.Alert]:
        """Return those of some alerts that there are, by number."""
        with store_errors(), self._pool.connection() as db:
            found = db.execute(_SEVERAL, [list(numbers)]).fetchall()
        return {one.no: one for one in map(rows.alert, found)}

    def queue(self, wanted: ports.Wanted) -> tuple[list[model.Alert], str | None]:
        """Return alerts in working order and where the next page starts.

        A cursor that was not made here starts from the beginning.
        """
        limit = max(1, min(wanted.limit, _MOST))
        rank, fresh, raised_at, no = _parse(wanted.after)
        state = wanted.state
        conditions: list[LiteralString] = ["a.state = 'closed'"]
        if state != model.State.CLOSED:
            conditions = ["a.state <> 'closed'"] + (["a.state = %(state)s"] if state else [])
        if wanted.severity is not None:
            conditions.append(f"{_RANK} = 5 - %(severity)s")
        if wanted.person_no is not None:
            conditions.append("a.person_no = %(person_no)s")
        if wanted.owner is not None:
            conditions.append("a.owner = %(owner)s")
        if rank is not None:
            conditions.append(
                f"({_ORDER}) > (%(rank)s::int, %(fresh)s::boolean, %(raised_at)s::timestamptz,"
                " %(no)s::bigint)"
            )
        values: dict[str, Any] = {
            "state": state, "person_no": wanted.person_no, "owner": wanted.owner,
            "severity": model.Severity(wanted.severity).rank if wanted.severity else None,
            "rank": rank, "fresh": fresh, "raised_at": raised_at, "no": no, "limit": limit + 1,
        }  # fmt: skip
        with store_errors(), self._pool.connection() as db:
            if wanted.team is not None:
                team = db.execute(_TEAM_NO, [wanted.team]).fetchone()
                if team is None:
                    return [], None
                values["team"] = team[0]
            found = db.execute(_queue(conditions, wanted.team is not None), values).fetchall()
        alerts = [rows.alert(row) for row in found[:limit]]
        if len(found) <= limit:
            return alerts, None
        return alerts, _cursor(int(found[limit - 1][-1]), alerts[-1])

    def related(self, alert: model.Alert) -> list[model.Alert]:
        """Return the other open alerts of the same person, or of the home."""
        with store_errors(), self._pool.connection() as db:
            about = {
                "no": alert.no, "person_no": alert.person_no, "dwelling_no": alert.dwelling_no,
            }  # fmt: skip
            return [rows.alert(row) for row in db.execute(_RELATED, about).fetchall()]

    def next_steps(self, numbers: Sequence[int]) -> dict[int, escalation.Due]:
        """Return what falls due next of each alert that has something to come."""
        with store_errors(), self._pool.connection() as db:
            return {
                row[0]: rows.due(row[1:])
                for row in db.execute(_NEXT_STEPS, [list(numbers)]).fetchall()
            }

    def dispatches(self, no: int) -> list[model.Dispatch]:
        """Return who was sent for an alert, in order."""
        with store_errors(), self._pool.connection() as db:
            return [rows.dispatch(row) for row in db.execute(_DISPATCHES, [no]).fetchall()]

    def history(self, no: int) -> list[model.Event]:
        """Return an alert's events, oldest first."""
        with store_errors(), self._pool.connection() as db:
            return [rows.event(row) for row in db.execute(_HISTORY, [no]).fetchall()]

    def change(self, no: int, *, expected_version: int, decide: ports.Decide) -> model.Alert:
        """Change an alert by a decision on its locked present state."""
        return self.change_all([ports.Wish(no=no, version=expected_version, decide=decide)])[0]

    def change_all(self, wishes: Sequence[ports.Wish]) -> list[model.Alert]:
        """Change several alerts, all of them or none; return them in the order given."""
        several = len(wishes) > 1
        with store_errors(), self._pool.connection() as db, db.transaction():
            ledger = Ledger(db, self._responses)
            decided = [
                self._decide(db, wish, several=several)
                for wish in sorted(wishes, key=lambda w: w.no)  # one order for everybody
            ]
            for before, change in decided:
                ledger.take(before)
                ledger.apply(change)
                _beside(db, change)
            ledger.write()
            after = {
                w.no: rows.alert(row)
                for w in wishes
                if (row := db.execute(_GET, [w.no]).fetchone()) is not None
            }
        return [after[w.no] for w in wishes]

    def answer(self, delivery_no: int, decide: ports.Answered, *, now: datetime) -> bool:
        """Use up a contact's link and write down their answer; False where it was used before."""
        with store_errors(), self._pool.connection() as db, db.transaction():
            row = db.execute(_ASKED, [delivery_no]).fetchone()
            if row is None:
                return False
            current = rows.alert(row)  # the alert's lock before the delivery's, as everywhere
            used = deliveries.answer(db, delivery_no, now=now)
            if used is None:
                return False
            rank = db.execute(_RINGING_ORDER, [used[1]]).fetchone()
            ledger = Ledger(db, self._responses)
            ledger.take(current)
            ledger.apply(decide(current, int(rank[0]) if rank else 0))
            ledger.write()
        return True

    def can_be_answered(self, delivery_no: int) -> bool:
        """Tell whether a contact's link still waits for an answer."""
        with store_errors(), self._pool.connection() as db:
            return db.execute(_UNANSWERED, [delivery_no]).fetchone() is not None

    def _decide(
        self, db: Connection, wish: ports.Wish, *, several: bool
    ) -> tuple[model.Alert, lifecycle.Change]:
        row = db.execute(_LOCK, [wish.no]).fetchone()
        if row is None:
            raise errors.UnknownAlertError(no=wish.no)
        current = rows.alert(row)
        if current.version != wish.version:
            shown = db.execute(_GET, [wish.no]).fetchone()
            assert shown is not None  # noqa: S101  (it is locked)
            raise errors.StaleVersionError(current=rows.alert(shown))
        decided = wish.decide(current)
        if isinstance(decided, lifecycle.Refused):
            which = f"{current.id} ({current.title}): " if several else ""
            raise errors.TransitionRefusedError(reason=f"{which}{decided.reason}")
        return current, decided

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


def _beside(db: Connection, change: lifecycle.Change) -> None:
    """Let the list of who was sent follow what happened."""
    event = change.event
    values = {
        "team": None, "to": None, "dispatch": None, **event.detail,
        "alert": change.alert.no, "by": event.by, "at": event.at,
    }  # fmt: skip
    for statement in _BESIDE.get(event.kind, ()):
        db.execute(statement, values)


def _queue(conditions: Sequence[LiteralString], one_team: bool) -> LiteralString:
    mine = " AND ".join(conditions)
    if not one_team:
        return _PAGE % (_PART % mine)
    own = _PART % f"a.team_no = %(team)s AND {mine}"
    told = _PART % (
        "a.told_teams @> ARRAY[%(team)s::bigint] AND a.team_no IS DISTINCT FROM %(team)s"
        f" AND {mine}"
    )
    return _PAGE % f"{own} UNION ALL {told}"


def _cursor(rank: int, last: model.Alert) -> str:
    text = json.dumps([rank, not last.stale, last.raised_at.isoformat(), last.no])
    return base64.urlsafe_b64encode(text.encode()).decode("ascii")


def _parse(
    after: str | None,
) -> tuple[int | None, bool | None, datetime | None, int | None]:
    if not after:
        return None, None, None, None
    try:
        rank, fresh, raised_at, no = json.loads(base64.urlsafe_b64decode(after.encode()))
        return int(rank), bool(fresh), datetime.fromisoformat(raised_at), int(no)
    except (binascii.Error, ValueError, TypeError):
        return None, None, None, None
