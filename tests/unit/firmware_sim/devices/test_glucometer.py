"""Tests of `firmware_sim.devices.glucometer`."""

from __future__ import annotations

from tests.unit.firmware_sim.devices import test_monitors as monitors


def test_both_units_are_the_same_glucose():
    molar = monitors.packs(monitors.measured("glucometer")[0])[0][0]
    mass = monitors.packs(monitors.measured("glucometer", unit="mg/dL")[0])[0][0]
    assert (molar["u"], mass["u"]) == ("mmol/L", "mg/dL")
    assert abs(mass["v"] / 18.0156 - molar["v"]) < 0.05
