"""People, readings, devices, the quarantine: what integrators work with."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from ingest.kernel.observation import Quality
from tests.integration.api import served

pytestmark = pytest.mark.service
NOW = datetime.now(UTC).replace(microsecond=0)
OTHER_NUMBER = "4010232137"  # passes the check, nobody's


TRIGGER = {
    "id": "low-spo2", "title": "Low oxygen", "severity": "urgent", "when": "spo2 < '88 %'",
    "clear": "spo2 >= '90 %'", "for": "20 min",
}  # fmt: skip


def _quarantine(url: str, *, device: str = "newcomer", times: int = 1, body: bytes = b"[]") -> None:
    with psycopg.connect(url) as db:
        db.execute(
            "INSERT INTO ingest.quarantine (site, device, topic, payload, digest, reason,"
            " received_at, last_received_at, times)"
            " VALUES ('maple-court', %s, %s, %s, %s, 'unregistered', %s, %s, %s)",
            [
                device,
                f"telecare/v1/maple-court/{device}/obs",
                body,
                hashlib.sha256(body).digest(),
                NOW - timedelta(hours=1),
                NOW,
                times,
            ],
        )


def test_a_person_is_registered_found_read_and_changed(
    hub: served.Served, nurse: httpx.Client
) -> None:
    made = nurse.post(
        "/api/v1/patients",
        json={
            "name": "Cy New",
            "nhs_number": "401 023 2137",
            "home": "maple-2",
            "born": "1950-02-01",
            "contacts": [{"name": "Di New", "relation": "wife", "phone": "020 7946 0009"}],
            "limits": {"spo2": {"low": 88}},
        },
    )
    assert made.status_code == 201, made.text
    person = made.json()
    assert person["nhs_number"] == "401 023 2137"
    assert person["home"]["address"] == "2 Maple Court"
    found = nurse.post("/api/v1/patients/search", json={"nhs_number": OTHER_NUMBER}).json()
    assert [p["id"] for p in found["items"]] == [person["id"]]
    by_name = nurse.post("/api/v1/patients/search", json={"name": "new"}).json()
    assert [p["name"] for p in by_name["items"]] == ["Cy New"]
    changed = nurse.patch(
        f"/api/v1/patients/{person['id']}", json={"phone": "020 7946 0010", "language": "cy"}
    ).json()
    assert (changed["phone"], changed["language"]) == ("020 7946 0010", "cy")
    assert changed["contacts"] == person["contacts"]
    assert changed["limits"]["spo2"]["low"] == 88
    listed = nurse.get(f"/api/v1/patients/{person['id']}/contacts").json()
    assert listed["items"][0]["name"] == "Di New"


@pytest.mark.parametrize(
    ("change", "at"),
    [
        ({"nhs_number": "9434765918"}, "body.nhs_number"),
        ({"home": "nowhere"}, "body.home"),
        ({"nhs_number": served.NHS_NUMBER}, "body.nhs_number"),
        ({"limits": {"happiness": {"low": 1}}}, "body.limits.happiness"),
        ({"limits": {"spo2": {"low": 95, "high": 90}}}, "body.limits.spo2"),
        ({"phone": "ring me"}, "body.phone"),
        ({"name": "a\u0000b"}, "body.name"),
        ({"conditions": ["copd", "gout"]}, "body.conditions.1"),
        ({"conditions": "copd"}, "body.conditions"),
        ({"risk_band": "yellow"}, "body.risk_band"),
        ({"triggers": [{"id": "a"}]}, "body.triggers.0.when"),
        ({"triggers": [TRIGGER | {"id": "Low SpO2"}]}, "body.triggers.0.id"),
        ({"triggers": [TRIGGER | {"severity": "bad"}]}, "body.triggers.0.severity"),
        ({"triggers": [TRIGGER | {"when": "  "}]}, "body.triggers.0.when"),
        ({"triggers": [TRIGGER | {"lasting": "20 min"}]}, "body.triggers.0.lasting"),
        ({"triggers": [TRIGGER, TRIGGER]}, "body.triggers.1.id"),
    ],
)
def test_a_person_that_can_not_be_is_refused_by_field(
    nurse: httpx.Client, change: dict[str, object], at: str
) -> None:
    body = {"name": "Cy New", "home": "maple-2"} | change
    answer = nurse.post("/api/v1/patients", json=body)
    assert answer.status_code == 422, answer.text
    assert at in [e["at"] for e in answer.json()["errors"]]


def test_a_care_plan_is_set_shown_replaced_and_taken_back(
    hub: served.Served, nurse: httpx.Client
) -> None:
    body = {
        "name": "Cy New", "home": "maple-2", "conditions": ["frailty", "copd"],
        "risk_band": "amber", "triggers": [TRIGGER],
    }  # fmt: skip
    made = nurse.post("/api/v1/patients", json=body)
    assert made.status_code == 201, made.text
    person = made.json()
    assert person["conditions"] == ["copd", "frailty"]
    assert person["risk_band"] == "amber"
    assert person["triggers"] == [TRIGGER]
    path = f"/api/v1/patients/{person['id']}"
    other = {k: v for k, v in TRIGGER.items() if k not in {"clear", "for"}} | {"id": "other"}
    nurse.patch(path, json={"triggers": [other]}).raise_for_status()
    shown = nurse.get(path).json()
    assert shown["triggers"] == [other | {"clear": None, "for": None}]
    assert (shown["conditions"], shown["risk_band"]) == (["copd", "frailty"], "amber")
    bare = nurse.patch(path, json={"conditions": [], "risk_band": "", "triggers": []}).json()
    assert (bare["conditions"], bare["risk_band"], bare["triggers"]) == ([], None, [])
    assert nurse.patch(path, json={"triggers": [TRIGGER, TRIGGER]}).status_code == 422


@pytest.mark.parametrize(
    ("field", "value"),
    [("conditions", ["copd"]), ("risk_band", "red"), ("triggers", [TRIGGER])],
    ids=["conditions", "risk_band", "triggers"],
)
def test_who_may_not_write_care_plans_may_not_write_a_part_of_one(
    hub: served.Served, field: str, value: object
) -> None:
    with hub.client("operator") as operator:
        changed = operator.patch(f"/api/v1/patients/{hub.person()}", json={field: value})
        body = {"name": "Cy New", "home": "maple-2", field: value}
        made = operator.post("/api/v1/patients", json=body)
    assert (changed.status_code, made.status_code) == (403, 403)


def test_readings_come_raw_with_their_flags_and_page_by_page(
    hub: served.Served, nurse: httpx.Client
) -> None:
    for n in range(7):
        served.store_reading(
            hub.database_url,
            at=NOW - timedelta(minutes=10 * n),
            value=90 + n,
            flags=int(Quality.LATE) if n == 3 else 0,
        )
    path = f"/api/v1/patients/{hub.person()}/observations"
    got: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        query = {"code": "spo2", "limit": "3"} | ({"cursor": cursor} if cursor else {})
        page = nurse.get(path, params=query).json()
        got += page["items"]
        cursor = page["next"]
    assert [r["value"] for r in got] == [96, 95, 94, 93, 92, 91, 90]
    ages = [r.pop("age_s") for r in got]
    assert ages == sorted(ages, reverse=True)
    assert 0 <= ages[-1] < 3600 <= ages[0] < 7200  # NOW is when the run began
    assert [r["quality"] for r in got if r["quality"]] == [["late"]]
    assert {r["unit"] for r in got} == {"%"}
    by_loinc = nurse.get(path, params={"code": "2708-6"}).json()["items"]
    assert [r["time"] for r in by_loinc] == [r["time"] for r in got]
    assert nurse.get(path, params={"code": "weight"}).json()["items"] == []
    since = (NOW - timedelta(minutes=25)).isoformat()
    assert len(nurse.get(path, params={"since": since}).json()["items"]) == 3
    assert nurse.get(path, params={"code": "happiness"}).status_code == 422
    assert nurse.get(path, params={"since": "2026-01-01T00:00:00"}).status_code == 422


def test_buckets_leave_implausible_readings_out_of_their_figures(
    hub: served.Served, nurse: httpx.Client
) -> None:
    start = NOW.replace(minute=0, second=0) - timedelta(hours=3)
    for minute, value, flags in ((0, 90, 0), (20, 94, 0), (40, 400, int(Quality.IMPLAUSIBLE))):
        served.store_reading(
            hub.database_url, at=start + timedelta(minutes=minute), value=value, flags=flags
        )
    served.store_reading(hub.database_url, at=start + timedelta(hours=2), value=97)
    path = f"/api/v1/patients/{hub.person()}/observations"
    answer = nurse.get(path, params={"since": start.isoformat(), "every": "1h"}).json()
    assert answer["every_s"] == 3600
    first, last = answer["items"]
    assert (first["count"], first["implausible"]) == (3, 1)
    assert (first["min"], first["mean"], first["max"], first["last"]) == (90, 92, 94, 94)
    assert first["quality"] == ["implausible"]
    assert last["count"] == 1
    assert nurse.get(path, params={"every": "1h"}).status_code == 422
    too_many = {"since": "2000-01-01T00:00:00Z", "every": "1s"}
    assert nurse.get(path, params=too_many).status_code == 422


def test_the_timeline_holds_everything_in_one_order(
    hub: served.Served, nurse: httpx.Client
) -> None:
    for n in range(4):
        served.store_reading(hub.database_url, at=NOW - timedelta(hours=n + 1), value=90 + n)
    alert = hub.alert()
    nurse.post(f"/api/v1/alerts/{alert}/acknowledge", json={"expected_version": 1})
    nurse.post(f"/api/v1/alerts/{alert}/note", json={"expected_version": 2, "text": "rang"})
    device = nurse.get("/api/v1/devices").json()["items"][0]["id"]
    nurse.post(f"/api/v1/devices/{device}/commands", json={"do": "measure"}).raise_for_status()
    path = f"/api/v1/patients/{hub.person()}/timeline"
    whole = nurse.get(path).json()["items"]
    assert [i["kind"] for i in whole] == [
        "command",
        "note",
        "action",
        "alert",
        "reading",
        "reading",
        "reading",
        "reading",
    ]
    assert [i["time"] for i in whole] == sorted((i["time"] for i in whole), reverse=True)
    paged: list[dict[str, object]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = nurse.get(path, params={"limit": 3} | ({"cursor": cursor} if cursor else {})).json()
        paged += page["items"]
        cursor = page["next"]
    assert [i["what"] for i in paged] == [i["what"] for i in whole]
    assert [i["time"] for i in paged] == [i["time"] for i in whole]
    assert all(i["reading"]["age_s"] > 0 for i in whole if i["kind"] == "reading")


def test_a_person_is_shown_with_the_newest_readings_and_their_ages(
    hub: served.Served, nurse: httpx.Client
) -> None:
    served.store_reading(hub.database_url, at=NOW - timedelta(hours=1), value=93)
    served.store_reading(hub.database_url, at=NOW, value=400, flags=int(Quality.IMPLAUSIBLE))
    person = nurse.get(f"/api/v1/patients/{hub.person()}").json()
    assert [r["value"] for r in person["latest"]] == [93]
    assert 3600 <= person["latest"][0]["age_s"] < 7200  # NOW is when the run began
    assert {d["device"] for d in person["devices"]} == {"oximeter-1", "pir-1"}
    assert person["home"]["key_safe"] == "4711"


def test_a_waiting_device_is_adopted_and_its_messages_are_replayed(
    hub: served.Served, admin: httpx.Client
) -> None:
    _quarantine(hub.database_url, times=3)
    waiting = admin.get("/api/v1/devices/waiting").json()["items"]
    assert [(w["device"], w["messages"]) for w in waiting] == [("newcomer", 3)]
    made = admin.post(
        "/api/v1/devices/adopt",
        json={
            "site": "maple-court",
            "device": "newcomer",
            "kind": "oximeter",
            "patient": hub.person(),
        },
    )
    assert made.status_code == 201, made.text
    device = made.json()
    assert device["credentials"]["username"] == "maple-court/newcomer"
    started = datetime.fromisoformat(device["assignments"][0]["starts"])
    assert started <= NOW - timedelta(hours=1)  # what it sent before counts too
    assert admin.get("/api/v1/devices/waiting").json()["items"] == []
    assert hub.value("SELECT state FROM ingest.quarantine") == "queued"
    assert admin.get(f"/api/v1/devices/{device['id']}").json()["has_credentials"] is True


def test_a_waiting_device_that_is_registered_anew_has_its_messages_from_the_first(
    hub: served.Served, admin: httpx.Client
) -> None:
    _quarantine(hub.database_url)
    body = {
        "site": "maple-court",
        "device": "newcomer",
        "kind": "oximeter",
        "patient": hub.person(),
    }
    device = admin.post("/api/v1/devices", json=body).json()
    started = datetime.fromisoformat(device["assignments"][0]["starts"])
    assert started <= NOW - timedelta(hours=1)
    assert hub.value("SELECT state FROM ingest.quarantine") == "queued"


def test_a_device_is_registered_gets_credentials_and_commands(
    hub: served.Served, admin: httpx.Client
) -> None:
    body = {"site": "maple-court", "device": "lamp-1", "kind": "light", "home": "maple-1"}
    body |= {"place": "bedroom"}
    device = admin.post("/api/v1/devices", json=body).json()
    assert (device["kind"], device["place"]) == ("light", "bedroom")
    assert admin.get(f"/api/v1/devices/{device['id']}").json()["place"] == "bedroom"
    wrong = admin.post("/api/v1/devices", json=body | {"place": "Bed room"})
    assert (wrong.status_code, wrong.json()["errors"][0]["at"]) == (422, "body.place")
    assert admin.post("/api/v1/devices", json=body).status_code == 422
    first = device["credentials"]["password"]
    second = admin.post(f"/api/v1/devices/{device['id']}/credentials").json()["password"]
    assert first != second
    assert first not in str(
        hub.value("SELECT password_hash FROM ingest.device WHERE name='lamp-1'")
    )
    sent = admin.post(
        f"/api/v1/devices/{device['id']}/commands",
        json={"do": "light_on", "args": {"minutes": 5}, "expires_in_s": 60},
    )
    assert sent.status_code == 202
    body = hub.value("SELECT body FROM ingest.outbox WHERE tail = 'cmd'")
    assert body["id"] == sent.json()["id"]
    assert body["do"] == "light_on"
    assert 0 < body["expires"] - datetime.now(UTC).timestamp() <= 60
    listed = admin.get(f"/api/v1/devices/{device['id']}/commands").json()["items"]
    assert [(c["do"], c["state"]) for c in listed] == [("light_on", "queued")]


def test_the_quarantine_is_listed_shown_and_replayed(
    hub: served.Served, admin: httpx.Client
) -> None:
    payload = b"\xff\x00 not SenML"
    _quarantine(hub.database_url, body=payload)
    entry = admin.get("/api/v1/quarantine").json()["items"][0]
    assert entry["reason"] == "unregistered"
    assert "payload" not in entry
    whole = admin.get(f"/api/v1/quarantine/{entry['id']}").json()
    assert base64.b64decode(whole["payload"]) == payload
    done = admin.post(f"/api/v1/quarantine/{entry['id']}/replay")
    assert (done.status_code, done.json()["state"]) == (202, "queued")
    assert admin.post("/api/v1/quarantine/quarantine_77/replay").status_code == 404


def test_teams_are_added_and_changed(admin: httpx.Client) -> None:
    team = {
        "id": "rapid-north",
        "name": "Rapid north",
        "kind": "rapid_response",
        "area": "north",
        "phone": "020 7946 0200",
    }
    assert admin.post("/api/v1/teams", json=team).status_code == 201
    assert admin.post("/api/v1/teams", json=team).status_code == 409
    assert admin.put("/api/v1/teams/rapid-north", json=team | {"name": "R"}).json()["name"] == "R"
    assert admin.put("/api/v1/teams/nobody", json=team | {"id": "nobody"}).status_code == 404
    assert admin.post("/api/v1/teams", json=team | {"id": "x", "area": "no"}).status_code == 400
    assert "rapid-north" in [t["id"] for t in admin.get("/api/v1/teams").json()["items"]]
    assert admin.get("/api/v1/sites").json()["items"][0]["timezone"] == "Europe/London"
    assert admin.get("/api/v1/practices").json()["items"][0]["area"] == "north"
    assert admin.get("/api/v1/areas").json()["items"] == [{"id": "north", "name": "North"}]


def test_a_judgement_of_risk_stands_beside_the_model_s_band_and_a_new_run_never_wipes_it(
    hub: served.Served, nurse: httpx.Client, admin: httpx.Client
) -> None:
    where = f"/api/v1/patients/{hub.person()}"
    before = nurse.get(f"{where}/risk").json()
    assert (before["judged"], before["judgements"]) == (False, [])
    assert nurse.patch(where, json={"risk_band": "amber"}).status_code == 200
    said = {"band": "red", "reason": "two falls since"}
    judged = nurse.post(f"{where}/risk", json=said)
    assert judged.status_code == 200, judged.text
    assert (
        nurse.patch(where, json={"risk_band": "green"}).status_code == 200
    )  # the model, run again
    after = nurse.get(f"{where}/risk").json()
    assert (after["band"], after["model_band"], after["judged"]) == ("red", "green", True)
    assert [(j["band"], j["model_band"], j["reason"]) for j in after["judgements"]] == [
        ("red", "amber", "two falls since")
    ]
    assert nurse.get(where).json()["risk_band"] == "red"
    back = nurse.post(f"{where}/risk", json={"band": None, "reason": "a year without a fall"})
    assert (back.json()["band"], back.json()["judged"]) == ("green", False)
    assert len(back.json()["judgements"]) == 2
    assert nurse.post(f"{where}/risk", json={"band": "red"}).status_code == 422  # why is missing
    with hub.client("responder") as responder:
        assert responder.post(f"{where}/risk", json=said).status_code == 403
