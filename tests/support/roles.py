"""The alerts role as processes of a test: started, killed as a power cut would, ended with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


class AlertsProcesses:
    """Any number of the alerts role over one database; what they say goes into a log, if given."""

    def __init__(self, url: str, *, log: Path | None = None, **settings: str) -> None:
        self.url, self.log = url, log
        self.running: list[subprocess.Popen[bytes]] = []
        self._env = {**os.environ, "TELECARE_DATABASE_URL": url}
        self._env |= {f"TELECARE_{name.upper()}": value for name, value in settings.items()}

    def start(self) -> subprocess.Popen[bytes]:
        """Start one more."""
        command = [sys.executable, "-m", "alerts"]
        if self.log is None:
            process = subprocess.Popen(command, cwd=ROOT, env=self._env)
        else:
            with self.log.open("ab") as log:
                process = subprocess.Popen(command, cwd=ROOT, env=self._env, stderr=log)
        self.running.append(process)
        return process

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """Kill one of them."""
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        self.running.remove(process)

    def kill_all(self) -> None:
        """Kill whatever runs."""
        for process in list(self.running):
            self.kill(process)
