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
