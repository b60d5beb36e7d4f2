"""What the database holds of a span of time, for trying packs on it: register and readings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from alerts import errors
from alerts.state.subjects import Device, Home, Person
from alerts.storage import rows
from alerts.storage.rebuilding import Rebuilding
from ingest.kernel import shards
from ingest.kernel.clock import Clock
from ingest.kernel.observation import Rows
from ingest.storage.pool import Connection, connect, store_errors

_CHUNK: Final = 100_000
"""Rows held here at once; the server sorts and hands over."""
_SPAN = """
SELECT extract(epoch FROM min(received_at))::float8, extract(epoch FROM max(received_at))::float8
FROM ingest.observation WHERE received_at >= %(begin)s AND received_at < %(end)s
"""
_ROWS = """
SELECT extract(epoch FROM time)::float8, extract(epoch FROM received_at)::float8, value,
    device_no, coalesce(person_no, 0), dwelling_no, part, flags, quantity
FROM ingest.observation
WHERE received_at >= %(begin)s AND received_at < %(end)s AND value IS NOT NULL
ORDER BY received_at, time, device_no, quantity, part, value
"""
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What was stored in a span of time; the register as it is today."""

    homes: Sequence[Home]
    people: Sequence[Person]
    devices: Sequence[Device]
    parts: Mapping[int, str]
    person_ids: Mapping[int, str]
    home_ids: Mapping[int, str]
    device_ids: Mapping[int, str]
    begin: float  # of the first reading received [s, Unix]
    end: float
    db: Connection
    span: Mapping[str, Any]

    def chunks(self) -> Iterator[Rows]:
        """Return the readings in the order of their receipt, some at a time."""
        with (
            store_errors(),
            self.db.transaction(),
            self.db.cursor(name="backtest", binary=True) as c,
        ):
            c.itersize = _CHUNK
            c.execute(_ROWS, self.span)
            while found := c.fetchmany(_CHUNK):
                yield rows.observations(found)


@contextmanager
def opened(
    database_url: str, *, begin: datetime | None, end: datetime | None, clock: Clock
) -> Iterator[History]:
    """Read what was received from ``begin`` until before ``end``, in one session.

    Raises
    ------
    BacktestError
        When nothing is stored of that time.
    StoreUnavailableError
        When there is no database to be reached.
    """
    db = connect(database_url, name="backtest", autocommit=True)
    try:
        yield _history(db, begin or _FIRST, end or _LAST, clock)
    finally:
        db.close()


def _history(db: Connection, begin: datetime, end: datetime, clock: Clock) -> History:
    span = {"begin": begin, "end": end}
    with store_errors():
        first, last = db.execute(_SPAN, span).fetchone() or (None, None)
    if first is None or last is None:
        raise errors.BacktestError(
            problem="the database holds no reading received between --from and --to: widen them,"
            " or leave them out for all there is"
        )
    store = Rebuilding(db, clock=clock)
    known = store.known(store.homes(shards=range(shards.SHARDS), numbers=()))
    with store_errors():
        ids = {
            name: dict(db.execute(f"SELECT no, {column} FROM ingest.{name}").fetchall())  # noqa: S608
            for name, column in (("person", "id"), ("home", "id"), ("device", "name"))
        }
    return History(
        homes=known.homes, people=known.people, parts=store.parts(),
        # how a device is connected today says nothing about then
        devices=[replace(d, state="") for d in known.devices],
        person_ids=ids["person"], home_ids=ids["home"], device_ids=ids["device"],
        begin=first, end=min(last, end.timestamp()), db=db, span=span,
    )  # fmt: skip
