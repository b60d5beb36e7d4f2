"""Each shipped pack speaks once in one home of the scenarios `packs`, and never in the next one.

The simulator's messages go through the published format into the rules core, without broker and
database: ``make smoke`` plays the same through all of it.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime

import numpy as np
import pytest

from alerts import engine, model, plan
from alerts.rules import registry
from alerts.state.subjects import Device, Home, Person
from firmware_sim import fleet, scenarios
from ingest.kernel import vitals
from ingest.kernel.observation import ROW, Quality
from tests.support import pack_homes
from tests.unit.firmware_sim import stage

TICK_S = 1.0


class Hub:
    """The rules core for the homes of a scenario."""

    def __init__(self, story: scenarios.Scenario, now: float) -> None:
        tables = story.registration(now)
        self.homes = [h["id"] for h in tables["homes"]]
        self.people = {p["id"]: n for n, p in enumerate(tables["people"], 1)}
        home_of = {p["id"]: self.homes.index(p["home"]) + 1 for p in tables["people"]}
        self.devices, devices = {}, []
        for n, d in enumerate(tables["devices"], 1):
            who = d.get("person", "")
            person = self.people.get(who, 0)
            home = home_of[who] if who else self.homes.index(d["home"]) + 1
            self.devices[d["id"]] = (n, person, home)
            devices.append(Device(no=n, shard=0, home_no=home, person_no=person))
        self.parts = {"": 0}
        self.spoken: Counter[tuple[str, str]] = Counter()
        packs = registry.load().packs.values()
        self.core = engine.Engine(plan.compile_packs(packs, plan.Defaults()))
        zone = {s["id"]: s["timezone"] for s in tables["sites"]}
        lives = {n: [self.people[p] for p, h in home_of.items() if h == n]
                 for n in range(1, len(self.homes) + 1)}  # fmt: skip
        self.core.put(
            homes=[Home(no=n, shard=0, zone=zone[h["site"]], people=lives[n])
                   for n, h in enumerate(tables["homes"], 1)],
            people=[self._person(p, home_of[p["id"]]) for p in tables["people"]],
            devices=devices,
        )  # fmt: skip

    def _person(self, table, home):
        born = datetime.fromisoformat(f"{table['born']}T00:00:00+00:00").timestamp()
        return Person(
            no=self.people[table["id"]], shard=0, home_no=home, born=born,
            limits=table.get("limits"), conditions=table.get("conditions", ()),
            triggers=table.get("triggers", ()),
        )  # fmt: skip

    def take(self, message, now):
        """Take in a message as it was received."""
        rows = [self._row(message, r, now) for r in stage.read(message)]
        self.core.memory.learn_parts({n: name for name, n in self.parts.items()})
        self._note(self.core.on_data(np.array(rows, dtype=ROW), now=now))

    def _row(self, message, record, now):
        device, person, home = self.devices[message.topic.split("/")[3]]
        place, _, name = record["n"].rpartition("/")
        name, _, key = name.partition(".")
        part = self.parts.setdefault(place or key, len(self.parts))
        quantity = vitals.BY_NAME[name]
        said = record.get("v", record.get("vb", record.get("vs")))
        value = quantity.codes.index(said) if quantity.codes else float(said)
        flags = Quality.HISTORICAL if now - record["t"] > 86_400 else Quality.NONE
        flags |= Quality.IMPORTED if message.imported else Quality.NONE
        return (record["t"], now, value, device, person, home, part, int(flags), quantity.no)

    def tick(self, now, since):
        self._note(self.core.on_time(now=now, heard_since=since))

    def _note(self, found):
        for one in found:
            if one.outcome in (model.Outcome.RAISE, model.Outcome.COMMAND):
                home = one.home_no or 0
                self.spoken[self.homes[home - 1], one.rule_id] += 1


def played(name: str, utc: float) -> dict[str, list[str]]:
    """Play a scenario as if it were that second of a day; return what was said of each home."""
    story = scenarios.load(name)
    start = 1_795_392_000.0 + utc  # midnight, 23 November 2026
    network = stage.StageNetwork(start)
    players = fleet.Fleet(scenario=story, network=network, real_time=lambda: network.time)
    hub = Hub(story, start)
    players.run(linger=0)
    ticked = start
    for at, message in network.published:
        while ticked + TICK_S < at:
            ticked += TICK_S
            hub.tick(ticked, start)
        if message.tail in ("obs", "event"):
            hub.take(message, at)
    hub.tick(network.time + 5, start)
    found: dict[str, list[str]] = {}
    for (home, rule), times in hub.spoken.items():
        found.setdefault(home, []).extend([rule] * times)
    return {home: sorted(rules) for home, rules in found.items()}


def due(name: str) -> dict[str, list[str]]:
    """Return what is to be said, without the alarms: those don't wait for the rules core."""
    found = {h: [r for r in rules if r not in pack_homes.ALARMS]
             for h, rules in pack_homes.expected(name).items()}  # fmt: skip
    if name == "packs_night":
        found[pack_homes.LIGHT_HOME] = ["falls.light"]
    return {home: rules for home, rules in found.items() if rules}


@pytest.mark.parametrize("name", ["packs", "packs_night"])
@pytest.mark.parametrize("hour", [0, 13])
def test_each_pack_speaks_once_where_it_should_and_nowhere_else(name, hour):
    assert played(name, hour * 3_600 + 1_500) == due(name)


@pytest.mark.parametrize("hour", range(24))
def test_at_night_it_is_night_whatever_the_time_is(hour):
    assert played("packs_night", hour * 3_600 + 1_799) == due("packs_night")


def test_a_pack_that_speaks_has_a_neighbour_with_the_same_devices_and_conditions():
    for name in pack_homes.SPEAKS:
        story = scenarios.load(name)
        homes = [h["id"] for h in story.register["homes"]]
        about = {h: [] for h in homes}
        for person in story.register["people"]:
            about[person["home"]].append(("is", tuple(person.get("conditions", ()))))
        for device in story.devices:
            about[device.home].append(("has", device.kind))
        for one, two in zip(homes[::2], homes[1::2], strict=True):
            assert two == pack_homes.neighbour(one)
            assert about[one] == about[two]


def test_every_shipped_pack_has_a_home_in_which_it_speaks():
    shown = {pack for packs in pack_homes.SPEAKS.values() for pack in packs} - {"care plan"}
    assert shown == set(registry.load().packs) - {"hub"}, "that one speaks of no home"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("good_week", {}),
        ("hub_offline_6h", {}),
        ("copd_exacerbation", {"copd-1": ["copd.exacerbation", "news2"]}),
        (
            "heart_failure_weight",
            {
                "heart-failure-1": [
                    "heart_failure.swelling",
                ]
            },
        ),
    ],
)
def test_the_other_stories_say_what_they_are_named_for_each_thing_once(name, said):
    assert played(name, 13 * 3_600) == said
