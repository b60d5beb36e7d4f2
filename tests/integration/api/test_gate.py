"""Who gets in, who may do what, and what a stranger is told."""

from __future__ import annotations

import html
import re

import httpx
import psycopg
import pytest

from api import main, middleware, security, settings
from ingest.kernel import clock as clocks
from tests.integration.api import served

pytestmark = pytest.mark.service
PROBLEM = "application/problem+json"


def _routes() -> list[tuple[str, str]]:
    app = main.create_app(
        settings.ApiSettings(_env_file=None, secret_key=served.SECRET), clock=clocks.SystemClock()
    )
    found = []
    for path, route in main.endpoints(app):
        filled = re.sub(r"\{(\w+)\}", lambda m: f"{m[1]}_1", path)
        found += [(m, filled) for m in sorted(getattr(route, "methods", None) or {"GET"})]
    return found


def test_every_route_but_the_listed_ones_refuses_a_stranger(hub: served.Served) -> None:
    routes = _routes()
    assert len(routes) > 50
    with hub.client() as stranger:
        for method, path in routes:
            if path in middleware.OPEN_PATHS or path == "/metrics":
                continue
            if path.startswith(middleware.OPEN_PREFIXES):
                continue  # files that are the same for all, and links that are signed
            answer = stranger.request(method, path)
            assert answer.status_code == 401, (method, path)
            assert answer.headers["content-type"] == PROBLEM
            if method != "HEAD":
                assert answer.json()["type"] == "urn:telecare:problem:not-signed-in"


def test_a_path_that_does_not_exist_is_refused_to_a_stranger_too(hub: served.Served) -> None:
    with hub.client() as stranger:
        for path in ("/nowhere", "/api/v1/nowhere", "/healthz/", "/static", "/sign-in/x", "//"):
            assert stranger.get(path).status_code == 401, path


def test_static_files_can_be_had_and_nothing_beside_them(hub: served.Served) -> None:
    with hub.client() as stranger:
        assert stranger.get("/static/hub.css").status_code == 200
        assert stranger.get("/static/../main.py").status_code == 401
        assert stranger.get("/static/%2e%2e/main.py").status_code == 404
        assert stranger.get("/static/nothing.css").status_code == 404


def test_a_stranger_with_a_browser_is_sent_to_sign_in(hub: served.Served) -> None:
    with hub.client() as stranger:
        answer = stranger.get("/alerts/alert_3", headers={"Accept": "text/html"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in?next=/alerts/alert_3"


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/docs", "/docs"),
        ("/?team=dn-north&state=open", "/?team=dn-north&state=open"),
        ("/alerts/alert_3", "/alerts/alert_3"),
        ("//evil.example/", "/"),
        ("/alerts//evil.example", "/"),
        ("/sign-out", "/"),
    ],
)
def test_after_signing_in_one_is_where_one_wanted_to_go(
    hub: served.Served, path: str, wanted: str
) -> None:
    with hub.client() as stranger:
        sent = stranger.get(hub.url + path, headers={"Accept": "text/html"})
        assert sent.status_code == 303
        form = stranger.get(sent.headers["location"]).text
        (hidden,) = re.findall(r'name="next" value="([^"]*)"', form)
        assert html.unescape(hidden) == wanted
        done = stranger.post(
            "/sign-in",
            data={"username": "nurse", "password": served.PASSWORD, "next": html.unescape(hidden)},
        )
    assert (done.status_code, done.headers["location"]) == (303, wanted)


