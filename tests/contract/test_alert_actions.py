"""What people do about alerts beyond taking them, on a real database: who has, who goes, mutes."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from alerts import errors, model, suppression
from alerts.rules import pack, registry
from alerts.service import Alerts, Mutes
from alerts.storage.alarms import AlarmLog
from alerts.storage.alerts import AlertStore
from alerts.storage.mutes import Mutes as MuteStore
from alerts.storage.routing import Router
from alerts.storage.steps import Steps
from ingest.storage.pool import Pool
from tests.contract import homes
from tests.contract.homes import Homes, Writer, make
from tests.support.clock import FixedClock

pytestmark = pytest.mark.service


@pytest.fixture
def mutes(pool: Pool, clock: FixedClock) -> Mutes:
    return Mutes(store=MuteStore(pool), clock=clock)


def alert_of(here: Homes, clock: FixedClock, rule: str = "spo2", **changed: Any) -> model.Alert:
    return make(here, clock, rule=rule, **{"severity": model.Severity.URGENT, **changed})


def kinds(alerts: Alerts, alert: model.Alert) -> list[str]:
    return [e.kind for e in alerts.history(alert.no)]


def test_of_one_severity_what_came_too_late_to_page_is_first_and_the_cursor_follows(
    here: Homes, store: AlertStore, alerts: Alerts, clock: FixedClock
) -> None:
    made = []
    for n, (severity, stale) in enumerate(
        [("soon", False), ("soon", True), ("urgent", False), ("soon", True), ("urgent", True)]
    ):
        made.append(store.open(alert_of(here, clock, f"r{n}", severity=model.Severity(severity))))
        with homes.connect(here.url) as db:
            db.execute("UPDATE alerts.alert SET stale = %s WHERE no = %s", [stale, made[-1].no])
        clock.advance(60)
    wanted = [made[n].no for n in (4, 2, 1, 3, 0)]
    assert [a.no for a in alerts.queue()[0]] == wanted
    seen: list[int] = []
    after: str | None = None
    while True:
        page, after = alerts.queue(team="district-nursing", limit=1, after=after)
        seen += [a.no for a in page]
        if after is None:
            break
    assert seen == wanted


def test_a_team_that_was_told_has_it_on_its_queue_beside_its_own(
    here: Homes, store: AlertStore, alerts: Alerts, clock: FixedClock
) -> None:
    own = store.open(alert_of(here, clock, "own", team_no=here.teams["telecare_operator"]))
    clock.advance(60)
    told = store.open(alert_of(here, clock, "told"))
    store.open(alert_of(here, clock, "neither"))
    with homes.connect(here.url) as db:
        db.execute(
            "UPDATE alerts.alert SET told_teams = %s WHERE no = %s",
            [[here.teams["telecare_operator"]], told.no],
        )
    found, _ = alerts.queue(team="telecare-operator")
    assert [a.no for a in found] == [own.no, told.no]
    assert (found[1].team, found[1].told) == ("district-nursing", ("telecare-operator",))
    first, after = alerts.queue(team="telecare-operator", limit=1)
    assert [a.no for a in first] == [own.no]
    assert [a.no for a in alerts.queue(team="telecare-operator", limit=1, after=after)[0]] == [
        told.no
    ]
    assert len(alerts.queue(team="district-nursing")[0]) == 2
    assert alerts.queue(team="no-such-team") == ([], None)


def test_the_queue_of_an_owner_is_what_they_have_to_do(
    here: Homes, store: AlertStore, alerts: Alerts, clock: FixedClock
) -> None:
    mine = store.open(alert_of(here, clock, "mine"))
    store.open(alert_of(here, clock, "nobodys"))
    alerts.acknowledge(mine.no, by="n", expected_version=1)
    assert [a.no for a in alerts.queue(owner="n")[0]] == [mine.no]
    assert alerts.queue(owner="m")[0] == []


def test_a_handover_waits_for_its_answer(
    here: Homes, store: AlertStore, alerts: Alerts, clock: FixedClock
) -> None:
    alert = store.open(alert_of(here, clock))
    alerts.acknowledge(alert.no, by="a", expected_version=1)
    offered = alerts.offer(alert.no, by="a", expected_version=2, to="b", note="end of shift")
    assert (offered.owner, offered.offered_to) == ("a", "b")
    with pytest.raises(errors.TransitionRefusedError, match="not offered to you"):
        alerts.accept(alert.no, by="c", expected_version=3)
    taken = alerts.accept(alert.no, by="b", expected_version=3)
    assert (taken.owner, taken.offered_to) == ("b", None)
    alerts.offer(alert.no, by="b", expected_version=4, to="a")
    declined = alerts.decline(alert.no, by="a", expected_version=5, note="busy")
    assert (declined.owner, declined.offered_to) == ("b", None)
    assigned = alerts.assign(alert.no, by="x", expected_version=6, to="c")
    assert assigned.owner == "c"
    assert kinds(alerts, alert)[1:] == [
        "acknowledged", "handover_offered", "handover_accepted", "handover_offered",
        "handover_ended", "assigned",
    ]  # fmt: skip
    assert alerts.next_steps([alert.no])[alert.no].kind == "acknowledgement_ends"


def test_a_team_that_is_sent_has_it_on_its_queue_and_says_that_it_goes(
    here: Homes, alerts: Alerts, clock: FixedClock
) -> None:
    writer = Writer(here.url, "event")
    writer.alarm(here, 0, now=clock.epoch(), alarm_id="a1")
    log = AlarmLog.open(
        here.url, rules=registry.load().of(pack.AlarmRule), late_after_s=900, teams_age_s=10,
        clock=clock,
    )  # fmt: skip
    log.round()
    log.close()
    writer.close()
    ((alert,), _) = alerts.queue()

    def told() -> list[tuple[str, str]]:
        with homes.connect(here.url) as db:
            return db.execute(
                "SELECT body ->> 'state', body ->> 'by' FROM ingest.outbox ORDER BY no"
            ).fetchall()

    version = alert.version
    sent = alerts.dispatch(
        alert.no, by="n", expected_version=version, to="Team equipment", team="equipment"
    )
    assert (sent.state, sent.owner, sent.told) == ("in_progress", "n", ("equipment",))
    assert [a.no for a in alerts.queue(team="equipment")[0]] == [alert.no]
    assert [
        by for state, by in told() if state == "on_the_way"
    ] == []  # nobody has said yet that they go
    assert sent.acknowledged_until is not None
    assert sent.acknowledged_until - clock.now() == timedelta(minutes=5)
    with pytest.raises(errors.StaleVersionError):
        alerts.set_out(alert.no, by="e", expected_version=version)
    clock.advance(30)
    going = alerts.set_out(alert.no, by="e", expected_version=version + 1)
    assert going.owner == "n"
    assert [by for state, by in told() if state == "on_the_way"] == ["Team equipment"]
    with pytest.raises(errors.TransitionRefusedError, match="yet to answer"):
        alerts.set_out(alert.no, by="e", expected_version=version + 2)
    clock.advance(600)
    alerts.arrive(alert.no, by="e", expected_version=version + 2)
    clock.advance(600)
    alerts.close(
        alert.no, by="e", expected_version=version + 3, disposition="advice",
        outcome={"hospital": "avoided", "patient_view": "feels well"},
    )  # fmt: skip
    (sending,) = alerts.dispatches(alert.no)
    assert (sending.to, sending.team, sending.by, sending.accepted_by) == (
        "Team equipment", "equipment", "n", "e",
    )  # fmt: skip
    times = [sending.sent_at, sending.accepted_at, sending.on_scene_at, sending.done_at]
    assert [t for t in times if t is None] == []
    assert times == sorted(t for t in times if t is not None)
    closed = alerts.get(alert.no)
    assert closed is not None
    assert closed.outcome == {"hospital": "avoided", "patient_view": "feels well"}


def test_a_team_that_cant_go_makes_it_ask_more_people(
    here: Homes, store: AlertStore, alerts: Alerts, clock: FixedClock
) -> None:
    alert = store.open(alert_of(here, clock, severity=model.Severity.EMERGENCY))
    alerts.dispatch(alert.no, by="n", expected_version=1, to="E", team="equipment")
    refused = alerts.turn_down(alert.no, by="e", expected_version=2, note="no car")
    assert (refused.state, refused.owner, refused.pages) == ("open", None, 2)
    due = alerts.next_steps([alert.no])[alert.no]
    assert (due.tell, due.due_at) == ("on_call", clock.now())
    (sending,) = alerts.dispatches(alert.no)
    assert (sending.declined_by, sending.declined_at) == ("e", clock.now())
    alerts.dispatch(alert.no, by="n", expected_version=3, to="the neighbour")
    with pytest.raises(errors.TransitionRefusedError, match="yet to answer"):
        alerts.turn_down(alert.no, by="e", expected_version=4)


def test_escalating_asks_whom_the_response_tells_next_and_at_its_end_the_last_again(
    here: Homes, pool: Pool, store: AlertStore, alerts: Alerts, clock: FixedClock
) -> None:
    alert = store.open(alert_of(here, clock, severity=model.Severity.EMERGENCY))
    steps = Steps(pool, router=Router(age_s=0.0, clock=clock))
    version, told = 1, []
    for _ in range(5):
        steps.tick(now=clock.now())
        escalated = alerts.escalate(alert.no, by="n", expected_version=version)
        version = escalated.version
        told.append(str(alerts.next_steps([alert.no])[alert.no].tell))
        clock.advance(5)
    assert told == ["on_call", "rapid_response", "contacts", "last_resort", "last_resort"]
    assert (escalated.state, escalated.owner, escalated.pages) == ("open", None, 6)


def test_pressing_escalate_twice_at_once_goes_on_rather_than_back(
    here: Homes, store: AlertStore, alerts: Alerts, clock: FixedClock
) -> None:
    alert = store.open(alert_of(here, clock, severity=model.Severity.EMERGENCY))
    for version, tell in ((1, "on_call"), (2, "rapid_response")):  # no tick comes between
        alerts.escalate(alert.no, by="n", expected_version=version)
        assert alerts.next_steps([alert.no])[alert.no].tell == tell


def test_an_emergency_cant_be_put_off_and_anything_else_for_a_bounded_time(
    here: Homes, store: AlertStore, alerts: Alerts, clock: FixedClock
) -> None:
    worst = store.open(alert_of(here, clock, "a", severity=model.Severity.EMERGENCY))
    with pytest.raises(errors.TransitionRefusedError, match="an emergency can't be put off"):
        alerts.snooze_for(worst.no, by="n", expected_version=1, minutes=1, reason="x")
    other = store.open(alert_of(here, clock, "b"))
    with pytest.raises(errors.TransitionRefusedError, match="30 minutes at most"):
        alerts.snooze_for(other.no, by="n", expected_version=1, minutes=31, reason="x")
    waiting = alerts.snooze_for(other.no, by="n", expected_version=1, minutes=30, reason="rests")
    assert waiting.snoozed_until == clock.now() + timedelta(minutes=30)
    assert alerts.next_steps([other.no])[other.no].kind == "snooze_ends"


def test_acting_on_one_alert_changes_no_other(
    here: Homes, store: AlertStore, alerts: Alerts, clock: FixedClock
) -> None:
    one, two = store.open(alert_of(here, clock, "a")), store.open(alert_of(here, clock, "b"))
    before = (alerts.get(two.no), alerts.history(two.no), alerts.next_steps([two.no]))
    version = 1
    for act in (
        lambda v: alerts.acknowledge(one.no, by="n", expected_version=v),
        lambda v: alerts.contact(one.no, by="n", expected_version=v, whom="J", outcome="reached"),
        lambda v: alerts.dispatch(one.no, by="n", expected_version=v, to="E", team="equipment"),
        lambda v: alerts.set_out(one.no, by="n", expected_version=v),
        lambda v: alerts.arrive(one.no, by="n", expected_version=v),
        lambda v: alerts.offer(one.no, by="n", expected_version=v, to="m"),
        lambda v: alerts.accept(one.no, by="m", expected_version=v),
        lambda v: alerts.snooze_for(one.no, by="m", expected_version=v, minutes=5, reason="r"),
        lambda v: alerts.escalate(one.no, by="m", expected_version=v),
        lambda v: alerts.assign(one.no, by="m", expected_version=v, to="k"),
        lambda v: alerts.close(one.no, by="k", expected_version=v, disposition="advice"),
    ):
        version = act(version).version
    assert (alerts.get(two.no), alerts.history(two.no), alerts.next_steps([two.no])) == before
    assert alerts.dispatches(two.no) == []


def test_related_are_the_other_open_alerts_of_the_person_and_of_the_home(
    here: Homes, store: AlertStore, alerts: Alerts, clock: FixedClock
) -> None:
    mine = store.open(alert_of(here, clock, "a"))
    also = store.open(alert_of(here, clock, "b", severity=model.Severity.SOON))
    smoke = store.open(
        alert_of(here, clock, "smoke", person_no=None, severity=model.Severity.EMERGENCY)
    )
    over = store.open(alert_of(here, clock, "c"))
    alerts.close(over.no, by="n", expected_version=1, disposition="advice")
    store.open(alert_of(here, clock, "d", person_no=here.people[1], dwelling_no=here.homes[1]))
    nobodys = store.open(alert_of(here, clock, "e", person_no=None, dwelling_no=None))
    assert [a.no for a in alerts.related(mine)] == [smoke.no, also.no]
    assert [a.no for a in alerts.related(smoke)] == [mine.no, also.no]
    assert alerts.related(nobodys) == []


def test_related_alerts_are_closed_together_all_or_none_each_with_its_own_event(
    here: Homes, store: AlertStore, alerts: Alerts, clock: FixedClock
) -> None:
    one, two = store.open(alert_of(here, clock, "a")), store.open(alert_of(here, clock, "b"))
    fall = store.open(alert_of(here, clock, "fall"))

    def close(also: list[tuple[int, int]], disposition: str = "advice") -> model.Alert:
        return alerts.close(
            one.no, by="n", expected_version=1, disposition=disposition, note="seen", also=also
        )

    with pytest.raises(errors.StaleVersionError) as stale:
        close([(two.no, 7)])
    assert stale.value.data["current"].no == two.no
    with pytest.raises(errors.TransitionRefusedError, match=f"{fall.id} .*a fall is closed with"):
        close([(two.no, 1), (fall.no, 1)])
    assert [kinds(alerts, a) for a in (one, two, fall)] == [["raised"]] * 3
    stranger = store.open(alert_of(here, clock, "z", person_no=here.people[1]))
    with pytest.raises(errors.TransitionRefusedError, match="no open alert of the same person"):
        close([(stranger.no, 1)])
    with pytest.raises(errors.TransitionRefusedError, match="named twice"):
        close([(two.no, 1), (two.no, 1)])
    closed = close([(two.no, 1), (fall.no, 1)], "fall_no_injury")
    assert closed.no == one.no
    for alert in (one, two, fall):
        assert kinds(alerts, alert) == ["raised", "closed"]
        after = alerts.get(alert.no)
        assert after is not None
        assert (after.state, after.disposition) == ("closed", "fall_no_injury")
    assert alerts.next_steps([one.no, two.no, fall.no]) == {}


def test_a_fall_is_closed_with_what_came_of_it_or_after_somebody_saw_to_the_person(
    here: Homes, store: AlertStore, alerts: Alerts, clock: FixedClock
) -> None:
    fall = store.open(alert_of(here, clock, "fall", severity=model.Severity.EMERGENCY))

    def close(version: int) -> model.Alert:
        return alerts.close(fall.no, by="n", expected_version=version, disposition="advice")

    with pytest.raises(errors.TransitionRefusedError, match="a fall is closed with"):
        close(1)
    alerts.contact(fall.no, by="n", expected_version=1, whom="J", outcome="no_answer")
    alerts.dispatch(fall.no, by="n", expected_version=2, to="E", team="equipment")
    alerts.turn_down(fall.no, by="e", expected_version=3)
    with pytest.raises(errors.TransitionRefusedError, match="a fall is closed with"):
        close(4)  # nobody answered, and who was sent did not go
    alerts.contact(fall.no, by="n", expected_version=4, whom="J", outcome="reached")
    assert close(5).disposition == "advice"


# -- mutes --------------------------------------------------------------------------------------


def window(here: Homes, clock: FixedClock, **changed: object) -> suppression.Mute:
    mute = suppression.Mute(
        starts=clock.now(), ends=clock.now() + timedelta(days=2), reason="in hospital", by="n",
        person_no=here.people[0],
    )  # fmt: skip
    return replace(mute, **changed)  # type: ignore[arg-type]


def test_a_mute_that_is_ended_while_an_alert_is_raised_does_not_hold_it(
    here: Homes, store: AlertStore, mutes: Mutes, clock: FixedClock
) -> None:
    made = mutes.add(window(here, clock, ends=clock.now() + timedelta(days=80)))
    raised: list[model.Alert] = []
    raising = threading.Thread(target=lambda: raised.append(store.open(alert_of(here, clock))))
    with homes.connect(here.url) as db, db.transaction():
        db.execute("UPDATE alerts.mute SET ended_at = %s WHERE no = %s", [clock.now(), made.no])
        raising.start()
        raising.join(0.5)
    raising.join(10)
    assert raised[0].snoozed_until is None


def test_a_mute_holds_what_is_no_emergency_and_ending_it_lets_go(
    here: Homes, store: AlertStore, alerts: Alerts, mutes: Mutes, clock: FixedClock
) -> None:
    made = mutes.add(window(here, clock, ends=clock.now() + timedelta(hours=10)))
    assert mutes.listed() == mutes.listed(person_no=here.people[0]) == [made]
    assert mutes.listed(person_no=here.people[1]) == []
    clock.advance(60)
    held = store.open(alert_of(here, clock, "a"))
    assert held.snoozed_until == made.mute.ends
    owned = store.open(alert_of(here, clock, "b"))
    alerts.acknowledge(owned.no, by="n", expected_version=1)
    own = store.open(alert_of(here, clock, "d", severity=model.Severity.SOON))
    alerts.snooze(own.no, by="n", expected_version=1, until=made.mute.ends, reason="later")
    urgent = store.open(alert_of(here, clock, "c", severity=model.Severity.EMERGENCY))
    assert urgent.snoozed_until is None
    clock.advance(60)
    ended = mutes.end(made.no)
    assert ended is not None
    assert ended.ended_at == clock.now()
    assert mutes.listed() == []
    due = alerts.next_steps([held.no, owned.no, own.no])
    assert due[own.no].due_at == made.mute.ends  # somebody put that off, not the window
    assert (due[held.no].kind, due[held.no].due_at) == ("snooze_ends", clock.now())
    assert due[owned.no].kind == "acknowledgement_ends"
    after = alerts.get(held.no)
    assert after is not None
    assert after.next_step_at == after.snoozed_until == clock.now()
    again = mutes.end(made.no)
    assert again == ended
    assert mutes.end(10**9) is None


def test_what_another_window_still_covers_stays_held_until_that_ones_end(
    here: Homes, pool: Pool, store: AlertStore, alerts: Alerts, mutes: Mutes, clock: FixedClock
) -> None:
    tomorrow = clock.now() + timedelta(days=1)
    mutes.add(window(here, clock, person_no=None, dwelling_no=here.homes[0], ends=tomorrow))
    longer = mutes.add(window(here, clock))
    held = store.open(alert_of(here, clock))
    mutes.end(longer.no)
    due = alerts.next_steps([held.no])[held.no]
    assert due.due_at == tomorrow
    steps = Steps(pool, router=Router(age_s=0.0, clock=clock))
    steps.tick(now=clock.now())
    assert kinds(alerts, held) == ["raised"]
    clock.advance(86_400)
    steps.tick(now=clock.now())
    assert kinds(alerts, held) == ["raised", "due_again"]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"ends": timedelta(seconds=-1)}, "in the past"),
        ({"starts": timedelta(days=3)}, "ends before it starts"),
        ({"ends": timedelta(days=91)}, "90 days at most"),
        ({"reason": "  "}, "needs a reason"),
    ],
)
def test_a_mute_has_an_end_within_bounds_and_a_reason(
    here: Homes, mutes: Mutes, clock: FixedClock, changed: dict[str, object], why: str
) -> None:
    now: datetime = clock.now()
    values = {k: now + v if isinstance(v, timedelta) else v for k, v in changed.items()}
    with pytest.raises(errors.MuteRefusedError, match=why):
        mutes.add(window(here, clock, **values))
    assert mutes.listed() == []
