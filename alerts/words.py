"""Plain words: what a nurse reads on an alert. Pure; the zone and "now" are arguments."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

from alerts import model
from alerts.rules import pack
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


def label(quantity: int) -> str:
    """Return a quantity's name as it stands inside a sentence."""
    said = vitals.BY_NO[quantity].label
    # "SpO2", "FEV1", "INR" keep their capitals
    return said if said[:2].isupper() else said[0].lower() + said[1:]


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
    name = label(fault.quantity)
    return (
        f"{fault.count} impossible readings within {span(fault.within_s)}, the last:"
        f" {name} {number(fault.quantity, fault.value)} at"
        f" {when(fault.time, now=now, zone=zone)}. They are kept and flagged, never judged."
    )
