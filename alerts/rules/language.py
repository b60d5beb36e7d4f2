"""The language of conditions: one line of text to a tree, and a tree to true, false or unknown.

``spo2 < low(spo2) and not door_open``; ``gain(weight, '3 d') >= '2.0 kg'``. What a name means is
in :mod:`alerts.rules.vocabulary`. Logic is three-valued: what was not measured is unknown, and an
unknown condition neither raises nor clears anything.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from alerts.rules import vocabulary
from alerts.rules.vocabulary import Spec
from ingest.kernel import units, vitals

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Truth = tuple[BoolArray, BoolArray]
"""Where a condition is certainly true, and where it is certainly false; shape (n,) each."""

_OPS: Final = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
_ARITH: Final = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}
_COMPARE: Final[dict[str, Callable[[FloatArray | float, FloatArray | float], BoolArray]]] = {
    "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal,
    "==": np.equal, "!=": np.not_equal,
}  # fmt: skip
_DIFFERENCES: Final = frozenset(("gain", "loss", "slope"))
_NOT_OP: Final = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
_DAY_MINUTES: Final = 1_440
_LONGEST: Final = 4_000
_DEEPEST: Final = 40
"""A condition beyond these isn't read: neither the parser nor what walks a tree may run out of
stack. In characters and in levels; unsourced, ten times what the shipped packs need."""
_DECIMALS: Final = 4
"""Numbers are compared to this many decimals: readings are kept in four bytes, and neither those
nor sums hold decimal fractions exactly. A value on its bound is on it."""


class LanguageError(ValueError):
    """A condition that can't be understood, in words; ``column`` is where in the text it is."""

    def __init__(self, problem: str, column: int = 0) -> None:
        super().__init__(problem)
        self.problem = problem
        self.column = column


class Env(Protocol):
    """What conditions are judged on: n subjects, each at a moment of its own."""

    @property
    def size(self) -> int:
        """Return n."""
        ...

    def signal(self, signal: Signal) -> FloatArray:
        """Return a signal's values, NaN where unknown, shape (n,)."""
        ...

    def recent(self, signal: Signal, n: int) -> tuple[FloatArray, FloatArray]:
        """Return the newest n readings and their ages [s], newest first, shape (n subjects, n)."""
        ...

    def minute(self) -> FloatArray:
        """Return the local minute of the day, shape (n,)."""
        ...

    def parameter(self, n: int) -> FloatArray:
        """Return a number that differs from subject to subject, shape (n,)."""
        ...


@dataclass(frozen=True, slots=True)
class Number:
    """A number in the hub's unit, as written in ``text``."""

    value: float
    text: str = field(compare=False, default="")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number that each person's care plan has for itself."""

    n: int


@dataclass(frozen=True, slots=True)
class Signal:
    """Something that is known of a subject: a latest value, a gain, a time since."""

    name: str
    quantity: str = ""  # with a questionnaire key: "symptom.breathless"
    window: float = 0.0  # [s]
    least: int = 0
    what: str = ""

    @property
    def spec(self) -> Spec:
        """Return what the vocabulary says of it."""
        return vocabulary.SIGNALS[self.name]

    def __str__(self) -> str:
        if self.name == "value":
            return self.quantity
        inside = [self.quantity] if self.quantity else []
        inside += [f"'{self.what}'"] if self.what else []
        inside += [f"'{duration_text(self.window)}'"] if self.window else []
        inside += [str(self.least)] if self.least else []
        return f"{self.name}({', '.join(inside)})"


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """A sum, difference or product."""

    op: str
    left: Term
    right: Term


Term = Number | Parameter | Signal | Arithmetic


@dataclass(frozen=True, slots=True)
class Compare:
    """One comparison."""

    op: str
    left: Term
    right: Term


@dataclass(frozen=True, slots=True)
class Holds:
    """A yes-or-no signal that says yes."""

    signal: Signal


@dataclass(frozen=True, slots=True)
class Hours:
    """A local time is in ``[begin, end)``, minutes of the day; may pass midnight.

    The time is the subject's own now, or that of something that happened there.
    """

    begin: int
    end: int
    of: Signal | None = None


