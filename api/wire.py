"""What the API's JSON looks like: the bodies it takes and gives, each with an example."""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Any, Generic, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    model_validator,
)

from ingest.kernel import conditions, nhs_number, vitals


def rfc3339(moment: datetime) -> str:
    """Return a time as the API writes it: RFC 3339, UTC, milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _zone(name: str) -> str:
    if name not in zoneinfo.available_timezones():
        raise ValueError("no time zone such as Europe/London")
    return name


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a time needs its offset, for example 2026-01-31T08:00:00Z")
    return moment.astimezone(UTC)


def _no_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("a NUL character can't be kept")
    return text.strip()


def _nhs(text: str) -> str:
    wrong = nhs_number.problem(text)
    if wrong:
        raise ValueError(wrong)
    return nhs_number.normalise(text)


def _condition(name: str) -> str:
    if name not in conditions.BY_NAME:
        raise ValueError(f"no such condition: allowed are {', '.join(conditions.BY_NAME)}")
    return name


Time = Annotated[
    datetime, AfterValidator(_aware), PlainSerializer(rfc3339, return_type=str, when_used="json")
]
Text = Annotated[str, AfterValidator(_no_nul), Field(min_length=1, max_length=200)]
Expression = Annotated[str, AfterValidator(_no_nul), Field(min_length=1, max_length=1000)]
LongText = Annotated[str, AfterValidator(_no_nul), Field(min_length=1, max_length=2000)]
NhsNumber = Annotated[str, AfterValidator(_nhs), Field(max_length=20)]
Condition = Annotated[
    str,
    AfterValidator(_condition),
    Field(max_length=40, json_schema_extra={"enum": list(conditions.BY_NAME)}),
]
Room = Annotated[str, Field(pattern=f"^{vitals.PLACE}$")]
RiskBand = Literal["green", "amber", "red"]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")]
Phone = Annotated[str, Field(pattern=r"^\+?[0-9 ()-]{3,30}$")]
Version = Annotated[
    int, Field(ge=1, le=2**31 - 1, description="version of the alert you looked at")
]
Timezone = Annotated[str, AfterValidator(_zone)]
TeamKind = Literal[
    "district_nursing", "telecare_operator", "equipment", "rapid_response", "community_matron",
    "out_of_hours", "falls", "gp", "case_management", "social_care", "onsite_care",
]  # fmt: skip
Severity = Literal["emergency", "urgent", "soon", "information"]


def _example(body: Mapping[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [dict(body)]}, extra="forbid")


class Wire(BaseModel):
    """A body. Unknown fields are refused: a misspelt one must not be lost in silence."""

    model_config = ConfigDict(extra="forbid")


Item = TypeVar("Item")


class Page(Wire, Generic[Item]):
    """A part of a list; ``next`` goes into ``cursor`` for the part after it, null at the end."""

    items: list[Item]
    next: str | None = None


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:telecare:problem:not-found",
                    "title": "There is no such alert.",
                    "status": 404,
                }
            ]
        },
    )

    type: str
    title: str
    status: int
    detail: str | None = None


# -- signing in


class Token(Wire):
    """A token, told this once."""

    model_config = _example(
        {
            "access_token": "9vQ0mWc2…",
            "token_type": "bearer",
            "expires_in": 43200,
            "expires_at": "2026-01-31T20:00:00.000Z",
            "role": "nurse",
        }
    )

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105  (the kind, not a secret)
    expires_in: int
    expires_at: Time
    role: str


class Me(Wire):
    """Who the token speaks for."""

    model_config = _example(
        {
            "username": "nurse",
            "name": "Nadia Nurse",
            "role": "nurse",
            "permissions": ["alerts.act", "alerts.read"],
            "expires_at": "2026-01-31T20:00:00.000Z",
        }
    )

    username: str
    name: str
    role: str
    permissions: list[str]
    expires_at: Time


# -- people


class Contact(Wire):
    """Somebody to ring, in ringing order."""

    model_config = _example(
        {"name": "Joan Example", "relation": "daughter", "phone": "020 7946 0001"}
    )

    name: Text
    relation: Text | None = None
    phone: Phone
    told: Literal["never", "emergencies", "always"] = Field(
        default="emergencies", description="when messages tell them, as the person wishes"
    )


class RiskJudgement(Wire):
    """What a professional judges of somebody's risk; a null band takes a judgement back."""

    model_config = _example({"band": "red", "reason": "two admissions since the last run"})

    band: RiskBand | None
    reason: LongText


class Judgement(Wire):
    """One judgement, with what the model said at the time."""

    at: Time
    by: str
    band: str | None
    model_band: str | None
    reason: str


