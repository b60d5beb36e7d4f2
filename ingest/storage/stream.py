"""The writer of one lane: a batch in one transaction, numbered, exactly once.

Every new session is a new writer, held by an advisory lock: a COMMIT whose answer was lost is
retried under the new number, and what had got through is removed by deduplication.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from ingest.batch import WHOLE, Batch, Lane
from ingest.kernel import shards
from ingest.kernel.clock import Clock
from ingest.kernel.observation import RE_TIMED, ROW_VERSION, Alarm, Rows
from ingest.ports import Written
from ingest.storage import copyformat
from ingest.storage.pool import LOCK_WRITER, connect, store_errors

_COPY = f"COPY ingest.observation ({copyformat.OBSERVATION_COLUMNS}) FROM STDIN (FORMAT BINARY)"
_COPY_STAGE = f"COPY stage ({copyformat.OBSERVATION_COLUMNS}) FROM STDIN (FORMAT BINARY)"
_COPY_LOG = "COPY ingest.log (writer, batch, shard, version, rows) FROM STDIN (FORMAT BINARY)"
_STAGE = (
    "CREATE TEMPORARY TABLE IF NOT EXISTS stage (time timestamptz, received_at timestamptz,"
    " device_no bigint, quantity smallint, part integer, value double precision, answer text,"
    " flags integer, person_no bigint, dwelling_no bigint, sent_time timestamptz)"
    " ON COMMIT DELETE ROWS"
)
_FROM_STAGE = (  # only our own column names are put in
    f"INSERT INTO ingest.observation ({copyformat.OBSERVATION_COLUMNS})"  # noqa: S608
    f" SELECT {copyformat.OBSERVATION_COLUMNS} FROM stage ON CONFLICT DO NOTHING"
    " RETURNING device_no, quantity, part,"
    " (extract(epoch FROM time) * 1000000)::bigint, value, answer"
)
_HUB_TIMED = """
INSERT INTO ingest.hub_timed (site, device, digest, received_at)
SELECT * FROM unnest(%s::text[], %s::text[], %s::bytea[], %s::timestamptz[])
ON CONFLICT (site, device, digest) DO UPDATE SET received_at = excluded.received_at
WHERE ingest.hub_timed.received_at < excluded.received_at - make_interval(secs => %s)
RETURNING site, device, digest
"""
_ALARM = """
INSERT INTO ingest.alarm (writer, batch, site, device, alarm_id, receipt_id, quantity, cancel,
    place, time, received_at, flags, device_no, person_no, dwelling_no, detail, last_received_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (site, device, alarm_id, quantity, cancel) DO UPDATE
SET repeats = ingest.alarm.repeats + 1, last_received_at = excluded.last_received_at,
    device_no = coalesce(ingest.alarm.device_no, excluded.device_no),
    person_no = coalesce(ingest.alarm.person_no, excluded.person_no),
    dwelling_no = coalesce(ingest.alarm.dwelling_no, excluded.dwelling_no)
"""
# A counter that starts again after a battery change gives an old id to a new press.
_REUSED = """
SELECT k.no FROM unnest(%s::int[], %s::text[], %s::text[], %s::text[], %s::smallint[],
    %s::timestamptz[]) AS k (no, site, device, alarm_id, quantity, time)
JOIN ingest.alarm a ON a.site = k.site AND a.device = k.device AND a.alarm_id = k.alarm_id
    AND a.quantity = k.quantity AND NOT a.cancel
WHERE a.flags & %s = 0 AND abs(extract(epoch FROM a.time - k.time)) > %s
"""
_RECEIPT = """
INSERT INTO ingest.outbox (site, device, tail, body, expires_at)
VALUES (%s, %s, 'receipt', %s, now() + interval '1 day')
"""
_QUARANTINE = """
INSERT INTO ingest.quarantine (site, device, topic, content_type, payload, digest, reason, refused,
    received_at, last_received_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (site, device, digest) DO UPDATE
SET times = ingest.quarantine.times + 1, last_received_at = excluded.last_received_at,
    reason = excluded.reason, refused = excluded.refused,
    state = 'waiting'
"""
_REUSED_AFTER_S = 3_600.0
"""Unsourced: a repeat carries the time of its press; one further off is another press."""
_MOST_REFUSALS_KEPT = 100
_NOTIFY_EVERY_S = 0.05


class StreamWriter:
    """One database session writing one lane's batches."""

    def __init__(
        self, db: psycopg.Connection[Any], *, lane: Lane, clock: Clock, window: float
    ) -> None:
        self._db = db
        self._clock = clock
        self._window = window
        self._notified = -1.0
        self.batch = 0
        with store_errors(), db.transaction():
            db.execute(_STAGE)
            row = db.execute(
                "INSERT INTO ingest.writer (lane) VALUES (%s) RETURNING no", [lane]
            ).fetchone()
            assert row is not None  # noqa: S101  (RETURNING of one insert)
            self.no = int(row[0])
            db.execute("SELECT pg_advisory_lock(%s, %s)", [LOCK_WRITER, self.no % 2**31])

    @classmethod
    def open(cls, database_url: str, *, lane: Lane, clock: Clock, window: float) -> StreamWriter:
        """Open a session of its own."""
        db = connect(database_url, name=f"writer {lane}", autocommit=True)
        try:
            return cls(db, lane=lane, clock=clock, window=window)
        except BaseException:
            db.close()
            raise

    def close(self) -> None:
        """End the session; its lock goes with it."""
        self._db.close()

    def write(self, batch: Batch) -> Written:
        """Store a batch whole or not at all.

        Raises
        ------
        StoreUnavailableError
            The database is gone, perhaps after the commit: write again with a new writer.
        PoisonError
            The database refuses the rows: find which, and write the others.
        """
        with store_errors():
            with self._db.transaction():
                keep = self._unseen(batch)
                rows, sent = batch.rows, batch.sent
                answers = batch.answers
                if keep is not None:
                    at = np.cumsum(keep) - 1
                    answers = {int(at[i]): a for i, a in answers.items() if keep[i]}
                    rows, sent = rows[keep], sent[keep]
                new = self._store(rows, sent, answers)
                self._alarms(batch.alarms)
                self._log(new, alarms=bool(batch.alarms))
                self._quarantine(batch)
            self.batch += 1
        return Written(
            rows=len(new),
            duplicates=len(batch.rows) - len(new),
            alarms=len(batch.alarms),
            quarantined=len(batch.refusals),
        )

    def _unseen(self, batch: Batch) -> NDArray[np.bool_] | None:
        """Return which rows are not a repeat of a pack that the hub had to time, None for all."""
        timed = batch.hub_timed()
        if not timed:
            return None
        keys = {
            (batch.envelopes[m].site, batch.envelopes[m].device, d): m for m, d in timed.items()
        }
        ordered = sorted(keys)  # one order in all writers: no deadlock
        now = datetime.fromtimestamp(max(batch.envelopes[m].received for m in timed), UTC)
        fresh = self._db.execute(
            _HUB_TIMED,
            [*map(list, zip(*ordered, strict=True)), [now] * len(ordered), self._window],
        ).fetchall()
        first = {keys[s, d, bytes(h)] for s, d, h in fresh}
        stale = np.zeros(len(batch.envelopes), dtype=bool)
        stale[[m for m in timed if m not in first]] = True
        if not stale.any():
            return None
        retimed = (batch.rows["flags"] & int(RE_TIMED)) != 0
        return np.asarray(~(stale[batch.message] & retimed), dtype=bool)

    def _store(self, rows: Rows, sent: NDArray[np.float64], answers: dict[int, str]) -> Rows:
        """Copy rows in and return those that were new."""
        if not len(rows):
            return rows
        packed = copyformat.observations(rows, sent, answers)
        try:
            with self._db.transaction(), self._db.cursor() as cursor:
                with cursor.copy(_COPY) as copy:
                    copy.write(packed)
                return rows
        except psycopg.errors.UniqueViolation:
            pass  # some are known: sort out which
        with self._db.cursor() as cursor:
            with cursor.copy(_COPY_STAGE) as copy:
                copy.write(packed)
            inserted = cursor.execute(_FROM_STAGE).fetchall()
            cursor.execute("TRUNCATE stage")
        return _those(rows, answers, inserted)

    def _log(self, rows: Rows, *, alarms: bool) -> None:
        if len(rows):
            shard = rows["dwelling"] % shards.SHARDS
            order = np.argsort(shard, kind="stable")
            ordered, shard = rows[order], shard[order]
            cuts = np.flatnonzero(np.diff(shard)) + 1
            pieces = {
                int(s[0]): piece.tobytes()
                for s, piece in zip(np.split(shard, cuts), np.split(ordered, cuts), strict=True)
            }
            packed = copyformat.log(self.no, self.batch + 1, ROW_VERSION, pieces)
            with self._db.cursor() as cursor, cursor.copy(_COPY_LOG) as copy:
                copy.write(packed)
            # NOTIFY holds a database-wide lock through the commit: not for every batch. The
            # reader looks again by itself shortly after having found something.
            now = self._clock.monotonic()
            if now - self._notified > _NOTIFY_EVERY_S:
                self._notified = now
                self._db.execute("NOTIFY ingest_log")
        if alarms:
            self._db.execute("NOTIFY ingest_alarm")
            self._db.execute("NOTIFY ingest_outbox")

    def _alarms(self, alarms: Sequence[Alarm]) -> None:
        if not alarms:
            return
        alarms = self._told_apart(alarms)
        ordered = sorted(alarms, key=lambda a: (a.site, a.device, a.alarm_id, a.quantity, a.cancel))
        with self._db.cursor() as cursor:
            cursor.executemany(_ALARM, [self._alarm_row(a) for a in ordered])
            # stored with this very commit: the device may be told, also when it repeats itself
            cursor.executemany(
                _RECEIPT,
                [
                    (
                        _clean(a.site),
                        _clean(a.device),
                        json.dumps({"alarm": a.receipt_id, "state": "received", "by": ""}),
                    )
                    for a in alarms
                    if a.receipt_id
                ],
            )

    def _told_apart(self, alarms: Sequence[Alarm]) -> Sequence[Alarm]:
        """Give an alarm an id of its own where its device used the same one for another press.

        Only where both times are the devices' own; the receipt names the id as it was sent.
        """
        timed = {n: a for n, a in enumerate(alarms) if not a.cancel and not a.flags & int(RE_TIMED)}
        if not timed:
            return alarms
        keys = [
            (n, _clean(a.site), _clean(a.device), a.alarm_id, a.quantity,
             datetime.fromtimestamp(a.time, UTC))
            for n, a in timed.items()
        ]  # fmt: skip
        columns = [list(column) for column in zip(*keys, strict=True)]
        found = self._db.execute(_REUSED, [*columns, int(RE_TIMED), _REUSED_AFTER_S]).fetchall()
        reused = {int(n) for (n,) in found}
        return [
            dataclasses.replace(a, alarm_id=f"{a.alarm_id} again {a.time:.0f}")
            if n in reused
            else a
            for n, a in enumerate(alarms)
        ]

    def _alarm_row(self, a: Alarm) -> tuple[Any, ...]:
        received = datetime.fromtimestamp(a.received, UTC)
        return (
            self.no, self.batch + 1, _clean(a.site), _clean(a.device), a.alarm_id, a.receipt_id,
            a.quantity, a.cancel, a.place, datetime.fromtimestamp(a.time, UTC), received, a.flags,
            a.device_no, a.person_no, a.dwelling_no, a.detail.replace("\0", ""), received,
        )  # fmt: skip

    def _quarantine(self, batch: Batch) -> None:
        if not batch.refusals:
            return
        rows = []
        for m, refusal in batch.refusals.items():
            e = batch.envelopes[m]
            if e.replayed:
                continue  # it lies there already; the replay says what became of it
            received = datetime.fromtimestamp(e.received, UTC)
            refused = [
                {
                    "record": None if j == WHOLE else j,
                    "reason": reason.replace("\0", "\N{REPLACEMENT CHARACTER}"),
                }
                for j, reason in refusal.records[:_MOST_REFUSALS_KEPT]
            ]
            rows.append(
                (_clean(e.site), _clean(e.device), _clean(e.topic), _clean(e.content_type),
                 e.payload, e.kept_as(), refusal.code, json.dumps(refused), received, received)
            )  # fmt: skip
        rows.sort(key=lambda r: (r[0], r[1], r[5]))
        with self._db.cursor() as cursor:
            cursor.executemany(_QUARANTINE, rows)


def _clean(text: str | None) -> str | None:
    return None if text is None else text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _those(rows: Rows, answers: dict[int, str], inserted: list[tuple[Any, ...]]) -> Rows:
    """Return the rows that PostgreSQL says it inserted, each once."""
    left = {(d, q, p, t, None if v is None else float(v), a): True for d, q, p, t, v, a in inserted}
    us = np.rint(rows["time"] * 1e6).astype(np.int64)
    keep = np.zeros(len(rows), dtype=bool)
    for i in range(len(rows)):
        row = rows[i]
        answer = answers.get(i)
        value = None if answer is not None else float(row["value"])
        key = (
            int(row["device"]),
            int(row["quantity"]),
            int(row["part"]),
            int(us[i]),
            value,
            answer,
        )
        keep[i] = left.pop(key, False)
    return rows[keep]


class StreamWriters:
    """Opens writers on one database."""

    def __init__(self, database_url: str, *, clock: Clock, window: float) -> None:
        self._url = database_url
        self._clock = clock
        self._window = window

    def open(self, lane: Lane) -> StreamWriter:
        """Open a session of its own for a lane."""
        return StreamWriter.open(self._url, lane=lane, clock=self._clock, window=self._window)
