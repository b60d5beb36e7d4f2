"""The log of readings: cursors per shard and writer, and the transaction that moves them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psycopg

from alerts import errors, model, ports
from alerts.policies import responses
from alerts.rules import pack
from alerts.storage import rows
from alerts.storage.findings import Writer
from alerts.storage.rebuilding import Rebuilding, subject
from alerts.storage.routing import Router
from alerts.storage.shards import ShardLocks
from ingest.kernel.clock import Clock
from ingest.kernel.observation import NOT_LIVE, ROW, ROW_VERSION, Quality, Rows
from ingest.storage.pool import Connection, connect, store_errors

_WRITERS = """
SELECT no, extract(epoch FROM opened_at)::float8 FROM ingest.writer WHERE retired_at IS NULL
ORDER BY no
"""
_ENSURE = """
INSERT INTO alerts.cursor (stream, writer)
SELECT s, w FROM unnest(%(streams)s::smallint[]) s CROSS JOIN unnest(%(writers)s::bigint[]) w
ORDER BY s, w ON CONFLICT DO NOTHING
"""
_CURSORS = """
SELECT stream, writer, batch FROM alerts.cursor
WHERE stream = ANY(%(streams)s::smallint[]) AND writer = ANY(%(writers)s::bigint[])
"""
_READ = """
SELECT c.shard, c.writer, l.batch, l.version, extract(epoch FROM l.at)::float8, l.rows
FROM unnest(%(shards)s::smallint[], %(writers)s::bigint[], %(batches)s::bigint[],
    %(since)s::float8[]) AS c (shard, writer, batch, since)
CROSS JOIN LATERAL (
    SELECT l.batch, l.version, l.at, l.rows FROM ingest.log l
    WHERE l.writer = c.writer AND l.shard = c.shard AND l.batch > c.batch
    AND l.at >= to_timestamp(c.since)
    ORDER BY l.batch LIMIT %(each)s
) l
"""
_MOVE = """
UPDATE alerts.cursor c SET batch = n.after
FROM unnest(%s::smallint[], %s::bigint[], %s::bigint[], %s::bigint[])
    AS n (stream, writer, before, after)
WHERE c.stream = n.stream AND c.writer = n.writer AND c.batch = n.before
"""
_FAULTS = """
SELECT o.device_no, count(*) FROM ingest.observation o
WHERE o.device_no = ANY(%s::bigint[]) AND o.time >= to_timestamp(%s)
AND (o.flags & %s) <> 0 AND (o.flags & %s) = 0
GROUP BY o.device_no HAVING count(*) >= %s
"""
_CLOSED = """
SELECT a.episode, a.rule_id FROM alerts.event e JOIN alerts.alert a ON a.no = e.alert_no
WHERE e.no > %s AND e.no <= %s AND e.kind = 'closed' AND a.source = 'rule' ORDER BY e.no
"""
_LAST_EVENT = "SELECT coalesce(max(no), 0) FROM alerts.event"
_HEARING = (
    "SELECT extract(epoch FROM since)::float8, extract(epoch FROM at)::float8 FROM alerts.hearing"
)
_NOT_JUDGED = int(NOT_LIVE | Quality.IMPLAUSIBLE)
_CLOCK_STEP_S = 300.0
"""How far the database's clock may step back without the log being missed for a while."""
_WHOLE_EVERY_S = 60.0
_SUSPECT_S = 900.0
"""A device that was found suspect isn't counted again for this long: it may be flooding."""
_DEAF_AFTER_S = 90.0
"""How old the last sign that the hub hears may be. A few ticks of upkeep's. [s]"""
_MOST_EACH = 512


