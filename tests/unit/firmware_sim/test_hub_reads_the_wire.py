"""The hub's decoder against the published examples and against what the simulator encodes."""

from __future__ import annotations

import json

import pytest

from firmware_sim import wire
from ingest.validation import wire as hub
from tests.unit.firmware_sim import stage, test_wire

RECEIVED = 1_795_406_500.0
UP = sorted(n for n in test_wire.INDEX if n.startswith(("obs", "event")))


def understood(payload: bytes, content_type: str) -> list[tuple]:
    """Return each record as the hub resolves it: name, unit, value, time, alarm id."""
    pack = hub.decode(payload, content_type or None)
    assert not pack.whole
    bases = hub.Bases()
    found = []
    for record in pack.records:
        assert isinstance(record, hub.Record)
        bases.take(record)
        assert not bases.problem()
        values = [v for v in (record.v, record.vb, record.vs) if v is not None]
        time, _ = bases.moment(record, RECEIVED)
        found.append((bases.name + (record.n or ""), record.u, values, time, record.alarm_id))
    return found


def meant(records: list[dict]) -> list[tuple]:
    return [
        (
            r["n"],
            r.get("u"),
            [r[k] for k in ("v", "vb", "vs") if k in r],
            r.get("t", RECEIVED),
            r.get("alarm_id"),
        )
        for r in records
    ]


@pytest.mark.parametrize("name", UP)
def test_the_hub_reads_each_example_as_it_is_meant(name):
    entry = test_wire.INDEX[name]
    payload = (test_wire.EXAMPLES / name).read_bytes()
    said = stage.resolve(test_wire.example(entry.get("same_as", name)))
    for content_type in {entry.get("content_type", ""), ""}:
        assert understood(payload, content_type) == meant(said)


@pytest.mark.parametrize("name", test_wire.PACKS)
@pytest.mark.parametrize("encode", [wire.to_json, wire.to_cbor])
@pytest.mark.parametrize("base", [{}, {"base_time": 1795406400}])
def test_the_hub_reads_what_the_simulator_encodes(name, encode, base):
    records = test_wire.PACKS[name]
    if records[0].time is None:
        base = {}
    payload = encode(wire.fields(records, **base))
    assert understood(payload, "") == meant(stage.resolve(test_wire.example(name)))


def test_a_base_urn_is_the_devices_own():
    urn = json.loads((test_wire.EXAMPLES / "obs.json").read_text())[0]["bn"]
    assert hub.local_name(urn, "spo2", "oximeter-1") == ("spo2", "")
    assert hub.local_name(urn, "spo2", "oximeter-2")[1]
