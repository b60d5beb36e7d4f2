"""What a nurse reads of a decision: the condition in words, with the person's own numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from functools import lru_cache
from typing import Final

from alerts import model, words
from alerts.evidence import Again
from alerts.rules import language, vocabulary
from alerts.rules.language import Node, Signal
from ingest.kernel import vitals

_SPREADS: Final = "of their own spreads"
_SIDE: Final = {"<": "below", "<=": "at or below", ">": "above", ">=": "at or above",
                "==": "is", "!=": "is not"}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Where and when it is told."""

    now: float
    zone: tzinfo
    shared: bool = False  # several people live there: it is said of the home
    place: str = ""


def finding(found: model.Finding, setting: Setting) -> tuple[str, str]:
    """Return title and reason of what a rule found."""
    if found.said:
        title, reason = found.title, found.said
    elif found.score is not None:
        title, reason = _score(found, setting)
    elif found.facts and found.facts[0].name.startswith("silent("):
        title, reason = _silence(found, setting)
    else:
        title, reason = _condition(found, setting)
    if setting.shared and found.subject == "home":
        reason += " Several people live there: it is not known of whom this is."
    if found.late and found.outcome is not model.Outcome.CLEAR:
        reason += f" Measured {words.span(setting.now - found.at)} ago, delivered now."
    if found.muted_by:
        reason += f" The alert of the rule {found.muted_by} speaks for it."
    return title, reason


# -- conditions -----------------------------------------------------------------------------------


def _condition(found: model.Finding, setting: Setting) -> tuple[str, str]:
    node, facts = _parsed(found.when), {f.name: f for f in found.facts}
    if node is None:
        return found.title, f"{found.title}."
    parts = [p for p in dict.fromkeys(_true_parts(node, facts, found, setting)) if p]
    said = "; ".join(parts) or found.title
    said = said[0].upper() + said[1:]
    if found.outcome is model.Outcome.CLEAR:
        return found.title, f"{found.title} is over: {said[0].lower()}{said[1:]}."
    return _title(node, facts, found.title), f"{said}."


@lru_cache(maxsize=2_000)
def _parsed(text: str) -> Node | None:
    if text.startswith("not ("):
        text = f"not {text[4:]}"
    try:
        return language.parse(text)
    except language.LanguageError:
        return None


def _title(node: Node, facts: Mapping[str, model.Fact], title: str) -> str:
    """Return the title with the reading in it where the rule is about one reading's limit."""
    for part in language.walk(node):
        if isinstance(part, language.Compare) and _beyond(part, facts):
            left, right = part.left, part.right
            if isinstance(left, Signal) and isinstance(right, Signal) and left.name == "value":
                fact, bound = facts[str(left)], facts[str(right)]
                if fact.value is None or bound.value is None:
                    continue
                side = "below" if right.name == "low" else "above"
                return (f"{title} {_number(left.quantity, fact.value)}, {side}"
                        f" {_number(left.quantity, bound.value)}")  # fmt: skip
    return title


def _beyond(part: language.Compare, facts: Mapping[str, model.Fact]) -> bool:
    right = part.right
    if not (isinstance(right, Signal) and right.name in ("low", "high")):
        return False
    return bool(language.judge(part, Again(facts))[0][0])


def _true_parts(
    node: Node, facts: Mapping[str, model.Fact], found: model.Finding, setting: Setting
) -> Iterator[str]:
    """Return in words each part of a condition that makes it true."""
    match node:
        case language.Every() | language.Some():
            for part in node.of:
                if language.judge(part, Again(facts))[0][0]:
                    yield from _true_parts(part, facts, found, setting)
        case language.Not():
            yield from _false_parts(node.of, facts, found, setting)
        case language.Holds():
            yield _state(node.signal, facts, setting, yes=True)
        case language.Times():
            yield _times(node, facts)
        case language.Compare():
            said = _compare(node, facts, setting)
            if said:
                yield said
        case language.Hours():
            return


