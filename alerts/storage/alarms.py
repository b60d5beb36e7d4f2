"""The alarm log: what is new, judged and written in one transaction, without any memory.

Two processes may run this at once. The cursors' row locks decide which of them judges; the other
passes by. A cursor still moves only from where it was read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import psycopg

from alerts import emergencies, errors, model, ports, routing
from alerts.policies import responses
from alerts.rules import pack
from alerts.storage import rows, test_calls
from alerts.storage.ledger import Ledger
from alerts.storage.routing import Router
from ingest.kernel.clock import Clock
from ingest.kernel.observation import Alarm
from ingest.storage.pool import Connection, connect, store_errors

# The alarms are stream -1 among the cursors; shards are 0 and up.
_PEEK = """
SELECT EXISTS (SELECT FROM ingest.writer w
    LEFT JOIN alerts.cursor c ON c.stream = -1 AND c.writer = w.no
    JOIN ingest.alarm a ON a.writer = w.no AND a.batch > coalesce(c.batch, 0)
    WHERE w.retired_at IS NULL)
"""
_ENSURE = """
INSERT INTO alerts.cursor (stream, writer)
SELECT -1, w.no FROM ingest.writer w WHERE w.retired_at IS NULL
AND NOT EXISTS (SELECT FROM alerts.cursor c WHERE c.stream = -1 AND c.writer = w.no)
ON CONFLICT DO NOTHING
"""
_CURSORS = """
SELECT c.writer, c.batch FROM alerts.cursor c
WHERE c.stream = -1
AND EXISTS (SELECT FROM ingest.alarm a WHERE a.writer = c.writer AND a.batch > c.batch)
ORDER BY c.writer FOR UPDATE SKIP LOCKED
"""
_NEW = """
SELECT a.writer, a.batch, a.no, a.site, a.device, a.alarm_id, a.receipt_id, a.quantity, a.cancel,
    a.place, extract(epoch FROM a.time)::float8, extract(epoch FROM a.received_at)::float8,
    a.flags, a.device_no, a.person_no, a.dwelling_no, a.detail, s.area_no, s.timezone
FROM unnest(%(writers)s::bigint[], %(batches)s::bigint[]) AS c (writer, batch)
CROSS JOIN LATERAL (
    SELECT * FROM ingest.alarm a WHERE a.writer = c.writer AND a.batch > c.batch
    AND a.batch <= coalesce(  -- whole batches only: a cursor stands between two
        (SELECT b.batch FROM ingest.alarm b WHERE b.writer = c.writer AND b.batch > c.batch
         ORDER BY b.batch OFFSET %(most)s LIMIT 1), 9223372036854775807)
) a
LEFT JOIN ingest.site s ON s.id = a.site
ORDER BY a.received_at, a.no
"""
_KIN = """
SELECT a.site, a.device, a.alarm_id, a.quantity, a.cancel FROM ingest.alarm a
JOIN unnest(%s::text[], %s::text[], %s::text[], %s::smallint[]) AS k (site, device, id, quantity)
ON a.site = k.site AND a.device = k.device AND a.alarm_id = k.id AND a.quantity = k.quantity
"""
_LINKED = """
SELECT x.alert_no, a.site, a.device, a.alarm_id, a.quantity,
    EXISTS (SELECT FROM ingest.alarm b WHERE b.site = a.site AND b.device = a.device
        AND b.alarm_id = a.alarm_id AND b.quantity = a.quantity AND b.cancel)
