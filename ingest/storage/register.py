"""The register as it is read and changed one by one: people, homes, devices, who has which."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, LiteralString, TypeVar

from psycopg.rows import dict_row

from ingest.kernel import broker_password, conditions, errors, ids, registration, vitals
from ingest.kernel.device import Assignment as Span
from ingest.kernel.device import Device as StreamDevice
from ingest.kernel.registration import Contact, Limit, Problem, Trigger, TriggerCheck
from ingest.storage import pool as pools
from ingest.storage import register_load
from ingest.storage.vault import Vault

Key = tuple[str, str]
"""A device as the wire names it: site and device."""

T = TypeVar("T")

_LEAD = timedelta(days=1)  # unsourced: the age from which the hub takes readings for history
_BY_API = registration.Origin(file="", line=0)


class RefusedError(errors.HubError):
    """The register can't take this."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__()
        self.problems = tuple(problems)


class UnknownError(errors.HubError):
    """There is no such {kind} in the register."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who is looked after."""

    no: int
    id: str  # the register's own
    name: str = field(repr=False)
    nhs_number: str | None = field(repr=False)
    born: date | None = field(repr=False)
    phone: str | None = field(repr=False)
    language: str
    communication: str | None
    home_no: int
    home: str
    site: str
    timezone: str
    area_no: int | None  # of the site
    practice: str | None
    practice_name: str | None
    scale2: bool
    on_oxygen: bool
    pregnant: bool
    limits: Mapping[str, Limit]
    conditions: tuple[str, ...] = field(repr=False)
    risk_band: str | None = field(repr=False)  # None: not assessed
    triggers: tuple[Trigger, ...] = field(repr=False)
    contacts: tuple[Contact, ...] = field(repr=False)  # in ringing order
    registered_at: datetime


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a professional judged of somebody's risk; without a band it was taken back."""

    at: datetime
    by: str
    band: str | None
    model_band: str | None  # what the model said then
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """A person's band of risk, and where it comes from."""

    band: str | None  # that counts; None: not assessed
    model_band: str | None
    judged: bool
    judgements: tuple[Judgement, ...]  # newest first


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonChange:
    """What to change about a person: None leaves it, an empty text clears it."""

    home: str | None = None
    name: str | None = None
    nhs_number: str | None = None
    born: date | None = None
    phone: str | None = None
    language: str | None = None
    communication: str | None = None
    practice: str | None = None
    scale2: bool | None = None
    on_oxygen: bool | None = None
    pregnant: bool | None = None
    contacts: tuple[Contact, ...] | None = None  # replaces them all
    limits: Mapping[str, Limit] | None = None  # replaces them all
    conditions: tuple[str, ...] | None = None  # replaces them all
    risk_band: str | None = None
    triggers: tuple[Trigger, ...] | None = None  # replaces them all


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A dwelling, without how to get in."""

    no: int
    id: str
    site: str
    site_no: int
    people: int
    devices: int  # at present


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where a home is and how to get in, decrypted for somebody who has to go there."""

    address: str | None = field(repr=False)
    access_notes: str | None = field(repr=False)
    key_safe: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """From when to when a device is whose; no end: still."""

    person_no: int | None
    person: str | None
    home_no: int
    home: str
    starts: datetime
    ends: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What a device last said of itself."""

    state: str
    seen_at: datetime
    at: datetime | None
    battery: float | None
    rssi: float | None
    firmware: str | None
    cadence: Mapping[str, float] | None  # as the device says it, against the register's
    clock_skew_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A registered device."""

    no: int
    site: str
    name: str
    kind: str
    model: str | None
    place: str | None  # the room it is in
    cadence: Mapping[str, float]
    has_credentials: bool
    registered_at: datetime
    test_until: datetime | None  # while it is being tested: presses page nobody
    test_by: str | None
    assignments: tuple[Assignment, ...]  # newest first
    state: State | None  # None: never heard of


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a device signs in to the broker with. Told once: only a hash is kept."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A device that speaks and is not registered."""

    site: str
    device: str
    messages: int
    first_seen_at: datetime
    last_seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A site and how much there is at it."""

    no: int
    id: str
    name: str
    area: str | None
    timezone: str
    homes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """An area or a practice."""

    no: int
    id: str
    name: str
    area: str | None


_RISK = "SELECT risk_band, model_band, judged FROM ingest.person WHERE no = %s"
_JUDGEMENTS = """
SELECT at, by, band, model_band, reason FROM ingest.risk_judgement WHERE person_no = %s
ORDER BY no DESC
"""
_JUDGE = """
UPDATE ingest.person SET judged = %(band)s::text IS NOT NULL,
    risk_band = coalesce(%(band)s::text, model_band)
