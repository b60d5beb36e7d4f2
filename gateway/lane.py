"""One slot at work: a thread that reads the broker, and one that writes the database.

The reader hands over what has come and never waits for the database; the writer takes all that
lies there, stores it in one transaction, and only then lets the reader acknowledge. While the
database is away nothing is acknowledged, and the broker sends no more than the receive maximum.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import threading
from collections import deque
from dataclasses import dataclass

import numpy as np
from prometheus_client import Counter, Histogram

from gateway import topics
from gateway.client import BrokerClient, Received
from gateway.errors import BrokerUnavailableError
from ingest.batch import WHOLE, Batch, Envelope, Lane, Refusal
from ingest.kernel import vitals
from ingest.kernel.clock import Clock
from ingest.kernel.errors import HubError, PoisonError, StoreUnavailableError
from ingest.pipeline import Pipeline
from ingest.ports import Store, Stores
from ingest.telemetry import REGISTRY, logger

PROBE_EVERY_S = 5.0
_QUIET_S = 3.0  # nothing came for so long after unsubscribing: the broker holds nothing more
_IDLE_S = 0.5
_BUSY, _WORTH_A_COMMIT, _GATHER_S = 50, 600, 0.025
"""A batch writes a row of the log for each shard it touches, so many small batches cost more than
their readings. While measurements come in crowds, a batch is let gather; alarms never wait."""
_BACK_OFF_S = (0.2, 10.0)  # first and longest wait, doubled in between
_TO_BROKER_S = 1.0
"""The longest wait for a broker: mosquitto 2.0 forgets shared subscriptions when it is restarted
(not the session), and what devices publish until we subscribe again goes to nobody."""

_REMEMBERED = 40_000
_IMPORT = ("import", "true")

MESSAGES = Counter("telecare_gateway_messages", "Messages committed", ["lane"], registry=REGISTRY)
READINGS = Counter("telecare_gateway_readings", "Rows stored", ["lane"], registry=REGISTRY)
DUPLICATES = Counter(
    "telecare_gateway_duplicates", "Rows known before", ["lane"], registry=REGISTRY
)
REFUSED = Counter("telecare_gateway_refused", "Messages quarantined", ["code"], registry=REGISTRY)
COMMIT = Histogram(
    "telecare_gateway_commit_seconds",
    "From taking a batch to its commit",
    ["lane"],
    registry=REGISTRY,
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5),
)


def pause(attempt: int, *, longest: float | None = None) -> float:
    """Return how long to wait before trying again: doubling, bounded, with jitter. [s]"""
    first, usual = _BACK_OFF_S
    longest = usual if longest is None else longest
    doubled = first * 2 ** min(attempt, 16)  # a long outage must not overflow
    return float(min(longest, doubled) * random.uniform(0.5, 1.0))  # noqa: S311


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a lane may hold at once."""

    messages: int  # receive maximum
    held_bytes: int
    batch_messages: int
    batch_bytes: int


@dataclass(slots=True)
class _Done:
    """A committed batch on its way back to the broker."""

    epoch: int
    mids: list[int]
    answers: list[tuple[str, bytes, bytes | None]]


