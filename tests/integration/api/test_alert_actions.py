"""Ringing, sending, handing over, putting off, asking more people, closing together, muting."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from tests.integration.api import served

pytestmark = pytest.mark.service


def act(client: httpx.Client, alert: str, step: str, version: int, **body: Any) -> httpx.Response:
    return client.post(f"/api/v1/alerts/{alert}/{step}", json={"expected_version": version, **body})


def ok(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code in (200, 201), answer.text
    body: dict[str, Any] = answer.json()
    return body


BODIES: dict[str, dict[str, Any]] = {
    "acknowledge": {},
    "assign": {"to": "responder"},
    "note": {"text": "x"},
    "contact": {"whom": "Joan", "outcome": "reached"},
    "dispatch": {"to": "the neighbour"},
    "arrive": {},
    "escalate": {},
    "handover": {"to": "responder"},
    "snooze": {"minutes": 5, "reason": "x"},
    "close": {"disposition": "advice"},
}


@pytest.mark.parametrize("step", BODIES)
def test_every_step_refuses_a_stale_version_with_the_alert_as_it_now_is(
    hub: served.Served, nurse: httpx.Client, step: str
) -> None:
    alert = hub.alert(severity="urgent")
    ok(act(nurse, alert, "acknowledge", 1))
    answer = act(nurse, alert, step, 1, **BODIES[step])
    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:telecare:problem:stale-version"
    assert answer.json()["current"]["version"] == 2
    with hub.client("responder") as other:  # nothing was done
        assert ok(other.get(f"/api/v1/alerts/{alert}"))["version"] == 2


@pytest.mark.parametrize("step", [s for s in BODIES if s != "note"])
def test_nothing_but_a_note_can_be_done_to_a_closed_alert(
    hub: served.Served, nurse: httpx.Client, step: str
) -> None:
    alert = hub.alert(severity="urgent")
    ok(act(nurse, alert, "close", 1, disposition="advice"))
    answer = act(nurse, alert, step, 2, **BODIES[step])
    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:telecare:problem:transition-refused"
    assert "closed" in answer.json()["reason"]


@pytest.mark.parametrize(
    ("step", "body"),
    [
        ("dispatch", {}),
        ("dispatch", {"to": "x", "accept": True}),
        ("handover", {}),
        ("handover", {"accept": True, "decline": True}),
        ("snooze", {"reason": "x"}),
        ("snooze", {"minutes": 5}),
        ("contact", {"whom": "Joan", "outcome": "maybe"}),
        ("close", {"disposition": "whatever"}),
        ("close", {"disposition": "advice", "hospital": "perhaps"}),
        ("assign", {}),
    ],
)
def test_a_body_that_says_nothing_clear_is_refused(
    hub: served.Served, nurse: httpx.Client, step: str, body: dict[str, Any]
) -> None:
    alert = hub.alert(severity="urgent")
    assert act(nurse, alert, step, 1, **body).status_code == 422
    assert ok(nurse.get(f"/api/v1/alerts/{alert}"))["version"] == 1


def test_a_fall_from_ringing_to_closing(hub: served.Served, nurse: httpx.Client) -> None:
    alert = hub.alert(rule="fall")
    assert ok(nurse.get(f"/api/v1/alerts/{alert}"))["next_step"]["tell"] == "team"
    assert (
        "a fall is closed with"
        in act(nurse, alert, "close", 1, disposition="advice").json()["reason"]
    )
    rung = ok(act(nurse, alert, "contact", 1, whom="Joan", outcome="no_answer", note="twice"))
    assert (rung["state"], rung["owner"]) == ("in_progress", "nurse")
    assert rung["next_step"]["kind"] == "progress_due"
    assert rung["acknowledged_until"] == rung["next_step"]["at"]
    sent = ok(act(nurse, alert, "dispatch", 2, team="telecare-operator-north"))
    assert sent["told_teams"] == ["telecare-operator-north"]
    with hub.client("responder") as responder:
        mine = ok(responder.get("/api/v1/alerts?team=telecare-operator-north"))["items"]
        assert [a["id"] for a in mine] == [alert]
        ok(act(responder, alert, "dispatch", 3, accept=True))
        ok(act(responder, alert, "arrive", 4))
    closed = ok(
        act(
            nurse, alert, "close", 5, disposition="fall_injury", hospital="avoided",
            patient_view="slipped on the mat",
        )
    )  # fmt: skip
    assert closed["outcome"] == {"hospital": "avoided", "patient_view": "slipped on the mat"}
    assert closed["next_step"] is closed["next_step_at"] is None
    (sending,) = closed["dispatches"]
    assert sending["to"] == "Telecare operator north"
    assert (sending["accepted_by"], sending["declined_at"]) == ("responder", None)
    assert sending["on_scene_at"] <= sending["done_at"]
    assert [e["kind"] for e in closed["history"]] == [
        "raised", "contact_tried", "dispatched", "set_out", "arrived", "closed",
    ]  # fmt: skip


def test_who_is_sent_is_a_team_that_exists_or_said_in_words(
    hub: served.Served, nurse: httpx.Client
) -> None:
    alert = hub.alert()
    refused = act(nurse, alert, "dispatch", 1, team="no-such-team")
    assert refused.status_code == 422
    assert "There is no team no-such-team" in refused.json()["title"]
    assert ok(act(nurse, alert, "dispatch", 1, to="the neighbour"))["told_teams"] == []
    by_id = ok(act(nurse, alert, "dispatch", 2, to="equipment-north"))
    assert by_id["told_teams"] == ["equipment-north"]
    assert [d["to"] for d in by_id["dispatches"]] == ["the neighbour", "Equipment north"]
    with hub.client("equipment") as equipment:  # who is sent may see it
        assert [a["id"] for a in ok(equipment.get("/api/v1/alerts"))["items"]] == [alert]
        declined = ok(act(equipment, alert, "dispatch", 3, decline=True, note="no car"))
    assert (declined["state"], declined["owner"], declined["pages"]) == ("open", None, 2)


@pytest.mark.parametrize(
    ("to", "why"),
    [
        ("nobody", "no enabled account"),
        ("operator", "no enabled account"),  # disabled below
        ("equipment", "sees alerts of equipment teams only"),
    ],
)
@pytest.mark.parametrize("step", ["assign", "handover"])
def test_it_is_given_only_to_an_account_that_can_act_on_it(
    hub: served.Served, nurse: httpx.Client, step: str, to: str, why: str
) -> None:
    with psycopg.connect(hub.database_url) as db:
        db.execute("UPDATE api.account SET disabled = true WHERE username = 'operator'")
    alert = hub.alert()
    ok(act(nurse, alert, "acknowledge", 1))
    answer = act(nurse, alert, step, 2, to=to)
    assert answer.status_code == 422
    assert why in answer.json()["title"]
    assert answer.json()["errors"][0]["at"] == "body.to"


def test_a_handover_is_offered_and_answered(hub: served.Served, nurse: httpx.Client) -> None:
    alert = hub.alert()
    assert act(nurse, alert, "handover", 1, to="responder").status_code == 409  # nobody's
    ok(act(nurse, alert, "acknowledge", 1))
    offered = ok(act(nurse, alert, "handover", 2, to="Responder", note="end of shift"))
    assert (offered["owner"], offered["offered_to"]) == ("nurse", "responder")
    with hub.client("responder") as responder, hub.client("operator") as operator:
        assert act(operator, alert, "handover", 3, accept=True).status_code == 409
        taken = ok(act(responder, alert, "handover", 3, accept=True))
    assert (taken["owner"], taken["offered_to"]) == ("responder", None)
    assert ok(nurse.get("/api/v1/alerts?owner=responder"))["items"][0]["id"] == alert
    assert ok(nurse.get("/api/v1/alerts?owner=nurse"))["items"] == []


def test_an_emergency_is_never_put_off(hub: served.Served, nurse: httpx.Client) -> None:
    alert = hub.alert()
    answer = act(nurse, alert, "snooze", 1, minutes=1, reason="x")
    assert answer.status_code == 409
    assert answer.json()["reason"] == "an emergency can't be put off"
    other = hub.alert(severity="urgent", episode="other")
    until = datetime.now(UTC) + timedelta(minutes=20)
    put_off = ok(act(nurse, other, "snooze", 1, until=until.isoformat(), reason="rests"))
    assert put_off["next_step"]["kind"] == "snooze_ends"
    assert put_off["snoozed_until"] == put_off["next_step"]["at"]
    assert act(nurse, other, "snooze", 2, minutes=40, reason="x").status_code == 409


def test_more_people_are_asked_at_once(hub: served.Served, nurse: httpx.Client) -> None:
    alert = hub.alert()
    asked = ok(act(nurse, alert, "escalate", 1, note="can't leave"))
    assert (asked["state"], asked["next_step"]["tell"]) == ("open", "on_call")
    assert asked["response"]["id"] == "emergency"


def test_related_alerts_are_shown_and_closed_on_purpose_only(
    hub: served.Served, nurse: httpx.Client
) -> None:
    one, two = hub.alert(episode="a"), hub.alert(episode="b", severity="soon", title="Weight")
    other = hub.alert(episode="c", register_id="bob")
    (related,) = ok(nurse.get(f"/api/v1/alerts/{one}"))["related"]
    assert (related["id"], related["title"], related["version"]) == (two, "Weight", 1)
    unseen = act(
        nurse, one, "close", 1, disposition="advice", also=[{"id": other, "expected_version": 1}]
    )
    assert unseen.status_code == 409
    stale = act(
        nurse, one, "close", 1, disposition="advice", also=[{"id": two, "expected_version": 5}]
    )
    assert stale.status_code == 409
    assert stale.json()["current"]["id"] == two
    assert len(ok(nurse.get("/api/v1/alerts"))["items"]) == 3
    ok(act(nurse, one, "close", 1, disposition="advice",
           also=[{"id": two, "expected_version": 1}]))  # fmt: skip
    assert [a["id"] for a in ok(nurse.get("/api/v1/alerts"))["items"]] == [other]
    with psycopg.connect(hub.database_url) as db:
        closed = db.execute(
            "SELECT subject FROM api.audit WHERE action = 'alerts.close' ORDER BY no"
        ).fetchall()
    assert sorted(s for (s,) in closed) == sorted([one, two])


def test_everything_done_is_written_into_the_audit(hub: served.Served, nurse: httpx.Client) -> None:
    alert = hub.alert(severity="urgent")
    steps = [s for s in BODIES if s != "handover"]
    for version, step in enumerate(steps, start=1):
        ok(act(nurse, alert, step, version, **BODIES[step]))
    with psycopg.connect(hub.database_url) as db:
        rows = db.execute(
            "SELECT action FROM api.audit WHERE subject = %s AND account = 'nurse' ORDER BY no",
            [alert],
        ).fetchall()
    assert [action for (action,) in rows] == [f"alerts.{step}" for step in steps]


def test_a_carers_crisis_is_urgent_at_least_and_of_its_own_class(
    hub: served.Served, nurse: httpx.Client
) -> None:
    body = {
        "patient": hub.person(), "severity": "information", "title": "Wife taken to hospital",
        "reason": "Nobody cooks for him tonight.", "referrer": "neighbour, by phone",
    }  # fmt: skip
    crisis = ok(nurse.post("/api/v1/referrals", json=body | {"concern": "carer_crisis"}))
    assert (crisis["alert_class"], crisis["severity"]) == ("carer", "urgent")
    assert crisis["rule"]["id"] == "carer_crisis"
    assert "neighbour, by phone" in crisis["reason"]
    worse = ok(
        nurse.post(
            "/api/v1/referrals", json=body | {"concern": "carer_crisis", "severity": "emergency"}
        )
    )
    assert worse["severity"] == "emergency"
    plain = ok(nurse.post("/api/v1/referrals", json=body))
    assert (plain["alert_class"], plain["severity"]) == ("referral", "information")


# -- mutes ----------------------------------------------------------------------------------------


def test_a_mute_holds_until_it_is_ended_and_both_are_audited(
    hub: served.Served, nurse: httpx.Client
) -> None:
    ada = hub.person()
    ends = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    body = {"patient": ada, "ends": ends, "reason": "in hospital"}
    made = ok(nurse.post("/api/v1/mutes", json=body))
    assert (made["patient"], made["by"], made["ended_at"]) == (ada, "nurse", None)
    held = hub.alert(severity="soon")
    shown = ok(nurse.get(f"/api/v1/alerts/{held}"))
    assert shown["snoozed_until"] == made["ends"]
    assert shown["history"][0]["detail"]["held"] == "in hospital (set by nurse)"
    assert ok(nurse.get(f"/api/v1/mutes?patient={ada}"))["items"] == [made]
    ended = ok(nurse.delete(f"/api/v1/mutes/{made['id']}"))
    assert ended["ended_at"] is not None
    assert ok(nurse.get("/api/v1/mutes"))["items"] == []
    assert ok(nurse.get(f"/api/v1/alerts/{held}"))["next_step"]["at"] == ended["ended_at"]
    with psycopg.connect(hub.database_url) as db:
        rows = db.execute(
            "SELECT action, person_no FROM api.audit WHERE action LIKE 'mutes.%' ORDER BY no"
        ).fetchall()
    ada_no = int(ada.partition("_")[2])
    assert [r[0] for r in rows] == ["mutes.create", "mutes.list", "mutes.end", "mutes.list"]
    assert rows[0][1] == rows[2][1] == ada_no


def test_a_mute_without_an_end_or_of_nobody_is_refused(
    hub: served.Served, nurse: httpx.Client
) -> None:
    ada = hub.person()
    soon = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    far = (datetime.now(UTC) + timedelta(days=91)).isoformat()
    for body, status in (
        ({"patient": ada, "reason": "x"}, 422),
        ({"patient": ada, "ends": far, "reason": "x"}, 422),
        ({"ends": soon, "reason": "x"}, 422),
        ({"patient": ada, "home": "home_1", "ends": soon, "reason": "x"}, 422),
        ({"patient": "person_99", "ends": soon, "reason": "x"}, 404),
        ({"home": "home_99", "ends": soon, "reason": "x"}, 404),
        ({"device": "device_99", "ends": soon, "reason": "x"}, 404),
    ):
        assert nurse.post("/api/v1/mutes", json=body).status_code == status, body
    assert nurse.delete("/api/v1/mutes/mute_99").status_code == 404


def test_equipment_staff_mute_devices_only(hub: served.Served, nurse: httpx.Client) -> None:
    soon = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    device = f"device_{hub.value('SELECT min(no) FROM ingest.device')}"
    of_person = ok(
        nurse.post("/api/v1/mutes", json={"patient": hub.person(), "ends": soon, "reason": "x"})
    )
    with hub.client("equipment") as equipment:
        body = {"ends": soon, "reason": "repair"}
        assert (
            equipment.post("/api/v1/mutes", json=body | {"patient": hub.person()}).status_code
            == 403
        )
        made = ok(equipment.post("/api/v1/mutes", json=body | {"device": device}))
        assert ok(equipment.get("/api/v1/mutes"))["items"] == [made]
        assert equipment.delete(f"/api/v1/mutes/{of_person['id']}").status_code == 404
        ok(equipment.delete(f"/api/v1/mutes/{made['id']}"))
