"""The whole hub on one machine: brings its servers along, starts one process per role, keeps them.

Everything runs as a child of this process and dies with it, however it ends. The database is
the only place where roles meet, so each is stopped, started and killed without the others.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from api import demo, settings
from api.embedded import account as accounts
from api.embedded import child, credentials, mosquitto, ports, postgres, role
from api.embedded import errors as embedded_errors
from api.storage import accounts as account_store
from gateway import settings as gateway_settings
from gateway import topics
from ingest.kernel import clock as clocks
from ingest.kernel import errors, ids
from ingest.storage import migrate
from ingest.storage import pool as pools

LOOPBACK = "127.0.0.1"
DEFAULT_MQTT_PORT = 1883
ENV_FILE = "hub.env"
_TICK = 0.2  # [s]
_TRIM_EVERY = 60.0  # [s]
_SLOW_START = 60.0  # [s] unsourced: after that it says why it isn't ready
_PACKAGES = ("gateway", "alerts", "api")  # in the order of the way of a reading


@dataclass(frozen=True, slots=True, kw_only=True)
class HubOptions:
    """What ``telecare up`` was asked; None is "as the settings say"."""

    demo: bool = False
    data: Path | None = None
    http_host: str | None = None
    http_port: int | None = None
    mqtt_port: int | None = None


class DemoAddressError(errors.HubError):
    """--demo only listens on 127.0.0.1, not on {address}: its people and passwords are invented."""


def run_hub(
    options: HubOptions,
    config: settings.ApiSettings | None = None,
    *,
    say: Callable[[str], None] | None = None,
) -> int:
    """Run the whole hub until it is told to stop, and return the exit code."""
    say = say or _print
    stop = threading.Event()
    try:
        with _stopped_by_signals(stop):
            hub = Hub(options, config or settings.ApiSettings(), say=say)
            try:
                hub.start(stop)
                hub.keep(stop)
            finally:
                hub.stop()
    except errors.HubError as error:
        say(str(error))
        return 1
    return 0


def default_folder(*, demo: bool) -> Path:
    """Return where the data go when nobody said."""
    name = "telecare-demo" if demo else "telecare"
    if os.geteuid() == 0:
        return Path("/var/lib") / name
    base = os.environ.get("XDG_DATA_HOME")  # noqa: TID251 - a place, not a setting of the hub
    return (Path(base) if base else Path.home() / ".local" / "share") / name


def nobody_can_sign_in(database_url: str) -> bool:
    """Tell whether there is no account in force; a database that doesn't answer says nothing."""
    try:
        with pools.open_pool(database_url, name="hub", most=1) as pool:
            return all(account.disabled for account in account_store.Accounts(pool).every())
    except errors.HubError:
        return False


