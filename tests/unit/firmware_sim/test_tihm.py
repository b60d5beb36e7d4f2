"""Tests of `firmware_sim.tihm`."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from firmware_sim import tihm
from tests.unit.firmware_sim import stage

RECORDED = Path(__file__).parents[4] / "shared" / "data" / "tihm-dev"
recorded = pytest.mark.skipif(
    not RECORDED.is_dir(), reason="the TIHM recording is not beside the project"
)


@pytest.fixture
def folder(tmp_path):
    """Two homes, with the traps of the real files: repeated rows and one value an hour later."""
    with gzip.open(tmp_path / "Activity.csv.gz", "wt", newline="") as file:
        csv.writer(file).writerows([
            ("patient_id", "location_name", "date"),
            ("0a", "kitchen", "2019-04-01 08:00:00"),
            ("0a", "kitchen", "2019-04-01 08:00:00"),
            ("0a", "kitchen", "2019-04-01 08:00:05"),
            ("0b", "kitchen", "2019-04-01 08:00:00"),
            ("0a", "fridge-door", "2019-04-01 08:00:00"),
        ])  # fmt: skip
    with (tmp_path / "Physiology.csv").open("w", newline="") as file:
        csv.writer(file).writerows([
            ("patient_id", "date", "device_type", "value", "unit"),
            ("0a", "2019-04-01 09:00:00", "Body Temperature", "36.072", "Cel"),
            ("0a", "2019-04-01 10:00:00", "Body Temperature", "36.072", "Cel"),
            ("0a", "2019-04-01 10:00:00", "Heart rate", "71.0", "beats/min"),
            ("0a", "2019-04-01 10:00:00", "O/E - muscle mass", "40.1", "kg"),
        ])  # fmt: skip
    return tmp_path


def test_rows_that_differ_stay_and_repeated_rows_are_one(folder):
    rows = tihm.read(folder)
    assert len(rows) == 8
    assert tihm.counts(rows)["0a"] == {
        "kitchen/motion": 2, "fridge-door/door_open": 1, "body_temperature": 2,
        "heart_rate": 1, "muscle_mass": 1,
    }  # fmt: skip


def test_local_times_are_british_summer_time(folder):
    assert tihm.instant("2019-04-01 08:00:00") == 1554102000  # 07:00 UTC
    assert tihm.instant("2019-01-01 08:00:00") == 1546329600


def test_the_hour_shown_twice_is_its_first_pass():
    assert tihm.instant("2019-10-27 01:30:00") == 1572136200  # 00:30 UTC
    assert tihm.instant("2019-10-27 02:30:00") == 1572143400


def test_rows_that_the_clock_change_would_merge_are_refused_not_lost(folder):
    with (folder / "Physiology.csv").open("a", newline="") as file:
        csv.writer(file).writerows([
            ("0a", "2019-03-31 01:30:00", "Heart rate", "70", "beats/min"),
            ("0a", "2019-03-31 02:30:00", "Heart rate", "70", "beats/min"),
        ])  # fmt: skip
    with pytest.raises(ValueError, match="fall together"):
        tihm.read(folder)


@pytest.mark.parametrize("size", [1, 2, 200])
def test_packs_hold_every_row_once_and_move_them_all_alike(folder, size):
    rows = tihm.read(folder)
    shift = 1000
    sent = Counter()
    for pack in tihm.packs(rows, size=size):
        message = pack.message(shift, imported=True)
        assert message.imported
        assert message.topic == f"telecare/v1/tihm/{pack.device}/obs"
        for record in stage.read(message):
            value = record.get("vb", record.get("v"))
            sent[pack.device, record["n"], record["t"] - shift, float(value)] += 1
    assert sent == Counter(row.key for row in rows)


def test_the_same_end_makes_the_same_bytes(folder):
    def made():
        packs = tihm.packs(tihm.read(folder), size=3)
        return [(p.device, p.message(7, imported=True).payload) for p in packs]

    assert made() == made()


def test_packs_of_a_replay_that_keeps_time_span_little(folder):
    rows = tihm.read(folder)
    assert all(p.last - p.rows[0].instant <= 60 for p in tihm.packs(rows, size=200, span=60))


def test_motion_is_true_and_a_door_opens(folder):
    message = tihm.packs(tihm.read(folder), size=200)[0].message(0, imported=False)
    first = json.loads(message.payload)[0]
    assert first["vb"] is True
    assert first["bn"] + first["n"] in {"kitchen/motion", "fridge-door/door_open"}


def test_the_register_knows_each_device_and_shares_only_the_sensors_of_rooms(folder):
    rows = tihm.read(folder)
    tables = tihm.register(folder, rows)
    devices = {d["id"]: d for d in tables["devices"]}
    assert set(devices) == {r.device for r in rows}
    assert devices["0a-kitchen"]["home"] == "tihm-0a"
    assert devices["0a-fridge-door"]["kind"] == "door"
    assert devices["0a-scale"]["person"] == "tihm-0a"
    assert len({p["nhs_number"] for p in tables["people"]}) == 2


@pytest.fixture(scope="module")
def recording():
    return tihm.read(RECORDED)


@recorded
@pytest.mark.slow
def test_the_recording_has_as_many_distinct_rows_as_its_files(recording):
    rows = recording
    with gzip.open(RECORDED / "Activity.csv.gz", "rt") as file:
        lines = set(file.read().splitlines()[1:])
    lines |= set((RECORDED / "Physiology.csv").read_text().splitlines()[1:])
    assert len(rows) == len(lines)
    assert len({row.key for row in rows}) == len(rows)
    assert len(tihm.counts(rows)) == 20


@recorded
@pytest.mark.slow
def test_the_newest_reading_of_the_recording_ends_where_asked(recording):
    rows = recording
    packs = tihm.packs(rows, size=200)
    assert max(p.last for p in packs) == rows[-1].instant
    assert sum(len(p.rows) for p in packs) == len(rows)
    assert max(len(p.message(0, imported=True).payload) for p in packs) < 64 * 1024
