"""What measures are made of, read from the database as arrays; person-days counted by the day.

Numbers come as PostgreSQL's binary copy of rows of fixed width, which is an array already: two
million events take seconds, not minutes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, LiteralString

import numpy as np
from numpy.typing import NDArray

from alerts import model
from alerts.measures import burden, coverage
from alerts.measures.record import ALERT, DISPOSITIONS, EVENT, HOSPITAL, KINDS, Record
from ingest.storage.pool import Connection, Pool, store_errors

ZONE: Final = "Europe/London"
"""The clock of what belongs to no site."""
_EPOCH = date(1970, 1, 1)
_SETTLED = timedelta(hours=12)
"""A day counted this long after its end stays as it was counted; unsourced."""

_PLACES = """
LEFT JOIN ingest.person p ON p.no = a.person_no
LEFT JOIN ingest.home h ON h.no = coalesce(a.dwelling_no, p.home_no)
LEFT JOIN ingest.device d ON d.no = a.device_no
"""
_LOCAL = f"coalesce(s.timezone, '{ZONE}')"
_RULES = """
SELECT DISTINCT rule_id FROM alerts.alert WHERE raised_at >= %(after)s AND raised_at < %(before)s
ORDER BY rule_id
"""
_ALERTS = f"""
SELECT a.no, a.raised_at, coalesce(a.reading_at, 'infinity'),
    ((a.raised_at AT TIME ZONE {_LOCAL})::date - date '1970-01-01')::int4,
    (array_position(%(severities)s::text[], a.severity))::int2,
    (array_position(%(rules)s::text[], a.rule_id) - 1)::int4,
    coalesce(a.team_no, 0)::int4, coalesce(p.practice_no, 0)::int4, coalesce(s.no, 0)::int4,
    coalesce(s.area_no, 0)::int4,
    (array_position(%(classes)s::text[], a.alert_class) - 1)::int2, (a.state = 'closed')::int::int2,
    coalesce(array_position(%(dispositions)s::text[], a.disposition) - 1, -1)::int2,
    coalesce(array_position(%(hospital)s::text[], a.outcome->>'hospital') - 1, -1)::int2,
    a.pages::int4, coalesce(a.person_no, 0)::int8, coalesce(h.no, 0)::int8
FROM alerts.alert a {_PLACES}
LEFT JOIN ingest.site t ON t.id = a.site
LEFT JOIN ingest.site s ON s.no = coalesce(h.site_no, d.site_no, t.no)
WHERE a.raised_at >= %(after)s AND a.raised_at < %(before)s
AND (a.raised_at AT TIME ZONE {_LOCAL})::date BETWEEN %(first)s AND %(last)s
ORDER BY a.no
"""  # noqa: S608 - our own words
_EVENTS = """
SELECT e.alert_no, e.at, k.n::int2,
    CASE WHEN k.n < 3 THEN
        coalesce(array_position(%(severities)s::text[], e.detail->>'severity'), 0) ELSE 0 END::int2,
    CASE WHEN k.n = 0 THEN coalesce((e.detail->>'reading_at')::timestamptz, 'infinity')
        ELSE 'infinity' END
FROM alerts.event e
JOIN unnest(%(kinds)s::text[], %(numbers)s::int[]) AS k (kind, n) ON k.kind = e.kind
WHERE e.alert_no BETWEEN %(lowest)s AND %(highest)s
"""
_DECISION_RULES = """
SELECT DISTINCT rule_id FROM alerts.decision WHERE at >= %(after)s AND at < %(before)s
AND kind IN ('shadow', 'muted')
"""
_DECISIONS = f"""
SELECT (a.kind = 'shadow')::int::int2, (array_position(%(rules)s::text[], a.rule_id) - 1)::int4,
    (array_position(%(severities)s::text[], a.severity))::int2,
    ((a.at AT TIME ZONE {_LOCAL})::date - date '1970-01-01')::int4,
    coalesce(p.practice_no, 0)::int4, coalesce(s.no, 0)::int4, coalesce(s.area_no, 0)::int4,
    count(*)
