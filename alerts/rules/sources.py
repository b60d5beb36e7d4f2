"""Every number of every pack with its source, as the table of ``docs/clinical-sources.md``."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from alerts.rules import registry


def table(folder: Path | None = None) -> list[str]:
    """Return the lines of the Markdown table, header included."""
    lines = ["| pack | rule or part | number | value | source |", "|---|---|---|---|---|"]
    for path in sorted((folder or registry.SHIPPED).glob("*.toml")):
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        pack = f"{raw['id']} {raw['version']}"
        for where, name, value, source in _numbers(raw, "", str(raw["source"])):
            lines.append(f"| {pack} | {where} | {name} | {value} | {source} |")
    return lines


def _numbers(
    table: Mapping[str, Any], where: str, source: str
) -> Iterator[tuple[str, str, str, str]]:
    source = str(table.get("source", source))
    for key, value in table.items():
        if isinstance(value, dict):
            inner = where if key in ("applies", "command", "args") else f"{where}.{key}".lstrip(".")
            yield from _numbers(value, inner, source)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for name, line in _listed(key, value):
                yield where, name, line, source
            for one in value if key in ("rule", "limit") else ():
                yield from _numbers(
                    one, str(one.get("id") or f"limit of {one['quantity']}"), source
                )
        elif (said := _value(key, value)) is not None:
            yield where, key, said, source


def _listed(key: str, value: list[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Return what a list of tables says in one line each: bands of a chart, levels of a rule."""
    if key.startswith("bands"):
        yield key, _bands(value)
    elif key == "levels":
        for level in value:
            yield f"severity {level['severity']} when", _code(level["when"])


def _value(key: str, value: object) -> str | None:
    if key in ("when", "clear"):
        return _code(str(value))
    if key in _LENGTHS or key.startswith("severity"):
        return str(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:g}"
    return None


_LENGTHS = frozenset(("for", "clear_for", "again", "fresh", "least", "every"))


def _code(text: str) -> str:
    """Return a condition as Markdown shows it in a table."""
    return f"`{text}`".replace("|", "\\|")


def _bands(bands: list[Mapping[str, Any]]) -> str:
    return ", ".join(
        f"up to {b['to']:g}: {b['points']}" if "to" in b else f"above: {b['points']}" for b in bands
    )
