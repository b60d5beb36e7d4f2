"""Due steps on a real database: taken once, late rather than never, stopped when acted on."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alerts import calling, model
from alerts.model import Severity
from alerts.policies import files, responses
from alerts.service import Alerts
from alerts.storage.alerts import AlertStore
from alerts.storage.routing import Router
from alerts.storage.steps import Steps
from ingest.storage.pool import Pool
from tests.contract import homes
from tests.contract.homes import Homes, make
from tests.support.clock import FixedClock

pytestmark = pytest.mark.service


@pytest.fixture
def steps(pool: Pool, clock: FixedClock) -> Steps:
    return Steps(pool, router=Router(age_s=0.0, clock=clock))


def steps_of(scene: Scene) -> Steps:
    return Steps(scene.pool, router=Router(age_s=0.0, clock=scene.clock))


class Scene:
    """An alert, and a clock that ticks."""

    def __init__(self, here: Homes, pool: Pool, clock: FixedClock, steps: Steps) -> None:
        self.here, self.pool, self.clock, self.steps = here, pool, clock, steps

    def open(self, severity: Severity, number: int = 0, **more: Any) -> model.Alert:
        alert = replace(make(self.here, self.clock, number), severity=severity, **more)
        return AlertStore(self.pool).open(alert)

    def tick(self, seconds: float = 0.0) -> int:
        return self.steps.tick(now=self.clock.advance(seconds))

    def get(self, alert: model.Alert) -> model.Alert:
        found = AlertStore(self.pool).get(alert.no)
        assert found is not None
        return found

    def told(self, alert: model.Alert) -> list[str]:
        with homes.connect(self.here.url) as db:
            return [r[0] for r in db.execute(
                "SELECT coalesce(detail->>'tell', kind) FROM alerts.event WHERE alert_no = %s"
                " AND kind <> 'raised' ORDER BY no", [alert.no]).fetchall()]  # fmt: skip

    def states(self, alert: model.Alert) -> dict[str, int]:
        with homes.connect(self.here.url) as db:
            return dict(db.execute(
                "SELECT state, count(*) FROM alerts.step WHERE alert_no = %s GROUP BY state",
                [alert.no]).fetchall())  # fmt: skip


@pytest.fixture
def scene(here: Homes, pool: Pool, clock: FixedClock, steps: Steps) -> Scene:
    return Scene(here, pool, clock, steps)


def test_an_emergency_that_nobody_answers_walks_the_whole_chain_each_step_once(
    scene: Scene,
) -> None:
    alert = scene.open(Severity.EMERGENCY)
    for _ in range(700):
        scene.tick(1.0)
    assert scene.told(alert) == [
        "team", "team", "on_call", "rapid_response", "contacts", "contacts", "contacts",
        "last_resort",
    ]  # fmt: skip
    assert scene.get(alert).next_step_at == scene.clock.now() + timedelta(seconds=500)
    assert scene.tick() == 0


def test_acknowledging_stops_what_was_due_and_what_nothing_follows_comes_back(
    scene: Scene, alerts: Alerts
) -> None:
    alert = scene.open(Severity.EMERGENCY)
    scene.tick(70.0)
    taken = alerts.acknowledge(alert.no, by="nurse.a", expected_version=1)
    assert scene.tick(200.0) == 0
    assert scene.told(alert) == ["team", "on_call", "acknowledged", ]  # fmt: skip
    assert taken.next_step_at == taken.acknowledged_until
    assert scene.tick(101.0) == 1
    after = scene.get(alert)
    assert (after.state, after.owner, after.pages) == ("open", None, 2)
    scene.tick(0.0)
    assert scene.told(alert)[3:] == ["lapsed", "team"]
    alerts.close(alert.no, by="nurse.a", expected_version=after.version, disposition="advice")
    assert scene.tick(1e6) == 0
    assert "pending" not in scene.states(alert)


def test_after_a_pause_each_missed_step_is_told_once_and_marked(scene: Scene) -> None:
    alert = scene.open(Severity.EMERGENCY)
    scene.tick(3 * 3_600.0)
    assert sorted(scene.told(alert)) == [
        "contacts", "last_resort", "on_call", "rapid_response", "team"
    ]  # fmt: skip
    with homes.connect(scene.here.url) as db:
        late = db.execute(
            "SELECT (detail->>'late_s')::int FROM alerts.event WHERE kind = 'told' ORDER BY no"
        ).fetchall()
    assert max(x for (x,) in late) == 3 * 3_600
    scene.tick(29.0)
    assert scene.told(alert).count("last_resort") == 1


def test_what_is_no_emergency_does_not_page_out_of_the_blue_after_an_outage(scene: Scene) -> None:
    alert = scene.open(Severity.URGENT)
    fresh = scene.open(Severity.EMERGENCY, 1)
    scene.tick(5 * 3_600.0)
    after = scene.get(alert)
    assert after.stale
    with homes.connect(scene.here.url) as db:
        kinds = dict(db.execute(
            "SELECT kind, count(*) FROM alerts.event WHERE alert_no = %s GROUP BY kind",
            [alert.no]).fetchall())  # fmt: skip
    assert kinds["step_too_late"] >= 1
    assert scene.states(alert)["pending"] >= 1  # it is not forgotten
    assert "team" in scene.told(fresh)
    assert not scene.get(fresh).stale


def test_two_workers_at_once_take_each_step_once(scene: Scene) -> None:
    opened = [scene.open(Severity.EMERGENCY, n) for n in range(60)]
    now = scene.clock.advance(1.0)
    done: list[int] = []
    workers = [
        threading.Thread(target=lambda: done.append(steps_of(scene).tick(now=now)))
        for _ in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    steps_of(scene).tick(now=now)  # what one passed by because another held it
    assert sum(done) <= 60
    for alert in opened:
        assert scene.told(alert) == ["team"]


def test_a_person_s_hand_on_an_alert_is_not_waited_for(scene: Scene) -> None:
    held, free = scene.open(Severity.EMERGENCY), scene.open(Severity.EMERGENCY, 1)
    with homes.connect(scene.here.url) as db, db.transaction():
        db.execute("SELECT FROM alerts.alert WHERE no = %s FOR UPDATE", [held.no])
        assert scene.tick(1.0) == 1
    assert (scene.told(held), scene.told(free)) == ([], ["team"])
    assert scene.tick(1.0) == 1
    assert scene.told(held) == ["team"]


def test_the_worst_is_taken_first_out_of_a_backlog(scene: Scene) -> None:
    for n in range(150):
        scene.open(Severity.INFORMATION, n)
    scene.clock.advance(5.0)
    last = scene.open(Severity.EMERGENCY, 999)
    scene.tick()
    with homes.connect(scene.here.url) as db:
        first = db.execute(
            "SELECT alert_no FROM alerts.event WHERE kind = 'told' ORDER BY no LIMIT 1"
        ).fetchone()
    assert first == (last.no,)


def test_a_clock_that_is_set_back_delays_nothing(scene: Scene) -> None:
    alert = scene.open(Severity.EMERGENCY)
    scene.tick(50.0)  # the team twice; on call in ten seconds
    scene.clock.advance(-7_200.0)
    scene.tick()
    assert "on_call" not in scene.told(alert)
    scene.tick(11.0)
    assert scene.told(alert)[-1] == "on_call"


def test_what_waits_for_a_moment_is_moved_with_a_clock_that_is_set_back(
    scene: Scene, alerts: Alerts
) -> None:
    alert = scene.open(Severity.EMERGENCY)
    with homes.connect(scene.here.url) as db:
        db.execute(
            "INSERT INTO alerts.receiver (channel, address, team_no) VALUES ('console', '', %s)",
            [scene.here.teams["district_nursing"]],
        )
    scene.tick(1.0)
    alerts.acknowledge(alert.no, by="nurse.a", expected_version=1)
    waiting = scene.open(Severity.EMERGENCY, 1)
    scene.tick(1.0)  # its message waits to be sent
    scene.clock.advance(-7_200.0)
    scene.tick()
    now = scene.clock.now()
    alerts.offer(alert.no, by="nurse.a", expected_version=2, to="nurse.b")
    for seconds in (301.0, 0.0, 0.0):
        scene.tick(seconds)
    assert scene.told(alert)[-3:] == ["handover_ended", "lapsed", "team"]
    with homes.connect(scene.here.url) as db:
        rows = db.execute(
            "SELECT next_at FROM alerts.delivery WHERE alert_no = %s ORDER BY no", [waiting.no]
        ).fetchall()
    assert rows
    assert rows[0][0] <= now


def test_a_clock_that_is_set_forward_is_early_rather_than_silent(scene: Scene) -> None:
    alert = scene.open(Severity.URGENT)
    scene.tick(7_200.0)
    assert not scene.get(alert).stale  # two hours are less than its limit
    assert "last_resort" in scene.told(alert)


def test_alerts_from_a_release_without_steps_begin_their_response(
    scene: Scene, alerts: Alerts
) -> None:
    old, taken = scene.open(Severity.URGENT), scene.open(Severity.SOON, 1)
    closed = scene.open(Severity.SOON, 2)
    alerts.acknowledge(taken.no, by="n", expected_version=1)
    alerts.close(closed.no, by="n", expected_version=1, disposition="advice")
    with homes.connect(scene.here.url) as db:
        db.execute("DELETE FROM alerts.step")
        db.execute("UPDATE alerts.alert SET chain = '{}', response = '', next_step_at = NULL")
    assert scene.steps.resume(now=scene.clock.now()) == 2
    assert scene.steps.resume(now=scene.clock.now()) == 0
    after = scene.get(old)
    assert (after.state, after.response, after.pages) == ("open", "urgent", 2)
    assert after.next_step_at == scene.clock.now()
    after = scene.get(taken)  # stays whose it is, until nothing follows
    assert (after.state, after.response, after.owner) == ("acknowledged", "soon", "n")
    assert after.next_step_at == after.acknowledged_until == scene.clock.now() + timedelta(hours=4)
    assert scene.get(closed).state == "closed"


def test_old_alerts_from_a_release_without_steps_page_nobody_out_of_the_blue(scene: Scene) -> None:
    old, fall = scene.open(Severity.URGENT), scene.open(Severity.EMERGENCY, 1)
    with homes.connect(scene.here.url) as db:
        db.execute("DELETE FROM alerts.step")
        db.execute("UPDATE alerts.alert SET chain = '{}', response = '', next_step_at = NULL")
    scene.clock.advance(5 * 3_600.0)
    assert scene.steps.resume(now=scene.clock.now()) == 2
    scene.tick()
    assert scene.told(old) == ["resumed"]
    assert scene.get(old).stale
    assert scene.told(fall) == ["resumed", "team"]


def test_what_a_release_without_steps_takes_on_closes_or_pages_again_is_followed(
    scene: Scene,
) -> None:
    taken, closed, again = (scene.open(Severity.EMERGENCY, n) for n in range(3))
    with homes.connect(scene.here.url) as db:
        for change, alert in (
            ("state = 'acknowledged', owner = 'n'", taken),
            ("state = 'closed', owner = 'n', disposition = 'advice'", closed),
            ("pages = 2", again),
        ):
            db.execute(
                f"UPDATE alerts.alert SET {change}, version = 2 WHERE no = %s",  # type: ignore[arg-type]
                [alert.no],
            )
    scene.tick(45.0)
    assert scene.told(taken) == scene.told(closed) == []
    assert scene.steps.resume(now=scene.clock.now()) == 2
    scene.tick()
    assert scene.told(again)[-2:] == ["resumed", "team"]
    assert scene.get(again).pages == 3
    scene.tick(301.0)  # nothing followed
    scene.tick()
    assert scene.told(taken) == ["resumed", "lapsed", "team"]
    scene.tick(1e6)
    assert scene.told(closed) == []


def test_an_alert_whose_steps_make_no_sense_holds_up_no_other_and_asks_anew(scene: Scene) -> None:
    odd, well = scene.open(Severity.EMERGENCY), scene.open(Severity.EMERGENCY, 1)
    with homes.connect(scene.here.url) as db:
        db.execute(
            "UPDATE alerts.step SET kind = 'of_a_later_release' WHERE alert_no = %s", [odd.no]
        )
    scene.tick(1.0)
    assert scene.told(well) == ["team"]
    assert scene.told(odd) == ["resumed"]
    for _ in range(70):
        scene.tick(1.0)
    assert scene.told(odd)[:3] == ["resumed", "team", "team"]


def test_an_alert_that_always_fails_is_set_aside_and_stays_due(
    scene: Scene, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd, well = scene.open(Severity.EMERGENCY), scene.open(Severity.EMERGENCY, 1)
    whole = calling.call

    def fails(tell: Any, alert: model.Alert, *rest: Any, **more: Any) -> Any:
        if alert.no == odd.no:
            raise ZeroDivisionError
        return whole(tell, alert, *rest, **more)

    monkeypatch.setattr(calling, "call", fails)
    for _ in range(100):
        scene.tick(1.0)
    assert scene.told(well)[:3] == ["team", "team", "on_call"]
    assert scene.told(odd) == ["resumed"]  # once
    assert steps.overdue(by=timedelta(seconds=60))[0] > 0
    monkeypatch.setattr(calling, "call", whole)
    scene.tick(60.0)
    assert "team" in scene.told(odd)


def test_a_chain_that_this_release_cant_read_still_tells_somebody(scene: Scene) -> None:
    alert = scene.open(Severity.EMERGENCY)
    with homes.connect(scene.here.url) as db:
        db.execute("UPDATE alerts.alert SET chain = chain || '{\"of_a_later_release\": 1}'")
    scene.tick(700.0)
    assert sorted(scene.told(alert)) == [
        "contacts", "last_resort", "on_call", "rapid_response", "team"
    ]  # fmt: skip


def test_whoever_raises_it_with_a_clock_ahead_of_the_database_s_delays_nothing(
    scene: Scene, steps: Steps
) -> None:
    alert = scene.open(Severity.EMERGENCY, raised_at=datetime.now(UTC) + timedelta(hours=2))
    assert steps.tick() == 1
    assert scene.told(alert) == ["team"]


def test_a_response_of_one_s_own_is_what_new_alerts_get_and_old_ones_keep_theirs(
    scene: Scene, pool: Pool, tmp_path: Any
) -> None:
    before = scene.open(Severity.EMERGENCY)
    text, _ = files.read(responses.FILE)
    (tmp_path / responses.FILE).write_text(text.replace('after = "180 s"', 'after = "70 s"'))
    own = AlertStore(pool, responses.load(tmp_path))
    alert = own.open(replace(make(scene.here, scene.clock, 7), severity=Severity.EMERGENCY))
    scene.tick(75.0)
    assert "rapid_response" in scene.told(alert)
    assert "rapid_response" not in scene.told(before)


def test_a_mute_holds_an_alert_and_it_pages_when_that_is_over(scene: Scene) -> None:
    now = scene.clock.now()
    with homes.connect(scene.here.url) as db:
        db.execute(
            "INSERT INTO alerts.mute (person_no, starts, ends, reason, by)"
            " VALUES (%s, %s, %s, 'in hospital', 'nurse.a')",
            [scene.here.people[0], now - timedelta(days=1), now + timedelta(hours=2)],
        )
    alert, fall = scene.open(Severity.URGENT), scene.open(Severity.EMERGENCY, 1)
    scene.tick(3_600.0)
    assert scene.told(alert) == []
    assert "team" in scene.told(fall)
    scene.tick(3_600.0)
    scene.tick()
    assert scene.told(alert) == ["due_again", "team"]


def test_steps_that_should_have_been_taken_are_counted(scene: Scene, steps: Steps) -> None:
    assert steps.overdue(by=timedelta(seconds=60)) == (0, None)
    alert = scene.open(Severity.EMERGENCY)  # by a clock that stands years before the database's
    count, since = steps.overdue(by=timedelta(seconds=60))
    assert count == 5
    assert since == alert.raised_at


def test_the_database_s_clock_is_used_where_none_is_given(scene: Scene, steps: Steps) -> None:
    scene.open(Severity.EMERGENCY, raised_at=datetime.now(UTC) - timedelta(seconds=61))
    assert steps.tick() == 2


@pytest.mark.parametrize(
    "night", [datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)]
)
def test_the_nights_when_the_clocks_change_are_nights_like_others(
    scene: Scene, night: datetime
) -> None:
    scene.clock.set(night + timedelta(minutes=55))  # five minutes before they change
    alert = scene.open(Severity.EMERGENCY)
    for _ in range(66):
        scene.tick(10.0)
    with homes.connect(scene.here.url) as db:
        late = db.execute(
            "SELECT max(extract(epoch FROM done_at - due_at)) FROM alerts.step"
            " WHERE alert_no = %s AND state = 'done'", [alert.no]
        ).fetchone()  # fmt: skip
    assert scene.told(alert)[-1] == "last_resort"
    assert late is not None
    assert late[0] <= 10
