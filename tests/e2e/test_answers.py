"""What a device hears back, and what the hub believes of its presence."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.support import waiting
from tests.support.hub import SITE, Hub, Link, topic

pytestmark = [pytest.mark.service, pytest.mark.slow]


@pytest.fixture
def device(hub: Hub, request: pytest.FixtureRequest) -> str:
    """A registered device of the test's own, with an account."""
    name = f"d-{abs(hash(request.node.name)):x}"
    hub.register(name)
    hub.broker.add(f"{SITE}/{name}")
    return name


@pytest.fixture
def link(hub: Hub, device: str) -> Iterator[Link]:
    link = Link(
        hub.broker, f"{SITE}/{device}", hears=[topic(device, "reply/#"), topic(device, "receipt")]
    )
    yield link
    link.close()


def heard(link: Link, count: int, tail: str) -> list[Any]:
    def found() -> list[Any]:
        return [m for m in link.heard if m.topic.endswith(tail)]

    waiting.until(lambda: len(found()) >= count, f"{count} answers came", timeout=30)
    assert len(found()) == count
    return found()


def presses(hub: Hub, device: str) -> int:
    return hub.count(
        "alerts.event e WHERE e.kind IN ('raised', 'pressed_again') AND EXISTS"
        " (SELECT FROM alerts.alert_alarm x WHERE x.alert_no = e.alert_no AND x.device = %s)",
        device,
    )


def test_who_asks_is_told_what_was_stored_and_what_refused(
    hub: Hub, link: Link, device: str
) -> None:
    reply = topic(device, "reply/one")
    pack = [{"n": "spo2", "v": 97, "t": time.time()}, {"n": "shoe_size", "v": 44}]
    link.publish(topic(device, "obs"), json.dumps(pack), answer_to=reply, correlation=b"\x00\xff7")
    (answer,) = heard(link, 1, "reply/one")
    assert answer.properties.CorrelationData == b"\x00\xff7"
    body = json.loads(answer.payload)
    assert body["stored"] == 1
    assert [r["record"] for r in body["refused"]] == [1]
    assert "unknown name" in body["refused"][0]["reason"]
    assert hub.count(
        "ingest.observation o JOIN ingest.device d ON d.no = o.device_no WHERE d.name = %s", device
    )


def test_a_repeat_is_answered_like_its_first(link: Link, device: str) -> None:
    body = json.dumps([{"n": "spo2", "v": 97, "t": time.time()}])
    for n in range(3):
        link.publish(topic(device, "obs"), body, answer_to=topic(device, "reply/r"),
                     correlation=b"%d" % n)  # fmt: skip
    answers = heard(link, 3, "reply/r")
    assert {bytes(a.properties.CorrelationData) for a in answers} == {b"0", b"1", b"2"}
    assert {a.payload for a in answers} == {b'{"stored": 1, "refused": []}'}


def test_no_answer_goes_where_the_device_may_not_read(hub: Hub, link: Link, device: str) -> None:
    """The broker would cut off a hub that answers there; it goes on instead."""
    body = json.dumps([{"n": "spo2", "v": 97, "t": time.time()}])
    for bad in ("$SYS/x", "telecare/v1/other/d/reply/x", topic(device, "obs"), "a/+/b", ""):
        if "+" not in bad and bad:  # a client library refuses those itself
            link.publish(topic(device, "obs"), body, answer_to=bad)
    link.publish(topic(device, "obs"), body, answer_to=topic(device, "reply/ok"))
    heard(link, 1, "reply/ok")
    assert "connection was lost" not in hub.living("gateway")[0].said()


def test_a_receipt_comes_only_once_the_alarm_is_durable(hub: Hub, link: Link, device: str) -> None:
    """While its row can't be committed there is no receipt, and then there is."""
    with psycopg.connect(hub.database_url) as blocker:
        blocker.execute("LOCK TABLE ingest.alarm IN SHARE MODE")
        body = [{"n": "fall", "vb": True, "t": time.time(), "alarm_id": "f1"}]
        link.publish(topic(device, "event"), json.dumps(body), answer_to=topic(device, "reply/e"))
        waiting.until(
            lambda: hub.count(
                "pg_locks l JOIN pg_class c ON c.oid = l.relation"
                " WHERE c.relname = 'alarm' AND NOT l.granted"
            ),
            "the gateway waits for the database",
            timeout=30,
        )
        time.sleep(1.0)
        assert link.heard == []
        blocker.rollback()
    (receipt,) = heard(link, 1, "receipt")
    assert json.loads(receipt.payload) == {"alarm": "f1", "state": "received", "by": ""}
    assert hub.count("ingest.alarm WHERE device = %s", device) == 1
    heard(link, 1, "reply/e")


def test_each_repeat_of_an_alarm_is_told_and_pages_once(hub: Hub, link: Link, device: str) -> None:
    body = json.dumps([{"n": "sos", "vb": True, "t": time.time(), "alarm_id": "a1"}])
    for _ in range(4):
        link.publish(topic(device, "event"), body)
    receipts = heard(link, 4, "receipt")
    assert {r.payload for r in receipts} == {receipts[0].payload}
    waiting.until(lambda: presses(hub, device), "it paged", timeout=30)
    time.sleep(1.0)  # another page would come within this
    assert presses(hub, device) == 1
    assert hub.rows("SELECT repeats FROM ingest.alarm WHERE device = %s", device) == [(3,)]


