"""What was found becomes alerts: one open at a time of each subject and rule, as in live use.

Nobody answers during a backtest: an alert is open until its condition has cleared, an alarm until
it has been quiet for as long as a condition that comes back asks anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from alerts import model
from alerts.rules import pack
from ingest.kernel import vitals
from ingest.kernel.observation import Quality, Rows

FAULT_RULE: Final = "equipment.implausible"
Key = tuple[str, int, str]
"""Kind of subject, its number, and the rule."""


@dataclass(slots=True, kw_only=True)
class Episode:
    """One alert, from being raised to being over."""

    subject: str
    subject_no: int
    rule_id: str
    version: str
    title: str
    severity: model.Severity  # the worst it was
    raised_at: float  # by the hub's clock [s, Unix]
    reading_at: float  # measured, of the newest reading behind its first telling [s, Unix]
    cleared_at: float | None = None
    late: bool = False
    person_no: int | None = None
    home_no: int | None = None
    device_no: int | None = None
    quantities: set[str] = field(default_factory=set)  # it speaks of these
    told: int = 1  # how often somebody was told: raised, and each time worse
    muted: int = 0  # findings of other rules that it spoke for

    @property
    def key(self) -> Key:
        """Return what one open alert is of."""
        return self.subject, self.subject_no, self.rule_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarms:
    """How emergencies and faulty devices become alerts. [s]"""

    rules: Mapping[int, pack.AlarmRule]  # by quantity
    fault: pack.Rule | None  # of impossible readings
    again_s: float = 1_800.0  # as TELECARE_ALERTS_REPAGE_S
    fault_count: int = 3  # as TELECARE_ALERTS_IMPLAUSIBLE_COUNT
    fault_window_s: float = 86_400.0  # as TELECARE_ALERTS_IMPLAUSIBLE_WINDOW_S


class Collector:
    """Collects alerts in the order of time."""

    def __init__(self, alarms: Alarms, *, ends: Mapping[int, float]) -> None:
        self._alarms = alarms
        self._ends = ends
        self._open: dict[Key, Episode] = {}
        self._bad: dict[int, list[float]] = {}  # device -> when it sent the impossible
        self.found: list[Episode] = []
        self.muted: dict[str, int] = {}  # rule -> findings that another alert spoke for
        self.commands: dict[str, int] = {}  # rule -> how often a device was asked for something

    def take(self, findings: Iterable[model.Finding], *, now: float) -> None:
        """Take in what the engine found at a moment of the virtual clock."""
        for finding in findings:
            key = (finding.subject, finding.subject_no, finding.rule_id)
            match finding.outcome:
                case model.Outcome.COMMAND:
                    self.commands[finding.rule_id] = self.commands.get(finding.rule_id, 0) + 1
                case model.Outcome.MUTED:
                    self._mute(finding)
                case model.Outcome.CLEAR:
                    self._close(key, now)
                case model.Outcome.REFRESH:
                    if key in self._open:
                        self._open[key].quantities |= _quantities(finding)
                case model.Outcome.RAISE:
                    self._raise(key, finding, now)

    def _raise(self, key: Key, finding: model.Finding, now: float) -> None:
        if now > self._ends.get(finding.home_no or 0, np.inf):
            return  # the recording of this home is over
        one = self._open.get(key)
        if one is None:
            self._add(
                Episode(
                    subject=finding.subject, subject_no=finding.subject_no,
                    rule_id=finding.rule_id, version=finding.rule_version, title=finding.title,
                    severity=finding.severity, raised_at=now, reading_at=finding.reading_at,
                    late=finding.late, person_no=finding.person_no, home_no=finding.home_no,
                    device_no=finding.device_no, quantities=_quantities(finding),
                )
            )  # fmt: skip
            return
        one.told += 1
        one.severity = _worse(one.severity, finding.severity)
        one.quantities |= _quantities(finding)

    def _mute(self, finding: model.Finding) -> None:
        """Count what isn't told, and let the alert that speaks for it speak of it."""
        self.muted[finding.rule_id] = self.muted.get(finding.rule_id, 0) + 1
        speaker = self._open.get((finding.subject, finding.subject_no, finding.muted_by))
        if speaker is not None:
            speaker.muted += 1
            speaker.quantities |= _quantities(finding)

    def _add(self, one: Episode) -> None:
        self._open[one.key] = one
        self.found.append(one)

    def _close(self, key: Key, now: float) -> None:
        one = self._open.pop(key, None)
        if one is not None:
            one.cleared_at = now

    # -- what the engine leaves to others --------------------------------------------------------

    def emergencies(self, rows: Rows) -> None:
        """Take in emergencies among rows: they page whatever their flags, but for copies.

        A no takes a yes back; alarms of the same kind within `Alarms.again_s` are one call.
        """
        silent = int(Quality.RETAINED | Quality.IMPORTED)
        hit = np.isin(rows["quantity"], list(self._alarms.rules)) & ((rows["flags"] & silent) == 0)
        for row in rows[hit]:  # few
            rule = self._alarms.rules[int(row["quantity"])]
            person, home = int(row["person"]), int(row["dwelling"])
            subject = ("person", person) if person else ("home", home)
            key, at = (*subject, rule.id), float(row["received"])
            one = self._open.get(key)
            if one is not None and one.cleared_at is not None and at > one.cleared_at:
                one = self._open.pop(key) and None
            if not row["value"] > 0:
                self._close(key, at)
                continue
            if one is None:
                one = Episode(
                    subject=subject[0], subject_no=subject[1], rule_id=rule.id,
                    version=rule.version, title=rule.title, severity=rule.severity, raised_at=at,
                    reading_at=float(row["time"]), late=bool(row["flags"] & int(Quality.LATE)),
                    person_no=person or None, home_no=home or None, device_no=int(row["device"]),
                    quantities={vitals.BY_NO[rule.quantity].name},
                )  # fmt: skip
                self._add(one)
            else:
                one.told += 1
            one.cleared_at = at + self._alarms.again_s

    def faults(self, rows: Rows) -> None:
        """Take in impossible readings: enough of one device make it suspect."""
        rule = self._alarms.fault
        never = int(Quality.HISTORICAL | Quality.RETAINED | Quality.IMPORTED)
        bad = (rows["flags"] & int(Quality.IMPLAUSIBLE) != 0) & (rows["flags"] & never == 0)
        if rule is None:
            return
        for row in rows[bad]:  # few: what is impossible
            device, at = int(row["device"]), float(row["received"])
            since = at - self._alarms.fault_window_s
            seen = [t for t in self._bad.get(device, ()) if t >= since] + [at]
            self._bad[device] = seen
            key = ("device", device, rule.id)
            one = self._open.get(key)
            if one is not None and one.cleared_at is not None and at > one.cleared_at:
                one = self._open.pop(key) and None
            if one is None and len(seen) >= self._alarms.fault_count:
                one = Episode(
                    subject="device", subject_no=device, rule_id=rule.id, version=rule.version,
                    title=rule.title, severity=rule.severity, raised_at=at,
                    reading_at=float(row["time"]), person_no=int(row["person"]) or None,
                    home_no=int(row["dwelling"]) or None, device_no=device,
                )  # fmt: skip
                self._add(one)
            if one is not None:
                one.cleared_at = at + self._alarms.fault_window_s

    def finish(self, *, end: float) -> list[Episode]:
        """Return all alerts in order of being raised; what lasts beyond the end is open."""
        for one in self.found:
            if one.cleared_at is not None and one.cleared_at > end:
                one.cleared_at = None
        return sorted(self.found, key=lambda e: (e.raised_at, e.rule_id, e.subject_no))


def _quantities(finding: model.Finding) -> set[str]:
    """Return what a finding is about: of a score only what added points."""
    return {f.quantity for f in finding.facts if f.quantity and (f.points is None or f.points > 0)}


def _worse(one: model.Severity, other: model.Severity) -> model.Severity:
    return max(one, other, key=lambda s: s.rank)
