"""Who and where, for lists of alerts: names, telephone numbers and places, many at a time."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from psycopg.rows import class_row

from ingest.storage import pool as pools


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """A person as a list of alerts shows them."""

    no: int
    name: str
    phone: str | None
    communication: str | None
    home_no: int
    home_id: str
    site_id: str
    contact_name: str | None
    contact_relation: str | None
    contact_phone: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dwelling:
    """A home as a list of alerts shows it."""

    no: int
    id: str
    site_id: str
    site_name: str
    address: bytes | None = None  # encrypted


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceName:
    """A device by its names."""

    no: int
    site_id: str
    name: str
    kind: str


class Board:
    """One query for each kind of thing, however long the list. Safe for many threads."""

    def __init__(self, pool: pools.Pool) -> None:
        self._pool = pool

    def people(self, nos: Collection[int]) -> dict[int, Face]:
        """Return people by number, each with the first contact in ringing order."""
        if not nos:
            return {}
        with (
            pools.store_errors(),
            self._pool.connection() as db,
            db.cursor(row_factory=class_row(Face)) as rows,
        ):
            rows.execute(
                "SELECT p.no, p.name, p.phone, p.communication, h.no AS home_no,"
                " h.id AS home_id, s.id AS site_id, c.name AS contact_name,"
                " c.relation AS contact_relation, c.phone AS contact_phone"
                " FROM ingest.person p JOIN ingest.home h ON h.no = p.home_no"
                " JOIN ingest.site s ON s.no = h.site_no"
                " LEFT JOIN LATERAL (SELECT name, relation, phone FROM ingest.contact"
                "   WHERE person_no = p.no ORDER BY rank LIMIT 1) c ON true"
                " WHERE p.no = ANY(%s)",
                [list(nos)],
            )
            return {face.no: face for face in rows}

    def homes(self, nos: Collection[int]) -> dict[int, Dwelling]:
        """Return homes by number."""
        if not nos:
            return {}
        with (
            pools.store_errors(),
            self._pool.connection() as db,
            db.cursor(row_factory=class_row(Dwelling)) as rows,
        ):
            rows.execute(
                "SELECT h.no, h.id, s.id AS site_id, s.name AS site_name, h.address"
                " FROM ingest.home h JOIN ingest.site s ON s.no = h.site_no WHERE h.no = ANY(%s)",
                [list(nos)],
            )
            return {home.no: home for home in rows}

    def devices(self, nos: Collection[int]) -> dict[int, DeviceName]:
        """Return devices by number."""
        if not nos:
            return {}
        with (
            pools.store_errors(),
            self._pool.connection() as db,
            db.cursor(row_factory=class_row(DeviceName)) as rows,
        ):
            rows.execute(
                "SELECT d.no, s.id AS site_id, d.name, d.kind FROM ingest.device d"
                " JOIN ingest.site s ON s.no = d.site_no WHERE d.no = ANY(%s)",
                [list(nos)],
            )
            return {device.no: device for device in rows}
