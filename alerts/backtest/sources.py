"""What a backtest runs over: people and homes as the rules know them, and their rows in order."""

from __future__ import annotations

import gzip
import io
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TextIO

import numpy as np

from alerts import errors
from alerts.state.subjects import Device, Home, Person
from ingest.kernel import shards
from ingest.kernel.observation import ROW, Quality, Rows
from ingest.validation import plausibility

ZONE: Final = "Europe/London"
CHUNK: Final = 200_000
"""Rows handed over at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What was recorded. Rows come sorted by when they were received, then measured."""

    said: str  # as the command was given it
    homes: Sequence[Home]
    people: Sequence[Person]
    devices: Sequence[Device]
    parts: Mapping[int, str]
    person_ids: Mapping[int, str]
    home_ids: Mapping[int, str]
    device_ids: Mapping[int, str]
    chunks: Callable[[], Iterator[Rows]]  # from the beginning, each time it is asked
    begin: float  # of the first row received [s, Unix]
    end: float  # of the last one, or of the time that was asked for [s, Unix]
    ends: Mapping[int, float] = field(default_factory=dict)
    """Home -> when its record ends. Nothing is said of a home after that: that it has fallen
    silent then is the end of the recording."""
    refused: Sequence[str] = ()  # rows that could not be read, and how to mend each


def within(source: Source, begin: float | None, end: float | None) -> Source:
    """Return the part of a source that was received from ``begin`` until before ``end``."""
    if begin is None and end is None:
        return source
    low = -math.inf if begin is None else begin
    high = math.inf if end is None else end

    def chunks() -> Iterator[Rows]:
        for rows in source.chunks():
            keep = (rows["received"] >= low) & (rows["received"] < high)
            if keep.any():
                yield rows[keep]

    first, last = math.inf, -math.inf
    for rows in chunks():
        first = min(first, float(rows["received"].min()))
        last = max(last, float(rows["received"].max()))
    if not math.isfinite(first):
        raise errors.BacktestError(
            problem=f"{source.said} has no reading between --from and --to: it has readings from"
            f" {_said(source.begin)} to {_said(source.end)}"
        )
    ends = {home: min(at, high) for home, at in source.ends.items()}
    return replace(source, chunks=chunks, begin=first, end=last, ends=ends)


def _said(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# -- building ------------------------------------------------------------------------------------


class Builder:
    """Numbers what files name, and lays rows out as arrays."""

    def __init__(self) -> None:
        self.homes: dict[str, int] = {}
        self.people: dict[str, int] = {}
        self.devices: dict[tuple[str, str], int] = {}  # home's id and device -> number
        self.parts: dict[str, int] = {}
        self.home_of: dict[int, int] = {}  # person -> home
        self._rows: list[tuple[float, float, float, int, int, int, int, int, int]] = []

    def home(self, name: str) -> int:
        """Return the number of a home, new where it is new."""
        return self.homes.setdefault(name, len(self.homes) + 1)

    def person(self, name: str, home: int) -> int:
        """Return the number of a person, who lives where they were named first."""
        no = self.people.setdefault(name, len(self.people) + 1)
        self.home_of.setdefault(no, home)
        return no

    def device(self, home: str, name: str) -> int:
        """Return the number of a home's device."""
        return self.devices.setdefault((home, name), len(self.devices) + 1)

    def part(self, name: str) -> int:
        """Return the number of a room or of a question's key, 0 for none."""
        return self.parts.setdefault(name, len(self.parts) + 1) if name else 0

    def add(
        self, *, time: float, received: float, value: float, device: int, person: int, home: int,
        part: int, flags: int, quantity: int,
    ) -> None:  # fmt: skip
        """Take in one reading."""
        self._rows.append((time, received, value, device, person, home, part, flags, quantity))

    def rows(self) -> Rows:
        """Return all rows, flagged as ingest flags them, in the order of receipt."""
        rows = np.array(self._rows, dtype=ROW)
        self._rows = []
        bad = plausibility.implausible(rows["quantity"], rows["value"])
        rows["flags"][bad] |= int(Quality.IMPLAUSIBLE)
        return rows[np.lexsort((rows["device"], rows["time"], rows["received"]))]

    def source(
        self, said: str, rows: Rows, *, people: Iterable[Person], devices: Iterable[Device],
        refused: Sequence[str] = (),
    ) -> Source:  # fmt: skip
        """Return the whole, whose homes end with their last row."""
        lives: dict[int, list[int]] = {}
        for person, home in self.home_of.items():
            lives.setdefault(home, []).append(person)
        homes = [
            Home(no=no, shard=shards.of(no), zone=ZONE, site_no=1, people=tuple(lives.get(no, ())))
            for no in self.homes.values()
        ]
        ends = _ends(rows)
        return Source(
            said=said, homes=homes, people=list(people), devices=list(devices),
            parts={no: name for name, no in self.parts.items()},
            person_ids={no: name for name, no in self.people.items()},
            home_ids={no: name for name, no in self.homes.items()},
            device_ids={no: name for (_, name), no in self.devices.items()},
            chunks=lambda: (rows[n : n + CHUNK] for n in range(0, rows.size, CHUNK)),
            begin=float(rows["received"].min()), end=float(rows["received"].max()),
            ends=ends, refused=refused,
        )  # fmt: skip


def _ends(rows: Rows) -> dict[int, float]:
    """Return when each home was heard last."""
    homes, where = np.unique(rows["dwelling"], return_inverse=True)
    last = np.full(homes.size, -np.inf)
    np.maximum.at(last, where, rows["received"])
    return dict(zip(homes.tolist(), last.tolist(), strict=True))


# -- reading text --------------------------------------------------------------------------------


def text(path: Path) -> TextIO:
    """Open a text file, packed where its name says so; a byte-order mark is no part of it."""
    if path.suffix == ".gz":
        return io.TextIOWrapper(gzip.GzipFile(path), encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def number(text: str) -> float | None:
    """Return a finite number, None where the text is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def why(error: Exception) -> str:
    """Return why a file can't be read, as the end of a sentence."""
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, UnicodeDecodeError):
        return "it is no UTF-8 text"
    return (getattr(error, "strerror", None) or str(error)).lower()
