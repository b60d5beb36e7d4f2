"""One transaction's worth of changes to alerts, written together with their events."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg

from alerts import lifecycle, model
from alerts.storage import rows
from ingest.storage.pool import LOCK_EVENTS

_OPEN = (
    f"SELECT {rows.ALERT_COLUMNS} FROM alerts.alert a"  # noqa: S608 - our own column names
    " WHERE a.episode = ANY(%s) AND a.state <> 'closed' ORDER BY a.no FOR UPDATE"
)
_INSERT = """
INSERT INTO alerts.alert (episode, source, rule_id, rule_version, severity, title, reason, evidence,
    person_no, dwelling_no, device_no, site, raised_at, reading_at, late, state, condition, team_no,
    routed_because, owner, next_step_at, pages, disposition, version, alert_class, response, chain,
    acknowledged_until, snoozed_until, offered_to, stale, outcome)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s,
    %s, %s, %s, %s, %s, %s, %s, %s, %s)
RETURNING no
"""
_UPDATE = """
UPDATE alerts.alert SET severity = %s, title = %s, reason = %s, evidence = %s, reading_at = %s,
    late = %s, state = %s, condition = %s, team_no = %s, routed_because = %s, owner = %s,
    next_step_at = %s, pages = %s, disposition = %s, version = %s, response = %s, chain = %s,
    acknowledged_until = %s, snoozed_until = %s, offered_to = %s, stale = %s, outcome = %s
WHERE no = %s
"""
_LINK = """
INSERT INTO alerts.alert_alarm (alert_no, alarm_no, site, device, receipt_id)
VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
_EVENT = """
INSERT INTO alerts.event (no, alert_no, at, kind, by, reason, detail, alert_version)
VALUES (nextval('alerts.event_no'), %s, %s, %s, %s, %s, %s, %s)
"""
_RECEIPTS = """
INSERT INTO ingest.outbox (site, device, tail, body, expires_at)
SELECT DISTINCT x.site, x.device, 'receipt',
    jsonb_build_object('alarm', x.receipt_id, 'state', %s::text, 'by', %s::text),
    now() + interval '1 day'
FROM alerts.alert_alarm x WHERE x.alert_no = %s AND x.receipt_id <> ''
"""
_TEAM_NAME = "SELECT name FROM alerts.team WHERE no = %s"


@dataclass(slots=True)
class _Entry:
    alert: model.Alert
    changed: bool = False
    events: list[model.Event] = field(default_factory=list)
    links: list[tuple[int, str, str, str]] = field(default_factory=list)
    receipts: list[lifecycle.Receipt] = field(default_factory=list)


class Ledger:
    """Collects changes by episode and writes them, events last, within the caller's transaction."""

    def __init__(self, db: psycopg.Connection[Any]) -> None:
        self._db = db
        self._entries: dict[str, _Entry] = {}
        self.counts: dict[str, int] = {}

    def lock(self, episodes: Iterable[str]) -> None:
        """Load and lock the open alerts of the episodes, in one order for everybody."""
        wanted = sorted(set(episodes) - self._entries.keys())
        for row in self._db.execute(_OPEN, [wanted]).fetchall():
            alert = rows.alert(row)
            self._entries[alert.episode] = _Entry(alert)

    def take(self, alert: model.Alert) -> None:
        """Work on an alert that the caller has locked."""
        self._entries[_key(alert)] = _Entry(alert)

    def open(self, episode: str) -> model.Alert | None:
        """Return the open alert of an episode as it stands now."""
        entry = self._entries.get(episode)
        return None if entry is None else entry.alert

    def apply(self, change: lifecycle.Change) -> None:
        """Take in a change to an alert, or a new one."""
        closing = change.event.kind == "closed"
        key = change.alert.episode if closing else _key(change.alert)
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry(change.alert)
        entry.alert = change.alert
        entry.changed = True
        entry.events.append(change.event)
        if change.receipt:
            entry.receipts.append(change.receipt)
        self.counts[change.event.kind] = self.counts.get(change.event.kind, 0) + 1

    def link(self, episode: str, alarm_no: int, site: str, device: str, receipt_id: str) -> None:
        """Let the alert of an episode speak for an alarm."""
        self._entries[episode].links.append((alarm_no, site, device, receipt_id))

    def write(self) -> None:
        """Write everything; nothing may follow in the transaction but its commit."""
        touched = [e for e in self._entries.values() if e.changed or e.links]
        if not touched:
            return
        self._insert([e for e in touched if e.alert.no == 0])
        with self._db.cursor() as cursor:
            old = [_update_row(e.alert) for e in touched if e.changed and e.events]
            if old:
                cursor.executemany(_UPDATE, old)
            links = [(e.alert.no, *link) for e in touched for link in e.links]
            if links:
                cursor.executemany(_LINK, links)
            receipts = [e for e in touched if e.receipts]
            for entry in receipts:  # only what a person just did
                self._receipts(entry)
            events = [_event_row(e.alert.no, event) for e in touched for event in e.events]
            if events:
                cursor.execute("SELECT pg_advisory_xact_lock(%s, 0)", [LOCK_EVENTS])
                cursor.executemany(_EVENT, events)
                cursor.execute("NOTIFY alerts_event")

    def _insert(self, entries: Sequence[_Entry]) -> None:
        if not entries:
            return
        with self._db.cursor() as cursor:
            cursor.executemany(_INSERT, [_insert_row(e.alert) for e in entries], returning=True)
            for entry in entries:
                row = cursor.fetchone()
                assert row is not None  # noqa: S101  (each insert returns its number)
                entry.alert = replace(entry.alert, no=int(row[0]))
                cursor.nextset()

    def _receipts(self, entry: _Entry) -> None:
        name = self._db.execute(_TEAM_NAME, [entry.alert.team_no]).fetchone()
        by = str(name[0]) if name else ""
        sent = 0
        for state in entry.receipts:
            sent += self._db.execute(_RECEIPTS, [state, by, entry.alert.no]).rowcount
        if sent:
            self._db.execute("NOTIFY ingest_outbox")


def _key(alert: model.Alert) -> str:
    """Return what the ledger files an alert under: a closed one is out of its episode."""
    return f"#{alert.no}" if alert.state is model.State.CLOSED else alert.episode


def _insert_row(a: model.Alert) -> tuple[Any, ...]:
    return (
        a.episode, a.source, a.rule_id, a.rule_version, a.severity, a.title, a.reason,
        rows.evidence_json(a.evidence), a.person_no, a.dwelling_no, a.device_no, a.site,
        a.raised_at, a.reading_at, a.late, a.state, a.condition, a.team_no, a.routed_because,
        a.owner, a.next_step_at, a.pages, a.disposition, a.version, a.alert_class, *_response(a),
    )  # fmt: skip


def _update_row(a: model.Alert) -> tuple[Any, ...]:
    return (
        a.severity, a.title, a.reason, rows.evidence_json(a.evidence), a.reading_at, a.late,
        a.state, a.condition, a.team_no, a.routed_because, a.owner, a.next_step_at, a.pages,
        a.disposition, a.version, *_response(a), a.no,
    )  # fmt: skip


def _response(a: model.Alert) -> tuple[Any, ...]:
    return (
        a.response, json.dumps(dict(a.chain)), a.acknowledged_until, a.snoozed_until, a.offered_to,
        a.stale, json.dumps(dict(a.outcome)),
    )  # fmt: skip


def _event_row(alert_no: int, e: model.Event) -> tuple[Any, ...]:
    return (alert_no, e.at, e.kind, e.by, e.reason, json.dumps(dict(e.detail)), e.alert_version)
