"""Laws of the rules core, on readings of any kind in any order."""

# ruff: noqa: E501  (tables read best as such)
from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.model import Finding, Outcome
from alerts.rules import language, pack
from alerts.rules.triggers import read
from ingest.kernel.observation import Quality, Rows
from tests.support.dumps import PACKS, said_of
from tests.support.judging import HOUR, LONG_AGO, NOW, SHIPPED, Hub, Reading

STEP = 900.0
MARKS = ["copd", "heart_failure", "hypertension", "diabetes", "dementia", "falls_risk", "cold_risk"]
TRIGGERS = [
    {"id": "a", "title": "A", "severity": "urgent", "when": "heart_rate > 90"},
    {"id": "b", "title": "B", "severity": "soon", "when": "still() >= '2 h' or spo2 < 91"},
]
ABOUT = {
    1: {"conditions": MARKS, "triggers": TRIGGERS, "cadence": {"battery": 900.0, "weight": 86_400.0}},
    2: {"conditions": MARKS[:2], "scale2": True, "limits": {"spo2": {"low": 89}, "glucose": {"high": 9}},
        "triggers": [TRIGGERS[0] | {"when": "heart_rate > 80"}], "zone": "America/New_York"},
    3: {"on_oxygen": True, "band": "red", "others": (7,), "cadence": {"battery": 300.0}},
    4: {"pregnant": True, "conditions": MARKS[4:], "zone": "Asia/Kathmandu"},
}  # fmt: skip
VALUES = {
    "spo2": (86, 92, 93, 94, 98), "heart_rate": (45, 70, 85, 99, 101, 135), "resp_rate": (16, 22, 26),
    "systolic": (85, 120, 181, 200), "acvpu": (0, 1), "body_temperature": (36.5, 38.05, 39.5),
    "weight": (80, 81.5, 83), "glucose": (2.9, 3.9, 6, 12, 16), "symptom.breathless": (0, 2),
    "symptom.sputum": (0, 2), "symptom.swelling": (0, 3), "on_oxygen": (0, 1), "fall": (1,),
    "kitchen/motion": (0, 1), "bathroom/motion": (1,), "front-door/door_open": (0, 1),
    "bed_occupied": (0, 1), "kitchen/room_temperature": (15, 19, 27), "illuminance": (2, 50),
    "battery": (5, 15, 80), "mains": (0, 1), "tamper": (0, 1),
}  # fmt: skip

people = st.sampled_from([1, 2, 3, 4])
flags = st.sampled_from(
    [0] * 8 + [int(Quality.HISTORICAL), int(Quality.IMPLAUSIBLE), int(Quality.RETAINED)]
)
one_reading = st.sampled_from(sorted(VALUES)).flatmap(
    lambda name: st.builds(
        Reading, st.just(name), st.sampled_from(VALUES[name]), st.integers(0, 10).map(lambda n: n * STEP),
        people, st.just(0), st.just(0), flags,
    )
)  # fmt: skip
batch = st.lists(one_reading, max_size=14)
waits = st.sampled_from([60.0, STEP, HOUR, 5 * HOUR, 26 * HOUR])
course = st.lists(st.tuples(waits, batch), min_size=1, max_size=6)
Course = list[tuple[float, list[Reading]]]


def hub(*numbers: int) -> Hub:
    made = Hub()
    for no in numbers or ABOUT:
        made.put(no, **ABOUT.get(no, {"conditions": MARKS}))
    return made


def run(made: Hub, given: Course, *, begin: float = NOW) -> tuple[list[Finding], float]:
    """Let readings and the clock come in turn; return all that was found, and when it ended."""
    found, now = [], begin
    for wait, readings in given:
        now += wait
        found += made.tick(now)
        found += made.say(*readings, now=now)
    return found, now


def about(finding: Finding) -> int:
    """Whose finding it is: the numbers of person, home and device are the same in these tests."""
    return finding.home_no or finding.subject_no


def sorted_(found: Iterable[Finding]) -> list[Finding]:
    return sorted(
        found, key=lambda f: (f.subject, f.subject_no, f.rule_id, f.at, f.outcome, f.said)
    )


def shards(*numbers: int) -> list[int]:
    return [n % 64 for n in numbers or ABOUT]


@pytest.mark.parametrize("flags", [(0, int(Quality.HISTORICAL)), (int(Quality.HISTORICAL), 0)])
def test_of_a_reading_that_comes_twice_at_once_the_one_that_may_be_judged_is(
    flags: tuple[int, int],
) -> None:
    made = hub(1)
    found = made.say(*(Reading("heart_rate", 45, flags=each) for each in flags), now=NOW)
    assert [f.rule_id for f in found] == ["limits.heart_rate"]


