"""Tests of `firmware_sim.wire`."""

from __future__ import annotations

import json
from pathlib import Path

import cbor2
import pytest

from firmware_sim import wire
from tests.unit.firmware_sim import stage

EXAMPLES = Path(__file__).parents[3] / "docs" / "wire" / "examples"
INDEX = {entry["file"]: entry for entry in json.loads((EXAMPLES / "index.json").read_text())}


def example(name: str):
    return json.loads((EXAMPLES / name).read_text())


def test_every_example_file_is_listed_and_every_listed_file_is_there():
    listed = set(INDEX) | {e["diagnostic"] for e in INDEX.values() if "diagnostic" in e}
    assert listed == {f.name for f in EXAMPLES.iterdir()} - {"index.json"}


OXIMETER = "urn:dev:telecare:maple-court:oximeter-1:"
AT = 1795406400
PACKS = {
    "obs.json": [
        wire.Record(name=OXIMETER + "spo2", unit="%", value=96, time=AT),
        wire.Record(name=OXIMETER + "heart_rate", unit="/min", value=72.5, time=AT + 1),
        wire.Record(name=OXIMETER + "resp_rate", unit="/min", value=16, time=AT + 1),
        wire.Record(name=OXIMETER + "on_oxygen", value=False, time=AT),
        wire.Record(name=OXIMETER + "acvpu", value="A", time=AT + 30),
    ],
    "obs-rooms.json": [
        wire.Record(name="kitchen/motion", value=True, time=AT - 95),
        wire.Record(name="kitchen/room_temperature", unit="Cel", value=19.5, time=AT - 60),
        wire.Record(name="front-door/door_open", value=True, time=AT - 12.5),
        wire.Record(name="front-door/door_open", value=False, time=AT),
    ],
    "obs-no-clock.json": [
        wire.Record(name="weight", unit="[lb_av]", value=158.4, extra={"seq": 412})
    ],
    "event-fall.json": [
        wire.Record(name="bathroom/fall", value=True, time=AT + 0.25, alarm_id="f-19b0e0")
    ],
    "event-sos.json": [wire.Record(name="sos", value=True, time=AT, alarm_id="p-19b0d4")],
    "event-cancel.json": [
        wire.Record(name="bathroom/fall", value=False, time=AT + 31.5, alarm_id="f-19b0e0")
    ],
}


@pytest.mark.parametrize("name", PACKS)
@pytest.mark.parametrize("base_time", [None, AT])
def test_a_pack_means_what_its_example_means(name, base_time):
    if base_time and PACKS[name][0].time is None:
        base_time = None
    made = json.loads(wire.to_json(wire.fields(PACKS[name], base_time=base_time)))
    assert stage.resolve(made) == stage.resolve(example(name))


def test_every_senml_example_is_compared():
    assert set(PACKS) == {n for n in INDEX if n.startswith(("obs", "event")) and "cbor" not in n}


@pytest.mark.parametrize("name", ["obs", "event-fall"])
def test_cbor_is_byte_for_byte_the_published_example(name):
    assert wire.to_cbor(example(f"{name}.json")) == (EXAMPLES / f"{name}.cbor").read_bytes()


def test_a_base_name_is_taken_off_the_names():
    pack = wire.fields(PACKS["obs.json"], base_name=OXIMETER, base_time=AT)
    assert pack == example("obs.json")


def test_times_after_a_base_time_carry_no_rounding_noise():
    record = wire.Record(name="x", value=True, time=1795408359.091)
    assert wire.fields([record], base_time=1795408334.034)[0]["t"] == 25.057


@pytest.mark.parametrize(
    "value", [0, 23, 24, 255, 256, 65535, 65536, 2**32, 2**63, -1, -24, -25, -257, 1.5, -0.0, True,
              False, None, "", "héllo", b"\x00", [1, [2]], {"a": 1, -2: "b"}]
)  # fmt: skip
def test_cbor_is_read_back_by_another_implementation(value):
    assert cbor2.loads(wire.cbor(value)) == value


def test_cbor_refuses_what_senml_has_no_use_for():
    with pytest.raises(TypeError):
        wire.cbor({1, 2})
    with pytest.raises(ValueError, match="too large"):
        wire.cbor(2**64)


def test_status_documents_equal_the_examples():
    online = wire.status(
        "online", "5f0c-2", at=AT, battery=81, rssi=-67, firmware="1.4.2",
        cadence={"heart_rate": 86400},
    )  # fmt: skip
    assert json.loads(online) == example("status-online.json")
    assert json.loads(wire.status("offline", "5f0c-2")) == example("status-offline.json")
    sleeping = wire.status("sleeping", "5f0c-2", at=AT + 120, battery=81)
    assert json.loads(sleeping) == example("status-sleeping.json")


def test_a_command_is_read_and_answered_as_in_the_examples():
    command = wire.read_command((EXAMPLES / "cmd.json").read_bytes())
    assert (command.id, command.do, command.expires) == ("c-7", "light_on", AT + 60)
    assert command.args == {"place": "hallway", "minutes": 5}
    said = wire.command_answer("c-7", ok=True, detail="on for 5 min")
    assert json.loads(said) == example("cmd-ack.json")


@pytest.mark.parametrize("state", ["received", "acknowledged", "on_the_way", "closed"])
def test_each_receipt_is_read(state):
    file = EXAMPLES / f"receipt-{state.replace('_', '-')}.json"
    receipt = wire.read_receipt(file.read_bytes())
    assert (receipt.alarm, receipt.state) == ("f-19b0e0", state)
    assert receipt.by.endswith("North")


REASON = "unit 'kg' does not measure heart_rate: expected /min"


def test_an_answer_is_read():
    answer = wire.read_answer((EXAMPLES / "answer.json").read_bytes())
    assert answer == wire.Answer(stored=3, refused=((1, REASON),))


def test_the_tail_of_a_topic_is_what_follows_the_device():
    message = wire.Message(topic=wire.topic("s", "d", "cmd/ack"), payload=b"")
    assert message.tail == "cmd/ack"
