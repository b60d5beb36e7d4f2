"""Deliveries: who is told of an alert, taken, sent, recorded with proof, handed over, stopped."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row

from alerts import model
from alerts.calling import Owner
from alerts.delivery import retry
from alerts.delivery.ports import PERSONAL, SCREEN, SMS, ChannelState, Due, Failed, Queued, Sent
from alerts.storage import rows
from ingest.storage.pool import Pool, store_errors

_Db = psycopg.Connection[Any]
_LONGEST_REF = 200
_RESTED = timedelta(minutes=10)
"""How long after a failure a receiver is passed over for the next, before it is tried again."""

# How many deliveries of this step the receiver has had comes along: a receiver is used once.
_RECEIVERS = """
SELECT r.no, r.channel, r.address, r.rank, r.language, r.quiet,
    r.failing_since IS NOT NULL AND r.failed_at > %(now)s - %(rested)s AS failing,
    EXISTS (SELECT FROM alerts.delivery d WHERE d.alert_no = %(alert)s AND d.run = %(run)s
        AND d.position = %(position)s AND d.repetition = %(repetition)s
        AND d.receiver_no = r.no) AS used
FROM alerts.receiver r
WHERE CASE %(kind)s WHEN 'team' THEN r.team_no = %(no)s WHEN 'member' THEN r.member_no = %(no)s
    WHEN 'contact' THEN r.contact_no = %(no)s
    ELSE num_nonnulls(r.team_no, r.member_no, r.contact_no) = 0 END
ORDER BY failing, r.rank, r.no
"""
# A contact has no language of their own in the register: the person's is the best guess.
_CONTACT = """
SELECT p.language FROM ingest.contact c JOIN ingest.person p ON p.no = c.person_no
WHERE c.no = %s AND EXISTS (SELECT FROM alerts.channel WHERE name = %s AND ready)
"""
_INSERT = """
INSERT INTO alerts.delivery (key, alert_no, run, position, repetition, channel, receiver_no,
    receiver_kind, owner_no, address, language, template, urgency, next_at, queued_at, fallback_of)
SELECT * FROM unnest(%s::text[], %s::bigint[], %s::int[], %s::int[], %s::int[], %s::text[],
    %s::bigint[], %s::text[], %s::bigint[], %s::bytea[], %s::text[], %s::text[], %s::smallint[],
    %s::timestamptz[], %s::timestamptz[], %s::bigint[])
ON CONFLICT (key) DO NOTHING
"""
_STOP = """
UPDATE alerts.delivery SET state = 'stopped', address = NULL
WHERE alert_no = ANY(%s) AND state = 'queued'
"""
_WAITING = """
SELECT channel, count(*)::int FROM alerts.delivery
WHERE state = 'queued' AND (next_at <= %s OR attempts = 0 AND next_at <= queued_at)
GROUP BY channel
"""
# What was never to wait goes out whatever our clock says: it was queued by the database's.
_TAKE = """
WITH next AS MATERIALIZED (
    SELECT no FROM alerts.delivery
    WHERE state = 'queued' AND channel = %(channel)s
        AND (next_at <= %(now)s OR attempts = 0 AND next_at <= queued_at)
        AND (receiver_no IS NULL OR receiver_no <> ALL(%(avoid)s))
    ORDER BY urgency DESC, queued_at, no LIMIT 1 FOR UPDATE SKIP LOCKED
)
UPDATE alerts.delivery d SET attempts = d.attempts + 1, next_at = %(lease)s
FROM next, alerts.alert a
LEFT JOIN ingest.site s ON s.id = a.site
LEFT JOIN ingest.person p ON p.no = a.person_no AND %(personal)s
WHERE d.no = next.no AND a.no = d.alert_no
RETURNING d.no, d.key, d.attempts, d.alert_no, d.channel, d.receiver_no, d.receiver_kind,
    d.address, d.language, d.template, d.urgency, d.queued_at, a.raised_at, a.alert_class,
    s.timezone, p.nhs_number,
    (SELECT c.phone FROM ingest.contact c
        WHERE d.receiver_no IS NULL AND d.receiver_kind = 'contact' AND c.no = d.owner_no) AS phone,
    (SELECT r.quiet FROM alerts.receiver r WHERE r.no = d.receiver_no) AS quiet
