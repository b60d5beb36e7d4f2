"""Hubs for these tests: one that a module's tests share, and one that a test may hurt."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import hub as hubs
from tests.support.hub import pytest_runtest_makereport  # noqa: F401 - a hook, found by its name
from tests.support.postgres import DatabaseServer


@pytest.fixture(scope="module")
def hub(embedded_server: DatabaseServer) -> Iterator[hubs.Hub]:
    """A gateway and an alerts process that nobody disturbs, shared by a module's tests."""
    with embedded_server.fresh() as url, hubs.running(url) as made:
        made.gateway()
        made.alerts()
        made.ready()
        yield made


@pytest.fixture
def own_hub(database_url: str) -> Iterator[hubs.Hub]:
    """A hub of this test's own, without any process yet."""
    with hubs.running(database_url) as made:
        yield made
