"""A rule pack: what a TOML file must hold, checked, with the line that is wrong."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from alerts import errors, model
from alerts.rules import early_warning
from ingest.kernel import vitals

KINDS: Final = ("early_warning", "limits", "alarms", "equipment")
AUDIENCES: Final = ("nurse", "responder", "equipment", "none")
_TABLES: Final = (
    "resp_rate",
    "spo2_scale1",
    "spo2_scale2_air",
    "spo2_scale2_oxygen",
    "systolic",
    "heart_rate",
    "body_temperature",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One thing that can be raised, and to what kind of team."""

    id: str
    version: str
    title: str
    team: model.TeamKind
    audience: str
    source: str
    severity: model.Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRule(Rule):
    """A quantity with default limits; a bound that is None has no default."""

    quantity: int
    low: float | None
    high: float | None
    low_scale2: float | None
    clear_margin: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRule(Rule):
    """An emergency: its quantity and the verb it is told with."""

    quantity: int
    verb: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRule(Rule):
    """An early-warning score: ``severity`` is that of its highest level."""

    severity_medium: model.Severity
    severity_single: model.Severity
    from_age: int
    chart: early_warning.Chart


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """Rules that are versioned, approved and shipped together."""

    id: str
    version: str
    title: str
    kind: str
    approver: str
    review_by: date
    source: str
    rules: tuple[Rule, ...]


class _Node:
    """A TOML table that knows where it stands, refuses what it doesn't know, and reads typed."""

    def __init__(self, doc: _Doc, table: Mapping[str, Any], header: str, nth: int = 0) -> None:
        self._doc, self._table, self._header, self._nth = doc, table, header, nth
        self._seen: set[str] = set()

    def error(self, key: str | None, problem: str) -> errors.PackError:
        line = self._doc.line(self._header, self._nth, key)
        return errors.PackError(file=self._doc.file, line=line, problem=problem)

    def raw(self, key: str, *, required: bool = True) -> Any:
        self._seen.add(key)
        if key not in self._table and required:
            raise self.error(None, f"'{key}' is missing")
        return self._table.get(key)

    def text(self, key: str, *, empty: bool = False) -> str:
        value = self.raw(key)
        if not isinstance(value, str) or not (value.strip() or empty):
            raise self.error(key, f"'{key}' must be a text")
        return value

    def number(self, key: str) -> float:
        value = self.raw(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(key, f"'{key}' must be a number")
        return float(value)

    def maybe(self, key: str) -> float | None:
        self._seen.add(key)
        return self.number(key) if key in self._table else None

    def choice(self, key: str, allowed: tuple[str, ...]) -> str:
        value = self.text(key)
        if value not in allowed:
            raise self.error(key, f"'{key}' is '{value}', must be one of {', '.join(allowed)}")
        return value

    def severity(self, key: str) -> model.Severity:
        return model.Severity(self.choice(key, tuple(s.value for s in model.Severity)))

    def quantity(self, key: str) -> vitals.Quantity:
        name = self.text(key)
        if name not in vitals.BY_NAME:
            raise self.error(key, f"'{name}' is no quantity of the nomenclature")
        return vitals.BY_NAME[name]

    def child(self, key: str) -> _Node:
        value = self.raw(key)
        if not isinstance(value, dict):
            raise self.error(key, f"'{key}' must be a table")
        header = key if not self._header else f"{self._header}.{key}"
        return _Node(self._doc, value, header)

    def children(self, key: str) -> Iterator[_Node]:
        value = self.raw(key)
        if not isinstance(value, list) or not value:
            raise self.error(key, f"at least one [[{key}]] is needed")
        for n, table in enumerate(value):
            yield _Node(self._doc, table, key, n)

    def done(self) -> None:
        """Refuse keys that nobody asked for: a misspelt limit must not become no limit."""
        for key in self._table:
            if key not in self._seen:
                known = ", ".join(sorted(self._seen))
                raise self.error(key, f"'{key}' is not known here; known are {known}")


class _Doc:
    """The text of a pack, for finding the line of a key."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self._lines = text.splitlines()

    def line(self, header: str, nth: int, key: str | None) -> int:
        start = self._start(header, nth)
        if key is None:
            return max(start, 1)
        pattern = re.compile(rf'\s*"?{re.escape(key)}"?\s*=|\s*\[+\s*.*\b{re.escape(key)}\s*\]')
        for n in range(start, len(self._lines)):
            if pattern.match(self._lines[n]):
                return n + 1
            if n > start and header and self._lines[n].lstrip().startswith("["):
                break
        return max(start, 1)

    def _start(self, header: str, nth: int) -> int:
        if not header:
            return 0
        wanted = {f"[{header}]", f"[[{header}]]"}
        found = 0
        for n, text in enumerate(self._lines, start=1):
            if text.split("#")[0].strip() in wanted:
                if found == nth:
                    return n
                found += 1
        return 0


def parse(text: str, *, file: str) -> Pack:
    """Read a pack, or say in which line it is wrong.

    Raises
    ------
    PackError
        At the first thing that is wrong, with file and line.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"line (\d+)", str(error))
        line = int(found.group(1)) if found else len(text.splitlines())
        raise errors.PackError(file=file, line=line, problem=str(error)) from error
    top = _Node(_Doc(text, file), table, "")
    kind = top.choice("kind", KINDS)
    review_by = top.raw("review_by")
    if not isinstance(review_by, date):
        raise top.error("review_by", "'review_by' must be a date")
    version = top.text("version")
    rules = tuple(_RULES[kind](top, node, version) for node in top.children("rule"))
    seen: set[str] = set()
    for n, rule in enumerate(rules):
        if rule.id in seen:
            raise _Node(_Doc(text, file), {}, "rule", n).error("id", f"'{rule.id}' is there twice")
        seen.add(rule.id)
    pack = Pack(
        id=top.text("id"),
        version=version,
        title=top.text("title"),
        kind=kind,
        approver=top.text("approver"),
        review_by=review_by,
        source=top.text("source"),
        rules=rules,
    )
    top.done()
    return pack


