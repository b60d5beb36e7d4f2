"""Readings in a CSV file: good rows are kept, bad ones told by line with how to mend them."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np

from alerts import errors
from alerts.backtest import sources
from alerts.backtest.sources import Source
from alerts.state.subjects import Device, Person
from ingest.kernel import conditions, shards, vitals
from ingest.kernel.observation import Rows
from ingest.validation import timing

_NEEDED: Final = ("person", "time", "quantity", "value")
_OPTIONAL: Final = ("home", "place", "device", "received", "conditions")
_PLACE: Final = re.compile(rf"^{vitals.PLACE}$")
_YES: Final[Mapping[str, float]] = {"true": 1.0, "yes": 1.0, "1": 1.0, "1.0": 1.0,
                                    "false": 0.0, "no": 0.0, "0": 0.0, "0.0": 0.0}  # fmt: skip
_SYMPTOM: Final = "symptom."
_MOST_TOLD: Final = 1_000


class _BadRowError(Exception):
    """What is wrong with one row, and how to mend it."""


def read(path: Path, *, said: str = "") -> Source:
    """Read rows of ``person,time,quantity,value``, one reading each.

    ``home``, ``place``, ``device``, ``received`` and ``conditions`` may follow; a person without a
    home lives alone. Units are the hub's own. A row that can't be read is left out and told of,
    the others are kept.

    Raises
    ------
    BacktestError
        When there is no such file, a column is missing, or no row can be read.
    """
    build, refused = sources.Builder(), _Refused(path)
    marks: dict[int, tuple[str, ...]] = {}
    own: dict[int, set[int]] = {}  # device -> people whose readings it sent, 0: the home's
    try:
        with sources.text(path) as lines:
            reader = csv.DictReader(lines)
            _check_header(path, reader.fieldnames)
            for row in reader:
                try:
                    _csv_row(build, row, marks, own)
                except _BadRowError as error:
                    refused.add(reader.line_num, str(error))
    except (OSError, UnicodeDecodeError, csv.Error, EOFError) as error:
        raise errors.BacktestError(problem=f"{path} can't be read: {sources.why(error)}") from error
    rows = build.rows()
    if not rows.size:
        why = f": {refused.told[0]}" if refused.told else ""
        raise errors.BacktestError(problem=f"{path} holds no row that can be read{why}")
    rows = _timed(rows)
    people = [
        Person(
            no=no, shard=shards.of(build.home_of[no]), home_no=build.home_of[no],
            conditions=marks.get(no, ()),
        )
        for no in build.people.values()
    ]  # fmt: skip
    devices = []
    for (home, _), no in build.devices.items():
        whose = own.get(no, set()) - {0}
        devices.append(
            Device(
                no=no, shard=shards.of(build.homes[home]), home_no=build.homes[home], site_no=1,
                person_no=whose.pop() if len(whose) == 1 else 0,
            )
        )  # fmt: skip
    return build.source(
        said or f"csv:{path}", rows, people=people, devices=devices, refused=refused.lines()
    )


class _Refused:
    """Bad rows, told up to a number and counted beyond it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._more = 0
        self.told: list[str] = []

    def add(self, line: int, problem: str) -> None:
        if len(self.told) < _MOST_TOLD:
            self.told.append(f"{self._path}:{line}: {problem}")
        else:
            self._more += 1

    def lines(self) -> list[str]:
        return [
            *self.told,
            *([f"{self._path}: {self._more} more like these"] if self._more else []),
        ]


def _check_header(path: Path, names: Sequence[str] | None) -> None:
    there = [(n or "").strip() for n in names or ()]
    missing = [c for c in _NEEDED if c not in there]
    if missing:
        raise errors.BacktestError(
            problem=f"{path}:1: there is no column {', '.join(missing)}: the first line names them,"
            f" {','.join(_NEEDED)} and, where wanted, {','.join(_OPTIONAL)}"
        )
    unknown = [n for n in there if n not in (*_NEEDED, *_OPTIONAL)]
    if unknown:
        raise errors.BacktestError(
            problem=f"{path}:1: column '{unknown[0]}' is not known: take it out, or name it one of"
            f" {', '.join((*_NEEDED, *_OPTIONAL))}"
        )


