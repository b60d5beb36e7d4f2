"""Single values out of a registration file: read, or refused with what is allowed.

Each reader takes what a file holds - text out of a CSV file, typed values out of TOML - and
returns the value, or a `Flaw`.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, TypeVar

from ingest.kernel import conditions, nhs_number, registration, vitals

T = TypeVar("T")

_ID = re.compile(r"[a-z0-9-]{1,64}")
_DEVICE_KIND = re.compile(r"[a-z0-9_-]{1,64}")
_TRIGGER_ID = re.compile(r"[a-z0-9-]{1,40}")
_PLACE = re.compile(vitals.PLACE)
_PHONE = re.compile(r"\+?[0-9 ()./-]+")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_PHONE_DIGITS = range(3, 16)  # ITU-T E.164: 15 at most; short numbers of an exchange from 3
_LONGEST_TEXT = 1_000
_SHORTEST_PASSWORD, _LONGEST_PASSWORD = 12, 200  # unsourced
_LONGEST_CADENCE_S = 31 * 86_400  # unsourced: a month
_OLDEST_BIRTH = date(1900, 1, 1)
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d|24:00")
_HOURS = re.compile(r"(\D.*?)\s+(\d+:\d+)\s*-\s*(\d+:\d+)")
_MOST_COUNTED = 10_000
_BOOLEANS = {"true": True, "yes": True, "false": False, "no": False}


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with a value, and what is allowed. Neither repeats private values."""

    what: str
    allowed: str = ""


Reader = Callable[[Any], Any]


def quoted(value: Any) -> str:
    """Return a value as it can be shown in a message: short, on one line."""
    text = value if isinstance(value, str) else str(value)
    shown = "".join(ch if ch.isprintable() else "\ufffd" for ch in text[:40])
    return f'"{shown}"' + ("..." if len(text) > len(shown) else "")


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ``did you mean "x"?`` for a word that was probably mistyped, else an empty text."""
    words = list(known)
    found = get_close_matches(word, words, n=1, cutoff=0.6)
    found = found or [other for other in words if word and other.startswith(word)]
    return f'did you mean "{found[0]}"?' if found else ""


def text(value: Any) -> str | Flaw:
    """Read a line or more of text."""
    if not isinstance(value, str):
        return Flaw(f"must be text, not {_type(value)}", 'write it in quotes: "..."')
    read = value.strip()
    if _CONTROL.search(read):
        return Flaw("holds a control character", "letters, digits and punctuation")
    if len(read) > _LONGEST_TEXT:
        return Flaw(f"is {len(read)} characters long", f"at most {_LONGEST_TEXT}")
    return read


def words(value: Any) -> str | Flaw:
    """Read text that may not be empty."""
    read = text(value)
    return Flaw("is empty", "some text") if read == "" else read


def identifier(value: Any) -> str | Flaw:
    """Read an id, or a reference to one."""
    if not isinstance(value, str):
        return Flaw(
            f"must be text, not {_type(value)}", "a-z, 0-9 and -, 1 to 64 of them, in quotes"
        )
    if not _ID.fullmatch(value):
        shape = "a-z, 0-9 and -, 1 to 64 of them"
        return Flaw(f"{quoted(value)} is no id", f"allowed are {shape}")
    return value


def device_name(value: Any) -> str | Flaw:
    """Read a device's id."""
    if value == registration.ONBOARDING:
        return Flaw(
            f'"{registration.ONBOARDING}" is the account of devices before registration',
            "give the device another id",
        )
    return identifier(value)


def device_kind(value: Any) -> str | Flaw:
    """Read what sort of device it is."""
    if not isinstance(value, str) or not _DEVICE_KIND.fullmatch(value):
        return Flaw(
            f"{quoted(value)} is no kind of device",
            'a-z, 0-9, - and _, such as "pendant" or "bp_cuff"',
        )
    return value


def team_kind(value: Any) -> str | Flaw:
    """Read what sort of team it is."""
    return _one_of(registration.TEAM_KINDS, value, "kind of team")


def area_kind(value: Any) -> str | Flaw:
    """Read whose area it is."""
    return _one_of(registration.AREA_KINDS, value, "kind of area")


