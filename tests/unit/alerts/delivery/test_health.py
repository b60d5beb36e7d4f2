"""When a channel is said to be broken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from alerts.delivery import health
from alerts.delivery.ports import ChannelState

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def state(name: str = "sms", *, since: float, last: float = 1) -> ChannelState:
    return ChannelState(
        name=name, failing_since=NOW - timedelta(minutes=since),
        failed_at=NOW - timedelta(minutes=last), reason="the service answered 503",
    )  # fmt: skip


def judged(*states: ChannelState):
    return health.judge(states, now=NOW, limit_s=300)


def test_a_channel_that_has_failed_for_the_limit_and_reached_nobody_is_broken():
    assert not judged().bad
    assert not judged(state(since=4.9)).bad
    verdict = judged(state(since=30), state("webhook", since=6), state("apprise", since=2))
    assert verdict.bad
    assert "by sms for 30 min (the service answered 503); webhook for 6 min" in verdict.reason
    assert "apprise" not in verdict.reason


def test_a_failure_of_long_ago_with_nothing_sent_since_is_no_longer_said():
    assert judged(state(since=65, last=59)).bad
    assert not judged(state(since=65, last=61)).bad
