"""Plain words: what a nurse reads on an alert. Pure; the zone and "now" are arguments."""

from __future__ import annotations

import math
from datetime import UTC, datetime, tzinfo

from alerts import model
from alerts.rules import early_warning, pack
from ingest.kernel import vitals
from ingest.kernel.observation import RE_TIMED, Alarm, Quality

_UNITS = {"mm[Hg]": "mmHg", "Cel": "\N{DEGREE SIGN}C", "1": ""}
_ALONE = {"bathroom", "bedroom", "kitchen", "hall", "hallway", "lounge", "garden", "toilet"}
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def when(epoch: float, *, now: float, zone: tzinfo) -> str:
    """Return a time of day, with the date where it isn't today's."""
    at = datetime.fromtimestamp(epoch, UTC).astimezone(zone)
    today = datetime.fromtimestamp(now, UTC).astimezone(zone).date()
    if at.date() == today:
        return f"{at:%H:%M}"
    year = "" if at.year == today.year else f" {at.year}"
    return f"{at.day} {at:%b}{year} {at:%H:%M}"


def span(seconds: float) -> str:
    """Return a length of time in its largest unit: "40 s", "25 min", "6 h", "3 days"."""
    if seconds < _MINUTE:
        return f"{max(0, int(seconds))} s"
    if seconds < 2 * _HOUR:
        return f"{int(seconds // _MINUTE)} min"
    if seconds < 2 * _DAY:
        return f"{int(seconds // _HOUR)} h"
    return f"{int(seconds // _DAY)} days"


def number(quantity: int, value: float) -> str:
    """Return a value with its unit, as it is said: "84 %", "36.8 °C", "new confusion"."""
    q = vitals.BY_NO[quantity]
    if q.kind is vitals.ValueKind.BOOLEAN:
        return "yes" if value else "no"
    letter = vitals.code_letter(quantity, value)
    if letter is not None:
        return letter
    unit = _UNITS.get(q.unit, q.unit)
    return f"{value:.6g} {unit}".strip()


def finding(found: model.Finding, *, now: float, zone: tzinfo) -> tuple[str, str]:
    """Return title and reason of what a rule found."""
    if found.score is None:
        title, reason = _limit(found, now=now, zone=zone)
    else:
        title, reason = _score(found, now=now, zone=zone)
    if found.late:
        reason += f" Measured {span(now - found.at)} ago, delivered now."
    return title, reason


def _limit(found: model.Finding, *, now: float, zone: tzinfo) -> tuple[str, str]:
    (reading,) = found.evidence
    said = number(reading.quantity, reading.value)
    at = when(reading.time, now=now, zone=zone)
    if found.outcome is model.Outcome.CLEAR:
        return found.title, f"{found.title} {said} at {at}: back inside the limits."
    low = found.low is not None and reading.value < found.low
    bound = found.low if low else found.high
    assert bound is not None  # noqa: S101  (only a value outside a limit is raised)
    limit = f"{number(reading.quantity, bound)}"
    whose = "care plan" if found.personal else "default"
    side = "below" if low else "above"
    return (
        f"{found.title} {said}, {side} {limit}",
        f"{found.title} {said} at {at}, {'lower' if low else 'upper'} limit {limit} ({whose}).",
    )


def _score(found: model.Finding, *, now: float, zone: tzinfo) -> tuple[str, str]:
    at_least = "at least " if found.partial else ""
    title = f"NEWS2 {at_least}{found.score}, {found.level} risk"
    parts = [
        f"{_label(r.quantity)} {number(r.quantity, r.value)}"
        f" {'by the register' if math.isnan(r.time) else 'at ' + when(r.time, now=now, zone=zone)}"
        f" scores {r.points}"
        for r in found.evidence
        if r.points
    ]
    missing = [
        _label(vitals.BY_NAME[name].no)
        for n, name in enumerate(early_warning.PARTS)
        if not found.measured >> n & 1
    ]
    reason = f"{title}: {'; '.join(parts) or 'no part scores'}."
    if missing:
        reason += f" Lower bound, not measured recently: {', '.join(missing)}."
    return title, reason


def _label(quantity: int) -> str:
    label = vitals.BY_NO[quantity].label
    return label[0].lower() + label[1:]


def alarm_title(rule: pack.AlarmRule, alarm: Alarm) -> str:
    """Return what happened and where: "Fall in the bathroom"."""
    place = alarm.place.replace("-", " ").replace("_", " ").strip()
    where = f" in the {place}" if place in _ALONE else f" ({place})" if place else ""
    stranger = " from a device that is not registered" if alarm.device_no is None else ""
    return f"{rule.title}{where}{stranger}"


def alarm_reason(
    rule: pack.AlarmRule, alarm: Alarm, *, late: bool, now: float, zone: tzinfo
) -> str:
    """Return when and how it came, with everything that is known against it."""
    at = when(alarm.time, now=now, zone=zone)
    verb = rule.verb[0].upper() + rule.verb[1:]
    if late:
        text = f"{verb} {span(now - alarm.time)} ago ({at}), delivered now."
    else:
        text = f"{verb} at {at}."
    if alarm.flags & Quality.HUB_TIMED:
        text += " The device gave no time: the time of receipt stands in."
    elif alarm.flags & RE_TIMED:
        text += " The device's clock is wrong: the time may be wrong by as much."
    if alarm.detail:
        text += f" {alarm.detail[0].upper()}{alarm.detail[1:].rstrip('.')}."
    if alarm.device_no is None:
        text += f" Device {alarm.device} at {alarm.site} is not registered: find out whose it is."
    elif alarm.person_no is None and alarm.dwelling_no is not None:
        text += " The device is shared by the home."
    return text


def fault_reason(fault: model.DeviceFault, *, now: float, zone: tzinfo) -> str:
    """Return why a device should be looked at. What it sent is no reading of a person."""
    label = _label(fault.quantity)
    return (
        f"{fault.count} impossible readings within {span(fault.within_s)}, the last:"
        f" {label} {number(fault.quantity, fault.value)} at"
        f" {when(fault.time, now=now, zone=zone)}. They are kept and flagged, never judged."
    )
