"""Tests of `firmware_sim.devices.thermometer`."""

from __future__ import annotations

from tests.unit.firmware_sim.devices import test_monitors as monitors


def test_celsius_and_fahrenheit_are_the_same_temperature():
    celsius = monitors.packs(monitors.measured("thermometer")[0])[0][0]
    fahrenheit = monitors.packs(monitors.measured("thermometer", unit="[degF]")[0])[0][0]
    assert (celsius["u"], fahrenheit["u"]) == ("Cel", "[degF]")
    assert abs(fahrenheit["v"] - (celsius["v"] * 9 / 5 + 32)) < 0.051
