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


@pytest.mark.parametrize(
    ("kind", "words", "said"),
    [
        ("motion", ["move"], [True]),
        ("door", ["open", "close"], [True, False]),
        ("bed", ["lie_down", "get_up"], [True, False]),
    ],
)
def test_a_story_says_what_a_sensor_notices(kind, words, said):
    network = stage.StageNetwork()
    text = LIVE + stage.device(kind, place="attic")
    for n, word in enumerate(words, 1):
        text += f'[[incidents]]\nat = "{n}s"\ndo = "{word}"\ndevice = "d"\n'
    players = stage.crew(text, network)
    players.begin()
    stage.play(players, network, 4)
    assert [r["vb"] for _, m in network.sent("obs") for r in stage.read(m)] == said


def test_a_motion_sensor_that_can_tells_how_light_it_is():
    network = stage.StageNetwork()
    text = LIVE + stage.device("motion", place="attic", lux=40)
    players = stage.crew(text + '[[incidents]]\nat = "1s"\ndo = "move"\ndevice = "d"\n', network)
    players.begin()
    stage.play(players, network, 2)
    records = stage.read(network.sent("obs")[0][1])
    assert [r["n"] for r in records] == ["attic/motion", "attic/illuminance"]
    assert (records[1]["v"], records[1]["u"]) == (40, "lx")


def test_a_room_turns_cold_when_the_heating_fails():
    said = readings("room_thermometer", place="lounge", every="30m", heating_fails="1d")
    assert {r["n"] for r in said} == {"lounge/room_temperature"}
    assert len(said) == 96
    degrees = [r["v"] for r in said]
    assert min(degrees[:47]) > 19
    assert max(degrees[48:]) < 16
