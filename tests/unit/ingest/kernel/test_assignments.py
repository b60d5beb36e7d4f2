"""Assignments of one device never overlap, whatever is asked for in whatever order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ingest.kernel import assignments
from ingest.kernel.assignments import Conflict, Span, Wanted

ADA, BOB, HOME = ("person", "ada"), ("person", "bob"), ("home", "maple-1")
START = datetime(2026, 1, 1, tzinfo=UTC)


def day(n: int) -> datetime:
    return START + timedelta(days=n)


def after(known: list[Span], plan: assignments.Plan) -> list[Span]:
    """Do what a plan says."""
    ended = {span.start: span for span in plan.ended}
    return sorted([ended.get(s.start, s) for s in known] + list(plan.added), key=lambda s: s.start)


def overlap(spans: list[Span]) -> bool:
    far = datetime.max.replace(tzinfo=UTC)
    return any((a.end or far) > b.start for a, b in pairwise(spans))


def test_the_first_assignment_of_a_device_is_added():
    plan = assignments.plan([], [Wanted(holder=ADA, start=day(0))])
    assert plan.added == (Span(holder=ADA, start=day(0)),)


def test_giving_it_to_the_next_ends_the_one_before_there():
    plan = assignments.plan([Span(holder=ADA, start=day(0))], [Wanted(holder=BOB, start=day(9))])
    assert plan.ended == (Span(holder=ADA, start=day(0), end=day(9)),)
    assert plan.added == (Span(holder=BOB, start=day(9)),)


def test_both_at_once_in_any_order_come_to_the_same():
    wanted = [Wanted(holder=BOB, start=day(9)), Wanted(holder=ADA, start=day(0))]
    plan = assignments.plan([], wanted)
    assert sorted(plan.added, key=lambda s: s.start) == [
        Span(holder=ADA, start=day(0), end=day(9)),
        Span(holder=BOB, start=day(9)),
    ]


def test_the_older_file_loaded_again_changes_nothing():
    known = [Span(holder=ADA, start=day(0), end=day(9)), Span(holder=BOB, start=day(9))]
    plan = assignments.plan(known, [Wanted(holder=ADA, start=day(0))])
    assert plan == assignments.Plan(kept=1)


def test_a_device_given_back_is_ended_and_taking_the_end_away_opens_it():
    known = [Span(holder=ADA, start=day(0))]
    ended = assignments.plan(known, [Wanted(holder=ADA, start=day(0), end=day(5))])
    assert ended.ended == (Span(holder=ADA, start=day(0), end=day(5)),)
    opened = assignments.plan(after(known, ended), [Wanted(holder=ADA, start=day(0))])
    assert opened.ended == (Span(holder=ADA, start=day(0)),)


def test_what_overlaps_a_known_span_is_refused_and_says_which():
    known = [Span(holder=ADA, start=day(0), end=day(9))]
    plan = assignments.plan(known, [Wanted(holder=BOB, start=day(5))])
    assert plan.added == plan.ended == ()
    (refused,) = plan.refused
    assert (refused.position, refused.conflict) == (0, Conflict.OVERLAPS)
    assert refused.against == known[0]
    assert "ada" in refused.what()


def test_an_end_inside_the_next_known_span_is_refused():
    known = [Span(holder=BOB, start=day(9))]
    plan = assignments.plan(known, [Wanted(holder=ADA, start=day(0), end=day(10))])
    assert [r.conflict for r in plan.refused] == [Conflict.OVERLAPS]


def test_the_same_moment_can_not_be_given_to_another():
    known = [Span(holder=ADA, start=day(0))]
    plan = assignments.plan(known, [Wanted(holder=BOB, start=day(0))])
    assert [r.conflict for r in plan.refused] == [Conflict.TAKEN]


def test_without_a_start_it_is_since_ever_and_only_the_first_can_be():
    first = assignments.plan([], [Wanted(holder=ADA)])
    assert first.added == (Span(holder=ADA, start=assignments.SINCE_EVER),)
    known = after([], first)
    assert assignments.plan(known, [Wanted(holder=ADA)]) == assignments.Plan(kept=1)
    again = assignments.plan(known, [Wanted(holder=BOB)])
    assert [r.conflict for r in again.refused] == [Conflict.NEEDS_START]
    assert again.refused[0].what() == Conflict.NEEDS_START.value


wanted_spans = st.builds(
    lambda holder, start, length: Wanted(
        holder=holder,
        start=None if start is None else day(start),
        end=None if length is None else day((start if start is not None else -9_000) + length),
    ),
    st.sampled_from([ADA, BOB, HOME]),
    st.none() | st.integers(0, 20),
    st.none() | st.integers(1, 10),
)


def test_a_span_without_a_start_beside_an_earlier_one_of_the_same_holder_is_refused_each_time():
    known = after([], assignments.plan([], [Wanted(holder=ADA, start=day(1), end=None)]))
    both = [
        Wanted(holder=ADA, start=None, end=None),
        Wanted(holder=ADA, start=day(0), end=None),
    ]
    assert assignments.plan(known, both).refused


@given(st.lists(st.lists(wanted_spans, max_size=4), max_size=5))
def test_spans_never_overlap_and_loading_again_changes_nothing(loads):
    known: list[Span] = []
    for wanted in loads:
        plan = assignments.plan(known, wanted)
        if plan.refused:
            assert plan.added == plan.ended == ()
            continue
        known = after(known, plan)
        assert not overlap(known)
        assert len({s.start for s in known}) == len(known)
        again = assignments.plan(known, wanted)
        assert (again.added, again.ended, again.refused) == ((), (), ())
        assert again.kept == len(wanted)


@given(st.lists(wanted_spans, max_size=4), st.integers(0, 25))
def test_at_any_moment_a_device_is_with_one_holder_at_most(wanted, n):
    plan = assignments.plan([], wanted)
    far = datetime.max.replace(tzinfo=UTC)
    holders = [s for s in plan.added if s.start <= day(n) < (s.end or far)]
    assert len(holders) <= 1