"""
# Stopped while it was on its way: it went out all the same, and the log says so.
_SENT = """
WITH receiver AS (
    UPDATE alerts.receiver SET failing_since = NULL
    WHERE no = %(receiver)s AND failing_since IS NOT NULL
), channel AS (
    UPDATE alerts.channel SET failing_since = NULL, reason = NULL
    WHERE name = %(channel)s AND failing_since IS NOT NULL
)
UPDATE alerts.delivery SET state = %(state)s, sent_at = %(now)s, delivered_at = %(proof)s,
    provider_ref = %(ref)s, error = NULL, address = NULL
WHERE no = %(no)s AND attempts = %(attempt)s AND state IN ('queued', 'stopped')
"""
# Whoever changes an alert locks it and then stops its deliveries: handing over, which needs the
# alert to be there, locks in the same order.
_HOLD = "SELECT FROM alerts.alert WHERE no = %s FOR KEY SHARE"
_AGAIN = """
UPDATE alerts.delivery SET error = %(error)s, next_at = coalesce(%(again_at)s, next_at)
WHERE no = %(no)s AND attempts = %(attempt)s AND state = 'queued'
RETURNING alert_no, run, position, repetition, receiver_kind, owner_no, template, urgency
"""
_HOLD_OF = """
SELECT FROM alerts.alert WHERE no = (SELECT alert_no FROM alerts.delivery WHERE no = %s)
FOR KEY SHARE
"""
_DEAD = "UPDATE alerts.delivery SET state = 'dead', address = NULL WHERE no = %s"
_CONFIRMED = """
UPDATE alerts.delivery SET state = 'delivered', delivered_at = %s WHERE no = %s AND state = 'sent'
"""
_LOST = """
UPDATE alerts.delivery SET state = 'failed', error = %s WHERE no = %s AND state = 'sent'
RETURNING alert_no, run, position, repetition, receiver_kind, owner_no, template, urgency,
    receiver_no, channel,
    (SELECT a.state = 'open' FROM alerts.alert a WHERE a.no = alert_no) AS unanswered
"""
_UNCONFIRMED = """
SELECT no, provider_ref FROM alerts.delivery
WHERE state = 'sent' AND channel = %s AND sent_at >= %s AND provider_ref IS NOT NULL
ORDER BY sent_at LIMIT %s
"""
_RECEIVER_FAILING = """
UPDATE alerts.receiver SET failing_since = coalesce(failing_since, %(now)s), failed_at = %(now)s
WHERE no = %(no)s
"""
_CHANNEL_FAILING = """
INSERT INTO alerts.channel AS c (name, failing_since, failed_at, reason)
VALUES (%(name)s, %(now)s, %(now)s, %(reason)s)
ON CONFLICT (name) DO UPDATE SET failing_since = coalesce(c.failing_since, excluded.failing_since),
    failed_at = excluded.failed_at, reason = excluded.reason
"""
_DECLARE = """
INSERT INTO alerts.channel (name, ready) SELECT unnest(%s::text[]), true
ON CONFLICT (name) DO UPDATE SET ready = true
"""
_UNDECLARE = "UPDATE alerts.channel SET ready = false WHERE ready AND name <> ALL(%s)"
_FAILING = """
SELECT name, failing_since, failed_at, coalesce(reason, '') FROM alerts.channel
WHERE failing_since IS NOT NULL
"""
_ANSWER = """
UPDATE alerts.delivery SET answered_at = %(now)s
WHERE no = %(no)s AND receiver_kind = 'contact' AND answered_at IS NULL
RETURNING alert_no, owner_no
"""
_LOG = """
SELECT no, key, channel, receiver_kind, owner_no, receiver_no, template, urgency, state, attempts,
    next_at, queued_at, sent_at, delivered_at, answered_at, provider_ref, error, fallback_of
