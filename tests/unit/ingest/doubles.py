"""Stand-ins for the pipeline's two ports, and short ways to feed it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ingest.batch import Batch, Envelope, Lane
from ingest.kernel.device import Assignment, Device
from ingest.pipeline import Pipeline
from ingest.validation import timing

NOW = 1_795_406_400.0
FOREVER = float("inf")


def device(
    name: str = "oximeter-1", no: int = 7, *, person: int = 3, dwelling: int = 5, site: str = "s"
) -> Device:
    return Device(
        no=no,
        site=site,
        name=name,
        kind="x",
        assignments=(Assignment(start=0.0, end=FOREVER, person_no=person, dwelling_no=dwelling),),
    )


class Register:
    """Knows the devices it was made with."""

    def __init__(self, *devices: Device) -> None:
        self.devices = {(d.site, d.name): d for d in devices}

    def lookup(self, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Device]:
        return {k: self.devices[k] for k in keys if k in self.devices}


class Words:
    """Interns up to ``most`` names."""

    def __init__(self, most: int = 1_000) -> None:
        self.known: dict[str, int] = {}
        self.most = most

    def numbers(self, names: Iterable[str]) -> dict[str, int]:
        for name in sorted(names):
            if name not in self.known and len(self.known) < self.most:
                self.known[name] = len(self.known) + 1
        return {n: self.known[n] for n in names if n in self.known}


def pipeline(*devices: Device, parts: Words | None = None) -> Pipeline:
    return Pipeline(
        devices=Register(*(devices or (device(),))),
        parts=parts or Words(),
        limits=timing.Limits(),
    )


def message(
    records: Any, *, lane: Lane = "obs", name: str = "oximeter-1", received: float = NOW,
    **more: Any,
) -> Envelope:  # fmt: skip
    payload = records if isinstance(records, bytes) else json.dumps(records).encode()
    return Envelope(
        site="s",
        device=name,
        lane=lane,
        topic=f"telecare/v1/s/{name}/{lane}",
        payload=payload,
        received=received,
        **more,
    )


def read(records: Any, *, lane: Lane = "obs", **more: Any) -> Batch:
    """Return what one message of the registered device becomes."""
    return pipeline().prepare([message(records, lane=lane, **more)])


def reasons(batch: Batch, of: int = 0) -> list[str]:
    """Return why records of a message were refused."""
    refusal = batch.refusals.get(of)
    return [reason for _, reason in refusal.records] if refusal else []
