"""Seeded bodies: vital signs that wander around a baseline, by day and night, along a course.

The numbers make a believable stream to test software with. They are unsourced, describe nobody, and
carry no clinical meaning; a scenario may set each of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from firmware_sim import timing


@dataclass(frozen=True, slots=True, kw_only=True)
class Norm:
    """How one quantity behaves in an invented person at rest (unsourced, see the module)."""

    unit: str
    mean: float  # of the invented population
    between: float  # standard deviation between people
    within: float  # standard deviation of slow change in a person
    daily: float = 0.0  # half the difference between afternoon and night
    step: float = 1.0  # what the device can show
    low: float = -math.inf
    high: float = math.inf


NORMS: dict[str, Norm] = {
    "heart_rate": Norm(unit="/min", mean=70, between=6, within=3, daily=4, low=25, high=220),
    "spo2": Norm(unit="%", mean=97, between=0.6, within=0.5, low=50, high=100),
    "resp_rate": Norm(unit="/min", mean=15, between=1, within=0.8, low=4, high=60),
    "systolic": Norm(unit="mm[Hg]", mean=132, between=9, within=5, daily=5, low=60, high=250),
    "diastolic": Norm(unit="mm[Hg]", mean=76, between=5, within=3, daily=3, low=30, high=150),
    "body_temperature": Norm(
        unit="Cel", mean=36.7, between=0.1, within=0.1, daily=0.15, step=0.1, low=30, high=43
    ),
    "weight": Norm(unit="kg", mean=74, between=11, within=0.25, step=0.1, low=35, high=250),
    "body_water": Norm(unit="%", mean=52, between=3, within=0.4, step=0.1, low=20, high=80),
    "glucose": Norm(unit="mmol/L", mean=7.2, between=0.8, within=0.9, step=0.1, low=1, high=40),
    "fev1": Norm(unit="L", mean=1.9, between=0.3, within=0.06, step=0.01, low=0.3, high=6),
}

_WANDER = 6 * 3600.0  # how long a slow change lasts, seconds (unsourced)
_WARMEST = 16 * 3600.0  # time of day of the daily peak (unsourced)


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A change that a scenario writes for a person: linear from ``begin`` to ``end``, then held."""

    quantity: str
    begin: float  # story seconds
    end: float
    by: float
    until: float = math.inf  # from here it is over

    def at(self, story: float) -> float:
        """Return how far the quantity has moved at a story second."""
        if story < self.begin or story >= self.until:
            return 0.0
        if story >= self.end:
            return self.by
        return self.by * (story - self.begin) / (self.end - self.begin)


class Body:
    """One invented person. Asked at growing times, it answers the same for the same seed."""

    def __init__(
        self,
        *,
        rng: np.random.Generator,
        baseline: Mapping[str, float] | None = None,
        courses: Sequence[Course] = (),
        steadiness: float = 1.0,
    ) -> None:
        self._courses = tuple(courses)
        self._spread = 1 / steadiness
        drawn = {name: float(rng.normal(n.mean, n.between)) for name, n in NORMS.items()}
        self.baseline: dict[str, float] = {**drawn, **(baseline or {})}
        # A stream of chance per quantity: asking more often for one never changes another.
        children = rng.spawn(len(NORMS))
        self._chance = dict(zip(NORMS, children, strict=True))
        self._wander: dict[str, tuple[float, float]] = {}  # quantity -> story time, deviation

    def moved(self, quantity: str, story: float) -> float:
        """Return what the scenario's courses add to a quantity at a story second."""
        return sum(c.at(story) for c in self._courses if c.quantity == quantity)

    def measure(self, quantity: str, story: float, clock_time: float) -> float:
        """Return what a device reads.

        Parameters
        ----------
        quantity
            A key of :data:`NORMS`.
        story
            Story time, not before that of the last call. [s]
        clock_time
            Time of day. [s]

        Returns
        -------
        float
            The reading, in the norm's unit, on the device's grid.

        Notes
        -----
        Baseline + daily cosine + Ornstein-Uhlenbeck deviation + courses. Unsourced throughout.
        """
        norm = NORMS[quantity]
        daily = norm.daily * math.cos(2 * math.pi * (clock_time - _WARMEST) / timing.DAY)
        value = self.baseline[quantity] + self._spread * daily + self.moved(quantity, story)
        value += self._spread * self._deviation(quantity, story, norm.within)
        value = min(max(value, norm.low), norm.high)
        digits = max(0, round(-math.log10(norm.step)))
        return round(round(value / norm.step) * norm.step, digits)

    def _deviation(self, quantity: str, story: float, within: float) -> float:
        before, deviation = self._wander.get(quantity, (story, 0.0))
        keep = math.exp(-max(story - before, 1.0) / _WANDER)
        deviation *= keep
        deviation += float(self._chance[quantity].normal()) * within * math.sqrt(1 - keep * keep)
        self._wander[quantity] = (story, deviation)
        return deviation
