"""Questions ``telecare doctor`` puts to the database."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from types import TracebackType
from typing import Self

import psycopg

from alerts import chain
from alerts.storage import chains
from ingest.kernel import errors, ids
from ingest.storage import levels, migrate
from ingest.storage import pool as pools

DURABLE: dict[str, tuple[str, ...]] = {
    "fsync": ("on",),
    "full_page_writes": ("on",),
    "synchronous_commit": ("on", "remote_write", "remote_apply"),
}
"""Settings without which a commit is no promise, and what they may say."""

_TRIES = 6


class Examination:
    """One session to look around with."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._db = pools.connect(database_url, name="doctor", autocommit=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._db.close()

    def version(self) -> str:
        """Return the server's version."""
        return self._one("SELECT current_setting('server_version')")

    def pending(self) -> list[str]:
        """Return the migrations that are missing."""
        with pools.store_errors():
            return migrate.pending(self._url)

    def level(self) -> str:
        """Return what kind of store it is, in words."""
        with pools.store_errors():
            return levels.level(self._db).value

    def durability(self) -> dict[str, str]:
        """Return the settings that make a commit a promise."""
        with pools.store_errors():
            rows = self._db.execute(
                "SELECT name, setting FROM pg_settings WHERE name = ANY(%s) ORDER BY name",
                [list(DURABLE)],
            ).fetchall()
        return {str(name): str(setting) for name, setting in rows}

    def keeps_sessions(self) -> bool:
        """Tell whether two transactions of ours meet the same session of the server.

        A proxy that pools transactions loses advisory locks and notifications.
        """
        return len({self._one("SELECT pg_backend_pid()") for _ in range(_TRIES)}) == 1

    def hears(self, database_url: str) -> bool:
        """Tell whether a notification from another session arrives."""
        channel = "doctor_" + "".join(c for c in ids.token(9).lower() if c.isalnum())
        try:
            with pools.connect(database_url, name="doctor", autocommit=True) as other:
                self._db.execute(f"LISTEN {channel}")
                other.execute("SELECT pg_notify(%s, '')", [channel])
                heard = any(True for _ in self._db.notifies(timeout=3, stop_after=1))
                self._db.execute(f"UNLISTEN {channel}")
        except (psycopg.Error, errors.StoreUnavailableError):
            return False
        return heard

    def offset_s(self, now: Callable[[], datetime]) -> float:
        """Return how far the database's clock is ahead of ours, as well as can be told. [s]"""
        best = (float("inf"), 0.0)
        for _ in range(3):
            before = now()
            with pools.store_errors():
                row = self._db.execute("SELECT clock_timestamp()").fetchone()
            after = now()
            assert row is not None  # noqa: S101  (it always answers)
            way = (after - before).total_seconds()
            middle = before + (after - before) / 2
            best = min(best, (way, (row[0] - middle).total_seconds()))
        return best[1]

    def chains(self, since: datetime | None) -> chains.Checked:
        """Check the chains of all alerts on which something happened since then, or of all."""
        with pools.store_errors():
            return chains.check(self._db, since=since)

    def newest_root(self) -> chain.Root | None:
        """Return the last root over the chains."""
        with pools.store_errors():
            return chains.newest_root(self._db)

    def roots(self, since: datetime | None) -> list[chain.Root]:
        """Return the roots the database itself remembers."""
        with pools.store_errors():
            return chains.roots(self._db, since=since)

    def against(self, published: Iterable[chain.Root]) -> list[str]:
        """Say which roots no longer come out of the events."""
        with pools.store_errors():
            return chains.against(self._db, published)

    def _one(self, query: str) -> str:
        with pools.store_errors():
            row = self._db.execute(query).fetchone()
        return str(row[0]) if row else ""
