"""What is told of a decision: the numbers it rests on, from which it can be made again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alerts import model
from alerts.care_plans import CarePlans
from alerts.plan import Compiled
from alerts.rules import early_warning, language, pack
from alerts.rules.language import Signal
from alerts.state.conditions import Step
from alerts.state.memory import Memory
from alerts.state.table import BoolArray, FloatArray, IntArray

_CARE_PLAN_LOW, _CARE_PLAN_HIGH = 2, 4
_MINUTE: Final = "minute()"


def scores(one: Compiled, env: Any, scale2: BoolArray) -> early_warning.Scores:
    """Return the scores of n people at their moments."""
    assert one.score is not None  # noqa: S101  (asked where it is one)
    chart = one.score.chart
    columns = {part.name: env.signal(Signal("value", part.quantity)) for part in chart.parts}
    return early_warning.score(chart, columns, scale2)


def findings(
    memory: Memory,
    care_plans: CarePlans,
    kind: str,
    one: Compiled,
    slots: IntArray,
    env: Any,
    scored: early_warning.Scores | None,
    *,
    rank: IntArray,
    step: Step,
    news: NDArray[np.intp],
    muted: IntArray,
    at: FloatArray,
    late: BoolArray,
) -> Iterator[model.Finding]:
    """Return what is news of one rule, subject by subject."""
    table = memory.subjects(kind)
    env = env.some(news)
    judged = scored is None and not one.parameters
    levels = one.condition.levels if judged else ()
    holds = [language.certainly(level.when, env) for level in levels]
    for nth, n in enumerate(news.tolist()):  # only over what is found
        slot = int(slots[n])
        number = int(table.no[slot])
        outcome = model.Outcome.RAISE if step.worse[n] else (
            model.Outcome.CLEAR if step.clear[n] else model.Outcome.REFRESH
        )  # fmt: skip
        by = ""
        if step.worse[n] and muted[n] >= 0:
            outcome = model.Outcome.MUTED
            by = memory.plan.of(kind)[int(muted[n])].rule.id
        about = _about(memory, care_plans, kind, one, slot, number)
        severity = model.BY_RANK[int(rank[n])] if rank[n] else about["mildest"]
        told = {
            "outcome": outcome, "subject": kind, "subject_no": number, "rule_id": about["id"],
            "rule_version": one.rule.version, "severity": severity, "title": about["title"],
            "at": float(at[n]), "late": bool(late[n]), "muted_by": by, **about["where"],
        }  # fmt: skip
        if scored is not None:
            yield model.Finding(**told, **_scored(memory, one, env, nth, scored, n, slot))
        else:
            node, text = _holding(one, [bool(each[nth]) for each in holds], outcome, about)
            yield model.Finding(**told, facts=facts(node, env, nth), when=text)


def commands(
    memory: Memory, one: Compiled, slots: IntArray, env: Any, hit: NDArray[np.intp], at: FloatArray
) -> Iterator[model.Finding]:
    """Return what devices of homes are asked to do."""
    env = env.some(hit)
    for nth, n in enumerate(hit.tolist()):
        slot = int(slots[n])
        yield model.Finding(
            outcome=model.Outcome.COMMAND, subject="home", subject_no=int(memory.homes.no[slot]),
            rule_id=one.rule.id, rule_version=one.rule.version, severity=one.rule.severity,
            title=one.rule.title, facts=facts(one.condition.levels[0].when, env, nth),
            at=float(at[n]), home_no=int(memory.homes.no[slot]), part=int(memory.homes.place[slot]),
            when=one.condition.levels[0].text,
        )  # fmt: skip


def _about(
    memory: Memory, care_plans: CarePlans, kind: str, one: Compiled, slot: int, number: int
) -> dict[str, Any]:
    """Return a rule's id and title as they are told of one subject, and whom it concerns."""
    where: dict[str, Any]
    if kind == "person":
        where = {"person_no": number, "home_no": int(memory.people.home[slot]) or None}
    elif kind == "home":
        where = {"person_no": int(memory.homes.only[slot]) or None, "home_no": number,
                 "part": int(memory.homes.place[slot])}  # fmt: skip
    else:
        where = {"person_no": int(memory.devices.person[slot]) or None,
                 "home_no": int(memory.devices.home[slot]) or None,
                 "device_no": number}  # fmt: skip
    if one.parameters:
        trigger = care_plans.trigger(one, number)
        return {"id": CarePlans.PREFIX + trigger.id, "title": trigger.title, "where": where,
                "mildest": trigger.severity, "trigger": trigger}  # fmt: skip
    mildest = (
        one.score.severity_single if one.score is not None else one.condition.levels[0].severity
    )
    return {"id": one.rule.id, "title": one.rule.title, "where": where, "mildest": mildest}


