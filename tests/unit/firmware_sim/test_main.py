"""Tests of `firmware_sim.main`."""

from __future__ import annotations

import json
import tomllib

import pytest
from typer.testing import CliRunner

from firmware_sim import main, scenarios

runner = CliRunner()


def invoke(*arguments: str):
    return runner.invoke(main.app, arguments, env={"TELECARE_MQTT_URL": ""})


def test_the_list_names_every_scenario():
    said = json.loads(invoke("list", "--report", "json").stdout)
    assert [s["name"] for s in said] == scenarios.names()
    assert all(s["title"] for s in said)
    assert "demo" in invoke("list").stdout


def test_a_registration_is_written_and_nothing_is_run(tmp_path):
    file = tmp_path / "register.toml"
    result = invoke("run", "night_fall", "--register-file", str(file))
    assert result.exit_code == 0
    tables = tomllib.loads(file.read_text())
    assert {d["site"] for d in tables["devices"]} == {"night-fall"}


@pytest.mark.parametrize("command", [("run", "demo"), ("load",)])
def test_a_missing_broker_is_said_in_words(command):
    result = invoke(*command)
    assert result.exit_code == 2
    assert "TELECARE_MQTT_URL" in result.output


def test_an_unknown_scenario_is_said_in_words():
    result = invoke("run", "nothing", "--url", "mqtt://localhost")
    assert result.exit_code == 1
    assert "night_fall" in result.output


def test_a_device_without_password_is_named(tmp_path):
    file = tmp_path / "few.json"
    file.write_text("{}")
    result = invoke("run", "night_fall", "--url", "mqtt://localhost", "--credentials", str(file))
    assert result.exit_code == 1
    assert "night-fall/" in result.output


def test_the_register_of_a_load_is_written(tmp_path):
    file = tmp_path / "load.toml"
    assert invoke("load", "--devices", "5", "--register-file", str(file)).exit_code == 0
    assert len(tomllib.loads(file.read_text())["devices"]) == 5
    as_csv = invoke("load", "--devices", "5", "--register-file", str(tmp_path / "load.csv"))
    assert as_csv.exit_code == 1
    assert ".toml" in as_csv.output


def test_a_broker_that_is_not_there_is_said_in_words():
    result = invoke("load", "--url", "mqtt://127.0.0.1:1", "--count", "1")
    assert result.exit_code == 1
    assert "refused" in result.output.lower()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2026-11-23T04:00:00Z", 1795406400), ("2026-11-23T05:00:00+01:00", 1795406400),
     ("2026-11-23T04:00:00", 1795406400)],
)  # fmt: skip
def test_an_end_is_a_whole_second(text, seconds):
    assert main._end(text) == seconds
    assert isinstance(main._end("now"), int)
