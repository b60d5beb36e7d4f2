"""The references in plain Python: NEWS2 row by row, and the packs one event at a time.

Written as somebody would write them without arrays: conditions compiled to closures over
dictionaries and small lists, only those rules looked at that read what came, and what a person's
limits and rules are worked out once. They are no part of the product.

:class:`Rules` is a second way to the same decisions: lengths of time that something must last or be
over, how soon it may be told again, one alert speaking for others, readings that come late or
twice, limits of one's own, promises, whole sites, and the facts that each decision rests on. It
lacks care plans' triggers, presence and checkpoints. The two differ where many events come at once:

- two devices that measure the same at the same moment are judged one after the other;
- a light is asked for at the first motion of a step of the clock, not at the last;
- what a home says of a person (``excess`` in a person's rule) is of the events so far, not of all
  of the step;
- a silence that is over tells of the first word, not of the last one of the step;
- a promise is overdue at once, in the engine up to a millisecond later: four bytes hold no more.
"""

from __future__ import annotations

import math
import operator
from bisect import bisect
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from alerts import plan as plans
from alerts.plan import BATHROOMS, DOORS_OUT, MARKS, Plan
from alerts.rules import language, vocabulary
from alerts.rules.language import Signal
from alerts.rules.pack import AT_HOME, OF_DEVICE
from alerts.state.memory import BY_HAND_S
from alerts.state.subjects import Device, Home, Person
from ingest.kernel import localtime, vitals
from ingest.kernel.observation import Quality

DAY = 86_400.0
NEVER = -math.inf
RAISE, REFRESH, CLEAR, MUTED, COMMAND = "raise", "refresh", "clear", "muted", "command"
_EMERGENCY, _SOON = 4, 2
_LIVE_S = 3_600.0
_PATTERN_DAYS, _PATTERN_LEAST, _DAYS, _RECENT = 14, 7, 16, 4
_OPS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
        "==": operator.eq, "!=": operator.ne}  # fmt: skip
_AT_HOME = {vitals.BY_NAME[name].no for name in AT_HOME}
_OF_DEVICE = {vitals.BY_NAME[name].no for name in OF_DEVICE}
_MOTION, _DOOR = vitals.BY_NAME["motion"].no, vitals.BY_NAME["door_open"].no
_BED, _CHAIR = vitals.BY_NAME["bed_occupied"].no, vitals.BY_NAME["chair_occupied"].no
_FALL, _ANSWER = vitals.BY_NAME["fall"].no, vitals.SYMPTOM
_OXYGEN = vitals.BY_NAME["on_oxygen"].no
_NOT_BY_HAND = {vitals.BY_NAME[name].no for name in ("battery", "mains", "steps",
                                                     "skin_temperature")}  # fmt: skip
_NEVER_KEPT = int(Quality.IMPLAUSIBLE | Quality.RETAINED)
_NEVER_JUDGED = int(Quality.HISTORICAL | Quality.IMPORTED) | _NEVER_KEPT
_NO_SIGN_OF_LIFE = int(Quality.RETAINED | Quality.IMPORTED)
_BESIDE = {"z": "usual", "drift_up": "usual", "drift_down": "usual", "excess": "usual_count"}
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


class Told(NamedTuple):
    """One decision, with what it rests on."""

    outcome: str
    subject: str
    number: int
    rule: str
    rank: int
    at: float
    facts: tuple[Any, ...] = ()


class Open:
    """A condition in which something is going on."""

    __slots__ = ("basis", "clearing", "muted", "pending", "raised", "rank", "told")

    def __init__(self) -> None:
        self.rank = 0
        self.muted = False
        self.pending = self.clearing = math.inf
        self.raised = self.told = NEVER
        self.basis: frozenset[int] = frozenset()


class Subject:
    """A person, home or device: what it sent, and what was told of it."""

    __slots__ = ("alone", "born", "by_day", "clocked", "counts", "day", "door", "fell", "home",
                 "hours", "kind", "latest", "limits", "lit", "marks", "moved", "newest", "number",
                 "on_oxygen", "open", "pregnant", "reading", "recent", "residents", "said",
                 "scale2", "states", "up", "visited")  # fmt: skip

    def __init__(self, kind: str, number: int, marks: int = 0) -> None:
        self.kind, self.number, self.marks = kind, number, marks
        self.home: Subject | None = None  # of a person, whose home it is alone
        self.residents, self.alone = 1, True
        self.born, self.pregnant, self.scale2, self.on_oxygen = NEVER, False, False, False
        self.limits: dict[int, tuple[float, float, int]] = {}
        self.recent: dict[int, list[tuple[float, float]]] = {}  # newest first
        self.by_day: dict[int, dict[int, tuple[float, float]]] = {}  # when and what, by day
        self.said: dict[int, tuple[float, float]] = {}  # what a late reading itself says
        self.newest = NEVER
        self.states: dict[int, list[Any]] = {}  # time, value, since when, seen both ways
        self.open: dict[int, Open] = {}
        self.moved = self.door = self.fell = self.lit = NEVER
        self.day = -(2**30)
        self.hours = [0] * 24  # bits of the days on which anything moved in that hour
        self.visited: dict[str, float] = {}
        self.counts: dict[str, dict[int, int]] = defaultdict(dict)
        self.up: dict[int, int] = {}
        self.reading: dict[int, list[Rule]] = {}  # rules for this subject by what they read
        self.clocked: list[Rule] = []