def alert_class(value: Any) -> str | Flaw:
    """Read a class of alerts."""
    return _one_of(registration.ALERT_CLASSES, value, "class of alerts")


def profession(value: Any) -> str | Flaw:
    """Read what somebody is by training, a word of one's own."""
    if value == "" or (isinstance(value, str) and _DEVICE_KIND.fullmatch(value)):
        return str(value)
    return Flaw(f"{quoted(value)} is no profession", 'a-z, 0-9, - and _, such as "nurse"')


def cluster(value: Any) -> str | Flaw:
    """Read the name of a cluster of practices; an empty text takes it back."""
    return "" if value == "" else identifier(value)


def holiday_list(value: Any) -> str | Flaw:
    """Read which bank holidays hold; an empty text is none."""
    return "" if value == "" else _one_of(registration.HOLIDAYS, value, "list of bank holidays")


def fallback(value: Any) -> str | Flaw:
    """Read the id of the team that stands in; an empty text takes it back."""
    return "" if value == "" else identifier(value)


def duty(value: Any) -> str | Flaw:
    """Read what sort of shift it is."""
    return _one_of(registration.DUTIES, value, "duty")


def caseload_role(value: Any) -> str | Flaw:
    """Read why somebody has a person on their caseload."""
    return _one_of(registration.CASELOAD_ROLES, value, "role")


def place_of_care(value: Any) -> str | Flaw:
    """Read where a person wishes to be cared for; an empty text is no such wish."""
    return "" if value == "" else _one_of(registration.PLACES_OF_CARE, value, "place of care")


def count(value: Any) -> int | Flaw:
    """Read how many, or a rank: a whole number from 1."""
    allowed = f"a whole number, 1 to {_MOST_COUNTED}"
    read = number(value)
    if isinstance(read, Flaw) or not read.is_integer() or not 1 <= read <= _MOST_COUNTED:
        return Flaw(f"{quoted(value)} is no such number", allowed)
    return int(read)


def clock(value: Any) -> str | Flaw:
    """Read a time by the wall clock."""
    if isinstance(value, str) and _CLOCK.fullmatch(value):
        return value
    return Flaw(f"{quoted(value)} is no clock time", 'hours and minutes, from "00:00" to "24:00"')


def days(value: Any) -> tuple[str, ...] | Flaw:
    """Read days: ``mon-fri``, ``sat, sun``, ``holiday``, or a list of them."""
    given = re.split(r"[\s,]+", value.strip()) if isinstance(value, str) else value
    allowed = f'{", ".join(registration.DAYS)}, and from one to another as "mon-fri"'
    if not isinstance(given, list) or not given:
        return Flaw("must be days", allowed)
    found: set[str] = set()
    for one in given:
        first, dash, last = one.lower().partition("-") if isinstance(one, str) else ("", "", "")
        if first not in registration.DAYS or (dash and last not in registration.DAYS[:7]):
            return Flaw(f"{quoted(one)} is no day", allowed)
        start = registration.DAYS.index(first)
        end = registration.DAYS.index(last) if dash else start
        if end < start or (dash and first == "holiday"):
            return Flaw(f"{quoted(one)} runs backwards", allowed)
        found.update(registration.DAYS[start : end + 1])
    return tuple(d for d in registration.DAYS if d in found)


def hours(value: str) -> tuple[registration.Hours, ...] | Flaw:
    """Read hours out of one text: ``mon-fri 08:00-22:00; sat 08:30-13:00``, or ``always``."""
    allowed = 'such as "mon-fri 08:00-22:00; sat 08:30-13:00", or "always"'
    if value.strip().lower() in ("", "always"):
        return ()
    made: list[registration.Hours] = []
    for part in value.split(";"):
        found = _HOURS.fullmatch(part.strip())
        if found is None:
            return Flaw(f"{quoted(part.strip())} are no hours", allowed)
        on = days(found[1])
        if isinstance(on, Flaw):
            return Flaw(on.what, allowed)
        for at in (found[2], found[3]):
            if not _CLOCK.fullmatch(at):
                return Flaw(f"{quoted(at)} is no clock time", allowed)
        wrong = hours_problem(found[2])
        if wrong:
            return Flaw(wrong, allowed)
        made.append(registration.Hours(days=on, start=found[2], end=found[3]))
    return tuple(made)