def _false_parts(
    node: Node, facts: Mapping[str, model.Fact], found: model.Finding, setting: Setting
) -> Iterator[str]:
    if isinstance(node, language.Holds):
        yield _state(node.signal, facts, setting, yes=False)
        return
    for signal in language.signals(node):
        if signal.name == "value":
            fact = facts.get(str(signal))
            if fact is not None and fact.value is not None:
                yield _reading(signal.quantity, fact, setting)
    for part in language.walk(node):
        if isinstance(part, language.Times):
            yield _times(part, facts)


def _state(signal: Signal, facts: Mapping[str, model.Fact], setting: Setting, *, yes: bool) -> str:
    label = _label(signal.quantity)
    fact = facts.get(str(signal))
    at = "" if fact is None or fact.time is None else f" since {_when(fact.time, setting)}"
    return f"{label}{at}" if yes else f"no {label}{at}"


def _times(node: language.Times, facts: Mapping[str, model.Fact]) -> str:
    signal = node.of.left
    assert isinstance(signal, Signal)  # noqa: S101  (as parsed)
    fact = facts.get(f"recent({signal}, {node.last})")
    label = _label(signal.quantity)
    if fact is None:
        return label
    if vocabulary.kind_of(signal.quantity) is vitals.ValueKind.BOOLEAN:
        hits = sum(v > 0 for v in fact.values)
        return f"{label} {hits} times within {words.span(node.within)}"
    values = ", ".join(_number(signal.quantity, v) for v in reversed(fact.values))
    bound = language.term(node.of.right, Again(facts))[0]
    side = f"{_SIDE[node.of.op]} {_number(signal.quantity, float(bound))}"
    return (f"{label} {side} in at least {node.n} of the last {len(fact.values)} readings"
            f" ({values})")  # fmt: skip


def _compare(node: language.Compare, facts: Mapping[str, model.Fact], setting: Setting) -> str:
    signal = next((p for p in language.walk(node) if isinstance(p, Signal)), None)
    if signal is None or str(signal) not in facts:
        return ""
    fact = facts[str(signal)]
    if fact.value is None:
        return ""
    if signal.name != "value":
        return _signal(signal, fact, facts, setting)
    said = _reading(signal.quantity, fact, setting)
    right = node.right
    if isinstance(right, language.Number):
        if vocabulary.quantity_of(signal.quantity).codes:
            return said
        return f"{said} ({_SIDE[node.op]} {_number(signal.quantity, right.value)})"
    other = next((p for p in language.walk(right) if isinstance(p, Signal)), None)
    beside = facts.get(str(other)) if other is not None else None
    if other is None or beside is None or beside.value is None:
        return said
    if other.name in ("low", "high"):
        which = "lower" if other.name == "low" else "upper"
        bound = _number(signal.quantity, beside.value)
        return f"{said}, {which} limit {bound} ({beside.origin or 'default'})"
    return f"{said}, usually {_number(signal.quantity, beside.value)}"


def _signal(
    signal: Signal, fact: model.Fact, facts: Mapping[str, model.Fact], setting: Setting
) -> str:
    """Return one signal's value in words."""
    assert fact.value is not None  # noqa: S101  (whoever calls has looked)
    value, q = fact.value, signal.quantity
    latest = facts.get(q)
    now = "" if latest is None or latest.value is None else (
        f", {_reading(q, latest, setting, label=False)}"
    )  # fmt: skip
    usual = facts.get(f"usual({q})")
    usually = "" if usual is None or usual.value is None else (
        f", usually {_number(q, usual.value)}"
    )  # fmt: skip
    name, number = _label(q), _number(q, round(value, 2)) if q else ""
    span, way = words.span(signal.window), "above" if value > 0 else "below"
    said = {
        "gain": f"{name} up {number} within {span}{now}",
        "loss": f"{name} down {number} within {span}{now}",
        "mean": f"{name} on average {number} over {span}",
        "slope": f"{name} changes {number} a day over {span}",
        "z": f"{name}{now}{usually}: {abs(value):.1f} {_SPREADS} {way}",
        "drift_up": f"{name} has drifted up{now}{usually} (CUSUM {value:.1f})",
        "drift_down": f"{name} has drifted down{now}{usually} (CUSUM {value:.1f})",
        "usual": f"{name} usually {number}",
        "age": f"{name} last {words.span(value)} ago",
        "held": f"{name} for {words.span(value)}",
    }.get(signal.name)
    return said if said is not None else _of_home(signal, value, fact, facts, setting)


