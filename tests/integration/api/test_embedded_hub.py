"""The whole hub as one program: started, hurt, killed and stopped for real."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from api import hub, settings
from api.storage import accounts
from ingest.storage import pool as pools
from tests.support import waiting
from tests.support.folders import short_folder
from tests.support.ports import free_port

pytestmark = pytest.mark.service

_CODE = (
    "import sys; from pathlib import Path; from api import hub\n"
    "ports = {'http_port': int(sys.argv[2]), 'mqtt_port': int(sys.argv[3])}\n"
    "sys.exit(hub.run_hub(hub.HubOptions(demo=True, data=Path(sys.argv[1]), **ports)))\n"
)


class RunningHub:
    """A hub in a process of its own, and what it said."""

    def __init__(self, data: Path, log: Path) -> None:
        self.data = data
        self.log = log
        with log.open("ab") as sink:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _CODE, str(data), str(free_port()), str(free_port())],
                stdout=sink,
                stderr=sink,
                start_new_session=True,
            )

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def pids(self) -> dict[str, int]:
        """Return name -> process id of what runs, from the status file."""
        with contextlib.suppress(FileNotFoundError):
            lines = (self.data / "status").read_text().splitlines()[1:]
            return {line.split()[0]: int(line.split()[-1]) for line in lines if "process" in line}
        return {}

    def wait_for(self, *names: str) -> dict[str, int]:
        return waiting.until(
            lambda: pids if set(names) <= set(pids := self.pids()) else None,
            f"{', '.join(names)} run; it said: {self.said()[-2000:]}",
            timeout=60,
        )

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


@contextmanager
def _running(folder: Path) -> Iterator[RunningHub]:
    started = RunningHub(folder / "data", folder / "said")
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.process.kill()
        started.process.wait()


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_hub_mends_what_dies_and_stops_in_order() -> None:
    with short_folder() as folder, _running(folder) as running:
        before = running.wait_for("database", "broker", "gateway")

        second = RunningHub(running.data, folder / "second")
        assert second.process.wait(60) == 1
        assert f"already running on {running.data}" in second.said()

        for name in ("gateway", "database", "broker"):
            os.kill(before[name], signal.SIGKILL)
            waiting.until(
                lambda was=before[name], name=name: running.pids().get(name, was) != was,
                f"{name} runs again; it said: {running.said()[-2000:]}",
                timeout=60,
            )
        assert "gateway was ended by SIGKILL; starting it again" in running.said()
        assert "the database stopped unexpectedly" in running.said()
        assert "the broker stopped unexpectedly" in running.said()

        last = running.wait_for("database", "broker", "gateway")
        assert running.end(signal.SIGTERM) == 0
        assert all(_gone(pid) for pid in last.values())
        assert running.said().rstrip().endswith("stopping")


def test_nothing_outlives_a_killed_hub_and_the_next_carries_on() -> None:
    with short_folder() as folder:
        with _running(folder) as running:
            pids = running.wait_for("database", "broker", "gateway")
            running.end(signal.SIGKILL)
            waiting.until(lambda: all(_gone(pid) for pid in pids.values()), "all are gone")
        (folder / "data" / "status").unlink()
        with _running(folder) as again:
            again.wait_for("database", "broker", "gateway")
            assert again.end(signal.SIGINT) == 0
        assert (folder / "said").read_text().count("brought to this release's schema") == 1


def test_secrets_in_the_data_folder_are_closed_to_others() -> None:
    with short_folder() as folder, _running(folder) as running:
        running.wait_for("gateway")
        closed = [
            "secret-key",
            "demo/logins",
            "demo/register.toml",
            "mosquitto/hub-password",
            "hub.env",
        ]
        for name in closed:
            assert (running.data / name).stat().st_mode & 0o077 == 0, name
        settings = (running.data / "hub.env").read_text()
        assert f"TELECARE_DATA_DIR={running.data}" in settings, "doctor looks at that disk"


def _refusal(options: hub.HubOptions, config: settings.ApiSettings) -> str:
    said: list[str] = []
    assert hub.run_hub(options, config, say=said.append) == 1
    return said[-1]


def test_without_a_secret_key_it_refuses_in_one_sentence(tmp_path: Path) -> None:
    said = _refusal(hub.HubOptions(data=tmp_path / "hub"), settings.ApiSettings(_env_file=None))
    assert said.startswith("TELECARE_SECRET_KEY must be set")
    assert "\n" not in said
    assert not (tmp_path / "hub").exists()


def test_a_hub_without_accounts_says_that_nobody_can_sign_in_yet(database_url: str) -> None:
    assert hub.nobody_can_sign_in(database_url)
    with pools.open_pool(database_url, name="test", most=1) as pool:
        kept = accounts.Accounts(pool)
        kept.add(username="nora", name="Nora", role="nurse", password_hash="x")
        assert not hub.nobody_can_sign_in(database_url)
        kept.set_disabled("nora", True)
        assert hub.nobody_can_sign_in(database_url)


def test_a_demonstration_refuses_any_address_but_this_machine_s(tmp_path: Path) -> None:
    options = hub.HubOptions(demo=True, data=tmp_path / "hub", http_host="0.0.0.0")
    assert "not on 0.0.0.0" in _refusal(options, settings.ApiSettings(_env_file=None))


def test_a_taken_port_is_said_with_the_option_that_changes_it(tmp_path: Path) -> None:
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        options = hub.HubOptions(demo=True, data=tmp_path / "hub", http_port=port)
        said = _refusal(options, settings.ApiSettings(_env_file=None))
    assert said == (
        f"Port {port} on 127.0.0.1 is in use by another program; choose another with --http-port."
    )


def test_the_data_folder_is_the_machine_s_as_root_and_the_user_s_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert hub.default_folder(demo=False) == Path("/var/lib/telecare")
    assert hub.default_folder(demo=True) == Path("/var/lib/telecare-demo")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert hub.default_folder(demo=False) == Path("/data/telecare")
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert hub.default_folder(demo=True) == Path("/home/somebody/.local/share/telecare-demo")
