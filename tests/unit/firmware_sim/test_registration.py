"""Tests of `firmware_sim.registration`."""

from __future__ import annotations

import json
import tomllib
from datetime import UTC, date, datetime

import pytest

from firmware_sim import registration, scenarios


def test_test_numbers_are_valid_and_never_repeat():
    numbers = [registration.nhs_number(i) for i in range(20_000)]
    assert len(set(numbers)) == 20_000
    for number in numbers[::371]:
        total = sum(int(d) * (10 - i) for i, d in enumerate(number[:9]))
        assert (11 - total % 11) % 11 == int(number[9])
        assert number.startswith("999")


def test_the_check_digit_of_a_published_number_is_right():
    assert registration.check_digit("943476591") == 9  # 943 476 5919, NHS Data Dictionary


def test_there_is_an_end_to_test_numbers():
    assert len(registration.nhs_number(899_999)) == 10
    with pytest.raises(ValueError, match="900000"):
        registration.nhs_number(900_000)


def test_a_written_register_reads_back_with_a_password_for_each_device(tmp_path):
    file = tmp_path / "demo.toml"
    demo = scenarios.load("demo")
    registration.write(file, demo.register, title="Demo", passwords=True)
    read = tomllib.loads(file.read_text())
    assert {k: len(v) for k, v in read.items()} == {k: len(v) for k, v in demo.register.items()}
    assert all(len(d["password"]) >= 20 for d in read["devices"])
    assert not any("play" in d for d in read["devices"])
    ada = read["people"][0]
    assert ada["contacts"][0]["relation"] == "daughter"
    assert ada["born"] == date(1941, 3, 2)
    assert read["people"][1]["limits"]["spo2"] == {"low": 90}
    assert read["devices"][0]["from"] == datetime(2026, 1, 1, tzinfo=UTC)
    assert file.stat().st_mode & 0o077 == 0


def test_writing_again_keeps_the_passwords(tmp_path):
    file = tmp_path / "demo.toml"
    demo = scenarios.load("demo")
    registration.write(file, demo.register, title="Demo", passwords=True)
    first = registration.credentials(file)
    registration.write(file, demo.register, title="Demo", passwords=True)
    assert registration.credentials(file) == first
    assert set(first) == {d.key for d in demo.devices}


def test_credentials_are_read_from_json(tmp_path):
    file = tmp_path / "secrets.json"
    file.write_text(json.dumps({"s/d": "pw"}))
    assert registration.credentials(file) == {"s/d": "pw"}


def test_text_with_quotes_and_lines_survives():
    tables = {"homes": [{"id": "h", "notes": 'a "b"\nc\\d é', "flags": [True, 1.5], "odd key": 1}]}
    tables["homes"][0]["map"] = {"a b": 1}
    tables["homes"][0].pop("odd key")
    assert tomllib.loads(registration.toml(tables)) == tables


def test_what_toml_cannot_say_is_refused():
    with pytest.raises(TypeError):
        registration.toml({"a": [{"b": object()}]})
