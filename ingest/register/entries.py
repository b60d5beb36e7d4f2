"""Entries: what keys each kind has, and typed values out of records, with every problem found.

A problem leaves its entry out, never stops the reading: all that is wrong is told at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from ingest.kernel import conditions, registration
from ingest.kernel.registration import (
    Assignment,
    Contact,
    Kind,
    Limit,
    Problem,
    Reference,
    Trigger,
    TriggerCheck,
)
from ingest.register import fields
from ingest.register.fields import Flaw, Reader
from ingest.register.record import Record

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Key:
    """A key of an entry."""

    read: Reader
    required: bool = False


def _required(read: Reader) -> Key:
    return Key(read, required=True)


_ID = _required(fields.identifier)
_NAME = _required(fields.words)
_REFERENCE = Key(fields.identifier)
_NESTED = Key(lambda value: value)  # read by its own function
_SCALARS: dict[Kind, dict[str, Key]] = {
    "areas": {"id": _ID, "name": _NAME, "kind": Key(fields.area_kind)},
    "practices": {
        "id": _ID, "name": _NAME, "area": _REFERENCE, "cluster": Key(fields.cluster),
    },
    "sites": {
        "id": _ID, "name": _NAME, "area": _REFERENCE, "council_area": _REFERENCE,
        "timezone": Key(fields.timezone), "onboarding_password": Key(fields.password),
    },
    "teams": {
        "id": _ID, "name": _NAME, "kind": _required(fields.team_kind), "area": _REFERENCE,
        "site": _REFERENCE, "cluster": Key(fields.cluster), "phone": Key(fields.phone),
        "professions": _NESTED, "classes": _NESTED, "severities": _NESTED, "hours": _NESTED,
        "timezone": Key(fields.timezone), "holidays": Key(fields.holiday_list),
        "fallback": Key(fields.fallback), "capacity": Key(fields.count),
    },
    "members": {
        "team": _ID, "name": _NAME, "account": Key(fields.text),
        "profession": Key(fields.profession), "rank": Key(fields.count),
    },
    "shifts": {
        "team": _ID, "member": _NAME, "from": _required(fields.moment),
        "to": _required(fields.moment), "duty": Key(fields.duty), "instead_of": Key(fields.words),
    },
    "homes": {
        "id": _ID, "site": _ID, "address": Key(fields.text), "access_notes": Key(fields.text),
        "key_safe": Key(fields.text),
    },
    "people": {
        "id": _ID, "home": _ID, "name": _NAME, "nhs_number": Key(fields.nhs),
        "born": Key(fields.moment), "phone": Key(fields.phone), "language": Key(fields.language),
        "communication": Key(fields.text), "practice": _REFERENCE, "scale2": Key(fields.boolean),
        "on_oxygen": Key(fields.boolean), "pregnant": Key(fields.boolean), "contacts": _NESTED,
        "limits": _NESTED, "conditions": _NESTED, "risk_band": Key(fields.risk_band),
        "triggers": _NESTED, "place_of_care": Key(fields.place_of_care),
    },
    "caseloads": {
        "person": _ID, "role": _required(fields.caseload_role), "team": _REFERENCE,
        "account": Key(fields.words),
    },
    "devices": {
        "id": _required(fields.device_name), "site": _ID, "kind": Key(fields.device_kind),
        "model": Key(fields.text), "password": Key(fields.password), "person": _REFERENCE,
        "home": _REFERENCE, "from": Key(fields.moment), "to": Key(fields.moment),
        "cadence": _NESTED, "place": Key(fields.place), "assignments": _NESTED,
    },
}  # fmt: skip
REFERENCES: dict[str, Kind] = {
    "area": "areas", "council_area": "areas", "practice": "practices", "site": "sites",
    "team": "teams", "home": "homes", "person": "people",
}  # fmt: skip
"""Keys that name another entry, and its kind."""

KEYS: dict[Kind, tuple[str, ...]] = {kind: tuple(keys) for kind, keys in _SCALARS.items()}

_CONTACT = {
    "name": _NAME, "relation": Key(fields.text), "phone": _required(fields.phone),
    "told": Key(fields.told),
}  # fmt: skip
_ASSIGNMENT = {
    "person": _REFERENCE, "home": _REFERENCE, "from": Key(fields.moment), "to": Key(fields.moment),
}  # fmt: skip
_TRIGGER = {
    "id": _required(fields.trigger_id), "title": _NAME, "severity": _required(fields.severity),
    "when": _required(fields.words), "clear": Key(fields.text), "for": Key(fields.text),
}  # fmt: skip
_BETWEEN = re.compile(r"[;\s]+")
_HOURS = {
    "days": _required(fields.days), "from": _required(fields.clock), "to": _required(fields.clock),
}  # fmt: skip
_BOUNDS = {"low": Key(fields.number), "high": Key(fields.number)}

_WORDS: dict[str, Reader] = {
    "professions": fields.profession, "classes": fields.alert_class,
    "severities": fields.severity,
}  # fmt: skip
"""Keys of a team that hold several words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceEntry:
    """What one entry says about a device; several entries make one device."""

    site: str
    id: str
    kind: str | None
    model: str | None
    password: str | None = field(repr=False)
    cadence: Mapping[str, int] | None
    place: str | None
    assignments: tuple[Assignment, ...]
    origin: registration.Origin = field(compare=False)