@dataclass(frozen=True, slots=True)
class Not:
    """The contrary; unknown stays unknown."""

    of: Node


@dataclass(frozen=True, slots=True)
class Every:
    """All of them."""

    of: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """At least ``least`` of them."""

    of: tuple[Node, ...]
    least: int = 1


@dataclass(frozen=True, slots=True)
class Times:
    """A comparison of a value that held for ``n`` of the last ``last`` readings."""

    of: Compare
    n: int
    last: int
    within: float


Node = Compare | Holds | Hours | Not | Every | Some | Times


# -- judging --------------------------------------------------------------------------------------


def judge(node: Node, env: Env) -> Truth:
    """Return where a condition certainly holds and where it certainly doesn't.

    Parameters
    ----------
    node
        The condition.
    env
        n subjects, each at a moment of its own.

    Returns
    -------
    Truth
        Two arrays of shape (n,); where neither is set the condition is unknown.
    """
    match node:
        case Compare():
            return _compare(node, env)
        case Holds():
            value = env.signal(node.signal)
            known = ~np.isnan(value)
            yes = known & (value != 0)
            return yes, known & ~yes
        case Hours():
            minute = env.minute() if node.of is None else env.signal(node.of)
            inside = (
                (minute >= node.begin) & (minute < node.end)
                if node.begin < node.end
                else (minute >= node.begin) | (minute < node.end)
            )
            return inside, ~inside if node.of is None else ~inside & ~np.isnan(minute)
        case Not():
            yes, no = judge(node.of, env)
            return no, yes
        case Every():
            yes, no = judge(node.of[0], env)
            for part in node.of[1:]:
                if no.all():  # it is decided, whatever the others are
                    break
                also, but = judge(part, env)
                yes, no = yes & also, no | but
            return yes, no
        case Some():
            parts = [judge(part, env) for part in node.of]
            sure = np.add.reduce([p[0].astype(np.int8) for p in parts])
            out = np.add.reduce([p[1].astype(np.int8) for p in parts])
            return sure >= node.least, len(parts) - out < node.least
        case Times():
            return _times(node, env)


def certainly(node: Node, env: Env) -> BoolArray:
    """Return where a condition certainly holds: the first half of :func:`judge`, sooner.

    What can't change the answer any more is not looked at.
    """
    match node:
        case Compare():
            return _compared(node, env)[0]
        case Every():
            yes = certainly(node.of[0], env)
            for part in node.of[1:]:
                if not np.count_nonzero(yes):
                    break
                yes = yes & certainly(part, env)
            return yes
        case Some(least=1):
            yes = certainly(node.of[0], env)
            for part in node.of[1:]:
                yes = yes | certainly(part, env)
            return yes
        case Some():
            sure = np.add.reduce([certainly(part, env).astype(np.int8) for part in node.of])
            return np.asarray(sure >= node.least)
        case _:
            return judge(node, env)[0]


def _compare(node: Compare, env: Env) -> Truth:
    yes, left, right = _compared(node, env)
    known = ~(np.isnan(left) | np.isnan(right))
    return yes, known & ~yes


def _compared(node: Compare, env: Env) -> tuple[BoolArray, FloatArray | float, FloatArray | float]:
    """Return where a comparison holds, and its two sides; what is unknown is unlike anything."""
    left, right = _side(node.left, env), _side(node.right, env)
    yes = _COMPARE[node.op](left, right)
    if node.op == "!=":
        yes = yes & ~(np.isnan(left) | np.isnan(right))
    return yes, left, right


def _side(node: Term, env: Env) -> FloatArray | float:
    if isinstance(node, Number):  # as most are: no array of one number
        return _rounded_number(node.value)
    return _rounded(term(node, env))


def _times(node: Times, env: Env) -> Truth:
    signal = node.of.left
    assert isinstance(signal, Signal)  # noqa: S101  (the parser allows nothing else)
    values, ages = env.recent(signal, node.last)
    right = term(node.of.right, env)[:, None]
    with np.errstate(invalid="ignore"):
        there = np.isfinite(values) & (ages <= node.within)
        hit = _COMPARE[node.of.op](_rounded(values), _rounded(right)) & there
    known = there[:, 0] & ~np.isnan(right[:, 0])
    yes = known & (hit.sum(axis=1) >= node.n)
    return yes, known & ~yes


