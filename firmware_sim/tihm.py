"""The recorded homes of TIHM (Palermo et al., Sci Data 10:606, 2023) as this hub's messages.

Times in the files are local British time without an offset. A row's instant is that local time in
Europe/London; all rows are then moved by one whole number of seconds, so that two rows that differ
still differ.
"""

from __future__ import annotations

import csv
import gzip
import zoneinfo
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from firmware_sim import registration, timing, wire

SITE = "tihm"
_LONDON = zoneinfo.ZoneInfo("Europe/London")
_DOORS = frozenset({"fridge-door", "front-door", "back-door"})
_YEAR = 2019  # when the homes were recorded; ages are given as of then
_NHS_FROM = 850_000  # a block of test numbers of their own

PHYSIOLOGY = {
    "Body Temperature": ("thermometer", "body_temperature"),
    "Skin Temperature": ("thermometer", "skin_temperature"),
    "Systolic blood pressure": ("cuff", "systolic"),
    "Diastolic blood pressure": ("cuff", "diastolic"),
    "Heart rate": ("cuff", "heart_rate"),
    "Body weight": ("scale", "weight"),
    "O/E - muscle mass": ("scale", "muscle_mass"),
    "Total body water": ("scale", "body_water"),
}
"""Type in the file -> which device of the home says it, and as what."""

