"""SenML packs from hostile and honest bytes."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.validation import wire

GOOD = [{"n": "spo2", "v": 96}]


def test_a_json_pack_becomes_its_records() -> None:
    pack = wire.decode(b'[{"bn":"kitchen/","n":"motion","vb":true,"t":-5,"bt":1795406400}]', None)
    assert pack.whole == ""
    assert pack.records == [
        wire.Record(n="motion", vb=True, t=-5.0, bn="kitchen/", bt=1795406400.0)
    ]


def test_cbor_labels_mean_the_same_as_json_keys() -> None:
    record = {-2: "kitchen/", -3: 1795406400, -4: "Cel", -5: 1.5, 0: "n", 1: "u", 2: 3, 6: 4}
    pack = wire.decode(cbor2.dumps([record]), None)
    assert pack.records == [
        wire.Record(bn="kitchen/", bt=1795406400.0, bu="Cel", bv=1.5, n="n", u="u", v=3.0, t=4.0)
    ]


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"\x9f" + cbor2.dumps({0: "spo2", 2: 96}) + b"\xff", id="indefinite length"),
        pytest.param(b"\xd9\xd9\xf7" + cbor2.dumps([{0: "spo2", 2: 96}]), id="says it is CBOR"),
        pytest.param(cbor2.dumps([{0: "spo2", 2: Decimal("96")}]), id="a decimal fraction"),
        pytest.param(cbor2.dumps([{0: "spo2", 2: 96, "x": [1]}]), id="an unknown field"),
        pytest.param(cbor2.dumps([{10**5000: 1, 0: "spo2", 2: 96}]), id="a key of 5,000 digits"),
    ],
)
def test_odd_but_sound_cbor_is_read(payload: bytes) -> None:
    assert wire.decode(payload, None).records == [wire.Record(n="spo2", v=96.0)]


@pytest.mark.parametrize(
    ("payload", "content_type", "expected"),
    [
        (b"[", None, False),
        (b"  [", None, False),
        (b"\x81", None, True),
        (b"[", "application/senml+cbor", True),
        (b"[", "Application/SenML+CBOR; x=1", True),
        (b"\x81", "application/senml+json", False),
        (b"\x81", "application/octet-stream", True),
        (b"", None, False),
    ],
)
def test_cbor_is_told_by_content_type_else_by_the_first_byte(
    payload: bytes, content_type: str | None, expected: bool
) -> None:
    assert wire.is_cbor(payload, content_type) is expected


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"{}",
        b"hello",
        b"[",
        b'{"n":"spo2","v":1}',
        b"[" * 1_000_000,
        b"\x81" * 1_000_000,
        b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\x81\x7b\x7f\xff\xff\xff\xff\xff\xff\xff",
        b'[{"n":"sos","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}]",
        b'[{"n":"spo2","v":' + b"9" * 5_000 + b"}]",
        b"\x81\xa2\x00\x62\xff\xff\x02\x01",
        cbor2.dumps([{0: "spo2", 2: cbor2.CBORTag(5, [10**9, 3])}]),
        b"[]",
    ],
)
def test_what_is_no_pack_is_refused_whole(payload: bytes) -> None:
    pack = wire.decode(payload, None)
    assert pack.whole
    assert pack.records == []


@pytest.mark.parametrize(
    "bad",
    [
        '{"n":"spo2","v":"96"}',
        '{"n":7,"v":96}',
        '{"n":"spo2","t":' + "9" * 400 + "}",
        '{"n":"spo2","v":96,"must_":1}',
        '{"n":"spo2","v":96,"must_" :1}',
        "[]",
        "7",
        "null",
    ],
)
def test_a_bad_record_leaves_the_good_ones(bad: str) -> None:
    pack = wire.decode(f'[{bad},{{"n":"spo2","v":96}}]'.encode(), None)
    assert isinstance(pack.records[0], wire.Bad)
    assert pack.records[1] == wire.Record(n="spo2", v=96.0)


def test_not_a_number_spoils_only_its_record() -> None:
    first, second = wire.decode(b'[{"n":"spo2","v":NaN},{"n":"spo2","v":96}]', None).records
    assert isinstance(first, wire.Record)
    assert math.isnan(first.v or 0)
    assert second == wire.Record(n="spo2", v=96.0)


def test_half_a_character_is_replaced_since_no_database_takes_it() -> None:
    (record,) = wire.decode(b'[{"n":"sos","vs":"a\\ud800b","alarm_id":"\\udfff"}]', None).records
    assert record == wire.Record(n="sos", vs="a?b", alarm_id="?")


@pytest.mark.parametrize(("count", "read"), [(wire.MOST_RECORDS, True), (5_001, False)])
def test_the_number_of_records_is_bounded(count: int, read: bool) -> None:
    for payload in (json.dumps(GOOD * count).encode(), cbor2.dumps([{0: "n"}] * count)):
        pack = wire.decode(payload, None)
        assert len(pack.records) == count  # an emergency may be among them
        assert bool(pack.whole) is not read


def test_base_fields_hold_from_their_record_on() -> None:
    bases = wire.Bases()
    bases.take(wire.Record(bn="a/", bt=5.0, bu="Cel", bv=2.0))
    bases.take(wire.Record(bn="b/"))
    assert (bases.name, bases.time, bases.unit, bases.value) == ("b/", 5.0, "Cel", 2.0)
    assert bases.problem() == ""


def test_the_base_fields_of_a_bad_record_hold_too() -> None:
    bad, _ = wire.decode(b'[{"bn":"kitchen/","bt":5,"v":"x"},{"n":"motion"}]', None).records
    bases = wire.Bases()
    bases.take(bad)
    assert (bases.name, bases.time, bases.problem()) == ("kitchen/", 5.0, "")


def test_a_lost_base_field_spoils_what_follows_until_it_is_given_again() -> None:
    bad, again = wire.decode(b'[{"bn":7,"n":"x"},{"bn":"kitchen/","n":"motion"}]', None).records
    bases = wire.Bases()
    bases.take(bad)
    assert "bn" in bases.problem()
    bases.take(again)
    assert bases.problem() == ""


@pytest.mark.parametrize(("version", "sound"), [(10, True), (5, True), (11, False)])
def test_a_later_version_of_senml_is_not_used(version: int, sound: bool) -> None:
    bases = wire.Bases()
    bases.take(wire.Record(bver=version))
    assert (bases.problem() == "") is sound


@pytest.mark.parametrize(
    ("base", "own", "expected", "hub_timed"),
    [
        (0.0, None, 1000.0, True),
        (0.0, -60.0, 940.0, True),
        (0.0, 2.0**28 - 1, 1000.0 + 2.0**28 - 1, True),
        (0.0, 2.0**28, 2.0**28, False),
        (2.0**28, 5.0, 2.0**28 + 5, False),
        (0.0, -(2.0**28), -(2.0**28), False),
        (0.0, math.inf, 1000.0, True),
        (math.nan, 1.0, 1000.0, True),
    ],
)
def test_small_times_are_relative_to_now(
    base: float, own: float | None, expected: float, hub_timed: bool
) -> None:
    bases = wire.Bases(time=base)
    assert bases.moment(wire.Record(t=own), 1000.0) == (expected, hub_timed)


@pytest.mark.parametrize(
    ("base", "name", "expected", "sound"),
    [
        ("urn:dev:telecare:maple:oximeter-1:", "spo2", "spo2", True),
        ("urn:dev:ops:acme-oximeter-1:", "kitchen/motion", "kitchen/motion", True),
        ("urn:dev:ops:acme-oximeter-1_", "spo2", "spo2", True),
        ("urn:dev:ops:oximeter-2:", "spo2", "spo2", False),
        ("urn:dev:ops:xoximeter-1:", "spo2", "spo2", False),
        ("kitchen/", "motion", "kitchen/motion", True),
        ("", None, "", True),
    ],
)
def test_a_device_urn_must_name_the_device_of_the_topic(
    base: str, name: str | None, expected: str, sound: bool
) -> None:
    found, wrong = wire.local_name(base, name, "oximeter-1")
    assert found == expected
    assert (wrong == "") is sound


@given(st.binary(max_size=300), st.sampled_from([None, wire.CBOR_CONTENT_TYPE, "text/plain"]))
def test_no_bytes_make_the_decoder_raise(payload: bytes, content_type: str | None) -> None:
    pack = wire.decode(payload, content_type)
    assert bool(pack.whole) is (not pack.records)


_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
_KEYS = st.sampled_from(
    ["n", "u", "v", "vb", "vs", "t", "bn", "bt", "bu", "bv", "bver", "alarm_id"]
)
_RECORDS: st.SearchStrategy[Any] = st.dictionaries(
    _KEYS | st.text(max_size=4), _LEAVES | st.lists(_LEAVES, max_size=2), max_size=6
)


@given(st.lists(_RECORDS | _LEAVES, min_size=1, max_size=6))
def test_every_element_of_an_array_is_a_record_or_a_reason(found: list[Any]) -> None:
    for payload in (json.dumps(found).encode(), cbor2.dumps(found)):
        pack = wire.decode(payload, None)
        assert pack.whole or len(pack.records) == len(found)
        assert all(r.reason for r in pack.records if isinstance(r, wire.Bad))


@given(st.permutations([("n", "spo2"), ("v", 96), ("t", 1795406400), ("u", "%"), ("x", {"y": 1})]))
def test_the_order_of_fields_means_nothing(fields: list[tuple[str, Any]]) -> None:
    expected = [wire.Record(n="spo2", v=96.0, t=1795406400.0, u="%")]
    assert wire.decode(json.dumps([dict(fields)]).encode(), None).records == expected
