"""Coverage over a year: every gap is found with its length, every overlap, every empty rota."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alerts import coverage, routing
from alerts.model import AlertClass, Severity, Team, TeamKind
from alerts.organisation import calendars, rotas
from alerts.policies import routes
from alerts.rules import registry

DEFAULT = Team(no=999, id=routing.DEFAULT_TEAM_ID, name="Hub", kind="hub")
TREE = routes.load()
START, END = coverage.year(2026)
HERE = coverage.Place(name="Here", facts=routing.Facts(area_no=10, site_no=5))
CLINICAL = coverage.Asked(
    alert_class=AlertClass.CLINICAL, kind=TeamKind.DISTRICT_NURSING, rule_id="news2"
)
DAY = [{"days": list(calendars.DAYS), "from": "08:00", "to": "22:00"}]
NIGHT = [{"days": list(calendars.DAYS), "from": "22:00", "to": "08:00"}]


def hours(said: list[dict[str, Any]]) -> calendars.Calendar:
    return calendars.parse(said, "Europe/London", None)


def team(no: int, kind: str = "district_nursing", **more: Any) -> Team:
    return Team(no=no, id=f"t{no}", name=f"T{no}", kind=kind, **{"area_no": 10, **more})


def gaps(*teams: Team, asked: coverage.Asked = CLINICAL,
         place: coverage.Place = HERE) -> list[coverage.Gap]:  # fmt: skip
    found = routing.Organisation(teams, DEFAULT)
    return list(coverage.gaps(TREE, found, [place], [asked], start=START, end=END))


def test_teams_that_follow_one_another_leave_no_gap_in_a_year() -> None:
    day, night = team(1, calendar=hours(DAY)), team(2, "out_of_hours", calendar=hours(NIGHT))
    assert gaps(day, night) == []


def test_a_gap_is_told_with_its_length_and_its_beginning() -> None:
    (gap,) = gaps(team(1, calendar=hours(DAY)))
    assert gap.hours == pytest.approx(365 * 10)  # both nights of the clocks make up for each other
    assert gap.first == START
    assert gap.severities == tuple(Severity)
    assert "Here: clinical alerts for district nursing (all)" in str(gap)


def test_a_gap_may_be_of_some_severities_and_some_places_only() -> None:
    urgent = team(1, severities=frozenset({"emergency", "urgent"}))
    (gap,) = gaps(urgent)
    assert gap.severities == (Severity.SOON, Severity.INFORMATION)
    elsewhere = coverage.Place(name="There", facts=routing.Facts(area_no=20))
    there = team(2, "gp", area_no=20)
    assert gaps(there, place=elsewhere) == []
    assert len(gaps(there)) == 1


def test_the_hub_s_own_alerts_are_looked_at_from_nowhere_only() -> None:
    hub = coverage.Asked(
        alert_class=AlertClass.HUB, kind=TeamKind.TELECARE_OPERATOR, rule_id="hub.x"
    )
    nowhere = coverage.Place(name="nowhere", facts=routing.NOTHING_KNOWN)
    assert gaps(asked=hub) == []
    assert len(gaps(asked=hub, place=nowhere)) == 1
    assert gaps(team(1, "telecare_operator", area_no=None), asked=hub, place=nowhere) == []


@pytest.mark.parametrize(
    ("other", "alike"),
    [
        ({}, True),
        ({"area_no": 20}, False),
        ({"kind": "gp"}, False),
        ({"calendar": hours(NIGHT)}, False),
        ({"classes": frozenset({"referral"})}, False),
        ({"severities": frozenset({"soon"})}, True),
    ],
)
def test_teams_alike_that_are_open_together_overlap(other: dict[str, Any], alike: bool) -> None:
    one = team(1, calendar=hours(DAY), classes=frozenset({"clinical"}))
    two = team(2, **other)
    found = routing.Organisation([one, two], DEFAULT)
    overlaps = list(coverage.overlaps(found, start=START, end=END))
    assert overlaps == ([(one, two)] if alike else [])


def test_places_between_which_nothing_differs_are_looked_at_once() -> None:
    places = [
        coverage.Place(name=str(n), facts=routing.Facts(area_no=10, site_no=n, cluster="c"))
        for n in (5, 6, 7)
    ]
    assert len(coverage.distinct(places, TREE, [team(1)])) == 1
    assert len(coverage.distinct(places, TREE, [team(1, site_no=6)])) == 2


def test_every_sort_of_alert_that_rules_and_people_raise_is_looked_at() -> None:
    found = coverage.sorts(registry.load().rules.values())
    assert {a.alert_class for a in found} == set(AlertClass)


def test_a_rota_is_missing_somebody_only_while_the_team_is_open() -> None:
    noon = datetime(2026, 7, 22, 12, tzinfo=UTC)
    ann = rotas.Member(no=1, team_no=1, name="Ann")
    shift = rotas.Shift(no=1, member_no=1, starts=noon, ends=noon + timedelta(hours=6))
    rota = coverage.Rota(team=team(1, calendar=hours(DAY)), members=[ann], shifts=[shift])
    missing = rota.missing(noon, noon + timedelta(hours=20))
    assert missing == (
        calendars.Span(noon + timedelta(hours=6), noon + timedelta(hours=9)),
        calendars.Span(noon + timedelta(hours=19), noon + timedelta(hours=20)),
    )
