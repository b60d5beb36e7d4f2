"""Alert events to everybody who watches: one database listener, fanned out.

Events are encoded once. Each client has a bounded queue; one that falls too far behind is cut
off and resumes by itself with ``Last-Event-ID``. Event numbers are in commit order, so going on
after a number neither skips nor repeats.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from prometheus_client import Counter, Gauge
from starlette.concurrency import run_in_threadpool

from api import security
from ingest import telemetry
from ingest.kernel import errors as kernel_errors

_PAGE = 500
_BACKOFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)
_POLL_S = 0.5  # a lost notification costs at most this, and so does stopping

_CLIENTS = Gauge("telecare_stream_clients", "Open event streams", registry=telemetry.REGISTRY)
_SENT = Counter(
    "telecare_stream_events_total",
    "Alert events handed to the streams",
    registry=telemetry.REGISTRY,
)
_DROPPED = Counter(
    "telecare_stream_dropped_total", "Streams cut off for lagging", registry=telemetry.REGISTRY
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One event, encoded."""

    no: int  # 0: not an alert event, has no place in the order
    raw: bytes
    equipment: bool = False  # an alert of an equipment team


class News(Protocol):
    """Waits for news of alerts; a fresh one is made for each database session."""

    def wait(self, timeout: float) -> bool:
        """Wait; raise `StoreUnavailableError` where the database is gone."""
        ...

    def close(self) -> None:
        """Let go of the session."""
        ...


class Events(Protocol):
    """Reads alert events, encoded."""

    def last_no(self) -> int:
        """Return the number of the newest event, 0 for none."""
        ...

    def after(self, no: int, limit: int) -> Sequence[Item]:
        """Return the events after a number, in order, at most ``limit``."""
        ...


@dataclass(slots=True, eq=False)
class _Client:
    queue: asyncio.Queue[Item | None]
    equipment_only: bool
    cut: bool = False


@dataclass(slots=True)
class _Shared:
    live: bool = False
    last: int = 0
    closing: bool = False
    clients: set[_Client] = field(default_factory=set)


def encode(no: int, body: dict[str, Any]) -> bytes:
    """Return an alert event as a server-sent event with its number as id."""
    data = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return f"id: {no}\nevent: alert\ndata: {data}\n\n".encode()


def hub_event(live: bool, reason: str | None = None, *, last: int | None = None) -> bytes:
    """Return what a page must know about the stream itself.

    With ``last``, the event carries an id, so that a client that never saw an alert event
    resumes from here too.
    """
    body: dict[str, Any] = {"live": live}
    if reason:
        body["reason"] = reason
    head = "" if last is None else f"id: {last}\n"
    return f"{head}event: hub\ndata: {json.dumps(body)}\n\n".encode()


_GONE = "the database can't be reached"


