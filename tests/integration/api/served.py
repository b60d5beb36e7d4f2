"""A real API server over a real database with a few people in it, for tests."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import httpx
import psycopg

from alerts import model, routing
from alerts.storage import alerts as alert_store
from api import main, security, settings
from api.storage import accounts
from ingest.kernel import clock as clocks
from ingest.kernel import registration, vitals
from ingest.storage import pool as pools
from ingest.storage import register_load, vault

SECRET = "for tests only: long enough to be taken as a key"
PASSWORD = "correct horse battery staple"
NHS_NUMBER = "9434765919"  # from NHS documentation: passes the check, nobody's
ROLES = ("nurse", "responder", "operator", "equipment", "admin")
_AT = registration.Origin(file="test", line=1)


@cache
def _password_hash() -> str:
    return security.Passwords().hash(PASSWORD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A server that answers, and what is in its database."""

    url: str
    database_url: str
    server: main.Server

    def client(self, role: str | None = None) -> httpx.Client:
        """Return a client, signed in where a role is given."""
        client = httpx.Client(base_url=self.url, timeout=10)
        if role is not None:
            client.headers["Authorization"] = f"Bearer {self.token(role)}"
        return client

    def token(self, role: str) -> str:
        """Sign in and return the token."""
        answer = httpx.post(
            f"{self.url}/api/v1/auth/token", data={"username": role, "password": PASSWORD}
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def person(self, register_id: str = "ada") -> str:
        """Return a person's public id."""
        return f"person_{self.value('SELECT no FROM ingest.person WHERE id = %s', register_id)}"

    def value(self, query: str, *arguments: Any) -> Any:
        """Return the first value of a query's answer."""
        with psycopg.connect(self.database_url) as db:
            row = db.execute(query, arguments).fetchone()  # type: ignore[arg-type]
        return row[0] if row else None

    def alert(
        self,
        *,
        title: str = "Fall",
        severity: str = "emergency",
        episode: str = "person:1/fall",
        register_id: str | None = "ada",
        kind: str = "district_nursing",
        rule: str = "telecare/fall",
    ) -> str:
        """Raise an alert as the rules do, and return its public id."""
        now = datetime.now(UTC)
        with pools.open_pool(self.database_url, name="test", most=1) as pool:
            store = alert_store.AlertStore(pool)
            person_no = home_no = None
            if register_id is not None:
                person_no = self.value("SELECT no FROM ingest.person WHERE id = %s", register_id)
                home_no = self.value("SELECT home_no FROM ingest.person WHERE id = %s", register_id)
            routed = store.route(
                routing.Request(
                    alert_class=model.AlertClass.TELECARE,
                    severity=model.Severity(severity),
                    kind=model.TeamKind(kind),
                    source=model.Source.DEVICE,
                    rule_id="fall",
                    now=now,
                    person_no=person_no,
                )
            )
            return store.open(
                model.Alert(
                    no=0,
                    episode=episode,
                    source=model.Source.DEVICE,
                    rule_id=rule,
                    rule_version="1.0.0",
                    severity=model.Severity(severity),
                    title=title,
                    reason="The fall detector in the hall says that somebody fell.",
                    evidence=(
                        {
                            "code": "fall",
                            "value": True,
                            "unit": "1",
                            "time": (now - timedelta(seconds=20)).isoformat(),
                        },
                    ),
                    person_no=person_no,
                    dwelling_no=home_no,
                    device_no=None,
                    site=None,
                    raised_at=now,
                    reading_at=now - timedelta(seconds=20),
                    late=False,
                    state=model.State.OPEN,
                    condition=model.Condition.ACTIVE,
                    team_no=routed.team.no,
                    routed_because=routed.because,
                )
            ).id


def seed(database_url: str) -> None:
    """Put a site, two homes, two people, devices, teams and one account per role in."""
    said = registration.Registration(
        areas=(registration.Area(id="north", name="North", origin=_AT),),
        practices=(
            registration.Practice(id="high-street", name="High Street", area="north", origin=_AT),
        ),
        teams=tuple(
            registration.Team(
                id=f"{kind.replace('_', '-')}-north",
                name=f"{kind.replace('_', ' ').capitalize()} north",
                kind=kind,
                area="north",
                phone="020 7946 0100",
                origin=_AT,
            )
            for kind in ("district_nursing", "telecare_operator", "equipment")
        ),
        sites=(
            registration.Site(
                id="maple-court",
                name="Maple Court",
                area="north",
                timezone="Europe/London",
                onboarding_password=None,
                origin=_AT,
            ),
        ),
        homes=tuple(
            registration.Home(
                id=f"maple-{n}",
                site="maple-court",
                address=f"{n} Maple Court",
                access_notes="Side door",
                key_safe="4711",
                origin=_AT,
            )
            for n in (1, 2)
        ),
        people=(
            _person("ada", "Ada Example", "maple-1", NHS_NUMBER),
            _person("bob", "Bob Sample", "maple-2", None),
        ),
        devices=(
            _device("oximeter-1", "oximeter", person="ada"),
            _device("pir-1", "motion", home="maple-1"),
        ),
    )
    with pools.connect(database_url, name="seed") as db:
        report = register_load.load(db, said, vault=vault.Vault(SECRET), check=False)
        assert not report.problems, report.problems
    with pools.open_pool(database_url, name="seed", most=1) as pool:
        staff = accounts.Accounts(pool)
        for role in ROLES:
            staff.add(
                username=role,
                name=f"{role.capitalize()} Person",
                role=role,
                password_hash=_password_hash(),
            )


def _person(register_id: str, name: str, home: str, number: str | None) -> registration.Person:
    return registration.Person(
        id=register_id,
        home=home,
        name=name,
        nhs_number=number,
        born=None,
        phone="020 7946 0000",
        language="en",
        communication="ring twice",
        practice="high-street",
        scale2=False,
        on_oxygen=False,
        pregnant=False,
        contacts=(
            registration.Contact(name="Joan Example", relation="daughter", phone="020 7946 0001"),
            registration.Contact(name="Neil Neighbour", relation=None, phone="020 7946 0002"),
        ),
        limits={},
        conditions=None,
        risk_band=None,
        triggers=None,
        origin=_AT,
    )


def _device(
    name: str, kind: str, *, person: str | None = None, home: str | None = None
) -> registration.Device:
    return registration.Device(
        site="maple-court",
        id=name,
        kind=kind,
        model=None,
        password=None,
        cadence={"spo2": 3600} if kind == "oximeter" else None,
        place=None,
        assignments=(
            registration.Assignment(person=person, home=home, start=None, end=None, origin=_AT),
        ),
        origin=_AT,
    )


def store_reading(
    database_url: str,
    *,
    at: datetime,
    value: float,
    quantity: str = "spo2",
    device: str = "oximeter-1",
    register_id: str = "ada",
    flags: int = 0,
) -> None:
    """Store a reading as the stream does."""
    with psycopg.connect(database_url) as db:
        db.execute(
            "INSERT INTO ingest.observation (time, received_at, device_no, quantity, part, value,"
            " flags, person_no, dwelling_no)"
            " SELECT %s, %s, d.no, %s, 0, %s, %s, p.no, p.home_no"
            " FROM ingest.device d, ingest.person p WHERE d.name = %s AND p.id = %s",
            [at, at, vitals.BY_NAME[quantity].no, value, flags, device, register_id],
        )


@contextmanager
def serving(database_url: str, **changed: Any) -> Iterator[Served]:
    """Run a server in a thread for the block, on a port of its own."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port = trial.getsockname()[1]
    config = settings.ApiSettings(
        _env_file=None,
        database_url=database_url,
        secret_key=SECRET,
        http_port=port,
        **changed,
    )
    server = main.server(config, clock=clocks.SystemClock())
    thread = threading.Thread(target=server.run, name="api-under-test")
    thread.start()
    try:
        wait = threading.Event()
        for _ in range(200):
            if server.started or not thread.is_alive():
                break
            wait.wait(0.05)
        assert server.started, "the server did not start"
        yield Served(url=f"http://127.0.0.1:{port}", database_url=database_url, server=server)
    finally:
        hub = getattr(server.config.app.state, "services", None)
        if hub is not None:
            hub.feed.close()
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive(), "the server did not stop"
