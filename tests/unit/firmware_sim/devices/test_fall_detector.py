"""Tests of `firmware_sim.devices.fall_detector`."""

from __future__ import annotations

from tests.unit.firmware_sim import stage

LIVE = '[scenario]\ntitle = "t"\nbegins = "12:00"\n'


def happening(*what: str):
    network = stage.StageNetwork()
    text = LIVE + stage.device("fall_detector", place="bathroom")
    for i, do in enumerate(what):
        text += f'[[incidents]]\nat = "{i + 1}s"\ndo = "{do}"\ndevice = "d"\n'
    players = stage.crew(text, network)
    players.begin()
    stage.play(players, network, len(what) + 1.5)
    return players, [stage.read(m)[0] for _, m in network.sent("event")]


def test_a_fall_is_an_alarm_and_nothing_moves_after_it():
    players, said = happening("fall")
    assert (said[0]["n"], said[0]["vb"]) == ("bathroom/fall", True)
    assert players.household("h").down


def test_a_wearer_who_cancels_is_up_again():
    players, said = happening("fall", "cancel")
    assert [r["vb"] for r in said] == [True, False]
    assert said[0]["alarm_id"] == said[1]["alarm_id"]
    assert not players.household("h").down


def test_it_has_a_button_too():
    _, said = happening("press")
    assert said[0]["n"] == "bathroom/sos"
