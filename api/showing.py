"""Alerts as people see them: with who, where, whom to ring first, and how old the readings are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from alerts import model
from api import security, stream, wire
from api.storage import board, organisation
from ingest.kernel import clock as clocks
from ingest.kernel import ids
from ingest.storage import register, vault


class Alerts(Protocol):
    """What is asked of the alerts' own service."""

    def get(self, no: int) -> model.Alert | None:
        """Return an alert."""
        ...

    def history(self, no: int) -> list[model.Event]:
        """Return what happened to an alert, oldest first."""
        ...

    def events_after(self, event_no: int, limit: int) -> list[model.Event]:
        """Return the events after a number, in order."""
        ...

    def last_event_no(self) -> int:
        """Return the newest event's number."""
        ...


_TEAMS_AGE_S = 10.0


@dataclass(slots=True)
class _Teams:
    read_at: float
    kinds: Mapping[str, str]


class Showing:
    """Puts alerts together with the register. Safe for many threads."""

    def __init__(
        self,
        *,
        alerts: Alerts,
        board: board.Board,
        organisation: organisation.Organisation,
        register: register.RegisterStore,
        reveal: Callable[[bytes | None], str | None],
        clock: clocks.Clock,
    ) -> None:
        self._alerts = alerts
        self._board = board
        self._organisation = organisation
        self._register = register
        self._reveal = reveal
        self._clock = clock
        self._teams = _Teams(float("-inf"), {})

    def many(self, found: Sequence[model.Alert]) -> list[wire.Alert]:
        """Return alerts in the same order, without their histories."""
        people = self._board.people({a.person_no for a in found if a.person_no is not None})
        homes = self._board.homes(
            {a.dwelling_no for a in found if a.dwelling_no is not None}
            | {p.home_no for p in people.values()}
        )
        now = self._clock.now()
        return [self._one(a, people, homes, now) for a in found]

    def one(self, alert: model.Alert) -> wire.Alert:
        """Return an alert with its history."""
        shown = self.many([alert])[0]
        history = [event(e) for e in self._alerts.history(alert.no)]
        return shown.model_copy(update={"history": history})

    def access(self, home_no: int) -> register.Access | None:
        """Return how to get into a home; what can't be decrypted is left out, not in the way."""
        try:
            return self._register.access(home_no)
        except vault.WrongKeyError:
            return None

    def may_see(self, who: security.Principal, alert: model.Alert) -> bool:
        """Tell whether somebody may see an alert: equipment staff see equipment teams' only."""
        return not who.equipment_only or self.for_equipment(alert)

    def for_equipment(self, alert: model.Alert) -> bool:
        """Tell whether an alert went to an equipment team."""
        return alert.team is not None and self._kind(alert.team) == model.TeamKind.EQUIPMENT

    def equipment_teams(self) -> list[str]:
        """Return the ids of the equipment teams."""
        self._kind("")
        return [t for t, kind in self._teams.kinds.items() if kind == model.TeamKind.EQUIPMENT]

    def _kind(self, team: str) -> str | None:
        now = self._clock.monotonic()
        if now - self._teams.read_at > _TEAMS_AGE_S:
            self._teams = _Teams(now, {t.id: t.kind for t in self._organisation.teams()})
        return self._teams.kinds.get(team)

    def _one(
        self,
        alert: model.Alert,
        people: Mapping[int, board.Face],
        homes: Mapping[int, board.Dwelling],
        now: datetime,
    ) -> wire.Alert:
        face = people.get(alert.person_no) if alert.person_no is not None else None
        home_no = face.home_no if face else alert.dwelling_no
        home = homes.get(home_no) if home_no is not None else None
        ring = None
        if face is not None and face.contact_name and face.contact_phone:
            ring = wire.Ring(
                name=face.contact_name, relation=face.contact_relation, phone=face.contact_phone
            )
        return wire.Alert(
            **_brief(alert),
            patient_name=face.name if face else None,
            where=self._where(alert, home),
            reason=alert.reason,
            evidence=[evidence(e, now) for e in alert.evidence],
            reading_age_s=_age(alert.reading_at, now),
            team_name=alert.team_name,
            routed_because=alert.routed_because,
            next_step_at=alert.next_step_at,
            disposition=alert.disposition,
            ring_first=ring,
            phone=face.phone if face else None,
        )

    def _where(self, alert: model.Alert, home: board.Dwelling | None) -> str | None:
        if home is None:
            return f"site {alert.site}" if alert.site else None
        return self._reveal(home.address) or f"{home.id}, {home.site_name}"


