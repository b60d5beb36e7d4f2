"""What the alerts role needs from a store and from a log, as promises."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from alerts import lifecycle, model
from alerts.windows import Person, Told
from ingest.kernel.observation import Alarm, Rows

Decide = Callable[[model.Alert], "lifecycle.Change | lifecycle.Refused"]


class AlertStore(Protocol):
    """Keeps alerts and their events. Every change is one transaction with its event."""

    def get(self, no: int) -> model.Alert | None:
        """Return an alert."""
        ...

    def queue(
        self,
        *,
        team: str | None,
        state: str | None,
        severity: str | None,
        person_no: int | None,
        limit: int,
        after: str | None,
    ) -> tuple[list[model.Alert], str | None]:
        """Return alerts in working order and where the next page starts."""
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

    def open(self, alert: model.Alert) -> model.Alert:
        """Store a new alert and return it with its number and team."""
        ...

    def team_for(self, kind: model.TeamKind, person_no: int | None) -> tuple[model.Team, str]:
        """Return who takes alerts of a kind about a person, and why."""
        ...

    def events_after(self, event_no: int, limit: int) -> list[model.Event]:
        """Return events with a higher number, in order; numbers are in commit order."""
        ...

    def last_event_no(self) -> int:
        """Return the highest event number there is, 0 when there is none."""
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

    people: Sequence[model.Finding] = ()
    faults: Sequence[model.DeviceFault] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What the store knows of some people, for (re)building the state."""

    people: Sequence[Person]
    told: Sequence[Told]
    readings: Rows  # latest per person and quantity


class ReadingLog(Protocol):
    """The log of readings for the shards this process holds. One session; not for sharing."""

    def balance(self) -> tuple[Sequence[int], Sequence[int]]:
        """Take and give up shards, so that every process has its share: gained, lost."""
        ...

    def people(self, *, shards: Sequence[int], numbers: Sequence[int]) -> Sequence[int]:
        """Return who lives in the shards, or which of the numbers exist."""
        ...

    def memory(
        self, numbers: Sequence[int], *, quantities: Sequence[int], since: float, until: float
    ) -> Memory:
        """Return what is known of the people, readings measured from ``since`` on."""
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

    def closed_since(self, event_no: int) -> tuple[Sequence[tuple[int, str]], int]:
        """Return persons and rules whose alerts people closed, and the last event seen."""
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
