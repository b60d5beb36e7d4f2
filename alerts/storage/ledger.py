"""One transaction's worth of changes to alerts, written together with their events."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, LiteralString

import psycopg

from alerts import escalation, lifecycle, model, suppression
from alerts.policies import responses
from alerts.storage import deliveries, events, rows

# Whoever writes events holds the lock of all who do: a process that is stopped in the middle must
# not keep others from raising alerts. Its session ends, and its locks with it.
_STALLED = "SET LOCAL idle_in_transaction_session_timeout = '10s'"
_OPEN = (
    f"SELECT {rows.ALERT_COLUMNS} FROM alerts.alert a"  # noqa: S608 - our own column names
    " WHERE a.episode = ANY(%s) AND a.state <> 'closed' ORDER BY a.no FOR UPDATE"
)
_INSERT = """
INSERT INTO alerts.alert (episode, source, rule_id, rule_version, severity, title, reason, evidence,
    person_no, dwelling_no, device_no, site, raised_at, reading_at, late, state, condition, team_no,
    routed_because, owner, next_step_at, pages, disposition, version, alert_class, response, chain,
    acknowledged_until, snoozed_until, offered_to, offered_until, stale, outcome)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s,
    %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
RETURNING no
"""
_UPDATE = """
UPDATE alerts.alert SET severity = %s, title = %s, reason = %s, evidence = %s, reading_at = %s,
    late = %s, state = %s, condition = %s, team_no = %s, routed_because = %s, owner = %s,
    next_step_at = %s, pages = %s, disposition = %s, version = %s, response = %s, chain = %s,
    acknowledged_until = %s, snoozed_until = %s, offered_to = %s, offered_until = %s, stale = %s,
    outcome = %s
WHERE no = %s
"""
_STOP = """
UPDATE alerts.step SET state = 'stopped', done_at = now()
WHERE alert_no = ANY(%s) AND state = 'pending'
"""
# Steps fall due by the database's clock: whoever writes them with one that is ahead of it must not
# make them wait for as long.
_STEP = """
INSERT INTO alerts.step (alert_no, run, position, repetition, kind, tell, rank, due_at)
SELECT s.alert_no, s.run, s.position, s.repetition, s.kind, s.tell, s.rank,
    least(s.due_at, clock_timestamp() + (s.due_at - s.at))
FROM unnest(%s::bigint[], %s::int[], %s::smallint[], %s::int[], %s::text[], %s::text[],
    %s::smallint[], %s::timestamptz[], %s::timestamptz[])
    AS s (alert_no, run, position, repetition, kind, tell, rank, due_at, at)
"""
# Held until the commit: who ends a window at this moment finds the alert that it holds, or is
# waited for and holds none.
_MUTES = """
SELECT person_no, dwelling_no, device_no, starts, ends, reason, by FROM alerts.mute
WHERE (person_no = %s OR dwelling_no = %s OR device_no = %s)
AND starts <= %s AND ends > %s AND ended_at IS NULL FOR SHARE
"""
_LINK = """
INSERT INTO alerts.alert_alarm (alert_no, alarm_no, site, device, receipt_id)
SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[])
ON CONFLICT DO NOTHING
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
    receipts: list[tuple[lifecycle.Receipt, str | None]] = field(default_factory=list)  # from whom
    steps: tuple[escalation.Due, ...] | None = None  # instead of those that are pending


