"""The settings every role shares: where the database and the broker are, secrets, logging."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from ingest.kernel import errors


class HubSettings(BaseSettings):
    """Read from ``TELECARE_*`` in the environment, then from ``.env``."""

    model_config = SettingsConfigDict(
        env_prefix="TELECARE_", env_file=".env", extra="ignore", frozen=True
    )

    database_url: SecretStr = Field(default=SecretStr(""), description="libpq address")
    mqtt_url: SecretStr = Field(
        default=SecretStr(""), description="mqtt[s]://user:password@host:port"
    )
    secret_key: SecretStr = Field(
        default=SecretStr(""), description="encrypts addresses; no default"
    )
    public_url: str = "http://127.0.0.1:8080"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    data_dir: Path | None = None
    demo: bool = False
    alerts_policies_dir: Path | None = None  # responses, routes, targets of one's own

    # Places outside the hub; each may hold a secret in its path. Empty: none.
    chain_root_file: Path | None = Field(
        default=None, description="a file that roots of the event chains are appended to"
    )
    chain_root_url: SecretStr = Field(
        default=SecretStr(""), description="an address that roots are posted to"
    )
    deadman_url: SecretStr = Field(
        default=SecretStr(""), description="a dead-man's switch, pinged while all is well"
    )

    # Timing of readings. All unsourced: settings with a stated default.
    future_tolerance_s: float = 120.0  # unsourced: clock error that is let pass
    late_after_s: float = 900.0  # unsourced: received this long after it was measured is late
    historical_after_s: float = 86_400.0  # unsourced: older than a day is history, never live
    hub_timed_window_s: float = 600.0  # contract: packs timed by the hub, 10 minutes

    # How long things are kept. Unsourced: local policy decides; None keeps for ever.
    keep_log_days: int = 7
    keep_readings_days: int | None = None
    keep_quarantine_days: int = 90

    def require_database(self) -> str:
        """Return the database's address, or say how to give one."""
        url = self.database_url.get_secret_value()
        if not url:
            raise errors.SettingsError(
                setting="TELECARE_DATABASE_URL",
                problem="is not set: give a libpq address such as postgresql://user:password@host/db",
            )
        return url

    def require_mqtt(self) -> str:
        """Return the broker's address, or say how to give one."""
        url = self.mqtt_url.get_secret_value()
        if not url:
            raise errors.SettingsError(
                setting="TELECARE_MQTT_URL",
                problem="is not set: give a broker address such as mqtts://user:password@host:8883",
            )
        return url

    def require_secret(self) -> str:
        """Return the secret key; there is no default, a short one is refused."""
        key = self.secret_key.get_secret_value()
        if len(key) < _SHORTEST_SECRET:
            raise errors.SettingsError(
                setting="TELECARE_SECRET_KEY",
                problem="must be set to a random secret of at least 32 characters, for example"
                " the output of: openssl rand -base64 48",
            )
        return key


_SHORTEST_SECRET = 32
