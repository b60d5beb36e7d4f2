"""The words of alerting: severities, states, an alert, an event, a team, a finding of a rule."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ingest.kernel import ids


class Severity(enum.StrEnum):
    """How soon somebody has to act; declared worst first, which is the order of the queue."""

    EMERGENCY = "emergency"
    URGENT = "urgent"
    SOON = "soon"
    INFORMATION = "information"

    @property
    def rank(self) -> int:
        """Return 4 for an emergency down to 1 for information; 0 is left for "nothing"."""
        return _RANKS[self]


_RANKS = {s: n for n, s in enumerate(reversed(Severity), start=1)}
BY_RANK: Mapping[int, Severity] = {n: s for s, n in _RANKS.items()}


class State(enum.StrEnum):
    """What people have done about an alert."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    IN_PROGRESS = "in_progress"
    CLOSED = "closed"


class Condition(enum.StrEnum):
    """Whether what raised the alert still holds. Independent of what people did."""

    ACTIVE = "active"
    CLEARED = "cleared"


class Source(enum.StrEnum):
    """Who says so."""

    DEVICE = "device"
    RULE = "rule"
    PERSON = "person"
    SYSTEM = "system"


class TeamKind(enum.StrEnum):
    """What a team is for; routing asks for a kind and gets a team."""

    DISTRICT_NURSING = "district_nursing"
    TELECARE_OPERATOR = "telecare_operator"
    EQUIPMENT = "equipment"
    RAPID_RESPONSE = "rapid_response"
    COMMUNITY_MATRON = "community_matron"


Evidence = tuple[Mapping[str, Any], ...]
"""Readings behind an alert: ``{"code", "value", "unit", "time"}``; ages are told at reading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """People who take alerts of one kind, for one area or for all."""

    no: int
    id: str
    name: str
    kind: str
    area_no: int | None = None
    phone: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Something that somebody has to act on. One is open per episode at any time."""

    no: int  # 0 until it is stored
    episode: str
    source: Source
    rule_id: str
    rule_version: str
    severity: Severity
    title: str
    reason: str
    evidence: Evidence
    person_no: int | None
    dwelling_no: int | None
    device_no: int | None
    site: str | None
    raised_at: datetime
    reading_at: datetime | None
    late: bool
    state: State
    condition: Condition
    team_no: int | None
    routed_because: str
    owner: str | None = None
    next_step_at: datetime | None = None
    pages: int = 1
    disposition: str | None = None
    version: int = 1
    team: str | None = None  # the team's id and name, where they were read along
    team_name: str | None = None

    @property
    def id(self) -> str:
        """Return the id the outside sees."""
        return ids.public("alert", self.no)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened to an alert; numbered in commit order once it is stored."""

    no: int  # 0 until it is stored
    alert_no: int
    at: datetime
    kind: str
    by: str | None  # account name; None: the hub itself
    reason: str | None
    detail: Mapping[str, Any] = field(default_factory=dict)
    alert_version: int = 1

    @property
    def id(self) -> str:
        """Return the id the outside sees."""
        return ids.public("event", self.no)


class Outcome(enum.StrEnum):
    """What a rule found, seen against what it said last."""

    RAISE = "raise"  # new, or worse than before
    REFRESH = "refresh"  # as before, with newer readings
    CLEAR = "clear"  # back inside, by a reading and not by the lack of one


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One rule's decision about one person at one moment, with what it rests on."""

    outcome: Outcome
    person_no: int
    rule_id: str
    rule_version: str
    severity: Severity
    title: str
    evidence: tuple[Reading, ...]
    at: float  # Unix seconds: the newest reading it rests on
    late: bool
    score: int | None = None
    partial: bool = False
    level: str = ""
    low: float | None = None
    high: float | None = None
    personal: bool = False  # the limit comes from the care plan
    measured: int = 0  # bit per score part that was measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A number behind a decision."""

    quantity: int
    value: float
    time: float  # Unix seconds
    points: int | None = None  # what it added to a score


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFault:
    """A device that should be looked at by whoever looks after equipment."""

    device_no: int
    person_no: int | None
    dwelling_no: int
    quantity: int
    value: float
    time: float
    count: int
    within_s: float