FROM alerts.decision a {_PLACES}
LEFT JOIN ingest.site s ON s.no = coalesce(h.site_no, d.site_no)
WHERE a.at >= %(after)s AND a.at < %(before)s AND a.kind IN ('shadow', 'muted')
AND a.outcome <> 'clear'
AND (a.at AT TIME ZONE {_LOCAL})::date BETWEEN %(first)s AND %(last)s
GROUP BY 1, 2, 3, 4, 5, 6, 7
"""  # noqa: S608 - our own words
_PERSON_DAYS = """
SELECT (c.day - date '1970-01-01')::int4, c.practice_no::int4, c.site_no::int4,
    coalesce(s.area_no, 0)::int4, c.people::int8
FROM alerts.person_days c LEFT JOIN ingest.site s ON s.no = c.site_no
WHERE c.day BETWEEN %(first)s AND %(last)s
"""
_COUNTED = """
SELECT day, max(counted_at) FROM alerts.person_days WHERE day BETWEEN %s AND %s GROUP BY day
"""
_COUNT = """
INSERT INTO alerts.person_days (day, site_no, practice_no, people, counted_at)
SELECT %(day)s, s.no, coalesce(p.practice_no, 0), count(*) FILTER (WHERE heard.so), %(now)s
FROM ingest.site s
CROSS JOIN LATERAL (SELECT (%(day)s::date)::timestamp AT TIME ZONE s.timezone AS begins,
    (%(day)s::date + 1)::timestamp AT TIME ZONE s.timezone AS ends) b
JOIN ingest.home h ON h.site_no = s.no
JOIN ingest.person p ON p.home_no = h.no AND p.registered_at < b.ends
CROSS JOIN LATERAL (SELECT EXISTS (
    SELECT FROM ingest.assignment x JOIN ingest.device d ON d.no = x.device_no
    LEFT JOIN ingest.device_state w ON w.device_no = x.device_no
    JOIN ingest.site i ON i.no = d.site_no
    WHERE (x.person_no = p.no OR (x.person_no IS NULL AND x.home_no = p.home_no))
    AND x.starts < b.ends AND x.ends > b.begins AND (
        (w.seen_at >= greatest(b.begins, x.starts) AND w.seen_at < least(b.ends, x.ends))
        OR EXISTS (SELECT FROM ingest.observation o WHERE o.device_no = x.device_no
            AND o.time >= greatest(b.begins, x.starts) AND o.time < least(b.ends, x.ends))
        OR EXISTS (SELECT FROM ingest.alarm m WHERE m.site = i.id AND m.device = d.name
            AND m.received_at >= greatest(b.begins, x.starts)
            AND m.received_at < least(b.ends, x.ends)))
) AS so) heard
WHERE b.begins <= %(now)s
GROUP BY s.no, coalesce(p.practice_no, 0)
ORDER BY s.no, coalesce(p.practice_no, 0)  -- who counts at the same time waits, in one order
ON CONFLICT (day, site_no, practice_no) DO UPDATE
SET people = greatest(person_days.people, excluded.people), counted_at = excluded.counted_at
"""
_SILENT = """
WITH silent AS (
    SELECT a.device_no AS no FROM alerts.alert a WHERE a.state <> 'closed'
    AND a.condition = 'active' AND a.rule_id = 'equipment.device_silent'
    UNION
    SELECT d.no FROM alerts.alert a JOIN ingest.site s ON s.id = a.site
    JOIN ingest.device d ON d.site_no = s.no WHERE a.state <> 'closed'
    AND a.condition = 'active' AND a.rule_id = 'equipment.site_silent'
), held AS (
    SELECT x.device_no, x.person_no, x.home_no FROM ingest.assignment x
    WHERE x.starts <= %(now)s AND x.ends > %(now)s
), own AS (
    SELECT p.no, x.device_no FROM held x JOIN ingest.person p ON p.no = x.person_no
    UNION ALL
    SELECT p.no, x.device_no FROM held x JOIN ingest.person p ON p.home_no = x.home_no
    WHERE x.person_no IS NULL
), each AS (
    SELECT own.no, bool_and(silent.no IS NOT NULL) AS silent FROM own
    LEFT JOIN silent ON silent.no = own.device_no GROUP BY own.no
)
"""
_PEOPLE = f"""
{_SILENT}
SELECT 0, coalesce(p.practice_no, 0)::int4, s.no::int4, coalesce(s.area_no, 0)::int4,
    count(*), count(*) FILTER (WHERE p.limits <> '{{}}'),
    count(*) FILTER (WHERE p.triggers <> '[]'), count(p.risk_band),
    count(*) FILTER (WHERE p.risk_band = 'green'), count(*) FILTER (WHERE p.risk_band = 'amber'),
    count(*) FILTER (WHERE p.risk_band = 'red'),
    count(*) FILTER (WHERE EXISTS (SELECT FROM ingest.contact c WHERE c.person_no = p.no)),
    count(p.practice_no), count(e.no), count(*) FILTER (WHERE e.silent), 0::int8, 0::int8
