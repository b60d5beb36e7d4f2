"""What the broker's files say, without a broker."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.embedded import errors, mosquitto


def test_nobody_but_a_device_below_its_own_root_has_a_pattern() -> None:
    patterns = [line for line in mosquitto.acl(["oak"]).splitlines() if line.startswith("pattern")]
    assert patterns
    assert all(" telecare/v1/%u/" in line for line in patterns)
    for down in ("cmd", "receipt", "reply/#"):
        assert f"pattern read telecare/v1/%u/{down}" in patterns
        assert f"pattern write telecare/v1/%u/{down}" not in patterns


def test_a_site_gets_its_onboarding_account_once_and_in_order() -> None:
    users = [
        line for line in mosquitto.acl(["oak", "elm", "oak"]).splitlines() if line[:5] == "user "
    ]
    assert users == ["user hub", "user elm/onboarding", "user oak/onboarding"]


@pytest.mark.parametrize("site", ["", "+", "#", "oak/elm", "Oak", "oak\nuser hub", "x" * 65])
def test_a_site_that_could_widen_a_right_is_refused(site: str) -> None:
    with pytest.raises(ValueError, match="not a site"):
        mosquitto.acl([site])


def test_the_queue_holds_a_day() -> None:
    per_minute = mosquitto.QUEUE_BYTES / (24 * 60)
    assert per_minute == pytest.approx(1_500 * 240)


def test_without_a_broker_one_line_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(mosquitto, "_SYSTEM_FOLDERS", ())
    with pytest.raises(errors.MissingProgramError, match="apt-get install mosquitto"):
        mosquitto.find(tmp_path)
    unpacked = tmp_path / "mosquitto" / "bin" / "mosquitto"
    unpacked.parent.mkdir(parents=True)
    unpacked.write_text("#!/bin/sh\n")
    unpacked.chmod(0o755)
    assert mosquitto.find(tmp_path) == unpacked
