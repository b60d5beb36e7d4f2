"""The hub's verdict on itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from alerts import ports, watchdog
from alerts.rules import pack, registry


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


NOW = datetime(2026, 1, 5, tzinfo=UTC)
GIB = 1024**3
LIMITS = watchdog.Limits(
    ticks_s={"steps": 60.0, "retention": 10_800.0},
    steps_overdue_s=60.0,
    quarantined_hour=500,
    disk_free=2 * GIB,
    grown_day=20 * GIB,
    clock_off_s=2.0,
    certificate=timedelta(days=14),
    root_s=7_200.0,
)
WELL = ports.Facts(
    ticks_s={"steps": 1.0, "retention": 3_600.0},
    quarantined=500,
    disk_free=2 * GIB,
    grown_day=20 * GIB,
    clock_off_s=-2.0,
    root_waits_s=7_200.0,
    certificates={"hub.example": NOW + timedelta(days=14)},
)


def judged(up: float = 1e6, **changed: object) -> dict[str, watchdog.Verdict]:
    facts = replace(WELL, **changed)  # type: ignore[arg-type]
    verdicts = list(watchdog.judge_itself(facts, LIMITS, up_s=up, now=NOW))
    assert len({v.rule_id for v in verdicts}) == len(verdicts)
    return {v.rule_id: v for v in verdicts}


def test_a_hub_that_is_well_at_the_edge_of_every_limit_says_nothing() -> None:
    assert [v for v in judged().values() if v.bad] == []


@pytest.mark.parametrize(
    ("changed", "rule_id", "said"),
    [
        ({"ticks_s": {"steps": 61.0, "retention": 1.0}}, watchdog.TICK_MISSED, "'steps'"),
        ({"ticks_s": {"steps": 1.0}}, watchdog.TICK_MISSED, "'retention'"),
        ({"steps_overdue": 3, "overdue_s": 300.0}, watchdog.STEPS_OVERDUE, "3 steps"),
        ({"broker_lost": 1}, watchdog.BROKER_DROPPED, "1 messages"),
        ({"quarantined": 501}, watchdog.QUARANTINE_FILLING, "501 messages"),
        ({"disk_free": 2 * GIB - 1}, watchdog.DISK_LOW, "2.0 GiB"),
        ({"grown_day": 21 * GIB}, watchdog.DATABASE_GROWING, "21.0 GiB"),
        ({"clock_off_s": 2.1}, watchdog.CLOCK_OFF, "2.1 s behind"),
        ({"clock_off_s": -7_200.0}, watchdog.CLOCK_OFF, "7200.0 s ahead of"),
        ({"root_waits_s": 7_201.0}, watchdog.ROOTS_UNPUBLISHED, "2 h"),
        (
            {"certificates": {"a": NOW + timedelta(days=90), "b": NOW + timedelta(days=13)}},
            watchdog.CERTIFICATE_ENDING,
            "of b ends on",
        ),
        (
            {"certificates": {"a": NOW - timedelta(days=1)}},
            watchdog.CERTIFICATE_ENDING,
            "of a ended on",
        ),
    ],
)
def test_the_hub_says_what_is_wrong_with_itself_and_why(
    changed: dict[str, object], rule_id: str, said: str
) -> None:
    bad_ones = [v for v in judged(**changed).values() if v.bad]
    assert [v.rule_id for v in bad_ones] == [rule_id]
    assert said in bad_ones[0].reason


def test_what_is_not_known_is_not_judged() -> None:
    known = judged(disk_free=None, grown_day=None, root_waits_s=None, certificates={})
    assert not known.keys() & {
        watchdog.DISK_LOW, watchdog.DATABASE_GROWING, watchdog.ROOTS_UNPUBLISHED,
        watchdog.CERTIFICATE_ENDING,
    }  # fmt: skip


def test_after_a_start_what_waited_is_caught_up_first() -> None:
    """The hub was off for a day: its ticks are a day old, its steps overdue, and that is known."""
    old = {"ticks_s": {"steps": 86_400.0}, "steps_overdue": 9, "overdue_s": 86_400.0}
    just = judged(up=59.0, **old)
    assert not [v for v in just.values() if v.bad]
    later = judged(up=61.0, **old)
    assert {v.rule_id for v in later.values() if v.bad} == {
        watchdog.TICK_MISSED, watchdog.STEPS_OVERDUE,
    }  # fmt: skip


def test_every_verdict_is_a_rule_that_a_folder_of_packs_must_have() -> None:
    ids = {v for k, v in vars(watchdog).items() if k.isupper() and isinstance(v, str)}
    assert ids <= set(registry.OWN)
    assert ids >= watchdog.VITAL
    for rule_id in ids:
        assert isinstance(registry.load().rules[rule_id], pack.Rule)


@pytest.mark.parametrize(("days", "overdue"), [(0.0, False), (38.0, False), (38.01, True)])
def test_a_device_is_overdue_once_month_and_grace_are_over(days: float, overdue: bool) -> None:
    tested = (NOW - timedelta(days=days)).timestamp()
    worn = watchdog.Worn(device_no=1, person_no=2, dwelling_no=3, site="s", tested=tested)
    verdict = watchdog.judge_test(worn, every=timedelta(days=31), grace=timedelta(days=7), now=NOW)
    assert (verdict.bad, verdict.about) == (overdue, worn)
