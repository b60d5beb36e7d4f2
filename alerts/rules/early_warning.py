"""Aggregate early-warning scores over arrays. A score is data; NEWS2 is the one that is shipped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]

LEVELS: Final[tuple[str, ...]] = ("low", "low-medium", "medium", "high")
"""Clinical risk in rising order; `Scores.level` holds indices of it, -1 for "nothing measured"."""

NOTHING: Final = -1
OXYGEN: Final = "on_oxygen"
"""The part that also decides which table of SpO2 scale 2 counts."""
_TIE: Final = 1e-6
"""How near to the middle of two grid points a value counts as a tie [grid steps]: binary
fractions can't hold 38.05, and unit conversion adds its own last digit."""
_BLOCK: Final = 8_192
"""Rows scored at a time: they and what is made of them stay in the processor's cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Values up to and including ``to`` score ``points``; the last band has no upper end."""

    points: int
    to: float = float("inf")


@dataclass(frozen=True, slots=True)
class Table:
    """The points of one quantity: a base, and what is added below and above some cuts.

    A value is rounded to the grid of ``step`` first; one exactly between two grid points takes
    the higher of their scores. Both are in the cuts: a value scores ``base``, plus ``add`` for
    each ``(cut, add)`` of ``below`` it is less than and of ``above`` it is greater than.
    """

    step: float
    base: int
    below: tuple[tuple[float, int], ...]
    above: tuple[tuple[float, int], ...]
    bands: tuple[Band, ...]
    most: int

    @classmethod
    def of(cls, bands: Sequence[Band], *, step: float) -> Table:
        """Lay out bands, given in rising order, on a grid of ``step``."""
        points = [b.points for b in bands]
        usual = points.index(min(points))
        below: list[tuple[float, int]] = []
        above: list[tuple[float, int]] = []
        for n, (lower, upper) in enumerate(pairwise(bands)):
            edge = round(lower.to / step)
            rises = upper.points > lower.points
            # the tie belongs to the side with more points
            cut = (edge + 0.5 + (-_TIE if rises else _TIE)) * step
            if n < usual:  # less than the cut: at or below the lower band
                below.append((cut if rises else _next(cut), lower.points - upper.points))
            else:
                above.append((_before(cut) if rises else cut, upper.points - lower.points))
        return cls(step, points[usual], tuple(below), tuple(above), tuple(bands), max(points))

    def add_to(
        self, total: NDArray[np.int8], values: FloatArray, spare: tuple[BoolArray, NDArray[np.int8]]
    ) -> None:
        """Add the points of each value to ``total``; what was not measured adds nothing."""
        hit, points = spare
        for cuts, compare in ((self.below, np.less), (self.above, np.greater)):
            for cut, add in cuts:
                compare(values, cut, out=hit)
                np.multiply(hit.view(np.int8), np.int8(add), out=points)
                np.add(total, points, out=total)
        if self.base:
            np.equal(values, values, out=hit)
            np.multiply(hit.view(np.int8), np.int8(self.base), out=points)
            np.add(total, points, out=total)

    def score(self, values: FloatArray) -> FloatArray:
        """Return the points of each value, NaN where nothing was measured."""
        total = np.zeros(values.shape, dtype=np.int8)
        self.add_to(total, values, (np.empty(values.shape, bool), np.empty(values.shape, np.int8)))
        return np.where(np.isfinite(values), total, np.nan)


def _next(cut: float) -> float:
    return float(np.nextafter(cut, np.inf))


def _before(cut: float) -> float:
    return float(np.nextafter(cut, -np.inf))


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a score: bands of a number, points of a yes, or points of not-the-first code."""

    name: str
    quantity: str
    bands: Table | None = None
    bands_scale2_air: Table | None = None
    bands_scale2_oxygen: Table | None = None
    yes: int | None = None
    not_first: int | None = None

    def __post_init__(self) -> None:
        given = [self.bands is not None, self.yes is not None, self.not_first is not None]
        if sum(given) != 1:
            raise ValueError(f"part '{self.name}' needs one of bands, yes, not_first")
        if (self.bands_scale2_air is None) != (self.bands_scale2_oxygen is None):
            raise ValueError(f"part '{self.name}': scale 2 needs bands on air and on oxygen")

    @property
    def most(self) -> int:
        """Return the most points it can give."""
        return self.bands.most if self.bands is not None else int(self.yes or self.not_first or 0)

    def points(self, values: FloatArray, scale2: BoolArray, oxygen: FloatArray) -> NDArray[np.int8]:
        """Return the points of each value, 0 where nothing was measured."""
        total = np.zeros(values.shape, dtype=np.int8)
        spare = (np.empty(values.shape, dtype=bool), np.empty(values.shape, dtype=np.int8))
        if self.bands is None:
            hit = np.greater(values, 0, out=spare[0])  # NaN is not greater
            return np.multiply(
                hit.view(np.int8), np.int8(self.yes or self.not_first or 0), out=total
            )
        self.bands.add_to(total, values, spare)
        if self.bands_scale2_air is None or not scale2.any():
            return total
        assert self.bands_scale2_oxygen is not None  # noqa: S101  (both or neither)
        second = np.zeros(values.shape, dtype=np.int8)
        self.bands_scale2_air.add_to(second, values, spare)
        given = np.zeros(values.shape, dtype=np.int8)
        self.bands_scale2_oxygen.add_to(given, values, spare)
        return np.where(scale2, np.where(oxygen > 0, given, second), total)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A score as data: its parts in the order of the chart, and where its levels begin."""

    parts: tuple[Part, ...]
    single: int
    medium: int
    high: int

    def __post_init__(self) -> None:
        if not self.parts:
            raise ValueError("a chart needs at least one part")
        if sum(p.most for p in self.parts) > 127:  # noqa: PLR2004  (kept in a signed byte)
            raise ValueError("a chart's points must not add up to more than 127")
        if any(p.bands_scale2_air for p in self.parts) and OXYGEN not in self.names:
            raise ValueError(f"a scale 2 needs the part '{OXYGEN}'")

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the parts, in order; also the columns of `Scores.parts`."""
        return tuple(p.name for p in self.parts)

    @property
    def quantities(self) -> tuple[str, ...]:
        """Return what has to be measured for it, in the order of the parts."""
        return tuple(p.quantity for p in self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Scores of n people."""

    parts: FloatArray
    """Points per part of the chart, shape (n, parts), NaN where not measured. [{ScoreOf}]"""
    total: IntArray
    """Sum of the parts that were measured: a lower bound wherever `partial`. [{ScoreOf}]"""
    partial: BoolArray
    """Whether any part was not measured."""
    single: BoolArray
    """Whether a single part scores the chart's red score (3)."""
    level: NDArray[np.int8]
    """Index into `LEVELS`, or -1 where nothing at all was measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What a score comes to for n people, without its parts."""

    total: NDArray[np.int8]
    """As in :class:`Scores`. [{ScoreOf}]"""
    partial: BoolArray
    """Whether any part was not measured."""
    level: NDArray[np.int8]
    """Index into `LEVELS`, or -1 where nothing at all was measured."""