class Risk(Wire):
    """The band of risk that counts, the model's beside it, and who judged it."""

    model_config = _example(
        {
            "band": "red",
            "model_band": "amber",
            "judged": True,
            "judgements": [
                {
                    "at": "2026-01-31T08:00:00.000Z",
                    "by": "nurse",
                    "band": "red",
                    "model_band": "amber",
                    "reason": "two admissions since the last run",
                }
            ],
        }
    )

    band: str | None
    model_band: str | None = Field(description="of the last import or run; null: none")
    judged: bool = Field(description="whether `band` is a professional's judgement")
    judgements: list[Judgement] = Field(description="newest first")


class Limit(Wire):
    """Personal limits of one quantity, in its unit; null leaves a side open."""

    model_config = _example({"low": 88, "high": None})

    low: float | None = Field(default=None, allow_inf_nan=False)
    high: float | None = Field(default=None, allow_inf_nan=False)


class Trigger(Wire):
    """A rule that holds for one person: what raises it, what ends it, how long it has to hold."""

    model_config = _example(
        {
            "id": "low-spo2",
            "title": "Oxygen below the plan's level",
            "severity": "urgent",
            "when": "spo2 < '88 %'",
            "clear": "spo2 >= '90 %'",
            "for": "20 min",
        }
    )

    id: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")] = Field(description="within the person")
    title: Text
    severity: Severity
    when: Expression
    clear: Expression | None = None
    lasting: Text | None = Field(default=None, alias="for")


_PERSON = {
    "name": "Ada Example",
    "nhs_number": "943 476 5919",
    "born": "1941-05-17",
    "phone": "020 7946 0000",
    "language": "en",
    "communication": "hard of hearing: ring twice",
    "home": "maple-court-12",
    "practice": "high-street",
    "contacts": [{"name": "Joan Example", "relation": "daughter", "phone": "020 7946 0001"}],
    "limits": {"spo2": {"low": 88, "high": None}},
    "conditions": ["copd", "falls_risk"],
    "risk_band": "amber",
    "triggers": [
        {
            "id": "low-spo2",
            "title": "Oxygen below the plan's level",
            "severity": "urgent",
            "when": "spo2 < '88 %'",
            "clear": None,
            "for": "20 min",
        }
    ],
    "scale2": False,
    "on_oxygen": False,
    "pregnant": False,
}


class NewPerson(Wire):
    """A person to register, living in a home that is registered."""

    model_config = _example({"id": "ada-example", **_PERSON})

    id: Slug | None = Field(default=None, description="the register's own id; made when not given")
    name: Text
    nhs_number: NhsNumber | None = None
    born: date | None = None
    phone: Phone | None = None
    language: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{2,35}$")] = "en"
    communication: LongText | None = None
    home: Slug
    practice: Slug | None = None
    contacts: list[Contact] = Field(default_factory=list, max_length=20)
    limits: dict[str, Limit] = Field(default_factory=dict)
    conditions: list[Condition] = Field(default_factory=list, max_length=40)
    risk_band: RiskBand | None = Field(default=None, description="null: not assessed")
    triggers: list[Trigger] = Field(default_factory=list, max_length=40)
    scale2: bool = False
    on_oxygen: bool = False
    pregnant: bool = False


class PersonChange(Wire):
    """What to change; a field that is not there stays as it is."""

    model_config = _example({"phone": "020 7946 0002", "limits": {"spo2": {"low": 88}}})

    name: Text | None = None
    nhs_number: NhsNumber | None = None
    born: date | None = None
    phone: Phone | None = None
    language: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{2,35}$")] | None = None
    communication: LongText | None = None
    home: Slug | None = None
    practice: Slug | None = None
    contacts: list[Contact] | None = Field(default=None, max_length=20)
    limits: dict[str, Limit] | None = None
    conditions: list[Condition] | None = Field(default=None, max_length=40)
    risk_band: RiskBand | Literal[""] | None = Field(
        default=None, description="an empty text: not assessed"
    )
    triggers: list[Trigger] | None = Field(
        default=None, max_length=40, description="replaces them all"
    )
    scale2: bool | None = None
    on_oxygen: bool | None = None
    pregnant: bool | None = None


class PersonBrief(Wire):
    """A person in a list."""

    model_config = _example(
        {
            "id": "person_17",
            "name": "Ada Example",
            "nhs_number": "943 476 5919",
            "born": "1941-05-17",
        }
    )

    id: str
    name: str
    nhs_number: str | None
    born: date | None


class Reading(Wire):
    """One reading."""

    model_config = _example(
        {
            "time": "2026-01-31T08:00:00.000Z",
            "received_at": "2026-01-31T08:00:01.120Z",
            "code": "spo2",
            "loinc": "2708-6",
            "label": "Oxygen saturation",
            "value": 91.0,
            "unit": "%",
            "place": None,
            "device": "device_4",
            "quality": ["late"],
        }
    )

    time: Time
    received_at: Time
    sent_time: Time | None = Field(
        default=None, description="as the device said it, where the hub corrected it"
    )
    code: str
    loinc: str | None
    label: str
    value: bool | float | str | None
    unit: str
    place: str | None = Field(description="room, or the questionnaire's key")
    device: str
    quality: list[str] = Field(description="what is known against the reading; empty for nothing")
    age_s: float | None = None


