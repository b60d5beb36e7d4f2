"""Tests of `firmware_sim.households`."""

from __future__ import annotations

import heapq
import itertools

import numpy as np

from firmware_sim import households


class Calendar:
    def __init__(self, begins: float):
        self.time, self.begins = 0.0, begins
        self.due, self.order = [], itertools.count()

    def after(self, delay, action):
        heapq.heappush(self.due, (self.time + delay, next(self.order), action))

    def clock_time(self):
        return (self.begins + self.time) % 86400

    def run(self, until: float):
        while self.due and self.due[0][0] <= until:
            self.time, _, action = heapq.heappop(self.due)
            action()


def day(seed: int, begins: float = 6 * 3600.0, days: float = 2) -> list[tuple[float, str, bool]]:
    calendar = Calendar(begins)
    home = households.Household(calendar=calendar, rng=np.random.default_rng(seed))
    seen = []
    rooms = ("kitchen", "lounge", "hallway", "bedroom", "bathroom")
    others = [("bed_occupied", "bedroom"), ("door_open", "front-door")]
    for quantity, place in [*(("motion", room) for room in rooms), *others]:
        home.listen(
            quantity, place, lambda v, w=f"{place}/{quantity}": seen.append((calendar.time, w, v))
        )
    home.begin()
    calendar.run(days * 86400)
    return seen


def test_a_seed_gives_the_same_days_and_another_seed_others():
    assert day(1) == day(1)
    assert day(1) != day(2)


def test_people_sleep_at_night_and_move_by_day():
    seen = day(3, begins=0.0, days=3)
    night = sum(1 for t, w, _ in seen if w.endswith("motion") and t % 86400 < 5 * 3600)
    noon = sum(1 for t, w, _ in seen if w.endswith("motion") and 9 < t % 86400 / 3600 < 14)
    assert noon > 5 * night


def test_a_bed_is_left_after_it_was_entered_and_entered_after_it_was_left():
    bed = [v for _, w, v in day(4, days=7) if w == "bedroom/bed_occupied"]
    assert len(bed) > 10
    assert all(a != b for a, b in itertools.pairwise(bed))


def test_a_door_that_opens_closes():
    door = [v for _, w, v in day(5, days=7) if w == "front-door/door_open"]
    assert door
    assert sum(door) * 2 in {len(door), len(door) + 1}


def test_nothing_moves_where_somebody_lies_on_the_floor():
    calendar = Calendar(9 * 3600.0)
    home = households.Household(calendar=calendar, rng=np.random.default_rng(1))
    seen = []
    home.listen("motion", "kitchen", seen.append)
    home.down = True
    home.begin()
    calendar.run(86400)
    assert seen == []
