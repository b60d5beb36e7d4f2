"""From messages to rows, alarms and refusals."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.batch import WHOLE, Envelope
from ingest.kernel import vitals
from ingest.kernel.device import Assignment, Device
from ingest.kernel.observation import Quality
from ingest.pipeline import Pipeline, meaning
from ingest.validation import timing
from tests.unit.ingest import doubles
from tests.unit.ingest.doubles import NOW, message, pipeline, read, reasons

FALL, SOS = vitals.BY_NAME["fall"].no, vitals.BY_NAME["sos"].no


# -- measurements ---------------------------------------------------------------------------


def test_a_reading_becomes_a_row_of_its_device_and_person() -> None:
    batch = read([{"n": "spo2", "u": "%", "v": 96, "t": NOW - 10}])
    (row,) = batch.rows
    assert (row["device"], row["person"], row["dwelling"]) == (7, 3, 5)
    assert (row["quantity"], row["value"], row["time"]) == (vitals.SPO2, 96.0, NOW - 10)
    assert (row["received"], row["flags"], row["part"]) == (NOW, 0, 0)
    assert batch.stored == [1]
    assert not batch.refusals
    assert not batch.alarms


def test_base_name_time_unit_and_value_apply_to_what_follows() -> None:
    batch = read(
        [
            {"bn": "kitchen/", "bt": NOW, "bu": "degF", "bv": 30, "n": "room_temperature", "v": 38},
            {"n": "room_temperature", "t": -60},
            {"bn": "", "n": "motion", "vb": True},
        ]
    )
    assert batch.rows["value"].tolist() == pytest.approx([20.0, -1.1111111, 1.0])
    assert batch.rows["time"].tolist() == [NOW, NOW - 60, NOW]
    assert (batch.rows["part"] > 0).tolist() == [True, True, False]


def test_the_base_fields_of_a_refused_record_still_hold() -> None:
    batch = read(
        [
            {"bn": "kitchen/", "bt": NOW - 60, "n": "room_temperature", "v": "warm"},
            {"n": "motion", "vb": True},
        ]
    )
    assert batch.rows["time"].tolist() == [NOW - 60]
    assert batch.rows["part"][0] > 0
    assert len(reasons(batch)) == 1


def test_a_lost_base_field_refuses_the_readings_after_it() -> None:
    batch = read([{"bn": 7, "n": "x"}, {"n": "motion", "vb": True}])
    assert len(batch.rows) == 0
    assert len(reasons(batch)) == 2


def test_no_unit_means_the_hubs_and_another_kind_is_refused() -> None:
    batch = read([{"n": "weight", "v": 70}, {"n": "weight", "u": "mm[Hg]", "v": 70}])
    assert batch.rows["value"].tolist() == [70.0]
    assert "does not measure weight" in reasons(batch)[0]
    assert batch.stored == [1]


@pytest.mark.parametrize(
    "record",
    [
        {"n": "spo2"},
        {"n": "spo2", "vs": "96"},
        {"n": "spo2", "vb": True},
        {"n": "wombat", "v": 1},
        {"v": 1},
        {"n": ""},
        {"n": "symptom.", "v": 1},
        {"n": "symptom", "v": 1},
        {"n": "Kitchen Sink!/motion", "vb": True},
        {"n": "a" * 41 + "/motion", "vb": True},
        {"n": "motion", "v": 2},
        {"n": "motion", "vs": "true"},
        {"n": "acvpu", "vs": "X"},
        {"n": "acvpu", "vs": "AC"},
        {"n": "acvpu", "v": 1},
        {"n": "symptom.cough"},
        {"n": "symptom.cough", "vs": "x" * 501},
        {"n": "symptom.cough", "vs": "a\0b"},
        {"n": "heart_rate", "u": "Hz", "v": 1e308},
    ],
)
def test_a_record_that_means_nothing_is_refused_with_its_reason(record: dict[str, Any]) -> None:
    batch = read([record, {"n": "spo2", "v": 96}])
    assert [(j, bool(why)) for j, why in batch.refusals[0].records] == [(0, True)]
    assert batch.rows["quantity"].tolist() == [vitals.SPO2]


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_what_is_no_finite_number_is_refused(value: str) -> None:
    batch = read(f'[{{"n":"spo2","v":{value}}},{{"n":"spo2","v":96}}]'.encode())
    assert len(batch.rows) == 1
    assert reasons(batch) == ["spo2 must be a finite number"]


@pytest.mark.parametrize(
    ("record", "value"),
    [
        ({"n": "motion", "vb": True}, 1.0),
        ({"n": "motion", "vb": False}, 0.0),
        ({"n": "motion", "v": 1}, 1.0),
        ({"n": "acvpu", "vs": "c"}, 1.0),
        ({"n": "acvpu", "vs": " U "}, 4.0),
        ({"n": "symptom.cough", "vb": True}, 1.0),
        ({"n": "symptom.cough", "v": 3}, 3.0),
        ({"n": "spo2", "u": "/", "v": 0.96}, 96.0),
    ],
)
def test_each_kind_of_value_is_kept_as_a_number(record: dict[str, Any], value: float) -> None:
    assert read([record]).rows["value"].tolist() == pytest.approx([value])


def test_minus_zero_is_zero() -> None:
    (value,) = read([{"n": "room_temperature", "v": -0.0}]).rows["value"]
    assert not np.signbit(value)


def test_a_text_answer_is_kept_beside_its_row() -> None:
    batch = read([{"n": "wombat", "v": 1}, {"n": "symptom.mood", "vs": "so-so"}])
    assert batch.answers == {0: "so-so"}
    assert np.isnan(batch.rows["value"]).all()


def test_an_implausible_value_is_kept_and_flagged() -> None:
    (flags,) = read([{"n": "heart_rate", "v": 400, "t": NOW}]).rows["flags"]
    assert Quality(int(flags)) == Quality.IMPLAUSIBLE


def test_a_corrected_time_keeps_what_was_sent() -> None:
    batch = read([{"n": "spo2", "v": 96, "t": NOW + 10_000}, {"n": "spo2", "v": 96, "t": NOW}])
    assert batch.rows["time"].tolist() == [NOW, NOW]
    assert batch.sent[0] == NOW + 10_000
    assert np.isnan(batch.sent[1])


@pytest.mark.parametrize("time", [-1e300, 1e300, -62_135_596_801.0, 253_402_300_800.0])
def test_a_time_that_no_calendar_holds_is_corrected_and_not_kept(time: float) -> None:
    batch = read([{"n": "spo2", "v": 96, "t": time}])
    assert batch.rows["time"].tolist() == [NOW]
    assert np.isnan(batch.sent).all()
    assert batch.hub_timed() == {0: batch.envelopes[0].digest()}


def test_only_the_messages_that_the_hub_timed_are_told_apart_by_their_bytes() -> None:
    batch = pipeline().prepare(
        [
            message([{"n": "spo2", "v": 96, "t": NOW}]),
            message([{"n": "spo2", "v": 96}]),
            message([{"n": "spo2", "v": 96}], replayed=True),
        ]
    )
    assert list(batch.hub_timed()) == [1]


@pytest.mark.parametrize(
    ("field", "flag"),
    [
        ("retained", Quality.RETAINED),
        ("imported", Quality.IMPORTED),
        ("replayed", Quality.REPLAYED),
    ],
)
def test_how_a_message_came_is_kept_as_a_flag(field: str, flag: Quality) -> None:
    (flags,) = read([{"n": "spo2", "v": 96, "t": NOW}], **{field: True}).rows["flags"]
    assert Quality(int(flags)) == flag


# -- whose ----------------------------------------------------------------------------------


def shared_out() -> Device:
    return Device(
        no=7, site="s", name="oximeter-1", kind="x",
        assignments=(
            Assignment(start=NOW - 100, end=doubles.FOREVER, person_no=4, dwelling_no=6),
            Assignment(start=NOW - 1_000, end=NOW - 200, person_no=3, dwelling_no=5),
        ),
    )  # fmt: skip


def test_a_reading_belongs_to_who_had_the_device_at_its_time() -> None:
    times = [NOW, NOW - 100, NOW - 101, NOW - 200, NOW - 201, NOW - 1_000, NOW - 1_001]
    records = [{"n": "spo2", "v": i, "t": t} for i, t in enumerate(times)]
    batch = pipeline(shared_out()).prepare([message(records)])
    assert dict(zip(batch.rows["value"].tolist(), batch.rows["person"].tolist(), strict=True)) == {
        0.0: 4, 1.0: 4, 4.0: 3, 5.0: 3,
    }  # fmt: skip
    assert batch.rows["dwelling"].tolist() == [6, 6, 5, 5]
    assert [j for j, _ in batch.refusals[0].records] == [2, 3, 6]
    assert batch.refusals[0].code == "unassigned"


def test_a_shared_sensor_is_the_homes_and_nobodys() -> None:
    batch = pipeline(doubles.device(person=0)).prepare([message([{"n": "motion", "vb": True}])])
    assert (batch.rows["person"][0], batch.rows["dwelling"][0]) == (0, 5)


def test_a_device_without_any_assignment_is_nobodys() -> None:
    lonely = Device(no=7, site="s", name="oximeter-1", kind="x", assignments=())
    batch = pipeline(lonely).prepare([message([{"n": "spo2", "v": 96}])])
    assert len(batch.rows) == 0
    assert batch.refusals[0].code == "unassigned"


def test_the_readings_of_an_unregistered_device_are_refused_whole() -> None:
    batch = read([{"n": "spo2", "v": 96}], name="stranger")
    assert len(batch.rows) == 0
    assert batch.refusals[0].code == "unregistered"
    assert batch.refusals[0].records[0][0] == WHOLE


def test_a_misaddressed_message_is_refused_whole_and_its_alarm_pages() -> None:
    batch = read([{"n": "spo2", "v": 96}, {"n": "sos", "vb": True}], misaddressed="too deep")
    assert len(batch.rows) == 0
    assert batch.refusals[0].code == "topic"
    assert [a.quantity for a in batch.alarms] == [SOS]


def test_too_many_rooms_refuse_the_room_and_not_the_alarm() -> None:
    crowded = pipeline(parts=doubles.Words(most=0))
    batch = crowded.prepare(
        [
            message(
                [{"n": "a/motion", "vb": True}, {"n": "a/sos", "vb": True}, {"n": "spo2", "v": 9}]
            )
        ]
    )
    assert batch.rows["quantity"].tolist() == [vitals.SPO2]
    assert [a.place for a in batch.alarms] == ["a"]


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("kitchen/motion", "kitchen"),
        ("Kitchen/motion", "kitchen"),
        ("first/kitchen/motion", "first.kitchen"),
        ("motion", ""),
        ("symptom.short_of_breath", "short_of_breath"),
        ("home/symptom.cough", "home.cough"),
        ("a" * 40 + "/motion", "a" * 40),
    ],
)
def test_a_place_or_key_comes_out_of_the_name(name: str, part: str) -> None:
    found = meaning(name)
    assert not isinstance(found, str)
    assert found[1] == part


# -- alarms ---------------------------------------------------------------------------------


def test_an_alarm_is_a_row_and_an_alarm() -> None:
    record = {"n": "bathroom/fall", "vb": True, "t": NOW - 1, "alarm_id": "f-1"}
    batch = read([record], lane="event")
    (alarm,) = batch.alarms
    assert (alarm.alarm_id, alarm.receipt_id, alarm.quantity) == ("f-1", "f-1", FALL)
    assert (alarm.place, alarm.cancel, alarm.time) == ("bathroom", False, NOW - 1)
    assert (alarm.device_no, alarm.person_no, alarm.dwelling_no) == (7, 3, 5)
    assert batch.rows["quantity"].tolist() == [FALL]
    assert batch.stored == [1]


def test_false_with_the_same_id_is_a_cancel() -> None:
    (alarm,) = read([{"n": "fall", "vb": False, "alarm_id": "f-1"}], lane="event").alarms
    assert alarm.cancel


def test_a_detector_that_says_all_is_well_is_only_a_reading() -> None:
    batch = read([{"n": "smoke", "vb": False}], lane="event")
    assert batch.alarms == []
    assert batch.rows["value"].tolist() == [0.0]


@pytest.mark.parametrize(
    "value", [{}, {"v": 1}, {"v": -3}, {"vs": "help"}, {"vb": True, "v": 0}, {"u": "kg"}]
)
def test_whatever_is_not_plainly_no_is_an_alarm(value: dict[str, Any]) -> None:
    assert len(read([{"n": "sos", **value}], lane="event").alarms) == 1


@pytest.mark.parametrize("lane", ["obs", "event"])
def test_an_emergency_pages_on_either_topic_and_from_any_device(lane: Any) -> None:
    batch = read([{"n": "sos", "vb": True}], lane=lane, name="stranger")
    (alarm,) = batch.alarms
    assert (alarm.device, alarm.device_no, alarm.person_no) == ("stranger", None, None)
    assert len(batch.rows) == 0


@pytest.mark.parametrize(
    "records",
    [
        [{"n": "Big Room of mine!/sos", "vb": True}],
        [{"n": "x" * 300 + "/sos", "vb": True}],
        [{"bn": "urn:dev:ops:another:", "n": "sos", "vb": True}],
        [{"bver": 99, "n": "sos", "vb": True}],
        [{"bn": 7}, {"n": "sos", "vb": True}],
    ],
)
@pytest.mark.parametrize("lane", ["obs", "event"])
def test_an_emergency_with_something_wrong_about_it_still_pages_as_itself(
    records: list[Any], lane: Any
) -> None:
    assert SOS in [a.quantity for a in read(records, lane=lane).alarms]


@pytest.mark.parametrize(
    "payload",
    [
        b"garbage",
        b"[]",
        b"\xff\xfe",
        b'[{"n":"wombat","vb":true}]',
        b"[7]",
        b'[{"n":"sos","vb":true,"t":"noon"}]',
        b"[" * 100_000,
        json.dumps([{"n": "sos"}] * 5_001).encode(),
    ],
)
def test_what_can_not_be_read_on_the_alarm_topic_pages(payload: bytes) -> None:
    batch = read(payload, lane="event")
    assert [a.quantity for a in batch.alarms] == [vitals.UNKNOWN_ALARM]
    assert batch.alarms[0].detail
    assert batch.refusals


def test_what_can_not_be_read_elsewhere_does_not_page() -> None:
    assert read(b"garbage").alarms == []


def test_an_unreadable_cancel_does_not_page() -> None:
    assert read([{"n": "wombat", "vb": False}], lane="event").alarms == []


def test_the_time_of_an_alarm_is_corrected_and_told() -> None:
    (future,) = read([{"n": "sos", "t": NOW + 9_999, "alarm_id": "1"}], lane="event").alarms
    assert (future.time, Quality(future.flags)) == (NOW, Quality.FUTURE)
    (late,) = read([{"n": "sos", "t": NOW - 6 * 3600, "alarm_id": "1"}], lane="event").alarms
    assert (late.time, Quality(late.flags)) == (NOW - 6 * 3600, Quality.LATE)


def test_without_an_id_the_receipt_names_name_and_time_as_sent() -> None:
    def receipt(record: dict[str, Any]) -> str:
        return read([record], lane="event").alarms[0].receipt_id

    assert receipt({"n": "sos", "t": 1795406400.25}) == "sos@1795406400.25"
    assert receipt({"n": "sos", "t": 1795406400}) == "sos@1795406400"
    assert receipt({"n": "sos"}) == "sos"
    assert receipt({"bn": "bath/", "n": "sos", "t": -5}) == "sos@-5"


def test_a_repeat_without_an_id_is_the_same_alarm() -> None:
    record = {"n": "sos", "vb": True, "t": NOW - 30}
    first, again = (read([record], lane="event", received=NOW + s).alarms[0] for s in (0, 60))
    assert first.alarm_id == again.alarm_id


@pytest.mark.parametrize("time", [{}, {"t": 0}, {"t": -5}, {"t": 946684700}])
def test_a_second_press_is_never_taken_for_a_repeat(time: dict[str, Any]) -> None:
    record = {"n": "sos", "vb": True, **time}
    first, again = (read([record], lane="event", received=NOW + s).alarms[0] for s in (0, 3600))
    assert first.alarm_id != again.alarm_id


def test_two_places_at_one_time_are_two_alarms() -> None:
    records = [{"bn": "bath/", "n": "smoke", "t": NOW}, {"bn": "hall/", "n": "smoke", "t": NOW}]
    first, second = read(records, lane="event").alarms
    assert first.alarm_id != second.alarm_id


@pytest.mark.parametrize(("length", "kept"), [(200, True), (201, False)])
def test_a_long_id_is_shortened_for_us_and_whole_in_the_receipt(length: int, kept: bool) -> None:
    own = "x" * length
    (alarm,) = read([{"n": "sos", "alarm_id": own}], lane="event").alarms
    assert (alarm.alarm_id == own) is kept
    assert len(alarm.alarm_id) <= 200
    assert alarm.receipt_id == own


def test_long_ids_that_begin_alike_stay_different() -> None:
    records = [{"n": "sos", "alarm_id": "x" * 300 + end} for end in "ab"]
    first, second = read(records, lane="event").alarms
    assert first.alarm_id != second.alarm_id


def test_an_id_of_nothing_but_nul_is_none() -> None:
    (alarm,) = read([{"n": "sos", "t": NOW, "alarm_id": "\0"}], lane="event").alarms
    assert alarm.alarm_id == f"sos@{int(NOW)}"


def test_a_message_that_the_store_refuses_still_pages() -> None:
    batch = pipeline().refuse(message([{"n": "spo2", "v": 9}], lane="event"), "no room")
    assert [a.quantity for a in batch.alarms] == [vitals.UNKNOWN_ALARM]
    assert reasons(batch) == ["no room"]
    assert len(batch.rows) == 0
    assert pipeline().refuse(message([], lane="obs"), "no room").alarms == []


# -- everything -----------------------------------------------------------------------------


def test_no_messages_make_an_empty_batch() -> None:
    batch = pipeline().prepare([])
    assert (len(batch.rows), batch.alarms, batch.refusals, batch.stored) == (0, [], {}, [])


NAMES = st.sampled_from(
    ["spo2", "heart_rate", "kitchen/motion", "sos", "bath/fall", "symptom.mood", "acvpu", "wombat"]
)
TIMES = st.sampled_from([0, -5, 100, NOW, NOW - 9_999, NOW + 9_999, 1e300, -1e300, 5e8])
RECORDS = st.fixed_dictionaries(
    {},
    optional={
        "n": NAMES | st.text(max_size=5),
        "u": st.sampled_from(["%", "degF", "/min", "x"]),
        "v": st.floats() | st.integers(-(10**400), 10**400) | st.text(max_size=3),
        "vb": st.booleans(),
        "vs": st.text(max_size=5),
        "t": TIMES,
        "bn": st.sampled_from(["", "kitchen/", "urn:dev:x:oximeter-1:", "urn:dev:x:y:"])
        | st.integers(),
        "bt": TIMES,
        "bv": st.floats(),
        "bver": st.sampled_from([10, 11]),
        "alarm_id": st.text(max_size=4),
        "must_": st.none(),
    },
)
LANES = st.sampled_from(["obs", "event"])


@settings(max_examples=200)
@given(st.binary(max_size=200), LANES, st.sampled_from(["oximeter-1", "stranger"]))
def test_no_bytes_make_the_pipeline_raise(payload: bytes, lane: Any, name: str) -> None:
    batch = pipeline().prepare([message(payload, lane=lane, name=name)])
    assert len(batch.rows) or batch.alarms or batch.refusals


@settings(max_examples=200)
@given(st.lists(RECORDS | st.integers(), min_size=1, max_size=5), LANES)
def test_every_record_becomes_a_row_an_alarm_or_a_refusal(records: list[Any], lane: Any) -> None:
    batch = read(records, lane=lane)
    refused = {j for j, _ in batch.refusals[0].records} if 0 in batch.refusals else set()
    if WHOLE not in refused:
        told = len(batch.rows) + len(refused) + len(batch.alarms)
        assert told >= len(records)
        assert len(batch.rows) + len(refused) >= len(records)
    assert refused <= {WHOLE, *range(len(records))}
    assert len(batch.rows) == len(batch.sent) == len(batch.message) == sum(batch.stored)
    finite = np.isfinite(batch.rows["value"]).tolist()
    assert [i for i, ok in enumerate(finite) if not ok] == sorted(batch.answers)
    assert (batch.rows["time"] <= NOW + 120).all()
    assert (batch.rows["time"] >= timing.CLOCK_EPOCH).all()


def fresh() -> Pipeline:
    known = doubles.Words()
    known.numbers(["kitchen", "bath", "mood"])
    return pipeline(
        doubles.device(), doubles.device("scale-1", 8, person=9, dwelling=2), parts=known
    )


@settings(max_examples=100)
@given(
    st.lists(RECORDS, min_size=1, max_size=4),
    st.lists(RECORDS | st.integers(), min_size=1, max_size=4),
    LANES,
    st.booleans(),
)
def test_a_message_of_another_device_changes_nothing_for_this_one(
    records: list[Any], others: list[Any], lane: Any, before: bool
) -> None:
    mine: Envelope = message(records, lane=lane)
    other = message(others, lane=lane, name="scale-1")
    alone = fresh().prepare([mine])
    both = fresh().prepare([other, mine] if before else [mine, other])
    at = 1 if before else 0
    rows = both.rows[both.message == at]
    assert alone.rows.tobytes() == rows.tobytes()
    assert [a for a in both.alarms if a.device == mine.device] == alone.alarms
    assert reasons(both, at) == reasons(alone)
    assert both.stored[at] == alone.stored[0]


def test_hostile_names_are_not_remembered() -> None:
    made = pipeline()
    made.prepare([message([{"n": "x" * 10_000, "v": 1}])])
    assert made._names == {}


def test_an_emergency_in_a_pack_with_too_many_records_still_pages() -> None:
    readings = [{"n": "heart_rate", "v": 60.0 + n % 9, "t": NOW} for n in range(5_001)]
    done = read([*readings, {"n": "fall", "vb": True, "t": NOW, "alarm_id": "a"}])
    assert [a.alarm_id for a in done.alarms] == ["a"]
    assert len(done.rows) == 0
    assert done.refusals[0].code == "unreadable"
