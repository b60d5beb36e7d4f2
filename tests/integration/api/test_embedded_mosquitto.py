"""The embedded mosquitto: rights, persistence and shared sessions, on the real broker."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from paho.mqtt import client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from api.embedded import errors, mosquitto
from ingest.kernel import broker_password
from tests.support import waiting
from tests.support.broker import Broker
from tests.support.folders import short_folder
from tests.support.ports import free_port

pytestmark = pytest.mark.service
SHARED = "$share/gateways/telecare/v1/+/+/obs"


class Peer:
    """One connection, which notes what it gets and does not reconnect by itself."""

    def __init__(
        self,
        broker: Broker,
        user: str,
        password: str,
        *,
        client_id: str = "",
        kept: bool = False,
        window: int = 100,
    ) -> None:
        self.got: list[paho.MQTTMessage] = []
        self.answers: list[bool] = []
        self.session_present = False
        self._up = threading.Event()
        self.down = threading.Event()
        self.refused = False
        self.client = paho.Client(
            paho.CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=paho.MQTTv5,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        self.client.max_inflight_messages_set(0)
        self.client.username_pw_set(user, password)
        self.client.on_connect = self._on_connect
        self.client.on_message = lambda _c, _u, message: self.got.append(message)
        self.client.on_disconnect = lambda *_: self.down.set()
        self.client.on_publish = lambda _c, _u, _m, code, _p: self.answers.append(
            not code.is_failure
        )
        self.client.on_subscribe = lambda *_: self.answers.append(True)
        self.client.on_unsubscribe = lambda *_: self.answers.append(True)
        asked = Properties(PacketTypes.CONNECT)
        asked.SessionExpiryInterval = 3600 if kept else 0
        asked.ReceiveMaximum = window
        self.client.connect(broker.host, broker.port, clean_start=not kept, properties=asked)
        self.client.loop_start()
        assert self._up.wait(10)

    def _on_connect(self, _c: object, _u: object, flags: object, code: object, _p: object) -> None:
        self.refused = code.is_failure  # type: ignore[attr-defined]
        self.session_present = flags.session_present  # type: ignore[attr-defined]
        self._up.set()

    def subscribe(self, topic: str) -> None:
        self.client.subscribe(topic, 1)
        waiting.until(lambda: self.answers, "the broker answered the subscription")
        self.answers.clear()

    def publish(self, topic: str, *payloads: str) -> bool:
        """Publish at QoS 1 and return whether all were accepted."""
        self.answers.clear()
        for payload in payloads or ("x",):
            self.client.publish(topic, payload, 1)
        count = len(payloads) or 1
        waiting.until(
            lambda: len(self.answers) >= count or self.down.is_set(), "the broker answered"
        )
        return len(self.answers) == count and all(self.answers)

    def texts(self) -> list[str]:
        return [message.payload.decode() for message in self.got]

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def peers() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def _peer(stack: ExitStack, broker: Broker, user: str, **more: object) -> Peer:
    password = broker.server.hub_password if user == "hub" else broker.passwords[user]
    made = Peer(broker, user, password, **more)  # type: ignore[arg-type]
    stack.callback(made.close)
    return made


@pytest.mark.parametrize("tail", ["obs", "event", "status", "cmd/ack", "via/zigbee2mqtt/x"])
def test_a_device_may_write_below_its_own_root(broker: Broker, peers: ExitStack, tail: str) -> None:
    broker.add("oak/pendant-1")
    hub = _peer(peers, broker, "hub")
    hub.subscribe("telecare/v1/#")
    device = _peer(peers, broker, "oak/pendant-1")
    assert device.publish(f"telecare/v1/oak/pendant-1/{tail}", "hello")
    waiting.until(lambda: hub.texts() == ["hello"], "the hub got it")


@pytest.mark.parametrize(
    "topic",
    [
        "telecare/v1/oak/pendant-2/event",
        "telecare/v1/elm/pendant-1/event",
        "telecare/v1/oak/pendant-1/receipt",
        "telecare/v1/oak/pendant-1/cmd",
        "telecare/v1/oak/pendant-1/reply/1",
        "telecare/v1/_hub/slot-1/probe",
        "elsewhere",
    ],
)
def test_a_device_may_write_nowhere_else(broker: Broker, peers: ExitStack, topic: str) -> None:
    broker.add("oak/pendant-1", "oak/pendant-2")
    hub = _peer(peers, broker, "hub")
    hub.subscribe("#")
    hub.subscribe("telecare/v1/#")
    device = _peer(peers, broker, "oak/pendant-1")
    assert not device.publish(topic, "no")
    assert device.down.wait(5), "mosquitto 2.0 drops a client whose publish it denies"
    time.sleep(0.1)
    assert hub.got == []


def test_a_device_hears_its_own_receipts_and_nobody_elses(broker: Broker, peers: ExitStack) -> None:
    broker.add("oak/pendant-1", "oak/pendant-2")
    one = _peer(peers, broker, "oak/pendant-1")
    two = _peer(peers, broker, "oak/pendant-2")
    one.subscribe("telecare/v1/oak/pendant-1/#")
    two.subscribe("#")
    hub = _peer(peers, broker, "hub")
    for tail in ("receipt", "cmd", "reply/7"):
        assert hub.publish(f"telecare/v1/oak/pendant-1/{tail}", tail)
    assert hub.publish("telecare/v1/_hub/slot-1/probe")
    waiting.until(lambda: one.texts() == ["receipt", "cmd", "reply/7"], "all three arrived")
    assert two.got == []


def test_a_site_s_onboarding_account_writes_for_its_own_site_only(
    broker: Broker, peers: ExitStack
) -> None:
    broker.add("oak/onboarding", "elm/onboarding")
    new = _peer(peers, broker, "oak/onboarding")
    for tail in ("obs", "event", "status"):
        assert new.publish(f"telecare/v1/oak/unboxed-today/{tail}")
    assert not new.publish("telecare/v1/elm/unboxed-today/event")


def test_new_accounts_work_at_once_and_removed_ones_are_cut_off(
    broker: Broker, peers: ExitStack
) -> None:
    broker.add("oak/a", "oak/b")
    stays, goes = _peer(peers, broker, "oak/a"), _peer(peers, broker, "oak/b")
    broker.add("oak/c")
    assert not _peer(peers, broker, "oak/c").refused
    assert Peer(broker, "oak/a", "wrong").refused
    broker.remove("oak/b")
    assert goes.down.wait(5)
    assert not stays.down.is_set()


def test_a_hub_s_session_and_its_messages_survive_a_restart_and_a_kill(
    broker: Broker, peers: ExitStack
) -> None:
    broker.add("oak/a")
    hub = _peer(peers, broker, "hub", client_id="slot-1", kept=True)
    hub.subscribe(SHARED)
    hub.close()
    sent = [str(n) for n in range(50)]
    device = _peer(peers, broker, "oak/a")
    assert device.publish("telecare/v1/oak/a/obs", *sent)
    broker.stop()
    broker.start()
    again = _peer(peers, broker, "hub", client_id="slot-1", kept=True)
    waiting.until(lambda: again.texts() == sent, "all came back after a restart")
    assert again.session_present
    again.close()  # unacknowledged
    time.sleep(2.5)  # the next save, each second
    broker.kill()
    broker.start()
    last = _peer(peers, broker, "hub", client_id="slot-1", kept=True)
    waiting.until(lambda: last.texts() == sent, "all came back after a kill")


def test_what_was_dealt_to_a_lost_member_waits_for_it(broker: Broker, peers: ExitStack) -> None:
    broker.add("oak/a")
    one = _peer(peers, broker, "hub", client_id="slot-1", kept=True)
    two = _peer(peers, broker, "hub", client_id="slot-2", kept=True)
    one.subscribe(SHARED)
    two.subscribe(SHARED)
    device = _peer(peers, broker, "oak/a")
    assert device.publish("telecare/v1/oak/a/obs", *[str(n) for n in range(20)])
    waiting.until(lambda: len(one.got) + len(two.got) == 20, "both got their part")
    one.close()
    assert device.publish("telecare/v1/oak/a/obs", *[str(n) for n in range(20, 40)])
    back = _peer(peers, broker, "hub", client_id="slot-1", kept=True)
    waiting.until(
        lambda: {*back.texts(), *two.texts()} == {str(n) for n in range(40)}, "nothing is missing"
    )
    assert len(back.got) == 20, "the broker goes on dealing to an absent member"


def test_unsubscribing_keeps_what_was_queued_and_stops_what_is_new(
    broker: Broker, peers: ExitStack
) -> None:
    broker.add("oak/a")
    hub = _peer(peers, broker, "hub", client_id="slot-1", kept=True, window=5)
    hub.subscribe(SHARED)
    device = _peer(peers, broker, "oak/a")
    old = [str(n) for n in range(40)]
    assert device.publish("telecare/v1/oak/a/obs", *old)
    waiting.until(lambda: len(hub.got) == 5, "a window of five")
    hub.answers.clear()
    hub.client.unsubscribe(SHARED)
    waiting.until(lambda: hub.answers, "the broker answered")
    assert device.publish("telecare/v1/oak/a/obs", "new")
    done = 0
    while done < len(old):
        waiting.until(lambda seen=done: len(hub.got) > seen, "the next one is dealt")
        hub.client.ack(hub.got[done].mid, 1)
        done += 1
    time.sleep(0.2)
    assert hub.texts() == old


@pytest.mark.parametrize("window", [1, 100, 2000])
def test_the_window_is_the_client_s_own_receive_maximum(
    broker: Broker, peers: ExitStack, window: int
) -> None:
    broker.add("oak/a")
    hub = _peer(peers, broker, "hub", client_id="slot-1", kept=True, window=window)
    hub.subscribe(SHARED)
    device = _peer(peers, broker, "oak/a")
    assert device.publish("telecare/v1/oak/a/obs", *[str(n) for n in range(2100)])
    waiting.until(lambda: len(hub.got) >= window, "the window is full")
    time.sleep(0.3)
    assert len(hub.got) == window


def test_a_full_queue_drops_and_counts(peers: ExitStack) -> None:
    with short_folder() as folder:
        broker = Broker(folder / "mq")
        broker.server = mosquitto.EmbeddedMosquitto(folder / "mq", broker.port, queue_bytes=10_000)
        with broker.server:
            broker.add("oak/a")
            hub = _peer(peers, broker, "hub", client_id="slot-1", kept=True)
            hub.subscribe(SHARED)
            hub.close()
            device = _peer(peers, broker, "oak/a")
            assert device.publish("telecare/v1/oak/a/obs", *["y" * 1000] * 30), "it says success"
            watch = _peer(peers, broker, "hub")
            watch.subscribe("$SYS/broker/publish/messages/dropped")
            waiting.until(
                lambda: watch.texts() and watch.texts()[-1] == "20", "the broker counts 20 lost"
            )


def test_a_store_that_cannot_be_read_is_set_aside(broker: Broker) -> None:
    broker.stop()
    (broker.server.store / "mosquitto.db").write_bytes(b"not a store at all")
    broker.start()
    assert broker.server.alive()
    assert list(broker.server.store.glob("*.unreadable-*"))


def test_a_taken_port_is_said_and_a_second_owner_too(broker: Broker) -> None:
    with short_folder() as folder, pytest.raises(errors.PortTakenError, match="in use"):
        mosquitto.EmbeddedMosquitto(folder / "mq", broker.port).start()
    with pytest.raises(errors.AlreadyRunningError, match="A broker is already running"):
        mosquitto.EmbeddedMosquitto(broker.server.data_dir, free_port()).start()


def test_passwords_are_the_broker_s_own_form(broker: Broker) -> None:
    assert broker_password.matches("secret", broker_password.digest("secret"))
    with pytest.raises(ValueError, match="not a broker account"):
        broker.server.write_credentials({"oak/a": "x\nhub:$7$1$QQ==$QQ=="}, ["oak"])
    with pytest.raises(ValueError, match="not a broker account"):
        broker.server.write_credentials({"hub": broker_password.digest("mine")}, [])
    with pytest.raises(ValueError, match="not a site"):
        broker.server.write_credentials({}, ["oak/+"])
