"""Aggregate early-warning scores over arrays; NEWS2 is the one that is shipped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]

PARTS: tuple[str, ...] = (
    "resp_rate",
    "spo2",
    "on_oxygen",
    "systolic",
    "heart_rate",
    "acvpu",
    "body_temperature",
)
"""The parts of NEWS2 in the order of the chart; also the columns of `Scores.parts`."""

LEVELS: tuple[str, ...] = ("low", "low-medium", "medium", "high")
"""Clinical risk in rising order; `Scores.level` holds indices of it, -1 for "nothing measured"."""

NOTHING = -1
_TIE = 1e-6
"""How near to the middle of two grid points a value counts as a tie [grid steps]: binary
fractions can't hold 38.05, and unit conversion adds its own last digit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Values up to and including ``to`` score ``points``; the last band has no upper end."""

    points: int
    to: float = float("inf")


@dataclass(frozen=True, slots=True)
class Table:
    """The points of one quantity, ready to be looked up on a grid of half steps.

    ``points[2 * g - 2 * first]`` belongs to grid point ``g``; odd places are ties between two
    grid points and hold the higher of their scores.
    """

    step: float
    first: int
    points: NDArray[np.int8]

    @classmethod
    def of(cls, bands: Sequence[Band], *, step: float) -> Table:
        """Lay out bands, given in rising order, on a grid of ``step``."""
        edges = [round(b.to / step) for b in bands[:-1]]
        first, last = edges[0] - 1, edges[-1] + 2
        grid = np.arange(first, last + 1)
        whole = np.array([b.points for b in bands], dtype=np.int8)[np.searchsorted(edges, grid)]
        half = np.empty(2 * grid.size - 1, dtype=np.int8)
        half[0::2] = whole
        half[1::2] = np.maximum(whole[:-1], whole[1:])
        return cls(step, first, half)

    def score(self, values: FloatArray) -> FloatArray:
        """Return the points of each value, NaN where nothing was measured."""
        measured = np.isfinite(values)
        grid = np.where(measured, values, 0.0) / self.step
        below = np.ceil(grid - 0.5 - _TIE)
        above = np.floor(grid + 0.5 + _TIE)
        place = np.clip(below + above - 2 * self.first, 0, self.points.size - 1)
        return np.where(measured, self.points[place.astype(np.intp)], np.nan)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A score as data: a table per quantity, and where its levels begin."""

    resp_rate: Table
    spo2_scale1: Table
    spo2_scale2_air: Table
    spo2_scale2_oxygen: Table
    on_oxygen: int
    systolic: Table
    heart_rate: Table
    not_alert: int
    body_temperature: Table
    single: int
    medium: int
    high: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Scores of n people."""

    parts: FloatArray
    """Points per part of `PARTS`, shape (n, 7), NaN where not measured. [{ScoreOf}]"""
    total: IntArray
    """Sum of the parts that were measured: a lower bound wherever `partial`. [{ScoreOf}]"""
    partial: BoolArray
    """Whether any part was not measured."""
    single: BoolArray
    """Whether a single part scores the chart's red score (3)."""
    level: NDArray[np.int8]
    """Index into `LEVELS`, or -1 where nothing at all was measured."""


def news2(
    chart: Chart,
    *,
    resp_rate: FloatArray,
    spo2: FloatArray,
    on_oxygen: FloatArray,
    systolic: FloatArray,
    heart_rate: FloatArray,
    acvpu: FloatArray,
    body_temperature: FloatArray,
    scale2: BoolArray,
) -> Scores:
    """National Early Warning Score 2 of n people.

    Parameters
    ----------
    chart
        The published table, from the pack ``news2``.
    resp_rate
        Respiration rate, NaN where not measured. [/min]
    spo2
        Oxygen saturation, NaN where not measured. [%]
    on_oxygen
        1 on supplementary oxygen, 0 on air, NaN where not known. [1]
    systolic
        Systolic blood pressure, NaN where not measured. [mm[Hg]]
    heart_rate
        Pulse, NaN where not measured. [/min]
    acvpu
        Consciousness as an index into "ACVPU": 0 alert, 1 new confusion, 2 voice, 3 pain,
        4 unresponsive; NaN where not observed. [1]
    body_temperature
        Body temperature, NaN where not measured. [Cel]
    scale2
        Whether SpO2 scale 2 was prescribed (hypercapnic respiratory failure, target 88-92 %). A
        clinical decision: never inferred from a diagnosis.

    Returns
    -------
    Scores
        Parts, total, level and whether the total is only a lower bound.

    Notes
    -----
    Valid for people of 16 years and over who are not pregnant; whoever calls sees to that. The
    bands are defined on whole numbers (temperature on 0.1 Cel), so values are rounded to that
    grid first; a value exactly between two grid points takes the higher of their scores. Where
    SpO2 scale 2 applies and it isn't known whether oxygen is given, saturations from 93 % up
    score 0: the total is a lower bound then anyway, because the oxygen part is missing. The
    chart gives no rule for missing parameters; their sum is therefore only called partial.

    References
    ----------
    .. [1] Royal College of Physicians, "National Early Warning Score (NEWS) 2: Standardising the
       assessment of acute-illness severity in the NHS", London, 2017, charts 1, 2 and 4.
    """
    oxygen = np.where(np.isfinite(on_oxygen), on_oxygen, 0.0) > 0
    second = np.where(
        oxygen, chart.spo2_scale2_oxygen.score(spo2), chart.spo2_scale2_air.score(spo2)
    )
    parts = np.stack(
        [
            chart.resp_rate.score(resp_rate),
            np.where(scale2, second, chart.spo2_scale1.score(spo2)),
            np.where(np.isfinite(on_oxygen), oxygen * float(chart.on_oxygen), np.nan),
            chart.systolic.score(systolic),
            chart.heart_rate.score(heart_rate),
            np.where(np.isfinite(acvpu), (acvpu > 0) * float(chart.not_alert), np.nan),
            chart.body_temperature.score(body_temperature),
        ],
        axis=-1,
    )
    missing = np.isnan(parts)
    points = np.where(missing, 0.0, parts)
    total = points.sum(axis=-1).astype(np.int64)
    single: BoolArray = np.any(points >= chart.single, axis=-1)
    level = np.select(
        [missing.all(axis=-1), total >= chart.high, total >= chart.medium, single],
        [NOTHING, 3, 2, 1],
        default=0,
    ).astype(np.int8)
    return Scores(
        parts=parts, total=total, partial=missing.any(axis=-1), single=single, level=level
    )


def score(chart: Chart, columns: Mapping[str, FloatArray], scale2: BoolArray) -> Scores:
    """Score named columns; a name of `PARTS` that is absent counts as not measured."""
    nothing = np.full(scale2.shape, np.nan)
    return news2(chart, scale2=scale2, **{name: columns.get(name, nothing) for name in PARTS})
