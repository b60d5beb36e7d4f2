"""An embedded mosquitto: the distribution's broker as our own child, set as the hub needs it.

What the settings rest on (measured, see ``docs/adr/``): a broker's acknowledgement never means
"safe on disk", so persistence is saved every second and devices repeat alarms until their
receipt; a full queue drops in silence, so it has a bound in bytes for a day and its drop
counter is read from ``$SYS``.

The folder holds ``mosquitto.conf``, ``passwords``, ``admitted``, ``acl``, ``store/``,
``hub-password``, ``lock`` and ``mosquitto.log``.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from api.embedded import account as accounts
from api.embedded import child, errors, ports, sessions
from ingest.kernel import broker_password

HUB_USER = "hub"
ONBOARDING = "onboarding"
ROOT = "telecare/v1"
TOOLS = Path(__file__).resolve().parents[2] / ".tools"  # where `make` unpacks the broker
_SYSTEM_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")
_ACCOUNTS = ("mosquitto", "nobody")
_OLDEST = (2, 0)  # earlier ones lack `$7$` passwords and most of MQTT 5's limits
_NAME = re.compile(r"[a-z0-9-]{1,64}")
_READY_TIMEOUT = 60.0  # [s] a large store takes a while to load
_RETRY_TIMEOUT = 2.0  # [s] a killed predecessor's port
_STOP_PATIENCE = 60.0  # [s] it saves its store first

# The bound of one client's queue: what 1,500 devices say in a day of one 240-byte message a
# minute each, about 500 MB, if no gateway runs meanwhile.
QUEUE_BYTES = 1_500 * 24 * 60 * 240
MESSAGE_BYTES = 2 * 1024 * 1024
_SYS_INTERVAL = 5  # [s] between two rounds of the `$SYS` counters


def find(tools: Path = TOOLS) -> Path:
    """Return the mosquitto program: from PATH, the system's folders, or where `make` put it."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *_SYSTEM_FOLDERS])  # noqa: TID251 - where programs are, no setting
    found = shutil.which("mosquitto", path=path)
    unpacked = tools / "mosquitto" / "bin" / "mosquitto"
    if found is not None:
        return Path(found)
    if os.access(unpacked, os.X_OK):
        return unpacked
    raise errors.MissingProgramError(
        program="The MQTT broker mosquitto",
        mend="install it (Debian: apt-get install mosquitto), or set TELECARE_MQTT_URL",
    )


