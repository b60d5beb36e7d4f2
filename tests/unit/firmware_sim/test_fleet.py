"""Tests of `firmware_sim.fleet`."""

from __future__ import annotations

import json

import pytest

from firmware_sim import fleet, scenarios
from tests.unit.firmware_sim import stage

HOUR = '[scenario]\ntitle = "t"\nduration = "1h"\nbegins = "07:30"\nspeed = 600\nseed = 5\n'


def published(name: str, seed: int | None = None, until: float = 6 * 3600.0) -> list[tuple]:
    network = stage.StageNetwork()
    players = fleet.Fleet(
        scenario=scenarios.load(name), network=network, real_time=lambda: network.time,
        seed=seed, until=until,
    )  # fmt: skip
    players.run(linger=0)
    return [(m.topic, m.payload) for _, m in network.published if m.tail in {"obs", "event"}]


@pytest.mark.parametrize("name", ["good_week", "duplicates", "clock_lost"])
def test_a_seed_and_a_start_tell_the_same_story_to_the_byte(name):
    first = published(name)
    assert len(first) > 5
    assert first == published(name)


def test_another_seed_tells_another_story():
    assert published("good_week") != published("good_week", seed=99)


def test_no_reading_of_a_sound_clock_is_ever_in_the_future():
    network = stage.StageNetwork()
    players = fleet.Fleet(
        scenario=scenarios.load("good_week"), network=network, real_time=lambda: network.time,
        until=86400.0,
    )  # fmt: skip
    players.run(linger=0)
    for at, message in network.published:
        if message.tail == "obs":
            assert all(record["t"] <= at + 0.001 for record in stage.read(message))


def test_every_device_uses_its_own_account_where_passwords_are_given():
    network = stage.StageNetwork()
    stage.crew(HOUR + stage.device("pendant"), network, credentials={"s/d": "pw"})
    assert network.links["s.d"].account == ("s/d", "pw")


def test_a_missing_password_is_named():
    with pytest.raises(fleet.MissingPasswordError, match="s/d"):
        stage.crew(HOUR + stage.device("pendant"), stage.StageNetwork(), credentials={})


def test_without_passwords_the_account_of_the_address_is_used():
    network = stage.StageNetwork()
    stage.crew(HOUR + stage.device("pendant"), network)
    assert network.links["s.d"].account is None


def test_devices_read_only_below_their_own_root():
    network = stage.StageNetwork()
    stage.crew(HOUR + stage.device("pendant"), network)
    assert set(network.links["s.d"].topics) == {
        "telecare/v1/s/d/cmd", "telecare/v1/s/d/receipt", "telecare/v1/s/d/reply/#",
    }  # fmt: skip


def test_a_run_ends_with_the_story_and_says_goodbye():
    network = stage.StageNetwork()
    players = stage.crew(HOUR + stage.device("oximeter"), network)
    players.run(linger=0)
    assert json.loads(network.sent("status")[-1][1].payload)["state"] == "offline"
    document = players.document()
    assert document["seconds"] == pytest.approx(6, abs=1)  # an hour at 600 times
    assert document["sent"]["obs"] == document["acked"]["obs"] == 1


def test_a_run_waits_for_a_receipt_only_as_long_as_it_lingers():
    network = stage.StageNetwork()
    text = HOUR + stage.device("pendant")
    text += '[[incidents]]\nat = "59m"\ndo = "press"\ndevice = "d"\n'
    players = stage.crew(text, network)
    players.run(linger=5)
    document = players.document()
    assert document["seconds"] == pytest.approx(11, abs=1)
    assert len(document["pending_alarms"]) == 1


def test_an_alarm_not_delivered_is_taken_up_by_the_next_run_unchanged(tmp_path):
    file = tmp_path / "flash.json"
    network = stage.StageNetwork()
    text = HOUR + stage.device("pendant")
    press = '[[incidents]]\nat = "59m"\ndo = "press"\ndevice = "d"\n'
    stage.crew(text + press, network, memory=fleet.AlarmMemory(file)).run(linger=0)
    first = network.sent("event")[0][1]

    later = stage.StageNetwork(start=network.time + 900)
    players = stage.crew(text, later, memory=fleet.AlarmMemory(file))
    players.begin()
    stage.play(players, later, 1)
    assert later.sent("event")[0][1].payload == first.payload
    said = {"alarm": json.loads(first.payload)[0]["alarm_id"], "state": "received"}
    later.links["s.d"].hear("receipt", said)
    assert fleet.AlarmMemory(file).recall("s/d") == []


def test_an_incident_can_come_again_and_again():
    network = stage.StageNetwork()
    text = HOUR + stage.device("pendant")
    text += '[[incidents]]\nat = "5m"\nevery = "10m"\ndo = "press"\ndevice = "d"\n'
    players = stage.crew(text, network)
    players.run(linger=0)
    assert players.document()["alarms"]["raised"] == 6


def test_a_home_can_fall_still():
    network = stage.StageNetwork()
    text = HOUR + stage.device("motion", place="hallway")
    text += '[[incidents]]\nat = "0s"\ndo = "down"\nhome = "h"\n'
    stage.crew(text, network).run(linger=0)
    assert network.sent("obs") == []


def test_the_story_waits_while_the_broker_owes_too_much():
    network = stage.StageNetwork()
    players = stage.crew(HOUR + stage.device("oximeter", every="1s"), network)
    players.begin()
    network.links["s.d"].waiting = 10_000
    stage.play(players, network, 3)
    assert network.sent("obs") == []
    network.links["s.d"].waiting = 0
    stage.play(players, network, 3)
    times = [stage.read(m)[0]["t"] for _, m in network.sent("obs")]
    assert times[0] == round(players.clock.begins) + 1  # late, and with its own time
