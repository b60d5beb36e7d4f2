"""The rules core: readings and the clock applied to the memory and judged, with array operations.

Two ways in: *on data* and *on time*. The loops are over rules, over moments (rows of one subject
at different times are judged one after another, everybody's n-th moment at once) and over what is
found; never over people or readings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alerts import care_plans, evidence, model, signals, silence
from alerts.care_plans import CarePlans
from alerts.plan import WIDE, Compiled, Plan
from alerts.rules import early_warning, language, pack, vocabulary
from alerts.rules.language import Signal
from alerts.state import activity, conditions
from alerts.state.memory import Memory
from alerts.state.subjects import OFFLINE, STATES, Device, Home, Person
from alerts.state.table import (
    BoolArray,
    FloatArray,
    IntArray,
    any_of,
    begins,
    by_slot,
    ends,
    numbers_in,
    places,
)
from ingest.kernel import localtime, vitals
from ingest.kernel.observation import ROW, Quality, Rows

_SOON: Final = model.Severity.SOON.rank
_LAST_TIME: Final = 4_102_444_800.0
"""2100-01-01. Ingest re-times what lies outside; nothing of the kind may stop the rules."""
_NEVER_KEPT: Final = int(Quality.IMPLAUSIBLE | Quality.RETAINED)
_NEVER_JUDGED: Final = int(Quality.HISTORICAL | Quality.IMPORTED) | _NEVER_KEPT
TICK_S: Final = 1_800.0
"""How often a home is looked at again where nothing tells when something may change. [s]"""
_LIVE_S: Final = 60.0
"""Motion this old asks for no light any more. [s]"""
_SETTLES_S: Final = 5.0
_BACKLOG_S: Final = 600.0
"""What comes later than this after it was measured was kept back by its device. Unsourced. [s]"""
_PEOPLE_TICK_S: Final = 3_600.0
_HOMES_AT_ONCE: Final = 65_536
"""What rules share of homes that are judged together is let go of after so many."""
_WAITING: Final = frozenset(("away", "after_fall", "held", "bed_overdue"))
"""Signals that stand at zero until something happens; what happens wakes the subject."""


_COUNTS: Final = frozenset(("count", "excess", "days_known"))
"""Signals that change with what happens and with the day."""


_NOBODY, _PERSON, _HOME, _DEVICE = range(4)


def _whose() -> NDArray[np.uint8]:
    out = np.full(2**16, _NOBODY, dtype=np.uint8)  # every number that fits, negative ones too
    out[:WIDE] = _PERSON
    for names, whose in ((pack.AT_HOME, _HOME), (pack.OF_DEVICE, _DEVICE)):
        out[[vitals.BY_NAME[name].no for name in names]] = whose
    return out


_WHOSE: Final = _whose()
"""Of what a quantity is judged, by its number."""
_MOTION, _DOOR = vitals.BY_NAME["motion"].no, vitals.BY_NAME["door_open"].no
_BED, _CHAIR = vitals.BY_NAME["bed_occupied"].no, vitals.BY_NAME["chair_occupied"].no
_FALL: Final = vitals.BY_NAME["fall"].no


@dataclass(frozen=True, slots=True)
class _Batch:
    """Rows of subjects in the order of subject and time, then of column and value."""

    slot: IntArray
    column: IntArray
    time: FloatArray
    value: FloatArray
    part: IntArray
    judged: BoolArray

    def some(self, which: NDArray[np.intp]) -> _Batch:
        """Return some of them, in the same order."""
        return _Batch(
            self.slot[which], self.column[which], self.time[which], self.value[which],
            self.part[which], self.judged[which],
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moment:
    """Readings of people at one moment each, and who is to be judged by what reads what."""

    who: IntArray  # which of the people each reading is of
    people: IntArray
    moment: FloatArray
    column: IntArray
    value: FloatArray
    judged: BoolArray
    newest: BoolArray
    columns: IntArray  # what there are readings of that are judged
    _found: dict[bytes, tuple[IntArray, IntArray, BoolArray]] = field(default_factory=dict)
    _shared: dict[bytes, dict[Any, Any]] = field(default_factory=dict)

    def of(self, one: Compiled) -> tuple[IntArray, IntArray, BoolArray]:
        """Return who is judged now, who is judged at a moment that is over, and for which rows."""
        key = one.reads[self.columns].tobytes()
        if key not in self._found:
            hit = one.reads[self.column] & self.judged
            live = np.zeros(self.people.size, dtype=bool)
            live[self.who[hit & self.newest]] = True
            over = hit & ~self.newest
            late = np.zeros(self.people.size, dtype=bool)
            late[self.who[over]] = True
            late &= ~live
            self._found[key] = live.nonzero()[0], late.nonzero()[0], over
        return self._found[key]

    def shared(self, one: Compiled) -> dict[Any, Any]:
        """Return where rules that read the same of these keep what they have in common."""
        return self._shared.setdefault(one.reads[self.columns].tobytes(), {})


class Engine:
    """The rules and what they remember. Not for sharing among threads."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.memory = Memory(plan)
        self.care_plans = CarePlans(plan)
        self.begun: set[int] = set()  # homes of whose past days are asked that were not kept
        self._by_kind = {k: _reading(plan.of(k)) for k in ("person", "home", "device")}
        self._turns = [_turns(one) for one in plan.home]
        self._by_clock = [c for c in plan.home if c.clocked and c.condition.command is None]
        self._counted = [_counting(self._by_clock, what) for what in activity.EVERY]

    # -- the register ---------------------------------------------------------------------------

    def put(
        self,
        *,
        homes: Sequence[Home] = (),
        people: Sequence[Person] = (),
        devices: Sequence[Device] = (),
    ) -> list[model.Finding]:
        """Add what the register has, or renew what it says of those who are here.

        Returns
        -------
        list[model.Finding]
            What was told of triggers that are judged no more, as over.
        """
        found: list[model.Finding] = []
        touched = np.array([*(h.no for h in homes), *(p.home_no for p in people)], np.int64)
        before = self._lived_in(touched)
        self.memory.put_homes(homes)
        begun = self.memory.put_people(people)
        self.memory.put_devices(devices)
        # other rules are for them now, and may hold already
        changed = self.memory.homes.rows(touched[self._lived_in(touched) != before])
        self._look_at(changed, -np.inf)
        if people:
            gone = self.care_plans.put(people)  # few: a clinician changed or took back a trigger
            self.memory.people.have_rules(len(self.plan.person) + len(self.care_plans))
            for one in gone:
                found += self._ended(one)
            self.memory.learn_parts({})  # triggers may ask new questions
            # what a trigger asks of the home or the clock is judged without any reading
            numbers = np.array([p.no for p in people if p.triggers], np.int64)
            asked = self.memory.people.rows(numbers)
            due = self.memory.people.due
            due[asked] = np.where(np.isposinf(due[asked]), -np.inf, due[asked])
            begun = np.union1d(begun, self._date(numbers))
        self.begun.update(self.memory.people.home[begun].tolist())
        return found

    def _date(self, people: IntArray) -> IntArray:
        """Keep the days that people's triggers read; return the slots of who had none so far."""
        pairs = [(n, column) for n in people.tolist() for column in self.care_plans.days(n)]
        numbers, columns = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        return self.memory.date(self.memory.people.rows(numbers), columns)

    def _lived_in(self, numbers: IntArray) -> IntArray:
        """Return by whom homes are lived in, a number each; -1 for those that aren't here."""
        homes = self.memory.homes
        slot = homes.rows(numbers)
        lived_in = homes.marks[slot].astype(np.int64) * 256 + homes.residents[slot]
        return np.where(slot >= 0, lived_in, -1)

    def _ended(self, gone: care_plans.Gone) -> Iterator[model.Finding]:
        """Forget all about one person's trigger, and tell that it is over where it was told."""
        people, open_ = self.memory.people, self.memory.open["person"]
        slot, column = people.numbers.row(gone.person), gone.column
        told = people.phase[slot, column] & conditions.RANK
        people.phase[slot, column] = 0
        row = open_.find(np.array([slot]), column)
        row = row[row >= 0]
        open_.pending_at[row] = open_.clearing_at[row] = np.inf
        if told:
            yield care_plans.ended(
                gone.person, int(people.home[slot]) or None, gone.trigger.id,
                title=gone.trigger.title, severity=model.BY_RANK[int(told)],
                at=float(open_.told_at[row[0]]), changed=gone.changed,
            )  # fmt: skip

    def unknown(self, rows: Rows) -> tuple[IntArray, IntArray, IntArray]:
        """Return people, homes and devices of a batch that aren't here yet."""
        keep = rows[_kept(rows)]
        people = np.unique(keep["person"][keep["person"] > 0])
        homes = np.unique(keep["dwelling"][keep["dwelling"] > 0])
        devices = np.unique(rows["device"][rows["device"] > 0])
        m = self.memory
        return (
            people[m.people.rows(people) < 0],
            homes[m.homes.rows(homes) < 0],
            devices[m.devices.rows(devices) < 0],
        )

    # -- on data --------------------------------------------------------------------------------

    def on_data(self, rows: Rows, *, now: float) -> list[model.Finding]:
        """Apply a batch to the memory and return what its rules found.

        The order of rows within the batch doesn't matter. A row older than what is known judges
        its own moment and never replaces the latest value. The memory remembers what it has told,
        so that only news comes out; the caller throws it away if it can't store that.
        """
        found: list[model.Finding] = list(silence.heard(self.memory, rows, now=now))
        kept = _kept(rows)
        if not kept.all():
            rows = rows[kept]
        if not rows.size:
            return found
        whose = _WHOSE[rows["quantity"]]
        of_device = places(whose == _DEVICE)
        if of_device.size:
            found += self._devices(rows[of_device], now)
        of_person = places(whose == _PERSON)
        people = rows[of_person]
        self._fallen(people, now)
        at_home = places(whose == _HOME)
        if at_home.size:
            found += self._homes(rows, at_home, now)
        people = people[people["person"] > 0]
        if people.size:
            found += self._people(people, now)
        return found

    def _fallen(self, rows: Rows, now: float) -> None:
        """Remember of homes that somebody fell there, and have the clock look at them."""
        fell = places((rows["quantity"] == _FALL) & (rows["value"] > 0))
        homes = self.memory.homes
        slot = homes.rows(rows["dwelling"][fell])
        here = slot >= 0
        slot, time = slot[here], rows["time"][fell][here]
        np.maximum.at(homes.fell, slot, time)
        self._look_at(slot, now)

    def _people(self, rows: Rows, now: float) -> Iterator[model.Finding]:
        m = self.memory
        column = m.columns_of(rows["quantity"].astype(np.int64), rows["part"].astype(np.int64))
        batch = _ordered(m.people.rows(rows["person"]), column, rows)
        for at in _moments(batch):
            yield from self._people_moment(batch, at, now)

    def _people_moment(self, batch: _Batch, at: IntArray, now: float) -> Iterator[model.Finding]:
        """Judge rows of which each person has one moment only."""
        m = self.memory
        slot, column, time = batch.slot[at], batch.column[at], batch.time[at]
        value, judged = batch.value[at], batch.judged[at]
        last = ends(slot) | ends(column)
        if not last.all():  # two devices measured the same at the same moment: the higher counts
            slot, column, time = slot[last], column[last], time[last]
            value, judged = value[last], judged[last]
        rows = m.series.meet(slot, column)
        again = column == _FALL
        if any_of(again):  # a detector that tells one fall twice has not seen two
            apart = np.abs(time[again, None] - m.series.time[rows[again]])
            again[again] = (apart < vocabulary.SPELL_S).any(axis=1)
            slot, column, time = slot[~again], column[~again], time[~again]
            value, judged, rows = value[~again], judged[~again], rows[~again]
            if not rows.size:
                return
        local = m.zones.local(time, m.people.zone[slot])
        newest = m.series.put(rows, time, local, value)
        first = begins(slot)
        who = np.cumsum(first) - 1
        people, moment = slot[first], time[first]
        m.people.latest[people] = np.maximum(m.people.latest[people], moment)
        if not any_of(judged):
            return
        here = _Moment(
            who=who, people=people, moment=moment, column=column, value=value, judged=judged,
            newest=newest, columns=numbers_in(column[judged]),
        )  # fmt: skip
        touched = self._by_kind["person"][:, here.columns].any(axis=1)
        for n in np.flatnonzero(touched):
            yield from self._rule_of_people(self.plan.person[n], here, now)
        for one in self.care_plans.reading(here.columns):
            yield from self._rule_of_people(one, here, now)

    def _rule_of_people(self, one: Compiled, here: _Moment, now: float) -> Iterator[model.Finding]:
        live, late, over = here.of(one)
        if live.size:
            yield from self._judge_people(
                one, here.people[live], here.moment[live], now, shared=here.shared(one)
            )
        if late.size and one.timing.wait == 0:
            own = {}
            for c in np.unique(here.column[over]):
                said = np.full(here.people.size, np.nan)
                mine = over & (here.column == c)
                said[here.who[mine]] = here.value[mine]
                own[int(c)] = said[late]
            yield from self._judge_late(one, here.people[late], here.moment[late], own, now)

    def _judge_people(
        self,
        one: Compiled,
        slots: IntArray,
        at: FloatArray,
        now: float,
        *,
        clock: bool = False,
        shared: dict[Any, Any] | None = None,
    ) -> Iterator[model.Finding]:
        """Judge a rule for people as they are now, because of a reading at ``at``.

        ``shared`` keeps what rules that are asked for the same people have in common.
        """
        shared = {} if shared is None or one.parameters else shared
        key = (one.marks, one.rule.applies, one.fresh)
        if key not in shared:
            slots, at, parameters = self._fit(one, slots, at)
            # judged at the newest moment known of the person: a reading may be new and not last
            moment = np.maximum(at, self.memory.people.latest[slots])
            shared[key] = slots, at, moment, signals.PersonEnv(
                self.memory, slots, moment, now=now, fresh=one.fresh, parameters=parameters
            )  # fmt: skip
        slots, at, moment, env = shared[key]
        if not slots.size:
            return
        for finding in self._judge("person", one, slots, env, at, moment, now):
            if not (clock and finding.outcome is model.Outcome.REFRESH):  # nothing new was read
                yield finding
        if one.clocked:  # what may begin without a reading is looked at also where nothing holds
            phase, due = self.memory.people.phase, self.memory.people.due
            wait = slots if one.begins else slots[phase[slots, one.column] != 0]
            due[wait] = np.minimum(due[wait], now + _PEOPLE_TICK_S)

    def _judge_late(
        self,
        one: Compiled,
        slots: IntArray,
        at: FloatArray,
        own: Mapping[int, FloatArray],
        now: float,
    ) -> Iterator[model.Finding]:
        """Judge a rule at moments that are over; then clear what the present shows to be over."""
        keep = np.arange(slots.size)
        slots_, at_, parameters = self._fit(one, slots, at)
        keep = keep[np.isin(slots, slots_)]
        if not slots_.size:
            return
        env = signals.PersonEnv(
            self.memory, slots_, at_, now=now, fresh=one.fresh,
            own={c: v[keep] for c, v in own.items()}, parameters=parameters,
        )  # fmt: skip
        raised: list[int] = []
        for finding in self._judge("person", one, slots_, env, at_, at_, now, late=True):
            raised.append(finding.subject_no)
            yield finding
        if raised:
            back = self.memory.people.rows(np.array(raised))
            yield from self._judge_people(one, back, self.memory.people.latest[back], now)

    def _fit(
        self, one: Compiled, slots: IntArray, at: FloatArray
    ) -> tuple[IntArray, FloatArray, FloatArray | None]:
        """Return those people a rule is for, and the numbers that are each one's own."""
        people = self.memory.people
        applies = one.rule.applies
        fit = np.ones(slots.size, dtype=bool)
        if one.marks:
            fit &= (people.marks[slots] & np.uint32(one.marks)) != 0
        if applies.from_age is not None:
            fit &= at >= people.born[slots] + applies.from_age * 365.2425 * localtime.DAY
        if applies.pregnant is not None:
            fit &= people.pregnant[slots] == applies.pregnant
        if applies.alone is not None:
            homes = self.memory.homes.rows(people.home[slots])
            alone = np.zeros(slots.size, dtype=bool)
            known = homes >= 0
            alone[known] = self.memory.homes.residents[homes[known]] == 1
            fit &= alone == applies.alone
        if not one.parameters:
            return slots[fit], at[fit], None
        mine, numbers = self.care_plans.parameters(one, people.no[slots[fit]].astype(np.int64))
        return slots[fit][mine], at[fit][mine], numbers

    # -- one rule -------------------------------------------------------------------------------

    def _judge(
        self,
        kind: str,
        one: Compiled,
        slots: IntArray,
        env: Any,
        at: FloatArray,
        moment: FloatArray,
        now: float,
        *,
        late: bool = False,
    ) -> Iterator[model.Finding]:
        """Move a rule's condition on for n subjects and tell what is news."""
        table, open_ = self.memory.subjects(kind), self.memory.open[kind]
        phase = table.phase
        byte = phase[slots, one.column]
        rank, false, scores = self._ranked(one, env, byte, slots)
        if not (any_of(rank) or any_of(byte)):
            return
        over = self._over(one, env, byte, scores, slots, kind) if any_of(byte) else false & False
        old = now - at > self.plan.defaults.live
        rank = np.where(old, np.minimum(rank, _SOON), rank)
        if late:
            over = np.zeros(slots.size, dtype=bool)
            false = over
        step = conditions.step(
            phase, open_, slots, one.column,
            rank=rank, false=false, over=over, at=moment, now=now, timing=one.timing,
        )  # fmt: skip
        if scores is not None:
            self._remember_basis(one, slots, scores, step.worse | step.renew)
        if kind != "person":
            self._wake_for(kind, one, slots, step)
        # what has an alert of its own goes on in that: else nobody would be told that it is over
        own = (byte & conditions.RANK > 0) & (byte & conditions.MUTED == 0)
        muted = self._muted(one, phase, slots, rank, step.worse & ~own)
        news = places(step.worse | step.renew | step.clear)
        if not news.size:
            return
        # nobody was told that it began, so nobody is told that it is over
        quiet = ~step.worse & (byte & conditions.MUTED != 0)
        yield from evidence.findings(
            self.memory, self.care_plans, kind, one, slots, env, scores,
            rank=rank, step=step, news=news[~quiet[news]], muted=muted, at=at, late=old,
        )  # fmt: skip
        if any_of(step.clear) and one.mutes:
            yield from self._unmute(kind, one, slots[step.clear], now)

    def _ranked(
        self, one: Compiled, env: Any, byte: NDArray[np.uint8], slots: IntArray
    ) -> tuple[IntArray, BoolArray, early_warning.Scores | None]:
        """Return how bad it certainly is, where it certainly isn't, and the scores of a score."""
        if one.score is not None:
            scores = evidence.scores(one, env, self.memory.people.scale2[slots])
            ranks = np.array([0, 0, one.score.severity_single.rank,
                              one.score.severity_medium.rank, one.score.severity.rank])  # fmt: skip
            return ranks[scores.level + 1], scores.level == 0, scores
        rank = np.zeros(slots.size, dtype=np.int64)
        false = np.zeros(slots.size, dtype=bool)
        for each in one.condition.levels:
            yes = language.certainly(each.when, env)
            if any_of(yes):
                rank = np.where(yes, each.severity.rank, rank)
        if any_of(byte & conditions.PENDING):  # else it says nothing to anybody
            false = language.judge(one.condition.levels[0].when, env)[1]
        return rank, false, None

    def _wake_for(self, kind: str, one: Compiled, slots: IntArray, step: conditions.Step) -> None:
        """Have the clock look again when a length of time of a rule is over."""
        table, open_ = self.memory.subjects(kind), self.memory.open[kind]
        if any_of(step.pending):
            wait = slots[step.pending]
            rows = open_.find(wait, one.column)
            due = np.maximum(
                open_.pending_at[rows] + one.timing.wait, open_.raised_at[rows] + one.timing.again
            )
            self._wake_at(kind, wait, rows, due)
        if one.timing.clear:
            ends = slots[table.phase[slots, one.column] & conditions.CLEARING != 0]
            rows = open_.find(ends, one.column)
            due = open_.clearing_at[rows] + one.timing.clear
            self._wake_at(kind, ends, rows, due)

    def _wake_at(self, kind: str, slots: IntArray, rows: IntArray, due: FloatArray) -> None:
        """Have the clock look at homes, or at conditions of devices, once they are due."""
        if kind == "home":
            self.memory.homes.due[slots] = np.minimum(self.memory.homes.due[slots], due)
        else:  # of many devices few have anything going on
            open_ = self.memory.open[kind]
            open_.due[rows] = np.minimum(open_.due[rows], due)

    def _over(
        self,
        one: Compiled,
        env: Any,
        byte: NDArray[np.uint8],
        scores: early_warning.Scores | None,
        slots: IntArray,
        kind: str,
    ) -> BoolArray:
        """Return for whom a condition is certainly over: by a reading, never by the lack of one."""
        if scores is None:
            return language.certainly(one.condition.clear, env)
        open_ = self.memory.open[kind]
        rows = open_.find(slots, one.column)
        basis = np.where(rows >= 0, open_.basis[np.maximum(rows, 0)], 0).astype(np.int64)
        return np.asarray((scores.level == 0) & ((_bits(scores) & basis) == basis))

    def _remember_basis(
        self, one: Compiled, slots: IntArray, scores: early_warning.Scores, told: BoolArray
    ) -> None:
        """Keep which parts a score rested on: it clears only when those are measured again."""
        if any_of(told):
            open_ = self.memory.open["person"]
            open_.basis[open_.find(slots[told], one.column)] = _bits(scores)[told]

    def _muted(
        self, one: Compiled, phase: conditions.Phases, slots: IntArray, rank: IntArray,
        worse: BoolArray,
    ) -> IntArray:  # fmt: skip
        """Return which rule speaks for each news, -1 for none; an emergency is never muted."""
        by = np.full(slots.size, -1, dtype=np.int64)
        for column in one.muted_by:
            speaks = (phase[slots, column] & conditions.RANK) >= rank
            own = phase[slots, column] & conditions.MUTED == 0
            by = np.where(worse & speaks & own & (by < 0), column, by)
        by = np.where(rank == model.Severity.EMERGENCY.rank, -1, by)
        hit = slots[by >= 0]
        phase[hit, one.column] |= conditions.MUTED
        return by

    def _unmute(
        self, kind: str, one: Compiled, slots: IntArray, now: float
    ) -> Iterator[model.Finding]:
        """Let rules speak for themselves again where the one that spoke for them has cleared."""
        table = self.memory.subjects(kind)
        for column in one.mutes:
            held = slots[table.phase[slots, column] & conditions.MUTED != 0]
            if held.size:
                table.phase[held, column] = 0
                rows = self.memory.open[kind].find(held, column)
                # nobody has been told of it: it isn't again, it is new
                self.memory.open[kind].raised_at[rows[rows >= 0]] = -np.inf
                rule = self.plan.of(kind)[column]
                if kind == "person":
                    at = self.memory.people.latest[held]
                    yield from self._judge_people(rule, held, at, now)
                elif kind == "home":
                    yield from self._judge_homes(rule, held, now)
                else:
                    yield from self._judge_devices(rule, held, np.full(held.size, now), now)

    # -- homes ----------------------------------------------------------------------------------

    def _homes(self, rows: Rows, at_home: NDArray[np.intp], now: float) -> Iterator[model.Finding]:
        m = self.memory
        slot = m.homes.rows(rows["dwelling"][at_home])
        batch = _ordered(slot, rows["quantity"][at_home].astype(np.int64), rows, at_home)
        if not batch.slot.size:
            return
        door = batch.column == _DOOR
        door_out = door & m.door_out[m.known_part(batch.part)]
        self._move(batch, door & ~door_out, door_out, now)
        stated = (batch.column != _MOTION) & (door_out | ~door) & self.plan.kept[batch.column]
        at = places(stated)
        if at.size:
            yield from self._states("home", batch.some(at), now)
        judged = batch.slot if batch.judged.all() else batch.slot[batch.judged]
        yield from self._homes_woken(judged[begins(judged)], now)
        yield from self._commands(batch, now)
        self._catch_up(slot, rows, at_home)

    def _catch_up(self, slot: IntArray, rows: Rows, at_home: NDArray[np.intp]) -> None:
        """Leave homes to the clock only once what a device had kept back has all come.

        Half of a backlog says that somebody went to bed, and not yet that they got up.
        """
        behind = rows["received"] - rows["time"] > _BACKLOG_S
        if not any_of(behind):  # nearly always
            return
        received = rows["received"][at_home]
        late = places(behind[at_home] & (slot >= 0))
        if late.size:
            late = late[np.argsort(received[late], kind="stable")]
            self.memory.homes.due[slot[late]] = received[late] + _SETTLES_S

    def _move(self, batch: _Batch, door_in: BoolArray, door_out: BoolArray, now: float) -> None:
        """Count what moved in homes."""
        m = self.memory
        yes = batch.value > 0
        moves = (door_in | (batch.column == _MOTION)) & yes
        bed = batch.column == _BED
        out = places(door_out)
        if out.size:
            wake = batch.slot[out]
            np.maximum.at(m.homes.door, wake, batch.time[out])
            self._look_at(wake, now)
        at = places(moves | bed | (batch.column == _CHAIR))
        if not at.size:
            return
        slot, time = batch.slot[at], batch.time[at]
        part = place = m.known_part(batch.part[at])
        last = places(ends(slot))
        if ((slot[1:] == slot[:-1]) & (time[1:] == time[:-1])).any():
            place = part[np.lexsort((part, time, slot))]
        homes, newest = slot[last], time[last]
        before = m.homes.moved[homes]
        later = newest >= before
        m.homes.place[homes[later]] = place[last][later]
        m.homes.moved[homes] = np.maximum(before, newest)
        late = np.repeat(before, np.diff(last, prepend=-1)) > time
        if any_of(late):  # what is usual of the home may be other than it was
            self._look_at(slot[late], now)
        new = homes[m.homes.activity[homes] < 0]
        if new.size:
            m.homes.activity[new] = m.activity.add(new.size)
            self._look_at(new, now)
        self._count(slot, time, part, (bed & ~yes)[at], moves[at], now)

    def _look_at(self, slot: IntArray, now: float) -> None:
        """Have the clock look at homes next: what happened there may change more than it judged."""
        self.memory.homes.due[slot] = np.minimum(self.memory.homes.due[slot], now)

    def _count(
        self,
        slot: IntArray,
        time: FloatArray,
        part: NDArray[np.integer],
        bed_exit: BoolArray,
        moves: BoolArray,
        now: float,
    ) -> None:
        m = self.memory
        local = m.zones.local(time, m.homes.zone[slot])
        rows = m.homes.activity[slot].astype(np.int64)
        day = localtime.day(local)
        new = places(day > m.activity.day[rows])
        if new.size:
            m.activity.advance(rows[new], day[new])
            self._look_at(slot[new], now)
        m.activity.moved(rows, local)
        minute = localtime.minute(local)
        for which, counted in activity.counted(m.bathroom[part], bed_exit, moves, minute):
            hit = places(counted)
            if hit.size:
                begun = m.activity.visits(which, rows[hit], time[hit], local[hit])
                at = slot[hit[begun]]
                for marks in self._counted[which]:
                    mine = at if not marks else at[(m.homes.marks[at] & np.uint32(marks)) != 0]
                    self._look_at(mine, now)
        if any_of(bed_exit):
            m.activity.got_up(rows[bed_exit], local[bed_exit])

    def _states(self, kind: str, batch: _Batch, now: float) -> Iterator[model.Finding]:
        """Take in states of homes or devices, moment by moment, and judge the rules they touch."""
        states = self.memory.home_states if kind == "home" else self.memory.device_states
        for at in _moments(batch):
            s, c, t, v = batch.slot[at], batch.column[at], batch.time[at], batch.value[at]
            newest = batch.judged[at]
            last = ends(s) | ends(c)
            if not last.all():
                s, c, t, v, newest = s[last], c[last], t[last], v[last], newest[last]
            newest = newest & states.put(states.meet(s, c), t, v)
            if not any_of(newest):
                continue
            touched = self._by_kind[kind][:, numbers_in(c[newest])].any(axis=1)
            for n in np.flatnonzero(touched):
                one = self.plan.of(kind)[n]
                hit = places(one.reads[c] & newest)
                hit = hit[begins(s[hit])]
                mine = s[hit]
                if kind == "home":
                    yield from self._judge_homes(one, mine, now, at=t[hit])
                    if self._turns[n]:
                        self._look_at(mine, now)
                else:
                    yield from self._judge_devices(one, mine, t[hit], now)

    def _homes_woken(self, slots: IntArray, now: float) -> Iterator[model.Finding]:
        """Judge again what is going on in homes in which something has moved."""
        phase = self.memory.homes.phase
        busy = slots[self.memory.homes.going_on(slots)]
        if not busy.size:
            return
        for one in self.plan.home:
            if one.home:
                mine = busy[phase[busy, one.column] != 0]
                if mine.size:
                    yield from self._judge_homes(one, mine, now)

    def _judge_homes(
        self, one: Compiled, slots: IntArray, now: float, *, at: FloatArray | None = None
    ) -> Iterator[model.Finding]:
        if one.condition.command is not None:
            return
        moment = np.full(slots.size, now) if at is None else at
        fit = self._homes_fit(one, slots)
        slots, moment = slots[fit], moment[fit]
        if slots.size:
            env = signals.HomeEnv(self.memory, slots, moment, now=now, fresh=one.fresh)
            yield from self._judge("home", one, slots, env, moment, moment, now)

    def _homes_fit(self, one: Compiled, slots: IntArray) -> BoolArray:
        homes = self.memory.homes
        fit = homes.residents[slots] > 0
        if one.marks:
            fit &= (homes.marks[slots] & np.uint32(one.marks)) != 0
        if one.rule.applies.alone is not None:
            fit &= (homes.residents[slots] == 1) == one.rule.applies.alone
        return fit

    def _commands(self, batch: _Batch, now: float) -> Iterator[model.Finding]:
        """Ask devices for something because of motion that is happening now."""
        m = self.memory
        fresh = now - batch.time <= _LIVE_S
        hit = places(batch.judged & fresh & (batch.column == _MOTION) & (batch.value > 0))
        if not hit.size:
            return
        slot, time = batch.slot[hit], batch.time[hit]
        last = ends(slot)
        slot, time = slot[last], time[last]
        for one in self.plan.home:
            command = one.condition.command
            if command is None:
                continue
            free = self._homes_fit(one, slot) & (now - m.homes.lit[slot] >= command.every_s)
            mine, at = slot[free], time[free]
            if not mine.size:
                continue
            env = signals.HomeEnv(m, mine, at, now=now, fresh=one.fresh)
            yes, _ = language.judge(one.condition.levels[0].when, env)
            m.homes.lit[mine[yes]] = now
            yield from evidence.commands(m, one, mine, env, places(yes), at)

    # -- devices --------------------------------------------------------------------------------

    def _devices(self, rows: Rows, now: float) -> Iterator[model.Finding]:
        column = rows["quantity"].astype(np.int64)
        column[~self.plan.kept[column]] = -1
        batch = _ordered(self.memory.devices.rows(rows["device"]), column, rows)
        yield from self._states("device", batch, now)

    def _judge_devices(
        self, one: Compiled, slots: IntArray, at: FloatArray, now: float
    ) -> Iterator[model.Finding]:
        env = signals.DeviceEnv(self.memory, slots, now=now, fresh=one.fresh)
        yield from self._judge("device", one, slots, env, at, at, now)

    # -- on time --------------------------------------------------------------------------------

    def on_time(self, *, now: float, heard_since: float | None) -> list[model.Finding]:
        """Judge what the clock alone changes, and return what was found.

        Parameters
        ----------
        now
            The hub's clock. [s, Unix]
        heard_since
            Since when the hub has been listening to its devices without a break; None while it
            isn't: then nothing is called silent or still. [s, Unix]
        """
        m = self.memory
        if heard_since is None:
            return []
        if heard_since > m.heard_since:
            m.heard_since = heard_since
            m.set_due(places(m.feeds.told[: m.feeds.count] == 0))
        found = list(silence.overdue(m, now=now))
        homes = places(m.homes.due[: m.homes.count] <= now)
        if homes.size:
            found += self._homes_due(homes, now)
        people = places(m.people.due[: m.people.count] <= now)
        if people.size:
            found += self._people_due(people, now)
        devices = places(m.open["device"].due[: m.open["device"].count] <= now)
        if devices.size:
            found += self._devices_due(devices, now)
        return found

    def _homes_due(self, slots: IntArray, now: float) -> list[model.Finding]:
        m = self.memory
        found: list[model.Finding] = []
        m.homes.due[slots] = np.inf
        for n in range(0, slots.size, _HOMES_AT_ONCE):
            part = slots[n : n + _HOMES_AT_ONCE]
            # rules for the same homes share what is computed of them: judging changes no signal
            fits: dict[tuple[int, bool | None], IntArray] = {}
            envs: dict[tuple[float, tuple[int, bool | None]], signals.HomeEnv] = {}
            for one in self._by_clock:
                whom = one.marks, one.rule.applies.alone
                if whom not in fits:
                    fits[whom] = part[self._homes_fit(one, part)]
                mine = fits[whom]
                if not mine.size:
                    continue
                key = one.fresh, whom
                if key not in envs:
                    at = np.full(mine.size, now)
                    envs[key] = signals.HomeEnv(m, mine, at, now=now, fresh=one.fresh)
                env, at = envs[key], np.full(mine.size, now)
                found += self._judge("home", one, mine, env, at, at, now)
                turns = self._turns[one.column]
                if turns:
                    m.homes.due[mine] = np.minimum(m.homes.due[mine], next_due(turns, env, now))
            told = part[m.homes.told(part)]  # how long it is still is told again
            told = told[np.isfinite(m.homes.moved[told])]
            m.homes.due[told] = np.minimum(m.homes.due[told], now + TICK_S)
        return found

    def _people_due(self, slots: IntArray, now: float) -> list[model.Finding]:
        m = self.memory
        found: list[model.Finding] = []
        m.people.due[slots] = np.inf
        for one in [*self.plan.person, *self.care_plans.rules]:
            if one.clocked:
                held = m.people.phase[slots, one.column] != 0
                mine = slots if one.begins else slots[held]
                found += self._judge_people(one, mine, np.full(mine.size, now), now, clock=True)
        return found

    def _devices_due(self, rows: IntArray, now: float) -> list[model.Finding]:
        m = self.memory
        found: list[model.Finding] = []
        slots = np.unique(m.open["device"].slot[rows]).astype(np.int64)
        m.open["device"].due[rows] = np.inf
        for one in self.plan.device:
            busy = slots[m.devices.phase[slots, one.column] != 0]
            if busy.size and one.clocked:
                found += self._judge_devices(one, busy, np.full(busy.size, now), now)
        return found

    def presence(
        self, devices: IntArray, states: Sequence[str], battery: FloatArray, seen: FloatArray,
        *, now: float,
    ) -> list[model.Finding]:  # fmt: skip
        """Take in what devices said of themselves: that they live, their state, their battery."""
        m = self.memory
        slot = m.devices.rows(devices)
        here = places(slot >= 0)
        slot = slot[here]
        m.devices.state[slot] = np.array([STATES.get(s, 0) for s in states], dtype=np.uint8)[here]
        # that it is gone the broker says in its stead
        spoke = (m.devices.state[slot] != OFFLINE) & (seen[here] > m.devices.heard[slot])
        found = list(silence.back(m, slot[spoke], np.zeros(0, np.int64), now=now))
        np.maximum.at(m.devices.heard, slot, seen[here])
        told = ~np.isnan(battery[here])
        rows = np.zeros(int(told.sum()), ROW)
        if not rows.size:
            return found
        rows["time"] = rows["received"] = seen[here][told]
        rows["value"] = battery[here][told]
        rows["device"] = devices[here][told]
        rows["dwelling"] = m.devices.home[slot][told]
        rows["quantity"] = vitals.BY_NAME["battery"].no
        return found + self.on_data(rows, now=now)

    # -- what people did ------------------------------------------------------------------------

    def put_told(
        self, kind: str, number: int, rule_id: str, *, rank: int, at: float, basis: Sequence[str]
    ) -> list[model.Finding]:
        """Take over an open alert, as the database has it; rank 0: its condition has cleared.

        Tells that it is over where it is of a trigger that is judged no more.
        """
        slot, column = self._where(kind, number, rule_id)
        if slot < 0 or column is None:
            name = rule_id.removeprefix(CarePlans.PREFIX)
            if slot < 0 or not rank or name == rule_id:
                return []
            home = int(self.memory.people.home[slot]) or None
            return [care_plans.ended(number, home, name, title=name, at=at, changed=False,
                                     severity=model.BY_RANK[rank])]  # fmt: skip
        open_ = self.memory.open[kind]
        row = open_.meet(np.array([slot]), column)
        open_.told_at[row] = at
        open_.raised_at[row] = at
        one = self._rule(kind, column)
        if one.score is not None:
            names = one.score.chart.names
            open_.basis[row] = sum(1 << names.index(n) for n in basis if n in names)
        phase = self.memory.subjects(kind).phase
        kept = phase[slot, column] & (conditions.PENDING | conditions.CLEARING)
        phase[slot, column] = rank | kept
        self._wake(kind, slot)
        return []

    def forget_told(self, kind: str, number: int, rule_id: str, *, now: float) -> None:
        """Forget an alert that a person closed, so that the next bad reading raises anew."""
        slot, column = self._where(kind, number, rule_id)
        if slot < 0 or column is None:
            silence.forget(self.memory, kind, number, rule_id, now=now)
            return
        phase = self.memory.subjects(kind).phase
        one = self._rule(kind, column)
        for each in (column, *(c for c in one.mutes if phase[slot, c] & conditions.MUTED)):
            phase[slot, each] = 0
            rows = self.memory.open[kind].find(np.array([slot]), each)
            self.memory.open[kind].told_at[rows[rows >= 0]] = -np.inf
        self._wake(kind, slot)

    def _wake(self, kind: str, slot: int) -> None:
        if kind == "home":
            self.memory.homes.due[slot] = -np.inf

    def _rule(self, kind: str, column: int) -> Compiled:
        rules = self.plan.of(kind)
        return rules[column] if column < len(rules) else self.care_plans.rules[column - len(rules)]

    def _where(self, kind: str, number: int, rule_id: str) -> tuple[int, int | None]:
        slot = self.memory.subjects(kind).numbers.row(number) if kind in self._by_kind else -1
        if kind == "person" and rule_id.startswith(CarePlans.PREFIX):
            return slot, self.care_plans.column(number, rule_id)
        rules = self.plan.of(kind) if kind in self._by_kind else []
        return slot, next((c.column for c in rules if c.rule.id == rule_id), None)

    def tidy(self, *, now: float) -> None:
        """Let go of conditions in which nothing is going on any more."""
        for open_ in self.memory.open.values():
            n = open_.count
            phase = open_.phase[:n]
            quiet = (phase == 0) & (now - open_.raised_at[:n] > 31 * localtime.DAY)
            quiet |= (phase == 0) & ~np.isfinite(open_.raised_at[:n])
            if quiet.sum() > n // 4:
                open_.keep(places(~quiet))
                open_.reindex()