class Hub:
    """Servers and roles of one data folder. Called from the main thread only."""

    def __init__(
        self,
        options: HubOptions,
        config: settings.ApiSettings,
        *,
        say: Callable[[str], None],
        clock: clocks.Clock | None = None,
    ) -> None:
        self._options = options
        self._config = config
        self._say = say
        self._clock = clock or clocks.SystemClock()
        self._host = options.http_host or config.http_host
        if options.demo and self._host != LOOPBACK:
            raise DemoAddressError(address=self._host)
        self.data = (options.data or config.data_dir or default_folder(demo=options.demo)).resolve()
        self._logs = self.data / "log"
        self._demo = demo.Demo(self.data / "demo") if options.demo else None
        self._servers: list[_Server] = []
        self._roles: list[role.Role] = []
        self._teardown = ExitStack()
        self._http_port = 0
        self._mqtt_port = 0
        self._database_url = ""
        self._announced = False
        self._status = ""
        self._trimmed = 0.0
        self._began = 0.0

    def start(self, stop: threading.Event) -> None:
        """Bring up the servers and the schema, then the roles; each in its order."""
        if self._demo is None or self._config.secret_key.get_secret_value():
            self._config.require_secret()  # before a folder is made for a hub that can't run
        self._take_folder()
        secret = self._secret()
        self._choose_ports()
        database_url = self._database()
        if stop.is_set():
            return
        applied = migrate.migrate(database_url)
        if applied:
            self._say(f"the database was brought to this release's schema ({len(applied)} steps)")
        if self._demo is not None:
            self._demo.prepare(database_url=database_url, secret=secret)
        mqtt_url = self._broker(database_url)
        if stop.is_set():
            return
        self._database_url = database_url
        environment = self._environment(database_url, mqtt_url, secret)
        self._write_env(database_url, mqtt_url, secret)
        for package in _PACKAGES:
            self._add_role(package, (sys.executable, "-P", "-m", package), environment)
        self._began = self._clock.monotonic()

    def keep(self, stop: threading.Event) -> None:
        """Look after everything until told to stop."""
        slow_said = False
        while not stop.is_set():
            for server in self._servers:
                server.tend()
            for each in list(self._roles):
                each.tend()
            now = self._clock.monotonic()
            if not self._announced:
                problem = self._not_ready()
                if problem is None:
                    self._announce()
                elif now - self._began > _SLOW_START and not slow_said:
                    slow_said = True
                    self._say(f"the hub is not ready yet: {problem}")
            if now - self._trimmed > _TRIM_EVERY:
                self._trimmed = now
                self._trim_logs()
            self._write_status()
            stop.wait(_TICK)

    def stop(self) -> None:
        """Stop everything in reverse order: whoever writes stops before what it writes to."""
        if self._roles:
            self._say("stopping")
        self._teardown.close()
        self._roles.clear()
        self._servers.clear()

    def status(self) -> list[str]:
        """Return what runs, in plain lines."""
        lines = [f"{server.name:<10} {server.state()}" for server in self._servers]
        lines += [f"{each.name:<10} {each.state()}" for each in self._roles]
        return lines

    # -- parts of the start -----------------------------------------------------------------------

    def _take_folder(self) -> None:
        accounts.make_folder(self.data, mode=0o711 if os.geteuid() == 0 else 0o700)
        lock = child.FolderLock("A hub", self.data / "hub.lock")
        lock.take()
        self._teardown.callback(lock.release)
        accounts.make_folder(self._logs)
        self._say(f"data are in {self.data}")

    def _secret(self) -> str:
        """Return the secret key. Only a demonstration may have one made for it."""
        if self._demo is None:
            return self._config.require_secret()
        if self._config.secret_key.get_secret_value():
            return self._config.require_secret()
        file = self.data / "secret-key"
        if not file.exists():
            file.touch(0o600)
            file.write_text(ids.token(48))
        return file.read_text().strip()

    def _choose_ports(self) -> None:
        """Take the ports asked for; a demonstration takes others when the usual ones are taken."""
        asked = self._options.http_port
        self._http_port = self._config.http_port if asked is None else asked
        if self._demo is not None and asked is None:
            self._http_port = ports.free(self._host, self._http_port)
        if ports.taken(self._host, self._http_port):
            raise embedded_errors.PortTakenError(
                port=self._http_port, address=self._host, option="--http-port"
            )
        asked = self._options.mqtt_port
        self._mqtt_port = DEFAULT_MQTT_PORT if asked is None else asked
        if self._demo is not None and asked is None:
            self._mqtt_port = ports.free(LOOPBACK, self._mqtt_port)

    def _database(self) -> str:
        given = self._config.database_url.get_secret_value()
        if given:
            self._say("using the database of TELECARE_DATABASE_URL")
            return given
        server = postgres.EmbeddedPostgres(self.data / "postgres")
        server.start()
        self._teardown.callback(server.stop)
        self._servers.append(_Server("database", server, say=self._say, clock=self._clock))
        return server.dsn

    def _broker(self, database_url: str) -> str:
        given = self._config.mqtt_url.get_secret_value()
        if given:
            self._say("using the broker of TELECARE_MQTT_URL")
            return given
        slots = gateway_settings.GatewaySettings()
        server = mosquitto.EmbeddedMosquitto(
            self.data / "mosquitto",
            self._mqtt_port,
            keeps=topics.kept_sessions(
                slots.gateway_group,
                event_slots=slots.gateway_event_slots,
                obs_slots=slots.gateway_obs_slots,
            ),
        )
        keeper = credentials.CredentialKeeper(database_url, server, say=self._say)
        server.start()
        self._teardown.callback(server.stop)
        keeper.start()
        self._teardown.callback(keeper.stop)
        self._servers.append(_Server("broker", server, say=self._say, clock=self._clock))
        return server.url

    def _environment(self, database_url: str, mqtt_url: str, secret: str) -> dict[str, str]:
        own = {
            "TELECARE_DATABASE_URL": database_url,
            "TELECARE_MQTT_URL": mqtt_url,
            "TELECARE_SECRET_KEY": secret,
            "TELECARE_DATA_DIR": str(self.data),
            "TELECARE_HTTP_HOST": self._host,
            "TELECARE_HTTP_PORT": str(self._http_port),
            "TELECARE_DEMO": "1" if self._demo is not None else "0",
            "PYTHONUNBUFFERED": "1",
        }
        if "public_url" not in self._config.model_fields_set:
            own["TELECARE_PUBLIC_URL"] = self._http_url
        return {**os.environ, **own}  # noqa: TID251 - handed on to the roles, which read it

    def _write_env(self, database_url: str, mqtt_url: str, secret: str) -> None:
        """Leave the addresses where the hub's other commands can be given them by its owner."""
        known = {
            "TELECARE_DATABASE_URL": database_url,
            "TELECARE_MQTT_URL": mqtt_url,
            "TELECARE_SECRET_KEY": secret,
            "TELECARE_PUBLIC_URL": self._http_url,
            "TELECARE_DATA_DIR": str(self.data),
        }
        file = self.data / ENV_FILE
        fresh = file.with_name(ENV_FILE + ".new")
        fresh.unlink(missing_ok=True)
        fresh.touch(0o600)
        fresh.write_text("".join(f"{name}={shlex.quote(value)}\n" for name, value in known.items()))
        fresh.rename(file)

    def _add_role(
        self, name: str, command: tuple[str, ...], environment: Mapping[str, str]
    ) -> None:
        made = role.Role(
            name,
            command,
            environment=environment,
            log=self._logs / f"{name}.log",
            say=self._say,
            clock=self._clock,
            folder=Path.cwd(),
        )
        self._roles.append(made)
        self._teardown.callback(made.stop)
        made.tend()

    # -- while it runs ----------------------------------------------------------------------------

    @property
    def _http_url(self) -> str:
        host = LOOPBACK if self._host in {"0.0.0.0", "::"} else self._host  # noqa: S104 - compared
        return f"http://{host}:{self._http_port}"

    def _not_ready(self) -> str | None:
        """Return why the hub isn't ready, None once it is."""
        host = self._http_url.rpartition(":")[0].removeprefix("http://")
        connection = http.client.HTTPConnection(host, self._http_port, timeout=2.0)
        try:
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            said = answer.read(2000).decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            return f"the API does not answer ({type(error).__name__})"
        finally:
            connection.close()
        return None if answer.status == http.client.OK else said

    def _announce(self) -> None:
        self._announced = True
        if self._demo is not None:
            simulator = self._demo.simulator(self._mqtt_port)
            environment = self._demo.simulator_environment(os.environ)  # noqa: TID251 - PATH and such
            self._add_role("simulator", simulator, environment)
        lines = [
            "the hub is ready",
            f"  web and API  {self._http_url}/   (API documents: {self._http_url}/docs)",
        ]
        if not self._config.mqtt_url.get_secret_value():
            lines.append(f"  devices      mqtt://{LOOPBACK}:{self._mqtt_port}")
        if self._demo is not None:
            lines.append("  sign in as   user name   password")
            logins = self._demo.logins().items()
            lines += [f"               {user:<11} {password}" for user, password in logins]
            lines.append("  The people, homes and devices are invented. Not for use with patients.")
        elif nobody_can_sign_in(self._database_url):
            env = shlex.quote(str(self.data / ENV_FILE))
            lines.append(
                "  sign in      nobody can sign in yet:"
                f" set -a; . {env}; set +a; telecare account add NAME --role admin"
            )
        lines += [f"  {line}" for line in self.status()]
        lines.append(f"  logs         {self._logs}")
        lines.append(f"  settings     {self.data / ENV_FILE}   (for telecare register and doctor)")
        lines.append("Ctrl-C stops it; the data stay. To start afresh remove the data folder.")
        for line in lines:
            self._say(line)

    def _trim_logs(self) -> None:
        for log in (*self._logs.glob("*.log"), *self.data.glob("*/*.log")):
            with contextlib.suppress(OSError):
                child.trim_log(log)

    def _write_status(self) -> None:
        """Keep ``status`` in the data folder: what runs, for whoever looks."""
        text = "\n".join([f"hub {self._http_url}", *self.status()]) + "\n"
        if text != self._status:
            self._status = text
            with contextlib.suppress(OSError):
                (self.data / "status").write_text(text)


