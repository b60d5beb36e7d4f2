"""Seeded daily life in a home: who moves where and when, for room sensors to notice.

Rhythms and rates are unsourced; they make a believable stream and describe nobody.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable
from typing import Protocol

import numpy as np

from firmware_sim import timing

Notice = Callable[[bool | float], None]


class Calendar(Protocol):
    """What a household needs of the story: its time, and being called again."""

    def after(self, delay: float, action: Callable[[], None]) -> None:
        """Call ``action`` after so many story seconds."""
        ...

    def clock_time(self) -> float:
        """Return the time of day of the present moment. [s]"""
        ...


_WAKES, _RETIRES = timing.time_of_day("06:50"), timing.time_of_day("22:40")
_ROOMS = {"lounge": 5.0, "kitchen": 3.0, "bathroom": 1.0, "bedroom": 0.8}
_STAY = 14 * 60.0  # mean stay in a room
_STIR = 150.0  # mean time between movements in a room
_NIGHT_TRIP = 4 * 3600.0  # mean time between getting up at night
_GOES_OUT, _OUT = 0.04, 50 * 60.0  # chance per change of room; mean time away


class Household:
    """One home's people, moving as one. Sensors subscribe to what they can notice."""

    def __init__(self, *, calendar: Calendar, rng: np.random.Generator, pace: float = 1.0) -> None:
        self._calendar = calendar
        self._rng = rng
        self._pace = pace  # above 1: livelier, for short demonstrations
        self._sensors: dict[tuple[str, str], list[Notice]] = defaultdict(list)
        self._in_bed = False
        self.down = False  # somebody lies on the floor: nothing moves

    def listen(self, quantity: str, place: str, notice: Notice) -> None:
        """Have ``notice`` called whenever the quantity shows itself at the place."""
        self._sensors[quantity, place].append(notice)

    def begin(self) -> None:
        """Start the day where the story starts it; unseen life need not be played."""
        if not self._sensors:
            return
        if self._awake():
            self._stay("kitchen")
        else:
            self._to_bed()

    def show(self, quantity: str, place: str, value: bool) -> None:
        """Let the sensors of a place notice something, unless nobody can move here."""
        if self.down:
            return
        for notice in self._sensors.get((quantity, place), ()):
            notice(value)

    def _later(self, mean: float, action: Callable[[], None]) -> None:
        delay = max(2.0, float(self._rng.exponential(mean)) / self._pace)
        self._calendar.after(delay, action)

    def _awake(self) -> bool:
        return _WAKES <= self._calendar.clock_time() < _RETIRES

    def _stay(self, room: str) -> None:
        if self._in_bed:
            self._in_bed = False
            self.show("bed_occupied", "bedroom", value=False)
        self.show("motion", room, value=True)
        if room == "kitchen" and self._rng.random() < 0.5:  # noqa: PLR2004 -- even chance
            self._door("fridge-door")
        until = float(self._rng.exponential(_STAY)) / self._pace
        self._stir(room, until)

    def _stir(self, room: str, left: float) -> None:
        pause = max(2.0, float(self._rng.exponential(_STIR)) / self._pace)
        if pause >= left:
            self._calendar.after(max(left, 2.0), self._move_on)
            return

        def stir() -> None:
            self.show("motion", room, value=True)
            self._stir(room, left - pause)

        self._calendar.after(pause, stir)

    def _move_on(self) -> None:
        self.show("motion", "hallway", value=True)
        if not self._awake():
            self._later(30.0, self._to_bed)
        elif self._rng.random() < _GOES_OUT:
            self._door("front-door")
            self._later(_OUT, self._come_home)
        else:
            weights = np.array(list(_ROOMS.values()))
            room = str(self._rng.choice(list(_ROOMS), p=weights / weights.sum()))
            self._calendar.after(5.0, lambda: self._stay(room))

    def _come_home(self) -> None:
        self._door("front-door")
        self.show("motion", "hallway", value=True)
        self._later(60.0, lambda: self._stay("kitchen"))

    def _door(self, place: str) -> None:
        self.show("door_open", place, value=True)
        self._calendar.after(9.0, lambda: self.show("door_open", place, value=False))

    def _to_bed(self) -> None:
        self.show("motion", "bedroom", value=True)
        self._in_bed = True
        self.show("bed_occupied", "bedroom", value=True)
        to_morning = (_WAKES - self._calendar.clock_time()) % timing.DAY
        to_morning += float(self._rng.normal(0, 900))
        trip = float(self._rng.exponential(_NIGHT_TRIP))
        if trip < to_morning:
            self._calendar.after(max(trip, 60.0), self._night_trip)
        else:
            self._calendar.after(max(to_morning, 60.0), lambda: self._stay("bathroom"))

    def _night_trip(self) -> None:
        self._in_bed = False
        self.show("bed_occupied", "bedroom", value=False)
        for delay, room in ((4.0, "bedroom"), (12.0, "hallway"), (25.0, "bathroom")):
            self._calendar.after(delay, functools.partial(self.show, "motion", room, value=True))
        self._calendar.after(240.0, self._to_bed)
