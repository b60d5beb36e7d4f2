"""Several files read as one registration: entries joined and checked against each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Protocol, TypeVar

from ingest.kernel import assignments, registration
from ingest.kernel.registration import Kind, Origin, Problem, Registration
from ingest.register import csv_file, entries, source, toml_file
from ingest.register.record import Record

_READERS: dict[str, Callable[[source.Source], tuple[list[Record], list[Problem]]]] = {
    "toml": toml_file.read,
    "csv": csv_file.read,
}


class _Entry(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def origin(self) -> Origin: ...


E = TypeVar("E", bound=_Entry)


def read(
    paths: Iterable[Path],
    *,
    today: date,
    check_trigger: registration.TriggerCheck | None = None,
) -> Registration:
    """Read files as one unit; everything that is wrong with them is in ``problems``.

    References to what is not in these files are left for the store, which may hold it.
    """
    records: list[Record] = []
    problems: list[Problem] = []
    for path in dict.fromkeys(paths):
        found = source.read(path)
        if isinstance(found, Problem):
            problems.append(found)
            continue
        of_file, wrong = _READERS[found.suffix](found)
        records += of_file
        problems += wrong
    return _join(entries.read(records, today=today, check_trigger=check_trigger), problems)


def _join(found: entries.Entries, problems: list[Problem]) -> Registration:
    problems += found.problems
    areas = _once("areas", found.areas, problems)
    practices = _once("practices", found.practices, problems)
    sites = _once("sites", found.sites, problems)
    teams = _once("teams", found.teams, problems)
    members = _once("members", found.members, problems)
    shifts = _once("shifts", found.shifts, problems)
    homes = _once("homes", found.homes, problems)
    people = _once("people", found.people, problems)
    _nhs_numbers_once(people, problems)
    caseloads = _once("caseloads", found.caseloads, problems)
    devices = _devices(found.devices, problems, found)
    order = {file: i for i, file in enumerate(dict.fromkeys(p.file for p in problems))}
    problems.sort(key=lambda p: (order[p.file], p.line))
    return Registration(
        areas=areas,
        practices=practices,
        sites=sites,
        teams=teams,
        members=members,
        shifts=shifts,
        homes=homes,
        people=people,
        caseloads=caseloads,
        devices=devices,
        problems=tuple(problems),
        flawed=frozenset(found.flawed),
        references=tuple(found.references),
    )


def place(origin: Origin, key: str = "id") -> str:
    """Return where something is, for a message about something else."""
    return f"{origin.file}:{origin.at(key)}"


def _problem(origin: Origin, key: str, what: str, allowed: str) -> Problem:
    return Problem(file=origin.file, line=origin.at(key), what=what, allowed=allowed)


def _once(kind: Kind, found: Sequence[E], problems: list[Problem]) -> tuple[E, ...]:
    """Keep the first entry of each id; the same id again is a problem."""
    first: dict[str, E] = {}
    for entry in found:
        before = first.setdefault(entry.id, entry)
        if before is not entry:
            what = f'id "{entry.id}" is given twice in {kind}, first at {place(before.origin)}'
            problems.append(_problem(entry.origin, "id", what, "each id once"))
    return tuple(first.values())


def _nhs_numbers_once(people: Iterable[registration.Person], problems: list[Problem]) -> None:
    first: dict[str, registration.Person] = {}
    for person in people:
        if not person.nhs_number:
            continue
        before = first.setdefault(person.nhs_number, person)
        if before is not person:
            what = (
                f'nhs_number is the same as that of "{before.id}" at'
                f" {place(before.origin, 'nhs_number')}"
            )
            problems.append(
                _problem(person.origin, "nhs_number", what, "each person has a number of their own")
            )


def _devices(
    given: Iterable[entries.DeviceEntry], problems: list[Problem], found: entries.Entries
) -> tuple[registration.Device, ...]:
    """Make one device of all its entries: the second is a re-issue."""
    grouped: dict[tuple[str, str], list[entries.DeviceEntry]] = {}
    for entry in given:
        grouped.setdefault((entry.site, entry.id), []).append(entry)
    devices: list[registration.Device] = []
    for (site, name), of_device in grouped.items():
        before = len(problems)
        said: dict[str, Any] = {
            key: _agreed(of_device, key, problems)
            for key in ("kind", "model", "password", "cadence", "place")
        }
        broken = ("devices", f"{site}/{name}") in found.flawed
        if said["kind"] is None and not broken:
            problems.append(
                _problem(
                    of_device[0].origin, "", '"kind" is missing', "an entry needs id, site, kind"
                )
            )
        spans = tuple(span for entry in of_device for span in entry.assignments)
        _check_spans(spans, problems)
        if len(problems) > before or broken:
            found.flawed.add(("devices", f"{site}/{name}"))
            found.references += _references(of_device)
            continue
        devices.append(
            registration.Device(
                site=site, id=name, **said, assignments=spans, origin=of_device[0].origin
            )
        )
    return tuple(devices)


def _references(of_device: Iterable[entries.DeviceEntry]) -> Iterator[registration.Reference]:
    """Return what the entries of a device that is left out refer to."""
    for entry in of_device:
        yield registration.Reference(to="sites", id=entry.site, key="site", origin=entry.origin)
        for span in entry.assignments:
            key, holder = span.holder
            to = entries.REFERENCES[key]
            yield registration.Reference(to=to, id=holder, key=key, origin=span.origin)


def _agreed(of_device: Sequence[entries.DeviceEntry], key: str, problems: list[Problem]) -> Any:
    """Return what the entries of a device say of a key; two different things are a problem."""
    first: entries.DeviceEntry | None = None
    for entry in of_device:
        value = getattr(entry, key)
        if value is None:
            continue
        if first is None:
            first = entry
        elif value != getattr(first, key):
            what = f"{key} differs from the same device's at {place(first.origin, key)}"
            problems.append(
                _problem(entry.origin, key, what, f"the same {key}, or none in further entries")
            )
    return None if first is None else getattr(first, key)


def _check_spans(spans: Sequence[registration.Assignment], problems: list[Problem]) -> None:
    """Check the assignments of a device among themselves."""
    if len(spans) == 1:  # nearly all devices
        return
    wanted = [
        assignments.Wanted(holder=span.holder, start=span.start, end=span.end) for span in spans
    ]
    for refused in assignments.plan((), wanted).refused:
        span = spans[refused.position]
        key = "from" if span.start is not None else span.holder[0]
        problems.append(_problem(span.origin, key, refused.what(), assignments.ALLOWED))
