"""What a status message says, reduced to values; pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec

STATES = frozenset({"online", "offline", "sleeping"})
_LONGEST_SESSION = 100
_LONGEST_COMMAND_ID, _LONGEST_DETAIL = 200, 2_000
_MOST_CADENCES = 100
_LARGEST = 1e9  # unsourced: beyond any percentage, signal strength or cadence
_EARLIEST_CLOCK = 946_684_800.0  # 2000-01-01: before it a clock has lost the date


class Status(msgspec.Struct):
    """A status message as sent."""

    state: str
    session: str | None = None
    at: float | None = None
    battery: float | None = None
    rssi: float | None = None
    fw: str | None = None
    cadence: dict[str, float] | None = None


class Answer(msgspec.Struct):
    """A ``cmd/ack`` as sent."""

    id: str | int
    ok: bool
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """Why a message could not be read."""

    reason: str


_STATUS = msgspec.json.Decoder(Status)
_ANSWER = msgspec.json.Decoder(Answer)


def read_status(payload: bytes) -> Status | Unreadable:
    """Read a status message; never raises on bytes from outside."""
    try:
        status = _STATUS.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Unreadable(reason=f"not a status message: {str(error)[:120]}")
    if status.state not in STATES:
        return Unreadable(reason=f"state must be one of {', '.join(sorted(STATES))}")
    texts = (status.session or "", status.fw or "")
    if any("\0" in text or len(text) > _LONGEST_SESSION for text in texts):
        return Unreadable(reason=f"session and fw: at most {_LONGEST_SESSION} characters, no NUL")
    return _bounded(status)


def _bounded(status: Status) -> Status | Unreadable:
    cadence = status.cadence or {}
    if len(cadence) > _MOST_CADENCES or any(
        "\0" in key or len(key) > _LONGEST_SESSION for key in cadence
    ):
        return Unreadable(
            reason=f"cadence: at most {_MOST_CADENCES} names of at most"
            f" {_LONGEST_SESSION} characters, no NUL"
        )
    numbers = [status.battery or 0.0, status.rssi or 0.0, *cadence.values()]
    if not all(abs(number) <= _LARGEST for number in numbers):
        return Unreadable(reason="battery, rssi and cadence are ordinary numbers")
    return status


def read_answer(payload: bytes) -> Answer | Unreadable:
    """Read a ``cmd/ack``; never raises on bytes from outside."""
    try:
        answer = _ANSWER.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Unreadable(reason=f"not an answer to a command: {str(error)[:120]}")
    return Answer(
        id=str(answer.id).replace("\0", "")[:_LONGEST_COMMAND_ID],
        ok=answer.ok,
        detail=answer.detail.replace("\0", "")[:_LONGEST_DETAIL],
    )


def clock_skew(status: Status, received: float, *, retained: bool) -> float | None:
    """Return how far the device's clock is ahead of the hub's, None where it can't be told. [s].

    Only a fresh message tells: a retained one was written at some other time, and a last will
    carries the time at which the connection was made.
    """
    if retained or status.state == "offline" or status.at is None:
        return None
    if not math.isfinite(status.at) or status.at < _EARLIEST_CLOCK:
        return None
    return status.at - received


def usable_time(at: float | None) -> float | None:
    """Return the device's own time where a calendar has room for it."""
    furthest = 4_102_444_800.0  # 2100-01-01
    return at if at is not None and _EARLIEST_CLOCK <= at < furthest else None
