"""Tests of `firmware_sim.physiology`."""

from __future__ import annotations

import numpy as np

from firmware_sim import physiology


def body(seed: int = 1, **given) -> physiology.Body:
    return physiology.Body(rng=np.random.default_rng(seed), **given)


def readings(someone: physiology.Body, quantity: str) -> list[float]:
    return [someone.measure(quantity, t * 3600.0, t * 3600.0 % 86400) for t in range(100)]


def test_the_same_seed_gives_the_same_body():
    assert readings(body(), "heart_rate") == readings(body(), "heart_rate")
    assert readings(body(), "heart_rate") != readings(body(2), "heart_rate")


def test_asking_for_one_quantity_never_changes_another():
    quiet, busy = body(), body()
    readings(busy, "spo2")
    assert readings(quiet, "heart_rate") == readings(busy, "heart_rate")


def test_every_quantity_stays_in_its_bounds_and_on_its_grid():
    for name, norm in physiology.NORMS.items():
        values = np.array(readings(body(3), name))
        assert (values >= norm.low).all()
        assert (values <= norm.high).all()
        assert np.allclose(np.round(values / norm.step) * norm.step, values)


def test_a_course_moves_a_quantity_and_holds_until_it_is_over():
    course = physiology.Course(quantity="spo2", begin=100, end=200, by=-8, until=300)
    assert [course.at(t) for t in (0, 100, 150, 200, 299, 300)] == [0, 0, -4, -8, -8, 0]


def test_a_body_follows_its_baseline_and_courses():
    course = physiology.Course(quantity="weight", begin=0, end=10, by=3)
    someone = body(baseline={"weight": 70.0}, courses=[course], steadiness=1000)
    assert abs(someone.measure("weight", 0, 0) - 70) < 0.2
    assert abs(someone.measure("weight", 10, 0) - 73) < 0.2
