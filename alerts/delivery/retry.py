"""What follows when a message wasn't taken, and when a receiver is not to be woken. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from alerts.delivery.ports import Failed
from alerts.model import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long is waited between attempts, and how many there are before the next takes over."""

    first_s: float
    longest_s: float
    tries: int
    give_up_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """What to do: let the next receiver take over, and when to try this one again if none does."""

    over: bool
    again_at: datetime | None  # None: never


def after(
    failed: Failed,
    *,
    attempt: int,
    queued_at: datetime,
    now: datetime,
    patience: Patience,
    chance: float,
) -> Next:
    """Decide what follows a failure.

    A passing one is tried again, ever later, with jitter (``chance`` in 0 to 1). Once it has
    happened too often, or the receiver asks for more time than there is, the owner's next
    receiver takes over; where there is none, this one is tried on until it is given up.
    """
    if failed.permanent or now - queued_at >= timedelta(seconds=patience.give_up_s):
        return Next(over=True, again_at=None)
    wait = min(patience.first_s * 2.0 ** min(attempt - 1, 30), patience.longest_s)
    wait *= 0.5 + chance
    asked = failed.retry_after_s or 0.0
    return Next(
        over=attempt >= patience.tries or asked > patience.longest_s,
        again_at=now + timedelta(seconds=max(wait, min(asked, patience.give_up_s))),
    )


def quiet_until(quiet: Mapping[str, Any] | None, severity: Severity, at: datetime) -> datetime:
    """Return when a message may go out: ``at``, or the end of the receiver's quiet hours.

    ``{"from": "22:00", "to": "07:00", "timezone": "Europe/London", "below": "urgent"}``: what is
    less severe than ``below`` waits (unless said, what is less than an emergency). Emergencies
    never wait. What can't be read keeps nobody quiet.
    """
    if not quiet or severity is Severity.EMERGENCY:
        return at
    try:
        below = Severity(quiet.get("below", Severity.EMERGENCY))
        zone = ZoneInfo(str(quiet.get("timezone", "Europe/London")))
        start, end = time.fromisoformat(quiet["from"]), time.fromisoformat(quiet["to"])
    except (AttributeError, KeyError, TypeError, ValueError, OSError):
        return at
    start, end = start.replace(tzinfo=None), end.replace(tzinfo=None)  # they are local ones
    if severity.rank >= below.rank or start == end:
        return at
    local = at.astimezone(zone)
    clock = local.time()
    overnight = start > end
    inside = (clock >= start or clock < end) if overnight else start <= clock < end
    if not inside:
        return at
    day = local.date() + timedelta(days=1 if overnight and clock >= start else 0)
    return datetime.combine(day, end, zone).astimezone(at.tzinfo)