class Bucket(Wire):
    """The readings of one quantity in one span of time; implausible ones enter no figure."""

    model_config = _example(
        {
            "start": "2026-01-31T08:00:00.000Z",
            "code": "heart_rate",
            "loinc": "8867-4",
            "unit": "/min",
            "place": None,
            "count": 12,
            "implausible": 0,
            "min": 61.0,
            "mean": 68.4,
            "max": 83.0,
            "last": 66.0,
            "quality": [],
        }
    )

    start: Time
    code: str
    loinc: str | None
    unit: str
    place: str | None
    count: int
    implausible: int
    min: float | None
    mean: float | None
    max: float | None
    last: float | None
    quality: list[str] = Field(description="every flag that any of the span's readings carries")


class Observations(Wire):
    """A series, raw or bucketed, oldest first."""

    items: list[Reading | Bucket]
    next: str | None = None
    every_s: float | None = Field(default=None, description="width of the buckets, null when raw")


class TestMode(Wire):
    """A device is being tested: until then its alarms page nobody."""

    model_config = _example({"until": "2026-01-31T08:15:00.000Z", "by": "fitter.f"})

    until: Time
    by: str


class NewTest(Wire):
    """For how long a device is going to be tested."""

    model_config = _example({"minutes": 15})

    minutes: float = Field(default=15, gt=0, le=120)


class DeviceBrief(Wire):
    """A device below a person."""

    model_config = _example(
        {
            "id": "device_4",
            "site": "maple-court",
            "device": "pendant-1",
            "kind": "pendant",
            "state": "online",
            "battery": 80.0,
            "seen_at": "2026-01-31T08:00:00.000Z",
        }
    )

    id: str
    site: str
    device: str
    kind: str
    state: str | None = None
    battery: float | None = None
    seen_at: Time | None = None
    test: TestMode | None = Field(
        default=None, description="while it is being tested its alarms page nobody"
    )


class Person(Wire):
    """A person: who they are, how to reach them, what watches over them."""

    model_config = _example(
        {
            "id": "person_17",
            **_PERSON,
            "home": {"id": "home_9", "name": "maple-court-12", "address": "12 Maple Court"},
            "site": "maple-court",
            "devices": [],
            "latest": [],
            "open_alerts": ["alert_5"],
        }
    )

    id: str
    register_id: str
    name: str
    nhs_number: str | None
    born: date | None
    phone: str | None
    language: str
    communication: str | None
    home: Home
    site: str
    practice: str | None
    contacts: list[Contact]
    limits: dict[str, Limit]
    conditions: list[str]
    risk_band: str | None = Field(description="green, amber or red; null: not assessed")
    triggers: list[Trigger]
    scale2: bool
    on_oxygen: bool
    pregnant: bool
    devices: list[DeviceBrief]
    latest: list[Reading] = Field(description="newest plausible reading of each quantity, with age")
    open_alerts: list[str]


class Home(Wire):
    """Where a person lives and how to get in."""

    id: str
    name: str
    address: str | None = None
    access_notes: str | None = None
    key_safe: str | None = None


class Search(Wire):
    """Whom to look for: an NHS number, or the beginning of a name or of a part of it."""

    model_config = _example({"nhs_number": "943 476 5919"})

    nhs_number: Annotated[str, Field(max_length=20)] | None = None
    name: Annotated[str, AfterValidator(_no_nul), Field(min_length=2, max_length=100)] | None = None
    limit: int = Field(default=20, ge=1, le=100)


class AuditEntry(Wire):
    """Who saw or changed something."""

    at: Time
    account: str
    action: str
    subject: str | None


class TimelineItem(Wire):
    """One thing that happened: a reading, something about an alert, a note, a command."""

    model_config = _example(
        {
            "time": "2026-01-31T08:00:00.000Z",
            "kind": "note",
            "what": "rang the daughter, she is on her way",
            "by": "nurse",
            "alert": "alert_5",
            "reading": None,
        }
    )

    time: Time
    kind: Literal["reading", "alert", "action", "note", "command"]
    what: str
    by: str | None = None
    alert: str | None = None
    device: str | None = None
    reading: Reading | None = None
    detail: dict[str, Any] = Field(default_factory=dict)


# -- devices


class CommissioningItem(Wire):
    """One thing to be seen to before a home is relied on."""

    model_config = _example(
        {"what": "heard", "about": "device_4", "done": True, "said": "Heard within a day"}
    )

    what: str
    about: str = Field(description="the home, patient or device")
    done: bool | None = Field(description="null: not known")
    said: str