def hours_problem(start: str) -> str:
    """Say what is wrong with hours whose times are sound, an empty text for nothing."""
    return "24:00 is an end, not a beginning" if start == "24:00" else ""


def place(value: Any) -> str | Flaw:
    """Read the room that something is in, spelt as in the name of a reading."""
    if value == "" or (isinstance(value, str) and _PLACE.fullmatch(value)):
        return str(value)
    return Flaw(
        f"{quoted(value)} is no place", 'a-z, 0-9 and - _ . , 1 to 40 of them, such as "kitchen"'
    )


def condition(value: Any) -> str | Flaw:
    """Read a long-term condition or mark by its name."""
    return _one_of(conditions.BY_NAME, value, "condition")


def risk_band(value: Any) -> str | Flaw:
    """Read a band of risk; an empty text is not assessed."""
    return "" if value == "" else _one_of(registration.RISK_BANDS, value, "band of risk")


def told(value: Any) -> str | Flaw:
    """Read when a contact is told by messages."""
    return _one_of(registration.TOLD, value, "when a contact is told")


def severity(value: Any) -> str | Flaw:
    """Read how bad it is what a trigger finds."""
    return _one_of(registration.SEVERITIES, value, "severity")


def trigger_id(value: Any) -> str | Flaw:
    """Read what a trigger is called within its person."""
    if isinstance(value, str) and _TRIGGER_ID.fullmatch(value):
        return value
    return Flaw(
        f"{quoted(value)} is no id of a trigger", "a-z, 0-9 and -, 1 to 40 of them, in quotes"
    )


def phone(value: Any) -> str | Flaw:
    """Read a telephone number; how it is grouped is kept."""
    read = text(value)
    if isinstance(read, Flaw) or read == "":
        return read
    digits = sum(ch.isdigit() for ch in read)
    if not _PHONE.fullmatch(read) or digits not in _PHONE_DIGITS:
        return Flaw(
            "is no telephone number",
            "3 to 15 digits, spaces and hyphens, with + before a country code",
        )
    return read


def nhs(value: Any) -> str | Flaw:
    """Read an NHS number; the message never repeats it."""
    allowed = "10 digits, the last of which checks the others; may be grouped 3-3-4"
    if not isinstance(value, str):
        return Flaw(f"must be text, not {_type(value)}", f"write it in quotes: {allowed}")
    if value == "":
        return value
    wrong = nhs_number.problem(value)
    return Flaw(wrong, allowed) if wrong else nhs_number.normalise(value)


def born(today: date) -> Reader:
    """Return a reader of dates of birth."""

    def read(value: Any) -> date | Flaw:
        allowed = f"a date as 1941-03-02, from {_OLDEST_BIRTH} to today"
        if isinstance(value, str):
            try:
                value = date.fromisoformat(value)
            except ValueError:
                return Flaw(f"{quoted(value)} is no date", allowed)
        if isinstance(value, datetime) or not isinstance(value, date):
            return Flaw(f"must be a date, not {_type(value)}", allowed)
        if not _OLDEST_BIRTH <= value <= today:
            return Flaw(f"{value} is no date of birth", allowed)
        return value

    return read


def moment(value: Any) -> datetime | Flaw:
    """Read a moment, which must say its offset: a home's own clock changes twice a year."""
    allowed = "a moment with its offset, as 2026-01-31T09:00:00Z"
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return Flaw(f"{quoted(value)} is no moment", allowed)
    if not isinstance(value, datetime):
        return Flaw(f"must be a moment, not {_type(value)}", allowed)
    if value.tzinfo is None:
        return Flaw(f"{value.isoformat()} does not say its offset", allowed)
    try:
        return value.astimezone(UTC)
    except OverflowError:
        return Flaw(f"{value.isoformat()} is beyond the calendar", allowed)


def boolean(value: Any) -> bool | Flaw:
    """Read a yes or no."""
    if isinstance(value, str):
        value = _BOOLEANS.get(value.lower(), value)
    return (
        value
        if isinstance(value, bool)
        else Flaw(f"{quoted(value)} is neither true nor false", "true or false")
    )


