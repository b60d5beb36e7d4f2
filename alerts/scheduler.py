"""A ticker and nothing else: what is due is found in the database."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from ingest import telemetry
from ingest.kernel.clock import Clock
from ingest.kernel.errors import RecoverableError


@dataclass(frozen=True, slots=True)
class _Job:
    name: str
    work: Callable[[], object]
    seconds: float
    at_start: bool


class Ticker:
    """Calls jobs again and again, each in a thread of its own, never two of a kind at once.

    It goes by the clock that nobody can set: by the one on the wall, set back by two hours, nobody
    would be told of anything for as long. Ticks that were missed are made up for by one. A slow
    job keeps no other waiting. One that fails is called again at its next tick whatever the
    failure was: one that always fails must not take down with it what raises alarms; that it
    doesn't run is for the hub's watch on itself to see.
    """

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._jobs: list[_Job] = []
        self._stop = threading.Event()
        self._say = telemetry.logger(loop="ticker")

    def every(
        self, seconds: float, job: Callable[[], object], *, name: str, at_start: bool = False
    ) -> None:
        """Call a job every so often, and where asked for at once when the ticker starts."""
        self._jobs.append(_Job(name, job, seconds, at_start))

    def start(self) -> None:
        """Begin to tick."""
        for job in self._jobs:
            threading.Thread(target=self._run, args=[job], name=job.name, daemon=True).start()

    def stop(self) -> None:
        """Begin nothing more. Jobs that wait for a session end when their pool is closed."""
        self._stop.set()

    def _run(self, job: _Job) -> None:
        due = self._clock.monotonic() + (0.0 if job.at_start else job.seconds)
        while not self._stop.wait(max(due - self._clock.monotonic(), 0.0)):
            self._call(job)
            due = max(due + job.seconds, self._clock.monotonic())

    def _call(self, job: _Job) -> None:
        try:
            job.work()
        except RecoverableError as error:
            self._say.warning("A tick could not be done, the next one tries again",
                              job=job.name, why=str(error))  # fmt: skip
        except Exception:
            self._say.exception("A tick failed, the next one tries again", job=job.name)
