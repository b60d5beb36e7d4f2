"""The command line against a real database and a real broker."""

from __future__ import annotations

import subprocess
import sys

import httpx
import psycopg
import pytest

from api import doctor, settings
from tests.integration.api import served

pytestmark = pytest.mark.service


def _telecare(url: str, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "api.cli", *words],
        check=False,
        capture_output=True,
        text=True,
        input=stdin,
        env={"TELECARE_DATABASE_URL": url, "TELECARE_SECRET_KEY": served.SECRET, "PATH": ""},
    )


def test_an_account_is_added_listed_used_and_disabled(hub: served.Served) -> None:
    def telecare(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return _telecare(hub.database_url, *words, stdin=stdin)

    def sign_in(password: str) -> int:
        form = {"username": "Nora", "password": password}
        return httpx.post(f"{hub.url}/api/v1/auth/token", data=form).status_code

    password = "a long enough password"
    add = ("account", "add", "Nora", "--role", "nurse", "--password-stdin")
    assert telecare(*add, stdin="short\n").returncode == 1
    done = telecare(*add, stdin=password + "\n")
    assert (done.returncode, done.stdout) == (0, "Added nora, role nurse.\n"), done.stderr
    assert password not in done.stdout + done.stderr
    assert "nora" in telecare("account", "list").stdout
    assert sign_in(password) == 200
    changed = telecare("account", "password", "nora", "--password-stdin", stdin=password + "2\n")
    assert changed.returncode == 0
    assert (sign_in(password), sign_in(password + "2")) == (401, 200)
    token = telecare("account", "token", "nora", "--days", "1").stdout.strip()
    headers = {"Authorization": f"Bearer {token}"}
    assert httpx.get(f"{hub.url}/api/v1/auth/me", headers=headers).status_code == 200
    assert telecare("account", "disable", "nora").returncode == 0
    assert httpx.get(f"{hub.url}/api/v1/auth/me", headers=headers).status_code == 401
    assert telecare("account", "disable", "nobody").returncode == 1


def test_the_quarantine_is_listed_with_the_first_reason_in_words(database_url: str) -> None:
    with psycopg.connect(database_url) as db:
        db.execute(
            "INSERT INTO ingest.quarantine (site, device, topic, payload, digest, reason, refused,"
            " received_at, last_received_at) VALUES ('s', 'd', 't', 'x', 'x', 'invalid',"
            """ '[{"record": 0, "reason": "spo2 has no unit"}]', now(), now())"""
        )
    said = _telecare(database_url, "quarantine", "list").stdout
    assert "invalid" in said
    assert "spo2 has no unit" in said


def test_a_database_is_migrated_once(empty_database_url: str) -> None:
    first = _telecare(empty_database_url, "migrate")
    assert "applied 0001.register" in first.stdout
    assert _telecare(empty_database_url, "migrate").stdout == "Nothing to do: up to date.\n"


def test_doctor_finds_nothing_wrong_with_a_good_database(database_url: str) -> None:
    found = doctor.examine(
        settings.ApiSettings(_env_file=None, database_url=database_url, secret_key=served.SECRET)
    )
    bad = [f.what for f in found if f.verdict is doctor.Verdict.BAD]
    assert bad == ["broker: no address"]
    assert any("LISTEN hears NOTIFY" in f.what for f in found)


def test_doctor_says_what_is_missing(empty_database_url: str) -> None:
    done = _telecare(empty_database_url, "doctor")
    assert done.returncode == 1
    assert "migrations are pending" in done.stdout
    assert "-> run telecare migrate" in done.stdout


def test_routes_are_checked_over_a_year_and_an_alert_is_explained(
    hub: served.Served, nurse: httpx.Client
) -> None:
    def routes(*words: str) -> subprocess.CompletedProcess[str]:
        return _telecare(hub.database_url, "routes", *words)

    with psycopg.connect(hub.database_url) as db:
        db.execute(
            "INSERT INTO alerts.team (id, name, kind) VALUES"
            " ('op', 'Operators', 'telecare_operator'), ('op2', 'More', 'telecare_operator')"
        )
    sound = routes("check", "--year", "2026")
    assert sound.returncode == 0, sound.stdout + sound.stderr
    assert "Somebody takes every alert" in sound.stdout
    assert "Operators and More serve the same" in sound.stdout
    with psycopg.connect(hub.database_url) as db:
        db.execute("UPDATE alerts.team SET severities = '{emergency}'")
    gaps = routes("check", "--year", "2026")
    assert gaps.returncode == 1
    assert "(urgent, soon, information) reach nobody but the hub's own team" in gaps.stdout
    with psycopg.connect(hub.database_url) as db:
        db.execute("UPDATE alerts.team SET severities = '{soon}' WHERE id LIKE 'district%'")
    body = {
        "patient": hub.person(), "severity": "emergency", "title": "Fell", "reason": "R",
        "referrer": "son, by phone", "concern": "fall",
    }  # fmt: skip
    made = nurse.post("/api/v1/referrals", json=body).json()
    said = routes("explain", made["id"])
    assert said.returncode == 0, said.stderr
    for line in (
        f"{made['id']}: telecare, emergency, by fall",
        "now with: Telecare operator north (telecare-operator-north)",
        "route:     all > emergency > emergency.on_site",
        "candidate: telecare_operator anywhere -> telecare-operator-north",
        "passed over: district-nursing-north takes nothing of severity emergency",
    ):
        assert line in said.stdout
    assert routes("explain", "alert_99").returncode == 1