WHERE no = %(no)s
"""
_JUDGED = """
INSERT INTO ingest.risk_judgement (person_no, at, by, band, model_band, reason)
SELECT no, %s, %s, %s, model_band, %s FROM ingest.person WHERE no = %s
"""
_PERSON = """
SELECT p.no, p.id, p.name, p.nhs_number, p.born, p.phone, p.language, p.communication,
       p.home_no, h.id AS home, s.id AS site, s.timezone, s.area_no,
       r.id AS practice, r.name AS practice_name,
       p.scale2, p.on_oxygen, p.pregnant, p.limits, p.conditions, p.risk_band, p.triggers,
       p.registered_at,
       coalesce((SELECT jsonb_agg(jsonb_build_object(
                     'name', c.name, 'relation', c.relation, 'phone', c.phone,
                     'told', c.told) ORDER BY c.rank)
                 FROM ingest.contact c WHERE c.person_no = p.no), '[]') AS contacts
FROM ingest.person p
JOIN ingest.home h ON h.no = p.home_no
JOIN ingest.site s ON s.no = h.site_no
LEFT JOIN ingest.practice r ON r.no = p.practice_no
"""

_DEVICE = """
SELECT d.no, s.id AS site, d.name, d.kind, d.model, d.place, d.cadence,
       d.password_hash IS NOT NULL AS has_credentials, d.registered_at,
       t.state, t.seen_at, t.at, t.battery, t.rssi, t.firmware,
       t.cadence AS own_cadence, t.clock_skew_s, x.until AS test_until, x.by AS test_by
FROM ingest.device d
JOIN ingest.site s ON s.no = d.site_no
LEFT JOIN ingest.device_state t ON t.device_no = d.no
LEFT JOIN LATERAL (SELECT until, by FROM ingest.device_test
    WHERE device_no = d.no AND ended_at IS NULL AND until > now()
    ORDER BY no DESC LIMIT 1) x ON true
"""

_ASSIGNMENTS = """
SELECT a.device_no, a.person_no, p.id AS person, a.home_no, h.id AS home, a.starts,
       nullif(a.ends, 'infinity') AS ends
FROM ingest.assignment a
JOIN ingest.home h ON h.no = a.home_no
LEFT JOIN ingest.person p ON p.no = a.person_no
WHERE a.device_no = ANY(%s)
ORDER BY a.starts DESC
"""

_FOR_STREAM = """
SELECT s.id, d.name, d.no, d.kind, extract(epoch FROM a.starts)::float8,
       extract(epoch FROM a.ends)::float8, coalesce(a.person_no, 0), a.home_no
FROM unnest(%s::text[], %s::text[]) AS k (site, name)
JOIN ingest.site s ON s.id = k.site
JOIN ingest.device d ON d.site_no = s.no AND d.name = k.name
LEFT JOIN ingest.assignment a ON a.device_no = d.no
ORDER BY d.no, a.starts DESC
"""

_WAITING = """
SELECT q.site, q.device, sum(q.times)::bigint AS messages,
       min(q.received_at) AS first_seen_at, max(q.last_received_at) AS last_seen_at
FROM ingest.quarantine q
WHERE q.state = 'waiting' AND q.reason = 'unregistered' AND (q.site, q.device) > (%s, %s)
  AND NOT EXISTS (SELECT FROM ingest.device d JOIN ingest.site s ON s.no = d.site_no
                  WHERE s.id = q.site AND d.name = q.device)
