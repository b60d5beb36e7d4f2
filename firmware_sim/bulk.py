"""MQTT by hand: PUBLISH packets made by the thousand, PUBACKs read by the thousand.

Client libraries spend tens of microseconds on a message; a generator that is to measure a hub must
not be what is measured. MQTT 3.1.1 and 5, QoS 1, one account, as many connections as wanted.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from firmware_sim import transport, wire

Bytes = NDArray[np.uint8]

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK = 0x10, 0x20, 0x30, 0x40, 0x82, 0x90
PINGREQ, PINGRESP, DISCONNECT = 0xC0, 0xD0, 0xE0
_QOS1 = 0x02
_IDS = 65_535
_KEEPALIVE_S = 60
_SEND_MAX = 1 << 18
_READ_MAX = 1 << 18
_TRICKLE = 1024  # bytes; a fuller read was not held back
_V5 = 5
_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)  # Linux only
_REFUSED = 0x80  # MQTT 5, 2.4: reason codes from here up are failures


class BrokerError(ConnectionError):
    """The broker refused the connection, or closed it."""


def varint(number: int) -> bytes:
    """Return a length as MQTT writes it: seven bits a byte, least significant first."""
    out = bytearray()
    while True:
        number, low = divmod(number, 128)
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)


def read_varint(data: bytes | memoryview, at: int) -> tuple[int, int] | None:
    """Return a length and where it ends, None while it is incomplete."""
    number = shift = 0
    for end in range(at, min(at + 4, len(data))):
        number |= (data[end] & 0x7F) << shift
        if data[end] < 0x80:  # noqa: PLR2004 -- the last byte of the length
            return number, end + 1
        shift += 7
    if len(data) - at >= 4:  # noqa: PLR2004 -- MQTT 5, 1.5.5
        raise BrokerError("the broker sent a length of more than four bytes")
    return None


def text(value: str | bytes) -> bytes:
    """Return a string with its length before it."""
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack(">H", len(raw)) + raw


def connect_packet(
    client_id: str, *, user: str | None, password: str | None, version: int
) -> bytes:
    """Return a CONNECT with a clean session."""
    flags = 0x02 | (0x80 if user else 0) | (0x40 if user and password is not None else 0)
    body = text("MQTT") + bytes([version, flags]) + struct.pack(">H", _KEEPALIVE_S)
    body += b"\x00" if version == _V5 else b""
    body += text(client_id)
    if user:
        body += text(user)
        body += text(password) if password is not None else b""
    return bytes([CONNECT]) + varint(len(body)) + body


def subscribe_packet(topic: str, *, version: int) -> bytes:
    """Return a SUBSCRIBE with QoS 1 under packet id 1."""
    body = b"\x00\x01" + (b"\x00" if version == _V5 else b"") + text(topic) + b"\x01"
    return bytes([SUBSCRIBE]) + varint(len(body)) + body


def publish_packet(message: wire.Message, packet_id: int, *, version: int) -> bytes:
    """Return a PUBLISH with QoS 1. MQTT 3.1.1 has no properties: they are left out."""
    said = properties(message) if version == _V5 else b""
    body = text(message.topic) + struct.pack(">H", packet_id) + said + message.payload
    flags = _QOS1 | (1 if message.retain else 0)
    return bytes([PUBLISH | flags]) + varint(len(body)) + body


def properties(message: wire.Message) -> bytes:
    """Return a message's MQTT 5 properties, with their length before them."""
    out = b""
    if message.content_type:
        out += b"\x03" + text(message.content_type)
    if message.response_topic:
        out += b"\x08" + text(message.response_topic) + b"\x09" + text(message.correlation)
    if message.imported:
        out += b"\x26" + text("import") + text("true")
    return varint(len(out)) + out


@dataclass(slots=True, kw_only=True)
class Acks:
    """What a run of PUBACK bytes said."""

    ids: NDArray[np.int64]
    reasons: Counter[int]


