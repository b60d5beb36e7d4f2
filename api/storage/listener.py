"""One database session that listens for news of alerts."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from ingest.storage import pool as pools

_CHANNEL = "alerts_event"


class Listener:
    """Waits for ``NOTIFY alerts_event``. One thread only."""

    def __init__(self, database_url: str) -> None:
        self._db = pools.connect(database_url, name="api stream", autocommit=True)
        with pools.store_errors():
            self._db.execute(f"LISTEN {_CHANNEL}")

    def wait(self, timeout: float) -> bool:
        """Wait for news for at most ``timeout`` seconds, and tell whether there was any.

        Raises `StoreUnavailableError` where the session is gone.
        """
        with pools.store_errors():
            return any(True for _ in self._db.notifies(timeout=timeout, stop_after=1))

    def close(self) -> None:
        """End the session."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
