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


@pytest.mark.parametrize("command", ["backtest", "explain"])
def test_what_is_not_there_yet_says_so(command: str) -> None:
    done = RUN.invoke(cli.app, ["rules", command, "--pack", "news2"])
    assert done.exit_code == 2
    assert "comes with the rules-core issue" in done.output


def test_rules_are_listed_shown_and_checked() -> None:
    listed = RUN.invoke(cli.app, ["rules", "list"])
    assert listed.exit_code == 0
    assert "news2" in listed.output
    assert "Royal College of Physicians" in RUN.invoke(cli.app, ["rules", "show", "news2"]).output
    assert RUN.invoke(cli.app, ["rules", "show", "nothing"]).exit_code == 1
    assert RUN.invoke(cli.app, ["rules", "check"]).exit_code == 0


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