class LaneSession:
    """Serves one slot until told to stop; survives a broker or a database that goes away."""

    def __init__(
        self,
        *,
        lane: Lane,
        client: BrokerClient,
        group: str,
        pipeline: Pipeline,
        stores: Stores,
        clock: Clock,
        bounds: Bounds,
        retiring: bool = False,
    ) -> None:
        self.lane: Lane = lane
        self.finished = False  # retiring, and nothing is left
        self._retiring = retiring
        self._quiet_since = 0.0
        self.probed_at: float | None = None  # monotonic; when a probe last came back
        self._client = client
        client.on_message = self.receive
        self._group = group
        self._probe = topics.probe(client.client_id)
        self._pipeline = pipeline
        self._stores = stores
        self._clock = clock
        self._bounds = bounds
        self._log = logger(lane=lane, slot=client.client_id)
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._inbox: deque[tuple[int, Envelope]] = deque()  # epoch and message
        self._arrived: list[tuple[int, Envelope]] = []  # the reader's own, not yet handed over
        self._held = 0
        self._unwritten = 0  # messages the writer has taken and not handed back
        self._epoch = 0
        self._done: deque[_Done] = deque()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._recent: dict[bytes, int] = {}
        self._older: dict[bytes, int] = {}
        self._threads = [
            threading.Thread(
                target=self._read_loop, name=f"{client.client_id}-reader", daemon=True
            ),
            threading.Thread(
                target=self._write_loop, name=f"{client.client_id}-writer", daemon=True
            ),
        ]
        self._last_batch = 0
        self.crashed: BaseException | None = None

    def start(self) -> None:
        """Start both threads."""
        for thread in self._threads:
            thread.start()

    def ask_stop(self) -> None:
        """Stop soon: what is being written is finished, what isn't is redelivered later."""
        self._stop.set()
        with self._changed:
            self._changed.notify_all()
        self._wake()

    def join(self, timeout: float) -> None:
        """Wait for both threads to end."""
        for thread in self._threads:
            thread.join(timeout)
        if not any(t.is_alive() for t in self._threads):
            os.close(self._wake_read)
            os.close(self._wake_write)

    def receive(self, message: Received) -> None:
        """Take a message from the client; called on the reader's thread."""
        if message.topic == self._probe:
            self.probed_at = self._clock.monotonic()
        # also the probe: acknowledgements go back in the order of the messages (MQTT 5.0, 4.6)
        self._arrived.append((self._epoch, envelope(message, self.lane, self._clock.epoch())))

    # -- reader -----------------------------------------------------------------------------

    def _read_loop(self) -> None:
        attempt = 0
        try:
            while not self._stop.is_set():
                try:
                    self._connect()
                    attempt = 0
                    self._serve()
                    if not self._stop.is_set():
                        self._log.warning(
                            "The broker connection was lost", reason=self._client.refused
                        )
                except BrokerUnavailableError as error:
                    self._log.warning("The broker can't be used, trying again", reason=str(error))
                finally:
                    self._forget_unwritten()
                    self._client.close(forget=self.finished)
                self._stop.wait(pause(attempt, longest=_TO_BROKER_S))
                attempt += 1
        except BaseException as error:
            self.crashed = error
            raise

    def _connect(self) -> None:
        self._epoch += 1
        self._client.connect()
        filters = [self._probe, *topics.lane_filters(self.lane, self._group)]
        if self._retiring:
            self._client.unsubscribe(filters)
            self._quiet_since = self._clock.monotonic()
        else:
            self._client.subscribe(filters)
        self._log.info("Listening", session_present=self._client.session_present)

    def _serve(self) -> None:
        probe_at = 0.0
        while self._client.connected and not self._stop.is_set():
            now = self._clock.monotonic()
            if self._retiring:
                self._look_whether_drained(now)
            elif now >= probe_at:
                probe_at = now + PROBE_EVERY_S
                self._client.publish(self._probe, b"probe")
            woken = self._client.step(
                _IDLE_S, self._wake_read, read=self._held < self._bounds.held_bytes
            )
            if self._arrived:
                self._hand_over()
            if woken:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_read, 4096)
            self._answer()
        self._finish()

    def _look_whether_drained(self, now: float) -> None:
        with self._changed:
            busy = bool(self._inbox or self._arrived or self._unwritten or self._done)
        if busy:
            self._quiet_since = now
        elif now - self._quiet_since >= _QUIET_S:
            self._log.info("The slot is drained and given up")
            self.finished = True
            self.ask_stop()

    def _hand_over(self) -> None:
        arrived, self._arrived = self._arrived, []
        size = sum(len(e.payload) for _, e in arrived)
        with self._changed:
            self._inbox.extend(arrived)
            self._held += size
            self._changed.notify()

    def _answer(self) -> None:
        while self._done:
            done = self._done.popleft()
            if done.epoch != self._epoch:
                continue  # of a connection that is gone: the broker sends them again
            for topic, body, correlation in done.answers:
                self._client.publish(topic, body, correlation=correlation)
            self._client.ack(done.mids)

    def _finish(self) -> None:
        """Wait for the batch being written, and acknowledge it."""
        if self._client.connected:
            self._threads[1].join(5.0)
            self._answer()
            self._client.step(0.0)

    def _forget_unwritten(self) -> None:
        """Drop what came over a lost connection and isn't being written: it comes again."""
        with self._changed:
            self._held -= sum(len(e.payload) for _, e in self._inbox)
            self._inbox.clear()
            self._arrived.clear()

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_write, b"x")

    # -- writer -----------------------------------------------------------------------------

    def _write_loop(self) -> None:
        store: Store | None = None
        attempt = 0
        taken: list[tuple[int, Envelope]] = []
        try:
            while not self._stop.is_set():
                taken = taken or self._take()
                if not taken:
                    continue
                try:
                    if store is None:
                        store = self._stores.open(self.lane)
                    self._write(store, taken)
                except StoreUnavailableError as error:
                    self._log.warning(
                        "The database is away, nothing is acknowledged", reason=str(error)
                    )
                    if store is not None:
                        store.close()
                        store = None
                    self._stop.wait(pause(attempt))
                    attempt += 1
                else:
                    attempt = 0
                    taken = []
        except BaseException as error:
            self.crashed = error
            raise
        finally:
            if store is not None:
                store.close()

    def _take(self) -> list[tuple[int, Envelope]]:
        """Wait for messages and return as many as make a batch."""
        with self._changed:
            if not self._inbox:
                self._changed.wait(_IDLE_S)
            few = len(self._inbox) < _WORTH_A_COMMIT
        if self.lane == "obs" and few and self._last_batch >= _BUSY:
            self._stop.wait(_GATHER_S)
        with self._changed:
            taken: list[tuple[int, Envelope]] = []
            size = 0
            while self._inbox and len(taken) < self._bounds.batch_messages:
                size += len(self._inbox[0][1].payload)
                if taken and size > self._bounds.batch_bytes:
                    break
                taken.append(self._inbox.popleft())
            self._unwritten = self._last_batch = len(taken)
            return taken

    def _write(self, store: Store, taken: list[tuple[int, Envelope]]) -> None:
        started = self._clock.monotonic()
        envelopes = [e for _, e in taken if e.topic != self._probe]
        fresh, keys = self._unseen(envelopes)
        asked = any(e.response_topic for e in envelopes)
        became: dict[bytes, tuple[int, Refusal | None]] = {}
        for batch in write_all(store, self._pipeline, fresh):
            self._remember(batch, keys)
            READINGS.labels(self.lane).inc(len(batch.rows))
            for refusal in batch.refusals.values():
                REFUSED.labels(refusal.code).inc()
            if asked:
                for m, e in enumerate(batch.envelopes):
                    became[keys[id(e)]] = (batch.stored[m], batch.refusals.get(m))
        COMMIT.labels(self.lane).observe(self._clock.monotonic() - started)
        MESSAGES.labels(self.lane).inc(len(envelopes))
        self._hand_back(taken, keys, became)

    def _hand_back(
        self,
        taken: list[tuple[int, Envelope]],
        keys: dict[int, bytes],
        became: dict[bytes, tuple[int, Refusal | None]],
    ) -> None:
        for epoch in {epoch for epoch, _ in taken}:
            mine = [e for at, e in taken if at == epoch]
            done = _Done(epoch, [e.token for e in mine if e.token], [])
            for e in mine:
                if e.response_topic and topics.may_answer(e.response_topic, e.site, e.device):
                    key = keys[id(e)]
                    body = answer(*became.get(key, (self._known(key), None)))
                    done.answers.append((e.response_topic, body, e.correlation))
            self._done.append(done)
        with self._changed:
            self._held -= sum(len(e.payload) for _, e in taken)
            self._unwritten = 0
        self._wake()

    # A device that stutters sends the same bytes again within moments. What this lane has just
    # committed is recognised here, so that one stutterer doesn't take a whole batch through the
    # slow way of the store.

    def _unseen(self, envelopes: list[Envelope]) -> tuple[list[Envelope], dict[int, bytes]]:
        keys: dict[int, bytes] = {}
        fresh: list[Envelope] = []
        here: set[bytes] = set()
        for e in envelopes:
            key = hashlib.blake2b(e.topic.encode() + b"\0" + e.payload, digest_size=16).digest()
            keys[id(e)] = key
            known = key in here or key in self._recent or key in self._older
            if known and self.lane != "event":  # each repeat of an alarm is counted and answered
                DUPLICATES.labels(self.lane).inc()
                continue
            here.add(key)
            fresh.append(e)
        return fresh, keys

    def _known(self, key: bytes) -> int:
        return self._recent.get(key, self._older.get(key, 0))

    def _remember(self, batch: Batch, keys: dict[int, bytes]) -> None:
        if self.lane == "event":
            return
        skip = batch.hub_timed().keys() | batch.refusals.keys()
        if batch.alarms:  # on the wrong topic, and to be answered each time all the same
            emergency = np.isin(batch.rows["quantity"], list(vitals.EMERGENCIES))
            skip |= set(batch.message[emergency].tolist())
        if len(self._recent) > _REMEMBERED:
            self._older, self._recent = self._recent, {}
        for m, e in enumerate(batch.envelopes):
            if m not in skip:
                self._recent[keys[id(e)]] = batch.stored[m]


