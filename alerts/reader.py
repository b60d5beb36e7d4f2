"""The two loops that turn the log into alerts: alarms without any memory, readings with one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.random import Generator

from alerts import engine, errors, metrics, model, ports
from alerts.windows import Columns, Latest
from ingest import telemetry
from ingest.kernel.clock import Clock
from ingest.kernel.errors import RecoverableError, StoreUnavailableError
from ingest.kernel.observation import Rows

_PEOPLE_AT_ONCE = 5_000
_LONGEST_PAUSE_S = 2.0
_FIRST_PAUSE_S = 0.1


class _ReadingLog(ports.ReadingLog, Protocol):
    def forget_teams(self) -> None:
        """Read the teams again."""
        ...


class _AlarmLog(ports.AlarmLog, Protocol):
    def forget_teams(self) -> None:
        """Read the teams again."""
        ...


class JudgingFailedError(RecoverableError):
    """The rules failed on a batch; its memory is half-changed and has to be loaded again."""


class BackOff:
    """Waits longer after each failure in a row, with jitter, until told that it works again."""

    def __init__(self, rng: Generator) -> None:
        self._rng = rng
        self._pause = _FIRST_PAUSE_S

    def worked(self) -> None:
        """Begin from the shortest pause again."""
        self._pause = _FIRST_PAUSE_S

    def wait(self, stop: threading.Event) -> None:
        """Wait, or until stopped."""
        stop.wait(self._pause * (0.5 + self._rng.random()))
        self._pause = min(2 * self._pause, _LONGEST_PAUSE_S)


class AlarmLoop:
    """Raises alarms. Has a session of its own and waits for nothing but the database."""

    def __init__(
        self,
        *,
        log: Callable[[], _AlarmLog],
        signals: Callable[[], ports.Signals],
        tick_s: float,
        clock: Clock,
        rng: Generator,
    ) -> None:
        self._open_log = log
        self._open_signals = signals
        self._tick_s = tick_s
        self._clock = clock
        self._back_off = BackOff(rng)
        self._say = telemetry.logger(loop="alarms")

    def run(self, stop: threading.Event) -> None:
        """Work until stopped; a database that goes away is waited for."""
        while not stop.is_set():
            try:
                with closing(self._open_signals()) as signals, closing(self._open_log()) as log:
                    self._work(log, signals, stop)
            except (StoreUnavailableError, errors.LostCursorError) as error:
                self._say.warning("The alarm log was lost, opening it again", why=str(error))
                self._back_off.wait(stop)

    def _work(self, log: _AlarmLog, signals: ports.Signals, stop: threading.Event) -> None:
        while not stop.is_set():
            began = self._clock.monotonic()
            alarms, counts = log.round()
            self._back_off.worked()
            if alarms:
                metrics.LATENCY.observe(self._clock.monotonic() - began)
                metrics.ALARMS.inc(alarms)
                metrics.count(counts)
                self._say.info("Alarms judged", alarms=alarms, **counts)
                continue  # there may be more already
            if "ingest_register" in signals.wait(self._tick_s):
                log.forget_teams()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How the readings loop spends its time. [s]"""

    tick: float
    pause: float
    balance: float


class ReadingLoop:
    """Judges readings with a memory that is loaded, kept, and thrown away when in doubt."""

    def __init__(
        self,
        *,
        log: Callable[[], _ReadingLog],
        signals: Callable[[], ports.Signals],
        columns: Columns,
        ages: engine.Ages,
        pace: Pace,
        clock: Clock,
        rng: Generator,
    ) -> None:
        self._open_log = log
        self._open_signals = signals
        self._columns = columns
        self._ages = ages
        self._pace = pace
        self._clock = clock
        self._back_off = BackOff(rng)
        self._careful = False
        self._say = telemetry.logger(loop="readings")

    def run(self, stop: threading.Event) -> None:
        """Work until stopped; after a lost database or cursor everything is loaded anew."""
        while not stop.is_set():
            try:
                with closing(self._open_signals()) as signals, closing(self._open_log()) as log:
                    self._work(log, signals, stop)
            except RecoverableError as error:
                metrics.RELOADS.inc()
                self._say.warning("Memory is worth nothing now, loading it again", why=str(error))
                self._back_off.wait(stop)

    def _work(self, log: _ReadingLog, signals: ports.Signals, stop: threading.Event) -> None:
        session = Session(log, self._columns, self._ages, self._clock, careful=self._careful)
        balance_at = self._clock.monotonic()
        heard: set[str] = set()
        while not stop.is_set():
            if self._clock.monotonic() >= balance_at:
                session.balance()
                balance_at = self._clock.monotonic() + self._pace.balance
            if "ingest_register" in heard:
                session.renew()
            rows, more = self._round(session)
            self._back_off.worked()
            if more:
                heard = signals.wait(0)
            elif rows:  # look again soon: not every batch is announced
                stop.wait(self._pace.pause)
                heard = signals.wait(0)
            else:
                heard = signals.wait(self._pace.tick)

    def _round(self, session: Session) -> tuple[int, bool]:
        """Do a round; where judging fails, forget everything and judge person by person once."""
        try:
            done = session.round()
        except JudgingFailedError as error:
            self._careful = True
            self._say.error("Judging failed, once more person by person", exc_info=error)
            raise
        if done[0]:
            self._careful = False
        return done


