"""Tests of `firmware_sim.report`."""

from __future__ import annotations

from firmware_sim import report, wire


def test_percentiles_of_nothing_are_unknown():
    assert report.percentiles([])["p99"] is None


def test_percentiles_are_in_order():
    found = report.percentiles(range(101))
    assert (found["p50"], found["p90"], found["p99"], found["max"]) == (50, 90, 99, 100)


def test_a_reading_sent_twice_is_one_distinct_reading():
    tally = report.Tally()
    record = wire.Record(name="spo2", value=97, time=1)
    tally.observed("s/d", [record])
    tally.observed("s/d", [record, wire.Record(name="spo2", value=98, time=1)])
    assert (tally.document()["readings"], tally.document()["distinct_readings"]) == (3, 2)


def test_refusals_are_counted_by_reason():
    tally = report.Tally()
    tally.answered(wire.Answer(stored=1, refused=((0, "unit"), (1, "unit"), (2, "name"))), 12.0)
    answers = tally.document()["answers"]
    assert answers["refused"] == {"unit": 2, "name": 1}
    assert (answers["count"], answers["stored"], answers["wait_ms"]["max"]) == (1, 1, 12.0)
