"""What the stream needs from a store, need by need; ``ingest.storage`` has what serves them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ingest.batch import Batch, Lane, Refusal
from ingest.kernel.device import Device


class Devices(Protocol):
    """Knows which devices are registered."""

    def lookup(self, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Device]:
        """Return the registered ones among ``(site, device)`` keys."""
        ...


class Parts(Protocol):
    """Interns rooms and questionnaire keys."""

    def numbers(self, names: Iterable[str]) -> dict[str, int]:
        """Return each name's number, making new ones; a name missing from the answer is refused."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a batch changed."""

    rows: int
    duplicates: int
    alarms: int
    quarantined: int


class Store(Protocol):
    """Keeps one lane's batches, each whole or not at all."""

    def write(self, batch: Batch) -> Written:
        """Store a batch exactly once.

        Raises
        ------
        StoreUnavailableError
            The store is gone, perhaps after the commit: write again through a new one.
        PoisonError
            The store refuses the rows: find which, and write the others.
        """
        ...

    def close(self) -> None:
        """Let go of the session."""
        ...


class Stores(Protocol):
    """Opens stores."""

    def open(self, lane: Lane) -> Store:
        """Open a new session, which is a new writer."""
        ...


# -- presence and answers -------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceState:
    """A device's word about itself."""

    site: str
    device: str
    state: str
    session: str | None
    at: float | None
    seen: float
    battery: float | None
    rssi: float | None
    firmware: str | None
    cadence: dict[str, float] | None
    clock_skew_s: float | None


class Presence(Protocol):
    """Keeps device states and the answers to commands."""

    def keep(self, state: DeviceState) -> bool:
        """Keep a state unless a newer session spoke; false when the device is not registered."""
        ...

    def answered(self, site: str, device: str, *, command: str, body: str, at: float) -> None:
        """Note a device's answer to a command."""
        ...

    def quarantine(
        self, *, site: str, device: str, topic: str, payload: bytes, digest: bytes, reason: str,
        detail: str, received: float,
    ) -> None:  # fmt: skip
        """Keep what could not be taken, with its reason."""
        ...

    def lost(self, messages: int) -> None:
        """Note that the broker gave up on messages."""
        ...


# -- the way back to the devices ------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One message to a device."""

    no: int
    site: str
    device: str
    tail: str
    body: bytes
    expiry_s: int


class Outbox(Protocol):
    """What the hub has to say to devices."""

    def wait(self, seconds: float) -> None:
        """Return when there may be news, or after the time."""
        ...

    def send(self, publish: Callable[[list[Outgoing]], set[int]]) -> int:
        """Hand what is due to ``publish``, which returns the numbers the broker took."""
        ...

    def close(self) -> None:
        """Let go; what was taken and not sent is free for others."""
        ...


# -- the quarantine's way back --------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A quarantined message as it was received."""

    no: int
    topic: str
    payload: bytes
    content_type: str | None
    received_at: datetime


class Quarantine(Protocol):
    """What could not be accepted, and is to be tried again."""

    def replay(self, take: Callable[[list[Kept]], list[Refusal | None]]) -> int:
        """Hand queued messages, oldest first, to ``take``; mark each by what it returns."""
        ...


# -- slots ----------------------------------------------------------------------------------

Position = tuple[str, int]
"""A lane and a number in it."""


class Slots(Protocol):
    """The broker sessions there are, shared among the gateways alive."""

    def ensure(self, positions: list[Position]) -> dict[Position, int]:
        """Make the slots there should be and return the number of each there is, also of others."""
        ...

    def gateways(self) -> int:
        """Return how many gateways are alive, this one included."""
        ...

    def claim(self, no: int) -> bool:
        """Take a slot if nobody holds it."""
        ...

    def release(self, no: int) -> None:
        """Give a slot back."""
        ...

    def remove(self, no: int) -> None:
        """Do away with a slot held here: the broker has no session for it any more."""
        ...

    def heard(self, nos: list[int]) -> None:
        """Note that these slots' probes came back just now: the hub was listening."""
        ...

    def close(self) -> None:
        """Let go of every slot."""
        ...
