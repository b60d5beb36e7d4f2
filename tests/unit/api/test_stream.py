"""The fan-out of events, without a database."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest

from api import security, stream
from ingest.kernel import errors
from tests.unit.api.test_security import WHO


class Store:
    """Events in memory, and news of them."""

    def __init__(self) -> None:
        self.items: list[stream.Item] = []
        self.gone = False
        self.news = threading.Event()

    def add(self, *, equipment: bool = False) -> None:
        no = len(self.items) + 1
        raw = stream.encode(no, {"n": no})
        self.items.append(stream.Item(no=no, raw=raw, equipment=equipment))
        self.news.set()

    def last_no(self) -> int:
        self._reach()
        return len(self.items)

    def after(self, no: int, limit: int) -> Sequence[stream.Item]:
        self._reach()
        return self.items[no : no + limit]

    def wait(self, timeout: float) -> bool:
        heard = self.news.wait(min(timeout, 0.05))
        self.news.clear()
        self._reach()
        return heard

    def close(self) -> None:
        pass

    def _reach(self) -> None:
        if self.gone:
            raise errors.StoreUnavailableError(detail="test")


def _feed(store: Store, *, queue: int = 10, ping_s: float = 5, good: bool = True) -> stream.Feed:
    feed = stream.Feed(
        open_news=lambda: store,
        events=store,
        still_good=lambda _: good,
        queue=queue,
        ping_s=ping_s,
        recheck_s=0.0 if not good else 60.0,
    )
    feed.start(asyncio.get_running_loop())
    return feed


async def _take(
    feed: stream.Feed, count: int, *, after: int | None, who: security.Principal = WHO
) -> list[bytes]:
    got: list[bytes] = []
    async with asyncio.timeout(5):
        async for raw in feed.stream(who, after=after):
            if b"event: alert" in raw:
                got.append(raw)
            if len(got) >= count:
                break
    return got


def test_what_was_missed_comes_first_and_each_once() -> None:
    async def run() -> None:
        store = Store()
        for _ in range(3):
            store.add()
        feed = _feed(store)
        taking = asyncio.create_task(_take(feed, 4, after=1))
        await asyncio.sleep(0.2)
        store.add()
        store.add()
        got = await taking
        assert [r.split(b"\n")[0] for r in got] == [b"id: 2", b"id: 3", b"id: 4", b"id: 5"]
        feed.close()
        await asyncio.to_thread(feed.join, 2)

    asyncio.run(run())


def test_a_reader_that_lags_too_far_is_cut_off() -> None:
    async def run() -> None:
        store = Store()
        feed = _feed(store, queue=2)
        reader = feed.stream(WHO, after=0)
        for _ in range(2):
            await anext(reader)
        await asyncio.sleep(0.3)
        follow = asyncio.create_task(anext(reader))
        await asyncio.sleep(0.1)
        for _ in range(20):
            store.add()
        await asyncio.sleep(0.3)
        rest = [await follow]
        rest += [raw async for raw in reader]
        assert len([r for r in rest if b"event: alert" in r]) < 20
        feed.close()
        await asyncio.to_thread(feed.join, 2)

    asyncio.run(run())


def test_equipment_staff_get_equipment_events_only() -> None:
    async def run() -> None:
        store = Store()
        store.add()
        store.add(equipment=True)
        feed = _feed(store)
        got = await _take(feed, 1, after=0, who=replace(WHO, role="equipment"))
        assert got[0].startswith(b"id: 2\n")
        feed.close()
        await asyncio.to_thread(feed.join, 2)

    asyncio.run(run())


def test_watchers_are_told_when_the_store_is_gone_and_back() -> None:
    async def run() -> None:
        store = Store()
        feed = _feed(store)
        await asyncio.sleep(0.2)
        reader = feed.stream(WHO, after=None)
        heard: list[bytes] = []

        async def listen() -> None:
            async for raw in reader:
                heard.append(raw)  # noqa: PERF401  (looked at while it grows)

        listening = asyncio.create_task(listen())
        await asyncio.sleep(0.2)
        store.gone = True
        await asyncio.sleep(0.4)
        store.gone = False
        await asyncio.sleep(1.5)
        feed.close()
        async with asyncio.timeout(2):
            await listening
        told = [r for r in heard if b"event: hub" in r]
        assert [b"true" in r for r in told] == [True, False, True]
        await asyncio.to_thread(feed.join, 2)

    asyncio.run(run())


def test_a_stream_ends_once_its_token_is_no_good() -> None:
    async def run() -> None:
        store = Store()
        feed = _feed(store, ping_s=0.05, good=False)
        async with asyncio.timeout(3):
            heard = [raw async for raw in feed.stream(WHO, after=None)]
        assert heard[0].startswith(b"retry:")
        feed.close()
        await asyncio.to_thread(feed.join, 2)

    asyncio.run(run())


@pytest.mark.parametrize("live", [True, False])
def test_the_hubs_own_event_says_whether_it_is_live(live: bool) -> None:
    raw = stream.hub_event(live, None if live else "gone", last=7)
    assert raw.startswith(b"id: 7\nevent: hub\n")
    assert raw.endswith(b"\n\n")
