"""Routing is total, deterministic, says why, and never goes to a closed queue."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts import routing
from alerts.model import AlertClass, Severity, Source, Team, TeamKind
from alerts.organisation import calendars
from alerts.policies import routes

DEFAULT = Team(no=999, id=routing.DEFAULT_TEAM_ID, name="Hub", kind="hub")
SHIPPED = routes.load()
KINDS = [str(k) for k in TeamKind]
LONDON = ZoneInfo("Europe/London")
WEEKDAYS = ["mon", "tue", "wed", "thu", "fri"]
HOURS = calendars.parse(
    [
        {"days": WEEKDAYS, "from": "08:00", "to": "22:00"},
        {"days": ["sat"], "from": "08:30", "to": "13:00"},
    ],
    "Europe/London",
    "GB-ENG",
)
NEVER = calendars.parse(
    [{"days": ["holiday"], "from": "10:00", "to": "10:01"}], "Europe/London", None
)
NOON = datetime(2026, 7, 22, 12, tzinfo=UTC)


def team(no: int, kind: str, area_no: int | None = None, **more: Any) -> Team:
    return Team(no=no, id=f"t{no}", name=f"T{no}", kind=kind, area_no=area_no, **more)


def request(**said: Any) -> routing.Request:
    given_ = {
        "alert_class": AlertClass.CLINICAL, "severity": Severity.URGENT, "source": Source.RULE,
        "kind": TeamKind.DISTRICT_NURSING, "rule_id": "news2", "now": NOON,
    }  # fmt: skip
    return routing.Request(**{**given_, **said})


def routed(teams: list[Team], *, facts: routing.Facts = routing.NOTHING_KNOWN,
           tree: routes.Tree = SHIPPED, **said: Any) -> routing.Routed:  # fmt: skip
    return routing.route(request(**said), facts, tree, routing.Organisation(teams, DEFAULT))


TREE = [
    team(1, "district_nursing", 10),
    team(2, "district_nursing", 10),
    team(3, "district_nursing"),
    team(4, "telecare_operator"),
    team(5, "equipment", 20),
]


@pytest.mark.parametrize(
    ("kind", "area", "teams", "wanted", "because"),
    [
        (TeamKind.DISTRICT_NURSING, 10, TREE, 1, "team of the area"),
        (TeamKind.DISTRICT_NURSING, 20, TREE, 3, "serves every area"),
        (TeamKind.DISTRICT_NURSING, None, TREE, 3, "team"),
        (TeamKind.EQUIPMENT, 10, TREE, 5, "no equipment team serves this area"),
        (TeamKind.RAPID_RESPONSE, 10, TREE, 4, "there is no rapid response team"),
        (TeamKind.RAPID_RESPONSE, 10, [], 999, "no telecare operator"),
        (TeamKind.DISTRICT_NURSING, 10, [TREE[4]], 999, "no telecare operator"),
    ],
)
def test_an_alert_goes_to_the_nearest_team_of_its_kind(
    kind: TeamKind, area: int | None, teams: list[Team], wanted: int, because: str
) -> None:
    found = routed(teams, kind=kind, area_no=area)
    assert found.team.no == wanted
    assert because in found.because


# -- hours


NURSES = team(1, "district_nursing", 10, calendar=HOURS)
OUT_OF_HOURS = team(2, "out_of_hours", 10)


@pytest.mark.parametrize(
    ("at", "wanted"),
    [
        ("2026-07-22T21:59:59", 1),  # a Wednesday
        ("2026-07-22T22:30:00", 2),
        ("2026-08-31T11:00:00", 2),  # a bank holiday, on a Monday
        ("2026-07-26T11:00:00", 2),  # a Sunday
        ("2026-07-25T12:59:59", 1),  # Saturday
        ("2026-07-25T13:00:00", 2),
    ],
)
@pytest.mark.parametrize("severity", list(Severity))
def test_out_of_hours_takes_what_comes_while_the_nurses_are_closed(
    at: str, wanted: int, severity: Severity
) -> None:
    now = datetime.fromisoformat(at).replace(tzinfo=LONDON).astimezone(UTC)
    found = routed([NURSES, OUT_OF_HOURS], area_no=10, now=now, severity=severity)
    assert found.team.no == wanted
    if wanted == 2:
        assert "T1 is closed until" in found.because
        assert [p.team.no for p in found.passed] == [1]


def test_with_nobody_for_the_night_a_closed_team_is_still_passed_over() -> None:
    night = datetime(2026, 7, 22, 22, 30, tzinfo=UTC)
    operator, nurses_elsewhere = team(3, "telecare_operator"), team(4, "district_nursing", 20)
    assert routed([NURSES, operator, nurses_elsewhere], area_no=10, now=night).team.no == 3
    rapid = team(5, "rapid_response", 10)
    assert routed([NURSES, operator, rapid], area_no=10, now=night).team.no == 5
    alone = routed([NURSES], area_no=10, now=night)
    assert alone.team.no == DEFAULT.no
    assert "closed until Thu 23 Jul 08:00" in alone.because


def test_a_closed_team_s_own_fallback_comes_first() -> None:
    closed = replace(NURSES, fallback="t7")
    second = team(7, "district_nursing", 20, calendar=NEVER, fallback="t8")
    third = team(8, "district_nursing", 20, fallback="t1")  # and round again
    night = datetime(2026, 7, 22, 22, 30, tzinfo=UTC)
    found = routed([closed, OUT_OF_HOURS, second, third], area_no=10, now=night)
    assert found.team.no == 8
    assert "stands in for T1" in found.because


def test_fallbacks_that_go_round_in_a_circle_end() -> None:
    one = team(1, "district_nursing", 10, calendar=NEVER, fallback="t2")
    two = team(2, "district_nursing", 10, calendar=NEVER, fallback="t1")
    assert routed([one, two], area_no=10).team == DEFAULT


# -- who is nearest


def test_the_team_on_site_comes_before_cluster_area_and_everywhere() -> None:
    teams = [
        team(1, "onsite_care"), team(2, "onsite_care", 10),
        team(3, "onsite_care", cluster="hills"), team(4, "onsite_care", site_no=5),
        team(5, "onsite_care", site_no=6),
    ]  # fmt: skip
    facts = routing.Facts(site_no=5, cluster="hills", area_no=10)
    order = []
    while teams[:-1]:
        found = routed(teams, facts=facts, kind=TeamKind.ONSITE_CARE)
        order.append(found.team.no)
        teams.remove(found.team)
        if found.team.no == 1:
            break
    assert order == [4, 3, 2, 1]
    assert routed(teams, facts=facts, kind=TeamKind.ONSITE_CARE).team == DEFAULT  # another site's


def test_a_fall_on_a_site_with_people_in_the_building_goes_to_them() -> None:
    teams = [team(1, "district_nursing", 10), team(2, "onsite_care", site_no=5)]
    facts = routing.Facts(site_no=5, area_no=10)
    fall = {"alert_class": AlertClass.TELECARE, "severity": Severity.EMERGENCY, "rule_id": "fall"}
    assert routed(teams, facts=facts, **fall).team.no == 2
    assert routed(teams, facts=replace(facts, site_no=6), **fall).team.no == 1
    assert routed(teams, facts=facts).team.no == 1  # vital signs are for nurses


def test_health_and_council_areas_are_apart() -> None:
    council = team(1, "case_management", 30)
    facts = routing.Facts(area_no=10, council_area_no=30)
    crisis = {"alert_class": AlertClass.CARER, "kind": TeamKind.CASE_MANAGEMENT}
    assert routed([council], facts=facts, **crisis).team.no == 1
    assert "another area" in routed([council], facts=replace(facts, council_area_no=31),
                                    **crisis).because  # fmt: skip


def test_the_caseload_comes_first_the_ward_before_key_worker_matron_and_specialist() -> None:
    teams = [team(n, "community_matron", 20) for n in (11, 12, 13, 14)] + [NURSES]
    facts = routing.Facts(
        area_no=10,
        caseload=(("specialist", 14), ("community_matron", 13), ("key_worker", 12),
                  ("virtual_ward", 11)),
    )  # fmt: skip
    order: list[int] = []
    for _ in range(5):
        found = routed([t for t in teams if t.no not in order], facts=facts)
        order.append(found.team.no)
    assert order == [11, 12, 13, 14, NURSES.no]
    assert "virtual ward" in routed(teams, facts=facts).because
    closed = [replace(t, calendar=NEVER) if t.no == 11 else t for t in teams]
    assert routed(closed, facts=facts).team.no == 12


# -- what a team takes


def test_a_team_gets_only_the_classes_and_severities_that_it_takes() -> None:
    emergencies = team(1, "district_nursing", 10, severities=frozenset({"emergency"}))
    clinical = team(2, "district_nursing", classes=frozenset({"clinical"}))
    found = routed([emergencies, clinical], area_no=10)
    assert found.team.no == 2
    assert "T1 takes nothing of severity urgent" in found.because
    assert routed([emergencies, clinical], area_no=10, severity=Severity.EMERGENCY).team.no == 1
    referral = routed([clinical], area_no=10, alert_class=AlertClass.REFERRAL)
    assert referral.team == DEFAULT
    assert "takes no referral alerts" in referral.because


def test_faults_of_equipment_stay_away_from_nurses() -> None:
    fault = {"alert_class": AlertClass.EQUIPMENT, "kind": TeamKind.EQUIPMENT}
    assert routed([team(1, "district_nursing"), team(2, "rapid_response")], **fault).team == DEFAULT
    assert routed([team(1, "district_nursing"), team(2, "telecare_operator")], **fault).team.no == 2


def test_where_somebody_wishes_to_stay_at_home_it_is_said_and_kept() -> None:
    facts = routing.Facts(place_of_care="home")
    found = routed([team(1, "district_nursing")], facts=facts, severity=Severity.EMERGENCY)
    assert found.path == ("all", "end_of_life", "end_of_life.emergency")
    assert found.response == "emergency"
    assert "no conveyance to hospital" in found.note
    assert found.detail()["note"] == found.note
    hospital = routed([team(1, "district_nursing")], facts=routing.Facts(place_of_care="hospital"))
    assert hospital.note == ""


@pytest.mark.parametrize(
    ("alert_class", "severity", "response"),
    [
        *((c, s, str(s)) for c in ("telecare", "clinical", "referral", "carer") for s in Severity),
        *(("equipment", s, "equipment") for s in Severity),
        *(("hub", s, "hub") for s in Severity),
    ],
)
def test_the_response_is_that_of_the_severity_but_for_equipment_and_the_hub(
    alert_class: str, severity: Severity, response: str
) -> None:
    assert routed([], alert_class=AlertClass(alert_class), severity=severity).response == response


def test_routes_may_look_at_the_hour() -> None:
    tree = routes.parse(
        'id = "r"\nversion = "1"\ntitle = "t"\napprover = "a"\nreview_by = 2027-01-01\n'
        'source = "s"\n[[route]]\nid = "all"\nto = ["kind"]\nresponse = "soon"\nsource = "s"\n'
        '[[route]]\nid = "night"\nunder = "all"\nwhen = { open = false, area = ["north"] }\n'
        'response = "urgent"\nsource = "s"\n',
        file="r.toml",
    )
    org = routing.Organisation([NURSES], DEFAULT, {10: "north"})
    night = datetime(2026, 7, 22, 22, 30, tzinfo=UTC)
    said = [
        routing.route(request(now=at, area_no=area), routing.NOTHING_KNOWN, tree, org).response
        for at, area in ((NOON, 10), (night, 10), (night, None))
    ]
    assert said == ["soon", "urgent", "soon"]


# -- laws


some_calendar = st.sampled_from([calendars.ALWAYS, calendars.ALWAYS, HOURS, NEVER])
some_teams = st.lists(
    st.builds(
        team, st.integers(1, 50), st.sampled_from(KINDS), st.none() | st.integers(1, 4),
        calendar=some_calendar,
        site_no=st.none() | st.none() | st.integers(1, 2),
        cluster=st.none() | st.none() | st.sampled_from(["hills", "town"]),
        classes=st.none() | st.frozensets(st.sampled_from([str(c) for c in AlertClass])),
        severities=st.none() | st.frozensets(st.sampled_from([str(s) for s in Severity])),
        fallback=st.none() | st.integers(1, 60).map(lambda n: f"t{n}"),
    ),
    unique_by=lambda t: t.no,
    max_size=12,
)  # fmt: skip
some_facts = st.builds(
    routing.Facts,
    site_no=st.none() | st.integers(1, 2),
    area_no=st.none() | st.integers(1, 5),
    council_area_no=st.none() | st.integers(1, 5),
    cluster=st.none() | st.sampled_from(["hills", "town"]),
    risk_band=st.none() | st.sampled_from(["green", "red"]),
    place_of_care=st.none() | st.sampled_from(routes.PLACES_OF_CARE),
    caseload=st.lists(st.tuples(st.sampled_from(routes.ROLES), st.integers(1, 50)), max_size=3).map(
        tuple
    ),
)
some_request = st.builds(
    request,
    alert_class=st.sampled_from(AlertClass),
    severity=st.sampled_from(Severity),
    kind=st.sampled_from(TeamKind),
    source=st.sampled_from(Source),
    rule_id=st.sampled_from(["fall", "falls.repeated", "news2"]),
    area_no=st.none() | st.integers(1, 5),
    now=st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)).map(
        lambda t: t.replace(tzinfo=UTC)
    ),
)


@given(some_request, some_facts, some_teams, st.randoms(use_true_random=False))
def test_every_alert_reaches_somebody_and_the_order_of_teams_does_not_matter(
    asked: routing.Request, facts: routing.Facts, teams: list[Team], chance: random.Random
) -> None:
    found = routing.route(asked, facts, SHIPPED, routing.Organisation(teams, DEFAULT))
    assert found.team in [*teams, DEFAULT]
    assert found.because
    assert found.response in routes.RESPONSES
    assert calendars.is_open(found.team.calendar, asked.now)
    shuffled = list(teams)
    chance.shuffle(shuffled)
    used = routing.Organisation(shuffled, DEFAULT)
    for other in chance.sample(
        shuffled, k=len(shuffled) // 2
    ):  # what was asked before is no matter
        used.is_open(other, NOON)
    assert routing.route(asked, facts, SHIPPED, used) == found


@given(some_request, some_facts, some_teams)
def test_the_built_in_team_gets_only_what_no_open_team_of_the_place_takes(
    asked: routing.Request, facts: routing.Facts, teams: list[Team]
) -> None:
    facts = replace(facts, area_no=facts.area_no or asked.area_no)
    found = routing.route(asked, facts, SHIPPED, routing.Organisation(teams, DEFAULT))
    could = [
        t for t in teams
        if routing.nearness(t, facts) < 4 and calendars.is_open(t.calendar, asked.now)
        and routing.takes(t, asked.alert_class, asked.severity)
    ]  # fmt: skip
    assert (found.team == DEFAULT) <= (not could)
    own = [t for t in could if t.kind == asked.kind]
    if own and found.candidate.startswith("kind"):
        assert found.team.kind == asked.kind or "stands in" in found.because
