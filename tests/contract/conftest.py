"""What most tests on a real database start from: a small register, a pool, writers of the log."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ingest.storage.pool import Pool, open_pool
from tests.contract.homes import Homes, Writer


@pytest.fixture
def here(store_url: str) -> Homes:
    return Homes.make(store_url)


@pytest.fixture
def pool(here: Homes) -> Iterator[Pool]:
    opened = open_pool(here.url, name="test", most=6)
    yield opened
    opened.close()


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
