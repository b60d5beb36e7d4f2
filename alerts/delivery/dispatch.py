"""The dispatcher: takes what is due, worst first, sends it, and records what came of it.

Each channel has threads of its own, so that a slow one holds up no other, and a receiver may keep
at most half of them busy. What was taken and not recorded, because the process died in between,
is taken again after its lease, with the same key.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from numpy.random import Generator

from alerts import metrics, ports
from alerts.delivery import retry
from alerts.delivery.links import Links
from alerts.delivery.ports import Channel, Confirming, Due, Failed, Message, Sent, Store
from alerts.model import Severity
from ingest import telemetry
from ingest.kernel import errors, ids
from ingest.kernel.clock import Clock

_LOOK_S = 1.0
"""How long a thread without work believes that there is none. [s]"""
_CONFIRM_WITHIN = timedelta(hours=72)
_CONFIRM_MOST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How the dispatcher spends its time. [s]"""

    tick: float
    lease: float
    confirm: float


class Vault(Protocol):
    """Opens addresses."""

    def open(self, sealed: bytes | None) -> str | None:
        """Decrypt."""
        ...


class Composer:
    """Makes a message of a delivery: the address opened, the link put in."""

    def __init__(
        self,
        *,
        vault: Vault | None,
        links: Links | None,
        public_url: str,
        link_s: float,
        clock: Clock,
    ) -> None:
        self._vault = vault
        self._links = links
        self._public_url = public_url.rstrip("/")
        self._link = timedelta(seconds=link_s)
        self._clock = clock

    def compose(self, due: Due) -> Message | Failed:
        """Return the message, or why there can be none."""
        address = due.phone if due.address is None else self._opened(due.address)
        if address is None:
            return Failed(
                permanent=True,
                reason="the receiver is no longer in the register"
                if due.address is None
                else "the address can't be decrypted with TELECARE_SECRET_KEY",
            )
        alert = ids.public("alert", due.alert_no)
        return Message(
            key=due.key,
            repeated=due.attempt > 1,
            address=address,
            language=due.language,
            template=due.template,
            severity=due.severity,
            alert_class=due.alert_class,
            since=due.raised_at,
            zone=due.zone,
            now=self._clock.now(),
            alert_id=alert,
            link=self._link_to(due, alert),
            nhs_number=due.nhs_number,
        )

    def _opened(self, sealed: bytes) -> str | None:
        try:
            return None if self._vault is None else self._vault.open(sealed)
        except errors.HubError:
            return None

    def _link_to(self, due: Due, alert: str) -> str:
        """Return where a contact can answer, and where everybody else finds the alert."""
        if due.receiver_kind != "contact" or self._links is None:
            return f"{self._public_url}/alerts/{alert}"
        token = self._links.sign(due.no, expires=self._clock.now() + self._link)
        return f"{self._public_url}/answer/{token}"


class NotSetUp:
    """Stands in for a channel that receivers name and the settings don't provide."""

    def __init__(self, name: str) -> None:
        self.name = name

    def send(self, message: Message) -> Sent | Failed:
        """Send nothing, and say so."""
        return Failed(permanent=True, reason=f"the channel {self.name} is not set up")


