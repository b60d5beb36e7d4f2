"""Tests of `firmware_sim.bulk`."""

from __future__ import annotations

import io

import numpy as np
import pytest
from paho.mqtt import client as paho
from paho.mqtt import enums, packettypes, properties

from firmware_sim import bulk, wire


class Listening(paho.Client):
    """A paho client that keeps the packets it would send."""

    def __init__(self, version):
        super().__init__(enums.CallbackAPIVersion.VERSION2, client_id="c", protocol=version)
        self.packets = []
        self._sock = io.BytesIO()  # something to be connected to, and closed

    def _packet_queue(self, command, packet, mid, qos, info=None):
        self.packets.append(bytes(packet))
        return paho.MQTT_ERR_SUCCESS


@pytest.mark.parametrize("size", [0, 1, 100, 127, 128, 16_383, 16_384, 300_000])
@pytest.mark.parametrize("version", [4, 5])
def test_a_publish_is_byte_for_byte_what_paho_sends(size, version):
    listening = Listening(version)
    payload = b"x" * size
    listening._send_publish(77, b"telecare/v1/s/d/obs", payload, 1, False, False, None, None)
    message = wire.Message(topic="telecare/v1/s/d/obs", payload=payload)
    assert bulk.publish_packet(message, 77, version=version) == listening.packets[0]


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("account", [(None, None), ("u", "pw"), ("u", None)])
def test_a_connect_is_byte_for_byte_what_paho_sends(version, account):
    listening = Listening(version)
    listening._clean_start = True
    if account[0]:
        listening.username_pw_set(*account)
    listening._send_connect(60)
    made = bulk.connect_packet("c", user=account[0], password=account[1], version=version)
    assert made == listening.packets[0]


@pytest.mark.parametrize("version", [4, 5])
def test_a_subscribe_is_byte_for_byte_what_paho_sends(version):
    listening = Listening(version)
    options = paho.SubscribeOptions(qos=1) if version == 5 else 1
    listening._send_subscribe(False, [(b"t/+/reply/#", options)])
    assert bulk.subscribe_packet("t/+/reply/#", version=version) == listening.packets[0]


def test_properties_are_read_back_by_paho():
    message = wire.Message(
        topic="t", payload=b"", content_type="application/senml+json", response_topic="t/reply",
        correlation=b"17", imported=True,
    )  # fmt: skip
    read = properties.Properties(packettypes.PacketTypes.PUBLISH)
    read.unpack(bulk.properties(message))
    assert read.ContentType == "application/senml+json"
    assert read.ResponseTopic == "t/reply"
    assert read.CorrelationData == b"17"
    assert read.UserProperty == [("import", "true")]


def test_a_length_that_is_incomplete_is_waited_for():
    assert bulk.read_varint(b"\x80", 0) is None
    assert bulk.read_varint(bulk.varint(300_000), 0) == (300_000, 3)
    with pytest.raises(bulk.BrokerError):
        bulk.read_varint(b"\xff\xff\xff\xff", 0)


def ack(packet_id: int, *rest: int) -> bytes:
    return bytes([0x40, 2 + len(rest), packet_id >> 8, packet_id & 255, *rest])


def test_thousands_of_acks_are_read_in_one_go():
    ids = list(range(1, 5001))
    acks, used = bulk.parse_acks(b"".join(ack(i) for i in ids))
    assert acks.ids.tolist() == ids
    assert used == 4 * 5000
    assert acks.reasons == {0: 5000}


def test_acks_of_different_lengths_follow_each_other():
    data = ack(1) + ack(2, 0x10) + ack(3, 0x87, 0) + ack(4) + ack(5)
    acks, used = bulk.parse_acks(data)
    assert acks.ids.tolist() == [1, 2, 3, 4, 5]
    assert acks.reasons == {0: 3, 0x10: 1, 0x87: 1}
    assert used == len(data)


def test_half_an_ack_is_left_for_the_next_read():
    data = ack(1) + ack(258)[:3]
    acks, used = bulk.parse_acks(data)
    assert (acks.ids.tolist(), used) == ([1], 4)


def test_acks_end_where_something_else_begins():
    acks, used = bulk.parse_acks(ack(1) + ack(2) + bytes([0xD0, 0]))
    assert (acks.ids.tolist(), used) == ([1, 2], 8)


def test_the_receive_maximum_of_the_broker_is_obeyed():
    said = properties.Properties(packettypes.PacketTypes.CONNACK)
    said.ReceiveMaximum = 20
    said.AssignedClientIdentifier = "abc"
    said.UserProperty = ("a", "b")
    assert bulk._receive_maximum(said.pack()) == 20
    assert bulk._receive_maximum(b"\x00") == 65_535


def test_correlation_data_is_found_among_other_properties():
    said = properties.Properties(packettypes.PacketTypes.PUBLISH)
    said.CorrelationData = b"17"
    said.SubscriptionIdentifier = 300
    said.UserProperty = ("a", "b")
    said.MessageExpiryInterval = 9
    packed = said.pack()
    assert bulk._correlation(packed[1:]) == b"17"


def test_waits_are_told_within_two_percent():
    waits = bulk.Waits()
    waits.add(np.linspace(0.001, 0.1, 10_000))
    found = waits.document()
    assert found["p50"] == pytest.approx(50.5, rel=0.02)
    assert found["p99"] == pytest.approx(99, rel=0.02)
    assert found["max"] == 100
    assert bulk.Waits().document()["p50"] is None
