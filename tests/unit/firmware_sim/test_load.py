"""Tests of `firmware_sim.load`."""

from __future__ import annotations

import json
import tomllib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim import bulk, load, registration

NOW = 1_795_406_400.25


def messages(rows: bulk.Bytes, version: int = 4) -> list[tuple[str, int, list[dict]]]:
    """Take packets apart by hand: topic, packet id, records."""
    found = []
    for row in rows:
        raw = row.tobytes()
        size, at = bulk.read_varint(raw, 1)
        assert len(raw) == size + at
        length = int.from_bytes(raw[at : at + 2])
        topic, at = raw[at + 2 : at + 2 + length].decode(), at + 2 + length
        packet_id, at = int.from_bytes(raw[at : at + 2]), at + 2
        found.append((topic, packet_id, json.loads(raw[at + (version == 5) :])))
    return found


def maker(connection: int = 0, **given_) -> tuple[load.Generator, load.Template]:
    plan = load.Plan(**given_)
    template = load.Template(site=plan.site, pack=plan.pack, version=plan.version)
    return load.Generator(plan, template, connection, np.random.default_rng(1)), template


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("pack", [1, 3, 20, 200])
def test_a_generated_packet_is_a_good_message(pack, version):
    made, template = maker(pack=pack, version=version, devices=7, connections=2)
    rows = made.batch(10, NOW)
    template.number(rows, np.arange(65_530, 65_540) % 65_535 + 1)
    found = messages(rows, version)
    assert [t for t, _, _ in found[:4]] == [
        f"telecare/v1/load/load-00000{n}/obs" for n in (1, 3, 5, 7)
    ]
    assert [i for _, i, _ in found[3:7]] == [65_534, 65_535, 1, 2]
    assert all(len(records) == pack for _, _, records in found)
    assert {r["n"] for r in found[0][2]} <= {q[0] for q in load._QUANTITIES}
    assert found[0][2][0]["t"] == NOW


def test_each_reading_is_distinct_over_batches_even_when_the_clock_stands_still():
    made, _ = maker(pack=5, devices=3, connections=1)
    seen = set()
    for _ in range(3):
        for topic, _, records in messages(made.batch(100, NOW)):
            seen |= {(topic, r["n"], r["t"]) for r in records}
    assert len(seen) == 3 * 100 * 5


def test_values_lie_where_no_rule_is_interested():
    made, _ = maker(pack=6)
    for _, _, records in messages(made.batch(500, NOW)):
        by_name = {r["n"]: r["v"] for r in records}
        assert 60 <= by_name["heart_rate"] < 70
        assert 97 <= by_name["spo2"] < 98
        assert 36 <= by_name["body_temperature"] < 37


def test_about_as_many_messages_repeat_as_asked_and_repeat_exactly():
    made, _ = maker(duplicates=10.0)
    bodies = [row.tobytes() for _ in range(10) for row in made.batch(500, NOW)]
    assert 400 < made.duplicates < 600
    assert len(set(bodies)) == 5000 - made.duplicates


@given(st.integers(0, 10**12), st.integers(1, 13))
def test_digits_are_those_of_the_number(number, width):
    rows = np.zeros((1, width), np.uint8)
    load._digits(rows, np.arange(width), np.array([number]))
    assert rows.tobytes().decode() == f"{number % 10**width:0{width}d}"


def test_digits_go_around_a_decimal_point():
    rows = np.frombuffer(b"#.###", np.uint8).copy().reshape(1, -1)
    load._digits(rows, np.array([0, 2, 3, 4]), np.array([1234]))
    assert rows.tobytes() == b"1.234"


def test_a_set_rate_is_not_exceeded(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(load.time, "monotonic", lambda: now[0])
    pace = load._Pace(load.Plan(rate=1000, seconds=2), now[0])
    assert pace.allowed(0) == 0  # a few at once
    now[0] += 0.5
    assert pace.allowed(0) == 500  # a batch
    assert pace.allowed(500) == 0
    assert pace.left(501)
    now[0] += 2
    assert not pace.left(501)


def test_a_count_is_kept_to_the_message():
    pace = load._Pace(load.Plan(count=10), 0.0)
    assert pace.allowed(8) == 2
    assert not pace.left(10)


def test_the_register_of_a_load_is_a_person_per_device_with_valid_numbers():
    tables = tomllib.loads(registration.toml(load.register(load.Plan(devices=30))))
    assert [d["id"] for d in tables["devices"]][::29] == ["load-000001", "load-000030"]
    assert len({p["nhs_number"] for p in tables["people"]}) == 30
    assert {d["person"] for d in tables["devices"]} == {p["id"] for p in tables["people"]}
    assert {p["home"] for p in tables["people"]} == {h["id"] for h in tables["homes"]}


class Pipe:
    """A connection whose broker acknowledges at once, or not at all."""

    def __init__(self, *_given, window=1000, **_named):
        self.window, self.acked, self.in_flight, self.bytes = window, 0, 0, []
        self.reasons, self.waits, self.busy, self.sock = {0: 0}, bulk.Waits(), False, None

    @property
    def room(self):
        return self.window - self.in_flight

    def take_ids(self, count):
        self.in_flight += count
        return np.arange(1, count + 1)

    def send(self, rows):
        self.bytes.append(rows)

    def close(self):
        pass

    def keep_alive(self):
        pass


def test_a_run_never_exceeds_the_window_and_reports_what_came_of_it(monkeypatch):
    pipes = []

    class Selector:
        def register(self, sock, events, pipe):
            pipes.append(pipe)

        def close(self):
            pass

    def serve(served, _selector, _timeout):
        for pipe in served:
            assert pipe.in_flight <= 50
            pipe.acked += pipe.in_flight
            pipe.in_flight = 0

    monkeypatch.setattr(load.bulk, "Pipe", Pipe)
    monkeypatch.setattr(load.bulk, "serve", serve)
    monkeypatch.setattr(load.selectors, "DefaultSelector", Selector)
    seen = []
    document = load.run(
        load.Plan(count=1003, window=50, pack=2), None, progress=lambda *n: seen.append(n)
    )
    assert (document["sent"], document["acked"], document["lost"]) == (1003, 1003, 0)
    assert document["readings"] == document["distinct_readings"] == 2006
    assert sum(len(rows) for pipe in pipes for rows in pipe.bytes) == 1003
    assert seen[-1] == (1003, 1003)
