"""Tests of `firmware_sim.faults`."""

from __future__ import annotations

import json

import numpy as np
import pytest

from firmware_sim import faults, scenarios, timing, wire


def fault(kind, **args):
    return faults.Faults(
        [scenarios.Fault(device="*", kind=kind, args=args)], rng=np.random.default_rng(1)
    )


def test_about_as_many_messages_are_doubled_as_asked():
    copies = [
        fault_.copies() for fault_ in [fault("duplicates", percent=30, most=3)] for _ in range(2000)
    ]
    assert set(copies) == {1, 2, 3}
    assert 0.25 < sum(c > 1 for c in copies) / 2000 < 0.35


def test_a_sound_device_doubles_nothing():
    assert faults.Faults([], rng=np.random.default_rng(1)).copies() == 1


def test_a_clock_is_made_wrong():
    clock = timing.DeviceClock()
    fault("drift", seconds_per_day=10, behind="1h").apply_clock(clock)
    assert (clock.drift_per_day, clock.offset) == (10, -3600)


def test_an_unknown_fault_is_refused():
    with pytest.raises(ValueError, match="no fault"):
        fault("gremlins")


def messages():
    found = faults.garbage("s", "d", 1795406400, rng=np.random.default_rng(1))
    return [(label, m) for label, m in found]


def test_garbage_holds_what_a_hub_must_survive():
    assert {label for label, _ in messages()} >= {
        "random bytes", "unknown name", "unit of another kind", "not a number", "infinite",
        "NUL in text", "year 1970", "year 2100", "one megabyte", "10,000 records", "wrong topic",
        "alarm of 1970", "alarm of 2100", "unreadable alarm",
    }  # fmt: skip


def test_garbage_is_of_the_sizes_it_claims_and_a_broker_can_carry_it():
    found = dict(messages())
    assert len(found["one megabyte"].payload) > 1_000_000
    assert len(json.loads(found["10,000 records"].payload)) == 10_000
    assert all(len(m.payload) < 2 * 1024 * 1024 for _, m in messages())


def test_wrong_topics_come_last_since_they_may_end_the_connection():
    labels = [label for label, _ in messages()]
    assert set(labels[labels.index("wrong topic") :]) == {"wrong topic"}


def test_the_good_record_among_the_bad_is_a_good_record():
    pack = json.loads(dict(messages())["unknown name"].payload)
    assert pack[1]["n"] == "heart_rate"
    assert wire.topic("s", "d", "obs") == dict(messages())["unknown name"].topic
