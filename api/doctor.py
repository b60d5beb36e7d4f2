"""What ``telecare doctor`` looks at, each answered in plain words with the mend."""

from __future__ import annotations

import enum
import shutil
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from alerts import chain
from api import settings
from api.storage import examination
from ingest.kernel import clock, errors, ids


class Verdict(enum.Enum):
    """How something is."""

    GOOD = "ok"
    WARN = "note"
    BAD = "WRONG"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    verdict: Verdict
    what: str
    mend: str = ""

    def line(self) -> str:
        """Return it as it is printed: the mend stands on a line of its own."""
        text = f"{self.verdict.value:<6} {self.what}"
        return f"{text}\n       -> {self.mend}" if self.mend else text


_LEAST_FREE = 2 * 1024**3  # unsourced: room for about a day of a big site
_CLOCK_OFF_S = 2.0  # unsourced; late and future readings are judged in minutes
_LEAST_PACKET = 1_048_576  # contract: a 1 MB payload is answered, not cut off
_WAIT_S = 5.0
_DAYS = 7.0
"""How far back the history of alerts is checked where nothing else is asked for."""
_ROOT_LATE = timedelta(hours=2)
_SHOWN = 10


def examine(config: settings.ApiSettings, *, days: float | None = _DAYS) -> list[Finding]:
    """Look at everything that can be looked at from here.

    The history of alerts is checked as far back as ``days``, or all of it for None.
    """
    found = [_secret(config)]
    found += _database(config, days)
    found += _broker(config)
    found.append(_deadman(config))
    found.append(_disk(config.data_dir or Path.cwd()))
    return found


def _good(what: str) -> Finding:
    return Finding(verdict=Verdict.GOOD, what=what)


def _warn(what: str, mend: str) -> Finding:
    return Finding(verdict=Verdict.WARN, what=what, mend=mend)


def _bad(what: str, mend: str) -> Finding:
    return Finding(verdict=Verdict.BAD, what=what, mend=mend)


def _secret(config: settings.ApiSettings) -> Finding:
    try:
        config.require_secret()
    except errors.HubError as error:
        return _bad("secret key: none that can be used", str(error))
    return _good("secret key: set")


# -- the database


def _database(config: settings.ApiSettings, days: float | None) -> list[Finding]:
    try:
        url = config.require_database()
    except errors.HubError as error:
        return [_bad("database: no address", str(error))]
    try:
        with examination.Examination(url) as seen:
            found = list(_facts(seen, url))
            if not seen.pending():
                now = clock.SystemClock().now()
                since = None if days is None else now - timedelta(days=days)
                found += _history(seen, config, since=since, now=now)
            return found
    except errors.StoreUnavailableError as error:
        return [
            _bad(
                f"database: can't be reached ({error.data.get('detail')})",
                "check the address in TELECARE_DATABASE_URL, that the server runs, and its"
                " password",
            )
        ]


def _facts(seen: examination.Examination, url: str) -> Iterator[Finding]:
    yield _good(f"database: PostgreSQL {seen.version()}")
    pending = seen.pending()
    if pending:
        yield _bad(f"schema: {len(pending)} migrations are pending", "run telecare migrate")
    else:
        yield _good("schema: up to date")
        yield _good(f"store: {seen.level()}")
    for name, value in seen.durability().items():
        if value in examination.DURABLE[name]:
            yield _good(f"{name}: {value}")
        else:
            yield _bad(
                f"{name} is {value}: what was confirmed to a device can be lost in a crash",
                f"set {name} = {examination.DURABLE[name][0]} in postgresql.conf",
            )
    if seen.keeps_sessions():
        yield _good("sessions: advisory locks stay with their session")
    else:
        yield _bad(
            "sessions: a proxy deals transactions out over several sessions",
            "connect to PostgreSQL itself, or set the proxy's pool mode to session",
        )
    if seen.hears(url):
        yield _good("notifications: LISTEN hears NOTIFY")
    else:
        yield _bad(
            "notifications: LISTEN does not hear NOTIFY",
            "connect to PostgreSQL itself: a proxy in between keeps notifications back",
        )
    off = seen.offset_s(clock.SystemClock().now)
    if abs(off) <= _CLOCK_OFF_S:
        yield _good(f"clock: {abs(off) * 1000:.0f} ms from the database's")
    else:
        yield _bad(
            f"clock: {abs(off):.1f} s {'behind' if off > 0 else 'ahead of'} the database's",
            "set both machines' clocks by NTP (chrony, systemd-timesyncd)",
        )


