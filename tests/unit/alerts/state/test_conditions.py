"""One rule's step for many subjects, against a state machine of one subject in plain Python."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.state import conditions
from alerts.state.conditions import CLEARING, MUTED, PENDING, RANK, Judged, Timing
from alerts.state.table import ABSENT

AT_ONCE = Timing(wait=0.0, clear=0.0, again=0.0, refresh=900.0)
TRUE, FALSE, BETWEEN, UNKNOWN, OVER = "true", "false", "between", "unknown", "over"


class Bench:
    """Some subjects and one rule, moved on step by step."""

    def __init__(self, count: int = 1, timing: Timing = AT_ONCE) -> None:
        subjects = Judged()
        subjects.add(count)
        subjects.have_rules(3)
        self.phase, self.open = subjects.phase, subjects.open
        self.timing = timing

    def step(
        self, rank: int, *, at: float, over: bool = False, false: bool = False,
        now: float | None = None, slot: int = 0,
    ) -> str:  # fmt: skip
        """Return what one subject's step told: "", worse, renew, clear."""
        found = conditions.step(
            self.phase, self.open, np.array([slot]), 1, rank=np.array([rank]),
            false=np.array([false]), over=np.array([over]), at=np.array([at]),
            now=at if now is None else now, timing=self.timing,
        )  # fmt: skip
        said = [n for n in ("worse", "renew", "clear") if getattr(found, n)[0]]
        assert len(said) <= 1
        return said[0] if said else ""

    @property
    def told(self) -> int:
        return int(self.phase[0, 1] & RANK)


@dataclass
class Plain:
    """The same for one subject, written down as plainly as can be."""

    timing: Timing
    told: int = 0
    pending: float = math.inf
    clearing: float = math.inf
    raised: float = -math.inf
    renewed: float = -math.inf

    def step(self, rank: int, *, at: float, over: bool, false: bool, now: float) -> str:
        if rank > self.told:
            self.pending = min(self.pending, at)
        elif false or rank:
            self.pending = math.inf
        if rank:
            self.clearing = math.inf
        long = at - self.pending >= self.timing.wait
        soon = not self.told and max(now - self.raised, 0) < self.timing.again and rank < 4
        if rank > self.told and long and not soon:
            if not self.told:
                self.raised = now
            self.told, self.renewed, self.pending = rank, now, math.inf
            return "worse"
        if rank and self.told and now - self.renewed >= self.timing.refresh:
            self.renewed = now
            return "renew"
        if over and not rank and self.told:
            self.clearing = min(self.clearing, at)
            if at - self.clearing >= self.timing.clear:
                self.told, self.clearing, self.renewed = 0, math.inf, now
                return "clear"
        return ""


lengths = st.sampled_from([0.0, 60.0, 600.0])
timings = st.builds(Timing, wait=lengths, clear=lengths, again=lengths,
                    refresh=st.sampled_from([0.0, 300.0, 900.0]))  # fmt: skip
steps = st.lists(
    st.tuples(st.sampled_from([TRUE, FALSE, BETWEEN, UNKNOWN, OVER]), st.integers(1, 4),
              st.integers(0, 10)), max_size=30,
)  # fmt: skip


def reading(kind: str, rank: int) -> dict[str, int | bool]:
    return {
        "rank": rank if kind == TRUE else 0,
        "false": kind in (FALSE, BETWEEN, OVER),
        "over": kind in (FALSE, OVER),
    }


@settings(max_examples=200, deadline=None)
@given(timings, steps)
def test_a_step_is_that_of_a_machine_of_one_subject(
    timing: Timing, given: list[tuple[str, int, int]]
) -> None:
    bench, plain, at = Bench(timing=timing), Plain(timing), 0.0
    for kind, rank, wait in given:
        at += wait * 60.0
        said = reading(kind, rank)
        assert bench.step(at=at, **said) == plain.step(at=at, now=at, **said)
        assert bench.told == plain.told
        row = bench.open.index.find(np.array([0]), 1)[0]
        if row >= 0:
            assert bench.open.pending_at[row] == plain.pending
            assert bool(bench.phase[0, 1] & PENDING) == (plain.pending < math.inf)


