"""The chains of events as they are stored: checked alert by alert, and against published roots."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from typing import Any

import psycopg

from alerts import chain
from alerts.storage import rows

_STORED = f"""
SELECT a.no, a.head, {rows.EVENT_COLUMNS}, e.salt, e.reason_digest, e.detail_digest, e.hash
FROM alerts.alert a LEFT JOIN alerts.event e ON e.alert_no = a.no
WHERE %(all)s OR a.raised_at >= %(since)s
OR a.no IN (SELECT n.alert_no FROM alerts.event n WHERE n.no > %(after)s)
ORDER BY a.no, e.no
"""  # noqa: S608 - our own column names
_BEFORE = "SELECT coalesce(max(event_no), 0) FROM alerts.root WHERE at < %s"
_MOVED = """
SELECT DISTINCT ON (alert_no) alert_no, hash FROM alerts.event
WHERE no > %s AND no <= %s AND hash IS NOT NULL ORDER BY alert_no, no DESC
"""
_ROOTS = "SELECT at, after, before, event_no, heads, hash FROM alerts.root"


@dataclass(slots=True)
class Checked:
    """What checking chains came to."""

    alerts: int = 0
    events: int = 0
    older: int = 0  # events from before the chain
    erased: int = 0
    broken: list[chain.Broken] = field(default_factory=list)


def check(db: psycopg.Connection[Any], *, since: datetime | None = None) -> Checked:
    """Check the whole chain of every alert on which something happened since then, or of all."""
    found = Checked()
    after = 0 if since is None else one(db, _BEFORE, since)
    values = {"all": since is None, "since": since, "after": after}
    with db.transaction(), db.cursor(name="chains") as cursor:  # read in pieces: there may be many
        cursor.execute(_STORED, values)
        for alert_no, group in itertools.groupby(cursor, itemgetter(0)):
            stored = list(group)
            events = [_event(row[2:]) for row in stored if row[2] is not None]
            found.alerts += 1
            found.events += len(events)
            found.older += sum(link is None for _, link in events)
            found.erased += sum(link is not None and chain.erased(e, link) for e, link in events)
            found.broken += chain.verify(alert_no, events, stored[0][1])
    return found


def newest_root(db: psycopg.Connection[Any]) -> chain.Root | None:
    """Return the last root that was made."""
    row = db.execute(_ROOTS + " ORDER BY no DESC LIMIT 1").fetchone()
    return None if row is None else root(row)


def roots(db: psycopg.Connection[Any], *, since: datetime | None = None) -> list[chain.Root]:
    """Return the roots that were made since then, or all, oldest first."""
    where = " WHERE %s::timestamptz IS NULL OR at >= %s ORDER BY no"
    return [root(row) for row in db.execute(_ROOTS + where, [since, since]).fetchall()]


def moved(db: psycopg.Connection[Any], *, after: int, up_to: int) -> Iterator[tuple[int, bytes]]:
    """Return (alert number, head) of the alerts whose head moved between two events."""
    yield from db.execute(_MOVED, [after, up_to]).fetchall()


def against(db: psycopg.Connection[Any], published: Iterable[chain.Root]) -> list[str]:
    """Say which roots no longer come out of the events, in plain words."""
    wrong, before = [], None
    for said in published:
        if said == before:
            continue  # published twice after a crash
        when = f"{said.at:%Y-%m-%d %H:%M}"
        if before is not None and (said.after, said.before) != (before.event_no, before.hash):
            wrong.append(
                f"the root of {when} does not follow from the one of {before.at:%Y-%m-%d %H:%M}:"
                " roots in between are missing, or the database was set back to an older state"
            )
        if not chain.holds(said, moved(db, after=said.after, up_to=said.event_no)):
            wrong.append(
                f"the root of {when} no longer comes out of the events {said.after + 1} to"
                f" {said.event_no}: some were removed, added or changed since"
            )
        before = said
    return wrong


def root(row: tuple[Any, ...]) -> chain.Root:
    """Return the root of a row: at, after, before, event_no, heads, hash."""
    at, after, before, event_no, heads, hash_ = row
    return chain.Root(at=at, after=after, before=before, event_no=event_no, heads=heads, hash=hash_)


def one(db: psycopg.Connection[Any], query: str, *values: Any) -> int:
    """Return the number that a query comes to."""
    row = db.execute(query, list(values)).fetchone()
    assert row is not None  # noqa: S101  (aggregates give one row)
    return int(row[0])


def _event(row: tuple[Any, ...]) -> tuple[Any, chain.Link | None]:
    *said, salt, reason_digest, detail_digest, hash_ = row
    event = rows.event(tuple(said))
    if hash_ is None:
        return event, None
    return event, chain.Link(
        salt=salt,
        reason_digest=reason_digest,
        detail_digest=detail_digest or b"",
        hash=hash_,
    )
