"""Sensors that belong to a room: motion, door, bed, temperature and smoke."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from firmware_sim import timing, wire
from firmware_sim.devices import alarms, base

ROOM_EVERY_S = 900.0
"""How often a room's temperature is told (unsourced)."""
_BLIND_S = 20.0  # after a motion a PIR sees nothing for a while (unsourced)
_WARM, _COLD = 20.5, 15.0  # degrees Celsius with and without heating (unsourced)


class RoomSensor(base.Device):
    """Tells what its household does at its place."""

    quantity: ClassVar[str]
    default_place: ClassVar[str]
    blind_s: ClassVar[float] = 0.0
    words: ClassVar[Mapping[str, bool]] = {}
    """What a story calls the things that the sensor notices."""

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
            self.observe([self.record(f"{self.place}/{self.quantity}", value), *self.beside()])

    def beside(self) -> list[wire.Record]:
        """Return what the sensor tells along with it."""
        return []

    def incident(self, do: str, args: Mapping[str, Any]) -> None:
        """Notice what the story says, or what happens to any device."""
        if do in self.words:
            self.notice(self.words[do])
        else:
            super().incident(do, args)


class MotionSensor(RoomSensor):
    """A PIR. Some tell how light it is (``lux``); some carry a light that a command switches on."""

    quantity = "motion"
    default_place = "lounge"
    blind_s = _BLIND_S
    words: ClassVar[Mapping[str, bool]] = {"move": True}

    def beside(self) -> list[wire.Record]:
        """Return how light it is, where the sensor can tell."""
        lux = self.spec.play.get("lux")
        return [] if lux is None else [self.record(f"{self.place}/illuminance", float(lux), "lx")]

    def do(self, command: wire.Command) -> tuple[bool, str]:
        """Switch the light."""
        if command.do in {"light_on", "light_off"}:
            return True, "on" if command.do == "light_on" else "off"
        return super().do(command)


class DoorSensor(RoomSensor):
    """A contact on a door."""

    quantity = "door_open"
    default_place = "front-door"
    words: ClassVar[Mapping[str, bool]] = {"open": True, "close": False}


class BedSensor(RoomSensor):
    """A mat under a mattress."""

    quantity = "bed_occupied"
    default_place = "bedroom"
    words: ClassVar[Mapping[str, bool]] = {"lie_down": True, "get_up": False}


class RoomThermometer(base.Device):
    """Tells how warm a room is, now and then; ``heating_fails`` is when it turns cold."""

    def started(self) -> None:
        """Begin to tell."""
        self.place = str(self.spec.play.get("place", "lounge"))
        self._every = timing.seconds(self.spec.play.get("every", ROOM_EVERY_S))
        self.world.after(self._every, self._tell)

    def _tell(self) -> None:
        fails = timing.seconds(self.spec.play.get("heating_fails", "3650d"))
        usual = _WARM if self.world.story() < fails else _COLD
        degrees = usual + float(self.rng.normal(0, 0.2))
        self.observe([self.record(f"{self.place}/room_temperature", round(degrees, 1), "Cel")])
        if not self.dead:
            self.world.after(self._every, self._tell)


class SmokeAlarm(alarms.AlarmDevice):
    """A smoke alarm on the ceiling."""

    def incident(self, do: str, args: Mapping[str, Any]) -> None:
        """Smell smoke, or what happens to any device."""
        if do == "smoke":
            self.alarm(self.place("smoke"))
        else:
            super().incident(do, args)
