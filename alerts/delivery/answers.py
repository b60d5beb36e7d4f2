"""What an HTTP answer says of a message: taken, worth another try, or never."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

from alerts.delivery.ports import Failed

_TOO_EARLY, _REQUEST_TIMEOUT, _TOO_MANY = 425, 408, 429
_PASSING = frozenset({_REQUEST_TIMEOUT, _TOO_EARLY, _TOO_MANY})


def refused(
    status: int, *, who: str, headers: Mapping[str, str] | None = None, now: datetime | None = None
) -> Failed:
    """Tell what a status beyond 2xx means: 4xx is permanent but for time-outs and "too many"."""
    passing = status in _PASSING or status >= 500  # noqa: PLR2004 - the server's own trouble
    asked = (headers or {}).get("Retry-After")
    return Failed(
        permanent=not passing,
        reason=f"{who} answered {status}",
        retry_after_s=retry_after(asked, now=now) if passing and asked else None,
    )


def retry_after(said: str, *, now: datetime | None) -> float | None:
    """Read ``Retry-After``: seconds, or a date where the present is known; None when unreadable."""
    if said.strip().isdigit():
        return float(said)
    try:
        at = parsedate_to_datetime(said)
    except ValueError:
        return None
    return None if now is None or at.tzinfo is None else max(0.0, (at - now).total_seconds())
