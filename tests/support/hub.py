"""The hub's roles as real processes, started, stopped and killed one by one; and who feeds them.

Unlike `tests.support.whole_hub`, where ``telecare up`` looks after everything, a test here holds
each process itself, so that it can take any of them away.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import psutil
import psycopg
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from psycopg import sql

from api.embedded import child
from tests.support import waiting
from tests.support.broker import Broker
from tests.support.folders import short_folder

ROOT = Path(__file__).parents[2]
SITE = "maple-court"
TEAMS = ("district_nursing", "telecare_operator", "equipment")
_RUNNING: list[Hub] = []


class Process:
    """One role as a process of its own; what it writes is kept in a file."""

    def __init__(self, name: str, environment: dict[str, str], folder: Path) -> None:
        self.name = name
        self._log = folder / f"{name}-{secrets.token_hex(3)}.log"
        self._popen = child.start(
            [sys.executable, "-m", name],
            log=self._log,
            death=signal.SIGKILL,
            environment=environment,
            folder=folder,
        )

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def running(self) -> bool:
        return self._popen.poll() is None

    @property
    def memory(self) -> int:
        """Resident memory. [byte]"""
        return int(psutil.Process(self.pid).memory_info().rss)

    def kill(self) -> None:
        """Kill it as the kernel does a process that used too much memory."""
        self._popen.kill()
        self._popen.wait(10)

    def stop(self) -> int:
        """Ask it to end and return its exit code."""
        self._popen.send_signal(signal.SIGTERM)
        return self._popen.wait(30)

    def close(self) -> None:
        """End it, whatever it is doing."""
        if self.running:
            child.stop(self._popen, gently=signal.SIGTERM, patience=15)

    def said(self, lines: int = 60) -> str:
        """Return the end of what it wrote."""
        written = self._log.read_text(errors="replace").splitlines()
        ended = "still running" if self.running else f"ended with {self._popen.returncode}"
        return "\n".join([*written[-lines:], f"({self.name} {self.pid} {ended})"])


class Hub:
    """Any number of gateways and alerts processes on one database and one broker."""

    def __init__(self, folder: Path, database_url: str, broker: Broker) -> None:
        self.broker = broker
        self.database_url = database_url
        self.processes: list[Process] = []
        self._folder = folder
        self._secret = secrets.token_urlsafe(48)
        self._db: psycopg.Connection[Any] | None = None

    # -- processes --------------------------------------------------------------------------

    def gateway(self, **settings: object) -> Process:
        """Start a gateway; settings by their field names."""
        return self._start("gateway", settings)

    def alerts(self, **settings: object) -> Process:
        """Start an alerts process."""
        return self._start("alerts", settings)

    def living(self, name: str) -> list[Process]:
        return [p for p in self.processes if p.name == name and p.running]

    def ready(self, timeout: float = 45.0) -> None:
        """Wait until each slot is served by a gateway that hears its own probe."""
        waiting.until(self._listening, "every slot is served and hears its probe", timeout=timeout)

    def close(self) -> None:
        for process in self.processes:
            process.close()
        if self._db is not None:
            self._db.close()

    def _start(self, name: str, settings: dict[str, object]) -> Process:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("TELECARE_", "PG"))}
        environment = {
            **clean,
            "PYTHONPATH": str(ROOT),
            "TELECARE_DATABASE_URL": self.database_url,
            "TELECARE_MQTT_URL": self.broker.hub_url,
            "TELECARE_SECRET_KEY": self._secret,
            **{f"TELECARE_{k.upper()}": str(v) for k, v in settings.items()},
        }
        process = Process(name, environment, self._folder)
        self.processes.append(process)
        return process

    def _listening(self) -> bool:
        pids = {str(p.pid) for p in self.living("gateway")}
        slots = self.rows("SELECT holder, probed_at > connected_at FROM ingest.slot")
        return len(slots) >= _SLOTS and all(
            heard and str(holder).rpartition(":")[2] in pids for holder, heard in slots
        )

    # -- what is stored ---------------------------------------------------------------------

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask the database; a session that an outage ended is opened again."""
        try:
            return self._asked(query, values)
        except psycopg.OperationalError:
            self._db = None
            return self._asked(query, values)

    def one(self, query: str, *values: Any) -> Any:
        """Return the single value of a query."""
        ((value,),) = self.rows(query, *values)
        return value

    def count(self, source: str, *values: Any) -> int:
        """Return how many rows there are, of ``table WHERE ...``."""
        return int(self.one(f"SELECT count(*) FROM {source}", *values))

    def _asked(self, query: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        if self._db is None or self._db.closed:
            self._db = psycopg.connect(self.database_url, autocommit=True)
        cursor = self._db.execute(sql.SQL(query), values)  # type: ignore[arg-type]  # a test's own
        return cursor.fetchall() if cursor.description else []

    def readings(self) -> Counter[tuple[str, int]]:
        """Return how often each reading is stored, by device and time [us]."""
        return Counter(
            self.rows(
                "SELECT d.name, (extract(epoch FROM o.time) * 1000000)::bigint"
                " FROM ingest.observation o JOIN ingest.device d ON d.no = o.device_no"
            )
        )

    def alarm(self, alarm_id: str) -> tuple[Any, ...] | None:
        """Return an alarm's quantity, number of repeats and flags."""
        found = self.rows(
            "SELECT quantity, repeats, flags FROM ingest.alarm WHERE alarm_id = %s", alarm_id
        )
        return found[0] if found else None

    def said(self) -> str:
        """Return the end of every log."""
        parts = [f"--- {p.name} {p.pid}\n{p.said()}" for p in self.processes]
        return "\n".join([*parts, f"--- broker\n{child.tail(self.broker.server.log, 20)}"])

    # -- the register -----------------------------------------------------------------------

    def register(self, *devices: str, kind: str = "oximeter", notify: bool = True) -> None:
        """Register devices of one site, each worn by a person in a home of their own."""
        self.rows(
            "INSERT INTO ingest.site (id, name) VALUES (%s, 'Site') ON CONFLICT DO NOTHING", SITE
        )
        for team in TEAMS:
            self.rows(
                "INSERT INTO alerts.team (id, name, kind) VALUES (%s, %s, %s)"
                " ON CONFLICT DO NOTHING",
                team.replace("_", "-"), f"Team {team}", team,
            )  # fmt: skip
        self.rows(
            """
            WITH said AS (SELECT n.name, s.no AS site_no FROM unnest(%s::text[]) AS n (name),
                          ingest.site s WHERE s.id = %s),
            home AS (INSERT INTO ingest.home (id, site_no)
                     SELECT 'home-' || name, site_no FROM said RETURNING no, id),
            person AS (INSERT INTO ingest.person (id, home_no, name)
                       SELECT 'person-' || substr(id, 6), no, 'Somebody' FROM home
                       RETURNING no, id, home_no),
            device AS (INSERT INTO ingest.device (site_no, name, kind)
                       SELECT site_no, name, %s FROM said RETURNING no, name)
            INSERT INTO ingest.assignment (device_no, person_no, home_no, starts)
            SELECT d.no, p.no, p.home_no, '2020-01-01' FROM device d
            JOIN person p ON p.id = 'person-' || d.name
            """,
            list(devices), SITE, kind,
        )  # fmt: skip
        if notify:
            self.rows("NOTIFY ingest_register")


_SLOTS = 4  # an event slot, two for readings, one for status


class Link:
    """A connection with a broker account, kept up through outages, that knows what was taken.

    What the broker has not acknowledged is sent again after a reconnection, as a device does.
    """

    def __init__(
        self, broker: Broker, user: str, *, hears: Iterable[str] = (),
        will: tuple[str, bytes] | None = None,
    ) -> None:  # fmt: skip
        self.user = user
        self.heard: list[paho.MQTTMessage] = []
        self.taken_at: dict[int, float] = {}  # when (monotonic) each publish was acknowledged
        self.refused: dict[int, str] = {}
        self._hears = list(hears)
        self._open: dict[int, int] = {}  # packet identifier -> number of the publish
        self._early: dict[int, tuple[float, str]] = {}
        self._numbers = iter(range(1, 1 << 62))
        self._lock = threading.Lock()
        self._up = threading.Event()
        self.on_message: Callable[[paho.MQTTMessage], None] = self.heard.append
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        password = broker.server.hub_password if user == "hub" else broker.passwords[user]
        self._client.username_pw_set(user, password)
        if will is not None:
            self._client.will_set(*will, qos=1, retain=True)
        self._client.max_inflight_messages_set(500)
        self._client.reconnect_delay_set(0.2, 1)  # type: ignore[arg-type]  # fractions do work
        self._client.on_connect = self._connected
        self._client.on_subscribe = lambda *_: self._up.set()
        self._client.on_publish = self._taken
        self._client.on_message = lambda _c, _u, message: self.on_message(message)
        self._client.connect(broker.host, broker.port, keepalive=10)
        self._client.loop_start()
        assert self._up.wait(20), f"the broker did not let {user} in"

    def publish(
        self, topic: str, payload: bytes | str, *, retain: bool = False,
        answer_to: str | None = None, correlation: bytes = b"", content_type: str | None = None,
    ) -> int:  # fmt: skip
        """Publish at QoS 1 and return the number by which `taken_at` knows it."""
        properties = Properties(PacketTypes.PUBLISH)
        if answer_to is not None:
            properties.ResponseTopic = answer_to
            properties.CorrelationData = correlation
        if content_type is not None:
            properties.ContentType = content_type
        number = next(self._numbers)
        mid = self._client.publish(topic, payload, qos=1, retain=retain, properties=properties).mid
        with self._lock:
            early = self._early.pop(mid, None)  # the answer may be quicker than we are
            if early is None:
                self._open[mid] = number
            else:
                self._note(number, *early)
        return number

    def settled(self, timeout: float = 60.0) -> None:
        """Wait until the broker has acknowledged everything."""
        waiting.until(
            lambda: not self._open, f"the broker took all of {self.user}", timeout=timeout
        )

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def vanish(self) -> None:
        """Break off without a word, so that the broker sends the last will."""
        self._client.reconnect_delay_set(3600, 3600)
        sock = self._client.socket()
        if sock is not None:
            sock.close()
        self._client.loop_stop()

    def _connected(self, client: paho.Client, *_: Any) -> None:
        if self._hears:
            client.subscribe([(topic, 1) for topic in self._hears])
        else:
            self._up.set()

    def _taken(self, _c: Any, _u: Any, mid: int, reason: Any, _p: Any) -> None:
        word = (time.monotonic(), str(reason) if reason is not None and reason.is_failure else "")
        with self._lock:
            number = self._open.pop(mid, None)
            if number is None:
                self._early[mid] = word
            else:
                self._note(number, *word)

    def _note(self, number: int, at: float, refused: str) -> None:
        if refused:
            self.refused[number] = refused
        else:
            self.taken_at[number] = at


class Load:
    """Devices of a site that send readings at a steady rate, each unlike any other.

    ``sent`` holds every reading given to the connection, by publish; the broker's word on each is
    in ``link.taken_at``.
    """

    def __init__(
        self, link: Link, devices: Sequence[str], *, rate: float = 200.0, records: int = 3
    ) -> None:
        self.link = link
        self.sent: dict[int, list[tuple[str, int]]] = {}
        self._devices = devices
        self._rate = rate
        self._records = records
        self._began = round(time.time() * 1000) - 600_000
        self._count = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)

    def start(self) -> Load:
        self._thread.start()
        return self

    def stop(self) -> None:
        """Send no more and wait until the broker has taken all of it."""
        self.stop_now()
        self.link.settled()

    def stop_now(self) -> None:
        """Send no more."""
        self._stop.set()
        self._thread.join(30)

    def readings(self) -> set[tuple[str, int]]:
        """Return every reading sent, by device and time [us]."""
        return {reading for pack in list(self.sent.values()) for reading in pack}

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            self._send()
            due += 1 / self._rate
            self._stop.wait(max(0.0, due - time.monotonic()))

    def _send(self) -> None:
        device = self._devices[self._count % len(self._devices)]
        pack, keys = [], []
        for _ in range(self._records):
            self._count += 1
            ms = self._began + self._count
            pack.append({"n": "heart_rate", "u": "/min", "v": 60 + self._count % 30, "t": ms / 1e3})
            keys.append((device, ms * 1000))
        topic = f"telecare/v1/{SITE}/{device}/obs"
        self.sent[self.link.publish(topic, json.dumps(pack))] = keys


