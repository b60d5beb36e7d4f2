"""Steps that are due: each taken once, with what is told written in the same transaction.

The lock on an alert's row is what keeps two workers, and a person who acts, apart; who finds it
taken passes by and comes again at the next tick. Time is the database's, so that all workers have
one clock; when that clock was set back, what is due is moved along with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from alerts import escalation, lifecycle, model
from alerts.delivery.rendering import DELAYED, HELP, WAITING
from alerts.escalation import Due, Kind, Tell
from alerts.policies import responses
from alerts.storage import calling, deliveries, rows
from alerts.storage.ledger import Ledger
from alerts.storage.routing import Router
from ingest import telemetry
from ingest.storage.pool import GONE, Connection, Pool, store_errors

_SET_BACK = timedelta(seconds=30)
"""A clock this far behind its last tick was set back: no pause of a process looks like that."""
_MOST = 100
_ODD_REST = timedelta(seconds=60)
"""How long an alert is left alone whose steps can't be taken, before they are tried again."""

_NOW = "SELECT clock_timestamp()"
_LAST = "SELECT at FROM alerts.tick WHERE name = 'steps' FOR UPDATE"
_TICKED = """
INSERT INTO alerts.tick (name, at) VALUES ('steps', %s)
ON CONFLICT (name) DO UPDATE SET at = excluded.at
"""
# All that waits for a moment; what was put off until a date that somebody named stays so.
_SHIFT_ALERTS = """
UPDATE alerts.alert SET next_step_at = next_step_at - %(by)s,
    acknowledged_until = acknowledged_until - %(by)s, offered_until = offered_until - %(by)s
WHERE state <> 'closed'
"""
_SHIFT_STEPS = "UPDATE alerts.step SET due_at = due_at - %(by)s WHERE state = 'pending'"
_SHIFT_DELIVERIES = "UPDATE alerts.delivery SET next_at = next_at - %(by)s WHERE state = 'queued'"
_DUE = """
SELECT DISTINCT alert_no FROM (
    SELECT alert_no FROM alerts.step
    WHERE state = 'pending' AND rank = %(rank)s AND due_at <= %(now)s
    AND alert_no <> ALL(%(odd)s::bigint[])
    ORDER BY due_at LIMIT %(most)s) s
"""
_LOCK = (
    f"SELECT {rows.ALERT_COLUMNS} FROM alerts.alert a"  # noqa: S608 - our own column names
    " WHERE a.no = ANY(%s) ORDER BY a.raised_at, a.no FOR UPDATE SKIP LOCKED"
)
_STEPS = """
SELECT no, alert_no, kind, run, position, repetition, due_at, tell FROM alerts.step
WHERE alert_no = ANY(%s) AND state = 'pending' AND due_at <= %s ORDER BY alert_no, due_at, position
"""
_DONE = """
UPDATE alerts.step s SET state = x.state, done_at = %s
FROM unnest(%s::bigint[], %s::text[]) AS x (no, state) WHERE s.no = x.no
"""
_FOLLOW = """
INSERT INTO alerts.step (alert_no, run, position, repetition, kind, tell, rank, due_at)
SELECT * FROM unnest(%s::bigint[], %s::int[], %s::smallint[], %s::int[], %s::text[], %s::text[],
    %s::smallint[], %s::timestamptz[])
ON CONFLICT DO NOTHING
"""
_NEXT = """
UPDATE alerts.alert a SET next_step_at =
    (SELECT min(s.due_at) FROM alerts.step s WHERE s.alert_no = a.no AND s.state = 'pending')
WHERE a.no = ANY(%s)
"""
_TOLD_TEAMS = """
UPDATE alerts.alert SET told_teams = told_teams || %(team)s::bigint
WHERE no = %(alert)s AND team_no IS DISTINCT FROM %(team)s::bigint
AND NOT told_teams @> ARRAY[%(team)s::bigint]
"""
# A release before this one moves alerts on and leaves their steps as they are: what is pending
# counts where it is of the present run, and where it fits whether somebody has taken it on.
_WITHOUT = """
SELECT a.no FROM alerts.alert a WHERE a.state <> 'closed'
AND (%(these)s::bigint[] IS NULL OR a.no = ANY(%(these)s::bigint[]))
AND NOT EXISTS (SELECT FROM alerts.step s WHERE s.alert_no = a.no AND s.state = 'pending'
    AND s.run = a.pages AND (a.state = 'open' OR s.kind <> 'tell'))
ORDER BY a.no LIMIT %(most)s
"""
_OVERDUE = """
SELECT count(*), min(due_at) FROM alerts.step
WHERE state = 'pending' AND due_at <= clock_timestamp() - %s::interval
"""