FROM alerts.alert_alarm x JOIN ingest.alarm a ON a.no = x.alarm_no
WHERE x.alert_no = ANY(%s) AND NOT a.cancel
"""
_SPOKE_FOR = (
    f"SELECT {rows.ALERT_COLUMNS} FROM alerts.alert a WHERE a.no = ("  # noqa: S608 - our columns
    " SELECT max(x.alert_no) FROM alerts.alert_alarm x JOIN ingest.alarm m ON m.no = x.alarm_no"
    " WHERE m.site = %s AND m.device = %s AND m.alarm_id = %s AND m.quantity = %s AND NOT m.cancel)"
    " FOR UPDATE"
)
_MOVE = """
UPDATE alerts.cursor c SET batch = n.after
FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS n (writer, before, after)
WHERE c.stream = -1 AND c.writer = n.writer AND c.batch = n.before
"""
_MOST = 500
_STALLED = "SET idle_in_transaction_session_timeout = '10s'"
"""A stopped process must not keep others from judging: its session ends and its locks with it."""


class AlarmLog:
    """Alarms through one session of their own."""

    def __init__(
        self,
        db: Connection,
        *,
        rules: Sequence[pack.AlarmRule],
        late_after_s: float,
        teams_age_s: float,
        clock: Clock,
        answers: responses.Responses | None = None,
        policies: Path | None = None,
    ) -> None:
        self._db = db
        self._rules = {r.quantity: r for r in rules}
        self._late_after_s = late_after_s
        self._responses = answers or responses.load()
        self._router = Router(age_s=teams_age_s, clock=clock, policies=policies)
        self._clock = clock
        with store_errors():
            db.execute(_STALLED)

    @classmethod
    def open(
        cls,
        database_url: str,
        *,
        rules: Sequence[pack.AlarmRule],
        late_after_s: float,
        teams_age_s: float,
        clock: Clock,
        answers: responses.Responses | None = None,
        policies: Path | None = None,
    ) -> AlarmLog:
        """Open a session for it."""
        db = connect(database_url, name="alerts alarms", autocommit=True)
        try:
            return cls(
                db, rules=rules, late_after_s=late_after_s, teams_age_s=teams_age_s, clock=clock,
                answers=answers, policies=policies,
            )  # fmt: skip
        except BaseException:
            db.close()
            raise

    def close(self) -> None:
        """Give up the session."""
        self._db.close()

    def forget_teams(self) -> None:
        """Read the teams again before the next alarm is routed."""
        self._router.forget()

    def round(self) -> tuple[int, Mapping[str, int]]:
        """Judge what is new in one transaction; return how many alarms, and what was written.

        Raises
        ------
        StoreUnavailableError
            The database is gone; nothing or everything was written.
        LostCursorError
            Somebody else judged the same; nothing was written.
        """
        with store_errors():
            row = self._db.execute(_PEEK).fetchone()
            if not row or not row[0]:
                return 0, {}
            try:
                with self._db.transaction():
                    return self._judge()
            except psycopg.errors.IntegrityError as error:  # also a team that is gone
                self._router.forget()
                raise errors.LostCursorError from error

    def _judge(self) -> tuple[int, Mapping[str, int]]:
        self._db.execute(_ENSURE)
        cursors: dict[int, int] = dict(self._db.execute(_CURSORS).fetchall())
        new = self._new(cursors)
        if not new:
            return 0, {}
        ledger = Ledger(self._db, self._responses)
        heard = [(logged, self._rule(logged.alarm)) for _, _, logged in new]
        heard = [(g, r) for g, r in heard if emergencies.silent(g.alarm) is None]
        tests = test_calls.Calls(self._db, [g.alarm for g, _ in heard])
        if heard:
            self._write(ledger, heard, tests)
        after: dict[int, int] = {}
        for writer, batch, _ in new:
            after[writer] = max(batch, after.get(writer, 0))
        writers = sorted(after)
        moved = self._db.execute(
            _MOVE, [writers, [cursors[w] for w in writers], [after[w] for w in writers]]
        ).rowcount
        if moved != len(writers):
            raise errors.LostCursorError
        tested = tests.write()
        ledger.write()
        counts = dict(ledger.counts)
        if tested:
            counts["test_call"] = tested
        if len(heard) < len(new):
            counts["silent"] = len(new) - len(heard)
        return len(new), counts

    def _new(self, cursors: Mapping[int, int]) -> list[tuple[int, int, ports.LoggedAlarm]]:
        if not cursors:
            return []
        values = {
            "writers": list(cursors),
            "batches": list(cursors.values()),
            "most": _MOST // len(cursors) + 1,
        }
        return [
            (writer, batch, _logged(rest))
            for writer, batch, *rest in self._db.execute(_NEW, values).fetchall()
        ]

    def _rule(self, alarm: Alarm) -> pack.AlarmRule:
        return emergencies.rule_for(alarm, self._rules)

    def _write(
        self,
        ledger: Ledger,
        heard: Sequence[tuple[ports.LoggedAlarm, pack.AlarmRule]],
        tests: test_calls.Calls,
    ) -> None:
        ledger.lock(emergencies.episode(g.alarm, r) for g, r in heard)
        pressed, cancelled = self._kin([g.alarm for g, _ in heard])
        linked = self._linked(ledger, heard, cancelled)
        self._router.look_up(self._db, [self._request(g, r) for g, r in heard])
        for logged, rule in heard:
            alarm, episode = logged.alarm, emergencies.episode(logged.alarm, rule)
            open_alert = ledger.open(episode)
            if tests.takes(logged, open_alert):
                continue
            if alarm.cancel and open_alert is None and emergencies.key(alarm) in pressed:
                open_alert = self._closed(ledger, alarm)
                if open_alert is None:  # pressed later in this very round, or never judged
                    pressed = pressed - {emergencies.key(alarm)}
            change = emergencies.judge_or_page(
                alarm,
                self._scene(
                    logged, rule, open_alert, pressed, cancelled, linked.get(episode, set())
                ),
            )
            ledger.apply(change)
            if change.alert.state is not model.State.CLOSED:
                ledger.link(episode, logged.no, alarm.site, alarm.device, alarm.receipt_id)
            if not alarm.cancel:
                linked.setdefault(episode, set()).add(emergencies.key(alarm))

    def _request(self, logged: ports.LoggedAlarm, rule: pack.AlarmRule) -> routing.Request:
        stranger = logged.alarm.device_no is None
        return routing.Request(
            alert_class=rule.alert_class,
            severity=rule.severity,
            kind=model.TeamKind.TELECARE_OPERATOR if stranger else rule.team,
            source=model.Source.DEVICE,
            rule_id=rule.id,
            now=self._clock.now(),
            person_no=logged.alarm.person_no,
            dwelling_no=logged.alarm.dwelling_no,
            site=logged.alarm.site,
            area_no=logged.setting.area_no,
        )

    def _scene(
        self,
        logged: ports.LoggedAlarm,
        rule: pack.AlarmRule,
        open_alert: model.Alert | None,
        pressed: set[emergencies.AlarmKey],
        cancelled: set[emergencies.AlarmKey],
        linked: set[emergencies.AlarmKey],
    ) -> emergencies.Scene:
        routed = self._router.route(self._db, self._request(logged, rule))
        if logged.alarm.device_no is None:
            routed = replace(routed, because=f"{routed.because} (the device is not registered)")
        return emergencies.Scene(
            rule=rule,
            open=open_alert,
            pressed=pressed,
            cancelled=cancelled,
            linked=linked,
            routed=routed,
            responses=self._responses,
            late_after_s=self._late_after_s,
            zone=rows.zone(logged.setting.timezone),
            now=self._clock.epoch(),
        )

    def _kin(
        self, alarms: Sequence[Alarm]
    ) -> tuple[set[emergencies.AlarmKey], set[emergencies.AlarmKey]]:
        """Return which of the alarms have ever been pressed, and which cancelled."""
        keys = sorted({emergencies.key(a) for a in alarms})
        columns = rows.columns(keys)
        pressed: set[emergencies.AlarmKey] = set()
        cancelled: set[emergencies.AlarmKey] = set()
        for *key, is_cancel in self._db.execute(_KIN, columns).fetchall():
            site, device, alarm_id, quantity = key
            (cancelled if is_cancel else pressed).add((site, device, alarm_id, quantity))
        return pressed, cancelled

    def _linked(
        self,
        ledger: Ledger,
        heard: Sequence[tuple[ports.LoggedAlarm, pack.AlarmRule]],
        cancelled: set[emergencies.AlarmKey],
    ) -> dict[str, set[emergencies.AlarmKey]]:
        episodes = {emergencies.episode(g.alarm, r) for g, r in heard}
        numbers = {a.no: e for e in episodes if (a := ledger.open(e)) is not None}
        linked: dict[str, set[emergencies.AlarmKey]] = {e: set() for e in episodes}
        if numbers:
            for no, site, device, alarm_id, quantity, gone in self._db.execute(
                _LINKED, [list(numbers)]
            ).fetchall():
                key = (site, device, alarm_id, quantity)
                linked[numbers[no]].add(key)
                if gone:
                    cancelled.add(key)
        return linked

    def _closed(self, ledger: Ledger, alarm: Alarm) -> model.Alert | None:
        """Return the closed alert that spoke for a cancelled alarm, ready to be changed."""
        row = self._db.execute(_SPOKE_FOR, list(emergencies.key(alarm))).fetchone()
        if row is None:
            return None
        alert = rows.alert(row)
        ledger.take(alert)
        return alert


def _logged(row: Sequence[object]) -> ports.LoggedAlarm:
    (no, site, device, alarm_id, receipt_id, quantity, cancel, place, time, received, flags,
     device_no, person_no, dwelling_no, detail, area_no, timezone) = row  # fmt: skip
    alarm = Alarm(
        site=str(site), device=str(device), alarm_id=str(alarm_id), receipt_id=str(receipt_id),
        quantity=_int(quantity), cancel=bool(cancel), place=str(place), time=_float(time),
        received=_float(received), flags=_int(flags), device_no=_maybe(device_no),
        person_no=_maybe(person_no), dwelling_no=_maybe(dwelling_no), detail=str(detail),
    )  # fmt: skip
    setting = ports.Setting(
        dwelling_no=alarm.dwelling_no,
        site=alarm.site,
        area_no=_maybe(area_no),
        timezone=str(timezone or "Europe/London"),
    )
    return ports.LoggedAlarm(no=_int(no), alarm=alarm, setting=setting)


def _int(value: object) -> int:
    assert isinstance(value, int)  # noqa: S101  (the column's type)
    return value


def _float(value: object) -> float:
    assert isinstance(value, float)  # noqa: S101  (the column's type)
    return value


def _maybe(value: object) -> int | None:
    return None if value is None else _int(value)
