"""The hub's verdict on itself, made again and again, told in its queue and kept for who asks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from alerts import metrics, outside, watchdog
from alerts.settings import AlertsSettings
from alerts.storage.selfcheck import SelfCheck
from alerts.storage.upkeep import Upkeep
from ingest.kernel.clock import Clock

_KNOWN_S = 60.0
"""How long a verdict on the hub stands for how it is now."""


class Watch:
    """The hub's verdict on itself, made again and again; the newest is kept for who asks."""

    def __init__(
        self,
        settings: AlertsSettings,
        *,
        upkeep: Upkeep,
        check: SelfCheck,
        periods: Mapping[str, float],
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._upkeep = upkeep
        self._check = check
        self._periods = periods  # of the jobs that say when they have run, by name [s]
        self._clock = clock
        self._began = clock.monotonic()
        self._certificates: dict[str, datetime] = {}
        self._judged: tuple[float, frozenset[str]] | None = None

    def judge(self) -> None:
        """Judge the hub, and tell what is wrong and what no longer is."""
        s = self._settings
        up_s = self._clock.monotonic() - self._began
        health = self._upkeep.health()
        metrics.LAG.labels("readings").set(health.readings_lag_s)
        metrics.LAG.labels("alarms").set(health.alarms_lag_s)
        if health.probe_age_s is not None:
            metrics.PROBE.set(health.probe_age_s)
        self._upkeep.hear(health, lag_limit_s=s.alerts_lag_s, probe_limit_s=s.alerts_probe_age_s)
        heard = list(
            watchdog.judge(
                health, up_s=up_s, lag_limit_s=s.alerts_lag_s, probe_limit_s=s.alerts_probe_age_s
            )
        )
        facts = self._check.facts(self._certificates)
        itself = watchdog.judge_itself(facts, self._limits(), up_s=up_s, now=self._clock.now())
        verdicts = [*heard, *itself]
        self._upkeep.tell(verdicts)
        if heard:  # else it has just begun, and nobody knows yet
            bad = frozenset(v.rule_id for v in verdicts if v.bad) & watchdog.VITAL
            self._judged = self._clock.monotonic(), bad

    def wrong(self) -> frozenset[str] | None:
        """Return what is vitally wrong; None where that is not known, or no longer."""
        if self._judged is None:
            return None
        at, bad = self._judged
        return bad if self._clock.monotonic() - at <= _KNOWN_S else None

    def look_at_certificates(self) -> None:
        """See when the certificates of the hub's own addresses end."""
        s = self._settings
        for url in (s.public_url, s.mqtt_url.get_secret_value()):
            end = outside.certificate_end(url)
            if end is not None:
                self._certificates[urlsplit(url).hostname or ""] = end

    def _limits(self) -> watchdog.Limits:
        s = self._settings
        return watchdog.Limits(
            ticks_s={
                "steps": s.watch_tick_s,
                **{name: max(3 * each, s.watch_tick_s) for name, each in self._periods.items()},
            },
            steps_overdue_s=s.watch_steps_overdue_s,
            quarantined_hour=s.watch_quarantined_hour,
            disk_free=s.watch_disk_free,
            grown_day=s.watch_grown_day,
            clock_off_s=s.watch_clock_off_s,
            certificate=timedelta(days=s.watch_certificate_days),
            root_s=s.watch_root_s,
        )
