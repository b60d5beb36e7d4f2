"""The canonical observation: quality flags, and a batch of observations as columns."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


class Quality(enum.IntFlag):
    """What is known against a reading. A flag never drops it; rules decide what a flag means."""

    NONE = 0
    HUB_TIMED = 1  # the device gave no time: the hub's receive time stands in
    CLOCK_LOST = 2  # the device's clock had lost the date: shifted so that the newest is "now"
    FUTURE = 4  # measured after it was received: the receive time stands in
    LATE = 8  # received long after it was measured
    HISTORICAL = 16  # so old that it can only be history
    IMPLAUSIBLE = 32  # no living person or working sensor: kept, never judged
    RETAINED = 64  # the broker's copy of an old message
    IMPORTED = 128  # sent through the declared import path
    REPLAYED = 256  # came out of the quarantine


RE_TIMED = Quality.HUB_TIMED | Quality.CLOCK_LOST | Quality.FUTURE
NOT_LIVE = Quality.HISTORICAL | Quality.RETAINED | Quality.IMPORTED
"""A measurement with one of these never pages. Emergencies have rules of their own: a late one
pages, however late."""

ROW = np.dtype(
    [
        ("time", "<f8"),  # measured, Unix seconds, corrected
        ("received", "<f8"),  # Unix seconds
        ("value", "<f8"),
        ("device", "<i8"),
        ("person", "<i8"),  # 0: nobody in particular (a shared sensor)
        ("dwelling", "<i8"),
        ("part", "<i4"),  # interned room or questionnaire key, 0: none
        ("flags", "<i4"),
        ("quantity", "<i2"),
    ]
)
"""One observation as the rules read it. Its bytes are also the format of the writer log."""

ROW_VERSION = 1
"""Stored with each log row; a reader refuses what it doesn't know."""

Rows = NDArray[np.void]
"""A one-dimensional array of :data:`ROW`."""


def flag_names(flags: int) -> list[str]:
    """Return the flags' names in lower case, as the API shows them."""
    return [str(f.name).lower() for f in Quality if f and flags & f]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """An emergency, or what came on the alarm topic unreadable, on its way to a person."""

    site: str
    device: str  # as in the topic
    alarm_id: str  # the device's own, else made of name and time exactly as sent
    receipt_id: str  # what the receipt must name
    quantity: int  # a vitals number; vitals.UNKNOWN_ALARM when unreadable
    cancel: bool
    place: str
    time: float  # Unix seconds, corrected
    received: float
    flags: int
    device_no: int | None  # None: the device isn't registered
    person_no: int | None
    dwelling_no: int | None
    detail: str = ""  # why it could not be read; never what it said
