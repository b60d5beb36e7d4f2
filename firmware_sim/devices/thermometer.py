"""A body thermometer; some show Fahrenheit, and say so."""

from __future__ import annotations

from firmware_sim import wire
from firmware_sim.devices import monitors


class Thermometer(monitors.Monitor):
    """Held in the ear."""

    quantities = ("body_temperature",)
    usual_times = ("08:05",)

    def read(self) -> list[wire.Record]:
        """Return the temperature in the unit that the device is set to."""
        records = super().read()
        if self.spec.play.get("unit") != "[degF]":
            return records
        celsius = float(records[0].value)
        # NIST SP 811 (2008), B.8: degrees Fahrenheit = 1.8 times degrees Celsius + 32
        return [self.record("body_temperature", round(celsius * 1.8 + 32, 1), "[degF]")]
