"""A gateway between a real broker and a real database."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import psycopg
import pytest

from tests.integration.gateway.conftest import Device, Hub
from tests.support import waiting

pytestmark = pytest.mark.service

Connect = Callable[[str], Device]
STORED = "SELECT count(*)::int FROM ingest.observation"
OBS = "telecare/v1/maple/oximeter-1/obs"
EVENT = "telecare/v1/maple/pendant-1/event"


def reading(value: float, at: float) -> bytes:
    return json.dumps([{"n": "spo2", "v": value, "t": at}]).encode()


def test_readings_are_stored_and_an_alarm_is_answered(hub: Hub, device: Connect) -> None:
    oximeter, pendant = device("maple/oximeter-1"), device("maple/pendant-1")
    now = time.time()
    with hub.gateway():
        hub.listening(4)
        for i in range(50):
            oximeter.publish(OBS, reading(90 + i / 10, now - i))
        pendant.publish(EVENT, json.dumps([{"n": "sos", "vb": True, "alarm_id": "p-1"}]).encode())
        hub.until(STORED, 51)
        waiting.until(lambda: pendant.heard, "the pendant is told")
    topic, body, _ = pendant.heard[0]
    assert topic == "telecare/v1/maple/pendant-1/receipt"
    assert json.loads(body)["alarm"] == "p-1"
    assert json.loads(body)["state"] == "received"


def test_hostile_messages_are_set_aside_and_the_stream_goes_on(hub: Hub, device: Connect) -> None:
    oximeter, pendant = device("maple/oximeter-1"), device("maple/pendant-1")
    hostile = [
        b"garbage",
        b"",
        b"\x81" * 100_000,
        b"[" * 1_000_000,
        b'[{"n":"sos","x":' + b"[" * 50_000 + b"]" * 50_000 + b"}]",
        b'[{"n":"spo2","v":NaN}]',
        b'[{"n":"symptom.mood","vs":"\\u0000"}]',
        b'[{"n":"wom\\ud800bat","v":1}]',
        b"x" * 1_000_000,
        json.dumps([{"n": "spo2", "v": 1}] * 10_000).encode(),
    ]
    with hub.gateway():
        hub.listening(4)
        for payload in hostile:
            oximeter.publish(OBS, payload)
            pendant.publish(EVENT, payload)
            oximeter.publish("telecare/v1/maple/oximeter-1/status", payload)
        # an answer is asked where the hub may not publish: it must not try
        oximeter.publish(OBS, reading(1, time.time()), ResponseTopic=OBS)
        oximeter.publish(
            OBS, reading(2, time.time()),
            ResponseTopic="telecare/v1/maple/oximeter-1/reply/x", CorrelationData=b"17",
        )  # fmt: skip
        oximeter.publish(
            "telecare/v1/maple/oximeter-1/status", b'{"state":"online","battery":1e300}'
        )
        oximeter.publish("telecare/v1/maple/oximeter-1/status", b'{"state":"online"}')
        hub.until(STORED, 2)
        hub.until("SELECT count(*)::int FROM ingest.device_state", 1)
        waiting.until(lambda: oximeter.heard, "the answer")
        hub.listening(4)
    assert oximeter.heard == [
        (
            "telecare/v1/maple/oximeter-1/reply/x",
            b'{"stored": 1, "refused": []}',
            b"17",
        )
    ]
    obs = hub.rows("SELECT count(*)::int FROM ingest.quarantine WHERE topic LIKE '%/obs'")
    assert obs == [(len(hostile),)]
    paged = hub.rows("SELECT count(DISTINCT alarm_id)::int FROM ingest.alarm")
    assert paged[0][0] >= len(hostile) - 2


def test_what_was_published_while_no_gateway_ran_arrives(hub: Hub, device: Connect) -> None:
    oximeter = device("maple/oximeter-1")
    with hub.gateway():
        hub.listening(4)
    now = time.time()
    for i in range(200):
        oximeter.publish(OBS, reading(90, now - i))
    assert hub.rows(STORED) == [(0,)]
    with hub.gateway():
        hub.until(STORED, 200)


def test_slots_beyond_the_configured_ones_are_emptied(hub: Hub, device: Connect) -> None:
    oximeter = device("maple/oximeter-1")
    with hub.gateway(gateway_obs_slots=4):
        hub.listening(6)
    now = time.time()
    for i in range(100):
        oximeter.publish(OBS, reading(90, now - i))
    with hub.gateway(gateway_obs_slots=1):
        hub.until(STORED, 100)
        hub.until("SELECT count(*)::int FROM ingest.slot WHERE lane = 'obs'", 1)
        for i in range(100):
            oximeter.publish(OBS, reading(80, now - i))
        hub.until(STORED, 200)


def test_two_gateways_share_and_one_takes_over(hub: Hub, device: Connect) -> None:
    oximeter = device("maple/oximeter-1")
    now = time.time()
    with hub.gateway():
        hub.listening(4)
        with hub.gateway():
            waiting.until(
                lambda: (
                    hub.rows(
                        "SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory'"
                        " AND classid = 5"
                    )
                    == [(2,)]
                ),
                "both are alive",
            )
            for i in range(100):
                oximeter.publish(OBS, reading(90, now - i))
        for i in range(100):
            oximeter.publish(OBS, reading(80, now - i))
        hub.until(STORED, 200)
        hub.listening(4)


def test_a_lost_session_of_the_slots_is_got_over(hub: Hub, device: Connect) -> None:
    oximeter = device("maple/oximeter-1")
    now = time.time()
    with hub.gateway():
        hub.listening(4)
        for round_ in range(3):
            with psycopg.connect(hub.url, autocommit=True) as db:
                db.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name LIKE 'telecare %' AND datname = current_database()"
                )
            for i in range(50):
                oximeter.publish(OBS, reading(round_, now - i))
        hub.until(STORED, 150)
        hub.listening(4)


def test_a_broker_that_dies_is_got_over(hub: Hub, device: Connect) -> None:
    with hub.gateway():
        hub.listening(4)
        oximeter = device("maple/oximeter-1")
        now = time.time()
        for i in range(100):
            oximeter.publish(OBS, reading(90, now - i))
        hub.broker.stop()
        time.sleep(2)
        hub.broker.start()
        hub.until(  # the broker forgot the shared subscription: until here it drops what comes
            "SELECT count(*)::int FROM ingest.slot WHERE probed_at > now() - interval '1 second'", 4
        )
        late = device("maple/pendant-1")
        late.publish("telecare/v1/maple/pendant-1/obs", reading(80, now))
        hub.until(STORED, 101)


def test_a_stranger_waits_is_replayed_once_adopted_and_its_alarm_pages(
    hub: Hub, device: Connect
) -> None:
    stranger = device("maple/onboarding")
    at = time.time()
    with hub.gateway():
        hub.listening(4)
        stranger.publish("telecare/v1/maple/new-1/obs", reading(90, at))
        stranger.publish("telecare/v1/maple/new-1/event", b'[{"n":"sos","vb":true}]')
        hub.until("SELECT count(*)::int FROM ingest.alarm", 1)
        hub.until("SELECT count(*)::int FROM ingest.quarantine WHERE reason = 'unregistered'", 2)
        hub.adopt("new-1")
        hub.rows(
            "UPDATE ingest.quarantine SET state = 'queued' RETURNING pg_notify('ingest_replay', '')"
        )
        hub.until("SELECT count(*)::int FROM ingest.quarantine WHERE state = 'replayed'", 2)
        assert hub.rows(STORED) == [(2,)]
        assert hub.rows("SELECT count(*)::int FROM ingest.alarm") == [(1,)]
        stranger.publish("telecare/v1/maple/new-1/obs", reading(90, at))
        stranger.publish("telecare/v1/maple/new-1/obs", reading(91, at))
        hub.until(STORED, 3)
