"""Events of alerts as they are written: numbered in commit order, each chained to the last."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from typing import Any

import psycopg

from alerts import chain, model
from ingest.storage.pool import LOCK_EVENTS

_ALONE = "SELECT pg_advisory_xact_lock(%s, 0)"
_HEADS = "SELECT no, head FROM alerts.alert WHERE no = ANY(%s)"
_NUMBERS = "SELECT nextval('alerts.event_no') FROM generate_series(1, %s)"
_EVENT = """
INSERT INTO alerts.event (no, alert_no, at, kind, by, reason, detail, alert_version, salt,
    reason_digest, detail_digest, hash)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
_HEAD = """
UPDATE alerts.alert a SET head = n.head
FROM unnest(%s::bigint[], %s::bytea[]) AS n (no, head) WHERE a.no = n.no
"""


def write(cursor: psycopg.Cursor[Any], events: Sequence[tuple[int, model.Event]]) -> None:
    """Write (alert number, event), in order; nothing may follow but notices and the commit.

    The alerts are new, or locked by this transaction, so their heads stand still. Numbers are taken
    under a lock that lasts until the commit: whoever reads on from a number skips none.
    """
    if not events:
        return
    numbers = sorted({no for no, _ in events})
    cursor.execute(_ALONE, [LOCK_EVENTS])
    heads = {no: head or chain.START for no, head in cursor.execute(_HEADS, [numbers]).fetchall()}
    rows = []
    taken = cursor.execute(_NUMBERS, [len(events)]).fetchall()
    for (event_no,), (alert_no, e) in zip(taken, events, strict=True):
        event = model.Event(
            no=event_no, alert_no=alert_no, at=e.at, kind=e.kind, by=e.by, reason=e.reason,
            detail=e.detail, alert_version=e.alert_version,
        )  # fmt: skip
        link = chain.link(heads[alert_no], event, salt=secrets.token_bytes(chain.SALT_BYTES))
        heads[alert_no] = link.hash
        rows.append(
            (
                event_no, alert_no, e.at, e.kind, e.by, e.reason, json.dumps(dict(e.detail)),
                e.alert_version, link.salt, link.reason_digest, link.detail_digest, link.hash,
            )
        )  # fmt: skip
    cursor.executemany(_EVENT, rows)
    cursor.execute(_HEAD, [numbers, [heads[no] for no in numbers]])
