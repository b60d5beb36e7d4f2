"""The command line, as far as it needs no server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api import cli, doctor

RUN = CliRunner()


def test_help_names_every_command_and_loads_nothing_heavy() -> None:
    said = RUN.invoke(cli.app, ["--help"]).output
    for command in ("up", "gateway", "alerts", "api", "migrate", "doctor", "register", "rules"):
        assert command in said
    code = (
        "import sys, api.cli; heavy = {'fastapi', 'numpy', 'psycopg', 'paho'} & set(sys.modules);"
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        capture_output=True,
        cwd=Path(cli.__file__).parents[1],
    )
    assert done.returncode == 0, done.stderr


def test_an_alert_to_be_explained_is_named_by_its_id() -> None:
    done = RUN.invoke(cli.app, ["rules", "explain", "nothing"])
    assert done.exit_code == 1
    assert "'nothing' is no id of an alert" in done.output


def test_packs_are_tried_on_a_file_of_readings(tmp_path: Path) -> None:
    readings, out = tmp_path / "readings.csv", tmp_path / "alerts.csv"
    readings.write_text(
        "person,time,quantity,value\nada,2026-11-23T08:00:00Z,spo2,88\n"
        "ada,2026-11-23T09:00:00Z,spo2,97\n"
    )
    done = RUN.invoke(
        cli.app, ["rules", "backtest", "--source", f"csv:{readings}", "--out", str(out)]
    )
    assert done.exit_code == 0, done.output
    assert "limits.spo2" in out.read_text()


def test_a_source_that_is_not_there_is_told_and_nothing_written(tmp_path: Path) -> None:
    out = tmp_path / "alerts.csv"
    done = RUN.invoke(
        cli.app, ["rules", "backtest", "--source", "csv:no-such.csv", "--out", str(out)]
    )
    assert done.exit_code == 1
    assert "no-such.csv" in done.output
    assert not out.exists()


def test_rules_are_listed_shown_and_checked() -> None:
    listed = RUN.invoke(cli.app, ["rules", "list"])
    assert listed.exit_code == 0
    assert "news2" in listed.output
    assert "Royal College of Physicians" in RUN.invoke(cli.app, ["rules", "show", "news2"]).output
    assert RUN.invoke(cli.app, ["rules", "show", "nothing"]).exit_code == 1
    assert RUN.invoke(cli.app, ["rules", "check"]).exit_code == 0


def test_a_pack_is_shown_in_plain_words_with_its_numbers_and_their_sources() -> None:
    limits = RUN.invoke(cli.app, ["rules", "show", "limits"]).output
    assert "Default limits of oxygen saturation: lower 93 %, lower with scale 2 88 %" in limits
    assert "BTS target" in limits
    gain = RUN.invoke(cli.app, ["rules", "show", "heart_failure.weight_gain"]).output
    assert "soon: when the gain of body weight over 3 d is above 2.0 kg" in gain
    left = RUN.invoke(cli.app, ["rules", "show", "inactivity.left_at_night"]).output
    assert "a door to the outside was last used is between 23:00 and 06:00" in left
    news2 = RUN.invoke(cli.app, ["rules", "show", "news2"]).output
    assert "3 to 8, 1 to 11, 0 to 20, 2 to 24, 3 above" in news2  # RCP NEWS2 2017, chart 1
    assert "3 to 35, 1 to 36, 0 to 38, 1 to 39, 2 above" in news2


def test_files_are_checked_without_a_database_but_not_loaded(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text('[[sites]]\nid = "elm"\nname = "Elm"\n')
    bad.write_text('[[sites]]\nid = "Elm!"\nname = "Elm"\n')
    sound = RUN.invoke(cli.app, ["register", "--check", str(good)])
    assert sound.exit_code == 0
    assert "1 file checked: sound. What the database holds was not compared" in sound.output
    wrong = RUN.invoke(cli.app, ["register", "--check", str(bad)])
    assert wrong.exit_code == 1
    assert f"{bad}:2: " in wrong.output
    assert "1 problem in 1 file. What the database holds was not compared" in wrong.output
    loading = RUN.invoke(cli.app, ["register", str(good)])
    assert loading.exit_code == 2
    assert "TELECARE_DATABASE_URL is not set" in loading.output


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        ([], ""),
        ([{"record": 0, "reason": "no time"}, {"record": 1, "reason": "no unit"}], "no time"),
        ([{"record": None, "reason": "a\x1b[31m\nb"}], "a [31m b"),
        ([{"record": None, "reason": "x" * 200}], "x" * 67 + "..."),
    ],
)
def test_why_a_message_was_refused_fits_a_line(refused: list[object], said: str) -> None:
    assert cli._first_refused(refused) == said


def test_a_bad_pack_is_told_by_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text('id = "bad"\n')
    done = RUN.invoke(cli.app, ["rules", "check", str(tmp_path)])
    assert done.exit_code == 1
    assert "bad.toml" in done.output


def test_rows_of_a_file_are_scored(tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text(
        "id,resp_rate,spo2,on_oxygen,systolic,heart_rate,body_temperature,acvpu\n"
        "a,25,91,1,90,131,35.0,V\n"
    )
    done = RUN.invoke(cli.app, ["rules", "score", "news2", str(rows)])
    assert done.exit_code == 0
    head, row = done.output.strip().splitlines()
    scored = dict(zip(head.split(","), row.split(","), strict=True))
    assert (scored["total"], scored["level"]) == ("20", "high")
    assert RUN.invoke(cli.app, ["rules", "score", "news2", str(tmp_path / "no.csv")]).exit_code == 1


def test_a_missing_address_is_one_sentence() -> None:
    done = RUN.invoke(cli.app, ["migrate"])
    assert done.exit_code == 1
    assert "TELECARE_DATABASE_URL is not set" in done.output
    assert "Traceback" not in done.output


def test_an_account_needs_a_role_that_exists() -> None:
    done = RUN.invoke(cli.app, ["account", "add", "x", "--role", "gardener", "--password-stdin"])
    assert done.exit_code == 1
    assert "There are: nurse" in done.output


def test_a_replay_says_which() -> None:
    assert RUN.invoke(cli.app, ["quarantine", "replay"]).exit_code == 1
    assert RUN.invoke(cli.app, ["quarantine", "replay", "--device", "x"]).exit_code == 1


def test_a_finding_has_its_mend_on_a_line_of_its_own() -> None:
    finding = doctor.Finding(verdict=doctor.Verdict.BAD, what="broken", mend="mend it")
    assert finding.line().splitlines() == ["WRONG  broken", "       -> mend it"]


def test_routes_are_checked_without_a_database_and_what_is_wrong_is_told_by_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TELECARE_DATABASE_URL", raising=False)
    done = RUN.invoke(cli.app, ["routes", "check"])
    assert done.exit_code == 0, done.output
    assert "routes are sound" in done.output
    assert "TELECARE_DATABASE_URL is not set" in done.output
    (tmp_path / "routing.toml").write_text('id = "r"\nreview_by = "soon"\n')
    done = RUN.invoke(cli.app, ["routes", "check", str(tmp_path)])
    assert done.exit_code == 1
    assert "routing.toml:2: 'review_by' must be a date" in done.output
