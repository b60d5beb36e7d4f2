"""What the alerts role needs from a store and from a log, as promises."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from alerts import escalation, lifecycle, model, routing, suppression
from alerts.state.subjects import Device, Home, Person
from ingest.kernel.observation import Alarm, Rows

Decide = Callable[[model.Alert], "lifecycle.Change | lifecycle.Refused"]
Answered = Callable[[model.Alert, int], lifecycle.Change]
"""Of an alert and a contact's place in ringing order, 0 where that contact is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which alerts of the queue are wanted; without a state those that are not closed."""

    team: str | None = None  # its id; what it was told of beside its own is among them
    state: str | None = None
    severity: str | None = None
    person_no: int | None = None
    owner: str | None = None
    limit: int = 50
    after: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody wants to do to an alert of which they saw a version."""

    no: int
    version: int
    decide: Decide


class AlertStore(Protocol):
    """Keeps alerts and their events. Every change is one transaction with its event."""

    def get(self, no: int) -> model.Alert | None:
        """Return an alert."""
        ...

    def several(self, numbers: Sequence[int]) -> dict[int, model.Alert]:
        """Return those of some alerts that there are, by number."""
        ...

    def queue(self, wanted: Wanted) -> tuple[list[model.Alert], str | None]:
        """Return alerts in working order and where the next page starts."""
        ...

    def related(self, alert: model.Alert) -> list[model.Alert]:
        """Return the other open alerts of the same person, or of the home."""
        ...

    def next_steps(self, numbers: Sequence[int]) -> Mapping[int, escalation.Due]:
        """Return what falls due next of each alert that has something to come."""
        ...

    def dispatches(self, no: int) -> list[model.Dispatch]:
        """Return who was sent for an alert, in order."""
        ...

    def history(self, no: int) -> list[model.Event]:
        """Return an alert's events, oldest first."""
        ...

    def change(self, no: int, *, expected_version: int, decide: Decide) -> model.Alert:
        """Change an alert by a decision on its locked present state.

        Raises
        ------
        UnknownAlertError, StaleVersionError, TransitionRefusedError
        """
        ...

    def change_all(self, wishes: Sequence[Wish]) -> list[model.Alert]:
        """Change several alerts, all of them or none; return them in the order given.

        Raises
        ------
        UnknownAlertError, StaleVersionError, TransitionRefusedError
        """
        ...

    def answer(self, delivery_no: int, decide: Answered, *, now: datetime) -> bool:
        """Use up a contact's link and write down their answer; False where it was used before."""
        ...

    def can_be_answered(self, delivery_no: int) -> bool:
        """Tell whether a contact's link still waits for an answer."""
        ...

    def open(self, alert: model.Alert, *, detail: Mapping[str, Any] | None = None) -> model.Alert:
        """Store a new alert and return it with its number and team."""
        ...

    def route(self, request: routing.Request) -> routing.Routed:
        """Return who takes an alert, and why."""
        ...

    def events_after(self, event_no: int, limit: int) -> list[model.Event]:
        """Return events with a higher number, in order; numbers are in commit order."""
        ...

    def last_event_no(self) -> int:
        """Return the highest event number there is, 0 when there is none."""
        ...


class Place(Protocol):
    """Somewhere outside the database that keeps what it is given."""

    def publish(self, line: str) -> None:
        """Keep a line.

        Raises
        ------
        PlaceUnavailableError
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownMute:
    """A mute window as it is stored."""

    no: int
    mute: suppression.Mute
    ended_at: datetime | None


class MuteStore(Protocol):
    """Keeps the times in which a person, home or device pages nobody."""

    def add(self, mute: suppression.Mute) -> KnownMute:
        """Store one."""
        ...

    def listed(self, *, now: datetime, person_no: int | None) -> list[KnownMute]:
        """Return those that are not over, of everybody or of one person, the first to end first."""
        ...

    def get(self, no: int) -> KnownMute | None:
        """Return one."""
        ...

    def end(self, no: int, *, now: datetime) -> KnownMute | None:
        """End one now: what it held back pages, unless another holds it. None: no such one."""
        ...


class Signals(Protocol):
    """Wakes a loop when something was written."""

    def wait(self, seconds: float) -> set[str]:
        """Return the channels heard within the time, at once when there are some already."""
        ...

    def close(self) -> None:
        """Stop listening."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Where a person or device is, as far as telling and routing need it."""

    dwelling_no: int | None
    site: str | None
    area_no: int | None
    timezone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedAlarm:
    """An alarm of the log that has not been judged."""

    no: int
    alarm: Alarm
    setting: Setting


@dataclass(slots=True, kw_only=True)
class Chunk:
    """What one round read from the log, and how far that moves the cursors."""

    rows: Rows
    moves: Sequence[tuple[int, int, int, int]] = ()  # shard, writer, from batch, to batch
    more: bool = False


