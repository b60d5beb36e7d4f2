"""Tests of `firmware_sim.devices.light`."""

from __future__ import annotations

import json

from tests.unit.firmware_sim import stage


def lamp():
    network = stage.StageNetwork()
    players = stage.crew('[scenario]\ntitle = "t"\n' + stage.device("light"), network)
    players.begin()
    stage.play(players, network, 1)
    return network, players, network.links["s.d"], players.devices[0]


def answers(network):
    return [json.loads(m.payload) for _, m in network.sent("cmd/ack")]


def test_it_burns_as_long_as_asked_and_goes_out_by_itself():
    network, players, link, light = lamp()
    link.hear("cmd", {"id": "1", "do": "light_on", "args": {"seconds": 300}})
    assert light.on
    assert answers(network) == [{"id": "1", "ok": True, "detail": "on for 300 s"}]
    stage.play(players, network, 290)
    assert light.on
    stage.play(players, network, 20)
    assert not light.on


def test_the_newest_command_says_how_long():
    network, players, link, light = lamp()
    link.hear("cmd", {"id": "1", "do": "light_on", "args": {"seconds": 60}})
    stage.play(players, network, 50)
    link.hear("cmd", {"id": "2", "do": "light_on", "args": {"minutes": 1}})
    stage.play(players, network, 30)
    assert light.on
    link.hear("cmd", {"id": "3", "do": "light_off"})
    assert not light.on
    assert [a["detail"] for a in answers(network)] == ["on for 60 s", "on for 60 s", "off"]


def test_it_does_nothing_after_the_commands_time_and_nothing_it_does_not_know():
    network, _, link, light = lamp()
    link.hear("cmd", {"id": "1", "do": "light_on", "expires": 1})
    link.hear("cmd", {"id": "2", "do": "measure"})
    assert not light.on
    assert [a["ok"] for a in answers(network)] == [False, False]


def test_a_light_without_a_time_is_on():
    network, _, link, light = lamp()
    link.hear("cmd", {"id": "1", "do": "light_on"})
    assert light.on
    assert answers(network)[0]["detail"] == "on"