FROM ingest.person p JOIN ingest.home h ON h.no = p.home_no JOIN ingest.site s ON s.no = h.site_no
LEFT JOIN each e ON e.no = p.no
GROUP BY 2, 3, 4
UNION ALL
SELECT 0, coalesce(p.practice_no, (SELECT min(o.practice_no) FROM ingest.person o
        WHERE o.home_no = x.home_no), 0)::int4, s.no::int4, coalesce(s.area_no, 0)::int4,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, count(*), count(silent.no)
FROM held x LEFT JOIN ingest.person p ON p.no = x.person_no
JOIN ingest.home h ON h.no = x.home_no JOIN ingest.site s ON s.no = h.site_no
LEFT JOIN silent ON silent.no = x.device_no
GROUP BY 2, 3, 4
"""  # noqa: S608 - our own words
_NAMES: Mapping[str, LiteralString] = {
    "team": "SELECT no, id FROM alerts.team",
    "practice": "SELECT no, id FROM ingest.practice",
    "site": "SELECT no, id FROM ingest.site",
    "area": "SELECT no, id FROM ingest.area",
}
_SEVERITIES = [str(model.BY_RANK[rank]) for rank in sorted(model.BY_RANK)]
_CLASSES = tuple(str(c) for c in model.AlertClass)
_ROOM = "SET LOCAL work_mem = '64MB'"  # to sort a month of alerts in memory
_PATIENCE = "SET LOCAL statement_timeout = '5min'"


class Measures:
    """What happened, for reports. Each report is one look: all of it as of one moment."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def record(self, first: date, last: date) -> Record:
        """Return the alerts raised on local days, the last one included, with their events."""
        with store_errors(), self._pool.connection() as db, db.transaction():
            return _record(db, first, last)

    def decisions(self, first: date, last: date) -> tuple[Record, NDArray[np.void]]:
        """Return the alerts of local days, and beside them the decisions that paged nobody."""
        with store_errors(), self._pool.connection() as db, db.transaction():
            _steady(db)
            around = _around(first, last)
            more = [r[0] for r in db.execute(_DECISION_RULES, around).fetchall()]
            kept = _record(db, first, last, rules=more)
            values = {**around, "severities": _SEVERITIES, "rules": list(kept.rules)}
            return kept, rows(db, burden.DECISIONS, _DECISIONS, values)

    def person_days(self, first: date, last: date, *, now: datetime) -> NDArray[np.void]:
        """Return the people heard on each local day; days never counted are counted first."""
        with store_errors(), self._pool.connection() as db:
            for day in self._uncounted(db, first, last, now):
                self._count(db, day, now)
            around = _around(first, last)
            return rows(db, burden.PERSON_DAYS, _PERSON_DAYS, around)

    def count_today(self, *, now: datetime) -> None:
        """Count the people heard so far on the days that are on, and on the one before."""
        today = now.astimezone(UTC).date()
        with store_errors(), self._pool.connection() as db:
            for back in (1, 0, -1):  # elsewhere it is tomorrow already
                self._count(db, today - timedelta(days=back), now)

    def people(self, *, now: datetime) -> tuple[NDArray[np.void], Mapping[str, Mapping[int, str]]]:
        """Return counts of people and devices as it is now, and the names of places."""
        with store_errors(), self._pool.connection() as db, db.transaction():
            _steady(db)
            return rows(db, coverage.PEOPLE, _PEOPLE, {"now": now}), _names(db)

    def _uncounted(self, db: Connection, first: date, last: date, now: datetime) -> list[date]:
        counted = dict(db.execute(_COUNTED, [first, last]).fetchall())
        out = []
        for n in range((min(last, (now + timedelta(days=1)).date()) - first).days + 1):
            day = first + timedelta(days=n)
            settled = datetime.combine(day, datetime.min.time(), UTC) + timedelta(days=1)
            at = counted.get(day)
            fresh = at is not None and (at >= settled + _SETTLED or now - at < timedelta(hours=1))
            if not fresh:
                out.append(day)
        return out

    def _count(self, db: Connection, day: date, now: datetime) -> None:
        with db.transaction():
            db.execute(_PATIENCE)
            db.execute(_COUNT, {"day": day, "now": now})


