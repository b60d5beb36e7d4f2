"""Triggers that a clinician wrote for one person: the packs' language, judged for many at once.

Conditions that differ in their numbers only are one rule here, with a row of numbers per person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alerts import model
from alerts.plan import Compiled, Plan, compiled
from alerts.rules import language, pack
from alerts.rules.triggers import Trigger, read
from alerts.state.subjects import Person
from alerts.state.table import IntArray, places

FloatArray = NDArray[np.float64]
VERSION: Final = "care plan"
"""Of each trigger, where a pack's rule has its version."""
_MOST: Final = 120
"""Different forms of triggers judged at once; a byte numbers rules. Unsourced."""


class Gone(NamedTuple):
    """A person's trigger that is judged no more, and the column in which it was."""

    person: int
    column: int
    trigger: Trigger
    changed: bool  # another of the same id has taken its place


@dataclass(slots=True)
class _Form:
    """One form of a trigger, and who has it with which numbers."""

    one: Compiled
    people: dict[int, tuple[tuple[float, ...], Trigger]] = field(default_factory=dict)
    numbers: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    values: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))

    def settle(self) -> None:
        """Have the arrays say what the people say."""
        self.numbers = np.array(sorted(self.people), dtype=np.int64)
        width = max(1, self.one.parameters)
        self.values = np.full((len(self.people), width), np.nan)
        for n, number in enumerate(self.numbers.tolist()):
            mine = self.people[number][0]
            self.values[n, : len(mine)] = mine


class CarePlans:
    """The triggers of everybody who is here."""

    PREFIX: ClassVar[str] = "care_plan."

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._forms: dict[tuple[Any, ...], _Form] = {}
        self._of_person: dict[int, list[tuple[Any, ...]]] = {}
        self._by_column: list[_Form] = []  # from the column after the shipped rules' on
        self.unread = 0  # triggers that could not be judged: too many forms, or unreadable

    def __len__(self) -> int:
        return len(self._by_column)

    @property
    def rules(self) -> list[Compiled]:
        """Return the rules behind all triggers, in the order of their columns."""
        return [form.one for form in self._by_column]

    def put(self, people: Sequence[Person]) -> list[Gone]:
        """Take in the triggers of people, instead of those they had.

        Returns
        -------
        list[Gone]
            Each trigger that is gone: what was told of it isn't told of another trigger of the
            same form.
        """
        touched: set[tuple[Any, ...]] = set()
        gone: list[Gone] = []
        for one in people:
            had = {k: self._forms[k].people.pop(one.no)[1]
                   for k in self._of_person.pop(one.no, ())}  # fmt: skip
            touched.update(had)
            said = {t.get("id") for t in one.triggers}
            if one.triggers:
                stay = {t.id: k for k, t in had.items() if t.id in said}
                touched.update(self._put(one, stay))
            for key, trigger in had.items():
                form = self._forms[key]
                if one.no not in form.people or form.people[one.no][1].id != trigger.id:
                    gone.append(Gone(one.no, form.one.column, trigger, trigger.id in said))
        for key in touched:
            self._forms[key].settle()
        return gone

    def _put(self, one: Person, had: Mapping[str, tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        keys: list[tuple[Any, ...]] = []
        for said in one.triggers:
            form = _form(tuple(sorted((k, v) for k, v in said.items() if isinstance(v, str))))
            if form is None:
                self.unread += 1
                continue
            trigger, when, clear, numbers = form
            base = (trigger.severity, trigger.wait_s, when, clear)
            # the same form twice for one person; what is as it was stays where it was
            key = had.get(trigger.id, ())
            if key[:-1] != base or key in keys:
                every = ((*base, n) for n in count())
                key = next(k for k in every if k not in keys and k not in had.values())
            if key not in self._forms and not self._add(key, trigger, when, clear, len(numbers)):
                self.unread += 1
                continue
            self._forms[key].people[one.no] = (numbers, trigger)
            keys.append(key)
        if keys:
            self._of_person[one.no] = keys
        return keys

    def _add(
        self, key: tuple[Any, ...], trigger: Trigger, when: language.Node, clear: language.Node,
        parameters: int,
    ) -> bool:  # fmt: skip
        if len(self) >= _MOST:
            return False
        rule = pack.ConditionRule(
            id=self.PREFIX, version=VERSION, title="", team=model.TeamKind.DISTRICT_NURSING,
            audience="nurse", source="care plan", severity=trigger.severity, subject="person",
            alert_class=model.AlertClass.CLINICAL,
            levels=(pack.Level(severity=trigger.severity, when=when, text=""),), clear=clear,
            clear_text="", wait_s=trigger.wait_s,
        )  # fmt: skip
        column = len(self._plan.person) + len(self)
        one = compiled(self._plan, rule, column, {}, parameters=max(1, parameters))
        self._forms[key] = _Form(one)
        self._by_column.append(self._forms[key])
        return True

    def reading(self, columns: IntArray) -> list[Compiled]:
        """Return the rules that read any of the columns."""
        return [one for one in self.rules if one.reads[columns].any()]

    def days(self, person: int) -> list[int]:
        """Return the columns of the quantities whose days a person's triggers read."""
        signals = [
            signal
            for key in self._of_person.get(person, ())
            for node in self._forms[key].one.nodes
            for signal in language.signals(node)
        ]
        return sorted({self._plan.column(s.quantity) for s in signals if s.spec.days})

    def parameters(self, one: Compiled, people: IntArray) -> tuple[IntArray, FloatArray]:
        """Return which of the people have a rule's form, and their numbers."""
        form = self._of(one)
        if not form.numbers.size:
            return np.zeros(0, dtype=np.int64), np.zeros((0, max(1, one.parameters)))
        at = np.minimum(np.searchsorted(form.numbers, people), form.numbers.size - 1)
        mine = places(form.numbers[at] == people)
        return mine, form.values[at[mine]]

    def trigger(self, one: Compiled, person: int) -> Trigger:
        """Return the trigger of a person behind a rule."""
        return self._of(one).people[person][1]

    def column(self, person: int, rule_id: str) -> int | None:
        """Return the column of a person's trigger by its rule id."""
        for key in self._of_person.get(person, ()):
            form = self._forms[key]
            if self.PREFIX + form.people[person][1].id == rule_id:
                return form.one.column
        return None

    def _of(self, one: Compiled) -> _Form:
        return self._by_column[one.column - len(self._plan.person)]


def ended(
    person: int, home: int | None, trigger: str, *, title: str, severity: model.Severity,
    at: float, changed: bool,
) -> model.Finding:  # fmt: skip
    """Tell that what a trigger raised is judged no more, and so can't be seen to be over.

    Not by a reading: a clinician decided it. The alert itself stays until somebody closes it.
    """
    what = "changed" if changed else "withdrawn, or can't be judged any more"
    return model.Finding(
        outcome=model.Outcome.CLEAR, subject="person", subject_no=person,
        rule_id=CarePlans.PREFIX + trigger, rule_version=VERSION, severity=severity, title=title,
        facts=(), at=at, person_no=person, home_no=home,
        said=f"The care plan's trigger was {what}: whether this still holds is not known.",
    )  # fmt: skip


@lru_cache(maxsize=20_000)
def _form(
    said: tuple[tuple[str, str], ...],
) -> tuple[Trigger, language.Node, language.Node, tuple[float, ...]] | None:
    """Return a trigger with its numbers taken out, None where it can't be read."""
    try:
        trigger = read(dict(said))
    except language.LanguageError:
        return None
    when, first = language.generalised(trigger.when)
    clear, second = language.generalised(trigger.clear, start=len(first))
    return trigger, when, clear, (*first, *second)
