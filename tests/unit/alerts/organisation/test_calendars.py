"""A team is open when its local clock says so: each edge from both sides, each night too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.organisation import calendars

LONDON = ZoneInfo("Europe/London")
WEEKDAYS = ["mon", "tue", "wed", "thu", "fri"]
SECOND = timedelta(seconds=1)
NURSES = calendars.parse(
    [
        {"days": WEEKDAYS, "from": "08:00", "to": "22:00"},
        {"days": ["sat"], "from": "08:30", "to": "13:00"},
    ],
    "Europe/London",
    "GB-ENG",
)
NIGHT = calendars.parse(
    [{"days": [*WEEKDAYS, "sat", "sun"], "from": "22:00", "to": "08:00"}], "Europe/London", None
)


def local(text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=LONDON, fold=fold).astimezone(UTC)


@pytest.mark.parametrize(
    ("edge", "before", "after"),
    [
        ("2026-07-22T08:00", False, True),  # a Wednesday in summer
        ("2026-07-22T22:00", True, False),
        ("2026-01-21T08:00", False, True),  # and in winter
        ("2026-01-21T22:00", True, False),
        ("2026-07-25T08:30", False, True),  # Saturday
        ("2026-07-25T13:00", True, False),
    ],
)
def test_hours_begin_and_end_on_the_second(edge: str, before: bool, after: bool) -> None:
    at = local(edge)
    assert calendars.is_open(NURSES, at - SECOND) is before
    assert calendars.is_open(NURSES, at) is after
    assert calendars.next_change(NURSES, at - SECOND) == at


@pytest.mark.parametrize(
    ("closed", "opens"),
    [
        ("2026-07-22T22:30", "2026-07-23T08:00"),  # late on a weekday
        ("2026-07-26T12:00", "2026-07-27T08:00"),  # Sunday
        ("2026-08-31T10:00", "2026-09-01T08:00"),  # late summer bank holiday, a Monday
        ("2026-12-24T23:00", "2026-12-29T08:00"),  # Christmas, a Saturday, Sunday, in lieu
    ],
)
def test_closed_hours_end_at_the_next_opening(closed: str, opens: str) -> None:
    assert not calendars.is_open(NURSES, local(closed))
    assert calendars.next_opening(NURSES, local(closed)) == local(opens)


def test_each_nation_has_bank_holidays_of_its_own() -> None:
    hours = [{"days": WEEKDAYS, "from": "09:00", "to": "17:00"}]
    open_on = {
        part: [
            calendars.is_open(calendars.parse(hours, "Europe/London", f"GB-{part}"), local(day))
            for day in ("2026-04-06T12:00", "2026-01-02T12:00", "2026-07-13T12:00")
        ]
        for part in ("ENG", "SCT", "WLS", "NIR")
    }
    assert open_on == {
        "ENG": [False, True, True],  # Easter Monday
        "SCT": [True, False, True],  # 2 January
        "WLS": [False, True, True],
        "NIR": [False, True, False],  # the Battle of the Boyne, in lieu
    }


def test_hours_for_bank_holidays_hold_instead_of_those_of_the_weekday() -> None:
    calendar = calendars.parse(
        [
            {"days": WEEKDAYS, "from": "08:00", "to": "22:00"},
            {"days": ["holiday"], "from": "10:00", "to": "12:00"},
        ],
        "Europe/London",
        "GB-ENG",
    )
    open_at = [calendars.is_open(calendar, local(f"2026-08-31T{h}:00")) for h in ("09", "11", "13")]
    assert open_at == [False, True, False]
    assert not calendars.is_open(calendar, local("2026-08-30T11:00"))  # a plain Sunday


def test_a_night_goes_on_over_midnight_into_the_bank_holiday() -> None:
    night = calendars.parse(
        [{"days": WEEKDAYS, "from": "22:00", "to": "06:00"}], "Europe/London", "GB-ENG"
    )
    assert calendars.is_open(night, local("2026-12-25T05:59"))  # began on Christmas Eve
    assert not calendars.is_open(night, local("2026-12-25T23:00"))


def test_the_night_is_an_hour_shorter_in_spring_and_longer_in_autumn() -> None:
    for evening, hours in (("2026-03-28", 9), ("2026-10-24", 11), ("2026-06-01", 10)):
        (span,) = calendars.openings(
            NIGHT, local(f"{evening}T20:00"), local(f"{evening}T20:00") + timedelta(hours=14)
        )
        assert span.end - span.start == timedelta(hours=hours)


def test_what_opens_in_the_hour_that_is_skipped_opens_at_the_change_of_the_clocks() -> None:
    early = calendars.parse(
        [{"days": ["sun"], "from": "01:30", "to": "09:00"}], "Europe/London", None
    )
    change = datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert not calendars.is_open(early, change - SECOND)
    assert calendars.is_open(early, change)


def test_what_closes_in_the_hour_that_comes_twice_closes_at_its_second_passing() -> None:
    late = calendars.parse(
        [{"days": ["sat"], "from": "20:00", "to": "01:30"}], "Europe/London", None
    )
    assert calendars.is_open(late, local("2026-10-25T01:45", fold=0))
    second = local("2026-10-25T01:30", fold=1)
    assert calendars.is_open(late, second - SECOND)
    assert not calendars.is_open(late, second)


def test_what_opens_in_the_hour_that_comes_twice_opens_at_its_first_passing() -> None:
    early = calendars.parse(
        [{"days": ["sun"], "from": "01:30", "to": "09:00"}], "Europe/London", None
    )
    first = local("2026-10-25T01:30", fold=0)
    assert not calendars.is_open(early, first - SECOND)
    assert calendars.is_open(early, first)


@pytest.mark.parametrize("until", ["01:00", "01:30", "02:00"])
def test_teams_that_follow_one_another_leave_no_gap_in_either_night(until: str) -> None:
    every = [*WEEKDAYS, "sat", "sun"]
    first = calendars.parse([{"days": every, "from": "13:00", "to": until}], "Europe/London", None)
    second = calendars.parse([{"days": every, "from": until, "to": "13:00"}], "Europe/London", None)
    for night in ("2026-03-28T22:00", "2026-10-24T22:00"):
        for minute in range(8 * 60):
            at = local(night) + timedelta(minutes=minute)
            assert calendars.is_open(first, at) or calendars.is_open(second, at), at


def test_hours_are_those_of_the_team_s_own_clock() -> None:
    calendar = calendars.parse(
        [{"days": WEEKDAYS, "from": "08:00", "to": "09:00"}], "Asia/Kolkata", None
    )
    assert calendars.is_open(calendar, datetime(2026, 7, 22, 2, 30, tzinfo=UTC))
    assert not calendars.is_open(calendar, datetime(2026, 7, 22, 3, 30, tzinfo=UTC))


def test_a_team_without_hours_never_closes() -> None:
    at = local("2026-12-25T03:00")
    assert calendars.is_open(calendars.ALWAYS, at)
    assert calendars.next_opening(calendars.ALWAYS, at) == at
    assert calendars.next_change(calendars.ALWAYS, at) is None


def test_hours_round_the_clock_never_change_and_hours_that_never_come_never_open() -> None:
    at = local("2026-12-25T03:00")
    every = {"days": [*WEEKDAYS, "sat", "sun"], "from": "00:00", "to": "24:00"}
    assert calendars.next_change(calendars.parse([every], "Europe/London", None), at) is None
    never = calendars.parse([{**every, "days": ["holiday"]}], "Europe/London", None)
    assert calendars.next_opening(never, at) is None
    assert calendars.next_change(never, at) is None


@pytest.mark.parametrize(
    ("hours", "wrong"),
    [
        ({"days": ["fun"], "from": "08:00", "to": "09:00"}, "fun"),
        ({"days": [], "from": "08:00", "to": "09:00"}, "at all"),
        ({"days": ["mon"], "from": "8:00", "to": "09:00"}, "8:00"),
        ({"days": ["mon"], "from": "08:00", "to": "24:30"}, "24:30"),
        ({"days": ["mon"], "from": "24:00", "to": "08:00"}, "24:00"),
    ],
)
def test_hours_that_mean_nothing_are_refused(hours: dict[str, object], wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        calendars.parse([hours], "Europe/London", None)


clock = st.integers(0, 24 * 4 - 1).map(lambda q: f"{q // 4:02}:{q % 4 * 15:02}")
some_hours = st.fixed_dictionaries(
    {
        "days": st.sets(st.sampled_from([*calendars.DAYS, "holiday"]), min_size=1).map(sorted),
        "from": clock,
        "to": clock | st.just("24:00"),
    }
)
instants = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 31)).map(
    lambda t: t.replace(tzinfo=UTC)
) | st.sampled_from(["2026-03-29", "2026-10-25"]).flatmap(
    lambda day: st.integers(0, 4 * 60).map(
        lambda m: datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(minutes=m)
    )
)


@given(
    st.lists(some_hours, min_size=1, max_size=3),
    st.sampled_from(["Europe/London", "Europe/Dublin", "America/New_York", "UTC"]),
    st.none() | st.sampled_from(calendars.HOLIDAYS),
    instants,
)
def test_at_every_instant_the_three_answers_agree(
    hours: list[dict[str, object]], zone: str, holiday_list: str | None, at: datetime
) -> None:
    calendar = calendars.parse(hours, zone, holiday_list)
    now = calendars.is_open(calendar, at)
    change = calendars.next_change(calendar, at)
    assert (calendars.next_opening(calendar, at) == at) is now
    if change is None:
        return
    assert change > at
    assert calendars.is_open(calendar, change) is not now
    assert calendars.is_open(calendar, change - SECOND) is now
    halfway = at + (change - at) / 2
    assert calendars.is_open(calendar, halfway) is now
