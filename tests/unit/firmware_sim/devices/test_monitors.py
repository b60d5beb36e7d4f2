"""Tests of `firmware_sim.devices.monitors`."""

from __future__ import annotations

import json

from tests.unit.firmware_sim import stage


def measured(kind: str, days: float = 0.0, seconds: float = 5, more: str = "", **play):
    """Return what a device says in some seconds, or in some days at high speed."""
    network = stage.StageNetwork()
    head = '[scenario]\ntitle = "t"\nbegins = "06:00"\n'
    if days:
        head += f'duration = "{days}d"\nspeed = 2000\n'
    given = {} if days else {"first": "1s", "times": []}
    players = stage.crew(head + stage.device(kind, **given, **play) + more, network)
    if days:
        players.run(linger=0)
    else:
        players.begin()
        stage.play(players, network, seconds)
    return network, players


def packs(network):
    return [stage.read(m) for _, m in network.sent("obs")]


def test_a_monitor_measures_at_its_times_each_day():
    network, players = measured("oximeter", days=5)
    assert len(packs(network)) == 10  # morning and evening
    start = players.clock.begins
    hours = [((p[0]["t"] - start) / 3600 + 6) % 24 for p in packs(network)]
    assert all(7.9 < h < 9 or 19.9 < h < 21 for h in hours)


def test_a_sleepy_device_wakes_measures_and_sleeps():
    network, players = measured("scale", sleepy=True, seconds=0.5)
    assert network.sent("status") == []
    stage.play(players, network, 3)
    message = network.sent("obs")[0][1]
    network.links["s.d"].hear("reply/obs", {"stored": 1, "refused": []}, message.correlation)
    stage.play(players, network, 3)
    states = [json.loads(m.payload)["state"] for _, m in network.sent("status")]
    assert states == ["online", "sleeping"]
    assert not network.links["s.d"].up


def test_a_story_can_make_it_say_something_absurd():
    more = '[[incidents]]\nat = "2s"\ndo = "say"\ndevice = "d"\nname = "heart_rate"\nvalue = 400\n'
    network, _ = measured("oximeter", more=more)
    assert packs(network)[-1][0]["v"] == 400


def test_a_story_can_have_it_measure_out_of_turn():
    network, _ = measured(
        "oximeter", more='[[incidents]]\nat = "2s"\ndo = "measure"\ndevice = "d"\n'
    )
    assert len(packs(network)) == 2