class EmbeddedMosquitto:
    """A mosquitto of our own in a data folder, from `start` to `stop`."""

    def __init__(
        self,
        data_dir: Path,
        port: int,
        *,
        bind: str = "127.0.0.1",
        queue_bytes: int = QUEUE_BYTES,
        tools: Path = TOOLS,
        keeps: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        # keeps: client id -> shared subscriptions that must stand before a device is let in
        self.data_dir = data_dir.resolve()
        self.port = port
        self.bind = bind
        self.log = self.data_dir / "mosquitto.log"
        self.store = self.data_dir / "store"
        self._queue_bytes = queue_bytes
        self._tools = tools
        self._config = self.data_dir / "mosquitto.conf"
        self._keeps = keeps or {}
        self._passwords = self.data_dir / "passwords"
        self._admitted = self.data_dir / "admitted"  # the accounts let in at the moment
        self._holding = False
        self._accounts = threading.Lock()
        self._acl = self.data_dir / "acl"
        self._hub_password_file = self.data_dir / "hub-password"
        self._lock = child.FolderLock("A broker", self.data_dir / "lock")
        self._account: accounts.Account | None = None
        self._program = Path()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def hub_password(self) -> str:
        """The hub's own password, made at the first start."""
        return self._hub_password_file.read_text().strip()

    @property
    def url(self) -> str:
        """The URL under which the hub's roles reach the broker."""
        return f"mqtt://{HUB_USER}:{self.hub_password}@{self.bind}:{self.port}"

    @property
    def pid(self) -> int | None:
        """The broker's process id while it runs."""
        return self._process.pid if self._process is not None and self.alive() else None

    def alive(self) -> bool:
        """Tell whether the broker's process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Write the settings and start the broker; its kept sessions and messages come back.

        Called again after the broker died, it starts it anew on the same folder.
        """
        folder_mode = 0o711 if os.geteuid() == 0 else 0o700
        accounts.make_folder(self.data_dir, mode=folder_mode)
        self._lock.take()
        try:
            self._prepare()
            self._launch()
            self._keep_sessions()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the broker (it saves its store first) and let go of the folder."""
        if self._process is not None:
            child.stop(self._process, gently=signal.SIGTERM, patience=_STOP_PATIENCE)
            self._process = None
        self._lock.release()

    def kill(self) -> None:
        """Kill the broker at once, as a power cut would; for tests of recovery."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def write_credentials(self, stored: Mapping[str, str], sites: Iterable[str]) -> None:
        """Replace the devices' and onboarding accounts, and have a running broker read them.

        Parameters
        ----------
        stored
            User name (``site/device`` or ``site/onboarding``) -> ``$7$`` string.
        sites
            Every site, for the rights of its onboarding account.
        """
        hub = broker_password.digest(self.hub_password)
        lines = [f"{HUB_USER}:{hub}"]
        for user, digest in sorted(stored.items()):
            if not _sound_user(user) or not broker_password.well_formed(digest):
                raise ValueError(f"not a broker account: {user!r}")
            lines.append(f"{user}:{digest}")
        with self._accounts:
            self._write(self._passwords, "\n".join(lines) + "\n")
            self._write(self._acl, acl(sites))
            if not self._holding:
                self._admit()

    def _admit(self) -> None:
        """Have the broker let in every account there is."""
        self._write(self._admitted, self._passwords.read_text())
        if self.alive() and self._process is not None:
            self._process.send_signal(signal.SIGHUP)

    def _keep_sessions(self) -> None:
        """Subscribe for the hub's sessions, then let the devices in (see `sessions`)."""
        if not self._holding:
            return
        try:
            for client_id, filters in self._keeps.items():
                sessions.subscribe(
                    (self.bind, self.port), user=HUB_USER, password=self.hub_password,
                    client_id=client_id, filters=filters,
                )  # fmt: skip
        except OSError as error:
            raise errors.ServerFailedError(
                server="mosquitto", detail=f"a session's subscriptions: {error!r}"
            ) from error
        said = self._reloads()
        with self._accounts:
            self._holding = False
            self._admit()
        deadline = time.monotonic() + _READY_TIMEOUT
        while self._reloads() == said:
            if not self.alive() or time.monotonic() > deadline:
                raise errors.ServerFailedError(server="mosquitto", detail=child.tail(self.log))
            time.sleep(0.01)

    def _reloads(self) -> int:
        return self.log.read_bytes().count(b"Reloading config")

    def _prepare(self) -> None:
        self._account = accounts.choose("mosquitto", _ACCOUNTS, existing=self.store)
        accounts.make_folder(self.store, account=self._account)
        accounts.require_reach("mosquitto", self._account, self.store)
        self._program = self._reachable_program()
        version = _version(self._program)
        if version < _OLDEST:
            have = ".".join(str(part) for part in version)
            raise errors.MissingProgramError(
                program=f"A mosquitto of version 2.0 or later (here is {have})",
                mend="install a later one, or set TELECARE_MQTT_URL",
            )
        if not self._hub_password_file.exists():
            self._hub_password_file.touch(0o600)
            self._hub_password_file.write_text(broker_password.new())
        if not self._passwords.exists() or not self._acl.exists():
            self.write_credentials({}, [])
        with self._accounts:
            self._holding = bool(self._keeps)
            everybody = self._passwords.read_text().splitlines(keepends=True)
            self._write(self._admitted, "".join(everybody[:1] if self._holding else everybody))
        self._write(self._config, self._settings())

    def _reachable_program(self) -> Path:
        program = find(self._tools)
        if not program.is_relative_to(self._tools):
            return program
        home = accounts.reachable_copy(
            "mosquitto",
            {"mosquitto": self._tools / "mosquitto"},
            account=self._account,
            probes=("mosquitto/bin/mosquitto", "mosquitto/root/usr/sbin/mosquitto"),
        )
        return home / "mosquitto" / "bin" / "mosquitto"

    def _settings(self) -> str:
        return f"""# Written at each start of the embedded broker: changes here are lost.
per_listener_settings false
allow_anonymous false
password_file {self._admitted}
acl_file {self._acl}
listener {self.port} {self.bind}

# A save each second: the most that a killed broker forgets. Alarms are repeated by the device.
persistence true
persistence_location {self.store}/
autosave_interval 1
persistent_client_expiration 14d

# No bound by number, one by bytes: a day without any gateway (see $SYS for what was dropped).
max_queued_messages 0
max_queued_bytes {self._queue_bytes}
# Each client sets its own window with MQTT 5's receive maximum.
max_inflight_messages 0
message_size_limit {MESSAGE_BYTES}
set_tcp_nodelay true

sys_interval {_SYS_INTERVAL}
log_dest stderr
log_type error
log_type warning
log_type notice
log_type information
log_timestamp_format %Y-%m-%dT%H:%M:%S
"""

    def _write(self, file: Path, text: str) -> None:
        """Replace a file in one step, readable by the broker alone."""
        fresh = file.with_name(file.name + ".new")
        fresh.unlink(missing_ok=True)
        fresh.touch(0o600)
        fresh.write_text(text)
        if self._account is not None:
            os.chown(fresh, self._account.uid, self._account.gid)
        fresh.rename(file)

    def _launch(self) -> None:
        deadline = time.monotonic() + _RETRY_TIMEOUT
        while ports.taken(self.bind, self.port):  # a killed predecessor may still hold it
            if time.monotonic() > deadline:
                raise errors.PortTakenError(port=self.port, address=self.bind, option="--mqtt-port")
            time.sleep(0.05)
        if self._run_once():
            return
        if not self._store_refused():
            raise errors.ServerFailedError(server="mosquitto", detail=child.tail(self.log))
        # A store it can't read (another version's, or damaged): keep it aside and go on, since a
        # hub without a broker hears nobody; devices repeat their alarms.
        broken = self.store / "mosquitto.db"
        broken.rename(broken.with_name(f"mosquitto.db.unreadable-{broken.stat().st_mtime_ns}"))
        with self.log.open("a") as log:
            log.write("The store could not be read; it was set aside and a new one begun.\n")
        if not self._run_once():
            raise errors.ServerFailedError(server="mosquitto", detail=child.tail(self.log))

    def _run_once(self) -> bool:
        """Start the broker; True once it listens, False when it gave up."""
        self._process = child.start(
            [self._program, "-c", self._config],
            log=self.log,
            death=signal.SIGTERM,
            account=self._account,
        )
        deadline = time.monotonic() + _READY_TIMEOUT
        while self._process.poll() is None:
            if ports.answers(self.bind, self.port):
                return True
            if time.monotonic() > deadline:
                raise errors.ServerFailedError(server="mosquitto", detail=child.tail(self.log))
            time.sleep(0.02)
        return False

    def _store_refused(self) -> bool:
        stored = (self.store / "mosquitto.db").exists()
        said = child.tail(self.log).lower()
        return stored and ("persistent" in said or "database" in said or "restoring" in said)


def acl(sites: Iterable[str]) -> str:
    """Return the broker's access list: what each device, site and the hub may write and read."""
    lines = [
        "# Written by the hub from its register: changes here are lost.",
        f"user {HUB_USER}",
        f"topic read {ROOT}/#",
        "topic read $SYS/#",
        f"topic write {ROOT}/+/+/cmd",
        f"topic write {ROOT}/+/+/receipt",
        f"topic write {ROOT}/+/+/reply/#",
        f"topic write {ROOT}/_hub/#",
    ]
    for site in sorted(set(sites)):
        if _NAME.fullmatch(site) is None:
            raise ValueError(f"not a site: {site!r}")
        lines += ["", f"user {site}/{ONBOARDING}"]
        lines += [f"topic write {ROOT}/{site}/+/{tail}" for tail in ("obs", "event", "status")]
    lines += ["", "# Every device, below its own root; %u is site/device."]
    up = ("obs", "event", "status", "cmd/ack", "via/#")
    down = ("cmd", "receipt", "reply/#")
    lines += [f"pattern write {ROOT}/%u/{tail}" for tail in up]
    lines += [f"pattern read {ROOT}/%u/{tail}" for tail in down]
    return "\n".join(lines) + "\n"


def _sound_user(user: str) -> bool:
    site, slash, device = user.partition("/")
    return slash == "/" and all(_NAME.fullmatch(part) is not None for part in (site, device))


def _version(program: Path) -> tuple[int, ...]:
    said = subprocess.run(  # noqa: S603 - the program we are about to run
        [str(program), "-h"], check=False, capture_output=True, text=True, cwd="/"
    )
    found = re.search(r"mosquitto version (\d+)\.(\d+)", said.stdout + said.stderr)
    if found is None:
        raise errors.ServerFailedError(
            server="mosquitto", detail=(said.stderr or said.stdout).strip()[:300]
        )
    return int(found[1]), int(found[2])