class Commissioning(Wire):
    """Whether a home is ready to be relied on."""

    model_config = _example(
        {
            "home": "home_9",
            "ready": False,
            "items": [
                {
                    "what": "tested",
                    "about": "device_4",
                    "done": False,
                    "said": "Never pressed in test mode",
                }
            ],
        }
    )

    home: str
    ready: bool = Field(description="nothing is missing; what isn't known is no hindrance")
    items: list[CommissioningItem]


class NewDevice(Wire):
    """A device to register: worn by a person, or shared by a home."""

    model_config = _example(
        {
            "site": "maple-court",
            "device": "pendant-1",
            "kind": "pendant",
            "model": "Tunstall MyAmie+",
            "patient": "person_17",
            "cadence": {"battery": 86400},
        }
    )

    site: Slug
    device: Slug
    kind: Text
    model: Text | None = None
    place: Room | None = Field(default=None, description="the room it is in")
    patient: str | None = Field(default=None, description="who wears it; else give a home")
    home: Slug | None = Field(default=None, description="which home shares it")
    cadence: dict[str, Annotated[float, Field(gt=0, le=31_536_000)]] = Field(
        default_factory=dict, description="quantity -> seconds between readings"
    )
    starts: Time | None = Field(
        default=None, description="since when; by default since it was first heard, or now"
    )


class Adopt(Wire):
    """What a waiting device is and whose it is; its quarantined messages are then replayed."""

    model_config = _example(
        {"site": "maple-court", "device": "oximeter-7", "kind": "oximeter", "patient": "person_17"}
    )

    site: Slug
    device: Slug
    kind: Text
    model: Text | None = None
    place: Room | None = Field(default=None, description="the room it is in")
    patient: str | None = None
    home: Slug | None = None
    cadence: dict[str, Annotated[float, Field(gt=0, le=31_536_000)]] = Field(default_factory=dict)
    starts: Time | None = Field(
        default=None, description="since when; by default since its first quarantined message"
    )


class Assignment(Wire):
    """From when to when a device speaks for whom."""

    patient: str | None
    home: str
    starts: Time
    ends: Time | None


class Device(DeviceBrief):
    """A device, whose it is, and how it does."""

    model: str | None
    place: str | None = Field(description="the room it is in")
    cadence: dict[str, float]
    assignments: list[Assignment]
    has_credentials: bool
    rssi: float | None = None
    firmware: str | None = None
    clock_skew_s: float | None = None


class Credentials(Wire):
    """What the device signs in to the broker with. The password is told this once."""

    model_config = _example(
        {
            "username": "maple-court/pendant-1",
            "password": "kM3…",
            "topic_root": "telecare/v1/maple-court/pendant-1/",
        }
    )

    username: str
    password: str
    topic_root: str


class NewlyRegistered(Device):
    """A device just registered, with its credentials for those who may issue them."""

    credentials: Credentials | None = None


class NewCommand(Wire):
    """What a device shall do."""

    model_config = _example({"do": "measure", "args": {"code": "spo2"}, "expires_in_s": 300})

    do: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,40}$")]
    args: dict[str, Any] = Field(default_factory=dict)
    expires_in_s: float = Field(default=300, gt=0, le=86_400)


class Command(Wire):
    """A command on its way."""

    model_config = _example(
        {
            "id": "command_88",
            "device": "device_4",
            "do": "measure",
            "args": {},
            "created_at": "2026-01-31T08:00:00.000Z",
            "expires_at": "2026-01-31T08:05:00.000Z",
            "state": "queued",
            "answer": None,
        }
    )

    id: str
    device: str
    do: str
    args: dict[str, Any]
    created_at: Time
    expires_at: Time
    state: Literal["queued", "sent", "done", "refused", "failed"]
    answer: dict[str, Any] | None = None


class Waiting(Wire):
    """A device that speaks and is not registered."""

    model_config = _example(
        {
            "site": "maple-court",
            "device": "oximeter-7",
            "messages": 14,
            "first_seen_at": "2026-01-31T07:00:00.000Z",
            "last_seen_at": "2026-01-31T08:00:00.000Z",
        }
    )

    site: str
    device: str
    messages: int
    first_seen_at: Time
    last_seen_at: Time


class Quarantined(Wire):
    """A message that was not taken, and why."""

    model_config = _example(
        {
            "id": "quarantine_3",
            "site": "maple-court",
            "device": "oximeter-7",
            "topic": "telecare/v1/maple-court/oximeter-7/obs",
            "reason": "unregistered",
            "refused": [],
            "bytes": 64,
            "received_at": "2026-01-31T07:00:00.000Z",
            "last_received_at": "2026-01-31T07:00:00.000Z",
            "times": 1,
            "state": "waiting",
        }
    )

    id: str
    site: str
    device: str
    topic: str
    content_type: str | None = None
    reason: str
    refused: list[Any]
    bytes: int
    received_at: Time
    last_received_at: Time
    times: int
    state: Literal["waiting", "queued", "replayed", "refused"]
    replayed_at: Time | None = None


