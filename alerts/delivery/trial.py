"""A test message to one receiver, sent at once and outside the queue: does anything arrive?"""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from alerts.delivery import configured, rendering
from alerts.delivery.ports import Failed, Message
from alerts.model import Severity
from alerts.settings import AlertsSettings
from ingest.kernel import ids
from ingest.kernel.clock import SystemClock


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it, in words."""

    failed: bool
    said: str


def send(settings: AlertsSettings, channel: str, address: str, language: str) -> Outcome:
    """Send a test message over a channel of these settings."""
    way = configured.channels(settings).get(channel)
    if way is None:
        return Outcome(True, f"the channel {channel} is not set up")
    now = SystemClock().now()
    came = way.send(
        Message(
            key=f"test-{ids.token(9)}", address=address, language=language,
            template=rendering.TEST, severity=Severity.INFORMATION, alert_class="hub", since=now,
            zone=ZoneInfo("Europe/London"), now=now, alert_id="", link=settings.public_url,
        )
    )  # fmt: skip
    if isinstance(came, Failed):
        return Outcome(True, came.reason)
    proof = "the receiver says that it has it" if came.proof else "the service took it"
    return Outcome(False, proof)
