"""Reports over HTTP and by command: who may, what is written, what is refused."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from api import cli, reports
from tests.integration.api import served

pytestmark = pytest.mark.service
TODAY = datetime.now(UTC).date()
DAYS = {"from": str(TODAY - timedelta(days=2)), "to": str(TODAY + timedelta(days=1))}


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("name", reports.NAMES)
@pytest.mark.parametrize("role", served.ROLES)
def test_nurses_and_administrators_read_reports_and_only_these_export(
    hub: served.Served, role: str, name: str
) -> None:
    with hub.client(role) as client:
        answer = client.get(f"/api/v1/reports/{name}", params=DAYS)
    allowed = role == "admin" or (role == "nurse" and name != "evaluation")
    assert answer.status_code == (200 if allowed else 403)


def test_a_look_at_a_report_is_audited_before_it_is_shown(
    hub: served.Served, nurse: httpx.Client
) -> None:
    nurse.get("/api/v1/reports/response", params={**DAYS, "by": "team", "format": "csv"})
    assert hub.value("SELECT account FROM api.audit WHERE action = 'reports.view'") == "nurse"
    assert hub.value("SELECT subject FROM api.audit WHERE action = 'reports.view'") == "response"
    assert hub.value("SELECT detail->>'by' FROM api.audit WHERE action = 'reports.view'") == "team"


def test_the_csv_says_what_the_json_says(hub: served.Served, admin: httpx.Client) -> None:
    alert = hub.alert()
    done = admin.post(f"/api/v1/alerts/{alert}/acknowledge", json={"expected_version": 1})
    assert done.status_code == 200
    hub.alert(episode="person:1/sos")
    for name in reports.NAMES:
        asked = {**DAYS} if name == "evaluation" else {**DAYS, "by": "site"}
        said = admin.get(f"/api/v1/reports/{name}", params=asked)
        written = admin.get(f"/api/v1/reports/{name}", params={**asked, "format": "csv"})
        assert said.headers["content-type"] == "application/json"
        assert written.headers["content-type"] == "text/csv; charset=utf-8"
        assert written.headers["content-disposition"].startswith(f'attachment; filename="{name}-')
        assert said.headers["cache-control"] == "no-store"
        body = said.json()
        assert (body["report"], body["from"], body["to"]) == (name, DAYS["from"], DAYS["to"])
        assert body["notes"]
        plain = [{k: "" if v is None else str(v) for k, v in row.items()} for row in body["rows"]]
        assert plain == rows(written.text)
        assert len(plain) > 0
        assert [c["name"] for c in body["columns"]] == list(plain[0])
    found = admin.get("/api/v1/reports/response", params=DAYS).json()["rows"]
    answered = next(r for r in found if r["target"] == "answered_60s")
    assert (answered["alerts"], answered["within"], answered["waiting"]) == (2, 1, 1)


def test_an_evaluation_names_nobody(hub: served.Served, admin: httpx.Client) -> None:
    hub.alert()
    text = admin.get("/api/v1/reports/evaluation", params={**DAYS, "format": "csv"}).text
    for known in ("Example", served.NHS_NUMBER, "maple", "high-street", "person_", "alert_1"):
        assert known not in text
    (row,) = rows(text)
    assert "ada" not in row.values()
    no = hub.value("SELECT no FROM ingest.person WHERE id = 'ada'")
    key = reports.pseudonym_key(served.SECRET)
    assert row["subject"] == reports.evaluation.pseudonym(key, "person", no)


def test_a_change_of_keys_changes_pseudonyms_by_the_newest() -> None:
    assert reports.pseudonym_key("a" * 32 + ", " + "b" * 32) == reports.pseudonym_key("a" * 32)
    assert reports.pseudonym_key("a" * 32) != reports.pseudonym_key("b" * 32)


def test_nurses_see_no_small_number_in_outcomes_and_administrators_do(
    hub: served.Served, nurse: httpx.Client, admin: httpx.Client
) -> None:
    hub.alert()
    asked = {**DAYS, "by": "site"}
    (mine, _) = nurse.get("/api/v1/reports/outcomes", params=asked).json()["rows"]
    (whole, _) = admin.get("/api/v1/reports/outcomes", params=asked).json()["rows"]
    assert (mine["site"], mine["alerts"], mine["falls"]) == ("maple-court", "<5", "<5")
    assert (whole["site"], whole["alerts"], whole["falls"]) == ("maple-court", 1, 0)


@pytest.mark.parametrize(
    ("name", "changed", "status"),
    [
        ("tea", {}, 422),
        ("response", {"from": "yesterday"}, 422),
        ("response", {"by": "shoe size"}, 422),
        ("response", {"format": "xlsx"}, 422),
        ("response", {"to": "2020-01-01"}, 400),
        ("response", {"from": "2000-01-01"}, 400),
        ("coverage", {"by": "team"}, 400),
        ("evaluation", {"by": "site"}, 400),
        ("outcomes", {"baseline_from": "2026-01-01"}, 400),
        ("outcomes", {"baseline_from": "2026-01-02", "baseline_to": "2026-01-01"}, 400),
        ("burden", {"baseline_from": "2026-01-01", "baseline_to": "2026-01-02"}, 400),
        ("outcomes", {"baseline_from": "2026-01-01", "baseline_to": "2026-01-02"}, 200),
    ],
)
def test_what_can_not_be_told_is_refused(
    admin: httpx.Client, name: str, changed: dict[str, str], status: int
) -> None:
    answer = admin.get(f"/api/v1/reports/{name}", params={**DAYS, **changed})
    assert answer.status_code == status, answer.text


@pytest.fixture
def telecare(hub: served.Served, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setenv("TELECARE_DATABASE_URL", hub.database_url)
    monkeypatch.setenv("TELECARE_SECRET_KEY", served.SECRET)
    return CliRunner()


def test_the_command_writes_the_same_to_a_file_and_leaves_a_trace(
    hub: served.Served, admin: httpx.Client, telecare: CliRunner, tmp_path: Path
) -> None:
    hub.alert()
    out = tmp_path / "burden.csv"
    words = ["reports", "burden", "--from", DAYS["from"], "--to", DAYS["to"], "--by", "site"]
    done = telecare.invoke(cli.app, [*words, "--out", str(out)])
    assert done.exit_code == 0, done.output
    served_text = admin.get(
        "/api/v1/reports/burden", params={**DAYS, "by": "site", "format": "csv"}
    ).text
    assert out.read_bytes().decode() == served_text
    assert telecare.invoke(cli.app, words).output.replace("\r\n", "\n") == served_text.replace(
        "\r\n", "\n"
    )
    assert hub.value("SELECT count(*) FROM api.audit WHERE account = 'command line'") == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["tea"], "There is no report 'tea'"),
        (["response", "--by", "shoe"], "There is no grouping 'shoe'"),
        (["response", "--format", "xlsx"], "There is no format 'xlsx'"),
        (["coverage", "--by", "team"], "practice, site, area"),
        (["outcomes", "--baseline-from", "2026-01-01"], "a first and a last day"),
    ],
)
def test_the_command_says_what_there_is(telecare: CliRunner, words: list[str], said: str) -> None:
    days = ["--from", str(date(2026, 1, 1)), "--to", str(date(2026, 1, 2))]
    done = telecare.invoke(cli.app, ["reports", *words, *days])
    assert done.exit_code == 1
    assert said in done.output
