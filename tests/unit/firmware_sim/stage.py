"""A network without sockets and a clock that only moves when somebody waits."""

from __future__ import annotations

import json
from typing import Any

import cbor2

from firmware_sim import fleet, scenarios, wire

NAMES = {label: key for key, label in wire.LABELS.items()}


class StageLink:
    def __init__(self, network, client_id, account, topics, owner):
        self.network, self.client_id, self.account = network, client_id, account
        self.topics, self.owner = topics, owner
        self.up = self.wanted = False
        self.waiting = 0
        self.wills = []

    def connect(self, *, will):
        self.wanted = True
        self.wills.append(will)
        self.network.opening.append(self)

    def publish(self, message, acked):
        self.network.published.append((self.network.time, message))
        if self.up:
            acked(True)

    def disconnect(self):
        self.wanted = self.up = False

    def drop(self):
        self.wanted = False
        if self.up:
            self.up = False
            self.network.published.append((self.network.time, self.wills[-1]))
            self.owner.disconnected()

    def hear(self, tail: str, document: dict[str, Any], correlation: bytes = b""):
        site, device = self.client_id.split(".")
        payload = json.dumps(document).encode()
        self.owner.heard(wire.topic(site, device, tail), payload, correlation)


class StageNetwork:
    """Connects at the next poll; waiting moves the clock."""

    def __init__(self, start: float = 1_795_406_400.0):
        self.time = start
        self.published: list[tuple[float, wire.Message]] = []
        self.opening: list[StageLink] = []
        self.links: dict[str, StageLink] = {}
        self.refusing = False
        self.hub = None  # called with (link, message) for each message that reaches the hub

    def link(self, *, client_id, account, topics, owner):
        return self.links.setdefault(client_id, StageLink(self, client_id, account, topics, owner))

    def poll(self, timeout: float):
        self.time += max(timeout, 0.001)
        if self.refusing:
            return
        opening, self.opening = self.opening, []
        for link in opening:
            if link.wanted and not link.up:
                link.up = True
                link.owner.connected()

    def close(self):
        pass

    def sent(self, tail: str) -> list[tuple[float, wire.Message]]:
        return [(at, m) for at, m in self.published if m.tail == tail]


def story(text: str) -> scenarios.Scenario:
    """Return a scenario of one home with one person, and what ``text`` adds."""
    return scenarios.parse(
        "stage",
        '[[sites]]\nid = "s"\nname = "S"\n'
        '[[homes]]\nid = "h"\nsite = "s"\naddress = "1 S"\n'
        '[[people]]\nid = "p"\nhome = "h"\nname = "P"\n' + text,
    )


def device(kind: str, **play: Any) -> str:
    given = "".join(f"{k} = {json.dumps(v)}, " for k, v in play.items()).rstrip(", ")
    return f'[[devices]]\nid = "d"\nsite = "s"\nkind = "{kind}"\nperson = "p"\nplay = {{{given}}}\n'


def crew(text: str, network: StageNetwork, **options: Any) -> fleet.Fleet:
    return fleet.Fleet(
        scenario=story(text), network=network, real_time=lambda: network.time, **options
    )


def play(players: fleet.Fleet, network: StageNetwork, seconds: float) -> None:
    """Let that much of the world's time go by."""
    until = network.time + seconds
    while network.time < until:
        players.step()


def read(message: wire.Message) -> list[dict[str, Any]]:
    """Return a pack's records with names, times and units resolved (RFC 8428, section 4.6)."""
    if message.content_type == wire.SENML_CBOR:
        loaded = cbor2.loads(message.payload)
        items = [{NAMES.get(k, k): v for k, v in item.items()} for item in loaded]
    else:
        items = json.loads(message.payload)
    return resolve(items)


def resolve(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    base: dict[str, Any] = {}
    records = []
    for item in items:
        base |= {k: v for k, v in item.items() if k in {"bn", "bt", "bu"}}
        record = {k: v for k, v in item.items() if k not in {"bn", "bt", "bu"}}
        record["n"] = base.get("bn", "") + record.get("n", "")
        if "bt" in base or "t" in record:
            record["t"] = base.get("bt", 0) + record.get("t", 0)
        records.append(record)
    return records
