"""Made-up people for the rules' benchmarks: a mixture of conditions, homes and devices, as tables.

Each person lives alone. By number, a quarter each has heart failure (scale, cuff, oximeter), COPD
(oximeter with pulse and breathing rate, thermometer), hypertension (cuff), and telecare only. Every
other one of each has a home with four motion sensors that also tell the temperature, a front door,
and in half of these a bed sensor. Everybody has a pendant. Vital signs are promised once a day,
batteries once a day, temperatures every hour. Sixteen days of vital signs, the four newest readings
and fourteen days of activity are remembered. One person in a thousand has an open alert.

The tables are filled directly, because the public way takes an object for each person and device;
:func:`objects` gives those for the time that takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from alerts import plan as plans
from alerts.engine import Engine
from alerts.rules import registry
from alerts.state.activity import PATTERN_DAYS
from alerts.state.memory import Memory
from alerts.state.subjects import Device, Home, Person
from ingest.kernel import localtime, vitals
from ingest.kernel.observation import ROW, Quality, Rows

NOW = 1_767_700_000.0  # 2026-01-06, a Tuesday towards noon
DAY = 86_400.0
MARKS = ("heart_failure", "copd", "hypertension", "frailty")
MEASURED = (
    ("weight", "systolic", "diastolic", "heart_rate", "spo2"),
    ("spo2", "heart_rate", "resp_rate", "body_temperature"),
    ("systolic", "diastolic", "heart_rate"),
    (),
)
WORN = (
    (("weight",), ("systolic", "diastolic", "heart_rate"), ("spo2",)),
    (("spo2", "heart_rate", "resp_rate"), ("body_temperature",)),
    (("systolic", "diastolic", "heart_rate"),),
    (),
)
"""Devices of each kind of person, by what each promises."""
USUAL = {
    "weight": (78.0, 0.3), "systolic": (124.0, 5.0), "diastolic": (78.0, 4.0),
    "heart_rate": (74.0, 4.0), "spo2": (97.0, 0.6), "resp_rate": (16.0, 1.0),
    "body_temperature": (36.6, 0.2),
}  # fmt: skip
"""Mean and spread of each quantity: well inside every limit, seldom beyond one."""
MOTIONS = 4
ROOMS = {1: "kitchen", 2: "living-room", 3: "bedroom", 4: "bathroom", 5: "front-door"}
Promise = tuple[np.ndarray, np.ndarray | None, dict[str, float]]
HOMES_PER_SITE = 1_000


def no(name: str) -> int:
    """Return the number of a quantity."""
    return vitals.BY_NAME[name].no


def plan() -> plans.Plan:
    """Return the shipped packs, laid out."""
    return plans.compile_packs(registry.load().packs.values(), plans.Defaults())


def sensors(number: np.ndarray) -> np.ndarray:
    """Tell whose home has sensors."""
    return number // 4 % 2 == 1


def engine(
    people: int, *, seed: int = 1, now: float = NOW, plan_: plans.Plan | None = None
) -> Engine:
    """Return an engine that remembers this many people, their homes and devices."""
    made = Engine(plan())
    rng = np.random.default_rng(seed)
    memory = made.memory
    memory.learn_parts(
        {1: "kitchen", 2: "living-room", 3: "bedroom", 4: "bathroom", 5: "front-door"}
    )
    memory.heard_since = now - 30 * DAY
    number = np.arange(1, people + 1)
    _homes(memory, number, rng, now)
    _people(memory, number, rng, now)
    _series(memory, number, rng, now)
    _devices(memory, number, rng, now)
    _open(memory, rng, now)
    return made


def _homes(memory: Memory, number: np.ndarray, rng: np.random.Generator, now: float) -> None:
    table, n = memory.homes, number.size
    at = table.add(n)
    table.no[at], table.shard[at], table.only[at] = number, number % 64, number
    table.zone[at] = memory.zones.number("Europe/London")
    table.site[at] = number // HOMES_PER_SITE + 1
    table.residents[at] = 1
    table.marks[at] = _marks(number)
    table.due[at] = now + rng.uniform(60, 1_800, n)
    table.numbers.put(number, at)
    rich = at[sensors(number)]
    table.activity[rich] = memory.activity.add(rich.size)
    table.moved[rich] = now - rng.uniform(0, 7_200, rich.size)
    table.place[rich] = rng.integers(1, MOTIONS + 1, rich.size)
    table.door[rich] = table.moved[rich] - rng.uniform(3_600, 2 * DAY, rich.size)
    _activity(memory, rng, now)
    bed = rich[number[rich] // 8 % 2 == 1]
    for name, where in (("door_open", rich), ("room_temperature", rich), ("bed_occupied", bed)):
        states = memory.home_states
        rows = states.add(where.size)
        states.value[rows] = rng.normal(20.5, 0.6, where.size) if name == "room_temperature" else 0
        states.time[rows] = now - rng.uniform(0, 3_600, where.size)
        states.since[rows], states.both[rows] = states.time[rows] - 3_600, True
        states.index.put(where, np.full(where.size, no(name)), rows)


def _activity(memory: Memory, rng: np.random.Generator, now: float) -> None:
    """Fourteen days in which something moves by day and seldom at night."""
    table, today = memory.activity, int(localtime.day(np.array([now]))[0])
    n = table.count
    table.day[:n] = today
    usual = np.r_[np.full(6, 0.1), np.full(16, 4.0), np.full(2, 0.5)]
    days = np.arange(PATTERN_DAYS)
    moves = rng.poisson(usual[:, None], (4_096, usual.size, days.size)) > 0
    counts = rng.poisson(np.array([6, 1, 1, 1])[:, None], (4_096, 4, table.counts.shape[2]))
    which = rng.integers(0, len(moves), n)
    moves[:, int(now % DAY // 3_600) + 1 :, today % days.size] = False
    hours = (moves << days).sum(axis=2).astype(np.uint16)
    table.hours[:n], table.days[:n] = hours[which], np.bitwise_or.reduce(hours, axis=1)[which]
    table.counts[:n] = counts.astype(np.uint8)[which]
    table.up[:n] = rng.integers(400, 520, (4_096, table.up.shape[1])).astype(np.uint16)[which]
    table.seen[:n] = now - 7_200


def _people(memory: Memory, number: np.ndarray, rng: np.random.Generator, now: float) -> None:
    table = memory.people
    at = table.add(number.size)
    table.no[at], table.shard[at], table.home[at] = number, number % 64, number
    table.marks[at] = _marks(number)
    table.born[at] = now - rng.uniform(65, 95, number.size) * 365.25 * DAY
    table.latest[at] = np.where(number % 4 < 3, now - 3_600.0, -np.inf)
    table.numbers.put(number, at)


def _marks(number: np.ndarray) -> np.ndarray:
    return np.array([plans.MARKS[name] for name in MARKS], dtype=np.uint32)[number % 4]


def _series(memory: Memory, number: np.ndarray, rng: np.random.Generator, now: float) -> None:
    """Remember vital signs, in the order of nobody's number: as they came."""
    pairs = [
        (np.flatnonzero(number % 4 == kind), no(name))
        for kind, names in enumerate(MEASURED)
        for name in names
    ]
    slot = np.concatenate([s.astype(np.int32) for s, _ in pairs])
    column = np.concatenate([np.full(s.size, c, np.uint8) for s, c in pairs])
    order = rng.permutation(slot.size)
    slot, column = slot[order], column[order]
    table = memory.series
    at = table.add(slot.size)
    base, spread = np.zeros(256), np.zeros(256)
    for name, (mean, sd) in USUAL.items():
        base[no(name)], spread[no(name)] = mean, sd
    base, spread = base[column].astype(np.float32), spread[column].astype(np.float32)
    ago = 3_600 + DAY * np.arange(table.time.shape[1])
    table.time[at] = now - ago - (slot % 600)[:, None]
    for place in range(table.value.shape[1]):
        table.value[at, place] = base + spread * rng.standard_normal(at.size, dtype=np.float32)
    dated = np.flatnonzero(memory.dated(slot, column))
    days = memory.series.by_day
    rows = days.add(dated.size)
    table.days[dated] = rows
    days.day[rows] = today = int(localtime.day(np.array([now]))[0])
    for place in range(days.last.shape[1]):
        noise = rng.standard_normal(rows.size, dtype=np.float32)
        days.last[rows, place] = base[dated] + spread[dated] * noise
    days.when[rows] = 8 * 1_800 + 1
    days.last[rows, today % days.last.shape[1]] = table.value[dated, 0]
    table.index.put(slot, column, at)


