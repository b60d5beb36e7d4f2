"""Findings become alerts: one open at a time, worst severity, what is muted, what is over."""

from __future__ import annotations

from typing import Any

import numpy as np

from alerts import model
from alerts.backtest.episodes import Alarms, Collector, Episode
from alerts.model import Fact, Finding, Outcome, Severity
from alerts.rules import pack, registry
from ingest.kernel import vitals
from ingest.kernel.observation import ROW, Quality, Rows

PACKS = registry.load()
NOW = 1_795_420_800.0


def collector(ends: dict[int, float] | None = None) -> Collector:
    return Collector(
        Alarms(
            rules={r.quantity: r for r in PACKS.of(pack.AlarmRule)},
            fault=PACKS.rules["equipment.implausible"],
        ),
        ends=ends or {},
    )


def finding(outcome: Outcome, at: float, **more: Any) -> Finding:
    said: dict[str, Any] = {
        "outcome": outcome, "subject": "person", "subject_no": 1, "rule_id": "limits.heart_rate",
        "rule_version": "2.0.0", "severity": Severity.SOON, "title": "Heart rate", "at": at,
        "facts": (Fact(name="heart_rate", quantity="heart_rate", value=120.0, time=at - 5),),
        "person_no": 1, "home_no": 1,
    }  # fmt: skip
    return Finding(**said | more)


def episodes(collect: Collector, *found: tuple[float, Finding]) -> list[Episode]:
    for now, one in found:
        collect.take([one], now=now)
    return collect.finish(end=NOW + 1e6)


def test_an_alert_lasts_from_being_raised_to_being_over() -> None:
    (one,) = episodes(
        collector(),
        (NOW, finding(Outcome.RAISE, NOW)),
        (NOW + 900, finding(Outcome.REFRESH, NOW + 900)),
        (NOW + 1800, finding(Outcome.CLEAR, NOW + 1800)),
    )
    assert (one.raised_at, one.reading_at, one.cleared_at) == (NOW, NOW - 5, NOW + 1800)
    assert (one.told, one.quantities) == (1, {"heart_rate"})


def test_what_gets_worse_is_the_same_alert_and_keeps_its_worst() -> None:
    (one,) = episodes(
        collector(),
        (NOW, finding(Outcome.RAISE, NOW)),
        (NOW + 60, finding(Outcome.RAISE, NOW + 60, severity=Severity.URGENT)),
        (NOW + 90, finding(Outcome.RAISE, NOW + 90, severity=Severity.SOON)),
    )
    assert (one.severity, one.told, one.cleared_at) == (Severity.URGENT, 3, None)


def test_what_comes_back_is_another_alert_and_others_have_their_own() -> None:
    found = episodes(
        collector(),
        (NOW, finding(Outcome.RAISE, NOW)),
        (NOW + 10, finding(Outcome.RAISE, NOW + 10, subject_no=2, person_no=2)),
        (NOW + 20, finding(Outcome.CLEAR, NOW + 20)),
        (NOW + 30, finding(Outcome.RAISE, NOW + 30)),
        (NOW + 40, finding(Outcome.CLEAR, NOW + 40, rule_id="limits.spo2")),
    )
    assert [(e.subject_no, e.raised_at, e.cleared_at) for e in found] == [
        (1, NOW, NOW + 20), (2, NOW + 10, None), (1, NOW + 30, None),
    ]  # fmt: skip


def test_what_is_muted_is_no_alert_but_the_one_that_speaks_says_so() -> None:
    collect = collector()
    score = finding(
        Outcome.RAISE, NOW, rule_id="news2",
        facts=(
            Fact(name="systolic", quantity="systolic", value=88.0, points=3, time=NOW),
            Fact(name="heart_rate", quantity="heart_rate", value=80.0, points=0, time=NOW),
        ),
    )  # fmt: skip
    (one,) = episodes(collect, (NOW, score), (NOW, finding(Outcome.MUTED, NOW, muted_by="news2")))
    assert (one.rule_id, one.muted) == ("news2", 1)
    assert one.quantities == {"systolic", "heart_rate"}
    assert collect.muted == {"limits.heart_rate": 1}


