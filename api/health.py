"""Readiness: what is wrong with the hub just now, in words. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

_LANES = ("event", "obs")
"""Lanes without which nothing comes in; ``status`` only tells how devices do."""


class Slot(Protocol):
    """What is known of a gateway's subscription."""

    @property
    def lane(self) -> str:
        """The lane it serves."""
        ...

    @property
    def position(self) -> int:
        """Its number within the lane."""
        ...

    @property
    def held(self) -> bool:
        """Whether a gateway has it."""
        ...

    @property
    def probe_age_s(self) -> float | None:
        """How long ago its own probe came back, None for never. [s]"""
        ...


def listening(slots: Sequence[Slot], *, oldest_probe_s: float) -> list[str]:
    """Say which lanes nobody listens on, and which slots went quiet; empty when all is well.

    Parameters
    ----------
    slots
        All that the gateways ever took.
    oldest_probe_s
        A slot that did not hear its own probe for longer doesn't listen. [s]
    """
    reasons: list[str] = []
    for lane in _LANES:
        held = [s for s in slots if s.lane == lane and s.held]
        if not held:
            reasons.append(f"no gateway listens on the lane {lane}: start one")
            continue
        reasons += [
            f"nobody holds slot {s.position} of the lane {lane}: what the broker dealt to it waits"
            for s in slots
            if s.lane == lane and not s.held
        ]
        reasons += [
            _quiet(s) for s in held if s.probe_age_s is None or s.probe_age_s > oldest_probe_s
        ]
    return reasons


def _quiet(slot: Slot) -> str:
    where = f"slot {slot.position} of the lane {slot.lane}"
    if slot.probe_age_s is None:
        return f"{where} is held by a gateway whose probe never came back: is the broker reachable?"
    return (
        f"{where} is held by a gateway whose probe last came back {slot.probe_age_s:.0f} s ago:"
        " is the broker reachable?"
    )


def lagging(lag_s: float, *, most_s: float) -> list[str]:
    """Say when readings or alarms wait for a rules worker; empty when all is well."""
    if lag_s <= most_s:
        return []
    return [
        f"readings wait for the rules since {lag_s:.0f} s: is a process of role alerts running?"
    ]
