"""Nothing here runs unless it is asked for: it takes about half an hour."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import hub as hubs
from tests.support.hub import pytest_runtest_makereport  # noqa: F401 - a hook, found by its name

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the soak out of ``make test``."""
    if os.environ.get("TELECARE_SOAK") == "1":
        return
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="long: make soak runs it"))


@pytest.fixture
def own_hub(database_url: str) -> Iterator[hubs.Hub]:
    """A hub of this test's own, without any process yet."""
    with hubs.running(database_url) as made:
        yield made