GROUP BY q.site, q.device ORDER BY q.site, q.device LIMIT %s
"""


def devices_for(db: pools.Connection, keys: Sequence[Key]) -> dict[Key, StreamDevice]:
    """Return the registered devices among many keys, with one query, newest assignment first."""
    if not keys:
        return {}
    with pools.store_errors():
        rows = db.execute(_FOR_STREAM, [[k[0] for k in keys], [k[1] for k in keys]]).fetchall()
    heads: dict[Key, tuple[int, str]] = {}
    spans: dict[Key, list[Span]] = {}
    for site, name, no, kind, start, end, person_no, home_no in rows:
        key = (site, name)
        heads[key] = (no, kind)
        of_device = spans.setdefault(key, [])
        if start is not None:
            of_device.append(Span(start=start, end=end, person_no=person_no, dwelling_no=home_no))
    return {
        key: StreamDevice(no=no, site=key[0], name=key[1], kind=kind, assignments=tuple(spans[key]))
        for key, (no, kind) in heads.items()
    }


def queue_registered(db: pools.Connection) -> int:
    """Queue what was quarantined just while its device was being registered; return how much."""
    with pools.store_errors(), db.transaction():
        queued = db.execute(
            "UPDATE ingest.quarantine SET state = 'queued' WHERE no IN ("
            "SELECT q.no FROM ingest.quarantine q JOIN ingest.site s ON s.id = q.site"
            " JOIN ingest.device d ON d.site_no = s.no AND d.name = q.device"
            " WHERE q.state IN ('waiting', 'refused') AND q.reason = 'unregistered'"
            " ORDER BY q.no FOR UPDATE OF q)"
        ).rowcount
        if queued:
            db.execute("SELECT pg_notify('ingest_replay', '')")
    return queued


class RegisterStore:
    """Reads and single changes. Safe to use from many threads; each call is one transaction.

    Lists are ordered by number and go on after the last one seen. Every change is checked like a
    registration file: what is wrong with it comes as `RefusedError`, and nothing is changed.
    """

    def __init__(
        self, pool: pools.Pool, *, vault: Vault, check_trigger: TriggerCheck | None = None
    ) -> None:
        self._pool = pool
        self._vault = vault
        self._check_trigger = check_trigger

    @contextmanager
    def _session(self) -> Iterator[pools.Connection]:
        with pools.store_errors(), self._pool.connection() as db:
            yield db

    # -- people -------------------------------------------------------------------------------

    def person(self, no: int) -> Person | None:
        """Return one person."""
        return next(iter(self._people("WHERE p.no = %s", [no])), None)

    def people(self, nos: Iterable[int]) -> dict[int, Person]:
        """Return several people at once, by number."""
        found = self._people("WHERE p.no = ANY(%s)", [list(nos)])
        return {person.no: person for person in found}

    def person_by_id(self, register_id: str) -> Person | None:
        """Return the person of one of the register's own ids."""
        return next(iter(self._people("WHERE p.id = %s", [register_id])), None)

    def person_by_nhs_number(self, digits: str) -> Person | None:
        """Return the person who has an NHS number, given as ten digits."""
        return next(iter(self._people("WHERE p.nhs_number = %s", [digits])), None)

    def people_named(self, beginning: str, *, limit: int) -> list[Person]:
        """Return people one of whose names begins so, those of whom the first does in front."""
        like = _escaped(beginning.strip().lower())
        return self._people(
            "WHERE lower(p.name) LIKE %s || '%%' OR lower(p.name) LIKE '%% ' || %s || '%%'"
            " ORDER BY lower(p.name) NOT LIKE %s || '%%', lower(p.name), p.no LIMIT %s",
            [like, like, like, limit],
        )

    def people_of_home(self, home_no: int) -> list[Person]:
        """Return who lives in a home."""
        return self._people("WHERE p.home_no = %s ORDER BY p.no", [home_no])

    def people_after(self, no: int, *, limit: int) -> list[Person]:
        """Return a page of everybody."""
        return self._people("WHERE p.no > %s ORDER BY p.no LIMIT %s", [no, limit])

    def create_person(self, said: registration.Person) -> Person:
        """Register a person under an id that is not there yet."""
        self._check_plan(said)
        if self.person_by_id(said.id) is not None:
            raise RefusedError([_problem("id", f'person "{said.id}" is already registered')])
        self._load(registration.Registration(people=(said,)))
        return self._made(self.person_by_id(said.id))

    def change_person(self, no: int, change: PersonChange) -> Person:
        """Change what is given.

        Raises
        ------
        UnknownError
            When there is no such person.
        RefusedError
            When the number is another's, or the home is not there.
        """
        now = self.person(no)
        if now is None:
            raise UnknownError(kind="person")
        self._check_plan(change)
        self._load(
            registration.Registration(
                people=(
                    registration.Person(
                        id=now.id,
                        home=change.home or now.home,
                        name=change.name or now.name,
                        nhs_number=change.nhs_number,
                        born=change.born,
                        phone=change.phone,
                        language=change.language,
                        communication=change.communication,
                        practice=change.practice,
                        scale2=change.scale2,
                        on_oxygen=change.on_oxygen,
                        pregnant=change.pregnant,
                        contacts=change.contacts,
                        limits=change.limits,
                        conditions=change.conditions,
                        risk_band=change.risk_band,
                        triggers=change.triggers,
                        origin=_BY_API,
                    ),
                )
            )
        )
        return self._made(self.person(no))

    def risk(self, no: int) -> Risk | None:
        """Return a person's band of risk with every judgement of it, None for no such person."""
        with self._session() as db:
            row = db.execute(_RISK, [no]).fetchone()
            if row is None:
                return None
            judged = db.execute(_JUDGEMENTS, [no]).fetchall()
        return Risk(band=row[0], model_band=row[1], judged=row[2],
                    judgements=tuple(Judgement(*one) for one in judged))  # fmt: skip

    def judge_risk(self, no: int, *, band: str | None, by: str, reason: str, at: datetime) -> Risk:
        """Set a person's band by a professional's judgement, or with None take it back.

        The model's band stays beside it, and a later import changes that alone.

        Raises
        ------
        UnknownError
            When there is no such person.
        """
        with self._session() as db, db.transaction():
            if db.execute(_JUDGE, {"no": no, "band": band}).rowcount == 0:
                raise UnknownError(kind="person")
            db.execute(_JUDGED, [at, by, band, reason, no])
        found = self.risk(no)
        assert found is not None  # noqa: S101  (just judged)
        return found

    def _check_plan(self, said: registration.Person | PersonChange) -> None:
        """Refuse a care plan that a file could not set either."""
        problems = [
            *_wrong_limits(said.limits or {}),
            *_wrong_conditions(said.conditions or ()),
            *_wrong_triggers(said.triggers or (), self._check_trigger),
        ]
        if problems:
            raise RefusedError(problems)

    def _people(self, where: LiteralString, arguments: Sequence[Any]) -> list[Person]:
        with self._session() as db, db.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(_PERSON + where, arguments).fetchall()
        return [_person(row) for row in rows]

    # -- homes and what they are part of --------------------------------------------------------

    def home(self, no: int) -> Home | None:
        """Return one home."""
        return next(iter(self._homes("h.no = %s", [no])), None)

    def home_by_id(self, register_id: str) -> Home | None:
        """Return the home of one of the register's own ids."""
        return next(iter(self._homes("h.id = %s", [register_id])), None)

    def homes_after(self, no: int, *, limit: int, site: str | None = None) -> list[Home]:
        """Return a page of homes, of one site or of all."""
        return self._homes(
            "h.no > %s AND (%s::text IS NULL OR s.id = %s) ORDER BY h.no LIMIT %s",
            [no, site, site, limit],
        )

    def access(self, home_no: int) -> Access | None:
        """Decrypt where a home is and how to get in. Whoever asks should be on record.

        Raises
        ------
        WrongKeyError
            When TELECARE_SECRET_KEY is not the key that it was encrypted with.
        """
        with self._session() as db:
            row = db.execute(
                "SELECT address, access_notes, key_safe FROM ingest.home WHERE no = %s", [home_no]
            ).fetchone()
        if row is None:
            return None
        address, access_notes, key_safe = (self._vault.open(sealed) for sealed in row)
        return Access(address=address, access_notes=access_notes, key_safe=key_safe)

    def renew_encryption(self) -> int:
        """Encrypt everything with the newest key, so that older ones can be given up."""
        with self._session() as db:
            rows = db.execute(
                "SELECT no, address, access_notes, key_safe FROM ingest.home"
                " WHERE coalesce(address, access_notes, key_safe) IS NOT NULL FOR UPDATE"
            ).fetchall()
            with db.cursor() as cursor:
                cursor.executemany(
                    "UPDATE ingest.home SET address = %s, access_notes = %s, key_safe = %s"
                    " WHERE no = %s",
                    [
                        (*(s if s is None else self._vault.renew(s) for s in sealed), no)
                        for no, *sealed in rows
                    ],
                )
        return len(rows)

    def sites(self) -> list[Site]:
        """Return all sites."""
        with self._session() as db, db.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(
                "SELECT s.no, s.id, s.name, a.id AS area, s.timezone,"
                " (SELECT count(*) FROM ingest.home h WHERE h.site_no = s.no) AS homes"
                " FROM ingest.site s LEFT JOIN ingest.area a ON a.no = s.area_no ORDER BY s.no"
            ).fetchall()
        return [Site(**row) for row in rows]

    def areas(self) -> list[Named]:
        """Return all areas."""
        with self._session() as db, db.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(
                "SELECT no, id, name, NULL AS area FROM ingest.area ORDER BY no"
            ).fetchall()
        return [Named(**row) for row in rows]

    def practices(self) -> list[Named]:
        """Return all practices."""
        with self._session() as db, db.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(
                "SELECT r.no, r.id, r.name, a.id AS area FROM ingest.practice r"
                " LEFT JOIN ingest.area a ON a.no = r.area_no ORDER BY r.no"
            ).fetchall()
        return [Named(**row) for row in rows]

    def _homes(self, where: LiteralString, arguments: Sequence[Any]) -> list[Home]:
        query = (
            "SELECT h.no, h.id, s.id AS site, s.no AS site_no,"
            " (SELECT count(*) FROM ingest.person p WHERE p.home_no = h.no) AS people,"
            " (SELECT count(*) FROM ingest.assignment a WHERE a.home_no = h.no"
            " AND a.starts <= now() AND a.ends > now()) AS devices"
            " FROM ingest.home h JOIN ingest.site s ON s.no = h.site_no WHERE "
        )
        with self._session() as db, db.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(query + where, arguments).fetchall()
        return [Home(**row) for row in rows]

    # -- devices ------------------------------------------------------------------------------

    def device(self, no: int) -> Device | None:
        """Return one device."""
        return next(iter(self._devices("WHERE d.no = %s", [no])), None)

    def device_named(self, site: str, name: str) -> Device | None:
        """Return a device as the wire names it."""
        return next(iter(self._devices("WHERE s.id = %s AND d.name = %s", [site, name])), None)

    def devices(self, nos: Iterable[int]) -> dict[int, Device]:
        """Return several devices at once, by number."""
        return {d.no: d for d in self._devices("WHERE d.no = ANY(%s)", [list(nos)])}

    def devices_after(self, no: int, *, limit: int, site: str | None = None) -> list[Device]:
        """Return a page of devices, of one site or of all."""
        return self._devices(
            "WHERE d.no > %s AND (%s::text IS NULL OR s.id = %s) ORDER BY d.no LIMIT %s",
            [no, site, site, limit],
        )

    def devices_of_person(self, person_no: int) -> list[Device]:
        """Return what a person wears or uses at present."""
        return self._devices(
            "WHERE d.no IN (SELECT device_no FROM ingest.assignment WHERE person_no = %s"
            " AND starts <= now() AND ends > now()) ORDER BY d.no",
            [person_no],
        )

    def devices_of_home(self, home_no: int) -> list[Device]:
        """Return what there is in a home at present, shared or somebody's."""
        return self._devices(
            "WHERE d.no IN (SELECT device_no FROM ingest.assignment WHERE home_no = %s"
            " AND starts <= now() AND ends > now()) ORDER BY d.no",
            [home_no],
        )

    def create_device(
        self, said: registration.Device, *, credentials: bool = True
    ) -> tuple[Device, Credentials | None]:
        """Register a device; what it sent before is queued to be replayed.

        With ``credentials`` it gets a password of the hub's making, which is told here and never
        again.
        """
        _check_device(said)
        if self.device_named(said.site, said.id) is not None:
            raise RefusedError([_problem("device", f'device "{said.id}" is already registered')])
        made: Credentials | None = None
        password = said.password
        if credentials and password is None:
            password = broker_password.new()
            made = Credentials(username=f"{said.site}/{said.id}", password=password)
        self._load(
            registration.Registration(
                devices=(
                    registration.Device(
                        site=said.site,
                        id=said.id,
                        kind=said.kind,
                        model=said.model,
                        password=password,
                        cadence=said.cadence,
                        place=said.place,
                        assignments=said.assignments,
                        origin=said.origin,
                    ),
                )
            )
        )
        return self._made(self.device_named(said.site, said.id)), made

    def assign(self, device_no: int, assignment: registration.Assignment) -> Device:
        """Give a device to another person or home; the open assignment before it ends there."""
        now = self.device(device_no)
        if now is None:
            raise UnknownError(kind="device")
        self._load(
            registration.Registration(
                devices=(
                    registration.Device(
                        site=now.site,
                        id=now.name,
                        kind=now.kind,
                        model=None,
                        password=None,
                        cadence=None,
                        place=None,
                        assignments=(assignment,),
                        origin=assignment.origin,
                    ),
                )
            )
        )
        return self._made(self.device(device_no))

    def new_credentials(self, device_no: int) -> Credentials:
        """Give a device a new password, told here and never again; the old one ends.

        Raises
        ------
        UnknownError
            When there is no such device.
        """
        password = broker_password.new()
        with self._session() as db:
            row = db.execute(
                "UPDATE ingest.device d SET password_hash = %s FROM ingest.site s"
                " WHERE d.no = %s AND s.no = d.site_no RETURNING s.id, d.name",
                [broker_password.digest(password), device_no],
            ).fetchone()
            if row is None:
                raise UnknownError(kind="device")
            db.execute("SELECT pg_notify('ingest_credentials', '')")
        return Credentials(username=f"{row[0]}/{row[1]}", password=password)

    def waiting(self, *, after: Key = ("", ""), limit: int) -> list[Waiting]:
        """Return a page of devices that speak and are not registered, by site and name."""
        with self._session() as db, db.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(_WAITING, [*after, limit]).fetchall()
        return [Waiting(**row) for row in rows]

    def first_heard(self, site: str, device: str) -> datetime | None:
        """Return since when to adopt a device that waits: a day before it was first heard.

        What it sent was measured before it was received, by a hub that was offline long before.
        """
        with self._session() as db:
            row = db.execute(
                "SELECT min(received_at) FROM ingest.quarantine WHERE site = %s AND device = %s"
                " AND state = 'waiting'",
                [site, device],
            ).fetchone()
        return None if row is None or row[0] is None else row[0].astimezone(UTC) - _LEAD

    def _devices(self, where: LiteralString, arguments: Sequence[Any]) -> list[Device]:
        with self._session() as db, db.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(_DEVICE + where, arguments).fetchall()
            spans: dict[int, list[Assignment]] = {row["no"]: [] for row in rows}
            for span in cursor.execute(_ASSIGNMENTS, [list(spans)]).fetchall():
                spans[span.pop("device_no")].append(Assignment(**span))
        return [_device(row, spans[row["no"]]) for row in rows]

    # -- changes ------------------------------------------------------------------------------

    def _load(self, said: registration.Registration) -> None:
        with self._session() as db:
            report = register_load.load(db, said, vault=self._vault, check=False)
        if report.problems:
            raise RefusedError(report.problems)

    @staticmethod
    def _made(found: T | None) -> T:
        if found is None:  # somebody removed it between writing and reading
            raise UnknownError(kind="entry")
        return found