class QuarantinedFully(Quarantined):
    """The same with what was sent."""

    payload: str = Field(description="the bytes as they came, base64")


# -- alerts


class Rule(Wire):
    """The rule that said so."""

    id: str
    version: str


class Evidence(Wire):
    """A reading behind an alert, and how old it is now."""

    model_config = ConfigDict(extra="allow")

    code: str
    value: bool | float | str | None
    unit: str | None
    time: Time | None
    age_s: float | None


class Ring(Wire):
    """Whom to ring."""

    name: str
    relation: str | None
    phone: str


class Event(Wire):
    """One thing that happened to an alert."""

    id: str
    at: Time
    kind: str
    by: str | None
    reason: str | None
    detail: dict[str, Any]
    version: int


class AlertBrief(Wire):
    """An alert without its person's name: what the stream carries."""

    id: str
    patient: str | None
    home: str | None
    device: str | None
    site: str | None
    source: Literal["device", "rule", "person", "system"]
    rule: Rule
    severity: Severity
    title: str
    raised_at: Time
    reading_at: Time | None
    late: bool
    state: Literal["open", "acknowledged", "in_progress", "closed"]
    condition: Literal["active", "cleared"]
    team: str | None
    owner: str | None
    pages: int
    version: int


class Response(Wire):
    """What is done about an alert until somebody acts."""

    id: str
    version: str


class NextStep(Wire):
    """What falls due next of an alert."""

    at: Time
    kind: Literal[
        "tell", "acknowledgement_ends", "progress_due", "snooze_ends", "offer_ends", "look_again"
    ]
    tell: str | None = Field(description="whom a step of kind `tell` tells")


class Related(Wire):
    """Another open alert of the same person, or of the home."""

    id: str
    title: str
    severity: Severity
    state: Literal["open", "acknowledged", "in_progress", "closed"]
    raised_at: Time
    team: str | None
    owner: str | None
    version: int


class Dispatch(Wire):
    """Somebody who was sent, and when what became of it."""

    to: str
    team: str | None = Field(description="the team of the hub that has to answer; null: in words")
    by: str
    sent_at: Time
    accepted_at: Time | None
    accepted_by: str | None
    declined_at: Time | None
    declined_by: str | None
    on_scene_at: Time | None
    done_at: Time | None


_ALERT = {
    "id": "alert_5",
    "patient": "person_17",
    "patient_name": "Ada Example",
    "home": "home_9",
    "where": "12 Maple Court",
    "device": "device_4",
    "site": "maple-court",
    "source": "device",
    "rule": {"id": "telecare/fall", "version": "1.0.0"},
    "severity": "emergency",
    "title": "Fall",
    "reason": "The fall detector reports a fall in the hall.",
    "evidence": [
        {
            "code": "fall",
            "value": True,
            "unit": "1",
            "time": "2026-01-31T08:00:00.000Z",
            "age_s": 42.0,
        }
    ],
    "raised_at": "2026-01-31T08:00:00.300Z",
    "reading_at": "2026-01-31T08:00:00.000Z",
    "reading_age_s": 42.0,
    "late": False,
    "state": "open",
    "condition": "active",
    "team": "district-nurses-north",
    "team_name": "District nurses north",
    "routed_because": "the person's site lies in the area of this team",
    "owner": None,
    "next_step_at": "2026-01-31T08:00:30.300Z",
    "next_step": {"at": "2026-01-31T08:00:30.300Z", "kind": "tell", "tell": "team"},
    "alert_class": "telecare",
    "response": {"id": "emergency", "version": "1.0.0"},
    "acknowledged_until": None,
    "snoozed_until": None,
    "offered_to": None,
    "stale": False,
    "told_teams": [],
    "pages": 1,
    "disposition": None,
    "outcome": {},
    "ring_first": {"name": "Joan Example", "relation": "daughter", "phone": "020 7946 0001"},
    "phone": "020 7946 0000",
    "history": [],
    "related": [],
    "dispatches": [],
    "version": 1,
}


