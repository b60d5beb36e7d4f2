"""What goes into the pipeline and what comes out: envelopes, refusals, batches."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ingest.kernel.observation import RE_TIMED, Alarm, Rows

Lane = Literal["obs", "event"]

WHOLE = -1
"""The record number of a refusal that concerns the whole message."""


def kept_as(topic: str, payload: bytes) -> bytes:
    """Return the quarantine's digest: the same bytes on another topic are another message."""
    return hashlib.blake2b(topic.encode() + b"\0" + payload, digest_size=16).digest()


@dataclass(slots=True, eq=False)
class Envelope:
    """One message as it arrived, and what is needed to answer it."""

    site: str
    device: str
    lane: Lane
    topic: str
    payload: bytes
    received: float
    token: int | None = None  # how the gateway acknowledges it
    content_type: str | None = None
    retained: bool = False
    imported: bool = False
    replayed: bool = False
    response_topic: str | None = None
    correlation: bytes | None = None
    misaddressed: str = ""  # what is wrong with its topic

    def digest(self) -> bytes:
        """Return 16 bytes that tell this payload from any other."""
        return hashlib.blake2b(self.payload, digest_size=16).digest()

    def kept_as(self) -> bytes:
        """Return what tells this message from any other of its device in the quarantine."""
        return kept_as(self.topic, self.payload)


@dataclass(slots=True)
class Refusal:
    """A message of which something could not be accepted."""

    code: str
    records: list[tuple[int, str]] = field(default_factory=list)


@dataclass(slots=True)
class Batch:
    """What a list of envelopes became; rows are parallel to ``message`` and ``sent``."""

    envelopes: Sequence[Envelope]
    rows: Rows
    message: NDArray[np.int64]  # index into envelopes, of each row
    sent: NDArray[np.float64]  # time as sent where it was corrected, else NaN
    answers: dict[int, str]  # row -> text answer
    alarms: list[Alarm]
    refusals: dict[int, Refusal]  # envelope -> why
    stored: list[int]  # records accepted of each envelope

    def hub_timed(self) -> dict[int, bytes]:
        """Return the digests of the messages with re-timed rows, by envelope."""
        timed = (self.rows["flags"] & int(RE_TIMED)) != 0
        if not timed.any():
            return {}
        return {
            int(m): self.envelopes[m].digest()
            for m in np.unique(self.message[timed])
            if not self.envelopes[m].replayed
        }