@settings(max_examples=60, deadline=None)
@given(course, st.integers(0, 2**16))
def test_the_order_of_rows_in_a_batch_does_not_matter(given: Course, seed: int) -> None:
    chance = random.Random(seed)
    one, two = hub(), hub()
    shuffled = [(wait, chance.sample(readings, len(readings))) for wait, readings in given]
    assert sorted_(run(one, given)[0]) == sorted_(run(two, shuffled)[0])
    for shard in shards():
        assert said_of(one.memory, shard) == said_of(two.memory, shard)


@settings(max_examples=60, deadline=None)
@given(course)
def test_the_past_read_again_changes_nothing_that_is_remembered(given: Course) -> None:
    made = hub()
    _, now = run(made, given)
    before = [said_of(made.memory, shard) for shard in shards()]
    at = NOW
    for wait, readings in given:
        at += wait
        past = (r._replace(flags=r.flags | int(Quality.IMPORTED), ago=r.ago + now - at)
                for r in readings)  # fmt: skip
        assert not made.say(*past, now=now)
    for shard, said in zip(shards(), before, strict=True):
        after = said_of(made.memory, shard)
        assert {name for name in said if said[name] != after[name]} <= {"home.due"}


@settings(max_examples=60, deadline=None)
@given(course, course)
def test_another_person_and_their_readings_change_nobody_elses_result(
    given: Course, others: Course
) -> None:
    """Somebody comes in the middle of it, with a home and a device, and says things."""
    alone, together = hub(1, 2, 3, 4), hub(1, 2, 3, 4)
    mixed: Course = []
    for n, (wait, readings) in enumerate(given):
        other = [r._replace(person=50) for r in (others[n][1] if n < len(others) else [])]
        mixed.append((wait, other[::2] + readings + other[1::2]))
    half = len(given) // 2
    wanted, now = run(alone, given[:half])
    got, _ = run(together, mixed[:half])
    together.put(50, **ABOUT[1])
    wanted += run(alone, given[half:], begin=now)[0]
    got += run(together, mixed[half:], begin=now)[0]
    assert sorted_(wanted) == sorted_(f for f in got if about(f) != 50)
    for shard in shards():
        assert said_of(alone.memory, shard) == said_of(together.memory, shard)


@settings(max_examples=40, deadline=None)
@given(course, st.sampled_from([[3, 4], [1], [2, 3]]))
def test_forgetting_some_homes_changes_nobody_elses_result(given: Course, gone: list[int]) -> None:
    one, two = hub(), hub()
    half = len(given) // 2
    _, now = run(one, given[:half])
    run(two, given[:half])
    two.memory.forget(gone)
    wanted = [f for f in run(one, given[half:], begin=now)[0] if about(f) not in gone]
    assert sorted_(wanted) == sorted_(run(two, given[half:], begin=now)[0])


def replayed(given: Course, *, begin: float = NOW) -> list[tuple[float, Rows]]:
    """The rows as the log keeps them, and when each batch was judged."""
    made, out, now = hub(), [], begin
    for wait, readings in given:
        now += wait
        out.append((now, made.rows(readings, now=now)))
    return out


@settings(max_examples=40, deadline=None)
@given(course)
def test_a_replay_of_the_log_finds_what_was_found_live(given: Course) -> None:
    live = run(hub(), given)[0]
    again, found = hub(), []
    for now, rows in replayed(given):
        found += again.engine.on_time(now=now, heard_since=LONG_AGO)
        found += again.engine.on_data(rows.copy(), now=now)
    assert live == found


@settings(max_examples=60, deadline=None)
@given(course, st.integers(0, 6), st.randoms(use_true_random=False))
def test_a_process_that_was_killed_and_rebuilt_finds_what_one_that_lives_on_finds(
    given: Course, at: int, chance: random.Random
) -> None:
    """From the last checkpoint of each shard, and the rows after it."""
    living, at = hub(), min(at, len(given))
    _, now = run(living, given[:at])
    dumps = [living.memory.dump(shard, packs=PACKS) for shard in shards()]
    chance.shuffle(dumps)
    rebuilt = Hub()
    rebuilt.put(60)  # another home that is here already
    for data in dumps:
        assert rebuilt.memory.load(data, packs=PACKS)
    for no, told in ABOUT.items():
        rebuilt.put(no, **told)  # what the register says, again
    for no in (1, 2):  # what was told of care plans comes from the database
        slot = living.memory.people.numbers.row(no)
        for trigger in ABOUT[no]["triggers"]:
            rule_id = f"care_plan.{trigger['id']}"
            column = living.engine.care_plans.column(no, rule_id)
            rank = int(living.memory.people.phase[slot, column] & 7)
            row = living.memory.open["person"].index.find(np.array([slot]), column)[0]
            if rank:
                when = float(living.memory.open["person"].told_at[row])
                rebuilt.engine.put_told("person", no, rule_id, rank=rank, at=when, basis=())
    wanted = run(living, given[at:], begin=now)[0]
    got = [f for f in run(rebuilt, given[at:], begin=now)[0] if about(f) != 60]
    assert sorted_(wanted) == sorted_(got)


