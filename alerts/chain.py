"""One hash chain per alert over its events, and roots over all chains: any change shows. Pure.

An event's hash covers the hash before it, ids, and digests of its texts. The digests are salted and
stand beside the texts, so texts (and their salt) can be erased and the chain still holds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from alerts import model

START = bytes(32)
"""What stands before the first event of an alert, and before the first root."""
SALT_BYTES = 16
_FORM = "telecare event 1"
_ROOT_FORM = "telecare root 1"
_EXACT = 2**53
"""Whole numbers up to here are the same number in JSON, in the database and in Python."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What an event carries for the chain, beside what it says."""

    salt: bytes | None  # None: the texts were erased
    reason_digest: bytes | None  # None: there never was a reason
    detail_digest: bytes
    hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """One thing that isn't as it was written, in plain words."""

    alert_no: int
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """One hash over the heads that moved since the root before, and over that root.

    It says all that is needed to work it out again from the events.
    """

    at: datetime
    after: int  # the event the root before reached; 0: this is the first
    before: bytes  # that root
    event_no: int  # the highest event it covers
    heads: int  # how many moved
    hash: bytes


def link(before: bytes, event: model.Event, *, salt: bytes) -> Link:
    """Return what chains a numbered event to the hash before it."""
    reason_digest = None if event.reason is None else _digest(salt, event.reason)
    detail_digest = _digest(salt, canonical(event.detail))
    return Link(
        salt=salt,
        reason_digest=reason_digest,
        detail_digest=detail_digest,
        hash=_hash(before, event, reason_digest, detail_digest),
    )


def verify(
    alert_no: int, events: Sequence[tuple[model.Event, Link | None]], head: bytes | None
) -> Iterator[Broken]:
    """Say what is wrong with an alert's events, given in the order of their numbers.

    Events without a link are older than the chain: they come first or not at all. After the first
    event that doesn't follow from the one before, the rest is checked from what it says itself.
    """
    before, begun = START, False
    for event, said in events:
        if said is None:
            if begun:
                yield _wrong(event, "has no hash although events before it have one")
            continue
        begun = True
        if _hash(before, event, said.reason_digest, said.detail_digest) != said.hash:
            yield _wrong(event, "was changed, or an event before it was changed, removed or added")
        for what in _texts(event, said):
            yield _wrong(event, what)
        before = said.hash
    if (head or START) != before:
        yield Broken(
            alert_no=alert_no,
            what=f"alert {alert_no}: its newest event is not the one that was written last;"
            " events at its end were removed, added or changed",
        )


def erased(event: model.Event, said: Link) -> bool:
    """Tell whether the texts of an event were erased."""
    return said.salt is None and not event.detail and event.reason is None


def root(
    before: Root | None, heads: Iterable[tuple[int, bytes]], *, event_no: int, at: datetime
) -> Root:
    """Return the next root, given (alert number, head) of the alerts that moved, by number."""
    start, after = (START, 0) if before is None else (before.hash, before.event_no)
    return _root(start, after, heads, event_no=event_no, at=at)


def holds(said: Root, heads: Iterable[tuple[int, bytes]]) -> bool:
    """Tell whether a root that was published is what comes out of the events."""
    return said == _root(said.before, said.after, heads, event_no=said.event_no, at=said.at)


def line(said: Root) -> str:
    """Return a root as one line of JSON, for a place outside the database."""
    form = {
        "at": _moment(said.at), "after": said.after, "before": said.before.hex(),
        "event": said.event_no, "alerts": said.heads, "root": said.hash.hex(),
    }  # fmt: skip
    return json.dumps(form)


def read_line(text: str) -> Root | None:
    """Return the root that a line holds, None when it holds none."""
    try:
        form = json.loads(text)
        return Root(
            at=datetime.fromisoformat(form["at"]),
            after=int(form["after"]),
            before=bytes.fromhex(form["before"]),
            event_no=int(form["event"]),
            heads=int(form["alerts"]),
            hash=bytes.fromhex(form["root"]),
        )
    except (ValueError, TypeError, KeyError):
        return None


def canonical(detail: Mapping[str, Any]) -> str:
    """Return the one way to write a value, whatever the database did to its numbers and order."""
    return json.dumps(_plain(detail), sort_keys=True, separators=(",", ":"), allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float):
        whole = abs(value) < _EXACT and value == int(value)
        return int(value) if whole else float(value)
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value]


def _root(
    before: bytes, after: int, heads: Iterable[tuple[int, bytes]], *, event_no: int, at: datetime
) -> Root:
    covered, count = hashlib.sha256(), 0
    for alert_no, head in heads:
        covered.update(alert_no.to_bytes(8, "big") + head)
        count += 1
    form = [_ROOT_FORM, _moment(at), after, event_no, count, covered.hexdigest()]
    text = json.dumps(form, separators=(",", ":"))
    return Root(
        at=at, after=after, before=before, event_no=event_no, heads=count,
        hash=hashlib.sha256(before + text.encode()).digest(),
    )  # fmt: skip


def _texts(event: model.Event, said: Link) -> Iterator[str]:
    if said.salt is None:
        if not erased(event, said):
            yield "has lost its salt but not its texts: they can't be checked"
        return
    if event.reason is None:
        if said.reason_digest is not None:
            yield "has lost its reason, and was not erased as a whole"
    elif said.reason_digest != _digest(said.salt, event.reason):
        yield "says another reason than was written"
    if said.detail_digest != _digest(said.salt, canonical(event.detail)):
        yield "has other details than were written"


def _wrong(event: model.Event, what: str) -> Broken:
    return Broken(alert_no=event.alert_no, what=f"alert {event.alert_no}: event {event.no} {what}")


def _digest(salt: bytes, text: str) -> bytes:
    return hashlib.sha256(salt + text.encode()).digest()


def _hash(
    before: bytes, event: model.Event, reason_digest: bytes | None, detail_digest: bytes
) -> bytes:
    form = json.dumps(
        [
            _FORM, event.no, event.alert_no, _moment(event.at), event.kind, event.by,
            event.alert_version, None if reason_digest is None else reason_digest.hex(),
            detail_digest.hex(),
        ],
        separators=(",", ":"),
    )  # fmt: skip
    return hashlib.sha256(before + form.encode()).digest()


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