class Rule:
    """A rule, compiled."""

    __slots__ = ("begins", "clear", "compiled", "facts", "id", "levels", "no", "timing")

    def __init__(self, compiled: plans.Compiled) -> None:
        self.compiled, self.no, self.id = compiled, compiled.column, compiled.rule.id
        self.timing, self.begins = compiled.timing, compiled.begins
        self.levels: list[tuple[int, Of, Of]] = []
        self.clear: Of = lambda _s, _t: None
        self.facts: Of = lambda _s, _t: ()


class Feed:
    """A promise of a device."""

    __slots__ = ("by_hand", "cadence", "column", "device", "due", "received", "told")

    def __init__(self, device: Sender, column: int, cadence: float, since: float) -> None:
        self.device, self.column, self.cadence = device, column, cadence
        self.received, self.due, self.told = since, math.inf, ""
        place = vitals.BY_NO[column].place
        self.by_hand = not place and column not in _NOT_BY_HAND and cadence >= BY_HAND_S


class Sender:
    """A device as the one who promises."""

    __slots__ = ("feeds", "heard", "number", "person", "site", "state")

    def __init__(self, one: Device) -> None:
        self.number, self.person, self.site = one.no, one.person_no, one.site_no
        self.state, self.heard = one.state, NEVER
        self.feeds: dict[int, Feed] = {}

    def silent(self) -> bool:
        """Tell whether anything that it sends by itself is told as silent."""
        return any(f.told not in ("", "reading") and not f.by_hand for f in self.feeds.values())