def test_an_alarm_without_an_id_is_named_by_its_name_and_time(link: Link, device: str) -> None:
    at = 1_764_000_000
    link.publish(topic(device, "event"), json.dumps([{"n": "sos", "vb": True, "t": at}]))
    (receipt,) = heard(link, 1, "receipt")
    assert json.loads(receipt.payload)["alarm"] == f"sos@{at}"


def test_a_retained_alarm_pages_when_it_is_pressed_and_not_when_a_gateway_comes_back(
    own_hub: Hub,
) -> None:
    """Whoever sets the retain flag by mistake doesn't page again at each reconnection."""
    hub = own_hub
    gateway = hub.gateway()
    hub.alerts()
    hub.ready()
    hub.register("d-1")
    link = Link(hub.broker, f"{SITE}/onboarding")
    body = json.dumps([{"n": "sos", "vb": True, "alarm_id": "r1"}])
    link.publish(topic("d-1", "event"), body, retain=True)
    waiting.until(lambda: presses(hub, "d-1"), "it paged", timeout=30)
    for _ in range(2):
        gateway.kill()
        gateway = hub.gateway()
        hub.ready()
    hub.broker.stop()
    hub.broker.start()
    good = json.dumps([{"n": "sos", "vb": True, "alarm_id": "r2", "t": time.time()}])
    link.publish(topic("d-1", "event"), good)
    waiting.until(lambda: presses(hub, "d-1") == 2, "a new press pages", timeout=45)
    time.sleep(1.0)  # another page would come within this
    assert presses(hub, "d-1") == 2
    link.close()


def state(hub: Hub, device: str) -> tuple[Any, ...] | None:
    found = hub.rows(
        "SELECT s.state, s.session FROM ingest.device_state s"
        " JOIN ingest.device d ON d.no = s.device_no WHERE d.name = %s",
        device,
    )
    return found[0] if found else None


def status(word: str, session: str) -> bytes:
    return json.dumps({"state": word, "session": session, "at": time.time()}).encode()


def test_the_last_will_of_a_replaced_connection_is_ignored(
    hub: Hub, link: Link, device: str
) -> None:
    where = topic(device, "status")
    user = f"{SITE}/{device}"
    old = Link(hub.broker, user, will=(where, status("offline", "one")))
    old.publish(where, status("online", "one"), retain=True)
    waiting.until(lambda: state(hub, device) == ("online", "one"), "it is online", timeout=30)
    new = Link(hub.broker, user, will=(where, status("offline", "two")))
    new.publish(where, status("online", "two"), retain=True)
    waiting.until(lambda: state(hub, device) == ("online", "two"), "a new session", timeout=30)
    old.vanish()
    # only the device's own connection tells when the belated will has been through the hub
    waiting.until(
        lambda: "one" in retained(hub, where), "the broker published the old will", timeout=30
    )
    link.publish(where, b"no status")
    waiting.until(
        lambda: hub.count("ingest.quarantine WHERE device = %s", device),
        "what was sent after it is handled",
        timeout=30,
    )
    assert state(hub, device) == ("online", "two")
    new.vanish()
    waiting.until(lambda: state(hub, device) == ("offline", "two"), "it is offline", timeout=30)


def retained(hub: Hub, where: str) -> str:
    """Return what the broker keeps under a topic."""
    reader = Link(hub.broker, "hub", hears=[where])
    waiting.until(lambda: reader.heard, "the kept status came", timeout=30)
    reader.close()
    return bytes(reader.heard[0].payload).decode()


def test_a_status_that_is_none_is_kept_aside(hub: Hub, link: Link, device: str) -> None:
    for body in (b"", b"online", b'{"state": "on fire"}', b'{"state": "online", "battery": "x"}'):
        link.publish(topic(device, "status"), body)
    link.publish(topic(device, "status"), status("sleeping", "z"))
    waiting.until(lambda: state(hub, device) == ("sleeping", "z"), "the good one", timeout=30)
    reasons = hub.rows("SELECT reason, times FROM ingest.quarantine WHERE device = %s", device)
    assert reasons == [("unreadable", 1)] * 3  # no bytes only clear a kept status


def test_a_command_and_its_answer(hub: Hub, device: str) -> None:
    link = Link(hub.broker, f"{SITE}/{device}", hears=[topic(device, "cmd")])
    hub.rows(
        "INSERT INTO ingest.outbox (site, device, tail, body, expires_at) VALUES"
        " (%s, %s, 'cmd', '{\"id\": \"c1\", \"do\": \"identify\"}', now() + interval '1 minute'),"
        " (%s, %s, 'cmd', '{\"id\": \"c0\", \"do\": \"identify\"}', now() - interval '1 minute')",
        SITE, device, SITE, device,
    )  # fmt: skip
    hub.rows("NOTIFY ingest_outbox")
    (command,) = heard(link, 1, "cmd")
    assert json.loads(command.payload)["id"] == "c1"
    link.publish(topic(device, "cmd/ack"), b'{"id": "c1", "ok": true, "detail": "lit"}')
    waiting.until(
        lambda: (
            hub.rows(
                "SELECT answer ->> 'detail' FROM ingest.outbox"
                " WHERE device = %s AND answered_at IS NOT NULL",
                device,
            )
            == [("lit",)]
        ),
        "its answer is kept",
        timeout=30,
    )
    expired = hub.rows(
        "SELECT failed FROM ingest.outbox WHERE device = %s AND body ->> 'id' = 'c0'", device
    )
    assert expired == [("expired",)]
    link.close()
