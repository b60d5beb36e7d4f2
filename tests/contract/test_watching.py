"""The hub watches itself: facts of a real database, its own queue, a real receiver outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from alerts import outside, watch
from alerts.rules import registry
from alerts.settings import AlertsSettings
from alerts.storage.selfcheck import SelfCheck
from alerts.storage.upkeep import Upkeep
from ingest.kernel.clock import SystemClock
from ingest.storage.pool import Pool
from ingest.storage.presence import PostgresPresence
from tests.contract import homes
from tests.contract.homes import Homes, connect
from tests.support.receivers import WebReceiver

pytestmark = pytest.mark.service


class Ahead(SystemClock):
    """The machine's own clock, and a monotonic one that a test moves on."""

    def __init__(self) -> None:
        self.passed = 0.0

    def monotonic(self) -> float:
        return self.passed


@pytest.fixture
def clock() -> Ahead:
    return Ahead()


@pytest.fixture
def check(pool: Pool, clock: Ahead, tmp_path: Path) -> SelfCheck:
    return SelfCheck(
        pool, data_dir=tmp_path, overdue_s=60.0, root_file=True, root_url=False, clock=clock
    )


@pytest.fixture
def watching(pool: Pool, check: SelfCheck, clock: Ahead) -> watch.Watch:
    settings = AlertsSettings(_env_file=None, watch_disk_free=0)  # type: ignore[call-arg]
    upkeep = Upkeep(
        pool,
        rules=registry.load().rules,
        keep_log_days=7,
        keep_readings_days=None,
        keep_quarantine_days=90,
        hub_timed_window_s=600.0,
        clock=clock,
    )
    periods = {"partitions": 3_600.0, "retention": 3_600.0}
    return watch.Watch(settings, upkeep=upkeep, check=check, periods=periods, clock=clock)


def sql(here: Homes, statement: str) -> None:
    with connect(here.url) as db:
        db.execute(statement)


def test_a_new_hub_knows_little_and_finds_nothing_wrong(
    here: Homes, check: SelfCheck, watching: watch.Watch, clock: Ahead
) -> None:
    facts = check.facts({})
    assert (facts.steps_overdue, facts.broker_lost, facts.quarantined) == (0, 0, 0)
    assert facts.grown_day is None
    assert facts.disk_free is not None
    assert abs(facts.clock_off_s) < 1.0
    assert facts.root_waits_s == 0.0
    clock.passed = 50.0
    watching.judge()
    assert watching.wrong() is None, "it has just begun: nobody knows yet"
    assert homes.alerts(here.url) == []


def test_facts_come_from_where_they_are_kept(here: Homes, pool: Pool, check: SelfCheck) -> None:
    PostgresPresence(pool).lost(4)
    PostgresPresence(pool).lost(3)
    check.beat("retention")
    check.measure()
    sql(
        here,
        "INSERT INTO alerts.database_size (at, bytes)"
        " SELECT at - interval '2 days', bytes - 2000 FROM alerts.database_size",
    )
    sql(
        here,
        "INSERT INTO ingest.quarantine (site, device, topic, payload, digest, reason, received_at,"
        " last_received_at) SELECT 's', 'd', 't', '', n::text::bytea, 'unreadable',"
        " now() - n * interval '25 minutes', now() FROM generate_series(1, 4) n",
    )
    sql(
        here,
        "INSERT INTO ingest.broker_loss (at, messages) VALUES (now() - interval '61 minutes', 9)",
    )
    sql(
        here,
        "INSERT INTO alerts.root (at, after, before, event_no, heads, hash)"
        " SELECT now() - n * interval '1 hour', 0, '', 0, 0, '' FROM generate_series(1, 3) n",
    )
    facts = check.facts({})
    assert (facts.broker_lost, facts.quarantined, facts.grown_day) == (7, 2, 1000)
    assert facts.ticks_s["retention"] < 60
    assert facts.root_waits_s == pytest.approx(3 * 3_600, abs=60)
    sql(here, "UPDATE alerts.root SET filed_at = now()")
    assert check.facts({}).root_waits_s == pytest.approx(3_600, abs=60)


def test_what_is_vitally_wrong_is_an_alert_and_is_told_outside_which_is_pinged_no_more(
    here: Homes, check: SelfCheck, watching: watch.Watch, clock: Ahead, web: WebReceiver
) -> None:
    switch = outside.DeadMansSwitch(web.url, every_s=60.0)

    def tick() -> None:
        check.beat("steps")
        for name in ("partitions", "retention"):
            check.beat(name)

    def pass_by() -> None:
        clock.passed += 61.0
        watching.judge()
        switch.tend(watching.wrong(), monotonic=clock.passed)

    tick()
    pass_by()
    assert [path for path, _ in web.said] == ["/"]
    tick()
    sql(here, "UPDATE alerts.tick SET at = at - interval '2 minutes' WHERE name = 'steps'")
    pass_by()
    sql(here, "UPDATE alerts.tick SET at = at - interval '2 minutes' WHERE name = 'steps'")
    pass_by()
    assert web.said[1:] == [("/fail", "hub.tick_missed")]
    ((rule_id, severity, *_),) = homes.alerts(here.url)
    assert (rule_id, severity) == ("hub.tick_missed", "urgent")
    tick()
    pass_by()
    assert [path for path, _ in web.said[2:]] == ["/"]
    assert homes.kinds(here.url) == ["raised", "cleared"]


def test_a_step_that_nobody_takes_is_an_alert_of_its_own(
    here: Homes, check: SelfCheck, watching: watch.Watch, clock: Ahead
) -> None:
    check.beat("steps")
    sql(
        here,
        "WITH a AS (INSERT INTO alerts.alert (episode, source, rule_id, rule_version, severity,"
        " title, reason, raised_at) VALUES ('e', 'rule', 'r', '1', 'soon', 't', 'r', now())"
        " RETURNING no) INSERT INTO alerts.step (alert_no, run, position, repetition, kind, rank,"
        " due_at) SELECT no, 1, n, 0, 'tell', 2, now() - n * interval '40 seconds'"
        " FROM a, generate_series(1, 2) n",
    )
    assert check.facts({}).steps_overdue == 1, "the other is late by less than a minute"
    clock.passed = 61.0
    watching.judge()
    assert watching.wrong() == {"hub.steps_overdue"}
    clock.passed += 61.0
    assert watching.wrong() is None, "a verdict that old says nothing"


def test_what_is_no_danger_to_anybody_now_does_not_stop_the_ping(
    here: Homes, pool: Pool, check: SelfCheck, watching: watch.Watch, clock: Ahead
) -> None:
    check.beat("steps")
    PostgresPresence(pool).lost(4)
    clock.passed = 61.0
    watching.judge()
    assert [a[0] for a in homes.alerts(here.url)] == ["hub.broker_dropped"]
    assert watching.wrong() == frozenset()
