"""A rule pack: what a TOML file must hold, checked, with the line that is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from alerts import model
from alerts.rules import contradictions, document, early_warning, language, vocabulary
from alerts.rules.document import Node
from ingest.kernel import conditions, vitals

KINDS: Final = ("condition", "alarm", "score", "silence", "own")
AUDIENCES: Final = ("nurse", "responder", "equipment", "none")
SUBJECTS: Final = ("person", "home", "device")
BANDS: Final = ("green", "amber", "red")
SILENCES: Final = ("device", "stream", "reading", "site")
_OF_THE_HOUSE: Final = ("smoke", "carbon_monoxide", "flood")
"""Emergencies of a house; the others are a person's call for help."""
AT_HOME: Final = frozenset(
    ("motion", "door_open", "bed_occupied", "chair_occupied", "room_temperature", "humidity",
     "illuminance")
)  # fmt: skip
"""Quantities that are kept of a home, whoever's device says them."""
OF_DEVICE: Final = frozenset(("battery", "mains", "tamper"))
"""Quantities that are kept of a device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One thing that can be raised, and to what kind of team."""

    id: str
    version: str
    title: str
    team: model.TeamKind
    audience: str
    source: str
    severity: model.Severity  # the worst it can be
    alert_class: model.AlertClass
    pack: str = ""
    protocol: str = ""
    shadow: bool = False  # judged and written down, and nobody is told
    mutes: tuple[str, ...] = ()  # rules of the same subject that this one speaks for


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRule(Rule):
    """An emergency: its quantity and the verb it is told with."""

    quantity: int
    verb: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Applies:
    """Whom a rule is for; what is not said is for everybody."""

    conditions: tuple[str, ...] = ()  # any of them
    from_age: float | None = None
    pregnant: bool | None = None
    alone: bool | None = None  # lives alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """How bad it is when a condition holds."""

    severity: model.Severity
    when: language.Node
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What a device of the home is asked to do."""

    do: str
    kind: str  # of the device
    args: Mapping[str, Any]
    every_s: float  # at most once in this time, per home


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionRule(Rule):
    """A condition over what is known of one subject, with its lengths of time. [s]"""

    subject: vocabulary.Subject
    levels: tuple[Level, ...]  # mildest first
    clear: language.Node
    clear_text: str
    wait_s: float = 0.0
    clear_s: float = 0.0
    again_s: float = 0.0
    fresh_s: float | None = None
    applies: Applies = field(default_factory=Applies)
    command: Command | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRule(Rule):
    """An early-warning score: ``severity`` is that of its highest level."""

    severity_medium: model.Severity
    severity_single: model.Severity
    applies: Applies
    chart: early_warning.Chart
    fresh_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceRule(Rule):
    """What was promised and did not come."""

    what: str  # one of SILENCES
    factor: float  # of the cadence
    least_s: float
    share: float = 0.0  # of a site's devices
    fewest: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """Default limits of a quantity; a bound that is None has no default."""

    quantity: str
    low: float | None
    high: float | None
    low_scale2: float | None
    least_spread: float
    conditions: tuple[str, ...]
    bands: Mapping[str, tuple[float | None, float | None]]
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """Rules that are versioned, approved and shipped together."""

    id: str
    version: str
    title: str
    approver: str
    review_by: date
    source: str
    rules: tuple[Rule, ...]
    limits: tuple[Limit, ...] = ()
    shadow: bool = False


def parse(text: str, *, file: str) -> Pack:
    """Read a pack, or say in which line it is wrong.

    Raises
    ------
    PackError
        At the first thing that is wrong, with file and line.
    """
    top = document.parse(text, file=file)
    about: dict[str, Any] = {"version": top.text("version"), "pack": top.text("id"),
             "shadow": bool(top.flag("shadow")), "alert_class": _class(top)}  # fmt: skip
    rules: list[Rule] = []
    for node in top.children("rule"):
        kind = node.choice("kind", KINDS) if node.has("kind") else "condition"
        rule = _RULES[kind](top, node, about)
        node.done()
        if any(r.id == rule.id for r in rules):
            raise node.error("id", f"'{rule.id}' is there twice")
        rules.append(rule)
    pack = Pack(
        id=about["pack"],
        version=about["version"],
        title=top.text("title"),
        approver=top.text("approver"),
        review_by=top.day("review_by"),
        source=top.text("source"),
        rules=tuple(rules),
        limits=tuple(_limit(node) for node in top.children("limit")),
        shadow=about["shadow"],
    )
    top.done()
    if not pack.rules and not pack.limits:
        raise top.error(None, "at least one [[rule]] is needed")
    return pack


def _common(
    node: Node,
    about: Mapping[str, Any],
    severity: model.Severity,
    usual: model.AlertClass = model.AlertClass.CLINICAL,
) -> dict[str, Any]:
    protocol = node.raw("protocol", required=False)
    if protocol is not None and not isinstance(protocol, str):
        raise node.error("protocol", "'protocol' must be a text")
    return {
        **about,
        "id": node.text("id"),
        "title": node.text("title"),
        "team": model.TeamKind(node.choice("team", tuple(t.value for t in model.TeamKind))),
        "audience": node.choice("audience", AUDIENCES),
        "source": node.text("source"),
        "severity": severity,
        "alert_class": _class(node) or about["alert_class"] or usual,
        "protocol": protocol or "",
        "mutes": node.texts("mutes"),
    }


def _class(node: Node) -> model.AlertClass | None:
    if not node.has("class"):
        return None
    return model.AlertClass(node.choice("class", tuple(c.value for c in model.AlertClass)))


# -- conditions -----------------------------------------------------------------------------------


def _condition(_: Node, node: Node, about: Mapping[str, Any]) -> Rule:
    subject = node.choice("subject", SUBJECTS) if node.has("subject") else "person"
    levels = _levels(node, subject)
    if node.has("clear"):
        clear, clear_text = node.condition("clear")
        _fits(node, "clear", clear, subject)
    else:
        clear, clear_text = language.negated(levels[0].when), f"not ({levels[0].text})"
    rule = ConditionRule(
        **_common(node, about, levels[-1].severity),
        subject=subject,  # type: ignore[arg-type]
        levels=levels,
        clear=clear,
        clear_text=clear_text,
        wait_s=node.duration("for") or 0.0,
        clear_s=node.duration("clear_for") or 0.0,
        again_s=node.duration("again") or 0.0,
        fresh_s=node.duration("fresh"),
        applies=_applies(node),
        command=_command(node),
    )
    for level in levels:
        key = "when" if node.has("when") else "levels"
        problem = contradictions.of_level(level.when, clear)
        if problem:
            raise node.error("clear" if problem.clear and node.has("clear") else key, problem.text)
    return rule


def _levels(node: Node, subject: str) -> tuple[Level, ...]:
    if node.has("levels"):
        raw = node.raw("levels")
        if not isinstance(raw, list) or not raw or not all(isinstance(r, dict) for r in raw):
            raise node.error("levels", "'levels' is a list of { severity = .., when = .. }")
        parts = [node.inside("levels", r) for r in raw]
    else:
        parts = [node]
    found = []
    for part in parts:
        when, text = part.condition("when")
        _fits(part, "when", when, subject)
        found.append(Level(severity=part.severity("severity"), when=when, text=text))
        if part is not node:
            part.done()
    ranks = [level.severity.rank for level in found]
    if ranks != sorted(set(ranks)):
        raise node.error("levels", "levels must rise in severity, each once")
    return tuple(found)


def _fits(node: Node, key: str, when: language.Node, subject: str) -> None:
    found = misfit(when, subject)
    if found:
        raise node.error(key, found)


def misfit(when: language.Node, subject: str) -> str | None:
    """Say what a condition asks that is not known of its subject, None where all is known."""
    for signal in language.signals(when):
        base = signal.quantity.partition(".")[0]
        if subject not in signal.spec.of:
            return f"'{signal}' is not known of a {subject}"
        if base == "motion":
            return "motion comes and goes: use still() or quiet_hours()"
        if base and not _kept(base, subject):
            return f"'{signal.quantity}' is not kept of a {subject}"
    for part in language.walk(when):
        if isinstance(part, language.Times) and subject != "person":
            return "times() is known of people only"
        if isinstance(part, language.Compare) and (found := _implausible(part)):
            return found
    return None


def _kept(quantity: str, subject: str) -> bool:
    if subject == "device":
        return quantity in OF_DEVICE
    if subject == "home":
        return quantity in AT_HOME
    return quantity not in OF_DEVICE


def _implausible(part: language.Compare) -> str | None:
    """Say of a number that no reading could ever have it."""
    for a, b in ((part.left, part.right), (part.right, part.left)):
        if isinstance(a, language.Signal) and isinstance(b, language.Number):
            if a.name not in ("value", "mean", "usual"):
                continue
            q = vocabulary.quantity_of(a.quantity)
            if not q.low <= b.value <= q.high:
                return (f"{b.value:g} is outside what is plausible of {a.quantity},"
                        f" {q.low:g} to {q.high:g}")  # fmt: skip
    return None


def _applies(node: Node) -> Applies:
    raw = node.raw("applies", required=False)
    if raw is None:
        return Applies()
    if not isinstance(raw, dict):
        raise node.error("applies", "'applies' must be a table")
    inner = node.inside("applies", raw)
    wanted = inner.texts("conditions")
    for name in wanted:
        if name not in conditions.BY_NAME:
            raise inner.error(None, f"'{name}' is no condition: {', '.join(conditions.BY_NAME)}")
    applies = Applies(
        conditions=wanted,
        from_age=inner.maybe("from_age"),
        pregnant=inner.flag("pregnant"),
        alone=inner.flag("alone"),
    )
    inner.raw("source", required=False)
    inner.done()
    return applies


def _command(node: Node) -> Command | None:
    raw = node.raw("command", required=False)
    if raw is None:
        return None
    if not isinstance(raw, dict):
        raise node.error("command", "'command' must be a table")
    inner = node.inside("command", raw)
    args = inner.raw("args", required=False) or {}
    every = inner.duration("every")
    command = Command(
        do=inner.text("do"), kind=inner.text("kind"), args=args,
        every_s=300.0 if every is None else every,
    )  # fmt: skip
    inner.done()
    return command


# -- the other kinds ------------------------------------------------------------------------------


def _limit(node: Node) -> Limit:
    q = node.quantity("quantity")
    bands: dict[str, tuple[float | None, float | None]] = {}
    for name, raw in (node.raw("bands", required=False) or {}).items():
        if name not in BANDS or not isinstance(raw, dict):
            raise node.error("bands", f"'{name}' is no risk band: {', '.join(BANDS)}")
        inner = node.inside("bands", raw)
        bands[name] = (inner.maybe("low"), inner.maybe("high"))
        inner.done()
    limit = Limit(
        quantity=q.name,
        low=node.maybe("low"),
        high=node.maybe("high"),
        low_scale2=node.maybe("low_scale2"),
        least_spread=node.number("least_spread"),
        conditions=node.texts("conditions"),
        bands=bands,
        source=node.text("source"),
    )
    node.done()
    for key, bound in (("low", limit.low), ("high", limit.high), ("low_scale2", limit.low_scale2)):
        if bound is not None and not q.low <= bound <= q.high:
            raise node.error(
                key, f"{bound:g} is outside what is plausible, {q.low:g} to {q.high:g}"
            )
    if limit.low is not None and limit.high is not None and limit.low >= limit.high:
        raise node.error("high", "the lower limit must be below the upper one")
    for low, high in limit.bands.values():
        _bounds(node, q, limit.low if low is None else low, limit.high if high is None else high)
    for name in limit.conditions:
        if name not in conditions.BY_NAME:
            raise node.error(
                "conditions", f"'{name}' is no condition: {', '.join(conditions.BY_NAME)}"
            )
    if limit.least_spread <= 0:
        raise node.error("least_spread", "'least_spread' must be above 0")
    return limit


def _bounds(node: Node, q: vitals.Quantity, low: float | None, high: float | None) -> None:
    """Refuse limits of a risk band that no reading could reach or that leave nothing between."""
    for bound in (low, high):
        if bound is not None and not q.low <= bound <= q.high:
            problem = f"{bound:g} is outside what is plausible, {q.low:g} to {q.high:g}"
            raise node.error("bands", problem)
    if low is not None and high is not None and low >= high:
        raise node.error("bands", "the lower limit must be below the upper one")


def _alarm(_: Node, node: Node, about: Mapping[str, Any]) -> Rule:
    name = node.text("quantity", empty=True)
    if name and (name not in vitals.BY_NAME or not vitals.BY_NAME[name].emergency):
        raise node.error("quantity", f"'{name}' is no emergency of the nomenclature")
    usual = model.AlertClass.SAFETY if name in _OF_THE_HOUSE else model.AlertClass.TELECARE
    return AlarmRule(
        **{**_common(node, about, node.severity("severity"), usual), "shadow": False},
        quantity=vitals.BY_NAME[name].no if name else vitals.UNKNOWN_ALARM,
        verb=node.text("verb"),
    )


def _own(_: Node, node: Node, about: Mapping[str, Any]) -> Rule:
    return Rule(**{**_common(node, about, node.severity("severity")), "shadow": False})


def _silence(_: Node, node: Node, about: Mapping[str, Any]) -> Rule:
    rule = SilenceRule(
        **_common(node, about, node.severity("severity")),
        what=node.choice("what", SILENCES),
        factor=node.number("factor"),
        least_s=node.duration("least") or 0.0,
        share=node.maybe("share") or 0.0,
        fewest=int(node.maybe("fewest") or 0),
    )
    if rule.factor < 1 and rule.what != "site":
        raise node.error("factor", "'factor' must be at least 1: nothing is late before its time")
    return rule


def _score(top: Node, node: Node, about: Mapping[str, Any]) -> Rule:
    levels = top.child("levels")
    rule = ScoreRule(
        **_common(node, about, node.severity("severity_high")),
        severity_medium=node.severity("severity_medium"),
        severity_single=node.severity("severity_single"),
        applies=_applies(node),
        fresh_s=node.duration("fresh"),
        chart=_chart(top.child("chart"), levels),
    )
    levels.text("source")
    levels.done()
    if not rule.chart.single <= rule.chart.medium <= rule.chart.high:
        raise levels.error("medium", "the levels must rise: single, medium, high")
    return rule


def _chart(node: Node, levels: Node) -> early_warning.Chart:
    node.text("source")
    parts = []
    for name in node.names():
        if name == "source":
            continue
        part = node.child(name)
        quantity = part.text("quantity") if part.has("quantity") else name
        if vocabulary_problem := _part_problem(quantity):
            raise part.error(None, vocabulary_problem)
        parts.append(_part(part, name, quantity))
    node.done()
    try:
        return early_warning.Chart(
            parts=tuple(parts),
            single=int(levels.number("single")),
            medium=int(levels.number("medium")),
            high=int(levels.number("high")),
        )
    except ValueError as error:
        raise node.error(None, str(error)) from None


def _part_problem(quantity: str) -> str:
    base, _, key = quantity.partition(".")
    q = vitals.BY_NAME.get(base)
    if q is None or (q.kind is vitals.ValueKind.ANSWER) != bool(key):
        return f"'{quantity}' is no quantity of the nomenclature"
    return ""


def _part(part: Node, name: str, quantity: str) -> early_warning.Part:
    """Read one part of a chart: bands of a number, points of a yes, or points of not-the-first."""
    if part.has("yes"):
        made = early_warning.Part(name=name, quantity=quantity, yes=int(part.number("yes")))
    elif part.has("not_first"):
        points = int(part.number("not_first"))
        made = early_warning.Part(name=name, quantity=quantity, not_first=points)
    else:
        tables: dict[str, Any] = {"bands": _table(part, "bands")}
        for key in ("bands_scale2_air", "bands_scale2_oxygen"):
            if part.has(key):
                tables[key] = _table(part, key)
        made = early_warning.Part(name=name, quantity=quantity, **tables)
    part.done()
    return made


def _table(node: Node, key: str) -> early_warning.Table:
    step = node.number("step")
    raw = node.raw(key)
    if step <= 0 or not isinstance(raw, list) or not raw:
        raise node.error(key, f"'{key}' must be a list and 'step' above 0")
    bands = []
    for b in raw:
        if not isinstance(b, dict) or not set(b) <= {"to", "points"} or "points" not in b:
            raise node.error(key, "a band is { to = number, points = number }")
        bands.append(early_warning.Band(points=int(b["points"]), to=float(b.get("to", "inf"))))
    ends = [b.to for b in bands]
    if ends != sorted(set(ends)) or ends[-1] != float("inf") or len(ends) == 1:
        raise node.error(key, "bands must rise, and only the last one is without 'to'")
    return early_warning.Table.of(bands, step=step)


_RULES = {
    "condition": _condition, "alarm": _alarm, "score": _score, "silence": _silence, "own": _own,
}  # fmt: skip
