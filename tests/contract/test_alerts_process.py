"""The whole role as a process: quick, orderly, and killed over and over without a loss."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from tests.contract import homes
from tests.contract.homes import Homes, Writer
from tests.support import waiting
from tests.support.roles import AlertsProcesses

pytestmark = [pytest.mark.service, pytest.mark.slow]


@pytest.fixture
def here(database_url: str) -> Homes:
    return Homes.make(database_url, count=40)


@pytest.fixture
def role(here: Homes) -> Iterator[AlertsProcesses]:
    made = AlertsProcesses(here.url, log_level="ERROR", alerts_balance_s="0.2")
    yield made
    made.kill_all()


def raised(url: str, rule: str) -> int:
    return len([1 for (r,) in homes.alerts(url, "rule_id") if r == rule])


def test_a_press_is_in_the_queue_at_once_and_the_process_ends_in_order(
    here: Homes, role: AlertsProcesses
) -> None:
    process = role.start()
    writer = Writer(here.url, "event")
    writer.alarm(here, 0, now=time.time())
    waiting.until(lambda: raised(here.url, "sos") == 1, "the first press was raised", timeout=30)
    took = []
    for n in range(1, 21):
        began = time.monotonic()
        writer.alarm(here, n, now=time.time(), alarm_id=f"n{n}")
        want = n + 1
        waiting.until(lambda want=want: raised(here.url, "sos") == want, "raised", every=0.005)
        took.append(time.monotonic() - began)
    writer.close()
    assert np.median(took) < 0.25  # tens of milliseconds; the machine may be busy
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0
    role.running.remove(process)


def test_killed_at_any_moment_it_loses_and_doubles_nothing(
    here: Homes, role: AlertsProcesses
) -> None:
    """Two processes take turns being killed while alarms and readings keep coming."""
    role.start()
    role.start()
    stop = threading.Event()
    sent = {"alarms": 0, "people": 0}

    def feed() -> None:
        obs, event = Writer(here.url), Writer(here.url, "event")
        for n in range(40):
            if stop.is_set():
                break
            now = time.time()
            event.alarm(here, n, now=now, alarm_id=f"n{n}")
            sent["alarms"] += 1
            # one person a round goes out of limits for good, everybody else stays inside
            readings = [(m, "heart_rate", 70.0, now - 1) for m in range(40) if m > n]
            obs.rows(here.rows((n, "heart_rate", 125.0, now - 1), *readings, now=now))
            sent["people"] += 1
            time.sleep(0.25)
        obs.close()
        event.close()

    feeding = threading.Thread(target=feed)
    feeding.start()
    rng = np.random.default_rng(3)
    while feeding.is_alive():
        time.sleep(float(rng.uniform(0.4, 1.2)))
        role.kill(role.running[0])
        role.start()
    feeding.join()
    waiting.until(
        lambda: (
            raised(here.url, "sos") >= sent["alarms"]
            and raised(here.url, "limits.heart_rate") >= sent["people"]
        ),
        "everything sent was raised",
        timeout=60,
    )
    time.sleep(1)
    stop.set()
    assert sent == {"alarms": 40, "people": 40}
    assert raised(here.url, "sos") == 40
    assert raised(here.url, "limits.heart_rate") == 40
    with homes.connect(here.url) as db:
        twice = db.execute(
            "SELECT alert_no, count(*) FROM alerts.event WHERE kind IN ('raised', 'pressed_again')"
            " GROUP BY alert_no HAVING count(*) > 1"
        ).fetchall()
        gaps = db.execute("SELECT min(version), max(version) FROM alerts.alert").fetchone()
    assert twice == []
    assert gaps == (1, 1)


def test_it_survives_a_database_that_goes_away(here: Homes, role: AlertsProcesses) -> None:
    process = role.start()
    writer = Writer(here.url, "event")
    writer.alarm(here, 0, now=time.time())
    waiting.until(lambda: raised(here.url, "sos") == 1, "raised before", timeout=30)
    with homes.connect(here.url) as db:
        db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE 'telecare alerts%' AND datname = current_database()"
        )
    writer.alarm(here, 1, now=time.time(), alarm_id="b")
    waiting.until(lambda: raised(here.url, "sos") == 2, "raised after", timeout=30)
    writer.close()
    assert process.poll() is None
