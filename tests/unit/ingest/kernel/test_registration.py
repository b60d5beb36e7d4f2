"""The words of a registration, and a trigger refused for the key that is at fault."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

import pytest

from api import wire
from ingest.kernel import registration
from ingest.kernel.registration import Trigger

TRIGGER = Trigger(
    id="low-spo2", title="Low oxygen", severity="urgent", when="spo2 < 88", clear="spo2 > 90",
    lasting="20 min",
)  # fmt: skip


def test_a_sound_trigger_has_no_problem():
    assert registration.trigger_problem(TRIGGER, lambda said: None) is None


@pytest.mark.parametrize("key", ["when", "clear", "for"])
def test_the_key_without_which_all_would_be_well_is_at_fault(key):
    def check(said: Mapping[str, str | None]) -> str | None:
        return f"{key} is\nwrong" if said[key] == TRIGGER.said()[key] else None

    assert registration.trigger_problem(TRIGGER, check) == (key, f"{key} is wrong")


def test_a_check_that_finds_two_faults_is_told_at_when():
    def check(said: Mapping[str, str | None]) -> str | None:
        return "clear or for" if said["clear"] or said["for"] else None

    assert registration.trigger_problem(TRIGGER, check) == ("when", "clear or for")


def test_the_api_takes_the_same_severities_and_bands_as_files_do():
    assert get_args(wire.Severity) == registration.SEVERITIES
    assert get_args(wire.RiskBand) == registration.RISK_BANDS
