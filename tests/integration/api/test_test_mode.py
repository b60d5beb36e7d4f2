"""Test mode of a device, through the API: begun, seen, ended, audited."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.integration.api import served

pytestmark = pytest.mark.service


@pytest.fixture
def fitter(hub: served.Served) -> Iterator[httpx.Client]:
    with hub.client("equipment") as client:
        yield client


@pytest.fixture
def device(hub: served.Served, admin: httpx.Client) -> str:
    made = admin.post(
        "/api/v1/devices",
        json={
            "site": "maple-court", "device": "pendant-9", "kind": "pendant",
            "patient": hub.person(),
        },
    )  # fmt: skip
    assert made.status_code == 201, made.text
    return f"/api/v1/devices/{made.json()['id']}"


def until(answer: httpx.Response) -> timedelta:
    assert answer.status_code == 200, answer.text
    return datetime.fromisoformat(answer.json()["test"]["until"]) - datetime.now(UTC)


def test_a_device_is_tested_for_a_quarter_of_an_hour_and_it_shows(
    hub: served.Served, device: str, fitter: httpx.Client, nurse: httpx.Client
) -> None:
    assert fitter.get(device).json()["test"] is None
    begun = fitter.post(f"{device}/test")
    assert until(begun) == pytest.approx(timedelta(minutes=15), abs=timedelta(seconds=30))
    assert begun.json()["test"]["by"] == "equipment"
    shown = nurse.get(device).json()
    assert shown["test"] == begun.json()["test"]
    below = nurse.get(f"/api/v1/patients/{hub.person()}/devices").json()["items"]
    assert [d["test"] is not None for d in below if d["device"] == "pendant-9"] == [True]
    ended = fitter.delete(f"{device}/test")
    assert (ended.status_code, ended.json()["test"]) == (200, None)
    actions = hub.value("SELECT array_agg(action ORDER BY no) FROM api.audit WHERE subject = %s",
                        device.rpartition("/")[2])  # fmt: skip
    assert actions[-2:] == ["devices.test", "devices.test_end"]


def test_it_lasts_as_long_as_was_said_and_never_over_two_hours(
    device: str, fitter: httpx.Client
) -> None:
    for minutes in (60, 5, 120, 120):
        answer = fitter.post(f"{device}/test", json={"minutes": minutes})
        wanted = timedelta(minutes=minutes)
        assert until(answer) == pytest.approx(wanted, abs=timedelta(seconds=60))
    for minutes in (0, -1, 121, "long"):
        assert fitter.post(f"{device}/test", json={"minutes": minutes}).status_code == 422


def test_a_test_that_is_over_no_longer_shows(
    hub: served.Served, device: str, fitter: httpx.Client
) -> None:
    fitter.post(f"{device}/test").raise_for_status()
    no = int(device.rpartition("_")[2])
    hub.value(
        "UPDATE ingest.device_test SET starts = starts - interval '1 hour',"
        " until = until - interval '1 hour' WHERE device_no = %s RETURNING 1",
        no,
    )
    assert fitter.get(device).json()["test"] is None
    assert fitter.delete(f"{device}/test").status_code == 200, "ending what has ended is no error"


def test_who_may_not_change_devices_may_not_test_them(
    hub: served.Served, device: str, fitter: httpx.Client
) -> None:
    with hub.client("responder") as responder:
        assert responder.post(f"{device}/test").status_code == 403
        assert responder.delete(f"{device}/test").status_code == 403
    assert fitter.post("/api/v1/devices/device_999999/test").status_code == 404