def rows(
    db: Connection, dtype: np.dtype[np.void], query: LiteralString, values: Mapping[str, Any]
) -> NDArray[np.void]:
    """Return the rows of a query as an array; its columns are of the dtype's types, none is null.

    A float is a timestamptz, as Unix seconds; infinity is NaN.

    Raises
    ------
    ValueError
        When a column of the answer has another width, or a value is null.
    """
    with db.cursor() as cursor, cursor.copy(
        f"COPY ({query}) TO STDOUT (FORMAT BINARY)", values
    ) as copy:  # fmt: skip
        data = b"".join(bytes(part) for part in copy)
    # PostgreSQL, COPY, binary format: a header of 19 bytes, per row the count of fields, per
    # field its length and its big-endian bytes, at the end a count of -1
    fields: list[tuple[str, str]] = [("", ">i2")]
    for name in dtype.names or ():
        kind = ">i8" if dtype[name].kind == "f" else dtype[name].newbyteorder(">").str
        fields += [(f"length of {name}", ">i4"), (name, kind)]
    wire = np.dtype([(name or "fields", kind) for name, kind in fields])
    body = len(data) - _HEADER - _TRAILER
    if body % wire.itemsize:
        raise ValueError("a column has another width than it should, or a value is null")
    found = np.frombuffer(data, dtype=wire, count=body // wire.itemsize, offset=_HEADER)
    out = np.empty(len(found), dtype=dtype)
    for name in dtype.names or ():
        if not np.all(found[f"length of {name}"] == dtype[name].itemsize):
            raise ValueError(f"{name} has another width than it should, or is null")
        out[name] = found[name] if dtype[name].kind != "f" else _seconds(found[name])
    return out


def _seconds(instants: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return Unix seconds of instants as PostgreSQL keeps them: microseconds since 2000."""
    infinite = instants == np.iinfo(np.int64).max
    return np.where(infinite, np.nan, instants / 1e6 + _Y2K)


_HEADER, _TRAILER = 19, 2
_Y2K = datetime(2000, 1, 1, tzinfo=UTC).timestamp()


def _record(db: Connection, first: date, last: date, *, rules: Sequence[str] = ()) -> Record:
    _steady(db)
    around = _around(first, last)
    known = sorted({*rules, *(r[0] for r in db.execute(_RULES, around).fetchall())})
    alerts = rows(db, ALERT, _ALERTS, {
        **around, "severities": _SEVERITIES, "rules": known, "classes": list(_CLASSES),
        "dispositions": list(DISPOSITIONS), "hospital": list(HOSPITAL),
    })  # fmt: skip
    events = np.empty(0, dtype=EVENT)
    if len(alerts):
        events = rows(db, EVENT, _EVENTS, {
            "severities": _SEVERITIES, "kinds": list(KINDS),
            "numbers": list(range(len(KINDS))),
            "lowest": int(alerts["no"][0]), "highest": int(alerts["no"][-1]),
        })  # fmt: skip
        place = np.searchsorted(alerts["no"], events["alert"])
        events = events[alerts["no"][np.minimum(place, len(alerts) - 1)] == events["alert"]]
    return Record(alerts=alerts, events=events, rules=known, classes=_CLASSES, names=_names(db))


def _steady(db: Connection) -> None:
    """Let every statement of the transaction see the same moment, and none change anything."""
    db.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    db.execute(_PATIENCE)
    db.execute(_ROOM)


def _around(first: date, last: date) -> dict[str, Any]:
    """Return the local days, and instants between which they lie on every clock."""
    begin = datetime.combine(first, datetime.min.time(), UTC)
    end = datetime.combine(last, datetime.min.time(), UTC)
    return {
        "first": first, "last": last, "after": begin - timedelta(days=1),
        "before": end + timedelta(days=2),
    }  # fmt: skip


def _names(db: Connection) -> dict[str, dict[int, str]]:
    return {kind: dict(db.execute(query).fetchall()) for kind, query in _NAMES.items()}


def day_number(day: date) -> int:
    """Return a local day as measures count it. [days since 1970]"""
    return (day - _EPOCH).days
