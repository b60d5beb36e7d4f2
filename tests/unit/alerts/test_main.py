"""The role's own behaviour when a part of it fails, without a database."""

from __future__ import annotations

import threading

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


def test_a_tick_without_a_database_is_tried_again_and_other_failures_are_told() -> None:
    crashes: list[BaseException] = []
    called = threading.Event()
    calls: list[int] = []

    def job() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise errors.LostCursorError
        called.set()

    ticker = scheduler.Ticker(on_crash=crashes.append)
    ticker.every(0.05, job, name="job")
    ticker.start()
    assert called.wait(10)
    ticker.stop()
    assert crashes == []
    with pytest.raises(ZeroDivisionError):
        ticker._guarded(lambda: 1 // 0, "bad")
    assert isinstance(crashes[0], ZeroDivisionError)
