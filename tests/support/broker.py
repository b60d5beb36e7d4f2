"""A real broker for tests, with accounts for the devices that a test needs."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.embedded import mosquitto
from gateway import topics
from ingest.kernel import broker_password
from tests.support import waiting
from tests.support.folders import short_folder
from tests.support.ports import free_port

_PROBE = "reload/probe"


class Broker:
    """An embedded mosquitto that a test may stop, kill and start again."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.server = mosquitto.EmbeddedMosquitto(
            folder,
            port or free_port(),
            keeps=topics.kept_sessions("hub", event_slots=1, obs_slots=2),  # as `telecare up` does
        )
        self.passwords: dict[str, str] = {}

    @property
    def host(self) -> str:
        """Where it listens."""
        return self.server.bind

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.server.port

    @property
    def hub_url(self) -> str:
        """The address for the hub's own roles."""
        return self.server.url

    def url(self, user: str) -> str:
        """Return the address for a device, ``mqtt://site%2Fdevice:password@host:port``."""
        name = user.replace("/", "%2F")
        return f"mqtt://{name}:{self.passwords[user]}@{self.host}:{self.port}"

    def add(self, *users: str) -> dict[str, str]:
        """Give accounts (``site/device``, ``site/onboarding``) a password and return them all."""
        for user in users:
            self.passwords.setdefault(user, broker_password.new())
        self._apply()
        return dict(self.passwords)

    def remove(self, *users: str) -> None:
        """Take accounts away."""
        for user in users:
            del self.passwords[user]
        self._apply()

    def start(self) -> None:
        """Start it, also after `stop` or `kill`: sessions and kept messages come back."""
        self.server.start()

    def stop(self) -> None:
        """Stop it in order."""
        self.server.stop()

    def kill(self) -> None:
        """Kill it as a power cut would."""
        self.server.kill()

    def _apply(self) -> None:
        """Write the accounts and wait until the broker has read them: the probe's one is new."""
        probe = broker_password.new()
        stored = {user: broker_password.digest(word) for user, word in self.passwords.items()}
        sites = {user.partition("/")[0] for user in self.passwords}
        self.server.write_credentials({**stored, _PROBE: broker_password.digest(probe)}, sites)
        if self.server.alive():
            waiting.until(lambda: self._lets_in(_PROBE, probe), "the broker read its accounts")

    def _lets_in(self, user: str, password: str) -> bool:
        with socket.create_connection((self.host, self.port), timeout=5) as connection:
            connection.sendall(_connect_packet(user, password))
            answer = connection.recv(4)
        return answer == b"\x20\x02\x00\x00"


def _connect_packet(user: str, password: str) -> bytes:
    """Return an MQTT 3.1.1 CONNECT with a clean session and no client id."""

    def text(value: str) -> bytes:
        return len(value).to_bytes(2, "big") + value.encode()

    body = text("MQTT") + b"\x04\xc2\x00\x0a" + text("") + text(user) + text(password)
    return b"\x10" + bytes([len(body)]) + body


@pytest.fixture
def broker() -> Iterator[Broker]:
    """A broker of this test's own."""
    with short_folder() as folder:
        made = Broker(folder / "mq")
        made.start()
        try:
            yield made
        finally:
            made.stop()
