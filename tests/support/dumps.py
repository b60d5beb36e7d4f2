"""What a memory of the rules knows of a shard, comparable wherever its rows are."""

from __future__ import annotations

import io
import json
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alerts.state.memory import Memory

PACKS = "these"
"""The rules a dump belongs to, as tests call them."""
_KEYS = ("rule", "column", "slot_no", "no")
Columns = dict[str, NDArray[Any]]


def said_of(made: Memory, shard: int) -> dict[str, bytes]:
    """Return all that is known of a shard, in an order that doesn't depend on where rows are."""
    with np.load(io.BytesIO(zlib.decompress(made.dump(shard, packs=PACKS)))) as file:
        parts = {name: file[name] for name in file.files}
    zones = json.loads(bytes(parts.pop("head")))["zones"]
    out: dict[str, bytes] = {}
    for group, columns in _groups(_with_days(parts)).items():
        if "zone" in columns:
            columns["zone"] = np.array([zones[z] for z in columns["zone"]], dtype="U32")
        for elsewhere in ("days", "activity"):  # rows of other tables
            if elsewhere in columns:
                columns[elsewhere] = columns[elsewhere] >= 0
        order = np.arange(len(next(iter(columns.values()))))
        keys = [columns[key] for key in _KEYS if key in columns]
        if keys:
            order = np.lexsort(keys)
        for name, column in columns.items():
            out[f"{group}.{name}"] = column[order].tobytes() + str(column.shape).encode()
    return out


def _with_days(parts: Columns) -> Columns:
    """Put the days of a series beside it."""
    dated = parts["series.days"] >= 0
    out = {name: column for name, column in parts.items() if not name.startswith("days.")}
    for name in ("day", "last", "when"):
        column = parts[f"days.{name}"]
        whole = np.zeros((dated.size, *column.shape[1:]), dtype=column.dtype)
        whole[dated] = column
        out[f"series.of_day_{name}"] = whole
    return out


def _groups(parts: Columns) -> dict[str, Columns]:
    groups: dict[str, Columns] = {}
    for name, column in parts.items():
        group, _, of = name.rpartition(".")
        groups.setdefault(group, {})[of] = column
    return groups
