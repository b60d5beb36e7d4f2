"""Who is told when nobody answers: a response frozen into its alert, and the steps that fall due.

Pure. A response is policy data; a due step is one row of the database. Every alert that isn't
closed has a step that is still to come: what nobody does anything about comes back.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from alerts.model import Severity

DELAYED_S: Final = 60.0
"""A page that comes this much after it was due says so. Unsourced. [s]"""


class Tell(enum.StrEnum):
    """Who is told by a step of a response."""

    TEAM = "team"
    ON_CALL = "on_call"
    RAPID_RESPONSE = "rapid_response"
    CONTACTS = "contacts"
    LAST_RESORT = "last_resort"
    HUB = "hub"


class Kind(enum.StrEnum):
    """What a step does when it falls due."""

    TELL = "tell"
    ACKNOWLEDGEMENT_ENDS = "acknowledgement_ends"
    PROGRESS_DUE = "progress_due"
    SNOOZE_ENDS = "snooze_ends"
    OFFER_ENDS = "offer_ends"
    LOOK_AGAIN = "look_again"


_POSITIONS: Final = {
    Kind.ACKNOWLEDGEMENT_ENDS: 100, Kind.PROGRESS_DUE: 101, Kind.SNOOZE_ENDS: 102,
    Kind.OFFER_ENDS: 103, Kind.LOOK_AGAIN: 104,
}  # fmt: skip
"""Places of the steps that watch, beyond those of any chain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainStep:
    """One step of a response: whom to tell, how long after it was raised, and how often."""

    tell: Tell
    after_s: float
    channels: tuple[str, ...] = ()  # kinds of channels, () for whatever the receiver has
    repeat_s: float | None = None
    times: int | None = None  # in all; None with a repeat: until somebody acts


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What is done about an alert until somebody acts, and how long what somebody does stands."""

    id: str
    version: str
    title: str
    steps: tuple[ChainStep, ...]
    acknowledged_s: float  # an acknowledgement that nothing follows
    in_progress_s: float  # from the last thing that was recorded
    on_scene_s: float  # the same, once somebody is there
    offer_s: float  # a handover that nobody accepts
    snooze_most_s: float = 0.0  # 0: never
    stale_s: float | None = None  # a step this late pages nobody; None: always

    def frozen(self) -> Mapping[str, Any]:
        """Return it as it is kept in the alert."""
        return _frozen(self)

    def channels(self, position: int) -> tuple[str, ...]:
        """Return the channels of a step; of one it hasn't, as of a chain from elsewhere, any."""
        return self.steps[position].channels if 0 <= position < len(self.steps) else ()


@lru_cache(maxsize=64)
def _frozen(response: Response) -> Mapping[str, Any]:
    return asdict(response) | {"steps": [asdict(s) for s in response.steps]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """One thing that is due for an alert at a moment."""

    kind: Kind
    run: int  # which time that the alert asked for attention
    position: int  # of the chain's step, or of the kind
    repetition: int
    due_at: datetime
    tell: Tell | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Why an alert pages nobody for a while, and until when."""

    until: datetime
    reason: str


LEAST: Final = Response(
    id="least", version="1", title="Team, then last resort",
    steps=(
        ChainStep(tell=Tell.TEAM, after_s=0.0),
        ChainStep(tell=Tell.LAST_RESORT, after_s=600.0, repeat_s=600.0),
    ),
    acknowledged_s=900.0, in_progress_s=3_600.0, on_scene_s=7_200.0, offer_s=300.0,
)  # fmt: skip
"""What stands in where an alert has no response of its own: raised before there were any."""


def thawed(chain: Mapping[str, Any]) -> Response:
    """Return the response frozen into an alert, `LEAST` where none can be read."""
    try:
        steps = tuple(
            ChainStep(**{**s, "tell": Tell(s["tell"]), "channels": tuple(s["channels"])})
            for s in chain["steps"]
        )
        return Response(**{**chain, "steps": steps}) if steps else LEAST
    except (KeyError, TypeError, ValueError):
        return LEAST


def begin(response: Response, *, run: int, now: datetime, position: int = 0) -> tuple[Due, ...]:
    """Return the steps of a run, from a position of the chain on; that one is due at once."""
    position = min(position, len(response.steps) - 1)
    start = response.steps[position].after_s if position else 0.0
    return tuple(
        Due(
            kind=Kind.TELL, run=run, position=n, repetition=0, tell=step.tell,
            due_at=now + timedelta(seconds=max(step.after_s - start, 0.0)),
        )
        for n, step in enumerate(response.steps)
        if n >= position
    )  # fmt: skip


def watch(kind: Kind, *, run: int, version: int, due_at: datetime) -> Due:
    """Return the step that comes back to an alert about which somebody is doing something."""
    return Due(kind=kind, run=run, position=_POSITIONS[kind], repetition=version, due_at=due_at)


def follow(response: Response, due: Due, *, now: datetime) -> Due | None:
    """Return the next repetition of a step that was taken, None where it was the last.

    Repetitions that fell into a pause are left out: what was missed is told once.
    """
    if due.kind is not Kind.TELL or due.position >= len(response.steps):
        return None
    step = response.steps[due.position]
    if step.repeat_s is None or (step.times is not None and due.repetition + 1 >= step.times):
        return None
    every = timedelta(seconds=step.repeat_s)
    missed = max(int((now - due.due_at) / every), 0)
    return replace(due, repetition=due.repetition + 1, due_at=due.due_at + every * (missed + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Whether a step that is due still tells somebody, and what is said about it."""

    stale: bool
    delayed: bool
    late_s: float


def judge(response: Response, severity: Severity, due: Due, *, now: datetime) -> Judged:
    """Say whether a due step pages.

    One of an emergency always does. Any other that comes later than its response's limit pages
    nobody out of the blue: the alert goes on top of the queue, marked so.
    """
    late = max((now - due.due_at).total_seconds(), 0.0)
    pages = severity is Severity.EMERGENCY or response.stale_s is None or late <= response.stale_s
    return Judged(stale=not pages, delayed=late > DELAYED_S, late_s=late)


def problem(response: Response) -> str | None:
    """Return what is wrong with a response, None where nothing is."""
    if not response.steps:
        return "a response needs at least one step"
    if response.steps[0].after_s:
        return "the first step comes at once: after = '0 s'"
    if any(b.after_s < a.after_s for a, b in zip(response.steps, response.steps[1:], strict=False)):
        return "steps come one after another: 'after' may not fall"
    for step in response.steps:
        if step.repeat_s is not None and step.repeat_s <= 0:
            return "'repeat' must be longer than nothing"
        if step.times is not None and (step.times < 1 or step.repeat_s is None):
            return "'times' is how often in all: at least 1, beside a 'repeat'"
    last = response.steps[-1]
    if last.repeat_s is None or last.times is not None:
        return "the last step must repeat without end, so that nothing is forgotten"
    if min(response.acknowledged_s, response.in_progress_s, response.on_scene_s) <= 0:
        return "what somebody does must stand for a while"
    return None


def soonest(steps: Sequence[Due]) -> datetime | None:
    """Return when the first of some steps falls due."""
    return min((s.due_at for s in steps), default=None)
