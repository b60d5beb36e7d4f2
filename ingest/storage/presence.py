"""What devices say of themselves: their state, kept as the newest word of the right session."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from ingest.ports import DeviceState
from ingest.storage.pool import Pool, store_errors

# An offline of another session is the belated last will of a connection that was replaced.
_UPSERT = """
INSERT INTO ingest.device_state AS s
    (device_no, state, session, at, seen_at, battery, rssi, firmware, cadence, clock_skew_s)
SELECT d.no, %(state)s, %(session)s, %(at)s, %(seen)s, %(battery)s, %(rssi)s, %(firmware)s,
    %(cadence)s, %(skew)s
FROM ingest.device d JOIN ingest.site t ON t.no = d.site_no
WHERE t.id = %(site)s AND d.name = %(device)s
ON CONFLICT (device_no) DO UPDATE SET
    state = excluded.state, session = excluded.session, at = excluded.at,
    seen_at = excluded.seen_at,
    battery = coalesce(excluded.battery, s.battery), rssi = coalesce(excluded.rssi, s.rssi),
    firmware = coalesce(excluded.firmware, s.firmware),
    cadence = coalesce(excluded.cadence, s.cadence),
    clock_skew_s = coalesce(excluded.clock_skew_s, s.clock_skew_s)
WHERE NOT (excluded.state = 'offline' AND s.session IS NOT NULL
           AND excluded.session IS DISTINCT FROM s.session)
"""
_ANSWER = """
UPDATE ingest.outbox SET answered_at = %s, answer = %s
WHERE site = %s AND device = %s AND tail = 'cmd' AND body ->> 'id' = %s AND answered_at IS NULL
"""
_WAITING = """
INSERT INTO ingest.quarantine (site, device, topic, payload, digest, reason, refused,
    received_at, last_received_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (site, device, digest) DO UPDATE
SET times = ingest.quarantine.times + 1, last_received_at = excluded.last_received_at
"""


class PostgresPresence:
    """Keeps device states and the answers to commands."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def keep(self, state: DeviceState) -> bool:
        """Keep a state; false when the device is not registered."""
        with store_errors(), self._pool.connection() as db:
            known = db.execute(
                "SELECT 1 FROM ingest.device d JOIN ingest.site t ON t.no = d.site_no"
                " WHERE t.id = %s AND d.name = %s",
                [state.site, state.device],
            ).fetchone()
            if known is None:
                return False
            db.execute(
                _UPSERT,
                {
                    "site": state.site,
                    "device": state.device,
                    "state": state.state,
                    "session": state.session,
                    "at": None if state.at is None else datetime.fromtimestamp(state.at, UTC),
                    "seen": datetime.fromtimestamp(state.seen, UTC),
                    "battery": state.battery,
                    "rssi": state.rssi,
                    "firmware": state.firmware,
                    "cadence": None if state.cadence is None else json.dumps(state.cadence),
                    "skew": state.clock_skew_s,
                },
            )
            return True

    def lost(self, messages: int) -> None:
        """Note that the broker gave up on messages."""
        with store_errors(), self._pool.connection() as db:
            db.execute("INSERT INTO ingest.broker_loss (messages) VALUES (%s)", [messages])

    def answered(self, site: str, device: str, *, command: str, body: str, at: float) -> None:
        """Note a device's answer to a command."""
        with store_errors(), self._pool.connection() as db:
            db.execute(_ANSWER, [datetime.fromtimestamp(at, UTC), body, site, device, command])

    def quarantine(
        self, *, site: str, device: str, topic: str, payload: bytes, digest: bytes, reason: str,
        detail: str, received: float,
    ) -> None:  # fmt: skip
        """Keep what could not be taken, with its reason."""
        when = datetime.fromtimestamp(received, UTC)
        refused = json.dumps([{"record": None, "reason": detail}])
        with store_errors(), self._pool.connection() as db:
            db.execute(
                _WAITING, [site, device, topic, payload, digest, reason, refused, when, when]
            )
