"""Whom a step tells, out of the database: teams, who works now, a person's contacts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import psycopg

from alerts import calling, model, routing
from alerts.escalation import Due, Tell
from alerts.organisation import rotas
from alerts.storage.routing import Router

_MEMBERS = """
SELECT no, team_no, name, account, profession, rank FROM alerts.member WHERE team_no = %s
"""
_SHIFTS = """
SELECT no, member_no, starts, ends, duty, swapped_from FROM alerts.shift
WHERE team_no = %s AND starts <= %s AND ends > %s
"""
_CONTACTS = "SELECT no, told FROM ingest.contact WHERE person_no = %s ORDER BY rank"


class Callees:
    """Whom due steps tell at one moment, in one transaction: each team's rota is read once."""

    def __init__(self, db: psycopg.Connection[Any], router: Router, *, now: datetime) -> None:
        self._db = db
        self._router = router
        self._now = now
        self._working: dict[int, tuple[list[rotas.Member], list[rotas.Shift]]] = {}

    def of(self, alert: model.Alert, due: Due) -> calling.Called:
        """Return whom a due step of an alert tells."""
        assert due.tell is not None  # noqa: S101  (a step of a chain tells somebody)
        organisation = self._router.organisation(self._db, fresh=False)
        team = organisation.team(alert.team_no or 0) or organisation.default
        facts = routing.NOTHING_KNOWN
        closed = calling.stands_in(alert, team, organisation, self._now)
        if closed or due.tell in (Tell.RAPID_RESPONSE, Tell.LAST_RESORT):
            facts = self._router.facts(self._db, _request(alert, self._now))
        members: list[rotas.Member] = []
        shifts: list[rotas.Shift] = []
        if due.tell in (Tell.TEAM, Tell.ON_CALL):
            if team.no not in self._working:
                self._working[team.no] = _working(self._db, team, self._now)
            members, shifts = self._working[team.no]
        contacts = []
        if due.tell is Tell.CONTACTS and alert.person_no is not None:
            found = self._db.execute(_CONTACTS, [alert.person_no]).fetchall()
            contacts = [calling.Contact(no=no, told=told) for no, told in found]
        scene = calling.Scene(
            team=team, organisation=organisation, facts=facts, members=members, shifts=shifts,
            contacts=contacts, now=self._now,
        )  # fmt: skip
        return calling.call(due.tell, alert, scene, repetition=due.repetition)


def _working(
    db: psycopg.Connection[Any], team: model.Team, now: datetime
) -> tuple[list[rotas.Member], list[rotas.Shift]]:
    shifts = [
        rotas.Shift(no=no, member_no=member, starts=starts, ends=ends, duty=duty,
                    swapped_from=swapped)
        for no, member, starts, ends, duty, swapped in db.execute(
            _SHIFTS, [team.no, now, now]).fetchall()
    ]  # fmt: skip
    if not shifts:
        return [], []
    members = [
        rotas.Member(no=no, team_no=team_no, name=name, account=account, profession=profession,
                     rank=rank)
        for no, team_no, name, account, profession, rank in db.execute(
            _MEMBERS, [team.no]).fetchall()
    ]  # fmt: skip
    return members, shifts


def _request(alert: model.Alert, now: datetime) -> routing.Request:
    return routing.Request(
        alert_class=alert.alert_class, severity=alert.severity,
        kind=model.TeamKind.RAPID_RESPONSE, source=alert.source, rule_id=alert.rule_id, now=now,
        person_no=alert.person_no, dwelling_no=alert.dwelling_no, site=alert.site,
    )  # fmt: skip