def _rounded(values: FloatArray) -> FloatArray:
    return np.round(values, _DECIMALS)


@lru_cache(maxsize=4_096)
def _rounded_number(value: float) -> float:
    return float(np.round(value, _DECIMALS))


def term(node: Term, env: Env) -> FloatArray:
    """Return the value of a term, NaN where unknown, shape (n,)."""
    match node:
        case Number():
            return np.full(env.size, node.value)
        case Parameter():
            return env.parameter(node.n)
        case Signal():
            return env.signal(node)
        case Arithmetic():
            left, right = term(node.left, env), term(node.right, env)
            if node.op == "+":
                return left + right
            return left - right if node.op == "-" else left * right


# -- looking into a tree --------------------------------------------------------------------------


def walk(node: Node | Term) -> Iterator[Node | Term]:
    """Return every part of a condition, the whole first."""
    yield node
    match node:
        case Compare() | Arithmetic():
            yield from walk(node.left)
            yield from walk(node.right)
        case Holds():
            yield from walk(node.signal)
        case Hours() if node.of is not None:
            yield from walk(node.of)
        case Not() | Times():
            yield from walk(node.of)
        case Every() | Some():
            for part in node.of:
                yield from walk(part)


def signals(node: Node) -> tuple[Signal, ...]:
    """Return the signals a condition reads, each once, in the order they are written."""
    return tuple(dict.fromkeys(part for part in walk(node) if isinstance(part, Signal)))


def quantities(node: Node) -> frozenset[str]:
    """Return the names of the quantities whose readings can change a condition."""
    return frozenset(s.quantity for s in signals(node) if s.quantity)


def generalised(node: Node, *, start: int = 0) -> tuple[Node, tuple[float, ...]]:
    """Return a condition with its compared numbers taken out, and those numbers.

    Conditions of many people that differ only in such numbers are judged together. Parameters are
    numbered from ``start``.
    """
    found: list[float] = []

    def of(part: Node | Term) -> Node | Term:
        match part:
            case Number():
                found.append(part.value)
                return Parameter(start + len(found) - 1)
            case Compare():
                return Compare(part.op, of(part.left), of(part.right))  # type: ignore[arg-type]
            case Arithmetic():
                return Arithmetic(part.op, of(part.left), of(part.right))  # type: ignore[arg-type]
            case Not():
                return Not(of(part.of))  # type: ignore[arg-type]
            case Every():
                return Every(tuple(of(p) for p in part.of))  # type: ignore[misc]
            case Some():
                return Some(tuple(of(p) for p in part.of), part.least)  # type: ignore[misc]
            case Times():
                return Times(of(part.of), part.n, part.last, part.within)  # type: ignore[arg-type]
            case _:
                return part

    return of(node), tuple(found)  # type: ignore[return-value]


def negated(node: Node) -> Node:
    """Return the contrary of a condition, said without a "not" where that can be."""
    match node:
        case Compare():
            return Compare(_NOT_OP[node.op], node.left, node.right)
        case Not():
            return node.of
        case _:
            return Not(node)


# -- reading --------------------------------------------------------------------------------------


