"""Escalation by real processes: killed, paused, doubled, cut off from the database."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from alerts.model import Severity
from alerts.policies import responses
from alerts.storage.alerts import AlertStore
from api.embedded.postgres import EmbeddedPostgres
from ingest.storage.pool import open_pool
from tests.contract import homes
from tests.contract.homes import Homes, make
from tests.support import hurried, waiting
from tests.support.clock import FixedClock
from tests.support.roles import AlertsProcesses

pytestmark = [pytest.mark.service, pytest.mark.slow]
CHAIN = {"team": 2, "on_call": 1, "rapid_response": 1, "contacts": 3}
"""How often each step of an emergency comes before the last, which repeats."""


class Roles(AlertsProcesses):
    """Alerts processes whose responses are sixty times as fast."""

    def __init__(self, url: str, folder: Path) -> None:
        self.folder = hurried.write(folder, 60.0)
        super().__init__(
            url, log_level="ERROR", alerts_policies_dir=str(self.folder), alerts_steps_every_s="0.2"
        )

    def raise_(self, here: Homes, count: int) -> None:
        """Raise emergencies, a few a second."""
        pool = open_pool(self.url, name="test", most=1)
        store = AlertStore(pool, responses.load(self.folder))
        for n in range(count):
            clock = FixedClock(datetime.now(UTC))
            store.open(replace(make(here, clock, n), severity=Severity.EMERGENCY))
            time.sleep(0.05)
        pool.close()

    def told(self) -> dict[int, Counter[str]]:
        """Return how often each alert told whom, repetitions of one step apart."""
        found: dict[int, Counter[str]] = {}
        with homes.connect(self.url) as db:
            rows = db.execute(
                "SELECT alert_no, detail->>'tell', detail->>'repetition' FROM alerts.event"
                " WHERE kind = 'told' ORDER BY no"
            ).fetchall()
        for alert, tell, repetition in rows:
            found.setdefault(alert, Counter())[f"{tell}"] += 1
            found[alert][f"{tell} {repetition}"] += 1
        return found


@pytest.fixture
def here(database_url: str) -> Homes:
    return Homes.make(database_url)


@pytest.fixture
def roles(here: Homes, tmp_path: Path) -> Iterator[Roles]:
    made = Roles(here.url, tmp_path / "policies")
    yield made
    made.kill_all()


def whole(roles: Roles, count: int) -> bool:
    told = roles.told()
    least = {**CHAIN, "last_resort": 1}
    return len(told) == count and all(
        one[who] >= times for one in told.values() for who, times in least.items()
    )


def each_step_once(roles: Roles, count: int) -> None:
    told = roles.told()
    assert len(told) == count
    for one in told.values():
        assert {who: one[who] for who in CHAIN} == CHAIN
        assert max(n for step, n in one.items() if " " in step) == 1
    with homes.connect(roles.url) as db:
        twice = db.execute(
            "SELECT alert_no, run, position, repetition FROM alerts.step GROUP BY 1, 2, 3, 4"
            " HAVING count(*) > 1"
        ).fetchall()
        without = db.execute(
            "SELECT count(*) FROM alerts.alert a WHERE a.state <> 'closed' AND NOT EXISTS"
            " (SELECT FROM alerts.step s WHERE s.alert_no = a.no AND s.state = 'pending')"
        ).fetchone()
    assert twice == []
    assert without == (0,)


def test_workers_killed_at_any_moment_miss_no_step_and_record_each_once(
    here: Homes, roles: Roles
) -> None:
    roles.start()
    roles.start()
    raising = threading.Thread(target=roles.raise_, args=[here, 40])
    raising.start()
    rng = np.random.default_rng(5)
    until = time.monotonic() + 14.0
    while time.monotonic() < until:
        time.sleep(float(rng.uniform(0.5, 1.5)))
        roles.kill(roles.running[0])
        roles.start()
    raising.join()
    waiting.until(lambda: whole(roles, 40), "every chain came to its end", timeout=60)
    each_step_once(roles, 40)


def test_a_paused_worker_and_a_database_that_cuts_it_off_are_late_and_not_silent(
    here: Homes, roles: Roles
) -> None:
    process = roles.start()
    roles.raise_(here, 5)
    waiting.until(lambda: len(roles.told()) == 5, "the teams were told", timeout=30)
    process.send_signal(signal.SIGSTOP)
    time.sleep(4.0)  # on call and rapid response fall due meanwhile
    with homes.connect(here.url) as db:
        db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE 'telecare alerts%' AND datname = current_database()"
        )
    process.send_signal(signal.SIGCONT)
    waiting.until(lambda: whole(roles, 5), "every chain came to its end", timeout=40)
    each_step_once(roles, 5)
    assert process.poll() is None


def test_a_database_that_is_killed_and_comes_back_loses_no_step(
    own_postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    here = Homes.make(own_postgres.dsn)
    roles = Roles(own_postgres.dsn, tmp_path / "policies")
    try:
        roles.start()
        roles.raise_(here, 5)
        waiting.until(lambda: len(roles.told()) == 5, "the teams were told", timeout=30)
        own_postgres.kill()
        time.sleep(3.0)  # on call and rapid response fall due meanwhile
        own_postgres.start()
        waiting.until(lambda: whole(roles, 5), "every chain came to its end", timeout=60)
        each_step_once(roles, 5)
    finally:
        roles.kill_all()
