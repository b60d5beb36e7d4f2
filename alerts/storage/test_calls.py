"""Test calls: presses of devices that somebody said are being tested, and devices to be tested."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from alerts import emergencies, model, ports, watchdog
from alerts.storage import rows
from ingest.kernel.clock import Clock
from ingest.kernel.observation import Alarm, Quality
from ingest.storage.pool import Connection, Pool, store_errors

_MODES = """
SELECT no, device_no, extract(epoch FROM starts)::float8,
    extract(epoch FROM least(until, ended_at))::float8, by
FROM ingest.device_test WHERE device_no = ANY(%s) AND least(until, ended_at) > to_timestamp(%s)
"""
_TRIED = """
SELECT a.site, a.device, a.alarm_id, a.quantity FROM ingest.alarm a
JOIN unnest(%s::text[], %s::text[], %s::text[], %s::smallint[]) AS k (site, device, id, quantity)
ON a.site = k.site AND a.device = k.device AND a.alarm_id = k.id AND a.quantity = k.quantity
JOIN alerts.test_call t ON t.alarm_no = a.no WHERE NOT a.cancel
"""
_RECORD = """
INSERT INTO alerts.test_call (alarm_no, test_no, device_no, at, by)
VALUES (%s, %s, %s, to_timestamp(%s), %s) ON CONFLICT DO NOTHING
"""
_CLOSED = """
INSERT INTO ingest.outbox (site, device, tail, body, expires_at)
VALUES (%s, %s, 'receipt', jsonb_build_object('alarm', %s::text, 'state', 'closed', 'by', 'test'),
    now() + interval '1 day')
"""
_WORN = """
SELECT d.no, a.person_no, a.home_no, s.id,
    extract(epoch FROM greatest(d.test_counted_from, a.starts,
        (SELECT max(t.at) FROM alerts.test_call t
         WHERE t.device_no = d.no AND t.test_no IS NOT NULL),
        (SELECT max(m.received_at) FROM ingest.alarm m WHERE m.site = s.id AND m.device = d.name
         AND NOT m.cancel AND m.flags & %(no_press)s = 0)))::float8
FROM ingest.device d JOIN ingest.site s ON s.no = d.site_no
JOIN LATERAL (SELECT person_no, home_no, starts FROM ingest.assignment
    WHERE device_no = d.no AND starts <= %(now)s AND ends > %(now)s
    ORDER BY starts DESC LIMIT 1) a ON true
WHERE d.kind = ANY(%(kinds)s) ORDER BY d.no
"""
_NO_PRESS = int(Quality.RETAINED | Quality.IMPORTED)


class Calls:
    """The test calls among the alarms of one round."""

    def __init__(self, db: Connection, alarms: Sequence[Alarm]) -> None:
        self._db = db
        self._modes: dict[int, list[emergencies.TestMode]] = {}
        self._tried: set[emergencies.AlarmKey] = set()
        self._found: list[tuple[ports.LoggedAlarm, emergencies.TestMode | None]] = []
        devices = sorted({a.device_no for a in alarms if a.device_no is not None})
        if devices:
            since = min(a.received for a in alarms)
            for no, device_no, starts, ends, by in db.execute(_MODES, [devices, since]).fetchall():
                mode = emergencies.TestMode(no=no, starts=starts, ends=ends, by=by)
                self._modes.setdefault(device_no, []).append(mode)
        cancels = sorted({emergencies.key(a) for a in alarms if a.cancel})
        if cancels:
            columns = rows.columns(cancels)
            self._tried.update(db.execute(_TRIED, columns).fetchall())

    def takes(self, logged: ports.LoggedAlarm, open_alert: model.Alert | None) -> bool:
        """Tell whether an alarm is a test call; it is recorded then and pages nobody."""
        alarm = logged.alarm
        modes = [] if alarm.device_no is None else self._modes.get(alarm.device_no, [])
        call = emergencies.test_call(alarm, modes, open_alert=open_alert, tried=self._tried)
        if call is None:
            return False
        self._tried.add(emergencies.key(alarm))
        self._found.append((logged, call.mode))
        return True

    def write(self) -> int:
        """Record them and tell their devices that they are over; return how many."""
        closed = []
        for logged, mode in self._found:
            alarm = logged.alarm
            self._db.execute(
                _RECORD,
                [
                    logged.no, None if mode is None else mode.no, alarm.device_no,
                    alarm.received, "" if mode is None else mode.by,
                ],
            )  # fmt: skip
            if alarm.receipt_id:
                closed.append((alarm.site, alarm.device, alarm.receipt_id))
        for values in dict.fromkeys(closed):
            self._db.execute(_CLOSED, list(values))
        if closed:
            self._db.execute("NOTIFY ingest_outbox")
        return len(self._found)


class MonthlyTests:
    """Which devices have not been tested for how long."""

    def __init__(
        self, pool: Pool, *, kinds: Sequence[str], every: timedelta, grace: timedelta, clock: Clock
    ) -> None:
        self._pool = pool
        self._kinds = list(kinds)
        self._every, self._grace = every, grace
        self._clock = clock

    def verdicts(self) -> list[watchdog.Verdict]:
        """Judge every device that calls for help and is with somebody."""
        now = self._clock.now()
        values = {"now": now, "kinds": self._kinds, "no_press": _NO_PRESS}
        with store_errors(), self._pool.connection() as db:
            return [
                watchdog.judge_test(
                    watchdog.Worn(
                        device_no=no, person_no=person_no, dwelling_no=home_no, site=site,
                        tested=tested,
                    ),
                    every=self._every, grace=self._grace, now=now,
                )
                for no, person_no, home_no, site, tested in db.execute(_WORN, values).fetchall()
            ]  # fmt: skip
