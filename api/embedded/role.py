"""One role of the hub as a process that is started again, ever later, when it dies."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from api.embedded import child
from ingest.kernel import clock as clocks

FIRST_WAIT = 0.5  # [s] unsourced: before the first new start, doubled at each further one
LONGEST_WAIT = 30.0  # [s] unsourced
SETTLED = 60.0  # [s] unsourced: who ran this long starts over with the first wait
_STOP_PATIENCE = 15.0  # [s] for what is in hand, before it is killed


class Restarts:
    """How long to wait before the next start. Pure: the moment is an argument."""

    def __init__(self) -> None:
        self._in_a_row = 0

    def wait_after(self, ran_for: float) -> float:
        """Return the wait before the next start, after a run of this length. [s]"""
        self._in_a_row = 0 if ran_for >= SETTLED else self._in_a_row
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2.0**self._in_a_row)
        self._in_a_row += 1
        return wait


class Role:
    """A process of ours with its log. Called from the main thread only."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str],
        log: Path,
        say: Callable[[str], None],
        clock: clocks.Clock,
        folder: Path = Path("/"),
    ) -> None:
        self.name = name
        self.log = log
        self._command = command
        self._environment = environment
        self._folder = folder
        self._say = say
        self._clock = clock
        self._restarts = Restarts()
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._due = 0.0

    @property
    def pid(self) -> int | None:
        """The process's id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def tend(self) -> None:
        """Start it when it is due; notice that it died and say so in one line."""
        now = self._clock.monotonic()
        if self._process is None:
            if now >= self._due:
                self._start(now)
            return
        code = self._process.poll()
        if code is None:
            return
        self._process = None
        wait = self._restarts.wait_after(now - self._started)
        self._due = now + wait
        last = child.tail(self.log, lines=1)
        self._say(f"{self.name} {_ending(code)}; starting it again in {wait:g} s. Its log: {last}")

    def stop(self) -> None:
        """Stop it in order, and after some seconds without asking."""
        if self._process is not None:
            child.stop(self._process, gently=signal.SIGTERM, patience=_STOP_PATIENCE)
            self._process = None

    def state(self) -> str:
        """Return one line for a person."""
        return f"runs, process {self.pid}" if self.pid else "stopped, will be started again"

    def _start(self, now: float) -> None:
        child.trim_log(self.log)
        self._started = now
        self._process = child.start(
            self._command,
            log=self.log,
            death=signal.SIGTERM,
            environment=self._environment,
            folder=self._folder,
        )


def _ending(code: int) -> str:
    if code >= 0:
        return f"stopped unexpectedly with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = str(-code)
    return f"was ended by {name}"
