"""The quarantine's way back: queued messages go through the pipeline again, once."""

from __future__ import annotations

import threading

from gateway import topics
from gateway.client import Received
from gateway.lane import envelope, pause, write_all
from ingest.batch import Lane, Refusal
from ingest.kernel.errors import StoreUnavailableError
from ingest.pipeline import Pipeline
from ingest.ports import Kept, Quarantine, Store, Stores
from ingest.telemetry import logger

_TICK_S = 2.0


class Replayer:
    """Replays what was queued (a device was adopted, somebody asked) on one thread."""

    def __init__(self, *, quarantine: Quarantine, pipeline: Pipeline, stores: Stores) -> None:
        self.crashed: BaseException | None = None
        self._quarantine = quarantine
        self._pipeline = pipeline
        self._stores = stores
        self._store: Store | None = None
        self._log = logger(lane="replay")
        self._stop = threading.Event()
        self._news = threading.Event()
        self._thread = threading.Thread(target=self._run, name="replay", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def news(self) -> None:
        """Look now rather than at the next tick."""
        self._news.set()

    def ask_stop(self) -> None:
        """Stop soon."""
        self._stop.set()
        self._news.set()

    def join(self, timeout: float) -> None:
        """Wait for the thread to end."""
        self._thread.join(timeout)

    def _run(self) -> None:
        attempt = 0
        try:
            while not self._stop.is_set():
                try:
                    if self._quarantine.replay(self._take) == 0:
                        self._close()  # a writer that is seldom needed isn't kept
                        self._news.wait(_TICK_S)
                        self._news.clear()
                    attempt = 0
                except StoreUnavailableError as error:
                    self._log.warning(
                        "The quarantine can't be read, trying again", reason=str(error)
                    )
                    self._close()
                    self._stop.wait(pause(attempt))
                    attempt += 1
        except BaseException as error:
            self.crashed = error
            raise
        finally:
            self._close()

    def _close(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

    def _take(self, kept: list[Kept]) -> list[Refusal | None]:
        if self._store is None:
            self._store = self._stores.open("obs")
        envelopes = []
        for k in kept:
            tail = topics.parse(k.topic).tail
            lane: Lane = "event" if tail.split("/")[0] == "event" else "obs"
            message = Received(k.topic, k.payload, 0, retained=False, content_type=k.content_type)
            replayed = envelope(message, lane, k.received_at.timestamp())
            replayed.replayed = True
            envelopes.append(replayed)
        # what a device said of itself then is no news now
        fresh = [e for e in envelopes if not e.topic.endswith("/status")]
        became: dict[int, Refusal | None] = {}
        for batch in write_all(self._store, self._pipeline, fresh):
            for m, e in enumerate(batch.envelopes):
                became[id(e)] = batch.refusals.get(m)
        self._log.info("Replayed from the quarantine", messages=len(kept))
        return [became.get(id(e)) for e in envelopes]
