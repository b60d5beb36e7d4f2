"""Many devices on one loop, playing a scenario against a broker."""

from __future__ import annotations

import heapq
import itertools
import json
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from firmware_sim import households, physiology, report, scenarios, timing, transport
from firmware_sim.devices import alarms, base, catalogue

_AT_ONCE = 200  # story actions between two looks at the network
_MOST_IN_FLIGHT = 4000  # beyond it the story waits: its readings carry their own time
_POLL_S = 0.25


class MissingPasswordError(ValueError):
    """A device of the scenario has no password among the credentials."""


class AlarmMemory:
    """The flash of all devices: alarms not delivered yet, over a restart of the simulator."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._kept: dict[str, list[dict[str, Any]]] = {}
        if path is not None and path.exists():
            self._kept = json.loads(path.read_text(encoding="utf-8"))

    def keep(self, device: str, pending: Sequence[Mapping[str, Any]]) -> None:
        """Write what a device has not delivered."""
        self._kept[device] = [dict(row) for row in pending]
        if self._path is not None:
            fresh = self._path.with_suffix(".new")
            fresh.write_text(json.dumps(self._kept), encoding="utf-8")
            fresh.replace(self._path)

    def recall(self, device: str) -> list[dict[str, Any]]:
        """Return what a device had not delivered."""
        return self._kept.get(device, [])


class Fleet:
    """A scenario's devices, homes and people. It is the world that each device is given."""

    def __init__(
        self,
        *,
        scenario: scenarios.Scenario,
        network: transport.Network,
        real_time: Callable[[], float],
        speed: float | None = None,
        seed: int | None = None,
        credentials: Mapping[str, str] | None = None,
        memory: AlarmMemory | None = None,
        until: float | None = None,
    ) -> None:
        self.scenario = scenario
        self.tally = report.Tally()
        self.clock = timing.StoryClock(
            started=real_time(),
            live_from=scenario.live_from if until is None else min(until, scenario.live_from),
            speed=scenario.speed if speed is None else speed,
        )
        self.seed = scenario.seed if seed is None else seed
        self._network = network
        self._real_time = real_time
        self._memory = memory or AlarmMemory(None)
        self._end = scenario.duration if until is None else min(until, scenario.duration)
        self._moment: float | None = 0.0  # story time of the action under way
        self._order = itertools.count()
        self._story_due: list[tuple[float, int, Callable[[], None]]] = []
        self._real_due: list[tuple[float, int, Callable[[], None]]] = []
        self._sessions = itertools.count(1)
        self._households: dict[str, households.Household] = {}
        self._bodies: dict[str, physiology.Body] = {}
        self.devices = [self._device(spec, credentials) for spec in scenario.devices]

    def _chance(self, what: str) -> np.random.Generator:
        """Return chance of its own for a device, home or person, whoever else is in the story."""
        return np.random.default_rng([self.seed, zlib.crc32(what.encode())])

    def _device(
        self, spec: scenarios.DeviceSpec, credentials: Mapping[str, str] | None
    ) -> base.Device:
        account = None
        if credentials is not None:
            if spec.key not in credentials:
                raise MissingPasswordError(f"no password for {spec.key}")
            account = (spec.key, credentials[spec.key])
        return catalogue.KINDS[spec.kind](
            spec=spec,
            world=self,
            rng=self._chance(spec.key),
            network=self._network,
            account=account,
            trouble=[f for f in self.scenario.faults if f.device in {spec.id, "*"}],
        )

    # -- the world, as devices see it --

    def story(self) -> float:
        """Return the present moment, seconds since the story began."""
        return self.clock.story(self._real_time()) if self._moment is None else self._moment

    def now(self) -> float:
        """Return the present moment of the story, Unix seconds."""
        return self.clock.unix(self.story())

    def real(self) -> float:
        """Return the world's time."""
        return self._real_time()

    def clock_time(self) -> float:
        """Return the time of day, the scenario's own where it has one. [s]"""
        begins = self.scenario.begins
        if begins is None:
            begins = self.clock.begins
        return (begins + self.story()) % timing.DAY

    def after(self, delay: float, action: Callable[[], None]) -> None:
        """Call ``action`` after so many story seconds."""
        due = self.story() + delay
        heapq.heappush(self._story_due, (due, next(self._order), action))

    def after_real(self, delay: float, action: Callable[[], None]) -> None:
        """Call ``action`` after so many seconds of the world's time."""
        due = self._real_time() + delay
        heapq.heappush(self._real_due, (due, next(self._order), action))

    def household(self, home: str) -> households.Household:
        """Return the daily life of a home."""
        if home not in self._households:
            self._households[home] = households.Household(
                calendar=self, rng=self._chance(f"home {home}"), pace=self.scenario.pace
            )
        return self._households[home]

    def body(self, person: str) -> physiology.Body:
        """Return a person's body."""
        if person not in self._bodies:
            self._bodies[person] = physiology.Body(
                rng=self._chance(f"person {person}"),
                baseline=self.scenario.bodies.get(person),
                courses=self.scenario.courses.get(person, ()),
                steadiness=self.scenario.steadiness,
            )
        return self._bodies[person]

    def remember(self, device: str, pending: Sequence[Mapping[str, Any]]) -> None:
        """Keep a device's undelivered alarms over a restart."""
        self._memory.keep(device, pending)

    def recall(self, device: str) -> Sequence[Mapping[str, Any]]:
        """Return the undelivered alarms of the last run."""
        return self._memory.recall(device)

    def session(self) -> str:
        """Return a name for a new connection, never used before."""
        return f"{round(self.clock.started * 1000):x}-{next(self._sessions)}"

    # -- running --

    def begin(self) -> None:
        """Switch everything on and plan what the scenario says will happen."""
        self._moment = 0.0
        for device in self.devices:
            device.begin()
        for home in sorted({d.home for d in self.scenario.devices if d.home}):
            self.household(home).begin()
        named = {d.spec.id: d for d in self.devices}
        for incident in self.scenario.incidents:
            self._plan(incident, incident.at, named)
        self._moment = None

    def _plan(
        self, incident: scenarios.Incident, at: float, named: Mapping[str, base.Device]
    ) -> None:
        def happen() -> None:
            if incident.device:
                named[incident.device].incident(incident.do, incident.args)
            else:
                self.household(incident.home).down = incident.do == "down"
            if incident.every is not None:
                self._plan(incident, at + incident.every, named)

        heapq.heappush(self._story_due, (at, next(self._order), happen))

    def run(self, *, linger: float = 15.0, stopped: Callable[[], bool] = lambda: False) -> None:
        """Play until the story's end, then wait up to ``linger`` seconds for what is still owed."""
        self.begin()
        while not stopped() and not self._over():
            self.step()
        deadline = self._real_time() + linger
        while not stopped() and self.owed() and self._real_time() < deadline:
            self._real_actions()
            self._network.poll(_POLL_S)
        for device in self.devices:
            device.stop()
        deadline = self._real_time() + 2.0
        while self.in_flight() and self._real_time() < deadline:
            self._network.poll(_POLL_S)

    def step(self) -> None:
        """Do what is due, then serve the network until something else is."""
        self._real_actions()
        if self.in_flight() < _MOST_IN_FLIGHT:
            self._story_actions()
        self._network.poll(self._pause())

    def _over(self) -> bool:
        end = self._end
        if self.clock.story(self._real_time()) < end:
            return False
        return not self._story_due or self._story_due[0][0] > end

    def _story_actions(self) -> None:
        until = min(self.clock.story(self._real_time()), self._end)
        for _ in range(_AT_ONCE):
            if not self._story_due or self._story_due[0][0] > until:
                break
            self._moment, _order, action = heapq.heappop(self._story_due)
            action()
        self._moment = None

    def _real_actions(self) -> None:
        while self._real_due and self._real_due[0][0] <= self._real_time():
            heapq.heappop(self._real_due)[2]()

    def _pause(self) -> float:
        """Return how long nothing is due."""
        due = [self.clock.real(self._story_due[0][0])] if self._story_due else []
        due += [self._real_due[0][0]] if self._real_due else []
        due += [self.clock.real(self._end)] if self._end < math.inf else []
        wait = min(due, default=math.inf) - self._real_time()
        return min(max(wait, 0.0), _POLL_S)

    def in_flight(self) -> int:
        """Return how many messages the broker has not acknowledged."""
        return sum(device.link.waiting for device in self.devices)

    def pending_alarms(self) -> list[str]:
        """Return the alarms without a receipt, as ``site/device alarm-id``."""
        return [
            f"{d.spec.key} {alarm_id}"
            for d in self.devices
            if isinstance(d, alarms.AlarmDevice) and not d.dead
            for alarm_id in d.pending
        ]

    def owed(self) -> bool:
        """Return whether the broker or the hub still owes an acknowledgement, receipt or answer."""
        alive = [d for d in self.devices if not d.dead]
        return any(d.link.waiting or d.unanswered for d in alive) or bool(self.pending_alarms())

    def document(self) -> dict[str, Any]:
        """Return the report of the run."""
        ended = self._real_time()
        return {
            "scenario": self.scenario.name,
            "seed": self.seed,
            "speed": self.clock.speed,
            "story_began": round(self.clock.begins, 3),
            "story_ended": round(self.clock.unix(self.clock.story(ended)), 3),
            "seconds": round(ended - self.clock.started, 3),
            "devices": len(self.devices),
            "connected": sum(d.link.up for d in self.devices),
            **self.tally.document(),
            "in_flight": self.in_flight(),
            "pending_alarms": self.pending_alarms(),
            "unanswered": sum(d.unanswered for d in self.devices),
        }
