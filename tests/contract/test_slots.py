"""Slots on a real database: shared fairly, taken over after a death, done away with."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from gateway.slots import share
from ingest.kernel.errors import StoreUnavailableError
from ingest.ports import Position
from ingest.storage.slots import PostgresSlots
from tests.contract.stream_batches import rows
from tests.support import waiting

pytestmark = pytest.mark.service

POSITIONS: list[Position] = [("event", 0), ("obs", 0), ("obs", 1), ("status", 0)]
Open = Callable[[str], PostgresSlots]


@pytest.fixture
def gateway(store_url: str) -> Iterator[Open]:
    """Open gateways' sessions; all are closed at the end."""
    made: list[PostgresSlots] = []

    def opened(holder: str) -> PostgresSlots:
        made.append(PostgresSlots.open(store_url, holder=holder))
        return made[-1]

    yield opened
    for slots in made:
        slots.close()


def kill(url: str, slots: PostgresSlots) -> None:
    rows(url, "SELECT pg_terminate_backend(%s, 5000)", slots._db.info.backend_pid)


def test_the_slots_there_should_be_are_made_once(store_url: str, gateway: Open) -> None:
    first, second = gateway("a"), gateway("b")
    numbers = first.ensure(POSITIONS)
    assert sorted(numbers) == POSITIONS
    assert second.ensure(POSITIONS) == numbers
    assert rows(store_url, "SELECT count(*) FROM ingest.slot") == [(4,)]


def test_slots_that_are_no_longer_configured_are_told_too(gateway: Open) -> None:
    gateway("a").ensure([*POSITIONS, ("obs", 7)])
    assert ("obs", 7) in gateway("b").ensure(POSITIONS)


def test_a_slot_has_one_holder(store_url: str, gateway: Open) -> None:
    first, second = gateway("a"), gateway("b")
    no = first.ensure(POSITIONS)["obs", 0]
    assert first.claim(no)
    assert not second.claim(no)
    assert rows(store_url, "SELECT holder FROM ingest.slot WHERE no = %s", no) == [("a",)]
    first.release(no)
    assert second.claim(no)
    assert rows(store_url, "SELECT holder FROM ingest.slot WHERE no = %s", no) == [("b",)]


def test_the_gateways_alive_are_counted(store_url: str, gateway: Open) -> None:
    first = gateway("a")
    assert first.gateways() == 1
    second = gateway("b")
    assert (first.gateways(), second.gateways()) == (2, 2)
    second.close()
    waiting.until(lambda: first.gateways() == 1, "the closed one is not counted")


def test_gateways_on_another_database_are_not_counted(
    store_url: str, database_url: str, gateway: Open
) -> None:
    mine = gateway("a")
    other = PostgresSlots.open(database_url, holder="b")
    try:
        assert mine.gateways() == 1
    finally:
        other.close()


def test_two_gateways_hold_every_slot_between_them(gateway: Open) -> None:
    both = [gateway("a"), gateway("b")]
    positions: list[Position] = [("obs", n) for n in range(5)]
    held = []
    for slots in both:
        numbers = slots.ensure(positions)
        mine = 0
        for position in positions:
            if mine < share(len(positions), 2) and slots.claim(numbers[position]):
                mine += 1
                held.append(position)
    assert sorted(held) == positions


def test_a_dead_holders_slots_are_free_at_once(store_url: str, gateway: Open) -> None:
    first, second = gateway("a"), gateway("b")
    numbers = first.ensure(POSITIONS)
    for no in numbers.values():
        assert first.claim(no)
    kill(store_url, first)
    waiting.until(lambda: second.claim(numbers["obs", 0]), "the slot is free")
    with pytest.raises(StoreUnavailableError):
        first.gateways()
    assert second.gateways() == 1


def test_a_retired_slot_is_gone_and_can_not_be_claimed(store_url: str, gateway: Open) -> None:
    first, second = gateway("a"), gateway("b")
    no = first.ensure([*POSITIONS, ("obs", 7)])["obs", 7]
    assert first.claim(no)
    first.remove(no)
    assert ("obs", 7) not in first.ensure(POSITIONS)
    assert not second.claim(no)
    locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 1"
    assert rows(store_url, locks) == [(0,)]
    assert second.claim(second.ensure([*POSITIONS, ("obs", 7)])["obs", 7])


def test_a_probe_that_came_back_is_noted(store_url: str, gateway: Open) -> None:
    slots = gateway("a")
    numbers = slots.ensure(POSITIONS)
    slots.heard([numbers["obs", 0]])
    heard = rows(store_url, "SELECT lane, position FROM ingest.slot WHERE probed_at IS NOT NULL")
    assert heard == [("obs", 0)]
    slots.heard([])
