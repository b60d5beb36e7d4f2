"""When a reading was measured: lost, future, late and historical times. Pure array functions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest.kernel.observation import Quality

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]

CLOCK_EPOCH = 946_684_800.0
"""2000-01-01: an earlier time is a clock that lost the date, not a measurement."""

LONGEST_BUFFER = 30 * 86_400.0
"""Unsourced: times of one message further apart than this are no spacing to be kept. [s]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When a time is future, late, historical. All unsourced settings. [s]."""

    future_tolerance: float = 120.0
    late_after: float = 900.0
    historical_after: float = 86_400.0


def judge(
    sent: FloatArray,
    received: FloatArray,
    hub_timed: NDArray[np.bool_],
    message: NDArray[np.int64],
    limits: Limits,
) -> tuple[FloatArray, IntArray]:
    """Correct impossible times and flag what is known about each.

    Times before 2000 or more than the tolerance after receipt are shifted, all those of one
    message by the same amount, so that the newest falls on the receive time: the spacing of a
    buffer read out by a device that lost its clock is kept.

    Parameters
    ----------
    sent
        Time as the device gave it, shape (n,). [s, Unix]
    received
        Time the hub received it, shape (n,). [s, Unix]
    hub_timed
        True where the hub's clock made the time (absent or relative), shape (n,).
    message
        Which message a row came in, any numbers, shape (n,).
    limits
        Tolerances.

    Returns
    -------
    tuple[FloatArray, IntArray]
        Corrected times [s, Unix] and :class:`Quality` flags, shape (n,) each.
    """
    time = sent.copy()
    flags = np.where(hub_timed, np.int32(Quality.HUB_TIMED), np.int32(0)).astype(np.int32)
    lost = time < CLOCK_EPOCH
    future = time > received + limits.future_tolerance
    for wrong, flag in ((lost, Quality.CLOCK_LOST), (future, Quality.FUTURE)):
        if wrong.any():
            flags[wrong] |= np.int32(flag)
            _shift(time, received, message, wrong)
    age = received - time
    late = age > limits.late_after
    if late.any():
        flags[late] |= np.int32(Quality.LATE)
        flags[age > limits.historical_after] |= np.int32(Quality.HISTORICAL)
    return time, flags


def _shift(
    time: FloatArray, received: FloatArray, message: NDArray[np.int64], wrong: NDArray[np.bool_]
) -> None:
    """Move the wrong times of each message so that their newest is the receive time, in place."""
    rows = np.flatnonzero(wrong)
    _, group = np.unique(message[rows], return_inverse=True)
    newest = np.full(int(group.max()) + 1, -np.inf)
    np.maximum.at(newest, group, time[rows])
    before = newest[group] - time[rows]
    time[rows] = received[rows] - np.where(before <= LONGEST_BUFFER, before, 0.0)
