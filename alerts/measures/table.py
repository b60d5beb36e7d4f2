"""A table of measures, and how it is written as CSV or JSON: line by line, safe to open."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

Cell = str | int | float | None
Kind = Literal["word", "count", "size", "rate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column: what it is called, in which unit, and what small numbers do to it."""

    name: str
    unit: str = ""
    kind: Kind = "word"  # "count": of events or people, small ones can name somebody
    of: tuple[str, ...] = ()  # the counts that a rate is made from
    part_of: str = ""  # counts of one whole add up, so the last one could be worked out


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under columns; notes are what a reader has to know before using a number."""

    columns: tuple[Column, ...]
    rows: Iterable[Sequence[Cell]]  # read once where it is long
    notes: tuple[str, ...] = ()


def csv_lines(table: Table) -> Iterator[str]:
    """Write a table as CSV (RFC 4180), a header first.

    A spreadsheet takes a cell that begins with one of a few characters for a formula and would
    run it; such a text gets an apostrophe before it (OWASP, CSV injection).
    """
    yield _line([c.name for c in table.columns])
    for row in table.rows:
        yield _line([_safe(cell) for cell in row])


def json_parts(table: Table, head: Mapping[str, Any]) -> Iterator[str]:
    """Write a table as one JSON object: what it is, its columns, its notes, its rows."""
    said = {
        **head,
        "columns": [{"name": c.name, "unit": c.unit} for c in table.columns],
        "notes": list(table.notes),
    }
    yield json.dumps(said, ensure_ascii=False)[:-1] + ', "rows": ['
    names = [c.name for c in table.columns]
    between = "\n"
    for row in table.rows:
        yield between + json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False)
        between = ",\n"
    yield "\n]}\n"


def chunks(parts: Iterable[str], *, size: int = 65_536) -> Iterator[bytes]:
    """Collect parts of a text into pieces of some size, in UTF-8."""
    held, length = [], 0
    for part in parts:
        held.append(part)
        length += len(part)
        if length >= size:
            yield "".join(held).encode()
            held, length = [], 0
    if held:
        yield "".join(held).encode()


_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def _safe(cell: Cell) -> Cell:
    if isinstance(cell, str) and cell.startswith(_FORMULA):
        return f"'{cell}"
    return cell


class _Line:
    """Gives back what is written, which `csv` passes on."""

    def write(self, text: str) -> str:
        return text


_WRITER: Final = csv.writer(_Line())


def _line(cells: Sequence[Cell]) -> str:
    line: str = _WRITER.writerow(["" if cell is None else cell for cell in cells])
    return line
