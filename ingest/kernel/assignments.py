"""Who a device is with, from when to when: new assignments fitted in between the known ones.

The one thing that must never happen is that two people's readings mix: whatever is planned
here, the spans of one device never overlap.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import zip_longest

Holder = tuple[str, str]
"""``("person", id)`` or ``("home", id)``."""

ALLOWED = "one holder at a time: end one (to) before the next begins (from)"
"""What to do about any conflict."""

SINCE_EVER = datetime(1970, 1, 1, tzinfo=UTC)
"""The start of an assignment that was written without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of time, start inclusive, end exclusive; no end: it lasts."""

    holder: Holder
    start: datetime
    end: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A span as it was asked for: no start means since ever, no end until the next one."""

    holder: Holder
    start: datetime | None = None
    end: datetime | None = None


class Conflict(enum.Enum):
    """Why a wanted span can not be had."""

    NEEDS_START = "the device is already somebody's: say from when"
    TAKEN = "the device is given away twice from the same moment"
    OVERLAPS = "that time overlaps another assignment of the device"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A wanted span, by its position, and why it is refused; ``against`` is the one in its way."""

    position: int
    conflict: Conflict
    against: Span | None = None

    def what(self) -> str:
        """Say it in a sentence."""
        if self.against is None:
            return self.conflict.value
        kind, holder = self.against.holder
        end = self.against.end
        until = f" to {end.isoformat()}" if end else ""
        start = self.against.start.isoformat()
        return f'{self.conflict.value}: {kind} "{holder}" has it from {start}{until}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do to a device's known spans. With refusals there is nothing to do."""

    added: tuple[Span, ...] = ()
    ended: tuple[Span, ...] = ()  # known spans, by their start, with their new end
    kept: int = 0  # wanted spans that are there already, just so
    refused: tuple[Refused, ...] = ()


def plan(known: Sequence[Span], wanted: Sequence[Wanted]) -> Plan:
    """Fit ``wanted`` in between ``known``, which are of one device and don't overlap.

    A known span that has no end is ended by a wanted one that starts later: that is how a
    device is given to the next. One with an end stands, and what overlaps it is refused, as is
    giving the same start to another holder: its readings may already be somebody's.
    """
    by_start = {span.start: span for span in known}
    refused: list[Refused] = []
    spans: dict[datetime, tuple[int, Span]] = {}
    for position, want in enumerate(wanted):
        start = want.start or _start(known, wanted, want)
        if start is None:
            refused.append(Refused(position=position, conflict=Conflict.NEEDS_START))
            continue
        there = by_start.get(start)
        if start in spans:
            there = spans[start][1]
        if there is not None and (start in spans or there.holder != want.holder):
            refused.append(Refused(position=position, conflict=Conflict.TAKEN, against=there))
            continue
        spans[start] = (position, Span(holder=want.holder, start=start, end=want.end))
    if refused:
        return Plan(refused=tuple(refused))
    return _fit(by_start, spans)


def _start(known: Sequence[Span], wanted: Sequence[Wanted], want: Wanted) -> datetime | None:
    """Return the start of a span that was written without one, None where that is not enough.

    What is wanted beside it counts as known: else loading the same again would find another start.
    """
    if not known:
        return SINCE_EVER
    same = [span.start for span in known if span.holder == want.holder]
    beside = [w.start for w in wanted if w.start is not None and w.holder == want.holder]
    return min(same + beside) if same else None


def _fit(known: dict[datetime, Span], wanted: dict[datetime, tuple[int, Span]]) -> Plan:
    merged = {**known, **{start: span for start, (_, span) in wanted.items()}}
    order = sorted(merged)
    added: list[Span] = []
    ended: list[Span] = []
    refused: list[Refused] = []
    kept = 0
    for start, after in zip_longest(order, order[1:]):
        span = merged[start]
        before = known.get(start)
        if span.end is None and after is not None:
            span = replace(span, end=after)
        elif span.end is not None and after is not None and span.end > after:
            refused.append(_overlap(span, merged[after], wanted))
            continue
        if before is None:
            added.append(span)
        elif span.end != before.end:
            ended.append(span)
        elif start in wanted:
            kept += 1
    if refused:
        return Plan(refused=tuple(refused))
    return Plan(added=tuple(added), ended=tuple(ended), kept=kept)


def _overlap(first: Span, second: Span, wanted: dict[datetime, tuple[int, Span]]) -> Refused:
    """Blame the wanted one of two overlapping spans, the later one where both are."""
    blamed, other = (second, first) if second.start in wanted else (first, second)
    return Refused(position=wanted[blamed.start][0], conflict=Conflict.OVERLAPS, against=other)
