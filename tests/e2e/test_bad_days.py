"""Processes stopped, killed and started again under load: what was confirmed is never lost.

The same days, longer, are in `tests.soak`.
"""

from __future__ import annotations

import pytest

from api.embedded.postgres import EmbeddedPostgres
from tests.e2e import bad_days
from tests.support import hub as hubs

pytestmark = [pytest.mark.service, pytest.mark.slow]


def test_a_database_gone_for_20_s_costs_nothing(own_postgres: EmbeddedPostgres) -> None:
    with hubs.running(own_postgres.dsn) as hub:
        bad_days.database_gone(hub, own_postgres, 20)


def test_a_broker_stopped_for_5_s_costs_nothing(own_hub: hubs.Hub) -> None:
    bad_days.broker_stopped(own_hub, 5)


def test_a_killed_broker_costs_at_most_a_second_of_readings_and_no_alarm(
    own_hub: hubs.Hub,
) -> None:
    bad_days.broker_killed(own_hub, rounds=3, seed=5)


def test_ten_seconds_without_any_gateway_cost_nothing(own_hub: hubs.Hub) -> None:
    bad_days.no_gateway(own_hub, 10)


def test_one_of_two_gateways_killed_for_good_costs_nothing(own_hub: hubs.Hub) -> None:
    bad_days.one_of_two_killed(own_hub)


@pytest.mark.parametrize("seed", [11])
def test_killed_at_any_moment_nothing_is_lost_or_doubled(own_hub: hubs.Hub, seed: int) -> None:
    bad_days.kills(own_hub, rounds=8, seed=seed)
