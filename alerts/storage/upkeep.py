"""What has to be done from time to time: partitions, retention, writers, the hub's own health."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import psycopg

from alerts import lifecycle, model, ports, routing, watchdog
from alerts.policies import responses
from alerts.rules import pack
from alerts.storage.ledger import Ledger
from alerts.storage.routing import Router
from ingest.kernel import shards
from ingest.kernel.clock import Clock
from ingest.storage import levels
from ingest.storage.pool import LOCK_SHARD, LOCK_WRITER, Connection, Pool, store_errors

_UPKEEP = 1_000_001
"""The lock that lets one alerts process at a time do upkeep."""

_LEFT = """
SELECT w.no FROM ingest.writer w
WHERE w.retired_at IS NULL AND w.opened_at < now() - interval '60 seconds' ORDER BY w.no
"""
_UNREAD = """
SELECT EXISTS (
    SELECT FROM generate_series(0, %(shards)s - 1) s
    LEFT JOIN alerts.cursor c ON c.stream = s AND c.writer = %(writer)s
    CROSS JOIN LATERAL (SELECT 1 FROM ingest.log l
        WHERE l.writer = %(writer)s AND l.shard = s::smallint AND l.batch > coalesce(c.batch, 0)
        LIMIT 1) l
) OR EXISTS (
    SELECT FROM ingest.alarm a
    LEFT JOIN alerts.cursor c ON c.stream = -1 AND c.writer = a.writer
    WHERE a.writer = %(writer)s AND a.batch > coalesce(c.batch, 0)
)
"""
_LAG = """
SELECT coalesce(extract(epoch FROM now() - min(l.at)), 0)::float8, min(l.at) FROM ingest.writer w
CROSS JOIN generate_series(0, %s - 1) s
LEFT JOIN alerts.cursor c ON c.stream = s AND c.writer = w.no
CROSS JOIN LATERAL (SELECT l.at FROM ingest.log l
    WHERE l.writer = w.no AND l.shard = s::smallint AND l.batch > coalesce(c.batch, 0)
    ORDER BY l.batch LIMIT 1) l
WHERE w.retired_at IS NULL
"""
_ALARM_LAG = """
SELECT coalesce(extract(epoch FROM now() - min(a.received_at)), 0)::float8 FROM ingest.writer w
LEFT JOIN alerts.cursor c ON c.stream = -1 AND c.writer = w.no
JOIN ingest.alarm a ON a.writer = w.no AND a.batch > coalesce(c.batch, 0)
WHERE w.retired_at IS NULL
"""
_PROBE = """
SELECT extract(epoch FROM now() - min(lane.heard))::float8 FROM
    (SELECT max(probed_at) AS heard FROM ingest.slot WHERE probed_at IS NOT NULL GROUP BY lane) lane
"""
_HEARD = "SELECT since, at FROM alerts.hearing FOR UPDATE"
_OUTAGE = "INSERT INTO alerts.outage (began, ended) VALUES (%s, %s)"
_HEAR = """
INSERT INTO alerts.hearing (since, at) VALUES (%s, %s)
ON CONFLICT (one) DO UPDATE SET since = excluded.since, at = greatest(hearing.at, excluded.at)
"""
_OLD_CHANGES = "DELETE FROM ingest.register_change WHERE at < now() - interval '2 days'"
_OLD_DECISIONS = "DELETE FROM alerts.decision WHERE at < now() - %s::interval"
_OLD_STEPS = """
DELETE FROM alerts.step s USING alerts.alert a
WHERE a.no = s.alert_no AND a.state = 'closed' AND s.state <> 'pending'
AND s.done_at < now() - %s::interval
"""
_OLD_DELIVERIES = """
DELETE FROM alerts.delivery d USING alerts.alert a
WHERE a.no = d.alert_no AND a.state = 'closed' AND d.state <> 'queued'
AND NOT EXISTS (SELECT FROM alerts.delivery y WHERE y.alert_no = d.alert_no
    AND y.queued_at >= now() - %s::interval)
