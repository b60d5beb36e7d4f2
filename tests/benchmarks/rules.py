"""The figures of the rules, each beside a reference measured right before or after it.

``python -m tests.benchmarks.rules [--quick]`` prints them as JSON, a table on standard error. All
are medians of pairs. People come from :mod:`tests.benchmarks.population`; the packs are the shipped
ones. Nothing here starts a process or a database.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alerts import model
from alerts.backtest import run as backtest_run
from alerts.backtest import sources, tihm
from alerts.engine import Engine
from alerts.rules import early_warning, pack, registry
from alerts.state.memory import taken_by_hand
from alerts.state.subjects import Device, Home, Person
from ingest.kernel.observation import Rows
from tests.benchmarks import plain, population
from tests.benchmarks.population import DAY, NOW

Register = tuple[list[Home], list[Person], list[Device]]
_FLOATS = ("resp_rate", "spo2", "on_oxygen", "systolic", "heart_rate", "acvpu", "body_temperature")


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured."""

    repeats: int
    scored: int
    people: int  # of whom readings are judged
    batches: int
    sweeps: tuple[int, ...]
    put: int
    streams: int
    silence_s: int
    backtest_people: int
    backtest_days: int


FULL = Sizes(
    repeats=3, scored=1_000_000, people=1_000_000, batches=20,
    sweeps=(10_000, 100_000, 1_000_000, 3_000_000), put=100_000, streams=100_000, silence_s=20,
    backtest_people=10_000, backtest_days=30,
)  # fmt: skip
QUICK = Sizes(
    repeats=3, scored=200_000, people=50_000, batches=5, sweeps=(10_000, 100_000), put=10_000,
    streams=20_000, silence_s=5, backtest_people=1_000, backtest_days=10,
)  # fmt: skip


class Pairs:
    """A figure and its reference, measured one after the other several times."""

    def __init__(self) -> None:
        self._pairs: list[tuple[float, float]] = []

    def add(self, value: float, reference: float) -> None:
        """Add what was measured."""
        self._pairs.append((value, reference))

    def told(self, name: str, reference: str, digits: int = 0) -> dict[str, Any]:
        """Return the medians, and the ratios pair by pair."""
        ratios = sorted(v / r for v, r in self._pairs)
        return {
            name: _median([v for v, _ in self._pairs], digits),
            reference: _median([r for _, r in self._pairs], digits),
            "ratio": round(float(np.median(ratios)), 2),
            "ratios": [round(r, 2) for r in ratios],
        }


def _median(values: list[float], digits: int = 0) -> float:
    found = round(float(np.median(values)), digits)
    return found if digits else int(found)


def seconds(work: Callable[[], object]) -> float:
    """Return how long a piece of work takes. [s]"""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


# -- NEWS2 ---------------------------------------------------------------------------------------


def score(sizes: Sizes) -> dict[str, Any]:
    """NEWS2 over complete rows of floats beside a plain scorer in Python, one row at a time."""
    chart = registry.load().of(pack.ScoreRule)[0].chart
    rng, n = np.random.default_rng(1), sizes.scored
    columns = {
        "resp_rate": rng.integers(8, 30, n).astype(float),
        "spo2": rng.integers(85, 100, n).astype(float),
        "on_oxygen": rng.integers(0, 2, n).astype(float),
        "systolic": rng.integers(80, 230, n).astype(float),
        "heart_rate": rng.integers(38, 140, n).astype(float),
        "acvpu": np.where(rng.random(n) < 0.02, 1.0, 0.0),
        "body_temperature": rng.integers(345, 400, n) / 10,
    }
    scale2 = np.zeros(n, dtype=bool)
    few = min(n, 100_000)
    rows = list(zip(*(columns[k][:few].tolist() for k in _FLOATS), strict=True))
    said = early_warning.totals(chart, columns, scale2).total[:few].tolist()
    assert said == [plain.news2(*row) for row in rows]
    pairs = Pairs()
    for _ in range(sizes.repeats):
        took = seconds(lambda: [plain.news2(*row) for row in rows])
        fast = min(seconds(lambda: early_warning.totals(chart, columns, scale2)) for _ in range(3))
        pairs.add(n / fast, few / took)
    parts = n / seconds(lambda: early_warning.score(chart, columns, scale2))
    return pairs.told("patients_per_s", "plain_python_per_s") | {"with_parts_per_s": round(parts)}


