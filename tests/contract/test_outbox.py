"""What the hub has to say to devices, on a real database."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest

from ingest.kernel.errors import StoreUnavailableError
from ingest.ports import Outgoing
from ingest.storage.outbox import PostgresOutbox
from tests.contract.stream_batches import rows

pytestmark = pytest.mark.service

ADD = """
INSERT INTO ingest.outbox (site, device, tail, body, expires_at, next_try_at)
VALUES ('s', %s, 'receipt', %s, now() + make_interval(secs => %s),
    now() + make_interval(secs => %s)) RETURNING no
"""


@pytest.fixture
def outbox(store_url: str) -> Iterator[PostgresOutbox]:
    made = PostgresOutbox.open(store_url)
    yield made
    made.close()


def add(url: str, device: str = "d", *, expires: float = 60, due: float = 0) -> int:
    ((no,),) = rows(url, ADD, device, json.dumps({"alarm": "f-1"}), expires, due)
    return int(no)


def taken(outbox: PostgresOutbox, *, take: bool = True) -> list[Outgoing]:
    seen: list[Outgoing] = []

    def publish(messages: list[Outgoing]) -> set[int]:
        seen.extend(messages)
        return {m.no for m in messages} if take else set()

    outbox.send(publish)
    return seen


def test_what_is_due_is_handed_over_oldest_first_and_once(
    store_url: str, outbox: PostgresOutbox
) -> None:
    first, second = add(store_url, "a"), add(store_url, "b")
    messages = taken(outbox)
    assert [m.no for m in messages] == [first, second]
    assert [m.device for m in messages] == ["a", "b"]
    assert json.loads(messages[0].body) == {"alarm": "f-1"}
    assert 1 <= messages[0].expiry_s <= 60
    assert taken(outbox) == []
    sent = rows(store_url, "SELECT count(*) FROM ingest.outbox WHERE sent_at IS NOT NULL")
    assert sent == [(2,)]


def test_nothing_due_publishes_nothing(outbox: PostgresOutbox) -> None:
    def publish(_: list[Outgoing]) -> set[int]:
        raise AssertionError("nothing was due")

    assert outbox.send(publish) == 0


def test_what_is_not_due_yet_waits(store_url: str, outbox: PostgresOutbox) -> None:
    add(store_url, due=60)
    assert taken(outbox) == []


def test_what_has_expired_is_given_up_and_never_sent(
    store_url: str, outbox: PostgresOutbox
) -> None:
    add(store_url, expires=-1)
    assert taken(outbox) == []
    assert rows(store_url, "SELECT failed, sent_at FROM ingest.outbox") == [("expired", None)]


def test_what_the_broker_did_not_take_is_tried_again_later_and_later(
    store_url: str, outbox: PostgresOutbox
) -> None:
    add(store_url, expires=86_400)
    waits = []
    for _ in range(9):
        assert len(taken(outbox, take=False)) == 1
        ((wait,),) = rows(
            store_url,
            "UPDATE ingest.outbox SET next_try_at = now()"
            " RETURNING (SELECT round(extract(epoch FROM o.next_try_at - now()))::int"
            "  FROM ingest.outbox o)",
        )
        waits.append(wait)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert len(taken(outbox)) == 1
    assert rows(store_url, "SELECT tries FROM ingest.outbox") == [(10,)]


def test_only_what_was_taken_counts_as_sent(store_url: str, outbox: PostgresOutbox) -> None:
    first, second = add(store_url, "a"), add(store_url, "b")
    assert outbox.send(lambda messages: {messages[1].no}) == 1
    sent = rows(store_url, "SELECT no FROM ingest.outbox WHERE sent_at IS NOT NULL")
    assert sent == [(second,)]
    assert first != second


def test_two_gateways_never_send_the_same(store_url: str, outbox: PostgresOutbox) -> None:
    add(store_url)
    other = PostgresOutbox.open(store_url)
    inside: list[Outgoing] = []

    def publish(messages: list[Outgoing]) -> set[int]:
        inside.extend(taken(other))
        return {m.no for m in messages}

    try:
        assert outbox.send(publish) == 1
    finally:
        other.close()
    assert inside == []


def test_what_a_dying_gateway_held_is_free_for_the_next(
    store_url: str, outbox: PostgresOutbox
) -> None:
    add(store_url)
    dying = PostgresOutbox.open(store_url)

    def publish(messages: list[Outgoing]) -> set[int]:
        pid = dying._db.info.backend_pid
        rows(store_url, "SELECT pg_terminate_backend(%s, 5000)", pid)
        return {m.no for m in messages}

    with pytest.raises(StoreUnavailableError):
        dying.send(publish)
    dying.close()
    assert len(taken(outbox)) == 1


def test_waiting_ends_with_the_news(store_url: str, outbox: PostgresOutbox) -> None:
    woken = threading.Event()

    def wait() -> None:
        outbox.wait(30)
        woken.set()

    thread = threading.Thread(target=wait)
    thread.start()
    try:
        for _ in range(100):
            rows(store_url, "SELECT pg_notify('ingest_outbox', '')")
            if woken.wait(0.1):
                break
        assert woken.is_set()
    finally:
        thread.join()


def test_waiting_ends_with_its_time(outbox: PostgresOutbox) -> None:
    outbox.wait(0.05)
