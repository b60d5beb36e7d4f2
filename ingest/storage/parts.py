"""Rooms and questionnaire keys, interned: a small table, remembered whole."""

from __future__ import annotations

from collections.abc import Iterable

from ingest.storage.pool import Pool, store_errors

MOST_PARTS = 20_000
"""Unsourced: far above any vocabulary of rooms and questions; stops a device inventing them."""


class PostgresParts:
    """Knows every part; makes new ones until there are implausibly many."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._known: dict[str, int] = {}

    def numbers(self, names: Iterable[str]) -> dict[str, int]:
        """Return each name's number, making new ones; beyond the bound a name gets none."""
        wanted = set(names)
        missing = wanted - self._known.keys()
        if missing:
            with store_errors():
                self._make(sorted(missing))
        return {n: self._known[n] for n in wanted if n in self._known}

    def _make(self, missing: list[str]) -> None:
        with self._pool.connection() as db:
            db.execute(
                "INSERT INTO ingest.part (name) SELECT name FROM unnest(%s::text[]) AS name"
                " WHERE (SELECT count(*) FROM ingest.part) < %s ON CONFLICT DO NOTHING",
                [missing, MOST_PARTS],
            )
            rows = db.execute(
                "SELECT name, no FROM ingest.part WHERE name = ANY(%s)", [missing]
            ).fetchall()
        self._known.update((str(n), int(no)) for n, no in rows)
