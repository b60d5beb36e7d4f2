"""Tests of `firmware_sim.replay`."""

from __future__ import annotations

import json
from collections import deque

import pytest

from firmware_sim import replay, tihm, wire

ROWS = [
    tihm.Row(
        patient="0a", device=f"0a-{place}", name=f"{place}/motion", value=True, unit="",
        instant=1000 + i,
    )
    for i in range(100)
    for place in ("kitchen", "lounge", "hallway")
]  # fmt: skip
PACKS = tihm.packs(ROWS, size=10)


class Pipe:
    made: list[Pipe] = []  # noqa: RUF012 -- emptied by each test

    def __init__(self, broker, client_id, *, account, version, window, heard):
        self.account, self.version, self.heard = account, version, heard
        self.room, self.in_flight, self.busy, self.acked = 5, 0, False, 0
        self.sock, self.reasons, self.sent, self.topics = self, {0: 0}, [], []
        Pipe.made.append(self)

    def publish(self, message):
        self.sent.append(message)
        self.in_flight += 1
        self.room -= 1

    def subscribe(self, topic):
        self.topics.append(topic)

    def keep_alive(self):
        pass

    def close(self):
        pass


class Selector:
    def register(self, *_given):
        pass

    def close(self):
        pass


@pytest.fixture(autouse=True)
def _stage(monkeypatch):
    def serve(pipes, _selector, _timeout):
        for pipe in pipes:
            pipe.acked += pipe.in_flight
            for message in pipe.sent[len(pipe.sent) - pipe.in_flight :]:
                if message.response_topic:
                    said = {"stored": len(json.loads(message.payload)), "refused": []}
                    pipe.heard(
                        message.response_topic, json.dumps(said).encode(), message.correlation
                    )
            pipe.in_flight, pipe.room = 0, 5

    Pipe.made = []
    monkeypatch.setattr(replay.bulk, "Pipe", Pipe)
    monkeypatch.setattr(replay.bulk, "serve", serve)
    monkeypatch.setattr(replay.selectors, "DefaultSelector", Selector)


def sent() -> list[wire.Message]:
    return [m for pipe in Pipe.made for m in pipe.sent]


def test_everything_is_sent_once_and_acknowledged():
    said = replay.run(PACKS, replay.Plan(end=5000), None)
    assert (said["messages"], said["acked"], said["readings"]) == (30, 30, 300)
    assert said["shift_s"] == 5000 - 1099
    assert all(m.imported for m in sent())
    newest = [
        r.get("t", 0) + p[0]["bt"] for m in sent() for p in [json.loads(m.payload)] for r in p
    ]
    assert max(newest) == 5000


def test_a_devices_packs_stay_in_order_on_one_connection():
    replay.run(PACKS, replay.Plan(end=5000, connections=2), None)
    for place in ("kitchen", "lounge", "hallway"):
        topic = f"telecare/v1/tihm/0a-{place}/obs"
        pipes = [p for p in Pipe.made if any(m.topic == topic for m in p.sent)]
        assert len(pipes) == 1
        bases = [json.loads(m.payload)[0]["bt"] for m in pipes[0].sent if m.topic == topic]
        assert bases == sorted(bases)


def test_with_credentials_each_device_speaks_for_itself():
    passwords = {f"tihm/0a-{p}": "pw" for p in ("kitchen", "lounge", "hallway")}
    said = replay.run(PACKS, replay.Plan(end=5000), None, credentials=passwords)
    assert said["acked"] == 30
    for pipe in Pipe.made:
        assert {m.topic.split("/")[3] for m in pipe.sent} == {pipe.account[0].split("/")[1]}


def test_answers_are_asked_for_and_waited_for():
    said = replay.run(PACKS, replay.Plan(end=5000, answers=True), None)
    assert said["answers"] == {"count": 30, "stored": 300, "refused": {}}
    assert all(p.topics == ["telecare/v1/tihm/+/reply/#"] for p in Pipe.made)
    for message in sent():
        assert message.response_topic.startswith(message.topic.removesuffix("obs") + "reply/")


def test_a_replay_that_keeps_time_sends_nothing_early(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(replay.time, "time", lambda: now[0])
    lanes = {"a": deque(PACKS)}
    total = {"sent": 0, "readings": 0}
    plan = replay.Plan(end=5000, speed=10)
    pipe = Pipe(None, "x", account=None, version=5, window=9, heard=None)
    sender = replay._Sender(lanes, {"a": pipe}, plan, newest=1099, total=total)
    sender.send_due()
    first = len(pipe.sent)
    assert 0 < first < 5
    now[0] += 1.0  # ten recorded seconds
    pipe.room = 99
    assert sender.send_due() == 3
    assert first + 3 == sender.sent
