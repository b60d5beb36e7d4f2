"""What people do to alerts: the queue, acknowledging, noting, closing, following the events."""

from __future__ import annotations

from alerts import lifecycle, model, ports, routing
from ingest.kernel import ids
from ingest.kernel.clock import Clock

_CONCERNS = {
    model.Concern.FALL: (model.AlertClass.TELECARE, "fall"),
    model.Concern.CARER_CRISIS: (model.AlertClass.CARER, "carer_crisis"),
    model.Concern.OTHER: (model.AlertClass.REFERRAL, "referral"),
}
"""What a concern is as an alert: its class and what it is filed under."""
MOST_EVENTS = 1_000


class Alerts:
    """The alerts as the outside works with them. Safe to share among threads."""

    def __init__(self, *, store: ports.AlertStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def queue(
        self,
        *,
        team: str | None = None,
        state: str | None = None,
        severity: str | None = None,
        person_no: int | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> tuple[list[model.Alert], str | None]:
        """Return alerts in working order: worst first, then oldest first.

        Without a state those that are not closed; ``team`` is the team's id; the second value
        is the opaque cursor of the next page, None on the last.
        """
        return self._store.queue(
            team=team,
            state=state,
            severity=severity,
            person_no=person_no,
            limit=limit,
            after=after,
        )

    def get(self, no: int) -> model.Alert | None:
        """Return an alert, None when there is none of that number."""
        return self._store.get(no)

    def history(self, no: int) -> list[model.Event]:
        """Return everything that happened to an alert, oldest first."""
        return self._store.history(no)

    def acknowledge(
        self, no: int, *, by: str, expected_version: int, note: str | None = None
    ) -> model.Alert:
        """Give an open alert to somebody; its devices are told.

        Raises
        ------
        UnknownAlertError, StaleVersionError, TransitionRefusedError
        """
        now = self._clock.now()
        return self._store.change(
            no,
            expected_version=expected_version,
            decide=lambda a: lifecycle.acknowledge(a, by=by, note=note, now=now),
        )

    def note(self, no: int, *, by: str, expected_version: int, text: str) -> model.Alert:
        """Write something down on an alert.

        Raises
        ------
        UnknownAlertError, StaleVersionError, TransitionRefusedError
        """
        now = self._clock.now()
        return self._store.change(
            no,
            expected_version=expected_version,
            decide=lambda a: lifecycle.note(a, by=by, text=text, now=now),
        )

    def close(
        self, no: int, *, by: str, expected_version: int, disposition: str, note: str | None = None
    ) -> model.Alert:
        """End an alert and say what came of it; its devices are told.

        Raises
        ------
        UnknownAlertError, StaleVersionError, TransitionRefusedError
        """
        now = self._clock.now()
        return self._store.change(
            no,
            expected_version=expected_version,
            decide=lambda a: lifecycle.close(a, by=by, disposition=disposition, note=note, now=now),
        )

    def raise_manual(
        self,
        *,
        by: str,
        title: str,
        reason: str,
        severity: model.Severity,
        person_no: int | None = None,
        kind: model.TeamKind = model.TeamKind.DISTRICT_NURSING,
        concern: model.Concern = model.Concern.OTHER,
    ) -> model.Alert:
        """Put what a person reports into the same queue as what devices report.

        A fall is a fall, whoever tells of it: it is routed, answered and closed like a device's.
        """
        alert_class, rule_id = _CONCERNS[concern]
        now = self._clock.now()
        routed = self._store.route(
            routing.Request(
                alert_class=alert_class,
                severity=severity,
                kind=kind,
                source=model.Source.PERSON,
                rule_id=rule_id,
                now=now,
                person_no=person_no,
            )
        )
        alert = model.Alert(
            no=0,
            episode=f"referral:{ids.token(12)}",
            source=model.Source.PERSON,
            rule_id=rule_id,
            rule_version="1",
            severity=severity,
            title=title,
            reason=reason,
            evidence=(),
            person_no=person_no,
            dwelling_no=None,
            device_no=None,
            site=None,
            raised_at=now,
            reading_at=None,
            late=False,
            state=model.State.OPEN,
            condition=model.Condition.ACTIVE,
            team_no=routed.team.no,
            routed_because=f"{routed.because}; reported by {by}",
            alert_class=alert_class,
            response=routed.response,
        )
        return self._store.open(alert, detail={"routing": routed.detail()})

    def events_after(self, event_no: int, limit: int = 100) -> list[model.Event]:
        """Return events with a higher number, in order. None is ever skipped."""
        return self._store.events_after(event_no, min(limit, MOST_EVENTS))

    def last_event_no(self) -> int:
        """Return the number of the newest event, 0 when there is none."""
        return self._store.last_event_no()
