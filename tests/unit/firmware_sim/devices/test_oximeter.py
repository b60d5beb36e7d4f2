"""Tests of `firmware_sim.devices.oximeter`."""

from __future__ import annotations

from tests.unit.firmware_sim.devices import test_monitors as monitors


def test_it_says_its_vitals_in_the_published_units():
    network, _ = monitors.measured("oximeter")
    assert {r["n"]: r["u"] for r in monitors.packs(network)[0]} == {
        "spo2": "%",
        "heart_rate": "/min",
        "resp_rate": "/min",
    }