def parse_acks(data: bytes) -> tuple[Acks, int]:
    """Read the PUBACKs at the start of ``data``; return them and how many bytes they took.

    Runs of packets of one length, which is how brokers answer, are read in one array operation.
    """
    ids: list[NDArray[np.int64]] = []
    reasons: Counter[int] = Counter()
    at = 0
    flat = np.frombuffer(data, np.uint8)
    while len(data) - at >= 2 and data[at] == PUBACK:  # noqa: PLR2004 -- the fixed header
        size = 2 + data[at + 1]
        run = flat[at : at + (len(data) - at) // size * size].reshape(-1, size)
        if not run.shape[0]:
            break
        same = (run[:, 0] == PUBACK) & (run[:, 1] == data[at + 1])
        count = run.shape[0] if same.all() else int(same.argmin())
        run = run[:count]
        ids.append(run[:, 2].astype(np.int64) << 8 | run[:, 3])
        if size > 4:  # noqa: PLR2004 -- MQTT 5 with a reason code
            codes, counts = np.unique(run[:, 4], return_counts=True)
            reasons.update(dict(zip(codes.tolist(), counts.tolist(), strict=True)))
        else:
            reasons[0] += count
        at += count * size
    found = np.concatenate(ids) if ids else np.empty(0, np.int64)
    return Acks(ids=found, reasons=reasons), at


@dataclass(slots=True)
class Waits:
    """How long acknowledgements took: a histogram, so that a long run stays small."""

    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(2000, np.int64))
    longest: float = 0.0

    _PER_DECADE = 200
    _LEAST = 1e-6

    def add(self, seconds: NDArray[np.float64]) -> None:
        """Count some waits."""
        if not seconds.size:
            return
        place = np.log10(np.maximum(seconds, self._LEAST) / self._LEAST) * self._PER_DECADE
        places = np.clip(place.astype(np.int64), 0, self.counts.size - 1)
        self.counts += np.bincount(places, minlength=self.counts.size)
        self.longest = max(self.longest, float(seconds.max()))

    def document(self) -> dict[str, float | None]:
        """Return the percentiles, within 1.2 %. [ms]"""
        total = int(self.counts.sum())
        if not total:
            return {"p50": None, "p90": None, "p99": None, "max": None}
        sums = np.cumsum(self.counts)

        def at(share: float) -> float:
            place = int(np.searchsorted(sums, share * total))
            return round(self._LEAST * 10 ** ((place + 0.5) / self._PER_DECADE) * 1000, 3)

        longest = round(self.longest * 1000, 3)
        return {"p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "max": longest}


class Pipe:
    """One connection: packets out, a bounded number unacknowledged, acknowledgements in."""

    def __init__(
        self,
        broker: transport.Broker,
        client_id: str,
        *,
        account: tuple[str, str] | None = None,
        version: int = 4,
        window: int = 1000,
        heard: Callable[[str, bytes, bytes], None] | None = None,
    ) -> None:
        self.version = version
        self.acked = 0
        self.reasons: Counter[int] = Counter()
        self.waits = Waits()
        self.in_flight = 0
        self._heard = heard
        self._out: list[memoryview] = []
        self._rest = b""
        self._next_id = 1
        self._since = np.zeros(_IDS + 1)
        self._last_out = time.monotonic()
        user, password = account or (broker.user, broker.password)
        sock = socket.create_connection((broker.host, broker.port), timeout=10)
        if broker.tls:
            sock = broker.context().wrap_socket(sock, server_hostname=broker.host)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        sock.sendall(connect_packet(client_id, user=user, password=password, version=version))
        self.window = min(window, self._accepted(), _IDS)
        sock.setblocking(False)

    def _accepted(self) -> int:
        """Wait for the CONNACK and return how many messages may be in flight."""
        kind, body = self._packet()
        if kind != CONNACK or len(body) < 2:  # noqa: PLR2004 -- flags and reason
            raise BrokerError("the broker did not answer the CONNECT")
        if body[1]:
            raise BrokerError(f"the broker refused the connection, reason {body[1]}")
        if self.version != _V5:
            return _IDS
        return _receive_maximum(body[2:])

    def _packet(self) -> tuple[int, bytes]:
        """Read one whole packet, waiting for it."""
        while True:
            length = read_varint(self._rest, 1) if len(self._rest) > 1 else None
            if length is not None and len(self._rest) >= sum(length):
                size, start = length
                packet = self._rest[0] & 0xF0, self._rest[start : start + size]
                self._rest = self._rest[start + size :]
                return packet
            more = self.sock.recv(4096)
            if not more:
                raise BrokerError("the broker closed the connection")
            self._rest += more

    def subscribe(self, topic: str) -> None:
        """Read a topic from now on; waits until the broker has taken it."""
        self.sock.setblocking(True)
        self.sock.sendall(subscribe_packet(topic, version=self.version))
        kind, body = self._packet()
        if kind != SUBACK & 0xF0 or body[-1] >= _REFUSED:
            raise BrokerError(f"the broker does not let this account read {topic}")
        self.sock.setblocking(False)

    @property
    def room(self) -> int:
        """Return how many more messages may be sent now."""
        return 0 if self._out else self.window - self.in_flight

    @property
    def busy(self) -> bool:
        """Return whether bytes wait for the socket to take them."""
        return bool(self._out)

    def take_ids(self, count: int) -> NDArray[np.int64]:
        """Return that many packet ids, marking them as sent now."""
        ids = (np.arange(self._next_id - 1, self._next_id - 1 + count) % _IDS) + 1
        self._next_id = int(ids[-1]) % _IDS + 1
        self._since[ids] = time.monotonic()
        self.in_flight += count
        return ids

    def send(self, packets: bytes | Bytes) -> None:
        """Send packets whose ids were taken; what the socket doesn't take now goes out later."""
        data = packets if isinstance(packets, bytes) else packets.tobytes()
        self._out.append(memoryview(data))
        self.write()

    def publish(self, message: wire.Message) -> None:
        """Send one message."""
        packet_id = int(self.take_ids(1)[0])
        self.send(publish_packet(message, packet_id, version=self.version))

    def write(self) -> None:
        """Hand the socket what it takes."""
        with contextlib.suppress(BlockingIOError):
            while self._out:
                sent = self.sock.send(self._out[0][:_SEND_MAX])
                self._last_out = time.monotonic()
                if sent < len(self._out[0]):
                    self._out[0] = self._out[0][sent:]
                else:
                    self._out.pop(0)

    def read(self) -> None:
        """Take in acknowledgements and messages."""
        try:
            data = self.sock.recv(_READ_MAX)
        except BlockingIOError:
            return
        if len(data) < _TRICKLE:
            self._acknowledge_tcp()
        if not data:
            raise BrokerError("the broker closed the connection")
        data = self._rest + data
        at = 0
        while at < len(data):
            if data[at] == PUBACK:
                acks, used = parse_acks(data[at:] if at else data)
                self._take(acks)
            else:
                used = self._other(data[at:] if at else data)
            if not used:
                break
            at += used
        self._rest = data[at:]

    def _acknowledge_tcp(self) -> None:
        """Let the kernel acknowledge at once, where it can.

        A broker that leaves Nagle's algorithm on (mosquitto's default) holds small writes until the
        last one is acknowledged, and a delayed acknowledgement makes that 40 ms.
        """
        if _QUICKACK is not None:
            self.sock.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)

    def _take(self, acks: Acks) -> None:
        if acks.ids.size:
            self.waits.add(time.monotonic() - self._since[acks.ids])
            self.acked += acks.ids.size
            self.in_flight -= acks.ids.size
            self.reasons.update(acks.reasons)

    def _other(self, data: bytes) -> int:
        """Handle one packet that is no PUBACK; return its size, 0 while it is incomplete."""
        length = read_varint(data, 1) if len(data) > 1 else None
        if length is None or len(data) < sum(length):
            return 0
        size, start = length
        if data[0] & 0xF0 == PUBLISH and self._heard is not None:
            self._message(data[0], data[start : start + size])
        elif data[0] & 0xF0 == DISCONNECT:
            raise BrokerError(f"the broker said goodbye, reason {data[start] if size else 0}")
        return start + size

    def _message(self, head: int, body: bytes) -> None:
        size = struct.unpack(">H", body[:2])[0]
        topic, at = body[2 : 2 + size].decode(), 2 + size
        if head & 0x06:
            self._out.append(memoryview(bytes([PUBACK, 2]) + body[at : at + 2]))
            at += 2
        correlation = b""
        if self.version == _V5:
            length = read_varint(body, at)
            if length is None:
                return
            correlation = _correlation(body[length[1] : sum(length)])
            at = sum(length)
        if self._heard is not None:
            self._heard(topic, body[at:], correlation)

    def keep_alive(self) -> None:
        """Say that the connection is still wanted, where nothing else did."""
        if not self._out and time.monotonic() - self._last_out > _KEEPALIVE_S / 2:
            self.send(bytes([PINGREQ, 0]))

    def close(self) -> None:
        """Say goodbye."""
        with contextlib.suppress(OSError):
            self.sock.setblocking(True)
            self.sock.sendall(bytes([DISCONNECT, 0]))
        self.sock.close()


