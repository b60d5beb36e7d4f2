"""Deliveries on a real database: whom they go to, taken once, handed over, stopped, proven."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from alerts import model
from alerts.calling import Owner
from alerts.delivery.ports import Due, Failed, Sent
from alerts.service import Alerts
from alerts.storage import deliveries
from alerts.storage.alerts import AlertStore
from alerts.storage.deliveries import Deliveries
from ingest.storage.pool import open_pool
from tests.contract import homes, told
from tests.contract.told import Told
from tests.support.clock import FixedClock

pytestmark = pytest.mark.service
PROVEN = Sent(ref="p1", proof=True)


@pytest.fixture
def here(store_url: str) -> Told:
    return Told.make(store_url)


@pytest.fixture
def store(here: Told) -> Iterator[Deliveries]:
    pool = open_pool(here.url, name="test", most=6)
    yield Deliveries(pool)
    pool.close()


@pytest.fixture
def now(clock: FixedClock) -> datetime:
    return clock.now()


def take(store: Deliveries, now: datetime, channel: str = "apprise", **more: object) -> Due | None:
    return store.take(channel, now=now, lease_s=60, **more)  # type: ignore[arg-type]


def taken(store: Deliveries, now: datetime, channel: str = "apprise") -> Due:
    due = take(store, now, channel)
    assert due is not None
    return due


def fail(
    store: Deliveries, due: Due, now: datetime, *, over: bool = True, again: float | None = None
) -> str:
    again_at = None if again is None else now + timedelta(seconds=again)
    return store.failed(due, reason="no answer", over=over, again_at=again_at, now=now)


def states(here: Told, alert: int) -> list[str]:
    return [row["state"] for row in here.log(alert)]


# -- whom --------------------------------------------------------------------------------------


def test_a_team_is_told_over_its_receivers_of_the_lowest_rank(here: Told, now: datetime) -> None:
    here.receiver("apprise", "mailto://a")
    here.receiver("webhook", "https://k:s@b/")
    here.receiver("sms", "07700900001", rank=2)
    here.receiver("sms", "07700900002", owner=Owner("team", here.here.teams["equipment"]))
    alert = here.alert(raised_at=now)
    queued = here.queue(alert, now=now)
    assert queued.count == 2
    assert queued.said == "Team telecare_operator by apprise and webhook"
    assert {row["channel"] for row in here.log(alert)} == {"apprise", "webhook"}


def test_who_has_no_receiver_is_said_to_have_none(here: Told, now: datetime) -> None:
    owners = [here.team, Owner("hub", 0), here.contact]
    queued = here.queue(here.alert(raised_at=now), now=now, owners=owners)
    assert queued.count == 0
    assert queued.said == (
        "Team telecare_operator on the screen only: no receiver is set up;"
        " the hub's own operators on the screen only: no receiver is set up;"
        " contact 1 not told: no receiver is set up"
    )


def test_members_and_the_hubs_operators_have_receivers_of_their_own(
    here: Told, store: Deliveries, now: datetime
) -> None:
    member = here.receiver("apprise", "mailto://m", owner=Owner("member", 7))
    hub = here.receiver("apprise", "mailto://h", owner=Owner("hub", 0))
    alert = here.alert(raised_at=now)
    owners = [Owner("member", 7), Owner("hub", 0), Owner("member", 8), Owner("member", 7)]
    queued = here.queue(alert, now=now, owners=owners)
    assert queued.count == 2
    assert [row["receiver_no"] for row in here.log(alert)] == [member, hub]
    assert queued.said.startswith("member 7 by apprise; the hub's own operators by apprise;")


def test_asked_for_channels_are_preferred_and_never_the_reason_to_tell_nobody(
    here: Told, now: datetime
) -> None:
    here.receiver("apprise", "mailto://a")
    here.receiver("sms", "07700900001", rank=2)
    alert = here.alert(raised_at=now)
    assert here.queue(alert, now=now, channels=["sms"]).said.endswith("by sms")
    assert here.queue(alert, now=now, run=2, channels=["letter"]).said.endswith("by apprise")


def test_what_is_for_the_screen_alone_is_sent_to_nobody(here: Told, now: datetime) -> None:
    here.receiver("apprise", "mailto://a")
    here.receiver("sms", "07700900001")
    alert = here.alert(raised_at=now)
    queued = here.queue(alert, now=now, channels=["screen"])
    assert (queued.count, queued.said) == (0, "Team telecare_operator on the screen")
    both = here.queue(alert, now=now, run=2, channels=["screen", "sms"])
    assert both.said.endswith("by sms")


def test_the_same_step_queued_again_queues_nothing(here: Told, now: datetime) -> None:
    here.receiver("apprise", "mailto://a")
    alert = here.alert(raised_at=now)
    assert [here.queue(alert, now=now).count for _ in range(3)] == [1, 0, 0]
    assert here.queue(alert, now=now, repetition=1).count == 1
    assert here.queue(alert, now=now, run=2).count == 1
    keys = [row["key"] for row in here.log(alert)]
    assert len(set(keys)) == 3


def test_a_contact_is_told_by_text_to_the_telephone_of_the_register_where_texts_can_be_sent(
    here: Told, store: Deliveries, now: datetime
) -> None:
    alert = here.alert(raised_at=now)
    assert here.queue(alert, now=now, owners=[here.contact]).count == 0
    store.declare(["sms", "apprise"])
    queued = here.queue(alert, now=now, owners=[here.contact], template="help")
    assert (queued.count, queued.said) == (1, "contact 1 by sms")
    due = taken(store, now, "sms")
    assert (due.phone, due.address, due.language) == (told.PHONE, None, "cy")
    store.declare(["apprise"])
    assert here.queue(alert, now=now, run=2, owners=[here.contact]).count == 0


def test_a_contact_with_a_receiver_of_their_own_is_told_over_that(
    here: Told, store: Deliveries, now: datetime
) -> None:
    store.declare(["sms"])
    here.receiver("apprise", "mailto://x", owner=here.contact, language="cy")
    alert = here.alert(raised_at=now)
    assert here.queue(alert, now=now, owners=[here.contact]).said == "contact 1 by apprise"


def test_in_quiet_hours_a_lesser_message_waits_and_an_emergency_does_not(
    here: Told, store: Deliveries, clock: FixedClock
) -> None:
    here.receiver("apprise", "mailto://a", quiet={"from": "22:00", "to": "07:00"})
    clock.advance(14 * 3_600)  # 23:00
    alert = here.alert(raised_at=clock.now())
    here.queue(alert, now=clock.now())
    assert take(store, clock.now()) is None
    here.queue(alert, now=clock.now(), run=2, severity="emergency")
    due = taken(store, clock.now())
    assert due.severity == "emergency"
    store.sent(due, PROVEN, now=clock.now())
    clock.advance(8 * 3_600)
    assert taken(store, clock.now()).severity == "urgent"


# -- taking ------------------------------------------------------------------------------------


def test_the_worst_is_taken_first_then_the_oldest(
    here: Told, store: Deliveries, clock: FixedClock
) -> None:
    here.receiver("apprise", "mailto://a")
    order = ["soon", "emergency", "information", "urgent", "emergency"]
    made = []
    for severity in order:
        alert = here.alert(severity=severity, raised_at=clock.now())
        here.queue(alert, now=clock.now(), severity=severity)
        made.append(alert)
        clock.advance(1)
    seen = [taken(store, clock.now()).alert_no for _ in order]
    assert [made.index(no) for no in seen] == [1, 4, 3, 0, 2]
    assert take(store, clock.now()) is None


def test_what_is_taken_carries_what_the_message_needs_and_no_more(
    here: Told, store: Deliveries, now: datetime
) -> None:
    here.receiver("apprise", "mailto://a", language="cy")
    here.receiver("fhir", "https://k:s@b/")
    here.queue(here.alert(raised_at=now), now=now)
    assert store.waiting(now) == {"apprise": 1, "fhir": 1}
    due = taken(store, now)
    assert told.VAULT.open(due.address) == "mailto://a"
    assert (due.language, due.alert_class, due.raised_at) == ("cy", "telecare", now)
    assert due.nhs_number is None
    assert taken(store, now, "fhir").nhs_number == told.NHS_NUMBER
    assert store.waiting(now) == {}


def test_a_clock_behind_the_database_s_delays_no_first_message_and_sends_none_twice(
    here: Told, store: Deliveries, now: datetime
) -> None:
    alert = here.alert(raised_at=now)
    here.receiver("webhook", "w")
    here.queue(alert, now=now)
    behind = now - timedelta(hours=2)
    assert store.waiting(behind) == {"webhook": 1}
    assert store.take("webhook", now=behind, lease_s=60) is not None
    assert store.take("webhook", now=behind, lease_s=60) is None
    assert store.waiting(behind) == {}


def test_a_busy_receiver_is_passed_over_for_others(
    here: Told, store: Deliveries, now: datetime
) -> None:
    slow = here.receiver("apprise", "mailto://slow")
    quick = here.receiver("apprise", "mailto://quick")
    here.queue(here.alert(raised_at=now), now=now)
    due = take(store, now, avoid=[slow])
    assert due is not None
    assert due.receiver_no == quick
    assert take(store, now, avoid=[slow]) is None


def test_a_dispatcher_that_dies_is_succeeded_after_its_lease_with_the_same_key(
    here: Told, store: Deliveries, clock: FixedClock
) -> None:
    here.receiver("apprise", "mailto://a")
    alert = here.alert(raised_at=clock.now())
    here.queue(alert, now=clock.now())
    first = taken(store, clock.now())
    clock.advance(59)
    assert take(store, clock.now()) is None
    clock.advance(2)
    second = taken(store, clock.now())
    assert (second.key, second.attempt) == (first.key, 2)
    assert not store.sent(first, PROVEN, now=clock.now())  # it has nothing to say any more
    assert fail(store, first, clock.now()) == "late"
    assert states(here, alert) == ["queued"]
    assert store.sent(second, PROVEN, now=clock.now())
    assert states(here, alert) == ["delivered"]


def test_many_takers_at_once_take_each_once(here: Told, store: Deliveries, now: datetime) -> None:
    here.receiver("apprise", "mailto://a")
    for _ in range(60):
        here.queue(here.alert(raised_at=now), now=now)
    seen: list[str] = []

    def work() -> None:
        while (due := take(store, now)) is not None:
            seen.append(due.key)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == len(set(seen)) == 60


# -- what came of it ---------------------------------------------------------------------------


def test_what_was_sent_is_logged_with_its_proof_and_the_address_is_forgotten(
    here: Told, store: Deliveries, clock: FixedClock
) -> None:
    here.receiver("apprise", "mailto://a")
    alert = here.alert(raised_at=clock.now())
    here.queue(alert, now=clock.now())
    queued_at = clock.now()
    clock.advance(3)
    store.sent(taken(store, clock.now()), Sent(ref="abc\0"), now=clock.now())
    (row,) = here.log(alert)
    assert (row["state"], row["queued_at"], row["sent_at"]) == ("sent", queued_at, clock.now())
    assert (row["provider_ref"], row["attempts"], row["delivered_at"]) == ("abc", 1, None)
    assert here.one("SELECT address FROM alerts.delivery") == (None,)
    ((no, ref),) = store.unconfirmed("apprise", since=queued_at, most=9)
    assert ref == "abc"
    clock.advance(60)
    store.confirmed(no, Sent(ref="abc", proof=True), now=clock.now())
    (row,) = here.log(alert)
    assert (row["state"], row["delivered_at"]) == ("delivered", clock.now())
    assert store.unconfirmed("apprise", since=queued_at, most=9) == []


def test_a_passing_failure_is_taken_again_when_it_is_time(
    here: Told, store: Deliveries, clock: FixedClock
) -> None:
    here.receiver("apprise", "mailto://a")
    alert = here.alert(raised_at=clock.now())
    here.queue(alert, now=clock.now())
    due = taken(store, clock.now())
    assert fail(store, due, clock.now(), over=False, again=10) == "again"
    clock.advance(9)
    assert take(store, clock.now()) is None
    clock.advance(1)
    assert taken(store, clock.now()).key == due.key
    assert here.log(alert)[0]["error"] == "no answer"


def test_what_fails_for_good_is_handed_over_from_receiver_to_receiver_until_none_is_left(
    here: Told, store: Deliveries, now: datetime
) -> None:
    here.receiver("apprise", "mailto://a")
    here.receiver("sms", "07700900001", rank=2)
    here.receiver("webhook", "https://k:s@b/", rank=3)
    alert = here.alert(raised_at=now)
    here.queue(alert, now=now)
    assert fail(store, taken(store, now), now) == "over"
    assert fail(store, taken(store, now, "sms"), now) == "over"
    assert fail(store, taken(store, now, "webhook"), now) == "dead"
    log = here.log(alert)
    assert [row["state"] for row in log] == ["dead"] * 3
    assert [row["fallback_of"] for row in log] == [None, log[0]["no"], log[1]["no"]]
    assert here.one("SELECT count(*) FROM alerts.delivery WHERE address IS NOT NULL") == (0,)


def test_what_fails_often_is_tried_on_where_nobody_else_can_take_over(
    here: Told, store: Deliveries, now: datetime
) -> None:
    here.receiver("apprise", "mailto://a")
    alert = here.alert(raised_at=now)
    here.queue(alert, now=now)
    assert fail(store, taken(store, now), now, over=True, again=10) == "again"
    assert states(here, alert) == ["queued"]
    here.receiver("webhook", "https://k:s@b/", rank=2)  # somebody mends the register meanwhile
    later = now + timedelta(seconds=10)
    assert fail(store, taken(store, later), later, over=True, again=10) == "over"
    assert states(here, alert) == ["dead", "queued"]


def test_a_receiver_that_failed_is_passed_over_for_a_while_and_then_tried_again(
    here: Told, store: Deliveries, clock: FixedClock
) -> None:
    first = here.receiver("apprise", "mailto://a")
    second = here.receiver("webhook", "https://k:s@b/", rank=2)
    alert = here.alert(raised_at=clock.now())
    here.queue(alert, now=clock.now())
    fail(store, taken(store, clock.now()), clock.now())

    def told_next(run: int) -> int:
        here.queue(alert, now=clock.now(), run=run)
        return int(here.log(alert)[-1]["receiver_no"])

    assert told_next(2) == second
    clock.advance(11 * 60)
    assert told_next(3) == first
    store.sent(taken(store, clock.now()), PROVEN, now=clock.now())
    assert here.one("SELECT failing_since FROM alerts.receiver WHERE no = %s", first) == (None,)
    # all failing: the lowest rank is tried all the same
    here.queue(alert, now=clock.now(), run=4)
    fail(store, taken(store, clock.now()), clock.now())
    while (due := take(store, clock.now(), "webhook")) is not None:
        fail(store, due, clock.now())
    assert told_next(5) == first


def test_what_the_provider_lost_is_handed_over_while_nobody_has_answered(
    here: Told, store: Deliveries, now: datetime
) -> None:
    here.receiver("sms", "07700900001")
    here.receiver("webhook", "https://k:s@b/", rank=2)
    lost = Failed(permanent=True, reason="permanent-failure")
    for answered in (False, True):
        alert = here.alert(raised_at=now)
        here.queue(alert, now=now)
        due = taken(store, now, "sms") if not answered else taken(store, now, "webhook")
        store.sent(due, Sent(ref="r"), now=now)
        if answered:
            with homes.connect(here.url) as db:
                db.execute("UPDATE alerts.alert SET state = 'acknowledged' WHERE no = %s", [alert])
        store.confirmed(due.no, lost, now=now)
        assert states(here, alert) == (["failed"] if answered else ["failed", "queued"])
        here.stop(alert)


def test_a_channel_fails_until_anything_gets_through(
    here: Told, store: Deliveries, clock: FixedClock
) -> None:
    here.receiver("apprise", "mailto://a")
    here.receiver("apprise", "mailto://b")
    alert = here.alert(raised_at=clock.now())
    here.queue(alert, now=clock.now())
    began = clock.now()
    one, two = taken(store, clock.now()), taken(store, clock.now())
    fail(store, one, clock.now(), again=100)
    clock.advance(60)
    fail(store, two, clock.now(), again=0)
    (state,) = store.failing()
    assert (state.name, state.failing_since, state.failed_at, state.reason) == (
        "apprise", began, clock.now(), "no answer",
    )  # fmt: skip
    store.sent(taken(store, clock.now()), PROVEN, now=clock.now())
    assert store.failing() == []


# -- stopping and answering --------------------------------------------------------------------


def test_stopping_stops_what_is_queued_on_every_channel_and_nothing_of_other_alerts(
    here: Told, store: Deliveries, now: datetime
) -> None:
    here.receiver("apprise", "mailto://a")
    here.receiver("sms", "07700900001")
    here.receiver("webhook", "https://k:s@b/")
    alert, other = here.alert(raised_at=now), here.alert(raised_at=now)
    here.queue(alert, now=now)
    store.sent(taken(store, now, "sms"), PROVEN, now=now)
    here.queue(other, now=now)
    assert here.stop(alert) == 2
    assert sorted(states(here, alert)) == ["delivered", "stopped", "stopped"]
    assert states(here, other) == ["queued"] * 3
    assert {taken(store, now, c).alert_no for c in ("apprise", "sms", "webhook")} == {other}


def test_what_was_on_its_way_when_it_was_stopped_is_logged_as_sent_and_never_again(
    here: Told, store: Deliveries, now: datetime
) -> None:
    here.receiver("apprise", "mailto://a")
    here.receiver("webhook", "https://k:s@b/", rank=2)
    alert = here.alert(raised_at=now)
    here.queue(alert, now=now)
    due = taken(store, now)
    here.stop(alert)
    assert store.sent(due, PROVEN, now=now)
    assert states(here, alert) == ["delivered"]
    here.queue(alert, now=now, run=2)
    due = taken(store, now)
    here.stop(alert)
    assert fail(store, due, now) == "late"  # and is handed to nobody
    assert states(here, alert) == ["delivered", "stopped"]


def test_acknowledging_and_closing_stop_what_is_queued_in_their_own_transaction(
    here: Told, store: Deliveries, clock: FixedClock
) -> None:
    here.receiver("apprise", "mailto://a")
    here.receiver("webhook", "https://k:s@b/")
    with open_pool(here.url, name="people", most=2) as pool:
        people = Alerts(store=AlertStore(pool), clock=clock)
        alert = people.raise_manual(
            by="o", title="t", reason="r", severity=model.Severity.URGENT, person_no=None
        )
        here.queue(alert.no, now=clock.now())
        alert = people.acknowledge(alert.no, by="n", expected_version=alert.version)
        assert states(here, alert.no) == ["stopped", "stopped"]
        here.queue(alert.no, now=clock.now(), run=2)
        people.close(alert.no, by="n", expected_version=alert.version, disposition="advice")
    assert states(here, alert.no) == ["stopped"] * 4
    assert take(store, clock.now()) is None


def test_handing_over_while_somebody_acknowledges_locks_nobody_out(
    here: Told, store: Deliveries, now: datetime
) -> None:
    """The one locks alert then deliveries; were the other the other way about, both would stop."""
    here.receiver("apprise", "mailto://a")
    here.receiver("webhook", "https://k:s@b/", rank=2)
    alert = here.alert(raised_at=now)
    here.queue(alert, now=now)
    due = taken(store, now)
    outcome: list[str] = []
    with homes.connect(here.url) as db, db.transaction():
        db.execute("SELECT FROM alerts.alert WHERE no = %s FOR UPDATE", [alert])
        handing = threading.Thread(target=lambda: outcome.append(fail(store, due, now)))
        handing.start()
        handing.join(0.3)
        assert handing.is_alive()  # it waits for the person
        assert deliveries.stop(db, alert) == 1
    handing.join(10)
    assert outcome == ["late"]
    assert states(here, alert) == ["stopped"]


def test_a_contact_answers_once(here: Told, store: Deliveries, now: datetime) -> None:
    store.declare(["sms"])
    here.receiver("apprise", "mailto://a")
    alert = here.alert(raised_at=now)
    here.queue(alert, now=now, owners=[here.team, here.contact])
    team, contact = (row["no"] for row in here.log(alert))
    with homes.connect(here.url) as db:
        assert deliveries.answer(db, contact, now=now) == (alert, here.contact.no)
        assert deliveries.answer(db, contact, now=now) is None
        assert deliveries.answer(db, team, now=now) is None
        assert deliveries.answer(db, 10**12, now=now) is None