def test_a_score_is_about_what_added_points() -> None:
    (one,) = episodes(
        collector(),
        (NOW, finding(Outcome.RAISE, NOW, rule_id="news2", facts=(
            Fact(name="systolic", quantity="systolic", value=88.0, points=3, time=NOW),
            Fact(name="heart_rate", quantity="heart_rate", value=80.0, points=0, time=NOW),
        ))),
    )  # fmt: skip
    assert one.quantities == {"systolic"}


def test_a_home_whose_recording_is_over_has_not_fallen_silent() -> None:
    collect = collector(ends={1: NOW})
    found = episodes(
        collect,
        (NOW - 10, finding(Outcome.RAISE, NOW - 10)),
        (NOW + 20, finding(Outcome.RAISE, NOW + 20, rule_id="inactivity.still")),
        (NOW + 30, finding(Outcome.RAISE, NOW + 30, rule_id="inactivity.still", home_no=2)),
    )
    assert [e.raised_at for e in found] == [NOW - 10, NOW + 30]


def test_commands_are_counted_and_are_no_alerts() -> None:
    collect = collector()
    assert episodes(collect, (NOW, finding(Outcome.COMMAND, NOW, rule_id="falls.light"))) == []
    assert collect.commands == {"falls.light": 1}


def rows(*said: tuple[float, str, float], flags: int = 0, person: int = 1) -> Rows:
    out = np.zeros(len(said), ROW)
    for n, (at, name, value) in enumerate(said):
        out[n] = (at, at, value, 9, person, 1, 0, flags, vitals.BY_NAME[name].no)
    return out


def test_a_call_pressed_again_is_one_alert_and_later_another() -> None:
    collect = collector()
    collect.emergencies(rows((NOW, "sos", 1.0), (NOW + 60, "sos", 1.0), (NOW + 7200, "sos", 1.0)))
    first, second = collect.finish(end=NOW + 1e6)
    assert (first.rule_id, first.told, first.severity) == ("sos", 2, model.Severity.EMERGENCY)
    assert (first.raised_at, first.cleared_at) == (NOW, NOW + 60 + 1800)
    assert second.raised_at == NOW + 7200


def test_a_cancel_ends_a_call_and_a_brokers_copy_is_none() -> None:
    collect = collector()
    collect.emergencies(rows((NOW, "fall", 1.0), (NOW + 30, "fall", 0.0), (NOW + 40, "fall", 1.0)))
    collect.emergencies(rows((NOW + 50, "smoke", 1.0), flags=int(Quality.RETAINED)))
    found = collect.finish(end=NOW + 1e6)
    assert [(e.raised_at, e.cleared_at) for e in found] == [
        (NOW, NOW + 30), (NOW + 40, NOW + 40 + 1800),
    ]  # fmt: skip


def test_an_alarm_of_nobody_in_particular_is_the_homes() -> None:
    collect = collector()
    collect.emergencies(rows((NOW, "smoke", 1.0), person=0))
    (one,) = collect.finish(end=NOW + 1e6)
    assert (one.subject, one.person_no, one.home_no, one.severity) == (
        "home", None, 1, model.Severity.EMERGENCY,
    )  # fmt: skip


def test_an_alarm_still_open_at_the_end_is_open() -> None:
    collect = collector()
    collect.emergencies(rows((NOW, "sos", 1.0)))
    assert collect.finish(end=NOW + 60)[0].cleared_at is None


def test_enough_impossible_readings_of_one_device_make_it_suspect_once() -> None:
    collect = collector()
    bad = int(Quality.IMPLAUSIBLE)
    times = (NOW, NOW + 60, NOW + 120, NOW + 180)
    collect.faults(rows(*((t, "skin_temperature", 74.0) for t in times), flags=bad))
    (one,) = collect.finish(end=NOW + 1e6)
    assert (one.rule_id, one.raised_at, one.device_no) == ("equipment.implausible", NOW + 120, 9)
    collect = collector()
    days = (NOW, NOW + 86_401, NOW + 2 * 86_402)
    collect.faults(rows(*((t, "skin_temperature", 74.0) for t in days), flags=bad))
    assert collect.finish(end=NOW + 1e6) == []