# -- the history of alerts


def _history(
    seen: examination.Examination,
    config: settings.ApiSettings,
    *,
    since: datetime | None,
    now: datetime,
) -> Iterator[Finding]:
    checked = seen.chains(since)
    span = "all" if since is None else f"the last {(now - since).days} days'"
    for broken in checked.broken[:_SHOWN]:
        yield _bad(f"history: {broken.what}", _TAMPERED)
    if len(checked.broken) > _SHOWN:
        yield _bad(f"history: {len(checked.broken) - _SHOWN} more places like these", _TAMPERED)
    if not checked.broken:
        text = f"history: {span} alerts ({checked.alerts}, with {checked.events} events) are whole"
        older = f"; {checked.older} events are older than the chain" if checked.older else ""
        erased = f"; the texts of {checked.erased} events were erased" if checked.erased else ""
        yield _good(text + older + erased)
    newest = seen.newest_root()
    if newest is not None and now - newest.at > _ROOT_LATE:
        yield _bad(
            f"history: the last root over it is from {newest.at:%Y-%m-%d %H:%M} UTC",
            "one is made each hour while telecare alerts runs: see whether it does",
        )
    if config.chain_root_file is None and not config.chain_root_url.get_secret_value():
        yield _warn(
            "history: its roots are published nowhere, so who owns the database could rewrite it"
            " unseen",
            "set TELECARE_CHAIN_ROOT_FILE to a file on other storage, or TELECARE_CHAIN_ROOT_URL",
        )
    if config.chain_root_file is None:
        yield from _roots(seen, seen.roots(since), "kept in the database")
    else:
        yield from _root_file(seen, config.chain_root_file, since, made=newest is not None)


def _root_file(
    seen: examination.Examination, path: Path, since: datetime | None, *, made: bool
) -> Iterator[Finding]:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        why = error.strerror or type(error).__name__
        if made:
            yield _bad(f"history: published roots can't be read ({why})", f"look at {path}")
        else:
            yield _warn("history: no root has been made yet", "telecare alerts makes one an hour")
        return
    roots = []
    for no, text in enumerate(lines, start=1):
        root = chain.read_line(text)
        if root is None:
            yield _bad(f"history: line {no} of the published roots can't be read", _TAMPERED)
        elif since is None or root.at >= since:
            roots.append(root)
    yield from _roots(seen, roots, "published")


def _roots(
    seen: examination.Examination, roots: Sequence[chain.Root], what: str
) -> Iterator[Finding]:
    wrong = seen.against(roots)
    for text in wrong[:_SHOWN]:
        yield _bad(f"history: {text}", _TAMPERED)
    if len(wrong) > _SHOWN:
        yield _bad(f"history: {len(wrong) - _SHOWN} more roots like these", _TAMPERED)
    if not wrong:
        yield _good(f"history: comes out as the {len(roots)} roots {what} say")


_TAMPERED = (
    "somebody changed it by hand, or it was restored: keep a copy of the database and of the"
    " published roots as they are, and find out who and when before going on"
)


# -- the broker


def _broker(config: settings.ApiSettings) -> list[Finding]:
    try:
        url = config.require_mqtt()
    except errors.HubError as error:
        return [_bad("broker: no address", str(error))]
    try:
        parts = urlsplit(url)
        port = parts.port or (8883 if parts.scheme == "mqtts" else 1883)
    except ValueError:
        parts, port = urlsplit(""), 0
    if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname:
        return [
            _bad(
                "broker: the address can't be read",
                "TELECARE_MQTT_URL has the form mqtts://user:password@host:8883",
            )
        ]
    return list(
        _Talk(
            host=parts.hostname,
            port=port,
            tls=parts.scheme == "mqtts",
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
        ).findings()
    )


