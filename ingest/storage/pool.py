"""Connections to the database: one pool per process, and single sessions that hold locks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg_pool import ConnectionPool

from ingest.kernel import errors

Connection = psycopg.Connection[Any]
Pool = ConnectionPool[Connection]

_OPTIONS: dict[str, Any] = {
    # a dead peer is found within about 8 s, so that its locks are free within 10
    "keepalives": 1,
    "keepalives_idle": 3,
    "keepalives_interval": 1,
    "keepalives_count": 5,
    "tcp_user_timeout": 8_000,  # also one that vanished while it owes us an acknowledgement
    "connect_timeout": 5,
    "options": "-c timezone=UTC -c tcp_keepalives_idle=3 -c tcp_keepalives_interval=1"
    " -c tcp_keepalives_count=5 -c tcp_user_timeout=8000",
}


def connect(database_url: str, *, name: str, autocommit: bool = False) -> Connection:
    """Open one session; ``name`` is what the database's administrator sees of it.

    Raises
    ------
    StoreUnavailableError
        When there is no database to be reached.
    """
    try:
        return psycopg.connect(
            database_url, application_name=f"telecare {name}", autocommit=autocommit, **_OPTIONS
        )
    except psycopg.OperationalError as error:
        raise errors.StoreUnavailableError(detail=type(error).__name__) from error


def open_pool(database_url: str, *, name: str, most: int = 8, durable: bool = True) -> Pool:
    """Return a pool that is open, whose sessions are checked before they are lent.

    Without ``durable`` a commit doesn't wait for the disk: for work that is done again when the
    database's machine loses the last moments.
    """
    options = _OPTIONS["options"] if durable else f"{_OPTIONS['options']} -c synchronous_commit=off"
    pool: Pool = ConnectionPool(
        database_url,
        kwargs={"application_name": f"telecare {name}", **_OPTIONS, "options": options},
        min_size=1,
        max_size=most,
        timeout=10,
        # The pool's waits between attempts double up to this. Its default of 5 minutes keeps a
        # role away from a database that came back minutes ago; past it, the next user tries anew.
        reconnect_timeout=3,
        check=ConnectionPool.check_connection,
        open=False,
        name=name,
    )
    pool.open(wait=False)
    return pool


@contextmanager
def store_errors() -> Iterator[None]:
    """Translate the driver's errors at the edge: gone, or refused."""
    try:
        yield
    except _REFUSED as error:
        raise errors.PoisonError(detail=_code(error)) from error
    except GONE as error:
        raise errors.StoreUnavailableError(detail=type(error).__name__) from error


GONE = (
    psycopg.OperationalError, psycopg.InterfaceError,
    psycopg.errors.IdleInTransactionSessionTimeout,  # for being stopped while others waited
)  # fmt: skip
"""What the driver says where the session is lost: trying again later can help."""
# An over-long index entry and its like count as operational, and would be tried for ever. Text
# that is no Unicode and times beyond the calendar are already refused on the way out.
_REFUSED = (
    psycopg.DataError, psycopg.IntegrityError, psycopg.errors.ProgramLimitExceeded,
    UnicodeError, OverflowError,
)  # fmt: skip


def _code(error: Exception) -> str:
    sqlstate = error.sqlstate if isinstance(error, psycopg.Error) else None
    return sqlstate or type(error).__name__


LOCK_SLOT, LOCK_WRITER, LOCK_SHARD, LOCK_EVENTS, LOCK_GATEWAY, LOCK_REPLAY = 1, 2, 3, 4, 5, 6
"""Classes of the two-key advisory locks."""