def _turns(one: Compiled) -> list[language.Hours | language.Compare]:
    """Return the parts of a rule that the clock alone may turn, each once, of counts one."""
    parts = dict.fromkeys(part for node in one.nodes for part in language.walk(node))
    found: list[language.Hours | language.Compare] = []
    counts: list[language.Hours | language.Compare] = []
    for part in parts:
        if isinstance(part, language.Hours):
            if part.of is None:  # when something happened stays as it was until it happens again
                found.append(part)
        elif isinstance(part, language.Compare):
            signal = part.left
            plain = isinstance(signal, Signal) and isinstance(part.right, language.Number)
            if plain and isinstance(signal, Signal) and signal.name in _COUNTS:
                counts.append(part)
            elif not plain or (isinstance(signal, Signal) and _by_clock(signal)):
                found.append(part)
    return found + counts[:1]


def _by_clock(signal: Signal) -> bool:
    return signal.spec.grows or signal.name in ("quiet_hours", "bed_overdue")


def _counting(rules: Sequence[Compiled], what: str) -> frozenset[int]:
    """Return the marks of homes of which a rule asks how often something was; 0: of all homes."""
    return frozenset(
        one.marks
        for one in rules
        for node in one.nodes
        if any(signal.what == what for signal in language.signals(node))
    )


