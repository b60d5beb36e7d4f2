"""What the rules' memory is made from: the register, stored readings, checkpoints, the log."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, LiteralString

import numpy as np

from alerts import model, ports
from alerts.state.subjects import Device, Home, Person
from alerts.storage import rows
from ingest.kernel import vitals
from ingest.kernel.clock import Clock
from ingest.kernel.observation import ROW, ROW_VERSION, Quality, Rows
from ingest.storage.pool import Connection, store_errors

_IN_SHARDS = "SELECT no FROM ingest.home WHERE shard = ANY(%s::smallint[]) ORDER BY no"
_HELD = "SELECT no FROM ingest.home WHERE no = ANY(%s::bigint[]) AND shard = ANY(%s::smallint[])"
_THOSE = "SELECT no FROM ingest.home WHERE no = ANY(%s::bigint[]) ORDER BY no"
_NOW_XID = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text"
_CHANGED = "SELECT DISTINCT home_no FROM ingest.register_change WHERE xid >= %s::xid8"
_HOMES_OF = """
SELECT DISTINCT home_no FROM ingest.assignment
WHERE device_no = ANY(%s::bigint[]) AND starts <= now() AND ends > now()
"""
_HOMES = """
SELECT h.no, h.shard, s.timezone, s.no,
    ARRAY(SELECT p.no FROM ingest.person p WHERE p.home_no = h.no ORDER BY p.no)
FROM ingest.home h JOIN ingest.site s ON s.no = h.site_no WHERE h.no = ANY(%s::bigint[])
"""
_PEOPLE = """
SELECT p.no, h.shard, h.no, p.scale2, p.on_oxygen, p.pregnant, p.born, p.limits,
    p.conditions, p.risk_band, p.triggers
FROM ingest.person p JOIN ingest.home h ON h.no = p.home_no WHERE h.no = ANY(%s::bigint[])
"""
_DEVICES = """
SELECT DISTINCT ON (d.no) d.no, h.shard, h.no, coalesce(a.person_no, 0), d.site_no, d.kind,
    d.place, t.state, coalesce(t.cadence, '{}') || d.cadence,
    extract(epoch FROM greatest(a.starts, d.registered_at))::float8
FROM ingest.assignment a JOIN ingest.device d ON d.no = a.device_no
JOIN ingest.home h ON h.no = a.home_no LEFT JOIN ingest.device_state t ON t.device_no = d.no
WHERE a.home_no = ANY(%s::bigint[]) AND a.starts <= now() AND a.ends > now()
ORDER BY d.no, a.starts DESC
"""
_TOLD = """
SELECT a.episode, a.rule_id, a.severity, a.condition, a.evidence,
    extract(epoch FROM (SELECT max(e.at) FROM alerts.event e WHERE e.alert_no = a.no))::float8
FROM alerts.alert a
WHERE a.dwelling_no = ANY(%s::bigint[]) AND a.source = 'rule' AND a.state <> 'closed'
"""
_PARTS = "SELECT no, name FROM ingest.part"
_COLUMNS = """
extract(epoch FROM o.time)::float8, extract(epoch FROM o.received_at)::float8, o.value,
    o.device_no, coalesce(o.person_no, 0), o.dwelling_no, o.part, o.flags, o.quantity
"""
_HISTORY = f"""
SELECT {_COLUMNS} FROM ingest.observation o
WHERE o.dwelling_no = ANY(%s::bigint[]) AND o.value IS NOT NULL
AND o.time >= to_timestamp(%s) AND o.time < to_timestamp(%s)
ORDER BY o.received_at, o.time
"""  # noqa: S608 - our own column names
_FALLS = f"""
SELECT {_COLUMNS} FROM ingest.person p CROSS JOIN LATERAL (
    SELECT * FROM ingest.observation o WHERE o.person_no = p.no AND o.quantity = %s
    AND o.value IS NOT NULL ORDER BY o.time DESC LIMIT 4) o
WHERE p.home_no = ANY(%s::bigint[]) ORDER BY o.received_at, o.time
"""  # noqa: S608
_HEARD = """
SELECT extract(epoch FROM max(o.received_at))::float8, o.device_no, o.dwelling_no, o.quantity
FROM ingest.observation o
WHERE o.dwelling_no = ANY(%s::bigint[]) AND o.time >= to_timestamp(%s)
AND o.received_at >= to_timestamp(%s) AND (o.flags & %s) = 0
GROUP BY o.device_no, o.dwelling_no, o.quantity
"""
_PRESENCE = """
SELECT device_no, state, battery, extract(epoch FROM seen_at)::float8, cadence
FROM ingest.device_state
WHERE seen_at > to_timestamp(%s) ORDER BY seen_at
"""
_CHECKPOINT = """
SELECT state, cursors, extract(epoch FROM at)::float8 FROM alerts.checkpoint
WHERE shard = %s AND packs = %s AND at > to_timestamp(%s)
"""
_SAVE = """
INSERT INTO alerts.checkpoint (shard, at, packs, cursors, state) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (shard) DO UPDATE SET at = excluded.at, packs = excluded.packs,
    cursors = excluded.cursors, state = excluded.state