# -- on data -------------------------------------------------------------------------------------


def on_data(sizes: Sizes) -> dict[str, Any]:
    """All packs on batches of random people, beside gathering and scattering the same bytes."""
    engine = population.engine(sizes.people)
    readings = population.Readings(sizes.people, np.random.default_rng(2))
    now, pairs, found, n = NOW, Pairs(), 0, 0
    for _ in range(sizes.repeats):
        batches = []
        for _ in range(sizes.batches):
            now += 1.0
            batches.append((readings.batch(10_000, now), now))
        size = sum(len(rows) for rows, _ in batches)
        bare = sum(seconds(lambda rows=rows: _touch(engine, rows)) for rows, _ in batches)
        began = time.perf_counter()
        found += sum(len(engine.on_data(rows, now=at)) for rows, at in batches)
        pairs.add(size / (time.perf_counter() - began), size / bare)
        n += size
    small: dict[str, float] = {}
    for rows in (1, 10, 100, 1_000, 10_000):
        took = []
        for _ in range(30 if rows < 1_000 else 8):
            now += 1.0
            batch = readings.batch(rows, now)
            took.append(seconds(lambda batch=batch: engine.on_data(batch, now=now)))  # noqa: B023
        small[str(rows)] = round(1e3 * float(np.median(took)), 2)
    told = pairs.told("readings_per_s", "gather_scatter_per_s")
    backlog = _backlog(engine, now)
    return told | {
        "people": sizes.people, "batch_rows": 10_000, "found_per_1000": round(1e3 * found / n, 2),
        "ms_per_batch": small, "backlog_of_one_ms_per_moment": backlog,
    }  # fmt: skip


def _touch(engine: Engine, rows: Rows) -> None:
    """Read and write what a reading at least has to: its series' newest, and its days."""
    series = engine.memory.series
    at = series.find(engine.memory.people.rows(rows["person"]), rows["quantity"].astype(np.int64))
    days = series.days[at]
    days = days[days >= 0]
    for table, where in ((series.time, at), (series.value, at), (series.by_day.last, days),
                         (series.by_day.when, days)):  # fmt: skip
        table[where] = table[where]


def _backlog(engine: Engine, now: float) -> float:
    """Return how long each moment of one person's backlog takes. [ms]"""
    rows = population.Readings(engine.memory.people.count, np.random.default_rng(3)).batch(200, now)
    rows["person"], rows["quantity"], rows["value"] = 1, population.no("heart_rate"), 72.0
    rows["time"] = now - 200.0 + np.arange(rows.size)
    return round(1e3 * seconds(lambda: engine.on_data(rows, now=now)) / rows.size, 2)


# -- on time -------------------------------------------------------------------------------------


def sweep(sizes: Sizes) -> dict[str, Any]:
    """Look at everybody once: one in a hundred is due, one in a thousand raises."""
    out: dict[str, Any] = {"due_percent": 1.0, "raising_percent": 0.1}
    for people in sizes.sweeps:
        engine = population.engine(people)
        now, rng, pairs, raised = NOW, np.random.default_rng(4), Pairs(), []
        engine.on_time(now=now, heard_since=engine.memory.heard_since)
        for _ in range(sizes.repeats):
            now += 1.0
            _make_due(engine, rng, now)
            began = time.perf_counter()
            _scan(engine, now)
            bare = time.perf_counter() - began
            began = time.perf_counter()
            said = engine.on_time(now=now, heard_since=engine.memory.heard_since)
            pairs.add(time.perf_counter() - began, bare)
            raised.append(len(said))
        out[str(people)] = pairs.told("seconds", "memory_scan_s", 4) | {
            "raised": int(np.median(raised)),
            "bytes_per_person": population.bytes_per_person(engine.memory),
        }
        del engine
    out["everything"] = population.bytes_per_person(population.equipped(2_000).memory)["all"]
    return out


