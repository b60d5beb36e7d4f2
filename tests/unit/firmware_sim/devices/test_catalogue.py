"""Tests of `firmware_sim.devices.catalogue`."""

from __future__ import annotations

import pytest

from firmware_sim.devices import catalogue
from tests.unit.firmware_sim import stage


@pytest.mark.parametrize("kind", sorted(catalogue.KINDS))
def test_every_kind_can_be_switched_on(kind):
    network = stage.StageNetwork()
    players = stage.crew('[scenario]\ntitle = "t"\n' + stage.device(kind), network)
    players.begin()
    stage.play(players, network, 1)
    assert len(network.sent("status")) == 1
