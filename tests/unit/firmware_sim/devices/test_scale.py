"""Tests of `firmware_sim.devices.scale`."""

from __future__ import annotations

from tests.unit.firmware_sim.devices import test_monitors as monitors


def test_kilograms_and_pounds_are_the_same_weight():
    kilograms = monitors.packs(monitors.measured("scale")[0])[0][0]
    pounds = monitors.packs(monitors.measured("scale", unit="[lb_av]")[0])[0][0]
    assert (kilograms["u"], pounds["u"]) == ("kg", "[lb_av]")
    assert abs(pounds["v"] * 0.45359237 - kilograms["v"]) < 0.03


def test_some_scales_estimate_body_water():
    records = monitors.packs(monitors.measured("scale", body_water=True)[0])[0]
    assert [(r["n"], r["u"]) for r in records] == [("weight", "kg"), ("body_water", "%")]
