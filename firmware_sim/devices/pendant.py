"""A pendant: a button around the neck. Each press is an alarm of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from firmware_sim.devices import alarms


class Pendant(alarms.AlarmDevice):
    """Calls for help when pressed."""

    def incident(self, do: str, args: Mapping[str, Any]) -> None:
        """Press the button, or what happens to any device."""
        if do == "press":
            self.alarm(self.place("sos"))
        else:
            super().incident(do, args)
