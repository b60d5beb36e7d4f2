"""Virtual wards over HTTP: who may, what is refused, what is audited."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.integration.api import served

pytestmark = pytest.mark.service


def test_a_stay_from_admission_to_discharge(hub: served.Served, nurse: httpx.Client) -> None:
    ada = hub.person()
    made = nurse.post(
        "/api/v1/wards",
        json={"patient": ada, "ward": "heart", "reason": "weight up", "team": "equipment-north"},
    )
    assert made.status_code == 201, made.text
    stay = made.json()
    assert (stay["patient"], stay["admitted_by"], stay["team"]) == (ada, "nurse", "equipment-north")
    ends = datetime.fromisoformat(stay["expires_at"])
    assert ends - datetime.fromisoformat(stay["admitted_at"]) == timedelta(weeks=6)
    again = nurse.post("/api/v1/wards", json={"patient": ada, "ward": "x", "reason": "y"})
    assert again.status_code == 422
    assert "already" in again.json()["title"]
    until = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    longer = nurse.post(f"/api/v1/wards/{stay['id']}/extend", json={"until": until, "reason": "z"})
    assert longer.status_code == 200
    assert [e["id"] for e in nurse.get("/api/v1/wards").json()["items"]] == [stay["id"]]
    over = nurse.post(f"/api/v1/wards/{stay['id']}/discharge", json={"outcome": "recovered"})
    assert over.json()["outcome"] == "recovered"
    assert nurse.get("/api/v1/wards", params={"patient": ada}).json()["items"] == []
    assert len(nurse.get("/api/v1/wards", params={"over": True}).json()["items"]) == 1
    seen = "SELECT count(*) FROM api.audit WHERE action LIKE 'wards.%%' AND subject = %s"
    assert hub.value(seen, stay["id"]) == 3


@pytest.mark.parametrize(
    ("role", "looks", "admits"),
    [("responder", 200, 403), ("operator", 200, 403), ("equipment", 403, 403), ("admin", 200, 201)],
)
def test_nurses_admit_and_who_sees_people_sees_the_census(
    hub: served.Served, role: str, looks: int, admits: int
) -> None:
    with hub.client(role) as client:
        assert client.get("/api/v1/wards").status_code == looks
        body = {"patient": hub.person(), "ward": "heart", "reason": "r"}
        assert client.post("/api/v1/wards", json=body).status_code == admits


def test_what_is_not_there_is_not_found(hub: served.Served, nurse: httpx.Client) -> None:
    body = {"patient": "person_99999", "ward": "heart", "reason": "r"}
    assert nurse.post("/api/v1/wards", json=body).status_code == 404
    gone = nurse.post("/api/v1/wards/ward_99999/discharge", json={"outcome": "recovered"})
    assert gone.status_code == 404
    assert nurse.post("/api/v1/wards/x/discharge", json={"outcome": "left"}).status_code == 404
