"""Tests of `firmware_sim.devices.base`."""

from __future__ import annotations

import json

import pytest

from tests.unit.firmware_sim import stage

LIVE = '[scenario]\ntitle = "t"\nbegins = "12:00"\n'


def running(kind: str = "oximeter", seconds: float = 2, more: str = "", **play):
    network = stage.StageNetwork()
    players = stage.crew(LIVE + stage.device(kind, **play) + more, network)
    players.begin()
    stage.play(players, network, seconds)
    return network, players, network.links["s.d"]


def statuses(network):
    return [json.loads(m.payload) for _, m in network.sent("status")]


def test_a_device_says_online_with_the_session_its_will_names():
    network, _, link = running()
    assert statuses(network)[0]["state"] == "online"
    assert network.sent("status")[0][1].retain
    will = link.wills[0]
    assert will.retain
    assert json.loads(will.payload) == {
        "state": "offline", "session": statuses(network)[0]["session"]
    }  # fmt: skip


def test_a_new_connection_is_a_new_session():
    drop = '[[incidents]]\nat = "5s"\ndo = "drop"\ndevice = "d"\nfor = "10s"\n'
    network, _, link = running(seconds=20, more=drop)
    states = [(s["state"], s["session"]) for s in statuses(network)]
    assert [s for s, _ in states] == ["online", "offline", "online"]
    assert states[0][1] == states[1][1] != states[2][1]
    assert len(link.wills) == 2


def test_a_dead_device_never_speaks_again():
    die = '[[incidents]]\nat = "5s"\ndo = "die"\ndevice = "d"\n'
    network, _, link = running(seconds=60, more=die, every="2s")
    last = max(at for at, _ in network.sent("obs"))
    assert last <= stage.StageNetwork().time + 5
    assert not link.up


def test_a_mute_device_is_online_and_says_nothing_until_unmuted():
    mute = '[[incidents]]\nat = "5s"\ndo = "mute"\ndevice = "d"\n'
    network, players, link = running(seconds=20, more=mute, every="2s")
    count = len(network.sent("obs"))
    assert link.up
    players.devices[0].incident("unmute", {})
    stage.play(players, network, 5)
    assert len(network.sent("obs")) > count


def test_a_command_is_answered_and_its_repeat_answered_alike():
    network, players, link = running()
    for _ in range(2):
        link.hear("cmd", {"id": "c-7", "do": "measure", "expires": network.time + 60})
    acks = [json.loads(m.payload) for _, m in network.sent("cmd/ack")]
    assert acks == [{"id": "c-7", "ok": True, "detail": "measured"}] * 2
    assert len(network.sent("obs")) == 1
    assert players.document()["commands"] == {"measure": 1}


@pytest.mark.parametrize(
    ("command", "detail"),
    [
        ({"id": "c", "do": "identify"}, "blinked"),
        ({"id": "c", "do": "identify", "expires": 1}, "expired"),
        ({"id": "c", "do": "sing"}, "a oximeter does not know sing"),
    ],
)
def test_what_came_of_a_command_is_said(command, detail):
    network, _, link = running()
    link.hear("cmd", command)
    said = json.loads(network.sent("cmd/ack")[0][1].payload)
    assert (said["ok"], said["detail"]) == (detail == "blinked", detail)


def test_a_measurement_asks_for_its_answer_below_its_own_root():
    network, players, link = running(seconds=5, first="1s", times=[])
    message = network.sent("obs")[0][1]
    assert message.response_topic == "telecare/v1/s/d/reply/obs"
    assert players.devices[0].unanswered == 1
    link.hear("reply/obs", {"stored": 3, "refused": []}, message.correlation)
    assert players.devices[0].unanswered == 0
    assert players.document()["answers"]["stored"] == 3


def test_what_the_hub_says_badly_is_counted_and_left():
    network, players, link = running()
    link.owner.heard("telecare/v1/s/d/receipt", b"\xff", b"")
    link.owner.heard("telecare/v1/s/d/cmd", b'{"id":1}', b"")
    link.owner.heard("telecare/v1/s/d/reply/obs", b"[]", b"")
    assert players.document()["faults"] == {"unreadable from hub": 3}
    assert network.sent("cmd/ack") == []