def _holding(
    one: Compiled, holds: Sequence[bool], outcome: model.Outcome, about: Mapping[str, Any]
) -> tuple[language.Node, str]:
    """Return the condition that holds for one subject, as a tree and as written."""
    if "trigger" in about:
        trigger = about["trigger"]
        return (trigger.clear if outcome is model.Outcome.CLEAR else trigger.when), trigger.text
    rule = one.condition
    if outcome is model.Outcome.CLEAR:
        return rule.clear, rule.clear_text
    for level, held in zip(reversed(rule.levels), reversed(holds), strict=True):
        if held:
            return level.when, level.text
    return rule.levels[0].when, rule.levels[0].text


def facts(node: language.Node, env: Any, n: int) -> tuple[model.Fact, ...]:
    """Return every number that a condition reads of one of the n subjects."""
    out: list[model.Fact] = []
    for part in dict.fromkeys(language.walk(node)):
        match part:
            case Signal():
                out += _of_signal(part, env, n)
            case language.Times():
                assert isinstance(part.of.left, Signal)  # noqa: S101  (as parsed)
                values, ages = env.recent(part.of.left, part.last)
                there = np.isfinite(values[n]) & (ages[n] <= part.within)
                out.append(
                    model.Fact(
                        name=_recent(part.of.left, part.last), quantity=part.of.left.quantity,
                        value=float(there.sum()),
                        values=tuple(float(v) for v in values[n][there]),
                        ages=tuple(float(a) for a in ages[n][there]),
                    )
                )  # fmt: skip
            case language.Hours():
                out.append(model.Fact(name=_MINUTE, value=float(env.minute()[n])))
    return tuple(dict.fromkeys(out))


def _of_signal(signal: Signal, env: Any, n: int) -> Iterator[model.Fact]:
    value, time = float(env.signal(signal)[n]), float(env.time_of(signal)[n])
    origin = ""
    if signal.name in ("low", "high"):
        bits = int(env.origin(signal.quantity)[n])
        mine = bits & (_CARE_PLAN_LOW if signal.name == "low" else _CARE_PLAN_HIGH)
        origin = "care plan" if mine else "risk band" if bits & 1 else "default"
    yield model.Fact(
        name=str(signal), quantity=signal.quantity, value=value if np.isfinite(value) else None,
        time=time if np.isfinite(time) else None, origin=origin,
    )  # fmt: skip
    beside = {"z": "usual", "drift_up": "usual", "drift_down": "usual", "excess": "usual_count"}
    if signal.name in beside:  # what "usual" is, said beside it
        yield from _of_signal(
            Signal(beside[signal.name], signal.quantity, what=signal.what), env, n
        )
    if signal.name == "excess":
        yield from _of_signal(Signal("count", what=signal.what), env, n)
    if signal.name in ("gain", "loss", "z", "drift_up", "drift_down", "slope"):
        yield from _of_signal(Signal("value", signal.quantity), env, n)


def _recent(signal: Signal, n: int) -> str:
    return f"recent({signal}, {n})"


