"""What an HTTP answer means for a message."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from alerts.delivery import answers

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422, 301, 302])
def test_what_the_receiver_refuses_is_never_tried_again(status: int):
    assert answers.refused(status, who="x").permanent


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_passes_is_tried_again(status: int):
    assert not answers.refused(status, who="x").permanent


def test_the_time_the_receiver_asks_for_is_read_in_seconds_or_as_a_date():
    def asked(said: str) -> float | None:
        return answers.refused(429, who="x", headers={"Retry-After": said}, now=NOW).retry_after_s

    assert asked("120") == 120
    assert asked("Mon, 01 Jun 2026 12:02:00 GMT") == 120
    assert asked("Mon, 01 Jun 2026 11:00:00 GMT") == 0
    assert asked("when I am back") is None
    assert answers.refused(404, who="x", headers={"Retry-After": "9"}).retry_after_s is None
