"""What keeps an alert from paging for a while, with the reason; never an emergency. Pure.

Duplicates join the open alert of their episode (:mod:`alerts.lifecycle`), flapping is held by the
rules' own clearing limits and lengths of time (:mod:`alerts.state.conditions`), and a rule that
another one speaks for is written down as muted (:mod:`alerts.engine`). Here are the windows that
people set: in hospital, on holiday, a device under repair. What a person reports is not held
either: whoever rings waits for an answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from alerts.escalation import Hold
from alerts.model import Alert, Severity, Source

LONGEST: Final = timedelta(days=90)
"""The longest that anybody may be muted at once. Unsourced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mute:
    """A time in which a person, home or device pages nobody."""

    starts: datetime
    ends: datetime
    reason: str
    by: str
    person_no: int | None = None
    dwelling_no: int | None = None
    device_no: int | None = None

    def covers(self, alert: Alert, now: datetime) -> bool:
        """Tell whether an alert falls into it; its end is outside."""
        about = (
            self.person_no is not None and self.person_no == alert.person_no,
            self.dwelling_no is not None and self.dwelling_no == alert.dwelling_no,
            self.device_no is not None and self.device_no == alert.device_no,
        )
        return any(about) and self.starts <= now < self.ends


def problem(mute: Mute, *, now: datetime) -> str | None:
    """Return what is wrong with a new mute, None where nothing is."""
    if mute.ends <= now:
        return "its end lies in the past"
    if mute.ends <= mute.starts:
        return "it ends before it starts"
    if mute.ends - mute.starts > LONGEST:
        return f"it may last {LONGEST.days} days at most"
    if not mute.reason.strip():
        return "it needs a reason"
    return None


def may_be_held(alert: Alert) -> bool:
    """Tell whether a window may keep it from paging: no emergency, and nothing people report."""
    return alert.severity is not Severity.EMERGENCY and alert.source is not Source.PERSON


def hold(alert: Alert, mutes: Iterable[Mute], *, now: datetime) -> Hold | None:
    """Return until when an alert pages nobody and why, None where it pages at once.

    Of several windows the one that ends last counts.
    """
    if not may_be_held(alert):
        return None
    mine = [m for m in mutes if m.covers(alert, now)]
    if not mine:
        return None
    last = max(mine, key=lambda m: m.ends)
    return Hold(until=last.ends, reason=f"{last.reason} (set by {last.by})")
