"""The whole hub as its user starts it: ``telecare up`` in a process, in a folder of its own."""

from __future__ import annotations

import os
import secrets
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.support.folders import short_folder
from tests.support.ports import free_port

_CLI = (sys.executable, "-c", "from api.cli import main; main()")
_SIM = (sys.executable, "-m", "firmware_sim")
_READY_S = 90.0


class WholeHub:
    """A running hub: its addresses, its commands, its end."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.http_port, self.mqtt_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.http_port}"
        self._log = folder / "hub.log"
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("TELECARE_", "PG"))}
        self._env = {**clean, "TELECARE_SECRET_KEY": secrets.token_urlsafe(48), **settings}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def device_url(self) -> str:
        """Where devices connect, without an account."""
        return f"mqtt://127.0.0.1:{self.mqtt_port}"

    @property
    def environment(self) -> dict[str, str]:
        """What the hub's other commands need to know."""
        text = (self.data / "hub.env").read_text()
        pairs = (line.partition("=")[::2] for line in text.splitlines())
        return {**self._env, **{k: shlex.split(v)[0] for k, v in pairs}}

    def start(self) -> None:
        """Start it and wait until it says that it is ready."""
        command = [*_CLI, "up", "--data", str(self.data), "--http-port", str(self.http_port)]
        command += ["--mqtt-port", str(self.mqtt_port)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, env=self._env, stdout=log, stderr=log)
        deadline = time.monotonic() + _READY_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise AssertionError(f"the hub ended at once:\n{self.said()}")
            try:
                if httpx.get(f"{self.url}/readyz", timeout=2).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"the hub was not ready in {_READY_S:g} s:\n{self.said()}")

    def said(self, lines: int = 40) -> str:
        """Return the end of what it and its roles wrote."""
        files = [self._log, *sorted((self.data / "log").glob("*.log"))]
        return "\n".join(
            f"--- {f.name}\n" + "\n".join(f.read_text(errors="replace").splitlines()[-lines:])
            for f in files
            if f.exists()
        )

    def stop(self) -> None:
        """Ask it to stop, as Ctrl-C does."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(40)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)

    def command(self, *args: str, given: str | None = None) -> str:
        """Run a ``telecare`` command against this hub and return what it said."""
        done = subprocess.run(
            [*_CLI, *args], env=self.environment, input=given, capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip
        if done.returncode:
            raise AssertionError(f"telecare {' '.join(args)}: {done.stdout}{done.stderr}")
        return done.stdout

    def login(self, role: str = "nurse") -> httpx.Client:
        """Make an account of a role and return a client that is signed in."""
        name, password = f"{role}-{secrets.token_hex(4)}", secrets.token_urlsafe(18)
        self.command("account", "add", name, "--role", role, "--name", role.title(),
                     "--password-stdin", given=password + "\n")  # fmt: skip
        client = httpx.Client(base_url=f"{self.url}/api/v1", timeout=30)
        answer = client.post("/auth/token", data={"username": name, "password": password})
        answer.raise_for_status()
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return client


def simulate(*args: str) -> subprocess.Popen[str]:
    """Start a ``telecare-sim`` command; its report is on its standard output."""
    return subprocess.Popen(
        [*_SIM, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@contextmanager
def whole_hub(settings: Mapping[str, str] | None = None) -> Iterator[WholeHub]:
    """Run a hub for the block."""
    with short_folder("tc-hub-") as folder:
        hub = WholeHub(folder, settings or {})
        try:
            hub.start()
            yield hub
        finally:
            hub.stop()