def language(value: Any) -> str | Flaw:
    """Read a language tag (BCP 47, by shape)."""
    if not isinstance(value, str) or not _LANGUAGE.fullmatch(value):
        return Flaw(
            f"{quoted(value)} is no language", 'a language tag such as "en", "cy" or "pt-BR"'
        )
    return value


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def timezone(value: Any) -> str | Flaw:
    """Read the name of a time zone that this machine knows."""
    if not isinstance(value, str) or value not in _zones():
        return Flaw(
            f"{quoted(value)} is no time zone",
            _sentence(
                nearest(str(value), _zones()), 'a name of the IANA list, such as "Europe/London"'
            ),
        )
    return value


def password(value: Any) -> str | Flaw:
    """Read a device's password; the message never repeats it."""
    allowed = (
        f"{_SHORTEST_PASSWORD} to {_LONGEST_PASSWORD} printable characters, best made at random"
    )
    if not isinstance(value, str):
        return Flaw(f"must be text, not {_type(value)}", allowed)
    if not _SHORTEST_PASSWORD <= len(value) <= _LONGEST_PASSWORD:
        return Flaw(f"is {len(value)} characters long", allowed)
    return value if value.isprintable() else Flaw("holds a control character", allowed)


def number(value: Any) -> float | Flaw:
    """Read a finite number."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return Flaw(f"{quoted(value)} is no number", "a number, such as 90 or 36.5")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return Flaw(f"must be a number, not {_type(value)}", "a number, such as 90 or 36.5")
    try:
        read = float(value)
    except OverflowError:
        return Flaw("is too large", "a number, such as 90 or 36.5")
    if read in (float("inf"), float("-inf")) or read != read:  # noqa: PLR0124  (NaN)
        return Flaw("is not finite", "a number, such as 90 or 36.5")
    return read


def seconds(value: Any) -> int | Flaw:
    """Read how often a reading is due. [s]"""
    allowed = f"whole seconds, 1 to {_LONGEST_CADENCE_S} (86400 is once a day)"
    read = number(value)
    if isinstance(read, Flaw):
        return Flaw(read.what, allowed)
    if not read.is_integer() or not 1 <= read <= _LONGEST_CADENCE_S:
        return Flaw(f"{quoted(value)} is no time between readings", allowed)
    return int(read)


def quantity(name: str, *, measured: bool) -> vitals.Quantity | Flaw:
    """Find a quantity by name; ``measured`` leaves only those that are numbers."""
    found = vitals.BY_NAME.get(name)
    if found is not None and (not measured or found.kind is vitals.ValueKind.NUMBER):
        return found
    names = [q.name for q in vitals.QUANTITIES if not measured or q.kind is vitals.ValueKind.NUMBER]
    what = f"{quoted(name)} is no {'measured ' if measured else ''}quantity"
    return Flaw(what, _sentence(nearest(name, names), f"allowed are {', '.join(names)}"))


def limit(of: vitals.Quantity, low: float | None, high: float | None) -> registration.Limit | Flaw:
    """Join the two bounds of a quantity."""
    made = registration.Limit(low=low, high=high)
    wrong = registration.limit_problem(of, made)
    allowed = f"low or high or both, {of.low:g} to {of.high:g} {of.unit}"
    return Flaw(wrong, allowed) if wrong else made


def _one_of(known: Collection[str], value: Any, what: str) -> str | Flaw:
    """Read a word out of a closed list."""
    if isinstance(value, str) and value in known:
        return value
    allowed = f"allowed are {', '.join(known)}"
    near = nearest(value, known) if isinstance(value, str) else ""
    return Flaw(f"{quoted(value)} is no {what}", _sentence(near, allowed))


def _type(value: Any) -> str:
    """Name a TOML type in plain words."""
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, (datetime, date)):
        return "a date"
    if isinstance(value, list):
        return "a list"
    return "a table" if isinstance(value, dict) else "text" if isinstance(value, str) else "a time"


def _sentence(first: str, second: str) -> str:
    return f"{first} {second}" if first else second
