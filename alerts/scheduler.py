"""A ticker and nothing else: what is due is found in the database. The only home of apscheduler."""

from __future__ import annotations

from collections.abc import Callable

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from ingest import telemetry
from ingest.kernel.errors import RecoverableError


class Ticker:
    """Calls jobs again and again, each by itself, never two of a kind at once.

    A late tick is run late (apscheduler's own default drops it after one second) and several
    missed ones are run once. A job that fails for want of the database is tried at its next tick;
    any other failure is handed to ``on_crash``.
    """

    def __init__(self, *, on_crash: Callable[[BaseException], None]) -> None:
        self._on_crash = on_crash
        self._say = telemetry.logger(loop="ticker")
        self._scheduler = BackgroundScheduler(
            timezone="UTC",
            executors={"default": ThreadPoolExecutor(4)},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )

    def every(
        self, seconds: float, job: Callable[[], object], *, name: str, at_start: bool = False
    ) -> None:
        """Call a job every so often, and where asked for at once when the ticker starts."""
        self._scheduler.add_job(self._guarded, "interval", [job, name], seconds=seconds, id=name)
        if at_start:
            self._scheduler.add_job(self._guarded, args=[job, name])

    def start(self) -> None:
        """Begin to tick."""
        self._scheduler.start()

    def stop(self) -> None:
        """Begin nothing more. Jobs that wait for a session end when their pool is closed."""
        if self._scheduler.running:
            # its thread may be about to start a job, which a stopped scheduler can't: it would
            # end with an error of its own
            self._scheduler.remove_all_jobs()
            self._scheduler.shutdown(wait=False)

    def _guarded(self, job: Callable[[], object], name: str) -> None:
        try:
            job()
        except RecoverableError as error:
            self._say.warning("A tick could not be done, the next one tries again",
                              job=name, why=str(error))  # fmt: skip
        except BaseException as error:
            self._on_crash(error)
            raise