class Alert(AlertBrief):
    """Something that somebody has to act on."""

    model_config = _example(_ALERT)

    patient_name: str | None
    where: str | None
    reason: str
    evidence: list[Evidence]
    reading_age_s: float | None
    team_name: str | None
    routed_because: str
    next_step_at: Time | None
    next_step: NextStep | None = Field(description="null: closed")
    alert_class: Literal[
        "telecare",
        "safety",
        "clinical",
        "activity",
        "environment",
        "equipment",
        "referral",
        "carer",
        "hub",
    ]
    response: Response | None = Field(description="what is done until somebody acts")
    acknowledged_until: Time | None = Field(
        description="it is open again then, unless something more is recorded"
    )
    snoozed_until: Time | None = Field(description="put off until then")
    offered_to: str | None = Field(description="the account that a handover waits for")
    stale: bool = Field(description="a step came too late to page anybody: it is above its like")
    told_teams: list[str] = Field(description="teams on whose queue it is beside its own")
    disposition: str | None
    outcome: dict[str, Any] = Field(description="what was said on closing beside the disposition")
    ring_first: Ring | None = Field(description="the first contact in ringing order")
    phone: str | None = Field(description="the person's own")
    history: list[Event] = Field(
        default_factory=list, description="oldest first; only where one alert is asked for"
    )
    related: list[Related] = Field(
        default_factory=list,
        description="other open alerts of the person or home; only where one alert is asked for",
    )
    dispatches: list[Dispatch] = Field(
        default_factory=list, description="who was sent; only where one alert is asked for"
    )


class Acknowledge(Wire):
    """I have seen it and take it on."""

    model_config = _example({"expected_version": 1, "note": "ringing the daughter"})

    expected_version: Version
    note: LongText | None = None


class Note(Wire):
    """Something to add to the alert's history."""

    model_config = _example({"expected_version": 2, "text": "no answer, trying the neighbour"})

    expected_version: Version
    text: LongText


Username = Annotated[
    str, AfterValidator(_no_nul), Field(min_length=1, max_length=64, description="an account")
]


def _one_of(body: BaseModel, *names: str) -> None:
    if sum(bool(getattr(body, name)) for name in names) != 1:
        raise ValueError(f"give exactly one of {', '.join(names)}")


class Assign(Wire):
    """Somebody else has it from now on."""

    model_config = _example({"expected_version": 2, "to": "nurse", "note": "knows the family"})

    expected_version: Version
    to: Username
    note: LongText | None = None


class Ringing(Wire):
    """Whom I rang, and what came of it."""

    model_config = _example(
        {"expected_version": 2, "whom": "Joan Example (daughter)", "outcome": "no_answer"}
    )

    expected_version: Version
    whom: Text
    outcome: Literal["reached", "no_answer", "line_busy", "refused", "message_left"]
    note: LongText | None = None


class Sending(Wire):
    """Who is sent; or the answer of the team that was sent."""

    model_config = _example({"expected_version": 3, "team": "rapid-response-north"})

    expected_version: Version
    to: Text | None = Field(default=None, description="who is sent: a team's id, or words")
    team: Slug | None = Field(default=None, description="a team's id, refused where there is none")
    accept: bool = Field(default=False, description="the team that was sent last is on its way")
    decline: bool = Field(default=False, description="the team that was sent last can't go")
    note: LongText | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        _one_of(self, "to", "team", "accept", "decline")
        return self


class Arrival(Wire):
    """Somebody is there."""

    model_config = _example({"expected_version": 4, "note": "let in by the neighbour"})

    expected_version: Version
    note: LongText | None = None


class Escalation(Wire):
    """More people than were told."""

    model_config = _example({"expected_version": 2, "note": "can't leave the other call"})

    expected_version: Version
    note: LongText | None = None


class Handover(Wire):
    """An offer to somebody; or the answer to one."""

    model_config = _example({"expected_version": 3, "to": "responder", "note": "end of my shift"})

    expected_version: Version
    to: Username | None = None
    accept: bool = Field(default=False, description="I take what is offered to me")
    decline: bool = Field(default=False, description="I don't; or I take my own offer back")
    note: LongText | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        _one_of(self, "to", "accept", "decline")
        return self


class Snooze(Wire):
    """Until when it may wait, and why. Never an emergency; the longest is the response's."""

    model_config = _example(
        {"expected_version": 2, "minutes": 20, "reason": "she measures again after her rest"}
    )

    expected_version: Version
    until: Time | None = None
    minutes: Annotated[float, Field(gt=0, le=129_600, allow_inf_nan=False)] | None = None
    reason: LongText

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        _one_of(self, "until", "minutes")
        return self


DISPOSITIONS = {
    "advice": "Advice given",
    "same_day": "Same-day consultation or visit",
    "rapid_response": "Rapid response sent",
    "gp": "Passed to the GP",
    "ambulance": "999 called",
    "fall_no_injury": "Fall, no injury",
    "fall_injury": "Fall, injury treated at home",
    "fall_conveyed": "Fall, taken to hospital",
    "not_a_fall": "Not a fall",
    "false_alarm": "False alarm",
    "equipment_fault": "Equipment fault",
    "no_further_action": "No further action",
}
Disposition = Literal[
    "advice",
    "same_day",
    "rapid_response",
    "gp",
    "ambulance",
    "fall_no_injury",
    "fall_injury",
    "fall_conveyed",
    "not_a_fall",
    "false_alarm",
    "equipment_fault",
    "no_further_action",
]


