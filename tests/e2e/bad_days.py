"""Bad days, short or long: each takes something away under load and then asks what is stored.

`tests.e2e` runs them short, `tests.soak` long.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

from alerts.storage import chains
from api.embedded.postgres import EmbeddedPostgres
from ingest.kernel import vitals
from tests.support import waiting
from tests.support.hub import SITE, Hub, Link, Load, Pendants, topic

MEGABYTE = 1024 * 1024
PEOPLE = [f"wrist-{n}" for n in range(24)]
_UNSAVED_S = 2.0  # the broker saves each second; how late it may be to, and to answer us


@contextmanager
def under_load(hub: Hub, *, rate: float = 200.0, repeat: float | None = 2.0) -> Iterator[Day]:
    """Register homes and let them send readings and press pendants, until the block ends."""
    hub.register(*PEOPLE)
    link = Link(hub.broker, f"{SITE}/onboarding")
    pendants = Pendants(hub.broker, repeat=repeat)
    day = Day(hub, Load(link, PEOPLE, rate=rate).start(), pendants)
    try:
        yield day
    finally:
        day.load.stop_now()
        pendants.close()
        link.close()


class Day:
    """A day's senders, and what must hold at its end."""

    def __init__(self, hub: Hub, load: Load, pendants: Pendants) -> None:
        self.hub = hub
        self.load = load
        self.pendants = pendants

    def press_all(self, devices: Sequence[str] = PEOPLE) -> list[str]:
        return [self.pendants.press(device) for device in devices]

    def flows(self, readings: int = 200) -> None:
        """Wait until this many more readings are stored."""
        stored = self.hub.count("ingest.observation")
        waiting.until(
            lambda: self.hub.count("ingest.observation") >= stored + readings,
            "readings are being stored",
            timeout=60,
        )

    def all_arrived(self, *, timeout: float = 90.0) -> None:
        """Stop the load; each reading must be stored exactly once, each alarm known and told."""
        self.load.stop()
        sent = self.load.readings()
        waiting.until(
            lambda: (
                self.hub.count("ingest.observation WHERE quantity = %s", vitals.HEART_RATE)
                >= len(sent)
            ),
            "as many readings are stored as were sent",
            timeout=timeout,
        )
        self.exactly(sent)
        self.alarms_arrived()

    def alarms_arrived(self) -> None:
        waiting.until(self.pendants.all_told, "each alarm was confirmed", timeout=60)
        kept = Counter(a for (a,) in self.hub.rows("SELECT alarm_id FROM ingest.alarm"))
        pressed = set(self.pendants.pressed)
        assert (pressed - kept.keys(), kept.keys() - pressed) == (set(), set())
        assert max(kept.values(), default=1) == 1

    def exactly(self, sent: set[tuple[str, int]]) -> None:
        stored = stored_heart_rates(self.hub)
        missing, doubled = sent - stored.keys(), {k: n for k, n in stored.items() if n > 1}
        foreign = stored.keys() - sent
        assert (len(missing), len(doubled), len(foreign)) == (0, 0, 0)
        logged = logged_rows(self.hub)
        assert logged == len(stored) + self.hub.count(
            "ingest.observation WHERE quantity <> %s", vitals.HEART_RATE
        )  # the rules are shown each row once


def stored_heart_rates(hub: Hub) -> Counter[tuple[str, int]]:
    return Counter(
        hub.rows(
            "SELECT d.name, (extract(epoch FROM o.time) * 1000000)::bigint"
            " FROM ingest.observation o JOIN ingest.device d ON d.no = o.device_no"
            " WHERE o.quantity = %s",
            vitals.HEART_RATE,
        )
    )


def logged_rows(hub: Hub) -> int:
    """Return how many rows the log between gateway and rules holds, of 54 bytes each."""
    from ingest.kernel.observation import ROW

    return int(hub.one("SELECT coalesce(sum(length(rows)), 0) / %s FROM ingest.log", ROW.itemsize))


