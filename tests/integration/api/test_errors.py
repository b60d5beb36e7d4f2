"""Every error is a problem document, and none of them repeats what was sent."""

from __future__ import annotations

import httpx
import pytest

from tests.integration.api import served

pytestmark = pytest.mark.service
PROBLEM = "application/problem+json"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/api/v1/nowhere", None, 404),
        ("DELETE", "/api/v1/alerts", None, 405),
        ("GET", "/api/v1/alerts/alert_999999", None, 404),
        ("GET", "/api/v1/alerts/person_1", None, 404),
        ("GET", "/api/v1/alerts?limit=0", None, 422),
        ("GET", "/api/v1/alerts?state=sideways", None, 422),
        ("GET", "/api/v1/patients?cursor=made-up", None, 400),
        ("POST", "/api/v1/patients/search", {"nhs_number": "9434765918"}, 422),
        ("POST", "/api/v1/patients/search", {}, 422),
        ("PUT", "/api/v1/policies", None, 501),
        ("POST", "/api/v1/alerts/alert_1/dispatch", None, 422),
    ],
)
def test_an_error_is_a_problem_document(
    nurse: httpx.Client, method: str, path: str, body: object, status: int
) -> None:
    answer = nurse.request(method, path, json=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    problem = answer.json()
    assert problem["status"] == status
    assert problem["type"].startswith("urn:telecare:problem:")
    assert problem["title"]


def test_what_was_sent_is_not_repeated(nurse: httpx.Client) -> None:
    secret = "Ada-Sensitive-Name"
    answer = nurse.post("/api/v1/patients", json={"name": [secret], "home": 5, "x": secret})
    assert answer.status_code == 422
    assert secret not in answer.text
    assert {e["at"] for e in answer.json()["errors"]} >= {"body.name", "body.home", "body.x"}
    garbage = nurse.post(
        "/api/v1/patients",
        content=b'{"name": "' + secret.encode(),
        headers={"Content-Type": "application/json"},
    )
    assert garbage.status_code == 422
    assert secret not in garbage.text


def test_an_unexpected_error_says_nothing_but_its_number(
    hub: served.Served, nurse: httpx.Client, capfd: pytest.CaptureFixture[str]
) -> None:
    services = hub.server.config.app.state.services  # type: ignore[union-attr]
    secret = "Ada-Sensitive-Name"

    def broken() -> object:
        raise RuntimeError(secret)

    object.__setattr__(services.organisation, "teams", broken)
    answer = nurse.get("/api/v1/teams")
    assert answer.status_code == 500
    assert answer.json()["request"] == answer.headers["x-request-id"]
    assert secret not in answer.text
    captured = capfd.readouterr()
    assert "RuntimeError" in captured.out + captured.err
    assert secret not in captured.out + captured.err


def test_a_person_with_a_browser_gets_a_page_instead(nurse: httpx.Client) -> None:
    answer = nurse.get("/alerts/alert_999999", headers={"Accept": "text/html"})
    assert answer.status_code == 404
    assert "There is no such alert" in answer.text
