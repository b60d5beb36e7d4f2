"""A register of three devices and ready batches, for tests of the stream's storage."""

from __future__ import annotations

from typing import Any

import psycopg

from ingest.batch import Batch, Envelope
from ingest.kernel.device import Device
from ingest.pipeline import Pipeline
from ingest.storage.stream import StreamWriter
from ingest.validation import timing
from tests.support.clock import FixedClock
from tests.unit.ingest import doubles

WINDOW = 600.0


def pipeline() -> Pipeline:
    """Three devices: a person's each, in homes of different shards."""
    devices: list[Device] = [
        doubles.device(f"oximeter-{n}", n, person=n + 10, dwelling=n + 20) for n in (1, 2, 3)
    ]
    return Pipeline(
        devices=doubles.Register(*devices), parts=doubles.Words(), limits=timing.Limits()
    )


def batch(*envelopes: Envelope) -> Batch:
    return pipeline().prepare(envelopes)


def reading(value: float, *, t: float | None = doubles.NOW, n: int = 1, **more: Any) -> Envelope:
    record = {"n": "spo2", "v": value} | ({} if t is None else {"t": t})
    return doubles.message([record], name=f"oximeter-{n}", **more)


def writer(url: str, clock: FixedClock, lane: Any = "obs") -> StreamWriter:
    return StreamWriter.open(url, lane=lane, clock=clock, window=WINDOW)


def rows(url: str, query: str, *args: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as db:
        return db.execute(query, args).fetchall()  # type: ignore[arg-type]  # a test's own SQL
