"""Tests of `firmware_sim.scenarios`."""

from __future__ import annotations

import math
from datetime import date

import pytest

from firmware_sim import registration, scenarios
from firmware_sim.devices import catalogue
from tests.unit.firmware_sim import stage

ASKED = {
    "good_week", "night_fall", "copd_exacerbation", "heart_failure_weight", "silent_device",
    "hub_offline_6h", "duplicates", "clock_drift", "clock_lost", "garbage", "demo", "packs",
    "packs_night",
}  # fmt: skip


def everyone():
    return [(name, scenarios.load(name)) for name in scenarios.names()]


def test_every_scenario_that_was_asked_for_is_there():
    assert set(scenarios.names()) >= ASKED


@pytest.mark.parametrize("name", scenarios.names())
def test_a_scenario_reads_and_knows_its_devices(name):
    story = scenarios.load(name)
    assert story.title
    assert story.devices
    assert {d.kind for d in story.devices} <= set(catalogue.KINDS)
    assert story.duration > story.live_from or story.duration in {story.live_from, math.inf}


def test_nobody_shares_a_number_or_an_id_so_that_all_scenarios_fit_in_one_hub():
    people = [p for _, s in everyone() for p in s.register["people"]]
    homes = [h["id"] for _, s in everyone() for h in s.register["homes"]]
    devices = [d.key for _, s in everyone() for d in s.devices]
    for ids in ([p["nhs_number"] for p in people], [p["id"] for p in people], homes, devices):
        assert len(ids) == len(set(ids))


def test_everybody_is_invented_and_has_a_test_number_that_passes_the_check():
    for _, story in everyone():
        for person in story.register["people"]:
            number = person["nhs_number"]
            assert number.startswith("999")
            assert registration.check_digit(number[:9]) == int(number[9])
            assert isinstance(person["born"], date)
            assert person.get("contacts")


def test_the_demo_never_ends_and_is_at_maple_court():
    demo = scenarios.load("demo")
    assert demo.duration == math.inf
    assert demo.speed == 1
    assert {d.site for d in demo.devices} == {"maple-court"}


def test_included_teams_come_with_every_scenario():
    for _, story in everyone():
        kinds = {t["kind"] for t in story.register["teams"]}
        assert kinds >= {"district_nursing", "telecare_operator", "equipment"}


@pytest.mark.parametrize(
    ("addition", "what"),
    [
        ('[[incidents]]\nat = "1s"\ndo = "press"\ndevice = "nobody"\n', "incident's device"),
        ('[[faults]]\ndevice = "nobody"\nkind = "drift"\n', "fault's device"),
        (
            '[[courses]]\nperson = "x"\nquantity = "spo2"\nbegin = "0s"\nend = "1s"\nby = 1\n',
            "course",
        ),
        ('[[bodies]]\nperson = "x"\n', "body"),
    ],
)
def test_a_name_that_points_nowhere_is_refused(addition, what):
    with pytest.raises(scenarios.ScenarioError, match=what):
        stage.story('[scenario]\ntitle = "t"\n' + addition)


def test_a_scenario_can_be_a_file(tmp_path):
    file = tmp_path / "own.toml"
    file.write_text('include = ["north"]\n[scenario]\ntitle = "Own"\nduration = "1h"\n')
    story = scenarios.load(str(file))
    assert (story.name, story.duration, story.live_from) == ("own", 3600, 3600)


def test_an_unknown_scenario_is_answered_with_those_there_are():
    with pytest.raises(scenarios.ScenarioError, match="night_fall"):
        scenarios.load("nothing")
    with pytest.raises(scenarios.ScenarioError, match="no such file"):
        scenarios.load("nothing.toml")


def test_a_broken_file_says_which_and_why():
    with pytest.raises(scenarios.ScenarioError, match="broken"):
        scenarios.parse("broken", "[scenario")


def test_homes_can_lie_where_the_time_of_the_story_is_the_real_one():
    text = '[scenario]\ntitle = "t"\nbegins = "20:00"\nduration = "6h"\nown_zone = true\n'
    story = stage.story(text)  # it is two at night when the story is live
    for utc, zone in ((2, "Etc/GMT"), (0, "Etc/GMT-2"), (5, "Etc/GMT+3"), (14, "Etc/GMT-12")):
        tables = story.registration(1_795_392_000.0 + utc * 3600)
        assert [s["timezone"] for s in tables["sites"]] == [zone]
    assert "timezone" not in story.register["sites"][0]
    with pytest.raises(scenarios.ScenarioError, match="time of day"):
        stage.story(text.replace('begins = "20:00"\n', ""))
