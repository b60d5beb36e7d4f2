"""Messages as the dispatcher would make them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from alerts.delivery.ports import Message
from alerts.model import Severity

NHS_NUMBER = "9434765919"
PLAIN = Message(
    key="12-1-0-0-r5", address="nobody", language="en", template="waiting",
    severity=Severity.URGENT, alert_class="telecare",
    since=datetime(2026, 6, 1, 1, 14, tzinfo=UTC), zone=ZoneInfo("Europe/London"),
    now=datetime(2026, 6, 1, 1, 30, tzinfo=UTC), alert_id="alert_12",
    link="https://hub.example.nhs.uk/alerts/alert_12", nhs_number=NHS_NUMBER,
)  # fmt: skip


def message(**changes: Any) -> Message:
    return replace(PLAIN, **changes)
