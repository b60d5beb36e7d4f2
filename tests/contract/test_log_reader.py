"""The log readers on a real database: exactly once, whatever dies when."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import numpy as np
import psycopg
import pytest
import structlog

from alerts import engine, errors, plan, ports, reader
from alerts.rules import pack, registry
from alerts.storage.alarms import AlarmLog
from alerts.storage.readings import ReadingLog
from alerts.storage.signals import Signals
from alerts.storage.upkeep import Upkeep
from ingest import telemetry
from ingest.kernel.clock import SystemClock
from ingest.kernel.errors import StoreUnavailableError
from ingest.storage.pool import open_pool
from tests.contract import homes
from tests.contract.homes import Homes, Writer
from tests.support import waiting

pytestmark = pytest.mark.service
PACKS = registry.load()
CLOCK = SystemClock()


def the_plan() -> plan.Plan:
    return plan.compile_packs(PACKS.packs.values(), plan.Defaults())


@contextmanager
def alarm_log(url: str) -> Iterator[AlarmLog]:
    log = AlarmLog.open(
        url, rules=PACKS.of(pack.AlarmRule), late_after_s=900, teams_age_s=10, clock=CLOCK
    )
    try:
        yield log
    finally:
        log.close()


@contextmanager
def reading_log(url: str, *, repage_s: float = 1_800) -> Iterator[ReadingLog]:
    log = ReadingLog.open(
        url, rules=PACKS.rules, round_rows=20_000, repage_s=repage_s, implausible=(3, 86_400),
        teams_age_s=10, clock=CLOCK,
    )  # fmt: skip
    try:
        yield log
    finally:
        log.close()


def session(log: ReadingLog) -> reader.Session:
    made = reader.Session(log, the_plan(), CLOCK, packs=PACKS.digest)
    made.balance()
    return made


# --- alarms --------------------------------------------------------------------------------------


def test_a_press_becomes_an_open_emergency_of_the_areas_nurses(here: Homes, event: Writer) -> None:
    event.alarm(here, 0, now=CLOCK.epoch(), place="bathroom")
    with alarm_log(here.url) as log:
        assert log.round() == (1, {"raised": 1})
        assert log.round() == (0, {})
    ((episode, severity, state, title, team, person),) = homes.alerts(
        here.url, "episode, severity, state, title, team_no, person_no"
    )
    assert episode == f"person:{here.people[0]}/sos"
    assert (severity, state, title) == ("emergency", "open", "Call for help in the bathroom")
    assert team == here.teams["district_nursing"]
    assert person == here.people[0]


def test_a_repeat_of_the_same_alarm_changes_nothing(here: Homes, event: Writer) -> None:
    now = CLOCK.epoch()
    with alarm_log(here.url) as log:
        event.alarm(here, 0, now=now)
        log.round()
        event.alarm(here, 0, now=now + 10)
        assert log.round() == (0, {})
    assert homes.kinds(here.url) == ["raised"]


def test_a_second_press_on_an_open_alert_pages_again(here: Homes, event: Writer) -> None:
    now = CLOCK.epoch()
    with alarm_log(here.url) as log:
        event.alarm(here, 0, now=now)
        log.round()
        with homes.connect(here.url) as db:
            db.execute("UPDATE alerts.alert SET state = 'acknowledged', owner = 'nurse'")
        event.alarm(here, 0, now=now, alarm_id="a2")
        log.round()
    ((state, owner, pages, version),) = homes.alerts(here.url, "state, owner, pages, version")
    assert (state, owner, pages, version) == ("open", None, 2, 2)
    assert homes.kinds(here.url) == ["raised", "pressed_again"]


def test_a_cancel_marks_the_alert_and_a_person_still_closes_it(here: Homes, event: Writer) -> None:
    now = CLOCK.epoch()
    with alarm_log(here.url) as log:
        event.alarm(here, 0, now=now)
        log.round()
        event.alarm(here, 0, now=now, cancel=True)
        log.round()
    ((_, severity, state, condition, *_),) = homes.alerts(here.url)
    assert (severity, state, condition) == ("emergency", "open", "cleared")
    assert homes.kinds(here.url) == ["raised", "cancelled"]


def test_cancelling_one_of_two_presses_leaves_the_alert_active(here: Homes, event: Writer) -> None:
    now = CLOCK.epoch()
    with alarm_log(here.url) as log:
        event.alarm(here, 0, now=now)
        event.alarm(here, 0, now=now, alarm_id="a2")
        log.round()
        event.alarm(here, 0, now=now, cancel=True)
        log.round()
        assert homes.alerts(here.url, "condition") == [("active",)]
        event.alarm(here, 0, now=now, alarm_id="a2", cancel=True)
        log.round()
        assert homes.alerts(here.url, "condition") == [("cleared",)]


def test_a_cancel_whose_alarm_never_came_is_shown(here: Homes, event: Writer) -> None:
    now = CLOCK.epoch()
    with alarm_log(here.url) as log:
        event.alarm(here, 0, now=now, cancel=True)
        log.round()
        ((_, severity, _, condition, title, reason),) = homes.alerts(here.url)
        assert (severity, condition) == ("information", "cleared")
        assert "never arrived" in reason
        assert title.endswith("cancelled")
        event.alarm(here, 0, now=now)  # and then it does come: it pages
        log.round()
    ((_, severity, state, _, _, reason),) = homes.alerts(here.url)
    assert (severity, state) == ("emergency", "open")
    assert "cancelled at the device" in reason


def test_a_cancel_after_closing_is_written_on_the_closed_alert(here: Homes, event: Writer) -> None:
    now = CLOCK.epoch()
    with alarm_log(here.url) as log:
        event.alarm(here, 0, now=now)
        log.round()
        with homes.connect(here.url) as db:
            db.execute("UPDATE alerts.alert SET state = 'closed'")
        event.alarm(here, 0, now=now, cancel=True)
        log.round()
    assert [a[2] for a in homes.alerts(here.url)] == ["closed"]
    assert homes.kinds(here.url) == ["raised", "cancelled"]


def test_a_press_six_hours_old_pages_and_says_so(here: Homes, event: Writer) -> None:
    now = CLOCK.epoch()
    event.alarm(here, 0, now=now, time=now - 6 * 3_600 - 5, flags=homes.HISTORICAL)
    with alarm_log(here.url) as log:
        log.round()
    ((_, severity, _, _, _, reason),) = homes.alerts(here.url)
    assert severity == "emergency"
    assert reason.startswith("Pressed 6 h ago")
    assert "delivered now" in reason


@pytest.mark.parametrize("flags", [homes.RETAINED, homes.IMPORTED])
def test_retained_and_imported_alarms_page_nobody(here: Homes, event: Writer, flags: int) -> None:
    event.alarm(here, 0, now=CLOCK.epoch(), flags=flags)
    with alarm_log(here.url) as log:
        assert log.round() == (1, {"silent": 1})
        assert log.round() == (0, {})
    assert homes.alerts(here.url) == []


def test_an_unregistered_device_pages_the_telecare_operator(here: Homes, event: Writer) -> None:
    event.alarm(here, None, now=CLOCK.epoch(), device="stranger")
    with alarm_log(here.url) as log:
        log.round()
    ((episode, team, because),) = homes.alerts(here.url, "episode, team_no, routed_because")
    assert episode == "device:maple-court/stranger/sos"
    assert team == here.teams["telecare_operator"]
    assert "not registered" in because


def test_an_unreadable_alarm_pages(here: Homes, event: Writer) -> None:
    event.alarm(here, 0, now=CLOCK.epoch(), quantity="")
    with alarm_log(here.url) as log:
        log.round()
    ((rule, severity, *_, title, _),) = homes.alerts(here.url)
    assert (rule, severity) == ("unreadable_alarm", "emergency")
    assert title == "Alarm that could not be read"


def test_without_any_team_the_built_in_one_takes_it(store_url: str) -> None:
    made = Homes.make(store_url)
    with homes.connect(store_url) as db:
        db.execute("DELETE FROM alerts.team")
    writer = Writer(store_url, "event")
    writer.alarm(made, 0, now=CLOCK.epoch())
    with alarm_log(store_url) as log:
        log.round()
    writer.close()
    with homes.connect(store_url) as db:
        row = db.execute(
            "SELECT t.id FROM alerts.alert a JOIN alerts.team t ON t.no = a.team_no"
        ).fetchone()
    assert row == ("hub-default",)


def test_two_readers_of_the_alarms_raise_each_once(here: Homes, event: Writer) -> None:
    with alarm_log(here.url) as one, alarm_log(here.url) as two:
        for n in range(10):
            event.alarm(here, n % 3, now=CLOCK.epoch(), alarm_id=f"x{n}")
            (one if n % 2 else two).round()
            (two if n % 2 else one).round()
    assert homes.kinds(here.url).count("raised") == 3
    assert len(homes.kinds(here.url)) == 10


def test_a_reader_that_is_judging_is_passed_by_and_its_death_loses_nothing(
    here: Homes, event: Writer
) -> None:
    event.alarm(here, 0, now=CLOCK.epoch())
    with alarm_log(here.url) as one, alarm_log(here.url) as two:
        one.round()  # makes the cursor
        event.alarm(here, 1, now=CLOCK.epoch(), alarm_id="b")
        with psycopg.connect(here.url) as holding:
            holding.execute("SELECT * FROM alerts.cursor WHERE stream = -1 FOR UPDATE")
            assert two.round() == (0, {})
        assert two.round() == (1, {"raised": 1})


def test_a_session_that_ends_between_judging_and_commit_writes_nothing(
    here: Homes, event: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from alerts.storage import ledger

    event.alarm(here, 0, now=CLOCK.epoch())
    whole = ledger.Ledger.write

    def dies(self: ledger.Ledger) -> None:
        whole(self)
        with homes.connect(here.url) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'telecare alerts alarms'"
                " AND datname = current_database()"
            )

    with alarm_log(here.url) as log:
        monkeypatch.setattr(ledger.Ledger, "write", dies)
        with pytest.raises(StoreUnavailableError):
            log.round()
    monkeypatch.undo()
    assert homes.alerts(here.url) == []
    with alarm_log(here.url) as log:
        assert log.round() == (1, {"raised": 1})
    assert homes.kinds(here.url) == ["raised"]


# --- readings ------------------------------------------------------------------------------------


def test_a_low_saturation_is_an_alert_with_its_reading_and_its_limit(
    here: Homes, obs: Writer
) -> None:
    now = CLOCK.epoch()
    with reading_log(here.url) as log:
        judging = session(log)
        obs.rows(here.rows((0, "spo2", 84.0, now - 1), now=now))
        assert judging.round() == (1, False)
        assert judging.round() == (0, False)
    found = {a[0]: a for a in homes.alerts(here.url)}
    assert set(found) == {"limits.spo2", "news2"}
    _, severity, state, condition, title, reason = found["limits.spo2"]
    assert (severity, state, condition) == ("urgent", "open", "active")
    assert title == "Oxygen saturation 84 %, below 93 %"
    assert "lower limit 93 % (default)" in reason
    assert found["news2"][1] == "soon"  # a single 3
    assert "at least 3" in found["news2"][4]
    ((evidence,), _) = homes.alerts(here.url, "evidence")
    assert evidence[0]["code"] == "spo2"
    assert evidence[0]["value"] == 84.0
    assert evidence[0]["unit"] == "%"


def test_a_personal_limit_wins_and_a_changed_register_is_taken_in(here: Homes, obs: Writer) -> None:
    now = CLOCK.epoch()
    with homes.connect(here.url) as db:
        db.execute(
            """UPDATE ingest.person SET limits = '{"spo2": {"low": 80}}' WHERE no = %s""",
            [here.people[0]],
        )
    with reading_log(here.url) as log:
        judging = session(log)
        obs.rows(here.rows((0, "spo2", 84.0, now - 5), now=now))
        judging.round()
        assert "limits.spo2" not in {a[0] for a in homes.alerts(here.url)}
        with homes.connect(here.url) as db:
            db.execute("""UPDATE ingest.person SET limits = '{"spo2": {"low": 88}}'""")
        judging.renew()
        obs.rows(here.rows((0, "spo2", 84.0, now - 4), now=now))
        judging.round()
    found = {a[0]: a[5] for a in homes.alerts(here.url)}
    assert "lower limit 88 % (care plan)" in found["limits.spo2"]


def test_worse_pages_again_better_clears_and_silence_clears_nothing(
    here: Homes, obs: Writer
) -> None:
    now = CLOCK.epoch()
    well = [("resp_rate", 16.0), ("systolic", 120.0), ("heart_rate", 70.0),
            ("body_temperature", 37.0), ("acvpu", 0.0), ("spo2", 97.0)]  # fmt: skip
    with reading_log(here.url) as log:
        judging = session(log)

        def send(at: float, **changes: float) -> None:
            values = dict(well) | changes
            obs.rows(here.rows(*((0, q, v, at) for q, v in values.items()), now=now))
            judging.round()

        send(now - 50)
        assert homes.alerts(here.url) == []
        send(now - 40, resp_rate=25.0)  # a single 3
        assert [a[1] for a in homes.alerts(here.url)] == ["soon"]
        send(now - 30, resp_rate=25.0, heart_rate=115.0)  # 5
        assert [a[1] for a in homes.alerts(here.url) if a[0] == "news2"] == ["urgent"]
        send(now - 20, resp_rate=25.0, heart_rate=115.0, systolic=95.0)  # 7
        ((severity, pages),) = [
            a[1:] for a in homes.alerts(here.url, "rule_id, severity, pages") if a[0] == "news2"
        ]
        assert (severity, pages) == ("emergency", 3)
        # a reading of one part alone, good: the others still hold the score up
        obs.rows(here.rows((0, "spo2", 98.0, now - 10), now=now))
        judging.round()
        send(now - 5)
        (condition,) = [
            a[1] for a in homes.alerts(here.url, "rule_id, condition") if a[0] == "news2"
        ]
        assert condition == "cleared"
        assert {a[2] for a in homes.alerts(here.url)} == {"open"}


def test_old_readings_make_a_late_alert_and_history_none(here: Homes, obs: Writer) -> None:
    now = CLOCK.epoch()
    with reading_log(here.url) as log:
        judging = session(log)
        obs.rows(here.rows((0, "spo2", 84.0, now - 3 * 3_600), now=now))
        obs.rows(here.rows((1, "spo2", 84.0, now - 90_000), now=now, flags=homes.HISTORICAL))
        obs.rows(here.rows((2, "spo2", 84.0, now - 60), now=now, flags=homes.IMPORTED))
        judging.round()
    found = homes.alerts(here.url, "person_no, severity, late, reason")
    assert {(p, s, late) for p, s, late, _ in found} == {(here.people[0], "soon", True)}
    assert "delivered now" in found[0][3]


def test_impossible_readings_are_no_vital_but_after_three_an_equipment_fault(
    here: Homes, obs: Writer
) -> None:
    now = CLOCK.epoch()
    with reading_log(here.url) as log:
        judging = session(log)
        for n in range(5):
            obs.rows(
                here.rows((0, "heart_rate", 400.0 + n, now - n), now=now, flags=homes.IMPLAUSIBLE)
            )
            judging.round()
            assert len(homes.alerts(here.url)) == (n >= 2)
    ((rule, team, device, reason),) = homes.alerts(here.url, "rule_id, team_no, device_no, reason")
    assert rule == "equipment.implausible"
    assert team == here.teams["equipment"]
    assert device == here.devices[0]
    assert reason.startswith("3 impossible readings within 24 h")


def test_an_alert_closed_by_a_person_is_raised_anew_by_the_next_bad_reading(
    here: Homes, obs: Writer
) -> None:
    now = CLOCK.epoch()
    with reading_log(here.url) as log:
        judging = session(log)
        obs.rows(here.rows((0, "heart_rate", 120.0, now - 5), now=now))
        judging.round()
        with homes.connect(here.url) as db:
            db.execute("UPDATE alerts.alert SET state = 'closed'")
            db.execute(
                "INSERT INTO alerts.event SELECT nextval('alerts.event_no'), no, now(), 'closed',"
                " 'n', NULL, '{}', 2 FROM alerts.alert"
            )
        obs.rows(here.rows((0, "heart_rate", 121.0, now - 4), now=now))
        judging.round()
    states = homes.alerts(here.url, "state")
    assert [s for (s,) in states] == ["closed", "open"]


def test_more_of_the_same_makes_no_noise(here: Homes, obs: Writer) -> None:
    now = CLOCK.epoch()
    with reading_log(here.url) as log:
        judging = session(log)
        for n in range(20):
            obs.rows(here.rows((0, "heart_rate", 120.0, now - 40 + n), now=now))
            judging.round()
    assert homes.kinds(here.url) == ["raised"]


def test_one_persons_rows_that_can_not_be_judged_stop_nobody_elses(
    here: Homes, obs: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = CLOCK.epoch()
    whole = engine.Engine.on_data

    def trips(*args: Any, **named: Any) -> Any:
        if (args[1]["value"] == 123.0).any() and not (args[1]["flags"] & homes.IMPORTED).any():
            raise ZeroDivisionError
        return whole(*args, **named)

    monkeypatch.setattr(engine.Engine, "on_data", trips)
    obs.rows(
        here.rows((0, "heart_rate", 123.0, now - 5), (1, "heart_rate", 124.0, now - 5), now=now)
    )
    stop = threading.Event()
    loop = reader.ReadingLoop(
        log=lambda: ReadingLog.open(
            here.url, rules=PACKS.rules, round_rows=20_000, repage_s=1_800,
            implausible=(3, 86_400), teams_age_s=10, clock=CLOCK,
        ),
        signals=lambda: Signals.open(here.url, "ingest_log"),
        plan=the_plan, packs=PACKS.digest, pace=reader.Pace(tick=0.1, pause=0.01, balance=1),
        clock=CLOCK, rng=np.random.default_rng(1),
    )  # fmt: skip
    thread = threading.Thread(target=loop.run, args=[stop])
    thread.start()
    try:
        waiting.until(lambda: homes.alerts(here.url), "the other person's alert is raised")
    finally:
        stop.set()
        thread.join(10)
    assert homes.alerts(here.url, "person_no") == [(here.people[1],)]


def unread_triggers() -> float:
    counted = telemetry.REGISTRY.get_sample_value("telecare_care_plan_triggers_unread_total")
    return counted or 0.0


def test_a_care_plans_trigger_that_can_not_be_judged_is_told_and_its_neighbours_are_judged(
    here: Homes, obs: Writer
) -> None:
    good = '{"id": "fast", "title": "Fast", "severity": "soon", "when": "heart_rate > 90"}'
    with psycopg.connect(here.url) as db:
        db.execute(
            "UPDATE ingest.person SET triggers = %s WHERE no = %s",
            (f"[{good}, {good.replace('heart_rate', 'no_such_thing')}]", here.people[0]),
        )
    before = unread_triggers()
    now = CLOCK.epoch()
    with reading_log(here.url) as log:
        with structlog.testing.capture_logs() as said:
            one = session(log)
        assert unread_triggers() == before + 1
        obs.rows(here.rows((0, "heart_rate", 95.0, now - 5), now=now))
        while one.round()[1]:
            pass
    assert [(e["log_level"], e["triggers"]) for e in said if "triggers" in e] == [("error", 1)]
    assert homes.alerts(here.url, "rule_id") == [("care_plan.fast",)]


def test_two_readers_fence_each_other_by_the_cursor(here: Homes, obs: Writer) -> None:
    now = CLOCK.epoch()
    with reading_log(here.url) as one:
        first = session(one)
        obs.rows(here.rows((0, "heart_rate", 120.0, now - 5), now=now))
        chunk = one.read()
        # Another process believes to hold the same shards, reads the same and is faster.
        with homes.connect(here.url) as db:
            db.execute("UPDATE alerts.cursor SET batch = batch + 1")
        found = first.engine.on_data(chunk.rows, now=now)
        with pytest.raises(errors.LostCursorError):
            one.commit(chunk, ports.Findings(found=found))
    assert homes.alerts(here.url) == []


def test_a_crash_between_judging_and_commit_loses_and_doubles_nothing(
    here: Homes, obs: Writer
) -> None:
    now = CLOCK.epoch()
    with reading_log(here.url) as log:
        judging = session(log)
        obs.rows(here.rows((0, "heart_rate", 120.0, now - 5), now=now))
        chunk = log.read()
        assert len(judging.engine.on_data(chunk.rows, now=now)) == 1
    with reading_log(here.url) as log:  # the next process
        judging = session(log)
        judging.round()
        judging.round()
    assert homes.kinds(here.url) == ["raised"]
    with reading_log(here.url) as log:  # and one that starts after the commit
        judging = session(log)
        assert judging.round() == (0, False)
        obs.rows(here.rows((0, "heart_rate", 121.0, now - 4), now=now))
        judging.round()
    assert homes.kinds(here.url) == ["raised"]


def test_memory_is_rebuilt_from_the_store(here: Homes, obs: Writer) -> None:
    now = CLOCK.epoch()
    with reading_log(here.url) as log:
        judging = session(log)
        obs.rows(
            here.rows((0, "resp_rate", 22.0, now - 20), (0, "systolic", 95.0, now - 20), now=now)
        )
        judging.round()
        assert homes.alerts(here.url) == []  # 2 + 2
    with reading_log(here.url) as log:
        judging = session(log)
        obs.rows(here.rows((0, "heart_rate", 95.0, now - 10), now=now))
        judging.round()
    ((rule, severity, *_),) = homes.alerts(here.url)
    assert (rule, severity) == ("news2", "urgent")  # 5


def test_batches_of_several_writers_are_each_read_once_in_order(here: Homes) -> None:
    now = CLOCK.epoch()
    writers = [Writer(here.url) for _ in range(3)]
    with reading_log(here.url) as log:
        session(log)
        seen = []
        for n in range(12):
            writers[n % 3].rows(here.rows((n % 3, "weight", 70.0 + n, now - n), now=now))
            if n % 4 == 3:
                chunk = log.read()
                seen += chunk.rows["value"].tolist()
                log.commit(chunk, ports.Findings())
        assert sorted(seen) == [70.0 + n for n in range(12)]
        assert not log.read().moves
    for writer in writers:
        writer.close()


def test_a_batch_that_commits_late_is_not_skipped(here: Homes) -> None:
    now = CLOCK.epoch()
    slow, fast = Writer(here.url), Writer(here.url)
    # TimescaleDB makes one writer wait for another that needs a new chunk: it is there already
    fast.rows(here.rows((2, "heart_rate", 70.0, now), now=now))
    with reading_log(here.url) as log:
        judging = session(log)
        judging.round()
        slow.rows(here.rows((0, "heart_rate", 120.0, now), now=now), commit=False)
        fast.rows(here.rows((1, "heart_rate", 120.0, now), now=now))
        assert judging.round() == (1, False)
        slow.db.commit()
        assert judging.round() == (1, False)
    slow.close()
    fast.close()
    assert homes.kinds(here.url) == ["raised", "raised"]


def test_shards_are_shared_fairly_and_taken_over(here: Homes) -> None:
    with reading_log(here.url) as one:
        assert len(one.balance()[0]) == 64
        with reading_log(here.url) as two:
            assert two.balance() == ([], [])
            assert len(one.balance()[1]) == 32
            assert len(two.balance()[0]) == 32
        gained: list[int] = []
        until = CLOCK.monotonic() + 10
        while len(gained) < 32 and CLOCK.monotonic() < until:
            gained += one.balance()[0]  # the server notices a closed session in its own time
        assert len(gained) == 32


def test_a_version_of_the_log_that_is_not_known_is_refused(here: Homes, obs: Writer) -> None:
    with reading_log(here.url) as log:
        session(log)
        obs.rows(here.rows((0, "weight", 70.0, CLOCK.epoch()), now=CLOCK.epoch()))
        with homes.connect(here.url) as db:
            db.execute("UPDATE ingest.log SET version = 99")
        with pytest.raises(ValueError, match="version 99"):
            log.read()


# --- upkeep --------------------------------------------------------------------------------------


@contextmanager
def upkeep(url: str) -> Iterator[Upkeep]:
    pool = open_pool(url, name="test", most=2)
    try:
        yield Upkeep(
            pool, rules=PACKS.rules, keep_log_days=7, keep_readings_days=None,
            keep_quarantine_days=90, hub_timed_window_s=600, clock=CLOCK,
        )  # fmt: skip
    finally:
        pool.close()


def aged(url: str) -> None:
    with homes.connect(url) as db:
        db.execute("UPDATE ingest.writer SET opened_at = now() - interval '1 hour'")


def test_a_writer_retires_once_it_is_gone_and_judged(here: Homes) -> None:
    writer = Writer(here.url)
    now = CLOCK.epoch()
    with reading_log(here.url) as log, upkeep(here.url) as keep:
        judging = session(log)
        writer.rows(here.rows((0, "weight", 70.0, now), now=now))
        writer.alarm(here, 0, now=now)
        aged(here.url)
        assert keep.retire_writers() == []  # alive
        writer.close()
        assert keep.retire_writers() == []  # unread
        judging.round()
        assert keep.retire_writers() == []  # the alarm is unread
        with alarm_log(here.url) as alarms:
            alarms.round()
        assert keep.retire_writers() == [writer.no]
        assert keep.retire_writers() == []
        assert judging.round() == (0, False)
    with homes.connect(here.url) as db:
        assert db.execute("SELECT count(*) FROM alerts.cursor").fetchone() == (0,)


def test_partitions_and_retention_run_and_keep_an_unjudged_log(here: Homes, obs: Writer) -> None:
    now = CLOCK.epoch()
    obs.rows(here.rows((0, "weight", 70.0, now), now=now))
    with upkeep(here.url) as keep:
        keep.partitions()
        assert keep.retention() == []
        health = keep.health()
        assert health.readings_lag_s > 0
        assert health.probe_age_s is None


def test_the_hubs_own_trouble_is_an_alert_that_clears(here: Homes) -> None:
    from alerts import watchdog

    def judged(lag: float, probe: float) -> list[watchdog.Verdict]:
        health = ports.Health(
            at=datetime.now(UTC), readings_lag_s=lag, alarms_lag_s=0.0, probe_age_s=probe
        )
        return list(watchdog.judge(health, up_s=1e6, lag_limit_s=60, probe_limit_s=60))

    with upkeep(here.url) as keep:
        keep.tell(judged(0.0, 1.0))
        assert homes.alerts(here.url) == []
        keep.tell(judged(100.0, 100.0))
        keep.tell(judged(101.0, 101.0))
        found = homes.alerts(here.url, "source, rule_id, team_no, condition")
        assert {f[1] for f in found} == {"hub.readings_late", "hub.gateway_silent"}
        assert {f[2] for f in found} == {here.teams["telecare_operator"]}
        keep.tell(judged(1.0, 1.0))
        assert {a[3] for a in homes.alerts(here.url)} == {"cleared"}
        keep.tell(judged(100.0, 1.0))
    assert [k for k in homes.kinds(here.url) if k != "cleared"] == ["raised", "raised", "changed"]


def test_steps_and_messages_of_alerts_closed_long_ago_go_and_those_of_open_ones_stay(
    here: Homes,
) -> None:
    with homes.connect(here.url) as db:
        for state, days in (("closed", 500), ("closed", 100), ("closed", 10), ("open", 500)):
            no = db.execute(
                "INSERT INTO alerts.alert (episode, source, rule_id, rule_version, severity, title,"
                " reason, raised_at, state) VALUES (%s, 'rule', 'r', '1', 'soon', 'T', 'R',"
                " now(), %s) RETURNING no", [f"{state}{days}", state]
            ).fetchone()  # fmt: skip
            assert no is not None
            values = {"no": no[0], "days": days}
            db.execute(
                "INSERT INTO alerts.step (alert_no, run, position, repetition, kind, rank, due_at,"
                " state, done_at) SELECT %(no)s, 1, 0, 0, 'tell', 2, t, 'done', t"
                " FROM (SELECT now() - %(days)s * interval '1 day') x (t)", values
            )  # fmt: skip
            db.execute(
                "INSERT INTO alerts.delivery (key, alert_no, run, position, repetition, channel,"
                " receiver_kind, owner_no, language, template, urgency, state, next_at, queued_at)"
                " SELECT %(no)s::text, %(no)s, 1, 0, 0, 'sms', 'team', 1, 'en', 'waiting', 2,"
                " 'sent', t, t FROM (SELECT now() - %(days)s * interval '1 day') x (t)", values
            )  # fmt: skip
    with upkeep(here.url) as keep:
        keep.retention()
    with homes.connect(here.url) as db:
        left = {
            table: [e for (e,) in db.execute(
                f"SELECT a.episode FROM alerts.{table} x JOIN alerts.alert a ON a.no = x.alert_no"
                " ORDER BY a.no").fetchall()]
            for table in ("step", "delivery")
        }  # fmt: skip
    assert left == {
        "step": ["closed10", "open500"], "delivery": ["closed100", "closed10", "open500"],
    }  # fmt: skip