def next_due(
    turns: Sequence[language.Hours | language.Compare], env: signals.HomeEnv, now: float
) -> FloatArray:
    """Return when the clock alone may change a rule's condition next, per home. [s, Unix]"""
    due = np.full(env.size, np.inf)
    for part in turns:
        if isinstance(part, language.Hours):
            for edge in (part.begin, part.end):
                due = np.minimum(due, env.when(edge))
        else:
            due = np.minimum(due, _crossing(part, env, now))
    return np.asarray(np.maximum(due, now + 1.0))


def _crossing(part: language.Compare, env: signals.HomeEnv, now: float) -> FloatArray:
    signal, bound = part.left, part.right
    if not isinstance(signal, Signal) or not isinstance(bound, language.Number):
        return np.full(env.size, now + TICK_S)
    if signal.name in _COUNTS:  # what happens wakes the home, and a new day begins by the clock
        return np.where(env.watched(), env.when(0), np.inf)
    value = env.signal(signal)
    rate = 3_600.0 if signal.name == "quiet_hours" else 1.0
    wait = (bound.value - value) * rate
    # what is unknown is so until something happens
    out = np.where(wait >= 0, now + np.maximum(wait, 0.0), np.inf)
    if signal.name in _WAITING:
        zero = np.inf if signal.name != "bed_overdue" else now + TICK_S
        begins = env.time_of(signal) >= now  # at this very moment: it stands at zero and grows
        out = np.where((value == 0) & ~begins, zero, out)
    return out