"""
_SINCE = """
SELECT l.version, l.rows FROM ingest.log l
JOIN ingest.writer w ON w.no = l.writer
LEFT JOIN unnest(%(writers)s::bigint[], %(from)s::bigint[]) AS f (writer, batch)
    ON f.writer = l.writer
LEFT JOIN unnest(%(known)s::bigint[], %(to)s::bigint[]) AS t (writer, batch) ON t.writer = l.writer
WHERE l.shard = %(shard)s AND l.at >= to_timestamp(%(at)s) AND l.batch > coalesce(f.batch, 0)
AND l.batch <= coalesce(t.batch, CASE WHEN w.retired_at IS NULL THEN 0 ELSE 9223372036854775807 END)
ORDER BY l.at, l.writer, l.batch
"""
_CHUNK: Final = 50_000
_OLDEST_S: Final = 6 * 86_400.0
"""The log is kept for a week: what is older can't be caught up with from it. [s]"""
_CLOCK_STEP_S: Final = 300.0
_FEEDS_FROM_S: Final = 30 * 86_400.0
_FALL: Final = vitals.BY_NAME["fall"].no


class Rebuilding:
    """Reads on the session of the reading log."""

    def __init__(self, db: Connection, *, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        with store_errors():
            self._seen = str(self._one(_NOW_XID))  # what is older has been seen, or will be loaded

    def homes(self, *, shards: Sequence[int], numbers: Sequence[int]) -> Sequence[int]:
        """Return the homes in the shards, and which of the numbers exist."""
        with store_errors():
            found = [r[0] for r in self._db.execute(_IN_SHARDS, [list(shards)]).fetchall()]
            if len(numbers):
                found += [r[0] for r in self._db.execute(_THOSE, [list(numbers)]).fetchall()]
        return found

    def held(self, homes: Sequence[int], *, shards: Sequence[int]) -> Sequence[int]:
        """Return which of the homes are in the shards."""
        with store_errors():
            return [r[0] for r in self._db.execute(_HELD, [list(homes), list(shards)]).fetchall()]

    def changed(self) -> Sequence[int]:
        """Return the homes of which the register has changed since the last call, some twice."""
        with store_errors():
            now = str(self._one(_NOW_XID))
            found = self._db.execute(_CHANGED, [self._seen]).fetchall()
        self._seen = now
        return [r[0] for r in found]

    def homes_of(self, devices: Sequence[int]) -> Sequence[int]:
        """Return the homes in which devices are now."""
        with store_errors():
            return [r[0] for r in self._db.execute(_HOMES_OF, [list(devices)]).fetchall()]

    def _one(self, statement: LiteralString) -> Any:
        row = self._db.execute(statement).fetchone()
        assert row is not None  # noqa: S101  (it always answers)
        return row[0]

    def known(self, homes: Sequence[int]) -> ports.Known:
        """Return what the register says of homes, and what is told of them."""
        wanted = [int(n) for n in homes]
        with store_errors():
            houses = self._db.execute(_HOMES, [wanted]).fetchall()
            people = self._db.execute(_PEOPLE, [wanted]).fetchall()
            devices = self._db.execute(_DEVICES, [wanted]).fetchall()
            told = self._db.execute(_TOLD, [wanted]).fetchall()
        return ports.Known(
            homes=[Home(no=r[0], shard=r[1], zone=r[2], site_no=r[3], people=r[4]) for r in houses],
            people=[_person(r) for r in people],
            devices=[_device(r) for r in devices],
            told=[_told(r) for r in told],
        )

    def parts(self) -> Mapping[int, str]:
        """Return the names of rooms and questionnaire keys by number."""
        with store_errors():
            return dict(self._db.execute(_PARTS).fetchall())

    def history(self, homes: Sequence[int], *, since: float, until: float) -> Iterator[Rows]:
        """Return stored readings of homes in the order of their receipt, some at a time."""
        wanted = [int(n) for n in homes]
        with store_errors():
            yield rows.observations(self._db.execute(_FALLS, [_FALL, wanted]).fetchall())
            with self._db.transaction(), self._db.cursor(name="history", binary=True) as cursor:
                cursor.itersize = _CHUNK
                cursor.execute(_HISTORY, [wanted, since, until])
                while found := cursor.fetchmany(_CHUNK):
                    yield rows.observations(found)

    def heard(self, homes: Sequence[int]) -> Rows:
        """Return the newest receipt of each device and quantity, as rows."""
        since = self._clock.epoch() - _FEEDS_FROM_S
        silent = int(Quality.RETAINED | Quality.IMPORTED)
        with store_errors():
            found = self._db.execute(
                _HEARD, [[int(n) for n in homes], since, since, silent]
            ).fetchall()
        return rows.observations(found, ("received", "device", "dwelling", "quantity"))

    def presence(self, *, since: float) -> Sequence[ports.Presence]:
        """Return what devices have said of themselves since then, by the hub's clock."""
        with store_errors():
            found = self._db.execute(_PRESENCE, [since]).fetchall()
        return [
            ports.Presence(
                device_no=r[0],
                state=r[1],
                battery=r[2],
                seen_at=r[3],
                cadence=r[4] if isinstance(r[4], dict) else None,
            )
            for r in found
        ]

    def checkpoint(self, shard: int, *, packs: str) -> ports.Checkpoint | None:
        """Return the last checkpoint of a shard that fits the rules and isn't too old."""
        oldest = self._clock.epoch() - _OLDEST_S
        with store_errors():
            row = self._db.execute(_CHECKPOINT, [shard, packs, oldest]).fetchone()
        if row is None:
            return None
        return ports.Checkpoint(
            state=row[0], cursors={int(w): int(b) for w, b in row[1].items()}, at=row[2]
        )

    def since(
        self, shard: int, checkpoint: ports.Checkpoint, cursors: Mapping[int, int]
    ) -> Iterator[Rows]:
        """Return what was judged after a checkpoint, in order."""
        values = {
            "shard": shard,
            "writers": list(checkpoint.cursors), "from": list(checkpoint.cursors.values()),
            "known": list(cursors), "to": list(cursors.values()),
            # a batch may have been read some time after it was written
            "at": checkpoint.at - 86_400.0 - _CLOCK_STEP_S,
        }  # fmt: skip
        with (
            store_errors(),
            self._db.transaction(),
            self._db.cursor(name="since", binary=True) as cursor,
        ):
            cursor.execute(_SINCE, values)
            while found := cursor.fetchmany(500):
                read = [np.frombuffer(r[1], dtype=ROW) for r in found if r[0] == ROW_VERSION]
                if read:
                    yield np.concatenate(read)

    def save(self, shard: int, state: bytes, *, cursors: Mapping[int, int], packs: str) -> None:
        """Keep a checkpoint instead of the one before."""
        said = json.dumps({str(w): b for w, b in cursors.items()})
        with store_errors(), self._db.transaction():
            # lost in a crash of the server it costs a longer catching up, no more
            self._db.execute("SET LOCAL synchronous_commit = off")
            self._db.execute(_SAVE, [shard, self._clock.now(), packs, said, state])


def subject(episode: str) -> tuple[str, int]:
    """Return whom an episode is about: ``person:17/news2`` is person 17."""
    kind, _, rest = episode.partition(":")
    number = rest.partition("/")[0]
    return kind, int(number) if number.isdigit() else 0


def _person(row: tuple[Any, ...]) -> Person:
    no, shard, home, scale2, on_oxygen, pregnant, born, limits, conditions, band, triggers = row
    birth = None if born is None else datetime(born.year, born.month, born.day, tzinfo=UTC)
    return Person(
        no=no,
        shard=shard,
        home_no=home,
        scale2=scale2,
        on_oxygen=on_oxygen,
        pregnant=pregnant,
        born=None if birth is None else birth.timestamp(),
        limits=limits if isinstance(limits, dict) else None,
        band=band or "",
        conditions=tuple(conditions or ()),
        triggers=triggers if isinstance(triggers, list) else (),
    )


def _device(row: tuple[Any, ...]) -> Device:
    cadence = row[8] if isinstance(row[8], dict) else {}
    return Device(
        no=row[0], shard=row[1], home_no=row[2], person_no=row[3], site_no=row[4], kind=row[5],
        place=row[6] or "", state=row[7] or "", cadence=cadence, since=row[9] or 0.0,
    )  # fmt: skip


def _told(row: tuple[Any, ...]) -> ports.Told:
    episode, rule_id, severity, condition, evidence, at = row
    active = condition == model.Condition.ACTIVE
    kind, number = subject(episode)
    return ports.Told(
        subject=kind,
        subject_no=number,
        rule_id=rule_id,
        rank=model.Severity(severity).rank if active else 0,
        at=at or 0.0,
        basis=[str(item.get("code")) for item in evidence],
    )