"""
_OLD_QUARANTINE = "DELETE FROM ingest.quarantine WHERE last_received_at < now() - %s::interval"
_OLD_OUTBOX = "DELETE FROM ingest.outbox WHERE expires_at < now() - %s::interval"
_OLD_HUB_TIMED = "DELETE FROM ingest.hub_timed WHERE received_at < now() - %s::interval"
_KEEP_STEPS = timedelta(days=90)
"""Steps of closed alerts: what they told is in the events, which stay. Unsourced."""
_KEEP_DECISIONS = timedelta(days=400)
"""Decisions that paged nobody, for a year of looking back at a pack in the shadow."""


class Upkeep:
    """Jobs of the scheduler. Each may run late, twice, or in several processes at once."""

    def __init__(
        self,
        pool: Pool,
        *,
        rules: Mapping[str, pack.Rule],
        keep_log_days: int,
        keep_readings_days: int | None,
        keep_quarantine_days: int,
        hub_timed_window_s: float,
        clock: Clock,
        answers: responses.Responses | None = None,
        policies: Path | None = None,
    ) -> None:
        self._pool = pool
        self._rules = rules
        self._responses = answers
        self._keep_log = timedelta(days=keep_log_days)
        self._keep_readings = (
            None if keep_readings_days is None else timedelta(days=keep_readings_days)
        )
        self._keep_quarantine = timedelta(days=keep_quarantine_days)
        self._hub_timed = timedelta(seconds=2 * hub_timed_window_s)
        self._clock = clock
        self._policies = policies

    def partitions(self) -> None:
        """Make the partitions of the time to come."""
        with store_errors(), self._pool.connection() as db:
            db.autocommit = True
            try:
                if self._alone(db):
                    # Writers wait behind this statement: it must not itself wait for long.
                    db.execute("SET lock_timeout = '2s'")
                    levels.prepare(db)
            except psycopg.errors.LockNotAvailable:
                pass  # the next tick tries again; partitions are made days ahead
            finally:
                self._done(db)

    def retention(self) -> list[str]:
        """Drop what is older than it has to be kept; never a log that hasn't been judged."""
        with store_errors(), self._pool.connection() as db:
            db.autocommit = True
            try:
                if not self._alone(db):
                    return []
                db.execute("SET lock_timeout = '2s'")
                row = db.execute(_LAG, [shards.SHARDS]).fetchone()
                unread = row[1] if row else None
                now = self._clock.now()
                before = min(now - self._keep_log, unread or now)
                readings = None if self._keep_readings is None else now - self._keep_readings
                dropped = levels.drop_old(db, log_before=before, readings_before=readings)
                db.execute(_OLD_QUARANTINE, [self._keep_quarantine])
                db.execute(_OLD_OUTBOX, [self._keep_quarantine])
                db.execute(_OLD_HUB_TIMED, [self._hub_timed])
                db.execute(_OLD_DECISIONS, [_KEEP_DECISIONS])
                db.execute(_OLD_STEPS, [_KEEP_STEPS])
                db.execute(_OLD_DELIVERIES, [_KEEP_DECISIONS])
                db.execute(_OLD_CHANGES)
            except psycopg.errors.LockNotAvailable:
                return []  # the next tick tries again
            else:
                return dropped
            finally:
                self._done(db)

    def retire_writers(self) -> list[int]:
        """Retire writers whose session is gone and whose every batch has been judged."""
        retired: list[int] = []
        with store_errors(), self._pool.connection() as db:
            db.autocommit = True
            try:
                for (no,) in db.execute(_LEFT).fetchall():
                    free = db.execute(
                        "SELECT pg_try_advisory_lock(%s, %s)", [LOCK_WRITER, no % 2**31]
                    ).fetchone()
                    if free and free[0] and self._retire(db, no):
                        retired.append(no)
            finally:
                self._done(db)
        return retired

    def _retire(self, db: Connection, no: int) -> bool:
        """Retire one writer; its lock is held here, so it can't write any more."""
        with db.transaction():
            unread = db.execute(_UNREAD, {"writer": no, "shards": shards.SHARDS}).fetchone()
            if unread is None or unread[0]:
                return False
            db.execute("DELETE FROM alerts.cursor WHERE writer = %s", [no])
            db.execute("UPDATE ingest.writer SET retired_at = now() WHERE no = %s", [no])
        return True

    def health(self) -> ports.Health:
        """Return what the hub knows of itself."""
        with store_errors(), self._pool.connection() as db:
            lag = db.execute(_LAG, [shards.SHARDS]).fetchone()
            alarms = db.execute(_ALARM_LAG).fetchone()
            probe = db.execute(_PROBE).fetchone()
        return ports.Health(
            at=self._clock.now(),
            readings_lag_s=float(lag[0]) if lag else 0.0,
            alarms_lag_s=float(alarms[0]) if alarms else 0.0,
            probe_age_s=None if probe is None or probe[0] is None else float(probe[0]),
        )

    def hear(self, health: ports.Health, *, lag_limit_s: float, probe_limit_s: float) -> None:
        """Keep since when the hub has been listening; a gap becomes an outage of its own.

        Silence is judged only over time in which devices could have been heard, whoever was down.
        """
        well = (
            health.probe_age_s is not None
            and health.probe_age_s <= probe_limit_s
            and max(health.readings_lag_s, health.alarms_lag_s) <= lag_limit_s
        )
        if not well:
            return
        now = self._clock.now()
        with store_errors(), self._pool.connection() as db, db.transaction():
            before = db.execute(_HEARD).fetchone()
            deaf = before is not None and now - before[1] > timedelta(seconds=probe_limit_s)
            if before is not None and deaf:
                db.execute(_OUTAGE, [before[1], now])
            since = now if before is None or deaf else before[0]
            db.execute(_HEAR, [since, now])

    def tell(self, verdicts: Iterable[watchdog.Verdict]) -> None:
        """Raise, renew or clear the hub's own alerts, and those about devices to be tested."""
        found = list(verdicts)
        with store_errors(), self._pool.connection() as db:
            try:
                with db.transaction():
                    self._write(db, found)
            except psycopg.errors.UniqueViolation:
                pass  # another process has just told the same

    def _write(self, db: Connection, found: Sequence[watchdog.Verdict]) -> None:
        ledger = Ledger(db, self._responses)
        ledger.lock(_episode(v) for v in found)
        router = Router(age_s=math.inf, clock=self._clock, policies=self._policies)
        new = [v for v in found if v.bad and ledger.open(_episode(v)) is None]
        if new:  # a whole estate's pendants may be due for their test at once
            router.look_up(db, [self._request(v) for v in new])
        for verdict in found:
            before = ledger.open(_episode(verdict))
            if before is None:
                if verdict.bad:
                    routed = router.route(db, self._request(verdict))
                    alert = self._alert(verdict, routed)
                    detail = {"routing": routed.detail()}
                    ledger.open_new(alert, now=self._clock.now(), detail=detail)
                continue
            change = self._change(verdict, before)
            if isinstance(change, lifecycle.Change):
                ledger.apply(change)
        ledger.write()

    def _change(
        self, verdict: watchdog.Verdict, before: model.Alert
    ) -> lifecycle.Change | lifecycle.Refused | None:
        now = self._clock.now()
        if not verdict.bad:
            return lifecycle.clear(before, reason=verdict.reason, now=now)
        if before.condition is model.Condition.ACTIVE:
            return None
        return lifecycle.found_again(
            before,
            severity=before.severity,
            title=before.title,
            reason=verdict.reason,
            evidence=(),
            reading_at=now,
            late=False,
            since_page_s=(now - before.raised_at).total_seconds(),
            repage_s=0.0,
            now=now,
        )

    def _request(self, verdict: watchdog.Verdict) -> routing.Request:
        rule, about = self._rules[verdict.rule_id], verdict.about
        return routing.Request(
            alert_class=rule.alert_class,
            severity=rule.severity,
            kind=rule.team,
            source=model.Source.SYSTEM,
            rule_id=rule.id,
            now=self._clock.now(),
            person_no=about.person_no if about else None,
            dwelling_no=about.dwelling_no if about else None,
            site=about.site if about else None,
        )

    def _alert(self, verdict: watchdog.Verdict, routed: routing.Routed) -> model.Alert:
        rule, now, about = self._rules[verdict.rule_id], self._clock.now(), verdict.about
        return model.Alert(
            no=0,
            episode=_episode(verdict),
            source=model.Source.SYSTEM,
            rule_id=rule.id,
            rule_version=rule.version,
            severity=rule.severity,
            title=verdict.title or rule.title,
            reason=verdict.reason,
            evidence=(),
            person_no=about.person_no if about else None,
            dwelling_no=about.dwelling_no if about else None,
            device_no=about.device_no if about else None,
            site=about.site if about else None,
            raised_at=now,
            reading_at=None,
            late=False,
            state=model.State.OPEN,
            condition=model.Condition.ACTIVE,
            team_no=routed.team.no,
            routed_because=routed.because,
            alert_class=rule.alert_class,
            response=routed.response,
        )

    def _alone(self, db: Connection) -> bool:
        row = db.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCK_SHARD, _UPKEEP]).fetchone()
        return bool(row and row[0])

    def _done(self, db: Connection) -> None:
        """Leave the session as the pool lent it."""
        if not db.closed and not db.broken:
            db.execute("SELECT pg_advisory_unlock_all()")
            db.execute("RESET lock_timeout")
            db.autocommit = False


def _episode(verdict: watchdog.Verdict) -> str:
    if verdict.about is not None:
        return f"device:{verdict.about.device_no}/{verdict.rule_id}"
    return f"hub/{verdict.rule_id}" + (f"/{verdict.team}" if verdict.team else "")
