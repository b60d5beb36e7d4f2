"""The topics of version 1: read, written, subscribed to. Pure."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

ROOT = "telecare/v1"
_ID = re.compile(r"[a-z0-9-]{1,64}\Z")
_FIXED_LEVELS = 4  # telecare / v1 / site / device
_LONGEST_SHOWN = 80
_LONGEST_ANSWERED = 300
_LONGEST_REMEMBERED = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """What a topic says: whose message, and of which sort. ``problem`` is empty when sound."""

    site: str
    device: str
    tail: str
    problem: str = ""


def parse(topic: str) -> Address:
    """Read a topic; a misshapen one keeps what can be told of it, and its problem."""
    return _remembered(topic) if len(topic) <= _LONGEST_REMEMBERED else _parse(topic)


def _parse(topic: str) -> Address:
    levels = topic.split("/")
    if len(levels) <= _FIXED_LEVELS or "/".join(levels[:2]) != ROOT:
        return Address(site="", device="", tail="", problem="not a topic of telecare/v1")
    site, device, tail = levels[2], levels[3], "/".join(levels[4:])
    problem = ""
    if not (_ID.match(site) and _ID.match(device)):
        problem = "site and device are 1 to 64 of a-z, 0-9 and -"
    elif tail.startswith("via/"):
        problem = "messages of other dialects (via/...) are not read by this release"
    elif tail not in {"obs", "event", "status", "cmd/ack"}:
        problem = f"{tail[:_LONGEST_SHOWN]!r} is no kind of message"
    return Address(site=_shown(site), device=_shown(device), tail=tail, problem=problem)


def _shown(level: str) -> str:
    return level[:_LONGEST_SHOWN].replace("\0", "\N{REPLACEMENT CHARACTER}")


_remembered = functools.lru_cache(maxsize=100_000)(_parse)  # devices speak again and again


def to_device(site: str, device: str, tail: str) -> str:
    """Return the topic of a message to a device."""
    return f"{ROOT}/{site}/{device}/{tail}"


def may_answer(response_topic: str, site: str, device: str) -> bool:
    """Say whether an answer may go there: only below the asking device's own ``reply/``.

    Elsewhere the hub may not publish, and brokers close the connection of a client that tries;
    what it would get back below ``obs`` would come round for ever.
    """
    root = f"{ROOT}/{site}/{device}/reply/"
    return (
        response_topic.startswith(root)
        and len(response_topic) <= _LONGEST_ANSWERED
        and response_topic.isprintable()
        and not set("+#") & set(response_topic)
    )


def probe(client_id: str) -> str:
    """Return where a slot hears its own probes."""
    return f"{ROOT}/_hub/{client_id}/probe"


def lane_filters(lane: str, group: str) -> list[str]:
    """Return a lane's subscriptions.

    ``obs/#`` also matches ``obs`` itself: a topic with levels too many is seen and quarantined
    (or, on ``event``, pages) rather than lost.
    """
    if lane == "status":
        return [f"{ROOT}/+/+/status", f"{ROOT}/+/+/cmd/ack"]
    tails = ["obs/#", "via/#"] if lane == "obs" else ["event/#"]
    return [f"$share/{group}/{ROOT}/+/+/{tail}" for tail in tails]


def client_id(group: str, lane: str, number: int) -> str:
    """Return the name of a slot's broker session."""
    return f"telecare-{group}-{lane}-{number}"


def kept_sessions(group: str, *, event_slots: int, obs_slots: int) -> dict[str, list[str]]:
    """Return the sessions with shared subscriptions: client id -> subscriptions.

    Mosquitto forgets those when it restarts; whoever starts one restores them from here.
    """
    return {
        client_id(group, lane, n): lane_filters(lane, group)
        for lane, slots in (("event", event_slots), ("obs", obs_slots))
        for n in range(slots)
    }


DROPPED = "$SYS/broker/publish/messages/dropped"
"""Mosquitto's count of messages it gave up on."""
