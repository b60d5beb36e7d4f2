"""Virtual wards on a real database: one at a time, looked at in time, never over by the clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from alerts import errors, model, ports, routing, wards
from alerts.service import Alerts
from alerts.storage.alerts import AlertStore
from alerts.storage.routing import Router
from alerts.storage.wards import Wards
from ingest.storage.pool import Pool, connect
from tests.contract.homes import Homes
from tests.support.clock import FixedClock

pytestmark = pytest.mark.service
DAY = 86_400.0


@pytest.fixture
def stays(pool: Pool) -> Wards:
    return Wards(pool)


def episode(here: Homes, clock: FixedClock, **said: Any) -> wards.Episode:
    plain = wards.Episode(
        no=0, person_no=here.people[0], ward="respiratory", admitted_at=clock.now(),
        admitted_by="nurse.a", reason="COPD", expires_at=clock.now() + wards.LONGEST,
    )  # fmt: skip
    return replace(plain, **said)


class Queue:
    """What the clock asks for."""

    def __init__(self, pool: Pool, stays: Wards, clock: FixedClock) -> None:
        self.store, self.stays, self.clock = AlertStore(pool), stays, clock
        self.router = Router(age_s=0.0, clock=clock)

    def tick(self, seconds: float = 0.0) -> list[str]:
        self.stays.tick(router=self.router, now=self.clock.advance(seconds))
        return [a.title for a in self.open()]

    def open(self) -> list[model.Alert]:
        found, _ = self.store.queue(ports.Wanted())
        return [a for a in found if a.rule_id == "ward"]

    def close(self) -> None:
        for alert in self.open():
            Alerts(store=self.store, clock=self.clock).close(
                alert.no, by="nurse.a", expected_version=alert.version, disposition="advice"
            )


@pytest.fixture
def queue(pool: Pool, stays: Wards, clock: FixedClock) -> Queue:
    return Queue(pool, stays, clock)


def test_somebody_is_on_one_ward_at_a_time_and_comes_back_later(
    here: Homes, stays: Wards, clock: FixedClock
) -> None:
    first = stays.admit(episode(here, clock))
    with pytest.raises(errors.WardRefusedError, match="already"):
        stays.admit(episode(here, clock, ward="heart"))
    stays.admit(episode(here, clock, person_no=here.people[1], ward="heart"))
    assert [e.person_no for e in stays.census()] == here.people[:2]
    assert [e.ward for e in stays.census(ward="heart")] == ["heart"]
    done = stays.discharge(
        first.no, by="nurse.b", outcome="recovered", follow_up_at=None, now=clock.now()
    )
    assert (done.outcome, done.discharged_by, done.discharged_at) == (
        "recovered", "nurse.b", clock.now())  # fmt: skip
    assert [e.person_no for e in stays.census()] == [here.people[1]]
    assert len(stays.census(over=True)) == 2
    assert stays.admit(episode(here, clock)).no > first.no


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"ward": " "}, "named"),
        ({"reason": ""}, "named"),
        ({"team": "nobody"}, "no such team"),
    ],
)
def test_an_admission_that_makes_no_sense_is_refused(
    here: Homes, stays: Wards, clock: FixedClock, changed: dict[str, Any], said: str
) -> None:
    with pytest.raises(errors.WardRefusedError, match=said):
        stays.admit(episode(here, clock, **changed))
    late = clock.now() + wards.LONGEST + timedelta(seconds=1)
    with pytest.raises(errors.WardRefusedError, match="42 days"):
        stays.admit(episode(here, clock, expires_at=late))
    with pytest.raises(errors.WardRefusedError, match="past"):
        stays.admit(episode(here, clock, expires_at=clock.now()))


def test_two_days_before_its_end_it_is_asked_once_whether_it_goes_on(
    here: Homes, stays: Wards, queue: Queue, clock: FixedClock
) -> None:
    stay = stays.admit(episode(here, clock))
    assert queue.tick(40 * DAY - 1) == []
    assert queue.tick(1) == ["Virtual ward: does it go on?"]
    (alert,) = queue.open()
    assert (alert.alert_class, alert.severity, alert.person_no) == (
        "referral", "information", here.people[0])  # fmt: skip
    assert alert.team_no is not None
    queue.close()
    assert queue.tick(DAY) == []
    assert queue.tick(30 * DAY) == []  # nobody leaves by the clock
    assert [e.no for e in stays.census()] == [stay.no]
    until = clock.now() + timedelta(days=14)
    stays.extend(stay.no, until=until, reason="still on oxygen", now=clock.now())
    assert queue.tick(12 * DAY) == ["Virtual ward: does it go on?"]
    assert stays.census()[0].reason == "COPD; still on oxygen"


def test_a_follow_up_is_an_alert_on_its_day(
    here: Homes, stays: Wards, queue: Queue, clock: FixedClock
) -> None:
    stay = stays.admit(episode(here, clock))
    with pytest.raises(errors.WardRefusedError, match="ahead"):
        stays.discharge(
            stay.no, by="n", outcome="recovered", follow_up_at=clock.now(), now=clock.now()
        )
    day = clock.now() + timedelta(days=7)
    stays.discharge(stay.no, by="n", outcome="recovered", follow_up_at=day, now=clock.now())
    assert queue.tick(7 * DAY - 1) == []
    assert queue.tick(1) == ["Follow-up after a virtual ward"]
    queue.close()
    assert queue.tick(60 * DAY) == []  # nor is it asked whether a ward goes on that is left


def test_what_is_over_stays_over(here: Homes, stays: Wards, clock: FixedClock) -> None:
    stay = stays.admit(episode(here, clock))
    done = {"by": "n", "outcome": "hospital", "follow_up_at": None, "now": clock.now()}
    stays.discharge(stay.no, **done)
    with pytest.raises(errors.WardRefusedError, match="over"):
        stays.discharge(stay.no, **done)
    until = clock.now() + timedelta(days=1)
    with pytest.raises(errors.WardRefusedError, match="over"):
        stays.extend(stay.no, until=until, reason="r", now=clock.now())
    with pytest.raises(errors.UnknownEpisodeError):
        stays.discharge(10**12, **done)


def test_the_alerts_of_who_is_on_a_ward_know_its_team_until_discharge(
    here: Homes, stays: Wards, clock: FixedClock
) -> None:
    router = Router(age_s=0.0, clock=clock)
    asked = routing.Request(
        alert_class=model.AlertClass.CLINICAL, severity=model.Severity.SOON,
        kind=model.TeamKind.DISTRICT_NURSING, source=model.Source.RULE, rule_id="r",
        now=clock.now(), person_no=here.people[0],
    )  # fmt: skip

    def known() -> tuple[tuple[str, int], ...]:
        with connect(here.url, name="test") as db:
            return router.facts(db, asked).caseload

    assert known() == ()
    stay = stays.admit(episode(here, clock, team="telecare-operator"))
    assert known() == (("virtual_ward", here.teams["telecare_operator"]),)
    stays.discharge(stay.no, by="n", outcome="left", follow_up_at=None, now=clock.now())
    assert known() == ()