_UNITS = {"beats/min": "beat/min"}  # as SenML spells it (RFC 8428, section 12.1)
_KINDS = {"thermometer": "thermometer", "cuff": "bp_cuff", "scale": "scale"}
_MODEL = "TIHM recording"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One distinct row of the files, as a reading."""

    patient: str
    device: str
    name: str
    value: float | bool
    unit: str
    instant: int  # Unix seconds, as recorded

    @property
    def key(self) -> tuple[str, str, int, float]:
        """Return what makes the reading distinct in the hub."""
        return self.device, self.name, self.instant, float(self.value)


def instant(local: str) -> int:
    """Return the Unix time of a local British time such as ``2019-04-01 01:51:16``.

    In the hour that a clock shows twice the first pass is meant.
    """
    when = datetime.fromisoformat(local).replace(tzinfo=_LONDON)
    return round(when.timestamp())


def read(folder: Path) -> list[Row]:
    """Return the distinct rows of the recording, in order of time.

    Raises
    ------
    ValueError
        When two rows that differ in the files would be one reading: a local time that the clocks
        skipped in spring equals one an hour later.
    """
    rows = sorted(
        [*_activity(folder), *_vitals(folder)],
        key=lambda r: (r.instant, r.device, r.name, r.value),
    )
    twice = [key for key, count in Counter(r.key for r in rows).items() if count > 1]
    if twice:
        raise ValueError(f"{len(twice)} distinct rows fall together, for example of {twice[0][0]}")
    return rows


def _activity(folder: Path) -> Iterator[Row]:
    # distinct by what the file says, before any conversion
    with gzip.open(folder / "Activity.csv.gz", "rt", newline="") as file:
        said = {(r["patient_id"], r["location_name"], r["date"]) for r in csv.DictReader(file)}
    for patient, place, local in said:
        yield Row(
            patient=patient,
            device=f"{patient}-{place}",
            name=f"{place}/{'door_open' if place in _DOORS else 'motion'}",
            value=True,
            unit="",
            instant=instant(local),
        )


def _vitals(folder: Path) -> Iterator[Row]:
    with (folder / "Physiology.csv").open(newline="") as file:
        said = {
            (r["patient_id"], r["device_type"], r["date"], float(r["value"]), r["unit"])
            for r in csv.DictReader(file)
        }
    for patient, kind, local, value, unit in said:
        device, quantity = PHYSIOLOGY[kind]
        yield Row(
            patient=patient,
            device=f"{patient}-{device}",
            name=quantity,
            value=value,
            unit=_UNITS.get(unit, unit),
            instant=instant(local),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """Rows of one device that travel in one message."""

    device: str
    rows: tuple[Row, ...]

    @property
    def last(self) -> int:
        """Return when its newest reading was recorded."""
        return self.rows[-1].instant

    def message(self, shift: int, *, imported: bool) -> wire.Message:
        """Return the message, its times moved by ``shift`` seconds."""
        records = [
            wire.Record(name=r.name, value=r.value, unit=r.unit, time=r.instant + shift)
            for r in self.rows
        ]
        place = self.rows[0].name.rpartition("/")[0]
        pack = wire.fields(
            records,
            base_name=f"{place}/" if place else "",
            base_time=self.rows[0].instant + shift,
        )
        return wire.Message(
            topic=wire.topic(SITE, self.device, "obs"),
            payload=wire.to_json(pack),
            content_type=wire.SENML_JSON,
            imported=imported,
        )


def packs(rows: Sequence[Row], *, size: int, span: float | None = None) -> list[Pack]:
    """Group rows by device into packs, in order of their newest reading.

    ``span`` bounds the recorded seconds a pack may cover, for a replay that keeps time.
    """
    open_: dict[str, list[Row]] = {}
    done: list[Pack] = []
    for row in rows:
        gathered = open_.setdefault(row.device, [])
        late = span is not None and gathered and row.instant - gathered[0].instant > span
        if len(gathered) >= size or late:
            done.append(Pack(device=row.device, rows=tuple(gathered)))
            gathered.clear()
        gathered.append(row)
    done += [Pack(device=device, rows=tuple(g)) for device, g in open_.items() if g]
    return sorted(done, key=lambda p: (p.last, p.device))


def counts(rows: Sequence[Row]) -> dict[str, dict[str, int]]:
    """Return how many distinct rows there are per patient and stream."""
    found: dict[str, Counter[str]] = {}
    for row in rows:
        found.setdefault(row.patient, Counter())[row.name] += 1
    return {patient: dict(sorted(found[patient].items())) for patient in sorted(found)}


def register(folder: Path, rows: Sequence[Row]) -> Mapping[str, list[dict[str, Any]]]:
    """Return the registration of the recorded homes: one invented person in each."""
    patients = sorted({r.patient for r in rows})
    ages = _ages(folder)
    places = sorted({(r.patient, r.device) for r in rows})
    return {
        "areas": [{"id": "tihm", "name": "Recorded homes"}],
        "sites": [{"id": SITE, "name": "TIHM recording, 2019", "area": "tihm",
                   "timezone": "Europe/London"}],
        "homes": [{"id": f"tihm-{p}", "site": SITE, "address": f"Recorded home {p}"}
                  for p in patients],
        "people": [{"id": f"tihm-{p}", "home": f"tihm-{p}", "name": f"Resident {p.upper()}",
                    "nhs_number": registration.nhs_number(_NHS_FROM + i),
                    "born": date(_YEAR - ages.get(p, 80), 7, 1)}
                   for i, p in enumerate(patients)],
        "devices": [_device(patient, device) for patient, device in places],
    }  # fmt: skip


def _device(patient: str, device: str) -> dict[str, Any]:
    part = device.removeprefix(f"{patient}-")
    known: dict[str, Any] = {"id": device, "site": SITE, "model": _MODEL}
    if part in _KINDS:
        cadence = {q: timing.DAY for d, q in PHYSIOLOGY.values() if d == part}
        known |= {"kind": _KINDS[part], "person": f"tihm-{patient}", "cadence": cadence}
    else:
        kind = "door" if part in _DOORS else "motion"
        known |= {"kind": kind, "home": f"tihm-{patient}"}
    known["from"] = datetime(2000, 1, 1, tzinfo=UTC)
    return known


def _ages(folder: Path) -> dict[str, int]:
    """Return the middle of each person's age band, such as ``(70, 80]``."""
    path = folder / "Demographics.csv"
    if not path.exists():
        return {}
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    ages = {}
    for row in rows:
        low, _, high = row["age"].strip("([)] ").partition(",")
        ages[row["patient_id"]] = (int(low) + int(high)) // 2
    return ages
