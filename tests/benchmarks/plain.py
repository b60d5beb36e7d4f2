"""The references in plain Python: NEWS2 row by row, and the packs one event at a time.

Written as somebody would write them without arrays: conditions compiled to closures over
dictionaries and small lists, and only those rules looked at that read what came. They are no part
of the product, and tell no evidence.
"""

from __future__ import annotations

import operator
from bisect import bisect
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from alerts import plan as plans
from alerts.plan import MARKS, Plan
from alerts.rules import language
from alerts.rules.language import Signal
from ingest.kernel import localtime, vitals

DAY = 86_400.0
_NEWS = ("resp_rate", "spo2", "on_oxygen", "systolic", "heart_rate", "acvpu", "body_temperature")
_OPS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
        "==": operator.eq, "!=": operator.ne}  # fmt: skip
_HOME = ("motion", "door_open", "bed_occupied", "chair_occupied", "room_temperature")
_AT_HOME = {vitals.BY_NAME[name].no for name in _HOME}
_OF_DEVICE = {vitals.BY_NAME[name].no for name in ("battery", "mains", "tamper")}
_MOTION, _DOOR = vitals.BY_NAME["motion"].no, vitals.BY_NAME["door_open"].no
_BATHROOM = 4  # of the part numbers of the made-up homes
Known = bool | None
Of = Callable[["Subject", float], Any]


def news2(
    rate: float, spo2: float, oxygen: float, systolic: float, pulse: float, acvpu: float,
    temperature: float,
) -> int:  # fmt: skip
    """The chart of RCP 2017 (SpO2 scale 1), row by row."""
    total = 3 if rate <= 8 else 1 if rate <= 11 else 0 if rate <= 20 else 2 if rate <= 24 else 3
    total += 3 if spo2 <= 91 else 2 if spo2 <= 93 else 1 if spo2 <= 95 else 0
    total += 2 if oxygen else 0
    total += (
        3 if systolic <= 90 else 2 if systolic <= 100 else 1 if systolic <= 110
        else 0 if systolic <= 219 else 3
    )  # fmt: skip
    total += (
        3 if pulse <= 40 else 1 if pulse <= 50 else 0 if pulse <= 90 else 1 if pulse <= 110
        else 2 if pulse <= 130 else 3
    )  # fmt: skip
    total += 3 if acvpu else 0
    total += (
        3 if temperature <= 35.0 else 1 if temperature <= 36.0 else 0 if temperature <= 38.0
        else 1 if temperature <= 39.0 else 2
    )  # fmt: skip
    return total


class Subject:
    """A person, home or device: what it sent, and what was told of it."""

    __slots__ = ("counts", "days", "door", "fell", "home", "hours", "latest", "marks", "moved",
                 "recent", "since", "told", "visited")  # fmt: skip

    def __init__(self, marks: int = 0, home: Subject | None = None) -> None:
        self.marks, self.home = marks, home
        self.latest: dict[int, tuple[float, float]] = {}
        self.recent: dict[int, list[tuple[float, float]]] = {}
        self.days: dict[int, dict[int, float]] = {}
        self.since: dict[int, float] = {}
        self.told: dict[int, tuple[int, float]] = {}  # rule -> rank, when
        self.moved = self.door = self.fell = 0.0
        self.visited: dict[str, float] = {}
        self.hours: dict[int, list[int]] = {}
        self.counts: dict[str, dict[int, int]] = defaultdict(dict)


