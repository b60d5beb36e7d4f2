"""Small counts made unreadable, so that a table of outcomes doesn't tell of somebody by name.

A count below the least that is shown becomes "<5", and what is made from it goes. What could be
worked out from the others (the only hidden one of a sum that is shown) takes another with it.
Comparing tables of slightly different days can still give a count away: this is a help, no proof.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alerts.measures.table import Cell, Table

LEAST: Final = 5
"""Counts below this are not shown; unsourced."""
WITHHELD: Final = "withheld"


def suppressed(table: Table, *, totals: bool) -> Table:
    """Return a table whose small counts can't be read.

    Parameters
    ----------
    table
        Its rows may be read several times.
    totals : bool
        Whether the last row is the sum of the others.
    """
    rows = [list(row) for row in table.rows]
    counts = [n for n, c in enumerate(table.columns) if c.kind == "count"]
    values = np.array(
        [[_number(row[n]) for n in counts] for row in rows], dtype=np.float64
    ).reshape(len(rows), len(counts))
    small = values < LEAST
    hidden = _closed(table, values, small.copy(), counts, totals)
    place = {table.columns[n].name: k for k, n in enumerate(counts)}
    out: list[tuple[Cell, ...]] = []
    for r, row in enumerate(rows):
        for k, n in enumerate(counts):
            if hidden[r, k]:
                row[n] = f"<{LEAST}" if small[r, k] else WITHHELD
        for n, column in enumerate(table.columns):
            if column.kind == "rate" and any(hidden[r, place[c]] for c in column.of):
                row[n] = None
        out.append(tuple(row))
    note = f"Counts below {LEAST} are shown as <{LEAST}; what would give one away is withheld."
    return replace(table, rows=out, notes=(*table.notes, note))


def _closed(
    table: Table, values: NDArray[np.float64], hidden: NDArray[np.bool_], counts: list[int],
    totals: bool,
) -> NDArray[np.bool_]:  # fmt: skip
    """Hide further counts until no hidden one is alone in a sum that is shown."""
    wholes: dict[str, list[int]] = {}
    for k, n in enumerate(counts):
        if whole := table.columns[n].part_of:
            wholes.setdefault(whole, []).append(k)
    rows = range(len(values))
    lines = [[(r, k) for k in parts] for parts in wholes.values() for r in rows]
    if totals and len(values) > 1:
        lines += [[(r, k) for r in rows] for k in range(len(counts))]
    changed = True
    while changed:
        changed = False
        for line in lines:
            there = [cell for cell in line if not np.isnan(values[cell])]
            alone = sum(bool(hidden[cell]) for cell in there) == 1
            shown = [cell for cell in there if not hidden[cell]]
            if alone and shown:
                hidden[min(shown, key=lambda cell: values[cell])] = True
                changed = True
    return hidden


def _number(cell: Cell) -> float:
    return float(cell) if isinstance(cell, int | float) else float("nan")
