"""The memory of the rules on a real database: made again after a loss, and what only it finds."""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from alerts import explain, model, plan, ports, reader
from alerts.rules import registry
from alerts.storage.alerts import AlertStore
from alerts.storage.readings import ReadingLog
from alerts.storage.upkeep import Upkeep
from ingest.kernel.clock import SystemClock
from ingest.kernel.observation import Rows
from ingest.storage.pool import open_pool
from tests.contract import homes
from tests.contract.homes import Homes, Writer

pytestmark = pytest.mark.service
CLOCK = SystemClock()
DAY = 86_400.0


@contextmanager
def working(
    url: str, *, shadow: tuple[str, ...] = (), repage_s: float = 1_800
) -> Iterator[reader.Session]:
    packs = registry.load(shadow=shadow)
    log = ReadingLog.open(
        url, rules=packs.rules, round_rows=20_000, repage_s=repage_s, implausible=(3, DAY),
        teams_age_s=10, clock=CLOCK,
    )  # fmt: skip
    try:
        made = reader.Session(
            log,
            plan.compile_packs(packs.packs.values(), plan.Defaults()),
            CLOCK,
            packs=packs.digest,
        )
        made.balance()
        yield made
    finally:
        log.close()


def listening(url: str, *, since: float) -> None:
    """Let the hub have listened without a break since then."""
    with homes.connect(url) as db:
        db.execute(
            "INSERT INTO alerts.hearing (since, at) VALUES (to_timestamp(%s), now())"
            " ON CONFLICT (one) DO UPDATE SET since = excluded.since, at = excluded.at",
            [since],
        )


def promise(here: Homes, who: int, since: float, **cadence: float) -> None:
    """Register what a device sends, and whose it is, from a time on."""
    with homes.connect(here.url) as db:
        db.execute(
            "UPDATE ingest.device SET cadence = %s, registered_at = to_timestamp(%s) WHERE no = %s",
            [json.dumps(cadence), since, here.devices[who]],
        )
        db.execute(
            "INSERT INTO ingest.assignment (device_no, person_no, home_no, starts)"
            " VALUES (%s, %s, %s, to_timestamp(%s))",
            [here.devices[who], here.people[who], here.homes[who], since],
        )


def contents(session: reader.Session) -> dict[str, Any]:
    """Return everything that is remembered, whatever the order of the rows."""
    memory = session.engine.memory
    found: dict[str, Any] = {}
    for shard in range(64):
        raw = zlib.decompress(memory.dump(shard, packs=""))
        with np.load(io.BytesIO(raw)) as file:
            parts = {n: file[n] for n in file.files if n != "head"}
        for name, array in parts.items():
            if name.rpartition(".")[2] in ("due", "told_at", "raised_at", "pending_at"):
                continue  # when the clock looks again, and when it was told
            if ".open" in name or name.startswith(("series.days", "home.activity")):
                continue
            found.setdefault(name, []).append(array)
    return {n: sorted(repr(row) for a in arrays for row in a) for n, arrays in found.items()}


def mixed(here: Homes, *, now: float, days: int = 3) -> list[Rows]:
    """Vitals of everybody and motion in their homes, in batches as they might have come."""
    rng = np.random.default_rng(7)
    out = []
    for day in range(days, -1, -1):
        readings = [
            (who, name, float(rng.integers(60, 99)), now - day * DAY - float(rng.integers(10, 900)))
            for who in range(3)
            for name in ("heart_rate", "spo2", "weight", "systolic", "glucose")
        ]
        readings += [
            (who, "motion", 1.0, now - day * DAY - n * 700.0) for who in range(3) for n in range(20)
        ]
        readings += [(who, "bed_occupied", float(day % 2), now - day * DAY - 60) for who in (0, 1)]
        rng.shuffle(readings)  # type: ignore[arg-type]
        typed = [(int(a), str(b), float(c), float(d)) for a, b, c, d in readings]
        late = homes.HISTORICAL if day else 0
        out.append(here.rows(*typed, now=now - day * DAY, flags=late))
    return out


def test_a_memory_made_from_checkpoint_and_log_equals_the_one_that_was_lost(
    here: Homes, obs: Writer
) -> None:
    now = CLOCK.epoch()
    batches = mixed(here, now=now)
    with working(here.url) as lost:
        for n, rows in enumerate(batches):
            obs.rows(rows)
            lost.round()
            if n == 1:
                lost.save_all()  # and more is judged after it, then the process dies
        before = contents(lost)
    with working(here.url) as again:
        assert contents(again) == before
        assert again.round() == (0, False)
    assert before["series.value"]