class Dispatcher:
    """The loop of the alerts role that sends. Any number of processes may run one."""

    def __init__(
        self,
        *,
        store: Store,
        signals: Callable[[], ports.Signals],
        channels: Mapping[str, Channel],
        composer: Composer,
        patience: Callable[[Severity], retry.Patience],
        workers: int,
        pace: Pace,
        clock: Clock,
        rng: Generator,
    ) -> None:
        self._store = store
        self._open_signals = signals
        self._channels = channels
        self._composer = composer
        self._patience = patience
        self._workers = workers
        self._pace = pace
        self._clock = clock
        self._rng = rng
        self._lanes: dict[str, _Lane] = {}
        self._threads: list[threading.Thread] = []
        self._crash: BaseException | None = None
        self._say = telemetry.logger(loop="delivery")

    def run(self, stop: threading.Event) -> None:
        """Work until stopped; a database that goes away is waited for.

        Ends with the error of a thread of its own that crashed.
        """
        if any(isinstance(c, Confirming) for c in self._channels.values()):
            self._start(self._confirm, stop)
        try:
            while not stop.is_set():
                try:
                    self._store.declare(self._channels)
                    with closing(self._open_signals()) as signals:
                        self._listen(signals, stop)
                except errors.StoreUnavailableError as error:
                    self._say.warning("Deliveries can't be looked for", why=str(error))
                    stop.wait(_LOOK_S)
        finally:
            stop.set()
            for lane in self._lanes.values():
                lane.wake()
            for thread in self._threads:
                thread.join()
        if self._crash is not None:
            raise self._crash

    def _listen(self, signals: ports.Signals, stop: threading.Event) -> None:
        while not stop.is_set():
            waiting = self._store.waiting(self._clock.now())
            for name in waiting:
                self._lane(name, stop).wake()
            for name in self._lanes.keys() | self._channels.keys():
                metrics.DELIVERIES_DUE.labels(name).set(waiting.get(name, 0))
            signals.wait(self._pace.tick)

    def _lane(self, name: str, stop: threading.Event) -> _Lane:
        """Return the lane of a channel, made when something is first sent over it."""
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = _Lane(self._channels.get(name) or NotSetUp(name),
                                             most=max(1, self._workers // 2))  # fmt: skip
            for rng in self._rng.spawn(self._workers):
                self._start(self._work, lane, rng, stop)
        return lane

    def _start(self, work: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=self._guarded, args=[work, *args])
        self._threads.append(thread)
        thread.start()

    def _guarded(self, work: Callable[..., None], *args: object) -> None:
        try:
            work(*args)
        except BaseException as error:
            self._crash = self._crash or error
            for one in args:
                if isinstance(one, threading.Event):
                    one.set()

    def _work(self, lane: _Lane, rng: Generator, stop: threading.Event) -> None:
        """Send what is due over one channel, one after the other, until stopped."""
        while not stop.is_set():
            seen = lane.woken
            try:
                while not stop.is_set() and self._one(lane, rng, stop):
                    pass
            except errors.StoreUnavailableError as error:
                self._say.warning("Deliveries can't be taken", why=str(error))
                stop.wait(_LOOK_S * (0.5 + rng.random()))
            except Exception as error:
                # one that can't be recorded is sent again after its lease; ending the role for it
                # would end what raises alarms. The kind alone: its words may hold an address
                self._say.error("A delivery could not be dealt with", kind=type(error).__name__)
                stop.wait(_LOOK_S * (0.5 + rng.random()))
            lane.wait(seen)

    def _one(self, lane: _Lane, rng: Generator, stop: threading.Event) -> bool:
        """Take and send one delivery; return whether there was one."""
        with lane.taking(self._take) as due:
            if due is None:
                return False
            outcome = self._send(lane.channel, due)
            self._insist(lambda: self._record(due, outcome, rng), due, stop)
        return True

    def _take(self, channel: str, avoid: list[int]) -> Due | None:
        return self._store.take(
            channel, now=self._clock.now(), lease_s=self._pace.lease, avoid=avoid
        )

    def _send(self, channel: Channel, due: Due) -> Sent | Failed:
        began = self._clock.monotonic()
        try:
            message = self._composer.compose(due)
            return message if isinstance(message, Failed) else channel.send(message)
        except Exception as error:
            # the kind alone: its words may hold an address
            kind = type(error).__name__
            self._say.error("A delivery could not be made", delivery=due.no, kind=kind)
            return Failed(permanent=False, reason=f"unexpected: {kind}")
        finally:
            metrics.SENDING.labels(channel.name).observe(self._clock.monotonic() - began)

    def _insist(self, record: Callable[[], None], due: Due, stop: threading.Event) -> None:
        """Record what happened; while the database is away try again for as long as the lease is.

        What can't be recorded is sent again, which the key tells the receiver.
        """
        until = self._clock.monotonic() + self._pace.lease
        while True:
            try:
                return record()
            except errors.StoreUnavailableError:
                if stop.wait(_LOOK_S) or self._clock.monotonic() > until:
                    self._say.error("A delivery went unrecorded", delivery=due.no)
                    raise

    def _record(self, due: Due, outcome: Sent | Failed, rng: Generator) -> None:
        now = self._clock.now()
        if isinstance(outcome, Sent):
            held = self._store.sent(due, outcome, now=now)
            result = "sent" if held else "late"
            metrics.DELIVERY.labels(due.channel).observe(
                max(0.0, (now - due.queued_at).total_seconds())
            )
        else:
            then = retry.after(
                outcome,
                attempt=due.attempt,
                queued_at=due.queued_at,
                now=now,
                patience=self._patience(due.severity),
                chance=float(rng.random()),
            )
            again = then.again_at and retry.quiet_until(due.quiet, due.severity, then.again_at)
            result = self._store.failed(
                due, reason=outcome.reason, over=then.over, again_at=again, now=now
            )
            self._say.warning("A message was not taken", delivery=due.no, channel=due.channel,
                              attempt=due.attempt, why=outcome.reason, then=result)  # fmt: skip
        metrics.DELIVERIES.labels(due.channel, result).inc()

    def _confirm(self, stop: threading.Event) -> None:
        """Ask providers what became of what they took."""
        asked = {n: c for n, c in self._channels.items() if isinstance(c, Confirming)}
        while not stop.wait(self._pace.confirm):
            try:
                for name, channel in asked.items():
                    self._confirm_one(name, channel, stop)
            except errors.StoreUnavailableError as error:
                self._say.warning("Deliveries can't be confirmed", why=str(error))
            except Exception as error:
                self._say.error("Deliveries can't be confirmed", kind=type(error).__name__)

    def _confirm_one(self, name: str, channel: Confirming, stop: threading.Event) -> None:
        now = self._clock.now()
        for no, ref in self._store.unconfirmed(
            name, since=now - _CONFIRM_WITHIN, most=_CONFIRM_MOST
        ):
            if stop.is_set():
                return
            outcome = channel.confirm(ref)
            if outcome is not None:
                self._store.confirmed(no, outcome, now=self._clock.now())
                result = "delivered" if isinstance(outcome, Sent) else "lost"
                metrics.DELIVERIES.labels(name, result).inc()


class _Lane:
    """One channel's threads: what wakes them, and how many each receiver keeps busy."""

    def __init__(self, channel: Channel, *, most: int) -> None:
        self.channel = channel
        self._most = most
        self._changed = threading.Condition()
        self._woken = 0
        self._busy: Counter[int] = Counter()

    @property
    def woken(self) -> int:
        """Return how often the lane was woken: look before looking for work, then `wait`."""
        return self._woken

    def wake(self) -> None:
        """Let the threads look for work."""
        with self._changed:
            self._woken += 1
            self._changed.notify_all()

    def wait(self, seen: int) -> None:
        """Wait until woken since; for a while only, as what wakes may be missed."""
        with self._changed:
            self._changed.wait_for(lambda: self._woken != seen, timeout=_LOOK_S)

    @contextmanager
    def taking(self, take: Callable[[str, list[int]], Due | None]) -> Iterator[Due | None]:
        """Take a delivery of a receiver who isn't busy; the receiver is, within the block."""
        with self._changed:
            avoid = [no for no, count in self._busy.items() if count >= self._most]
            due = take(self.channel.name, avoid)
            receiver = None if due is None else due.receiver_no
            if receiver is not None:
                self._busy[receiver] += 1
        try:
            yield due
        finally:
            if receiver is not None:
                with self._changed:
                    self._busy[receiver] -= 1
                    if not self._busy[receiver]:
                        del self._busy[receiver]
