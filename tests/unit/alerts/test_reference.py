"""The engine against the same rules in plain Python, one event at a time: they tell the same."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest

from alerts import model
from alerts.engine import Engine
from ingest.kernel.observation import Quality, Rows
from tests.benchmarks import plain, population, rules

PEOPLE, DAYS = 40, 14
STEP = 3_601.0  # no length of time of a rule is a multiple of it
CONDITIONS = ("dementia", "frailty", "falls_risk", "cold_risk", "diabetes")
EXTRA = {  # made of other rows: how many of these, and what they say
    "bed_occupied": (0.01, (0, 1)), "chair_occupied": (0.003, (0, 1)), "fall": (0.0005, (1,)),
    "mains": (0.003, (0, 1)), "illuminance": (0.01, tuple(range(30))), "battery": (0.002, (8, 15)),
}  # fmt: skip


def register(begin: float) -> rules.Register:
    """Return people with more conditions and limits of their own."""
    homes, people, devices = population.objects(PEOPLE)
    return (
        homes,
        [
            dataclasses.replace(
                p, conditions=(*p.conditions, CONDITIONS[p.no % 5], CONDITIONS[p.no % 3]),
                limits={"heart_rate": {"low": 60, "high": 85}} if p.no % 5 == 0 else None,
            )
            for p in people
        ],
        [dataclasses.replace(d, since=begin) for d in devices],
    )  # fmt: skip


def troubled(rng: np.random.Generator) -> Rows:
    """Return days with falls, empty batteries, late readings, silent homes, and rows to ignore."""
    rows = population.days(PEOPLE, DAYS)
    rows["value"][rng.random(rows.size) < 0.001] *= 0.75
    ill = (rows["person"] > 0) & (rng.random(rows.size) < 0.05)
    rows["value"][ill] *= rng.choice((0.75, 1.4), int(ill.sum()))
    more = []
    for name, (share, values) in EXTRA.items():
        some = rows[rng.random(rows.size) < share]
        some["quantity"] = population.no(name)
        some["value"] = rng.choice(values, some.size)
        some["person"] = some["dwelling"]
        more.append(some)
    rows = np.concatenate([rows, *more])
    late = rng.random(rows.size) < 0.01
    rows["received"][late] += rng.uniform(0, 3 * 86_400.0, int(late.sum()))
    day = (rows["time"] - rows["time"].min()) // 86_400.0
    rows = rows[(rows["dwelling"] % 7 != 3) | (day < 7) | (day > 9)]
    for flag in (Quality.IMPLAUSIBLE, Quality.RETAINED, Quality.HISTORICAL):
        rows["flags"][rng.random(rows.size) < 0.002] |= int(flag)
    return rows[np.argsort(rows["received"], kind="stable")]


@pytest.fixture(scope="module")
def both() -> tuple[list[model.Finding], list[plain.Told]]:
    rows = troubled(np.random.default_rng(7))
    known = register(float(rows["received"][0]))
    engine = Engine(population.plan())
    engine.memory.learn_parts(population.ROOMS)
    homes, people, devices = known
    engine.put(homes=homes, people=people, devices=devices)
    judge = plain.Rules(population.plan(), population.ROOMS)
    judge.put(*known)
    rules.run_plainly(judge, rows, STEP)
    return list(rules.run_engine(engine, rows, STEP)), judge.found


def of_engine(found: list[model.Finding]) -> Iterator[tuple[object, ...]]:
    for f in found:
        yield f.outcome.value, f.subject, f.subject_no, f.rule_id, f.severity.rank, f.at


def test_both_tell_the_same_of_the_same_subjects_at_the_same_times(
    both: tuple[list[model.Finding], list[plain.Told]],
) -> None:
    engine, reference = both
    found = Counter(one for one in of_engine(engine) if one[0] != plain.COMMAND)
    wanted = Counter(one[:6] for one in reference if one.outcome != plain.COMMAND)
    assert len({one[3] for one in found}) >= 15  # of many rules
    assert {one[0] for one in found} >= {"raise", "refresh", "clear", "muted"}
    assert not found - wanted, "only the engine tells this"
    assert not wanted - found, "only the reference tells this"


def test_both_ask_for_light_as_often(
    both: tuple[list[model.Finding], list[plain.Told]],
) -> None:
    engine, reference = both
    asked = Counter(f.subject_no for f in engine if f.outcome is model.Outcome.COMMAND)
    assert asked == Counter(f.number for f in reference if f.outcome == plain.COMMAND)
    assert asked


def test_both_rest_their_decisions_on_the_same_numbers(
    both: tuple[list[model.Finding], list[plain.Told]],
) -> None:
    engine, reference = both
    facts = {one[:6]: one.facts for one in reference}
    compared = 0
    for key, f in zip(of_engine(engine), engine, strict=True):
        if f.outcome is model.Outcome.COMMAND or f.subject == "site":
            continue
        told = {fact[0]: fact[1] for fact in facts[key]}
        for fact in f.facts:
            if fact.name.startswith(("recent", "silent")) or fact.origin == "register":
                continue
            compared += 1
            if fact.value is None:
                assert told[fact.name] is None or np.isinf(told[fact.name])
            else:
                assert told[fact.name] == pytest.approx(fact.value, abs=1e-3), (key, fact)
    assert compared > 1_000
