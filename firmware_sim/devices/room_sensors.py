"""Sensors that belong to a room: motion, door, bed and smoke."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from firmware_sim import wire
from firmware_sim.devices import alarms, base

_BLIND_S = 20.0  # after a motion a PIR sees nothing for a while (unsourced)


class RoomSensor(base.Device):
    """Tells what its household does at its place."""

    quantity: ClassVar[str]
    default_place: ClassVar[str]
    blind_s: ClassVar[float] = 0.0

    def started(self) -> None:
        """Watch the place."""
        self._last = float("-inf")
        self.place = str(self.spec.play.get("place", self.default_place))
        household = self.world.household(self.spec.home)
        household.listen(self.quantity, self.place, self.notice)

    def notice(self, value: bool | float) -> None:
        """Publish what was noticed."""
        if self.world.now() - self._last >= self.blind_s:
            self._last = self.world.now()
            self.observe([self.record(f"{self.place}/{self.quantity}", value)])


class MotionSensor(RoomSensor):
    """A PIR. Some carry a light that a command can switch on, so that falls are less likely."""

    quantity = "motion"
    default_place = "lounge"
    blind_s = _BLIND_S

    def do(self, command: wire.Command) -> tuple[bool, str]:
        """Switch the light."""
        if command.do in {"light_on", "light_off"}:
            return True, "on" if command.do == "light_on" else "off"
        return super().do(command)


class DoorSensor(RoomSensor):
    """A contact on a door."""

    quantity = "door_open"
    default_place = "front-door"


class BedSensor(RoomSensor):
    """A mat under a mattress."""

    quantity = "bed_occupied"
    default_place = "bedroom"


class SmokeAlarm(alarms.AlarmDevice):
    """A smoke alarm on the ceiling."""

    def incident(self, do: str, args: Mapping[str, Any]) -> None:
        """Smell smoke, or what happens to any device."""
        if do == "smoke":
            self.alarm(self.place("smoke"))
        else:
            super().incident(do, args)
