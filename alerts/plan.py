"""The rules in force, laid out for the engine: what each reads, and where its state is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alerts.rules import language, pack
from ingest.kernel import conditions, vitals

BoolArray = NDArray[np.bool_]
WIDE: Final = 256
"""Columns of quantities: numbers of the nomenclature, and from `FIRST_KEY` questionnaire keys."""
FIRST_KEY: Final = 128
MARKS: Final[Mapping[str, int]] = {c.name: 1 << n for n, c in enumerate(conditions.CONDITIONS)}
EVERYBODY: Final = 1 << 31
"""A mark that everybody has."""


class Timing(NamedTuple):
    """The lengths of time of one rule. [s]"""

    wait: float  # how long it must hold before it is told
    clear: float  # how long it must be over before that is told
    again: float  # how soon after the last time it may be told anew
    refresh: float  # how often an open alert's readings are renewed


@dataclass(frozen=True, slots=True)
class Compiled:
    """A rule as it is judged: its column among the conditions, and what wakes it."""

    rule: pack.ConditionRule | pack.ScoreRule
    column: int
    reads: BoolArray  # which columns of quantities can change it, shape (WIDE,)
    timing: Timing
    fresh: float
    marks: int
    home: bool  # something that happens in the home can change it
    clocked: bool  # the clock alone can change it
    begins: bool = False  # the clock alone can make it hold
    muted_by: tuple[int, ...] = ()  # columns of the rules that speak for it
    mutes: tuple[int, ...] = ()
    parameters: int = 0  # numbers that each person has for itself
    severity_rank: int = 0

    @property
    def score(self) -> pack.ScoreRule | None:
        """Return the rule as a score, None where it is a condition."""
        return self.rule if isinstance(self.rule, pack.ScoreRule) else None

    @property
    def nodes(self) -> tuple[language.Node, ...]:
        """Return the conditions of its levels and the one that clears it; a score has none."""
        rule = self.rule
        if isinstance(rule, pack.ScoreRule):
            return ()
        return (*(level.when for level in rule.levels), rule.clear)

    @property
    def condition(self) -> pack.ConditionRule:
        """Return the rule as a condition."""
        assert isinstance(self.rule, pack.ConditionRule)  # noqa: S101  (asked where it is one)
        return self.rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """Settings that rules without their own go by. [s]"""

    fresh: float = 86_400.0
    live: float = 3_600.0
    refresh: float = 900.0


@dataclass(slots=True)
class Plan:
    """Everything the engine needs of the packs."""

    defaults: Defaults
    person: list[Compiled]
    home: list[Compiled]
    device: list[Compiled]
    silences: Mapping[str, pack.SilenceRule]
    limits: Mapping[int, Sequence[pack.Limit]]  # by column of the quantity, general ones first
    spread: NDArray[np.float64]  # least spread by column
    keys: dict[str, int] = field(default_factory=dict)  # questionnaire key -> column
    dated: NDArray[np.uint32] = field(default_factory=lambda: np.zeros(WIDE, dtype=np.uint32))
    """By column: marks of those people rules for whom read its days, `EVERYBODY` for all."""
    kept: BoolArray = field(default_factory=lambda: np.zeros(WIDE, dtype=bool))

    def column(self, quantity: str) -> int:
        """Return the column of a quantity; a questionnaire key gets one where it is new."""
        base, _, key = quantity.partition(".")
        if not key:
            return vitals.BY_NAME[base].no
        if key not in self.keys:
            if FIRST_KEY + len(self.keys) >= WIDE:
                raise ValueError(f"more than {WIDE - FIRST_KEY} questionnaire keys in rules")
            self.keys[key] = FIRST_KEY + len(self.keys)
        return self.keys[key]

    def learn(self, node: language.Node, marks: int) -> None:
        """Keep what a condition reads, by day where it asks for days of people with these marks."""
        for signal in language.signals(node):
            if signal.quantity or signal.spec.state:
                column = self.column(signal.quantity or signal.spec.state)
                self.kept[column] = True
                if signal.spec.days:
                    self.dated[column] |= np.uint32(marks)

    def of(self, subject: str) -> list[Compiled]:
        """Return the rules of one kind of subject."""
        return {"person": self.person, "home": self.home, "device": self.device}[subject]

    def holds(self, subject: str) -> bool:
        """Tell whether a rule of one kind of subject asks how long something has been as it is."""
        return any(signal.name == "held" for one in self.of(subject) for node in one.nodes
                   for signal in language.signals(node))  # fmt: skip

    def name(self, column: int) -> str:
        """Return the name of a column's quantity."""
        if column < FIRST_KEY:
            return vitals.BY_NO[column].name
        return "symptom." + next(k for k, c in self.keys.items() if c == column)


