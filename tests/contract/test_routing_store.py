"""Routing on a real database: hours, caseloads and places of the register, odd data included."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from psycopg.types.json import Jsonb

from alerts import model, routing, service, watchdog
from alerts.rules import pack, registry
from alerts.storage.alarms import AlarmLog
from alerts.storage.alerts import AlertStore
from alerts.storage.rotas import Rotas
from alerts.storage.upkeep import Upkeep
from ingest.storage.pool import open_pool
from tests.contract import homes
from tests.contract.homes import Homes, Writer
from tests.support.clock import FixedClock

pytestmark = pytest.mark.service
LONDON = ZoneInfo("Europe/London")
HOURS = [
    {"days": ["mon", "tue", "wed", "thu", "fri"], "from": "08:00", "to": "22:00"},
    {"days": ["sat"], "from": "08:30", "to": "13:00"},
]


def sql(here: Homes, statement: str, *values: Any) -> list[Any]:
    with homes.connect(here.url) as db:
        done = db.execute(statement, list(values))  # type: ignore[arg-type]
        return done.fetchall() if done.description else []


def team(here: Homes, id_: str, kind: str, **more: Any) -> int:
    columns = {"id": id_, "name": id_, "kind": kind, **more}
    names, marks = ", ".join(columns), ", ".join(["%s"] * len(columns))
    values = [Jsonb(v) if k == "hours" else v for k, v in columns.items()]
    query = f"INSERT INTO alerts.team ({names}) VALUES ({marks}) RETURNING no"
    return int(sql(here, query, *values)[0][0])


def hours(here: Homes, id_: str, hours: Any) -> None:
    statement = "UPDATE alerts.team SET hours = %s, holidays = 'GB-ENG' WHERE id = %s"
    sql(here, statement, Jsonb(hours), id_)


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=LONDON).timestamp()


def alarm(
    here: Homes, event: Writer, when: float, who: int | None = 0, **said: Any
) -> dict[str, Any]:
    """Let an alarm be judged at a time and return the newest alert with how it was routed."""
    event.alarm(here, who, now=when, alarm_id=f"a{when}{who}", **said)
    log = AlarmLog.open(
        here.url, rules=registry.load().of(pack.AlarmRule), late_after_s=900, teams_age_s=10,
        clock=FixedClock(datetime.fromtimestamp(when, LONDON)),
    )  # fmt: skip
    try:
        log.round()
    finally:
        log.close()
    query = (
        "SELECT t.id, a.routed_because, a.alert_class, a.response, e.detail -> 'routing'"
        " FROM alerts.alert a JOIN alerts.team t ON t.no = a.team_no"
        " JOIN alerts.event e ON e.alert_no = a.no AND e.kind = 'raised'"
        " ORDER BY a.no DESC LIMIT 1"
    )
    (row,) = sql(here, query)
    return dict(zip(("team", "because", "class", "response", "routing"), row, strict=True))


@pytest.mark.parametrize(
    ("when", "wanted"),
    [
        ("2026-07-22T21:59", "district-nursing"),
        ("2026-07-22T22:30", "night"),  # a weekday
        ("2026-08-31T11:00", "night"),  # a bank holiday
        ("2026-07-26T11:00", "night"),  # a Sunday
        ("2026-07-25T12:59", "district-nursing"),  # Saturday
        ("2026-07-25T13:00", "night"),
    ],
)
def test_an_alarm_goes_to_out_of_hours_while_the_nurses_are_closed(
    here: Homes, event: Writer, when: str, wanted: str
) -> None:
    hours(here, "district-nursing", HOURS)
    team(here, "night", "out_of_hours")
    found = alarm(here, event, at(when), quantity="fall")
    assert found["team"] == wanted
    assert (found["class"], found["response"]) == ("telecare", "emergency")
    assert found["routing"]["path"] == ["all", "emergency", "emergency.on_site"]
    if wanted == "night":
        assert "Team district_nursing is closed until" in found["because"]
        assert [p["team"] for p in found["routing"]["passed"]] == ["district-nursing"]


def test_an_alarm_in_a_building_with_staff_goes_to_them(here: Homes, event: Writer) -> None:
    ((site,),) = sql(here, "SELECT no FROM ingest.site")
    team(here, "warden", "onsite_care", site_no=site)
    assert alarm(here, event, at("2026-07-22T12:00"))["team"] == "warden"


def request(here: Homes, who: int = 0, **said: Any) -> routing.Request:
    given: dict[str, Any] = {
        "alert_class": model.AlertClass.CLINICAL, "severity": model.Severity.SOON,
        "kind": model.TeamKind.DISTRICT_NURSING, "source": model.Source.RULE, "rule_id": "news2",
        "now": datetime.fromtimestamp(at("2026-07-22T12:00"), LONDON),
        "person_no": here.people[who],
    }  # fmt: skip
    return routing.Request(**{**given, **said})


def route(here: Homes, who: int = 0, **said: Any) -> routing.Routed:
    with open_pool(here.url, name="test", most=1) as pool:
        return AlertStore(pool).route(request(here, who, **said))


def test_who_has_a_person_on_their_caseload_is_asked_first(here: Homes) -> None:
    matrons = team(here, "matrons", "community_matron")
    heart = team(here, "heart", "gp")
    sql(here, "INSERT INTO alerts.member (team_no, account, name) VALUES (%s, 'mo', 'Mo')", matrons)
    for person, role, team_no, account in (
        (0, "specialist", heart, None), (0, "community_matron", None, "mo"),
        (1, "key_worker", None, "nobody"),
    ):  # fmt: skip
        sql(
            here,
            "INSERT INTO alerts.caseload (person_no, role, team_no, account)"
            " VALUES (%s, %s, %s, %s)", here.people[person], role, team_no, account,
        )  # fmt: skip
    assert route(here).team.id == "matrons"
    assert route(here, 1).team.id == "district-nursing"
    of_home = route(here, person_no=None, dwelling_no=here.homes[0], site="maple-court")
    assert of_home.team.id == "matrons"  # one resident: the home's alerts are theirs


def test_cluster_council_area_and_wishes_are_read_from_the_register(here: Homes) -> None:
    sql(here, "INSERT INTO ingest.area (id, name, kind) VALUES ('c', 'C', 'council')")
    sql(
        here, "UPDATE ingest.site SET council_area_no = (SELECT no FROM ingest.area WHERE id = 'c')"
    )
    sql(here, "INSERT INTO ingest.practice (id, name, cluster) VALUES ('elm', 'Elm', 'hills')")
    sql(here, "UPDATE ingest.person SET practice_no = (SELECT no FROM ingest.practice),"
              " place_of_care = 'home' WHERE id = 'p0'")  # fmt: skip
    team(here, "hills", "district_nursing", cluster="hills")
    ((council,),) = sql(here, "SELECT no FROM ingest.area WHERE id = 'c'")
    team(here, "social", "case_management", area_no=council)
    assert route(here).team.id == "hills"
    assert "no conveyance to hospital" in route(here).note
    assert route(here, 1).team.id == "district-nursing"
    assert route(here, 1).note == ""
    crisis = {"alert_class": model.AlertClass.CARER, "severity": model.Severity.URGENT}
    assert route(here, 1, **crisis).team.id == "social"


@pytest.mark.parametrize("nonsense", [[{"days": ["fun"]}], {"from": "08:00"}, "always", [1]])
def test_a_team_whose_hours_make_no_sense_counts_as_open(
    here: Homes, event: Writer, nonsense: Any
) -> None:
    hours(here, "district-nursing", nonsense)
    assert alarm(here, event, at("2026-07-22T23:00"))["team"] == "district-nursing"


def test_an_emergency_that_can_not_be_routed_is_the_hub_s_own_and_says_so(
    here: Homes, event: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> routing.Routed:
        raise LookupError

    monkeypatch.setattr(routing, "route", fail)
    found = alarm(here, event, at("2026-07-22T12:00"))
    assert found["team"] == routing.DEFAULT_TEAM_ID
    assert "could not be routed (LookupError)" in found["because"]
    assert found["response"] == "emergency"


def test_an_emergency_is_raised_although_the_register_can_not_be_read(
    here: Homes, event: Writer
) -> None:
    sql(here, "ALTER TABLE alerts.caseload RENAME TO elsewhere")
    found = alarm(here, event, at("2026-07-22T12:00"))
    assert found["team"] == "district-nursing"


def test_a_tree_that_is_not_sound_is_replaced_by_the_shipped_one(
    here: Homes, tmp_path: Any
) -> None:
    file = tmp_path / "routing.toml"
    file.write_text("id = ")
    with open_pool(here.url, name="test", most=1) as pool:
        found = AlertStore(pool, policies=tmp_path).route(request(here))
    assert found.team.id == "district-nursing"
    assert found.policy.startswith("routing ")


def test_a_carer_s_phone_call_about_a_fall_lands_where_a_device_s_fall_does(
    here: Homes, event: Writer
) -> None:
    noon = at("2026-07-22T12:00")
    device = alarm(here, event, noon, quantity="fall")
    with open_pool(here.url, name="test", most=1) as pool:
        clock = FixedClock(datetime.fromtimestamp(noon, LONDON))
        service.Alerts(store=AlertStore(pool), clock=clock).raise_manual(
            by="operator", title="Fell in the kitchen", reason="Her son rang: she is on the floor.",
            severity=model.Severity.EMERGENCY, person_no=here.people[1],
            concern=model.Concern.FALL,
        )  # fmt: skip
    told = "rule_id, alert_class, response, team_no, severity, chain"
    of_device, of_carer = homes.alerts(here.url, told)
    assert of_carer == of_device
    assert of_device[:3] == ("fall", "telecare", "emergency")
    assert device["team"] == "district-nursing"


def test_a_carer_s_crisis_and_any_other_referral_have_classes_of_their_own(here: Homes) -> None:
    team(here, "cases", "case_management")
    with open_pool(here.url, name="test", most=1) as pool:
        alerts = service.Alerts(store=AlertStore(pool), clock=FixedClock())
        for concern in (model.Concern.CARER_CRISIS, model.Concern.OTHER):
            alerts.raise_manual(
                by="operator", title="T", reason="R", severity=model.Severity.URGENT,
                person_no=here.people[0], concern=concern,
            )  # fmt: skip
    query = "SELECT a.alert_class, t.id FROM alerts.alert a JOIN alerts.team t ON t.no = a.team_no"
    assert sql(here, query + " ORDER BY a.no") == [
        ("carer", "cases"), ("referral", "district-nursing"),
    ]  # fmt: skip


# -- rotas


def test_a_team_with_a_rota_and_nobody_there_is_told_and_its_end_too(here: Homes) -> None:
    noon = at("2026-07-22T12:00")
    clock = FixedClock(datetime.fromtimestamp(noon, LONDON))
    hours(here, "district-nursing", HOURS)
    nurses = here.teams["district_nursing"]
    ((ann,),) = sql(
        here, "INSERT INTO alerts.member (team_no, name) VALUES (%s, 'Ann') RETURNING no", nurses
    )
    sql(
        here,
        "INSERT INTO alerts.shift (team_no, member_no, starts, ends) VALUES"
        " (%s, %s, to_timestamp(%s), to_timestamp(%s))", nurses, ann, noon - 3_600, noon + 3_600,
    )  # fmt: skip
    with open_pool(here.url, name="test", most=2) as pool:
        upkeep = Upkeep(
            pool, rules=registry.load().rules, keep_log_days=7, keep_readings_days=None,
            keep_quarantine_days=90, hub_timed_window_s=600, clock=clock,
        )  # fmt: skip
        seen = []
        for hour in (12, 13, 14, 23):  # there, gone, gone still, closed
            clock.set(datetime.fromtimestamp(at(f"2026-07-22T{hour}:00"), LONDON))
            upkeep.tell(watchdog.judge_rotas(Rotas(pool, clock=clock).found(), now=clock.now()))
            seen.append(homes.alerts(here.url, "episode, title, condition, alert_class"))
    assert seen[0] == []
    assert seen[1] == seen[2] == [
        ("hub/hub.nobody_on_duty/district-nursing", "Nobody is on duty: Team district_nursing",
         "active", "hub"),
    ]  # fmt: skip
    assert [row[2] for row in seen[3]] == ["cleared"]


def test_places_are_wherever_an_alert_can_come_from(here: Homes) -> None:
    sql(here, "INSERT INTO ingest.practice (id, name, cluster) VALUES ('elm', 'Elm', 'hills')")
    sql(here, "UPDATE ingest.person SET practice_no = (SELECT no FROM ingest.practice)"
              " WHERE id = 'p0'")  # fmt: skip
    with open_pool(here.url, name="test", most=1) as pool:
        organisation, places = Rotas(pool, clock=FixedClock()).places()
    assert len(organisation.teams) == 3
    assert [p.name for p in places] == [
        "M, practices of hills", "M", "area A", "nowhere in particular",
    ]  # fmt: skip
