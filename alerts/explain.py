"""Why an alert was raised, for somebody who doubts it: its numbers, and the decision made again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from alerts import evidence, model
from alerts.rules import language, pack, plain, vocabulary


def lines(
    alert: model.Alert, events: Sequence[model.Event], rules: Mapping[str, pack.Rule]
) -> Iterator[str]:
    """Return what is known of an alert's decisions, newest last, line by line."""
    yield f"{alert.id}: {alert.title}"
    yield f"  {alert.severity}, {alert.state.replace('_', ' ')}, condition {alert.condition}"
    yield f"  rule {alert.rule_id} {alert.rule_version}; routed because: {alert.routed_because}"
    rule = rules.get(alert.rule_id)
    if alert.source is not model.Source.RULE:
        yield f"  It comes from a {alert.source}, not from a condition: nothing to work out."
        if isinstance(rule, pack.AlarmRule):
            yield "  An emergency pages whatever its value, its age and everything else."
        yield f"  {alert.reason}"
        return
    if rule is not None and rule.version != alert.rule_version:
        yield (f"  The rule in force now is version {rule.version}: what follows was decided by"
               f" {alert.rule_version}, and is made again by today's.")  # fmt: skip
    if rule is not None:
        yield ""
        yield from plain.of_rule(rule)
    for event in events:
        if "facts" in event.detail and event.kind in ("raised", "changed", "cleared"):
            yield ""
            yield from _of_event(event, rule)


def _of_event(event: model.Event, rule: pack.Rule | None) -> Iterator[str]:
    because = event.detail.get("because")
    yield f"{event.at:%Y-%m-%d %H:%M:%S} UTC: {event.kind}{f' ({because})' if because else ''}"
    yield f"  {event.reason or ''}".rstrip()
    facts = [_fact(f) for f in event.detail["facts"]]
    for fact in facts:
        yield f"    {_said(fact)}"
    if event.kind == "cleared":
        return
    found = decided(str(event.detail.get("when", "")), facts, rule)
    told = event.detail.get("severity")
    if found is None:
        yield "  From these numbers alone nothing would be raised now."
    else:
        same = "the same" if str(found) == told else f"it was told as {told}"
        yield f"  Made again from these numbers: {found} ({same})."


def decided(
    when: str, facts: Sequence[model.Fact], rule: pack.Rule | None
) -> model.Severity | None:
    """Return how bad the numbers are found once more, by the rule or by the condition as kept."""
    if isinstance(rule, pack.SilenceRule):
        return rule.severity if facts else None
    if rule is not None:
        return evidence.severity_again(rule, facts)
    try:
        node = language.parse(when)
    except language.LanguageError:
        return None
    holds = language.judge(node, evidence.Again.of(facts))[0][0]
    return model.Severity.URGENT if holds else None


def _fact(kept: Mapping[str, Any]) -> model.Fact:
    said = dict(kept)
    for key in ("values", "ages"):
        said[key] = tuple(said.get(key, ()))
    return model.Fact(**{"value": None, **said})


def _said(fact: model.Fact) -> str:
    name, _, _ = fact.name.partition("(")
    if fact.values and name == "recent":
        values = ", ".join(f"{v:g}" for v in fact.values)
        return f"{fact.name} = {values} (newest first)"
    value = "unknown" if fact.value is None else f"{fact.value:.6g}"
    unit = ""
    if fact.value is not None and name == "door_minute":
        value = language.clock_text(fact.value)
    if name in vocabulary.SIGNALS or fact.name == fact.quantity:
        unit = vocabulary.unit_of(name if name in vocabulary.SIGNALS else "value",
                                  fact.quantity or "battery")  # fmt: skip
        unit = "" if unit.startswith("code:") or unit in ("1", "bool", "min") else f" {unit}"
    at = "" if fact.time is None else (
        f", measured {datetime.fromtimestamp(fact.time, UTC):%Y-%m-%d %H:%M:%S} UTC"
    )  # fmt: skip
    points = "" if fact.points is None else f", {fact.points} points"
    origin = f" ({fact.origin})" if fact.origin else ""
    return f"{fact.name} = {value}{unit}{points}{at}{origin}"
