"""Which slots this gateway serves: its fair share, taken over within seconds of a death."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

from ingest.kernel.clock import Clock
from ingest.kernel.errors import RecoverableError
from ingest.ports import Position, Slots
from ingest.telemetry import logger

_STOP_WITHIN_S = 10.0
_FRESH_S = 12.0  # a probe is sent each 5 s


class Session(Protocol):
    """What serves a slot."""

    probed_at: float | None
    crashed: BaseException | None

    def start(self) -> None:
        """Start serving."""
        ...

    def ask_stop(self) -> None:
        """Stop soon."""
        ...

    def join(self, timeout: float) -> None:
        """Wait for the end."""
        ...


class Retiring(Session, Protocol):
    """What empties a slot that is no longer wanted."""

    finished: bool


class SessionCrashedError(RuntimeError):
    """A slot's thread died; the process ends, so that it is started afresh."""


def share(slots: int, gateways: int) -> int:
    """Return how many of a lane's slots one gateway may hold: together all are always served."""
    return math.ceil(slots / max(1, gateways))


class SlotKeeper:
    """Claims, serves and gives back slots; called again and again by the main loop."""

    def __init__(
        self,
        *,
        open_slots: Callable[[], Slots],
        make: Callable[[Position], Session],
        retire: Callable[[Position], Retiring],
        positions: list[Position],
        clock: Clock,
    ) -> None:
        self._open_slots = open_slots
        self._make = make
        self._retire = retire
        self._positions = positions
        self._clock = clock
        self._slots: Slots | None = None
        self._numbers: dict[Position, int] = {}
        self._serving: dict[Position, Session] = {}
        self._retiring: dict[Position, Retiring] = {}
        self._log = logger(part="slots")

    def tick(self) -> None:
        """Do what is due; a lost database session stops every slot until it is back."""
        for position, session in (*self._serving.items(), *self._retiring.items()):
            if session.crashed is not None:
                raise SessionCrashedError(f"{position[0]}-{position[1]}") from session.crashed
        try:
            if self._slots is None:
                self._slots = self._open_slots()
            self._numbers = self._slots.ensure(self._positions)
            self._rebalance(self._slots)
            self._retire_others(self._slots)
            self._report(self._slots)
        except RecoverableError as error:
            self._log.warning("The slots can't be held without the database", reason=str(error))
            self._let_go()

    def listening(self) -> bool:
        """Say whether each slot held here has heard its own probe lately."""
        return bool(self._serving) and all(self._heard(s) for s in self._serving.values())

    def close(self) -> None:
        """Stop serving; the broker keeps the sessions for whoever comes next."""
        self._let_go()

    def _rebalance(self, slots: Slots) -> None:
        gateways = slots.gateways()
        for lane in dict.fromkeys(lane for lane, _ in self._positions):
            wanted = [p for p in self._positions if p[0] == lane]
            mine = [p for p in wanted if p in self._serving]
            most = share(len(wanted), gateways)
            for position in mine[most:]:
                self._stop([position])
                slots.release(self._numbers[position])
                self._log.info("Gave back a slot", slot=f"{lane}-{position[1]}")
            for position in wanted:
                if len(mine) >= most:
                    break
                if position not in self._serving and slots.claim(self._numbers[position]):
                    self._log.info("Took a slot", slot=f"{lane}-{position[1]}")
                    session = self._serving[position] = self._make(position)
                    session.start()
                    mine.append(position)

    def _retire_others(self, slots: Slots) -> None:
        """Empty the slots beyond what is configured: else their messages would lie there."""
        for position, no in self._numbers.items():
            if position in self._positions:
                continue
            session = self._retiring.get(position)
            if session is None and slots.claim(no):
                self._log.info("Emptying a slot", slot=f"{position[0]}-{position[1]}")
                session = self._retiring[position] = self._retire(position)
                session.start()
            elif session is not None and session.finished:
                session.join(_STOP_WITHIN_S)
                del self._retiring[position]
                slots.remove(no)

    def _heard(self, session: Session) -> bool:
        heard = session.probed_at
        return heard is not None and self._clock.monotonic() - heard < _FRESH_S

    def _report(self, slots: Slots) -> None:
        heard = [self._numbers[p] for p, s in self._serving.items() if self._heard(s)]
        if heard:
            slots.heard(heard)

    def _stop(self, positions: list[Position]) -> None:
        self._stop_all([self._serving.pop(p) for p in positions])

    def _stop_all(self, stopping: Sequence[Session]) -> None:
        for session in stopping:
            session.ask_stop()
        for session in stopping:
            session.join(_STOP_WITHIN_S)

    def _let_go(self) -> None:
        self._stop_all([*self._serving.values(), *self._retiring.values()])
        self._serving.clear()
        self._retiring.clear()
        if self._slots is not None:
            self._slots.close()
            self._slots = None