def _promises(
    number: np.ndarray,
) -> Iterator[Promise]:
    """Return who has a device, whether it is the person's, and what it promises how often. [s]"""
    yield number, number, {"battery": DAY}
    for kind, devices in enumerate(WORN):
        mine = number[number % 4 == kind]
        for names in devices:
            yield mine, mine, dict.fromkeys(names, DAY)
    rich = number[sensors(number)]
    for _ in range(MOTIONS):
        yield rich, None, {"room_temperature": 3_600.0}
    yield rich, None, {"battery": DAY}
    yield rich[rich // 8 % 2 == 1], None, {"battery": DAY}


def _devices(memory: Memory, number: np.ndarray, rng: np.random.Generator, now: float) -> None:
    table, feeds, states = memory.devices, memory.feeds, memory.device_states
    for homes, people, promised in _promises(number):
        at = table.add(homes.size)
        numbers = at + 1
        table.no[at], table.shard[at], table.home[at] = numbers, homes % 64, homes
        table.person[at] = 0 if people is None else people
        table.site[at] = homes // HOMES_PER_SITE + 1
        table.numbers.put(numbers, at)
        heard = now - rng.uniform(0, 1_800, homes.size)
        table.heard[at] = heard
        for name, cadence in promised.items():
            columns = np.full(homes.size, no(name))
            feeds.promise(at, columns, heard)
            rows = feeds.find(at, columns)
            feeds.cadence[rows] = cadence
            memory.set_due(rows)
        rows = states.add(homes.size)
        states.value[rows] = rng.uniform(50, 100, homes.size)
        states.time[rows] = now - DAY / 2
        states.index.put(at, np.full(homes.size, no("battery")), rows)


def _open(memory: Memory, rng: np.random.Generator, now: float) -> None:
    """One person in a thousand has an open alert of a limit."""
    one = next(c for c in memory.plan.person if c.rule.id == "limits.heart_rate")
    slots = np.unique(rng.integers(0, memory.people.count, memory.people.count // 1_000 + 1))
    open_ = memory.open["person"]
    rows = open_.meet(slots, one.column)
    open_.raised_at[rows] = open_.told_at[rows] = now - 3_600
    memory.people.phase[slots, one.column] = one.severity_rank


def objects(people: int) -> tuple[list[Home], list[Person], list[Device]]:
    """Return the same homes, people and devices as the register gives them."""
    number = np.arange(1, people + 1)
    homes = [Home(no=n, shard=n % 64, site_no=n // HOMES_PER_SITE + 1, people=(n,))
             for n in range(1, people + 1)]  # fmt: skip
    persons = [Person(no=n, shard=n % 64, home_no=n, conditions=(MARKS[n % 4],), born=-6e8)
               for n in range(1, people + 1)]  # fmt: skip
    devices: list[Device] = []
    for where, whose, promised in _promises(number):
        devices += [
            Device(no=len(devices) + k, shard=n % 64, home_no=n, cadence=promised, since=NOW,
                   person_no=0 if whose is None else n, site_no=n // HOMES_PER_SITE + 1)
            for k, n in enumerate(where.tolist(), start=1)
        ]  # fmt: skip
    return homes, persons, devices


@dataclass(slots=True)
class Readings:
    """Batches of readings that random people take: one quantity of their own each."""

    people: int
    rng: np.random.Generator
    spread: float = 1.0

    def batch(self, size: int, now: float) -> Rows:
        """Return a batch of different people, in no order, measured in the last minute."""
        number = 1 + self.rng.choice(self.people, size * 2, replace=size * 2 > self.people)
        number = number[number % 4 < 3][:size]
        rows = np.zeros(number.size, ROW)
        kind = number % 4
        pick = self.rng.random(number.size)
        for n, names in enumerate(MEASURED[:3]):
            mine = np.flatnonzero(kind == n)
            which = (pick[mine] * len(names)).astype(np.int64)
            rows["quantity"][mine] = np.array([no(x) for x in names])[which]
            usual = np.array([USUAL[x] for x in names])[which]
            noise = self.rng.standard_normal(mine.size) * self.spread
            rows["value"][mine] = usual[:, 0] + usual[:, 1] * noise
        rows["time"] = now - self.rng.uniform(1, 60, number.size)
        rows["received"] = now
        rows["person"], rows["dwelling"], rows["device"] = number, number, number
        return rows


def _per_person(people: int, *nbytes: int) -> int:
    return round(sum(nbytes) / people)


def bytes_per_person(memory: Memory) -> dict[str, int]:
    """Return the memory by table, and of all, for each person. [B]"""
    n = memory.people.count
    series = memory.series
    said = {
        "people": memory.people.nbytes, "homes": memory.homes.nbytes,
        "devices": memory.devices.nbytes, "series": series.nbytes - series.by_day.nbytes,
        "days": series.by_day.nbytes, "activity": memory.activity.nbytes,
        "home_states": memory.home_states.nbytes, "device_states": memory.device_states.nbytes,
        "feeds": memory.feeds.nbytes, "limits": memory.limits.nbytes,
        "open": sum(t.nbytes for t in memory.open.values()),
    }  # fmt: skip
    return {"all": _per_person(n, memory.nbytes)} | {k: _per_person(n, v) for k, v in said.items()}


def equipped(people: int) -> Engine:
    """Return an engine that remembers people with everything: there is nobody who takes more.

    Every condition, every quantity that rules read, and a home with all sensors.
    """
    made = Engine(plan())
    made.memory.learn_parts(ROOMS)
    read = [q for q in vitals.QUANTITIES
            if (made.plan.kept[q.no] or q.name == "motion") and q.no != vitals.SYMPTOM]  # fmt: skip
    names = [q.name for q in read if not q.place]
    promised = [{name: DAY} for name in names] + [{"room_temperature": 3_600.0}] * MOTIONS
    promised += [{"battery": DAY}] * 3  # pendant, door, bed
    every = range(1, people + 1)
    devices = [(n, each) for n in every for each in promised]
    made.put(
        homes=[Home(no=n, shard=n % 64, people=(n,)) for n in every],
        people=[Person(no=n, shard=n % 64, home_no=n, conditions=tuple(plans.MARKS))
                for n in every],
        devices=[Device(no=no, shard=n % 64, home_no=n, person_no=n, cadence=each, since=NOW)
                 for no, (n, each) in enumerate(devices, start=1)],
    )  # fmt: skip
    numbers = np.array([n for n, _ in devices])
    for q in read:
        rows = np.zeros(numbers.size, ROW)
        rows["person"], rows["dwelling"] = 0 if q.place else numbers, numbers
        rows["device"] = np.arange(1, numbers.size + 1)
        rows["quantity"], rows["time"], rows["received"], rows["value"] = q.no, NOW, NOW, 1.0
        rows["flags"] = int(Quality.IMPORTED)
        made.on_data(rows if q.name == "battery" else rows[:: len(promised)], now=NOW)
    return made


def registered(people: int) -> Engine:
    """Return an engine that knows the register and no reading yet."""
    made = Engine(plan())
    made.memory.learn_parts(ROOMS)
    homes, persons, devices = objects(people)
    made.put(homes=homes, people=persons, devices=devices)
    return made


def days(people: int, count: int, *, seed: int = 6) -> Rows:
    """Return the readings of some days, in the order of their times.

    Everybody's vital signs once a day, within two hours of their own time; every battery once a
    day; in homes with sensors 60 motions a day, 4 openings of the door of a minute each, and the
    temperature of each of four rooms every hour. One vital sign in 500 is far from usual.
    """
    rng = np.random.default_rng(seed)
    parts: list[Rows] = []
    begin, device = NOW - NOW % DAY - count * DAY, 0
    for homes, persons, promised in _promises(np.arange(1, people + 1)):
        numbers = device + 1 + np.arange(homes.size)
        device += homes.size
        whose = np.zeros(homes.size, np.int64) if persons is None else persons
        for name, cadence in promised.items():
            parts.append(_daily(rng, begin, count, (numbers, whose, homes), name, cadence))
        if persons is None and "room_temperature" in promised:
            parts.append(_moving(rng, begin, count, (numbers, homes), "motion", 15))
    rich = np.arange(1, people + 1)
    rich = rich[sensors(rich)]
    parts.append(_moving(rng, begin, count, (rich, rich), "door_open", 8))
    rows = np.concatenate(parts)
    return rows[np.argsort(rows["time"], kind="stable")]


def _daily(
    rng: np.random.Generator, begin: float, days: int,
    whose: tuple[np.ndarray, np.ndarray, np.ndarray], name: str, cadence: float,
) -> Rows:  # fmt: skip
    devices, persons, homes = whose
    times = round(days * DAY / cadence)
    rows = np.zeros((times, homes.size), ROW)
    if cadence < DAY:
        own, spread = rng.uniform(0, cadence, homes.size), 0.0
    else:
        own, spread = rng.uniform(7, 11, homes.size) * 3_600, 3_600.0
    jitter = rng.uniform(0, spread, rows.shape)
    rows["time"] = begin + np.arange(times)[:, None] * cadence + own + jitter
    usual = USUAL.get(name, (20.5, 0.6) if name == "room_temperature" else (80.0, 5.0))
    rows["value"] = usual[0] + usual[1] * rng.standard_normal(rows.shape)
    if name in USUAL:  # everybody has a level of their own
        rows["value"] += usual[1] / 2 * rng.standard_normal(homes.size)
        far = rng.random(rows.shape) < 0.002
        rows["value"][far] += rng.choice((-8.0, 8.0), int(far.sum())) * usual[1]
    rows["device"], rows["person"], rows["dwelling"] = devices, persons, homes
    rows["quantity"], rows["received"] = no(name), rows["time"]
    return rows.reshape(-1)


def _moving(
    rng: np.random.Generator, begin: float, days: int, whose: tuple[np.ndarray, np.ndarray],
    name: str, a_day: int,
) -> Rows:  # fmt: skip
    devices, homes = whose
    rows = np.zeros((days * a_day, homes.size), ROW)
    hours = np.where(rng.random(rows.shape) < 0.05, rng.uniform(0, 6, rows.shape),
                     rng.uniform(6, 23, rows.shape))  # fmt: skip
    rows["time"] = begin + (np.arange(days * a_day) // a_day)[:, None] * DAY + hours * 3_600
    rows["value"] = 1.0
    if name == "door_open":  # a minute each time
        rows["value"][1::2] = 0.0
        rows["time"][1::2] = rows["time"][::2] + 60.0
    rows["part"] = 5 if name == "door_open" else 1 + devices % 4
    rows["device"], rows["dwelling"], rows["quantity"] = devices, homes, no(name)
    rows["received"] = rows["time"]
    return rows.reshape(-1)
