"""How much is found at what cost: default limits made narrower and wider about their middle.

The factors are fixed beforehand and 1 is the packs as they are: the curve says what another
choice would have cost, and is nothing to choose limits by.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from alerts import plan as plans
from alerts.backtest import choosing, figures, labels, run
from alerts.backtest.labels import Labels, Score
from alerts.backtest.sources import Source
from alerts.rules.registry import Registry
from ingest.kernel.observation import Rows

FACTORS: Final = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One setting: alerts for nurses per person-day, and what they find of each type of label."""

    factor: float
    nurse: figures.Rate
    scores: dict[str, Score]


def of_people(source: Source) -> Source:
    """Return a source without what happens in homes: limits are about people's readings."""

    def chunks() -> Iterator[Rows]:
        for rows in source.chunks():
            mine = rows[rows["person"] > 0]
            if mine.size:
                yield mine

    return replace(source, chunks=chunks)


def sweep(
    whole: run.Run, rules: Registry, marks: Labels, *, step: float, defaults: plans.Defaults
) -> list[Point]:
    """Judge people's readings at each factor; what homes add to the burden is as in ``whole``."""
    source = of_people(whole.source)
    at_home = [e for e in whole.episodes if e.subject == "home"]
    points = []
    for factor in FACTORS:
        mine = run.run(source, choosing.scaled(rules, factor), step=step, defaults=defaults)
        both = replace(
            mine, source=whole.source, days=whole.days,
            episodes=[e for e in mine.episodes if e.subject == "person"] + at_home,
        )  # fmt: skip
        nurse = [e for e in both.episodes if both.rules[e.rule_id].audience == "nurse"]
        points.append(
            Point(
                factor=factor, nurse=figures.rate(both, nurse),
                scores={kind: labels.score(both, marks, kind) for kind in marks.days},
            )
        )  # fmt: skip
    return points