class ReadingLog:
    """The readings of the shards held, through one session for work and one for the locks."""

    def __init__(
        self,
        db: Connection,
        locks: ShardLocks,
        *,
        rules: Mapping[str, pack.Rule],
        round_rows: int,
        repage_s: float,
        implausible: tuple[int, float],
        teams_age_s: float,
        clock: Clock,
        answers: responses.Responses | None = None,
        policies: Path | None = None,
    ) -> None:
        self._db = db
        self._locks = locks
        self._round_rows = round_rows
        self._writer = Writer(
            rules=rules, repage_s=repage_s, clock=clock, answers=answers,
            router=Router(age_s=teams_age_s, clock=clock, policies=policies),
        )  # fmt: skip
        self.store = Rebuilding(db, clock=clock)
        self._implausible_count, self._implausible_window_s = implausible
        self._clock = clock
        self._held: set[int] = set()
        self._cursors: dict[tuple[int, int], int] = {}  # (shard, writer) -> batch
        self._writers: dict[int, float] = {}  # live writer -> when it was opened
        self._since: dict[int, float] = {}  # writer -> nothing older than this is unread
        self._whole_at = clock.monotonic()
        self._each = 8
        self._suspects: dict[int, float] = {}  # device -> not counted again until

    @classmethod
    def open(
        cls,
        database_url: str,
        *,
        rules: Mapping[str, pack.Rule],
        round_rows: int,
        repage_s: float,
        implausible: tuple[int, float],
        teams_age_s: float,
        clock: Clock,
        answers: responses.Responses | None = None,
        policies: Path | None = None,
    ) -> ReadingLog:
        """Open its sessions."""
        locks = ShardLocks.open(database_url)
        try:
            db = connect(database_url, name="alerts readings", autocommit=True)
        except BaseException:
            locks.close()
            raise
        return cls(
            db, locks, rules=rules, round_rows=round_rows, repage_s=repage_s,
            implausible=implausible, teams_age_s=teams_age_s, clock=clock, answers=answers,
            policies=policies,
        )  # fmt: skip

    def close(self) -> None:
        """Give up everything."""
        self._db.close()
        self._locks.close()

    def forget_teams(self) -> None:
        """Read the teams again before the next alert is routed."""
        self._writer.forget_teams()

    # -- who is judged here ---------------------------------------------------------------------

    def balance(self) -> tuple[Sequence[int], Sequence[int]]:
        """Take and give up shards, so that every process has its share: gained, lost."""
        gained, lost = self._locks.balance()
        for shard in lost:
            self._held.discard(shard)
        self._cursors = {k: v for k, v in self._cursors.items() if k[0] in self._locks.held}
        self._held.update(gained)
        if gained:
            self._since.clear()  # these shards have been read by nobody here
        return gained, lost

    def cursors(self, shard: int) -> Mapping[int, int]:
        """Return how far each writer's log of a shard has been judged."""
        with store_errors():
            self._ensure()
        return {w: batch for (s, w), batch in self._cursors.items() if s == shard}

    def know_parts(self, names: Mapping[int, str]) -> None:
        """Take in the names of rooms, for what is told."""
        self._writer.part_names.update(names)

    def heard_since(self) -> float | None:
        """Return since when the hub has been listening without a break, None while it isn't."""
        with store_errors():
            row = self._db.execute(_HEARING).fetchone()
        if row is None or self._clock.epoch() - row[1] > _DEAF_AFTER_S:
            return None
        return float(row[0])

    # -- reading --------------------------------------------------------------------------------

    def read(self) -> ports.Chunk:
        """Return the next rows of the shards held, a bounded number."""
        with store_errors():
            self._ensure()
            if not self._cursors:
                return ports.Chunk(rows=np.zeros(0, ROW))
            keys = list(self._cursors)
            found = self._fetch(keys)
        return self._chunk(found, self._each)

    def _ensure(self) -> None:
        """Have a cursor for every live writer and shard held."""
        self._writers = dict(self._db.execute(_WRITERS).fetchall())
        self._since = {w: s for w, s in self._since.items() if w in self._writers}
        now = self._clock.monotonic()
        if now - self._whole_at > _WHOLE_EVERY_S:
            self._whole_at = now
            self._since.clear()
        if len(self._cursors) == len(self._writers) * len(self._held) and all(
            w in self._writers for _, w in self._cursors
        ):
            return
        values = {"streams": sorted(self._held), "writers": sorted(self._writers)}
        self._db.execute(_ENSURE, values)
        known = self._cursors
        self._cursors = {
            (s, w): known.get((s, w), batch)
            for s, w, batch in self._db.execute(_CURSORS, values).fetchall()
        }

    def _fetch(self, keys: Sequence[tuple[int, int]]) -> list[tuple[Any, ...]]:
        day = 86_400.0
        values = {
            "shards": [s for s, _ in keys],
            "writers": [w for _, w in keys],
            "batches": [self._cursors[k] for k in keys],
            "since": [self._since.get(w, self._writers[w] - day) for _, w in keys],
            "each": self._each,
        }
        with self._db.cursor(binary=True) as cursor:
            return cursor.execute(_READ, values, prepare=True).fetchall()

    def _chunk(self, found: list[tuple[Any, ...]], each: int) -> ports.Chunk:
        if not found:
            return ports.Chunk(rows=np.zeros(0, ROW))
        last: dict[tuple[int, int], int] = {}
        count: dict[tuple[int, int], int] = {}
        newest: dict[int, float] = {}
        for shard, writer, batch, version, at, _ in found:
            if version != ROW_VERSION:
                raise ValueError(f"log rows of version {version}; this release reads {ROW_VERSION}")
            key = (shard, writer)
            last[key] = max(batch, last.get(key, 0))
            count[key] = count.get(key, 0) + 1
            newest[writer] = max(at, newest.get(writer, at))
        rows_ = np.frombuffer(b"".join([f[5] for f in found]), dtype=ROW)
        more = False
        cut = {w for (_, w), n in count.items() if n >= each}
        for writer, at in newest.items():
            if writer in cut:
                more = True
            else:  # all of it was read, and a writer's batches come in the order of their time
                self._since[writer] = max(at - _CLOCK_STEP_S, self._since.get(writer, 0.0))
        self._adapt(len(rows_), more=more)
        moves = [(s, w, self._cursors[s, w], batch) for (s, w), batch in last.items()]
        return ports.Chunk(rows=rows_, moves=moves, more=more)

    def _adapt(self, size: int, *, more: bool) -> None:
        """Keep rounds near the wished size, whatever the size of the batches."""
        if size > self._round_rows and self._each > 1:
            self._each //= 2
        elif more and size < self._round_rows // 2 and self._each < _MOST_EACH:
            self._each *= 2

    # -- writing --------------------------------------------------------------------------------

    def faults(self, rows: Rows) -> Sequence[model.DeviceFault]:
        """Count impossible readings of the devices that sent one, and return the suspect ones."""
        bad = rows[(rows["flags"] & _NOT_JUDGED) == int(Quality.IMPLAUSIBLE)]
        now = self._clock.monotonic()
        self._suspects = {d: until for d, until in self._suspects.items() if until > now}
        bad = bad[~np.isin(bad["device"], list(self._suspects))]
        if not bad.size:
            return []
        order = np.lexsort((bad["quantity"], bad["value"], bad["time"]))
        last = {int(r["device"]): r for r in bad[order]}  # few: only what is impossible
        since = self._clock.epoch() - self._implausible_window_s
        with store_errors():
            found = self._db.execute(
                _FAULTS,
                [list(last), since, int(Quality.IMPLAUSIBLE), int(NOT_LIVE),
                 self._implausible_count],
            ).fetchall()  # fmt: skip
        self._suspects.update({device: now + _SUSPECT_S for device, _ in found})
        return [
            model.DeviceFault(
                device_no=device,
                person_no=int(last[device]["person"]) or None,
                dwelling_no=int(last[device]["dwelling"]),
                quantity=int(last[device]["quantity"]),
                value=float(last[device]["value"]),
                time=float(last[device]["time"]),
                count=count,
                within_s=self._implausible_window_s,
            )
            for device, count in found
        ]

    def commit(self, chunk: ports.Chunk, findings: ports.Findings) -> Mapping[str, int]:
        """Write alerts and move the cursors in one transaction; say what was written."""
        with store_errors():
            try:
                with self._db.transaction():
                    counts = self._commit(chunk, findings)
            except (psycopg.errors.IntegrityError, psycopg.errors.DeadlockDetected) as error:
                raise errors.LostCursorError from error
        for shard, writer, _, after in chunk.moves:
            self._cursors[shard, writer] = after
        return counts

    def _commit(self, chunk: ports.Chunk, findings: ports.Findings) -> Mapping[str, int]:
        if not findings.found and not findings.faults:
            # Should the server lose this in a crash, rows that raised nothing are judged again.
            self._db.execute("SET LOCAL synchronous_commit = off")
        moves = sorted(chunk.moves)  # one order in all processes: no deadlock
        if moves:
            columns = rows.columns(moves)
            if self._db.execute(_MOVE, columns).rowcount != len(moves):
                raise errors.LostCursorError
        return self._writer.write(self._db, findings.found, findings.faults)

    def closed_since(self, event_no: int) -> tuple[Sequence[tuple[str, int, str]], int]:
        """Return the subjects and rules whose alerts people closed, and the last event seen."""
        with store_errors():
            row = self._db.execute(_LAST_EVENT).fetchone()
            last = int(row[0]) if row else 0
            if event_no < 0 or last <= event_no:
                return [], last
            found = self._db.execute(_CLOSED, [event_no, last]).fetchall()
        return [(*subject(episode), rule) for episode, rule in found], last
