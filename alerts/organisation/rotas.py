"""Who of a team is on duty or on call: shifts, leave, swaps, and the gaps between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final

from alerts.organisation.calendars import Span

DUTY: Final = "duty"
ON_CALL: Final = "on_call"
LEAVE: Final = "leave"
DUTIES: Final = (DUTY, ON_CALL, LEAVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Somebody of a team."""

    no: int
    team_no: int
    name: str
    account: str | None = None  # where they sign in
    profession: str | None = None
    rank: int = 1  # in the order of being called


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """A time that a member works, can be called, or is away."""

    no: int
    member_no: int
    starts: datetime
    ends: datetime
    duty: str = DUTY
    swapped_from: int | None = None  # the shift that this one takes over, while it lasts

    def covers(self, at: datetime) -> bool:
        """Tell whether it holds at an instant."""
        return self.starts <= at < self.ends


def working(
    members: Iterable[Member], shifts: Sequence[Shift], at: datetime, duty: str
) -> tuple[Member, ...]:
    """Return who is on duty, or on call, at an instant, in the order of being called.

    Who is on leave is not there, whatever else is written; a shift that was swapped is no longer
    its first owner's, even when the one who took it is away: then there is a gap, and it is seen.
    """
    now = [s for s in shifts if s.covers(at)]
    away = {s.member_no for s in now if s.duty == LEAVE}
    given = {s.swapped_from for s in now if s.duty != LEAVE}
    there = {s.member_no for s in now if s.duty == duty and s.no not in given} - away
    return tuple(sorted((m for m in members if m.no in there), key=lambda m: (m.rank, m.no)))


def gaps(
    members: Sequence[Member], shifts: Sequence[Shift], wanted: Iterable[Span]
) -> tuple[Span, ...]:
    """Return the parts of the wanted times in which nobody is on duty or on call."""
    found: list[Span] = []
    for span in wanted:
        edges = {span.start, span.end}
        edges |= {e for s in shifts for e in (s.starts, s.ends) if span.start < e < span.end}
        ordered = sorted(edges)
        for start, end in pairwise(ordered):
            if any(working(members, shifts, start, duty) for duty in (DUTY, ON_CALL)):
                continue
            if found and found[-1].end == start:
                start = found.pop().start  # noqa: PLW2901  (one gap with the one before)
            found.append(Span(start, end))
    return tuple(found)
