"""How the gateway talks to the broker: address, slots, bounds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from gateway.errors import BrokerAddressError
from ingest.settings import HubSettings

_PLAIN_PORT, _TLS_PORT = 1883, 8883


class GatewaySettings(HubSettings):
    """Settings of a gateway process."""

    gateway_group: str = "hub"
    """Shared-subscription group and client-id prefix: one per hub on a broker."""
    gateway_obs_slots: int = 2
    gateway_event_slots: int = 1
    gateway_receive_maximum: int = 4_096
    gateway_held_bytes: int = 24 * 1024 * 1024
    gateway_batch_messages: int = 1_500
    gateway_batch_bytes: int = 4 * 1024 * 1024
    gateway_metrics_port: int = 0
    mqtt_ca_file: Path | None = None
    """Certificate authority of an mqtts broker; the system's when not set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAddress:
    """Where the broker is and who we are there."""

    host: str
    port: int
    tls: bool
    user: str
    password: str
    ca_file: Path | None = None


def broker_address(url: str, ca_file: Path | None = None) -> BrokerAddress:
    """Read ``mqtt[s]://user:password@host:port``.

    Raises
    ------
    BrokerAddressError
        Naming what is wrong; the address itself, which holds a password, is never repeated.
    """

    def bad(problem: str) -> BrokerAddressError:
        return BrokerAddressError(setting="TELECARE_MQTT_URL", problem=problem)

    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise bad("has no readable port: expected mqtt[s]://user:password@host:port") from None
    if parts.scheme not in {"mqtt", "mqtts"}:
        raise bad("must start with mqtt:// or mqtts://")
    if not parts.hostname:
        raise bad("names no host: expected mqtt[s]://user:password@host:port")
    tls = parts.scheme == "mqtts"
    return BrokerAddress(
        host=parts.hostname,
        port=port or (_TLS_PORT if tls else _PLAIN_PORT),
        tls=tls,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        ca_file=ca_file,
    )
