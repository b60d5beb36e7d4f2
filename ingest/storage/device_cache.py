"""Who is registered, remembered: a bounded cache in front of the register."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from ingest.kernel.clock import Clock
from ingest.kernel.device import Device

Key = tuple[str, str]
Load = Callable[[list[Key]], dict[Key, Device]]

_MOST = 200_000
_KNOWN_FOR_S = 60.0  # should a change notice ever be lost
_UNKNOWN_FOR_S = 2.0


class DeviceCache:
    """Answers from memory until told that the register changed.

    One per process, used by several threads; a stale answer lives at most a minute, and normally
    only until the register's NOTIFY arrives.
    """

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[Key, tuple[float, Device | None]] = {}
        self._generation = 0

    def forget(self) -> None:
        """Drop everything: the register changed, or its notices can't be heard."""
        with self._lock:
            self._known = {}
            self._generation += 1

    def get(self, keys: Iterable[Key], load: Load) -> dict[Key, Device]:
        """Return the registered devices among the keys, asking ``load`` for those not in memory."""
        now = self._clock.monotonic()
        known, generation = self._known, self._generation
        found: dict[Key, Device] = {}
        missing: list[Key] = []
        for key in keys:
            entry = known.get(key)
            if entry is None or entry[0] <= now:
                missing.append(key)
            elif entry[1] is not None:
                found[key] = entry[1]
        if missing:
            loaded = load(missing)
            found.update(loaded)
            self._keep(missing, loaded, now, generation)
        return found

    def _keep(
        self, asked: list[Key], loaded: dict[Key, Device], now: float, generation: int
    ) -> None:
        with self._lock:
            if generation != self._generation:
                return  # the register changed while it was being asked
            if len(self._known) + len(asked) > _MOST:
                self._known = {}
            for key in asked:
                device = loaded.get(key)
                until = now + (_KNOWN_FOR_S if device is not None else _UNKNOWN_FOR_S)
                self._known[key] = (until, device)
