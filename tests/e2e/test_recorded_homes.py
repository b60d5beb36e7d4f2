"""Twenty recorded homes, replayed through MQTT into the running hub, twice."""

from __future__ import annotations

import csv
import gzip
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import psycopg
import pytest

from ingest.kernel import vitals
from tests.support import waiting
from tests.support.whole_hub import WholeHub, whole_hub

RECORDING = Path(__file__).parents[3] / "shared" / "data" / "tihm-dev"
STREAMS = {
    "Body Temperature": "body_temperature",
    "Body weight": "weight",
    "Diastolic blood pressure": "diastolic",
    "Heart rate": "heart_rate",
    "O/E - muscle mass": "muscle_mass",
    "Skin Temperature": "skin_temperature",
    "Systolic blood pressure": "systolic",
    "Total body water": "body_water",
}

pytestmark = [
    pytest.mark.service,
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(not RECORDING.is_dir(), reason="the recorded homes (tihm-dev) are not here"),
]


def distinct_rows() -> Counter[tuple[str, str]]:
    """Return the files' distinct rows by home and stream, read without any code of ours."""
    rows: set[tuple[str, str, str, str]] = set()
    with gzip.open(RECORDING / "Activity.csv.gz", "rt", newline="") as file:
        for row in csv.DictReader(file):
            door = row["location_name"].endswith("-door")
            quantity = "door_open" if door else "motion"
            stream = f"{row['location_name']}/{quantity}"
            rows.add((row["patient_id"], stream, row["date"], "1"))
    with (RECORDING / "Physiology.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            stream = STREAMS[row["device_type"]]
            rows.add((row["patient_id"], stream, row["date"], str(float(row["value"]))))
    return Counter((home, stream) for home, stream, _, _ in rows)


def stored_rows(hub: WholeHub) -> Counter[tuple[str, str]]:
    """Return what the hub keeps, by home and stream."""
    with psycopg.connect(hub.environment["TELECARE_DATABASE_URL"]) as db:
        found = db.execute(
            "SELECT h.id, o.quantity, coalesce(p.name, ''), count(*) FROM ingest.observation o"
            " JOIN ingest.home h ON h.no = o.dwelling_no LEFT JOIN ingest.part p ON p.no = o.part"
            " GROUP BY 1, 2, 3"
        ).fetchall()
    names = {q.no: q.name for q in vitals.QUANTITIES}
    return Counter(
        {
            (home.rpartition("-")[2], f"{part}/{names[q]}" if part else names[q]): count
            for home, q, part, count in found
        }
    )


def replay(hub: WholeHub, register: Path, end: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-m", "firmware_sim", "replay", "tihm", str(RECORDING), "--url",
         hub.device_url, "--credentials", str(register), "--live", "--end", end],
        capture_output=True, text=True, check=True, timeout=200,
    )  # fmt: skip
    report: dict[str, object] = json.loads(done.stdout[done.stdout.index("{") :])
    return report


def test_recorded_homes_are_stored_exactly_once_and_page_nobody() -> None:
    expected = distinct_rows()
    with whole_hub() as hub:
        register = hub.folder / "tihm.toml"
        subprocess.run(
            [sys.executable, "-m", "firmware_sim", "replay", "tihm", str(RECORDING),
             "--register-file", str(register)],
            check=True, capture_output=True,
        )  # fmt: skip
        hub.command("register", str(register))
        # as ordinary live messages: the import declaration must not be what keeps them quiet
        report = replay(hub, register, "now")
        total = sum(expected.values())
        waiting.until(lambda: stored_rows(hub).total() >= total, "all rows stored", timeout=60)
        assert stored_rows(hub) == expected
        replay(hub, register, str(report["end"]))
        assert stored_rows(hub) == expected, "replaying again changed something"
        with psycopg.connect(hub.environment["TELECARE_DATABASE_URL"]) as db:
            alerts = db.execute(
                "SELECT rule_id, late, count(*) FROM alerts.alert GROUP BY 1, 2"
            ).fetchall()
            waits = db.execute("SELECT count(*) FROM ingest.quarantine").fetchone()
        assert [a for a in alerts if not a[1]] == [], "a measurement of the past pages as live"
        assert waits == (0,)
