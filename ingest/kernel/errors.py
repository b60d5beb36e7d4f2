"""The root of the hub's errors; a class's docstring is its message."""

from __future__ import annotations

import contextlib
from typing import Any


class HubError(Exception):
    """Something the hub could not do."""

    def __init__(self, **data: Any) -> None:
        self.data = data
        message = (self.__class__.__doc__ or "").strip().splitlines()[0]
        with contextlib.suppress(KeyError, IndexError):  # without its data still a message
            message = message.format(**data)
        super().__init__(message)


class RecoverableError(HubError):
    """Trying again later can help."""


class StoreUnavailableError(RecoverableError):
    """The database can't be reached: {detail}."""


class PoisonError(HubError):
    """The database refused the rows themselves: {detail}."""


class SettingsError(HubError):
    """{setting} {problem}."""
