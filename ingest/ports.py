"""What the pipeline needs from a store: registered devices, and numbers for places."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from ingest.batch import Batch, Lane
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
