"""A dispatcher that runs, and those it writes to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest

from alerts.delivery import configured
from alerts.delivery.dispatch import Composer, Dispatcher, Pace
from alerts.delivery.links import Links
from alerts.delivery.ports import Channel, Store
from alerts.settings import AlertsSettings
from alerts.storage.deliveries import Deliveries
from alerts.storage.signals import Signals
from ingest.kernel.clock import SystemClock
from ingest.storage.pool import open_pool
from tests.contract import told
from tests.contract.told import Told
from tests.support.receivers import MailReceiver, NotifyService

PUBLIC = "https://hub.example.nhs.uk"
QUICK = {
    "delivery_first_s": 0.2, "delivery_longest_s": 1.0, "delivery_emergency_longest_s": 0.5,
    "delivery_timeout_s": 2.0, "delivery_tick_s": 0.1, "delivery_confirm_s": 0.2,
}  # fmt: skip
Start = Callable[..., Dispatcher]


@pytest.fixture
def here(database_url: str) -> Told:
    return Told.make(database_url)


@pytest.fixture
def dispatch(here: Told) -> Iterator[Start]:
    """Start dispatchers; settings and the store can be others."""
    with ExitStack() as stack:

        def start(
            *,
            store: Callable[[Store], Store] = lambda s: s,
            extra: dict[str, Channel] | None = None,
            lease_s: float = 60,
            **settings: Any,
        ) -> Dispatcher:
            s = AlertsSettings(_env_file=None, **{**QUICK, **settings})
            pool = open_pool(here.url, name="alerts delivery", most=6)
            stack.callback(pool.close)
            clock = SystemClock()
            made = Dispatcher(
                store=store(Deliveries(pool)),
                signals=lambda: Signals.open(here.url, "alerts_delivery"),
                channels={**configured.channels(s), **(extra or {})},
                composer=Composer(
                    vault=told.VAULT, links=Links(told.SECRET), public_url=PUBLIC,
                    link_s=60, clock=clock,
                ),
                patience=configured.patience(s),
                workers=s.delivery_workers,
                pace=Pace(tick=s.delivery_tick_s, lease=lease_s, confirm=s.delivery_confirm_s),
                clock=clock,
                rng=np.random.default_rng(1),
            )  # fmt: skip
            stop = threading.Event()
            thread = threading.Thread(target=made.run, args=[stop])
            thread.start()
            stack.callback(thread.join)
            stack.callback(stop.set)
            return made

        yield start


@pytest.fixture
def mail() -> Iterator[MailReceiver]:
    receiver = MailReceiver().start()
    yield receiver
    receiver.stop()


@pytest.fixture
def notify() -> Iterator[NotifyService]:
    service = NotifyService()
    service.start()
    yield service
    service.stop()