class Seen(Wire):
    """An alert in the version that was looked at."""

    id: Annotated[str, Field(max_length=40)]
    expected_version: Version


class Close(Wire):
    """What came of it. A fall needs one of the falls' own, or help that was recorded before."""

    model_config = _example(
        {
            "expected_version": 3,
            "disposition": "fall_no_injury",
            "note": "helped up, no pain",
            "patient_view": "slipped on the mat, feels well",
            "hospital": "avoided",
            "also": [{"id": "alert_6", "expected_version": 1}],
        }
    )

    expected_version: Version
    disposition: Disposition
    note: LongText | None = None
    patient_view: LongText | None = Field(default=None, description="how the person sees it")
    hospital: Literal["avoided", "conveyed", "not_applicable"] | None = None
    also: list[Seen] = Field(
        default_factory=list, max_length=20,
        description="others of the same person that end with it: all of them or none",
    )  # fmt: skip


class NewMute(Wire):
    """A time in which a person, a home or a device pages nobody, but for emergencies."""

    model_config = _example(
        {
            "patient": "person_17",
            "ends": "2026-02-07T08:00:00Z",
            "reason": "in hospital, ward 4",
        }
    )

    patient: str | None = None
    home: str | None = None
    device: str | None = None
    starts: Time | None = Field(default=None, description="by default now")
    ends: Time = Field(description="at most 90 days after it starts")
    reason: LongText

    @model_validator(mode="after")
    def _about_one(self) -> Self:
        _one_of(self, "patient", "home", "device")
        return self


class Mute(Wire):
    """A time in which a person, a home or a device pages nobody, but for emergencies."""

    id: str
    patient: str | None
    home: str | None
    device: str | None
    starts: Time
    ends: Time
    reason: str
    by: str
    ended_at: Time | None


class NewWardEpisode(Wire):
    """Somebody who is admitted to a virtual ward."""

    model_config = _example(
        {
            "patient": "person_17",
            "ward": "respiratory",
            "team": "virtual-ward-north",
            "reason": "COPD exacerbation, home from hospital",
        }
    )

    patient: str
    ward: Text
    team: Slug | None = Field(default=None, description="takes the patient's alerts")
    reason: LongText
    expires_at: Time | None = Field(default=None, description="by default, and at most, six weeks")


class WardExtension(Wire):
    """Until when an episode goes on, and why."""

    model_config = _example({"until": "2026-03-01T12:00:00Z", "reason": "still on oxygen"})

    until: Time
    reason: LongText


class WardDischarge(Wire):
    """What came of an episode, and when to look again."""

    model_config = _example({"outcome": "recovered", "follow_up_at": "2026-03-15T09:00:00Z"})

    outcome: Literal["recovered", "other_service", "care_home", "hospital", "died", "left", "other"]
    follow_up_at: Time | None = None


class WardEpisode(Wire):
    """One person's time on a virtual ward. It goes on until somebody discharges."""

    id: str
    patient: str
    ward: str
    team: str | None
    admitted_at: Time
    admitted_by: str
    reason: str
    expires_at: Time
    discharged_at: Time | None
    discharged_by: str | None
    outcome: str | None
    follow_up_at: Time | None


class NewReferral(Wire):
    """An alert from a person: a carer, a GP, an ambulance crew, a phone call."""

    model_config = _example(
        {
            "patient": "person_17",
            "severity": "urgent",
            "title": "More breathless since yesterday",
            "reason": "Daughter rang: could not climb the stairs this morning.",
            "referrer": "daughter, by phone",
        }
    )

    patient: str
    severity: Severity
    title: Text
    reason: LongText
    referrer: Text = Field(description="who says so, and how they reached us")
    concern: Literal["fall", "carer_crisis", "other"] = Field(
        default="other",
        description="a fall is handled like a device's; carer_crisis: a carer can't go on, which"
        " is urgent at least",
    )
    team_kind: TeamKind = Field(
        default="district_nursing", description="what kind of team; the routing finds which"
    )


# -- the organisation


Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun", "holiday"]
AlertClass = Literal[
    "telecare", "safety", "clinical", "activity", "environment", "equipment", "referral", "carer",
    "hub",
]  # fmt: skip


