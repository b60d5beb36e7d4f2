"""The checklist of a home that is being set up, on a real database through the API."""

from __future__ import annotations

import httpx
import psycopg
import pytest

from tests.integration.api import served

pytestmark = pytest.mark.service


def sql(hub: served.Served, statement: str) -> None:
    with psycopg.connect(hub.database_url) as db:
        db.execute(statement)


def missing(client: httpx.Client, hub: served.Served) -> tuple[bool, list[tuple[str, str]]]:
    home = hub.value("SELECT no FROM ingest.home WHERE id = 'maple-1'")
    answer = client.get(f"/api/v1/homes/home_{home}/commissioning")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["home"] == f"home_{home}"
    left = [(i["what"], i["about"].partition("_")[0]) for i in body["items"] if i["done"] is False]
    return body["ready"], left


def test_a_home_is_ready_once_all_was_heard_charged_and_pressed(
    hub: served.Served, nurse: httpx.Client, admin: httpx.Client
) -> None:
    assert missing(nurse, hub) == (False, [("heard", "device")] * 2)
    sql(
        hub,
        "INSERT INTO ingest.device_state (device_no, state, seen_at, battery)"
        " SELECT no, 'online', now(), 19 FROM ingest.device",
    )
    assert missing(nurse, hub) == (False, [("battery", "device")] * 2)
    sql(hub, "UPDATE ingest.device_state SET battery = 20")
    assert missing(nurse, hub) == (True, [])
    body = {"site": "maple-court", "device": "pendant-9", "kind": "pendant"}
    admin.post("/api/v1/devices", json=body | {"patient": hub.person()}).raise_for_status()
    assert missing(nurse, hub)[1] == [("heard", "device"), ("tested", "device")]
    sql(
        hub,
        "INSERT INTO alerts.test_call SELECT 1, 1, no, now(), 'f' FROM ingest.device"
        " WHERE name = 'pendant-9'",
    )
    sql(hub, "UPDATE ingest.device_state SET seen_at = now() - interval '25 hours'")
    assert missing(nurse, hub)[1] == [("heard", "device")] * 3


def test_how_to_get_in_and_whom_to_ring_are_asked_for(
    hub: served.Served, nurse: httpx.Client
) -> None:
    sql(hub, "DELETE FROM ingest.contact")
    sql(hub, "UPDATE ingest.home SET key_safe = NULL")
    assert ("way_in", "home") not in missing(nurse, hub)[1], "access notes are a way in"
    sql(hub, "UPDATE ingest.home SET access_notes = NULL, address = NULL")
    sql(hub, "UPDATE ingest.person SET phone = NULL")
    assert missing(nurse, hub)[1][:4] == [
        ("address", "home"), ("way_in", "home"), ("phone", "person"), ("contacts", "person"),
    ]  # fmt: skip


def test_looking_is_audited_and_only_for_who_may_see_people(
    hub: served.Served, nurse: httpx.Client
) -> None:
    missing(nurse, hub)
    seen = hub.value("SELECT count(*) FROM api.audit WHERE action = 'homes.commissioning'")
    assert seen == 1
    with hub.client("equipment") as fitter:
        assert fitter.get("/api/v1/homes/home_1/commissioning").status_code == 403
    for home in ("home_999999", "person_1"):
        assert nurse.get(f"/api/v1/homes/{home}/commissioning").status_code == 404
