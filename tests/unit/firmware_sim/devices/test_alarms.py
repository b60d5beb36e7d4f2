"""Tests of `firmware_sim.devices.alarms`."""

from __future__ import annotations

import json

from tests.unit.firmware_sim import stage

LIVE = '[scenario]\ntitle = "t"\nbegins = "12:00"\n'
PRESS = '[[incidents]]\nat = "5s"\ndo = "press"\ndevice = "d"\n'


def pressed(seconds: float, *, more: str = "", network=None):
    network = network or stage.StageNetwork()
    players = stage.crew(LIVE + stage.device("pendant") + PRESS + more, network)
    players.begin()
    stage.play(players, network, seconds)
    return network, players


def times(network) -> list[float]:
    start = stage.StageNetwork().time + 5
    return [round(at - start) for at, _ in network.sent("event")]


def alarm_id(network) -> str:
    return json.loads(network.sent("event")[0][1].payload)[0]["alarm_id"]


def test_an_alarm_is_repeated_backing_off_until_its_receipt():
    network, players = pressed(300)
    assert times(network) == [0, 10, 30, 70, 130, 190, 250]
    network.links["s.d"].hear("receipt", {"alarm": alarm_id(network), "state": "received"})
    stage.play(players, network, 300)
    assert len(times(network)) == 7
    assert players.pending_alarms() == []


def test_every_repeat_is_the_same_to_the_byte():
    network, _ = pressed(100)
    assert len({m.payload for _, m in network.sent("event")}) == 1


def test_a_receipt_for_another_alarm_changes_nothing():
    network, _ = pressed(6)
    network.links["s.d"].hear("receipt", {"alarm": "another", "state": "received"})
    network2, _ = pressed(100)
    assert len(times(network2)) == 4


def test_a_later_state_counts_as_received():
    network, players = pressed(6)
    network.links["s.d"].hear("receipt", {"alarm": alarm_id(network), "state": "acknowledged"})
    stage.play(players, network, 100)
    assert len(times(network)) == 1
    assert players.document()["receipts"] == {"acknowledged": 1}


def test_a_second_press_is_a_second_alarm():
    network, players = pressed(9, more=PRESS.replace("5s", "7s"))
    ids = {json.loads(m.payload)[0]["alarm_id"] for _, m in network.sent("event")}
    assert len(ids) == 2
    assert len(players.pending_alarms()) == 2


def test_an_alarm_raised_without_a_connection_goes_out_as_soon_as_there_is_one():
    network = stage.StageNetwork()
    network.refusing = True
    _, players = pressed(23, network=network)
    assert times(network) == []
    network.refusing = False
    stage.play(players, network, 1)
    sent = network.sent("event")
    assert len(sent) == 1
    assert stage.read(sent[0][1])[0]["t"] == stage.StageNetwork().time + 5  # when it was pressed


def test_a_cancel_names_the_alarm_and_its_own_time():
    cancel = '[[incidents]]\nat = "8s"\ndo = "cancel"\ndevice = "d"\n'
    network, players = pressed(9, more=cancel)
    record = stage.read(network.sent("event")[-1][1])[0]
    assert record["vb"] is False
    assert record["alarm_id"] == alarm_id(network)
    assert record["t"] == stage.StageNetwork().time + 8
    assert players.pending_alarms()  # the alarm itself is still not confirmed


def test_the_wait_for_a_receipt_is_measured():
    network, players = pressed(7)
    network.links["s.d"].hear("receipt", {"alarm": alarm_id(network), "state": "received"})
    assert 1900 < players.document()["receipt_ms"]["p50"] < 2200