class Rules:
    """The packs, judged one event at a time."""

    def __init__(self, plan: Plan, parts: dict[int, str], zone: str = "Europe/London") -> None:
        self._plan = plan
        known = localtime.zone(zone)
        self._starts, self._offsets = known._starts.tolist(), known._offsets.tolist()
        self._from, self._until, self._offset_now = 0.0, NEVER, 0.0
        self._bathrooms = {n for n, name in parts.items() if name in BATHROOMS}
        self._doors_out = {n for n, name in parts.items() if name in DOORS_OUT} | {0}
        self._keys = {n: plan.keys.get(name.rpartition("/")[2], -1) for n, name in parts.items()}
        self.people: dict[int, Subject] = {}
        self.homes: dict[int, Subject] = {}
        self.devices: dict[int, Subject] = {}
        self._senders: dict[int, Sender] = {}
        self._feeds: list[Feed] = []
        self._sites: dict[int, list[Sender]] = defaultdict(list)
        self._down: set[int] = set()
        self._woken: dict[int, Subject] = {}  # people in whom the clock may begin something
        self._waiting: set[tuple[int, int]] = set()  # devices and rules whose time runs
        self.now = self.heard_since = NEVER
        self.found: list[Told] = []
        self._of = {kind: self._compiled(plan.of(kind)) for kind in ("person", "home", "device")}
        self._by_no = {kind: {r.no: r for r in rules} for kind, rules in self._of.items()}
        self._lights = [r for r in self._of["home"] if self._command(r) is not None]

    # -- the register ----------------------------------------------------------------------------

    def put(
        self, homes: Iterable[Home], people: Iterable[Person], devices: Iterable[Device]
    ) -> None:
        """Take in the register, once."""
        for home in homes:
            one = self.homes[home.no] = Subject("home", home.no)
            one.residents = len(home.people)
            one.alone = one.residents == 1
        for person in people:
            one = self.people[person.no] = Subject("person", person.no)
            one.marks = sum(MARKS.get(c, 0) for c in person.conditions)
            one.pregnant, one.scale2, one.on_oxygen = (
                person.pregnant, person.scale2, person.on_oxygen
            )  # fmt: skip
            one.born = NEVER if person.born is None else person.born
            lives = self.homes.get(person.home_no)
            one.alone = lives is not None and lives.alone
            if lives is not None:
                one.home = lives if lives.alone else None
                lives.marks |= one.marks
            one.limits = {c: self._limits(one, person, c) for c in self._plan.limits}
        for device in devices:
            self.devices[device.no] = Subject("device", device.no)
            sender = self._senders[device.no] = Sender(device)
            self._sites[device.site_no].append(sender)
            for name, cadence in device.cadence.items():
                column = vitals.BY_NAME[name].no
                feed = sender.feeds[column] = Feed(sender, column, cadence, device.since)
                self._feeds.append(feed)
                self._set_due(feed)
        for kind, table in (("person", self.people), ("home", self.homes),
                            ("device", self.devices)):  # fmt: skip
            for one in table.values():
                self._choose(one, self._of[kind])

    def _choose(self, one: Subject, rules: Sequence[Rule]) -> None:
        """Keep which rules are for a subject."""
        for rule in rules:
            compiled, applies = rule.compiled, rule.compiled.rule.applies
            if compiled.marks and not compiled.marks & one.marks:
                continue
            if applies.pregnant is not None and applies.pregnant != one.pregnant:
                continue
            if applies.alone is not None and applies.alone != one.alone:
                continue
            if one.kind == "home" and not one.residents:
                continue
            if self._command(rule) is not None:
                continue
            for column in compiled.reads.nonzero()[0].tolist():
                one.reading.setdefault(column, []).append(rule)
            if compiled.clocked:
                one.clocked.append(rule)

    def _limits(self, one: Subject, person: Person, column: int) -> tuple[float, float, int]:
        low, high, origin = NEVER, math.inf, 0
        for limit in self._plan.limits[column]:
            marks = sum(MARKS[name] for name in limit.conditions)
            if marks and not marks & one.marks:
                continue
            low = low if limit.low is None else limit.low
            high = high if limit.high is None else limit.high
            if limit.low_scale2 is not None and one.scale2:
                low = limit.low_scale2
            if person.band in limit.bands:
                least, most = limit.bands[person.band]
                origin = 1
                low, high = low if least is None else least, high if most is None else most
        own = (person.limits or {}).get(self._plan.name(column), {})
        if "low" in own:
            low, origin = NEVER if own["low"] is None else own["low"], origin | 2
        if "high" in own:
            high, origin = math.inf if own["high"] is None else own["high"], origin | 4
        return low, high, origin

    # -- an event --------------------------------------------------------------------------------

    def event(self, row: tuple[Any, ...], now: float) -> None:
        """Take in one row of the log and judge what reads it."""
        time, received, value, device, person, dwelling, part, flags, quantity = row
        self.now = now
        if not flags & _NO_SIGN_OF_LIFE:
            self._heard(device, quantity, received)
        if flags & _NEVER_KEPT or not math.isfinite(value) or not 0 <= quantity < 256:
            return
        judged = not flags & _NEVER_JUDGED
        value = round(value, 4)
        if quantity in _OF_DEVICE:
            one = self.devices.get(device)
            if one is not None:
                self._state(one, quantity, time, value, judged)
        elif quantity in _AT_HOME:
            home = self.homes.get(dwelling)
            if home is not None:
                self._at_home(home, quantity, time, value, part, judged)
        elif (one := self.people.get(person)) is not None:
            if quantity == _FALL and value > 0 and dwelling in self.homes:
                home = self.homes[dwelling]
                home.fell = max(home.fell, time)
            column = self._keys.get(part, -1) if quantity == _ANSWER else quantity
            if column >= 0 and self._plan.kept[column]:
                self._vital(one, column, time, value, judged)

    def _at_home(
        self, home: Subject, quantity: int, time: float, value: float, part: int, judged: bool
    ) -> None:
        out = quantity == _DOOR and part in self._doors_out
        if out:
            home.door = max(home.door, time)
        elif quantity in (_BED, _CHAIR) or (value > 0 and quantity in (_MOTION, _DOOR)):
            self._move(home, quantity, time, value, part)
        if quantity == _MOTION:
            if value > 0 and judged and self.now - time <= 60 and self._lights:
                self._light(home, time)
        elif (quantity != _DOOR or out) and self._plan.kept[quantity]:
            self._state(home, quantity, time, value, judged)

    def _move(self, home: Subject, quantity: int, time: float, value: float, part: int) -> None:
        local = time + self._offset(time)
        day, second = divmod(local, DAY)
        today, hour = int(day), int(second // 3_600)
        if today > home.day:
            self._new_day(home, today)
        if today > home.day - _PATTERN_DAYS:
            home.hours[hour] |= 1 << today % _PATTERN_DAYS
        if quantity == _BED and not value > 0:
            if hour >= 22 or hour < 6:
                self._visit(home, "night_bed_exits", today, time)
            minute = int(second // 60)
            if minute >= 240 and today > home.day - _DAYS:
                home.up[today] = min(minute, home.up.get(today, 2_000))
        elif quantity in (_MOTION, _DOOR):
            if part in self._bathrooms:
                self._visit(home, "bathroom_visits", today, time)
                if hour < 6:
                    self._visit(home, "night_bathroom_visits", today, time)
            if hour < 5:
                self._visit(home, "night_motion", today, time)
        home.moved = max(home.moved, time)

    def _new_day(self, home: Subject, today: int) -> None:
        gone = 0
        for day in range(max(home.day + 1, today - _PATTERN_DAYS + 1), today + 1):
            gone |= 1 << day % _PATTERN_DAYS
        home.hours = [bits & ~gone for bits in home.hours]
        home.day = today
        for counts in (*home.counts.values(), home.up):
            for day in [d for d in counts if d <= today - _DAYS]:
                del counts[day]

    def _visit(self, home: Subject, what: str, day: int, time: float) -> None:
        before = home.visited.get(what, NEVER)
        if time - before >= vocabulary.SPELL_S and day > home.day - _DAYS:
            home.counts[what][day] = min(255, home.counts[what].get(day, 0) + 1)
        home.visited[what] = max(before, time)

    def _light(self, home: Subject, time: float) -> None:
        for rule in self._lights:
            marks, command = rule.compiled.marks, self._command(rule)
            if (marks and not marks & home.marks) or self.now - home.lit < command.every_s:
                continue
            if rule.levels[0][1](home, time):
                home.lit = self.now
                self._say(COMMAND, home, rule, rule.levels[0][0], time,
                          rule.levels[0][2](home, time))  # fmt: skip

    def _state(self, one: Subject, quantity: int, time: float, value: float, judged: bool) -> None:
        state = one.states.get(quantity)
        if state is None:
            one.states[quantity] = [time, value, time, False]
        else:
            if time < state[0] or (time == state[0] and value <= state[1]):
                return
            if value != state[1]:
                state[2], state[3] = time, True
            state[0], state[1] = time, value
        if judged:
            for rule in one.reading.get(quantity, ()):
                self._judge(rule, one, time, time)

    def _vital(  # noqa: C901
        self, one: Subject, column: int, time: float, value: float, judged: bool
    ) -> None:
        recent = one.recent.get(column)
        if recent is None:
            recent = one.recent[column] = []
        if column == _FALL and any(abs(at - time) < vocabulary.SPELL_S for at, _ in recent):
            return
        newest = not recent or time >= recent[0][0]
        if not recent or time > recent[0][0]:
            recent.insert(0, (time, value))
        else:
            same = [n for n, (at, _) in enumerate(recent) if at == time]
            if same:
                recent[same[0]] = (time, max(value, recent[same[0]][1]))
            else:
                recent.append((time, value))
                recent.sort(reverse=True)
        del recent[_RECENT:]
        if self._plan.dated[column]:
            days = one.by_day.setdefault(column, {})
            day, second = divmod(time + self._offset(time), DAY)
            if (second, value) > days.get(int(day), (-1.0, 0.0)):
                days[int(day)] = (second, value)
            if len(days) > _DAYS:
                del days[min(days)]
        one.newest = max(one.newest, time)
        if not judged:
            return
        if newest:
            for rule in one.reading.get(column, ()):
                self._judge_person(rule, one, time)
            return
        one.said = {column: (time, value)}
        for rule in one.reading.get(column, ()):
            if rule.timing.wait == 0 and self._old_enough(rule, one, time):
                self._judge(rule, one, time, time, late=True)
        one.said = {}

    def _judge_person(self, rule: Rule, one: Subject, at: float, *, clock: bool = False) -> None:
        if self._old_enough(rule, one, at):
            self._judge(rule, one, at, max(at, one.newest), clock=clock)
            if rule.compiled.clocked and (rule.begins or busy(one.open.get(rule.no))):
                self._woken[one.number] = one

    def _old_enough(self, rule: Rule, one: Subject, at: float) -> bool:
        years = rule.compiled.rule.applies.from_age
        return years is None or at >= one.born + years * 365.2425 * DAY

    # -- the clock -------------------------------------------------------------------------------

    def tick(self, now: float, heard_since: float) -> None:  # noqa: C901
        """Judge what the clock alone changes: promises, homes, and what waits for its time."""
        self.now = now
        if heard_since > self.heard_since:
            self.heard_since = heard_since
            for feed in self._feeds:
                if not feed.told:
                    self._set_due(feed)
        self._silences(now)
        for home in self.homes.values():
            if home.moved > NEVER or home.open or home.fell > NEVER:
                for rule in home.clocked:
                    self._judge(rule, home, now, now)
        for one in list(self._woken.values()):
            for rule in one.clocked:
                if rule.begins or busy(one.open.get(rule.no)):
                    self._judge_person(rule, one, now, clock=True)
        for number, no in list(self._waiting):
            self._judge(self._by_no["device"][no], self.devices[number], now, now)

    # -- a condition -----------------------------------------------------------------------------

    def _judge(  # noqa: C901, PLR0912  (one step of a rule, as alerts.state.conditions has it)
        self, rule: Rule, one: Subject, at: float, moment: float, *, late: bool = False,
        clock: bool = False,
    ) -> None:  # fmt: skip
        rank, facts = 0, rule.facts
        for severity, when, behind in rule.levels:
            if when(one, moment):
                rank, facts = severity, behind
        state = one.open.get(rule.no)
        if state is None:
            if not rank:
                return
            state = one.open[rule.no] = Open()
        elif not rank and not busy(state):
            return
        if rank and self.now - at > _LIVE_S:
            rank = min(rank, _SOON)
        over = not late and not rank and rule.clear(one, moment) is True
        had, spoken_for, higher = state.rank, state.muted, rank > state.rank
        if higher:
            state.pending = min(state.pending, moment)
        elif state.pending < math.inf and (
            rank or (not late and rule.levels[0][1](one, moment) is False)
        ):
            state.pending = math.inf
        soon = (
            not had and max(self.now - state.raised, 0.0) < rule.timing.again and rank < _EMERGENCY
        )
        if higher and moment - state.pending >= rule.timing.wait and not soon:
            state.rank, state.told, state.pending, state.muted = rank, self.now, math.inf, False
            if not had:
                state.raised = self.now
            state.clearing = math.inf
            outcome = RAISE
            if not had or spoken_for:
                state.muted = self._spoken_for(rule, one, rank)
                outcome = MUTED if state.muted else RAISE
            self._say(outcome, one, rule, rank, at, facts(one, moment))
            self._remember(rule, one, moment, state)
        elif rank:
            state.clearing = math.inf
            if had and self.now - state.told >= rule.timing.refresh:
                state.told = self.now
                if not spoken_for and not clock:
                    self._say(REFRESH, one, rule, rank, at, facts(one, moment))
                self._remember(rule, one, moment, state)
        elif over and had:
            state.clearing = min(state.clearing, moment)
            if moment - state.clearing >= rule.timing.clear:
                state.rank, state.told, state.clearing, state.muted = 0, self.now, math.inf, False
                if not spoken_for:
                    self._say(CLEAR, one, rule, rule.levels[0][0], at, rule.facts(one, moment))
                self._unmute(rule, one)
        if one.kind == "device" and rule.compiled.clocked:
            if min(state.pending, state.clearing) < math.inf:
                self._waiting.add((one.number, rule.no))
            else:
                self._waiting.discard((one.number, rule.no))
        if late and state.rank > had and not state.muted:
            self._judge_person(rule, one, one.newest)

    def _remember(self, rule: Rule, one: Subject, moment: float, state: Open) -> None:
        """Keep which parts a score rested on: it clears only when those are measured again."""
        if rule.compiled.score is not None:
            state.basis = frozenset(self._measured(one, moment))

    def _spoken_for(self, rule: Rule, one: Subject, rank: int) -> bool:
        if rank == _EMERGENCY:
            return False
        others = (one.open.get(no) for no in rule.compiled.muted_by)
        return any(o is not None and o.rank >= rank and not o.muted for o in others)

    def _unmute(self, rule: Rule, one: Subject) -> None:
        """Let rules speak for themselves where the one that spoke for them has cleared."""
        for no in rule.compiled.mutes:
            state = one.open.get(no)
            if state is None or not state.muted:
                continue
            state.rank, state.muted, state.raised = 0, False, NEVER
            other = self._by_no[one.kind][no]
            if one.kind == "person":
                self._judge_person(other, one, one.newest)
            else:
                self._judge(other, one, self.now, self.now)

    def _say(
        self, outcome: str, one: Subject, rule: Rule, rank: int, at: float, facts: tuple[Any, ...]
    ) -> None:
        self.found.append(Told(outcome, one.kind, one.number, rule.id, rank, at, facts))

    # -- promises --------------------------------------------------------------------------------

    def _heard(self, device: int, quantity: int, received: float) -> None:
        sender = self._senders.get(device)
        if sender is None:
            return
        sender.heard = max(sender.heard, received)
        heard = sender.feeds.get(quantity)
        if heard is not None:
            heard.received = max(heard.received, received)
        over: dict[str, list[Feed]] = {}
        for feed in sender.feeds.values():
            if feed.told and (feed.told in ("device", "held") or feed is heard):
                over.setdefault(feed.told, []).append(feed)
        for kind, feeds in over.items():
            for feed in feeds:
                feed.told = ""
                self._set_due(feed, begin=self.now)
            if kind != "held" and not any(f.told == kind for f in self._same(feeds[0], kind)):
                self._silence(CLEAR, kind, feeds)
        if heard is not None:
            self._set_due(heard)

    def _same(self, feed: Feed, kind: str) -> Iterable[Feed]:
        """Return the feeds whose silence is told of the same subject."""
        person = feed.device.person
        if kind == "reading" and person:
            return [f for f in self._feeds if f.device.person == person]
        return feed.device.feeds.values()

    def _set_due(self, feed: Feed, begin: float = NEVER) -> None:
        rule = self._plan.silences.get("reading" if feed.by_hand else "device")
        if rule is None:
            feed.due = math.inf
            return
        feed.due = max(feed.received, begin) + max(rule.factor * feed.cadence, rule.least_s)
        if self.heard_since > NEVER and feed.received < self.heard_since:
            feed.due = max(feed.due, self.heard_since + feed.cadence)

    def _silences(self, now: float) -> None:  # noqa: C901
        rules = self._plan.silences
        self._sites_back(now)
        due = [feed for feed in self._feeds if feed.due <= now]
        for feed in due:
            feed.due = math.inf
            device = feed.device
            alive = device.state != "offline" and (
                device.state == "online" or device.heard > feed.received + feed.cadence
            )
            by_hand = feed.by_hand and device.state != "offline"
            feed.told = "reading" if by_hand else "stream" if alive else "device"
            if feed.told not in rules:
                feed.told = ""
        for feed in due:
            if feed.told == "stream" and any(
                f.told == "device" for f in feed.device.feeds.values()
            ):
                feed.told = "device"
        due = [feed for feed in due if feed.told]
        if "site" in rules:
            for site in sorted({f.device.site for f in due if f.told != "reading"}):
                quiet, every = self._quiet_of(site)
                if site not in self._down and quiet >= max(
                    rules["site"].fewest, 1, rules["site"].share * every
                ):
                    self._down.add(site)
                    self._say_of_site(RAISE, site)
            for feed in due:
                if feed.told != "reading" and feed.device.site in self._down:
                    feed.told = "held"
        groups: dict[tuple[str, int], list[Feed]] = {}
        for feed in due:
            if feed.told != "held":
                whom = feed.device.person if feed.told == "reading" else 0
                groups.setdefault((feed.told, whom or -feed.device.number), []).append(feed)
        for (kind, _), feeds in groups.items():
            every = [f for f in self._same(feeds[0], kind) if f.told == kind]
            self._silence(RAISE if len(every) == len(feeds) else REFRESH, kind, every)

    def _sites_back(self, now: float) -> None:
        for site in sorted(self._down):
            quiet, every = self._quiet_of(site)
            if quiet < self._plan.silences["site"].share * every:
                self._down.discard(site)
                for sender in self._sites[site]:
                    for feed in sender.feeds.values():
                        if feed.told == "held":
                            feed.told, feed.due = "", now
                self._say_of_site(CLEAR, site)

    def _quiet_of(self, site: int) -> tuple[int, int]:
        here = self._sites[site]
        sends = sum(any(not f.by_hand for f in sender.feeds.values()) for sender in here)
        return sum(sender.silent() for sender in here), sends

    def _silence(self, outcome: str, kind: str, feeds: Sequence[Feed]) -> None:
        rule, device = self._plan.silences[kind], feeds[0].device
        of_person = kind == "reading" and device.person
        subject, number = ("person", device.person) if of_person else ("device", device.number)
        facts = tuple((f"silent({vitals.BY_NO[f.column].name})", self.now - f.received, f.received,
                       f.cadence) for f in feeds)  # fmt: skip
        self.found.append(
            Told(outcome, subject, number, rule.id, rule.severity.rank, self.now, facts)
        )

    def _say_of_site(self, outcome: str, site: int) -> None:
        rule = self._plan.silences["site"]
        self.found.append(Told(outcome, "site", site, rule.id, rule.severity.rank, self.now))

    # -- scores ----------------------------------------------------------------------------------

    def _measured(self, s: Subject, t: float) -> dict[int, float]:
        """Return what is known of each part of the score, by its column."""
        values = {}
        for column, value in self._parts:
            got = value(s, t)
            if got is not None:
                values[column] = got
        return values

    def _score(self, rule: Rule) -> None:  # noqa: C901
        """Compile a score: its levels are its severities."""
        score = rule.compiled.score
        assert score is not None
        chart, fresh = score.chart, rule.compiled.fresh
        columns = [self._plan.column(p.quantity) for p in chart.parts]
        self._parts = [
            (c, self._of_series(Signal("value", p.quantity), fresh))
            for c, p in zip(columns, chart.parts, strict=True)
        ]

        def points(s: Subject, values: dict[int, float]) -> list[int | None]:
            found: list[int | None] = []
            for column, part in zip(columns, chart.parts, strict=True):
                value = values.get(column)
                if value is None:
                    found.append(None)
                elif part.bands is None:
                    found.append((part.yes or part.not_first or 0) if value > 0 else 0)
                else:
                    bands = part.bands
                    if s.scale2 and part.bands_scale2_air is not None:
                        given = values.get(_OXYGEN, 0.0) > 0
                        bands = part.bands_scale2_oxygen if given else part.bands_scale2_air
                    found.append(_points(bands, value))
            return found

        def level(s: Subject, t: float) -> int:
            found = [p for p in points(s, self._measured(s, t)) if p is not None]
            total = sum(found)
            if not found:
                return -1
            if total >= chart.high:
                return 3
            return 2 if total >= chart.medium else int(any(p >= chart.single for p in found))

        def facts(s: Subject, t: float) -> tuple[Any, ...]:
            values = self._measured(s, t)
            return tuple(
                (p.quantity, values.get(c), n, self._when(Signal("value", p.quantity), s, t))
                for c, p, n in zip(columns, chart.parts, points(s, values), strict=True)
            )

        def over(s: Subject, t: float) -> bool:
            return level(s, t) == 0 and s.open[rule.no].basis <= self._measured(s, t).keys()

        ranks = (score.severity_single.rank, score.severity_medium.rank, score.severity.rank)
        latest: list[Any] = [None, 0.0, 0]  # the same person at the same moment, asked three times

        def at_least(n: int) -> Of:
            def reached(s: Subject, t: float) -> bool:
                if n == 1 or latest[0] is not s or latest[1] != t:
                    latest[:] = s, t, level(s, t)
                return latest[2] >= n

            return reached

        rule.levels = [(rank, at_least(n), facts) for n, rank in enumerate(ranks, 1)]
        rule.clear, rule.facts = over, facts

    # -- conditions ------------------------------------------------------------------------------

    def _compiled(self, rules: Sequence[plans.Compiled]) -> list[Rule]:
        out = []
        for one in rules:
            rule = Rule(one)
            if one.score is not None:
                self._score(rule)
            else:
                for level in one.condition.levels:
                    when = self._node(level.when, one)
                    rule.levels.append((level.severity.rank, when, self._facts(level.when, one)))
                if one.condition.command is None:
                    rule.clear = self._node(one.condition.clear, one)
                    rule.facts = self._facts(one.condition.clear, one)
            out.append(rule)
        return out

    @staticmethod
    def _command(rule: Rule) -> Any:
        return None if rule.compiled.score is not None else rule.compiled.condition.command

    def _offset(self, time: float) -> float:
        if not self._from <= time < self._until:
            n = bisect(self._starts, time)
            self._from, self._offset_now = self._starts[n - 1], self._offsets[n - 1]
            self._until = self._starts[n] if n < len(self._starts) else math.inf
        return self._offset_now

    def _facts(self, node: language.Node, rule: plans.Compiled) -> Of:
        """Return what tells every number that a condition reads."""
        parts: list[tuple[str, Of, Signal | None]] = []
        for part in dict.fromkeys(language.walk(node)):
            if isinstance(part, Signal):
                beside = [part]
                if part.name in _BESIDE:
                    name = _BESIDE[part.name]
                    beside.append(Signal(name, part.quantity, what=part.what))
                if part.name == "excess":
                    beside.append(Signal("count", what=part.what))
                if part.name in ("gain", "loss", "z", "drift_up", "drift_down", "slope"):
                    beside.append(Signal("value", part.quantity))
                parts += [(str(one), self._term(one, rule), one) for one in beside]
            elif isinstance(part, language.Times):
                parts.append((f"recent({part.of.left}, {part.last})", self._recent(part), None))
            elif isinstance(part, language.Hours):
                parts.append(("minute()", self._minute, None))

        def facts(s: Subject, t: float) -> tuple[Any, ...]:
            return tuple(
                (name, value(s, t), None if signal is None else self._when(signal, s, t))
                for name, value, signal in parts
            )

        return facts

    def _when(self, signal: Signal, s: Subject, t: float) -> Any:
        """Return when what a signal rests on was measured; of a limit, where it comes from."""
        if signal.name in ("low", "high"):
            return s.limits.get(self._plan.column(signal.quantity), (0, 0, 0))[2]
        if signal.quantity and s.kind == "person":
            return next((at for at, _ in s.recent.get(self._plan.column(signal.quantity), ())
                         if at <= t), None)  # fmt: skip
        if signal.quantity:
            state = s.states.get(self._plan.column(signal.quantity))
            return None if state is None else state[0]
        home = s.home if s.kind == "person" else s
        if home is None:
            return None
        if signal.name == "after_fall":
            return home.fell
        return home.door if signal.name in ("away", "door_minute") else home.moved

    def _minute(self, _: Subject, t: float) -> float:
        return (t + self._offset(t)) % DAY // 60

    def _recent(self, node: language.Times) -> Of:
        left = node.of.left
        assert isinstance(left, Signal)
        column = self._plan.column(left.quantity)

        def recent(s: Subject, t: float) -> list[tuple[float, float]]:
            every = [p for p in s.recent.get(column, ()) if p[0] <= t][: node.last]
            return [p for p in every if t - p[0] <= node.within]

        return recent

    def _node(self, node: language.Node, rule: plans.Compiled) -> Of:
        match node:
            case language.Compare():
                return self._compare(node, rule)
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
        return self._hours(node, rule)

    def _compare(self, node: language.Compare, rule: plans.Compiled) -> Of:
        left, right = self._rounded(node.left, rule), self._rounded(node.right, rule)
        compare = _OPS[node.op]
        if isinstance(node.right, language.Number):
            bound = round(node.right.value, 4)

            def beyond(s: Subject, t: float) -> Known:
                a = left(s, t)
                return None if a is None else compare(a, bound)

            return beyond

        def compared(s: Subject, t: float) -> Known:
            a = left(s, t)
            if a is None:
                return None
            b = right(s, t)
            return None if b is None else compare(a, b)

        return compared

    def _rounded(self, node: language.Term, rule: plans.Compiled) -> Of:
        """Return a term to so many decimals as are compared; what was measured is so already."""
        value = self._term(node, rule)
        if isinstance(node, Signal) and node.name in ("value", "low", "high", "count"):
            return value
        return lambda s, t: None if (v := value(s, t)) is None else round(v, 4)

    def _hours(self, node: Any, rule: plans.Compiled) -> Of:
        at = self._minute if node.of is None else self._term(node.of, rule)
        begin, end = node.begin, node.end

        def hours(s: Subject, t: float) -> Known:
            minute = at(s, t)
            if minute is None:
                return None
            if begin < end:
                return bool(begin <= minute < end)
            return bool(minute >= begin or minute < end)

        return hours

    def _times(self, node: language.Times, rule: plans.Compiled) -> Of:
        right, compare = self._rounded(node.of.right, rule), _OPS[node.of.op]
        recent = self._recent(node)

        def times(s: Subject, t: float) -> Known:
            bound, found = right(s, t), recent(s, t)
            if bound is None or not found:
                return None
            return sum(compare(v, bound) for _, v in found) >= node.n

        return times

    def _term(self, node: language.Term, rule: plans.Compiled) -> Of:
        match node:
            case language.Number():
                number = node.value
                return lambda _s, _t: number
            case language.Arithmetic():
                left, right = self._term(node.left, rule), self._term(node.right, rule)
                do = {"+": operator.add, "-": operator.sub, "*": operator.mul}[node.op]

                def both(s: Subject, t: float) -> float | None:
                    a, b = left(s, t), right(s, t)
                    return None if a is None or b is None else do(a, b)

                return both
            case Signal():
                if not node.quantity:
                    return self._of_home(node)
                if rule.rule.id and getattr(rule.rule, "subject", "person") != "person":
                    return self._of_state(node, rule.fresh)
                return self._of_series(node, rule.fresh)
        raise TypeError(node)

    def _of_state(self, node: Signal, fresh: float) -> Of:
        column = self._plan.column(node.quantity)
        if node.name == "held":

            def held(s: Subject, t: float) -> float | None:
                state = s.states.get(column)
                return t - state[2] if state is not None and state[3] else None

            return held
        if vocabulary.kind_of(node.quantity) is vitals.ValueKind.BOOLEAN or column in _OF_DEVICE:
            return lambda s, _t: None if (state := s.states.get(column)) is None else state[1]

        def value(s: Subject, t: float) -> float | None:
            state = s.states.get(column)
            return state[1] if state is not None and t - state[0] <= fresh else None

        return value

    def _of_series(self, node: Signal, fresh: float) -> Of:
        column = self._plan.column(node.quantity)
        oxygen = column == _OXYGEN

        def at(s: Subject, t: float) -> tuple[float, float] | None:
            for got in s.recent.get(column, ()):
                if got[0] <= t:
                    return got
            return s.said.get(column) if s.said else None

        def value(s: Subject, t: float) -> float | None:
            got = at(s, t)
            if got is None or t - got[0] > fresh:
                return float(s.on_oxygen) if oxygen else None
            return got[1]

        if node.name == "value":
            return value
        if node.name in ("low", "high"):
            side = 0 if node.name == "low" else 1
            none = (NEVER, math.inf, 0)
            return lambda s, _t: s.limits.get(column, none)[side]
        if node.name == "age":
            return lambda s, t: None if (got := at(s, t)) is None else self.now - got[0]
        if node.window:
            return self._over(node, column, value)
        return self._own(node, column, value)

    def _days(self, s: Subject, t: float, column: int) -> list[tuple[int, float]]:
        today = int((t + self._offset(t)) // DAY)
        return [(today - d, v) for d, (_, v) in s.by_day.get(column, {}).items() if d <= today]

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

    def _of_home(self, node: Signal) -> Of:
        inside: dict[str, Of] = {
            "still": self._still, "away": self._away, "after_fall": self._after_fall,
            "quiet_hours": self._quiet, "days_known": _days_known, "light": self._lit,
            "residents": lambda h, _t: h.residents, "bed_overdue": self._bed_overdue,
            "door_minute": self._door_minute,
        }  # fmt: skip
        found = inside.get(node.name) or self._counted(node)

        def of(s: Subject, t: float) -> float | None:
            home = s.home if s.kind == "person" else s
            return None if home is None else found(home, t)

        return of

    def _counted(self, node: Signal) -> Of:
        what = node.what

        def counted(home: Subject, _: float) -> float | None:
            if home.moved == NEVER:
                return None
            today = int((self.now + self._offset(self.now)) // DAY)
            counts = home.counts[what]
            if node.name == "count":
                return float(counts.get(today, 0))
            moved, newest = _moved(home), home.day
            past = sorted(
                counts.get(d, 0) for d in range(newest - 1, newest - _PATTERN_DAYS, -1)
                if moved >> d % _PATTERN_DAYS & 1 and d < today
            )  # fmt: skip
            if len(past) < _PATTERN_LEAST:
                return None
            middle = _median(past)
            if node.name == "usual_count":
                return middle
            spread = max(1.0, 1.4826 * _median(sorted(abs(v - middle) for v in past)))
            return (counts.get(today, 0) - middle) / spread

        return counted

    def _quiet(self, home: Subject, _: float) -> float | None:
        if home.moved == NEVER:
            return None
        if _out(home):
            return 0.0
        days = _days_known(home, 0.0)
        if days is None or days < _PATTERN_LEAST:
            return None
        moved, before = max(home.moved, self.heard_since), ~(1 << home.day % _PATTERN_DAYS)
        end = self.now + self._offset(self.now)
        begin, total = max(moved + self._offset(moved), end - 2 * DAY), 0.0
        while begin < end:
            until = min(end, (begin // 3_600 + 1) * 3_600)
            bits = home.hours[int(begin % DAY // 3_600)] & before
            total += (until - begin) / 3_600 * bits.bit_count() / days
            begin = until
        return total

    def _still(self, home: Subject, _: float) -> float | None:
        if home.moved == NEVER:
            return None
        return 0.0 if _out(home) else self.now - max(home.moved, self.heard_since)

    def _away(self, home: Subject, _: float) -> float | None:
        if home.moved == NEVER:
            return None
        return self.now - max(home.door, self.heard_since) if _out(home) else 0.0

    def _after_fall(self, home: Subject, _: float) -> float | None:
        if home.moved == NEVER:
            return None
        if home.fell == NEVER or home.moved > home.fell + 60:
            return 0.0
        if self.now - home.fell > DAY / 2:
            return None
        return self.now - max(home.fell, self.heard_since)

    def _door_minute(self, home: Subject, _: float) -> float | None:
        return None if home.door == NEVER else self._minute(home, home.door)

    def _lit(self, home: Subject, t: float) -> float:
        state = home.states.get(vitals.BY_NAME["illuminance"].no)
        return state[1] if state is not None and t - state[0] <= DAY else 0.0

    def _bed_overdue(self, home: Subject, _: float) -> float | None:
        bed = home.states.get(_BED)
        if bed is None or home.moved == NEVER:
            return None
        local = self.now + self._offset(self.now)
        today = int(local // DAY)
        past = sorted(m for d, m in home.up.items() if home.day - _DAYS < d < today)
        if len(past) < _PATTERN_LEAST:
            return None
        up = home.day == today and today in home.up
        over = max(0.0, local % DAY // 60 - _median(past)) * 60
        return over if bed[1] > 0 and not up else 0.0


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


def busy(state: Open | None) -> bool:
    """Tell whether anything is going on in a condition."""
    return state is not None and bool(
        state.rank or state.muted or state.pending < math.inf or state.clearing < math.inf
    )


def _out(home: Subject) -> bool:
    return home.door > NEVER and home.door + 120 >= home.moved


def _moved(home: Subject) -> int:
    bits = 0
    for hour in home.hours:
        bits |= hour
    return bits


def _days_known(home: Subject, _: float) -> float | None:
    if home.moved == NEVER:
        return None
    return (_moved(home) & ~(1 << home.day % _PATTERN_DAYS)).bit_count()


def _points(bands: Any, value: float) -> int:
    """Return the points of a value, from the cuts between the bands."""
    found = bands.base
    for cut, add in bands.below:
        if value < cut:
            found += add
    for cut, add in bands.above:
        if value > cut:
            found += add
    return int(found)


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