@dataclass(slots=True, kw_only=True)
class Findings:
    """What a round has to write: decisions of the rules, and suspect devices."""

    found: Sequence[model.Finding] = ()
    faults: Sequence[model.DeviceFault] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An open alert of a rule, as the database has it."""

    subject: str
    subject_no: int
    rule_id: str
    rank: int  # of its severity; 0: its condition has cleared
    at: float  # when it was last written
    basis: Sequence[str] = ()  # the readings it rests on


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the register says of some homes, and what is told of them."""

    homes: Sequence[Home]
    people: Sequence[Person]
    devices: Sequence[Device]
    told: Sequence[Told]


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """What a device last said of itself."""

    device_no: int
    state: str
    battery: float | None
    seen_at: float
    cadence: Mapping[str, float] | None = None  # as the device itself says it


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The memory of one shard as it was, and how far the log had been judged then."""

    state: bytes
    cursors: Mapping[int, int]  # writer -> batch
    at: float


class Store(Protocol):
    """What the memory of the rules is made from."""

    def homes(self, *, shards: Sequence[int], numbers: Sequence[int]) -> Sequence[int]:
        """Return the homes in the shards, and which of the numbers exist."""
        ...

    def held(self, homes: Sequence[int], *, shards: Sequence[int]) -> Sequence[int]:
        """Return which of the homes are in the shards."""
        ...

    def changed(self) -> Sequence[int]:
        """Return the homes of which the register has changed since the last call, some twice."""
        ...

    def homes_of(self, devices: Sequence[int]) -> Sequence[int]:
        """Return the homes in which devices are now."""
        ...

    def known(self, homes: Sequence[int]) -> Known:
        """Return what the register says of homes, and what is told of them."""
        ...

    def parts(self) -> Mapping[int, str]:
        """Return the names of rooms and questionnaire keys by number."""
        ...

    def history(self, homes: Sequence[int], *, since: float, until: float) -> Iterator[Rows]:
        """Return stored readings of homes in the order of their receipt, some at a time."""
        ...

    def heard(self, homes: Sequence[int]) -> Rows:
        """Return the newest receipt of each device and quantity, as rows."""
        ...

    def presence(self, *, since: float) -> Sequence[Presence]:
        """Return what devices have said of themselves since then, by the hub's clock."""
        ...

    def checkpoint(self, shard: int, *, packs: str) -> Checkpoint | None:
        """Return the last checkpoint of a shard that fits the rules and isn't too old."""
        ...

    def since(
        self, shard: int, checkpoint: Checkpoint, cursors: Mapping[int, int]
    ) -> Iterator[Rows]:
        """Return what was judged after a checkpoint, in order."""
        ...

    def save(self, shard: int, state: bytes, *, cursors: Mapping[int, int], packs: str) -> None:
        """Keep a checkpoint instead of the one before."""
        ...


class ReadingLog(Protocol):
    """The log of readings for the shards this process holds. One session; not for sharing."""

    @property
    def store(self) -> Store:
        """Return what the memory is made from, on the same session."""
        ...

    def balance(self) -> tuple[Sequence[int], Sequence[int]]:
        """Take and give up shards, so that every process has its share: gained, lost."""
        ...

    def cursors(self, shard: int) -> Mapping[int, int]:
        """Return how far each writer's log of a shard has been judged."""
        ...

    def know_parts(self, names: Mapping[int, str]) -> None:
        """Take in the names of rooms, for what is told."""
        ...

    def heard_since(self) -> float | None:
        """Return since when the hub has been listening without a break, None while it isn't."""
        ...

    def read(self) -> Chunk:
        """Return the next rows of the shards held, a bounded number."""
        ...

    def faults(self, rows: Rows) -> Sequence[model.DeviceFault]:
        """Count impossible readings of the devices that sent one, and return the suspect ones."""
        ...

    def commit(self, chunk: Chunk, findings: Findings) -> Mapping[str, int]:
        """Write alerts and move the cursors in one transaction; say what was written.

        Raises
        ------
        LostCursorError
            Somebody else moved a cursor: nothing was written, the memory is worth nothing.
        """
        ...

    def closed_since(self, event_no: int) -> tuple[Sequence[tuple[str, int, str]], int]:
        """Return the subjects and rules whose alerts people closed, and the last event seen."""
        ...

    def close(self) -> None:
        """Give up everything."""
        ...


class AlarmLog(Protocol):
    """The log of alarms. Stateless: whoever holds the cursors' row locks judges."""

    def round(self) -> tuple[int, Mapping[str, int]]:
        """Judge what is new in one transaction; return how many alarms, and what was written."""
        ...

    def close(self) -> None:
        """Give up the session."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What the hub knows of itself."""

    at: datetime
    readings_lag_s: float
    alarms_lag_s: float
    probe_age_s: float | None  # None: no gateway has ever been ready


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the hub knows of its own room, clocks and losses."""

    ticks_s: Mapping[str, float] = field(default_factory=dict)  # by name: since the last one
    steps_overdue: int = 0
    overdue_s: float = 0.0  # the first of them, beyond its time
    broker_lost: int = 0  # messages, within an hour
    quarantined: int = 0  # the same
    disk_free: int | None = None  # bytes; None: unknown
    grown_day: int | None = None  # bytes within a day; None: not known for so long
    clock_off_s: float = 0.0  # how far the database's clock is ahead
    root_waits_s: float | None = None  # since a root should have been published; None: nowhere
    certificates: Mapping[str, datetime] = field(default_factory=dict)  # by host: their end
