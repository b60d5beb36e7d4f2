"""Scoring a CSV file: the rows come back with their parts, total and level."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from alerts import errors
from alerts.rules import early_warning, pack, registry
from ingest.kernel import vitals

_TRUE = frozenset({"1", "true", "yes", "y"})
_FALSE = frozenset({"0", "false", "no", "n"})
_MOST_PROBLEMS = 20


def score_file(pack_id: str, path: Path | str) -> str:
    """Return the file's rows as CSV text, with a column per part, ``total,level,partial`` added.

    Columns are named by the nomenclature (``resp_rate,spo2,on_oxygen,systolic,heart_rate,
    body_temperature,acvpu``, and ``scale2``); empty means not measured, other columns are kept.

    Raises
    ------
    ScoreInputError
        When there is no such score, or cells that can't be read: each by line and column.
    """
    rule = _rule(pack_id)
    text = Path(path).read_text(encoding="utf-8-sig")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    if not rows or not any(cell.strip() for cell in rows[0]):
        raise errors.ScoreInputError(problems=f"{path}: the first line must name the columns")
    header = [cell.strip() for cell in rows[0]]
    body = [(n, row) for n, row in enumerate(rows[1:], start=2) if any(c.strip() for c in row)]
    columns, scale2 = _columns(rule.chart, str(path), header, body)
    scores = early_warning.score(rule.chart, columns, scale2)
    return _written(rule.chart, header, [row for _, row in body], scores)


def _rule(pack_id: str) -> pack.ScoreRule:
    packs = registry.load().packs
    found = packs.get(pack_id)
    rules = [r for r in found.rules if isinstance(r, pack.ScoreRule)] if found else []
    if not rules:
        names = ", ".join(
            p.id for p in packs.values() if any(isinstance(r, pack.ScoreRule) for r in p.rules)
        )
        raise errors.ScoreInputError(problems=f"'{pack_id}' is no score; there is: {names}")
    return rules[0]


def _columns(
    chart: early_warning.Chart, path: str, header: list[str], body: Sequence[tuple[int, list[str]]]
) -> tuple[dict[str, early_warning.FloatArray], early_warning.BoolArray]:
    known = [*chart.names, "scale2"]
    columns = {name: np.full(len(body), np.nan) for name in known}
    problems: list[str] = []
    repeated = sorted({name for name in known if header.count(name) > 1})
    problems += [f"{path}:1: column {name} is there more than once" for name in repeated]
    if not any(name in header for name in chart.names):
        problems.append(f"{path}:1: no column is named {', '.join(chart.names)}")
    for place, (line, row) in enumerate(body):
        if len(row) > len(header):
            problems.append(f"{path}:{line}: has {len(row)} cells, the header {len(header)}")
        for name, cell in zip(header, row, strict=False):
            if name not in columns or not cell.strip():
                continue
            try:
                columns[name][place] = _value(name, cell.strip())
            except ValueError as error:
                problems.append(f"{path}:{line}: column {name}: {error}")
    if problems:
        more = len(problems) - _MOST_PROBLEMS
        shown = problems[:_MOST_PROBLEMS] + ([f"... and {more} more"] if more > 0 else [])
        raise errors.ScoreInputError(problems="\n".join(shown))
    scale2 = np.nan_to_num(columns.pop("scale2")) > 0
    return columns, scale2


def _value(name: str, cell: str) -> float:
    if name in {"on_oxygen", "scale2"}:
        return _truth(cell)
    if name == "acvpu":
        index = vitals.BY_NAME["acvpu"].codes.find(cell.upper()) if len(cell) == 1 else -1
        if index < 0:
            raise ValueError(f"'{cell}' is not one of A, C, V, P, U")
        return float(index)
    try:
        value = float(cell)
    except ValueError:
        raise ValueError(f"'{cell}' is not a number") from None
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"'{cell}' can't have been measured")
    return value


def _truth(cell: str) -> float:
    word = cell.lower()
    if word in _TRUE or word in _FALSE:
        return float(word in _TRUE)
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if value not in {0.0, 1.0}:
        raise ValueError(f"'{cell}' is neither 1/true/yes nor 0/false/no")
    return value


def _written(
    chart: early_warning.Chart,
    header: list[str],
    body: list[list[str]],
    scores: early_warning.Scores,
) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    added = [f"{name}_score" for name in chart.names]
    writer.writerow([*header, *added, "total", "level", "partial"])
    for n, row in enumerate(body):
        parts = ["" if np.isnan(p) else str(int(p)) for p in scores.parts[n]]
        level = int(scores.level[n])
        nothing = level == early_warning.NOTHING
        total = "" if nothing else str(int(scores.total[n]))
        padded = (row + [""] * len(header))[: len(header)]
        writer.writerow(
            [
                *padded,
                *parts,
                total,
                "" if nothing else early_warning.LEVELS[level],
                "true" if scores.partial[n] else "false",
            ]
        )
    return out.getvalue()
