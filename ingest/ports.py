"""What the pipeline needs from a store: registered devices, and numbers for places."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

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