def write_all(store: Store, pipeline: Pipeline, envelopes: list[Envelope]) -> list[Batch]:
    """Write a batch; when it can't be read or stored, halve it until the culprit is alone.

    Nothing that one message does may stop the others: redelivered, it would for ever.
    """
    if not envelopes:
        return []
    try:
        batch = _prepare(pipeline, envelopes)
        written = store.write(batch)
    except PoisonError as error:
        if len(envelopes) == 1:
            refused = pipeline.refuse(envelopes[0], f"the hub could not keep it: {error}")
            store.write(refused)
            return [refused]
        half = len(envelopes) // 2
        return [
            *write_all(store, pipeline, envelopes[:half]),
            *write_all(store, pipeline, envelopes[half:]),
        ]
    if written.duplicates:
        DUPLICATES.labels("store").inc(written.duplicates)
    return [batch]


def _prepare(pipeline: Pipeline, envelopes: list[Envelope]) -> Batch:
    try:
        return pipeline.prepare(envelopes)
    except HubError:
        raise
    except Exception as error:
        if len(envelopes) == 1:
            logger().exception("A message broke the hub's reading of it")
        raise PoisonError(detail=type(error).__name__) from error


def envelope(message: Received, lane: Lane, received: float) -> Envelope:
    """Return a broker's message as the pipeline takes it.

    The time is cut to what the database keeps, so that a replay finds the very same.
    """
    address = topics.parse(message.topic)
    return Envelope(
        address.site,
        address.device,
        lane,
        message.topic,
        message.payload,
        round(received, 6),
        message.mid,
        message.content_type,
        message.retained,
        bool(message.user) and _IMPORT in message.user,
        False,
        message.response_topic,
        message.correlation,
        address.problem,
    )


def answer(stored: int, refusal: Refusal | None) -> bytes:
    """Return the body for a message that asked what became of it."""
    refused = [
        {"record": None if j == WHOLE else j, "reason": reason}
        for j, reason in (refusal.records if refusal else [])
    ]
    return json.dumps({"stored": stored, "refused": refused}).encode()
