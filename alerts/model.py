"""The words of alerting: severities, states, an alert, an event, a team, a finding of a rule."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from alerts.organisation import calendars
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


class AlertClass(enum.StrEnum):
    """What sort of thing it is; teams say which they take."""

    TELECARE = "telecare"
    SAFETY = "safety"
    CLINICAL = "clinical"
    ACTIVITY = "activity"
    ENVIRONMENT = "environment"
    EQUIPMENT = "equipment"
    REFERRAL = "referral"
    CARER = "carer"
    HUB = "hub"


class Concern(enum.StrEnum):
    """What somebody who reports something is worried about."""

    FALL = "fall"
    CARER_CRISIS = "carer_crisis"
    OTHER = "other"


class TeamKind(enum.StrEnum):
    """What a team is for; routing asks for a kind and gets a team."""

    DISTRICT_NURSING = "district_nursing"
    TELECARE_OPERATOR = "telecare_operator"
    EQUIPMENT = "equipment"
    RAPID_RESPONSE = "rapid_response"
    COMMUNITY_MATRON = "community_matron"
    OUT_OF_HOURS = "out_of_hours"
    FALLS = "falls"
    GP = "gp"
    CASE_MANAGEMENT = "case_management"
    SOCIAL_CARE = "social_care"
    ONSITE_CARE = "onsite_care"


Evidence = tuple[Mapping[str, Any], ...]
"""Readings behind an alert: ``{"code", "value", "unit", "time"}``; ages are told at reading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """People who take alerts of one kind: for a site, a cluster, an area, or everywhere."""

    no: int
    id: str
    name: str
    kind: str
    area_no: int | None = None
    phone: str | None = None
    site_no: int | None = None  # the on-site team of one site
    cluster: str | None = None  # the practices it works with
    classes: frozenset[str] | None = None  # what it takes; None: what is usual for its kind
    severities: frozenset[str] | None = None  # None: all
    calendar: calendars.Calendar = calendars.ALWAYS
    fallback: str | None = None  # the team that takes over where this one can't
    capacity: int | None = None  # open alerts that it can look after at once
    professions: tuple[str, ...] = ()


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
    alert_class: AlertClass = AlertClass.CLINICAL
    response: str = ""  # id of the response policy, "": none was chosen
    chain: Mapping[str, Any] = field(default_factory=dict)  # that policy as it was when raised
    acknowledged_until: datetime | None = None  # open again then, unless somebody goes on
    snoozed_until: datetime | None = None
    offered_to: str | None = None  # the account that a handover waits for
    offered_until: datetime | None = None
    stale: bool = False  # a step came too late to page anybody
    outcome: Mapping[str, Any] = field(default_factory=dict)  # said on closing
    team: str | None = None  # the team's id and name, where they were read along
    team_name: str | None = None
    told: tuple[str, ...] = ()  # ids of the teams told, where they were read along

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """Somebody who was sent for an alert, and when what became of it."""

    no: int
    alert_no: int
    to: str  # the team's name, or words
    team: str | None  # id of the team of the hub that has to answer
    by: str
    sent_at: datetime
    accepted_at: datetime | None = None
    accepted_by: str | None = None
    declined_at: datetime | None = None
    declined_by: str | None = None
    on_scene_at: datetime | None = None
    done_at: datetime | None = None

    @property
    def waits(self) -> bool:
        """Tell whether a team has yet to say that it goes."""
        answered = (self.accepted_at, self.declined_at, self.on_scene_at, self.done_at)
        return self.team is not None and not any(answered)


class Outcome(enum.StrEnum):
    """What a rule found, seen against what it said last."""

    RAISE = "raise"  # new, or worse than before
    REFRESH = "refresh"  # as before, with newer readings
    CLEAR = "clear"  # over, by a reading and not by the lack of one
    MUTED = "muted"  # it holds, and another open alert of the same subject speaks for it
    COMMAND = "command"  # a device of the home is asked to do something


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One number behind a decision: from these alone the decision can be made again."""

    name: str  # the signal as the rule writes it
    value: float | None  # None: unknown
    quantity: str = ""
    time: float | None = None  # when it was measured, where that says something; Unix seconds
    origin: str = ""  # of a limit: "care plan", "risk band", "default"
    points: int | None = None  # what it added to a score
    values: tuple[float, ...] = ()  # the newest readings, newest first, and their ages [s]
    ages: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One rule's decision about one subject at one moment, with what it rests on."""

    outcome: Outcome
    subject: str  # "person", "home", "device", "site"
    subject_no: int
    rule_id: str
    rule_version: str
    severity: Severity
    title: str
    facts: tuple[Fact, ...]
    at: float  # Unix seconds: the moment that was judged
    late: bool = False
    person_no: int | None = None
    home_no: int | None = None
    device_no: int | None = None
    when: str = ""  # the condition that holds, as the rule writes it
    score: int | None = None
    partial: bool = False
    level: str = ""
    missing: tuple[str, ...] = ()  # parts of a score that were not measured
    missing_for: tuple[float | None, ...] = ()  # and for how long [s]
    part: int = 0  # the room, as the register numbers it
    muted_by: str = ""  # the rule that speaks for this one
    said: str = ""  # words of its own, where facts don't say it all

    @property
    def reading_at(self) -> float:
        """Return when the newest reading behind it was measured. [s, Unix]"""
        return max((f.time for f in self.facts if f.time is not None), default=self.at)


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