FROM alerts.delivery WHERE alert_no = %s ORDER BY no
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """Which step of which alert is told, and how."""

    alert_no: int
    run: int
    position: int
    repetition: int
    urgency: int
    template: str
    now: datetime

    @property
    def key(self) -> str:
        return f"{self.alert_no}-{self.run}-{self.position}-{self.repetition}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Receiver:
    """One way to one owner; without a number it is a contact's telephone in the register."""

    no: int | None
    channel: str
    address: bytes | None
    rank: int
    language: str
    quiet: Mapping[str, Any] | None
    failing: bool = False
    used: bool = False


class Outgoing:
    """Messages queued in the caller's transaction: owners looked up once, all written at once.

    Told are an owner's receivers of the lowest rank, those that lately failed left out while
    there are others. Where channels are asked for and the owner has some of them, only those; the
    screen is one that everybody has.
    What is queued and fails is handed over to the owner's next receiver. The same again queues
    nothing.
    """

    def __init__(self, db: _Db, *, now: datetime) -> None:
        self._db = db
        self._now = now
        self._ways: dict[Owner, list[_Receiver]] = {}
        self._names: dict[Owner, str] = {}
        self._rows: list[tuple[Any, ...]] = []

    def ask(
        self,
        *,
        alert_no: int,
        run: int,
        position: int,
        repetition: int,
        urgency: int,
        owners: Sequence[Owner],
        template: str,
        channels: Collection[str] | None = None,
    ) -> Queued:
        """Take in whom a step tells; return what is said of it."""
        step = _Step(
            alert_no=alert_no, run=run, position=position, repetition=repetition,
            urgency=urgency, template=template, now=self._now,
        )  # fmt: skip
        count, said = 0, []
        for owner in dict.fromkeys(owners):
            if owner not in self._ways:
                self._ways[owner] = _receivers(self._db, step, owner)
                self._names[owner] = _called(self._db, owner)
            chosen = _first(_preferred(self._ways[owner], channels))
            self._rows += [_row(step, owner, one) for one in chosen]
            count += len(chosen)
            said.append(f"{self._names[owner]} {_by(owner, chosen, channels or ())}")
        return Queued(count=count, said="; ".join(said) or "nobody was to be told")

    def write(self) -> int:
        """Queue what was taken in; return how many are new."""
        if not self._rows:
            return 0
        count = self._db.execute(_INSERT, rows.columns(self._rows)).rowcount
        self._rows = []
        if count:
            self._db.execute("NOTIFY alerts_delivery")
        return count


def stop(db: _Db, *alert_nos: int) -> int:
    """Stop everything queued about alerts, in the caller's transaction; return how many.

    The caller holds the locks of the alerts' rows.

    What a dispatcher has taken at that moment still goes out: between its taking, which locks the
    row, and its sending lie a few milliseconds and the sending itself.
    """
    return db.execute(_STOP, [list(alert_nos)]).rowcount


def answer(db: _Db, delivery_no: int, *, now: datetime) -> tuple[int, int] | None:
    """Use up a contact's link: return the alert's and the contact's number, None if it was used."""
    row = db.execute(_ANSWER, {"no": delivery_no, "now": now}).fetchone()
    return None if row is None else (int(row[0]), int(row[1]))


def log(db: _Db, alert_no: int) -> list[dict[str, Any]]:
    """Return what was sent about an alert and what became of it, oldest first; no addresses."""
    with db.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_LOG, [alert_no]).fetchall()


