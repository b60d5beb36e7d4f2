"""People, homes, devices as tables; states with since and both ways, against plain dicts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.state.subjects import Devices, Feeds, Homes, People, States, Subjects
from alerts.state.table import ABSENT

Said = tuple[int, int, float, int]  # slot, column, second, value


def say(states: States, *given: Said) -> list[bool]:
    out = []
    for slot, column, second, value in given:
        rows = states.meet(np.array([slot]), np.array([column]))
        new = states.put(rows, np.array([float(second)]), np.array([float(value)]))
        out.append(bool(new[0]))
    return out


@pytest.mark.parametrize("kind", [People, Homes, Devices, Subjects])
def test_subjects_are_met_once_and_keep_their_slots(kind: type[Subjects]) -> None:
    made = kind()
    slots, new = made.meet([7, 900_000, 3])
    assert slots.tolist() == [0, 1, 2]
    assert new.tolist() == [True] * 3
    slots, new = made.meet([3, 8])
    assert slots.tolist() == [2, 3]
    assert new.tolist() == [False, True]
    assert made.rows(np.array([900_000, 4])).tolist() == [1, ABSENT]
    assert made.nbytes > 0
    assert not made.busy[:4].any()


def test_who_is_forgotten_is_absent_and_the_others_close_up() -> None:
    made = People()
    made.meet([1, 2, 3, 4])
    made.marks[:4] = [1, 2, 4, 8]
    made.forget(np.array([1, 3]))
    assert made.rows(np.array([1, 2, 3, 4])).tolist() == [ABSENT, 0, ABSENT, 1]
    assert made.marks[:2].tolist() == [2, 8]
    made.meet([1])
    assert made.marks[2] == 0


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.integers(16, 17), st.integers(0, 12), st.integers(0, 1)),
        max_size=20,
    )
)
def test_the_newest_value_stands_since_it_last_changed(given: list[Said]) -> None:
    states = States(held=True)
    newest = say(states, *given)
    plain: dict[tuple[int, int], dict[str, float]] = {}
    for (slot, column, second, value), new in zip(given, newest, strict=True):
        one = plain.get((slot, column))
        if one is None:
            plain[slot, column] = {"value": value, "time": second, "since": second, "both": 0}
            assert new
        elif second > one["time"] or (second == one["time"] and value > one["value"]):
            if value != one["value"]:
                one |= {"since": second, "both": 1}
            one |= {"value": value, "time": second}
            assert new
        else:
            assert not new
    for (slot, column), one in plain.items():
        row = states.find(np.array([slot]), column)[0]
        for name, wanted in one.items():
            assert getattr(states, name)[row] == wanted, name
    assert states.count == len(plain)


def test_a_sensor_that_has_only_ever_said_one_thing_is_not_known_to_tell_both_ways() -> None:
    states = States(held=True)
    say(states, (0, 16, 1, 1), (0, 16, 2, 1), (0, 16, 3, 1))
    assert not states.both[0]
    assert states.since[0] == 1
    say(states, (0, 16, 4, 0))
    assert states.both[0]
    assert states.since[0] == 4


def test_many_states_are_met_at_once_and_none_twice() -> None:
    states = States(held=True)
    slots, columns = np.array([0, 0, 1, 0]), np.array([16, 17, 16, 16])
    rows = states.meet(slots, columns)
    assert rows[0] == rows[3]
    assert states.count == 3
    assert [whose[rows].tolist() for whose in states.pairs()] == [slots.tolist(), columns.tolist()]
    assert states.meet(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)).size == 0
    assert states.find(np.array([ABSENT]), 16).tolist() == [ABSENT]


def test_states_and_feeds_follow_their_subjects_and_others_keep_theirs() -> None:
    states, feeds = States(held=True), Feeds()
    say(states, *[(s, 16, 5, s) for s in range(3)])
    feeds.promise(np.arange(3), np.full(3, 29), np.zeros(3))
    feeds.cadence[:3] = [10, 20, 30]
    new_slot = np.array([1, ABSENT, 0, ABSENT])
    states.forget(new_slot)
    feeds.forget(new_slot)
    assert states.value[states.find(np.array([0, 1]), 16)].tolist() == [2, 0]
    assert states.find(np.array([2]), 16).tolist() == [ABSENT]
    assert feeds.cadence[feeds.find(np.array([0, 1]), 29)].tolist() == [30, 10]
    assert states.nbytes > 0
    assert feeds.nbytes > 0


def test_a_feed_that_is_promised_no_more_is_dropped() -> None:
    feeds = Feeds()
    feeds.promise(np.array([0, 0, 1]), np.array([1, 2, 1]), np.zeros(3))
    feeds.drop(feeds.find(np.array([0]), 1))
    assert feeds.count == 2
    assert (feeds.find(np.array([0, 0, 1]), np.array([1, 2, 1])) >= 0).tolist() == [
        False, True, True,
    ]  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sets(st.tuples(st.integers(0, 5), st.integers(0, 4)), max_size=8), max_size=6))
def test_feeds_are_found_whatever_order_they_were_promised_in(given: list[set]) -> None:
    feeds, known = Feeds(), set()
    for promised in given:
        new = sorted(promised - known, key=lambda pair: (pair[1], pair[0]))
        slots, columns = np.array(new, dtype=np.int64).reshape(-1, 2).T
        feeds.promise(slots, columns, 10.0 * slots + columns)
        known |= promised
        whose, column = feeds.pairs()
        assert list(zip(whose.tolist(), column.tolist(), strict=True)) == sorted(
            zip(whose.tolist(), column.tolist(), strict=True), key=lambda pair: pair[0]
        )
        assert feeds.whose(np.arange(feeds.count)).tolist() == whose.tolist()
        for slot in range(-1, 7):
            row = feeds.find(np.full(5, slot), np.arange(5))
            mine = [column for column in range(5) if (slot, column) in known]
            assert np.flatnonzero(row >= 0).tolist() == mine
            assert feeds.received[row[row >= 0]].tolist() == [10 * slot + c for c in mine]
            assert feeds.of(np.array([slot])).tolist() == sorted(row[row >= 0])


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 2e9), st.floats(0, 2e9))
def test_a_feed_is_never_overdue_before_its_time_and_soon_after_it(
    received: float, due: float
) -> None:
    feeds = Feeds()
    row = feeds.add(1)
    feeds.received[row] = received
    feeds.set_due(row, np.array([due]))
    wait = abs(due - received)
    assert feeds.next_due() >= due - 1e-6
    assert feeds.next_due() <= due + wait * 2e-7 + 1e-6


def test_dumped_states_come_back_at_other_slots() -> None:
    states, other = States(held=True), States(held=True)
    say(states, (0, 16, 5, 1), (1, 17, 6, 0))
    say(other, (9, 16, 1, 1))
    dumped = states.dump(np.array([0, 1])) | {"column": states.pairs()[1]}
    other.take(dumped, np.array([4, 5]))
    assert other.value[other.find(np.array([4, 5]), np.array([16, 17]))].tolist() == [1, 0]
    assert other.find(np.array([9]), 16).tolist() == [0]
