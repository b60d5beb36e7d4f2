"""A ticker and nothing else: what is due is found in the database. The only home of apscheduler."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler

from ingest import telemetry
from ingest.kernel.clock import Clock
from ingest.kernel.errors import RecoverableError

_MOST_JOBS = 32
_LOOKS_S = 0.5
_SET_S = 1.5
"""A wall clock that has moved by this much against the monotonic one was set. [s]"""


class Ticker:
    """Calls jobs again and again, each in a thread of its own, never two of a kind at once.

    apscheduler reckons its next run by the clock on the wall: set back by two hours, nobody would
    be told of anything for as long. So the two clocks are compared, and all jobs run at once when
    the one on the wall was set. A late tick is run late (apscheduler's own default drops it after
    one second), several missed ones are run once, and a slow job keeps no other waiting. One that
    fails is called again at its next tick whatever the failure was: one that always fails must not
    take down with it what raises alarms; that it doesn't run is for the hub's watch on itself to
    see.
    """

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._stop = threading.Event()
        self._say = telemetry.logger(loop="ticker")
        self._scheduler = BackgroundScheduler(
            timezone="UTC",
            executors={"default": ThreadPoolExecutor(_MOST_JOBS)},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )

    def every(
        self, seconds: float, job: Callable[[], object], *, name: str, at_start: bool = False
    ) -> None:
        """Call a job every so often, and where asked for at once when the ticker starts."""
        now = {"next_run_time": self._clock.now()} if at_start else {}
        self._scheduler.add_job(
            self._call, "interval", [job, name], seconds=seconds, id=name, **now
        )

    def start(self) -> None:
        """Begin to tick."""
        self._scheduler.start()
        threading.Thread(target=self._watch_clock, name="ticker-clock", daemon=True).start()

    def stop(self) -> None:
        """Begin nothing more. Jobs that wait for a session end when their pool is closed."""
        self._stop.set()
        if self._scheduler.running:
            # its thread may be about to start a job, which a stopped scheduler can't: it would
            # end with an error of its own
            self._scheduler.remove_all_jobs()
            self._scheduler.shutdown(wait=False)

    def _watch_clock(self) -> None:
        """Run everything at once when the clock on the wall was set."""
        apart = self._clock.epoch() - self._clock.monotonic()
        while not self._stop.wait(_LOOKS_S):
            now = self._clock.epoch() - self._clock.monotonic()
            if abs(now - apart) > _SET_S:
                self._say.warning("The clock was set; every job runs now", by_s=round(now - apart))
                for job in self._scheduler.get_jobs():
                    self._run_now(job.id)
            apart = now

    def _run_now(self, name: str) -> None:
        with contextlib.suppress(JobLookupError):  # the ticker has just been stopped
            self._scheduler.modify_job(name, next_run_time=self._clock.now())

    def _call(self, job: Callable[[], object], name: str) -> None:
        try:
            job()
        except RecoverableError as error:
            self._say.warning("A tick could not be done, the next one tries again",
                              job=name, why=str(error))  # fmt: skip
        except Exception:
            self._say.exception("A tick failed, the next one tries again", job=name)
