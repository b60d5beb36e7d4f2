"""Tests of `firmware_sim.transport`."""

from __future__ import annotations

import pytest

from firmware_sim import transport, wire


def test_an_address_is_read_with_its_account():
    broker = transport.Broker.from_url("mqtt://maple-court%2Fonboarding:p%40ss@localhost:1884")
    assert (broker.host, broker.port, broker.tls) == ("localhost", 1884, False)
    assert (broker.user, broker.password) == ("maple-court/onboarding", "p@ss")


@pytest.mark.parametrize(("scheme", "port"), [("mqtt", 1883), ("mqtts", 8883)])
def test_each_scheme_has_its_port(scheme, port):
    assert transport.Broker.from_url(f"{scheme}://broker").port == port


@pytest.mark.parametrize("url", ["", "http://x", "mqtt://", "localhost:1883"])
def test_a_bad_address_is_refused(url):
    with pytest.raises(transport.BadUrlError, match="mqtt"):
        transport.Broker.from_url(url)


class Owner:
    def __init__(self):
        self.said = []

    def connected(self):
        self.said.append("connected")

    def disconnected(self):
        self.said.append("disconnected")

    def heard(self, topic, payload, correlation):
        self.said.append((topic, payload, correlation))


def link(owner):
    network = transport.PahoNetwork(transport.Broker(host="127.0.0.1", port=1))
    made = network.link(client_id="s.d", account=("s/d", "pw"), topics=["t/cmd"], owner=owner)
    return network, made


def test_a_device_is_connected_only_once_its_subscriptions_stand():
    owner = Owner()
    _, made = link(owner)
    assert not made.up
    made._on_subscribe()
    made._on_subscribe()
    assert made.up
    assert owner.said == ["connected"]


def test_a_refused_broker_is_tried_again_later():
    owner = Owner()
    network, made = link(owner)
    made.connect(will=wire.Message(topic="t", payload=b"", retain=True))
    network.poll(0.0)  # port 1 answers nobody
    assert made.refused
    assert made.wanted
    assert made.next_try > 0
    assert owner.said == []
    made.disconnect()


def test_the_loss_of_a_connection_is_told_once():
    owner = Owner()
    _, made = link(owner)
    made._on_subscribe()
    made._on_disconnect()
    made._on_disconnect()
    assert owner.said == ["connected", "disconnected"]


def test_what_was_not_acknowledged_is_waiting():
    owner = Owner()
    _, made = link(owner)
    verdicts = []
    made.publish(wire.Message(topic="t", payload=b"x", imported=True, response_topic="t/reply",
                              correlation=b"1", content_type="a/b"), verdicts.append)  # fmt: skip
    assert made.waiting == 1

    class Denied:
        is_failure = True

    made._on_publish(None, None, 1, Denied(), None)
    made._on_publish(None, None, 1, Denied(), None)
    assert made.waiting == 0
    assert verdicts == [False]
