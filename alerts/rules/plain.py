"""Packs and rules in plain words: what a clinician reads before approving them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from alerts.rules import early_warning, language, pack, vocabulary
from alerts.rules.language import Node, Number, Signal, Term
from ingest.kernel import conditions, vitals

_OPS: Final = {"<": "below", "<=": "at most", ">": "above", ">=": "at least", "==": "is",
               "!=": "is not"}  # fmt: skip
_UNITS: Final = {"mm[Hg]": "mmHg", "Cel": "\N{DEGREE SIGN}C", "1": "", "bool": ""}


def of_pack(one: pack.Pack) -> Iterator[str]:
    """Return the lines of a whole pack."""
    yield f"{one.title} ({one.id} {one.version})"
    yield f"  approved by {one.approver}; to be reviewed by {one.review_by}"
    yield f"  source: {one.source}"
    if one.shadow:
        yield "  in the shadow: judged and written down, nobody is told"
    for limit in one.limits:
        yield ""
        yield from _of_limit(limit)
    for rule in one.rules:
        yield ""
        yield from of_rule(rule)


def of_rule(rule: pack.Rule) -> Iterator[str]:
    """Return the lines of one rule."""
    yield f"{rule.title} ({rule.id} {rule.version})"
    match rule:
        case pack.ConditionRule():
            yield from _of_condition(rule)
        case pack.ScoreRule():
            yield from _of_score(rule)
        case pack.SilenceRule():
            yield from _of_silence(rule)
        case pack.AlarmRule():
            name = "an alarm that can't be read"
            if rule.quantity:
                name = f"the alarm {vitals.BY_NO[rule.quantity].name}"
            yield f"  {rule.severity}: always, at {name}"
        case _:
            yield f"  {rule.severity}: found by the hub itself"
    yield f"  told to: {rule.team.replace('_', ' ')} (audience: {rule.audience})"
    if rule.mutes:
        yield f"  speaks for, where they are no worse: {', '.join(rule.mutes)}"
    if rule.protocol:
        yield f"  what to do: {rule.protocol}"
    yield f"  source: {rule.source}"


def _of_condition(rule: pack.ConditionRule) -> Iterator[str]:
    for level in reversed(rule.levels):
        yield f"  {level.severity}: when {of(level.when)}"
    if rule.command is None:
        yield f"  over: when {of(rule.clear)}"
    for seconds, said in (
        (rule.wait_s, "only when it lasts"), (rule.clear_s, "over only when that lasts"),
        (rule.again_s, "told again at the earliest after"),
        (rule.fresh_s or 0.0, "counts readings of the last"),
    ):  # fmt: skip
        if seconds:
            yield f"  {said} {language.duration_text(seconds)}"
    if rule.command is not None:
        args = ", ".join(f"{k} {v}" for k, v in rule.command.args.items())
        yield (f"  asks each {rule.command.kind} of the home to {rule.command.do}"
               f"{f' ({args})' if args else ''}, at most once in"
               f" {language.duration_text(rule.command.every_s)}")  # fmt: skip
    yield f"  judged of: each {rule.subject}{_whom(rule.applies)}"


def _of_score(rule: pack.ScoreRule) -> Iterator[str]:
    chart = rule.chart
    yield f"  {rule.severity}: from {chart.high} points"
    yield f"  {rule.severity_medium}: from {chart.medium} points"
    yield f"  {rule.severity_single}: {chart.single} points in a single part"
    for part in chart.parts:
        label = vocabulary.quantity_of(part.quantity).label
        if "." in part.quantity:
            label = part.quantity.partition(".")[2].replace("_", " ")
        if part.bands is None:
            what = "yes" if part.yes is not None else "anything but the first"
            yield f"    {label}: {what} {part.yes or part.not_first}"
            continue
        yield f"    {label}: {_bands(part.bands)}"
        if part.bands_scale2_air is not None and part.bands_scale2_oxygen is not None:
            yield f"      scale 2, on air: {_bands(part.bands_scale2_air)}"
            yield f"      scale 2, on oxygen: {_bands(part.bands_scale2_oxygen)}"
    yield f"  judged of: each person{_whom(rule.applies)}"


def _of_silence(rule: pack.SilenceRule) -> Iterator[str]:
    what = {
        "device": "a device that sends by itself isn't heard",
        "stream": "a device is heard, and one of its streams isn't",
        "reading": "a person hasn't taken a reading",
        "site": "of a site's devices silent at once are at least"
        f" {rule.share:.0%}, and at least {rule.fewest}",
    }[rule.what]  # fmt: skip
    after = "" if rule.what == "site" else (
        f" for {rule.factor:g} times as long as agreed, and at least"
        f" {language.duration_text(rule.least_s)}"
    )  # fmt: skip
    yield f"  {rule.severity}: when {what}{after}"
    yield "  over: when it is heard again"


def _of_limit(limit: pack.Limit) -> Iterator[str]:
    q = vocabulary.quantity_of(limit.quantity)
    unit = _unit(q.unit)
    bounds = [f"{name} {value:g} {unit}".strip()
              for name, value in (("lower", limit.low), ("upper", limit.high),
                                  ("lower with scale 2", limit.low_scale2))
              if value is not None]  # fmt: skip
    who = f" of people with {_conditions(limit.conditions)}" if limit.conditions else ""
    yield f"Default limits of {q.label[0].lower()}{q.label[1:]}{who}: {', '.join(bounds) or 'none'}"
    for band, (low, high) in limit.bands.items():
        ends = ["-" if bound is None else f"{bound:g}" for bound in (low, high)]
        yield f"  risk band {band}: {' to '.join(ends)}"
    yield f"  smallest spread of a person's own days: {limit.least_spread:g} {unit}".rstrip()
    yield f"  source: {limit.source}"


def _bands(table: early_warning.Table) -> str:
    parts = [f"{b.points} to {b.to:g}" for b in table.bands[:-1]]
    return f"{', '.join(parts)}, {table.bands[-1].points} above"


def _whom(applies: pack.Applies) -> str:
    said = []
    if applies.conditions:
        said.append(f"with {_conditions(applies.conditions)}")
    if applies.from_age is not None:
        said.append(f"of {applies.from_age:g} years and over")
    if applies.pregnant is not None:
        said.append("who is pregnant" if applies.pregnant else "who isn't pregnant")
    if applies.alone is not None:
        said.append("living alone" if applies.alone else "not living alone")
    return f" {', '.join(said)}" if said else ""


def _conditions(names: tuple[str, ...]) -> str:
    return " or ".join(conditions.BY_NAME[n].label for n in names)


def of(node: Node) -> str:
    """Return a condition in words."""
    match node:
        case language.Every():
            return " and ".join(_inner(part) for part in node.of)
        case language.Some(least=1):
            return " or ".join(_inner(part) for part in node.of)
        case language.Some():
            parts = "; ".join(of(part) for part in node.of)
            return f"at least {node.least} of these hold: {parts}"
        case language.Not():
            inner = of(node.of)
            return f"not ({inner})" if " " in inner else f"no {inner}"
        case language.Holds():
            return _signal(node.signal)
        case language.Hours():
            what = "it is" if node.of is None else f"{_signal(node.of)} is"
            begin, end = language.clock_text(node.begin), language.clock_text(node.end)
            return f"{what} between {begin} and {end}"
        case language.Times():
            return (f"{of(node.of)} in {node.n} of the last {node.last} readings within"
                    f" {language.duration_text(node.within)}")  # fmt: skip
        case language.Compare():
            return f"{_term(node.left)} is {_OPS[node.op]} {_term(node.right)}".replace(
                "is is", "is"
            )


def _inner(node: Node) -> str:
    return f"({of(node)})" if isinstance(node, language.Every | language.Some) else of(node)


def _term(term: Term) -> str:
    match term:
        case Number():
            return term.text
        case Signal():
            return _signal(term)
        case language.Arithmetic():
            word = {"+": "plus", "-": "minus", "*": "times"}[term.op]
            return f"{_term(term.left)} {word} {_term(term.right)}"
        case language.Parameter():
            return "the person's own number"


def _signal(signal: Signal) -> str:
    if signal.name == "value":
        return _label(signal.quantity)
    said = signal.spec.meaning
    about = f" of {_label(signal.quantity)}" if signal.quantity else ""
    if signal.what:
        about = f" ({vocabulary.COUNTERS[signal.what]})"
    if signal.window:
        about += f" over {language.duration_text(signal.window)}"
    short = {
        "low": "its lower limit", "high": "its upper limit", "gain": "the gain",
        "loss": "the loss", "mean": "the average", "slope": "the change a day",
        "usual": "the person's usual value", "z": "the distance from usual, in own spreads,",
        "drift_up": "the upward drift (CUSUM)", "drift_down": "the downward drift (CUSUM)",
        "age": "the age of the latest reading", "held": "how long it has been so:",
        "count": "today's count", "usual_count": "the usual count",
        "excess": "today's count above usual, in own spreads,",
        "still": "the time without motion", "away": "the time out by the front door",
        "door_minute": "the time of day at which a door to the outside was last used",
        "quiet_hours": "the sum of hours without motion in which there usually is some",
        "days_known": "the number of days known", "light": "the light (dark where nothing tells)",
        "bed_overdue": "the time in bed beyond the usual",
        "after_fall": "the time without motion after a fall",
    }.get(signal.name, said)  # fmt: skip
    if signal.name in ("low", "high"):
        return short
    return f"{short}{about}"


def signal(text: str) -> str:
    """Return a signal as a label, from how the language writes it: "gain(weight, '3 d')"."""
    try:
        found = language.parse(f"{text} == 0")
    except language.LanguageError:
        return text
    read = next((p for p in language.walk(found) if isinstance(p, Signal)), None)
    if read is None:
        return text
    said = _signal(read).removeprefix("the ").rstrip(",:")
    return said[0].upper() + said[1:]


def _label(quantity: str) -> str:
    base, _, key = quantity.partition(".")
    if key:
        return key.replace("_", " ")
    label = vitals.BY_NAME[base].label
    return label if label[:2].isupper() else label[0].lower() + label[1:]


def _unit(unit: str) -> str:
    return _UNITS.get(unit, unit)