def test_without_a_checkpoint_the_same_memory_comes_from_the_store(
    here: Homes, obs: Writer
) -> None:
    now = CLOCK.epoch()
    with working(here.url) as lost:
        for rows in mixed(here, now=now):
            obs.rows(rows)
            lost.round()
        before = contents(lost)
    with working(here.url) as again:
        after = contents(again)
    for name in ("series.value", "series.time", "days.last", "days.when", "activity.days",
                 "activity.hours", "activity.counts", "home_states.value"):  # fmt: skip
        assert after[name] == before[name], name


def test_a_checkpoint_of_other_rules_is_not_used(here: Homes, obs: Writer) -> None:
    now = CLOCK.epoch()
    with working(here.url) as lost:
        obs.rows(here.rows((0, "heart_rate", 70.0, now - 5), now=now))
        lost.round()
        lost.save_all()
    with homes.connect(here.url) as db:
        db.execute("UPDATE alerts.checkpoint SET packs = 'others', state = 'nonsense'")
    with working(here.url) as again:
        assert again.engine.memory.series.count == 1


def test_a_damaged_checkpoint_is_not_used_either(here: Homes, obs: Writer) -> None:
    now = CLOCK.epoch()
    with working(here.url) as lost:
        obs.rows(here.rows((0, "heart_rate", 70.0, now - 5), now=now))
        lost.round()
        lost.save_all()
    with homes.connect(here.url) as db:
        db.execute("UPDATE alerts.checkpoint SET state = substr(state, 1, 40)")
    with working(here.url) as again:
        assert again.engine.memory.series.count == 1


def test_a_checkpoint_of_people_who_are_gone_brings_nobody_back(here: Homes, obs: Writer) -> None:
    now = CLOCK.epoch()
    with working(here.url) as lost:
        obs.rows(here.rows((0, "heart_rate", 70.0, now - 5), (1, "spo2", 97.0, now - 5), now=now))
        lost.round()
        lost.save_all()
    with homes.connect(here.url) as db:
        db.execute("DELETE FROM ingest.person WHERE no = %s", [here.people[0]])
    with working(here.url) as again:
        memory = again.engine.memory
        assert memory.people.rows(np.array([here.people[0]]))[0] < 0
        assert memory.people.rows(np.array([here.people[1]]))[0] >= 0
        assert memory.series.count == 1


def test_a_device_that_is_silent_goes_to_equipment_and_clears_when_heard(
    here: Homes, obs: Writer
) -> None:
    now = CLOCK.epoch()
    promise(here, 0, now - 3 * DAY, motion=600.0)
    listening(here.url, since=now - 2 * DAY)
    with working(here.url) as session:
        assert session.sweep() == 1
        assert session.sweep() == 0
        ((rule, team, title, condition, person),) = homes.alerts(
            here.url, "rule_id, team_no, title, condition, person_no"
        )
        assert (rule, condition) == ("equipment.device_silent", "active")
        assert team == here.teams["equipment"]
        assert title == "Device is silent: d0"
        assert person == here.people[0]
        obs.rows(here.rows((0, "motion", 1.0, now), now=now))
        session.round()
    assert homes.alerts(here.url, "condition") == [("cleared",)]


def test_nobody_is_silent_while_the_hub_is_deaf(here: Homes) -> None:
    now = CLOCK.epoch()
    promise(here, 0, now - 3 * DAY, motion=600.0)
    with working(here.url) as session:  # it has never heard anything
        assert session.sweep() == 0
    listening(here.url, since=now - 60)  # it was deaf until a minute ago
    with working(here.url) as session:
        assert session.sweep() == 0
    assert homes.alerts(here.url) == []


def test_a_reading_that_was_not_taken_is_the_nurses(here: Homes, obs: Writer) -> None:
    now = CLOCK.epoch()
    promise(here, 0, now - 5 * DAY, weight=DAY)
    listening(here.url, since=now - 5 * DAY)
    with working(here.url) as session:
        assert session.sweep() == 1
    ((rule, team, reason),) = homes.alerts(here.url, "rule_id, team_no, reason")
    assert rule == "readings.overdue"
    assert team == here.teams["district_nursing"]
    assert reason.startswith("Body weight last heard")