class Deliveries:
    """What the dispatcher does to deliveries, a transaction each. Safe to share among threads."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def declare(self, channels: Collection[str]) -> None:
        """Say which channels are set up."""
        names = sorted(channels)
        with store_errors(), self._pool.connection() as db:
            db.execute(_UNDECLARE, [names])
            db.execute(_DECLARE, [names])

    def waiting(self, now: datetime) -> dict[str, int]:
        """Return how many deliveries are due, by channel."""
        with store_errors(), self._pool.connection() as db:
            return dict(db.execute(_WAITING, [now]).fetchall())

    def take(
        self, channel: str, *, now: datetime, lease_s: float, avoid: Collection[int] = ()
    ) -> Due | None:
        """Take the worst, then oldest, that is due: its state is looked at under its row's lock.

        A lease rather than a lock is held while it is sent, so that nobody waits for a slow
        receiver; a dispatcher that dies leaves it to be taken again, with the same key.
        """
        with store_errors(), self._pool.connection() as db, db.cursor(row_factory=dict_row) as c:
            row = c.execute(
                _TAKE,
                {
                    "channel": channel, "now": now, "avoid": list(avoid),
                    "lease": now + timedelta(seconds=lease_s), "personal": channel in PERSONAL,
                },
            ).fetchone()  # fmt: skip
        return None if row is None else _due(row)

    def sent(self, due: Due, outcome: Sent, *, now: datetime) -> bool:
        """Record that it went out; False when somebody else has taken it since."""
        with store_errors(), self._pool.connection() as db:
            held = db.execute(
                _SENT,
                {
                    "no": due.no, "attempt": due.attempt, "now": now, "ref": _ref(outcome),
                    "receiver": due.receiver_no, "channel": due.channel,
                    "state": "delivered" if outcome.proof else "sent",
                    "proof": now if outcome.proof else None,
                },
            ).rowcount  # fmt: skip
        return held == 1

    def failed(
        self, due: Due, *, reason: str, over: bool, again_at: datetime | None, now: datetime
    ) -> str:
        """Record that it didn't go out, and hand over to the owner's next receiver if asked to."""
        with store_errors(), self._pool.connection() as db:
            if over:
                db.execute(_HOLD, [due.alert_no])
            with db.cursor(row_factory=dict_row) as cursor:
                row = cursor.execute(
                    _AGAIN,
                    {
                        "no": due.no, "attempt": due.attempt, "error": reason,
                        "again_at": again_at,
                    },
                ).fetchone()  # fmt: skip
            _blame(db, due.channel, due.receiver_no, reason=reason, now=now)
            if row is None:
                return "late"
            replaced = over and _hand_over(db, row, due.no, now)
            if replaced or again_at is None:
                db.execute(_DEAD, [due.no])
                return "over" if replaced else "dead"
            return "again"

    def unconfirmed(self, channel: str, *, since: datetime, most: int) -> list[tuple[int, str]]:
        """Return numbers and references of what was sent and isn't proven delivered."""
        with store_errors(), self._pool.connection() as db:
            return [(int(no), str(r)) for no, r in db.execute(_UNCONFIRMED, [channel, since, most])]

    def confirmed(self, no: int, outcome: Sent | Failed, *, now: datetime) -> None:
        """Record what the provider said; what it lost is handed over while nobody has answered."""
        with store_errors(), self._pool.connection() as db, db.cursor(row_factory=dict_row) as c:
            if isinstance(outcome, Sent):
                c.execute(_CONFIRMED, [now, no])
                return
            c.execute(_HOLD_OF, [no])
            row = c.execute(_LOST, [outcome.reason, no]).fetchone()
            if row is None:
                return
            _blame(db, row["channel"], row["receiver_no"], reason=outcome.reason, now=now)
            if row["unanswered"]:
                _hand_over(db, row, no, now)

    def failing(self) -> list[ChannelState]:
        """Return the channels over which nothing has got through since a failure."""
        with store_errors(), self._pool.connection() as db:
            return [
                ChannelState(name=name, failing_since=since, failed_at=at, reason=reason)
                for name, since, at, reason in db.execute(_FAILING).fetchall()
            ]


def _receivers(db: _Db, step: _Step, owner: Owner) -> list[_Receiver]:
    """Return the ways to an owner, best first; a contact without any has a telephone."""
    with db.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(
            _RECEIVERS,
            {
                "kind": owner.kind, "no": owner.no, "now": step.now, "rested": _RESTED,
                "alert": step.alert_no, "run": step.run, "position": step.position,
                "repetition": step.repetition,
            },
        ).fetchall()  # fmt: skip
    if found or owner.kind != "contact":
        return [_Receiver(**row) for row in found]
    phone = db.execute(_CONTACT, [owner.no, SMS]).fetchone()
    if phone is None:
        return []
    return [_Receiver(no=None, channel=SMS, address=None, rank=1, language=phone[0], quiet=None)]


def _preferred(ways: Sequence[_Receiver], channels: Collection[str] | None) -> list[_Receiver]:
    wanted = [one for one in ways if channels and one.channel in channels]
    return wanted if channels and SCREEN in channels else wanted or list(ways)


