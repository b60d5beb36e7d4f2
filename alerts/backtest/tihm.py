"""Recorded homes in the format of the TIHM dataset, as the hub would have had them."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from alerts import errors
from alerts.backtest import sources
from alerts.backtest.sources import Source
from alerts.state.subjects import Device, Person
from ingest.kernel import shards, vitals

_DOORS: Final = frozenset({"fridge-door", "front-door", "back-door"})
_YEAR: Final = 2019  # when the homes were recorded; ages are given as of then
_AGE: Final = 80  # of somebody without an age band
PHYSIOLOGY: Final[Mapping[str, tuple[str, str]]] = {
    "Body Temperature": ("thermometer", "body_temperature"),
    "Skin Temperature": ("thermometer", "skin_temperature"),
    "Systolic blood pressure": ("bp_cuff", "systolic"),
    "Diastolic blood pressure": ("bp_cuff", "diastolic"),
    "Heart rate": ("bp_cuff", "heart_rate"),
    "Body weight": ("scale", "weight"),
    "O/E - muscle mass": ("scale", "muscle_mass"),
    "Total body water": ("scale", "body_water"),
}
"""Type in the file -> which device of the home says it, and as what."""
LABELS: Final[Mapping[str, tuple[str, ...]]] = {
    "Pulse": ("heart_rate",),
    "Blood pressure": ("systolic", "diastolic"),
    "Body temperature": ("body_temperature",),
    "Body water": ("body_water",),
    "Weight": ("weight",),
}
"""Type of a label -> the quantities that it is about. A type that isn't here is about none: any
alert for a nurse counts for it."""


def read(folder: Path, *, said: str = "") -> Source:
    """Read recorded homes in the format of TIHM (Palermo et al., Sci Data 10:606, 2023).

    Times in the files are local British time; of the hour that a clock shows twice the first pass
    is meant. Rows are distinct by what the file says. Received is when it was measured. Everybody
    lives alone and is registered with dementia, the population of the study. No interval between
    measurements is agreed in the files, so that none can be overdue.
    """
    build = sources.Builder()
    local = _local_times(ZoneInfo(sources.ZONE))
    refused: list[str] = []
    for patient, place, said_at in _distinct(
        folder / "Activity.csv.gz", ("patient_id", "location_name", "date")
    ):
        at = local(said_at)
        if at is None:
            refused.append(f"Activity.csv.gz: '{said_at}' is no time: write 2019-04-01 01:51:16")
            continue
        quantity = "door_open" if place in _DOORS else "motion"
        build.add(
            time=at, received=at, value=1.0, device=build.device(patient, f"{patient}-{place}"),
            person=0, home=build.home(patient), part=build.part(place), flags=0,
            quantity=vitals.BY_NAME[quantity].no,
        )  # fmt: skip
    for patient, kind, said_at, value in _distinct(
        folder / "Physiology.csv", ("patient_id", "device_type", "date", "value")
    ):
        at, number = local(said_at), sources.number(value)
        if kind not in PHYSIOLOGY or at is None or number is None:
            refused.append(
                f"Physiology.csv: {patient}, {said_at}: '{kind}' of '{value}' is not understood"
            )
            continue
        device, quantity = PHYSIOLOGY[kind]
        home = build.home(patient)
        build.add(
            time=at, received=at, value=number,
            device=build.device(patient, f"{patient}-{device}"),
            person=build.person(patient, home), home=home, part=0, flags=0,
            quantity=vitals.BY_NAME[quantity].no,
        )  # fmt: skip
    rows = build.rows()
    if not rows.size:
        raise errors.BacktestError(problem=f"{folder} holds no row that can be read")
    for patient, home in build.homes.items():
        build.person(patient, home)
    ages = _ages(folder / "Demographics.csv")
    people = [
        Person(
            no=no, shard=shards.of(no), home_no=build.homes[patient], conditions=("dementia",),
            born=datetime(_YEAR - ages.get(patient, _AGE), 7, 1, tzinfo=UTC).timestamp(),
        )
        for patient, no in build.people.items()
    ]  # fmt: skip
    by_hand = {device for device, _ in PHYSIOLOGY.values()}
    devices = []
    for (patient, name), no in build.devices.items():
        kind = name.removeprefix(f"{patient}-")
        own = kind in by_hand
        devices.append(
            Device(
                no=no, shard=shards.of(build.homes[patient]), home_no=build.homes[patient],
                person_no=build.people[patient] if own else 0, site_no=1,
                kind=kind if own else "door" if kind in _DOORS else "motion",
                place="" if own else kind,
            )
        )  # fmt: skip
    return build.source(
        said or f"tihm:{folder}", rows, people=people, devices=devices, refused=refused
    )


def _distinct(path: Path, columns: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Return the distinct rows of a CSV file, packed or not, in their order."""
    try:
        with sources.text(path) as lines:
            reader = csv.DictReader(lines)
            missing = [c for c in columns if c not in (reader.fieldnames or ())]
            if missing:
                raise errors.BacktestError(
                    problem=f"{path}:1: there is no column {', '.join(missing)}"
                )
            return list(dict.fromkeys(tuple((r[c] or "").strip() for c in columns) for r in reader))
    except (OSError, UnicodeDecodeError, EOFError) as error:
        raise errors.BacktestError(problem=f"{path} can't be read: {sources.why(error)}") from error


def _local_times(zone: ZoneInfo) -> Callable[[str], float | None]:
    """Return a reader of local times that remembers those it has read."""
    known: dict[str, float | None] = {}

    def read(text: str) -> float | None:
        if text not in known:
            try:
                known[text] = datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()
            except ValueError:
                known[text] = None
        return known[text]

    return read


def _ages(path: Path) -> dict[str, int]:
    """Return the middle of each person's age band, such as ``(70, 80]``."""
    if not path.exists():
        return {}
    found = {}
    for patient, band in _distinct(path, ("patient_id", "age")):
        ends = re.findall(r"\d+", band)
        if ends:
            found[patient] = sum(map(int, ends)) // len(ends)
    return found
