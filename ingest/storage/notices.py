"""The database's notices: which channels have news. A notice may be lost; a tick never is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

from psycopg import sql

from ingest.storage.pool import connect, store_errors

_LOOK_UP_S = 1.0


def listen(database_url: str, channels: list[str], *, stop: threading.Event) -> Iterator[str]:
    """Yield the channel of each notice until ``stop``.

    Raises
    ------
    StoreUnavailableError
        When the session is lost: notices may have been missed meanwhile.
    """
    with (
        store_errors(),
        closing(connect(database_url, name="notices", autocommit=True)) as db,
    ):
        for channel in channels:
            db.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        while not stop.is_set():
            for notice in db.notifies(timeout=_LOOK_UP_S):
                yield notice.channel
