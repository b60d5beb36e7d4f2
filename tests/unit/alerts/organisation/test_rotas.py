"""Who is there now, who took over, and when nobody is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from alerts.organisation.calendars import Span
from alerts.organisation.rotas import DUTIES, Member, Shift, gaps, working

NOON = datetime(2026, 7, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ANN, BEN = (Member(no=n, team_no=1, name=name, rank=r) for n, name, r in
            ((1, "Ann", 2), (2, "Ben", 1)))  # fmt: skip


def shift(no: int, who: Member, start: float, end: float, duty: str = "duty",
          swapped: int | None = None) -> Shift:  # fmt: skip
    return Shift(no=no, member_no=who.no, starts=NOON + start * HOUR, ends=NOON + end * HOUR,
                 duty=duty, swapped_from=swapped)  # fmt: skip


def test_a_shift_holds_from_its_first_instant_to_before_its_last() -> None:
    shifts = [shift(1, ANN, 0, 8)]
    second = timedelta(seconds=1)
    ends = NOON + 8 * HOUR
    found = [
        working([ANN], shifts, at, "duty") for at in (NOON - second, NOON, ends - second, ends)
    ]
    assert found == [(), (ANN,), (ANN,), ()]


def test_who_is_on_call_comes_in_the_order_of_their_ranks() -> None:
    shifts = [shift(1, ANN, 0, 8, "on_call"), shift(2, BEN, 0, 8, "on_call")]
    assert working([ANN, BEN], shifts, NOON, "on_call") == (BEN, ANN)
    assert working([ANN, BEN], shifts, NOON, "duty") == ()


def test_who_is_on_leave_is_not_there() -> None:
    shifts = [shift(1, ANN, 0, 8), shift(2, ANN, -24, 24, "leave"), shift(3, BEN, 0, 8)]
    assert working([ANN, BEN], shifts, NOON, "duty") == (BEN,)


def test_a_swap_takes_the_shift_over_for_as_long_as_it_lasts() -> None:
    shifts = [shift(1, ANN, 0, 8), shift(2, BEN, 2, 4, swapped=1)]
    at = [working([ANN, BEN], shifts, NOON + h * HOUR, "duty") for h in (1, 2, 3, 4)]
    assert at == [(ANN,), (BEN,), (BEN,), (ANN,)]


def test_a_swap_to_somebody_who_is_away_leaves_a_gap_that_is_seen() -> None:
    shifts = [shift(1, ANN, 0, 8), shift(2, BEN, 0, 8, swapped=1), shift(3, BEN, 0, 2, "leave")]
    assert working([ANN, BEN], shifts, NOON, "duty") == ()
    wanted = [Span(NOON, NOON + 8 * HOUR)]
    assert gaps([ANN, BEN], shifts, wanted) == (Span(NOON, NOON + 2 * HOUR),)


def test_gaps_are_looked_for_in_the_wanted_times_only() -> None:
    shifts = [shift(1, ANN, 0, 2), shift(2, BEN, 3, 4, "on_call")]
    wanted = [Span(NOON + HOUR, NOON + 5 * HOUR), Span(NOON + 10 * HOUR, NOON + 11 * HOUR)]
    assert gaps([ANN, BEN], shifts, wanted) == (
        Span(NOON + 2 * HOUR, NOON + 3 * HOUR),
        Span(NOON + 4 * HOUR, NOON + 5 * HOUR),
        Span(NOON + 10 * HOUR, NOON + 11 * HOUR),
    )


shifts_ = st.lists(
    st.builds(
        lambda who, start, length, duty, swapped: (who, start, length, duty, swapped),
        st.sampled_from([ANN, BEN]), st.integers(-6, 20), st.integers(1, 12),
        st.sampled_from(DUTIES), st.none() | st.integers(1, 6),
    ),
    max_size=6,
)  # fmt: skip


@given(shifts_)
def test_every_instant_is_either_covered_or_in_a_gap(
    found: list[tuple[Member, int, int, str, int | None]],
) -> None:
    shifts = [
        shift(n, who, start, start + length, duty, swapped)
        for n, (who, start, length, duty, swapped) in enumerate(found, start=1)
    ]
    holes = gaps([ANN, BEN], shifts, [Span(NOON, NOON + 24 * HOUR)])
    for half in range(48):
        at = NOON + half * HOUR / 2
        there = any(working([ANN, BEN], shifts, at, duty) for duty in ("duty", "on_call"))
        assert there is not any(h.start <= at < h.end for h in holes)
