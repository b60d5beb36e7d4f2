"""The hub's MQTT client: paho over a buffered socket, driven by its owner's thread.

The only module of the hub that imports paho. Every callback is idempotent and reads its reason.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from gateway.errors import BrokerUnavailableError
from gateway.settings import BrokerAddress

_KEEPALIVE_S = 10
_WAIT_STEP_S = 0.05
_READ_SIZE = 256 * 1024
_MOST_AT_ONCE = 400  # packets handled before the owner gets its turn
_KIND, _PUBLISH_QOS_1 = 0xF6, 0x32  # packet type and QoS; not the dup and retain bits
_PUBACK = struct.Struct("!BBH")  # a PUBACK without reason is a success (MQTT 5.0, 3.4.2.1)
_SHORTEST = 5  # topic length, packet identifier, no properties
_MORE, _LONGEST_SHIFT = 128, 21  # variable byte integers (MQTT 5.0, 1.5.5)


@dataclass(slots=True, eq=False)
class Received:
    """A message as the broker delivered it."""

    topic: str
    payload: bytes
    mid: int
    retained: bool
    content_type: str | None = None
    response_topic: str | None = None
    correlation: bytes | None = None
    user: tuple[tuple[str, str], ...] = ()


class _BufferedSocket:
    """A socket read and written in large pieces: paho asks for one byte at a time."""

    def __init__(self, raw: socket.socket | ssl.SSLSocket) -> None:
        self._raw = raw
        self._in = b""
        self._at = 0
        self._ended = False
        self.received = 0  # bytes so far
        self.starved = False  # a PUBLISH begins in the buffer, its rest is still to come
        self._out = bytearray()

    def fill(self) -> None:
        """Read what the system has, behind what is left; nothing there is no error."""
        try:
            data = self._raw.recv(_READ_SIZE)
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        self._in, self._at = self._in[self._at :] + data, 0
        self.received += len(data)
        self._ended, self.starved = not data, False

    def recv(self, size: int) -> bytes:
        at = self._at
        if at >= len(self._in):
            self._in, self._at = b"", 0
            self._in = self._raw.recv(_READ_SIZE)
            self.received += len(self._in)
            at = 0
        piece = self._in[at : at + size]
        self._at = at + len(piece)
        return piece

    def take_publish(self) -> tuple[bytes, bytes, int, bool] | None:
        """Take a whole QoS 1 PUBLISH without properties off the buffer, None if none begins here.

        Topic, payload, packet identifier, retained (MQTT 5.0, 3.3). Nearly every message is such
        a one, and paho spends most of its time on preparing for the others.
        """
        data, at = self._in, self._at
        end = len(data)
        if at >= end or data[at] & _KIND != _PUBLISH_QOS_1:
            return None
        if at + 2 >= end:
            self._wait_for_more()
            return None
        length, shift, body = 0, 0, at + 1
        while True:
            byte = data[body]
            body += 1
            length |= (byte & 127) << shift
            if byte < _MORE:
                break
            shift += 7
            if shift > _LONGEST_SHIFT:
                return None  # malformed: paho says so to the broker
            if body >= end:
                self._wait_for_more()
                return None
        stop = body + length
        if stop > end:
            self._wait_for_more()
            return None
        if length < _SHORTEST:
            return None
        name = body + 2 + (data[body] << 8 | data[body + 1])
        if name + 2 >= stop or data[name + 2] != 0:
            return None
        self._at = stop
        mid = data[name] << 8 | data[name + 1]
        return data[body + 2 : name], data[name + 3 : stop], mid, bool(data[at] & 1)

    def _wait_for_more(self) -> None:
        """Leave a packet until it is whole; one that was cut off by the end is paho's to notice."""
        self.starved = not self._ended

    def send(self, data: bytes) -> int:
        self._out += data
        return len(data)

    def flush(self) -> bool:
        """Hand over what is waiting; true when nothing is left."""
        while self._out:
            try:
                sent = self._raw.send(self._out)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return False
            del self._out[:sent]
        return True

    def readable(self) -> bool:
        """Say whether there is something to read without asking the system."""
        pending = self._raw.pending() if isinstance(self._raw, ssl.SSLSocket) else 0
        return (self._at < len(self._in) and not self.starved) or pending > 0

    def unsent(self) -> bool:
        return bool(self._out)

    def setblocking(self, flag: bool) -> None:
        self._raw.setblocking(flag)

    def settimeout(self, seconds: float | None) -> None:
        self._raw.settimeout(seconds)

    def fileno(self) -> int:
        return self._raw.fileno()

    def close(self) -> None:
        self._raw.close()


class _Paho(paho.Client):
    """Paho over a buffered socket; the one private method overridden (paho is pinned below 3)."""

    def _create_socket(self) -> Any:
        raw: Any = super()._create_socket()
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return _BufferedSocket(raw)

    def between_packets(self) -> bool:
        """Say whether the next byte on the socket begins a packet."""
        return bool(self._in_packet["command"] == 0)


