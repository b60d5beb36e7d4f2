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
        if key == "bands":
            yield where, "bands", _bands(value), source
        elif isinstance(value, dict):
            yield from _numbers(value, f"{where}.{key}".lstrip("."), source)
        elif isinstance(value, list):
            for one in value:
                yield from _numbers(one, str(one["id"]), source)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield where, key, f"{value:g}", source
        elif key.startswith("severity"):
            yield where, key, str(value), source


def _bands(bands: list[Mapping[str, Any]]) -> str:
    return ", ".join(
        f"up to {b['to']:g}: {b['points']}" if "to" in b else f"above: {b['points']}" for b in bands
    )