def test_the_hub_that_was_deaf_for_a_while_starts_counting_anew(here: Homes) -> None:
    packs = registry.load()
    with open_pool(here.url, name="test", most=1) as pool:
        upkeep = Upkeep(
            pool, rules=packs.rules, keep_log_days=7, keep_readings_days=None,
            keep_quarantine_days=90, hub_timed_window_s=600, clock=CLOCK,
        )  # fmt: skip
        well = upkeep.health()
        heard = type(well)(at=well.at, readings_lag_s=0, alarms_lag_s=0, probe_age_s=1.0)
        limits = {"lag_limit_s": 60.0, "probe_limit_s": 60.0}
        upkeep.hear(heard, **limits)
        upkeep.hear(heard, **limits)
        with homes.connect(here.url) as db:
            assert db.execute("SELECT count(*) FROM alerts.outage").fetchone() == (0,)
            db.execute("UPDATE alerts.hearing SET since = now() - interval '9 days',"
                       " at = now() - interval '1 hour'")  # fmt: skip
        deaf = type(well)(at=well.at, readings_lag_s=0, alarms_lag_s=0, probe_age_s=None)
        upkeep.hear(deaf, **limits)
        with homes.connect(here.url) as db:
            assert db.execute("SELECT count(*) FROM alerts.outage").fetchone() == (0,)
        upkeep.hear(heard, **limits)
        with homes.connect(here.url) as db:
            ((began, ended),) = db.execute("SELECT began, ended FROM alerts.outage").fetchall()
            row = db.execute("SELECT since FROM alerts.hearing").fetchone()
    assert timedelta(minutes=59) < ended - began < timedelta(minutes=61)
    assert row is not None
    assert row[0] == ended


def test_stillness_is_told_of_the_person_who_lives_alone(here: Homes, obs: Writer) -> None:
    now = CLOCK.epoch()
    listening(here.url, since=now - 2 * DAY)
    obs.rows(here.rows((0, "motion", 1.0, now - 15 * 3_600), now=now - 15 * 3_600))
    with working(here.url) as session:
        session.round()
        session.sweep()
    ((rule, person, dwelling, severity, reason),) = homes.alerts(
        here.url, "rule_id, person_no, dwelling_no, severity, reason"
    )
    assert (rule, severity) == ("inactivity.still", "urgent")
    assert (person, dwelling) == (here.people[0], here.homes[0])
    assert reason.startswith("No motion for 15 h, last at ")


def test_in_a_shared_home_it_is_told_of_the_home(here: Homes, obs: Writer) -> None:
    now = CLOCK.epoch()
    with homes.connect(here.url) as db:
        db.execute("INSERT INTO ingest.person (id, home_no, name) VALUES ('second', %s, 'S')",
                   [here.homes[0]])  # fmt: skip
    listening(here.url, since=now - 2 * DAY)
    obs.rows(here.rows((0, "motion", 1.0, now - 15 * 3_600), now=now - 15 * 3_600))
    with working(here.url) as session:
        session.round()
        session.sweep()
    ((person, dwelling, reason),) = homes.alerts(here.url, "person_no, dwelling_no, reason")
    assert (person, dwelling) == (None, here.homes[0])
    assert "it is not known of whom this is" in reason


def night_zone(now: float) -> str:
    """Return a time zone in which it is the middle of the night now."""
    for hours in range(-12, 13):
        zone = f"Etc/GMT{hours:+d}" if hours else "Etc/GMT"
        if 1 <= datetime.fromtimestamp(now, ZoneInfo(zone)).hour < 4:
            return zone
    raise AssertionError