def _common(node: _Node, version: str, *, severity: str = "severity") -> dict[str, Any]:
    return {
        "id": node.text("id"),
        "version": version,
        "title": node.text("title"),
        "team": model.TeamKind(node.choice("team", tuple(t.value for t in model.TeamKind))),
        "audience": node.choice("audience", AUDIENCES),
        "source": node.text("source"),
        "severity": node.severity(severity),
    }


def _limit(_: _Node, node: _Node, version: str) -> Rule:
    q = node.quantity("quantity")
    rule = LimitRule(
        **_common(node, version),
        quantity=q.no,
        low=node.maybe("low"),
        high=node.maybe("high"),
        low_scale2=node.maybe("low_scale2"),
        clear_margin=node.number("clear_margin"),
    )
    node.done()
    for key, bound in (("low", rule.low), ("high", rule.high), ("low_scale2", rule.low_scale2)):
        if bound is not None and not q.low <= bound <= q.high:
            raise node.error(
                key, f"{bound:g} is outside what is plausible, {q.low:g} to {q.high:g}"
            )
    if rule.clear_margin < 0:
        raise node.error("clear_margin", "'clear_margin' must not be negative")
    if (
        rule.low is not None
        and rule.high is not None
        and rule.low + rule.clear_margin > rule.high - rule.clear_margin
    ):
        raise node.error("high", "no reading could ever clear this: the limits and margins overlap")
    return rule


def _alarm(_: _Node, node: _Node, version: str) -> Rule:
    name = node.text("quantity", empty=True)
    if name and (name not in vitals.BY_NAME or not vitals.BY_NAME[name].emergency):
        raise node.error("quantity", f"'{name}' is no emergency of the nomenclature")
    rule = AlarmRule(
        **_common(node, version),
        quantity=vitals.BY_NAME[name].no if name else vitals.UNKNOWN_ALARM,
        verb=node.text("verb"),
    )
    node.done()
    return rule


def _equipment(_: _Node, node: _Node, version: str) -> Rule:
    rule = Rule(**_common(node, version))
    node.done()
    return rule


def _score(top: _Node, node: _Node, version: str) -> Rule:
    levels, applies = top.child("levels"), top.child("applies")
    rule = ScoreRule(
        **_common(node, version, severity="severity_high"),
        severity_medium=node.severity("severity_medium"),
        severity_single=node.severity("severity_single"),
        from_age=int(applies.number("from_age")),
        chart=_chart(top.child("chart"), levels),
    )
    levels.text("source")
    applies.text("source")
    for each in (levels, applies, node):
        each.done()
    if not rule.chart.single <= rule.chart.medium <= rule.chart.high:
        raise levels.error("medium", "the levels must rise: single, medium, high")
    return rule


def _chart(node: _Node, levels: _Node) -> early_warning.Chart:
    node.text("source")
    tables = {name: _table(node.child(name)) for name in _TABLES}
    chart = early_warning.Chart(
        **tables,
        on_oxygen=int(node.number("on_oxygen")),
        not_alert=int(node.number("not_alert")),
        single=int(levels.number("single")),
        medium=int(levels.number("medium")),
        high=int(levels.number("high")),
    )
    node.done()
    return chart


def _table(node: _Node) -> early_warning.Table:
    step = node.number("step")
    raw = node.raw("bands")
    node.done()
    if step <= 0 or not isinstance(raw, list) or not raw:
        raise node.error("bands", "'bands' must be a list and 'step' above 0")
    bands = []
    for b in raw:
        if not isinstance(b, dict) or not set(b) <= {"to", "points"} or "points" not in b:
            raise node.error("bands", "a band is { to = number, points = number }")
        bands.append(early_warning.Band(points=int(b["points"]), to=float(b.get("to", "inf"))))
    ends = [b.to for b in bands]
    if ends != sorted(set(ends)) or ends[-1] != float("inf") or len(ends) == 1:
        raise node.error("bands", "bands must rise, and only the last one is without 'to'")
    return early_warning.Table.of(bands, step=step)


_RULES = {"early_warning": _score, "limits": _limit, "alarms": _alarm, "equipment": _equipment}
