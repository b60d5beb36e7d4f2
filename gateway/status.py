"""The status slot: presence, answers to commands, and the broker's own losses.

One gateway at a time, not shared: shared subscriptions must not deliver retained messages.
"""

from __future__ import annotations

import contextlib
import threading

import msgspec
from prometheus_client import Gauge

from gateway import presence, topics
from gateway.client import BrokerClient, Received
from gateway.errors import BrokerUnavailableError
from gateway.lane import PROBE_EVERY_S, pause
from ingest.batch import kept_as
from ingest.kernel.clock import Clock
from ingest.kernel.errors import PoisonError, StoreUnavailableError
from ingest.ports import DeviceState, Presence
from ingest.telemetry import REGISTRY, logger

_STEP_S = 0.5

DROPPED = Gauge(
    "telecare_broker_dropped_messages", "Messages the broker gave up on", registry=REGISTRY
)


class StatusSession:
    """Serves the status slot on one thread; low volume, so each message is its own transaction."""

    def __init__(self, *, client: BrokerClient, store: Presence, clock: Clock) -> None:
        self.probed_at: float | None = None
        self.crashed: BaseException | None = None
        self._client = client
        client.on_message = self.receive
        self._store = store
        self._clock = clock
        self._log = logger(lane="status", slot=client.client_id)
        self._stop = threading.Event()
        self._waiting: list[Received] = []
        self._dropped = -1.0
        self._thread = threading.Thread(target=self._run, name=client.client_id, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def ask_stop(self) -> None:
        """Stop soon."""
        self._stop.set()

    def join(self, timeout: float) -> None:
        """Wait for the thread to end."""
        self._thread.join(timeout)

    def receive(self, message: Received) -> None:
        """Take a message from the client."""
        self._waiting.append(message)

    def _run(self) -> None:
        attempt = 0
        try:
            while not self._stop.is_set():
                try:
                    self._client.connect()
                    self._client.subscribe(
                        [topics.probe(self._client.client_id), *topics.lane_filters("status", "")]
                    )
                    with contextlib.suppress(BrokerUnavailableError):  # not every broker counts
                        self._client.subscribe([topics.DROPPED])
                    attempt = 0
                    self._serve()
                except (BrokerUnavailableError, StoreUnavailableError) as error:
                    self._log.warning("Presence can't be kept, trying again", reason=str(error))
                finally:
                    self._waiting.clear()
                    self._client.close()
                self._stop.wait(pause(attempt))
                attempt += 1
        except BaseException as error:
            self.crashed = error
            raise

    def _serve(self) -> None:
        probe_at = 0.0
        while self._client.connected and not self._stop.is_set():
            now = self._clock.monotonic()
            if now >= probe_at:
                probe_at = now + PROBE_EVERY_S
                self._client.publish(topics.probe(self._client.client_id), b"probe")
            self._client.step(_STEP_S)
            waiting, self._waiting = self._waiting, []
            for message in waiting:
                try:
                    self._take(message)
                except PoisonError as error:  # redelivered, it would stop us for ever
                    address = topics.parse(message.topic)
                    self._refuse(message, address, "store", f"the hub could not keep it: {error}")
                if message.mid:
                    self._client.ack([message.mid])

    def _take(self, message: Received) -> None:
        if message.topic == topics.probe(self._client.client_id):
            self.probed_at = self._clock.monotonic()
        elif message.topic == topics.DROPPED:
            self._count_dropped(message.payload)
        else:
            self._keep(message)

    def _count_dropped(self, payload: bytes) -> None:
        with contextlib.suppress(ValueError):
            dropped = float(payload)
            if 0 <= self._dropped < dropped:
                lost = int(dropped - self._dropped)
                self._log.error("The broker dropped messages", count=lost)
                self._store.lost(lost)
            self._dropped = dropped
            DROPPED.set(dropped)

    def _keep(self, message: Received) -> None:
        address = topics.parse(message.topic)
        if address.problem:
            self._refuse(message, address, "topic", address.problem)
        elif address.tail == "cmd/ack":
            self._answer(message, address)
        elif message.payload:  # an empty retained message only clears the topic
            self._status(message, address)

    def _answer(self, message: Received, address: topics.Address) -> None:
        answer = presence.read_answer(message.payload)
        if isinstance(answer, presence.Unreadable):
            self._refuse(message, address, "unreadable", answer.reason)
            return
        self._store.answered(
            address.site,
            address.device,
            command=str(answer.id),
            body=msgspec.json.encode(answer).decode(),
            at=self._clock.epoch(),
        )

    def _status(self, message: Received, address: topics.Address) -> None:
        received = self._clock.epoch()
        status = presence.read_status(message.payload)
        if isinstance(status, presence.Unreadable):
            self._refuse(message, address, "unreadable", status.reason)
            return
        known = self._store.keep(
            DeviceState(
                site=address.site,
                device=address.device,
                state=status.state,
                session=status.session,
                at=presence.usable_time(status.at),
                seen=received,
                battery=status.battery,
                rssi=status.rssi,
                firmware=status.fw,
                cadence=status.cadence,
                clock_skew_s=presence.clock_skew(status, received, retained=message.retained),
            )
        )
        if not known:
            self._refuse(message, address, "unregistered", "the device is not registered")

    def _refuse(self, message: Received, address: topics.Address, code: str, reason: str) -> None:
        with contextlib.suppress(PoisonError):
            self._store.quarantine(
                site=address.site,
                device=address.device,
                topic=message.topic.replace("\0", ""),
                payload=message.payload,
                digest=kept_as(message.topic, message.payload),
                reason=code,
                detail=reason.replace("\0", ""),
                received=self._clock.epoch(),
            )
