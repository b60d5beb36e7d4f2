"""The hash chain of alert events on a real database: written, kept, checked, and tampered with."""

from __future__ import annotations

import time
from dataclasses import replace

import psycopg
import pytest

from alerts import lifecycle, model
from alerts.service import Alerts
from alerts.storage import chains
from alerts.storage.alerts import AlertStore
from alerts.storage.ledger import Ledger
from tests.contract import homes
from tests.contract.homes import Homes, make
from tests.support.clock import FixedClock

pytestmark = pytest.mark.service


@pytest.fixture
def lived(here: Homes, store: AlertStore, alerts: Alerts, clock: FixedClock) -> list[int]:
    """Three alerts with a history."""
    numbers = []
    for n in range(3):
        alert = store.open(make(here, clock, n))
        alerts.note(alert.no, by="nurse.a", expected_version=1, text=f"rang, café no answer {n}")
        alerts.acknowledge(alert.no, by="nurse.a", expected_version=2)
        numbers.append(alert.no)
    alerts.close(numbers[0], by="nurse.a", expected_version=3, disposition="advice")
    return numbers


def check(here: Homes) -> chains.Checked:
    with psycopg.connect(here.url) as db:
        return chains.check(db)


def tamper(here: Homes, statement: str, *values: object) -> int:
    """Do what only somebody who owns the database can: past the trigger."""
    with homes.connect(here.url) as db:
        db.execute("SET session_replication_role = replica")
        return db.execute(statement, list(values)).rowcount


def test_every_event_is_chained_and_the_chain_holds(here: Homes, lived: list[int]) -> None:
    found = check(here)
    assert (found.alerts, found.events, found.older, found.erased) == (3, 10, 0, 0)
    assert found.broken == []


def test_alerts_without_any_event_since_then_are_left_out(
    here: Homes, lived: list[int], clock: FixedClock
) -> None:
    with psycopg.connect(here.url) as db:
        db.execute(
            "INSERT INTO alerts.root (at, after, before, event_no, heads, hash)"
            " SELECT %s, 0, '', max(no), 0, '' FROM alerts.event",
            [clock.now()],
        )
        db.commit()
        assert chains.check(db, since=clock.advance(60)).alerts == 0


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE alerts.event SET at = at + interval '1 second' WHERE no = %s",
        "UPDATE alerts.event SET by = 'nurse.b' WHERE no = %s",
        "UPDATE alerts.event SET reason = 'said something else' WHERE no = %s",
        """UPDATE alerts.event SET detail = detail || '{"page": 7}' WHERE no = %s""",
        "UPDATE alerts.event SET kind = 'closed' WHERE no = %s",
        "UPDATE alerts.event SET no = no + 1000 WHERE no = %s",
        "UPDATE alerts.event SET hash = NULL WHERE no = %s",
        "DELETE FROM alerts.event WHERE no = %s",
    ],
)
@pytest.mark.parametrize("which", ["first", "middle", "last"])
def test_what_somebody_does_past_the_trigger_is_found(
    here: Homes, lived: list[int], statement: str, which: str
) -> None:
    with homes.connect(here.url) as db:
        found = db.execute(
            "SELECT no FROM alerts.event WHERE alert_no = %s ORDER BY no", [lived[1]]
        ).fetchall()
    (no,) = found[{"first": 0, "middle": 1, "last": 2}[which]]
    assert tamper(here, statement, no) == 1
    broken = check(here).broken
    assert {b.alert_no for b in broken} == {lived[1]}
    assert str(lived[1]) in broken[0].what


def test_an_event_that_nobody_chained_is_found(here: Homes, lived: list[int]) -> None:
    tamper(
        here,
        "INSERT INTO alerts.event (no, alert_no, at, kind, alert_version)"
        " VALUES (nextval('alerts.event_no'), %s, now(), 'note', 9)",
        lived[2],
    )
    (broken,) = check(here).broken
    assert "has no hash" in broken.what


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE alerts.event SET reason = 'x'",
        "UPDATE alerts.event SET reason = NULL",
        "UPDATE alerts.event SET reason = NULL, detail = '{}', salt = NULL, by = 'x'",
        "UPDATE alerts.event SET reason = NULL, detail = '{}', salt = NULL, hash = NULL",
        "DELETE FROM alerts.event",
        "TRUNCATE alerts.event",
    ],
)
def test_the_database_refuses_to_change_or_remove_events(
    here: Homes, lived: list[int], statement: str
) -> None:
    with homes.connect(here.url) as db, pytest.raises(psycopg.errors.IntegrityError, match="kept"):
        db.execute(statement)
    assert check(here).broken == []


def test_texts_can_be_erased_and_the_chain_still_holds(here: Homes, lived: list[int]) -> None:
    with homes.connect(here.url) as db:
        db.execute(
            "UPDATE alerts.event SET reason = NULL, detail = '{}', salt = NULL WHERE alert_no = %s",
            [lived[1]],
        )
    found = check(here)
    assert (found.erased, found.broken) == (3, [])


def test_events_from_before_the_chain_are_taken_as_they_are(
    here: Homes, lived: list[int], store: AlertStore, clock: FixedClock
) -> None:
    """As the migration finds them: no hash, no head; what comes next begins the chain."""
    tamper(
        here,
        "UPDATE alerts.event SET hash = NULL, salt = NULL, reason_digest = NULL,"
        " detail_digest = NULL WHERE alert_no = %s",
        lived[2],
    )
    tamper(here, "UPDATE alerts.alert SET head = NULL WHERE no = %s", lived[2])
    Alerts(store=store, clock=clock).note(lived[2], by="n", expected_version=3, text="later")
    found = check(here)
    assert (found.events, found.older, found.broken) == (11, 3, [])


def test_the_chain_costs_a_burst_little(here: Homes, clock: FixedClock) -> None:
    """200 alerts in one transaction: a few statements more, and one hash each."""
    with psycopg.connect(here.url) as db:
        ledger = Ledger(db)
        for n in range(200):
            alert = replace(make(here, clock, n), severity=model.Severity.EMERGENCY)
            ledger.apply(lifecycle.raised(alert, now=clock.now()))
        began = time.process_time()
        ledger.write()
        took = time.process_time() - began
        db.commit()
    assert check(here).events == 200
    assert took < 1.0  # of this process, and not of the machine: 200 have to fit into a second
