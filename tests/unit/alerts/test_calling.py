"""Whom a step tells: who works now, the nearest open team, one contact after another."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from alerts import calling, routing
from alerts.calling import Contact, Owner
from alerts.escalation import Tell
from alerts.model import Severity, Team, TeamKind
from alerts.organisation import calendars, rotas
from tests.unit.alerts.test_lifecycle import ALERT, NOW

HOUR = timedelta(hours=1)
FALL = replace(ALERT, severity=Severity.EMERGENCY)
NURSES = Team(no=1, id="dn", name="Nurses", kind=TeamKind.DISTRICT_NURSING, area_no=7)
RAPID = Team(no=2, id="rr", name="Rapid", kind=TeamKind.RAPID_RESPONSE, area_no=7)
ELSEWHERE = Team(no=3, id="rr9", name="Rapid 9", kind=TeamKind.RAPID_RESPONSE, area_no=9)
OPERATOR = Team(no=4, id="op", name="Operator", kind=TeamKind.TELECARE_OPERATOR)
NIGHT = Team(no=5, id="ooh", name="Night", kind=TeamKind.OUT_OF_HOURS)
DEFAULT = Team(no=99, id=routing.DEFAULT_TEAM_ID, name="Hub", kind="hub")
MEMBERS = [rotas.Member(no=n, team_no=1, name=f"m{n}", rank=n) for n in (11, 12, 13)]


def shift(no: int, member: int, duty: str, **more: Any) -> rotas.Shift:
    return rotas.Shift(
        no=no, member_no=member, starts=NOW - HOUR, ends=NOW + HOUR, duty=duty, **more
    )


def scene(*teams: Team, **more: Any) -> calling.Scene:
    values: dict[str, Any] = {
        "team": NURSES, "organisation": routing.Organisation([NURSES, *teams, DEFAULT], DEFAULT),
        "facts": routing.Facts(area_no=7), "members": MEMBERS, "shifts": [], "contacts": [],
        "now": NOW,
    } | more  # fmt: skip
    return calling.Scene(**values)


def called(tell: Tell, where: calling.Scene, *, repetition: int = 0) -> calling.Called:
    return calling.call(tell, FALL, where, repetition=repetition)


def test_a_team_is_told_and_who_of_it_is_on_duty() -> None:
    found = called(Tell.TEAM, scene(shifts=[shift(1, 12, "duty"), shift(2, 11, "on_call")]))
    assert found.owners == (Owner("team", 1), Owner("member", 12))
    assert called(Tell.TEAM, scene()).owners == (Owner("team", 1),)


def test_who_is_on_call_is_told_in_the_order_of_being_called() -> None:
    on_call = [shift(1, 13, "on_call"), shift(2, 11, "on_call"), shift(3, 12, "duty")]
    found = called(Tell.ON_CALL, scene(shifts=on_call))
    assert found.owners == (Owner("member", 11), Owner("member", 13))


def test_nobody_on_call_is_said_and_somebody_is_told_all_the_same() -> None:
    on_duty = called(Tell.ON_CALL, scene(shifts=[shift(1, 12, "duty")]))
    assert on_duty.owners == (Owner("member", 12),)
    assert "nobody is on call" in on_duty.said
    nobody = called(Tell.ON_CALL, scene(shifts=[shift(1, 12, "leave")]))
    assert nobody.owners == (Owner("team", 1),)


def test_what_cant_wait_is_told_to_who_is_open_beside_a_team_that_has_closed() -> None:
    sundays = calendars.parse([{"days": ["sun"], "from": "08:00", "to": "09:00"}], "UTC", None)
    shut = replace(NURSES, calendar=sundays)
    where = scene(OPERATOR, NIGHT, team=shut)
    for tell in (Tell.TEAM, Tell.ON_CALL):
        found = called(tell, where)
        assert (found.owners, found.team) == ((Owner("team", 1), Owner("team", 5)), NIGHT)
        assert "which is closed" in found.said
    there = scene(NIGHT, team=shut, shifts=[shift(1, 12, "duty")])
    assert called(Tell.TEAM, there).owners == (Owner("team", 1), Owner("member", 12))
    soon = replace(ALERT, severity=Severity.SOON)
    assert calling.call(Tell.TEAM, soon, where, repetition=0).owners == (Owner("team", 1),)
    assert called(Tell.TEAM, scene(team=shut)).owners == (Owner("team", 1),)


def test_rapid_response_is_the_nearest_open_team_and_the_alert_stands_on_its_queue() -> None:
    found = called(Tell.RAPID_RESPONSE, scene(ELSEWHERE, RAPID, OPERATOR))
    assert (found.owners, found.team) == ((Owner("team", 2),), RAPID)


def test_where_no_rapid_response_runs_the_operator_is_told_and_it_is_said() -> None:
    found = called(Tell.RAPID_RESPONSE, scene(ELSEWHERE, OPERATOR))
    assert found.team == OPERATOR
    assert found.said == "no rapid response here and now: Operator"
    closed = calendars.parse([{"days": ["sun"], "from": "08:00", "to": "09:00"}], "UTC", None)
    shut = replace(RAPID, calendar=closed)
    assert called(Tell.RAPID_RESPONSE, scene(shut, OPERATOR)).team == OPERATOR
    alone = called(Tell.RAPID_RESPONSE, scene())
    assert alone.owners == (Owner("team", 1),)
    assert "again" in alone.said


@pytest.mark.parametrize("teams", [(OPERATOR,), ()])
def test_the_last_resort_is_always_the_hub_s_own_people_too(teams: tuple[Team, ...]) -> None:
    assert called(Tell.LAST_RESORT, scene(*teams)).owners[-1] == calling.HUB
    assert called(Tell.HUB, scene(*teams)).owners == (calling.HUB,)


def test_contacts_are_told_one_after_another_and_only_as_the_person_wishes() -> None:
    mine = [Contact(no=5, told="never"), Contact(no=6, told="emergencies"),
            Contact(no=7, told="always")]  # fmt: skip
    where = scene(contacts=mine)
    told = [called(Tell.CONTACTS, where, repetition=n).owners for n in range(3)]
    assert told == [(Owner("contact", 6),), (Owner("contact", 7),), (Owner("contact", 6),)]
    soon = calling.call(Tell.CONTACTS, ALERT, where, repetition=0)
    assert soon.owners == (Owner("contact", 7),)
    assert soon.said == "contact 3 of 3"


@pytest.mark.parametrize(
    ("contacts", "said"),
    [([], "none is registered"), ([Contact(no=5, told="never")], "none may be told")],
)
def test_a_person_without_contacts_who_may_be_told_has_none_told_and_it_is_said(
    contacts: list[Contact], said: str
) -> None:
    found = called(Tell.CONTACTS, scene(contacts=contacts))
    assert (found.owners, found.said) == ((), f"contacts: {said}")
    nobody = replace(FALL, person_no=None)
    assert calling.call(Tell.CONTACTS, nobody, scene(contacts=contacts), repetition=0).owners == ()


def test_words_about_who_is_told_hold_no_name_of_a_person() -> None:
    where = scene(RAPID, OPERATOR, shifts=[shift(1, 11, "on_call")],
                  contacts=[Contact(no=6, told="always")])  # fmt: skip
    for tell in Tell:
        assert "m11" not in called(tell, where).said
