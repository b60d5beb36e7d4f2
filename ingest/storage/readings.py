"""Reading readings back: series raw or in buckets, and the latest of each quantity.

The same SQL on plain PostgreSQL and on TimescaleDB.
"""

# ruff: noqa: S608  (queries are put together from LiteralStrings only: the type checker holds it)

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

from psycopg.rows import class_row

from ingest.kernel import observation, vitals
from ingest.storage import pool as pools

_IMPLAUSIBLE = int(observation.Quality.IMPLAUSIBLE)
_ORIGIN = datetime(2001, 1, 1, tzinfo=UTC)  # a Monday, so that weekly buckets start on one


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One stored reading of a person."""

    time: datetime
    received_at: datetime
    sent_time: datetime | None
    quantity: int
    part: int
    place: str  # the room, or the questionnaire's key; empty for none
    value: float | None
    answer: str | None
    flags: int
    device_no: int
    site: str
    device: str

    def shown(self) -> bool | float | str | None:
        """Return the value as its quantity is spoken of: a letter, yes or no, text, a number."""
        quantity = vitals.BY_NO.get(self.quantity)
        if self.value is None:
            return self.answer
        if quantity is not None and quantity.codes:
            return vitals.code_letter(self.quantity, self.value)
        if quantity is not None and quantity.kind is vitals.ValueKind.BOOLEAN:
            return self.value != 0
        return self.answer if self.answer is not None else self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """The readings of one quantity in one span of time.

    Implausible readings are counted but never enter the figures, which are None where nothing
    else was measured.
    """

    start: datetime
    quantity: int
    place: str
    count: int
    implausible: int
    least: float | None
    mean: float | None
    greatest: float | None
    last: float | None
    flags: int  # every flag that any of them carries


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A reading's place in the order of a series: where the next page goes on."""

    time: datetime
    quantity: int
    part: int
    device_no: int
    value: float
    answer: str


_NO_VALUE = float("-inf")

_COLUMNS: LiteralString = """
    o.time, o.received_at, o.sent_time, o.quantity, o.part, coalesce(p.name, '') AS place,
    o.value, o.answer, o.flags, o.device_no, s.id AS site, d.name AS device
"""
_JOINS: LiteralString = """
    LEFT JOIN ingest.part p ON p.no = o.part
    JOIN ingest.device d ON d.no = o.device_no
    JOIN ingest.site s ON s.no = d.site_no
"""
_ORDER: LiteralString = """
    o.time, o.quantity, o.part, o.device_no,
    coalesce(o.value, '-infinity'), coalesce(o.answer, '')
"""


