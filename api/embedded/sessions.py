"""Sessions of a broker made whole again: mosquitto forgets shared subscriptions when it restarts.

Mosquitto 2.0 keeps a session, its queue and its plain subscriptions across a restart, but not its
shared ones: what it takes from devices before the subscriber is back goes nowhere. So whoever
starts the broker subscribes once more under each session's name, before any device is let in.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from contextlib import ExitStack
from typing import BinaryIO

_TIMEOUT = 10.0  # [s]
_CONNACK, _PUBLISH, _SUBACK = 0x20, 0x30, 0x90
_EXPIRY_S = 7 * 86_400  # as the gateways ask for
_REFUSED = 0x80
_MORE = 128  # the variable byte integer goes on
_PACKET = 1  # the identifier of our only packet that needs one


class SubscriptionRefusedError(OSError):
    """The broker did not restore a session's subscriptions."""


def subscribe(
    address: tuple[str, int], *, user: str, password: str, client_id: str, filters: Iterable[str]
) -> None:
    """Subscribe at QoS 1 under a client id, keeping its session and its queue, and leave.

    Raises
    ------
    OSError
        The broker can't be reached, or refuses.
    """
    with ExitStack() as stack:
        connection = stack.enter_context(socket.create_connection(address, timeout=_TIMEOUT))
        stream = stack.enter_context(connection.makefile("rb"))
        connection.sendall(_connect(user, password, client_id))
        _expect(stream, _CONNACK)
        wanted = b"".join(_text(f) + b"\x01" for f in filters)
        connection.sendall(_packet(0x82, struct.pack("!HB", _PACKET, 0) + wanted))
        _expect(stream, _SUBACK)
        connection.sendall(b"\xe0\x00")  # DISCONNECT: the session stays


def _connect(user: str, password: str, client_id: str) -> bytes:
    """Return a CONNECT (MQTT 5.0, 3.1) that resumes and takes one message at most: not ours."""
    properties = struct.pack("!BIBH", 0x11, _EXPIRY_S, 0x21, 1)  # session expiry, receive maximum
    header = _text("MQTT") + struct.pack("!BBH", 5, 0xC0, 30) + bytes([len(properties)])
    return _packet(0x10, header + properties + _text(client_id) + _text(user) + _text(password))


def _expect(stream: BinaryIO, kind: int) -> None:
    """Read packets up to the wanted answer and check that it isn't a refusal."""
    while True:
        found, body = _next(stream)
        if found & 0xF0 == kind:
            break
        if found & 0xF0 != _PUBLISH:
            raise SubscriptionRefusedError
    codes = body[1:2] if kind == _CONNACK else body[3 + body[2] :]
    if not codes or max(codes) >= _REFUSED:
        raise SubscriptionRefusedError


def _next(stream: BinaryIO) -> tuple[int, bytes]:
    """Read one packet: its first byte and its body."""
    kind = _read(stream, 1)[0]
    length, shift = 0, 0
    while True:
        digit = _read(stream, 1)[0]
        length |= (digit & 127) << shift
        shift += 7
        if digit < _MORE:
            return kind, _read(stream, length)


def _read(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise SubscriptionRefusedError("the broker closed the connection")
    return data


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("!H", len(data)) + data


def _packet(kind: int, body: bytes) -> bytes:
    length, left = bytearray(), len(body)
    while True:
        left, digit = divmod(left, 128)
        length.append(digit | (128 if left else 0))
        if not left:
            return bytes([kind]) + bytes(length) + body
