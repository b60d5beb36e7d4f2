"""A worn fall detector: an impact followed by stillness is an alarm; the wearer may cancel it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from firmware_sim.devices import alarms


class FallDetector(alarms.AlarmDevice):
    """Tells of falls, and has a button as well."""

    def incident(self, do: str, args: Mapping[str, Any]) -> None:
        """Fall, press the button, or what happens to any device."""
        match do:
            case "fall":
                if self.spec.home:
                    self.world.household(self.spec.home).down = True
                self.alarm(self.place("fall"))
            case "press":
                self.alarm(self.place("sos"))
            case "cancel":
                self.world.household(self.spec.home).down = False
                super().incident(do, args)
            case _:
                super().incident(do, args)
