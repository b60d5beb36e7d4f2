"""The packs that are in force: the shipped ones, or those of a folder of one's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from alerts import errors
from alerts.rules import pack
from ingest.kernel import vitals

SHIPPED = Path(__file__).parent / "packs"
OWN = ("equipment.implausible", "hub.readings_late", "hub.gateway_silent")
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


def load(folder: Path | None = None) -> Registry:
    """Read every pack of a folder, the shipped ones where none is given.

    Raises
    ------
    PackError
        At the first thing that is wrong, with file and line.
    """
    packs: dict[str, pack.Pack] = {}
    rules: dict[str, pack.Rule] = {}
    for path in sorted((folder or SHIPPED).glob("*.toml")):
        one = pack.parse(path.read_text(encoding="utf-8"), file=str(path))
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
    missing = lacking(rules.values())
    if missing:
        raise errors.PackError(file=folder or SHIPPED, line=0, problem="; ".join(missing))
    return Registry(packs, rules)


def lacking(rules: Iterable[pack.Rule]) -> list[str]:
    """Say what a set of packs must have and hasn't: no folder may silence an emergency."""
    rules = list(rules)
    alarms = {r.quantity for r in rules if isinstance(r, pack.AlarmRule)}
    limits = Counter(r.quantity for r in rules if isinstance(r, pack.LimitRule))
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
    problems += [
        f"{count} limit rules for {vitals.BY_NO[no].name}: one is allowed, the care plan's"
        " own limits override it person by person"
        for no, count in limits.items()
        if count > 1
    ]
    return problems


def _alarm_name(no: int) -> str:
    return "unreadable_alarm" if no == vitals.UNKNOWN_ALARM else vitals.BY_NO[no].name
