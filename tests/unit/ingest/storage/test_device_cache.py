"""Who is registered, remembered until it may have changed."""

from __future__ import annotations

from ingest.kernel.device import Device
from ingest.storage.device_cache import DeviceCache, Key
from tests.support.clock import FixedClock
from tests.unit.ingest import doubles

KNOWN, UNKNOWN = ("s", "oximeter-1"), ("s", "stranger")


class Book:
    """A register that counts how often it is asked."""

    def __init__(self) -> None:
        self.devices: dict[Key, Device] = {KNOWN: doubles.device()}
        self.asked: list[list[Key]] = []

    def load(self, keys: list[Key]) -> dict[Key, Device]:
        self.asked.append(keys)
        return {k: self.devices[k] for k in keys if k in self.devices}


def test_a_device_is_asked_for_once(clock: FixedClock) -> None:
    cache, book = DeviceCache(clock=clock), Book()
    assert cache.get([KNOWN, UNKNOWN], book.load) == {KNOWN: book.devices[KNOWN]}
    assert cache.get([KNOWN, UNKNOWN], book.load) == {KNOWN: book.devices[KNOWN]}
    assert book.asked == [[KNOWN, UNKNOWN]]


def test_a_known_one_is_asked_for_again_after_a_minute(clock: FixedClock) -> None:
    cache, book = DeviceCache(clock=clock), Book()
    cache.get([KNOWN], book.load)
    clock.advance(59.9)
    cache.get([KNOWN], book.load)
    clock.advance(0.2)
    cache.get([KNOWN], book.load)
    assert len(book.asked) == 2


def test_an_unknown_one_is_asked_for_again_within_seconds(clock: FixedClock) -> None:
    cache, book = DeviceCache(clock=clock), Book()
    cache.get([UNKNOWN], book.load)
    book.devices[UNKNOWN] = doubles.device("stranger")
    clock.advance(1.9)
    assert cache.get([UNKNOWN], book.load) == {}
    clock.advance(0.2)
    assert UNKNOWN in cache.get([UNKNOWN], book.load)


def test_a_change_of_the_register_is_seen_at_once(clock: FixedClock) -> None:
    cache, book = DeviceCache(clock=clock), Book()
    cache.get([KNOWN], book.load)
    cache.forget()
    cache.get([KNOWN], book.load)
    assert len(book.asked) == 2


def test_an_answer_from_before_a_change_is_not_remembered(clock: FixedClock) -> None:
    cache, book = DeviceCache(clock=clock), Book()

    def overtaken(keys: list[Key]) -> dict[Key, Device]:
        found = book.load(keys)
        cache.forget()
        return found

    assert KNOWN in cache.get([KNOWN], overtaken)
    cache.get([KNOWN], book.load)
    assert len(book.asked) == 2


def test_no_keys_ask_nothing(clock: FixedClock) -> None:
    book = Book()
    assert DeviceCache(clock=clock).get([], book.load) == {}
    assert book.asked == []
