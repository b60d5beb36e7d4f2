"""Quarantined messages on their way back in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.replay import Replayer
from ingest.batch import Refusal
from ingest.kernel.observation import Quality
from ingest.ports import Kept
from tests.unit.gateway.test_lane import Shelf, Shelves
from tests.unit.ingest import doubles
from tests.unit.ingest.doubles import NOW


def kept(no: int, payload: bytes, topic: str = "telecare/v1/s/oximeter-1/obs") -> Kept:
    return Kept(
        no=no, topic=topic, payload=payload, content_type=None,
        received_at=datetime.fromtimestamp(NOW, UTC),
    )  # fmt: skip


def replay(*messages: Kept) -> tuple[list[Refusal | None], Shelf]:
    shelf = Shelf()
    quarantine: Any = None
    replayer = Replayer(quarantine=quarantine, pipeline=doubles.pipeline(), stores=Shelves(shelf))
    return replayer._take(list(messages)), shelf


def test_each_message_is_told_what_became_of_it() -> None:
    became, shelf = replay(kept(1, b'[{"n":"spo2","v":96}]'), kept(2, b"garbage"))
    assert became[0] is None
    assert isinstance(became[1], Refusal)
    assert sum(len(b.rows) for b in shelf.batches) == 1


def test_a_replayed_reading_keeps_the_time_it_came() -> None:
    _, shelf = replay(kept(1, b'[{"n":"spo2","v":96}]'))
    (row,) = shelf.batches[0].rows
    assert row["time"] == NOW
    assert Quality(int(row["flags"])) == Quality.HUB_TIMED | Quality.REPLAYED


@pytest.mark.parametrize(
    ("topic", "pages"),
    [
        ("telecare/v1/s/oximeter-1/event", True),
        ("telecare/v1/s/oximeter-1/event/deep", True),
        ("telecare/v1/s/event-1/obs", False),
        ("telecare/v1/event/oximeter-1/obs", False),
    ],
)
def test_the_lane_is_told_by_the_tail_of_the_topic(topic: str, pages: bool) -> None:
    _, shelf = replay(kept(1, b"garbage", topic))
    assert bool(shelf.batches[0].alarms) is pages