_PROPERTY_SIZES = {
    0x01: 1, 0x02: 4, 0x11: 4, 0x13: 2, 0x17: 1, 0x19: 1, 0x21: 2, 0x22: 2, 0x23: 2, 0x24: 1,
    0x25: 1, 0x27: 4, 0x28: 1, 0x29: 1, 0x2A: 1,
}  # fmt: skip
"""Bytes of the properties of fixed size (MQTT 5, table 2-4); the others carry their length."""
_STRING_PAIR, _SUBSCRIPTION_ID = 0x26, 0x0B


def _walk(said: bytes) -> dict[int, bytes]:
    """Return the properties' raw values by identifier; the last of several stands."""
    found: dict[int, bytes] = {}
    at = 0
    while at < len(said):
        kind, at = said[at], at + 1
        if kind == _SUBSCRIPTION_ID:
            length = read_varint(said, at)
            if length is None:
                break
            at = length[1]
        elif kind in _PROPERTY_SIZES:
            found[kind] = said[at : at + _PROPERTY_SIZES[kind]]
            at += _PROPERTY_SIZES[kind]
        else:
            for _ in range(2 if kind == _STRING_PAIR else 1):
                size = struct.unpack(">H", said[at : at + 2])[0]
                found[kind] = said[at + 2 : at + 2 + size]
                at += 2 + size
    return found


def _receive_maximum(said: bytes) -> int:
    length = read_varint(said, 0)
    raw = _walk(said[length[1] :]).get(0x21) if length else None
    return struct.unpack(">H", raw)[0] if raw else _IDS


def _correlation(said: bytes) -> bytes:
    return _walk(said).get(0x09, b"")


def serve(pipes: Sequence[Pipe], selector: selectors.BaseSelector, timeout: float) -> None:
    """Read and write whatever is ready on any pipe, waiting at most ``timeout`` seconds."""
    for pipe in pipes:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if pipe.busy else 0)
        if selector.get_key(pipe.sock).events != events:
            selector.modify(pipe.sock, events, pipe)
    for key, events in selector.select(timeout):
        pipe = key.data
        if events & selectors.EVENT_READ:
            pipe.read()
        if events & selectors.EVENT_WRITE or pipe.busy:
            pipe.write()
