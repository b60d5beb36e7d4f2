"""Registered devices for the stream: the register behind a cache."""

from __future__ import annotations

from collections.abc import Iterable

from ingest.kernel.device import Device
from ingest.storage import register
from ingest.storage.device_cache import DeviceCache, Key
from ingest.storage.pool import Pool, store_errors


class RegisteredDevices:
    """Looks devices up in memory, then in the register, many at a time."""

    def __init__(self, *, pool: Pool, cache: DeviceCache) -> None:
        self._pool = pool
        self._cache = cache

    def lookup(self, keys: Iterable[Key]) -> dict[Key, Device]:
        """Return the registered ones among ``(site, device)`` keys."""
        return self._cache.get(keys, self._load)

    def _load(self, keys: list[Key]) -> dict[Key, Device]:
        sound = [k for k in keys if "\0" not in k[0] + k[1]]
        with store_errors(), self._pool.connection() as db:
            return register.devices_for(db, sound)