def _csv_row(
    build: sources.Builder,
    row: Mapping[str, str | None],
    marks: dict[int, tuple[str, ...]],
    own: dict[int, set[int]],
) -> None:
    """Take in one row; nothing of a bad one is kept."""
    if None in row:
        raise _BadRowError("there are more values than columns: quote a value with a comma in it")
    said = {k: (v or "").strip() for k, v in row.items()}
    person, home = said["person"], said.get("home", "")
    if not person and not home:
        raise _BadRowError("'person' is empty: name the person, or the home of a shared sensor")
    quantity, key = _csv_quantity(said["quantity"])
    place = said.get("place", "").lower()
    if place and not _PLACE.match(place):
        raise _BadRowError(f"place '{place[:60]}': at most 40 lower-case letters, digits, - _ .")
    value = _csv_value(quantity, said["value"])
    time = _csv_time(said["time"], "time")
    received = _csv_time(said["received"], "received") if said.get("received") else time
    named = tuple(said.get("conditions", "").replace(";", " ").split())
    for name in named:
        if name not in conditions.BY_NAME:
            raise _BadRowError(
                f"condition '{name}' is not known: it is one of {', '.join(conditions.BY_NAME)}"
            )
    home = home or f"home of {person}"
    if person in build.people and build.home_of[build.people[person]] != build.homes.get(home):
        raise _BadRowError(f"'{person}' lives in another home in an earlier row: give one home")
    home_no = build.home(home)
    person_no = build.person(person, home_no) if person else 0
    if named and person_no:
        marks.setdefault(person_no, named)
    of_home = quantity.place and not quantity.emergency
    device = build.device(home, said.get("device", "") or (place if of_home else person) or "home")
    own.setdefault(device, set()).add(0 if of_home else person_no)
    build.add(
        time=time, received=received, value=value, device=device,
        person=0 if of_home else person_no, home=home_no, part=build.part(key or place), flags=0,
        quantity=quantity.no,
    )  # fmt: skip


def _csv_quantity(name: str) -> tuple[vitals.Quantity, str]:
    key = ""
    if name.startswith(_SYMPTOM):
        name, key = "symptom", name[len(_SYMPTOM) :].lower()
        if not _PLACE.match(key):
            raise _BadRowError(f"'{name}.{key[:60]}': a question's key is lower-case letters")
    quantity = vitals.BY_NAME.get(name)
    if quantity is None or (name == "symptom" and not key):
        raise _BadRowError(
            f"'{name[:60]}' is no quantity: see the nomenclature, for example heart_rate,"
            " systolic, motion, symptom.breathless"
        )
    return quantity, key


def _csv_value(quantity: vitals.Quantity, text: str) -> float:
    if quantity.codes:
        if len(text) == 1 and text.upper() in quantity.codes:
            return float(quantity.codes.index(text.upper()))
        letters = ", ".join(quantity.codes)
        raise _BadRowError(f"value '{text[:60]}': {quantity.name} is one of {letters}")
    if text.lower() in _YES and quantity.kind is not vitals.ValueKind.NUMBER:
        return _YES[text.lower()]
    if quantity.kind is vitals.ValueKind.BOOLEAN:
        raise _BadRowError(f"value '{text[:60]}': {quantity.name} is true or false")
    number = sources.number(text)
    if number is None:
        raise _BadRowError(
            f"value '{text[:60]}' is no number: write it in {quantity.unit}, as 36.8"
        )
    return number


def _csv_time(text: str, column: str) -> float:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise _BadRowError(
            f"{column} '{text[:60]}' is no moment: write RFC 3339 with its offset,"
            " 2026-11-23T08:00:00Z"
        )
    return at.timestamp()


def _timed(rows: Rows) -> Rows:
    """Flag and mend times as ingest does: from the future, late, only history."""
    time, flags = timing.judge(
        rows["time"].copy(), rows["received"].copy(), np.zeros(rows.size, dtype=bool),
        np.arange(rows.size, dtype=np.int64), timing.Limits(),
    )  # fmt: skip
    rows["time"] = time
    rows["flags"] |= flags
    return rows
