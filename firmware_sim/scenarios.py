"""Named stories: TOML files that say who lives where with which devices, and what happens when."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from firmware_sim import physiology, timing

REGISTER_TABLES = ("areas", "practices", "teams", "sites", "homes", "people", "devices")


class ScenarioError(ValueError):
    """A scenario that can't be read or found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSpec:
    """A device of a story: what the register knows of it, and how the simulator plays it."""

    site: str
    id: str
    kind: str
    home: str
    person: str  # empty: shared by the home
    cadence: Mapping[str, float]
    play: Mapping[str, Any]

    @property
    def key(self) -> str:
        """Return ``site/device``, which is also its user name."""
        return f"{self.site}/{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Something that happens to a device or a home."""

    at: float  # story seconds
    do: str
    device: str = ""
    home: str = ""
    every: float | None = None
    args: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that is wrong with a device all the time."""

    device: str  # an id, or "*"
    kind: str
    args: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A whole story."""

    name: str
    title: str
    duration: float  # story seconds, infinity when it never ends
    live_from: float
    speed: float
    begins: float | None  # time of day at story second 0; None: the real one
    seed: int
    register: Mapping[str, list[dict[str, Any]]]
    devices: tuple[DeviceSpec, ...]
    bodies: Mapping[str, Mapping[str, float]]
    courses: Mapping[str, tuple[physiology.Course, ...]]
    incidents: tuple[Incident, ...]
    faults: tuple[Fault, ...]
    pace: float
    steadiness: float
    own_zone: bool  # the sites lie where the story's time of day is the real one

    def registration(self, now: float) -> dict[str, list[dict[str, Any]]]:
        """Return the tables of the register, for a story played about now (Unix seconds)."""
        tables = {name: [dict(row) for row in rows] for name, rows in self.register.items()}
        if self.own_zone:
            zone = timing.zone_where(((self.begins or 0.0) + self.live_from) % timing.DAY, now)
            for site in tables["sites"]:
                site["timezone"] = zone
        return tables


def names() -> list[str]:
    """Return the scenarios that come with the simulator."""
    found = resources.files("firmware_sim").joinpath("scenarios").iterdir()
    return sorted(
        f.name.removesuffix(".toml")
        for f in found
        if f.name.endswith(".toml") and not f.name.startswith("_")
    )


def load(name: str) -> Scenario:
    """Return a packaged scenario by name, or one from a TOML file by path."""
    if name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise ScenarioError(f"no such file: {name}")
        return parse(path.stem, path.read_text(encoding="utf-8"))
    if name not in names():
        raise ScenarioError(f"no scenario {name!r}; there are: {', '.join(names())}")
    return parse(name, _packaged(f"{name}.toml"))


def _packaged(file: str) -> str:
    folder = resources.files("firmware_sim").joinpath("scenarios")
    return folder.joinpath(file).read_text(encoding="utf-8")


def parse(name: str, text: str) -> Scenario:
    """Read a scenario. The tables of the register are those of a registration file."""
    try:
        document = tomllib.loads(text)
        register = _register(document)
        return _scenario(name, document, register)
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as problem:
        raise ScenarioError(f"{name}: {type(problem).__name__}: {problem}") from problem


def _register(document: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the tables for the registration file, with those of included files first."""
    tables: dict[str, list[dict[str, Any]]] = {table: [] for table in REGISTER_TABLES}
    included = [tomllib.loads(_packaged(f"_{f}.toml")) for f in document.get("include", ())]
    for source in (*included, document):
        for table in REGISTER_TABLES:
            tables[table] += source.get(table, ())
    return tables


def _scenario(
    name: str, document: Mapping[str, Any], register: Mapping[str, list[dict[str, Any]]]
) -> Scenario:
    story = document["scenario"]
    duration = timing.seconds(story["duration"]) if "duration" in story else math.inf
    live_from = timing.seconds(story.get("live_from", duration if duration < math.inf else 0))
    begins = timing.time_of_day(story["begins"]) if "begins" in story else None
    homes = {person["id"]: person["home"] for person in register["people"]}
    devices = tuple(_device(d, homes) for d in register["devices"])
    scenario = Scenario(
        name=name,
        title=story["title"],
        duration=duration,
        live_from=live_from,
        speed=float(story.get("speed", 1)),
        begins=begins,
        seed=int(story.get("seed", 1)),
        register=register,
        devices=devices,
        bodies={b["person"]: {k: v for k, v in b.items() if k != "person"}
                for b in document.get("bodies", ())},
        courses=_courses(document.get("courses", ())),
        incidents=tuple(_incident(i) for i in document.get("incidents", ())),
        faults=tuple(_fault(f) for f in document.get("faults", ())),
        pace=float(story.get("pace", 1)),
        steadiness=float(story.get("steadiness", 1)),
        own_zone=bool(story.get("own_zone", False)),
    )  # fmt: skip
    _check(scenario)
    return scenario


def _device(table: Mapping[str, Any], homes: Mapping[str, str]) -> DeviceSpec:
    person = table.get("person", "")
    return DeviceSpec(
        site=table["site"],
        id=table["id"],
        kind=table["kind"],
        home=table.get("home") or homes[person],
        person=person,
        cadence=table.get("cadence", {}),
        play=table.get("play", {}),
    )


def _courses(tables: list[dict[str, Any]]) -> dict[str, tuple[physiology.Course, ...]]:
    found: dict[str, tuple[physiology.Course, ...]] = {}
    for t in tables:
        course = physiology.Course(
            quantity=t["quantity"],
            begin=timing.seconds(t["begin"]),
            end=timing.seconds(t["end"]),
            by=float(t["by"]),
            until=timing.seconds(t["until"]) if "until" in t else math.inf,
        )
        found[t["person"]] = (*found.get(t["person"], ()), course)
    return found


def _rest(table: Mapping[str, Any], known: set[str]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key not in known}


def _incident(table: Mapping[str, Any]) -> Incident:
    return Incident(
        at=timing.seconds(table["at"]),
        do=table["do"],
        device=table.get("device", ""),
        home=table.get("home", ""),
        every=timing.seconds(table["every"]) if "every" in table else None,
        args=_rest(table, {"at", "do", "device", "home", "every"}),
    )


def _fault(table: Mapping[str, Any]) -> Fault:
    return Fault(device=table["device"], kind=table["kind"], args=_rest(table, {"device", "kind"}))


def _check(scenario: Scenario) -> None:
    """Refuse names that point nowhere: a story with a typing error would silently be another."""
    devices = {d.id for d in scenario.devices}
    people = {p["id"] for p in scenario.register["people"]}
    homes = {h["id"] for h in scenario.register["homes"]}
    pointed: Iterator[tuple[str, str, set[str]]] = iter(
        [("incident's device", i.device, devices) for i in scenario.incidents if i.device]
        + [("incident's home", i.home, homes) for i in scenario.incidents if i.home]
        + [("fault's device", f.device, devices | {"*"}) for f in scenario.faults]
        + [("course's person", p, people) for p in scenario.courses]
        + [("body's person", p, people) for p in scenario.bodies]
        + [("device's home", d.home, homes) for d in scenario.devices]
    )
    for what, name, known in pointed:
        if name not in known:
            raise ScenarioError(f"{scenario.name}: {what} {name!r} is not in the story")
    if scenario.own_zone and scenario.begins is None:
        raise ScenarioError(f"{scenario.name}: a zone of its own needs a time of day it begins at")
    if scenario.speed < 1:
        raise ScenarioError(f"{scenario.name}: speed must be 1 or more")