@settings(max_examples=60, deadline=None)
@given(
    timings,
    st.lists(st.tuples(st.integers(0, 4), st.sampled_from([TRUE, FALSE, BETWEEN, UNKNOWN]),
                       st.integers(1, 4)), max_size=40),
)  # fmt: skip
def test_many_subjects_at_once_are_each_judged_alone(
    timing: Timing, given: list[tuple[int, str, int]]
) -> None:
    together, alone = Bench(5, timing), {n: Bench(5, timing) for n in range(5)}
    for n in range(0, len(given), 5):
        batch = {slot: reading(kind, rank) for slot, kind, rank in given[n : n + 5]}
        slots = np.array(list(batch), dtype=np.int64)
        at = np.full(slots.size, n * 60.0)
        found = conditions.step(
            together.phase, together.open, slots, 1,
            rank=np.array([b["rank"] for b in batch.values()], dtype=np.int64),
            false=np.array([b["false"] for b in batch.values()], dtype=bool),
            over=np.array([b["over"] for b in batch.values()], dtype=bool),
            at=at, now=n * 60.0, timing=timing,
        )  # fmt: skip
        for k, (slot, said) in enumerate(batch.items()):
            told = alone[slot].step(at=n * 60.0, slot=slot, **said)
            names = [name for name in ("worse", "renew", "clear") if getattr(found, name)[k]]
            assert names == ([told] if told else [])
    for slot, bench in alone.items():
        for rule in range(3):
            assert together.phase[slot, rule] == bench.phase[slot, rule]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(88, 95), max_size=40))
def test_inside_the_band_of_hysteresis_nothing_is_ever_told(values: list[int]) -> None:
    """Raised below 90, cleared from 93: what lies between changes nothing, whatever the order."""
    bench, told = Bench(), 0
    for n, value in enumerate(values):
        said = bench.step(int(value < 90) * 2, at=float(n), over=value >= 93, false=value >= 90)
        if 90 <= value < 93:
            assert said == ""
        assert said in ("", "worse" if value < 90 else "clear")
        told += {"worse": 1, "clear": -1, "": 0}[said]
        assert told == (bench.told > 0)


@pytest.mark.parametrize(("at", "said"), [(599.9, ""), (600.0, "worse"), (600.1, "worse")])
def test_a_condition_has_to_hold_for_its_time(at: float, said: str) -> None:
    bench = Bench(timing=Timing(600.0, 0.0, 0.0, 900.0))
    assert bench.step(2, at=0.0) == ""
    assert bench.phase[0, 1] == PENDING
    assert bench.step(2, at=at) == said


def test_what_was_false_in_between_begins_anew_and_what_was_unknown_goes_on() -> None:
    timing = Timing(600.0, 0.0, 0.0, 900.0)
    for between, said in (({"false": True}, ""), ({}, "worse")):
        bench = Bench(timing=timing)
        bench.step(2, at=0.0)
        bench.step(0, at=300.0, **between)
        assert bench.step(2, at=700.0) == said


def test_unknown_and_then_false_begins_anew() -> None:
    bench = Bench(timing=Timing(600.0, 0.0, 0.0, 900.0))
    bench.step(2, at=0.0)
    bench.step(0, at=100.0)  # unknown
    bench.step(0, at=200.0, false=True)
    assert bench.step(2, at=700.0) == ""
    assert bench.step(2, at=1_300.0) == "worse"


def test_a_worse_level_that_stopped_holding_begins_anew() -> None:
    bench = Bench(timing=Timing(600.0, 0.0, 0.0, 9_000.0))
    bench.step(2, at=0.0)
    assert bench.step(2, at=600.0) == "worse"
    bench.step(3, at=700.0)
    bench.step(2, at=800.0)
    assert bench.step(3, at=1_300.0) == ""
    assert bench.step(3, at=1_900.0) == "worse"


@pytest.mark.parametrize(("at", "said"), [(699.0, ""), (700.0, "clear")])
def test_it_has_to_be_over_for_its_time(at: float, said: str) -> None:
    bench = Bench(timing=Timing(0.0, 600.0, 0.0, 900.0))
    assert bench.step(2, at=0.0) == "worse"
    assert bench.step(0, at=100.0, over=True, false=True) == ""
    assert bench.phase[0, 1] == 2 | CLEARING
    assert bench.step(0, at=at, over=True, false=True) == said


def test_worse_is_told_at_once_and_milder_never() -> None:
    bench = Bench()
    assert [bench.step(r, at=float(n)) for n, r in enumerate([1, 3, 2, 4, 4])] == [
        "worse", "worse", "", "worse", "",
    ]  # fmt: skip
    assert bench.told == 4


@pytest.mark.parametrize(("now", "said"), [(3_599.0, ""), (3_600.0, "worse")])
def test_it_is_told_again_only_after_its_time(now: float, said: str) -> None:
    bench = Bench(timing=Timing(0.0, 0.0, 3_600.0, 900.0))
    assert bench.step(2, at=0.0) == "worse"
    assert bench.step(0, at=10.0, over=True, false=True) == "clear"
    assert bench.step(2, at=now) == said


