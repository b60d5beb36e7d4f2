"""Who is looked after, and how completely, as it is now: plans, contacts, devices, silence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alerts.measures import grouping
from alerts.measures.grouping import By
from alerts.measures.table import Cell, Column, Table

COUNTS: Final = (
    "people", "with_limits", "with_triggers", "with_risk_band", "band_green", "band_amber",
    "band_red", "with_contact", "with_practice", "with_device", "silent_people", "devices",
    "silent_devices",
)  # fmt: skip
PEOPLE: Final = np.dtype([
    ("day", "i4"), ("practice", "i4"), ("site", "i4"), ("area", "i4"),
    *((name, "i8") for name in COUNTS),
])  # fmt: skip
"""Counts of people and devices of a practice at a site; ``day`` is not used."""
BYS: Final[tuple[By, ...]] = ("practice", "site", "area")
NOTES: Final = (
    "As it is now, whatever days were asked for. Limits, triggers and risk band are those of the"
    " register.",
    "A device is silent while an alert says so of it or of its whole site; a person, when all"
    " devices of theirs and of their home are. People without a device are not among the silent.",
)  # fmt: skip


def table(
    people: NDArray[np.void], names: Mapping[str, Mapping[int, str]], *, by: By | None
) -> Table:
    """Tell the coverage by group."""
    rows: list[tuple[Cell, ...]] = []
    for group, members in grouping.of_places(people, names, by).each():
        counts = (int(people[name][members].sum()) for name in COUNTS)
        rows.append((*((group,) if by else ()), *counts))
    head = (Column(name=by),) if by else ()
    columns = (*head, *(Column(name=name, kind="count") for name in COUNTS))
    return Table(columns=columns, rows=rows, notes=NOTES)