class EncodedEvents:
    """Alert events ready for the stream, each with the alert as it now is."""

    def __init__(self, *, alerts: Alerts, showing: Showing) -> None:
        self._alerts = alerts
        self._showing = showing

    def last_no(self) -> int:
        """Return the number of the newest event, 0 for none."""
        return self._alerts.last_event_no()

    def after(self, no: int, limit: int) -> list[stream.Item]:
        """Return the events after a number, in order, at most ``limit``."""
        known: dict[int, model.Alert | None] = {}
        items: list[stream.Item] = []
        for e in self._alerts.events_after(no, limit):
            if e.alert_no not in known:
                known[e.alert_no] = self._alerts.get(e.alert_no)
            items.append(self._item(e, known[e.alert_no]))
        return items

    def _item(self, e: model.Event, alert: model.Alert | None) -> stream.Item:
        body: dict[str, Any] = {
            "event": e.id,
            "kind": e.kind,
            "at": wire.rfc3339(e.at),
            "by": e.by,
            "alert": None,
        }
        equipment = False
        if alert is not None:
            body["alert"] = wire.AlertBrief(**_brief(alert)).model_dump(mode="json")
            equipment = self._showing.for_equipment(alert)
        return stream.Item(no=e.no, raw=stream.encode(e.no, body), equipment=equipment)


def _brief(alert: model.Alert) -> dict[str, Any]:
    return {
        "id": alert.id,
        "patient": _public("person", alert.person_no),
        "home": _public("home", alert.dwelling_no),
        "device": _public("device", alert.device_no),
        "site": alert.site,
        "source": str(alert.source),
        "rule": {"id": alert.rule_id, "version": alert.rule_version},
        "severity": str(alert.severity),
        "title": alert.title,
        "raised_at": alert.raised_at,
        "reading_at": alert.reading_at,
        "late": alert.late,
        "state": str(alert.state),
        "condition": str(alert.condition),
        "team": alert.team,
        "owner": alert.owner,
        "pages": alert.pages,
        "version": alert.version,
    }


def event(e: model.Event) -> wire.Event:
    """Return an event of an alert's history."""
    return wire.Event(
        id=e.id,
        at=e.at,
        kind=e.kind,
        by=e.by,
        reason=e.reason,
        detail=dict(e.detail),
        version=e.alert_version,
    )


def evidence(item: Mapping[str, Any], now: datetime) -> wire.Evidence:
    """Return a reading behind an alert with its age now; what else it carries goes along."""
    measured = _moment(item.get("time"))
    rest = {k: v for k, v in item.items() if k not in {"code", "value", "unit", "time", "age_s"}}
    return wire.Evidence(
        code=str(item.get("code", "")),
        value=item.get("value"),
        unit=item.get("unit"),
        time=measured,
        age_s=_age(measured, now),
        **rest,
    )


def _moment(value: object) -> datetime | None:
    if isinstance(value, datetime):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return datetime.fromtimestamp(value, UTC)
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return None
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None


def _age(moment: datetime | None, now: datetime) -> float | None:
    return None if moment is None else round(max(0.0, (now - moment).total_seconds()), 1)


def _public(kind: ids.Kind, no: int | None) -> str | None:
    return None if not no else ids.public(kind, no)