def _make_due(engine: Engine, rng: np.random.Generator, now: float) -> None:
    """Have 1 % of the homes due, a tenth of which raise: two thirds are still, else silent."""
    memory = engine.memory
    n = memory.people.count
    due = rng.choice(n, n // 100, replace=False)
    memory.homes.due[: memory.homes.count] = now + 600.0
    memory.homes.due[due] = now
    quiet = memory.homes.going_on(due)
    still = due[(memory.homes.activity[due] >= 0) & ~quiet][: n * 2 // 3_000]
    memory.homes.moved[still] = now - 15 * 3_600.0
    memory.homes.door[still] = now - 30 * 3_600.0
    feeds = rng.choice(memory.feeds.count, n // 3_000, replace=False)
    feeds = feeds[memory.feeds.told[feeds] == 0]
    memory.feeds.received[feeds] = now - 3 * DAY
    memory.feeds.wait[feeds] = 3 * DAY


def _scan(engine: Engine, now: float) -> int:
    """Read the times at which anything is due, and nothing else."""
    m = engine.memory
    tables = (m.people, m.homes, m.open["device"])
    found = sum(int((t.due[: t.count] <= now).sum()) for t in tables)
    return found + m.feeds.overdue(now).size


# -- the register --------------------------------------------------------------------------------


def put(sizes: Sizes) -> dict[str, Any]:
    """Take in people, homes and devices one object each, as a start without a checkpoint does."""
    homes, people, devices = population.objects(sizes.put)
    engine = Engine(population.plan())
    took = seconds(lambda: engine.put(homes=homes, people=people, devices=devices))
    return {"people": sizes.put, "devices": len(devices), "seconds": round(took, 2),
            "people_per_s": round(sizes.put / took)}  # fmt: skip


# -- silence -------------------------------------------------------------------------------------


def silence(sizes: Sizes) -> dict[str, Any]:
    """How late silences are told in real time, at a tick a second; one stream in five falls silent.

    The clock is the machine's; sites have a thousand devices, so that none is down as a whole.
    """
    engine = Engine(population.plan())
    _, _, devices = population.objects(sizes.streams // 5 + 1)
    engine.put(devices=devices)
    feeds, memory = engine.memory.feeds, engine.memory
    rng, start = np.random.default_rng(5), time.time()
    memory.heard_since = start - 30 * DAY
    n = feeds.count
    memory.devices.heard[: memory.devices.count] = feeds.received[:n] = start
    feeds.wait[:n] = DAY
    falls = rng.choice(n, n // 5, replace=False)
    feeds.set_due(falls, start + rng.uniform(0.5, sizes.silence_s - 1.5, falls.size))
    due: dict[tuple[str, int], list[float]] = {}  # by whom the silence is told of
    hand = taken_by_hand(feeds.column[falls], feeds.cadence[falls])
    slots = feeds.whose(falls)
    owner = np.where(hand, memory.devices.person[slots], memory.devices.no[slots])
    moments = (feeds.received[falls] + feeds.wait[falls]).tolist()
    for at, by_hand, number in zip(moments, hand, owner.tolist(), strict=True):
        due.setdefault(("person" if by_hand else "device", number), []).append(at)
    late, ticks = [], []
    for tick in range(1, sizes.silence_s + 2):
        time.sleep(max(0.0, start + tick - time.time()))
        began = time.time()
        found = engine.on_time(now=began, heard_since=memory.heard_since)
        after = time.time()
        ticks.append(after - began)
        for one in found:
            mine = due.get((one.subject, one.subject_no), [])
            for at in [d for d in mine if d <= began]:
                late.append(after - at)
                mine.remove(at)
            assert one.at <= after
    left = sum(len(d) for d in due.values())
    return {
        "streams": n, "fell_silent": int(falls.size), "told": len(late), "never_told": left,
        "late_s": {"p50": _at(late, 50), "p99": _at(late, 99), "max": round(max(late), 3)},
        "early": sum(x < 0 for x in late), "tick_ms": {"p50": _at(ticks, 50, 1e3),
                                                     "max": round(1e3 * max(ticks), 1)},
    }  # fmt: skip


def _at(values: list[float], percent: float, scale: float = 1.0) -> float:
    return round(scale * float(np.percentile(values, percent)), 3)


# -- backtest ------------------------------------------------------------------------------------


def backtest(sizes: Sizes) -> dict[str, Any]:
    """All packs over generated days with a virtual clock, beside the same rules in plain Python.

    The reference judges one event at a time, on some of the people: see
    :class:`tests.benchmarks.plain.Rules`.
    """
    step = 3_600.0
    people, days = sizes.backtest_people, sizes.backtest_days
    rows = population.days(people, days)
    few = rows[rows["dwelling"] <= max(40, people // 200)]
    pairs, found, told = Pairs(), 0, 0
    for _ in range(sizes.repeats):
        judge = plain.Rules(population.plan(), population.ROOMS)
        judge.put(*_few(population.objects(people), few))
        began = time.perf_counter()
        run_plainly(judge, few, step)
        took = time.perf_counter() - began
        told = len(judge.found)
        engine = population.registered(people)
        began = time.perf_counter()
        found = _run(engine, rows, step)
        pairs.add(rows.size / (time.perf_counter() - began), few.size / took)
    out = pairs.told("events_per_s", "plain_python_per_s") | {
        "people": people, "days": days, "events": int(rows.size), "found": found,
        "clock_step_s": step, "plain_python_events": int(few.size), "plain_python_found": told,
    }  # fmt: skip
    return out | {"command": _command(people, rows)}


def _few(register: Register, rows: Rows) -> Register:
    """Return that part of a register that rows are of."""
    here, sent = set(rows["dwelling"].tolist()), set(rows["device"].tolist())
    homes, people, devices = register
    return (
        [one for one in homes if one.no in here],
        [one for one in people if one.home_no in here],
        [one for one in devices if one.no in sent],
    )


def run_plainly(judge: plain.Rules, rows: Rows, step: float) -> None:
    """Judge rows in plain Python, with the clock of :func:`_run`."""
    ticks, cuts = _steps(rows, step)
    first = float(rows["received"][0])
    every = rows.tolist()
    for n, now in enumerate(ticks):
        for row in every[cuts[n] : cuts[n + 1]]:
            judge.event(row, now)
        judge.tick(now, first)


def _command(people: int, rows: Rows) -> dict[str, Any]:
    """The same as ``telecare rules backtest`` does it: a clock of five minutes, episodes, days."""
    homes, persons, devices = population.objects(people)
    begin, end = float(rows["time"][0]), float(rows["time"][-1])
    last = begin + min(end - begin, 3 * DAY)
    part = rows[: np.searchsorted(rows["time"], last)]
    source = sources.Source(
        said="generated", homes=homes, people=persons, devices=devices, parts=population.ROOMS,
        person_ids={p.no: str(p.no) for p in persons}, home_ids={h.no: str(h.no) for h in homes},
        device_ids={d.no: str(d.no) for d in devices}, begin=begin, end=last,
        chunks=lambda: iter([part]),
    )  # fmt: skip
    took = seconds(lambda: backtest_run.run(source, registry.load()))
    return {"events": int(part.size), "clock_step_s": backtest_run.STEP_S,
            "events_per_s": round(part.size / took)}  # fmt: skip


def recorded(folder: Path) -> dict[str, Any]:
    """All packs over recorded homes, as ``telecare rules backtest --source tihm:DIR`` does it."""
    took = []
    for _ in range(3):
        began = time.perf_counter()
        found = backtest_run.run(tihm.read(folder), registry.load())
        took.append(time.perf_counter() - began)
    return {"seconds": _median(took, 2), "events": found.rows, "episodes": len(found.episodes)}


def _run(engine: Engine, rows: Rows, step: float) -> int:
    return sum(1 for _ in run_engine(engine, rows, step))


def run_engine(engine: Engine, rows: Rows, step: float) -> Iterator[model.Finding]:
    """Judge rows with a clock that goes on by a step, and return what is found."""
    ticks, cuts = _steps(rows, step)
    first = float(rows["received"][0])
    for n, now in enumerate(ticks):
        yield from engine.on_data(rows[cuts[n] : cuts[n + 1]], now=now)
        yield from engine.on_time(now=now, heard_since=first)


def _steps(rows: Rows, step: float) -> tuple[list[float], list[int]]:
    """Return the moments of a clock, and the rows up to each."""
    received = np.ascontiguousarray(rows["received"])
    ticks = np.arange(received[0] + step, received[-1] + step, step)
    return ticks.tolist(), [0, *np.searchsorted(received, ticks, side="right").tolist()]


# -- all of it -----------------------------------------------------------------------------------

PARTS: dict[str, Callable[[Sizes], dict[str, Any]]] = {
    "score": score, "on_data": on_data, "sweep": sweep, "put": put, "silence": silence,
    "backtest": backtest,
}  # fmt: skip


def run(sizes: Sizes, only: tuple[str, ...] = ()) -> dict[str, Any]:
    """Measure and return everything, or the parts that are named."""
    return {name: part(sizes) for name, part in PARTS.items() if not only or name in only}


def table(figures: dict[str, Any]) -> list[tuple[str, str, str, bool | None]]:
    """Return what was reached, what should be, and whether it was."""
    out: list[tuple[str, str, str, bool | None]] = []
    if one := figures.get("score"):
        out.append(("NEWS2", f"{one['patients_per_s']}/s = {one['ratio']}x", ">= 30e6/s, 15x",
                    one["patients_per_s"] >= 30e6 and one["ratio"] >= 15))  # fmt: skip
    if one := figures.get("on_data"):
        out.append(("readings judged, all packs", f"{one['readings_per_s']}/s = {one['ratio']}x",
                    ">= 300e3/s", one["readings_per_s"] >= 300e3))  # fmt: skip
    for people, at in figures.get("sweep", {}).items():
        if isinstance(at, dict):
            whole = people == "3000000"
            out.append(
                (
                    f"sweep of {int(people):.0e} people",
                    f"{at['seconds']} s = {at['ratio']}x",
                    "<= 1 s" if whole else "",
                    at["seconds"] <= 1.0 if whole else None,
                )
            )
            size = at["bytes_per_person"]["all"]
            out.append(("  state", f"{size} B/person", "<= 1024 B", size <= 1024))
        elif people == "everything":
            out.append(("state of who has everything", f"{at} B/person", "", None))
    if one := figures.get("silence"):
        out.append(
            (
                "silence told",
                f"p99 {one['late_s']['p99']} s late, {one['early']} early",
                "<= 1.5 s, none",
                one["late_s"]["p99"] <= 1.5 and not one["early"],
            )
        )
    if one := figures.get("backtest"):
        out.append(
            (
                "backtest, all packs",
                f"{one['events_per_s']}/s = {one['ratio']}x",
                ">= 1e6/s, 10x",
                one["events_per_s"] >= 1e6 and one["ratio"] >= 10,
            )
        )
    if one := figures.get("recorded"):
        out.append(("recorded homes, all packs", f"{one['seconds']} s for {one['events']} events",
                    "<= 60 s", one["seconds"] <= 60))  # fmt: skip
    return out


def lines(rows: list[tuple[str, str, str, bool | None]]) -> str:
    """Return the table as text."""
    mark = {True: "met", False: "NOT MET", None: ""}
    return "\n".join(f"{a:<30}{b:<34}{c:<16}{mark[d]}" for a, b, c, d in rows)


def main() -> None:
    """Run, print, and say by the exit code only whether it could be measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.rules")
    parser.add_argument("--quick", action="store_true", help="smaller sizes")
    parser.add_argument("--only", nargs="*", default=(), choices=sorted(PARTS))
    parser.add_argument("--tihm", type=Path, help="recorded homes to run over too")
    given = parser.parse_args()
    figures = run(QUICK if given.quick else FULL, tuple(given.only))
    if given.tihm:
        figures["recorded"] = recorded(given.tihm)
    print(lines(table(figures)), file=sys.stderr)
    machine = {"cores": os.cpu_count(), "load": [round(x, 2) for x in os.getloadavg()]}
    print(json.dumps({"machine": machine, "rules": figures}, indent=2))


if __name__ == "__main__":
    main()
