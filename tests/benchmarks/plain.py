"""The references in plain Python: NEWS2 row by row, and some rules one event at a time.

Written as somebody would write them without arrays: dictionaries, small lists, no classes on the
way of an event. They are no part of the product.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from ingest.kernel import vitals

_NO = {name: q.no for name, q in vitals.BY_NAME.items()}
_NEWS = ("resp_rate", "spo2", "on_oxygen", "systolic", "heart_rate", "acvpu", "body_temperature")
_OF_NEWS = {_NO[name]: n for n, name in enumerate(_NEWS)}
_LIMITS = {
    _NO["spo2"]: (93.0, 1e9), _NO["heart_rate"]: (55.0, 100.0), _NO["systolic"]: (80.0, 190.0),
    _NO["diastolic"]: (50.0, 110.0), _NO["body_temperature"]: (35.0, 37.6),
    _NO["body_water"]: (40.0, 70.0),
}  # fmt: skip
_WEIGHT, _SYSTOLIC, _DIASTOLIC = _NO["weight"], _NO["systolic"], _NO["diastolic"]
_BATTERY, _MOTION = _NO["battery"], _NO["motion"]
_DAY = 86_400.0


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


def judge(events: Iterable[tuple[Any, ...]]) -> int:  # noqa: C901  (one event, plainly)
    """Judge events one at a time, in the order of their times; return how many alerts it gave.

    An event is a row of the hub's log as a tuple. Covered: default limits with a margin, NEWS2 on
    readings of the last day, weight gained in three days, the week's mean pressure, batteries,
    motion counted by hour and day, and a home in which nothing moved for fourteen hours.
    """
    latest: dict[int, dict[int, tuple[float, float]]] = {}
    days: dict[tuple[int, int], deque[tuple[int, float]]] = {}
    hours: dict[int, list[list[int]]] = {}
    moved: dict[int, float] = {}
    told: set[tuple[int, int, str]] = set()
    count = 0
    for time, _received, value, device, person, home, _part, flags, quantity in events:
        if flags & 96:
            continue
        if quantity == _MOTION:
            if value:
                if time - moved.get(home, time) >= 50_400.0:
                    count += 1
                moved[home] = time
                day, second = divmod(time, _DAY)
                by_day = hours.setdefault(home, [[0] * 24 for _ in range(14)])
                by_day[int(day) % 14][int(second // 3_600)] += 1
            continue
        if quantity == _BATTERY:
            key = (device, quantity, "battery")
            if value <= 20:
                count += key not in told
                told.add(key)
            elif value >= 40:
                told.discard(key)
            continue
        if not person:
            continue
        mine = latest.setdefault(person, {})
        mine[quantity] = (time, value)
        limit = _LIMITS.get(quantity)
        if limit is not None:
            key = (person, quantity, "limit")
            if value < limit[0] or value > limit[1]:
                count += key not in told
                told.add(key)
            elif limit[0] + 1 <= value <= limit[1] - 1:
                told.discard(key)
        if quantity in _OF_NEWS:
            count += _scored(person, mine, time, told)
        if quantity in (_WEIGHT, _SYSTOLIC, _DIASTOLIC):
            count += _over_days(person, quantity, value, time, days, told)
    return count


def _scored(
    person: int, mine: dict[int, tuple[float, float]], time: float, told: set[tuple[int, int, str]]
) -> int:
    normal = [16.0, 98.0, 0.0, 120.0, 70.0, 0.0, 37.0]
    for quantity, place in _OF_NEWS.items():
        known = mine.get(quantity)
        if known is not None and time - known[0] <= _DAY:
            normal[place] = known[1]
    key = (person, 0, "news2")
    if news2(*normal) >= 5:
        new = key not in told
        told.add(key)
        return int(new)
    told.discard(key)
    return 0


def _over_days(
    person: int, quantity: int, value: float, time: float,
    days: dict[tuple[int, int], deque[tuple[int, float]]], told: set[tuple[int, int, str]],
) -> int:  # fmt: skip
    today = int(time // _DAY)
    known = days.setdefault((person, quantity), deque(maxlen=16))
    if known and known[-1][0] == today:
        known.pop()
    if quantity == _WEIGHT:
        window = [v for d, v in known if 1 <= today - d <= 3]
        holds = bool(window) and value - min(window) > 2.0
    else:
        window = [v for d, v in known if today - d < 7] + [value]
        holds = len(window) >= 4 and sum(window) / len(window) >= (
            135 if quantity == _SYSTOLIC else 85
        )
    known.append((today, value))
    key = (person, quantity, "days")
    if not holds:
        told.discard(key)
        return 0
    new = key not in told
    told.add(key)
    return int(new)