class _Server:
    """An embedded server that is started again when it dies."""

    def __init__(
        self,
        name: str,
        server: postgres.EmbeddedPostgres | mosquitto.EmbeddedMosquitto,
        *,
        say: Callable[[str], None],
        clock: clocks.Clock,
    ) -> None:
        self.name = name
        self._server = server
        self._say = say
        self._clock = clock
        self._restarts = role.Restarts()
        self._started = clock.monotonic()
        self._due: float | None = None

    def tend(self) -> None:
        if self._server.alive():
            return
        now = self._clock.monotonic()
        if self._due is None:
            wait = self._restarts.wait_after(now - self._started)
            self._due = now + wait
            self._say(f"the {self.name} stopped unexpectedly; starting it again in {wait:g} s")
        if now < self._due:
            return
        self._due = None
        self._started = now
        try:
            self._server.start()
        except (errors.HubError, OSError) as error:
            self._say(f"the {self.name} could not be started: {error}")

    def state(self) -> str:
        pid = self._server.pid
        return f"runs, process {pid}" if pid else "stopped, will be started again"


@contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """Turn Ctrl-C, SIGTERM and a closed terminal into an orderly stop."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _print(text: str) -> None:
    with contextlib.suppress(OSError):  # a closed terminal must not stop the hub half-way
        print(f"telecare: {text}", flush=True)