class Session:
    """One life of the memory: from loading it to the first doubt about it."""

    def __init__(
        self,
        log: _ReadingLog,
        columns: Columns,
        ages: engine.Ages,
        clock: Clock,
        *,
        careful: bool = False,
    ) -> None:
        self._log = log
        self._ages = ages
        self._clock = clock
        self._say = telemetry.logger(loop="readings")
        self._held: set[int] = set()
        self._absent: set[int] = set()
        self._careful = careful
        self.state = Latest(columns)
        self._event_no = log.closed_since(-1)[1]

    def balance(self) -> None:
        """Take and give up shards, and load or forget who lives there."""
        gained, lost = self._log.balance()
        if lost:
            self._held.difference_update(lost)
            self.state.forget(lost)
        if gained:
            self._held.update(gained)
            self.load(self._log.people(shards=gained, numbers=()))
        metrics.SHARDS.set(len(self._held))
        metrics.PEOPLE.set(self.state.count)

    def load(self, numbers: Sequence[int], *, readings: bool = True) -> None:
        """Load people, their latest readings and what was told about them."""
        now = self._clock.epoch()
        since = now - self._ages.latest if readings else now
        for n in range(0, len(numbers), _PEOPLE_AT_ONCE):
            memory = self._log.memory(
                numbers[n : n + _PEOPLE_AT_ONCE],
                quantities=self.state.columns.quantities,
                since=since,
                until=now,
            )
            self.state.put(memory.people)
            self.state.put_told(memory.told)
            found = memory.readings
            self.state.fill(
                found["person"].astype("i8"),
                found["quantity"].astype("i8"),
                found["time"].astype("f8"),
                found["value"].astype("f8"),
            )

    def renew(self) -> None:
        """Take in that the register has changed: limits, flags, people who came."""
        self._log.forget_teams()
        self._absent.clear()
        here = self.state.person[: self.state.count].tolist()
        wanted = set(self._log.people(shards=sorted(self._held), numbers=here))
        new = wanted.difference(here)
        self.load(sorted(wanted - new), readings=False)
        self.load(sorted(new))

    def round(self) -> tuple[int, bool]:
        """Judge what is new and write what was found; return how many rows, and whether more wait.

        Raises
        ------
        StoreUnavailableError, LostCursorError
            This memory is worth nothing now.
        """
        self._forget_closed()
        chunk = self._log.read()
        if not chunk.moves:
            return 0, False
        self._meet(chunk.rows)
        found = self._judge(chunk.rows)
        faults = self._log.faults(chunk.rows)
        counts = self._log.commit(chunk, ports.Findings(people=found, faults=faults))
        metrics.READINGS.inc(len(chunk.rows))
        metrics.count(counts)
        return len(chunk.rows), chunk.more

    def _judge(self, rows: Rows) -> Sequence[model.Finding]:
        now = self._clock.epoch()
        if not self._careful:
            try:
                return engine.on_data(self.state, rows, now=now, ages=self._ages)
            except Exception as error:
                raise JudgingFailedError from error
        self._careful = False
        found: list[model.Finding] = []
        for person in np.unique(rows["person"]):  # once, after a failure
            try:
                found += engine.on_data(
                    self.state, rows[rows["person"] == person], now=now, ages=self._ages
                )
            except Exception as error:
                metrics.UNJUDGED.inc()
                self._say.error("Readings of one person could not be judged", exc_info=error)
        return found

    def _meet(self, rows: Rows) -> None:
        """Load whoever is in the rows and not yet here."""
        unknown = [n for n in self.state.unknown(rows).tolist() if n not in self._absent]
        if unknown:
            there = self._log.people(shards=(), numbers=unknown)
            self.load(there)
            self._absent.update(set(unknown).difference(there))

    def _forget_closed(self) -> None:
        closed, self._event_no = self._log.closed_since(self._event_no)
        for person_no, rule_id in closed:
            self.state.forget_told(person_no, rule_id)
