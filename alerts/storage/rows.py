"""Database rows to values and back."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, LiteralString
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from alerts import model
from alerts.escalation import Due, Kind, Tell
from ingest.kernel.observation import ROW, Rows

ALERT_COLUMNS: LiteralString = (
    "a.no, a.episode, a.source, a.rule_id, a.rule_version, a.severity, a.title, a.reason,"
    " a.evidence, a.person_no, a.dwelling_no, a.device_no, a.site, a.raised_at, a.reading_at,"
    " a.late, a.state, a.condition, a.team_no, a.routed_because, a.owner, a.next_step_at, a.pages,"
    " a.disposition, a.version, a.alert_class, a.response, a.chain, a.acknowledged_until,"
    " a.snoozed_until, a.offered_to, a.offered_until, a.stale, a.outcome"
)
TEAMS: LiteralString = (
    "t.id, t.name,"
    " ARRAY(SELECT x.id FROM alerts.team x WHERE x.no = ANY(a.told_teams) ORDER BY x.id)"
)
"""What may follow them: the team's id and name, and the ids of the teams that were told too."""
_WIDTH = ALERT_COLUMNS.count(",") + 1
EVENT_COLUMNS: LiteralString = (
    "e.no, e.alert_no, e.at, e.kind, e.by, e.reason, e.detail, e.alert_version"
)


def alert(row: tuple[Any, ...]) -> model.Alert:
    """Return the alert of ``ALERT_COLUMNS``, followed by ``TEAMS`` where they were read."""
    team, team_name, told = row[_WIDTH : _WIDTH + 3] if len(row) > _WIDTH else (None, None, ())
    return model.Alert(
        no=row[0],
        episode=row[1],
        source=model.Source(row[2]),
        rule_id=row[3],
        rule_version=row[4],
        severity=model.Severity(row[5]),
        title=row[6],
        reason=row[7],
        evidence=tuple(row[8]),
        person_no=row[9],
        dwelling_no=row[10],
        device_no=row[11],
        site=row[12],
        raised_at=row[13],
        reading_at=row[14],
        late=row[15],
        state=model.State(row[16]),
        condition=model.Condition(row[17]),
        team_no=row[18],
        routed_because=row[19],
        owner=row[20],
        next_step_at=row[21],
        pages=row[22],
        disposition=row[23],
        version=row[24],
        alert_class=model.AlertClass(row[25]),
        response=row[26],
        chain=row[27],
        acknowledged_until=row[28],
        snoozed_until=row[29],
        offered_to=row[30],
        offered_until=row[31],
        stale=row[32],
        outcome=row[33],
        team=team,
        team_name=team_name,
        told=tuple(told),
    )


def event(row: tuple[Any, ...]) -> model.Event:
    """Return the event of ``EVENT_COLUMNS``."""
    return model.Event(
        no=row[0],
        alert_no=row[1],
        at=row[2],
        kind=row[3],
        by=row[4],
        reason=row[5],
        detail=row[6],
        alert_version=row[7],
    )


def due(row: Sequence[Any]) -> Due:
    """Return the step of ``kind, run, position, repetition, due_at, tell``."""
    kind, run, position, repetition, due_at, tell = row
    return Due(
        kind=Kind(kind), run=run, position=position, repetition=repetition, due_at=due_at,
        tell=None if tell is None else Tell(tell),
    )  # fmt: skip


def dispatch(row: Sequence[Any]) -> model.Dispatch:
    """Return who was sent, of the columns in the order of `model.Dispatch`."""
    return model.Dispatch(**dict(zip(_DISPATCH, row, strict=True)))


_DISPATCH = tuple(f.name for f in dataclasses.fields(model.Dispatch))


def observations(found: Sequence[tuple[Any, ...]], names: Sequence[str] = ROW.names or ()) -> Rows:
    """Return database rows as the rules read them; ``names`` says which columns they have."""
    out = np.zeros(len(found), ROW)
    if found:
        for name, column in zip(names, zip(*found, strict=True), strict=True):
            out[name] = column
    return out


def columns(found: Iterable[Sequence[Any]]) -> list[list[Any]]:
    """Return rows as columns: one statement with arrays instead of a statement for each."""
    return [list(column) for column in zip(*found, strict=True)]


def evidence_json(evidence: model.Evidence) -> str:
    """Return the evidence as it is stored."""
    return json.dumps([dict(item) for item in evidence])


def moment(epoch: float) -> datetime:
    """Return Unix seconds as an aware time in UTC."""
    return datetime.fromtimestamp(epoch, UTC)


def zone(name: str | None) -> tzinfo:
    """Return a time zone, UTC where this machine doesn't know it."""
    try:
        return ZoneInfo(name or "Europe/London")
    except (ZoneInfoNotFoundError, ValueError):
        return UTC