class Readings:
    """Stored readings, on a pool of database sessions. Safe for many threads."""

    def __init__(self, pool: pools.Pool) -> None:
        self._pool = pool

    def series(
        self,
        person_no: int,
        *,
        quantities: Sequence[int] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        after: Place | None = None,
        limit: int = 500,
    ) -> list[Reading]:
        """Return a person's readings, oldest first: ``since`` <= time < ``until``.

        The order is total, so that going on ``after`` the last one neither skips nor repeats,
        whatever arrives in between with a later time.
        """
        where: list[LiteralString] = ["o.person_no = %(person)s"]
        given: dict[str, Any] = {"person": person_no, "limit": limit}
        _between(where, given, quantities=quantities, since=since, until=until)
        if after is not None:
            where.append("o.time >= %(time)s")  # for the index; the next line is the real one
            where.append(
                f"({_ORDER}) > (%(time)s, %(quantity)s::smallint, %(part)s::integer,"
                " %(device)s::bigint, %(value)s::double precision, %(answer)s)"
            )
            given |= {
                "time": after.time,
                "quantity": after.quantity,
                "part": after.part,
                "device": after.device_no,
                "value": after.value,
                "answer": after.answer,
            }
        return self._readings(
            f"SELECT {_COLUMNS} FROM ingest.observation o {_JOINS}"
            f" WHERE {_all(where)} ORDER BY {_ORDER} LIMIT %(limit)s",
            given,
        )

    def recent(
        self,
        person_no: int,
        *,
        without: Sequence[int] = (),
        before: datetime | None = None,
        limit: int = 100,
    ) -> list[Reading]:
        """Return a person's newest readings, newest first, measured before ``before``."""
        where: list[LiteralString] = ["o.person_no = %(person)s"]
        given: dict[str, Any] = {"person": person_no, "limit": limit}
        _between(where, given, until=before)
        if without:
            where.append("o.quantity <> ALL(%(without)s::smallint[])")
            given["without"] = list(without)
        return self._readings(
            f"SELECT {_COLUMNS} FROM ingest.observation o {_JOINS}"
            f" WHERE {_all(where)} ORDER BY o.time DESC, o.quantity DESC, o.part DESC"
            " LIMIT %(limit)s",
            given,
        )

    def latest(self, person_no: int, *, now: datetime) -> list[Reading]:
        """Return the newest plausible reading of each quantity, in the nomenclature's order.

        One index probe per quantity, however long the history is.
        """
        return self._readings(
            f"SELECT {_COLUMNS} FROM unnest(%(quantities)s::smallint[]) AS q (no)"
            " CROSS JOIN LATERAL (SELECT * FROM ingest.observation o"
            "   WHERE o.person_no = %(person)s AND o.quantity = q.no AND o.time <= %(now)s"
            "     AND o.flags & %(implausible)s = 0"
            f"   ORDER BY o.time DESC LIMIT 1) o {_JOINS} ORDER BY o.quantity",
            {
                "person": person_no,
                "quantities": sorted(vitals.BY_NO),
                "now": now,
                "implausible": _IMPLAUSIBLE,
            },
        )

    def buckets(
        self,
        person_no: int,
        *,
        quantities: Sequence[int] | None,
        since: datetime,
        until: datetime,
        every: timedelta,
        limit: int,
    ) -> list[Bucket]:
        """Return a person's readings in spans of ``every``, oldest first.

        Spans are counted from a Monday at midnight, UTC. Empty ones are left out: nothing
        measured is not the same as nothing to see.
        """
        where: list[LiteralString] = ["o.person_no = %(person)s"]
        given: dict[str, Any] = {
            "person": person_no,
            "every": every,
            "origin": _ORIGIN,
            "implausible": _IMPLAUSIBLE,
            "limit": limit,
        }
        _between(where, given, quantities=quantities, since=since, until=until)
        sound: LiteralString = "FILTER (WHERE o.flags & %(implausible)s = 0)"
        with (
            pools.store_errors(),
            self._pool.connection() as db,
            db.cursor(row_factory=class_row(Bucket)) as rows,
        ):
            return rows.execute(
                "SELECT date_bin(%(every)s, o.time, %(origin)s) AS start, o.quantity,"
                " coalesce(p.name, '') AS place, count(*) AS count,"
                " count(*) FILTER (WHERE o.flags & %(implausible)s <> 0) AS implausible,"
                f" min(o.value) {sound} AS least, avg(o.value) {sound} AS mean,"
                f" max(o.value) {sound} AS greatest,"
                f" (array_agg(o.value ORDER BY o.time DESC) {sound})[1] AS last,"
                " bit_or(o.flags) AS flags"
                " FROM ingest.observation o LEFT JOIN ingest.part p ON p.no = o.part"
                f" WHERE {_all(where)} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 LIMIT %(limit)s",
                given,
            ).fetchall()

    def _readings(self, query: LiteralString, given: dict[str, Any]) -> list[Reading]:
        with (
            pools.store_errors(),
            self._pool.connection() as db,
            db.cursor(row_factory=class_row(Reading)) as rows,
        ):
            return rows.execute(query, given).fetchall()


def place_of(reading: Reading) -> Place:
    """Return where the page after this reading starts."""
    return Place(
        time=reading.time,
        quantity=reading.quantity,
        part=reading.part,
        device_no=reading.device_no,
        value=_NO_VALUE if reading.value is None else reading.value,
        answer=reading.answer or "",
    )


def _between(
    where: list[LiteralString],
    given: dict[str, Any],
    *,
    quantities: Sequence[int] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> None:
    if quantities is not None:
        where.append("o.quantity = ANY(%(quantities)s::smallint[])")
        given["quantities"] = list(quantities)
    if since is not None:
        where.append("o.time >= %(since)s")
        given["since"] = since
    if until is not None:
        where.append("o.time < %(until)s")
        given["until"] = until


def _all(where: list[LiteralString]) -> LiteralString:
    joined: LiteralString = " AND "
    return joined.join(where)
