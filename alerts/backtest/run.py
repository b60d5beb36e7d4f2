"""The virtual clock: recorded rows through the engine of live use, as fast as it goes.

Between two steps of the clock everything that was received goes in as one batch; at each step the
clock's own rules are judged. Steps at which nothing is due and nothing came are skipped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from alerts import plan as plans
from alerts.backtest.episodes import FAULT_RULE, Alarms, Collector, Episode
from alerts.backtest.sources import Source
from alerts.engine import Engine
from alerts.rules import pack, registry
from alerts.state.memory import Memory
from alerts.state.table import IntArray
from ingest.kernel import localtime
from ingest.kernel.observation import Quality, Rows

STEP_S: Final = 300.0
"""How often the virtual clock ticks. Unsourced. [s]"""
_NEVER_JUDGED: Final = int(
    Quality.HISTORICAL | Quality.RETAINED | Quality.IMPORTED | Quality.IMPLAUSIBLE
)
_NEVER_SHOWN: Final = int(Quality.HISTORICAL | Quality.RETAINED | Quality.IMPORTED)


@dataclass(slots=True)
class Crossings:
    """Readings outside their limits, before anything is done about it."""

    raw: int = 0
    plausible: int = 0  # without those that no living person or working sensor gives


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What packs would have told of a source."""

    source: Source
    rules: Mapping[str, pack.Rule]
    packs: Mapping[str, str]  # id -> version
    episodes: list[Episode]
    days: Mapping[int, frozenset[int]]  # person -> local days with any reading
    home_days: Mapping[int, frozenset[int]]
    rows: int
    crossings: Crossings
    muted: Mapping[str, int]
    commands: Mapping[str, int]

    @property
    def person_days(self) -> int:
        """Return the person-days of everybody."""
        return sum(len(d) for d in self.days.values())


@dataclass(slots=True)
class Days:
    """Which local days of whom anything was received of."""

    people: set[int] = field(default_factory=set)  # number * _WIDE + day
    homes: set[int] = field(default_factory=set)

    _WIDE = 1 << 20

    def take(self, memory: Memory, rows: Rows) -> None:
        """Take in rows: a person's own readings, and those of a home for all who live there."""
        slots = memory.homes.rows(rows["dwelling"])
        rows, slots = rows[slots >= 0], slots[slots >= 0]
        if not rows.size:
            return
        local = memory.zones.local(np.ascontiguousarray(rows["time"]), memory.homes.zone[slots])
        day = localtime.day(local)
        own = rows["person"] > 0
        self.people.update(np.unique(rows["person"][own] * self._WIDE + day[own]).tolist())
        of_home = np.unique(rows["dwelling"] * self._WIDE + day)
        self.homes.update(of_home.tolist())
        shared = np.unique(rows["dwelling"][~own] * self._WIDE + day[~own])
        n = memory.people.count
        lives = memory.people.home[:n]
        order = np.argsort(lives, kind="stable")
        home, at = np.divmod(shared, self._WIDE)
        first = np.searchsorted(lives[order], home, side="left")
        last = np.searchsorted(lives[order], home, side="right")
        for nth in range(int((last - first).max(initial=0))):  # residents of one home
            there = first + nth < last
            who = memory.people.no[order[first[there] + nth]]
            self.people.update((who * self._WIDE + at[there]).tolist())

    def of(self, kind: str) -> dict[int, frozenset[int]]:
        """Return the days of each number."""
        out: dict[int, set[int]] = {}
        for key in getattr(self, kind):
            number, day = divmod(key, self._WIDE)
            out.setdefault(number, set()).add(day)
        return {number: frozenset(out[number]) for number in sorted(out)}


def run(
    source: Source,
    rules: registry.Registry,
    *,
    step: float = STEP_S,
    defaults: plans.Defaults | None = None,
    progress: Callable[[float], None] | None = None,
) -> Run:
    """Judge a source by packs with a virtual clock.

    Parameters
    ----------
    source
        What was recorded.
    rules
        The packs to be judged by.
    step
        How often the clock ticks. [s]
    defaults
        Settings that rules without their own go by.
    progress
        Called with the share that is done, 0 to 1.
    """
    plan = plans.compile_packs(rules.packs.values(), defaults or plans.Defaults())
    engine = Engine(plan)
    engine.put(homes=source.homes, people=source.people, devices=source.devices)
    engine.memory.learn_parts(source.parts)
    collect = Collector(
        Alarms(
            rules={r.quantity: r for r in rules.of(pack.AlarmRule)},
            fault=rules.rules.get(FAULT_RULE),
        ),
        ends=source.ends,
    )
    crossings, days, count, clock = Crossings(), Days(), 0, math.floor(source.begin / step) * step
    span = max(source.end - source.begin, 1.0)
    for rows in source.chunks():
        days.take(engine.memory, rows)
        _cross(engine.memory, rows, crossings)
        collect.emergencies(rows)
        collect.faults(rows)
        count += rows.size
        for tick, batch in _batches(rows, step):
            clock = _sleep(engine, collect, clock, tick - step, step, source.begin)
            now = float(batch["received"][-1])
            collect.take(engine.on_data(batch, now=now), now=now)
        if progress is not None:
            progress((float(rows["received"][-1]) - source.begin) / span)
    end = math.ceil(source.end / step) * step
    _sleep(engine, collect, clock, end, step, source.begin)
    return Run(
        source=source, rules=rules.rules, packs={p.id: p.version for p in rules.packs.values()},
        episodes=collect.finish(end=source.end), days=days.of("people"),
        home_days=days.of("homes"), rows=count, crossings=crossings, muted=collect.muted,
        commands=collect.commands,
    )  # fmt: skip


def _batches(rows: Rows, step: float) -> Iterator[tuple[float, Rows]]:
    """Return what was received up to each step of the clock, where anything was."""
    tick = np.ceil(np.ascontiguousarray(rows["received"]) / step)
    cuts = np.flatnonzero(np.r_[True, tick[1:] != tick[:-1], True])
    for first, last in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
        yield float(tick[first]) * step, rows[first:last]


def _sleep(
    engine: Engine, collect: Collector, clock: float, until: float, step: float, begin: float
) -> float:
    """Let the clock go on to ``until`` and judge at those steps at which something is due."""
    while True:
        due = next_due(engine.memory)
        at = max(clock + step, math.ceil(due / step) * step if math.isfinite(due) else due)
        if at > until:
            return max(clock, until)
        collect.take(engine.on_time(now=at, heard_since=begin), now=at)
        clock = at


def next_due(memory: Memory) -> float:
    """Return when the clock alone may change something next. [s, Unix]"""
    tables = (memory.homes, memory.people, memory.open["device"])
    due = (float(t.due[: t.count].min(initial=np.inf)) for t in tables)
    return min(memory.feeds.next_due(), *due)


def _cross(memory: Memory, rows: Rows, crossings: Crossings) -> None:
    """Count readings outside the limits that are in force for each person."""
    shown = (rows["person"] > 0) & ((rows["flags"] & _NEVER_SHOWN) == 0)
    rows = rows[shown]
    slots: IntArray = memory.people.rows(rows["person"])
    for column in np.unique(rows["quantity"]).tolist():
        if column not in memory.plan.limits:
            continue
        mine = (rows["quantity"] == column) & (slots >= 0)
        low, high, _ = memory.limit(slots[mine], column)
        value = rows["value"][mine]
        out = (value < low) | (value > high)
        crossings.raw += int(out.sum())
        fit = (rows["flags"][mine] & _NEVER_JUDGED) == 0
        crossings.plausible += int((out & fit).sum())
