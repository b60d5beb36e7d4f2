"""The two loops that turn the log into alerts: alarms without any memory, readings with one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.random import Generator

from alerts import errors, metrics, model, ports
from alerts.engine import Engine
from alerts.plan import Plan
from alerts.state.subjects import Devices, People
from ingest import telemetry
from ingest.kernel.clock import Clock
from ingest.kernel.errors import RecoverableError, StoreUnavailableError
from ingest.kernel.observation import ROW, Quality, Rows

_HOMES_AT_ONCE = 2_000
_HISTORY_S = 16 * 86_400.0
"""How far back the memory reaches: the days of a baseline. [s]"""
_HEARD_AGE_S = 5.0
"""How long it is believed that the hub still listens, before it is asked again. [s]"""
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
    sweep: float = 1.0
    checkpoint: float = 60.0
    refresh: float = 3_600.0


class ReadingLoop:
    """Judges readings and the clock with a memory that is kept, and thrown away in doubt."""

    def __init__(
        self,
        *,
        log: Callable[[], _ReadingLog],
        signals: Callable[[], ports.Signals],
        plan: Callable[[], Plan],
        packs: str,
        pace: Pace,
        clock: Clock,
        rng: Generator,
    ) -> None:
        self._open_log = log
        self._open_signals = signals
        self._plan = plan
        self._packs = packs
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
            except Exception:
                # ending the role would end what raises alarms; that readings wait is told
                metrics.RELOADS.inc()
                self._say.exception("Readings could not be judged, loading their memory again")
                self._back_off.wait(stop)

    def _work(self, log: _ReadingLog, signals: ports.Signals, stop: threading.Event) -> None:
        session = Session(log, self._plan(), self._clock, packs=self._packs, careful=self._careful)
        pace, now = self._pace, self._clock.monotonic()
        balance_at, sweep_at, save_at = now, now, now + pace.checkpoint
        refresh_at = now + pace.refresh / 64
        heard: set[str] = set()
        while not stop.is_set():
            now = self._clock.monotonic()
            if now >= balance_at:
                session.balance()
                balance_at = now + pace.balance
            if "ingest_register" in heard:
                session.renew()
            rows, more = self._round(session)
            self._back_off.worked()
            if not more and now >= sweep_at:  # silence only counts once all that came is read
                session.sweep()
                sweep_at = now + pace.sweep
            if now >= save_at and not more:
                save_at = now + session.save_one(pace.checkpoint)
            if now >= refresh_at and not more:
                refresh_at = now + session.refresh_one(pace.refresh)
            if more:
                heard = signals.wait(0)
            elif rows:  # look again soon: not every batch is announced
                stop.wait(pace.pause)
                heard = signals.wait(0)
            else:
                heard = signals.wait(pace.tick)
        session.save_all()

    def _round(self, session: Session) -> tuple[int, bool]:
        """Do a round; where judging fails, forget everything and judge home by home once."""
        try:
            done = session.round()
        except JudgingFailedError as error:
            self._careful = True
            self._say.error("Judging failed, once more home by home", exc_info=error)
            raise
        if done[0]:
            self._careful = False
        return done


class Session:
    """One life of the memory: from loading it to the first doubt about it."""

    def __init__(
        self,
        log: _ReadingLog,
        plan: Plan,
        clock: Clock,
        *,
        packs: str,
        careful: bool = False,
    ) -> None:
        self._log = log
        self._clock = clock
        self._packs = packs
        self._say = telemetry.logger(loop="readings")
        self._held: set[int] = set()
        self._absent: set[int] = set()
        self._careful = careful
        self._unsaved: list[int] = []
        self._stale: list[int] = []
        self._heard: tuple[float, float | None] = (-_HEARD_AGE_S, None)
        self._presence_due = True
        self._cadence: dict[int, Mapping[str, float]] = {}
        self._ended: list[model.Finding] = []  # of what the register has taken back, not yet told
        self._seen_at = 0.0  # what devices said of themselves until then is taken in
        self.engine = Engine(plan)
        self._event_no = log.closed_since(-1)[1]
        self._learn_parts()

    def balance(self) -> None:
        """Take and give up shards, and load or forget who lives there."""
        gained, lost = self._log.balance()
        if lost:
            self._held.difference_update(lost)
            self.engine.memory.forget(lost)
        for shard in gained:
            self._held.add(shard)
            self._take_over(shard)
        metrics.SHARDS.set(len(self._held))
        metrics.PEOPLE.set(self.engine.memory.people.count)

    def _take_over(self, shard: int) -> None:
        """Make the memory of a shard: a checkpoint and what came after it, else from the store."""
        store, memory = self._log.store, self.engine.memory
        homes = store.homes(shards=[shard], numbers=())
        saved = store.checkpoint(shard, packs=self._packs)
        if saved is not None and memory.load(saved.state, packs=self._packs):
            known = self._known(homes)
            self._drop_gone(shard, known)
            self._update(known)
            for rows in store.since(shard, saved, self._log.cursors(shard)):
                self._replay(rows)
            self._told(known)
        else:
            self._load(homes)

    def _replay(self, rows: Rows) -> None:
        """Judge again what was judged after a checkpoint: what it found is in the database."""
        if rows.size:
            now = float(rows["received"].max())
            self.engine.on_data(rows, now=now)

    def _drop_gone(self, shard: int, known: Sequence[ports.Known]) -> None:
        """Forget what a checkpoint has and the register hasn't any more."""
        memory = self.engine.memory
        for kind, numbers in _numbers(known).items():
            table = memory.subjects(kind)
            here = table.no[: table.count][table.shard[: table.count] == shard]
            memory.gone(kind, np.setdiff1d(here, np.array(numbers, dtype=np.int64)))

    def _known(self, homes: Sequence[int]) -> list[ports.Known]:
        """Return what the register and the alerts say of homes and of who and what is in them."""
        return [self._log.store.known(homes[n : n + _HOMES_AT_ONCE])
                for n in range(0, len(homes), _HOMES_AT_ONCE)]  # fmt: skip

    def _load(self, homes: Sequence[int]) -> None:
        """Load homes with their people and devices, their history, and what is told of them."""
        now = self._clock.epoch()
        store = self._log.store
        for n in range(0, len(homes), _HOMES_AT_ONCE):
            some = homes[n : n + _HOMES_AT_ONCE]
            known = self._known(some)
            self._put(known)
            self._read_past(some)
            self.engine.on_data(store.heard(some), now=now)
            self._told(known)

    def _read_past(self, homes: Sequence[int]) -> None:
        """Remember what was measured in homes; what is remembered already stays as it is."""
        now = self._clock.epoch()
        for rows in self._log.store.history(homes, since=now - _HISTORY_S, until=now + 1):
            past = rows.copy()
            past["flags"] |= int(Quality.IMPORTED)  # remembered, not judged
            self.engine.on_data(past, now=now)
        self.engine.begun.difference_update(homes)

    def _update(self, known: Sequence[ports.Known]) -> None:
        """Take in what the register says of homes that are here, and what rules now ask of them."""
        self._put(known)
        if self.engine.begun:
            self._read_past(sorted(self.engine.begun))

    def _put(self, known: Sequence[ports.Known]) -> None:
        before = self.engine.care_plans.unread
        for some in known:
            self._ended += self.engine.put(
                homes=some.homes, people=some.people, devices=some.devices
            )
        if unread := self.engine.care_plans.unread - before:
            metrics.UNREAD_TRIGGERS.inc(unread)
            self._say.error("Triggers of care plans can't be judged", triggers=unread)

    def _told(self, known: Sequence[ports.Known]) -> None:
        for one in (told for some in known for told in some.told):
            self._ended += self.engine.put_told(
                one.subject, one.subject_no, one.rule_id, rank=one.rank, at=one.at,
                basis=one.basis,
            )  # fmt: skip

    def renew(self) -> None:
        """Take in what the register has changed: limits, flags, who came and who is gone."""
        self._log.forget_teams()
        self._absent.clear()
        self._learn_parts()
        self._renew(self._log.store.changed())

    def refresh_one(self, within: float) -> float:
        """Read what the register says of one shard again; return how long to wait. [s]

        Who has which device changes with the calendar too, without anybody writing anything.
        """
        if not self._stale:
            self._stale = sorted(self._held)
        if self._stale:
            shard = self._stale.pop()
            memory = self.engine.memory
            here = memory.homes.no[: memory.homes.count]
            mine = here[memory.homes.shard[: memory.homes.count] == shard].tolist()
            self._renew(sorted({*mine, *self._log.store.homes(shards=[shard], numbers=())}))
        return within / max(1, len(self._held))

    def _renew(self, changed: Sequence[int]) -> None:
        memory = self.engine.memory
        here = {n for n in changed if memory.homes.numbers.row(n) >= 0}
        there = set(self._log.store.homes(shards=(), numbers=sorted(changed)))
        held = set(self._log.store.held(sorted(there), shards=sorted(self._held)))
        known = self._known(sorted(here & there))
        self._drop(sorted(here - there), sorted(here & there), known)
        self._update(known)
        self._load(sorted(held - here))

    def _drop(self, gone: Sequence[int], left: Sequence[int], known: Sequence[ports.Known]) -> None:
        """Forget homes that are gone, and who has left those that aren't."""
        memory = self.engine.memory
        numbers = _numbers(known)
        for kind in ("person", "device"):
            table = memory.subjects(kind)
            assert isinstance(table, People | Devices)  # noqa: S101  (both live in homes)
            in_homes = np.isin(table.home[: table.count], [*gone, *left])
            stay = np.array(numbers[kind], dtype=np.int64)
            memory.gone(kind, np.setdiff1d(table.no[: table.count][in_homes], stay))
        if gone:
            memory.gone("home", np.array(gone, dtype=np.int64))

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
        found = [*self._taken_back(), *self._judge(chunk.rows)]
        faults = self._log.faults(chunk.rows)
        counts = self._log.commit(chunk, ports.Findings(found=found, faults=faults))
        metrics.READINGS.inc(len(chunk.rows))
        metrics.count(counts)
        return len(chunk.rows), chunk.more

    def sweep(self) -> int:
        """Judge what the clock alone changes and write it; return how much was found.

        Raises
        ------
        StoreUnavailableError, LostCursorError
            This memory is worth nothing now.
        """
        now = self._clock.epoch()
        heard_since = self._heard_since(now)
        found = self._take_in_presence(now)
        found += self._taken_back()
        with metrics.SWEEP.time():
            found += self.engine.on_time(now=now, heard_since=heard_since)
        if found:
            nothing = ports.Chunk(rows=np.zeros(0, ROW))
            metrics.count(self._log.commit(nothing, ports.Findings(found=found)))
        return len(found)

    def _taken_back(self) -> list[model.Finding]:
        """Return what is over because the register took it back. Lost, it is found on loading."""
        ended, self._ended = self._ended, []
        return ended

    def _heard_since(self, now: float) -> float | None:
        read_at, since = self._heard
        if abs(now - read_at) >= _HEARD_AGE_S:
            since = self._log.heard_since()
            self._heard = (now, since)
            self._presence_due = True
        return since

    def _take_in_presence(self, now: float) -> list[model.Finding]:
        if not self._presence_due:
            return []
        self._presence_due = False
        said = self._log.store.presence(since=self._seen_at)
        if not said:
            return []
        self._seen_at = max(one.seen_at for one in said)
        self._promised(said)
        return self.engine.presence(
            np.array([one.device_no for one in said], dtype=np.int64),
            [one.state for one in said],
            np.array([np.nan if one.battery is None else one.battery for one in said]),
            np.array([one.seen_at for one in said]),
            now=now,
        )

    def _promised(self, said: Sequence[ports.Presence]) -> None:
        """Take in what devices say they will send, where they say something new."""
        promised = {p.device_no: p.cadence for p in said if p.cadence is not None}
        new = [no for no, cadence in promised.items() if self._cadence.get(no) != cadence]
        self._cadence.update(promised)
        if new:
            here = self.engine.memory.homes.numbers
            homes = [h for h in self._log.store.homes_of(new) if here.row(h) >= 0]
            self._update(self._known(homes))

    def save_one(self, within: float) -> float:
        """Keep the memory of one shard; return how long to wait until the next one. [s]"""
        if not self._unsaved:
            self._unsaved = sorted(self._held)
            self.engine.tidy(now=self._clock.epoch())
        if self._unsaved:
            self._save(self._unsaved.pop())
        return within / max(1, len(self._held))

    def save_all(self) -> None:
        """Keep the memory of everything, so that whoever comes next goes on from here."""
        try:
            for shard in sorted(self._held):
                self._save(shard)
        except RecoverableError as error:
            self._say.warning("The memory could not be kept", why=str(error))

    def _save(self, shard: int) -> None:
        memory = self.engine.memory
        if not (memory.homes.shard[: memory.homes.count] == shard).any():
            return  # nobody lives there
        self._log.store.save(
            shard, memory.dump(shard, packs=self._packs), cursors=self._log.cursors(shard),
            packs=self._packs,
        )  # fmt: skip

    def _judge(self, rows: Rows) -> Sequence[model.Finding]:
        now = self._clock.epoch()
        if not self._careful:
            try:
                return self.engine.on_data(rows, now=now)
            except Exception as error:
                raise JudgingFailedError from error
        self._careful = False
        found: list[model.Finding] = []
        for home in np.unique(rows["dwelling"]):  # once, after a failure
            try:
                found += self.engine.on_data(rows[rows["dwelling"] == home], now=now)
            except Exception as error:
                metrics.UNJUDGED.inc()
                self._say.error("Readings of one home could not be judged", exc_info=error)
        return found

    def _meet(self, rows: Rows) -> None:
        """Load whoever is in the rows and not yet here; learn rooms that are new."""
        if not self.engine.memory.knows_parts(rows["part"]):
            self._learn_parts()
        people, homes, devices = self.engine.unknown(rows)
        wanted = set(homes.tolist())
        for column, numbers in (("person", people), ("device", devices)):
            if numbers.size:
                wanted.update(np.unique(rows["dwelling"][np.isin(rows[column], numbers)]).tolist())
        unknown = sorted(wanted - self._absent - {0})
        if not unknown:
            return
        new = [n for n in unknown if self.engine.memory.homes.numbers.row(n) < 0]
        there = self._log.store.homes(shards=(), numbers=new)
        self._load(there)
        self._update(self._known(sorted(set(unknown) - set(new))))
        self._absent.update(unknown)

    def _learn_parts(self) -> None:
        names = {0: "", **self._log.store.parts()}
        self.engine.memory.learn_parts(names)
        self._log.know_parts(names)

    def _forget_closed(self) -> None:
        closed, self._event_no = self._log.closed_since(self._event_no)
        for kind, number, rule_id in closed:
            self.engine.forget_told(kind, number, rule_id, now=self._clock.epoch())


def _numbers(known: Sequence[ports.Known]) -> dict[str, list[int]]:
    return {
        "home": [h.no for k in known for h in k.homes],
        "person": [p.no for k in known for p in k.people],
        "device": [d.no for k in known for d in k.devices],
    }