class Steps:
    """What is due about alerts, through a pool that is shared with others."""

    def __init__(
        self, pool: Pool, *, router: Router, answers: responses.Responses | None = None
    ) -> None:
        self._pool = pool
        self._router = router
        self._responses = answers
        self._begun: set[int] = set()  # alerts whose steps could not be taken, and began anew
        self._odd: dict[int, datetime] = {}  # those that could not even then, and when tried
        self._say = telemetry.logger()

    def tick(self, *, now: datetime | None = None) -> int:
        """Take every step that is due, the worst first; return how many.

        Raises
        ------
        StoreUnavailableError
            The database is gone; what had not been taken is taken at a later tick.
        """
        taken = 0
        with store_errors(), self._pool.connection() as db:
            self._ticked(db, now)
            for severity in model.Severity:
                while True:
                    n = self._some(db, severity, now)
                    taken += n
                    if n < _MOST:
                        break
            for no, tried in list(self._odd.items()):
                if abs(_now(db, now) - tried) >= _ODD_REST:
                    taken += self._alone(db, no, now)
        return taken

    def resume(self, *, now: datetime | None = None) -> int:
        """Look after alerts that have no step to come; return how many there were.

        There are some after an upgrade from a release without steps, while such a release still
        runs beside this one, and never else.
        """
        found = 0
        with store_errors(), self._pool.connection() as db:
            while True:
                with db.transaction():
                    at = _now(db, now)
                    alerts = self._without(db)
                    ledger = Ledger(db, self._responses)
                    for alert in alerts:
                        ledger.take(alert)
                        ledger.look_after(alert, now=at)
                    ledger.write()
                found += len(alerts)
                if len(alerts) < _MOST:
                    return found

    def _without(self, db: Connection) -> list[model.Alert]:
        """Lock alerts without a step to come; once they are locked nobody gives them one."""
        seen = [no for (no,) in db.execute(_WITHOUT, {"these": None, "most": _MOST})]
        if not seen:
            return []
        locked = [rows.alert(row) for row in db.execute(_LOCK, [seen]).fetchall()]
        again = {"these": [a.no for a in locked], "most": _MOST}
        still = {no for (no,) in db.execute(_WITHOUT, again)}
        return [alert for alert in locked if alert.no in still]

    def overdue(self, *, by: timedelta) -> tuple[int, datetime | None]:
        """Return how many steps have been due for longer than that, and since when the first."""
        with store_errors(), self._pool.connection() as db:
            row = db.execute(_OVERDUE, [by]).fetchone()
        assert row is not None  # noqa: S101  (a count is one row)
        return int(row[0]), row[1]

    def _ticked(self, db: Connection, now: datetime | None) -> None:
        """Write down that time goes on; move what is due when the clock was set back."""
        with db.transaction():
            at = _now(db, now)
            last = db.execute(_LAST).fetchone()
            if last is not None and last[0] - at > _SET_BACK:
                for shift in (_SHIFT_ALERTS, _SHIFT_STEPS, _SHIFT_DELIVERIES):
                    db.execute(shift, {"by": last[0] - at})
            db.execute(_TICKED, [at])

    def _some(self, db: Connection, severity: model.Severity, now: datetime | None) -> int:
        """Take due steps of some alerts of one severity in one transaction.

        Where that fails they are taken alert by alert: one must not hold up all others.
        """
        due: list[int] = []
        try:
            with db.transaction():
                at = _now(db, now)
                values = {
                    "rank": severity.rank, "now": at, "most": _MOST, "odd": list(self._odd),
                }  # fmt: skip
                due = [no for (no,) in db.execute(_DUE, values).fetchall()]
                return self._take(db, due, at)
        except GONE:
            raise
        except Exception:
            if not due:
                raise
            self._say.exception("Due steps could not be taken together: now alert by alert")
            return sum(self._alone(db, no, now) for no in due)

    def _take(self, db: Connection, due: Sequence[int], at: datetime) -> int:
        """Take the due steps of those alerts that nobody holds; return how many."""
        if not due:
            return 0
        alerts = {(a := rows.alert(r)).no: a for r in db.execute(_LOCK, [list(due)]).fetchall()}
        if not alerts:
            return 0
        steps: dict[int, list[tuple[int, Due]]] = {}
        for no, alert_no, *rest in db.execute(_STEPS, [list(alerts), at]).fetchall():
            steps.setdefault(alert_no, []).append((no, rows.due(rest)))
        round_ = _Round(db, self._router, Ledger(db, self._responses), now=at)
        for no, mine in steps.items():
            round_.take(alerts[no], mine)
        round_.write(list(steps))
        return len(round_.done)

    def _alone(self, db: Connection, no: int, now: datetime | None) -> int:
        """Take the due steps of one alert; where they can't be, let it ask anew, once.

        Where that doesn't help either they stay due, which the hub tells of itself, and are tried
        again after a while.
        """
        try:
            with db.transaction():
                taken = self._take(db, [no], _now(db, now))
        except GONE:
            raise
        except Exception:
            self._say.exception("Due steps of an alert could not be taken", alert=no)
            if no in self._begun:
                self._odd[no] = _now(db, now)
            else:
                self._begun.add(no)
                self._begin_anew(db, no, now)
            return 0
        self._odd.pop(no, None)
        return taken

    def _begin_anew(self, db: Connection, no: int, now: datetime | None) -> None:
        """Stop what an alert has to come, whatever it is, and begin the response of today."""
        try:
            with db.transaction():
                for row in db.execute(_LOCK, [[no]]).fetchall():
                    alert = rows.alert(row)
                    if alert.state is not model.State.CLOSED:
                        ledger = Ledger(db, self._responses)
                        ledger.take(alert)
                        ledger.begin_anew(alert, now=_now(db, now))
                        ledger.write()
        except GONE:
            raise
        except Exception:
            self._say.exception("The response of an alert could not begin anew", alert=no)