@dataclass(slots=True, kw_only=True)
class Entries:
    """What has been read so far."""

    areas: list[registration.Area] = field(default_factory=list)
    practices: list[registration.Practice] = field(default_factory=list)
    sites: list[registration.Site] = field(default_factory=list)
    teams: list[registration.Team] = field(default_factory=list)
    members: list[registration.Member] = field(default_factory=list)
    shifts: list[registration.Shift] = field(default_factory=list)
    homes: list[registration.Home] = field(default_factory=list)
    people: list[registration.Person] = field(default_factory=list)
    caseloads: list[registration.Caseload] = field(default_factory=list)
    devices: list[DeviceEntry] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    flawed: set[tuple[Kind, str]] = field(default_factory=set)
    references: list[Reference] = field(default_factory=list)  # of the flawed ones


def read(
    records: Iterable[Record], *, today: date, check_trigger: TriggerCheck | None = None
) -> Entries:
    """Turn records into entries; without a check any text is taken for a trigger's."""
    found = Entries()
    readers: dict[Kind, dict[str, Key]] = {
        **_SCALARS,
        "people": {**_SCALARS["people"], "born": Key(fields.born(today))},
    }
    for record in records:
        _One(record, found, readers[record.kind], check_trigger).take()
    return found


class _One:
    """One record on its way to an entry."""

    def __init__(
        self,
        record: Record,
        into: Entries,
        keys: Mapping[str, Key],
        check_trigger: TriggerCheck | None,
    ) -> None:
        self.record = record
        self.into = into
        self.keys = keys
        self.check_trigger = check_trigger
        self.sound = True
        self.references: list[Reference] = []

    def take(self) -> None:
        said = self.table(self.record.values, self.keys, ())
        self._refers(said, self.record.origin())
        make: Callable[[dict[str, Any]], None] = getattr(self, f"_{self.record.kind}")
        make(said)
        if not self.sound:
            self.into.references += self.references
            self.into.flawed.add((self.record.kind, identity(self.record)))

    def _refers(self, said: Mapping[str, Any], origin: registration.Origin) -> None:
        for key, to in REFERENCES.items():
            if said.get(key) is not None:
                self.references.append(Reference(to=to, id=said[key], key=key, origin=origin))

    def problem(self, path: Path, what: str, allowed: str) -> None:
        self.sound = False
        self.into.problems.append(
            Problem(
                file=self.record.file, line=self.record.line_of(*path), what=what, allowed=allowed
            )
        )

    def table(self, values: Any, keys: Mapping[str, Key], path: Path) -> dict[str, Any]:
        """Read the keys of a table; what is wrong or not said is None."""
        said: dict[str, Any] = dict.fromkeys(keys)
        if not isinstance(values, dict):
            self.problem(path, f"{_name(path)}must be a table", f"with {', '.join(keys)}")
            return said
        for key, value in values.items():
            if key not in keys:
                near = fields.nearest(key, keys)
                allowed = f"allowed are {', '.join(keys)}"
                what = f"unknown key {fields.quoted(key)}"
                self.problem((*path, key), what, f"{near} {allowed}" if near else allowed)
                continue
            read = keys[key].read(value)
            if isinstance(read, Flaw):
                self.problem((*path, key), f"{key} {read.what}", read.allowed)
            else:
                said[key] = read
        for key, how in keys.items():
            if how.required and key not in values:
                article = "an entry" if not path else _name(path).rstrip(": ")
                self.problem(path, f'"{key}" is missing', f"{article} needs {_needs(keys)}")
        return said

    # -- kinds --------------------------------------------------------------------------------

    def _areas(self, said: dict[str, Any]) -> None:
        if self.sound:
            self.into.areas.append(registration.Area(**said, origin=self.record.origin()))

    def _practices(self, said: dict[str, Any]) -> None:
        if self.sound:
            self.into.practices.append(registration.Practice(**said, origin=self.record.origin()))

    def _teams(self, said: dict[str, Any]) -> None:
        said["hours"] = self._hours(said["hours"])
        for key, read in _WORDS.items():
            said[key] = self._words(said[key], key, read)
        if self.sound:
            self.into.teams.append(registration.Team(**said, origin=self.record.origin()))

    def _members(self, said: dict[str, Any]) -> None:
        if self.sound:
            self.into.members.append(registration.Member(**said, origin=self.record.origin()))

    def _shifts(self, said: dict[str, Any]) -> None:
        start, end = said["from"], said["to"]
        if start is not None and end is not None and start >= end:
            self.problem(("to",), "to is not after from", "an end later than the start")
        if said["instead_of"] is not None and said["duty"] == "leave":
            self.problem(("instead_of",), "leave is not taken instead of somebody", "a shift is")
        if self.sound:
            self.into.shifts.append(
                registration.Shift(
                    team=said["team"],
                    member=said["member"],
                    start=start,
                    end=end,
                    duty=said["duty"] or "duty",
                    instead_of=said["instead_of"],
                    origin=self.record.origin(),
                )
            )

    def _caseloads(self, said: dict[str, Any]) -> None:
        if (said["team"] is None) == (said["account"] is None):
            self.problem(
                (), "names not one of team and account", "a team, or the account of a member"
            )
        if self.sound:
            self.into.caseloads.append(registration.Caseload(**said, origin=self.record.origin()))

    def _sites(self, said: dict[str, Any]) -> None:
        if self.sound:
            self.into.sites.append(registration.Site(**said, origin=self.record.origin()))

    def _homes(self, said: dict[str, Any]) -> None:
        if self.sound:
            self.into.homes.append(registration.Home(**said, origin=self.record.origin()))

    def _people(self, said: dict[str, Any]) -> None:
        said["contacts"] = self._contacts(said["contacts"])
        said["limits"] = self._limits(said["limits"])
        said["conditions"] = self._conditions(said["conditions"])
        said["triggers"] = self._triggers(said["triggers"])
        if self.sound:
            self.into.people.append(registration.Person(**said, origin=self.record.origin()))

    def _devices(self, said: dict[str, Any]) -> None:
        cadence = self._cadence(said["cadence"])
        assignments = self._assignments(said)
        if self.sound:
            self.into.devices.append(
                DeviceEntry(
                    site=said["site"],
                    id=said["id"],
                    kind=said["kind"],
                    model=said["model"],
                    password=said["password"],
                    cadence=cadence,
                    place=said["place"],
                    assignments=assignments,
                    origin=self.record.origin(),
                )
            )

    # -- nested -------------------------------------------------------------------------------

    def _items(self, value: Any, key: str) -> list[Any]:
        if isinstance(value, list):
            return value
        self.problem(
            (key,), f"{key} must be a list of tables", f"write [[{self.record.kind}.{key}]]"
        )
        return []

    def _contacts(self, value: Any) -> tuple[Contact, ...] | None:
        if value is None:
            return None
        made: list[Contact] = []
        for i, item in enumerate(self._items(value, "contacts")):
            said = self.table(item, _CONTACT, ("contacts", i))
            if said["phone"] == "":
                self.problem(("contacts", i, "phone"), "phone is empty", "a number to ring")
            if self.sound:
                made.append(Contact(**{**said, "told": said["told"] or "emergencies"}))
        return tuple(made)

    def _limits(self, value: Any) -> dict[str, Limit] | None:
        if value is None:
            return None
        if not isinstance(value, dict):
            self.problem(("limits",), "limits must be a table", "for example spo2 = {low = 90}")
            return None
        made: dict[str, Limit] = {}
        for name, bounds in value.items():
            path: Path = ("limits", name)
            quantity = fields.quantity(name, measured=True)
            if isinstance(quantity, Flaw):
                self.problem(path, quantity.what, quantity.allowed)
                continue
            before = len(self.into.problems)
            said = self.table(bounds, _BOUNDS, path)
            if len(self.into.problems) > before:
                continue
            limit = fields.limit(quantity, said["low"], said["high"])
            if isinstance(limit, Flaw):
                self.problem(path, f"limit of {name}: {limit.what}", limit.allowed)
            else:
                made[name] = limit
        return made

    def _conditions(self, value: Any) -> tuple[str, ...] | None:
        made = self._words(value, "conditions", fields.condition, example='["copd", "frailty"]')
        return None if made is None else conditions.in_order(made)

    def _words(
        self, value: Any, key: str, read: Reader, *, example: str = "[]"
    ) -> tuple[str, ...] | None:
        """Read words out of a list, or out of a text in which they stand one after another."""
        if value is None:
            return None
        path: Path = (key,)
        if isinstance(value, str):
            given = [(path, name) for name in _BETWEEN.split(value) if name]
        elif isinstance(value, list):
            given = [((*path, i), name) for i, name in enumerate(value)]
        else:
            self.problem(path, f"{key} must be a list", f"for example {example}")
            return None
        made: list[str] = []
        for at, name in given:
            word = read(name)
            if isinstance(word, Flaw):
                self.problem(at, word.what, word.allowed)
            else:
                made.append(word)
        return tuple(dict.fromkeys(made))

    def _hours(self, value: Any) -> tuple[registration.Hours, ...] | None:
        """Read hours out of one text, or out of a list of tables."""
        if value is None:
            return None
        if isinstance(value, str):
            read = fields.hours(value)
            if isinstance(read, Flaw):
                self.problem(("hours",), f"hours: {read.what}", read.allowed)
                return None
            return read
        made: list[registration.Hours] = []
        for i, item in enumerate(self._items(value, "hours")):
            path: Path = ("hours", i)
            before = len(self.into.problems)
            said = self.table(item, _HOURS, path)
            wrong = fields.hours_problem(said["from"] or "")
            if wrong:
                self.problem((*path, "from"), wrong, "a time before the end of the day")
            if len(self.into.problems) == before:
                made.append(
                    registration.Hours(days=said["days"], start=said["from"], end=said["to"])
                )
        return tuple(made)

    def _triggers(self, value: Any) -> tuple[Trigger, ...] | None:
        if value is None:
            return None
        made: dict[str, Trigger] = {}
        for i, item in enumerate(self._items(value, "triggers")):
            path: Path = ("triggers", i)
            before = len(self.into.problems)
            said = self.table(item, _TRIGGER, path)
            if said["id"] in made:
                what = f'trigger "{said["id"]}" is given twice'
                self.problem((*path, "id"), what, "each id once within a person")
            if len(self.into.problems) > before:
                continue
            trigger = Trigger(
                id=said["id"],
                title=said["title"],
                severity=said["severity"],
                when=said["when"],
                clear=said["clear"] or None,
                lasting=said["for"] or None,
            )
            made[trigger.id] = trigger
            wrong = self.check_trigger and registration.trigger_problem(trigger, self.check_trigger)
            if wrong:
                key, what = wrong
                self.problem((*path, key), f"{key} of trigger {trigger.id}: {what}", "")
        return tuple(made.values())

    def _cadence(self, value: Any) -> dict[str, int] | None:
        if value is None:
            return None
        if not isinstance(value, dict):
            self.problem(("cadence",), "cadence must be a table", "for example heart_rate = 86400")
            return None
        made: dict[str, int] = {}
        for name, every in value.items():
            path: Path = ("cadence", name)
            quantity = fields.quantity(name, measured=False)
            read = fields.seconds(every)
            if isinstance(quantity, Flaw):
                self.problem(path, quantity.what, quantity.allowed)
            elif isinstance(read, Flaw):
                self.problem(path, f"cadence of {name}: {read.what}", read.allowed)
            else:
                made[name] = read
        return made

    def _assignments(self, said: dict[str, Any]) -> tuple[Assignment, ...]:
        """Read whose the device is: in the entry itself, or in a list."""
        listed = said["assignments"]
        own = [key for key in ("person", "home", "from", "to") if key in self.record.values]
        if listed is None:
            one = self._assignment({key: said[key] for key in _ASSIGNMENT}, ())
            return (one,) if one else ()
        if own:
            self.problem(
                (own[0],), f"{own[0]} stands beside a list of assignments",
                f"{', '.join(_ASSIGNMENT)} either in the entry or in each assignment",
            )  # fmt: skip
        made: list[Assignment] = []
        items = self._items(listed, "assignments")
        if listed == []:
            self.problem(("assignments",), "assignments is empty", "at least one assignment")
        for i, item in enumerate(items):
            path: Path = ("assignments", i)
            one = self._assignment(self.table(item, _ASSIGNMENT, path), path, item)
            if one:
                made.append(one)
        return tuple(made)

    def _assignment(
        self, said: dict[str, Any], path: Path, values: Any = None
    ) -> Assignment | None:
        written = self.record.values if values is None else values
        if not isinstance(written, dict):
            return None
        holders = [key for key in ("person", "home") if key in written]
        if len(holders) != 1:
            what = "names both a person and a home" if holders else "names neither person nor home"
            where = (*path, "home") if holders else path
            self.problem(
                where, what, 'person = "..." for who wears it, or home = "..." for a shared one'
            )
            return None
        start, end = said["from"], said["to"]
        if start is not None and end is not None and start >= end:
            self.problem((*path, "to"), "to is not after from", "an end later than the start")
        origin = registration.Origin(
            file=self.record.file,
            line=self.record.line_of(*path),
            keys={key: self.record.line_of(*path, key) for key in written}
            if self.record.lines
            else {},
        )
        if path:
            self._refers(said, origin)
        return Assignment(
            person=said["person"], home=said["home"], start=start, end=end, origin=origin
        )


def identity(record: Record) -> str:
    """Return what other entries call this one, as far as it is known."""
    own = record.values.get("id")
    if record.kind == "devices":
        return f"{record.values.get('site')}/{own}"
    if record.kind == "members":
        return f"{record.values.get('team')}/{record.values.get('name')}"
    return str(own)


def _name(path: Path) -> str:
    """Return what a nested table is called in messages."""
    names = {
        "contacts": "a contact", "assignments": "an assignment", "limits": "a limit",
        "triggers": "a trigger", "hours": "hours",
    }  # fmt: skip
    return f"{names.get(str(path[0]), path[0])}: " if path else ""


def _needs(keys: Mapping[str, Key]) -> str:
    return ", ".join(key for key, how in keys.items() if how.required)