def test_motion_at_night_asks_the_light_once_and_writes_it_down(here: Homes, obs: Writer) -> None:
    now = CLOCK.epoch()
    with homes.connect(here.url) as db:
        db.execute("UPDATE ingest.site SET timezone = %s", [night_zone(now)])
        (light,) = db.execute(
            "INSERT INTO ingest.device (site_no, name, kind) SELECT site_no, 'light-1', 'light'"
            " FROM ingest.device LIMIT 1 RETURNING no"
        ).fetchone()  # type: ignore[misc]
        db.execute(
            "INSERT INTO ingest.assignment (device_no, home_no, starts)"
            " VALUES (%s, %s, now() - interval '1 day')",
            [light, here.homes[0]],
        )
    with working(here.url) as session:
        for _ in range(2):  # within the five minutes: once
            obs.rows(here.rows((0, "motion", 1.0, CLOCK.epoch()), now=CLOCK.epoch()))
            session.round()
        obs.rows(here.rows((1, "motion", 1.0, CLOCK.epoch()), now=CLOCK.epoch()))  # has no light
        session.round()
    with homes.connect(here.url) as db:
        ((device, body),) = db.execute(
            "SELECT device, body FROM ingest.outbox WHERE tail = 'cmd'"
        ).fetchall()
        decisions = db.execute("SELECT kind, rule_id, dwelling_no FROM alerts.decision").fetchall()
    assert (device, body["do"], body["args"]) == ("light-1", "light_on", {"seconds": 300})
    assert decisions == [("command", "falls.light", here.homes[0])]
    assert homes.alerts(here.url) == []


def test_a_pack_in_the_shadow_writes_what_it_would_have_raised_and_pages_nobody(
    here: Homes, obs: Writer
) -> None:
    now = CLOCK.epoch()
    with working(here.url, shadow=("limits",)) as session:
        for value in (120.0, 121.0, 80.0):
            obs.rows(here.rows((0, "heart_rate", value, CLOCK.epoch()), now=now))
            session.round()
    assert homes.alerts(here.url) == []
    with homes.connect(here.url) as db:
        found = db.execute(
            "SELECT kind, outcome, rule_id, person_no FROM alerts.decision ORDER BY no"
        ).fetchall()
    assert found == [
        ("shadow", "raise", "limits.heart_rate", here.people[0]),
        ("shadow", "clear", "limits.heart_rate", here.people[0]),
    ]


def test_a_score_speaks_for_the_limits_and_the_reason_is_kept(here: Homes, obs: Writer) -> None:
    now = CLOCK.epoch()
    with working(here.url) as session:
        obs.rows(
            here.rows(
                (0, "heart_rate", 135.0, now), (0, "systolic", 85.0, now),
                (0, "body_temperature", 34.0, now), now=now,
            )
        )  # fmt: skip
        session.round()
    ((rule, severity),) = homes.alerts(here.url, "rule_id, severity")
    assert (rule, severity) == ("news2", "emergency")
    assert homes.kinds(here.url) == ["raised", "muted", "muted"]
    with homes.connect(here.url) as db:
        muted = db.execute(
            "SELECT rule_id, reason FROM alerts.decision ORDER BY rule_id"
        ).fetchall()
    assert [r for r, _ in muted] == ["limits.body_temperature", "limits.heart_rate"]
    assert muted[1][1] == (
        f"Heart rate 135 /min at {words_at(now)}, upper limit 100 /min (default)."
        " The alert of the rule news2 speaks for it."
    )


def words_at(epoch: float) -> str:
    return f"{datetime.fromtimestamp(epoch, ZoneInfo('Europe/London')):%H:%M}"


def test_a_care_plans_trigger_raises_by_its_own_name_and_again_after_it_was_closed(
    here: Homes, obs: Writer
) -> None:
    now = CLOCK.epoch()
    trigger = {"id": "call", "title": "Call the rapid response team", "severity": "emergency",
               "when": "spo2 < '85 %' or heart_rate > 130", "clear": None, "for": None}  # fmt: skip
    with homes.connect(here.url) as db:
        db.execute("UPDATE ingest.person SET triggers = %s WHERE no = %s",
                   [json.dumps([trigger]), here.people[0]])  # fmt: skip
    with working(here.url) as session:
        obs.rows(here.rows((0, "spo2", 84.0, now), (1, "spo2", 95.0, now), now=now))
        session.round()
        mine = "SELECT no, title, severity FROM alerts.alert WHERE rule_id = 'care_plan.call'"
        with homes.connect(here.url) as db:
            ((no, title, severity),) = db.execute(mine).fetchall()
            assert (title, severity) == ("Call the rapid response team", "emergency")
            db.execute("UPDATE alerts.alert SET state = 'closed' WHERE no = %s", [no])
            db.execute(
                "INSERT INTO alerts.event (no, alert_no, at, kind, alert_version)"
                " VALUES (nextval('alerts.event_no'), %s, now(), 'closed', 2)",
                [no],
            )
        obs.rows(here.rows((0, "spo2", 83.0, now + 1), now=now + 1))
        session.round()
        with homes.connect(here.url) as db:
            assert len(db.execute(mine).fetchall()) == 2


