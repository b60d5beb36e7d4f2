"""A clock that stands still until a test moves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)  # a Monday morning


class FixedClock:
    """An `ingest.kernel.clock.Clock` that a test sets and advances."""

    def __init__(self, now: datetime = START) -> None:
        self._start = now
        self._now = now

    def now(self) -> datetime:
        """Return the moment the test set."""
        return self._now

    def epoch(self) -> float:
        """Return the moment the test set as Unix time. [s]"""
        return self._now.timestamp()

    def monotonic(self) -> float:
        """Return the seconds this clock was advanced by in all. [s]"""
        return (self._now - self._start).total_seconds()

    def advance(self, seconds: float) -> datetime:
        """Move on and return the new moment."""
        self._now += timedelta(seconds=seconds)
        return self._now

    def set(self, now: datetime) -> None:
        """Stand at another moment; the monotonic time moves with it."""
        self._now = now
