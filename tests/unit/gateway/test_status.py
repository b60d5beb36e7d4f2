"""The status slot: presence, answers to commands, the broker's losses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway import topics
from gateway.client import Received
from gateway.status import DROPPED, StatusSession
from ingest.kernel.errors import PoisonError, StoreUnavailableError
from ingest.ports import DeviceState
from tests.support.clock import FixedClock

ROOT = "telecare/v1/s/d"


class Book:
    """A presence store that knows device ``d`` only."""

    def __init__(self) -> None:
        self.states: list[DeviceState] = []
        self.answers: list[tuple[str, str]] = []
        self.quarantined: list[tuple[str, str]] = []
        self.losses: list[int] = []
        self.error: Exception | None = None

    def keep(self, state: DeviceState) -> bool:
        if self.error is not None:
            raise self.error
        self.states.append(state)
        return state.device == "d"

    def answered(self, site: str, device: str, *, command: str, body: str, at: float) -> None:
        self.answers.append((command, body))

    def quarantine(self, *, topic: str, reason: str, **_: Any) -> None:
        self.quarantined.append((topic, reason))

    def lost(self, messages: int) -> None:
        self.losses.append(messages)


class Client:
    """Delivers what it was given in one step, then loses the connection."""

    def __init__(self, *messages: Received) -> None:
        self.client_id = "telecare-hub-status-0"
        self.connected = True
        self.acked: list[int] = []
        self.on_message: Any = None
        self.messages = messages

    def publish(self, topic: str, body: bytes) -> int:
        return 1

    def step(self, wait: float) -> bool:
        for message in self.messages:
            self.on_message(message)
        self.connected = False
        return False

    def ack(self, mids: list[int]) -> None:
        self.acked += mids


def serve(clock: FixedClock, book: Book, *messages: Received) -> tuple[StatusSession, Client]:
    client: Any = Client(*messages)
    session = StatusSession(client=client, store=book, clock=clock)
    session._serve()
    return session, client


def said(payload: Any, mid: int = 1, topic: str = f"{ROOT}/status", **more: Any) -> Received:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return Received(topic, body, mid, **{"retained": False, **more})


@pytest.fixture
def book() -> Book:
    return Book()


def test_a_state_is_kept_with_what_the_device_says_of_itself(clock: FixedClock, book: Book) -> None:
    at = clock.epoch() + 5
    _, client = serve(
        clock, book,
        said({"state": "online", "session": "a", "at": at, "battery": 81, "rssi": -67, "fw": "1"}),
    )  # fmt: skip
    (state,) = book.states
    assert (state.site, state.device, state.state, state.session) == ("s", "d", "online", "a")
    assert (state.battery, state.rssi, state.firmware) == (81, -67, "1")
    assert state.clock_skew_s == pytest.approx(5)
    assert client.acked == [1]


def test_an_empty_retained_message_only_clears_the_topic(clock: FixedClock, book: Book) -> None:
    _, client = serve(clock, book, said(b""))
    assert (book.states, book.quarantined, client.acked) == ([], [], [1])


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (said(b"garbage"), "unreadable"),
        (said({"state": "online"}, topic="telecare/v1/s/stranger/status"), "unregistered"),
        (said({"state": "online"}, topic="telecare/v1/S/d/status"), "topic"),
        (said(b"garbage", topic=f"{ROOT}/cmd/ack"), "unreadable"),
    ],
)
def test_what_can_not_be_taken_is_quarantined_and_acknowledged(
    clock: FixedClock, book: Book, message: Received, reason: str
) -> None:
    _, client = serve(clock, book, message)
    assert [r for _, r in book.quarantined] == [reason]
    assert client.acked == [1]


def test_what_the_database_refuses_is_quarantined_and_the_rest_goes_on(
    clock: FixedClock, book: Book
) -> None:
    book.error = PoisonError(detail="22003")
    _, client = serve(clock, book, said({"state": "online"}), said(b"x", 2))
    assert [r for _, r in book.quarantined] == ["store", "unreadable"]
    assert client.acked == [1, 2]


def test_nothing_is_acknowledged_while_the_database_is_away(clock: FixedClock, book: Book) -> None:
    book.error = StoreUnavailableError(detail="test")
    client: Any = Client(said({"state": "online"}))
    session = StatusSession(client=client, store=book, clock=clock)
    with pytest.raises(StoreUnavailableError):
        session._serve()
    assert client.acked == []


def test_an_answer_to_a_command_is_noted(clock: FixedClock, book: Book) -> None:
    answer = {"id": "c-7", "ok": True, "detail": "\\u0000\0on"}
    serve(clock, book, said(answer, topic=f"{ROOT}/cmd/ack"))
    ((command, body),) = book.answers
    assert command == "c-7"
    assert json.loads(body) == {"id": "c-7", "ok": True, "detail": "\\u0000on"}


def test_the_probe_shows_that_the_slot_hears(clock: FixedClock, book: Book) -> None:
    session, client = serve(
        clock, book, said(b"probe", topic=topics.probe("telecare-hub-status-0"))
    )
    assert session.probed_at == clock.monotonic()
    assert client.acked == [1]


def test_the_brokers_losses_are_shown_and_kept(clock: FixedClock, book: Book) -> None:
    serve(
        clock, book, said(b"3", 0, topics.DROPPED), said(b"x", 0, topics.DROPPED),
        said(b"7", 0, topics.DROPPED),
    )  # fmt: skip
    assert DROPPED._value.get() == 7
    assert book.losses == [4], "what was lost before this gateway counted is not new"
    assert book.quarantined == []
