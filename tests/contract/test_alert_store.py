"""What people do to alerts, on a real database: order, versions, receipts, numbered events."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from alerts import errors, lifecycle, model
from alerts.rules import pack, registry
from alerts.service import Alerts
from alerts.storage import ledger as ledgers
from alerts.storage.alarms import AlarmLog
from alerts.storage.alerts import AlertStore
from ingest.kernel import errors as kernel_errors
from ingest.storage.pool import connect, store_errors
from tests.contract import homes
from tests.contract.homes import Homes, Writer, make
from tests.support.clock import FixedClock

pytestmark = pytest.mark.service


def test_an_alert_comes_back_as_it_was_stored(
    here: Homes, store: AlertStore, clock: FixedClock
) -> None:
    stored = store.open(make(here, clock))
    assert stored.id == f"alert_{stored.no}"
    assert stored.team == "district-nursing"
    assert stored.team_name == "Team district_nursing"
    assert stored.next_step_at == clock.now()  # its team is told at once
    assert stored.response == stored.chain["id"] == str(stored.severity)
    wanted = replace(
        make(here, clock), no=stored.no, team=stored.team, team_name=stored.team_name,
        next_step_at=stored.next_step_at, response=stored.response, chain=stored.chain,
    )  # fmt: skip
    assert stored == wanted
    assert store.get(stored.no) == stored
    assert store.get(10**12) is None
    (event,) = store.history(stored.no)
    assert (event.kind, event.alert_no, event.detail["page"]) == ("raised", stored.no, True)


def test_the_queue_is_worst_first_then_oldest_and_pages_through(
    here: Homes, store: AlertStore, alerts: Alerts, clock: FixedClock
) -> None:
    order = ["soon", "emergency", "information", "urgent", "emergency", "soon"]
    for n, severity in enumerate(order):
        store.open(replace(make(here, clock, n), severity=model.Severity(severity)))
        clock.advance(60)
    seen: list[int] = []
    after: str | None = None
    while True:
        page, after = alerts.queue(limit=2, after=after)
        seen += [a.no for a in page]
        if after is None:
            break
    first = min(seen)
    assert [order[n - first] for n in seen] == sorted(order, key=list(model.Severity).index)
    assert seen == sorted(seen, key=lambda n: (list(model.Severity).index(order[n - first]), n))
    assert alerts.queue(after="nonsense")[0] == alerts.queue()[0]


def test_the_queue_is_filtered_by_team_state_severity_and_person(
    here: Homes, store: AlertStore, alerts: Alerts, clock: FixedClock
) -> None:
    one = store.open(make(here, clock, 1))
    two = store.open(
        replace(
            make(here, clock, 2),
            team_no=here.teams["equipment"],
            person_no=here.people[1],
            severity=model.Severity.URGENT,
        )
    )
    alerts.close(two.no, by="n", expected_version=1, disposition="equipment_fault")
    three = store.open(replace(make(here, clock, 2), team_no=here.teams["equipment"]))

    def found(**filters: object) -> set[int]:
        return {a.no for a in alerts.queue(**filters)[0]}  # type: ignore[arg-type]

    assert found() == {one.no, three.no}
    assert found(team="equipment") == {three.no}
    assert found(state="closed") == {two.no}
    assert found(state="open", severity="soon") == {one.no, three.no}
    assert found(person_no=here.people[1]) == set()
    assert found(person_no=here.people[1], state="closed") == {two.no}


def test_acknowledging_with_a_stale_version_is_refused_with_the_present_state(
    here: Homes, store: AlertStore, alerts: Alerts, clock: FixedClock
) -> None:
    alert = store.open(make(here, clock))
    alerts.note(alert.no, by="nurse.a", expected_version=1, text="rang, no answer")
    with pytest.raises(errors.StaleVersionError) as caught:
        alerts.acknowledge(alert.no, by="nurse.b", expected_version=1)
    current = caught.value.data["current"]
    assert (current.version, current.state) == (2, model.State.OPEN)
    taken = alerts.acknowledge(alert.no, by="nurse.b", expected_version=2)
    assert (taken.state, taken.owner, taken.version) == ("acknowledged", "nurse.b", 3)
    with pytest.raises(errors.TransitionRefusedError, match=r"already acknowledged by nurse\.b"):
        alerts.acknowledge(alert.no, by="nurse.c", expected_version=3)
    with pytest.raises(errors.UnknownAlertError):
        alerts.acknowledge(10**12, by="nurse.c", expected_version=1)
    with pytest.raises(errors.TransitionRefusedError, match="disposition"):
        alerts.close(alert.no, by="nurse.b", expected_version=3, disposition=" ")
    closed = alerts.close(alert.no, by="nurse.b", expected_version=3, disposition="advice")
    assert (closed.state, closed.disposition) == ("closed", "advice")
    kinds = [e.kind for e in alerts.history(alert.no)]
    assert kinds == ["raised", "note", "acknowledged", "closed"]
    assert [e.alert_version for e in alerts.history(alert.no)] == [1, 2, 3, 4]


def test_the_devices_are_told_when_somebody_takes_and_closes_their_alarm(
    here: Homes, alerts: Alerts, clock: FixedClock
) -> None:
    writer = Writer(here.url, "event")
    now = clock.epoch()
    writer.alarm(here, 0, now=now, alarm_id="a1")
    writer.alarm(here, 0, now=now, alarm_id="a2")
    writer.alarm(here, 0, now=now, alarm_id="a2", cancel=True)
    log = AlarmLog.open(
        here.url, rules=registry.load().of(pack.AlarmRule), late_after_s=900, teams_age_s=10,
        clock=clock,
    )  # fmt: skip
    log.round()
    log.close()
    writer.close()
    ((alert,), _) = alerts.queue()
    alerts.acknowledge(alert.no, by="n", expected_version=alert.version)
    alerts.close(alert.no, by="n", expected_version=alert.version + 1, disposition="false_alarm")
    with homes.connect(here.url) as db:
        told = db.execute(
            "SELECT device, tail, body ->> 'alarm', body ->> 'state', body ->> 'by',"
            " expires_at - created_at FROM ingest.outbox ORDER BY no"
        ).fetchall()
    team = "Team district_nursing"
    day = timedelta(days=1)
    assert sorted(told) == sorted(
        ("pendant", "receipt", alarm, state, team, day)
        for state in ("acknowledged", "closed")
        for alarm in ("a1", "a2")
    )


def test_a_report_of_a_person_lands_in_the_same_queue(here: Homes, alerts: Alerts) -> None:
    alert = alerts.raise_manual(
        by="operator.1", title="Carer rang: father unwell", reason="breathless since the morning",
        severity=model.Severity.URGENT, person_no=here.people[0],
    )  # fmt: skip
    assert alert.source is model.Source.PERSON
    assert alert.team == "district-nursing"
    assert alerts.queue()[0] == [alert]


def test_events_are_numbered_in_the_order_they_become_visible(
    here: Homes, store: AlertStore, alerts: Alerts, clock: FixedClock
) -> None:
    """Readers that follow the numbers while many write must never find one they passed."""
    made = [store.open(make(here, clock, n)) for n in range(6)]
    start = alerts.last_event_no()
    done = threading.Event()
    failures: list[BaseException] = []

    def write(alert: model.Alert) -> None:
        try:
            for version in range(1, 16):
                alerts.note(alert.no, by="n", expected_version=version, text="x")
        except BaseException as error:  # shown by the test
            failures.append(error)

    followed: list[int] = []

    def follow() -> None:
        last = start
        while True:
            ended = done.is_set()
            for event in alerts.events_after(last, 10):
                followed.append(event.no)
                last = event.no
            if ended and last == alerts.last_event_no():
                return

    follower = threading.Thread(target=follow)
    writers = [threading.Thread(target=write, args=[a]) for a in made[:4]]
    follower.start()
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    follower.join(30)
    assert not failures
    assert len(followed) == 4 * 15
    assert followed == sorted(followed)
    with homes.connect(here.url) as db:
        there = db.execute("SELECT no FROM alerts.event WHERE no > %s", [start]).fetchall()
    assert sorted(n for (n,) in there) == followed


def test_a_process_that_is_stopped_while_it_writes_keeps_nobody_from_raising_alerts(
    here: Homes, store: AlertStore, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgers, "_STALLED", ledgers._STALLED.replace("10s", "300ms"))
    first = store.open(make(here, clock))
    stopped, go_on = threading.Event(), threading.Event()
    failed: list[BaseException] = []

    def held(alert: model.Alert) -> lifecycle.Change:
        stopped.set()
        go_on.wait(20)
        change = lifecycle.acknowledge(alert, by="n", note=None, now=clock.now())
        assert isinstance(change, lifecycle.Change)
        return change

    def writing() -> None:
        try:
            store.change(first.no, expected_version=1, decide=held)
        except BaseException as error:
            failed.append(error)

    process = threading.Thread(target=writing)
    process.start()
    assert stopped.wait(10)
    began = time.monotonic()
    with homes.connect(here.url) as db, db.transaction():
        db.execute("SELECT FROM alerts.alert WHERE no = %s FOR UPDATE", [first.no])
    assert time.monotonic() - began < 10
    go_on.set()
    process.join(20)
    assert isinstance(failed[0], kernel_errors.StoreUnavailableError)
    found = store.get(first.no)
    assert found is not None
    assert found.state is model.State.OPEN


def test_a_session_that_ended_because_its_process_was_stopped_is_opened_again(
    here: Homes,
) -> None:
    db = connect(here.url, name="test", autocommit=True)

    def stopped() -> None:
        with store_errors(), db.transaction():
            db.execute("SET LOCAL idle_in_transaction_session_timeout = '100ms'")
            time.sleep(0.5)
            db.execute("SELECT 1")

    with pytest.raises(kernel_errors.StoreUnavailableError):
        stopped()