def test_a_load_balancer_asks_for_the_api_alone(hub: served.Served) -> None:
    with hub.client() as stranger:
        whole = stranger.get("/readyz")
        assert whole.status_code == 503
        assert any("no gateway listens" in reason for reason in whole.json()["reasons"])
        assert stranger.get("/readyz?scope=api").status_code == 200


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer nonsense", "Basic bnVyc2U6bnVyc2U=", "Bearer " + "x" * 5000],
)
def test_a_token_that_is_no_good_is_refused(hub: served.Served, header: str) -> None:
    answer = httpx.get(f"{hub.url}/api/v1/alerts", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_wrong_password_unknown_user_and_disabled_account_get_the_same_answer(
    hub: served.Served,
) -> None:
    with psycopg.connect(hub.database_url) as db:
        db.execute("UPDATE api.account SET disabled = true WHERE username = 'responder'")
    answers = [
        httpx.post(f"{hub.url}/api/v1/auth/token", data={"username": user, "password": password})
        for user, password in (
            ("nurse", "wrong"),
            ("nobody-of-that-name", "wrong"),
            ("responder", served.PASSWORD),
        )
    ]
    assert {a.status_code for a in answers} == {401}
    assert len({a.text for a in answers}) == 1
    assert answers[0].json()["error"] == "invalid_grant"


def test_only_a_digest_of_the_token_is_kept(hub: served.Served) -> None:
    token = hub.token("nurse")
    kept = bytes(hub.value("SELECT digest FROM api.token LIMIT 1"))
    assert kept == security.digest(token)
    assert token.encode() not in kept


def test_a_revoked_token_and_one_of_a_disabled_account_end_at_once(hub: served.Served) -> None:
    with hub.client("nurse") as nurse:
        assert nurse.get("/api/v1/auth/me").json()["username"] == "nurse"
        assert nurse.post("/api/v1/auth/revoke").status_code == 204
        assert nurse.get("/api/v1/auth/me").status_code == 401
    with hub.client("nurse") as nurse, psycopg.connect(hub.database_url) as db:
        db.execute("UPDATE api.account SET disabled = true WHERE username = 'nurse'")
        db.commit()
        assert nurse.get("/api/v1/auth/me").status_code == 401


def test_too_many_failures_make_this_address_wait_for_this_account_only(
    hub: served.Served,
) -> None:
    def sign_in(user: str, password: str, address: str = "192.0.2.1") -> httpx.Response:
        return httpx.post(
            f"{hub.url}/api/v1/auth/token",
            data={"username": user, "password": password},
            headers={"X-Forwarded-For": address},
        )

    for _ in range(5):
        assert sign_in("nurse", "wrong").status_code == 401
    refused = sign_in("nurse", served.PASSWORD)
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 900
    # the nurse elsewhere, and somebody else here, are not locked out
    assert sign_in("nurse", served.PASSWORD, "192.0.2.2").status_code == 200
    assert sign_in("operator", served.PASSWORD).status_code == 200
    # and the wait ends: refused attempts do not prolong it
    with psycopg.connect(hub.database_url) as db:
        db.execute("UPDATE api.login_failure SET since = since - interval '901 seconds'")
    assert sign_in("nurse", served.PASSWORD).status_code == 200


def test_good_sign_ins_do_not_use_up_the_attempts(hub: served.Served) -> None:
    for _ in range(8):
        hub.token("nurse")


@pytest.mark.parametrize(
    ("role", "method", "path", "status"),
    [
        ("responder", "POST", "/api/v1/patients", 403),
        ("responder", "GET", "/api/v1/quarantine", 403),
        ("equipment", "GET", "/api/v1/patients/person_1", 403),
        ("equipment", "GET", "/api/v1/patients/person_1/observations", 403),
        ("equipment", "GET", "/api/v1/quarantine", 200),
        ("nurse", "POST", "/api/v1/teams", 403),
        ("nurse", "POST", "/api/v1/devices/device_1/credentials", 403),
        ("nurse", "GET", "/api/v1/patients/person_1/audit", 403),
        ("admin", "GET", "/api/v1/patients/person_1/audit", 200),
    ],
)
def test_a_role_may_do_what_the_policy_says_and_nothing_else(
    hub: served.Served, role: str, method: str, path: str, status: int
) -> None:
    with hub.client(role) as client:
        answer = client.request(method, path)
    assert answer.status_code == status
    if status == 403:
        assert role in answer.json()["title"]


def test_answers_carry_security_headers_and_a_request_id(hub: served.Served) -> None:
    with hub.client() as stranger:
        for path in ("/healthz", "/nowhere", "/static/hub.css", "/sign-in"):
            headers = stranger.get(path, headers={"X-Request-ID": "abcd-1234"}).headers
            assert headers["content-security-policy"].startswith("default-src 'none'")
            assert "unsafe" not in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-request-id"] == "abcd-1234"
            assert "server" not in headers
        assert stranger.get("/healthz", headers={"X-Request-ID": "a\tb"}).headers["x-request-id"]


def test_a_body_over_the_limit_is_refused_with_and_without_its_length(hub: served.Served) -> None:
    big = b"x" * 1_100_000
    with hub.client("nurse") as nurse:
        told = nurse.post("/api/v1/patients/search", content=big)
        found_out = nurse.post("/api/v1/patients/search", content=iter([big[:600_000]] * 2))
    assert told.status_code == found_out.status_code == 413
    assert told.headers["content-type"] == PROBLEM


def test_metrics_are_for_this_machine_or_for_a_token(hub: served.Served) -> None:
    with hub.client() as stranger:
        assert "telecare_http_request_seconds" in stranger.get("/metrics").text
        elsewhere = {"X-Forwarded-For": "192.0.2.1"}
        assert stranger.get("/metrics", headers=elsewhere).status_code == 401
    with hub.client("operator") as operator, hub.client("nurse") as nurse:
        assert operator.get("/metrics", headers=elsewhere).status_code == 200
        assert nurse.get("/metrics", headers=elsewhere).status_code == 403


def test_openapi_names_an_example_for_every_body(admin: httpx.Client) -> None:
    spec = admin.get("/openapi.json").json()
    schemas = spec["components"]["schemas"]
    for path, item in spec["paths"].items():
        for method, call in item.items():
            content = call.get("requestBody", {}).get("content", {})
            if "application/json" not in content:
                continue
            schema = content["application/json"]["schema"]
            schema = schema.get("items", schema)
            name = schema["$ref"].rpartition("/")[2]
            assert schemas[name].get("examples"), (method, path)
    page = admin.get("/docs", headers={"Accept": "text/html"})
    assert "/api/v1/alerts/{alert}/acknowledge" in page.text
    assert "http://" not in page.text.replace("http://127.0.0.1", "")
