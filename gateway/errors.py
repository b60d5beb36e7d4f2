"""What can go wrong at the broker's side."""

from __future__ import annotations

from ingest.kernel.errors import RecoverableError, SettingsError


class BrokerUnavailableError(RecoverableError):
    """The broker can't be reached or refused us: {detail}."""


class BrokerAddressError(SettingsError):
    """{setting} {problem}."""