class Ledger:
    """Collects changes by episode and writes them, events last, within the caller's transaction."""

    def __init__(
        self, db: psycopg.Connection[Any], responses: responses.Responses | None = None
    ) -> None:
        self._db = db
        self._responses = responses
        self._entries: dict[str, _Entry] = {}
        self.counts: dict[str, int] = {}
        db.execute(_STALLED)

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

    def open_new(
        self, alert: model.Alert, *, now: datetime, detail: Mapping[str, Any] | None = None
    ) -> lifecycle.Change:
        """Open an alert with its response frozen into it, held where people have muted it."""
        alert = self._answered(alert)
        hold = suppression.hold(alert, self._mutes(alert, now), now=now)
        change = lifecycle.raised(alert, now=now, detail=detail, hold=hold)
        self.apply(change)
        return change

    def look_after(self, alert: model.Alert, *, now: datetime) -> None:
        """Give an alert that has none a step to come; its severity's response if it has none."""
        self.apply(lifecycle.look_after(self._answered(alert), now=now))

    def begin_anew(self, alert: model.Alert, *, now: datetime) -> None:
        """Begin the response of an open alert anew, with that of its severity as it is today."""
        fresh = self._answered(replace(alert, chain={}, response=""))
        self.apply(lifecycle.resume(fresh, now=now))

    def _answered(self, alert: model.Alert) -> model.Alert:
        """Freeze its response into an alert that has none."""
        if alert.chain:
            return alert
        known = self._responses or responses.load()
        response = known.choose(alert.response, alert.severity, alert.alert_class)
        return replace(alert, response=response.id, chain=response.frozen())

    def _mutes(self, alert: model.Alert, now: datetime) -> list[suppression.Mute]:
        if not suppression.may_be_held(alert):
            return []
        about = [alert.person_no, alert.dwelling_no, alert.device_no]
        return [
            suppression.Mute(person_no=p, dwelling_no=d, device_no=e, starts=starts, ends=ends,
                             reason=reason, by=by)
            for p, d, e, starts, ends, reason, by in self._db.execute(
                _MUTES, [*about, now, now]).fetchall()
        ]  # fmt: skip

    def apply(self, change: lifecycle.Change) -> None:
        """Take in a change to an alert, or a new one."""
        closing = change.event.kind == "closed"
        key = change.alert.episode if closing else _key(change.alert)
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry(change.alert)
        entry.changed = entry.changed or entry.alert != change.alert or change.alert.no == 0
        entry.alert = change.alert
        entry.events.append(change.event)
        if change.receipt:
            # who goes is a team of the hub; whoever is sent in words isn't told to a device
            goes = change.event.detail.get("to") if change.event.kind == "set_out" else None
            entry.receipts.append((change.receipt, goes))
        if change.steps is not None:
            entry.steps = change.steps
        self.counts[change.event.kind] = self.counts.get(change.event.kind, 0) + 1

    def link(self, episode: str, alarm_no: int, site: str, device: str, receipt_id: str) -> None:
        """Let the alert of an episode speak for an alarm."""
        self._entries[episode].links.append((alarm_no, site, device, receipt_id))

    def write(self, *, also: tuple[LiteralString, Sequence[Any]] | None = None) -> None:
        """Write everything; nothing may follow in the transaction but its commit.

        ``also`` is a statement about the alerts' rows that comes before the events.
        """
        touched = [e for e in self._entries.values() if e.changed or e.links or e.events]
        if not touched:
            if also:
                self._db.execute(*also)
            return
        fresh = [e for e in touched if e.alert.no == 0]
        self._insert(fresh)
        with self._db.cursor() as cursor:
            numbers = {e.alert.no for e in fresh}
            old = [_update_row(e.alert) for e in touched if e.changed and e.alert.no not in numbers]
            if old:
                cursor.executemany(_UPDATE, old)
            self._replace_steps(cursor, touched, numbers)
            links = [(e.alert.no, *link) for e in touched for link in e.links]
            if links:
                cursor.execute(_LINK, rows.columns(links))
            receipts = [e for e in touched if e.receipts]
            for entry in receipts:  # only what a person just did
                self._receipts(entry)
            if also:
                cursor.execute(*also)
            happened = [(e.alert.no, event) for e in touched for event in e.events]
            if happened:
                events.write(cursor, happened)
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

    def _replace_steps(
        self, cursor: psycopg.Cursor[Any], entries: Sequence[_Entry], fresh: Set[int]
    ) -> None:
        """Stop what was due of alerts, on every channel too, and write what is due from now on."""
        changed = [e for e in entries if e.steps is not None]
        old = [e.alert.no for e in changed if e.alert.no not in fresh]
        if old:
            cursor.execute(_STOP, [old])
            deliveries.stop(self._db, *old)
        steps = [
            (e.alert.no, d.run, d.position, d.repetition, d.kind, d.tell, e.alert.severity.rank,
             d.due_at, e.events[-1].at)
            for e in changed for d in e.steps or ()
        ]  # fmt: skip
        if steps:
            cursor.execute(_STEP, rows.columns(steps))

    def _receipts(self, entry: _Entry) -> None:
        name = self._db.execute(_TEAM_NAME, [entry.alert.team_no]).fetchone()
        own = str(name[0]) if name else ""
        sent = 0
        for state, by in entry.receipts:
            sent += self._db.execute(_RECEIPTS, [state, by or own, entry.alert.no]).rowcount
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
        a.response, _json(a.chain), a.acknowledged_until, a.snoozed_until, a.offered_to,
        a.offered_until,        a.stale, _json(a.outcome),
    )  # fmt: skip


def _json(said: Mapping[str, Any]) -> str:
    return json.dumps(said) if said else "{}"
