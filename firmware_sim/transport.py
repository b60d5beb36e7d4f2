"""Connections of simulated devices to a broker: paho, MQTT 5, all of them on one loop."""

from __future__ import annotations

import selectors
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from paho.mqtt import client as paho
from paho.mqtt import enums, packettypes, properties, reasoncodes, subscribeoptions

from firmware_sim import wire

Acked = Callable[[bool], None]

_SESSION_S = 3600  # a device's receipts and commands wait this long for it
_KEEPALIVE_S = 30
_BACKOFF_S = (0.5, 30.0)
_TICK_S = 1.0
_CONNACK_S = 10.0  # a broker that said nothing by then is tried again


class BadUrlError(ValueError):
    """The broker's address can't be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """Where the broker is, and the account in its address, if any."""

    host: str
    port: int
    user: str | None = None
    password: str | None = None
    tls: bool = False
    cafile: str | None = None

    @classmethod
    def from_url(cls, url: str, *, cafile: str | None = None) -> Broker:
        """Read ``mqtt[s]://user:pass@host:port``; user names may hold a percent-encoded slash."""
        parts = urlsplit(url)
        if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname:
            raise BadUrlError(f"write the broker as mqtt[s]://user:pass@host:port, not {url!r}")
        tls = parts.scheme == "mqtts"
        return cls(
            host=parts.hostname,
            port=parts.port or (8883 if tls else 1883),
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            tls=tls,
            cafile=cafile,
        )

    def context(self) -> ssl.SSLContext:
        """Return the TLS settings: the machine's authorities, or the file given."""
        return ssl.create_default_context(cafile=self.cafile)


class Owner(Protocol):
    """What a device wants to hear of its connection."""

    def connected(self) -> None:
        """Start speaking: the connection stands and the subscriptions are made."""
        ...

    def disconnected(self) -> None:
        """Take note that the connection is gone."""
        ...

    def heard(self, topic: str, payload: bytes, correlation: bytes) -> None:
        """Handle a message from the hub."""
        ...


class Link(Protocol):
    """A device's connection. Messages published while it is down wait and go out afterwards."""

    @property
    def up(self) -> bool:
        """Return whether it stands."""
        ...

    @property
    def wanted(self) -> bool:
        """Return whether the device wants it to stand."""
        ...

    @property
    def waiting(self) -> int:
        """Return how many messages the broker has not acknowledged yet."""
        ...

    def connect(self, *, will: wire.Message) -> None:
        """Connect, and stay connected over losses."""
        ...

    def publish(self, message: wire.Message, acked: Acked) -> None:
        """Publish with QoS 1; ``acked`` hears whether the broker took it, once it says so."""
        ...

    def disconnect(self) -> None:
        """Say goodbye: no will."""
        ...

    def drop(self) -> None:
        """Vanish: the broker publishes the will."""
        ...


