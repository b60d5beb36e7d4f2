"""What is known of a home that is being set up: its devices, its people, and how to get in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from ingest.storage import pool as pools

_HOME = """
SELECT h.no, h.id AS name, h.address IS NOT NULL AS address,
    h.access_notes IS NOT NULL OR h.key_safe IS NOT NULL AS way_in
FROM ingest.home h WHERE h.no = %s
"""
_PEOPLE = """
SELECT p.no, p.phone IS NOT NULL AS phone, p.limits <> '{}' OR p.risk_band IS NOT NULL AS plan,
    (SELECT count(*) FROM ingest.contact c WHERE c.person_no = p.no) AS contacts
FROM ingest.person p WHERE p.home_no = %s ORDER BY p.no
"""
_DEVICES = """
SELECT d.no, d.kind, t.battery,
    greatest(t.seen_at, (SELECT max(o.received_at) FROM ingest.observation o
        WHERE o.device_no = d.no AND o.time > now() - interval '31 days'), m.last) AS heard_at,
    (SELECT max(c.at) FROM alerts.test_call c WHERE c.device_no = d.no AND c.test_no IS NOT NULL)
        AS tested_at
FROM ingest.device d JOIN ingest.site s ON s.no = d.site_no
LEFT JOIN ingest.device_state t ON t.device_no = d.no
LEFT JOIN LATERAL (SELECT max(received_at) AS last FROM ingest.alarm
    WHERE site = s.id AND device = d.name) m ON true
WHERE d.no IN (SELECT device_no FROM ingest.assignment
    WHERE home_no = %s AND starts <= now() AND ends > now())
ORDER BY d.no
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A home, as far as getting in is concerned."""

    no: int
    name: str
    address: bool
    way_in: bool  # access notes or a key safe


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who lives there, as far as answering for them is concerned."""

    no: int
    phone: bool
    plan: bool  # limits or a risk band of their own
    contacts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device that is there now."""

    no: int
    kind: str
    battery: float | None
    heard_at: datetime | None
    tested_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """All of it."""

    home: Home
    people: tuple[Person, ...]
    devices: tuple[Device, ...]


class Commissioning:
    """Looks at homes. Safe for many threads."""

    def __init__(self, pool: pools.Pool) -> None:
        self._pool = pool

    def of_home(self, no: int) -> Setup | None:
        """Return what is known of a home, None when there is none of that number."""
        with pools.store_errors(), self._pool.connection() as db:
            home = db.cursor(row_factory=class_row(Home)).execute(_HOME, [no]).fetchone()
            if home is None:
                return None
            people = db.cursor(row_factory=class_row(Person)).execute(_PEOPLE, [no]).fetchall()
            devices = db.cursor(row_factory=class_row(Device)).execute(_DEVICES, [no]).fetchall()
        return Setup(home=home, people=tuple(people), devices=tuple(devices))
