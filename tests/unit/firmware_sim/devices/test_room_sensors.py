"""Tests of `firmware_sim.devices.room_sensors`."""

from __future__ import annotations

import itertools
import json

import pytest

from tests.unit.firmware_sim import stage

DAY = '[scenario]\ntitle = "t"\nduration = "2d"\nbegins = "06:00"\nspeed = 3000\n'
LIVE = '[scenario]\ntitle = "t"\nbegins = "12:00"\n'


def readings(kind: str, **play):
    network = stage.StageNetwork()
    stage.crew(DAY + stage.device(kind, **play), network).run(linger=0)
    return [r for _, m in network.sent("obs") for r in stage.read(m)]


@pytest.mark.parametrize(
    ("kind", "place", "name"),
    [
        ("motion", "kitchen", "kitchen/motion"),
        ("door", "front-door", "front-door/door_open"),
        ("bed", "bedroom", "bedroom/bed_occupied"),
    ],
)
def test_a_sensor_tells_what_happens_at_its_place(kind, place, name):
    said = readings(kind, place=place)
    assert said
    assert {r["n"] for r in said} == {name}


def test_motion_is_not_told_again_within_its_blind_time():
    times = [r["t"] for r in readings("motion", place="lounge")]
    assert all(b - a >= 19 for a, b in itertools.pairwise(times))


def test_a_bed_is_told_both_ways():
    assert {r["vb"] for r in readings("bed")} == {True, False}


def test_a_motion_sensor_with_a_light_switches_it():
    network = stage.StageNetwork()
    players = stage.crew(LIVE + stage.device("motion"), network)
    players.begin()
    stage.play(players, network, 1)
    network.links["s.d"].hear("cmd", {"id": "1", "do": "light_on"})
    network.links["s.d"].hear("cmd", {"id": "2", "do": "dance"})
    assert [json.loads(m.payload)["ok"] for _, m in network.sent("cmd/ack")] == [True, False]


def test_smoke_is_an_alarm_with_its_place():
    network = stage.StageNetwork()
    text = LIVE + stage.device("smoke", place="kitchen")
    text += '[[incidents]]\nat = "1s"\ndo = "smoke"\ndevice = "d"\n'
    players = stage.crew(text, network)
    players.begin()
    stage.play(players, network, 2)
    record = stage.read(network.sent("event")[0][1])[0]
    assert (record["n"], record["vb"]) == ("kitchen/smoke", True)
    assert record["alarm_id"]