class Rules:
    """The shipped packs, judged one event at a time."""

    def __init__(self, plan: Plan, marks: Callable[[int], int]) -> None:
        self._plan = plan
        zone = localtime.zone("Europe/London")
        self._starts, self._offsets = zone._starts.tolist(), zone._offsets.tolist()
        self.feeds: dict[tuple[int, int], list[float]] = {}  # cadence, due, told
        self._marks = marks
        self.people: dict[int, Subject] = {}
        self.homes: dict[int, Subject] = {}
        self.devices: dict[int, Subject] = {}
        self.told = 0
        self._of = {kind: self._compiled(plan.of(kind)) for kind in ("person", "home", "device")}
        self._news = [plan.column(name) for name in _NEWS]
        self._score = next(c for c in plan.person if c.score is not None)
        self.clocked = [one for one in self._of["home"] if one[0].clocked]

    def _compiled(self, rules: Sequence[plans.Compiled]) -> list[tuple[Any, ...]]:
        out = []
        for one in rules:
            if one.score is not None or one.condition.command is not None:
                continue
            levels = [(v.severity.rank, self._node(v.when, one)) for v in one.condition.levels]
            out.append((one, levels, self._node(one.condition.clear, one)))
        return out

    # -- an event --------------------------------------------------------------------------------

    def event(self, row: tuple[Any, ...]) -> None:
        """Take in one row of the log and judge what reads it."""
        time, received, value, device, person, dwelling, part, flags, quantity = row
        if flags & 96:
            return
        feed = self.feeds.get((device, quantity))
        if feed is not None:
            feed[1] = received + max(2 * feed[0], 1_800.0 if feed[0] < 14_400 else 14_400.0)
            if feed[2]:
                feed[2] = 0.0
                self.told += 1
        if quantity in _OF_DEVICE:
            self._state("device", self.devices, device, quantity, time, value)
        elif quantity in _AT_HOME:
            home = self._home(dwelling)
            if quantity == _DOOR:
                home.door = max(home.door, time)
            elif value > 0 and quantity == _MOTION:
                self._move(home, time, part)
            if quantity != _MOTION:
                self._state("home", self.homes, dwelling, quantity, time, value)
        elif person:
            self._vital(person, dwelling, quantity, time, value)

    def _home(self, number: int) -> Subject:
        found = self.homes.get(number)
        if found is None:
            found = self.homes[number] = Subject(self._marks(number))
        return found

    def _move(self, home: Subject, time: float, part: int) -> None:
        local = time + self._offset(time)
        day, second = divmod(local, DAY)
        hours = home.hours.setdefault(int(day), [0] * 24)
        hours[int(second // 3_600)] += 1
        if len(home.hours) > 15:
            del home.hours[min(home.hours)]
        if second < 5 * 3_600:
            self._visit(home, "night_motion", int(day), time)
        if part == _BATHROOM:
            self._visit(home, "bathroom_visits", int(day), time)
            if second < 6 * 3_600:
                self._visit(home, "night_bathroom_visits", int(day), time)
        home.moved = max(home.moved, time)

    def _visit(self, home: Subject, what: str, day: int, time: float) -> None:
        if time - home.visited.get(what, 0.0) >= 600:
            home.counts[what][day] = home.counts[what].get(day, 0) + 1
        home.visited[what] = time

    def _state(
        self, kind: str, table: dict[int, Subject], number: int, quantity: int, time: float,
        value: float,
    ) -> None:  # fmt: skip
        one = table.get(number)
        if one is None:
            one = table[number] = Subject(self._marks(number) if kind == "home" else 0)
        before = one.latest.get(quantity)
        if before is None or before[1] != value:
            one.since[quantity] = time
        one.latest[quantity] = (time, value)
        for rule in self._of[kind]:
            if rule[0].reads[quantity]:
                self._judge(rule, one, time)

    def _vital(self, person: int, dwelling: int, quantity: int, time: float, value: float) -> None:
        one = self.people.get(person)
        if one is None:
            one = self.people[person] = Subject(self._marks(person), self._home(dwelling))
        one.latest[quantity] = (time, value)
        recent = one.recent.setdefault(quantity, [])
        recent.insert(0, (time, value))
        del recent[4:]
        days = one.days.setdefault(quantity, {})
        days[int((time + self._offset(time)) // DAY)] = value
        if len(days) > 16:
            del days[min(days)]
        for rule in self._of["person"]:
            if rule[0].reads[quantity]:
                self._judge(rule, one, time)
        if quantity in self._news:
            self._scored(one, time)

    def _scored(self, one: Subject, time: float) -> None:
        got = [one.latest.get(c) for c in self._news]
        normal = (16.0, 98.0, 0.0, 120.0, 70.0, 0.0, 37.0)
        values = [g[1] if g is not None and time - g[0] <= DAY else n
                  for g, n in zip(got, normal, strict=True)]  # fmt: skip
        total = news2(*values)
        self._tell(one, self._score.column, 3 if total >= 7 else 2 if total >= 5 else 0, total == 0,
                   time, 900.0)  # fmt: skip

    def tick(self, now: float) -> None:
        """Judge what the clock alone changes: every promise, and every home."""
        for feed in self.feeds.values():
            if feed[1] <= now and not feed[2]:
                feed[2] = 1.0
                self.told += 1
        for home in self.homes.values():
            for rule in self.clocked:
                self._judge(rule, home, now)

    def _judge(self, rule: tuple[Any, ...], one: Subject, time: float) -> None:
        compiled, levels, clear = rule
        if compiled.marks and not compiled.marks & one.marks:
            return
        rank = 0
        for severity, when in levels:
            if when(one, time):
                rank = severity
        number = id(compiled)
        over = number in one.told and rank == 0 and clear(one, time) is True
        self._tell(one, number, rank, over, time, 900.0)

    def _tell(
        self, one: Subject, number: int, rank: int, over: bool, time: float, refresh: float
    ) -> None:
        told = one.told.get(number)
        if rank and (told is None or rank > told[0] or time - told[1] >= refresh):
            one.told[number] = (rank, time)
            self.told += 1
        elif told is not None and over:
            del one.told[number]
            self.told += 1

    def _offset(self, time: float) -> float:
        return self._offsets[bisect(self._starts, time) - 1]

    # -- conditions ------------------------------------------------------------------------------

    def _node(self, node: language.Node, rule: plans.Compiled) -> Of:
        match node:
            case language.Compare():
                left, right = self._term(node.left, rule), self._term(node.right, rule)
                compare = _OPS[node.op]

                def compared(s: Subject, t: float) -> Known:
                    a, b = left(s, t), right(s, t)
                    return None if a is None or b is None else compare(a, b)

                return compared
            case language.Holds():
                value = self._term(node.signal, rule)
                return lambda s, t: None if (v := value(s, t)) is None else v != 0
            case language.Not():
                inner = self._node(node.of, rule)
                return lambda s, t: None if (v := inner(s, t)) is None else not v
            case language.Every():
                return _every([self._node(p, rule) for p in node.of])
            case language.Some():
                return _some([self._node(p, rule) for p in node.of], node.least)
            case language.Times():
                return self._times(node, rule)
        return self._hours(node)

    def _hours(self, node: Any) -> Of:
        def hours(s: Subject, t: float) -> bool:
            if node.of is not None:  # of all that happened only the door's time is asked for
                t = (s.home or s).door
            minute = (t + self._offset(t)) % DAY // 60
            if node.begin < node.end:
                return node.begin <= minute < node.end
            return minute >= node.begin or minute < node.end

        return hours

    def _times(self, node: language.Times, rule: plans.Compiled) -> Of:
        column = self._plan.column(node.of.left.quantity)
        right, compare = self._term(node.of.right, rule), _OPS[node.of.op]

        def times(s: Subject, t: float) -> Known:
            bound = right(s, t)
            recent = [v for at, v in s.recent.get(column, ())[: node.last] if t - at <= node.within]
            if bound is None or not recent:
                return None
            return sum(compare(v, bound) for v in recent) >= node.n

        return times

    def _term(self, node: language.Term, rule: plans.Compiled) -> Of:
        match node:
            case language.Number():
                return lambda _s, _t: node.value
            case language.Arithmetic():
                left, right = self._term(node.left, rule), self._term(node.right, rule)
                do = {"+": operator.add, "-": operator.sub, "*": operator.mul}[node.op]

                def both(s: Subject, t: float) -> float | None:
                    a, b = left(s, t), right(s, t)
                    return None if a is None or b is None else do(a, b)

                return both
            case Signal():
                if not node.quantity or node.name == "held":
                    return self._of_home(node)
                return self._of_series(node, rule.fresh)
        raise TypeError(node)

    def _of_series(self, node: Signal, fresh: float) -> Of:
        column = self._plan.column(node.quantity)

        def value(s: Subject, t: float) -> float | None:
            got = s.latest.get(column)
            return None if got is None or t - got[0] > fresh else got[1]

        if node.name == "value":
            return value
        if node.name in ("low", "high"):
            return self._limit(column, node.name)
        if node.name == "age":
            return lambda s, t: None if (got := s.latest.get(column)) is None else t - got[0]
        if node.window:
            return self._over(node, column, value)
        return self._own(node, column, value)

    def _days(self, s: Subject, t: float, column: int) -> list[tuple[int, float]]:
        today = int((t + self._offset(t)) // DAY)
        return [(today - d, v) for d, v in s.days.get(column, {}).items()]

    def _over(self, node: Signal, column: int, value: Of) -> Of:
        window = round(node.window / DAY)
        if node.name in ("gain", "loss"):

            def gain(s: Subject, t: float) -> float | None:
                now = value(s, t)
                past = [v for age, v in self._days(s, t, column) if 1 <= age <= window]
                if now is None or not past:
                    return None
                return now - min(past) if node.name == "gain" else max(past) - now

            return gain
        if node.name == "mean":

            def mean(s: Subject, t: float) -> float | None:
                past = [v for age, v in self._days(s, t, column) if age < window]
                return sum(past) / len(past) if len(past) >= max(1, node.least) else None

            return mean
        if node.name == "slope":
            return lambda s, t: _slope([p for p in self._days(s, t, column) if 0 <= p[0] <= window])

    def _own(self, node: Signal, column: int, value: Of) -> Of:
        least = float(self._plan.spread[column])

        def usual(s: Subject, t: float) -> tuple[float, float] | None:
            past = sorted(v for age, v in self._days(s, t, column) if age >= 3)
            if len(past) < 5:
                return None
            middle = _median(past)
            return middle, max(least, 1.4826 * _median(sorted(abs(v - middle) for v in past)))

        if node.name == "usual":
            return lambda s, t: None if (u := usual(s, t)) is None else u[0]
        if node.name == "z":

            def z(s: Subject, t: float) -> float | None:
                own, now = usual(s, t), value(s, t)
                return None if own is None or now is None else (now - own[0]) / own[1]

            return z
        sign = 1.0 if node.name == "drift_up" else -1.0

        def drift(s: Subject, t: float) -> float | None:
            own, total = usual(s, t), 0.0
            if own is None:
                return None
            for _, v in sorted(self._days(s, t, column), reverse=True):
                total = max(0.0, total + sign * (v - own[0]) / own[1] - 0.5)
            return total

        return drift

    def _limit(self, column: int, side: str) -> Of:
        limits = self._plan.limits.get(column, ())
        bounds = [(sum(MARKS[c] for c in one.conditions), getattr(one, side)) for one in limits]

        def limit(s: Subject, _: float) -> float:
            found = float("-inf") if side == "low" else float("inf")
            for marks, bound in bounds:
                if bound is not None and (not marks or marks & s.marks):
                    found = bound
            return found

        return limit

    def _of_home(self, node: Signal) -> Of:
        if node.name == "held":
            column = self._plan.column(node.quantity)
            return lambda s, t: None if column not in s.since else t - s.since[column]
        inside = {"still": _still, "away": _away, "after_fall": _after_fall,
                  "quiet_hours": self._quiet, "days_known": _days_known,
                  "light": lambda _h, _t: 0.0, "residents": lambda _h, _t: 1.0,
                  "bed_overdue": lambda _h, _t: None}  # fmt: skip
        if node.name in inside:
            found = inside[node.name]
            return lambda s, t: found(s.home or s, t)
        excess = node.name == "excess"

        def count(s: Subject, t: float) -> float | None:
            home = s.home or s
            today = int((t + self._offset(t)) // DAY)
            counts = home.counts[node.what]
            if not excess:
                return float(counts.get(today, 0)) if home.moved else None
            past = sorted(counts.get(d, 0) for d in home.hours if d < today)
            if len(past) < 7:
                return None
            middle = _median(past)
            spread = max(1.0, 1.4826 * _median(sorted(abs(v - middle) for v in past)))
            return (counts.get(today, 0) - middle) / spread

        return count

    def _quiet(self, home: Subject, t: float) -> float | None:
        if not home.moved:
            return None
        if home.door + 120 >= home.moved:
            return 0.0
        today = int((t + self._offset(t)) // DAY)
        past = [hours for d, hours in home.hours.items() if d < today]
        if len(past) < 7:
            return None
        begin, total = max(home.moved, t - 2 * DAY), 0.0
        while begin < t:
            end = min(t, (begin // 3_600 + 1) * 3_600)
            hour = int((begin + self._offset(begin)) % DAY // 3_600)
            total += (end - begin) / 3_600 * sum(h[hour] > 0 for h in past) / len(past)
            begin = end
        return total


def _every(parts: list[Of]) -> Of:
    def every(s: Subject, t: float) -> Known:
        found: Known = True
        for part in parts:
            held = part(s, t)
            if held is False:
                return False
            found = None if held is None else found
        return found

    return every


def _some(parts: list[Of], least: int) -> Of:
    def some(s: Subject, t: float) -> Known:
        sure = unknown = 0
        for part in parts:
            held = part(s, t)
            if held:
                sure += 1
                if sure >= least:
                    return True
            unknown += held is None
        return None if sure + unknown >= least else False

    return some


def _still(home: Subject, t: float) -> float | None:
    if not home.moved:
        return None
    return 0.0 if home.door + 120 >= home.moved else t - home.moved


def _away(home: Subject, t: float) -> float | None:
    if not home.moved:
        return None
    return t - home.door if home.door and home.door + 120 >= home.moved else 0.0


def _after_fall(home: Subject, t: float) -> float | None:
    if not home.moved:
        return None
    lying = home.moved <= home.fell + 60 and t - home.fell <= DAY / 2
    return t - home.fell if lying else 0.0


def _days_known(home: Subject, t: float) -> float:
    return float(len(home.hours) - 1) if home.hours else 0.0


def _median(ordered: Sequence[float]) -> float:
    n = len(ordered)
    return (ordered[(n - 1) // 2] + ordered[n // 2]) / 2.0


def _slope(points: list[tuple[int, float]]) -> float | None:
    if len(points) < 3:
        return None
    mx = sum(-a for a, _ in points) / len(points)
    my = sum(v for _, v in points) / len(points)
    below = sum((-a - mx) ** 2 for a, _ in points)
    return sum((-a - mx) * (v - my) for a, v in points) / below if below else None
