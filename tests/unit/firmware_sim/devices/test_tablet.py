"""Tests of `firmware_sim.devices.tablet`."""

from __future__ import annotations

from tests.unit.firmware_sim.devices import test_monitors as monitors

WORSE = (
    '[[courses]]\nperson = "p"\nquantity = "symptom.breathless"\nbegin = "0s"\nend = "1s"\nby = 2\n'
    '[[courses]]\nperson = "p"\nquantity = "confusion"\nbegin = "0s"\nend = "1s"\nby = 1\n'
)


def answers(**given):
    records = monitors.packs(monitors.measured("tablet", **given)[0])[0]
    return {r["n"]: r.get("v", r.get("vs", r.get("vb"))) for r in records}


def test_a_well_person_answers_well():
    assert answers(asks=["breathless"]) == {
        "symptom.breathless": 0, "acvpu": "A", "on_oxygen": False,
    }  # fmt: skip


def test_a_course_moves_the_answers():
    said = answers(asks=["breathless"], more=WORSE, on_oxygen=True)
    assert said == {"symptom.breathless": 2, "acvpu": "C", "on_oxygen": True}


def test_the_worst_answer_is_four():
    worst = WORSE.replace("by = 2", "by = 9")
    assert answers(asks=["breathless"], more=worst)["symptom.breathless"] == 4
