"""Who serves which broker session: slots shared fairly among the gateways alive.

A slot is held by an advisory lock on the gateway's own session: it is free the moment its holder
dies. Losing that session is losing every slot.
"""

from __future__ import annotations

import secrets
from typing import Any

import psycopg

from ingest.ports import Position
from ingest.storage.pool import LOCK_GATEWAY, LOCK_SLOT, connect, store_errors


class PostgresSlots:
    """One gateway's view of the slots, through one session."""

    def __init__(self, db: psycopg.Connection[Any], *, holder: str) -> None:
        self._db = db
        self._holder = holder
        with store_errors():
            key = secrets.randbelow(2**31)
            db.execute("SELECT pg_advisory_lock(%s, %s)", [LOCK_GATEWAY, key])

    @classmethod
    def open(cls, database_url: str, *, holder: str) -> PostgresSlots:
        """Open a session of its own."""
        db = connect(database_url, name="slots", autocommit=True)
        try:
            return cls(db, holder=holder)
        except BaseException:
            db.close()
            raise

    def close(self) -> None:
        """Let go of every slot."""
        self._db.close()

    def ensure(self, positions: list[Position]) -> dict[Position, int]:
        """Make the slots there should be and return the number of each there is, also of others."""
        with store_errors():
            there = self._all()
            missing = [p for p in positions if p not in there]
            for lane, position in missing:
                self._db.execute(
                    "INSERT INTO ingest.slot (lane, position) VALUES (%s, %s)"
                    " ON CONFLICT DO NOTHING",
                    [lane, position],
                )
            return self._all() if missing else there

    def _all(self) -> dict[Position, int]:
        rows = self._db.execute("SELECT lane, position, no FROM ingest.slot").fetchall()
        return {(str(lane), int(position)): int(no) for lane, position, no in rows}

    def gateways(self) -> int:
        """Return how many gateways are alive, this one included."""
        with store_errors():
            row = self._db.execute(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = %s"
                " AND objsubid = 2 AND granted"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
                [LOCK_GATEWAY],
            ).fetchone()
        return int(row[0]) if row else 1

    def claim(self, no: int) -> bool:
        """Take a slot if nobody holds it."""
        with store_errors():
            row = self._db.execute(
                "SELECT pg_try_advisory_lock(%s, %s)", [LOCK_SLOT, no]
            ).fetchone()
            if not (row and row[0]):
                return False
            taken = self._db.execute(
                "UPDATE ingest.slot SET holder = %s, connected_at = now() WHERE no = %s",
                [self._holder, no],
            )
            if taken.rowcount:
                return True
            self._unlock(no)  # it was retired meanwhile
        return False

    def release(self, no: int) -> None:
        """Give a slot back."""
        with store_errors():
            self._db.execute(
                "UPDATE ingest.slot SET holder = NULL WHERE no = %s AND holder = %s",
                [no, self._holder],
            )
            self._unlock(no)

    def remove(self, no: int) -> None:
        """Do away with a slot held here: the broker has no session for it any more."""
        with store_errors():
            self._db.execute("DELETE FROM ingest.slot WHERE no = %s", [no])
            self._unlock(no)

    def _unlock(self, no: int) -> None:
        self._db.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCK_SLOT, no])

    def heard(self, nos: list[int]) -> None:
        """Note that these slots' probes came back just now: the hub was listening."""
        with store_errors():
            self._db.execute("UPDATE ingest.slot SET probed_at = now() WHERE no = ANY(%s)", [nos])
