"""A home hub: gathers a home's sensors, keeps readings while offline, sends them late."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from firmware_sim import timing, wire
from firmware_sim.devices import alarms, room_sensors

_PACK = 200  # docs/wire, Size: a few hundred records
_FLUSH_S = 30.0
_KEEP = 50_000  # what its flash holds
_PATIENCE_S = 30.0


class HomeHub(alarms.AlarmDevice):
    """Keeps a reading until the hub answered that it is stored; its alarms wait for receipts."""

    resolution = 0.001

    def started(self) -> None:
        """Watch all its sensors."""
        super().started()
        self._kept: list[wire.Record] = []
        self._first = 0  # the number of the oldest reading kept
        self._under_way = self._number = 0  # the pack that waits for its answer; 0: none does
        household = self.world.household(self.spec.home)
        for text in self.spec.play.get("sensors", ()):
            quantity, _, place = text.partition(":")
            if quantity == "room_temperature":
                self.world.after(60.0, functools.partial(self._temperature, place))
            else:
                household.listen(quantity, place, self._note(f"{place}/{quantity}"))
        self._flush_every = timing.seconds(self.spec.play.get("flush", _FLUSH_S))
        self.world.after(self._flush_every, self._flush_due)

    def _note(self, name: str) -> Any:
        return lambda value: self.keep(self.record(name, value))

    def _temperature(self, place: str) -> None:
        # a room follows the day: unsourced, for a believable stream only
        degrees = 18.5 + 2.0 * float(self.rng.normal(0, 0.2)) + self._warmth()
        self.keep(self.record(f"{place}/room_temperature", round(degrees, 1), "Cel"))
        if not self.dead:
            self.world.after(room_sensors.ROOM_EVERY_S, lambda: self._temperature(place))

    def _warmth(self) -> float:
        cold = timing.seconds(self.spec.play.get("heating_fails", "3650d"))
        return -5.0 if self.world.story() > cold else 1.5

    def keep(self, record: wire.Record) -> None:
        """Put a reading in the flash; the oldest makes room when it is full."""
        if self.dead or self.silent:
            return
        self._kept.append(record)
        if len(self._kept) > _KEEP:
            self.world.tally.faults["dropped by a full home hub"] += 1
            self._let_go(self._first + 1)

    @property
    def held(self) -> int:
        """Return how many readings are not known to be stored."""
        return len(self._kept)

    def _flush_due(self) -> None:
        self.flush()
        if not self.dead:
            self.world.after(self._flush_every, self._flush_due)

    def connected(self) -> None:
        """Say that it is there, then whatever has gathered."""
        super().connected()
        self._under_way = 0
        self.flush()

    def flush(self) -> None:
        """Send the oldest readings; the next pack follows the answer to this one."""
        if not self.link.up or not self._kept or self._under_way:
            return
        pack = self._kept[: int(self.spec.play.get("pack", _PACK))]
        end = self._first + len(pack)
        if not self.spec.play.get("ask", True):
            self._let_go(end)
            self.observe(pack)
            return
        self._number += 1
        number = self._under_way = self._number
        self.observe(pack, stored=lambda _: self._stored(number, end))
        self.world.after_real(_PATIENCE_S, lambda: self._give_up(number))

    def _give_up(self, number: int) -> None:
        """Send again what was never answered: storing it twice changes nothing."""
        if self._under_way == number:
            self._under_way = 0
            self.flush()

    def _stored(self, number: int, end: int) -> None:
        self._let_go(end)
        if self._under_way == number:  # not the second answer to a pack that went out twice
            self._under_way = 0
            self.flush()

    def _let_go(self, end: int) -> None:
        """Forget the readings numbered below ``end``."""
        count = max(end - self._first, 0)
        del self._kept[:count]
        self._first += count

    def stop(self) -> None:
        """Send what is left, then go."""
        self.flush()
        super().stop()

    def do(self, command: wire.Command) -> tuple[bool, str]:
        """Switch a light of the home, or send what is kept."""
        match command.do:
            case "light_on" | "light_off":
                return True, "on" if command.do == "light_on" else "off"
            case "measure":
                self.flush()
                return True, f"{self.held} readings on their way"
            case _:
                return super().do(command)

    def incident(self, do: str, args: Mapping[str, Any]) -> None:
        """Have its own red button pressed, or what happens to any device."""
        if do == "press":
            self.alarm(self.place("sos"))
        else:
            super().incident(do, args)
