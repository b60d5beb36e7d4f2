"""What doctor says of a broker."""

from __future__ import annotations

import pytest

from api import doctor, settings
from tests.support.broker import Broker

pytestmark = pytest.mark.service


def _broker_findings(url: str) -> list[doctor.Finding]:
    found = doctor.examine(settings.ApiSettings(_env_file=None, mqtt_url=url))
    return [f for f in found if f.what.startswith("broker")]


def test_a_good_broker_lets_the_hub_in_and_gives_its_messages_back(broker: Broker) -> None:
    found = _broker_findings(broker.hub_url)
    assert {f.verdict for f in found} == {doctor.Verdict.GOOD}, [f.line() for f in found]
    assert any("shared subscription" in f.what for f in found)


def test_a_wrong_password_is_told_from_a_broker_that_is_away(broker: Broker) -> None:
    refused = _broker_findings(f"mqtt://hub:wrong@{broker.host}:{broker.port}")
    assert "refuses to let the hub in" in refused[0].what
    assert "password" in refused[0].mend
    away = _broker_findings("mqtt://hub:x@127.0.0.1:1")
    assert "can't be reached" in away[0].what
    assert "can't be read" in _broker_findings("http://x")[0].what