def _first(ways: Sequence[_Receiver]) -> list[_Receiver]:
    """Return those that are told at once: of the lowest rank, among those that work if any does."""
    if not ways:
        return []
    best = min((one.failing, one.rank) for one in ways)
    return [one for one in ways if (one.failing, one.rank) == best]


def _insert(
    db: _Db, step: _Step, owner: Owner, one: _Receiver, *, fallback_of: int | None = None
) -> int:
    row = _row(step, owner, one, fallback_of=fallback_of)
    return db.execute(_INSERT, [[value] for value in row]).rowcount


def _row(
    step: _Step, owner: Owner, one: _Receiver, *, fallback_of: int | None = None
) -> tuple[Any, ...]:
    severity = model.BY_RANK[step.urgency]
    key = f"{owner.kind[0]}{owner.no}" if one.no is None else f"r{one.no}"
    return (
        f"{step.key}-{key}", step.alert_no, step.run, step.position, step.repetition, one.channel,
        one.no, owner.kind, owner.no, one.address, one.language, step.template, step.urgency,
        retry.quiet_until(one.quiet, severity, step.now), step.now, fallback_of,
    )  # fmt: skip


def _hand_over(db: _Db, row: Mapping[str, Any], no: int, now: datetime) -> bool:
    """Queue the owner's next receiver in place of a delivery; return whether there was one."""
    step = _Step(
        alert_no=row["alert_no"], run=row["run"], position=row["position"],
        repetition=row["repetition"], urgency=row["urgency"], template=row["template"], now=now,
    )  # fmt: skip
    owner = Owner(row["receiver_kind"], row["owner_no"])
    for one in _receivers(db, step, owner):
        if not one.used and one.no is not None and _insert(db, step, owner, one, fallback_of=no):
            db.execute("NOTIFY alerts_delivery")
            return True
    return False


def _blame(db: _Db, channel: str, receiver_no: int | None, *, reason: str, now: datetime) -> None:
    """Keep that a receiver and a channel fail, and since when."""
    db.execute(_RECEIVER_FAILING, {"no": receiver_no, "now": now})
    db.execute(_CHANNEL_FAILING, {"name": channel, "now": now, "reason": reason})


def _called(db: _Db, owner: Owner) -> str:
    """Return what an owner is called where staff read it: nobody's name, but an account's."""
    if owner.kind == "team":
        row = db.execute("SELECT name FROM alerts.team WHERE no = %s", [owner.no]).fetchone()
        return str(row[0]) if row else f"team {owner.no}"
    if owner.kind == "hub":
        return "the hub's own operators"
    if owner.kind == "contact":
        row = db.execute("SELECT rank FROM ingest.contact WHERE no = %s", [owner.no]).fetchone()
        return f"contact {row[0]}" if row else "a contact that is gone"
    row = db.execute("SELECT account FROM alerts.member WHERE no = %s", [owner.no]).fetchone()
    return str(row[0]) if row and row[0] else f"member {owner.no}"


def _by(owner: Owner, chosen: Sequence[_Receiver], channels: Collection[str]) -> str:
    if not chosen and owner.kind == "contact":  # they have no screen
        return "not told: no receiver is set up"
    if not chosen:
        return "on the screen" + ("" if SCREEN in channels else " only: no receiver is set up")
    return "by " + " and ".join(sorted({one.channel for one in chosen}))


def _ref(outcome: Sent) -> str | None:
    """Return a provider's reference as the database can keep it."""
    return outcome.ref and outcome.ref.replace("\0", "")[:_LONGEST_REF]


def _due(row: Mapping[str, Any]) -> Due:
    return Due(
        no=row["no"], key=row["key"], attempt=row["attempts"], alert_no=row["alert_no"],
        channel=row["channel"], receiver_no=row["receiver_no"],
        receiver_kind=row["receiver_kind"], address=row["address"],
        phone=row["phone"], language=row["language"], template=row["template"],
        severity=model.BY_RANK[row["urgency"]], alert_class=row["alert_class"],
        raised_at=row["raised_at"], queued_at=row["queued_at"],
        zone=rows.zone(row["timezone"]), quiet=row["quiet"], nhs_number=row["nhs_number"],
    )  # fmt: skip
