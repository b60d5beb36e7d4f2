"""Registration entries out of a CSV file: one kind per file, one entry per row.

What TOML nests stands in columns of its own: ``contact1_name``, ``limit_spo2_low``,
``cadence_heart_rate``. Conditions stand in one cell. An empty cell is not said.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from typing import Any

from ingest.kernel import registration
from ingest.kernel.registration import Problem
from ingest.register import entries, fields
from ingest.register.record import Record
from ingest.register.source import Source

_CONTACT = re.compile(r"contact([1-9][0-9]?)_(name|relation|phone)")
_LIMIT = re.compile(r"limit_(\w+)_(low|high)")
_CADENCE = re.compile(r"cadence_(\w+)")
_OWN_KIND = {"devices": "device_kind", "teams": "team_kind", "areas": "area_kind"}
_TABLES = frozenset({"contacts", "limits", "cadence", "assignments", "triggers"})
_COLUMNS = {
    "people": ("contact1_name", "contact1_relation", "contact1_phone", "limit_spo2_low"),
    "devices": ("device_kind", "cadence_heart_rate"),
    "teams": ("team_kind",),
    "areas": ("area_kind",),
}
"""Examples of columns that stand for what TOML nests, for messages."""


class _Reader:
    """Rows of a CSV file with the line on which each begins."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.problems: list[Problem] = []
        self._rows = csv.reader(io.StringIO(source.text, newline=""), strict=True)

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        while True:
            line = self._rows.line_num + 1
            try:
                row = next(self._rows)
            except StopIteration:
                return
            except csv.Error as error:
                self.note(line, f"is no CSV: {error}", 'cells separated by commas, quoted with "')
                return
            if any(cell.strip() for cell in row):
                yield line, row

    def note(self, line: int, what: str, allowed: str) -> None:
        self.problems.append(Problem(file=self.source.name, line=line, what=what, allowed=allowed))


def read(source: Source) -> tuple[list[Record], list[Problem]]:
    """Return a file's entries, and what is wrong with the file itself."""
    rows = _Reader(source)
    walk = iter(rows)
    header, first = next(walk, (1, []))
    columns = [cell.strip().lower() for cell in first]
    kind = _kind_of_name(source.stem)
    if rows.problems or not _header(rows, header, columns, kind):
        return [], rows.problems
    records: list[Record] = []
    for line, row in walk:
        if len(row) != len(columns):
            rows.note(line, f"has {len(row)} cells", f"{len(columns)}, as in the header")
            continue
        values = {column: cell.strip() for column, cell in zip(columns, row, strict=True)}
        of_row = kind or _kind_of_row(rows, line, values.pop("kind"))
        if of_row is None:
            continue
        if records and records[0].kind != of_row:
            allowed = f'one kind per file, here "{records[0].kind}"'
            rows.note(line, f'is of kind "{of_row}"', allowed)
            continue
        if not records:
            _check_columns(rows, header, of_row, values)
        records.append(_record(source, line, of_row, values))
    return records, rows.problems


def _kind_of_name(stem: str) -> str | None:
    return stem.lower() if stem.lower() in registration.KINDS else None


def _kind_of_row(rows: _Reader, line: int, kind: str) -> str | None:
    """Return the kind that a row's first column says, None after a problem."""
    if kind in registration.KINDS:
        return kind
    names = f"allowed are {', '.join(registration.KINDS)}"
    near = fields.nearest(kind, registration.KINDS)
    what = f"unknown kind {fields.quoted(kind)}"
    rows.note(line, what, f"{near} {names}" if near else names)
    return None


def _header(rows: _Reader, line: int, columns: list[str], kind: str | None) -> bool:
    """Check a header's shape; without a sound one no row makes sense."""
    before = len(rows.problems)
    if not columns:
        rows.note(line, "has no header", "names of columns in the first row")
        return False
    if len(columns) == 1 and any(mark in columns[0] for mark in ";\t"):
        rows.note(line, "cells are not separated by commas", "save it with commas")
        return False
    for name in sorted({name for name in columns if name and columns.count(name) > 1}):
        rows.note(line, f"column {fields.quoted(name)} is there twice", "each column once")
    if "" in columns:
        rows.note(line, f"column {columns.index('') + 1} has no name", "a name for each column")
    if kind is None and columns[0] != "kind":
        rows.note(
            0, "does not say what it registers", "a name as devices.csv, or a first column kind;"
            f" kinds are {', '.join(registration.KINDS)}",
        )  # fmt: skip
    return len(rows.problems) == before


def _check_columns(rows: _Reader, line: int, kind: Any, columns: Iterable[str]) -> None:
    """Note columns that mean nothing, once, at the header."""
    known = [*(k for k in entries.KEYS[kind] if k not in _TABLES), *_COLUMNS.get(kind, ())]
    for column in columns:
        if _meaning(kind, column) is None:
            near = fields.nearest(column, known)
            allowed = f"allowed are {', '.join(known)}"
            rows.note(
                line, f"unknown column {fields.quoted(column)}",
                f"{near} {allowed}" if near else allowed,
            )  # fmt: skip


def _record(source: Source, line: int, kind: Any, values: dict[str, str]) -> Record:
    """Nest a row as TOML would; the order of contacts is that of their numbers."""
    nested: dict[str, Any] = {}
    for column, cell in values.items():
        path = _meaning(kind, column) if cell != "" else None
        if path is None:
            continue
        place = nested
        for step in path[:-1]:
            place = place.setdefault(step, {})
        place[path[-1]] = cell
    if "contacts" in nested:
        contacts = nested["contacts"]
        nested["contacts"] = [contacts[rank] for rank in sorted(contacts)]
    return Record(kind=kind, file=source.name, line=line, values=nested, lines={})


def _meaning(kind: Any, column: str) -> tuple[Any, ...] | None:
    """Return where a column's cells belong, None for a column that means nothing."""
    if kind == "people":
        if found := _CONTACT.fullmatch(column):
            return "contacts", int(found[1]), found[2]
        if found := _LIMIT.fullmatch(column):
            return "limits", found[1], found[2]
    if kind == "devices" and (found := _CADENCE.fullmatch(column)):
        return "cadence", found[1]
    if column == _OWN_KIND.get(kind):
        return ("kind",)
    return (column,) if column in entries.KEYS[kind] and column not in _TABLES else None
