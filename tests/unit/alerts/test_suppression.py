"""Mute windows: whom they cover, until when, and that an emergency is never one of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from alerts import lifecycle, suppression
from alerts.escalation import Kind
from alerts.model import Severity, Source, State
from tests.unit.alerts.test_lifecycle import ALERT, NOW

HOUR = timedelta(hours=1)
HOSPITAL = suppression.Mute(
    person_no=1, starts=NOW - HOUR, ends=NOW + HOUR, reason="in hospital", by="nurse.a"
)


def test_a_window_holds_an_alert_of_the_person_until_its_end() -> None:
    hold = suppression.hold(ALERT, [HOSPITAL], now=NOW)
    assert hold is not None
    assert (hold.until, hold.reason) == (NOW + HOUR, "in hospital (set by nurse.a)")
    change = lifecycle.raised(ALERT, now=NOW, hold=hold)
    assert not change.page
    assert change.alert.state is State.OPEN
    assert [s.kind for s in change.steps or ()] == [Kind.SNOOZE_ENDS]
    assert change.alert.next_step_at == NOW + HOUR
    assert change.event.detail["held"] == hold.reason


@pytest.mark.parametrize(("at", "held"), [(-61, False), (-60, True), (59.9, True), (60, False)])
def test_its_start_is_inside_and_its_end_outside(at: float, held: bool) -> None:
    now = NOW + timedelta(minutes=at)
    assert (suppression.hold(ALERT, [HOSPITAL], now=now) is not None) is held


def test_an_emergency_is_never_held() -> None:
    fall = replace(ALERT, severity=Severity.EMERGENCY)
    assert suppression.hold(fall, [HOSPITAL], now=NOW) is None
    hold = suppression.hold(ALERT, [HOSPITAL], now=NOW)
    assert lifecycle.raised(fall, now=NOW, hold=hold).page


def test_what_a_person_reports_is_not_held() -> None:
    crisis = replace(ALERT, source=Source.PERSON, severity=Severity.URGENT)
    assert suppression.hold(crisis, [HOSPITAL], now=NOW) is None


def test_another_person_s_window_holds_nothing() -> None:
    other = replace(HOSPITAL, person_no=2)
    nobody = replace(ALERT, person_no=None)
    assert suppression.hold(ALERT, [other], now=NOW) is None
    assert suppression.hold(nobody, [other], now=NOW) is None
    device = replace(HOSPITAL, person_no=None, device_no=4)
    assert suppression.hold(replace(ALERT, device_no=4), [device], now=NOW) is not None
    assert suppression.hold(ALERT, [device], now=NOW) is None


def test_of_several_windows_the_one_that_ends_last_counts() -> None:
    longer = replace(HOSPITAL, ends=NOW + 3 * HOUR, reason="holiday")
    hold = suppression.hold(ALERT, [longer, HOSPITAL], now=NOW)
    assert hold is not None
    assert hold.until == NOW + 3 * HOUR
