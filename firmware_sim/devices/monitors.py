"""What the vital-sign monitors share: they measure a body when it is time, or when asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from firmware_sim import physiology, timing, wire
from firmware_sim.devices import base

_PUNCTUALITY_S = 600.0  # standard deviation around the time of day agreed (unsourced)
_AWAKE_S = 20.0  # how long a sleepy device waits for its answer before it sleeps
_DOZE_S = 0.5


class Monitor(base.Device):
    """Measures ``quantities`` at ``times`` of day, or ``every`` so often."""

    quantities: ClassVar[Sequence[str]]
    usual_times: ClassVar[Sequence[str]] = ("08:00",)

    def started(self) -> None:
        """Plan the first measurement."""
        play = self.spec.play
        self._body = self.world.body(self.spec.person)
        if "every" in play:
            self.world.after(timing.seconds(play.get("first", play["every"])), self._periodic)
        else:
            if "first" in play:
                self.world.after(timing.seconds(play["first"]), self.measure)
            for text in play.get("times", self.usual_times):
                self._plan(timing.time_of_day(text))

    def _periodic(self) -> None:
        self.measure()
        if not self.dead:
            self.world.after(timing.seconds(self.spec.play["every"]), self._periodic)

    def _plan(self, clock_time: float) -> None:
        """Measure at a time of day, each day, as punctually as people are."""
        until = (clock_time - self.world.clock_time()) % timing.DAY
        late = abs(float(self.rng.normal(0, _PUNCTUALITY_S)))

        def due() -> None:
            self.measure()
            if not self.dead:
                rest = max(timing.DAY - late - 1, 1.0)
                self.world.after(rest, lambda: self._plan(clock_time))

        self.world.after(until + late, due)

    def read(self) -> list[wire.Record]:
        """Return the readings of one measurement."""
        return [self.vital(quantity) for quantity in self.quantities]

    def vital(self, quantity: str) -> wire.Record:
        """Return one reading of the body."""
        unit = physiology.NORMS[quantity].unit
        value = self._body.measure(quantity, self.world.story(), self.world.clock_time())
        return self.record(quantity, value, unit)

    def measure(self) -> None:
        """Measure and publish; a sleepy device wakes for it."""
        if self.sleepy and not self.dead:
            self.connect()
            self.world.after_real(_DOZE_S, lambda: self._doze(_AWAKE_S))
        self.observe(self.read())

    def _doze(self, patience: float) -> None:
        """Sleep as soon as nothing is owed any more, or patience runs out."""
        if (self.unanswered or self.link.waiting) and patience > 0:
            self.world.after_real(_DOZE_S, lambda: self._doze(patience - _DOZE_S))
        else:
            self.sleep()

    def do(self, command: wire.Command) -> tuple[bool, str]:
        """Measure when asked."""
        if command.do == "measure":
            self.measure()
            return True, "measured"
        return super().do(command)

    def incident(self, do: str, args: Mapping[str, Any]) -> None:
        """Measure out of turn, or what happens to any device."""
        if do == "measure":
            self.measure()
        else:
            super().incident(do, args)