class Hours(Wire):
    """Open from a clock time to another, on some days; over midnight where it ends no later."""

    model_config = _example(
        {"days": ["mon", "tue", "wed", "thu", "fri"], "from": "08:00", "to": "22:00"}
    )

    days: list[Day] = Field(min_length=1, description="holiday: instead of the weekday's hours")
    start: Annotated[str, Field(alias="from", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
    end: Annotated[str, Field(alias="to", pattern=r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$")]


class Member(Wire):
    """Somebody of a team."""

    model_config = _example(
        {"name": "Ann Example", "account": "ann", "profession": "nurse", "rank": 1}
    )

    name: Text
    account: Text | None = None
    profession: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,64}$")] | None = None
    rank: int = Field(default=1, ge=1, le=10_000, description="in the order of being called")


class Team(Wire):
    """People who take alerts of one kind: for a site, a cluster, an area, or everywhere."""

    model_config = _example(
        {
            "id": "district-nurses-north",
            "name": "District nurses north",
            "kind": "district_nursing",
            "area": "north",
            "phone": "020 7946 0100",
            "hours": [
                {"days": ["mon", "tue", "wed", "thu", "fri"], "from": "08:00", "to": "22:00"}
            ],
            "holidays": "GB-ENG",
        }
    )

    id: Slug
    name: Text
    kind: TeamKind
    area: Slug | None = None
    phone: Phone | None = None
    site: Slug | None = Field(default=None, description="the on-site team of one site")
    cluster: Slug | None = None
    professions: list[Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,64}$")]] = []
    classes: list[AlertClass] | None = Field(
        default=None, description="what it takes; null: what is usual for its kind"
    )
    severities: list[Severity] | None = Field(default=None, description="null: all")
    hours: list[Hours] = Field(default=[], description="empty: always open")
    timezone: Timezone = "Europe/London"
    holidays: Literal["GB-ENG", "GB-NIR", "GB-SCT", "GB-WLS"] | None = None
    fallback: Slug | None = Field(default=None, description="the team that stands in")
    capacity: int | None = Field(default=None, ge=1, le=10_000)
    members: list[Member] | None = Field(
        default=None, description="all of them; left out when changing a team: they stay"
    )


class NewShift(Wire):
    """A time that a member of a team works, can be called, or is away."""

    model_config = _example(
        {
            "team": "district-nurses-north",
            "member": "Ann Example",
            "from": "2026-07-22T07:00:00Z",
            "to": "2026-07-22T15:00:00Z",
            "duty": "duty",
        }
    )

    team: Slug
    member: Text
    start: Annotated[Time, Field(alias="from")]
    end: Annotated[Time, Field(alias="to")]
    duty: Literal["duty", "on_call", "leave"] = "duty"
    instead_of: str | None = Field(
        default=None, description="the id of a colleague's shift that this one takes over"
    )

    @model_validator(mode="after")
    def _ends_later(self) -> Self:
        if self.start >= self.end:
            raise ValueError("to must be after from")
        return self


class Shift(NewShift):
    """A shift of a rota."""

    model_config = _example(
        {
            "id": "shift_4",
            "team": "district-nurses-north",
            "member": "Ben Example",
            "from": "2026-07-22T11:00:00Z",
            "to": "2026-07-22T15:00:00Z",
            "duty": "duty",
            "instead_of": "shift_3",
        }
    )

    id: str


class Policy(Wire):
    """A policy in force, as its file says it; changed by whoever deploys the hub."""

    id: str
    version: str
    title: str
    approver: str
    review_by: date
    source: str
    text: str


class Area(Wire):
    """An area that teams serve."""

    id: str
    name: str


class Practice(Wire):
    """A GP practice."""

    id: str
    name: str
    area: str | None


class Site(Wire):
    """A place that a broker account and a name space of devices belong to."""

    id: str
    name: str
    area: str | None
    timezone: str


class ReportColumn(Wire):
    """One column of a report."""

    name: str
    unit: str


class Report(Wire):
    """A report's table: rows by the names of its columns; notes say what a number means."""

    model_config = _example(
        {
            "report": "response",
            "from": "2026-11-01",
            "to": "2026-11-30",
            "by": "team",
            "generated_at": "2026-12-01T08:00:00.000Z",
            "columns": [{"name": "team", "unit": ""}, {"name": "p50", "unit": "s"}],
            "notes": ["reached: the interval ended."],
            "rows": [{"team": "dn-north", "p50": 34.5}],
        }
    )

    report: str
    first: date = Field(alias="from")
    to: date
    by: str | None
    generated_at: Time
    columns: list[ReportColumn]
    notes: list[str]
    rows: list[dict[str, str | int | float | None]]


class Readiness(Wire):
    """Whether the hub is working, and if not, why."""

    model_config = _example(
        {
            "ready": False,
            "reasons": ["no gateway listens on the lane event: its probe last came back 95 s ago"],
            "checks": {"database": True, "migrations_pending": 0, "alerts_lag_s": 0.0},
        }
    )

    ready: bool
    reasons: list[str]
    checks: dict[str, Any]


Person.model_rebuild()
