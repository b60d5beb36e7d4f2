"""What a registration says: people, homes, devices and the rest, each with where it was written.

Values in which None means "not said": what the register holds stays as it is. An empty text
clears what it holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

from ingest.kernel.vitals import Quantity

Kind = Literal[
    "areas", "practices", "sites", "teams", "members", "shifts", "homes", "people", "caseloads",
    "devices",
]  # fmt: skip

KINDS: tuple[Kind, ...] = (
    "areas", "practices", "sites", "teams", "members", "shifts", "homes", "people", "caseloads",
    "devices",
)  # fmt: skip
"""In the order in which one may refer to the one before."""

Counted = Literal[
    "areas", "practices", "sites", "teams", "members", "shifts", "homes", "people", "caseloads",
    "devices", "assignments",
]  # fmt: skip

COUNTED: tuple[Counted, ...] = (*KINDS, "assignments")
"""What a report counts."""

TEAM_KINDS = (
    "district_nursing", "community_matron", "rapid_response", "telecare_operator", "equipment",
    "out_of_hours", "falls", "gp", "case_management", "social_care", "onsite_care",
)  # fmt: skip

TOLD = ("never", "emergencies", "always")
"""When messages tell a contact; ringing them is a person's own judgement."""

AREA_KINDS = ("health", "council")

ALERT_CLASSES = (
    "telecare", "safety", "clinical", "activity", "environment", "equipment", "referral", "carer",
    "hub",
)  # fmt: skip
"""What teams may take: the classes of alerts."""

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun", "holiday")
"""On which hours hold; on a bank holiday those of "holiday" instead of the weekday's."""

HOLIDAYS = ("GB-ENG", "GB-NIR", "GB-SCT", "GB-WLS")
"""Lists of bank holidays."""

DUTIES = ("duty", "on_call", "leave")

CASELOAD_ROLES = ("virtual_ward", "key_worker", "community_matron", "specialist")
"""Why somebody has a person on their caseload; who is asked first stands first."""

PLACES_OF_CARE = ("home", "care_home", "hospice", "hospital")
"""Where somebody near the end of life wishes to be cared for."""

RISK_BANDS = ("green", "amber", "red")

SEVERITIES = ("emergency", "urgent", "soon", "information")
"""What a trigger may be, the worst first: the severities of alerts."""

ONBOARDING = "onboarding"
"""The broker user of a site's devices before their registration: no device may be called so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where something was written: a file and its line, and the lines of its keys where known."""

    file: str
    line: int
    keys: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def at(self, key: str) -> int:
        """Return the line of a key, else the line where the whole begins."""
        found = self.keys.get(key)
        return found if isinstance(found, int) else self.line


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why a registration can not be loaded, said so that its writer can put it right."""

    file: str
    line: int  # 0: the file as a whole
    what: str
    allowed: str = ""
    key: str = ""  # which key it is about, where it is about one

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.what}" + (f"; {self.allowed}" if self.allowed else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """A part of the country that teams serve: of the health service, or of a council."""

    id: str
    name: str
    kind: str | None = None
    origin: Origin = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Practice:
    """A general practice."""

    id: str
    name: str
    area: str | None
    cluster: str | None = None
    origin: Origin = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Open from a clock time to another, on some days; over midnight where it ends no later."""

    days: tuple[str, ...]  # of DAYS, in their order
    start: str  # "08:00"
    end: str  # up to "24:00"

    def said(self) -> dict[str, Any]:
        """Return it as files, the API and the database spell it."""
        return {"days": list(self.days), "from": self.start, "to": self.end}


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """People who answer alerts: where, what, and in which hours."""

    id: str
    name: str
    kind: str
    area: str | None
    phone: str | None
    site: str | None = None  # the on-site team of one site
    cluster: str | None = None
    professions: tuple[str, ...] | None = None
    classes: tuple[str, ...] | None = None  # (): what is usual for its kind
    severities: tuple[str, ...] | None = None  # (): all
    hours: tuple[Hours, ...] | None = None  # (): always open
    timezone: str | None = None
    holidays: str | None = None
    fallback: str | None = None
    capacity: int | None = None
    origin: Origin = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Somebody of a team."""

    team: str
    name: str
    account: str | None
    profession: str | None
    rank: int | None
    origin: Origin = field(compare=False)

    @property
    def id(self) -> str:
        """Return what tells members apart."""
        return f"{self.team}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """A time that a member works, can be called, or is away."""

    team: str
    member: str
    start: datetime
    end: datetime
    duty: str
    instead_of: str | None  # the member whose shift is taken over
    origin: Origin = field(compare=False)

    @property
    def id(self) -> str:
        """Return what tells shifts apart."""
        return f"{self.team}/{self.member}/{self.start.isoformat()}/{self.duty}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caseload:
    """Who looks after a person: a team, or the team of an account."""

    person: str
    role: str
    team: str | None
    account: str | None
    origin: Origin = field(compare=False)

    @property
    def id(self) -> str:
        """Return what tells entries apart."""
        return f"{self.person}/{self.role}/{self.team or ''}/{self.account or ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A place with homes: an extra-care building, a care home, or a district of single houses."""

    id: str
    name: str
    area: str | None
    timezone: str | None
    onboarding_password: str | None = field(repr=False)
    council_area: str | None = None
    origin: Origin = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A dwelling. How to get in is kept encrypted."""

    id: str
    site: str
    address: str | None = field(repr=False)
    access_notes: str | None = field(repr=False)
    key_safe: str | None = field(repr=False)
    origin: Origin = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """Somebody to ring about a person."""

    name: str
    relation: str | None
    phone: str
    told: str = "emergencies"  # by messages, as the person wishes: one of `TOLD`


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """Personal bounds of a quantity out of a care plan, in the hub's unit."""

    low: float | None
    high: float | None


