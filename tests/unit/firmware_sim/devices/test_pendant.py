"""Tests of `firmware_sim.devices.pendant`."""

from __future__ import annotations

from tests.unit.firmware_sim import stage
from tests.unit.firmware_sim.devices import test_alarms as alarms


def test_a_press_is_a_call_for_help_with_an_id_of_its_own():
    network, _ = alarms.pressed(6)
    record = stage.read(network.sent("event")[0][1])[0]
    assert (record["n"], record["vb"]) == ("sos", True)
    assert record["alarm_id"]
    assert record["t"] == stage.StageNetwork().time + 5
