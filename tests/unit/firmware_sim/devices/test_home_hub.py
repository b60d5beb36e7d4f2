"""Tests of `firmware_sim.devices.home_hub`."""

from __future__ import annotations

import itertools
import json

from tests.unit.firmware_sim import stage

SENSORS = ["motion:kitchen", "motion:lounge", "motion:hallway", "motion:bathroom",
           "motion:bedroom", "room_temperature:lounge"]  # fmt: skip
LIVE = '[scenario]\ntitle = "t"\nbegins = "09:00"\npace = 20\n'


def hub(more: str = "", **play):
    network = stage.StageNetwork()
    text = LIVE + stage.device("home_hub", sensors=SENSORS, flush="30s", **play) + more
    players = stage.crew(text, network)
    players.begin()
    return network, players, network.links["s.d"]


def answer(network, link, since: int = 0) -> int:
    """Answer each pack, including those that an answer lets out."""
    while since < len(network.sent("obs")):
        message = network.sent("obs")[since][1]
        said = {"stored": len(json.loads(message.payload)), "refused": []}
        link.hear("reply/obs", said, message.correlation)
        since += 1
    return since


def readings(network) -> list[tuple]:
    return [(r["n"], r["t"]) for _, m in network.sent("obs") for r in stage.read(m)]


def test_sensors_are_gathered_into_packs_with_their_places_and_times():
    network, players, link = hub()
    stage.play(players, network, 100)
    answer(network, link)
    assert readings(network)
    assert {n for n, _ in readings(network)} <= {
        *(f"{r}/motion" for r in ("kitchen", "lounge", "hallway", "bathroom", "bedroom")),
        "lounge/room_temperature",
    }


def test_nothing_is_lost_or_moved_by_six_hours_offline():
    drop = '[[incidents]]\nat = "10m"\ndo = "drop"\ndevice = "d"\nfor = "6h"\n'
    network, players, link = hub(drop)
    done = 0
    for _ in range(40):
        stage.play(players, network, 15)
        done = answer(network, link, done)
    before = len(network.sent("obs"))
    stage.play(players, network, 6 * 3600 - 60)
    assert len(network.sent("obs")) == before  # offline: not a word
    held = players.devices[0].held
    assert held > 200
    for _ in range(24):
        stage.play(players, network, 5)
        done = answer(network, link, done)
    assert players.devices[0].held < 5
    late = network.sent("obs")[before:]
    assert len(stage.read(late[0][1])) == 200
    times = [t for _, t in readings(network)]
    assert max(b - a for a, b in itertools.pairwise(times)) < 3600
    assert len(set(readings(network))) == len(readings(network))


def test_a_late_answer_still_counts():
    network, players, link = hub()
    stage.play(players, network, 45)
    first, second = (m for _, m in network.sent("obs")[:2])
    held = players.devices[0].held
    for message in (first, second):
        said = {"stored": len(stage.read(message)), "refused": []}
        link.hear("reply/obs", said, message.correlation)
    assert players.devices[0].held == held - len(stage.read(second))


def test_a_pack_that_is_never_answered_goes_again():
    network, players, link = hub()
    stage.play(players, network, 95)
    packs = [m.payload for _, m in network.sent("obs")]
    assert len(packs) >= 2
    first = json.loads(packs[0])
    assert json.loads(packs[1])[: len(first)] == first
    answer(network, link)
    assert players.devices[0].held < 5


def test_an_answer_that_comes_twice_counts_once():
    network, players, link = hub()
    stage.play(players, network, 45)
    message = network.sent("obs")[0][1]
    held = players.devices[0].held
    sent = len(stage.read(message))
    said = {"stored": sent, "refused": []}
    link.hear("reply/obs", said, message.correlation)
    link.hear("reply/obs", said, message.correlation)
    assert players.devices[0].held == held - sent


def test_its_own_button_keeps_its_time_over_a_line_that_is_down():
    more = '[[incidents]]\nat = "10s"\ndo = "drop"\ndevice = "d"\nfor = "1h"\n'
    more += '[[incidents]]\nat = "20s"\ndo = "press"\ndevice = "d"\n'
    network, players, _ = hub(more)
    stage.play(players, network, 3000)
    assert network.sent("event") == []
    stage.play(players, network, 700)
    record = stage.read(network.sent("event")[0][1])[0]
    assert record["t"] == stage.StageNetwork().time + 20


def test_without_answers_a_pack_is_sent_and_forgotten():
    network, players, _ = hub(ask=False)
    stage.play(players, network, 65)
    assert not network.sent("obs")[0][1].response_topic
    assert len(set(readings(network))) == len(readings(network))


def test_a_light_is_switched_and_what_is_kept_is_sent_when_asked():
    network, players, link = hub()
    stage.play(players, network, 20)
    link.hear("cmd", {"id": "a", "do": "light_on"})
    link.hear("cmd", {"id": "b", "do": "measure"})
    acks = [json.loads(m.payload) for _, m in network.sent("cmd/ack")]
    assert [a["ok"] for a in acks] == [True, True]
    assert acks[0]["detail"] == "on"


def test_a_hub_that_was_away_can_tell_it_all_in_one_pack():
    drop = '[[incidents]]\nat = "0s"\ndo = "drop"\ndevice = "d"\nfor = "6h"\n'
    network, players, _ = hub(drop, pack=5000)
    stage.play(players, network, 6 * 3600 - 5)
    assert network.sent("obs") == []
    held = players.devices[0].held
    assert held > 200
    stage.play(players, network, 10)
    assert len(stage.read(network.sent("obs")[0][1])) >= held
