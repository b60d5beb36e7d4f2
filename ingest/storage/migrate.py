"""Bring the database to this release's schema, and make room in it for time to come."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from yoyo import get_backend, read_migrations
from yoyo.connections import DatabaseURI

from ingest.storage import levels

_FOLDER = Path(__file__).parent / "migrations"
logging.getLogger("yoyo").setLevel(logging.WARNING)


def _uri(database_url: str) -> str:
    """Return yoyo's form of a libpq address (URL or key=value)."""
    parts = conninfo_to_dict(database_url)
    known = {"user", "password", "host", "port", "dbname"}
    rest = {k: str(v) for k, v in parts.items() if k not in known and v is not None}
    host = str(parts.get("host") or "")
    if host.startswith("/"):  # a socket folder can't stand in a URL's host
        rest["host"], host = host, ""
    uri = DatabaseURI(
        scheme="postgresql+psycopg",
        username=str(parts.get("user") or "") or None,
        password=str(parts.get("password") or "") or None,
        hostname=host or None,
        port=int(str(parts["port"])) if parts.get("port") else None,
        database=str(parts.get("dbname") or "postgres"),
        args=rest,
    )
    return str(uri)


@contextmanager
def _backend(database_url: str) -> Iterator[Any]:
    backend = get_backend(_uri(database_url), migration_table="_telecare_migration")
    try:
        yield backend
    finally:
        backend.connection.close()


def migrate(database_url: str) -> list[str]:
    """Apply what is missing and return the names applied. Safe to run twice, or twice at once."""
    with _backend(database_url) as backend, backend.lock():
        todo = backend.to_apply(read_migrations(str(_FOLDER)))
        backend.apply_migrations(todo)
        names = [str(m.id) for m in todo]
    with psycopg.connect(database_url, autocommit=True) as db:
        levels.prepare(db)
    return names


def pending(database_url: str) -> list[str]:
    """Return the names of the migrations that the database lacks."""
    with _backend(database_url) as backend:
        return [str(m.id) for m in backend.to_apply(read_migrations(str(_FOLDER)))]
