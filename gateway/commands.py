"""The way back: outbox rows published to devices, with expiry, until the broker has them."""

from __future__ import annotations

import threading
from collections.abc import Callable

from gateway import topics
from gateway.client import BrokerClient
from gateway.errors import BrokerUnavailableError
from gateway.lane import pause
from ingest.kernel.errors import StoreUnavailableError
from ingest.ports import Outbox, Outgoing
from ingest.telemetry import logger

_TICK_S = 1.0
_BROKER_ANSWERS_WITHIN_S = 5.0


class CommandPump:
    """Publishes receipts and commands on one thread; any number of gateways may."""

    def __init__(self, *, client: BrokerClient, open_outbox: Callable[[], Outbox]) -> None:
        self.crashed: BaseException | None = None
        self._client = client
        self._open_outbox = open_outbox
        self._log = logger(lane="outbox")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def ask_stop(self) -> None:
        """Stop soon."""
        self._stop.set()

    def join(self, timeout: float) -> None:
        """Wait for the thread to end."""
        self._thread.join(timeout)

    def _run(self) -> None:
        attempt = 0
        try:
            while not self._stop.is_set():
                try:
                    self._client.connect()
                    attempt = 0
                    self._serve()
                except (BrokerUnavailableError, StoreUnavailableError) as error:
                    self._log.warning("Devices can't be answered, trying again", reason=str(error))
                finally:
                    self._client.close()
                self._stop.wait(pause(attempt))
                attempt += 1
        except BaseException as error:
            self.crashed = error
            raise

    def _serve(self) -> None:
        outbox = self._open_outbox()
        try:
            while not self._stop.is_set() and self._client.connected:
                if outbox.send(self._publish) == 0:
                    outbox.wait(_TICK_S)
                    self._client.step(0.0)  # keep-alive
        finally:
            outbox.close()

    def _publish(self, messages: list[Outgoing]) -> set[int]:
        self._client.published.clear()
        mids = {
            self._client.publish(
                topics.to_device(m.site, m.device, m.tail), m.body, expiry_s=m.expiry_s
            ): m.no
            for m in messages
            if not topics.parse(topics.to_device(m.site, m.device, "obs")).problem
        }
        self._client.wait(lambda: self._client.published >= mids.keys(), _BROKER_ANSWERS_WITHIN_S)
        return {no for mid, no in mids.items() if mid in self._client.published}
