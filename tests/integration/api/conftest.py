"""A served API with people in it, for the tests beside this file."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.integration.api import served


@pytest.fixture
def hub(database_url: str) -> Iterator[served.Served]:
    """A server over a fresh database that holds a site, two people and an account per role."""
    served.seed(database_url)
    with served.serving(database_url) as running:
        yield running


@pytest.fixture
def nurse(hub: served.Served) -> Iterator[httpx.Client]:
    """A client signed in as a nurse."""
    with hub.client("nurse") as client:
        yield client


@pytest.fixture
def admin(hub: served.Served) -> Iterator[httpx.Client]:
    """A client signed in as an administrator."""
    with hub.client("admin") as client:
        yield client
