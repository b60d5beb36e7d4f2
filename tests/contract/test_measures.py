"""Measures on a real database: what the lifecycle wrote, local days, person-days, coverage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from alerts import lifecycle, model
from alerts.measures import burden, coverage, evaluation, outcomes, response
from alerts.measures.record import moments
from alerts.policies import targets
from alerts.storage import measures as stored
from alerts.storage.alerts import AlertStore
from alerts.storage.measures import Measures
from alerts.storage.routing import Router
from alerts.storage.steps import Steps
from ingest.storage.pool import Pool, connect
from tests.contract import homes
from tests.contract.homes import Homes, Writer, make
from tests.support.clock import FixedClock
from tests.unit.alerts.measures.told import as_dicts

pytestmark = pytest.mark.service
DAY = date(2026, 1, 5)  # of the clock


@pytest.fixture
def measures(pool: Pool) -> Measures:
    return Measures(pool)


class Life:
    """Alerts that live through what the lifecycle does, by a clock."""

    def __init__(self, here: Homes, pool: Pool, clock: FixedClock) -> None:
        self.here, self.store, self.clock = here, AlertStore(pool), clock
        self.steps = Steps(pool, router=Router(age_s=0.0, clock=clock))
        self._made = 0

    def open(self, **said: Any) -> model.Alert:
        self._made += 1
        alert = replace(make(self.here, self.clock, self._made), **said)
        return self.store.open(alert)

    def do(self, alert: model.Alert, after: float, what: Callable[..., Any], **said: Any) -> None:
        now = self.clock.advance(after)
        current = self.store.get(alert.no)
        assert current is not None
        self.store.change(
            alert.no, expected_version=current.version,
            decide=lambda a: what(a, by="nurse.a", now=now, **{"note": None, **said}),
        )  # fmt: skip


@pytest.fixture
def life(here: Homes, pool: Pool, clock: FixedClock) -> Life:
    return Life(here, pool, clock)


def test_what_the_lifecycle_writes_is_what_is_measured(
    life: Life, measures: Measures, clock: FixedClock
) -> None:
    alert = life.open(
        severity=model.Severity.EMERGENCY, rule_id="fall", alert_class=model.AlertClass.TELECARE,
        reading_at=clock.now() - timedelta(seconds=7),
    )  # fmt: skip
    life.steps.tick(now=clock.advance(1.0))
    life.do(alert, 59.0, lifecycle.acknowledge)
    life.do(alert, 30.0, lifecycle.contact, whom="Joan", outcome="no_answer")
    life.do(alert, 30.0, lifecycle.contact, whom="Joan", outcome="reached")
    life.do(alert, 60.0, lifecycle.dispatch, to="rapid response")
    life.do(alert, 600.0, lifecycle.arrive)
    life.do(
        alert, 1_200.0, lifecycle.close, disposition="fall_injury", outcome={"hospital": "avoided"}
    )
    never = life.open(severity=model.Severity.EMERGENCY)
    kept = measures.record(DAY, DAY)
    assert kept.alerts["no"].tolist() == [alert.no, never.no]
    found = moments(kept)
    table = response.table(
        kept, by="team", targets=targets.load(), now=clock.epoch() + 1e5
    )  # fmt: skip
    rows = {(r["team"], r["measure"], r["target"]): r for r in as_dicts(table)}
    plain = ("reading_to_alert", "alert_to_contact", "alert_to_scene", "alert_to_close")
    p50 = {m: rows["district-nursing", m, None]["p50"] for m in plain}
    assert p50 == {
        "reading_to_alert": 3.5, "alert_to_contact": 120.0, "alert_to_scene": 780.0,
        "alert_to_close": 1_980.0,
    }  # fmt: skip
    answered = rows["all", "alert_to_answer", "answered_60s"]
    assert (answered["within"], answered["decided"], answered["waiting"]) == (1, 2, 1)
    assert rows["all", "sent_to_scene", "on_scene_45min"]["p50"] == 600.0
    assert found.told.tolist() == [1, 0]
    (one,) = as_dicts(outcomes.table(
        outcomes.Period(record=kept, person_days=np.empty(0, dtype=burden.PERSON_DAYS)), None,
        by=None))  # fmt: skip
    assert (one["fall_injury"], one["falls"], one["hospital_avoided_estimate"]) == (1, 1, 1)


def test_the_reading_that_raised_it_stays_when_newer_ones_come(
    life: Life, measures: Measures, clock: FixedClock
) -> None:
    alert = life.open(reading_at=clock.now() - timedelta(seconds=20))
    with homes.connect(life.here.url) as db:
        db.execute("UPDATE alerts.alert SET reading_at = now() WHERE no = %s", [alert.no])
    found = moments(measures.record(DAY, DAY))
    assert (clock.epoch() - found.reading).tolist() == [20.0]


@pytest.mark.parametrize(
    ("raised", "day"),
    [
        ("2026-06-30T22:59:59Z", "2026-06-30"),  # one second before midnight, summer time
        ("2026-06-30T23:00:00Z", "2026-07-01"),
        ("2026-01-31T23:59:59Z", "2026-01-31"),
        ("2026-02-01T00:00:00Z", "2026-02-01"),
        ("2026-03-29T00:30:00Z", "2026-03-29"),  # the night the clocks go forward
        ("2026-03-29T23:00:00Z", "2026-03-30"),
        ("2026-10-25T23:59:59Z", "2026-10-25"),  # and the day they go back
    ],
)
def test_an_alert_belongs_to_the_local_day_of_its_site(
    life: Life, measures: Measures, clock: FixedClock, raised: str, day: str
) -> None:
    clock.set(datetime.fromisoformat(raised))
    life.open()
    wanted = date.fromisoformat(day)
    assert len(measures.record(wanted, wanted)) == 1
    assert measures.record(wanted, wanted).alerts["day"].tolist() == [stored.day_number(wanted)]
    for other in (wanted - timedelta(days=1), wanted + timedelta(days=1)):
        assert len(measures.record(other, other)) == 0


def test_the_clock_is_that_of_the_site_and_home_alerts_are_of_it_too(
    life: Life, measures: Measures, clock: FixedClock
) -> None:
    with homes.connect(life.here.url) as db:
        db.execute("UPDATE ingest.site SET timezone = 'Pacific/Auckland'")
    clock.set(datetime(2026, 1, 31, 12, 0, tzinfo=UTC))  # one in the morning of the first there
    life.open(person_no=None)
    life.open(person_no=None, dwelling_no=None)  # of the site alone, by its name
    life.open(person_no=None, dwelling_no=None, site=None)  # of nowhere: by London's clock
    february = measures.record(date(2026, 2, 1), date(2026, 2, 1))
    assert [february.names["site"][int(n)] for n in february.alerts["site"]] == ["maple-court"] * 2
    assert measures.record(date(2026, 1, 31), date(2026, 1, 31)).alerts["site"].tolist() == [0]


def test_decisions_that_page_nobody_are_counted_by_rule(
    life: Life, measures: Measures, here: Homes, clock: FixedClock
) -> None:
    life.open()
    with homes.connect(here.url) as db:
        for kind, outcome in (("shadow", "raise"), ("shadow", "clear"), ("muted", "muted"),
                              ("muted", "muted"), ("command", "command")):  # fmt: skip
            db.execute(
                "INSERT INTO alerts.decision (at, kind, outcome, rule_id, rule_version, severity,"
                " person_no, title, reason) VALUES (%s, %s, %s, 'copd.x', '1', 'soon', %s, '', '')",
                [clock.now(), kind, outcome, here.people[0]],
            )
    kept, decided = measures.decisions(DAY, DAY)
    rows = as_dicts(burden.table(kept, np.empty(0, dtype=burden.PERSON_DAYS), decided, by="site"))
    of_rule = [r for r in rows if r["rule"] == "copd.x" and r["site"] == "maple-court"]
    assert [(r["alerts"], r["held_back"], r["in_shadow"]) for r in of_rule] == [(0, 2, 1)]


def heard(measures: Measures, first: date, last: date, now: datetime) -> dict[str, int]:
    rows = measures.person_days(first, last, now=now)
    out: dict[str, int] = {}
    for row in rows:
        day = str(np.datetime64(int(row["day"]), "D"))
        out[day] = out.get(day, 0) + int(row["people"])
    return out


def test_a_person_counts_on_local_days_on_which_a_device_of_theirs_was_heard(
    here: Homes, measures: Measures
) -> None:
    with homes.connect(here.url) as db:
        db.execute("UPDATE ingest.person SET registered_at = '2026-01-01'")
        for n in range(3):
            db.execute(
                "INSERT INTO ingest.assignment (device_no, person_no, home_no, starts)"
                " VALUES (%s, %s, %s, '2026-06-01')",
                [here.devices[n], here.people[n] if n else None, here.homes[n]],
            )
    writer = Writer(here.url)
    at = [datetime(2026, 6, 9, 22, 59, 59, tzinfo=UTC), datetime(2026, 6, 9, 23, 0, tzinfo=UTC)]
    readings = [(0, "spo2", 95.0, at[0].timestamp()), (1, "spo2", 95.0, at[1].timestamp())]
    writer.rows(here.rows(*readings, now=at[1].timestamp()))
    writer.db.close()
    now = datetime(2026, 6, 12, 12, tzinfo=UTC)
    days = heard(measures, date(2026, 6, 8), date(2026, 6, 11), now)
    # a device of the home is everybody's there; the third was not heard
    assert days == {"2026-06-08": 0, "2026-06-09": 1, "2026-06-10": 1, "2026-06-11": 0}


def test_a_device_that_only_says_that_it_is_alive_counts_on_the_day_it_is_counted(
    here: Homes, measures: Measures
) -> None:
    with homes.connect(here.url) as db:
        db.execute("UPDATE ingest.person SET registered_at = '2026-01-01'")
        db.execute(
            "INSERT INTO ingest.assignment (device_no, person_no, home_no, starts)"
            " VALUES (%s, %s, %s, '2026-01-01')",
            [here.devices[0], here.people[0], here.homes[0]],
        )
        seen = "INSERT INTO ingest.device_state (device_no, state, seen_at) VALUES (%s,'online',%s)"
        db.execute(seen, [here.devices[0], datetime(2026, 1, 5, 20, tzinfo=UTC)])
        measures.count_today(now=datetime(2026, 1, 5, 21, tzinfo=UTC))
        db.execute("UPDATE ingest.device_state SET seen_at = '2026-01-07T09:00Z'")
    days = heard(measures, DAY, date(2026, 1, 7), datetime(2026, 1, 7, 10, tzinfo=UTC))
    # counted again after its end it is not forgotten; of the sixth nothing is known
    assert days == {"2026-01-05": 1, "2026-01-06": 0, "2026-01-07": 1}


def test_days_that_are_settled_are_not_counted_again_and_young_ones_are(
    here: Homes, measures: Measures
) -> None:
    with homes.connect(here.url) as db:
        db.execute("UPDATE ingest.person SET registered_at = '2026-01-01'")
        db.execute(
            "INSERT INTO ingest.assignment (device_no, person_no, home_no, starts)"
            " VALUES (%s, %s, %s, '2026-01-01')",
            [here.devices[0], here.people[0], here.homes[0]],
        )
    writer, at = Writer(here.url), datetime(2026, 1, 5, 20, tzinfo=UTC)
    writer.rows(here.rows((0, "spo2", 95.0, at.timestamp()), now=at.timestamp()))
    writer.db.close()
    evening = datetime(2026, 1, 5, 21, tzinfo=UTC)
    for counted, later, people in (
        (evening, timedelta(minutes=59), 0),  # an hour old at most will do
        (evening, timedelta(minutes=61), 1),
        (datetime(2026, 1, 6, 11, 59, tzinfo=UTC), timedelta(days=3), 1),  # late ones may come yet
        (datetime(2026, 1, 6, 12, tzinfo=UTC), timedelta(days=3), 0),
    ):
        with homes.connect(here.url) as db:
            db.execute("DELETE FROM alerts.person_days")
            heard(measures, DAY, DAY, counted)
            db.execute("UPDATE alerts.person_days SET people = 0")
        assert heard(measures, DAY, DAY, counted + later) == {"2026-01-05": people}


def test_coverage_counts_people_and_their_silent_devices_as_it_is_now(
    life: Life, measures: Measures, here: Homes, clock: FixedClock
) -> None:
    with homes.connect(here.url) as db:
        for n, whose in ((0, here.people[0]), (1, None)):
            db.execute(
                "INSERT INTO ingest.assignment (device_no, person_no, home_no, starts)"
                " VALUES (%s, %s, %s, '2020-01-01')",
                [here.devices[n], whose, here.homes[n]],
            )
        db.execute(
            "UPDATE ingest.person SET limits = '{\"spo2\": {\"low\": 90}}', risk_band = 'red'"
            " WHERE no = %s",
            [here.people[0]],
        )
        db.execute(
            "INSERT INTO ingest.contact (person_no, rank, name, phone) VALUES (%s, 1, 'J', '1')",
            [here.people[2]],
        )
    life.open(rule_id="equipment.device_silent", device_no=here.devices[1], person_no=None)
    (only,) = as_dicts(coverage.table(*measures.people(now=clock.now()), by=None))
    assert only == {
        "people": 3, "with_limits": 1, "with_triggers": 0, "with_risk_band": 1, "band_green": 0,
        "band_amber": 0, "band_red": 1, "with_contact": 1, "with_practice": 0, "with_device": 2,
        "silent_people": 1, "devices": 2, "silent_devices": 1,
    }  # fmt: skip
    site, total = as_dicts(coverage.table(*measures.people(now=clock.now()), by="site"))
    assert site["site"] == "maple-court"
    assert [site[c] for c in coverage.COUNTS] == [total[c] for c in coverage.COUNTS]


def test_an_evaluation_holds_nothing_that_the_register_knows_somebody_by(
    life: Life, measures: Measures, clock: FixedClock
) -> None:
    life.open()
    made = evaluation.table(
        measures.record(DAY, DAY), key=b"k" * 32, first_day=stored.day_number(DAY),
        now=clock.epoch(),
    )  # fmt: skip
    (row,) = as_dicts(made)
    assert row["day"] == 0
    assert not {"maple-court", "p0", "h0", "district-nursing"} & {str(v) for v in row.values()}


def test_nothing_is_read_as_a_number_that_is_none(here: Homes) -> None:
    kind = np.dtype([("a", "i4")])
    with connect(here.url, name="test") as db:
        assert stored.rows(db, kind, "SELECT 7", {})["a"].tolist() == [7]
        assert len(stored.rows(db, kind, "SELECT 7 WHERE false", {})) == 0
        for query in ("SELECT NULL::int", "SELECT 7::int8", "SELECT 7, 8"):
            with pytest.raises(ValueError, match="width"):
                stored.rows(db, kind, query, {})
