"""What follows a failure: waits that grow, somebody else in time, and nobody woken for little."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.delivery import retry
from alerts.delivery.ports import Failed
from alerts.model import Severity

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
PATIENCE = retry.Patience(first_s=5, longest_s=300, tries=5, give_up_s=3_600)
PASSING = Failed(permanent=False, reason="x")


def after(failed: Failed = PASSING, *, attempt: int = 1, queued: float = 0, chance: float = 0.5):
    return retry.after(
        failed, attempt=attempt, queued_at=NOW - timedelta(seconds=queued), now=NOW,
        patience=PATIENCE, chance=chance,
    )  # fmt: skip


def wait(then: retry.Next) -> float:
    assert then.again_at is not None
    return (then.again_at - NOW).total_seconds()


def test_a_passing_failure_is_tried_again_ever_later_up_to_the_longest_wait():
    waits = [wait(after(attempt=n)) for n in range(1, 10)]
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_jitter_spreads_attempts_over_half_to_one_and_a_half_of_the_wait():
    assert wait(after(chance=0.0)) == 2.5
    assert wait(after(chance=1.0)) == 7.5


def test_after_enough_failures_the_next_receiver_takes_over_and_this_one_is_still_tried():
    assert not after(attempt=4).over
    then = after(attempt=5)
    assert then.over
    assert then.again_at is not None


def test_a_permanent_failure_is_never_tried_again():
    then = after(Failed(permanent=True, reason="x"))
    assert (then.over, then.again_at) == (True, None)


def test_what_waited_too_long_is_given_up():
    assert after(queued=3_599).again_at is not None
    assert (after(queued=3_600).over, after(queued=3_600).again_at) == (True, None)


def test_a_receiver_that_asks_for_time_is_given_it_and_the_next_takes_over_if_that_is_too_long():
    asked = after(Failed(permanent=False, reason="x", retry_after_s=60))
    assert (wait(asked), asked.over) == (60, False)
    long = after(Failed(permanent=False, reason="x", retry_after_s=301))
    assert (wait(long), long.over) == (301, True)
    absurd = after(Failed(permanent=False, reason="x", retry_after_s=1e18))
    assert (wait(absurd), absurd.over) == (3_600, True)


@given(st.integers(1, 10_000), st.floats(0, 1), st.floats(0, 1e6))
def test_whatever_happens_the_next_attempt_is_later_than_now(attempt, chance, asked):
    then = after(
        Failed(permanent=False, reason="x", retry_after_s=asked), attempt=attempt, chance=chance
    )
    assert then.again_at is not None
    assert then.again_at > NOW


NIGHT = {"from": "22:00", "to": "07:00", "timezone": "Europe/London", "below": "urgent"}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("severity", "asked", "goes"),
    [
        (Severity.SOON, "2026-01-10T12:00", "2026-01-10T12:00"),  # by day
        (Severity.SOON, "2026-01-10T22:00", "2026-01-11T07:00"),  # the first minute of quiet
        (Severity.SOON, "2026-01-11T06:59", "2026-01-11T07:00"),
        (Severity.SOON, "2026-01-11T07:00", "2026-01-11T07:00"),
        (Severity.SOON, "2026-07-10T21:30", "2026-07-11T06:00"),  # summer time
        (Severity.SOON, "2026-03-28T23:00", "2026-03-29T06:00"),  # over the change of clocks
        (Severity.URGENT, "2026-01-10T23:00", "2026-01-10T23:00"),  # severe enough
        (Severity.EMERGENCY, "2026-01-10T23:00", "2026-01-10T23:00"),
    ],
)
def test_less_severe_messages_wait_for_the_end_of_quiet_hours(severity, asked, goes):
    assert retry.quiet_until(NIGHT, severity, at(asked)) == at(goes)


def test_an_offset_on_a_quiet_hour_makes_it_no_other_hour():
    said = {**NIGHT, "from": f"{NIGHT['from']}+01:00"}
    night = at("2026-01-10T23:00")
    assert retry.quiet_until(said, Severity.SOON, night) == at("2026-01-11T07:00")


def test_quiet_hours_by_day_and_of_everything_but_emergencies():
    nap = {"from": "13:00", "to": "15:00"}
    assert retry.quiet_until(nap, Severity.URGENT, at("2026-01-10T14:00")) == at("2026-01-10T15:00")
    assert retry.quiet_until(nap, Severity.URGENT, at("2026-01-10T23:00")) == at("2026-01-10T23:00")


@pytest.mark.parametrize(
    "quiet",
    [
        None, {}, {"from": "22:00"}, {**NIGHT, "timezone": "Nowhere/No"}, {**NIGHT, "to": "soon"},
        {**NIGHT, "below": "never"}, {**NIGHT, "to": "22:00"}, {**NIGHT, "from": 7},
        ["22:00", "07:00"],
    ],
)  # fmt: skip
def test_quiet_hours_that_can_not_be_read_keep_nobody_quiet(quiet):
    night = at("2026-01-10T23:00")
    assert retry.quiet_until(quiet, Severity.SOON, night) == night


@given(
    st.sampled_from(list(Severity)),
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),
)
def test_a_message_is_never_sent_sooner_and_waits_a_day_at_most(severity, asked):
    """On a night of 25 hours too."""
    goes = retry.quiet_until(NIGHT, severity, asked)
    assert asked <= goes <= asked + timedelta(hours=10)
    assert severity is not Severity.EMERGENCY or goes == asked
