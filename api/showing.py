"""Alerts as people see them: with who, where, whom to ring first, and how old the readings are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from alerts import escalation, model
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

    def several(self, numbers: Sequence[int]) -> dict[int, model.Alert]:
        """Return those of some alerts that there are, by number."""
        ...

    def history(self, no: int) -> list[model.Event]:
        """Return what happened to an alert, oldest first."""
        ...

    def related(self, alert: model.Alert) -> list[model.Alert]:
        """Return the other open alerts of the same person, or of the home."""
        ...

    def next_steps(self, numbers: Sequence[int]) -> Mapping[int, escalation.Due]:
        """Return what falls due next of alerts."""
        ...

    def dispatches(self, no: int) -> list[model.Dispatch]:
        """Return who was sent for an alert, in order."""
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
        steps = self._alerts.next_steps([a.no for a in found]) if found else {}
        now = self._clock.now()
        return [self._one(a, people, homes, steps.get(a.no), now) for a in found]

    def one(self, alert: model.Alert, who: security.Principal) -> wire.Alert:
        """Return an alert with its history, who was sent, and what else the reader may see."""
        shown = self.many([alert])[0]
        more = {
            "history": [event(e) for e in self._alerts.history(alert.no)],
            "related": [
                _related(a) for a in self._alerts.related(alert) if self.may_see(who, a)
            ],
            "dispatches": [_dispatch(d) for d in self._alerts.dispatches(alert.no)],
        }  # fmt: skip
        return shown.model_copy(update=more)

    def access(self, home_no: int) -> register.Access | None:
        """Return how to get into a home; what can't be decrypted is left out, not in the way."""
        try:
            return self._register.access(home_no)
        except vault.WrongKeyError:
            return None

    def has_home(self, no: int) -> bool:
        """Tell whether there is a home of that number."""
        return bool(self._board.homes({no}))

    def has_device(self, no: int) -> bool:
        """Tell whether there is a device of that number."""
        return bool(self._board.devices({no}))

    def may_see(self, who: security.Principal, alert: model.Alert) -> bool:
        """Tell whether somebody may see an alert: equipment staff see equipment teams' only."""
        return not who.equipment_only or self.for_equipment(alert)

    def for_equipment(self, alert: model.Alert) -> bool:
        """Tell whether an equipment team has an alert, as its own or beside another."""
        teams = (*([alert.team] if alert.team else []), *alert.told)
        return any(self._kind(team) == model.TeamKind.EQUIPMENT for team in teams)

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
        step: escalation.Due | None,
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
            next_step=wire.NextStep(at=step.due_at, kind=step.kind.value, tell=step.tell)
            if step is not None
            else None,
            alert_class=alert.alert_class.value,
            response=wire.Response(
                id=alert.response, version=escalation.thawed(alert.chain).version
            )
            if alert.response
            else None,
            acknowledged_until=alert.acknowledged_until,
            snoozed_until=alert.snoozed_until,
            offered_to=alert.offered_to,
            stale=alert.stale,
            told_teams=list(alert.told),
            disposition=alert.disposition,
            outcome=dict(alert.outcome),
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
        events = self._alerts.events_after(no, limit)
        known = self._alerts.several(sorted({e.alert_no for e in events})) if events else {}
        return [self._item(e, known.get(e.alert_no)) for e in events]

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


def _related(alert: model.Alert) -> wire.Related:
    return wire.Related(
        id=alert.id,
        title=alert.title,
        severity=alert.severity.value,
        state=alert.state.value,
        raised_at=alert.raised_at,
        team=alert.team,
        owner=alert.owner,
        version=alert.version,
    )


def _dispatch(d: model.Dispatch) -> wire.Dispatch:
    return wire.Dispatch(
        to=d.to,
        team=d.team,
        by=d.by,
        sent_at=d.sent_at,
        accepted_at=d.accepted_at,
        accepted_by=d.accepted_by,
        declined_at=d.declined_at,
        declined_by=d.declined_by,
        on_scene_at=d.on_scene_at,
        done_at=d.done_at,
    )


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
