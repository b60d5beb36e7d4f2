"""A device and who it speaks for, from when to when."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A span of time in which a device's readings belong to a person, or to a home."""

    start: float  # Unix seconds, inclusive
    end: float  # exclusive; infinity while it lasts
    person_no: int  # 0: shared by the home
    dwelling_no: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A registered device as the stream needs it."""

    no: int
    site: str
    name: str
    kind: str
    assignments: tuple[Assignment, ...]  # newest first, never overlapping

    def at(self, time: float) -> Assignment | None:
        """Return whose reading one measured at ``time`` is, None where it was nobody's."""
        for a in self.assignments:
            if a.start <= time < a.end:
                return a
        return None
