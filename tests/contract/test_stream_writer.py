"""The writer of a lane on a real database: each batch whole, once, numbered and logged."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.batch import Batch, Envelope
from ingest.kernel import vitals
from ingest.kernel.errors import PoisonError, StoreUnavailableError
from ingest.kernel.observation import ROW, ROW_VERSION, Rows
from ingest.storage import copyformat
from ingest.storage.pool import LOCK_WRITER
from ingest.storage.stream import StreamWriter
from tests.contract.stream_batches import WINDOW, batch, pipeline, reading, rows, writer
from tests.support.clock import FixedClock
from tests.unit.ingest.doubles import NOW, message

pytestmark = pytest.mark.service

COUNT = "SELECT count(*) FROM ingest.observation"


@pytest.fixture
def stream(store_url: str, clock: FixedClock) -> Iterator[StreamWriter]:
    made = writer(store_url, clock)
    yield made
    made.close()


def logged(url: str) -> Rows:
    """Return all rows of the log, in commit order."""
    pieces = rows(url, "SELECT rows FROM ingest.log ORDER BY writer, batch, shard")
    return np.concatenate(
        [np.frombuffer(bytes(p), dtype=ROW) for (p,) in pieces] or [np.zeros(0, ROW)]
    )


def kill(url: str, stream: StreamWriter) -> None:
    pid = stream._db.info.backend_pid
    rows(url, "SELECT pg_terminate_backend(%s, 5000)", pid)


# -- what is kept ---------------------------------------------------------------------------


def test_a_batch_is_stored_and_logged(store_url: str, stream: StreamWriter) -> None:
    written = stream.write(batch(reading(96, n=1), reading(95, n=2)))
    assert (written.rows, written.duplicates, written.alarms, written.quarantined) == (2, 0, 0, 0)
    found = rows(
        store_url,
        "SELECT device_no, person_no, dwelling_no, quantity, part, value, answer, flags, sent_time,"
        " extract(epoch FROM time)::float8, extract(epoch FROM received_at)::float8"
        " FROM ingest.observation ORDER BY device_no",
    )
    assert found == [
        (1, 11, 21, vitals.SPO2, 0, 96.0, None, 0, None, NOW, NOW),
        (2, 12, 22, vitals.SPO2, 0, 95.0, None, 0, None, NOW, NOW),
    ]
    log = rows(store_url, "SELECT writer, batch, shard, version FROM ingest.log ORDER BY shard")
    assert log == [(stream.no, 1, 21, ROW_VERSION), (stream.no, 1, 22, ROW_VERSION)]
    assert logged(store_url)["value"].tolist() == [96.0, 95.0]


def test_batches_are_numbered_one_after_another(store_url: str, stream: StreamWriter) -> None:
    for value in (1, 2, 3):
        stream.write(batch(reading(value)))
    log = rows(store_url, "SELECT batch FROM ingest.log ORDER BY batch")
    assert [b for (b,) in log] == [1, 2, 3]


def test_each_session_is_a_writer_held_by_its_lock(store_url: str, clock: FixedClock) -> None:
    held = (
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND objid = %s"
    )
    first, second = writer(store_url, clock), writer(store_url, clock, "event")
    try:
        assert first.no != second.no
        assert rows(store_url, held, LOCK_WRITER, first.no) == [(1,)]
        lanes = rows(store_url, "SELECT no, lane FROM ingest.writer ORDER BY no")
        assert lanes == [(first.no, "obs"), (second.no, "event")]
    finally:
        first.close()
        second.close()


def test_a_batch_of_nothing_changes_nothing(store_url: str, stream: StreamWriter) -> None:
    assert stream.write(batch()).rows == 0
    assert rows(store_url, "SELECT count(*) FROM ingest.log") == [(0,)]


def test_an_answer_in_words_is_kept_as_said(store_url: str, stream: StreamWriter) -> None:
    said = [
        {"n": "symptom.mood", "vs": "größer \N{GRINNING FACE}", "t": NOW},
        {"n": "spo2", "v": 9},
    ]
    stream.write(batch(message(said, name="oximeter-1")))
    found = rows(store_url, "SELECT value, answer FROM ingest.observation WHERE answer IS NOT NULL")
    assert found == [(None, "größer \N{GRINNING FACE}")]


def test_a_corrected_time_is_kept_beside_the_one_sent(store_url: str, stream: StreamWriter) -> None:
    stream.write(batch(reading(96, t=NOW + 99_999)))
    (found,) = rows(
        store_url,
        "SELECT extract(epoch FROM time)::float8, extract(epoch FROM sent_time)::float8"
        " FROM ingest.observation",
    )
    assert found == (NOW, NOW + 99_999)


@pytest.mark.parametrize("t", [-1e300, 1e300, 5e8, 4_102_444_800.0, -62_135_596_800.0, 946684799])
def test_a_time_of_any_century_is_stored(store_url: str, stream: StreamWriter, t: float) -> None:
    assert stream.write(batch(reading(96, t=t))).rows == 1


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(
            st.floats(allow_nan=False),
            st.floats(946_684_800, NOW),
            st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=9),
            st.integers(0, 3),
            st.none() | st.floats(-6e10, 2.5e11),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_any_rows_come_back_through_a_real_copy(store_url: str, mixed: list[Any]) -> None:
    made = np.zeros(len(mixed), dtype=ROW)
    sent = np.full(len(mixed), np.nan)
    answers: dict[int, str] = {}
    for i, (value, time, answer, person, was) in enumerate(mixed):
        made[i] = (time, NOW, value, i + 1, person, 5, i, i, 1)
        sent[i] = math.nan if was is None else was
        if answer is not None:
            answers[i] = answer
    columns = copyformat.OBSERVATION_COLUMNS
    with psycopg.connect(store_url) as db:  # rolled back at the end
        with db.cursor().copy(
            f"COPY ingest.observation ({columns}) FROM STDIN (FORMAT BINARY)"
        ) as copy:
            copy.write(copyformat.observations(made, sent, answers))
        found = db.execute(
            "SELECT (extract(epoch FROM time) * 1000000)::bigint, device_no, part, value, answer,"
            " flags, person_no, (extract(epoch FROM sent_time) * 1000000)::bigint"
            " FROM ingest.observation ORDER BY device_no"
        ).fetchall()
        db.rollback()
    for i, (value, time, answer, person, was) in enumerate(mixed):
        assert found[i] == (
            round(time * 1e6), i + 1, i, None if answer is not None else value, answer, i,
            person or None, None if was is None else round(was * 1e6),
        )  # fmt: skip


# -- exactly once ---------------------------------------------------------------------------


def test_the_same_again_changes_nothing(store_url: str, stream: StreamWriter) -> None:
    stream.write(batch(reading(96), reading(95, n=2)))
    written = stream.write(batch(reading(96), reading(95, n=2)))
    assert (written.rows, written.duplicates) == (0, 2)
    assert rows(store_url, COUNT) == [(2,)]
    assert len(logged(store_url)) == 2


def test_only_what_is_new_of_a_mixed_batch_is_stored_and_logged(
    store_url: str, stream: StreamWriter
) -> None:
    stream.write(batch(reading(96), reading(95, n=2)))
    written = stream.write(batch(reading(96), reading(94, n=2), reading(95, n=2), reading(1, n=3)))
    assert (written.rows, written.duplicates) == (2, 2)
    assert rows(store_url, COUNT) == [(4,)]
    second = logged(store_url)[2:]
    assert sorted(zip(second["device"].tolist(), second["value"].tolist(), strict=True)) == [
        (2, 94.0),
        (3, 1.0),
    ]


def test_what_is_twice_in_one_batch_is_stored_and_logged_once(
    store_url: str, stream: StreamWriter
) -> None:
    written = stream.write(batch(reading(96), reading(96), reading(96)))
    assert (written.rows, written.duplicates) == (1, 2)
    assert len(logged(store_url)) == 1


def test_zero_and_minus_zero_are_one_reading(store_url: str, stream: StreamWriter) -> None:
    def room(value: float) -> Envelope:
        return message([{"n": "room_temperature", "v": value, "t": NOW}], name="oximeter-1")

    assert stream.write(batch(room(0.0), room(-0.0))).rows == 1
    assert stream.write(batch(room(-0.0))).rows == 0
    assert len(logged(store_url)) == 1


def test_words_are_told_apart_and_known_again(store_url: str, stream: StreamWriter) -> None:
    def mood(word: str) -> Envelope:
        return message([{"n": "symptom.mood", "vs": word, "t": NOW}], name="oximeter-1")

    assert stream.write(batch(mood("good"), mood(""), mood("good"))).rows == 2
    written = stream.write(batch(mood("bad"), mood("good"), mood("")))
    assert (written.rows, written.duplicates) == (1, 2)


def test_times_a_microsecond_apart_are_two_readings(store_url: str, stream: StreamWriter) -> None:
    stream.write(batch(reading(96, t=NOW)))
    assert stream.write(batch(reading(96, t=NOW), reading(96, t=NOW + 0.000001))).rows == 1


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3), st.integers(0, 2)), max_size=6),
        max_size=5,
    )
)
def test_whatever_is_redelivered_the_log_holds_each_stored_row_once(
    store_url: str, clock: FixedClock, batches: list[list[tuple[int, int, int]]]
) -> None:
    with psycopg.connect(store_url, autocommit=True) as db:
        db.execute("TRUNCATE ingest.observation, ingest.log")
    stream = writer(store_url, clock)
    for one in batches:
        stream.write(batch(*(reading(v, n=n, t=NOW - t) for v, n, t in one)))
    stream.close()
    wanted = {(v, n, NOW - t) for one in batches for v, n, t in one}
    found = rows(
        store_url,
        "SELECT value, device_no, extract(epoch FROM time)::float8 FROM ingest.observation",
    )
    assert sorted(found) == sorted((float(v), n, t) for v, n, t in wanted)
    log = logged(store_url)
    assert sorted(found) == sorted(
        zip(log["value"].tolist(), log["device"].tolist(), log["time"].tolist(), strict=True)
    )


def test_a_commit_whose_answer_was_lost_is_written_again_without_doubling(
    store_url: str, clock: FixedClock
) -> None:
    """The session dies after the commit; the same batch goes through the next one."""
    envelopes = [reading(96), reading(95, t=None, n=2)]
    first = writer(store_url, clock)
    first.write(batch(*envelopes))
    kill(store_url, first)
    with pytest.raises(StoreUnavailableError):
        first.write(batch(*envelopes))
    first.close()
    second = writer(store_url, clock)
    written = second.write(batch(*envelopes))
    second.close()
    assert (written.rows, written.duplicates) == (0, 2)
    assert rows(store_url, COUNT) == [(2,)]
    assert len(logged(store_url)) == 2


def test_a_session_that_dies_before_the_commit_leaves_nothing(
    store_url: str, clock: FixedClock
) -> None:
    first = writer(store_url, clock)
    kill(store_url, first)
    with pytest.raises(StoreUnavailableError):
        first.write(batch(reading(96), message([{"n": "sos"}], lane="event", name="oximeter-1")))
    for table in ("observation", "log", "alarm", "outbox", "quarantine"):
        assert rows(store_url, f"SELECT count(*) FROM ingest.{table}") == [(0,)]
    first.close()


def test_two_writers_of_the_same_rows_store_them_once(store_url: str, clock: FixedClock) -> None:
    one, two = writer(store_url, clock), writer(store_url, clock)
    assert one.write(batch(reading(96))).rows + two.write(batch(reading(96))).rows == 1
    one.close()
    two.close()


# -- timed by the hub -----------------------------------------------------------------------


def test_a_pack_without_time_is_told_apart_by_its_bytes_for_ten_minutes(
    store_url: str, stream: StreamWriter
) -> None:
    def pack(received: float) -> Batch:
        return batch(reading(96, t=None, received=received))

    assert stream.write(pack(NOW)).rows == 1
    assert stream.write(pack(NOW + 5)).rows == 0
    assert stream.write(pack(NOW + WINDOW)).rows == 0
    assert stream.write(pack(NOW + WINDOW + 1)).rows == 1
    assert rows(store_url, COUNT) == [(2,)]
    assert len(logged(store_url)) == 2


def test_other_bytes_and_other_devices_are_other_packs(stream: StreamWriter) -> None:
    assert stream.write(batch(reading(96, t=None), reading(96, t=None, n=2))).rows == 2
    assert stream.write(batch(reading(95, t=None))).rows == 1


def test_one_pack_twice_in_one_batch_is_stored_once(stream: StreamWriter) -> None:
    assert stream.write(batch(reading(96, t=None), reading(96, t=None))).rows == 1


@pytest.mark.parametrize("t", [0.0, 5e8, NOW + 9_999, -1e300, 1e300])
def test_a_corrected_time_is_told_apart_by_the_bytes_too(stream: StreamWriter, t: float) -> None:
    assert stream.write(batch(reading(96, t=t))).rows == 1
    assert stream.write(batch(reading(96, t=t, received=NOW + 5))).rows == 0


def test_good_times_in_a_repeated_pack_are_told_apart_by_themselves(stream: StreamWriter) -> None:
    def pack(received: float) -> Batch:
        records = [{"n": "spo2", "v": 96}, {"n": "spo2", "v": 95, "t": NOW}]
        return batch(message(records, name="oximeter-1", received=received))

    assert stream.write(pack(NOW)).rows == 2
    assert stream.write(pack(NOW + 5)).duplicates == 2


# -- alarms ---------------------------------------------------------------------------------

FALL = {"n": "bath/fall", "vb": True, "t": NOW - 1, "alarm_id": "f-1"}


def alarm(record: Any = FALL, *, name: str = "oximeter-1", received: float = NOW) -> Batch:
    return batch(message([record], lane="event", name=name, received=received))


def test_an_alarm_is_stored_with_its_writer_and_a_receipt(
    store_url: str, stream: StreamWriter
) -> None:
    assert stream.write(alarm()).alarms == 1
    found = rows(
        store_url,
        "SELECT writer, batch, site, device, alarm_id, receipt_id, quantity, cancel, place,"
        " repeats, device_no, person_no, dwelling_no FROM ingest.alarm",
    )
    fall = vitals.BY_NAME["fall"].no
    assert found == [
        (stream.no, 1, "s", "oximeter-1", "f-1", "f-1", fall, False, "bath", 0, 1, 11, 21)
    ]
    ((site, device, tail, body),) = rows(
        store_url, "SELECT site, device, tail, body FROM ingest.outbox"
    )
    assert (site, device, tail, body["alarm"], body["state"]) == (
        "s", "oximeter-1", "receipt", "f-1", "received",
    )  # fmt: skip
    assert rows(store_url, COUNT) == [(1,)]


def test_a_repeat_is_counted_and_answered_and_is_no_new_alarm(
    store_url: str, stream: StreamWriter
) -> None:
    for wait in (0, 10, 20):
        stream.write(alarm(received=NOW + wait))
    found = rows(
        store_url,
        "SELECT batch, repeats, extract(epoch FROM last_received_at - received_at)::int"
        " FROM ingest.alarm",
    )
    assert found == [(1, 2, 20)]
    assert rows(store_url, "SELECT count(*) FROM ingest.outbox") == [(3,)]
    assert rows(store_url, COUNT) == [(1,)]


def test_a_repeat_within_one_batch_is_counted_too(store_url: str, stream: StreamWriter) -> None:
    twice = [message([FALL], lane="event", name="oximeter-1") for _ in range(2)]
    stream.write(batch(*twice))
    assert rows(store_url, "SELECT repeats FROM ingest.alarm") == [(1,)]


def test_an_id_used_again_at_another_time_is_a_new_alarm(
    store_url: str, stream: StreamWriter
) -> None:
    """A counter that starts again after a battery change: the second fall must page."""
    stream.write(alarm())
    stream.write(alarm({**FALL, "t": NOW + 7_200}, received=NOW + 7_200))
    stream.write(alarm({**FALL, "t": NOW + 7_200}, received=NOW + 7_210))
    found = rows(store_url, "SELECT alarm_id, receipt_id, repeats FROM ingest.alarm ORDER BY no")
    assert found == [("f-1", "f-1", 0), (f"f-1 again {NOW + 7_200:.0f}", "f-1", 1)]


def test_an_id_used_again_within_the_hour_is_a_repeat(store_url: str, stream: StreamWriter) -> None:
    stream.write(alarm())
    stream.write(alarm({**FALL, "t": FALL["t"] + 3_600}, received=NOW + 3_600))
    assert rows(store_url, "SELECT alarm_id, repeats FROM ingest.alarm") == [("f-1", 1)]


def test_a_repeat_without_a_usable_time_is_a_repeat(store_url: str, stream: StreamWriter) -> None:
    stream.write(alarm())
    stream.write(alarm({**FALL, "t": 0}, received=NOW + 7_200))
    assert rows(store_url, "SELECT alarm_id, repeats FROM ingest.alarm") == [("f-1", 1)]


def test_a_cancel_is_a_row_of_its_own(store_url: str, stream: StreamWriter) -> None:
    stream.write(alarm())
    stream.write(alarm({**FALL, "vb": False, "t": NOW}))
    found = rows(store_url, "SELECT batch, cancel FROM ingest.alarm ORDER BY no")
    assert found == [(1, False), (2, True)]


def test_a_second_press_without_id_or_time_is_a_second_alarm(
    store_url: str, stream: StreamWriter
) -> None:
    for wait in (0, 3_600):
        stream.write(alarm({"n": "sos", "vb": True, "t": 0}, received=NOW + wait))
    found = rows(store_url, "SELECT repeats, receipt_id FROM ingest.alarm ORDER BY no")
    assert found == [(0, "sos@0"), (0, "sos@0")]


def test_a_strangers_alarm_is_kept_and_learns_whose_it_is(
    store_url: str, stream: StreamWriter
) -> None:
    stream.write(alarm(name="stranger"))
    assert rows(store_url, "SELECT device_no, person_no FROM ingest.alarm") == [(None, None)]
    assert rows(store_url, "SELECT reason FROM ingest.quarantine") == [("unregistered",)]
    adopted = alarm(name="oximeter-1")
    for a in adopted.alarms:
        object.__setattr__(a, "device", "stranger")
    stream.write(adopted)
    found = rows(store_url, "SELECT device_no, person_no, repeats FROM ingest.alarm")
    assert found == [(1, 11, 1)]


def test_garbage_on_the_alarm_topic_is_an_alarm_without_a_receipt(
    store_url: str, stream: StreamWriter
) -> None:
    stream.write(batch(message(b"garbage", lane="event", name="oximeter-1")))
    found = rows(store_url, "SELECT quantity, detail <> '' FROM ingest.alarm")
    assert found == [(vitals.UNKNOWN_ALARM, True)]
    assert rows(store_url, "SELECT count(*) FROM ingest.outbox") == [(0,)]


# -- quarantine and poison ------------------------------------------------------------------


def test_a_refusal_is_kept_with_its_bytes_and_reasons(store_url: str, stream: StreamWriter) -> None:
    payload = json.dumps([{"n": "wombat\0", "v": 1}, {"n": "spo2", "v": 96, "t": NOW}]).encode()
    written = stream.write(batch(message(payload, name="oximeter-1", content_type="a\0b")))
    assert (written.rows, written.quarantined) == (1, 1)
    ((topic, content, kept, reason, refused, times, state),) = rows(
        store_url,
        "SELECT topic, content_type, payload, reason, refused, times, state FROM ingest.quarantine",
    )
    assert (topic, content) == ("telecare/v1/s/oximeter-1/obs", "a\N{REPLACEMENT CHARACTER}b")
    assert (bytes(kept), reason, times, state) == (payload, "record", 1, "waiting")
    assert [r["record"] for r in refused] == [0]


def test_the_same_again_in_the_quarantine_is_counted(store_url: str, stream: StreamWriter) -> None:
    for wait in (0, 60):
        stream.write(batch(message(b"garbage", name="oximeter-1", received=NOW + wait)))
    found = rows(
        store_url,
        "SELECT times, extract(epoch FROM last_received_at - received_at)::int"
        " FROM ingest.quarantine",
    )
    assert found == [(2, 60)]


def test_a_replayed_refusal_is_not_quarantined_again(store_url: str, stream: StreamWriter) -> None:
    stream.write(batch(message(b"garbage", name="oximeter-1", replayed=True)))
    assert rows(store_url, "SELECT count(*) FROM ingest.quarantine") == [(0,)]


def test_half_a_character_anywhere_does_no_harm(store_url: str, stream: StreamWriter) -> None:
    payload = (
        b'[{"n":"symptom.mood","vs":"a\\ud800"},{"n":"\\udfff","v":1},'
        b'{"n":"sos","alarm_id":"\\ud800"}]'
    )
    for lane in ("obs", "event"):
        stream.write(batch(message(payload, lane=lane, name="oximeter-1")))
    assert rows(store_url, "SELECT answer FROM ingest.observation WHERE answer IS NOT NULL") == [
        ("a?",)
    ]


def test_a_row_that_the_database_refuses_is_poison_and_leaves_nothing(
    store_url: str, stream: StreamWriter
) -> None:
    poisoned = batch(reading(96), reading(95, n=2))
    poisoned.rows["time"][0] = -3e11  # before the calendar of timestamps
    with pytest.raises(PoisonError):
        stream.write(poisoned)
    assert rows(store_url, COUNT) == [(0,)]
    assert stream.write(batch(reading(95, n=2))).rows == 1
    assert rows(store_url, "SELECT batch FROM ingest.log") == [(1,)]


def test_text_that_is_no_unicode_is_poison_not_a_crash(stream: StreamWriter) -> None:
    poisoned = batch(message([{"n": "symptom.mood", "vs": "x", "t": NOW}], name="oximeter-1"))
    poisoned.answers[0] = "\ud800"
    with pytest.raises(PoisonError):
        stream.write(poisoned)
    assert stream.write(batch(reading(95))).rows == 1


def test_an_answer_of_the_longest_kind_fits_the_index(stream: StreamWriter) -> None:
    rng = np.random.default_rng(7)
    words = "".join(chr(0x1F300 + int(i)) for i in rng.integers(0, 700, 500))
    said = message([{"n": "symptom.mood", "vs": words, "t": NOW}], name="oximeter-1")
    assert stream.write(batch(said)).rows == 1


def test_a_refused_message_can_always_be_kept(store_url: str, stream: StreamWriter) -> None:
    hostile = Envelope(
        site="s\0", device="\0", lane="event", topic="t\0", payload=bytes(range(256)),
        received=NOW, misaddressed="wrong\0",
    )  # fmt: skip
    stream.write(pipeline().refuse(hostile, "the database refused it: \0"))
    assert rows(store_url, "SELECT count(*) FROM ingest.quarantine") == [(1,)]
    assert rows(store_url, "SELECT count(*) FROM ingest.alarm") == [(1,)]


# -- news -----------------------------------------------------------------------------------


def test_what_was_written_is_made_known(store_url: str, stream: StreamWriter) -> None:
    with psycopg.connect(store_url, autocommit=True) as db:
        for channel in ("ingest_log", "ingest_alarm", "ingest_outbox"):
            db.execute(f"LISTEN {channel}")
        stream.write(alarm())
        heard = {n.channel for n in db.notifies(timeout=5, stop_after=3)}
    assert heard == {"ingest_log", "ingest_alarm", "ingest_outbox"}
