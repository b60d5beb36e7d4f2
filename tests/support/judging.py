"""The rules core as tests drive it: a register of a few, readings in, findings out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from alerts import engine, plan
from alerts.model import Finding, Outcome
from alerts.rules import pack, registry
from alerts.state.subjects import Device, Home, Person
from ingest.kernel import vitals
from ingest.kernel.observation import ROW, Rows

NOW = 1_767_600_000.0
"""Monday 5 January 2026, eight in the morning in London."""
DAY, HOUR, MINUTE = 86_400.0, 3_600.0, 60.0
LONG_AGO = NOW - 400 * DAY
SHIPPED = registry.load()
ROOMS = ("bathroom", "kitchen", "front-door", "bedroom", "wardrobe")


class Reading(NamedTuple):
    """One row as a test writes it; ``name`` may be a room or a question with its key."""

    name: str  # "spo2", "symptom.breathless", "kitchen/motion"
    value: float
    ago: float = 0.0
    person: int = 1
    home: int = 0  # 0: that of the person
    device: int = 0  # 0: that of the person
    flags: int = 0


def pack_of(text: str) -> pack.Pack:
    """Return a pack of rules, head and all but the conditions left to this."""
    head = ('id = "local"\nversion = "1"\ntitle = "Local"\napprover = "nobody"\n'
            'review_by = 2027-01-01\nsource = "made up"\n')  # fmt: skip
    return pack.parse(head + text, file="local.toml")


def rule(rule_id: str, *lines: str, severity: str = "soon") -> str:
    """Return one rule as a pack writes it."""
    return "\n".join(
        ("[[rule]]", f'id = "{rule_id}"', f'title = "{rule_id}"', f'severity = "{severity}"',
         'team = "district_nursing"', 'audience = "nurse"', 'source = "made up"', *lines, "")
    )  # fmt: skip


class Hub:
    """An engine, and whom it knows; person, home and device of one number belong together."""

    def __init__(self, *packs: pack.Pack, **defaults: float) -> None:
        packs = packs or tuple(SHIPPED.packs.values())
        self.plan = plan.compile_packs(packs, plan.Defaults(**defaults))
        self.engine = engine.Engine(self.plan)
        self.memory = self.engine.memory
        self.part = {name: n for n, name in enumerate(ROOMS, start=1)}
        keys = [key for key in self.plan.keys if key not in self.part]
        self.part |= {key: n for n, key in enumerate(keys, start=len(self.part) + 1)}
        self.memory.learn_parts({n: name for name, n in self.part.items()})

    def put(self, no: int = 1, *, others: Sequence[int] = (), zone: str = "Europe/London",
            cadence: dict[str, float] | None = None, **about: Any) -> Hub:  # fmt: skip
        """Register a person with a home and a device, and who else lives there."""
        self.engine.put(
            homes=[Home(no=no, shard=no % 64, zone=zone, people=(no, *others), site_no=no % 3)],
            people=[Person(no=no, shard=no % 64, home_no=no, **about)],
            devices=[Device(no=no, shard=no % 64, home_no=no, person_no=no, site_no=no % 3,
                            cadence=cadence or {}, since=LONG_AGO)],
        )  # fmt: skip
        for key in self.plan.keys:  # triggers may ask new questions
            self.part.setdefault(key, len(self.part) + 1)
        self.memory.learn_parts({n: name for name, n in self.part.items()})
        return self

    def rows(self, readings: Iterable[Reading | tuple], *, now: float) -> Rows:
        """Return readings as the log has them, received now."""
        given = [Reading(*r) for r in readings]
        out = np.zeros(len(given), ROW)
        for n, r in enumerate(given):
            name, part = r.name, ""
            if r.name.startswith("symptom."):
                name, part = "symptom", r.name.partition(".")[2]
            elif "/" in r.name:
                part, _, name = r.name.partition("/")
            q = vitals.BY_NAME[name]
            number = self.part.get(part, 0) if part else 0
            out[n] = (now - r.ago, now, r.value, r.device or r.person, r.person,
                      r.home or r.person, number, r.flags, q.no)  # fmt: skip
        return out

    def say(self, *readings: Reading | tuple, now: float = NOW) -> list[Finding]:
        """Take in readings at once and return what was found."""
        return self.engine.on_data(self.rows(readings, now=now), now=now)

    def tick(self, now: float = NOW, *, heard_since: float | None = LONG_AGO) -> list[Finding]:
        """Let the clock alone speak."""
        return self.engine.on_time(now=now, heard_since=heard_since)

    def ticks(self, begin: float, end: float, step: float = 300.0) -> list[tuple[float, Finding]]:
        """Let the clock speak again and again; return what was found, and when after ``begin``."""
        out = []
        for at in np.arange(begin, end + 1, step):
            out += [(float(at - begin), f) for f in self.tick(float(at))]
        return out


def raised(found: Iterable[Finding]) -> dict[str, Finding]:
    """Return what was raised, by rule."""
    return {f.rule_id: f for f in found if f.outcome is Outcome.RAISE}


def told(found: Iterable[Finding], rule_id: str) -> list[Outcome]:
    """Return what was told of one rule, in order."""
    return [f.outcome for f in found if f.rule_id == rule_id]


def days(name: str, *values: float, until: int = 1, person: int = 1) -> list[Reading]:
    """Return one reading a day, oldest first, the last of them ``until`` days ago."""
    last = len(values) - 1 + until
    return [Reading(name, v, (last - n) * DAY, person) for n, v in enumerate(values)]
