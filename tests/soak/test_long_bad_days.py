"""The bad days of `tests.e2e.bad_days`, long: a 5-minute outage, and killing over and over."""

from __future__ import annotations

import pytest

from api.embedded.postgres import EmbeddedPostgres
from tests.e2e import bad_days
from tests.support import hub as hubs

pytestmark = [pytest.mark.service, pytest.mark.slow, pytest.mark.timeout(1800)]


def test_a_database_gone_for_5_minutes_costs_nothing(own_postgres: EmbeddedPostgres) -> None:
    with hubs.running(own_postgres.dsn) as hub:
        bad_days.database_gone(hub, own_postgres, 300)


def test_a_broker_stopped_for_a_minute_costs_nothing(own_hub: hubs.Hub) -> None:
    bad_days.broker_stopped(own_hub, 60)


@pytest.mark.parametrize("seed", range(3))
def test_a_broker_killed_twelve_times_loses_no_alarm(own_hub: hubs.Hub, seed: int) -> None:
    bad_days.broker_killed(own_hub, rounds=12, seed=seed)


def test_a_minute_without_any_gateway_costs_nothing(own_hub: hubs.Hub) -> None:
    bad_days.no_gateway(own_hub, 60)


@pytest.mark.parametrize("turn", range(5))
def test_one_of_two_gateways_killed_for_good_costs_nothing(own_hub: hubs.Hub, turn: int) -> None:
    bad_days.one_of_two_killed(own_hub)


@pytest.mark.parametrize("seed", range(100, 104))
def test_killed_a_hundred_times_nothing_is_lost_or_doubled(own_hub: hubs.Hub, seed: int) -> None:
    bad_days.kills(own_hub, rounds=100, seed=seed)