def _scored(
    memory: Memory, one: Compiled, env: Any, nth: int, scored: early_warning.Scores, n: int,
    slot: int,
) -> dict[str, Any]:  # fmt: skip
    assert one.score is not None  # noqa: S101  (asked where it is one)
    out: list[model.Fact] = []
    missing: list[str] = []
    gone: list[float | None] = []
    for k, part in enumerate(one.score.chart.parts):
        signal = Signal("value", part.quantity)
        value = float(env.signal(signal)[nth])
        if np.isnan(scored.parts[n, k]):
            missing.append(part.quantity)
            gone.append(_since(memory, slot, part.quantity, float(memory.people.latest[slot])))
            continue
        time = float(env.time_of(signal)[nth])
        points = int(scored.parts[n, k])
        measured = np.isfinite(time)
        if measured or points:
            out.append(
                model.Fact(
                    name=part.quantity, quantity=part.quantity, value=value, points=points,
                    time=time if measured else None,
                    origin="" if measured else "register",
                )
            )  # fmt: skip
    if memory.people.scale2[slot]:
        out.append(model.Fact(name="scale2", value=1.0, origin="register"))
    return {
        "facts": tuple(out), "score": int(scored.total[n]), "partial": bool(scored.partial[n]),
        "level": early_warning.LEVELS[int(scored.level[n])], "missing": tuple(missing),
        "missing_for": tuple(gone), "when": one.rule.id,
    }  # fmt: skip


def _since(memory: Memory, slot: int, quantity: str, moment: float) -> float | None:
    """Return how long ago something was last measured, None for never. [s]"""
    rows = memory.series.find(np.array([slot]), memory.plan.column(quantity))
    if rows[0] < 0:
        return None
    last = float(memory.series.time[rows[0], 0])
    return moment - last if np.isfinite(last) else None


# -- made again ----------------------------------------------------------------------------------


@dataclass(slots=True)
class Again:
    """One subject as the facts of an alert have it: what conditions are judged on once more."""

    facts: Mapping[str, model.Fact]
    size: int = 1

    @classmethod
    def of(cls, facts: Sequence[model.Fact]) -> Again:
        """Take the facts of a finding."""
        return cls({f.name: f for f in facts})

    def signal(self, signal: Signal) -> FloatArray:
        """Return what the facts say; a limit that is not there is no limit."""
        fact = self.facts.get(str(signal))
        value = None if fact is None else fact.value
        if value is None and signal.name in ("low", "high"):
            return np.array([-np.inf if signal.name == "low" else np.inf])
        return np.array([np.nan if value is None else value])

    def recent(self, signal: Signal, n: int) -> tuple[FloatArray, FloatArray]:
        """Return the newest readings as they were then."""
        fact = self.facts.get(_recent(signal, n))
        values, ages = np.full((1, n), np.nan), np.full((1, n), np.inf)
        if fact is not None:
            values[0, : len(fact.values)] = fact.values
            ages[0, : len(fact.ages)] = fact.ages
        return values, ages

    def minute(self) -> FloatArray:
        """Return the local minute of the day as it was then."""
        fact = self.facts.get(_MINUTE)
        return np.array([np.nan if fact is None or fact.value is None else fact.value])

    def parameter(self, n: int) -> FloatArray:
        """Return nothing: what is explained has its numbers in it."""
        del n
        return np.array([np.nan])


def severity_again(rule: pack.Rule, facts: Sequence[model.Fact]) -> model.Severity | None:
    """Return how bad a rule finds the facts, None where it finds nothing in them."""
    if isinstance(rule, pack.ScoreRule):
        said = {f.name: f.value for f in facts if f.value is not None}
        columns = {p.name: np.array([said[p.quantity]]) for p in rule.chart.parts
                   if p.quantity in said}  # fmt: skip
        if rule.chart.names.count(early_warning.OXYGEN) and early_warning.OXYGEN not in columns:
            columns[early_warning.OXYGEN] = np.array([0.0])
        level = int(early_warning.score(rule.chart, columns, np.array(["scale2" in said])).level[0])
        ranks = (None, rule.severity_single, rule.severity_medium, rule.severity)
        return ranks[max(level, 0)]
    if not isinstance(rule, pack.ConditionRule):
        return None
    env, found = Again.of(facts), None
    for each in rule.levels:
        if language.judge(each.when, env)[0][0]:
            found = each.severity
    return found
