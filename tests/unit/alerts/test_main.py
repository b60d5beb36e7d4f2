"""The role's own behaviour when a part of it fails, without a database."""

from __future__ import annotations

import io
import threading
from datetime import datetime, timedelta, tzinfo
from typing import Any

import numpy as np
import pytest

from alerts import errors, main, reader, scheduler
from alerts.settings import AlertsSettings
from ingest.kernel import errors as kernel_errors
from ingest.kernel.clock import SystemClock

NOWHERE = "host=127.0.0.1 port=1 user=nobody dbname=none connect_timeout=1"


def settings() -> AlertsSettings:
    return AlertsSettings(_env_file=None, database_url=NOWHERE)  # type: ignore[call-arg, arg-type]


def test_a_crash_in_any_loop_ends_the_role_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: reader.ReadingLoop, stop: threading.Event) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(reader.ReadingLoop, "run", broken)
    role = main.Alerts(settings(), clock=SystemClock())
    assert role.run() == 1


def test_without_a_database_it_waits_and_stops_in_order() -> None:
    role = main.Alerts(settings(), clock=SystemClock())
    threading.Timer(0.3, role.stop).start()
    assert role.run() == 0


def test_without_an_address_of_the_database_it_says_which_setting_is_missing() -> None:
    role = main.Alerts(
        AlertsSettings(_env_file=None),  # type: ignore[call-arg]
        clock=SystemClock(),
    )
    with pytest.raises(kernel_errors.SettingsError, match="TELECARE_DATABASE_URL"):
        role.run()


def test_pauses_grow_with_failures_and_begin_anew_after_success() -> None:
    waited: list[float] = []

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waited.append(timeout or 0.0)
            return False

    back_off = reader.BackOff(np.random.default_rng(1))
    for _ in range(10):
        back_off.wait(Stop())
    assert waited[0] <= 0.15
    assert max(waited) <= 3.0
    assert waited[-1] >= 1.0
    back_off.worked()
    back_off.wait(Stop())
    assert waited[-1] <= 0.15


@pytest.mark.parametrize("failure", [errors.LostCursorError(), ZeroDivisionError()])
def test_a_tick_that_fails_is_tried_again_and_ends_nothing_else(failure: Exception) -> None:
    again, others = threading.Event(), threading.Semaphore(0)
    calls: list[int] = []

    def job() -> None:
        calls.append(1)
        if len(calls) > 1:
            again.set()
        raise failure

    ticker = scheduler.Ticker(clock=SystemClock())
    ticker.every(0.02, job, name="job")
    ticker.every(0.02, others.release, name="other")
    ticker.start()
    assert again.wait(10)
    assert all(others.acquire(timeout=10) for _ in range(3))
    ticker.stop()


def test_readings_that_can_not_be_judged_do_not_end_what_raises_alarms() -> None:
    opened: list[int] = []
    stop = threading.Event()

    def odd() -> Any:
        opened.append(1)
        if len(opened) > 1:
            stop.set()
        raise ZeroDivisionError

    loop = reader.ReadingLoop(
        log=odd, signals=io.BytesIO, plan=odd,  # type: ignore[arg-type]
        packs="", pace=reader.Pace(tick=1.0, pause=0.0, balance=1.0),
        clock=SystemClock(), rng=np.random.default_rng(1),
    )  # fmt: skip
    loop.run(stop)
    assert len(opened) > 1


def test_slow_jobs_keep_no_other_waiting_and_none_runs_twice_at_once() -> None:
    go, ran = threading.Event(), threading.Event()
    at_once: list[int] = []

    def slow() -> None:
        at_once.append(1)
        go.wait(10)

    ticker = scheduler.Ticker(clock=SystemClock())
    for n in range(8):
        ticker.every(0.01, slow, name=f"slow{n}", at_start=True)
    ticker.every(0.2, ran.set, name="steps")
    ticker.start()
    assert ran.wait(5)
    assert len(at_once) == 8
    ticker.stop()
    go.set()


def test_a_wall_clock_that_is_set_back_stops_no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    back = [timedelta()]

    class Wall(datetime):
        """The clock on the wall, which a test sets."""

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) - back[0]

    class SetBack(SystemClock):
        def now(self) -> datetime:
            return super().now() - back[0]

        def epoch(self) -> float:
            return self.now().timestamp()

    monkeypatch.setattr("apscheduler.schedulers.base.datetime", Wall)
    calls = threading.Semaphore(0)
    ticker = scheduler.Ticker(clock=SetBack())
    ticker.every(0.1, calls.release, name="job", at_start=True)
    ticker.start()
    assert all(calls.acquire(timeout=10) for _ in range(3))
    back[0] = timedelta(hours=2)
    assert all(calls.acquire(timeout=10) for _ in range(30))
    ticker.stop()