class Network(Protocol):
    """Makes links and runs them."""

    def link(
        self,
        *,
        client_id: str,
        account: tuple[str, str] | None,
        topics: Sequence[str],
        owner: Owner,
    ) -> Link:
        """Return an unconnected link that reads ``topics`` once it stands."""
        ...

    def poll(self, timeout: float) -> None:
        """Serve all links, for at most ``timeout`` seconds."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


def _properties(packet: int) -> properties.Properties:
    return properties.Properties(packet)  # type: ignore[no-untyped-call]  # paho leaves it untyped


class PahoLink:
    """One paho client, driven by its network's loop."""

    def __init__(
        self,
        *,
        network: PahoNetwork,
        client_id: str,
        account: tuple[str, str] | None,
        topics: Sequence[str],
        owner: Owner,
    ) -> None:
        self._network = network
        self._owner = owner
        self._topics = topics
        self._acked: dict[int, Acked] = {}
        self._wanted = False
        self._wait = 0.0
        self.next_try = 0.0
        self.up = False
        self.refused = ""  # why the broker last said no
        broker = network.broker
        client = paho.Client(
            enums.CallbackAPIVersion.VERSION2, client_id=client_id, protocol=paho.MQTTv5
        )
        user = account or ((broker.user, broker.password or "") if broker.user else None)
        if user:
            client.username_pw_set(*user)
        if broker.tls:
            client.tls_set_context(broker.context())
        client.max_inflight_messages_set(20)
        client.max_queued_messages_set(0)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_socket_open = self._on_open
        client.on_socket_close = self._on_close
        client.on_socket_register_write = self._on_want_write
        client.on_socket_unregister_write = self._on_no_write
        self._client = client

    @property
    def wanted(self) -> bool:
        """Return whether the device wants to be connected."""
        return self._wanted

    @property
    def waiting(self) -> int:
        """Return how many messages the broker has not acknowledged yet."""
        return len(self._acked)

    def connect(self, *, will: wire.Message) -> None:
        """Connect, and stay connected over losses."""
        self._client.will_set(will.topic, will.payload, qos=1, retain=will.retain)
        if not self._wanted:  # a loss keeps its back-off, only the will is another session's
            self._wanted, self._wait, self.next_try = True, _BACKOFF_S[0], 0.0

    def attempt(self) -> None:
        """Try once; the network calls it when a try is due."""
        said = _properties(packettypes.PacketTypes.CONNECT)
        said.SessionExpiryInterval = _SESSION_S
        self.next_try = time.monotonic() + self._wait
        self._wait = min(self._wait * 2, _BACKOFF_S[1])
        broker = self._network.broker
        try:
            # never a clean start: receipts and commands may be waiting, even from before a restart
            self._client.connect(
                broker.host, broker.port, keepalive=_KEEPALIVE_S, clean_start=False,
                properties=said,
            )  # fmt: skip
        except OSError as problem:
            self.refused = str(problem)
        else:
            self.next_try = time.monotonic() + _CONNACK_S

    def publish(self, message: wire.Message, acked: Acked) -> None:
        """Publish with QoS 1; ``acked`` hears whether the broker took it, once it says so."""
        said = _properties(packettypes.PacketTypes.PUBLISH)
        if message.content_type:
            said.ContentType = message.content_type
        if message.response_topic:
            said.ResponseTopic = message.response_topic
            said.CorrelationData = message.correlation
        if message.imported:
            said.UserProperty = ("import", "true")
        info = self._client.publish(
            message.topic, message.payload, qos=1, retain=message.retain, properties=said
        )
        self._acked[info.mid] = acked

    def disconnect(self) -> None:
        """Say goodbye: no will."""
        self._wanted = False
        self._client.disconnect()

    def drop(self) -> None:
        """Vanish: the broker publishes the will."""
        self._wanted = False
        sock: Any = self._client.socket()
        if sock is not None:
            # paho sees the end of the stream on its next read and cleans up after itself
            sock.shutdown(socket.SHUT_RDWR)

    def serve(self, events: int) -> None:
        """Read and write what is ready."""
        if events & selectors.EVENT_READ:
            self._client.loop_read()
        if events & selectors.EVENT_WRITE:
            self._client.loop_write()

    def tick(self) -> None:
        """Keep alive; called every second."""
        self._client.loop_misc()

    def _on_connect(
        self, client: paho.Client, _data: object, _flags: object,
        reason: reasoncodes.ReasonCode, _said: object,
    ) -> None:  # fmt: skip
        if reason.is_failure:
            self.refused = str(reason)
            return
        self._wait = _BACKOFF_S[0]
        options = subscribeoptions.SubscribeOptions(qos=1)
        client.subscribe([(topic, options) for topic in self._topics])

    def _on_subscribe(self, *_said: object) -> None:
        if not self.up:
            self.up = True
            self._owner.connected()

    def _on_disconnect(self, *_said: object) -> None:
        was, self.up = self.up, False
        self.next_try = time.monotonic() + self._wait
        if was:
            self._owner.disconnected()

    def _on_message(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        correlation = getattr(message.properties, "CorrelationData", b"")
        self._owner.heard(message.topic, bytes(message.payload), correlation)

    def _on_publish(
        self, _client: object, _data: object, mid: int,
        reason: reasoncodes.ReasonCode, _said: object,
    ) -> None:  # fmt: skip
        acked = self._acked.pop(mid, None)
        if acked is not None:
            acked(not reason.is_failure)

    def _on_open(self, _client: object, _data: object, sock: Any) -> None:
        self._network.watch(sock, self)

    def _on_close(self, _client: object, _data: object, sock: Any) -> None:
        self._network.forget(sock)

    def _on_want_write(self, _client: object, _data: object, sock: Any) -> None:
        self._network.watch(sock, self, write=True)

    def _on_no_write(self, _client: object, _data: object, sock: Any) -> None:
        self._network.watch(sock, self)


class PahoNetwork:
    """All of a fleet's connections on one selector; no threads."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.links: list[PahoLink] = []
        self._selector = selectors.DefaultSelector()
        self._next_tick = 0.0

    def link(
        self,
        *,
        client_id: str,
        account: tuple[str, str] | None,
        topics: Sequence[str],
        owner: Owner,
    ) -> PahoLink:
        """Return an unconnected link that reads ``topics`` once it stands."""
        link = PahoLink(
            network=self, client_id=client_id, account=account, topics=topics, owner=owner
        )
        self.links.append(link)
        return link

    def watch(self, sock: Any, link: PahoLink, *, write: bool = False) -> None:
        """Serve a socket from now on."""
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if write else 0)
        try:
            self._selector.modify(sock, events, link)
        except KeyError:
            if sock.fileno() >= 0:
                self._selector.register(sock, events, link)

    def forget(self, sock: Any) -> None:
        """Stop serving a socket."""
        try:
            self._selector.unregister(sock)
        except (KeyError, ValueError):
            return  # it was never watched, or is closed already

    def poll(self, timeout: float) -> None:
        """Serve all links, for at most ``timeout`` seconds."""
        now = time.monotonic()
        if now >= self._next_tick:
            self._next_tick = now + _TICK_S
            for link in self.links:
                link.tick()
        for link in self.links:
            if link.wanted and not link.up and now >= link.next_try:
                link.attempt()
        if not self._selector.get_map():
            time.sleep(min(timeout, 0.05))
            return
        for key, events in self._selector.select(min(timeout, _BACKOFF_S[0])):
            key.data.serve(events)

    def close(self) -> None:
        """Let go of everything."""
        for link in self.links:
            if link.wanted or link.up:
                link.disconnect()
        deadline = time.monotonic() + 1.0
        while any(link.up for link in self.links) and time.monotonic() < deadline:
            self.poll(0.05)
        self._selector.close()