def score(chart: Chart, columns: Mapping[str, FloatArray], scale2: BoolArray) -> Scores:
    """Early-warning score of n people, part by part.

    Parameters
    ----------
    chart
        The published table, from a pack such as ``news2``.
    columns
        Values by the names of the chart's parts, each of shape (n,), in the hub's units, NaN where
        not measured; a part that is absent counts as not measured. For NEWS2: ``resp_rate``
        [/min], ``spo2`` [%], ``on_oxygen`` (1 on supplementary oxygen, 0 on air), ``systolic``
        [mm[Hg]], ``heart_rate`` [/min], ``acvpu`` as an index into "ACVPU" (0 alert, 1 new
        confusion, 2 voice, 3 pain, 4 unresponsive), ``body_temperature`` [Cel].
    scale2
        Whether SpO2 scale 2 was prescribed (hypercapnic respiratory failure, target 88-92 %),
        shape (n,). A clinical decision: never inferred from a diagnosis.

    Returns
    -------
    Scores
        Parts, total, level and whether the total is only a lower bound.

    Notes
    -----
    NEWS2 is valid for people of 16 years and over who are not pregnant; whoever calls sees to
    that. The bands are defined on whole numbers (temperature on 0.1 Cel), so values are rounded
    to that grid first; a value exactly between two grid points takes the higher of their scores.
    Where SpO2 scale 2 applies and it isn't known whether oxygen is given, saturations from 93 %
    up score 0: the total is a lower bound then anyway, because the oxygen part is missing. The
    chart gives no rule for missing parameters; their sum is therefore only called partial.

    References
    ----------
    .. [1] Royal College of Physicians, "National Early Warning Score (NEWS) 2: Standardising the
       assessment of acute-illness severity in the NHS", London, 2017, charts 1, 2 and 4.
    """
    nothing = np.full(scale2.shape, np.nan)
    oxygen = columns.get(OXYGEN, nothing)
    given = [(part, columns.get(part.name, nothing)) for part in chart.parts]
    parts = np.stack(
        [
            np.where(np.isfinite(values), part.points(values, scale2, oxygen), np.nan)
            for part, values in given
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


def totals(chart: Chart, columns: Mapping[str, FloatArray], scale2: BoolArray) -> Totals:
    """Early-warning score of n people without the parts: the same numbers as :func:`score`, faster.

    Parameters and references as there. Infinite values are not allowed.
    """
    n = scale2.size
    nothing = np.full(n, np.nan)
    given = [(p, columns.get(p.name, nothing)) for p in chart.parts]
    oxygen = columns.get(OXYGEN, nothing)
    total, single = np.zeros(n, np.int8), np.zeros(n, bool)
    partial, some = np.zeros(n, bool), np.zeros(n, bool)
    second = bool(scale2.any())
    for begin in range(0, n, _BLOCK):
        at = slice(begin, min(begin + _BLOCK, n))
        size = at.stop - begin
        hit, points, one = np.empty(size, bool), np.empty(size, np.int8), np.empty(size, np.int8)
        for part, values in given:
            value = values[at]
            if part.bands is None or (second and part.bands_scale2_air is not None):
                one = part.points(value, scale2[at], oxygen[at])
            else:
                one = np.zeros(size, np.int8)
                part.bands.add_to(one, value, (hit, points))
            total[at] += one
            single[at] |= one >= chart.single
            np.equal(value, value, out=hit)
            some[at] |= hit
            partial[at] |= ~hit
    level = np.where(total >= chart.high, 3, np.where(total >= chart.medium, 2, single)).astype(
        np.int8
    )
    level[~some] = NOTHING
    return Totals(total=total, partial=partial, level=level)
