"""Which slots a gateway serves, and what it does about those beyond."""

from __future__ import annotations

import pytest

from gateway.slots import SessionCrashedError, SlotKeeper, share
from ingest.kernel.errors import StoreUnavailableError
from ingest.ports import Position
from tests.support.clock import FixedClock

OBS = [("obs", 0), ("obs", 1), ("obs", 2)]
ALL: list[Position] = [("event", 0), *OBS, ("status", 0)]


class Book:
    """The slots there are, and who holds them."""

    def __init__(self) -> None:
        self.numbers: dict[Position, int] = {}
        self.alive = 1
        self.held: set[int] = set()  # by this gateway
        self.others: set[int] = set()
        self.probed: list[int] = []
        self.away = False
        self.closed = 0

    def ensure(self, positions: list[Position]) -> dict[Position, int]:
        if self.away:
            raise StoreUnavailableError(detail="test")
        for position in positions:
            self.numbers.setdefault(position, len(self.numbers) + 1)
        return dict(self.numbers)

    def gateways(self) -> int:
        return self.alive

    def claim(self, no: int) -> bool:
        if no in self.others:
            return False
        self.held.add(no)
        return True

    def release(self, no: int) -> None:
        self.held.remove(no)

    def remove(self, no: int) -> None:
        self.numbers = {p: n for p, n in self.numbers.items() if n != no}
        self.held.remove(no)

    def heard(self, nos: list[int]) -> None:
        self.probed = nos

    def close(self) -> None:
        self.held.clear()
        self.closed += 1


class Session:
    def __init__(self, position: Position) -> None:
        self.position = position
        self.probed_at: float | None = None
        self.crashed: BaseException | None = None
        self.finished = False
        self.state = "made"

    def start(self) -> None:
        self.state = "started"

    def ask_stop(self) -> None:
        self.state = "asked"

    def join(self, timeout: float) -> None:
        self.state = "stopped"


class Hub:
    def __init__(self, clock: FixedClock, book: Book, positions: list[Position] | None = None):
        self.book = book
        self.sessions: list[Session] = []
        self.retired: list[Session] = []
        self.keeper = SlotKeeper(
            open_slots=lambda: book,
            make=lambda p: self._made(p, self.sessions),
            retire=lambda p: self._made(p, self.retired),
            positions=positions or ALL,
            clock=clock,
        )

    def _made(self, position: Position, among: list[Session]) -> Session:
        among.append(Session(position))
        return among[-1]

    def serving(self) -> list[Position]:
        return [s.position for s in self.sessions if s.state == "started"]


@pytest.fixture
def hub(clock: FixedClock) -> Hub:
    return Hub(clock, Book())


@pytest.mark.parametrize("slots", range(1, 9))
@pytest.mark.parametrize("gateways", range(1, 9))
def test_shares_always_cover_every_slot_and_none_is_wasteful(slots: int, gateways: int) -> None:
    assert share(slots, gateways) * gateways >= slots
    assert (share(slots, gateways) - 1) * gateways < slots


def test_with_no_gateway_counted_one_is_meant() -> None:
    assert share(3, 0) == 3


def test_a_lone_gateway_serves_everything(hub: Hub) -> None:
    hub.keeper.tick()
    assert hub.serving() == ALL


def test_each_takes_its_share_and_leaves_the_rest(hub: Hub) -> None:
    hub.book.alive = 2
    hub.keeper.tick()
    assert hub.serving() == [("event", 0), ("obs", 0), ("obs", 1), ("status", 0)]


def test_a_slot_held_by_another_is_left(hub: Hub) -> None:
    hub.keeper.tick()
    other = Hub(FixedClock(), hub.book)
    hub.book.others = set(hub.book.held)
    other.keeper.tick()
    assert other.serving() == []


def test_a_newcomer_is_given_its_share(hub: Hub) -> None:
    hub.keeper.tick()
    hub.book.alive = 3
    hub.keeper.tick()
    assert hub.serving() == [("event", 0), ("obs", 0), ("status", 0)]
    assert len(hub.book.held) == 3
    assert {s.state for s in hub.sessions} == {"started", "stopped"}


def test_a_dead_ones_slots_are_taken_over(hub: Hub) -> None:
    hub.book.alive = 2
    hub.keeper.tick()
    hub.book.alive = 1
    hub.keeper.tick()
    assert sorted(hub.serving()) == sorted(ALL)


def test_losing_the_database_stops_everything_until_it_is_back(hub: Hub) -> None:
    hub.keeper.tick()
    hub.book.away = True
    hub.keeper.tick()
    assert hub.serving() == []
    assert hub.book.closed == 1
    assert not hub.keeper.listening()
    hub.book.away = False
    hub.keeper.tick()
    assert hub.serving() == ALL


def test_a_crashed_session_ends_the_process(hub: Hub) -> None:
    hub.keeper.tick()
    hub.sessions[0].crashed = ValueError("test")
    with pytest.raises(SessionCrashedError):
        hub.keeper.tick()


def test_listening_means_every_probe_came_back_lately(hub: Hub, clock: FixedClock) -> None:
    assert not hub.keeper.listening()
    hub.keeper.tick()
    assert not hub.keeper.listening()
    for session in hub.sessions:
        session.probed_at = clock.monotonic()
    assert hub.keeper.listening()
    hub.keeper.tick()
    assert sorted(hub.book.probed) == sorted(hub.book.held)
    clock.advance(12.0)
    assert not hub.keeper.listening()


def test_a_slot_beyond_the_configured_ones_is_emptied_and_done_away_with(hub: Hub) -> None:
    hub.book.ensure([("obs", 7)])
    hub.keeper.tick()
    assert [s.position for s in hub.retired] == [("obs", 7)]
    hub.keeper.tick()
    assert len(hub.retired) == 1
    assert ("obs", 7) in hub.book.numbers
    hub.retired[0].finished = True
    hub.keeper.tick()
    assert ("obs", 7) not in hub.book.numbers
    assert hub.retired[0].state == "stopped"
    hub.keeper.tick()
    assert len(hub.retired) == 1


def test_a_slot_that_another_still_serves_is_not_emptied(hub: Hub) -> None:
    hub.book.others = {hub.book.ensure([("obs", 7)])["obs", 7]}
    hub.keeper.tick()
    assert hub.retired == []


def test_stopping_stops_the_emptying_too(hub: Hub) -> None:
    hub.book.ensure([("obs", 7)])
    hub.keeper.tick()
    hub.keeper.close()
    assert {s.state for s in (*hub.sessions, *hub.retired)} == {"stopped"}
    assert hub.book.held == set()
