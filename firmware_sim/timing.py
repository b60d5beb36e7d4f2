"""Story time: a scenario's past runs fast, its present in real time, none of it in the future."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

DAY = 86_400.0
_UNITS = {"d": DAY, "h": 3600.0, "m": 60.0, "s": 1.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([dhms])")


def seconds(text: str | float) -> float:
    """Return a duration such as ``3h12m`` or ``0.5s`` in seconds; a number is seconds already."""
    if isinstance(text, int | float):
        return float(text)
    parts = _DURATION.findall(text)
    if not parts or "".join(n + u for n, u in parts) != text:
        raise ValueError(f"{text!r} is no duration: write for example 3h12m, 90s or 5d")
    return sum(float(n) * _UNITS[u] for n, u in parts)


def time_of_day(text: str) -> float:
    """Return ``HH:MM`` as seconds after midnight."""
    hours, _, minutes = text.partition(":")
    return int(hours) * 3600.0 + int(minutes) * 60.0


def zone_where(clock_time: float, now: float) -> str:
    """Return a time zone of whole hours in which it is about this time of day now.

    The names are the IANA ones whose sign is the other way round: ``Etc/GMT-2`` is two hours ahead.
    """
    ahead = round((clock_time - now % DAY) / 3600) % 24
    ahead -= 24 if ahead > 12 else 0  # noqa: PLR2004 -- the far side of the day
    return f"Etc/GMT{-ahead:+d}" if ahead else "Etc/GMT"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryClock:
    """Maps real time to story time.

    Up to ``live_from`` the story runs ``speed`` times as fast as the world, from then on in step
    with it. It begins so far in the past that at ``live_from`` its time *is* the world's.
    """

    started: float  # real, Unix seconds
    live_from: float = 0.0  # story seconds
    speed: float = 1.0

    @property
    def begins(self) -> float:
        """Return the Unix time of story second 0."""
        return self.started - self.live_from * (1 - 1 / self.speed)

    def story(self, real: float) -> float:
        """Return the story second at a real time."""
        elapsed = real - self.started
        fast = self.live_from / self.speed
        return elapsed * self.speed if elapsed < fast else self.live_from + elapsed - fast

    def real(self, story: float) -> float:
        """Return the real time of a story second."""
        fast = self.live_from / self.speed
        if story < self.live_from:
            return self.started + story / self.speed
        return self.started + fast + story - self.live_from

    def unix(self, story: float) -> float:
        """Return the Unix time that a story second carries."""
        return self.begins + story


@dataclass(slots=True, kw_only=True)
class DeviceClock:
    """What a device believes the time to be: it drifts, and may be lost with the battery."""

    drift_per_day: float = 0.0  # seconds gained each day
    offset: float = 0.0  # seconds ahead
    resolution: float = 1.0
    lost_at: float | None = None  # true time of the battery change
    restarts_at: float | None = None  # what it then shows; None: it knows that it has no time

    def show(self, true: float, since: float) -> float | int | None:
        """Return the time the device writes on a reading, ``since`` being when it was last set."""
        if self.lost_at is not None:
            if self.restarts_at is None:
                return None
            shown = self.restarts_at + true - self.lost_at
        else:
            shown = true + self.offset + self.drift_per_day * (true - since) / DAY
        stepped = math.floor(shown / self.resolution) * self.resolution
        return round(stepped) if self.resolution >= 1 else round(stepped, 3)

    def lose(self, at: float, *, restarts_at: float | None) -> None:
        """Forget the time, as after a battery change."""
        self.lost_at, self.restarts_at = at, restarts_at

    def set(self) -> None:
        """Set the clock right."""
        self.lost_at, self.restarts_at, self.offset = None, None, 0.0