class _Round:
    """Due steps of some alerts, taken in one transaction."""

    def __init__(self, db: Connection, router: Router, ledger: Ledger, *, now: datetime) -> None:
        self._db = db
        self._ledger = ledger
        self._now = now
        self._callees = calling.Callees(db, router, now=now)
        self._outgoing = deliveries.Outgoing(db, now=now)
        self._follow: list[tuple[Any, ...]] = []
        self._teams: list[tuple[int, int]] = []
        self.done: list[tuple[int, str]] = []

    def take(self, alert: model.Alert, steps: Sequence[tuple[int, Due]]) -> None:
        """Take the due steps of one alert, in their order."""
        now, response = self._now, escalation.thawed(alert.chain)
        self._ledger.take(alert)
        for no, due in steps:
            if due.kind is Kind.TELL and alert.state is not model.State.OPEN:
                self.done.append((no, "stopped"))  # by a release that knows no steps
                continue
            judged = escalation.judge(response, alert.severity, due, now=now)
            self.done.append((no, "stale" if judged.stale else "done"))
            if due.kind is not Kind.TELL:
                change = lifecycle.lapse(alert, due, judged, now=now)
                if change is None:
                    continue
                self._ledger.apply(change)
                if change.steps is not None:
                    return  # what else was due is due no more
                alert = change.alert
                continue
            after = escalation.follow(response, due, now=now)
            if after is not None:
                self._follow.append(
                    (alert.no, after.run, after.position, after.repetition, after.kind, after.tell,
                     alert.severity.rank, after.due_at)
                )  # fmt: skip
            said, detail = "it came too late to page anybody", _NOTHING
            if not judged.stale:
                said, detail = self._tell(alert, due, judged, response.channels(due.position))
            change = lifecycle.told(alert, due, judged, said=said, now=now, detail=detail)
            self._ledger.apply(change)
            alert = change.alert

    def write(self, alerts: Sequence[int]) -> None:
        """Write everything about these alerts; nothing may follow but the commit."""
        numbers, states = [d[0] for d in self.done], [d[1] for d in self.done]
        self._db.execute(_DONE, [self._now, numbers, states])
        if self._follow:
            self._db.execute(_FOLLOW, rows.columns(self._follow))
        if self._teams:
            with self._db.cursor() as cursor:
                cursor.executemany(
                    _TOLD_TEAMS, [{"alert": alert, "team": team} for alert, team in self._teams]
                )
        self._outgoing.write()
        self._ledger.write(also=(_NEXT, [list(alerts)]))

    def _tell(
        self, alert: model.Alert, due: Due, judged: escalation.Judged, channels: Sequence[str]
    ) -> tuple[str, Mapping[str, Any]]:
        """Put what a step tells on its way; return what is said of it, without any name."""
        who = self._callees.of(alert, due)
        template = WAITING if not judged.delayed else DELAYED
        if due.tell is Tell.CONTACTS:
            template = HELP
        queued = self._outgoing.ask(
            alert_no=alert.no, run=due.run, position=due.position, repetition=due.repetition,
            urgency=alert.severity.rank, owners=who.owners,
            template=template, channels=channels or None,
        )  # fmt: skip
        detail: dict[str, Any] = {"messages": queued.count}
        if who.team is not None:
            self._teams.append((alert.no, who.team.no))
            detail["team"] = who.team.id
        # who is told by the name they are called by is named once
        said = queued.said if queued.said.startswith(who.said) else f"{who.said} ({queued.said})"
        return said, detail


_NOTHING: Mapping[str, Any] = {}


def _now(db: Connection, now: datetime | None) -> datetime:
    if now is not None:
        return now
    row = db.execute(_NOW).fetchone()
    assert row is not None  # noqa: S101  (the clock is one row)
    found: datetime = row[0]
    return found
