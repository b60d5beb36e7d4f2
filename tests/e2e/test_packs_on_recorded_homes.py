"""The shipped packs on twenty recorded homes: what they find of labels, and what it costs."""

from __future__ import annotations

import csv
import time
from collections import Counter
from pathlib import Path

import pytest

from alerts.backtest import figures, labels, run, tihm
from alerts.backtest.labels import Labels
from alerts.backtest.run import Run
from alerts.rules import registry

RECORDING = Path(__file__).parents[3] / "shared" / "data" / "tihm-dev"
BOUNDS = {"Systolic blood pressure": (80, 190), "Diastolic blood pressure": (50, 110)}
"""As the pack of limits has them."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(not RECORDING.is_dir(), reason="the recorded homes (tihm-dev) are not here"),
]


@pytest.fixture(scope="module")
def judged() -> tuple[Run, Labels, float]:
    source = tihm.read(RECORDING)
    began = time.process_time()
    found = run.run(source, registry.load())
    return found, labels.read(RECORDING / "Labels.csv", source), time.process_time() - began


def test_pulse_is_found_at_no_more_alerts_than_clinicians_raised(
    judged: tuple[Run, Labels, float],
) -> None:
    found, marks, _ = judged
    pulse = labels.score(found, marks, "Pulse")
    nurse = [e for e in found.episodes if found.rules[e.rule_id].audience == "nurse"]
    assert found.person_days == 891
    assert pulse.labelled == 58
    assert pulse.recall >= 0.85
    assert len(nurse) <= marks.rows == 144
    assert figures.rate(found, nurse).per_day <= 0.162


def test_every_blood_pressure_outside_its_limits_is_told_on_its_day(
    judged: tuple[Run, Labels, float],
) -> None:
    """What labels there are beyond these were given to readings inside the published limits."""
    found, marks, _ = judged
    outside = set()
    numbers = {name: no for no, name in found.source.person_ids.items()}
    with (RECORDING / "Physiology.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            low, high = BOUNDS.get(row["device_type"], (-1e6, 1e6))
            if not low <= float(row["value"]) <= high:
                outside.add((numbers[row["patient_id"]], labels.day_of(row["date"])))
    pressure = [e for e in found.episodes if e.quantities & {"systolic", "diastolic"}]
    told = labels.open_days(pressure, found.source)
    assert outside & marks.days["Blood pressure"] <= told


def test_each_home_says_no_rule_more_than_once_a_day(judged: tuple[Run, Labels, float]) -> None:
    found, _, _ = judged
    per_home = Counter((e.home_no, e.rule_id) for e in found.episodes)
    for (home, rule), count in per_home.items():
        assert count <= len(found.home_days[home or 0]), f"{rule} is told more than daily"


def test_twenty_homes_of_three_months_take_a_minute_at_most(
    judged: tuple[Run, Labels, float],
) -> None:
    assert judged[2] <= 60