def broker_accounts(db: pools.Connection) -> list[tuple[str, str]]:
    """Return user names and password hashes of all devices and sites' onboarding accounts."""
    with pools.store_errors():
        rows = db.execute(
            "SELECT s.id || '/' || d.name, d.password_hash FROM ingest.device d"
            " JOIN ingest.site s ON s.no = d.site_no WHERE d.password_hash IS NOT NULL"
            " UNION ALL SELECT id || '/' || %s, onboarding_hash FROM ingest.site"
            " WHERE onboarding_hash IS NOT NULL ORDER BY 1",
            [registration.ONBOARDING],
        ).fetchall()
    return [(str(user), str(stored)) for user, stored in rows]


def new_person_id() -> str:
    """Return an id for a person who was registered without one."""
    letters = ids.token(24).lower()
    return "p-" + "".join(ch for ch in letters if ch.isalnum())[:20]


def _person(row: dict[str, Any]) -> Person:
    row["limits"] = {
        name: Limit(low=v.get("low"), high=v.get("high")) for name, v in row["limits"].items()
    }
    row["conditions"] = tuple(row["conditions"])
    row["triggers"] = tuple(
        Trigger(
            id=t["id"], title=t["title"], severity=t["severity"], when=t["when"],
            clear=t.get("clear"), lasting=t.get("for"),
        )
        for t in row["triggers"]
    )  # fmt: skip
    row["contacts"] = tuple(Contact(**contact) for contact in row["contacts"])
    return Person(**row)


