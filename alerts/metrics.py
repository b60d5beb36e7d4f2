"""What the alerts role counts. Labels never identify a person, a home or a device."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import Counter, Gauge, Histogram

from ingest import telemetry

_R = telemetry.REGISTRY

READINGS = Counter("telecare_readings_judged", "Readings read from the log", registry=_R)
ALARMS = Counter("telecare_alarms_judged", "Alarms read from the log", registry=_R)
EVENTS = Counter("telecare_alert_events", "Events of alerts", ["kind"], registry=_R)
RELOADS = Counter("telecare_alerts_reloads", "Memory forgotten and loaded again", registry=_R)
UNJUDGED = Counter(
    "telecare_alerts_unjudged", "Homes whose readings of a batch could not be judged", registry=_R
)
UNREAD_TRIGGERS = Counter(
    "telecare_care_plan_triggers_unread",
    "Triggers that nobody judges, unreadable or of one form too many, each time they are read",
    registry=_R,
)
SHARDS = Gauge("telecare_alerts_shards", "Shards this process judges", registry=_R)
PEOPLE = Gauge("telecare_alerts_people", "People in memory", registry=_R)
LAG = Gauge("telecare_alerts_lag_seconds", "Age of the oldest unjudged entry", ["log"], registry=_R)
PROBE = Gauge("telecare_gateway_probe_age_seconds", "Age of the last probe", registry=_R)
LATENCY = Histogram(
    "telecare_alarm_round_seconds",
    "From waking to the alarm's alert being committed",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5),
    registry=_R,
)

SWEEP = Histogram(
    "telecare_rules_sweep_seconds",
    "What the clock alone changes, judged once for everybody here",
    buckets=(0.001, 0.005, 0.02, 0.1, 0.25, 0.5, 1, 2, 5),
    registry=_R,
)

DELIVERIES = Counter(
    "telecare_deliveries",
    "Attempts to send, by what came of them: sent, again, over, dead, late, delivered, lost",
    ["channel", "result"],
    registry=_R,
)
DELIVERIES_DUE = Gauge(
    "telecare_deliveries_due", "Messages that are due and not yet sent", ["channel"], registry=_R
)
SENDING = Histogram(
    "telecare_sending_seconds",
    "One attempt to send",
    ["channel"],
    buckets=(0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30),
    registry=_R,
)
DELIVERY = Histogram(
    "telecare_delivery_seconds",
    "From being queued to having been sent, waits and quiet hours included",
    ["channel"],
    buckets=(0.05, 0.2, 0.5, 1, 2, 5, 15, 60, 300, 1_800, 3_600),
    registry=_R,
)


def count(events: Mapping[str, int]) -> None:
    """Count what a round wrote, by kind of event."""
    for kind, number in events.items():
        EVENTS.labels(kind).inc(number)
