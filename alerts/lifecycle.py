"""What may happen to an alert: pure transitions that say what changed and why, or why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from alerts.model import Alert, Condition, Event, Evidence, Severity, State

Receipt = Literal["acknowledged", "closed"]
_LONGEST = 4_000
_EVIDENCE_KEPT = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An alert as it becomes, what is written about it, and whom else it concerns."""

    alert: Alert
    event: Event
    page: bool = False  # asks for attention again
    receipt: Receipt | None = None  # what the devices are told


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Why something can't be done to an alert now."""

    reason: str


def raised(alert: Alert, *, now: datetime, detail: Mapping[str, Any] | None = None) -> Change:
    """Open a new alert."""
    return _change(alert, "raised", now=now, reason=alert.reason, page=True, detail=detail)


def acknowledge(alert: Alert, *, by: str, note: str | None, now: datetime) -> Change | Refused:
    """Give it to somebody, who owns it from now on."""
    if alert.state is not State.OPEN:
        who = f" by {alert.owner}" if alert.owner else ""
        return Refused(reason=f"it is already {alert.state.replace('_', ' ')}{who}")
    after = replace(alert, state=State.ACKNOWLEDGED, owner=by, version=alert.version + 1)
    return _change(after, "acknowledged", now=now, by=by, reason=note, receipt="acknowledged")


def note(alert: Alert, *, by: str, text: str, now: datetime) -> Change | Refused:
    """Write something down; possible at any time, also after closing."""
    if not text.strip():
        return Refused(reason="a note must say something")
    if len(text) > _LONGEST:
        return Refused(reason=f"a note has at most {_LONGEST} characters")
    return _change(
        replace(alert, version=alert.version + 1), "note", now=now, by=by, reason=text.strip()
    )


def close(
    alert: Alert, *, by: str, disposition: str, note: str | None, now: datetime
) -> Change | Refused:
    """End it and say how. Only people close alerts."""
    if alert.state is State.CLOSED:
        return Refused(reason="it is already closed")
    if not disposition.strip():
        return Refused(reason="closing needs a disposition: what came of it")
    after = replace(
        alert,
        state=State.CLOSED,
        owner=alert.owner or by,
        disposition=disposition.strip(),
        next_step_at=None,
        version=alert.version + 1,
    )
    detail = {"disposition": after.disposition}
    return _change(after, "closed", now=now, by=by, reason=note, receipt="closed", detail=detail)


def press_again(
    alert: Alert,
    *,
    severity: Severity,
    title: str,
    reason: str,
    evidence: Evidence,
    reading_at: datetime,
    late: bool,
    cleared: bool,
    now: datetime,
) -> Change:
    """Page again for the same emergency; nobody owns it until somebody answers."""
    worse = severity.rank > alert.severity.rank
    after = replace(
        alert,
        severity=severity if worse else alert.severity,
        title=title if worse else alert.title,
        reason=reason,
        evidence=(*evidence, *alert.evidence)[:_EVIDENCE_KEPT],
        reading_at=reading_at,
        late=late,
        state=State.OPEN,
        owner=None,
        condition=Condition.CLEARED if cleared else Condition.ACTIVE,
        pages=alert.pages + 1,
        version=alert.version + 1,
    )
    detail = {"owner_before": alert.owner} if alert.owner else None
    return _change(after, "pressed_again", now=now, reason=reason, page=True, detail=detail)


def cancel(alert: Alert, *, reason: str, all_cancelled: bool, now: datetime) -> Change:
    """Mark it as taken back at the device. A person still closes the alert."""
    condition = Condition.CLEARED if all_cancelled else alert.condition
    after = replace(alert, condition=condition, version=alert.version + 1)
    return _change(after, "cancelled", now=now, reason=reason)


def found_again(
    alert: Alert,
    *,
    severity: Severity,
    title: str,
    reason: str,
    evidence: Evidence,
    reading_at: datetime,
    late: bool,
    since_page_s: float,
    repage_s: float,
    now: datetime,
    detail: Mapping[str, Any] | None = None,
) -> Change:
    """Take in that a rule found it again while its alert is open.

    Worse asks for attention again, and so does a condition that had cleared and comes back some
    time after the last page. Anything else renews the readings without a sound; the version
    doesn't move then, so that nobody is refused for having looked a minute ago.
    """
    worse = severity.rank > alert.severity.rank
    back = alert.condition is Condition.CLEARED
    page = worse or (back and since_page_s >= repage_s)
    loud = worse or back
    after = replace(
        alert,
        severity=severity if worse else alert.severity,
        title=title if severity.rank >= alert.severity.rank else alert.title,
        reason=reason,
        evidence=evidence,
        reading_at=reading_at,
        late=alert.late and late,
        condition=Condition.ACTIVE,
        state=State.OPEN if page else alert.state,
        owner=None if page else alert.owner,
        pages=alert.pages + page,
        version=alert.version + loud,
    )
    because = "worse" if worse else "back" if back else "renewed"
    said: dict[str, Any] = {**(detail or {}), "because": because}
    if worse:
        said["severity_before"] = str(alert.severity)
    if page and alert.owner:
        said["owner_before"] = alert.owner
    return _change(after, "changed", now=now, reason=reason, page=page, detail=said)


def muted(alert: Alert, *, rule_id: str, reason: str, now: datetime) -> Change:
    """Note on an alert that it speaks for another rule too, which therefore raises none."""
    return _change(alert, "muted", now=now, reason=reason, detail={"rule": rule_id})


def clear(
    alert: Alert, *, reason: str, now: datetime, detail: Mapping[str, Any] | None = None
) -> Change | Refused:
    """Mark that a reading is back inside. The alert stays until a person closes it."""
    if alert.condition is Condition.CLEARED:
        return Refused(reason="its condition has cleared before")
    after = replace(alert, condition=Condition.CLEARED, version=alert.version + 1)
    return _change(after, "cleared", now=now, reason=reason, detail=detail)


def _change(
    after: Alert,
    kind: str,
    *,
    now: datetime,
    by: str | None = None,
    reason: str | None = None,
    page: bool = False,
    receipt: Receipt | None = None,
    detail: Mapping[str, Any] | None = None,
) -> Change:
    said = {
        "page": page,
        "state": str(after.state),
        "severity": str(after.severity),
        "condition": str(after.condition),
        **(detail or {}),
    }
    event = Event(
        no=0, alert_no=after.no, at=now, kind=kind, by=by, reason=reason, detail=said,
        alert_version=after.version,
    )  # fmt: skip
    return Change(alert=after, event=event, page=page, receipt=receipt)
