"""When a role that died is started again."""

from __future__ import annotations

from api.embedded import role


def test_each_further_death_in_a_row_waits_twice_as_long_up_to_a_bound() -> None:
    restarts = role.Restarts()
    waits = [restarts.wait_after(1.0) for _ in range(9)]
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def test_who_ran_for_a_minute_starts_over_with_the_first_wait() -> None:
    restarts = role.Restarts()
    for _ in range(5):
        restarts.wait_after(1.0)
    assert restarts.wait_after(role.SETTLED) == role.FIRST_WAIT
    assert restarts.wait_after(0.0) == 2 * role.FIRST_WAIT