def test_an_emergency_is_told_again_whenever_it_comes_back() -> None:
    bench = Bench(timing=Timing(0.0, 0.0, 3_600.0, 900.0))
    assert bench.step(4, at=0.0) == "worse"
    bench.step(0, at=10.0, over=True, false=True)
    assert bench.step(3, at=20.0) == ""
    assert bench.step(4, at=30.0) == "worse"


def test_what_comes_back_within_its_time_is_told_when_that_has_passed() -> None:
    bench = Bench(timing=Timing(0.0, 0.0, 3_600.0, 900.0))
    bench.step(2, at=0.0)
    bench.step(0, at=10.0, over=True, false=True)
    assert [bench.step(2, at=t) for t in (20.0, 3_599.0, 3_600.0)] == ["", "", "worse"]


@pytest.mark.parametrize(("at", "said"), [(899.0, ""), (900.0, "renew")])
def test_what_goes_on_is_renewed_after_a_while(at: float, said: str) -> None:
    bench = Bench()
    bench.step(2, at=0.0)
    assert bench.step(2, at=at) == said
    assert bench.told == 2


def test_unknown_neither_raises_nor_clears_nor_renews() -> None:
    bench = Bench()
    assert bench.step(0, at=0.0) == ""
    bench.step(2, at=1.0)
    assert bench.step(0, at=99_999.0) == ""
    assert bench.told == 2


def test_what_holds_is_not_over_whatever_its_end_says() -> None:
    bench = Bench()
    bench.step(2, at=0.0)
    assert bench.step(2, at=1.0, over=True) == ""


def test_a_mute_lasts_until_it_is_over_or_worse() -> None:
    for rank, over, muted in ((2, False, MUTED), (0, True, 0), (3, False, 0), (0, False, MUTED)):
        bench = Bench()
        bench.step(2, at=0.0)
        bench.phase[0, 1] |= MUTED
        bench.step(rank, at=1.0, over=over)
        assert bench.phase[0, 1] & MUTED == muted


def test_a_clock_that_is_set_back_neither_repeats_nor_stops_anything() -> None:
    bench = Bench()
    assert bench.step(2, at=10_000.0) == "worse"
    assert bench.step(2, at=5_000.0, now=5_000.0) == ""
    assert bench.step(0, at=5_001.0, now=5_001.0, over=True) == "clear"
    assert bench.step(2, at=5_002.0, now=5_002.0) == "worse"


def test_nobody_and_quiet_subjects_take_no_memory() -> None:
    bench = Bench(3)
    none = np.zeros(0, dtype=np.int64)
    found = conditions.step(
        bench.phase, bench.open, none, 1, rank=none, false=none.astype(bool),
        over=none.astype(bool), at=np.zeros(0), now=0.0, timing=AT_ONCE,
    )  # fmt: skip
    assert found.worse.size == 0
    bench.step(0, at=1.0, over=True, false=True)
    assert bench.open.count == 0
    assert bench.open.nbytes > 0


def test_what_is_open_follows_its_subject() -> None:
    bench = Bench(3)
    bench.step(2, at=5.0, slot=0)
    bench.step(2, at=7.0, slot=2)
    bench.open.forget(np.array([ABSENT, ABSENT, 0, ABSENT]))
    rows = bench.open.index.find(np.array([0, 2]), 1)
    assert rows.tolist() == [0, ABSENT]
    assert bench.open.raised_at[0] == 7.0


writes = st.tuples(
    st.lists(st.integers(0, 4), unique=True, max_size=5), st.integers(0, 17), st.integers(0, 63)
)


@given(st.lists(writes, max_size=30))
def test_how_far_a_condition_is_stays_as_it_was_written(given: list) -> None:
    subjects, plain = Judged(), {}
    subjects.add(5)
    subjects.have_rules(18)
    for slots, rule, phase in given:
        subjects.phase[np.array(slots, dtype=np.int64), rule] = phase
        plain |= {(slot, rule): phase for slot in slots}
    every = np.arange(5)
    for rule in range(18):
        wanted = [plain.get((slot, rule), 0) for slot in range(5)]
        assert subjects.phase[every, rule].tolist() == wanted
        assert int(subjects.phase[2, rule]) == wanted[2]
    busy = subjects.busy[:5].any(axis=1)
    assert busy.tolist() == [any(p for (s, _), p in plain.items() if s == n) for n in range(5)]
    again = Judged()
    again.add(5)
    again.have_rules(18)
    again.phase.recall(again.open.extend(subjects.open.dump(np.arange(subjects.open.count))))
    assert (again.busy[:5] == subjects.busy[:5]).all()