def _device(row: dict[str, Any], spans: Sequence[Assignment]) -> Device:
    said = {
        key: row.pop(key)
        for key in ("state", "seen_at", "at", "battery", "rssi", "firmware", "clock_skew_s")
    }
    cadence = row.pop("own_cadence")
    state = None if said["state"] is None else State(**said, cadence=cadence)
    return Device(**row, assignments=tuple(spans), state=state)


def _wrong_limits(limits: Mapping[str, Limit]) -> Iterator[Problem]:
    for name, limit in limits.items():
        quantity = vitals.BY_NAME.get(name)
        wrong = (
            f"there is no measured quantity {name}"
            if quantity is None or quantity.kind is not vitals.ValueKind.NUMBER
            else registration.limit_problem(quantity, limit)
        )
        if wrong:
            yield Problem(file="", line=0, what=wrong, key=f"limits.{name}")


def _wrong_conditions(names: Sequence[str]) -> Iterator[Problem]:
    for i, name in enumerate(names):
        if name not in conditions.BY_NAME:
            yield Problem(
                file="", line=0, what="there is no such condition", key=f"conditions.{i}",
                allowed=f"allowed are {', '.join(conditions.BY_NAME)}",
            )  # fmt: skip


def _wrong_triggers(triggers: Sequence[Trigger], check: TriggerCheck | None) -> Iterator[Problem]:
    there: set[str] = set()
    for i, trigger in enumerate(triggers):
        if trigger.id in there:
            yield _problem(f"triggers.{i}.id", f'trigger "{trigger.id}" is given twice')
        there.add(trigger.id)
        wrong = check and registration.trigger_problem(trigger, check)
        if wrong:
            key, what = wrong
            yield Problem(file="", line=0, what=what, key=f"triggers.{i}.{key}")


def _check_device(said: registration.Device) -> None:
    """Refuse what a file could not register either."""
    problems = [
        Problem(file="", line=0, what=f"there is no quantity {name}", key=f"cadence.{name}")
        for name in said.cadence or ()
        if name not in vitals.BY_NAME
    ]
    if said.id == registration.ONBOARDING:
        problems.append(_problem("device", f'"{said.id}" is the account of waiting devices'))
    if problems:
        raise RefusedError(problems)


def _escaped(text: str) -> str:
    """Return text in which LIKE finds nothing but itself."""
    return text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")


def _problem(key: str, what: str) -> Problem:
    return Problem(file="", line=0, what=what, allowed="another id", key=key)
