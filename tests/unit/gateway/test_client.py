"""The short way of taking a publish, against the stock client's."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.client import BrokerClient, Received, _BufferedSocket
from gateway.settings import BrokerAddress

ADDRESS = BrokerAddress(host="nowhere.invalid", port=1, tls=False, user="", password="")


class Wire:
    """A socket that has these pieces to give, one a read."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = pieces

    def recv(self, size: int) -> bytes:
        if not self.pieces:
            raise BlockingIOError
        piece, rest = self.pieces[0][:size], self.pieces[0][size:]
        self.pieces[:1] = [rest] if rest else []
        return piece

    def close(self) -> None:
        self.pieces = []


def publish(
    topic: str, payload: bytes, mid: int, *, qos: int = 1, retain: bool = False,
    dup: bool = False, properties: dict[str, Any] | None = None,
) -> bytes:  # fmt: skip
    name = topic.encode()
    body = len(name).to_bytes(2, "big") + name
    if qos:
        body += mid.to_bytes(2, "big")
    packed = Properties(PacketTypes.PUBLISH)
    for key, value in (properties or {}).items():
        setattr(packed, key, value)
    body += packed.pack() + payload
    return bytes([0x30 | dup << 3 | qos << 1 | retain]) + length_of(len(body)) + body


def length_of(n: int) -> bytes:
    out = bytearray()
    while True:
        n, byte = divmod(n, 128)
        out.append(byte | (128 if n else 0))
        if not n:
            return bytes(out)


def cut(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    at = 0
    for size in sizes:
        if data[at : at + size]:
            yield data[at : at + size]
        at += size
    if data[at:]:
        yield data[at:]


def ours(pieces: list[bytes]) -> list[Received]:
    client = BrokerClient(ADDRESS, client_id="c")
    got: list[Received] = []
    client.on_message = got.append
    wire = Wire(pieces)
    raw: Any = wire
    inner: Any = client._paho
    inner._sock = _BufferedSocket(raw)
    while wire.pieces or inner._sock.readable():
        client._read()
    inner._sock = None
    return got


def stocks(pieces: list[bytes]) -> list[Received]:
    client = paho.Client(
        CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5, manual_ack=True, client_id="c"
    )
    got: list[Received] = []

    def take(_c: Any, _u: Any, m: paho.MQTTMessage) -> None:
        found = m.properties
        got.append(
            Received(
                m.topic, bytes(m.payload), m.mid, m.retain,
                getattr(found, "ContentType", None), getattr(found, "ResponseTopic", None),
                getattr(found, "CorrelationData", None), tuple(getattr(found, "UserProperty", ())),
            )
        )  # fmt: skip

    client.on_message = take
    wire: Any = Wire(pieces)
    client._sock = wire
    while wire.pieces:
        client.loop_read()
    client._sock = None
    return got


def told(message: Received) -> tuple[Any, ...]:
    return (
        message.topic, message.payload, message.mid, message.retained, message.content_type,
        message.response_topic, message.correlation, message.user,
    )  # fmt: skip


TOPICS = st.text(st.characters(codec="utf-8", exclude_characters="+#\0"), min_size=1, max_size=40)
PACKETS = st.builds(
    publish,
    TOPICS,
    st.binary(max_size=300) | st.binary(min_size=16_300, max_size=16_500),
    st.integers(1, 65_535),
    qos=st.sampled_from([1, 1, 1, 0]),
    retain=st.booleans(),
    dup=st.booleans(),
    properties=st.none()
    | st.fixed_dictionaries(
        {},
        optional={
            "ContentType": st.just("application/senml+cbor"),
            "ResponseTopic": st.just("telecare/v1/s/d/reply/x"),
            "CorrelationData": st.binary(max_size=4),
            "UserProperty": st.just([("import", "true")]),
        },
    ),
)
PING_ANSWER = b"\xd0\x00"


@given(
    st.lists(PACKETS | st.just(PING_ANSWER), max_size=8), st.lists(st.integers(1, 400), max_size=20)
)
def test_both_ways_read_the_same_out_of_any_packets_cut_anyhow(
    packets: list[bytes], sizes: list[int]
) -> None:
    stream = b"".join(packets)
    expected = [told(m) for m in stocks(list(cut(stream, sizes)))]
    assert [told(m) for m in ours(list(cut(stream, sizes)))] == expected
    assert len(expected) == sum(p != PING_ANSWER for p in packets)


@given(st.binary(max_size=60), st.integers(0, 60))
def test_no_bytes_make_the_short_way_raise_or_take_half_a_packet(data: bytes, at: int) -> None:
    sock = _BufferedSocket(Wire([]))  # type: ignore[arg-type]
    sock._in, sock._at = b"\x32" + data, 0
    found = sock.take_publish()
    if found is not None:
        topic, payload, mid, _ = found
        rest = sock._in[sock._at :]
        packet = publish("x", b"", mid)[:1]
        assert packet
        assert len(topic) + len(payload) + 5 + len(rest) <= len(sock._in) + 3
        assert 0 <= mid <= 65_535


@pytest.mark.parametrize(
    "data",
    [
        b"\x32",
        b"\x32\x00",
        b"\x32\x00\x00",
        b"\x32\x01\x00",
        b"\x32\x04\x00\x01a\x00",
        b"\x32\xff\xff\xff\xff\x01",
        b"\x32\xff\xff",
        publish("t", b"p", 1)[:-1],
        publish("t", b"p", 1, qos=2),
        publish("t", b"p", 1, properties={"ContentType": "x"}),
        PING_ANSWER,
    ],
)
def test_what_is_no_whole_plain_publish_is_left_to_paho(data: bytes) -> None:
    sock = _BufferedSocket(Wire([]))  # type: ignore[arg-type]
    sock._in = data
    assert sock.take_publish() is None
    assert sock._at == 0


def test_a_topic_that_is_no_text_does_not_crash() -> None:
    body = b"\x00\x02\xff\xfe\x00\x01\x00p"
    packet = bytes([0x32, len(body)]) + body
    (message,) = ours([b"\xd0\x00" + packet])
    assert message.topic == "\N{REPLACEMENT CHARACTER}" * 2


def test_a_publish_that_the_broker_refused_does_not_count_as_taken() -> None:
    from paho.mqtt.reasoncodes import ReasonCode

    client = BrokerClient(ADDRESS, client_id="c")
    client._taken(None, None, 1, ReasonCode(PacketTypes.PUBACK, "Success"), None)
    client._taken(None, None, 2, ReasonCode(PacketTypes.PUBACK, "Not authorized"), None)
    client._taken(None, None, 3, ReasonCode(PacketTypes.PUBACK, "No matching subscribers"), None)
    assert client.published == {1, 3}


def test_a_paused_reader_notices_that_the_connection_died() -> None:
    near, far = socket.socketpair()
    client = BrokerClient(ADDRESS, client_id="c")
    inner: Any = client._paho
    inner._sock = _BufferedSocket(near)
    client.connected = True
    far.close()
    client.step(0.0, read=False)
    assert not client.connected
    assert client.dropped
    inner._sock = None
    near.close()


def test_writing_waits_for_a_full_socket_and_goes_on() -> None:
    near, far = socket.socketpair()
    near.setblocking(False)
    sock = _BufferedSocket(near)
    sent = b"x" * 4_000_000
    assert sock.send(sent) == len(sent)
    assert not sock.flush()
    assert sock.unsent()
    got = 0
    while got < len(sent):
        got += len(far.recv(1_000_000))
        sock.flush()
    assert not sock.unsent()
    near.close()
    far.close()
