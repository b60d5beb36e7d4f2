"""The hub's verdict on itself."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from alerts import ports, watchdog


def bad(readings: float, alarms: float, probe: float | None, *, up: float = 1e6) -> set[str]:
    health = ports.Health(
        at=datetime(2026, 1, 5, tzinfo=UTC), readings_lag_s=readings, alarms_lag_s=alarms,
        probe_age_s=probe,
    )  # fmt: skip
    verdicts = watchdog.judge(health, up_s=up, lag_limit_s=60, probe_limit_s=60)
    return {v.rule_id for v in verdicts if v.bad}


@pytest.mark.parametrize(
    ("readings", "alarms", "probe", "wanted"),
    [
        (0, 0, 1, set()),
        (60, 0, 60, set()),
        (61, 0, 1, {watchdog.READINGS_LATE}),
        (0, 61, 1, {watchdog.READINGS_LATE}),
        (0, 0, 61, {watchdog.GATEWAY_SILENT}),
        (0, 0, None, set()),
    ],
)
def test_the_hub_says_when_it_is_behind_or_deaf(
    readings: float, alarms: float, probe: float | None, wanted: set[str]
) -> None:
    assert bad(readings, alarms, probe) == wanted


def test_nothing_is_said_while_the_hub_is_starting() -> None:
    assert bad(1_000, 1_000, 1_000, up=59) == set()