def database_gone(hub: Hub, postgres: EmbeddedPostgres, seconds: float) -> None:
    """Take the database away under load; in the middle a gateway dies with what it holds."""
    settings = {"gateway_held_bytes": 4 * MEGABYTE}
    gateway = hub.gateway(**settings)
    hub.ready()
    with under_load(hub) as day:
        day.press_all(PEOPLE[:3])
        day.flows()
        waiting.until(day.pendants.all_told, "the first alarms were confirmed", timeout=30)
        before = gateway.memory
        postgres.stop()
        gone_at = time.monotonic()
        pressed = day.press_all(PEOPLE[3:8])
        for n in range(60):  # more than it may hold
            body = b"no pack %d" % n + b"." * MEGABYTE
            day.load.link.publish(topic(PEOPLE[n % len(PEOPLE)], "obs"), body)
        time.sleep(seconds / 2)
        assert gateway.running
        assert gateway.memory - before < 48 * MEGABYTE
        assert not any(day.pendants.told(a) for a in pressed)
        gateway.kill()  # what it had acknowledged without having stored it would be lost now
        hub.gateway(**settings)
        time.sleep(max(0.0, gone_at + seconds - time.monotonic()))
        postgres.start()
        day.flows()
        day.all_arrived(timeout=60 + 4 * seconds)
        assert (
            hub.rows(
                "SELECT count(*), max(times) FROM ingest.quarantine WHERE reason = 'unreadable'"
            )[0][0]
            == 60
        )


def broker_stopped(hub: Hub, seconds: float) -> None:
    hub.gateway()
    hub.ready()
    with under_load(hub) as day:
        day.flows()
        hub.broker.stop()
        day.press_all(PEOPLE[:5])
        time.sleep(seconds)
        hub.broker.start()
        day.flows()
        day.press_all(PEOPLE[5:10])
        day.all_arrived()


def broker_killed(hub: Hub, *, rounds: int, seed: int) -> None:
    """Kill the broker at random moments; at most the last second of readings may be missing."""
    rng = random.Random(seed)
    hub.gateway()
    hub.ready()
    kills = []
    with under_load(hub) as day:
        for _ in range(rounds):
            day.flows()
            day.press_all(rng.sample(PEOPLE, 3))
            time.sleep(rng.uniform(2.5, 4.0))
            hub.broker.kill()
            kills.append(time.monotonic())
            day.press_all(rng.sample(PEOPLE, 3))
            time.sleep(rng.uniform(0.0, 1.0))
            hub.broker.start()
        day.flows()
        day.load.stop()
        excusable: set[tuple[str, int]] = set()
        for number, pack in day.load.sent.items():
            taken = day.load.link.taken_at[number]
            if any(at - _UNSAVED_S < taken <= at + 0.5 for at in kills):
                excusable.update(pack)
        sent = day.load.readings()
        assert len(excusable) < len(sent) / 2
        must = sent - excusable
        waiting.until(
            lambda: must <= stored_heart_rates(hub).keys(),
            "what the broker had for over a second is stored",
            timeout=60,
            every=0.5,
        )
        stored = stored_heart_rates(hub)
        assert max(stored.values()) == 1
        assert stored.keys() <= sent
        day.alarms_arrived()


def no_gateway(hub: Hub, seconds: float) -> None:
    """Nobody listens for a while, and the broker restarts; whoever comes then finds everything."""
    first = hub.gateway()
    hub.ready()
    with under_load(hub) as day:
        day.flows()
        first.stop()
        told = {a for a, state in day.pendants.receipts if state == "received"}
        pressed = day.press_all(PEOPLE[:6])
        time.sleep(seconds / 2)
        hub.broker.stop()  # mosquitto alone would forget the hub's shared subscriptions here
        hub.broker.start()
        time.sleep(seconds / 2)
        assert {a for a, _ in day.pendants.receipts} == told
        assert not set(pressed) & told
        hub.gateway()
        day.flows()
        day.all_arrived(timeout=60 + seconds)


