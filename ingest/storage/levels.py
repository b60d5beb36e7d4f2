"""What kind of store this is, and the partitions it needs: made ahead, dropped when old.

Three levels: plain PostgreSQL (native partitions), TimescaleDB Apache edition (hypertables),
TimescaleDB community edition (hypertables, compression, retention policies).
"""

from __future__ import annotations

import enum
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql

_WEEK = timedelta(days=7)
_DAY = timedelta(days=1)
_EPOCH_MONDAY = datetime(2001, 1, 1, tzinfo=UTC)
_WEEKS_BACK = 26
_WEEKS_AHEAD = 5
_DAYS_AHEAD = 8

Connection = psycopg.Connection[Any]


class Level(enum.Enum):
    """What the store can do."""

    PLAIN = "plain PostgreSQL, native partitions"
    APACHE = "TimescaleDB Apache edition: hypertables"
    COMMUNITY = "TimescaleDB community edition: hypertables, compression, retention"


def level(db: Connection) -> Level:
    """Return the level of a migrated database."""
    found = db.execute("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'").fetchone()
    if found is None:
        return Level.PLAIN
    licence = db.execute("SELECT current_setting('timescaledb.license', true)").fetchone()
    return Level.COMMUNITY if licence and licence[0] == "timescale" else Level.APACHE


def prepare(db: Connection) -> list[str]:
    """Make the partitions of the coming weeks, where the store doesn't make them by itself.

    Rows of a time without a partition go to the default one, so a late run refuses nothing.
    PostgreSQL can't carve a partition out of a filled default: the names of those that could
    not be made for that reason are returned, and their rows stay where they are.
    """
    row = db.execute("SELECT now()").fetchone()
    assert row is not None  # noqa: S101  (SELECT now() always answers)
    now: datetime = row[0].astimezone(UTC)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    wanted = [("log", today + n * _DAY, _DAY) for n in range(-1, _DAYS_AHEAD)]
    if level(db) is Level.PLAIN:
        monday = _EPOCH_MONDAY + ((now - _EPOCH_MONDAY) // _WEEK) * _WEEK
        wanted += [
            ("observation", monday + n * _WEEK, _WEEK) for n in range(-_WEEKS_BACK, _WEEKS_AHEAD)
        ]
    else:
        for n in range(_WEEKS_AHEAD):
            _chunk(db, now + n * _WEEK)
    return [name for table, start, span in wanted if (name := _blocked(db, table, start, span))]


def _chunk(db: Connection, time: datetime) -> None:
    """Make TimescaleDB make the chunk of a time, by a row that is never visible.

    Whoever needs a new chunk first holds a lock on the hypertable until its commit, and every
    other writer waits for it: no batch, and no alarm, is to be that first one.
    """
    there = db.execute(
        "SELECT 1 FROM timescaledb_information.chunks WHERE hypertable_schema = 'ingest'"
        " AND hypertable_name = 'observation' AND range_start <= %s AND %s < range_end",
        [time, time],
    ).fetchone()
    if there is None:
        with db.transaction():
            db.execute(
                "INSERT INTO ingest.observation (time, received_at, device_no, quantity, part,"
                " flags, dwelling_no) VALUES (%s, %s, 0, 0, 0, 0, 0)",
                [time, time],
            )
            db.execute("DELETE FROM ingest.observation WHERE device_no = 0 AND time = %s", [time])


def _blocked(db: Connection, table: str, start: datetime, span: timedelta) -> str | None:
    """Make a partition; return its name when rows in the default one are in its way."""
    name = f"{table}_{start:%Y%m%d}"
    there = db.execute("SELECT to_regclass(%s)", [f"ingest.{name}"]).fetchone()
    if there and there[0] is not None:
        return None
    try:
        with db.transaction():
            db.execute(
                sql.SQL(
                    "CREATE TABLE IF NOT EXISTS ingest.{} PARTITION OF ingest.{}"
                    " FOR VALUES FROM ({}) TO ({})"
                ).format(
                    sql.Identifier(name),
                    sql.Identifier(table),
                    sql.Literal(start.isoformat()),
                    sql.Literal((start + span).isoformat()),
                )
            )
    except psycopg.errors.CheckViolation:
        return name
    return None


def drop_old(
    db: Connection, *, log_before: datetime, readings_before: datetime | None
) -> list[str]:
    """Drop whole partitions older than asked and return their names; default ones are thinned.

    A log partition is only dropped when every live writer's cursors are past it, which the
    caller must know; ``readings_before`` None keeps readings for ever.
    """
    dropped = _drop(db, "log", log_before)
    if readings_before is not None:
        if level(db) is Level.PLAIN:
            dropped += _drop(db, "observation", readings_before)
        else:
            rows = db.execute(
                "SELECT drop_chunks('ingest.observation', %s::timestamptz)", [readings_before]
            ).fetchall()
            dropped += [str(r[0]) for r in rows]
    db.execute("DELETE FROM ingest.log_default WHERE at < %s", [log_before])
    if readings_before is not None and level(db) is Level.PLAIN:
        db.execute("DELETE FROM ingest.observation_default WHERE time < %s", [readings_before])
    return dropped


def _drop(db: Connection, table: str, before: datetime) -> list[str]:
    span = _DAY if table == "log" else _WEEK
    rows = db.execute(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
        " WHERE i.inhparent = %s::regclass",
        [f"ingest.{table}"],
    ).fetchall()
    gone: list[str] = []
    for (name,) in rows:
        day = str(name).rpartition("_")[2]
        if not day.isdigit():
            continue
        start = datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC)
        if start + span <= before:
            db.execute(sql.SQL("DROP TABLE ingest.{}").format(sql.Identifier(str(name))))
            gone.append(str(name))
    return gone
