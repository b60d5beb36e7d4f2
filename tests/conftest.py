"""Set-up of all tests: a clean environment first, then the shared fixtures."""

from __future__ import annotations

import os

# A developer's own settings must not steer the tests. This runs before anything is imported
# that reads them.
for _name in list(os.environ):
    _ours = _name.startswith("TELECARE_") and not _name.startswith("TELECARE_TEST_")
    if (_ours and _name != "TELECARE_SOAK") or _name.startswith("PG"):
        del os.environ[_name]

import pytest  # noqa: E402 - after the scrubbing

from tests.support.clock import FixedClock  # noqa: E402 - after the scrubbing

pytest_plugins = ["tests.support.postgres", "tests.support.broker", "tests.support.receivers"]


@pytest.fixture
def clock() -> FixedClock:
    """A clock that stands still on a Monday morning until the test moves it."""
    return FixedClock()
