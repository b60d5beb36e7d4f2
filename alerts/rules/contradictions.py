"""Conditions that can never hold, never end, or hold and end at once: found by trying values.

Every number that a signal is compared with is tried, with a little less and a little more, for
all signals together; where that is too much, a fixed random choice of it.
"""

from __future__ import annotations

import itertools
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alerts.rules import language, vocabulary
from alerts.rules.language import Node, Number, Signal
from ingest.kernel import vitals

_MOST: Final = 40_000
_NEAR: Final = 0.01
_WIDE: Final = 1e6
"""Where a quantity has no plausible bound of its own."""
_ENDLESS: Final = 1e9
_LAST_MINUTE: Final = 1_439.0


class Problem(NamedTuple):
    """What is wrong with a condition, and whether it is about the clearing."""

    text: str
    clear: bool


def of_level(when: Node, clear: Node) -> Problem | None:
    """Say why a condition and its end make no sense together, None where they do."""
    env = _Grid([*language.walk(when), *language.walk(clear)])
    raised, _ = language.judge(when, env)
    cleared, _ = language.judge(clear, env)
    if not raised.any():
        return Problem("this can never hold: no reading would raise it", clear=False)
    if not cleared.any():
        return Problem("no reading could ever clear this", clear=True)
    both = np.flatnonzero(raised & cleared)
    if both.size and not _linked(when, clear):
        return Problem(
            f"raise and clear overlap: both hold where {env.say(int(both[0]))}", clear=True
        )
    return None


def _linked(when: Node, clear: Node) -> bool:
    """Tell whether the two speak of things that hang together in ways values alone don't show.

    Motion that ends a long stillness also ends the quiet hours; the age of a fall and the fall.
    """
    apart = set(language.signals(when)) ^ set(language.signals(clear))
    return any(s.spec.grows or s.name in ("quiet_hours", "days_known") for s in apart)


class _Grid:
    """All combinations of the values that matter, as subjects to judge conditions on."""

    def __init__(self, parts: list[language.Node | language.Term]) -> None:
        signals = list(dict.fromkeys(p for p in parts if isinstance(p, Signal)))
        values = [_values(s, parts) for s in signals]
        axes = [*values, _minutes(parts, None) or [0.0]]
        total = 1
        for axis in axes:
            total *= len(axis)
        if total <= _MOST:
            grid = np.array(list(itertools.product(*axes)), dtype=np.float64)
        else:
            rng = np.random.default_rng(0)
            grid = np.stack([rng.choice(axis, _MOST) for axis in axes], axis=1)
        limits = {s: n for n, s in enumerate(signals)}
        for s, n in limits.items():  # nobody has a lower limit above the upper one
            other = limits.get(Signal("high", s.quantity)) if s.name == "low" else None
            if other is not None:
                grid = grid[grid[:, n] < grid[:, other]]
        self._of = {s: grid[:, n] for n, s in enumerate(signals)}
        self._minute = grid[:, -1]
        self.size = len(grid)

    def signal(self, signal: Signal) -> NDArray[np.float64]:
        return self._of[signal]

    def recent(self, signal: Signal, n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        values = np.repeat(self._of[signal][:, None], n, axis=1)
        return values, np.zeros(values.shape)

    def minute(self) -> NDArray[np.float64]:
        return self._minute

    def parameter(self, n: int) -> NDArray[np.float64]:
        raise AssertionError(n)  # conditions are tried before their numbers are taken out

    def say(self, at: int) -> str:
        return " and ".join(f"{s} is {v[at]:g}" for s, v in self._of.items())


def _minutes(parts: list[language.Node | language.Term], of: Signal | None) -> list[float]:
    """Return the minutes of the day that matter where hours are asked of now, or of something."""
    asked = [p for p in parts if isinstance(p, language.Hours) and p.of == of]
    return sorted({float(m % 1_440) for p in asked for m in (p.begin, p.end - 1, p.end)})


def _values(signal: Signal, parts: list[language.Node | language.Term]) -> list[float]:
    """Return the values of a signal that matter: its ends, and around each number it meets."""
    spec, least, most = vocabulary.SIGNALS[signal.name], 0.0, _ENDLESS
    if spec.unit == "q":
        q = vocabulary.quantity_of(signal.quantity)
        if q.kind is vitals.ValueKind.BOOLEAN:
            return [0.0, 1.0]
        if q.kind is vitals.ValueKind.CODE:
            return [float(n) for n in range(len(q.codes))]
        least, most = max(q.low, -_WIDE), min(q.high, _WIDE)
    if signal.name in ("slope", "z"):
        least, most = -_ENDLESS, _ENDLESS
    elif signal.name in ("gain", "loss"):
        least = 0.0
    if spec.unit == "min":
        most = _LAST_MINUTE
    numbers = {p.value for p in parts if isinstance(p, Number)}
    numbers.update(_minutes(parts, signal))
    near = (-_NEAR, 0.0, _NEAR)
    values = {v + d for v in numbers for d in near} | {least, most, (least + most) / 2}
    if signal.name in ("value", "low", "high", "mean", "usual"):
        # two places in between, at which limits may stand, and what stands off them by a number
        sides = (least + (most - least) / 3, most - (most - least) / 3)
        values |= {s + d for s in sides for d in near}
        values |= {s + n * sign for s in sides for n in numbers for sign in (-1, 1)}
    return sorted(v for v in values if least <= v <= most)
