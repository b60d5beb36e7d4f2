"""The way back to the devices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.commands import CommandPump
from ingest.ports import Outgoing


class Broker:
    """A client whose broker takes all but what it was told to refuse."""

    def __init__(self, refuse: set[str] | None = None) -> None:
        self.connected = True
        self.published: set[int] = set()
        self.sent: list[tuple[str, bytes, int | None]] = []
        self._refuse = refuse or set()

    def publish(self, topic: str, body: bytes, *, expiry_s: int | None = None) -> int:
        self.sent.append((topic, body, expiry_s))
        mid = len(self.sent)
        if topic not in self._refuse:
            self.published.add(mid)
        return mid

    def wait(self, until: Callable[[], bool], timeout: float) -> bool:
        return until()


def message(no: int, *, device: str = "d", tail: str = "receipt") -> Outgoing:
    return Outgoing(no=no, site="s", device=device, tail=tail, body=b"{}", expiry_s=60)


def pump(broker: Broker) -> CommandPump:
    client: Any = broker
    outbox: Any = None
    return CommandPump(client=client, open_outbox=lambda: outbox)


def test_each_message_goes_to_its_device_with_its_expiry() -> None:
    broker = Broker()
    assert pump(broker)._publish([message(7), message(8, tail="cmd")]) == {7, 8}
    assert broker.sent == [
        ("telecare/v1/s/d/receipt", b"{}", 60),
        ("telecare/v1/s/d/cmd", b"{}", 60),
    ]


def test_what_the_broker_did_not_take_stays() -> None:
    broker = Broker(refuse={"telecare/v1/s/d/cmd"})
    assert pump(broker)._publish([message(7), message(8, tail="cmd")]) == {7}


def test_a_topic_with_wildcards_is_never_published() -> None:
    broker = Broker()
    assert pump(broker)._publish([message(7, device="+"), message(8)]) == {8}
    assert len(broker.sent) == 1


def test_an_answer_to_an_earlier_publish_is_not_taken_for_this_one() -> None:
    broker = Broker(refuse={"telecare/v1/s/d/receipt"})
    broker.published = {1}
    assert pump(broker)._publish([message(7)]) == set()