def test_a_device_without_time_sends_none_and_never_the_same_twice():
    lose = '[[incidents]]\nat = "1s"\ndo = "lose_clock"\ndevice = "d"\n'
    network, _, _ = running(seconds=20, more=lose, every="2s")
    packs = [stage.read(m) for _, m in network.sent("obs")]
    assert all("t" not in record for pack in packs for record in pack)
    payloads = [m.payload for _, m in network.sent("obs")]
    assert len(set(payloads)) == len(payloads) > 5


def test_a_lost_clock_counts_from_its_epoch_and_is_set_right():
    more = '[[incidents]]\nat = "1s"\ndo = "lose_clock"\ndevice = "d"\nrestarts_at = 315964800\n'
    more += '[[incidents]]\nat = "9s"\ndo = "set_clock"\ndevice = "d"\n'
    network, _, _ = running(seconds=14, more=more, every="4s")
    times = [stage.read(m)[0]["t"] for _, m in network.sent("obs")]
    start = stage.StageNetwork().time
    assert times == [315964803, 315964807, start + 12]


def test_a_status_tells_battery_firmware_and_cadence():
    more = '[[incidents]]\nat = "1s"\ndo = "battery"\ndevice = "d"\npercent = 3\n'
    network, _, _ = running(seconds=3, more=more)
    assert statuses(network)[-1]["battery"] == 3
    assert statuses(network)[-1]["fw"]


def test_garbage_is_sent_and_counted():
    more = '[[incidents]]\nat = "1s"\ndo = "garbage"\ndevice = "d"\n'
    network, players, _ = running(seconds=3, more=more)
    assert players.document()["faults"]["one megabyte"] == 1
    assert len(network.published) > 25


def test_an_unknown_incident_is_refused():
    _, players, _ = running()
    with pytest.raises(ValueError, match="nothing called"):
        players.devices[0].incident("levitate", {})


def test_cbor_devices_say_so():
    network, _, _ = running(seconds=3, first="1s", times=[], encoding="cbor")
    message = network.sent("obs")[0][1]
    assert message.content_type == "application/senml+cbor"
    assert stage.read(message)[0]["n"] == "spo2"


def test_duplicates_are_the_same_to_the_byte():
    more = '[[faults]]\ndevice = "*"\nkind = "duplicates"\npercent = 100\n'
    network, players, _ = running(seconds=3, more=more, first="1s", times=[])
    first, second = (m for _, m in network.sent("obs"))
    assert first.payload == second.payload
    assert players.document()["distinct_readings"] == 3


def test_a_battery_is_a_reading_too():
    more = '[[incidents]]\nat = "1s"\ndo = "battery"\ndevice = "d"\npercent = 8\n'
    network, _, _ = running(kind="pendant", more=more)
    record = stage.read(network.sent("obs")[0][1])[0]
    assert (record["n"], record["v"], record["u"]) == ("battery", 8, "%")


@pytest.mark.parametrize(
    ("incident", "said"),
    [
        ('do = "tamper"', ("tamper", True)),
        ('do = "tamper"\non = false', ("tamper", False)),
        ('do = "mains"\non = false', ("mains", False)),
        ('do = "say"\nname = "humidity"\nvalue = 61\nunit = "%"', ("humidity", 61)),
    ],
)
def test_a_story_can_make_any_device_say_something(incident, said):
    more = f'[[incidents]]\nat = "1s"\n{incident}\ndevice = "d"\n'
    network, _, _ = running(kind="pendant", more=more)
    message = network.sent("obs")[0][1]
    record = stage.read(message)[0]
    assert (record["n"], record.get("v", record.get("vb"))) == said
    assert not message.imported


def test_history_that_is_brought_in_is_declared():
    more = '[[incidents]]\nat = "1s"\ndo = "say"\nname = "fall"\nvalue = true\nimported = true\n'
    network, _, _ = running(kind="fall_detector", more=more + 'device = "d"\n')
    message = network.sent("obs")[0][1]
    assert message.imported
    assert message.response_topic
