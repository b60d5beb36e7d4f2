"""The packs that are in force: the shipped ones, or those of a folder of one's own."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from alerts import errors
from alerts.rules import pack
from ingest.kernel import vitals

SHIPPED = Path(__file__).parent / "packs"
OWN = (
    "equipment.implausible", "equipment.test_overdue", "hub.readings_late", "hub.gateway_silent",
    "hub.tick_missed", "hub.steps_overdue", "hub.broker_dropped", "hub.disk_low",
    "hub.database_growing", "hub.quarantine_filling", "hub.clock_off", "hub.certificate_ending",
    "hub.roots_unpublished", "hub.channel_broken", "hub.nobody_on_duty",
)  # fmt: skip
"""Rules the hub raises by itself: about its equipment, and about itself."""
R = TypeVar("R", bound=pack.Rule)


@dataclass(frozen=True, slots=True)
class Registry:
    """All packs by id, and their rules by id."""

    packs: dict[str, pack.Pack]
    rules: dict[str, pack.Rule]

    def of(self, kind: type[R]) -> tuple[R, ...]:
        """Return the rules of one kind, in the order of the packs."""
        return tuple(r for r in self.rules.values() if isinstance(r, kind))

    @property
    def digest(self) -> str:
        """Return what tells these rules from others: a memory belongs to its rules."""
        said = sorted((p.id, p.version, repr(p.rules), repr(p.limits)) for p in self.packs.values())
        return hashlib.sha256(repr(said).encode()).hexdigest()


def load(folder: Path | None = None, *, shadow: Iterable[str] = ()) -> Registry:
    """Read every pack of a folder, the shipped ones where none is given.

    Packs named in ``shadow`` are judged and written down, and page nobody; alarms and the hub's
    own rules are never in the shadow.

    Raises
    ------
    PackError
        At the first thing that is wrong, with file and line.
    """
    packs: dict[str, pack.Pack] = {}
    rules: dict[str, pack.Rule] = {}
    shaded = frozenset(shadow)
    for path in sorted((folder or SHIPPED).glob("*.toml")):
        one = _shaded(pack.parse(path.read_text(encoding="utf-8"), file=str(path)), shaded)
        if one.id in packs:
            raise errors.PackError(file=path, line=1, problem=f"pack '{one.id}' is there twice")
        for rule in one.rules:
            if rule.id in rules:
                raise errors.PackError(
                    file=path, line=1, problem=f"rule '{rule.id}' is in another pack already"
                )
            rules[rule.id] = rule
        packs[one.id] = one
    if not packs:
        raise errors.PackError(file=folder or SHIPPED, line=0, problem="there is no pack here")
    missing = lacking(rules.values()) + clashing(packs.values())
    if missing:
        raise errors.PackError(file=folder or SHIPPED, line=0, problem="; ".join(missing))
    unknown = shaded - packs.keys()
    if unknown:
        raise errors.PackError(
            file=folder or SHIPPED, line=0,
            problem=f"there is no pack {', '.join(sorted(unknown))} to put into the shadow",
        )  # fmt: skip
    return Registry(packs, rules)


def _shaded(one: pack.Pack, shaded: frozenset[str]) -> pack.Pack:
    if one.id not in shaded:
        return one
    rules = tuple(
        r if isinstance(r, pack.AlarmRule) or r.id in OWN else replace(r, shadow=True)
        for r in one.rules
    )
    return replace(one, rules=rules, shadow=True)


def lacking(rules: Iterable[pack.Rule]) -> list[str]:
    """Say what a set of packs must have and hasn't: no folder may silence an emergency."""
    rules = list(rules)
    alarms = {r.quantity for r in rules if isinstance(r, pack.AlarmRule)}
    scores = [r.id for r in rules if isinstance(r, pack.ScoreRule)]
    wanted = [*sorted(vitals.EMERGENCIES), vitals.UNKNOWN_ALARM]
    problems = [
        f"no rule for the alarm '{_alarm_name(no)}': every emergency needs one"
        for no in wanted
        if no not in alarms
    ]
    there = {r.id for r in rules}
    problems += [f"the rule '{name}' is missing" for name in OWN if name not in there]
    if len(scores) != 1:
        problems.append(f"exactly one early-warning score is needed, there are {len(scores)}")
    return problems


def clashing(packs: Iterable[pack.Pack]) -> list[str]:
    """Say which default limits can't stand side by side, and what rules mute that isn't there."""
    packs = list(packs)
    said = Counter(
        (limit.quantity, mark)
        for one in packs
        for limit in one.limits
        for mark in (limit.conditions or ("",))
    )
    problems = [
        f"{count} default limits for {quantity}{f' with {mark}' if mark else ''}: one is allowed,"
        " the care plan's own limits override it person by person"
        for (quantity, mark), count in said.items()
        if count > 1
    ]
    silent = Counter(r.what for one in packs for r in one.rules if isinstance(r, pack.SilenceRule))
    problems += [f"{n} silence rules for '{what}': one is allowed" for what, n in silent.items()
                 if n > 1]  # fmt: skip
    there = {r.id for one in packs for r in one.rules}
    problems += [
        f"rule '{rule.id}' mutes '{other}', which is not there"
        for one in packs
        for rule in one.rules
        for other in rule.mutes
        if other not in there
    ]
    return problems


def _alarm_name(no: int) -> str:
    return "unreadable_alarm" if no == vitals.UNKNOWN_ALARM else vitals.BY_NO[no].name
