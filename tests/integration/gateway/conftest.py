"""A gateway between a broker and a database of the test's own, and a device to speak to it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg
import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway import main
from gateway.settings import GatewaySettings
from tests.support import waiting
from tests.support.broker import Broker


class Hub:
    """One gateway's surroundings; gateways come and go."""

    def __init__(self, broker: Broker, url: str) -> None:
        self.broker = broker
        self.url = url
        broker.add("maple/oximeter-1", "maple/pendant-1", "maple/onboarding")
        with psycopg.connect(url, autocommit=True) as db:
            db.execute("INSERT INTO ingest.site (id, name) VALUES ('maple', 'M')")
            db.execute("INSERT INTO ingest.home (id, site_no) SELECT 'h', no FROM ingest.site")
            for name in ("oximeter-1", "pendant-1"):
                self.adopt(name)

    def adopt(self, name: str) -> None:
        with psycopg.connect(self.url) as db:
            db.execute(
                "INSERT INTO ingest.device (site_no, name, kind)"
                " SELECT no, %s, 'x' FROM ingest.site",
                [name],
            )
            db.execute(
                "INSERT INTO ingest.assignment (device_no, home_no, starts)"
                " SELECT d.no, h.no, '1970-01-01+00' FROM ingest.device d, ingest.home h"
                " WHERE d.name = %s",
                [name],
            )
            db.execute("NOTIFY ingest_register")

    @contextmanager
    def gateway(self, **settings: Any) -> Iterator[None]:
        """Run one for the block; what crashed it is raised at the end."""
        crashed: list[BaseException] = []
        stop = threading.Event()

        def run() -> None:
            try:
                main.serve(
                    GatewaySettings(
                        database_url=self.url, mqtt_url=self.broker.hub_url, **settings
                    ),
                    stop=stop,
                )
            except BaseException as error:  # told to the test's own thread
                crashed.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(30)
        assert not thread.is_alive()
        assert crashed == []

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as db:
            return db.execute(query).fetchall()  # type: ignore[arg-type]  # a test's own SQL

    def until(self, query: str, expected: Any, *, timeout: float = 30) -> None:
        """Wait until a query's only value is what it should be."""
        waiting.until(
            lambda: self.rows(query) == [(expected,)], f"{query} = {expected}", timeout=timeout
        )

    def listening(self, slots: int) -> None:
        """Wait until this many slots heard their own probe just now."""
        self.until(
            "SELECT count(*) FROM ingest.slot WHERE probed_at > now() - interval '5 seconds'", slots
        )


class Device:
    """A device with a connection of its own."""

    def __init__(self, hub: Hub, user: str) -> None:
        parts = urlsplit(hub.broker.url(user))
        self.heard: list[tuple[str, bytes, bytes | None]] = []
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5, client_id=user.replace("/", "-")
        )
        self._client.username_pw_set(unquote(parts.username or ""), parts.password)
        self._client.on_message = lambda _c, _u, m: self.heard.append(
            (m.topic, m.payload, getattr(m.properties, "CorrelationData", None))
        )
        ready = threading.Event()
        self._client.on_subscribe = lambda *_: ready.set()
        self._client.connect(parts.hostname or "", parts.port or 0)
        self._client.loop_start()
        site, name = user.split("/")
        self._client.subscribe(
            [(f"telecare/v1/{site}/{name}/{t}", 1) for t in ("receipt", "cmd", "reply/#")]
        )
        assert ready.wait(10)

    def publish(self, topic: str, payload: bytes, **properties: Any) -> None:
        """Publish and wait until the broker has it."""
        packed = Properties(PacketTypes.PUBLISH)
        for name, value in properties.items():
            setattr(packed, name, value)
        self._client.publish(topic, payload, qos=1, properties=packed).wait_for_publish(10)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def hub(broker: Broker, database_url: str) -> Hub:
    return Hub(broker, database_url)


@pytest.fixture
def device(hub: Hub) -> Iterator[Callable[[str], Device]]:
    """Connect as a device; all are disconnected at the end."""
    made: list[Device] = []

    def connect(user: str) -> Device:
        made.append(Device(hub, user))
        return made[-1]

    yield connect
    for one in made:
        one.close()
