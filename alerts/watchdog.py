"""The hub watching itself: pure decisions about its own lag and hearing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from alerts import ports, words

READINGS_LATE = "hub.readings_late"
GATEWAY_SILENT = "hub.gateway_silent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether one thing about the hub is as it should be, and why not."""

    rule_id: str
    bad: bool
    reason: str


def judge(
    health: ports.Health, *, up_s: float, lag_limit_s: float, probe_limit_s: float
) -> Iterator[Verdict]:
    """Judge the hub; nothing is said while it may still be catching up after its start."""
    if up_s < max(lag_limit_s, probe_limit_s):
        return
    lag = max(health.readings_lag_s, health.alarms_lag_s)
    what = "alarms" if health.alarms_lag_s >= health.readings_lag_s else "readings"
    yield Verdict(
        rule_id=READINGS_LATE,
        bad=lag > lag_limit_s,
        reason=f"The oldest unjudged {what} have waited {words.span(lag)};"
        f" more than {words.span(lag_limit_s)} means that silence and deterioration go unseen."
        if lag > lag_limit_s
        else "The hub has caught up with what devices sent.",
    )
    if health.probe_age_s is None:
        return  # no gateway has ever been ready: there is nothing that has fallen silent
    age = health.probe_age_s
    yield Verdict(
        rule_id=GATEWAY_SILENT,
        bad=age > probe_limit_s,
        reason=f"The hub's own test message has not come back for {words.span(age)}:"
        " alarms from homes may not be arriving. Check the gateway and the broker."
        if age > probe_limit_s
        else "The hub hears its own test message again.",
    )
