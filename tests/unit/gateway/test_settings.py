"""The broker's address."""

from __future__ import annotations

import pytest

from gateway.errors import BrokerAddressError
from gateway.settings import broker_address


def test_an_address_is_taken_apart() -> None:
    found = broker_address("mqtt://site%2Fdevice:p%40ss@example.org:1884")
    assert (found.host, found.port, found.tls) == ("example.org", 1884, False)
    assert (found.user, found.password) == ("site/device", "p@ss")


@pytest.mark.parametrize(("url", "port"), [("mqtt://h", 1883), ("mqtts://h", 8883)])
def test_the_port_has_a_default_for_each_kind(url: str, port: int) -> None:
    assert broker_address(url).port == port


@pytest.mark.parametrize(
    "url", ["", "h:1883", "http://h", "mqtt://", "mqtt://h:x", "mqtt://u:secret@:1"]
)
def test_a_bad_address_says_what_is_wrong_and_never_the_password(url: str) -> None:
    with pytest.raises(BrokerAddressError) as caught:
        broker_address(url)
    assert "TELECARE_MQTT_URL" in str(caught.value)
    assert "secret" not in str(caught.value)
