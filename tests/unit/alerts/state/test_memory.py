"""The memory as a whole: limits, rooms, promises; forgetting, dumping and loading shards."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts import plan
from alerts.rules import pack, registry
from alerts.state import memory
from alerts.state.memory import Memory
from alerts.state.subjects import Device, Home, Person
from ingest.kernel import vitals
from tests.support.dumps import PACKS, said_of

SHIPPED = registry.load()
LIMITS = """
id = "local"
version = "1"
title = "Local"
approver = "nobody"
review_by = 2027-01-01
source = "made up"

[[limit]]
quantity = "spo2"
low = 93
low_scale2 = 88
least_spread = 1
bands = { amber = { low = 92 }, red = { low = 90, high = 99 } }
source = "made up"

[[limit]]
quantity = "spo2"
low = 91
conditions = ["copd", "frailty"]
least_spread = 1
bands = { red = { low = 89 } }
source = "made up"

[[limit]]
quantity = "heart_rate"
low = 55
high = 100
least_spread = 1
source = "made up"
"""


def shipped() -> Memory:
    return Memory(plan.compile_packs(SHIPPED.packs.values(), plan.Defaults()))


def local() -> Memory:
    packs = [pack.parse(LIMITS, file="local.toml")]
    return Memory(plan.compile_packs(packs, plan.Defaults()))


def person(no: int = 1, **more: Any) -> Person:
    return Person(no=no, shard=no % 64, **more)


def limit(one: Person, name: str = "spo2") -> tuple[float, float, int]:
    made = local()
    made.put_people([one])
    low, high, origin = made.limit(np.array([0]), vitals.BY_NAME[name].no)
    return float(low[0]), float(high[0]), int(origin[0])


@pytest.mark.parametrize(
    ("about", "wanted"),
    [
        ({}, (93, math.inf, 0)),
        ({"scale2": True}, (88, math.inf, 0)),
        ({"conditions": ["copd"]}, (91, math.inf, 0)),
        ({"conditions": ["frailty", "diabetes"]}, (91, math.inf, 0)),
        ({"conditions": ["diabetes"]}, (93, math.inf, 0)),
        ({"band": "green"}, (93, math.inf, 0)),
        ({"band": "amber"}, (92, math.inf, 1)),
        ({"band": "red"}, (90, 99, 1)),
        ({"band": "red", "conditions": ["copd"]}, (89, 99, 1)),
        ({"limits": {"spo2": {"low": 85}}}, (85, math.inf, 2)),
        ({"limits": {"spo2": {"high": 98.5}}}, (93, 98.5, 4)),
        ({"limits": {"spo2": {"low": 85}}, "band": "red", "scale2": True}, (85, 99, 1 | 2)),
        ({"limits": {"spo2": {"low": None}}}, (-math.inf, math.inf, 2)),
        ({"limits": {"spo2": {"low": None, "high": None}}, "band": "red"},
         (-math.inf, math.inf, 1 | 2 | 4)),
        ({"limits": {"heart_rate": {"low": 40}}}, (93, math.inf, 0)),
    ],
)  # fmt: skip
def test_the_care_plans_limit_wins_then_the_risk_bands_then_the_conditions_then_the_default(
    about: Mapping[str, Any], wanted: tuple[float, float, int]
) -> None:
    assert limit(person(**about)) == wanted


def test_a_quantity_without_a_default_has_no_limits_but_the_care_plans() -> None:
    assert limit(person(), "weight") == (-math.inf, math.inf, 0)
    own = person(limits={"weight": {"low": 60.1, "high": 70.3}})
    assert limit(own, "weight") == (60.1, 70.3, 2 | 4)


@pytest.mark.parametrize("bad", ["low", True, math.nan, math.inf, [90], {"spo2": 1}])
def test_a_malformed_limit_leaves_the_default_standing(bad: object) -> None:
    assert limit(person(limits={"spo2": {"low": bad}})) == (93, math.inf, 0)
    assert limit(person(limits={"spo2": bad, "no_such": {"low": 1}})) == (93, math.inf, 0)


def test_limits_are_taken_back_when_the_care_plan_no_longer_has_them() -> None:
    made = local()
    made.put_people([person(1, limits={"spo2": {"low": 85}}), person(2)])
    made.put_people([person(1)])
    assert made.limit(np.array([0, 1]), vitals.SPO2)[0].tolist() == [93, 93]
    made.put_people([person(2, limits={"spo2": {"low": 80}})])
    assert made.limit(np.array([0, 1]), vitals.SPO2)[0].tolist() == [93, 80]
    assert made.limits.count == 1


# -- rooms, questions, promises ------------------------------------------------------------------


def test_a_reading_has_the_column_of_its_quantity_or_of_its_question() -> None:
    made = shipped()
    made.learn_parts({3: "breathless", 4: "daily/dizzy", 5: "shoe-size", 6: "kitchen"})
    quantity = np.array([vitals.SPO2] * 2 + [vitals.SYMPTOM] * 5 + [14_000, -1])
    part = np.array([0, 6, 3, 4, 5, 0, 900, 0, 0])
    keys = made.plan.keys
    assert made.columns_of(quantity, part).tolist() == [
        vitals.SPO2, vitals.SPO2, keys["breathless"], keys["dizzy"], -1, -1, -1, -1, -1,
    ]  # fmt: skip
    assert made.columns_of(quantity[:0], part[:0]).size == 0


def test_a_quantity_that_no_rule_reads_is_not_kept() -> None:
    made = local()
    assert made.columns_of(np.array([vitals.GLUCOSE]), np.array([0])).tolist() == [-1]


def test_rooms_are_known_by_name() -> None:
    made = shipped()
    made.learn_parts({1: "bathroom", 2: "front-door", 3: "kitchen"})
    assert made.bathroom.tolist() == [False, True, False, False]
    assert made.door_out.tolist() == [True, False, True, False]  # without a name: the front door
    assert made.knows_parts(np.array([0, 3, 3]))
    assert not made.knows_parts(np.array([0, 4]))
    assert made.knows_parts(np.zeros(0, dtype=np.int32))


@pytest.mark.parametrize(
    ("name", "cadence", "wait"),
    [
        ("battery", 60.0, 1_800.0),  # by itself: at least half an hour
        ("battery", 3_600.0, 7_200.0),
        ("heart_rate", 4 * 3_600.0 - 1, 2 * (4 * 3_600.0 - 1)),
        ("heart_rate", 4 * 3_600.0, 28_800.0),  # from four hours by hand: at least four hours
        ("weight", 86_400.0, 172_800.0),
        ("motion", 86_400.0, 172_800.0),
    ],
)
def test_what_is_promised_is_overdue_after_twice_its_time(
    name: str, cadence: float, wait: float
) -> None:
    made = shipped()
    made.put_devices([Device(no=1, shard=1, home_no=1, cadence={name: cadence}, since=1_000.0)])
    assert made.feeds.next_due() == pytest.approx(1_000.0 + wait, rel=1e-6)


def test_after_the_hub_was_deaf_a_whole_interval_has_to_pass() -> None:
    made = shipped()
    made.heard_since = 50_000.0
    made.put_devices(
        [Device(no=1, shard=1, home_no=1, cadence={"battery": 3_600.0}, since=1_000.0),
         Device(no=2, shard=1, home_no=1, cadence={"battery": 3_600.0}, since=50_000.0)]
    )  # fmt: skip
    assert made.feeds.overdue(53_599.9).tolist() == []
    assert made.feeds.overdue(53_600.0).tolist() == [0]
    assert made.feeds.overdue(57_200.0).tolist() == [0, 1]


def test_promises_follow_the_register() -> None:
    made = shipped()
    one = {"battery": 60.0, "heart_rate": 600.0, "steps": 0.0, "nothing": 5.0, "mains": "often"}
    made.put_devices([Device(no=1, shard=1, home_no=1, cadence=one, since=10.0)])  # type: ignore[arg-type]
    assert made.feeds.count == 2
    made.feeds.received[:2] = 500.0
    two = {"heart_rate": 900.0, "mains": 60.0}
    made.put_devices([Device(no=1, shard=1, home_no=1, cadence=two, since=20.0)])
    said = {int(made.feeds.column[n]): (made.feeds.cadence[n], made.feeds.received[n])
            for n in range(made.feeds.count)}  # fmt: skip
    assert said == {vitals.HEART_RATE: (900.0, 500.0), vitals.BY_NAME["mains"].no: (60.0, 20.0)}
    made.put_devices([Device(no=1, shard=1, home_no=1)])
    assert made.feeds.count == 0


def test_a_home_bears_the_marks_of_anybody_who_lives_there() -> None:
    made = shipped()
    made.put_homes([Home(no=9, shard=9, people=(1, 2)), Home(no=8, shard=8, people=(3,))])
    made.put_people([person(1, home_no=9, conditions=["dementia"]), person(2, home_no=9),
                     person(3, home_no=8)])  # fmt: skip
    assert made.homes.marks[:2].tolist() == [plan.MARKS["dementia"], 0]
    assert made.homes.only[:2].tolist() == [0, 3]
    assert made.homes.residents[:2].tolist() == [2, 1]
    made.put_people([person(1, home_no=9)])
    assert made.homes.marks[0] == 0


# -- forgetting, dumping, loading ----------------------------------------------------------------


def fill(made: Memory, rng: np.random.Generator, numbers: list[int]) -> None:
    """Put people, homes and devices of these numbers, each with some of everything."""
    zones = ("Europe/London", "Asia/Kathmandu", "America/New_York")
    made.put_homes([Home(no=n, shard=n % 4, zone=zones[n % 3], site_no=n % 4, people=(n,))
                    for n in numbers])  # fmt: skip
    made.put_people(
        [Person(no=n, shard=n % 4, home_no=n, scale2=bool(n % 2), born=float(n),
                limits={"spo2": {"low": 80 + n % 9}} if n % 3 else None, conditions=["copd"],
                band=("", "green", "amber", "red")[n % 4])
         for n in numbers]
    )  # fmt: skip
    made.put_devices(
        [Device(no=n, shard=n % 4, home_no=n, person_no=n, site_no=n % 4,
                cadence={"battery": 60.0 + n, "heart_rate": 600.0}) for n in numbers]
    )  # fmt: skip
    for kind in ("person", "home", "device"):
        slots = made.subjects(kind).rows(np.array(numbers))
        for each in range(len(made.plan.of(kind))):
            made.subjects(kind).phase[slots, each] = rng.integers(0, 4, len(numbers))
        rows = made.open[kind].meet(slots, 1)
        made.open[kind].told_at[rows] = slots * 7.0 + rng.integers(0, 99)
    slots = made.people.rows(np.array(numbers))
    for column in (vitals.WEIGHT, vitals.SPO2, vitals.GLUCOSE):
        rows = made.series.meet(slots, np.full(slots.size, column))
        for n in range(6):
            time = np.full(slots.size, 1e9 + n * 90_000.0)
            made.series.put(rows, time, time, rng.integers(50, 99, slots.size).astype(float))
    homes = made.homes.rows(np.array(numbers))
    some = homes[: len(homes) // 2 + 1]
    new = some[made.homes.activity[some] < 0]
    made.homes.activity[new] = made.activity.add(new.size)
    rows = made.homes.activity[some].astype(np.int64)
    made.activity.advance(rows, np.full(rows.size, 11_000))
    made.activity.moved(rows, 11_000 * 86_400.0 + rng.integers(0, 86_400, rows.size))
    states = made.home_states.meet(homes, np.full(homes.size, 16))
    made.home_states.put(states, np.full(homes.size, 5.0), rng.integers(0, 2, homes.size) * 1.0)
    devices = made.devices.rows(np.array(numbers))
    states = made.device_states.meet(devices, np.full(devices.size, 29))
    made.device_states.put(
        states, np.full(devices.size, 5.0), rng.integers(0, 9, devices.size) * 1.0
    )


@pytest.fixture
def full() -> Memory:
    made, rng = shipped(), np.random.default_rng(5)
    for numbers in ([5, 2, 9, 12], [1, 7, 3], list(range(20, 44))):
        fill(made, rng, numbers)
    made.heard_since = 77.0
    return made


@pytest.mark.parametrize("gone", [[0], [1, 3], [3, 2, 1], []])
def test_forgetting_shards_keeps_everybody_else_unchanged(full: Memory, gone: list[int]) -> None:
    before = {shard: said_of(full, shard) for shard in range(4)}
    full.forget(gone)
    empty = said_of(shipped(), 0)
    for shard in range(4):
        after = said_of(full, shard)
        if shard in gone:
            assert after == empty
        else:
            assert after == before[shard]
    left = [n for n in full.people.no[: full.people.count].tolist() if n % 4 in gone]
    assert left == []


def test_forgetting_all_leaves_an_empty_memory(full: Memory) -> None:
    full.forget(range(64))
    for table in (full.people, full.homes, full.devices, full.series, full.series.by_day,
                  full.limits, full.home_states, full.device_states, full.feeds, full.activity,
                  *full.open.values()):  # fmt: skip
        assert table.count == 0
    fill(full, np.random.default_rng(5), [5, 2, 9, 12])
    fresh = shipped()
    fill(fresh, np.random.default_rng(5), [5, 2, 9, 12])
    assert said_of(full, 1) == said_of(fresh, 1)


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(4)), st.integers(0, 2**20))
def test_dumped_shards_come_back_equal_in_whatever_order(order: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, two = shipped(), shipped()
    fill(one, rng, [int(n) for n in rng.choice(60, 20, replace=False) + 1])
    one.heard_since = 33.0
    two.zones.number("Asia/Tokyo")  # zones are numbered otherwise there
    for shard in order:
        assert two.load(one.dump(shard, packs=PACKS), packs=PACKS)
    for shard in range(4):
        assert said_of(two, shard) == said_of(one, shard)
    assert two.heard_since == 33.0
    for kind in one.open:
        numbers = one.subjects(kind).no[: one.subjects(kind).count]
        there, back = one.subjects(kind).rows(numbers), two.subjects(kind).rows(numbers)
        for rule in range(2):
            a, b = one.open[kind].index.find(there, rule), two.open[kind].index.find(back, rule)
            assert ((a < 0) == (b < 0)).all()
    people = one.people.no[: one.people.count]
    for column in (vitals.WEIGHT, vitals.SPO2):
        for made in (one, two):
            assert (made.series.find(made.people.rows(people), column) >= 0).all()
        a, b = (m.limit(m.people.rows(people), column) for m in (one, two))
        assert all((x == y).all() for x, y in zip(a, b, strict=True))


def test_a_sites_outage_is_dumped_with_its_devices_only(full: Memory) -> None:
    full.sites_down = {1, 2, 99}
    other = shipped()
    assert other.load(full.dump(1, packs=PACKS), packs=PACKS)
    assert other.sites_down == {1}


def test_what_is_dumped_of_other_rules_or_spoilt_is_not_read(full: Memory) -> None:
    data = full.dump(1, packs=PACKS)
    other = shipped()
    empty = said_of(other, 1)
    assert not other.load(data, packs="those")
    assert not local().load(data, packs=PACKS)  # asks no questions: other columns
    for spoilt in (b"", b"x", data[: len(data) // 2], zlib.compress(b""), zlib.compress(b"x" * 99),
                   zlib.compress(zlib.decompress(data)[:-2_000]), data[::-1]):  # fmt: skip
        assert not other.load(spoilt, packs=PACKS)
    assert said_of(other, 1) == empty
    assert other.people.count == 0


def test_a_shard_without_anybody_can_be_dumped_and_loaded() -> None:
    one, two = shipped(), shipped()
    assert two.load(one.dump(3, packs=PACKS), packs=PACKS)
    assert said_of(two, 3) == said_of(one, 3)


def test_who_is_gone_from_the_register_is_dropped(full: Memory) -> None:
    before = said_of(full, 1)
    full.gone("person", np.array([5, 4_000]))
    full.gone("home", np.array([2]))
    full.gone("device", np.array([2, 9]))
    assert full.people.rows(np.array([5, 9])).tolist()[0] == -1
    assert full.people.rows(np.array([9]))[0] >= 0
    assert (full.series.find(full.people.rows(np.array([5, 9])), vitals.SPO2) >= 0).tolist() == [
        False, True,
    ]  # fmt: skip
    assert said_of(full, 1) != before
    full.gone("person", np.zeros(0, dtype=np.int64))


def test_memory_is_counted() -> None:
    made = shipped()
    before = made.nbytes
    fill(made, np.random.default_rng(1), list(range(1, 400)))
    assert made.nbytes > before + 399 * 500


def test_readings_by_hand_are_those_promised_less_often_than_every_four_hours() -> None:
    columns = np.array([vitals.WEIGHT, vitals.WEIGHT, vitals.BY_NAME["battery"].no,
                        vitals.BY_NAME["motion"].no])  # fmt: skip
    cadence = np.array([14_400.0, 14_399.0, 86_400.0, 86_400.0])
    assert memory.taken_by_hand(columns, cadence).tolist() == [True, False, False, False]