def _bits(scores: early_warning.Scores) -> IntArray:
    measured = ~np.isnan(scores.parts)
    return np.asarray(measured @ (1 << np.arange(measured.shape[1])), dtype=np.int64)


def _kept(rows: Rows) -> BoolArray:
    """Return which rows are remembered: plausible, no broker's copies, a number, in time."""
    time = np.ascontiguousarray(rows["time"])
    kept = ((rows["flags"] & _NEVER_KEPT) == 0) & np.isfinite(rows["value"])
    return np.asarray(kept & (time > 0) & (time < _LAST_TIME))


def _reading(rules: Sequence[Compiled]) -> BoolArray:
    return np.array([c.reads for c in rules], dtype=bool).reshape(len(rules), WIDE)


def _ordered(
    slot: IntArray, column: IntArray, rows: Rows, at: NDArray[np.intp] | None = None
) -> _Batch:
    """Return rows, or those ``at`` places, in order; without those that have no slot or column."""
    keep = (slot >= 0) & (column >= 0)
    if not keep.all():
        slot, column = slot[keep], column[keep]
        at = places(keep) if at is None else at[keep]
    time = rows["time"] if at is None else rows["time"][at]
    if (time[1:] >= time[:-1]).all():  # as they mostly come
        order = by_slot(slot)
    else:
        order = np.argsort(time, kind="stable")
        order = order[by_slot(slot[order])]
    s, t = slot[order], time[order]
    same = places((s[1:] == s[:-1]) & (t[1:] == t[:-1]))
    if same.size:
        # Two devices may measure the same at the same moment: the value decides, then whether it is
        # judged, not the order.
        tied = np.zeros(s.size, dtype=bool)
        tied[same] = tied[same + 1] = True
        which = order[tied]
        its = rows[which if at is None else at[which]]
        fit = (its["flags"] & _NEVER_JUDGED) == 0
        keys = its["part"], its["device"], fit, its["value"], column[which], t[tied], s[tied]
        order[tied] = which[np.lexsort(keys)]
    at = order if at is None else at[order]
    judged = (rows["flags"][at] & _NEVER_JUDGED) == 0
    return _Batch(s, column[order], t, rows["value"][at], rows["part"][at], judged)


def _moments(batch: _Batch) -> Iterator[IntArray]:
    """Return the rows of each subject's first moment, then of each one's second, and so on."""
    if not batch.slot.size:
        return
    subject = begins(batch.slot)
    nth = np.cumsum(subject | begins(batch.time))
    first = places(subject)
    moment: IntArray = nth - np.repeat(nth[first], np.diff(np.r_[first, nth.size]))
    last = int(moment.max())
    if last == 0:
        yield np.arange(batch.slot.size)
        return
    by_moment = by_slot(moment)
    cuts = np.r_[0, np.cumsum(np.bincount(moment))]
    for n in range(last + 1):
        yield by_moment[cuts[n] : cuts[n + 1]]
