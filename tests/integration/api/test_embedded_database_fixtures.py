"""The tests' own databases: each fresh, each migrated, none seen by another test."""

from __future__ import annotations

import psycopg
import pytest

pytestmark = pytest.mark.service


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_has_a_fresh_migrated_database(store_url: str, turn: int) -> None:
    with psycopg.connect(store_url, autocommit=True) as db:
        row = db.execute("SELECT count(*) FROM ingest.site").fetchone()
        assert row == (0,)
        db.execute("INSERT INTO ingest.site (id, name) VALUES ('oak', 'Oak')")


def test_an_empty_database_has_no_schema_yet(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url) as db:
        assert db.execute("SELECT to_regclass('ingest.site')").fetchone() == (None,)
