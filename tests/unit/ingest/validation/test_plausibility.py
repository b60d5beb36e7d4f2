"""Values no living person or working sensor can give."""

from __future__ import annotations

import numpy as np
import pytest

from ingest.kernel import vitals
from ingest.validation import plausibility

BOUNDED = [q for q in vitals.QUANTITIES if np.isfinite(q.low) and np.isfinite(q.high)]


def implausible(no: int, value: float) -> bool:
    found = plausibility.implausible(np.array([no], dtype=np.int16), np.array([value]))
    return bool(found[0])


@pytest.mark.parametrize("q", BOUNDED, ids=lambda q: q.name)
def test_the_bounds_themselves_are_plausible_and_what_lies_beyond_is_not(
    q: vitals.Quantity,
) -> None:
    assert not implausible(q.no, q.low)
    assert not implausible(q.no, q.high)
    assert implausible(q.no, float(np.nextafter(q.low, -np.inf)))
    assert implausible(q.no, float(np.nextafter(q.high, np.inf)))


def test_no_value_is_not_judged() -> None:
    assert not implausible(vitals.HEART_RATE, float("nan"))


def test_a_heart_rate_of_400_is_implausible() -> None:
    assert implausible(vitals.HEART_RATE, 400.0)


def test_an_unreadable_alarm_has_no_range() -> None:
    assert not implausible(vitals.UNKNOWN_ALARM, 1e9)


def test_no_rows_give_no_answers() -> None:
    found = plausibility.implausible(np.array([], dtype=np.int16), np.array([]))
    assert found.shape == (0,)
