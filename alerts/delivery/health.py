"""Whether a channel still reaches anybody: a pure judgement that becomes the hub's own alert."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from alerts import watchdog, words
from alerts.delivery.ports import ChannelState

CHANNEL_BROKEN = "hub.channel_broken"
_FORGOTTEN_S = 3_600.0
"""A channel over which nothing was tried for so long is no longer said to be broken. [s]"""


def judge(channels: Iterable[ChannelState], *, now: datetime, limit_s: float) -> watchdog.Verdict:
    """Judge the channels: broken is one that has failed for the limit and reached nobody."""
    broken = [
        c
        for c in sorted(channels, key=lambda c: c.failing_since)
        if (now - c.failing_since).total_seconds() >= limit_s
        and (now - c.failed_at).total_seconds() < _FORGOTTEN_S
    ]
    if not broken:
        return watchdog.Verdict(
            rule_id=CHANNEL_BROKEN, bad=False, reason="Messages get through again."
        )
    said = "; ".join(
        f"{c.name} for {words.span((now - c.failing_since).total_seconds())} ({c.reason})"
        for c in broken
    )
    return watchdog.Verdict(
        rule_id=CHANNEL_BROKEN,
        bad=True,
        reason=f"Messages about alerts have reached nobody by {said}."
        " Somebody may wait who nobody was told of: watch the queue, and mend the channel.",
    )