def _of_home(
    signal: Signal,
    value: float,
    fact: model.Fact,
    facts: Mapping[str, model.Fact],
    setting: Setting,
) -> str:
    if signal.what:
        return _counted(signal, value, facts)
    where = f" in the {setting.place}" if setting.place else ""
    last = "" if fact.time is None else f", last{where} at {_when(fact.time, setting)}"
    span = words.span(value)
    nothing = {"away": "somebody is at home", "after_fall": "something has moved since the fall"}
    if value == 0 and signal.name in nothing:
        return nothing[signal.name]
    return {
        "still": f"no motion for {span}{last}",
        "quiet_hours": f"no motion{last}: {value:.1f} hours in which there usually is some",
        "away": f"out for {span}, left at {_when(fact.time or setting.now, setting)}",
        "after_fall": f"nothing has moved for {span} since the fall alarm",
        "bed_overdue": f"in bed {span} beyond the usual time of getting up",
        "light": f"dark ({value:g} lx)",
    }.get(signal.name, "")  # what bounds a rule only is no reason


def _counted(signal: Signal, value: float, facts: Mapping[str, model.Fact]) -> str:
    said = vocabulary.COUNTERS[signal.what]
    count, usual = facts.get(f"count('{signal.what}')"), facts.get(f"usual_count('{signal.what}')")
    if signal.name == "count" and (usual is None or usual.value is None):
        return f"{value:g} {said}"
    shown = value if count is None or count.value is None else count.value
    often = "" if usual is None or usual.value is None else f", usually {usual.value:g}"
    return f"{shown:g} {said}{often}"


# -- scores and silence ---------------------------------------------------------------------------


def _score(found: model.Finding, setting: Setting) -> tuple[str, str]:
    at_least = "at least " if found.partial else ""
    name = found.rule_id.upper() if found.rule_id.islower() and "." not in found.rule_id else (
        found.title
    )  # fmt: skip
    title = f"{name} {at_least}{found.score}, {found.level} risk"
    parts = [
        f"{_label(f.quantity)} {_number(f.quantity, f.value)}"
        f" {'by the register' if f.time is None else 'at ' + _when(f.time, setting)}"
        f" scores {f.points}"
        for f in found.facts
        if f.points and f.value is not None
    ]
    reason = f"{title}: {'; '.join(parts) or 'no part scores'}."
    if found.missing:
        gone = [
            f"{_label(name)}{'' if age is None else f' for {words.span(age)}'}"
            for name, age in zip(found.missing, found.missing_for, strict=True)
        ]
        reason += f" Lower bound, not measured recently: {', '.join(gone)}."
    return title, reason


def _silence(found: model.Finding, setting: Setting) -> tuple[str, str]:
    said = []
    for fact in found.facts:
        promised = words.span(fact.values[0]) if fact.values else "?"
        last = "never heard" if fact.time is None else f"last heard at {_when(fact.time, setting)}"
        since = "" if fact.value is None else f", {words.span(fact.value)} ago"
        said.append(f"{_label(fact.quantity)} {last}{since}, promised every {promised}")
    text = "; ".join(said)
    if found.outcome is model.Outcome.CLEAR:
        return found.title, "Heard again."
    return found.title, f"{text[0].upper()}{text[1:]}."


# -- small words ----------------------------------------------------------------------------------


def _reading(quantity: str, fact: model.Fact, setting: Setting, *, label: bool = True) -> str:
    assert fact.value is not None  # noqa: S101  (whoever calls has looked)
    name = f"{_label(quantity)} " if label else ""
    at = "" if fact.time is None else f" at {_when(fact.time, setting)}"
    return f"{name}{_number(quantity, fact.value)}{at}"


def _when(epoch: float, setting: Setting) -> str:
    return words.when(epoch, now=setting.now, zone=setting.zone)


def _number(quantity: str, value: float) -> str:
    return words.number(vocabulary.quantity_of(quantity).no, round(value, 2))


def _label(quantity: str) -> str:
    base, _, key = quantity.partition(".")
    if not base:
        return ""
    if key:
        return key.replace("_", " ")
    return words.label(vitals.BY_NAME[base].no)