def compile_packs(packs: Iterable[pack.Pack], defaults: Defaults) -> Plan:
    """Lay out the rules of packs. Rules that speak for others are judged before them."""
    packs = list(packs)
    plan = Plan(
        defaults=defaults, person=[], home=[], device=[],
        silences={r.what: r for p in packs for r in p.rules if isinstance(r, pack.SilenceRule)},
        limits={}, spread=np.full(WIDE, np.nan),
    )  # fmt: skip
    limits: dict[int, list[pack.Limit]] = {}
    for one in packs:
        for limit in one.limits:
            column = plan.column(limit.quantity)
            limits.setdefault(column, []).append(limit)
            plan.spread[column] = limit.least_spread
    plan.limits = {
        c: sorted(v, key=lambda limit: bool(limit.conditions)) for c, v in limits.items()
    }
    rules = [r for p in packs for r in p.rules
             if isinstance(r, pack.ConditionRule | pack.ScoreRule)]  # fmt: skip
    for subject in ("person", "home", "device"):
        mine = _muters_first([r for r in rules if _subject(r) == subject])
        columns = {r.id: n for n, r in enumerate(mine)}
        plan.of(subject).extend(compiled(plan, r, columns[r.id], columns) for r in mine)
        for each in list(plan.of(subject)):
            muted_by = tuple(c.column for c in plan.of(subject) if each.column in c.mutes)
            if muted_by:
                plan.of(subject)[each.column] = replace(each, muted_by=muted_by)
    return plan


def compiled(
    plan: Plan,
    rule: pack.ConditionRule | pack.ScoreRule,
    column: int,
    columns: Mapping[str, int],
    *,
    parameters: int = 0,
) -> Compiled:
    """Lay out one rule."""
    reads = np.zeros(WIDE, dtype=bool)
    marks = sum(MARKS[name] for name in rule.applies.conditions)
    home = clocked = begins = False
    if isinstance(rule, pack.ScoreRule):
        for name in rule.chart.quantities:
            plan.kept[plan.column(name)] = True
            reads[plan.column(name)] = True
        timing = Timing(0.0, 0.0, 0.0, plan.defaults.refresh)
    else:
        for node in (*(level.when for level in rule.levels), rule.clear):
            # of a trigger it is known who asks: see CarePlans.days
            plan.learn(node, 0 if parameters else marks or EVERYBODY)
            reads[[plan.column(q) for q in language.quantities(node)]] = True
            for signal in language.signals(node):
                home |= not signal.quantity
            clocked |= _by_clock(node)
        begins = any(_by_clock(level.when) for level in rule.levels)
        if rule.subject != "person":
            clocked |= rule.wait_s > 0 or rule.clear_s > 0
        timing = Timing(rule.wait_s, rule.clear_s, rule.again_s, plan.defaults.refresh)
    return Compiled(
        rule=rule,
        column=column,
        reads=reads,
        timing=timing,
        fresh=rule.fresh_s if rule.fresh_s is not None else plan.defaults.fresh,
        marks=marks,
        home=home,
        clocked=clocked,
        begins=begins,
        mutes=tuple(columns[name] for name in rule.mutes if name in columns),
        parameters=parameters,
        severity_rank=rule.severity.rank,
    )


def _by_clock(node: language.Node) -> bool:
    return any(
        isinstance(part, language.Hours)
        or (isinstance(part, language.Signal) and (part.spec.grows or not part.quantity))
        for part in language.walk(node)
    )


def _subject(rule: pack.ConditionRule | pack.ScoreRule) -> str:
    return rule.subject if isinstance(rule, pack.ConditionRule) else "person"


def _muters_first(
    rules: Sequence[pack.ConditionRule | pack.ScoreRule],
) -> list[pack.ConditionRule | pack.ScoreRule]:
    """Order rules so that each comes after those that mute it; a circle is broken anywhere."""
    left, out = list(rules), []
    while left:
        free = [r for r in left if not any(r.id in other.mutes for other in left if other is not r)]
        for rule in free or left[:1]:
            out.append(rule)
            left.remove(rule)
    return out


DOORS_OUT: Final = frozenset(("", "front-door", "back-door", "front", "entrance", "main-door"))
BATHROOMS: Final = frozenset(("bathroom", "toilet", "wc", "ensuite", "shower-room"))
"""Rooms that rules know by name, as they stand before a quantity on the wire."""