@pytest.mark.parametrize("away", [False, True])
def test_a_trigger_that_is_taken_back_ends_its_alert_with_that_reason(
    here: Homes, obs: Writer, *, away: bool
) -> None:
    """Also where it was taken back while nobody judged; and its neighbour's goes on."""
    now = CLOCK.epoch()
    trigger = {"id": "low", "title": "Low", "severity": "urgent", "when": "spo2 < 85"}
    other = {**trigger, "id": "fast", "when": "heart_rate > 130"}

    def say(*triggers: dict[str, str]) -> None:
        with homes.connect(here.url) as db:
            db.execute("UPDATE ingest.person SET triggers = %s WHERE no = %s",
                       [json.dumps(triggers), here.people[0]])  # fmt: skip

    def alerts() -> dict[str, tuple[str, str]]:
        with homes.connect(here.url) as db:
            return {rule: (state, condition) for rule, state, condition in db.execute(
                "SELECT rule_id, state, condition FROM alerts.alert"
                " WHERE rule_id LIKE 'care_plan.%'").fetchall()}  # fmt: skip

    say(trigger, other)
    with working(here.url) as session:
        obs.rows(here.rows((0, "spo2", 84.0, now), (0, "heart_rate", 131.0, now), now=now))
        session.round()
        assert alerts() == dict.fromkeys(("care_plan.low", "care_plan.fast"), ("open", "active"))
        if not away:
            say(other)
            session.renew()
            session.sweep()
    if away:
        say(other)
        with working(here.url) as session:
            session.sweep()
    assert alerts() == {"care_plan.low": ("open", "cleared"), "care_plan.fast": ("open", "active")}
    with homes.connect(here.url) as db:
        assert db.execute(
            "SELECT e.reason FROM alerts.event e JOIN alerts.alert a ON a.no = e.alert_no"
            " WHERE e.kind = 'cleared' AND a.rule_id = 'care_plan.low'"
        ).fetchall() == [
            ("The care plan's trigger was withdrawn, or can't be judged any more: whether this"
             " still holds is not known.",),
        ]  # fmt: skip
    with working(here.url) as session:
        assert session.sweep() == 0  # told once


def test_a_condition_registered_later_brings_its_pack(here: Homes, obs: Writer) -> None:
    now = CLOCK.epoch()
    with working(here.url) as session:
        obs.rows(here.rows((0, "glucose", 3.2, now - 10), now=now))
        session.round()
        assert homes.alerts(here.url) == []
        with homes.connect(here.url) as db:
            db.execute("UPDATE ingest.person SET conditions = '{diabetes}' WHERE no = %s",
                       [here.people[0]])  # fmt: skip
        session.renew()
        obs.rows(here.rows((0, "glucose", 3.1, now), now=now))
        session.round()
    ((rule, severity, reason),) = homes.alerts(here.url, "rule_id, severity, reason")
    assert (rule, severity) == ("diabetes.hypoglycaemia", "urgent")
    assert reason == f"Capillary glucose 3.1 mmol/L at {words_at(now)} (below 4 mmol/L)."
    with homes.connect(here.url) as db:
        row = db.execute("SELECT detail ->> 'protocol' FROM alerts.event").fetchone()
    assert row is not None
    assert row[0].startswith("treat at once")


def test_a_trigger_written_later_is_judged_by_days_that_were_before_it(
    here: Homes, obs: Writer
) -> None:
    now = CLOCK.epoch()
    trigger = {"id": "fast", "title": "Faster than last week", "severity": "soon",
               "when": "mean(heart_rate, '7 d', 4) > 90", "clear": None, "for": None}  # fmt: skip
    with working(here.url) as session:
        for day in range(6, 0, -1):
            obs.rows(here.rows((0, "heart_rate", 95.0, now - day * DAY), now=now - day * DAY))
        session.round()
        with homes.connect(here.url) as db:
            db.execute("UPDATE ingest.person SET triggers = %s WHERE no = %s",
                       [json.dumps([trigger]), here.people[0]])  # fmt: skip
        session.renew()
        obs.rows(here.rows((0, "heart_rate", 95.0, now), now=now))
        session.round()
    assert [r for (r,) in homes.alerts(here.url, "rule_id")] == ["care_plan.fast"]


