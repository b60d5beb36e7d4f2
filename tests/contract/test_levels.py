"""Partitions made ahead, and old ones dropped, at whatever level the store is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from ingest.storage import levels, migrate
from ingest.storage.levels import Level

pytestmark = pytest.mark.service

PARTS = (
    "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
    " WHERE i.inhparent = %s::regclass ORDER BY 1"
)
READING = (
    "INSERT INTO ingest.observation (time, received_at, device_no, quantity, part, value, flags,"
    " dwelling_no) VALUES (%s, now(), 1, 1, 0, 1, 0, 1)"
)
LOG = "INSERT INTO ingest.log (at, writer, batch, shard, version, rows) VALUES (%s, 1, 1, 0, 1, '')"


@pytest.fixture
def db(store_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(store_url, autocommit=True) as opened:
        yield opened


def partitions(db: psycopg.Connection[Any], table: str) -> list[str]:
    return [name for (name,) in db.execute(PARTS, [f"ingest.{table}"]).fetchall()]


def now() -> datetime:
    return datetime.now(UTC)


def test_the_level_is_found(request: pytest.FixtureRequest, db: psycopg.Connection[Any]) -> None:
    plain = "embedded" in request.node.name
    assert (levels.level(db) is Level.PLAIN) is plain


def test_the_log_has_partitions_for_the_days_to_come(db: psycopg.Connection[Any]) -> None:
    made = partitions(db, "log")
    for ahead in range(8):
        assert f"log_{now() + timedelta(days=ahead):%Y%m%d}" in made


def test_readings_of_half_a_year_and_a_month_ahead_have_a_place(
    db: psycopg.Connection[Any],
) -> None:
    for days in (0, -170, 27):
        db.execute(READING, [now() + timedelta(days=days)])
    if levels.level(db) is Level.PLAIN:
        assert db.execute("SELECT count(*) FROM ingest.observation_default").fetchone() == (0,)
    assert db.execute("SELECT count(*) FROM ingest.observation").fetchone() == (3,)


def test_readings_of_any_year_are_taken(db: psycopg.Connection[Any]) -> None:
    for year in (2000, 2015, 2090):
        db.execute(READING, [datetime(year, 1, 1, tzinfo=UTC)])
    assert db.execute("SELECT count(*) FROM ingest.observation").fetchone() == (3,)


def test_preparing_twice_changes_nothing(db: psycopg.Connection[Any]) -> None:
    before = partitions(db, "log") + partitions(db, "observation")
    assert levels.prepare(db) == []
    assert partitions(db, "log") + partitions(db, "observation") == before


def test_migrating_twice_changes_nothing(store_url: str) -> None:
    assert migrate.pending(store_url) == []
    assert migrate.migrate(store_url) == []


def test_rows_in_the_default_partition_are_reported_and_stop_nothing(
    store_url: str, db: psycopg.Connection[Any]
) -> None:
    """As after weeks in which nobody prepared."""
    taken = f"log_{now() + timedelta(days=2):%Y%m%d}"
    missing = f"log_{now() + timedelta(days=3):%Y%m%d}"
    for name in (taken, missing):
        db.execute(f"DROP TABLE ingest.{name}")
    db.execute(LOG, [now() + timedelta(days=2)])
    assert levels.prepare(db) == [taken]
    assert missing in partitions(db, "log")
    assert migrate.migrate(store_url) == []
    assert db.execute("SELECT count(*) FROM ingest.log").fetchone() == (1,)


def test_the_old_log_is_dropped_and_the_rest_is_kept(db: psycopg.Connection[Any]) -> None:
    today = now().replace(hour=0, minute=0, second=0, microsecond=0)
    yesterday = f"log_{today - timedelta(days=1):%Y%m%d}"
    db.execute(LOG, [today - timedelta(days=400)])
    db.execute(LOG, [today])
    assert levels.drop_old(db, log_before=today, readings_before=None) == [yesterday]
    assert yesterday not in partitions(db, "log")
    assert db.execute("SELECT count(*) FROM ingest.log").fetchone() == (1,)


def test_a_partition_that_is_only_half_old_is_kept(db: psycopg.Connection[Any]) -> None:
    today = now().replace(hour=0, minute=0, second=0, microsecond=0)
    assert levels.drop_old(db, log_before=today - timedelta(hours=1), readings_before=None) == []


def test_old_readings_are_dropped_where_that_is_asked_for(db: psycopg.Connection[Any]) -> None:
    for days in (0, -30, -100, -5_000):
        db.execute(READING, [now() + timedelta(days=days)])
    before = now() - timedelta(days=60)
    assert levels.drop_old(db, log_before=before, readings_before=before)
    left = db.execute("SELECT count(*) FROM ingest.observation").fetchone()
    assert left == (2,)


def test_readings_are_kept_for_ever_unless_asked(db: psycopg.Connection[Any]) -> None:
    db.execute(READING, [now() - timedelta(days=100)])
    levels.drop_old(db, log_before=now() - timedelta(days=30), readings_before=None)
    assert db.execute("SELECT count(*) FROM ingest.observation").fetchone() == (1,)
