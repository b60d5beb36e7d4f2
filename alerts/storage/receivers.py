"""Receivers: how teams, members, contacts and the hub's own operators are reached."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from alerts.calling import Owner
from ingest.storage.vault import Vault

_Db = psycopg.Connection[Any]
_ADD = """
INSERT INTO alerts.receiver (team_no, member_no, contact_no, channel, address, rank, language,
    quiet) VALUES (%s, %s, %s, %s, %s, %s, %s, %s) RETURNING no
"""
_REMOVE = "DELETE FROM alerts.receiver WHERE no = %s"
_EVERY = """
SELECT r.no,
    CASE WHEN r.team_no IS NOT NULL THEN 'team:' || t.id
         WHEN r.member_no IS NOT NULL THEN 'member:' || coalesce(m.account, r.member_no::text)
         WHEN r.contact_no IS NOT NULL THEN 'contact:' || p.id || '/' || c.rank
         ELSE 'hub' END,
    r.channel, r.rank, r.language, r.quiet, r.failing_since,
    coalesce((SELECT ready FROM alerts.channel x WHERE x.name = r.channel), false)
FROM alerts.receiver r
LEFT JOIN alerts.team t ON t.no = r.team_no
LEFT JOIN alerts.member m ON m.no = r.member_no
LEFT JOIN ingest.contact c ON c.no = r.contact_no LEFT JOIN ingest.person p ON p.no = c.person_no
ORDER BY 2, r.rank, r.no
"""
_ONE = "SELECT channel, address, language FROM alerts.receiver WHERE no = %s"
_OWNERS: Mapping[str, str] = {
    "team": "SELECT no FROM alerts.team WHERE id = %s",
    "member": "SELECT no FROM alerts.member WHERE account = %s ORDER BY no LIMIT 1",
    "contact": "SELECT c.no FROM ingest.contact c JOIN ingest.person p ON p.no = c.person_no"
    " WHERE p.id || '/' || c.rank = %s",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A receiver as it is listed: without its address."""

    no: int
    owner: str
    channel: str
    rank: int
    language: str
    quiet: Mapping[str, Any] | None
    failing_since: datetime | None
    ready: bool  # a running hub has set its channel up


def owner(db: _Db, kind: str, name: str) -> Owner | None:
    """Return an owner by the name that people use: a team's id, a member's account, PERSON/RANK."""
    if kind == "hub":
        return Owner("hub", 0)
    row = db.execute(_OWNERS[kind], [name]).fetchone()
    return None if row is None else Owner(kind, int(row[0]))


def add(
    db: _Db,
    vault: Vault,
    owner: Owner,
    *,
    channel: str,
    address: str,
    rank: int = 1,
    language: str = "en",
    quiet: Mapping[str, Any] | None = None,
) -> int:
    """Add a way to reach somebody; return its number. The address is kept encrypted."""
    whose = [owner.no if owner.kind == kind else None for kind in ("team", "member", "contact")]
    hours = None if quiet is None else json.dumps(dict(quiet))
    values = [*whose, channel, vault.seal(address), rank, language, hours]
    row = db.execute(_ADD, values).fetchone()
    assert row is not None  # noqa: S101  (an insert returns its number)
    return int(row[0])


def remove(db: _Db, no: int) -> bool:
    """Remove a receiver; what was sent to it stays in the log. Return whether there was one."""
    return db.execute(_REMOVE, [no]).rowcount == 1


def every(db: _Db) -> list[Listed]:
    """Return the receivers, owner by owner, by rank."""
    return [
        Listed(no=no, owner=whose, channel=channel, rank=rank, language=language, quiet=quiet,
               failing_since=since, ready=ready)
        for no, whose, channel, rank, language, quiet, since, ready in db.execute(_EVERY)
    ]  # fmt: skip


def opened(db: _Db, vault: Vault, no: int) -> tuple[str, str, str] | None:
    """Return a receiver's channel, address and language.

    Raises
    ------
    WrongKeyError
        The address was encrypted with another key.
    """
    row = db.execute(_ONE, [no]).fetchone()
    return None if row is None else (str(row[0]), vault.open(row[1]) or "", str(row[2]))