def test_somebody_who_leaves_the_register_is_forgotten_and_nobody_else(
    here: Homes, obs: Writer
) -> None:
    now = CLOCK.epoch()
    with working(here.url) as session:
        obs.rows(here.rows((0, "spo2", 97.0, now), (1, "spo2", 96.0, now), now=now))
        session.round()
        with homes.connect(here.url) as db:
            db.execute("DELETE FROM ingest.person WHERE no = %s", [here.people[0]])
        session.renew()
        people = session.engine.memory.people
        assert sorted(people.no[: people.count].tolist()) == here.people[1:]
        assert session.engine.memory.series.count == 1
        obs.rows(here.rows((1, "spo2", 88.0, now + 1), now=now + 1))
        session.round()
    assert {p for (p,) in homes.alerts(here.url, "person_no")} == {here.people[1]}


def test_a_device_that_was_lent_for_a_while_is_promised_by_nobody_afterwards(here: Homes) -> None:
    now = CLOCK.epoch()
    promise(here, 0, now - DAY, motion=600.0)
    listening(here.url, since=now - 60)
    with working(here.url) as session:
        assert session.engine.memory.feeds.count == 1
        with homes.connect(here.url) as db:
            db.execute("ALTER TABLE ingest.assignment DISABLE TRIGGER USER")  # only time passed
            db.execute("UPDATE ingest.assignment SET ends = now()")
        for _ in range(64):
            session.refresh_one(60)
        assert session.engine.memory.feeds.count == 0


def test_a_cadence_that_a_device_says_itself_is_watched(here: Homes) -> None:
    now = CLOCK.epoch()
    promise(here, 0, now - DAY)
    listening(here.url, since=now - 60)
    with working(here.url) as session:
        assert session.engine.memory.feeds.count == 0
        with homes.connect(here.url) as db:
            db.execute(
                "INSERT INTO ingest.device_state (device_no, state, seen_at, cadence)"
                " VALUES (%s, 'online', now(), %s)",
                [here.devices[0], json.dumps({"motion": 900, "heart_rate": 86400})],
            )
        session.sweep()
        assert session.engine.memory.feeds.count == 2


def test_a_low_battery_that_a_status_tells_goes_to_equipment(here: Homes) -> None:
    now = CLOCK.epoch()
    promise(here, 0, now - DAY, motion=3_600.0)
    listening(here.url, since=now - 60)
    with homes.connect(here.url) as db:
        db.execute(
            "INSERT INTO ingest.device_state (device_no, state, seen_at, battery)"
            " VALUES (%s, 'online', now(), 7)",
            [here.devices[0]],
        )
    with working(here.url) as session:
        session.sweep()
    ((rule, severity, title),) = homes.alerts(here.url, "rule_id, severity, title")
    assert (rule, severity, title) == ("equipment.battery_low", "soon", "Battery low: d0")


def test_an_alert_is_explained_from_its_numbers_and_decided_the_same(
    here: Homes, obs: Writer
) -> None:
    now = CLOCK.epoch()
    packs = registry.load()
    with working(here.url) as session:
        obs.rows(here.rows((0, "spo2", 88.0, now), (0, "heart_rate", 104.0, now), now=now))
        session.round()
    with open_pool(here.url, name="test", most=1) as pool:
        store = AlertStore(pool)
        found, _ = store.queue(ports.Wanted(limit=10))
        assert {a.rule_id for a in found} == {"news2", "limits.spo2", "limits.heart_rate"} - (
            {"limits.heart_rate"}
        )
        for alert in found:
            said = list(explain.lines(alert, store.history(alert.no), packs.rules))
            assert f"  Made again from these numbers: {alert.severity} (the same)." in said
            assert any(line.strip().startswith("spo2 = 88 %") for line in said)


def test_what_can_not_be_judged_by_condition_says_so_when_explained(here: Homes) -> None:
    alert = model.Alert(
        no=1, episode="e", source=model.Source.DEVICE, rule_id="sos", rule_version="2.0.0",
        severity=model.Severity.EMERGENCY, title="Call for help", reason="Pressed at 12:00.",
        evidence=(), person_no=1, dwelling_no=1, device_no=1, site=None,
        raised_at=datetime.now(UTC), reading_at=None, late=False, state=model.State.OPEN,
        condition=model.Condition.ACTIVE, team_no=1, routed_because="x",
    )  # fmt: skip
    said = list(explain.lines(alert, [], registry.load().rules))
    assert "  An emergency pages whatever its value, its age and everything else." in said