def one_of_two_killed(hub: Hub) -> None:
    """Each press is made once and never repeated: what the dead gateway held is handed on."""
    gateways = [hub.gateway(), hub.gateway()]
    waiting.until(lambda: len(holders(hub)) == 2, "both gateways serve slots", timeout=45)
    hub.ready()
    with under_load(hub, repeat=None) as day:
        day.flows()
        served = hub.one("SELECT holder FROM ingest.slot WHERE lane = 'event'")
        (victim,) = [g for g in gateways if str(g.pid) == served.rpartition(":")[2]]
        before = day.press_all(PEOPLE[:8])
        victim.kill()
        day.press_all(PEOPLE[8:16])
        waiting.until(day.pendants.all_told, "each alarm was confirmed", timeout=40)
        assert max(day.pendants.waits()) < 15.0
        assert len(before) == 8
        day.all_arrived()
        hub.ready()


def holders(hub: Hub) -> set[Any]:
    return {h for (h,) in hub.rows("SELECT DISTINCT holder FROM ingest.slot") if h}


def kills(hub: Hub, *, rounds: int, seed: int, rate: float = 150.0) -> None:
    """Kill gateways and alerts processes at random moments under load."""
    rng = random.Random(seed)
    hub.gateway()
    hub.gateway()
    hub.alerts(alerts_balance_s=0.2)
    hub.alerts(alerts_balance_s=0.2)
    hub.ready()
    ill: list[str] = []
    with under_load(hub, rate=rate) as day:
        day.flows()
        for n in range(rounds):
            day.press_all(rng.sample(PEOPLE, 3))
            if n < len(PEOPLE):  # one person more whose oxygen is low, for good
                ill.append(PEOPLE[n])
                at = round(time.time(), 3)
                body = f'[{{"n":"spo2","u":"%","v":85,"t":{at}}}]'
                day.load.link.publish(topic(PEOPLE[n], "obs"), body)
            time.sleep(rng.uniform(0.1, 1.5))
            name = rng.choice(["gateway", "alerts"])
            rng.choice(hub.living(name)).kill()
            if rng.random() < 0.8 or not hub.living(name):
                hub.gateway() if name == "gateway" else hub.alerts(alerts_balance_s=0.2)
        for name in ("gateway", "alerts"):
            if not hub.living(name):
                hub.gateway() if name == "gateway" else hub.alerts()
        day.all_arrived()
        each_alarm_paged_once(hub, list(day.pendants.pressed))
        each_is_ill_once(hub, ill)


def each_alarm_paged_once(hub: Hub, alarm_ids: list[str]) -> None:
    def pages() -> int:
        return hub.count(
            "alerts.event e JOIN alerts.alert a ON a.no = e.alert_no"
            " WHERE e.kind IN ('raised', 'pressed_again') AND a.rule_id = 'sos'"
        )

    waiting.until(lambda: pages() >= len(alarm_ids), "each alarm paged", timeout=60)
    time.sleep(1.5)  # a second page would come now
    assert pages() == len(alarm_ids)
    linked = Counter(
        a
        for (a,) in hub.rows(
            "SELECT m.alarm_id FROM alerts.alert_alarm x JOIN ingest.alarm m ON m.no = x.alarm_no"
        )
    )
    assert linked == Counter(alarm_ids)
    raised = hub.rows(
        "SELECT alert_no FROM alerts.event WHERE kind = 'raised' GROUP BY 1 HAVING count(*) > 1"
    )
    assert raised == []
    history_holds(hub)


def history_holds(hub: Hub) -> None:
    """Every chain of events is whole, whoever was killed while writing it."""
    with psycopg.connect(hub.database_url) as db:
        checked = chains.check(db)
    assert checked.broken == []
    assert checked.events > 0


def each_is_ill_once(hub: Hub, ill: list[str]) -> None:
    def found() -> Counter[str]:
        return Counter(
            name.removeprefix("person-")
            for (name,) in hub.rows(
                "SELECT p.id FROM alerts.alert a JOIN ingest.person p ON p.no = a.person_no"
                " WHERE a.rule_id = 'limits.spo2'"
            )
        )

    waiting.until(lambda: len(found()) >= len(ill), "each illness was seen", timeout=60)
    assert found() == Counter(ill)
