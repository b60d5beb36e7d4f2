"""The topics of version 1: read, written, subscribed to. Pure."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

ROOT = "telecare/v1"
_ID = re.compile(r"[a-z0-9-]{1,64}\Z")
_FIXED_LEVELS = 4  # telecare / v1 / site / device
_LONGEST_SHOWN = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """What a topic says: whose message, and of which sort. ``problem`` is empty when sound."""

    site: str
    device: str
    tail: str
    problem: str = ""


@functools.lru_cache(maxsize=100_000)  # devices speak again and again
def parse(topic: str) -> Address:
    """Read a topic; a misshapen one keeps what can be told of it, and its problem."""
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
    return Address(
        site=site[:_LONGEST_SHOWN], device=device[:_LONGEST_SHOWN], tail=tail, problem=problem
    )


def to_device(site: str, device: str, tail: str) -> str:
    """Return the topic of a message to a device."""
    return f"{ROOT}/{site}/{device}/{tail}"


def may_answer(response_topic: str, site: str, device: str) -> bool:
    """Say whether an answer may go there: only below the asking device's own root, no wildcard."""
    root = f"{ROOT}/{site}/{device}/"
    return response_topic.startswith(root) and not set("+#\0") & set(response_topic)


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


DROPPED = "$SYS/broker/publish/messages/dropped"
"""Mosquitto's count of messages it gave up on."""
