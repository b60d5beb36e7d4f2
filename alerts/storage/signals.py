"""LISTEN: wakes a loop when something was written; carries nothing, and may be missed."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql

from ingest.storage.pool import Connection, connect, store_errors


class Signals:
    """Channels heard on a session of their own."""

    def __init__(self, db: Connection, channels: Sequence[str]) -> None:
        self._db = db
        with store_errors():
            for channel in channels:
                db.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))

    @classmethod
    def open(cls, database_url: str, *channels: str) -> Signals:
        """Open a session that listens."""
        db = connect(database_url, name="alerts listen", autocommit=True)
        try:
            return cls(db, channels)
        except BaseException:
            db.close()
            raise

    def wait(self, seconds: float) -> set[str]:
        """Return the channels heard within the time, at once when there are some already."""
        with store_errors():
            heard = {n.channel for n in self._db.notifies(timeout=seconds, stop_after=1)}
            if heard:  # what arrived together wakes together
                heard |= {n.channel for n in self._db.notifies(timeout=0)}
        return heard

    def close(self) -> None:
        """Stop listening."""
        self._db.close()
