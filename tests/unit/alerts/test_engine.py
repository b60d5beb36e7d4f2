"""The rules core over arrays: limits, scores, order, lateness, and nobody else's readings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts import engine, windows
from alerts.model import Finding, Outcome, Severity
from alerts.rules import pack, registry
from ingest.kernel import vitals
from ingest.kernel.observation import ROW, Quality, Rows

PACKS = registry.load()
COLUMNS = windows.Columns.of(PACKS.of(pack.ScoreRule)[0], PACKS.of(pack.LimitRule))
AGES = engine.Ages(latest=86_400, live=3_600, refresh=900)
NOW = 1_767_600_000.0
Reading = tuple[int, str, float, float]  # person, quantity, value, seconds before NOW


def state(*people: windows.Person) -> windows.Latest:
    made = windows.Latest(COLUMNS)
    made.put(people or [windows.Person(no=n, shard=n % 64) for n in range(1, 6)])
    return made


def rows(*readings: Reading, flags: int = 0, now: float = NOW) -> Rows:
    out = np.zeros(len(readings), ROW)
    for n, (who, name, value, ago) in enumerate(readings):
        out[n] = (now - ago, now, value, 1, who, who, 0, flags, vitals.BY_NAME[name].no)
    return out


def judge(
    memory: windows.Latest, *readings: Reading, flags: int = 0, now: float = NOW
) -> list[Finding]:
    return engine.on_data(memory, rows(*readings, flags=flags, now=now), now=now, ages=AGES)


def by_rule(found: list[Finding]) -> dict[str, Finding]:
    return {f.rule_id: f for f in found}


@pytest.mark.parametrize(
    ("name", "value", "raises"),
    [
        ("spo2", 93.0, False), ("spo2", 92.9, True), ("heart_rate", 55.0, False),
        ("heart_rate", 54.0, True), ("heart_rate", 100.0, False), ("heart_rate", 101.0, True),
        ("systolic", 80.0, False), ("systolic", 79.0, True), ("systolic", 190.0, False),
        ("systolic", 191.0, True), ("diastolic", 50.0, False), ("diastolic", 49.0, True),
        ("diastolic", 110.0, False), ("diastolic", 111.0, True), ("body_temperature", 35.0, False),
        ("body_temperature", 34.9, True), ("body_temperature", 37.6, False),
        ("body_temperature", 37.7, True), ("body_water", 39.9, True), ("body_water", 70.1, True),
        ("glucose", 1.0, False), ("weight", 30.0, False),
    ],
)  # fmt: skip
def test_a_value_on_its_limit_is_inside_and_one_beyond_is_not(
    name: str, value: float, raises: bool
) -> None:
    found = by_rule(judge(state(), (1, name, value, 0)))
    assert (f"limits.{name}" in found) is raises


def test_limits_of_the_care_plan_win_and_null_switches_a_side_off() -> None:
    own = windows.Person(
        no=1,
        shard=1,
        limits={"spo2": {"low": 85}, "heart_rate": {"high": None}, "glucose": {"low": 4}},
    )
    memory = state(own)
    assert "limits.spo2" not in by_rule(judge(memory, (1, "spo2", 86.0, 0)))
    found = by_rule(judge(memory, (1, "spo2", 84.0, 0)))["limits.spo2"]
    assert (found.low, found.personal) == (85.0, True)
    assert "limits.heart_rate" not in by_rule(judge(memory, (1, "heart_rate", 150.0, 0)))
    assert "limits.heart_rate" in by_rule(judge(memory, (1, "heart_rate", 40.0, 0)))
    assert "limits.glucose" in by_rule(judge(memory, (1, "glucose", 3.9, 0)))


@pytest.mark.parametrize("bad", ["low", True, float("nan"), [90], {"spo2": 1}])
def test_a_malformed_personal_limit_leaves_the_default_standing(bad: object) -> None:
    odd = windows.Person(no=1, shard=1, limits={"spo2": {"low": bad}, "weight": bad})  # type: ignore[dict-item]
    found = by_rule(judge(state(odd), (1, "spo2", 92.0, 0)))["limits.spo2"]
    assert (found.low, found.personal) == (93.0, False)


def test_scale_2_is_used_by_flag_only() -> None:
    memory = state(windows.Person(no=1, shard=1, scale2=True), windows.Person(no=2, shard=2))
    found = judge(memory, (1, "spo2", 90.0, 0), (2, "spo2", 90.0, 0))
    assert {(f.person_no, f.rule_id) for f in found} == {(2, "limits.spo2"), (2, "news2")}


@pytest.mark.parametrize(
    "flags", [Quality.IMPLAUSIBLE, Quality.HISTORICAL, Quality.RETAINED, Quality.IMPORTED]
)
def test_what_is_impossible_or_not_live_is_never_judged_and_never_remembered(flags: int) -> None:
    memory = state()
    assert judge(memory, (1, "spo2", 60.0, 0), flags=int(flags)) == []
    assert np.isnan(memory.value).all()


def test_a_reading_of_long_ago_is_late_and_at_most_soon() -> None:
    found = by_rule(judge(state(), (1, "spo2", 70.0, 4_000)))
    assert found["limits.spo2"].late
    assert found["limits.spo2"].severity is Severity.SOON


def test_an_older_reading_never_replaces_the_latest() -> None:
    memory = state()
    judge(memory, (1, "spo2", 97.0, 10))
    found = judge(memory, (1, "spo2", 80.0, 100))
    limit = [f.outcome for f in found if f.rule_id == "limits.spo2"]
    assert limit == [Outcome.RAISE, Outcome.CLEAR]  # it judges its own moment, which is over
    assert memory.value[memory.slots(np.array([1]))[0], COLUMNS.of_quantity[vitals.SPO2]] == 97.0


def test_the_margin_keeps_a_value_at_the_limit_from_flapping() -> None:
    memory = state()
    outcomes = [
        f.outcome
        for n, v in enumerate([101.0, 99.5, 101.0, 99.5, 98.0, 99.5])
        for f in judge(memory, (1, "heart_rate", v, 100 - n))
        if f.rule_id == "limits.heart_rate"
    ]
    assert outcomes == [Outcome.RAISE, Outcome.CLEAR]


def test_more_of_the_same_is_told_again_only_after_a_while() -> None:
    memory = state()
    assert judge(memory, (1, "heart_rate", 120.0, 0))
    assert judge(memory, (1, "heart_rate", 121.0, 0), now=NOW + 60) == []
    again = by_rule(judge(memory, (1, "heart_rate", 122.0, 0), now=NOW + 901))
    assert again["limits.heart_rate"].outcome is Outcome.REFRESH


WELL: list[tuple[str, float]] = [
    ("resp_rate", 16.0), ("spo2", 97.0), ("systolic", 120.0), ("heart_rate", 70.0),
    ("acvpu", 0.0), ("body_temperature", 37.0),
]  # fmt: skip


def vital(ago: float, **changes: float) -> list[Reading]:
    return [(1, q, v, ago) for q, v in (dict(WELL) | changes).items()]


@pytest.mark.parametrize(
    ("changes", "severity"),
    [
        ({"resp_rate": 25.0}, Severity.SOON),
        ({"resp_rate": 25.0, "systolic": 95.0}, Severity.URGENT),
        ({"resp_rate": 25.0, "systolic": 95.0, "heart_rate": 115.0}, Severity.EMERGENCY),
    ],
)
def test_the_score_sets_the_severity(changes: dict[str, float], severity: Severity) -> None:
    found = by_rule(judge(state(), *vital(0, **changes)))["news2"]
    assert found.severity is severity
    assert not found.partial
    assert {r.quantity for r in found.evidence} >= {vitals.BY_NAME[q].no for q, _ in WELL}


def test_a_partial_score_is_a_lower_bound_and_says_so() -> None:
    found = by_rule(judge(state(), (1, "resp_rate", 25.0, 0)))["news2"]
    assert (found.score, found.partial, found.level) == (3, True, "low-medium")


def test_readings_age_out_of_the_score() -> None:
    memory = state()
    judge(memory, (1, "resp_rate", 22.0, 86_500), (1, "systolic", 95.0, 3_000))
    found = judge(memory, (1, "heart_rate", 95.0, 0))
    assert "news2" not in by_rule(found)  # 2 + 1, the respiration rate is too old


def test_missing_readings_never_clear_a_score() -> None:
    memory = state()
    judge(memory, *vital(80_000, resp_rate=25.0))
    later = NOW + 20_000  # the respiration rate is 100,000 s old by now
    found = judge(memory, (1, "spo2", 98.0, 0), now=later)
    assert "news2" not in by_rule(found)
    found = judge(memory, *((1, q, v, 0.0) for q, v in WELL), now=later + 1)
    assert by_rule(found)["news2"].outcome is Outcome.CLEAR


@pytest.mark.parametrize(
    "person",
    [
        windows.Person(no=1, shard=1, pregnant=True),
        windows.Person(no=1, shard=1, born=NOW - 15 * 365.25 * 86_400),
    ],
)
def test_the_score_is_not_applied_under_16_or_in_pregnancy(person: windows.Person) -> None:
    found = by_rule(judge(state(person), *vital(0, resp_rate=30.0, spo2=80.0)))
    assert "news2" not in found
    assert "limits.spo2" in found


def test_oxygen_of_the_register_counts_where_no_device_says_it() -> None:
    memory = state(windows.Person(no=1, shard=1, on_oxygen=True))
    found = by_rule(judge(memory, *vital(0, resp_rate=25.0)))["news2"]
    assert found.score == 5
    found_air = judge(memory, *vital(0, resp_rate=25.0, on_oxygen=0.0), now=NOW + 1_000)
    assert by_rule(found_air)["news2"].score == 3


def test_each_moment_of_a_batch_is_judged_by_itself() -> None:
    """A person who was ill and well again within one batch is not missed."""
    found = judge(state(), *vital(100), *vital(60, resp_rate=30.0, heart_rate=140.0), *vital(20))
    assert [f.outcome for f in found if f.rule_id == "news2"] == [Outcome.RAISE, Outcome.CLEAR]


def test_people_and_quantities_nobody_knows_change_nothing() -> None:
    memory = state()
    strange = rows((99, "spo2", 70.0, 0), (0, "spo2", 70.0, 0), (1, "motion", 1.0, 0))
    strange["quantity"][2] = 30_000
    assert engine.on_data(memory, strange, now=NOW, ages=AGES) == []
    assert memory.unknown(strange).tolist() == [99]
    assert engine.on_data(memory, rows(), now=NOW, ages=AGES) == []


names = [q for q, _ in WELL] + ["on_oxygen", "diastolic", "glucose"]
readings = st.tuples(
    st.integers(1, 4),
    st.sampled_from(names),
    st.integers(0, 220).map(float),
    st.integers(0, 8).map(lambda n: n * 900.0),
)


def result(found: list[Finding]) -> list[Finding]:
    return sorted(found, key=lambda f: (f.person_no, f.rule_id, f.at, f.outcome))


@settings(max_examples=60)
@given(st.lists(readings, max_size=30), st.randoms(use_true_random=False))
def test_the_order_of_rows_in_a_batch_does_not_matter(batch: list[Reading], chance: object) -> None:
    shuffled = list(batch)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    one, two = state(), state()
    assert result(judge(one, *batch)) == result(judge(two, *shuffled))
    assert np.array_equal(one.value, two.value, equal_nan=True)
    assert np.array_equal(one.told, two.told)


@settings(max_examples=60)
@given(st.lists(readings, max_size=20), st.lists(readings, max_size=20))
def test_readings_of_another_person_change_nobody_elses_result(
    batch: list[Reading], others: list[Reading]
) -> None:
    alone, together = (
        state(),
        state(
            *(windows.Person(no=n, shard=n) for n in range(1, 6)), windows.Person(no=50, shard=9)
        ),
    )
    other = [(50, q, v, t) for _, q, v, t in others]
    mixed = judge(together, *other[::2], *batch, *other[1::2])
    assert result(judge(alone, *batch)) == result([f for f in mixed if f.person_no != 50])


@settings(max_examples=60)
@given(st.lists(readings, max_size=20, unique_by=lambda r: r[:2]))
def test_what_has_been_told_is_not_told_again(batch: list[Reading]) -> None:
    memory = state()
    at_once = [(who, name, value, 0.0) for who, name, value, _ in batch]
    judge(memory, *at_once)
    assert judge(memory, *at_once) == []


# --- the arrays themselves -------------------------------------------------------------------


def test_the_state_grows_and_shrinks_and_keeps_who_stays() -> None:
    memory = windows.Latest(COLUMNS)
    memory.put([windows.Person(no=n, shard=n % 64) for n in range(1, 3_001)])
    judge(memory, (2_999, "spo2", 91.0, 0), (64, "spo2", 90.0, 0))
    memory.forget([0])
    assert memory.slots(np.array([64]))[0] == windows.UNKNOWN
    assert memory.count == 3_000 - 46
    slot = memory.slots(np.array([2_999]))[0]
    assert memory.person[slot] == 2_999
    assert memory.value[slot, COLUMNS.of_quantity[vitals.SPO2]] == 91.0
    memory.put([windows.Person(no=64, shard=0)])
    assert np.isnan(memory.value[memory.slots(np.array([64]))[0]]).all()
    assert memory.nbytes / memory.person.size < 1_024


def test_what_the_database_says_was_told_is_not_raised_again() -> None:
    memory = state()
    memory.put_told(
        [windows.Told(person_no=1, rule_id="limits.heart_rate", rank=2, at=NOW - 10),
         windows.Told(person_no=1, rule_id="sos", rank=4, at=NOW)]
    )  # fmt: skip
    assert "limits.heart_rate" not in by_rule(judge(memory, (1, "heart_rate", 120.0, 0)))
    memory.forget_told(1, "limits.heart_rate")
    assert "limits.heart_rate" in by_rule(judge(memory, (1, "heart_rate", 120.0, 0)))


def test_filling_from_the_store_does_not_replace_what_is_newer() -> None:
    memory = state()
    judge(memory, (1, "spo2", 97.0, 10))
    spo2 = np.array([vitals.SPO2, vitals.SPO2])
    memory.fill(np.array([1, 2]), spo2, np.array([NOW - 50, NOW - 50]), np.array([80.0, 81.0]))
    column = COLUMNS.of_quantity[vitals.SPO2]
    assert memory.value[memory.slots(np.array([1, 2])), column].tolist() == [97.0, 81.0]
