"""Databases for tests: one embedded server per run, a fresh migrated database per test.

Migrating takes longer than copying, so each server gets one migrated template, and
``CREATE DATABASE ... TEMPLATE`` does the rest.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from api.embedded.postgres import EmbeddedPostgres
from ingest.storage import migrate
from tests.support.folders import short_folder

TIMESCALE = "TELECARE_TEST_TIMESCALE_URL"
_numbers = itertools.count(1)


class DatabaseServer:
    """A server on which tests make databases of their own."""

    def __init__(self, admin_url: str) -> None:
        self.admin_url = admin_url
        self._template: str | None = None
        self._mark = f"t{os.getpid()}"

    def url(self, database: str) -> str:
        """Return the address of one database."""
        return urlunsplit(urlsplit(self.admin_url)._replace(path=f"/{database}"))

    @contextmanager
    def fresh(self, *, migrated: bool = True) -> Iterator[str]:
        """Make a database for the block and return its address."""
        name = f"{self._mark}_{next(_numbers)}"
        self._create(name, self._migrated() if migrated else "template0")
        try:
            yield self.url(name)
        finally:
            self._drop(name)

    def close(self) -> None:
        """Drop the template."""
        if self._template is not None:
            self._admin(
                sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS true").format(
                    sql.Identifier(self._template)
                )
            )
            self._drop(self._template)
            self._template = None

    def _migrated(self) -> str:
        if self._template is None:
            name = f"{self._mark}_template"
            self._create(name, "template0")
            migrate.migrate(self.url(name))
            # Nobody may be connected to a template while it is copied; TimescaleDB's own
            # workers would be.
            self._admin(
                sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS false").format(
                    sql.Identifier(name)
                )
            )
            self._admin(
                sql.SQL(
                    "SELECT pg_terminate_backend(pid, 5000)"
                    " FROM pg_stat_activity WHERE datname = {}"
                ).format(sql.Literal(name))
            )
            self._template = name
        return self._template

    def _create(self, name: str, template: str) -> None:
        self._admin(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )

    def _drop(self, name: str) -> None:
        self._admin(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _admin(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.admin_url, autocommit=True) as db:
            db.execute(statement)


@pytest.fixture(scope="session")
def embedded_server() -> Iterator[DatabaseServer]:
    """The embedded PostgreSQL that the whole run shares; never stop it in a test."""
    with short_folder(memory=True) as folder, EmbeddedPostgres(folder / "pg") as postgres:
        yield DatabaseServer(postgres.url("postgres"))


@pytest.fixture(scope="session")
def timescale_server() -> Iterator[DatabaseServer]:
    """The TimescaleDB named by the environment, where there is one."""
    url = os.environ.get(TIMESCALE)
    if not url:
        pytest.skip(f"no TimescaleDB here: {TIMESCALE} is not set (.ci/run provides one)")
    server = DatabaseServer(url)
    yield server
    server.close()


@pytest.fixture
def empty_database_url(embedded_server: DatabaseServer) -> Iterator[str]:
    """A fresh database without any schema."""
    with embedded_server.fresh(migrated=False) as url:
        yield url


@pytest.fixture
def database_url(embedded_server: DatabaseServer) -> Iterator[str]:
    """A fresh migrated database on the embedded PostgreSQL."""
    with embedded_server.fresh() as url:
        yield url


def pytest_report_header() -> str:
    """Say once which kinds of store the run covers."""
    if TIMESCALE in os.environ:
        return "stores: embedded PostgreSQL and TimescaleDB"
    return f"stores: embedded PostgreSQL; TimescaleDB is left out, {TIMESCALE} is not set"


_STORES = ["embedded", pytest.param("timescale", marks=pytest.mark.timescale)]


@pytest.fixture(params=_STORES if TIMESCALE in os.environ else _STORES[:1])
def store_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh migrated database on each kind of store."""
    server: DatabaseServer = request.getfixturevalue(f"{request.param}_server")
    with server.fresh() as url:
        yield url


@pytest.fixture
def own_postgres() -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL of this test's own, migrated; it may be stopped, killed and started."""
    with short_folder() as folder, EmbeddedPostgres(folder / "pg") as postgres:
        migrate.migrate(postgres.dsn)
        yield postgres
