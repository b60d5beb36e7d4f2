"""The API's own settings, on top of those every role shares."""

from __future__ import annotations

from pydantic import Field

from ingest import settings


class ApiSettings(settings.HubSettings):
    """Read from ``TELECARE_*``; limits marked unsourced are stated defaults, no recommendations."""

    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8080, ge=0, le=65535)
    # Addresses whose X-Forwarded-For is believed: a reverse proxy's, never "*" on an open network.
    forwarded_allow_ips: str = "127.0.0.1"
    body_limit: int = 1_048_576  # unsourced: bytes; the largest body of our own is a few kB
    database_sessions: int = 12  # the threadpool waits for one beyond that

    token_hours: float = Field(default=12.0, gt=0)  # unsourced: a long shift
    # Failed sign-ins of one account from one address, and of one address over all accounts,
    # before it has to wait for the rest of the window. Never of an account alone: that would
    # let anybody lock a nurse out. Unsourced.
    login_failures: int = Field(default=5, ge=1)
    address_failures: int = Field(default=50, ge=1)
    login_window_s: float = Field(default=900.0, gt=0)

    stream_queue: int = Field(default=256, ge=1)  # events a reader may lag behind
    stream_ping_s: float = Field(default=15.0, gt=0)
    stream_recheck_s: float = Field(default=60.0, gt=0)  # is an open stream's token still good?

    metrics_to_loopback: bool = True  # /metrics without a token, from this machine only

    # Readiness. Unsourced.
    probe_age_s: float = 60.0  # a slot that did not hear its own probe for so long is not listening
    alerts_lag_s: float = 60.0  # a log row or alarm nobody has read for so long
