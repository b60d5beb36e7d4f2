"""Settings of the alerts role. What clinical choice they hold is marked with its source."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from ingest import settings


class AlertsSettings(settings.HubSettings):
    """Read from ``TELECARE_ALERTS_*`` and what every role shares from ``TELECARE_*``."""

    # Clinical timing. Unsourced: safe-looking defaults that a local safety officer must confirm.
    alerts_latest_age_s: float = 86_400.0  # unsourced: a reading counts for an early-warning score
    alerts_live_age_s: float = 3_600.0  # unsourced: an older reading is marked late, at most "soon"
    alerts_refresh_s: float = 900.0  # unsourced: how often an open alert's evidence is renewed
    alerts_repage_s: float = 1_800.0  # unsourced: a condition that comes back asks again after this
    alerts_implausible_count: int = 3  # unsourced: impossible readings that make a device suspect
    alerts_implausible_window_s: float = 86_400.0  # unsourced: and within which time

    # How the log is read.
    alerts_tick_s: float = 1.0  # a lost notification costs at most this
    alerts_pause_s: float = 0.05  # readings are collected this long, so that rounds are worth it
    alerts_round_rows: int = 20_000
    alerts_balance_s: float = 2.0  # how often shards are shared out among the processes
    alerts_teams_age_s: float = 10.0
    alerts_sweep_s: float = 1.0  # how often the clock alone is judged: silence, stillness
    alerts_checkpoint_s: float = 60.0  # how often the whole memory is kept

    # The hub's own health.
    alerts_lag_s: float = 60.0  # design: the hub is listening while the cursor lag is below this
    alerts_probe_age_s: float = 60.0  # unsourced: three missed probes of a gateway

    # Devices that call for help are pressed once a month. Unsourced; 0 switches it off.
    alerts_test_days: float = 31.0
    alerts_test_grace_days: float = 7.0
    alerts_test_kinds: str = "pendant,fall_detector"
    alerts_test_every_s: float = 3_600.0

    # From where on the hub has something to say about itself. Unsourced.
    watch_steps_overdue_s: float = 60.0
    watch_tick_s: float = 60.0  # how old the last tick over the due steps may be
    watch_quarantined_hour: int = 500
    watch_disk_free: int = 2 * 1024**3  # bytes
    watch_grown_day: int = 20 * 1024**3  # bytes
    watch_clock_off_s: float = 2.0
    watch_certificate_days: float = 14.0
    watch_root_s: float = 7_200.0
    deadman_every_s: float = 60.0  # how often the switch outside is pinged

    # Ticks of the scheduler.
    alerts_health_every_s: float = 10.0
    alerts_steps_every_s: float = 1.0  # what is due is taken this late at most
    alerts_resume_every_s: float = 60.0
    alerts_rotas_every_s: float = 60.0
    alerts_retire_every_s: float = 20.0
    alerts_partitions_every_s: float = 3_600.0
    alerts_retention_every_s: float = 3_600.0
    alerts_wards_every_s: float = 300.0  # whose time on a ward ends, who is to be followed up
    alerts_person_days_every_s: float = 3_600.0  # who was heard of today, for measures

    alerts_root_every_s: float = 3_300.0  # so that each hour has one, also after a restart
    alerts_measure_every_s: float = 3_600.0  # how big the database is
    alerts_certificates_every_s: float = 86_400.0
    alerts_publish_every_s: float = 60.0  # how often a root that is due is made, and published

    # Delivery. Unsourced: safe-looking defaults that a local safety officer must confirm.
    delivery_first_s: float = 5.0  # unsourced: until the second attempt; doubled from then on
    delivery_longest_s: float = 300.0  # unsourced: the longest wait between attempts
    delivery_tries: int = 5  # unsourced: failures after which the owner's next receiver takes over
    delivery_emergency_longest_s: float = 30.0  # unsourced: the same for emergencies
    delivery_emergency_tries: int = 2  # unsourced: about 5 s, then somebody else is told
    delivery_give_up_s: float = 21_600.0  # unsourced: 6 h; escalation has gone on long before
    delivery_broken_s: float = 300.0  # unsourced: a channel that reaches nobody for so long is told
    delivery_timeout_s: float = 10.0  # of each wait for a server
    delivery_lease_s: float = 120.0  # longer than any sending: a dispatcher that died is succeeded
    delivery_workers: int = 8  # threads of each channel
    delivery_tick_s: float = 1.0  # a lost notification costs at most this
    delivery_confirm_s: float = 30.0  # how often providers are asked what became of messages
    delivery_link_s: float = 7_200.0  # unsourced: how long a contact's link can be answered
    delivery_console: bool = False  # development: a channel that writes to the log's place

    # Delivery: the hub's own accounts and gateways. A channel without its own is not set up.
    sms_url: SecretStr = SecretStr("")  # an Apprise URL with {address} for the telephone number
    email_url: SecretStr = SecretStr("")  # the same with {address} for the mailbox
    notify_api_key: SecretStr = SecretStr("")  # GOV.UK Notify
    notify_url: str = "https://api.notifications.service.gov.uk"
    notify_sms_template: str = ""
    notify_email_template: str = ""
    notify_letter_template: str = ""

    alerts_metrics_port: int | None = None  # off unless given
    alerts_packs_dir: Path | None = None  # local packs instead of the shipped ones
    alerts_shadow: str = ""  # packs that are judged and page nobody, by id, with commas between

    @property
    def shadow_packs(self) -> tuple[str, ...]:
        """Return the packs in the shadow."""
        return tuple(name.strip() for name in self.alerts_shadow.split(",") if name.strip())
