"""Test mode on a real database: what a press is then, and before, after and beside it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from alerts.rules import pack, registry
from alerts.storage.alarms import AlarmLog
from alerts.storage.test_calls import MonthlyTests
from alerts.storage.upkeep import Upkeep
from ingest.kernel.clock import SystemClock
from ingest.storage.device_tests import DeviceTests
from ingest.storage.pool import Pool
from tests.contract import homes
from tests.contract.homes import Homes, Writer, connect
from tests.support.clock import FixedClock

pytestmark = pytest.mark.service
PACKS = registry.load()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(SystemClock().now())


@pytest.fixture
def log(here: Homes, clock: FixedClock) -> Iterator[AlarmLog]:
    opened = AlarmLog.open(
        here.url, rules=PACKS.of(pack.AlarmRule), late_after_s=900, teams_age_s=10, clock=clock
    )
    yield opened
    opened.close()


@pytest.fixture
def tests(pool: Pool) -> DeviceTests:
    return DeviceTests(pool)


def begin(
    tests: DeviceTests, here: Homes, clock: FixedClock, *, minutes: float = 15, who: int = 0
) -> None:
    now = clock.now()
    until = now + timedelta(minutes=minutes)
    tests.begin(here.devices[who], until=until, by="fitter.f", now=now)


def rows(here: Homes, query: str) -> list[Any]:
    with connect(here.url) as db:
        return db.execute(query).fetchall()


def receipts(here: Homes) -> list[tuple[str, str, str]]:
    return rows(
        here,
        "SELECT body ->> 'alarm', body ->> 'state', body ->> 'by' FROM ingest.outbox ORDER BY no",
    )


def test_a_press_while_its_device_is_tested_is_recorded_answered_and_pages_nobody(
    here: Homes, event: Writer, log: AlarmLog, tests: DeviceTests, clock: FixedClock
) -> None:
    begin(tests, here, clock)
    clock.advance(60)
    event.alarm(here, 0, now=clock.epoch(), alarm_id="t1")
    event.alarm(here, 0, now=clock.epoch(), alarm_id="t1", cancel=True)
    assert log.round() == (2, {"test_call": 2})
    assert homes.alerts(here.url) == []
    assert receipts(here) == [("t1", "closed", "test")]
    assert rows(here, "SELECT device_no, by, test_no IS NULL FROM alerts.test_call ORDER BY 3") == [
        (here.devices[0], "fitter.f", False),
        (here.devices[0], "", True),
    ]


def test_the_press_after_it_is_real(
    here: Homes, event: Writer, log: AlarmLog, tests: DeviceTests, clock: FixedClock
) -> None:
    begin(tests, here, clock)
    clock.advance(60)
    event.alarm(here, 0, now=clock.epoch(), alarm_id="t1")
    clock.advance(15 * 60)
    event.alarm(here, 0, now=clock.epoch(), alarm_id="real")
    log.round()
    assert [(a[0], a[1]) for a in homes.alerts(here.url)] == [("sos", "emergency")]


@pytest.mark.parametrize("at", [0.0, 900.0], ids=["the beginning", "the end"])
def test_at_the_very_boundary_it_is_real(
    here: Homes, event: Writer, log: AlarmLog, tests: DeviceTests, clock: FixedClock, at: float
) -> None:
    begin(tests, here, clock)
    clock.advance(at)
    event.alarm(here, 0, now=clock.epoch())
    assert log.round()[1] == {"raised": 1}


def test_what_was_pressed_before_and_comes_late_is_real(
    here: Homes, event: Writer, log: AlarmLog, tests: DeviceTests, clock: FixedClock
) -> None:
    begin(tests, here, clock)
    now = clock.advance(60).timestamp()
    event.alarm(here, 0, now=now, time=now - 120)
    assert log.round()[1] == {"raised": 1}


def test_what_was_pressed_within_and_comes_after_the_end_is_real(
    here: Homes, event: Writer, log: AlarmLog, tests: DeviceTests, clock: FixedClock
) -> None:
    begin(tests, here, clock, minutes=5)
    now = clock.advance(360).timestamp()
    event.alarm(here, 0, now=now, time=now - 120)
    assert log.round()[1] == {"raised": 1}


def test_a_test_that_somebody_ended_is_over(
    here: Homes, event: Writer, log: AlarmLog, tests: DeviceTests, clock: FixedClock
) -> None:
    begin(tests, here, clock)
    clock.advance(60)
    assert tests.end(here.devices[0], by="fitter.f", now=clock.now())
    assert not tests.end(here.devices[0], by="fitter.f", now=clock.now())
    clock.advance(1)
    event.alarm(here, 0, now=clock.epoch())
    assert log.round()[1] == {"raised": 1}


def test_other_devices_unregistered_ones_and_what_can_not_be_read_are_real(
    here: Homes, event: Writer, log: AlarmLog, tests: DeviceTests, clock: FixedClock
) -> None:
    begin(tests, here, clock)
    now = clock.advance(60).timestamp()
    event.alarm(here, 1, now=now, device="other")
    event.alarm(here, None, now=now, device="stranger")
    event.alarm(here, 0, now=now, quantity="")
    assert log.round()[1] == {"raised": 3}


def test_while_an_alert_of_the_same_is_open_every_press_is_real(
    here: Homes, event: Writer, log: AlarmLog, tests: DeviceTests, clock: FixedClock
) -> None:
    event.alarm(here, 0, now=clock.epoch(), alarm_id="real")
    log.round()
    clock.advance(1)
    begin(tests, here, clock)
    now = clock.advance(60).timestamp()
    event.alarm(here, 0, now=now, alarm_id="again")
    event.alarm(here, 0, now=now, alarm_id="real", cancel=True)
    assert log.round()[1] == {"pressed_again": 1, "cancelled": 1}


def test_prolonged_again_and_again_it_ends_after_two_hours_all_the_same(
    here: Homes, event: Writer, log: AlarmLog, tests: DeviceTests, clock: FixedClock
) -> None:
    for _ in range(4):
        begin(tests, here, clock, minutes=60)
        clock.advance(30 * 60)
    assert len(rows(here, "SELECT 1 FROM ingest.device_test")) == 1
    event.alarm(here, 0, now=clock.epoch())
    assert log.round()[1] == {"raised": 1}


def test_a_cancel_of_a_test_call_after_the_test_is_no_alert(
    here: Homes, event: Writer, log: AlarmLog, tests: DeviceTests, clock: FixedClock
) -> None:
    begin(tests, here, clock, minutes=1)
    clock.advance(30)
    event.alarm(here, 0, now=clock.epoch(), alarm_id="t1")
    log.round()
    clock.advance(60)
    event.alarm(here, 0, now=clock.epoch(), alarm_id="t1", cancel=True)
    assert log.round()[1] == {"test_call": 1}
    assert homes.alerts(here.url) == []


class Monthly:
    """Pendants of three homes, the hourly look at their tests, and a clock."""

    def __init__(self, here: Homes, pool: Pool, clock: FixedClock) -> None:
        self.here, self.clock = here, clock
        with connect(here.url) as db:
            db.execute("UPDATE ingest.device SET kind = 'pendant' WHERE name <> 'd2'")
            for device, person, home in zip(here.devices, here.people, here.homes, strict=True):
                db.execute(
                    "INSERT INTO ingest.assignment (device_no, person_no, home_no, starts)"
                    " VALUES (%s, %s, %s, '-infinity')",
                    [device, person, home],
                )
        self.tests = MonthlyTests(
            pool, kinds=["pendant"], every=timedelta(days=31), grace=timedelta(days=7), clock=clock
        )
        self.upkeep = Upkeep(
            pool, rules=PACKS.rules, keep_log_days=7, keep_readings_days=None,
            keep_quarantine_days=90, hub_timed_window_s=600, clock=clock,
        )  # fmt: skip

    def look(self) -> list[tuple[str, int, str, str]]:
        self.upkeep.tell(self.tests.verdicts())
        columns = "rule_id, device_no, alert_class, condition"
        return [tuple(row) for row in homes.alerts(self.here.url, columns)]


def test_a_device_that_nobody_pressed_for_a_month_goes_to_equipment_and_clears_by_a_press(
    here: Homes, pool: Pool, event: Writer, clock: FixedClock
) -> None:
    monthly = Monthly(here, pool, clock)
    assert monthly.look() == []
    clock.advance(37.9 * 86_400)
    assert monthly.look() == []
    event.alarm(here, 0, now=clock.epoch(), device="d0")
    clock.advance(0.2 * 86_400)
    overdue = ("equipment.test_overdue", here.devices[1], "equipment")
    assert monthly.look() == [(*overdue, "active")]
    assert monthly.look() == [(*overdue, "active")], "once"
    (team,) = rows(here, "SELECT team_no, person_no, severity FROM alerts.alert")
    assert team == (here.teams["equipment"], here.people[1], "soon")
    with connect(here.url) as db:
        db.execute(
            "INSERT INTO alerts.test_call VALUES (1, 1, %s, %s, 'f')",
            [here.devices[1], clock.now()],
        )
    assert monthly.look() == [(*overdue, "cleared")]


def test_a_cancel_and_an_old_retained_copy_prove_nothing(
    here: Homes, pool: Pool, event: Writer, clock: FixedClock
) -> None:
    monthly = Monthly(here, pool, clock)
    now = clock.advance(39 * 86_400).timestamp()
    event.alarm(here, 0, now=now, device="d0", cancel=True)
    event.alarm(here, 1, now=now, device="d1", flags=homes.RETAINED)
    assert [a[1] for a in monthly.look()] == here.devices[:2]


def test_a_device_with_nobody_is_not_expected_to_be_tested(
    here: Homes, pool: Pool, clock: FixedClock
) -> None:
    monthly = Monthly(here, pool, clock)
    with connect(here.url) as db:
        db.execute("UPDATE ingest.assignment SET ends = %s", [clock.now() - timedelta(days=1)])
    clock.advance(39 * 86_400)
    assert monthly.look() == []