def bands(rule: pack.ConditionRule) -> bool:
    return rule.subject == "person" and not rule.again_s


@settings(max_examples=80, deadline=None)
@given(st.lists(st.sampled_from([54, 55, 56, 57, 70, 98, 99, 100, 101]), max_size=40))
def test_inside_the_band_between_raise_and_clear_nothing_is_told(values: list[int]) -> None:
    one, up = hub(3), False
    for n, value in enumerate(values):
        for f in one.say(("heart_rate", value, 0, 3), now=NOW + n):
            assert f.rule_id == "limits.heart_rate"
            assert (f.outcome is Outcome.RAISE) is not up
            assert value < 55 or value > 100 if f.outcome is Outcome.RAISE else 57 <= value <= 98
            up = f.outcome is Outcome.RAISE


@settings(max_examples=60, deadline=None)
@given(course)
def test_what_is_told_goes_up_and_down_and_never_twice_the_same(given: Course) -> None:
    """Raised higher each time, and cleared only what was raised, for every subject and rule."""
    level: dict[tuple[str, int, str], int] = {}
    for f in run(hub(), given)[0]:
        key, rank = (f.subject, f.subject_no, f.rule_id), f.severity.rank
        if f.outcome is Outcome.RAISE:
            assert rank > level.get(key, 0) or key[2] in _SILENT
            level[key] = rank
        elif f.outcome is Outcome.CLEAR:
            assert key in level
            del level[key]
        elif f.outcome is Outcome.REFRESH:
            assert key in level


_SILENT = frozenset(r.id for r in SHIPPED.of(pack.SilenceRule))


@settings(max_examples=60, deadline=None)
@given(batch)
def test_what_has_been_told_is_not_told_again(readings: list[Reading]) -> None:
    one = hub()
    now_ = [r._replace(ago=0.0, flags=0) for r in readings]
    latest = list({(r.name, r.person): r for r in now_}.values())
    one.say(*latest)
    assert one.say(*latest) == []


@settings(max_examples=80, deadline=None)
@given(course)
def test_every_decision_can_be_made_again_from_the_facts_it_was_told_with(given: Course) -> None:
    from alerts import evidence, model

    for f in run(hub(), given)[0]:
        if f.outcome not in (Outcome.RAISE, Outcome.MUTED) or f.rule_id in _SILENT:
            continue
        if f.rule_id.startswith("care_plan."):
            of = next(t for t in ABOUT[f.subject_no]["triggers"] if f.rule_id.endswith(t["id"]))
            trigger = read(of)
            yes, _ = language.judge(trigger.when, evidence.Again.of(f.facts))
            assert yes[0], f
            continue
        again = evidence.severity_again(SHIPPED.rules[f.rule_id], f.facts)
        assert again is not None, f
        if f.late:
            again = min(again, model.Severity.SOON, key=lambda s: s.rank)
        assert again is f.severity, f


@settings(max_examples=40, deadline=None)
@given(course, st.integers(0, 2**16))
def test_readings_that_say_nothing_new_change_nothing(given: Course, seed: int) -> None:
    """The same log entry applied once more, as after a lost acknowledgement."""
    chance, one = random.Random(seed), hub()
    for now, rows in replayed(given):
        one.engine.on_data(rows, now=now)
        found = one.engine.on_data(chance_of(rows, chance), now=now)
        people = [f for f in found if f.subject == "person" and not f.late]
        assert [f for f in people if f.outcome is Outcome.RAISE and f.at >= newest(one, f)] == []


def chance_of(rows: Rows, chance: random.Random) -> Rows:
    at = list(range(len(rows)))
    chance.shuffle(at)
    return rows[at]


def newest(one: Hub, f: Finding) -> float:
    return float(one.memory.people.latest[one.memory.people.numbers.row(f.subject_no)])


@pytest.mark.parametrize("numbers", [(1,), (1, 2, 3, 4)])
def test_nothing_said_finds_nothing(numbers: Sequence[int]) -> None:
    one = Hub()
    for no in numbers:
        one.put(no, conditions=MARKS)
    assert run(one, [(HOUR, [])] * 60)[0] == []