class BrokerClient:
    """One connection under one client id. Not thread-safe: one thread owns it."""

    def __init__(
        self,
        address: BrokerAddress,
        *,
        client_id: str,
        receive_maximum: int = 1_000,
        session_expiry_s: int = 0,
    ) -> None:
        self.client_id = client_id
        self.connected = False
        self.session_present = False
        self.refused = ""
        self.published: set[int] = set()  # mids of our own publishes that the broker has
        self.dropped = False  # the connection was lost since connect()
        self._address = address
        self.on_message: Callable[[Received], None] = lambda _: None
        self._receive_maximum = receive_maximum
        self._expiry = session_expiry_s
        self._granted: dict[int, list[Any]] = {}
        self._released: set[int] = set()
        self._paho = self._make()

    def _make(self) -> _Paho:
        client = _Paho(
            CallbackAPIVersion.VERSION2,
            client_id=self.client_id,
            protocol=paho.MQTTv5,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_message = self._long
        client.on_subscribe = self._subscribed
        client.on_unsubscribe = lambda _c, _u, mid, _codes, _p: self._released.add(mid)
        client.on_publish = self._taken
        # told that writing is ours to do, paho queues instead of one system call a packet
        client.on_socket_register_write = lambda *_: None
        if self._address.user:
            client.username_pw_set(self._address.user, self._address.password)
        if self._address.tls:
            client.tls_set(ca_certs=str(self._address.ca_file) if self._address.ca_file else None)
        return client

    # -- connection -------------------------------------------------------------------------

    def connect(self, *, timeout: float = 5.0) -> None:
        """Connect and wait for the broker's answer.

        Raises
        ------
        BrokerUnavailableError
            Not reached, or refused; the reason is the broker's.
        """
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho's
        properties.SessionExpiryInterval = self._expiry
        properties.ReceiveMaximum = self._receive_maximum
        self.connected = self.dropped = False
        self.refused = ""
        for answered in (self.published, self._granted, self._released):
            answered.clear()  # packet identifiers begin again
        self._paho.connect_timeout = timeout
        try:
            self._paho.connect(
                self._address.host,
                self._address.port,
                keepalive=_KEEPALIVE_S,
                clean_start=self._expiry == 0,
                properties=properties,
            )
            self.wait(lambda: self.connected or bool(self.refused) or self.dropped, timeout)
        except (OSError, ValueError) as error:
            raise BrokerUnavailableError(detail=type(error).__name__) from error
        if not self.connected:
            self.close()
            raise BrokerUnavailableError(detail=self.refused or "no answer")

    def close(self, *, forget: bool = False) -> None:
        """Disconnect; a session with an expiry stays with the broker unless it is to forget."""
        properties = None
        if forget:
            properties = Properties(PacketTypes.DISCONNECT)  # type: ignore[no-untyped-call]  # paho's
            properties.SessionExpiryInterval = 0
        with contextlib.suppress(OSError, ValueError):
            self._paho.disconnect(properties=properties)
            self._write()
        with contextlib.suppress(OSError):
            sock = self._paho.socket()
            if sock is not None:
                sock.close()
        self.connected = False
        self._paho = self._make()  # paho keeps queues of its own across connections: not ours

    # -- work -------------------------------------------------------------------------------

    def step(self, wait: float, wake: int | None = None, *, read: bool = True) -> bool:
        """Wait for the socket or ``wake`` (a file descriptor), read and write what there is.

        Returns whether ``wake`` became readable. After it ``connected`` tells the truth.
        """
        sock = self._sock()
        if sock is None:
            self.connected = False
            return False
        poll = select.poll()
        interest = select.POLLIN if read else 0
        if sock.unsent() or self._paho.want_write():
            interest |= select.POLLOUT
        poll.register(sock.fileno(), interest)
        if wake is not None:
            poll.register(wake, select.POLLIN)
        ready = dict(poll.poll(0 if read and sock.readable() else wait * 1000))
        event = ready.get(sock.fileno(), 0)
        if read and (sock.readable() or event & ~select.POLLOUT):
            self._read()
        elif event & (select.POLLHUP | select.POLLERR):  # it would wake us again and again
            self.connected, self.dropped = False, True
            return wake is not None and wake in ready
        self._write()
        self._paho.loop_misc()
        return wake is not None and wake in ready

    @property
    def _heard(self) -> int:
        """How many bytes the broker has sent on this connection."""
        sock = self._sock()
        return sock.received if sock is not None else 0

    def _sock(self) -> _BufferedSocket | None:
        found: Any = self._paho.socket()
        return found if isinstance(found, _BufferedSocket) else None

    def _read(self) -> None:
        sock = self._sock()
        if sock is not None and self._paho.between_packets():
            with contextlib.suppress(OSError):  # paho meets it again, and knows what to do
                sock.fill()
        for _ in range(_MOST_AT_ONCE):
            if sock is None:
                return
            found = sock.take_publish() if self._paho.between_packets() else None
            if found is not None:
                self._short(*found)
            elif sock.starved or self._paho.loop_read() != paho.MQTT_ERR_SUCCESS:
                return
            else:
                sock = self._sock()
            if sock is None or not sock.readable():
                return

    def _write(self) -> None:
        if self._paho.want_write():
            self._paho.loop_write()
        sock = self._sock()
        if sock is not None:
            try:
                sock.flush()
            except OSError:
                self.connected, self.dropped = False, True

    def wait(self, until: Callable[[], bool], timeout: float) -> bool:
        """Work until the condition holds; false when it did not in so long a silence.

        What is awaited stands behind what the broker sent before: a backlog is no silence.
        """
        deadline = time.monotonic() + timeout
        while not until():
            heard = self._heard
            self.step(_WAIT_STEP_S)
            if self.dropped:
                return until()
            if self._heard != heard:
                deadline = time.monotonic() + timeout
            elif time.monotonic() >= deadline:
                return until()
        return True

    def ack(self, mids: list[int]) -> None:
        """Tell the broker that these messages are safely kept."""
        sock = self._sock()
        if sock is not None:  # straight to the socket: paho makes a system call for each
            sock.send(b"".join(_PUBACK.pack(0x40, 2, mid) for mid in mids))
        self._write()

    def subscribe(self, filters: list[str], *, timeout: float = 5.0) -> None:
        """Subscribe at QoS 1 and wait until the broker grants it.

        Raises
        ------
        BrokerUnavailableError
            Not granted; the filter is named.
        """
        options = SubscribeOptions(qos=1)
        code, mid = self._paho.subscribe([(f, options) for f in filters])
        if code != paho.MQTT_ERR_SUCCESS or mid is None:
            raise BrokerUnavailableError(detail=f"subscribe: {code!s}")
        if not self.wait(lambda: mid in self._granted, timeout):
            raise BrokerUnavailableError(detail="subscribe: no answer")
        for topic_filter, granted in zip(filters, self._granted.pop(mid), strict=False):
            if granted.is_failure:
                raise BrokerUnavailableError(detail=f"subscribe {topic_filter}: {granted}")

    def unsubscribe(self, filters: list[str], *, timeout: float = 5.0) -> None:
        """Unsubscribe and wait for the answer; what is queued is still delivered."""
        _, mid = self._paho.unsubscribe(filters)
        if mid is None or not self.wait(lambda: mid in self._released, timeout):
            raise BrokerUnavailableError(detail="unsubscribe: no answer")

    def publish(
        self, topic: str, payload: bytes, *, correlation: bytes | None = None,
        expiry_s: int | None = None,
    ) -> int:  # fmt: skip
        """Queue a QoS 1 publish; its mid is in ``published`` once the broker has it."""
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho's
        if correlation is not None:
            properties.CorrelationData = correlation
        if expiry_s is not None:
            properties.MessageExpiryInterval = max(1, expiry_s)
        return int(self._paho.publish(topic, payload, qos=1, properties=properties).mid)

    # -- callbacks --------------------------------------------------------------------------

    def _connected(self, _c: Any, _u: Any, flags: Any, reason: Any, _p: Any) -> None:
        if reason.is_failure:
            self.refused = str(reason)
            return
        self.connected = True
        self.session_present = bool(flags.session_present)

    def _taken(self, _c: Any, _u: Any, mid: int, reason: Any, _p: Any) -> None:
        if reason is None or not reason.is_failure:
            self.published.add(mid)

    def _subscribed(self, _c: Any, _u: Any, mid: int, codes: Any, _p: Any) -> None:
        self._granted[mid] = codes

    def _disconnected(self, _c: Any, _u: Any, _flags: Any, reason: Any, _p: Any) -> None:
        self.connected, self.dropped = False, True
        if reason is not None and reason.is_failure:
            self.refused = str(reason)

    def _short(self, topic: bytes, payload: bytes, mid: int, retained: bool) -> None:
        try:
            name = topic.decode()
        except UnicodeDecodeError:
            name = topic.decode(errors="replace")
        self.on_message(Received(name, payload, mid, retained))

    def _long(self, _c: Any, _u: Any, message: paho.MQTTMessage) -> None:
        try:
            name = message.topic
        except UnicodeDecodeError:
            name = "invalid UTF-8"
        found = message.properties
        self.on_message(
            Received(
                topic=name,
                payload=bytes(message.payload),
                mid=message.mid if message.qos else 0,
                retained=message.retain,
                content_type=getattr(found, "ContentType", None),
                response_topic=getattr(found, "ResponseTopic", None),
                correlation=getattr(found, "CorrelationData", None),
                user=tuple(getattr(found, "UserProperty", ())),
            )
        )