class _Talk:
    """One conversation with the broker: sign in, subscribe shared, hear oneself."""

    def __init__(self, *, host: str, port: int, tls: bool, user: str, password: str) -> None:
        self._address = (host, port)
        self._tls = tls
        self._connected = threading.Event()
        self._subscribed = threading.Event()
        self._heard = threading.Event()
        self._refusal: str | None = None
        self._grants: list[int] = []
        self._limits: dict[str, Any] = {}
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"telecare-doctor-{ids.token(6)}",
            protocol=mqtt.MQTTv5,
        )
        if user:
            self._client.username_pw_set(user, password)
        if tls:
            self._client.tls_set_context(ssl.create_default_context())
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message

    def findings(self) -> Iterator[Finding]:
        where = f"{self._address[0]}:{self._address[1]}"
        try:
            self._client.connect(*self._address, keepalive=10, properties=_session())
        except ssl.SSLError as error:
            yield _bad(
                f"broker: TLS with {where} fails ({error.reason})",
                "check that the certificate is for this name and its authority is trusted here",
            )
            return
        except OSError as error:
            yield _bad(
                f"broker: {where} can't be reached ({error.strerror or type(error).__name__})",
                "check the address in TELECARE_MQTT_URL and that the broker runs",
            )
            return
        self._client.loop_start()
        try:
            yield from self._conversation(where)
        finally:
            self._client.disconnect()
            self._client.loop_stop()

    def _conversation(self, where: str) -> Iterator[Finding]:
        if not self._connected.wait(_WAIT_S):
            yield _bad(
                f"broker: {where} does not answer in MQTT 5",
                "the hub needs a broker that speaks MQTT 5, for example mosquitto 2.0",
            )
            return
        if self._refusal is not None:
            yield _bad(
                f"broker: {where} refuses to let the hub in ({self._refusal})",
                "check user and password in TELECARE_MQTT_URL against the broker's password file",
            )
            return
        yield _good(f"broker: {where} lets the hub in, MQTT 5{', TLS' if self._tls else ''}")
        if not self._tls and self._address[0] not in {"127.0.0.1", "localhost", "::1"}:
            yield _warn(
                "broker: the connection to another machine is not encrypted",
                "use mqtts:// outside a trial",
            )
        yield from self._capabilities()
        yield self._loop_back()

    def _capabilities(self) -> Iterator[Finding]:
        if self._limits.get("SharedSubscriptionAvailable", 1) == 0:
            yield _bad(
                "broker: no shared subscriptions", "the gateways need them: use another broker"
            )
        else:
            yield _good("broker: shared subscriptions")
        largest = self._limits.get("MaximumPacketSize")
        if largest is not None and largest < _LEAST_PACKET:
            yield _warn(
                f"broker: refuses messages over {largest} bytes",
                f"raise its largest packet to {_LEAST_PACKET} bytes or more: a home that was"
                " offline sends long packs",
            )
        else:
            yield _good(f"broker: messages up to {largest or 'any number of'} bytes")

    def _loop_back(self) -> Finding:
        topic = f"telecare/v1/_hub/doctor-{ids.token(6)}/probe"
        shared = f"$share/telecare-doctor-{ids.token(6)}/{topic}"
        self._client.subscribe([(shared, SubscribeOptions(qos=1))])
        mend = (
            "check the broker's access list: the hub reads telecare/v1/# and writes"
            " telecare/v1/_hub/#"
        )
        if not self._subscribed.wait(_WAIT_S) or any(code >= _REFUSED for code in self._grants):
            return _bad("broker: refuses the hub's subscription", mend)
        self._client.publish(topic, b"probe", qos=1)
        if not self._heard.wait(_WAIT_S):
            return _bad("broker: a message to ourselves never came back", mend)
        return _good("broker: a message to ourselves came back through a shared subscription")

    def _on_connect(self, _: Any, __: Any, ___: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._refusal = str(reason)
        elif properties is not None:
            self._limits = properties.__dict__
        self._connected.set()

    def _on_subscribe(self, _: Any, __: Any, ___: Any, reasons: Any, ____: Any) -> None:
        self._grants = [r.value for r in reasons]
        self._subscribed.set()

    def _on_message(self, _: Any, __: Any, ___: Any) -> None:
        self._heard.set()


_REFUSED = 0x80


def _session() -> Properties:
    made = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho's own
    made.SessionExpiryInterval = 0
    return made


# -- the machine


def _deadman(config: settings.ApiSettings) -> Finding:
    if config.deadman_url.get_secret_value():
        return _good("dead-man's switch: set")
    return _warn(
        "dead-man's switch: none, so nobody is told when this machine dies",
        "set TELECARE_DEADMAN_URL to a check of a service such as healthchecks.io",
    )


def _disk(folder: Path, *, usage: Callable[[Path], Any] = shutil.disk_usage) -> Finding:
    there = next((p for p in (folder, *folder.parents) if p.exists()), Path("/"))
    free = usage(there).free
    text = f"disk: {free / 1024**3:.1f} GiB free at {there}"
    if free < _LEAST_FREE:
        return _bad(text, "make room: a full disk stops the hub from confirming anything")
    return _good(text)