class Pendants:
    """Alarm devices that repeat an alarm, same id and time, until its receipt says "received"."""

    def __init__(self, broker: Broker, *, repeat: float | None = 2.0) -> None:
        self.pressed: dict[str, float] = {}  # alarm id -> when it was first sent (monotonic)
        self.receipts: dict[tuple[str, str], float] = {}  # (alarm id, state) -> when it came
        self._packs: dict[str, tuple[str, str]] = {}
        self._repeat = repeat
        self._out = Link(broker, f"{SITE}/onboarding")
        self._in = Link(broker, "hub", hears=["telecare/v1/+/+/receipt"])
        self._in.on_message = self._heard
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pendants", daemon=True)
        self._thread.start()

    def press(self, device: str, name: str = "sos") -> str:
        """Press one and return the alarm's id."""
        alarm_id = f"{device}-{secrets.token_hex(4)}"
        body = json.dumps([{"n": name, "vb": True, "t": time.time(), "alarm_id": alarm_id}])
        topic = f"telecare/v1/{SITE}/{device}/event"
        self._packs[alarm_id] = (topic, body)
        self.pressed[alarm_id] = time.monotonic()
        self._out.publish(topic, body)
        return alarm_id

    def told(self, alarm_id: str, state: str = "received") -> bool:
        return (alarm_id, state) in self.receipts

    def all_told(self) -> bool:
        return all(self.told(alarm_id) for alarm_id in list(self.pressed))

    def waits(self) -> list[float]:
        """Return for each alarm how long its receipt took. [s]"""
        return [self.receipts[a, "received"] - at for a, at in self.pressed.items()]

    def close(self) -> None:
        self._stop.set()
        self._thread.join(10)
        self._out.close()
        self._in.close()

    def _run(self) -> None:
        last = time.monotonic()
        while not self._stop.wait(0.1):
            if self._repeat is None or time.monotonic() - last < self._repeat:
                continue
            last = time.monotonic()
            for alarm_id, (topic, body) in list(self._packs.items()):
                if not self.told(alarm_id) and last - self.pressed[alarm_id] >= self._repeat:
                    self._out.publish(topic, body)

    def _heard(self, message: paho.MQTTMessage) -> None:
        body = json.loads(message.payload)
        self.receipts.setdefault((body["alarm"], body["state"]), time.monotonic())


def topic(device: str, tail: str) -> str:
    """Return a device's topic."""
    return f"telecare/v1/{SITE}/{device}/{tail}"


@contextmanager
def running(database_url: str) -> Iterator[Hub]:
    """Give a hub with a broker of its own and no process yet; all is ended with the block."""
    with short_folder("tc-e2e-") as folder:
        broker = Broker(folder / "mq")
        broker.start()
        hub = Hub(folder, database_url, broker)
        _RUNNING.append(hub)
        try:
            broker.add(f"{SITE}/onboarding")
            yield hub
        finally:
            _RUNNING.remove(hub)
            hub.close()
            broker.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the processes said when a test failed; imported by the folders that use hubs."""
    report = yield
    if report.failed:
        report.sections += [("the hub's logs", hub.said()) for hub in _RUNNING]
    return report
