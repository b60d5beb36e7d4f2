"""What most tests on a real database start from: a small register, a pool, alerts, the log."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from alerts.service import Alerts
from alerts.storage.alerts import AlertStore
from ingest.storage.pool import Pool, open_pool
from tests.contract.homes import Homes, Writer
from tests.support.clock import FixedClock


@pytest.fixture
def here(store_url: str) -> Homes:
    return Homes.make(store_url)


@pytest.fixture
def pool(here: Homes) -> Iterator[Pool]:
    opened = open_pool(here.url, name="test", most=6)
    yield opened
    opened.close()


@pytest.fixture
def store(pool: Pool) -> AlertStore:
    return AlertStore(pool)


@pytest.fixture
def alerts(store: AlertStore, clock: FixedClock) -> Alerts:
    return Alerts(store=store, clock=clock)


@pytest.fixture
def obs(here: Homes) -> Iterator[Writer]:
    writer = Writer(here.url)
    yield writer
    writer.close()


@pytest.fixture
def event(here: Homes) -> Iterator[Writer]:
    writer = Writer(here.url, "event")
    yield writer
    writer.close()