class Feed:
    """The process's one listener and the clients it feeds.

    The listener is a thread; clients live on the event loop; `call_soon_threadsafe` is the only
    way between them.
    """

    def __init__(
        self,
        *,
        open_news: Callable[[], News],
        events: Events,
        still_good: Callable[[security.Principal], bool],
        queue: int,
        ping_s: float,
        recheck_s: float,
    ) -> None:
        self._open_news = open_news
        self._events = events
        self._still_good = still_good
        self._queue = queue
        self._ping_s = ping_s
        self._recheck_s = recheck_s
        self._shared = _Shared()
        self._stop = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._listen, name="alert-stream", daemon=True)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start to listen; clients are served on ``loop``."""
        self._loop = loop
        self._thread.start()

    def close(self) -> None:
        """End every stream and the listener. Safe to call twice, from any thread."""
        self._stop.set()
        self._soon(self._end_all)

    def join(self, timeout: float) -> None:
        """Wait until the listener has let go of its session."""
        if self._thread.ident is not None:
            self._thread.join(timeout)

    @property
    def live(self) -> bool:
        """Tell whether the listener has a database."""
        return self._shared.live

    async def stream(
        self, principal: security.Principal, *, after: int | None
    ) -> AsyncIterator[bytes]:
        """Yield the events after a number, then each as it happens, until somebody hangs up.

        Without a number: from now on.
        """
        client = _Client(asyncio.Queue(self._queue), principal.equipment_only)
        if self._shared.closing:
            return
        self._shared.clients.add(client)
        _CLIENTS.inc()
        try:
            yield b"retry: 2000\n\n"
            sent = after
            try:
                if sent is None:
                    sent = await run_in_threadpool(self._events.last_no)
                yield hub_event(True, last=sent)
                while page := await run_in_threadpool(self._events.after, sent, _PAGE):
                    for item in page:
                        if self._meant_for(client, item):
                            yield item.raw
                    sent = page[-1].no
            except kernel_errors.StoreUnavailableError:
                yield hub_event(False, _GONE)
                return  # it comes again by itself, with the last id it saw
            if not self._shared.live:
                yield hub_event(False, _GONE)
            async for raw in self._follow(client, principal, sent):
                yield raw
        finally:
            self._shared.clients.discard(client)
            _CLIENTS.dec()

    async def _follow(
        self, client: _Client, principal: security.Principal, sent: int
    ) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        recheck = loop.time() + self._recheck_s
        while True:
            try:
                async with asyncio.timeout(self._ping_s):
                    item = await client.queue.get()
            except TimeoutError:
                # the comment is for proxies; a page can't see it and has to know it isn't alone
                live = self._shared.live
                yield b": ping\n\n" + hub_event(live, None if live else _GONE)
                item = _NOTHING
            if item is None:
                return
            if loop.time() >= recheck:
                recheck = loop.time() + self._recheck_s
                try:
                    if not await run_in_threadpool(self._still_good, principal):
                        return
                except kernel_errors.StoreUnavailableError:
                    pass  # said already by the listener; the next round asks again
            if item.no and item.no <= sent:
                continue
            if item.no:
                sent = item.no
            if item.raw and self._meant_for(client, item):
                yield item.raw

    @staticmethod
    def _meant_for(client: _Client, item: Item) -> bool:
        return not item.no or item.equipment or not client.equipment_only

    # -- the listener's thread

    def _listen(self) -> None:
        tries = 0
        last: int | None = None
        log = telemetry.logger()
        while not self._stop.is_set():
            news: News | None = None
            try:
                news = self._open_news()
                if last is None:
                    last = self._events.last_no()
                while not self._stop.is_set():
                    last = self._read_on(last)
                    self._soon(self._set_live, True)  # only what was read proves it
                    tries = 0
                    news.wait(_POLL_S)
            except kernel_errors.StoreUnavailableError:
                self._soon(self._set_live, False)
                if tries == 0:
                    log.warning("The event stream lost the database; it tries again.")
            except Exception as error:  # whatever it is, watchers must be told and served again
                self._soon(self._set_live, False)
                log.error(  # noqa: TRY400  (a message may carry what must not be logged)
                    "The event stream stumbled; it starts over.", kind=type(error).__name__
                )
            finally:
                if news is not None:
                    news.close()
            if not self._stop.is_set():
                self._stop.wait(_BACKOFF_S[min(tries, len(_BACKOFF_S) - 1)])
                tries += 1

    def _read_on(self, last: int) -> int:
        while page := self._events.after(last, _PAGE):
            self._soon(self._fan_out, page)
            last = page[-1].no
        return last

    def _soon(self, call: Callable[..., None], *args: Any) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, *args)

    # -- on the loop

    def _fan_out(self, items: Sequence[Item]) -> None:
        _SENT.inc(len(items))
        for client in list(self._shared.clients):
            for item in items:
                self._give(client, item)

    def _give(self, client: _Client, item: Item) -> None:
        if client.cut:
            return
        try:
            client.queue.put_nowait(item)
        except asyncio.QueueFull:
            _DROPPED.inc()
            self._cut(client)

    @staticmethod
    def _cut(client: _Client) -> None:
        client.cut = True
        while not client.queue.empty():
            client.queue.get_nowait()
        client.queue.put_nowait(None)

    def _set_live(self, live: bool) -> None:
        if live == self._shared.live:
            return
        self._shared.live = live
        item = Item(no=0, raw=hub_event(live, None if live else _GONE))
        for client in list(self._shared.clients):
            self._give(client, item)

    def _end_all(self) -> None:
        self._shared.closing = True
        for client in list(self._shared.clients):
            self._cut(client)


_NOTHING = Item(no=0, raw=b"")
