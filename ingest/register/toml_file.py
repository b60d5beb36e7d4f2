"""Registration entries out of a TOML file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

from ingest.kernel import registration
from ingest.kernel.registration import Problem
from ingest.register import fields, toml_lines
from ingest.register.record import OWN, Record
from ingest.register.source import Source

_INNER: dict[registration.Kind, tuple[registration.Kind, ...]] = {"teams": ("members", "shifts")}
_OWNER: dict[registration.Kind, str] = {"teams": "team"}
"""Kinds that may be nested in another, and the key that names it."""
_PLACE = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")


def read(source: Source) -> tuple[list[Record], list[Problem]]:
    """Return a file's entries, and what is wrong with the file itself."""
    try:
        values = tomllib.loads(source.text)
        lines = toml_lines.lines(source.text)
    except tomllib.TOMLDecodeError as error:
        return [], [_syntax(source, str(error))]
    except RecursionError:
        return [], [_problem(source, 0, "is nested too deeply", "tables as in the guide")]
    except ValueError as error:  # a number of thousands of digits
        return [], [_problem(source, 0, f"is no TOML: {error}", "plain numbers")]
    records: list[Record] = []
    problems: list[Problem] = []
    for key, inner in values.items():
        if key not in registration.KINDS:
            problems.append(_unknown(source, key, lines.get(key)))
        elif not isinstance(inner, list) or not all(isinstance(item, dict) for item in inner):
            line = _line(lines.get(key))
            what = f'"{key}" is one table, not a list of them'
            problems.append(_problem(source, line, what, f"write [[{key}]]"))
        else:
            records.extend(_records(source, key, inner, lines[key]))
    if not records and not problems:
        problems.append(_problem(source, 1, "registers nothing", "at least one entry"))
    return records, problems


def _records(
    source: Source, kind: registration.Kind, items: list[dict[str, Any]], lines: list[Any]
) -> Iterator[Record]:
    for values, at in zip(items, lines, strict=True):
        inner = {key: values.pop(key) for key in _INNER.get(kind, ()) if _tables(values.get(key))}
        yield Record(kind=kind, file=source.name, line=at[OWN], values=values, lines=at)
        for key, tables in inner.items():
            # entries of their own that stand with the one they belong to
            owned = [{_OWNER[kind]: values.get("id"), **table} for table in tables]
            yield from _records(source, key, owned, at[key])


def _tables(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _unknown(source: Source, key: str, at: Any) -> Problem:
    allowed = ", ".join(f"[[{kind}]]" for kind in registration.KINDS)
    near = fields.nearest(key, registration.KINDS)
    return _problem(
        source, _line(at), f"unknown table {fields.quoted(key)}",
        f"{near} allowed are {allowed}" if near else f"allowed are {allowed}",
    )  # fmt: skip


def _line(at: Any) -> int:
    """Return the first line of a part of the table of lines."""
    while isinstance(at, list) and at:
        at = at[0]
    if isinstance(at, dict):
        at = at.get(OWN)
    return at if isinstance(at, int) else 1


def _syntax(source: Source, message: str) -> Problem:
    """Turn the reader's message, which names the line at its end, into a problem."""
    found = _PLACE.search(message)
    what = message[: found.start()] if found else message
    if found and found[1]:
        line, column = int(found[1]), f" at column {found[2]}"
    else:
        line, column = source.text.rstrip("\n").count("\n") + 1, " at the end of the file"
    return _problem(
        source, line, f"is no TOML{column}: {what[:1].lower()}{what[1:]}",
        'a table as [[people]], then lines as name = "..."',
    )  # fmt: skip


def _problem(source: Source, line: int, what: str, allowed: str) -> Problem:
    return Problem(file=source.name, line=line, what=what, allowed=allowed)
