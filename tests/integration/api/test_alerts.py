"""The queue, one alert, and what people do about it."""

from __future__ import annotations

from typing import Any

import httpx
import psycopg
import pytest

from tests.integration.api import served

pytestmark = pytest.mark.service


def test_the_queue_is_in_working_order_with_whom_to_ring(
    hub: served.Served, nurse: httpx.Client
) -> None:
    later = hub.alert(severity="soon", title="Weight", episode="a", register_id="bob")
    first = hub.alert(severity="emergency", episode="b")
    second = hub.alert(severity="emergency", title="Smoke", episode="c")
    items = nurse.get("/api/v1/alerts").json()["items"]
    assert [i["id"] for i in items] == [first, second, later]
    top = items[0]
    assert top["patient"] == hub.person()
    assert top["patient_name"] == "Ada Example"
    assert top["where"] == "1 Maple Court"
    assert top["ring_first"] == {
        "name": "Joan Example",
        "relation": "daughter",
        "phone": "020 7946 0001",
    }
    assert top["phone"] == "020 7946 0000"
    assert top["rule"] == {"id": "telecare/fall", "version": "1.0.0"}
    assert 19 <= top["evidence"][0]["age_s"] < 60
    assert top["team"] == "district-nursing-north"
    assert top["version"] == 1


def test_the_queue_can_be_narrowed_and_paged(hub: served.Served, nurse: httpx.Client) -> None:
    ids = [hub.alert(episode=f"e{n}", title=f"Fall {n}") for n in range(5)]
    hub.alert(episode="other", register_id="bob", severity="soon")
    got: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        query = {"severity": "emergency", "limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = nurse.get("/api/v1/alerts", params=query).json()
        got += [i["id"] for i in page["items"]]
        cursor = page["next"]
    assert got == ids
    assert len(nurse.get(f"/api/v1/alerts?patient={hub.person('bob')}").json()["items"]) == 1
    assert nurse.get("/api/v1/alerts?team=equipment-north").json()["items"] == []
    assert nurse.get("/api/v1/alerts?state=closed").json()["items"] == []


def test_an_alert_is_acknowledged_noted_and_closed_with_its_history(
    hub: served.Served, nurse: httpx.Client
) -> None:
    alert = hub.alert()
    taken = nurse.post(f"/api/v1/alerts/{alert}/acknowledge", json={"expected_version": 1}).json()
    assert (taken["state"], taken["owner"], taken["version"]) == ("acknowledged", "nurse", 2)
    nurse.post(
        f"/api/v1/alerts/{alert}/note", json={"expected_version": 2, "text": "rang the daughter"}
    ).raise_for_status()
    closed = nurse.post(
        f"/api/v1/alerts/{alert}/close",
        json={"expected_version": 3, "disposition": "false_alarm", "note": "sat on it"},
    ).json()
    assert (closed["state"], closed["disposition"]) == ("closed", "false_alarm")
    assert [e["kind"] for e in closed["history"]] == ["raised", "acknowledged", "note", "closed"]
    assert closed["history"][2]["reason"] == "rang the daughter"
    assert nurse.get("/api/v1/alerts").json()["items"] == []


def test_a_stale_version_is_told_with_the_alert_as_it_now_is(hub: served.Served) -> None:
    alert = hub.alert()
    with hub.client("nurse") as nurse, hub.client("responder") as responder:
        body = {"expected_version": 1}
        nurse.post(f"/api/v1/alerts/{alert}/acknowledge", json=body).raise_for_status()
        late = responder.post(f"/api/v1/alerts/{alert}/acknowledge", json=body)
        again = responder.post(f"/api/v1/alerts/{alert}/acknowledge", json={"expected_version": 2})
    assert late.status_code == 409
    assert late.headers["content-type"] == "application/problem+json"
    problem = late.json()
    assert problem["type"] == "urn:telecare:problem:stale-version"
    assert problem["current"]["owner"] == "nurse"
    assert problem["current"]["version"] == 2
    assert again.status_code == 409
    assert again.json()["type"] == "urn:telecare:problem:transition-refused"


def test_of_two_at_once_exactly_one_wins(hub: served.Served) -> None:
    from concurrent.futures import ThreadPoolExecutor

    alert = hub.alert()
    tokens = [hub.token(role) for role in ("nurse", "responder", "operator", "admin")]

    def take(token: str) -> int:
        return httpx.post(
            f"{hub.url}/api/v1/alerts/{alert}/acknowledge",
            json={"expected_version": 1},
            headers={"Authorization": f"Bearer {token}"},
        ).status_code

    with ThreadPoolExecutor(4) as pool:
        codes = sorted(pool.map(take, tokens))
    assert codes == [200, 409, 409, 409]


def test_equipment_staff_see_equipment_alerts_only(hub: served.Served) -> None:
    clinical = hub.alert()
    fault = hub.alert(episode="fault", title="Tamper", kind="equipment", register_id=None)
    with hub.client("equipment") as equipment:
        items = equipment.get("/api/v1/alerts").json()["items"]
        assert [i["id"] for i in items] == [fault]
        assert equipment.get(f"/api/v1/alerts/{clinical}").status_code == 404
        body = {"expected_version": 1}
        refused = equipment.post(f"/api/v1/alerts/{clinical}/acknowledge", json=body)
        assert refused.status_code == 404
        done = equipment.post(f"/api/v1/alerts/{fault}/acknowledge", json=body)
        assert done.status_code == 200


def test_a_referral_is_an_alert_from_a_person(hub: served.Served, nurse: httpx.Client) -> None:
    body: dict[str, Any] = {
        "patient": hub.person(),
        "severity": "urgent",
        "title": "More breathless",
        "reason": "Could not climb the stairs",
        "referrer": "daughter, by phone",
    }
    made = nurse.post("/api/v1/referrals", json=body)
    assert made.status_code == 201
    assert made.json()["source"] == "person"
    assert made.json()["team"] == "district-nursing-north"
    assert "daughter, by phone" in made.json()["reason"]
    assert nurse.get("/api/v1/alerts").json()["items"][0]["id"] == made.json()["id"]
    assert nurse.post("/api/v1/referrals", json=body | {"patient": "person_99"}).status_code == 404


def test_every_view_of_a_person_is_written_down(hub: served.Served, nurse: httpx.Client) -> None:
    alert = hub.alert()
    ada = hub.person()
    nurse.get("/api/v1/alerts").raise_for_status()
    nurse.get(f"/api/v1/alerts/{alert}").raise_for_status()
    nurse.get(f"/api/v1/patients/{ada}").raise_for_status()
    nurse.get(f"/api/v1/patients/{ada}/observations").raise_for_status()
    nurse.get(f"/api/v1/patients/{ada}/timeline").raise_for_status()
    nurse.post("/api/v1/patients/search", json={"name": "ada"}).raise_for_status()
    with psycopg.connect(hub.database_url) as db:
        rows = db.execute("SELECT account, action, person_no FROM api.audit ORDER BY no").fetchall()
    assert [r[1] for r in rows] == [
        "alerts.list",
        "alerts.view",
        "patients.view",
        "observations.view",
        "timeline.view",
        "patients.search",
    ]
    assert {(r[0], r[2]) for r in rows} == {("nurse", int(ada.partition("_")[2]))}
    with hub.client("admin") as admin:
        seen = admin.get(f"/api/v1/patients/{ada}/audit?limit=4").json()
        assert [e["account"] for e in seen["items"]] == ["nurse"] * 4
        assert seen["next"]