def limit_problem(of: Quantity, limit: Limit) -> str:
    """Say what is wrong with a personal limit, an empty text for nothing."""
    if limit.low is None and limit.high is None:
        return "has neither low nor high"
    for bound in (limit.low, limit.high):
        if bound is not None and not of.low <= bound <= of.high:
            return f"{bound:g} is not plausible"
    if limit.low is not None and limit.high is not None and limit.low >= limit.high:
        return f"low {limit.low:g} is not below high {limit.high:g}"
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """A rule that holds for one person, out of the care plan."""

    id: str  # within the person
    title: str
    severity: str
    when: str  # the expression that raises it
    clear: str | None  # the expression that ends it
    lasting: str | None  # how long it must hold; "for" where Python's keyword is not in the way

    def said(self) -> dict[str, str | None]:
        """Return it as files, the API and the database spell it."""
        return {
            "id": self.id, "title": self.title, "severity": self.severity, "when": self.when,
            "clear": self.clear, "for": self.lasting,
        }  # fmt: skip


TriggerCheck = Callable[[Mapping[str, str | None]], str | None]
"""Says in words what is wrong with a trigger as it is said, None for nothing.

It comes from above: what an expression means is for the rules to know.
"""


def trigger_problem(trigger: Trigger, check: TriggerCheck) -> tuple[str, str] | None:
    """Return the key that is at fault and what is wrong with it, None for nothing.

    A key is at fault when all would be well without it.
    """
    said = trigger.said()
    wrong = check(said)
    if wrong is None:
        return None
    key = next(
        (k for k in ("for", "clear") if said[k] is not None and check({**said, k: None}) is None),
        "when",
    )
    return key, " ".join(wrong.split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who is looked after."""

    id: str
    home: str
    name: str = field(repr=False)
    nhs_number: str | None = field(repr=False)  # ten digits
    born: date | None
    phone: str | None
    language: str | None
    communication: str | None
    practice: str | None
    scale2: bool | None
    on_oxygen: bool | None
    pregnant: bool | None
    contacts: tuple[Contact, ...] | None = field(repr=False)  # in ringing order
    limits: Mapping[str, Limit] | None
    conditions: tuple[str, ...] | None = field(repr=False)  # of ingest.kernel.conditions
    risk_band: str | None = field(repr=False)  # an empty text: not assessed
    triggers: tuple[Trigger, ...] | None = field(repr=False)
    place_of_care: str | None = field(default=None, repr=False)  # an empty text: no such wish
    origin: Origin = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """Whose a device is, from when to when: one person's, or a home's to share."""

    person: str | None
    home: str | None
    start: datetime | None  # None: since ever
    end: datetime | None  # None: until the device's next assignment, if there is one
    origin: Origin = field(compare=False)

    @property
    def holder(self) -> tuple[str, str]:
        """Return the kind and id of the one that the device is with."""
        return ("person", self.person) if self.person is not None else ("home", self.home or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device and all its assignments that were written down."""

    site: str
    id: str
    kind: str
    model: str | None
    password: str | None = field(repr=False)
    cadence: Mapping[str, int] | None  # quantity -> seconds between readings
    place: str | None  # the room it is in
    assignments: tuple[Assignment, ...]
    origin: Origin = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What an entry that is left out refers to: checked all the same."""

    to: Kind
    id: str
    key: str
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """Everything that a set of files says, ready to be loaded as one."""

    areas: tuple[Area, ...] = ()
    practices: tuple[Practice, ...] = ()
    sites: tuple[Site, ...] = ()
    teams: tuple[Team, ...] = ()
    members: tuple[Member, ...] = ()
    shifts: tuple[Shift, ...] = ()
    homes: tuple[Home, ...] = ()
    people: tuple[Person, ...] = ()
    caseloads: tuple[Caseload, ...] = ()
    devices: tuple[Device, ...] = ()
    problems: tuple[Problem, ...] = ()
    # ids of entries that are left out because something is wrong with them: who refers to one
    # is not wrong for that
    flawed: frozenset[tuple[Kind, str]] = frozenset()
    references: tuple[Reference, ...] = ()  # of the entries left out


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """What became of the entries of a kind."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What loading did, or with ``check`` would have done; with problems nothing was done."""

    check: bool
    counts: Mapping[Counted, Count]
    problems: tuple[Problem, ...] = ()
    queued: int = 0  # messages out of the quarantine, to be replayed

    @property
    def changed(self) -> bool:
        """Tell whether anything is different from before."""
        return any(c.created or c.updated for c in self.counts.values())
