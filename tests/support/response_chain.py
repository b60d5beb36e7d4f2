"""Who is told when nobody answers: receivers on this machine, and what they should have got."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from alerts.calling import Owner
from alerts.storage import receivers
from ingest.storage.vault import Vault
from tests.support import hurried
from tests.support.receivers import WebReceiver

FASTER = 60.0
WHOLE = {"team": 2, "on_call": 1, "rapid_response": 1, "contacts": 3, "last_resort": 1}
"""How often each step of an emergency comes until the last one, which repeats."""
ENDS_S = 600 / FASTER
"""When the last step falls due. [s]"""


def settings(folder: Path, sink: WebReceiver) -> dict[str, str]:
    """Return the hub's settings: hurried responses, text messages to the sink."""
    return {
        "TELECARE_ALERTS_POLICIES_DIR": str(hurried.write(folder, FASTER)),
        "TELECARE_ALERTS_STEPS_EVERY_S": "0.2",
        "TELECARE_DELIVERY_TICK_S": "0.2",
        "TELECARE_SMS_URL": f"json://127.0.0.1:{sink.port}/sms/{{address}}",
    }


def listen(environment: Mapping[str, str], sink: WebReceiver) -> None:
    """Have nurses, who is on call, rapid response, the operator and the hub told at the sink."""
    vault = Vault(environment["TELECARE_SECRET_KEY"])
    with psycopg.connect(environment["TELECARE_DATABASE_URL"], autocommit=True) as db:
        teams = dict(db.execute("SELECT id, no FROM alerts.team").fetchall())
        now = datetime.now(UTC)
        row = db.execute(
            "INSERT INTO alerts.member (team_no, name) VALUES (%s, 'On Call') RETURNING no",
            [teams["dn-north"]],
        ).fetchone()
        assert row is not None
        db.execute(
            "INSERT INTO alerts.shift (team_no, member_no, starts, ends, duty)"
            " VALUES (%s, %s, %s, %s, 'on_call')",
            [teams["dn-north"], row[0], now - timedelta(hours=1), now + timedelta(hours=8)],
        )
        for owner, path in (
            (Owner("team", teams["dn-north"]), "team"),
            (Owner("member", row[0]), "on_call"),
            (Owner("team", teams["rr-north"]), "rapid_response"),
            (Owner("hub", 0), "hub"),
        ):
            address = f"http://key:secret-of-{path}@127.0.0.1:{sink.port}/{path}"
            receivers.add(db, vault, owner, channel="webhook", address=address)


def got(sink: WebReceiver, alert: str) -> Counter[str]:
    """Return how many messages to staff about an alert came, by whom they were for."""
    wanted = {"alert": alert}.items()
    return Counter(
        post.path[1:]
        for post in list(sink.got)
        if not post.path.startswith("/sms/") and wanted <= post.json.items()
    )


def texts(environment: Mapping[str, str], sink: WebReceiver, alert: str) -> int:
    """Return how many text messages about an alert were sent; each must have come."""
    with psycopg.connect(environment["TELECARE_DATABASE_URL"]) as db:
        row = db.execute(
            "SELECT count(*) FROM alerts.delivery WHERE alert_no = %s AND channel = 'sms'"
            " AND state = 'sent'",
            [int(alert.removeprefix("alert_"))],
        ).fetchone()
    came = sum(post.path.startswith("/sms/") for post in list(sink.got))
    return min(int(row[0]) if row else 0, came)


def told(environment: Mapping[str, str], alert: str) -> Counter[str]:
    """Return how often each step of an alert was written down as taken."""
    with psycopg.connect(environment["TELECARE_DATABASE_URL"]) as db:
        rows = db.execute(
            "SELECT detail->>'tell' FROM alerts.event WHERE kind = 'told' AND alert_no = %s",
            [int(alert.removeprefix("alert_"))],
        ).fetchall()
    return Counter(tell for (tell,) in rows)


def once(counts: Mapping[str, int]) -> dict[str, Any]:
    """Return counts with those of the repeating last step as "at least once"."""
    return {who: min(n, 1) if who in ("last_resort", "hub") else n for who, n in counts.items()}


def settled(sink: WebReceiver, alert: str, seconds: float) -> bool:
    """Return whether nothing more comes about an alert for a while."""
    before = got(sink, alert)
    time.sleep(seconds)
    return got(sink, alert) == before