def parse(text: str) -> Node:
    """Read a condition.

    Raises
    ------
    LanguageError
        What is wrong, in words, and at which column.
    """
    if len(text) > _LONGEST:
        raise LanguageError(f"a condition has at most {_LONGEST} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        column = getattr(error, "offset", 0) or 0
        raise LanguageError(
            f"this is no condition: {getattr(error, 'msg', error)}", column
        ) from None
    level: list[ast.AST] = [tree.body]
    for _ in range(_DEEPEST):
        level = [inner for outer in level for inner in ast.iter_child_nodes(outer)]
    if level:
        raise LanguageError("this is nested too deeply to be read")
    return _node(tree.body)


def _node(tree: ast.expr) -> Node:
    match tree:
        case ast.BoolOp(op=ast.And(), values=values):
            return Every(tuple(_node(v) for v in values))
        case ast.BoolOp(values=values):
            return Some(tuple(_node(v) for v in values))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return Not(_node(operand))
        case ast.Compare():
            return _comparison(tree)
        case ast.Call(func=ast.Name(id="least"), keywords=[]):
            return _least(tree)
        case ast.Call(func=ast.Name(id="times"), keywords=[]):
            return _held_times(tree)
        case ast.Call(func=ast.Name(id="hours"), keywords=[]):
            return _hours(tree)
    signal = _signal(tree)
    if signal is None:
        raise _error(tree, "this is a number, not a condition: compare it with something")
    if signal.spec.unit != "bool" and not _boolean(signal):
        raise _error(tree, f"'{signal}' is a number: compare it with something")
    return Holds(signal)


def _comparison(tree: ast.Compare) -> Node:
    if len(tree.ops) != 1:
        raise _error(tree, "one comparison at a time: join two with 'and'")
    op = _OPS.get(type(tree.ops[0]))
    if op is None:
        raise _error(tree, f"compare with one of {', '.join(_OPS.values())}")
    left, right = tree.left, tree.comparators[0]
    unit = _unit(left) or _unit(right)
    _no_shifted_units(tree, unit)
    made = Compare(op, _term(left, unit), _term(right, unit))
    if any(isinstance(n, Number) and not np.isfinite(n.value) for n in walk(made)):
        raise _error(tree, "a number without end, or none at all, is no bound")
    if not any(isinstance(part, Signal) for part in walk(made)):
        raise _error(tree, "nothing measured is compared here")
    return made


def _no_shifted_units(tree: ast.Compare, unit: str) -> None:
    """Refuse units with a zero of their own for differences: 2 [degF] more isn't -16.7 Cel."""
    parts = list(ast.walk(tree))
    difference = any(isinstance(p, ast.BinOp) for p in parts) or any(
        isinstance(p, ast.Call) and isinstance(p.func, ast.Name) and p.func.id in _DIFFERENCES
        for p in parts
    )
    for part in parts if difference else ():
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            conversion = units.conversion(unit, part.value.strip().partition(" ")[2].strip())
            if conversion is not None and conversion.offset:
                raise _error(part, f"'{part.value}' is a point, not a difference: say it in {unit}")


def _term(tree: ast.expr, unit: str) -> Term:
    match tree:
        case ast.Constant(value=bool()):
            return Number(float(tree.value is True), str(tree.value))
        case ast.Constant(value=int() | float() as value):
            number = _float(value)
            return Number(number, f"{number:g}")
        case ast.Constant(value=str() as value):
            return Number(_measure(tree, value, unit), value)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            inner = _term(operand, unit)
            if not isinstance(inner, Number):
                raise _error(tree, "a minus sign stands before numbers only")
            return Number(-inner.value, f"-{inner.text}")
        case ast.BinOp(op=op) if type(op) in _ARITH:
            return Arithmetic(_ARITH[type(op)], _term(tree.left, unit), _term(tree.right, unit))
    signal = _signal(tree)
    if signal is None:
        raise _error(tree, "this can't stand here")
    return signal


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number of hundreds of digits
        return float("inf")


def _signal(tree: ast.expr) -> Signal | None:
    match tree:
        case ast.Name(id=name):
            return Signal("value", _quantity(tree, name))
        case ast.Attribute(value=ast.Name(id="symptom"), attr=key):
            return Signal("value", f"symptom.{key}")
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
            return _call(tree, name, args)
        case ast.Call() | ast.Attribute():
            raise _error(tree, "this is not known here")
    return None


def _call(tree: ast.Call, name: str, args: Sequence[ast.expr]) -> Signal:
    spec = vocabulary.SIGNALS.get(name)
    if spec is None or name == "value":
        known = ", ".join(sorted(n for n in vocabulary.SIGNALS if n != "value"))
        raise _error(tree, f"'{name}' is not known; known are {known}, least, times, hours")
    given = list(args)
    quantity, window, least, what = "", 0.0, 0, ""
    if "quantity" in spec.takes:
        quantity = _named_quantity(tree, name, given)
        if spec.numbers_only and vocabulary.kind_of(quantity) is not vitals.ValueKind.NUMBER:
            raise _error(tree, f"'{name}' needs a quantity that is a number, not {quantity}")
    if "what" in spec.takes:
        what = _text(tree, name, given, "what is counted")
        if what not in vocabulary.COUNTERS:
            raise _error(tree, f"'{what}' is not counted; counted are "
                         f"{', '.join(vocabulary.COUNTERS)}")  # fmt: skip
    if "window" in spec.takes:
        window = duration(
            _text(tree, name, given, "a length of time such as '3 d'"), tree.col_offset + 1
        )
        most = vocabulary.LONGEST_WINDOW_S
        if not vocabulary.DAY_S <= window <= most or window % vocabulary.DAY_S:
            raise _error(tree, f"a window is a number of whole days, 1 to {most // 86_400:g}")
    if "least" in spec.takes and given:
        least = _whole(given.pop(0), "the least number of days")
    if given:
        raise _error(tree, f"'{name}' takes {', '.join(spec.takes) or 'nothing'} and no more")
    return Signal(name, quantity, window, least, what)


def _named_quantity(tree: ast.Call, name: str, given: list[ast.expr]) -> str:
    if not given:
        raise _error(tree, f"'{name}' needs a quantity, for example {name}(weight)")
    inner = _signal(given.pop(0))
    if inner is None or inner.name != "value":
        raise _error(tree, f"'{name}' needs a quantity, for example {name}(weight)")
    return inner.quantity


def _text(tree: ast.Call, name: str, given: list[ast.expr], what: str) -> str:
    if given and isinstance(given[0], ast.Constant) and isinstance(given[0].value, str):
        first = given.pop(0)
        assert isinstance(first, ast.Constant)  # noqa: S101  (seen in the line above)
        return str(first.value)
    raise _error(tree, f"'{name}' needs {what}, in quotes")


def _whole(tree: ast.expr, what: str) -> int:
    if isinstance(tree, ast.Constant) and type(tree.value) is int and tree.value > 0:
        return tree.value
    raise _error(tree, f"{what} must be a whole number")


def _quantity(tree: ast.expr, name: str) -> str:
    q = vitals.BY_NAME.get(name)
    if q is None:
        raise _error(tree, f"'{name}' is no quantity of the nomenclature")
    if q.kind is vitals.ValueKind.ANSWER:
        raise _error(tree, f"'{name}' needs the key of a question: {name}.breathless")
    return name


def _least(tree: ast.Call) -> Some:
    if len(tree.args) < 3:  # noqa: PLR2004  (a number and two conditions)
        raise _error(
            tree, "least(2, one condition, another, a third) needs a number and conditions"
        )
    least = _whole(tree.args[0], "how many have to hold")
    parts = tuple(_node(a) for a in tree.args[1:])
    if least > len(parts):
        raise _error(tree, f"{least} of {len(parts)} can never hold")
    return Some(parts, least)


def _held_times(tree: ast.Call) -> Times:
    if len(tree.args) != 4:  # noqa: PLR2004
        raise _error(tree, "times(spo2 < 90, 2, 3, '2 h') needs a comparison, how often, of how"
                     " many readings, and within what time")  # fmt: skip
    inner = _node(tree.args[0])
    if not isinstance(inner, Compare | Holds):
        raise _error(tree, "times() takes one comparison of a reading")
    if isinstance(inner, Holds):
        inner = Compare(">", inner.signal, Number(0.0, "0"))
    if not isinstance(inner.left, Signal) or inner.left.name != "value":
        raise _error(tree, "times() takes one comparison, with the reading on its left")
    n, last = _whole(tree.args[1], "how often"), _whole(tree.args[2], "of how many readings")
    if n > last or last > vocabulary.RECENT:
        raise _error(tree, f"how often must be at most of how many, and that at most"
                     f" {vocabulary.RECENT}")  # fmt: skip
    within = tree.args[3]
    if not (isinstance(within, ast.Constant) and isinstance(within.value, str)):
        raise _error(tree, "within what time is a text such as '2 h'")
    return Times(inner, n, last, duration(within.value, within.col_offset + 1))


def _hours(tree: ast.Call) -> Hours:
    found = []
    for arg in tree.args[:2]:
        text = arg.value if isinstance(arg, ast.Constant) else None
        hour, colon, minute = text.partition(":") if isinstance(text, str) else ("", "", "")
        if not (colon and hour.isdecimal() and minute.isdecimal() and int(minute) < 60):  # noqa: PLR2004
            raise _error(tree, "hours('22:00', '06:00') needs two local times of day")
        found.append(int(hour) * 60 + int(minute))
    if len(found) != 2 or found[0] == found[1] or not all(m < _DAY_MINUTES for m in found):  # noqa: PLR2004
        raise _error(tree, "hours('22:00', '06:00') needs two different local times of day")
    if len(tree.args) == 2:  # noqa: PLR2004
        return Hours(found[0], found[1])
    of = _signal(tree.args[2])
    if of is None or of.spec.unit != "min" or len(tree.args) > 3:  # noqa: PLR2004
        raise _error(tree, "hours() may have a third part: when something was, as door_minute()")
    return Hours(found[0], found[1], of)


def _boolean(signal: Signal) -> bool:
    return (
        signal.name == "value" and vocabulary.kind_of(signal.quantity) is vitals.ValueKind.BOOLEAN
    )


def _unit(tree: ast.expr) -> str:
    """Return the unit in which the numbers of a comparison are meant: of its first signal."""
    for part in ast.walk(tree):
        if isinstance(part, ast.Name | ast.Call | ast.Attribute):
            try:
                signal = _signal(part)
            except LanguageError:
                continue
            if signal is not None:
                return vocabulary.unit_of(signal.name, signal.quantity)
    return ""


def _measure(tree: ast.Constant, text: str, unit: str) -> float:
    """Return a number with its unit in the unit of what it is compared with."""
    if unit.startswith("code:"):
        if len(text) == 1 and text in unit[5:]:
            return float(unit[5:].index(text))
        raise _error(tree, f"'{text}' is none of {', '.join(unit[5:])}")
    if unit == "s":
        return duration(text, tree.col_offset + 1)
    number, _, said = text.strip().partition(" ")
    try:
        value = float(number)
    except ValueError:
        raise _error(tree, f"'{text}' is no number with a unit, such as '2.0 kg'") from None
    conversion = units.conversion(unit, said.strip()) if unit else None
    if conversion is None and said.strip() != unit:
        raise _error(tree, f"'{said.strip()}' is no unit of this; its unit is {unit or '1'}")
    if conversion is None:
        return value
    return value * conversion.scale + conversion.offset


_DURATIONS: Final = {"s": 1.0, "min": 60.0, "h": 3_600.0, "d": 86_400.0}


def duration(text: str, column: int = 0) -> float:
    """Read a length of time such as ``'20 min'`` or ``'3 d'``. [s]

    Raises
    ------
    LanguageError
        When it is none.
    """
    number, _, unit = text.strip().partition(" ")
    try:
        value = float(number)
    except ValueError:
        value = -1.0
    if unit.strip() not in _DURATIONS or not 0 <= value < float("inf"):
        raise LanguageError(
            f"'{text}' is no length of time: write '20 min', '6 h' or '3 d'", column
        )
    return value * _DURATIONS[unit.strip()]


def duration_text(seconds: float) -> str:
    """Return a length of time as the language writes it."""
    for unit in ("d", "h", "min"):
        if seconds and seconds % _DURATIONS[unit] == 0:
            return f"{seconds / _DURATIONS[unit]:g} {unit}"
    return f"{seconds:g} s"


def clock_text(minute: float) -> str:
    """Return a minute of the day as a clock shows it, and as ``hours()`` is written."""
    return f"{int(minute) // 60:02}:{int(minute) % 60:02}"


def _error(tree: ast.expr, problem: str) -> LanguageError:
    return LanguageError(problem, tree.col_offset + 1)
