"""Batches written whole, halved around a culprit, answered and acknowledged in order."""

from __future__ import annotations

import json
from collections import deque
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway import lane, topics
from gateway.client import Received
from gateway.lane import Bounds, LaneSession, pause, write_all
from ingest.batch import WHOLE, Batch, Envelope, Lane, Refusal
from ingest.kernel.errors import PoisonError, StoreUnavailableError
from ingest.pipeline import Pipeline
from ingest.ports import Store, Written
from tests.support.clock import FixedClock
from tests.unit.ingest import doubles
from tests.unit.ingest.doubles import NOW, message

SPO2 = [{"n": "spo2", "v": 96, "t": NOW}]


class Shelf:
    """A store that refuses batches with a poisonous payload in them."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.away = False
        self.closed = False

    def write(self, batch: Batch) -> Written:
        if self.away:
            raise StoreUnavailableError(detail="test")
        if len(batch.rows) and any(b"poison" in e.payload for e in batch.envelopes):
            raise PoisonError(detail="22000")
        self.batches.append(batch)
        return Written(
            rows=len(batch.rows), duplicates=0, alarms=len(batch.alarms),
            quarantined=len(batch.refusals),
        )  # fmt: skip

    def close(self) -> None:
        self.closed = True


class Shelves:
    def __init__(self, *shelves: Shelf) -> None:
        self.left = deque(shelves)

    def open(self, lane: Lane) -> Store:
        return self.left.popleft()


class Deaf:
    """A client that only notes what it was told to say."""

    def __init__(self) -> None:
        self.client_id = "telecare-hub-obs-0"
        self.connected = True
        self.acked: list[int] = []
        self.said: list[tuple[str, Any, bytes | None]] = []
        self.on_message: Any = None

    def ack(self, mids: list[int]) -> None:
        self.acked += mids

    def publish(self, topic: str, body: bytes, *, correlation: bytes | None = None) -> int:
        self.said.append((topic, json.loads(body), correlation))
        return 1


def session(clock: FixedClock, kind: Lane = "obs", **bounds: int) -> tuple[LaneSession, Deaf]:
    clock.set(datetime.fromtimestamp(NOW, UTC))
    client: Any = Deaf()
    limits = {"messages": 100, "held_bytes": 10_000, "batch_messages": 50, "batch_bytes": 5_000}
    made = LaneSession(
        lane=kind, client=client, group="hub", pipeline=doubles.pipeline(),
        stores=Shelves(), clock=clock, bounds=Bounds(**{**limits, **bounds}),
    )  # fmt: skip
    return made, client


def receive(made: LaneSession, records: Any, mid: int, **more: Any) -> None:
    payload = records if isinstance(records, bytes) else json.dumps(records).encode()
    topic = more.pop("topic", f"telecare/v1/s/oximeter-1/{made.lane}")
    made.receive(Received(topic, payload, mid, retained=False, **more))


def work(made: LaneSession, shelf: Shelf) -> None:
    made._hand_over()
    made._write(shelf, made._take())
    made._answer()


def payloads(batches: list[Batch]) -> list[bytes]:
    return [e.payload for b in batches for e in b.envelopes]


# -- writing --------------------------------------------------------------------------------


def test_nothing_to_write_writes_nothing() -> None:
    shelf = Shelf()
    assert write_all(shelf, doubles.pipeline(), []) == []
    assert shelf.batches == []


def test_a_sound_batch_is_written_whole() -> None:
    shelf = Shelf()
    write_all(shelf, doubles.pipeline(), [message(SPO2), message(SPO2)])
    assert [len(b.envelopes) for b in shelf.batches] == [2]


@pytest.mark.parametrize("culprit", range(7))
def test_only_the_culprit_of_a_batch_is_refused(culprit: int) -> None:
    poison = [{"n": "spo2", "v": 96, "t": NOW, "x": "poison"}]
    envelopes = [message(poison if i == culprit else SPO2) for i in range(7)]
    shelf = Shelf()
    batches = write_all(shelf, doubles.pipeline(), envelopes)
    assert [e for b in batches for e in b.envelopes] == envelopes
    refused = [b for b in batches if b.refusals]
    assert [b.envelopes for b in refused] == [[envelopes[culprit]]]
    assert sum(len(b.rows) for b in shelf.batches) == 6
    assert payloads(shelf.batches).count(envelopes[culprit].payload) == 1


def test_all_poison_is_all_refused() -> None:
    poison = [{"n": "spo2", "v": 96, "t": NOW, "x": "poison"}]
    batches = write_all(Shelf(), doubles.pipeline(), [message(poison)] * 3)
    assert [len(b.refusals) for b in batches] == [1, 1, 1]


def test_a_message_that_breaks_the_reading_is_refused_alone() -> None:
    class Fragile(Pipeline):
        def prepare(self, envelopes: Any) -> Batch:
            if any(b"break" in e.payload for e in envelopes):
                raise ZeroDivisionError
            return super().prepare(envelopes)

    inner = doubles.pipeline()
    fragile = Fragile(devices=inner._devices, parts=inner._parts, limits=inner._limits)
    shelf = Shelf()
    batches = write_all(shelf, fragile, [message(SPO2), message(b"break"), message(SPO2)])
    assert [len(b.refusals) for b in batches] == [0, 1, 0]


def test_a_store_that_is_away_is_no_ones_fault() -> None:
    shelf = Shelf()
    shelf.away = True
    with pytest.raises(StoreUnavailableError):
        write_all(shelf, doubles.pipeline(), [message(SPO2), message(SPO2)])


# -- acknowledging --------------------------------------------------------------------------


def test_messages_are_acknowledged_after_the_store_has_them_in_their_order(
    clock: FixedClock,
) -> None:
    made, client = session(clock)
    for mid in (3, 1, 2):
        receive(made, [{"n": "spo2", "v": mid, "t": NOW}], mid)
    made._hand_over()
    assert client.acked == []
    work(made, Shelf())
    assert client.acked == [3, 1, 2]


def test_the_probe_keeps_its_place_and_is_not_stored(clock: FixedClock) -> None:
    made, client = session(clock)
    shelf = Shelf()
    receive(made, SPO2, 1)
    receive(made, b"probe", 2, topic=topics.probe(client.client_id))
    receive(made, [{"n": "spo2", "v": 1, "t": NOW}], 3)
    assert made.probed_at == clock.monotonic()
    work(made, shelf)
    assert client.acked == [1, 2, 3]
    assert len(payloads(shelf.batches)) == 2


def test_what_came_over_a_lost_connection_is_not_acknowledged_on_the_next(
    clock: FixedClock,
) -> None:
    made, client = session(clock)
    receive(made, SPO2, 1)
    made._hand_over()
    taken = made._take()
    made._epoch += 1
    made._forget_unwritten()
    receive(made, [{"n": "spo2", "v": 1, "t": NOW}], 1)
    made._write(Shelf(), taken)
    made._answer()
    assert client.acked == []
    work(made, Shelf())
    assert client.acked == [1]


def test_a_lost_connection_forgets_what_is_not_being_written(clock: FixedClock) -> None:
    made, _ = session(clock)
    receive(made, SPO2, 1)
    made._hand_over()
    receive(made, SPO2, 2)
    made._forget_unwritten()
    assert made._held == 0
    assert not made._inbox
    assert not made._arrived


def test_a_batch_is_bounded_by_number_and_by_size(clock: FixedClock) -> None:
    made, _ = session(clock, batch_messages=3, batch_bytes=100)
    for mid, size in enumerate([60, 40, 1, 200, 1, 1, 1, 1]):
        receive(made, b"x" * size, mid + 1)
    made._hand_over()
    sizes = []
    while made._inbox:
        sizes.append([len(e.payload) for _, e in made._take()])
    assert sizes == [[60, 40], [1], [200], [1, 1, 1], [1]]


def test_what_is_held_is_counted_until_it_is_handed_back(clock: FixedClock) -> None:
    made, _ = session(clock)
    receive(made, b"x" * 70, 1)
    made._hand_over()
    assert made._held == 70
    work(made, Shelf())
    assert made._held == 0


# -- answers --------------------------------------------------------------------------------

REPLY = "telecare/v1/s/oximeter-1/reply/x"


def test_a_message_that_asks_is_answered_with_what_became_of_it(clock: FixedClock) -> None:
    made, client = session(clock)
    records = [*SPO2, {"n": "wombat", "v": 1}]
    receive(made, records, 1, response_topic=REPLY, correlation=b"17")
    work(made, Shelf())
    ((topic, body, correlation),) = client.said
    assert (topic, correlation, body["stored"]) == (REPLY, b"17", 1)
    assert [r["record"] for r in body["refused"]] == [1]


def test_a_repeat_is_not_written_again_and_answered_the_same(clock: FixedClock) -> None:
    made, client = session(clock)
    shelf = Shelf()
    for mid in (1, 2):
        receive(made, SPO2, mid, response_topic=REPLY)
    work(made, shelf)
    receive(made, SPO2, 3, response_topic=REPLY)
    work(made, shelf)
    assert len(payloads(shelf.batches)) == 1
    assert [body for _, body, _ in client.said] == [{"stored": 1, "refused": []}] * 3
    assert client.acked == [1, 2, 3]


def test_a_repeat_in_one_batch_of_something_refused_is_told_so(clock: FixedClock) -> None:
    made, client = session(clock)
    for mid in (1, 2):
        receive(made, b"garbage", mid, response_topic=REPLY)
    work(made, Shelf())
    assert [len(body["refused"]) for _, body, _ in client.said] == [1, 1]


@pytest.mark.parametrize(
    "records",
    [
        pytest.param([{"n": "spo2", "v": 96}], id="timed by the hub"),
        pytest.param([{"n": "wombat", "v": 96}], id="refused"),
        pytest.param([{"n": "sos", "vb": True, "t": NOW, "alarm_id": "1"}], id="an alarm"),
    ],
)
def test_these_go_to_the_store_each_time(clock: FixedClock, records: Any) -> None:
    made, _ = session(clock)
    shelf = Shelf()
    for mid in (1, 2):
        receive(made, records, mid)
        work(made, shelf)
    assert len(payloads(shelf.batches)) == 2


def test_each_press_on_the_alarm_topic_reaches_the_store_even_in_one_batch(
    clock: FixedClock,
) -> None:
    made, _ = session(clock, "event")
    shelf = Shelf()
    for mid in (1, 2):
        receive(made, [{"n": "sos", "vb": True, "t": NOW, "alarm_id": "1"}], mid)
    work(made, shelf)
    assert len(payloads(shelf.batches)) == 2


def test_an_answer_never_goes_where_the_hub_may_not_publish(clock: FixedClock) -> None:
    made, client = session(clock)
    receive(made, SPO2, 1, response_topic="telecare/v1/s/oximeter-1/obs")
    work(made, Shelf())
    assert client.said == []
    assert client.acked == [1]


def test_the_body_of_an_answer_is_as_published() -> None:
    refusal = Refusal("record", [(WHOLE, "no pack"), (3, "no unit")])
    assert json.loads(lane.answer(2, refusal)) == {
        "stored": 2,
        "refused": [{"record": None, "reason": "no pack"}, {"record": 3, "reason": "no unit"}],
    }
    assert json.loads(lane.answer(0, None)) == {"stored": 0, "refused": []}


# -- small things ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attempt", "longest"), [(0, 0.2), (1, 0.4), (5, 6.4), (6, 10.0), (10_000, 10.0)]
)
def test_the_back_off_doubles_to_a_bound_with_jitter(attempt: int, longest: float) -> None:
    waits = [pause(attempt) for _ in range(200)]
    assert all(longest / 2 <= w <= longest for w in waits)
    assert len(set(waits)) > 1


def test_a_broker_is_never_waited_for_longer_than_a_second() -> None:
    assert all(0.5 <= pause(n, longest=1.0) <= 1.0 for n in range(3, 5_000))


def test_an_envelope_carries_what_the_message_said() -> None:
    found = lane.envelope(
        Received(
            "telecare/v1/s/d/obs", b"p", 5, retained=True, content_type="c", response_topic="r",
            correlation=b"k", user=(("import", "true"),),
        ),
        "obs",
        1_795_406_400.123456789,
    )  # fmt: skip
    assert isinstance(found, Envelope)
    assert (found.site, found.device, found.token, found.payload) == ("s", "d", 5, b"p")
    assert (found.retained, found.imported, found.replayed) == (True, True, False)
    assert (found.content_type, found.response_topic, found.correlation) == ("c", "r", b"k")
    assert found.received == 1_795_406_400.123457


@pytest.mark.parametrize("user", [(), (("import", "false"),), (("Import", "true"),)])
def test_only_the_declared_path_is_an_import(user: tuple[tuple[str, str], ...]) -> None:
    found = lane.envelope(Received("t", b"", 1, retained=False, user=user), "obs", NOW)
    assert not found.imported
    assert found.misaddressed
