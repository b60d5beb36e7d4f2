"""Time as an argument: the clock every part of the hub is given."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time. Everything that needs "now" is handed one."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        ...

    def epoch(self) -> float:
        """Return the present moment as Unix time. [s]"""
        ...

    def monotonic(self) -> float:
        """Return a time that never jumps, for measuring waits. [s]"""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        return datetime.now(UTC)

    def epoch(self) -> float:
        """Return the present moment as Unix time. [s]"""
        return time.time()

    def monotonic(self) -> float:
        """Return a time that never jumps, for measuring waits. [s]"""
        return time.monotonic()
