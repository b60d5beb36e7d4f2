"""Each mistake in a TOML registration file is told with its line and what is allowed."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from ingest.kernel import registration
from ingest.register import reading
from tests.unit.ingest.register.writing import GOOD, TODAY, problems, read

# Each case: a whole file, the line of the mistake, what is said of it, what is said to be allowed.
PERSON = '[[people]]\nid = "ada"\nhome = "maple-1"\nname = "Ada"\n'  # 4 lines
DEVICE = '[[devices]]\nid = "d-1"\nsite = "maple-court"\nkind = "pendant"\n'  # 4 lines
WORN = 'person = "ada"\nfrom = 2026-01-01T00:00:00Z\n'
TRIGGER = """\
[[people.triggers]]
id = "low-spo2"
title = "Low oxygen"
severity = "urgent"
when = "spo2 < 88"
"""  # 5 lines
CASES = {
    "an unknown key, with the nearest": (
        PERSON + 'nhs_numbr = "943 476 5919"\n', 5, 'unknown key "nhs_numbr"',
        'did you mean "nhs_number"?',
    ),
    "an unknown key that is like none": (
        PERSON + "xyzzy = 1\n", 5, 'unknown key "xyzzy"', "allowed are id, home, name",
    ),
    "an unknown table, with the nearest": (
        "[[devises]]\na = 1\n", 1, 'unknown table "devises"', 'did you mean "devices"?',
    ),
    "one table where a list is meant": (
        '\n[people]\nid = "ada"\n', 2, '"people" is one table', "write [[people]]",
    ),
    "a key outside all tables": ("\n\nx = 1\n", 3, 'unknown table "x"', "[[people]]"),
    "a missing key": (
        '# people\n[[people]]\nid = "ada"\nname = "Ada"\n', 2, '"home" is missing',
        "an entry needs id, home, name",
    ),
    "a missing kind of device": (
        '[[devices]]\nid = "d-1"\nsite = "s"\n' + WORN, 1, '"kind" is missing', "id, site, kind",
    ),
    "an id with capitals": (
        '[[areas]]\nid = "North"\nname = "N"\n', 2, 'id "North" is no id', "a-z, 0-9 and -",
    ),
    "an id that is too long": (
        f'[[areas]]\nid = "{"a" * 65}"\nname = "N"\n', 2, "is no id", "1 to 64",
    ),
    "an empty id": ('[[areas]]\nid = ""\nname = "N"\n', 2, 'id "" is no id', "1 to 64"),
    "an id that is a number": ("[[areas]]\nid = 7\nname = 'N'\n", 2, "must be text", "in quotes"),
    "the reserved id": (
        DEVICE.replace("d-1", "onboarding") + WORN, 2, '"onboarding" is the account', "another id",
    ),
    "the same id twice": (
        PERSON + PERSON, 6, 'id "ada" is given twice in people, first at a.toml:2', "each id once",
    ),
    "an NHS number whose check digit is wrong": (
        PERSON + 'nhs_number = "9434765918"\n', 5, "check digit does not fit", "10 digits",
    ),
    "an NHS number of equal digits": (
        PERSON + 'nhs_number = "1111111111"\n', 5, "ten equal digits", "10 digits",
    ),
    "an NHS number without quotes": (
        PERSON + "nhs_number = 9434765919\n", 5, "must be text, not a number", "quotes",
    ),
    "an NHS number twice": (
        PERSON + 'nhs_number = "943 476 5919"\n' + PERSON.replace('"ada"', '"eve"')
        + 'nhs_number = "9434765919"\n', 10, 'the same as that of "ada" at a.toml:5',
        "a number of their own",
    ),
    "a birth in the future": (
        PERSON + "born = 2026-01-06\n", 5, "born 2026-01-06", "from 1900-01-01 to today",
    ),
    "a birth as a moment": (
        PERSON + "born = 1941-03-02T00:00:00Z\n", 5, "born must be a date", "1941-03-02",
    ),
    "a birth in another order": (
        PERSON + 'born = "02/03/1941"\n', 5, '"02/03/1941" is no date', "1941-03-02",
    ),
    "a telephone number with letters": (
        PERSON + 'phone = "ring Joan"\n', 5, "phone is no telephone number", "3 to 15 digits",
    ),
    "a telephone number of too many digits": (
        PERSON + f'phone = "{"1" * 16}"\n', 5, "no telephone number", "3 to 15 digits",
    ),
    "a language": (PERSON + 'language = "english!"\n', 5, "is no language", '"cy"'),
    "neither yes nor no": (PERSON + 'scale2 = "maybe"\n', 5, "neither true nor false", "true"),
    "a contact without a number": (
        PERSON + '\n  [[people.contacts]]\n  name = "Joan"\n', 6, '"phone" is missing',
        "a contact needs name, phone",
    ),
    "a contact's unknown key": (
        PERSON + '[[people.contacts]]\nname = "J"\nfone = "999"\nphone = "999"\n', 7,
        'unknown key "fone"', 'did you mean "phone"?',
    ),
    "one contact instead of a list": (
        PERSON + '[people.contacts]\nname = "J"\n', 5, "contacts must be a list",
        "[[people.contacts]]",
    ),
    "a limit of something unknown": (
        PERSON + "[people.limits]\nspo = { low = 90 }\n", 6, '"spo" is no measured quantity',
        'did you mean "spo2"?',
    ),
    "a limit of what is no number": (
        PERSON + "[people.limits]\nfall = { low = 0 }\n", 6, "no measured quantity", "heart_rate",
    ),
    "limits the wrong way round": (
        PERSON + "[people.limits]\nheart_rate = { low = 110, high = 50 }\n", 6,
        "low 110 is not below high 50", "20 to 300 /min",
    ),
    "an implausible limit": (
        PERSON + "[people.limits]\nspo2 = { low = 9 }\n", 6, "9 is not plausible", "35 to 100 %",
    ),
    "a limit without a bound": (
        PERSON + "[people.limits]\nspo2 = {}\n", 6, "neither low nor high", "35 to 100 %",
    ),
    "a limit that is no number": (
        PERSON + "[people.limits.spo2]\nlow = nan\n", 6, "low is not finite", "a number",
    ),
    "a limit that is no table": (
        PERSON + "limits.spo2 = 90\n", 5, "must be a table", "with low, high",
    ),
    "an unknown condition, with the nearest": (
        PERSON + 'conditions = [\n  "copd",\n  "fraility",\n]\n', 7,
        '"fraility" is no condition', 'did you mean "frailty"? allowed are copd',
    ),
    "a condition that is no text": (
        PERSON + "conditions = [7]\n", 5, '"7" is no condition', "allowed are copd",
    ),
    "conditions that are no list": (
        PERSON + "conditions = 7\n", 5, "conditions must be a list", '["copd", "frailty"]',
    ),
    "an unknown band of risk": (
        PERSON + 'risk_band = "yellow"\n', 5, '"yellow" is no band of risk',
        "allowed are green, amber, red",
    ),
    "a trigger's unknown key": (
        PERSON + TRIGGER + 'fro = "20 min"\n', 10, 'unknown key "fro"', 'did you mean "for"?',
    ),
    "a trigger without its expression": (
        PERSON + TRIGGER.replace("when", "clear"), 5, '"when" is missing',
        "a trigger needs id, title, severity, when",
    ),
    "a trigger's empty expression": (
        PERSON + TRIGGER.replace("spo2 < 88", ""), 9, "when is empty", "some text",
    ),
    "a trigger's id": (
        PERSON + TRIGGER.replace("low-spo2", "Low SpO2"), 6, "is no id of a trigger", "1 to 40",
    ),
    "a trigger's id that is too long": (
        PERSON + TRIGGER.replace("low-spo2", "x" * 41), 6, "is no id of a trigger", "1 to 40",
    ),
    "a trigger's severity": (
        PERSON + TRIGGER.replace("urgent", "urgnet"), 8, '"urgnet" is no severity',
        'did you mean "urgent"? allowed are emergency, urgent, soon, information',
    ),
    "a trigger's time that is a number": (
        PERSON + TRIGGER + "for = 20\n", 10, "for must be text, not a number", "in quotes",
    ),
    "a trigger twice": (
        PERSON + TRIGGER + TRIGGER, 11, 'trigger "low-spo2" is given twice', "each id once",
    ),
    "one trigger instead of a list": (
        PERSON + TRIGGER.replace("[[people.triggers]]", "[people.triggers]"), 5,
        "triggers must be a list", "[[people.triggers]]",
    ),
    "a place with a space": (
        DEVICE + WORN + 'place = "living room"\n', 7, '"living room" is no place', '"kitchen"',
    ),
    "a place with a capital": (
        DEVICE + WORN + 'place = "Kitchen"\n', 7, '"Kitchen" is no place', "a-z, 0-9",
    ),
    "a place that is too long": (
        DEVICE + WORN + f'place = "{"x" * 41}"\n', 7, "is no place", "1 to 40",
    ),
    "a second entry of another place": (
        DEVICE + WORN + 'place = "kitchen"\n' + DEVICE + 'place = "hall"\nperson = "bob"\n'
        "from = 2026-02-01T00:00:00Z\n", 12, "place differs from the same device's at a.toml:7",
        "the same place, or none",
    ),
    "an unknown time zone": (
        '[[sites]]\nid = "s"\nname = "S"\ntimezone = "Europe/Londno"\n', 4, "is no time zone",
        'did you mean "Europe/London"?',
    ),
    "an unknown kind of team": (
        '[[teams]]\nid = "t"\nname = "T"\nkind = "nurses"\n', 4, '"nurses" is no kind of team',
        "allowed are district_nursing",
    ),
    "an odd kind of device": (
        DEVICE.replace("pendant", "A pendant") + WORN, 4, "is no kind of device", '"bp_cuff"',
    ),
    "a short password": (
        DEVICE + WORN + 'password = "secret"\n', 7, "password is 6 characters", "12 to 200",
    ),
    "a cadence of something unknown": (
        DEVICE + WORN + "cadence = { hart_rate = 60 }\n", 7, '"hart_rate" is no quantity',
        'did you mean "heart_rate"?',
    ),
    "a cadence that is no time": (
        DEVICE + WORN + "cadence = { spo2 = 0.5 }\n", 7, "cadence of spo2", "whole seconds",
    ),
    "a device of nobody": (
        DEVICE, 1, "names neither person nor home", "home = ",
    ),
    "a device of both": (
        DEVICE + WORN + 'home = "maple-1"\n', 7, "both a person and a home", "for a shared one",
    ),
    "a start without its offset": (
        DEVICE + 'person = "ada"\nfrom = 2026-01-01T00:00:00\n', 6, "does not say its offset",
        "2026-01-31T09:00:00Z",
    ),
    "a start that is a date": (
        DEVICE + 'person = "ada"\nfrom = 2026-01-01\n', 6, "must be a moment, not a date", "offset",
    ),
    "an end before the start": (
        DEVICE + WORN + "to = 2025-12-31T00:00:00Z\n", 7, "to is not after from", "later",
    ),
    "two holders at a time": (
        DEVICE + WORN + "to = 2026-03-01T00:00:00Z\n" + DEVICE
        + 'person = "bob"\nfrom = 2026-02-01T00:00:00Z\n', 13, "overlaps another assignment",
        "one holder at a time",
    ),
    "two holders from the same moment": (
        DEVICE + WORN + DEVICE + WORN.replace("ada", "bob"), 12, "twice from the same moment",
        "one holder at a time",
    ),
    "a list of assignments that overlap": (
        DEVICE + '[[devices.assignments]]\nperson = "ada"\nfrom = 2026-01-01T00:00:00Z\n'
        'to = 2026-03-01T00:00:00Z\n[[devices.assignments]]\nhome = "maple-1"\n'
        "from = 2026-02-01T00:00:00Z\n", 11, "overlaps another assignment", "one holder",
    ),
    "a list of assignments beside one": (
        DEVICE + WORN + '[[devices.assignments]]\nhome = "maple-1"\n', 5, "beside a list", "either",
    ),
    "an empty list of assignments": (
        DEVICE + "assignments = []\n", 5, "assignments is empty", "at least one",
    ),
    "a second entry of another kind": (
        DEVICE + WORN + DEVICE.replace("pendant", "watch") + 'person = "bob"\n'
        "from = 2026-02-01T00:00:00Z\n", 10, "kind differs from the same device's at a.toml:4",
        "the same kind, or none",
    ),
    "text with a control character": (
        PERSON + 'communication = "a\\u0007b"\n', 5, "holds a control character", "letters",
    ),
    "text that is far too long": (
        PERSON + f'communication = "{"x" * 1001}"\n', 5, "is 1001 characters long", "1000",
    ),
    "an empty name": (PERSON.replace('"Ada"', '" "'), 4, "name is empty", "some text"),
    "no TOML": ('[[people]]\nid = "ada\n', 2, "is no TOML at column", "[[people]]"),
    "no TOML at the end": ('[[people]]\n\nid =', 3, "is no TOML", "[[people]]"),
    "a key twice": (PERSON + 'name = "B"\n', 5, "is no TOML", "[[people]]"),
    "a day that there isn't": (PERSON + "born = 2025-02-30\n", 5, "is no TOML", "[[people]]"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda name: name.replace(" ", "-"))
def test_a_mistake_is_named_by_its_line(tmp_path, case):
    content, line, what, allowed = CASES[case]
    found = problems(tmp_path, a_toml=content)
    assert len(found) == 1, found
    place, _, rest = found[0].partition(": ")
    assert place == f"a.toml:{line}", found
    assert what in rest
    assert allowed in rest.partition(what)[2]


def test_all_mistakes_of_a_file_are_told_in_order(tmp_path):
    content = "\n".join(
        content
        for content, _, what, _ in CASES.values()
        if "is no TOML" not in what and "[[" in content
    )  # every mistake that leaves a file readable, one after the other
    found = problems(tmp_path, a_toml=content)
    lines = [int(p.split(":")[1]) for p in found]
    assert lines == sorted(lines)
    assert len(lines) > 45


def test_mistakes_that_make_no_sense_of_the_file_are_still_told(tmp_path):
    deep = "x = " + "[" * 5_000 + "]" * 5_000
    huge = "x = " + "1" * 5_000
    assert "nested too deeply" in problems(tmp_path, a_toml=deep)[0]
    assert "is no TOML" in problems(tmp_path, a_toml=huge)[0]


def test_messages_never_repeat_numbers_and_passwords(tmp_path):
    content = PERSON + 'nhs_number = "9434765918"\nphone = "no 01632960xyz"\n'
    content += DEVICE + WORN + 'password = "hunter2"\n'
    text = "\n".join(problems(tmp_path, a_toml=content))
    assert "9434765918" not in text
    assert "01632960" not in text
    assert "hunter2" not in text


def test_what_is_wrong_is_left_out_and_known_as_flawed(tmp_path):
    said = read(tmp_path, a_toml=GOOD.replace('name = "Ada Example"', 'name = ""'))
    assert said.people == ()
    assert ("people", "ada") in said.flawed
    assert len(said.devices) == 1  # who refers to her is not wrong for that


def test_a_whole_file_is_read_with_all_that_it_says(tmp_path):
    said = read(
        tmp_path,
        a_toml=GOOD
        + """
[[people]]
id = "eve"
home = "maple-1"
name = "Eve Example"
nhs_number = "943 476 5919"
born = 1941-03-02
phone = "020 7946 0000"
pregnant = false
  [[people.contacts]]
  name = "Joan"
  phone = "020 7946 0001"
  [[people.contacts]]
  name = "Dan"
  relation = "neighbour"
  phone = "020 7946 0002"
  [people.limits]
  spo2 = { low = 90 }
""",
    )
    assert said.problems == ()
    ada, eve = said.people
    assert (ada.nhs_number, ada.contacts, ada.limits, ada.pregnant) == (None, None, None, None)
    assert eve.nhs_number == "9434765919"
    assert [c.name for c in eve.contacts or ()] == ["Joan", "Dan"]
    assert eve.limits == {"spo2": registration.Limit(low=90, high=None)}
    assert eve.pregnant is False


def test_a_device_issued_again_has_both_assignments(tmp_path):
    two_entries = (
        GOOD
        + """
[[devices]]
id = "pendant-1"
site = "maple-court"
home = "maple-1"
from = 2026-02-01T01:00:00+01:00
"""
    )
    (device,) = read(tmp_path, a_toml=two_entries).devices
    assert [a.holder for a in device.assignments] == [("person", "ada"), ("home", "maple-1")]
    listed = (
        GOOD.replace(WORN, "")
        + """
  [[devices.assignments]]
  person = "ada"
  from = 2026-01-01T00:00:00Z
  [[devices.assignments]]
  home = "maple-1"
  from = 2026-02-01T00:00:00Z
"""
    )
    assert read(tmp_path, a_toml=listed).devices == (device,)


def test_conditions_the_band_of_risk_triggers_and_places_are_read(tmp_path):
    said = read(
        tmp_path,
        a_toml=PERSON
        + 'conditions = ["frailty", "copd", "frailty"]\nrisk_band = "amber"\n'
        + TRIGGER
        + TRIGGER.replace("low-spo2", "lower-spo2")
        + 'clear = "spo2 > \'90 %\'"\nfor = "20 min"\n'
        + PERSON.replace('"ada"', '"bob"')
        + PERSON.replace('"ada"', '"eve"')
        + 'conditions = []\nrisk_band = ""\ntriggers = []\n'
        + DEVICE.replace('"pendant"', '"light"')
        + WORN
        + 'place = "front-hall_1.b"\n',
    )
    assert said.problems == ()
    ada, bob, eve = said.people
    assert (ada.conditions, ada.risk_band) == (("copd", "frailty"), "amber")
    first, second = ada.triggers or ()
    assert first.said() == {
        "id": "low-spo2", "title": "Low oxygen", "severity": "urgent", "when": "spo2 < 88",
        "clear": None, "for": None,
    }  # fmt: skip
    assert (second.id, second.clear, second.lasting) == ("lower-spo2", "spo2 > '90 %'", "20 min")
    assert (bob.conditions, bob.risk_band, bob.triggers) == (None, None, None)
    assert (eve.conditions, eve.risk_band, eve.triggers) == ((), "", ())
    assert [(d.kind, d.place) for d in said.devices] == [("light", "front-hall_1.b")]


def test_what_a_check_says_of_a_trigger_is_told_at_the_key_at_fault(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text(PERSON + TRIGGER + 'clear = "spo >"\n' + TRIGGER.replace("low-", "lower-"))

    def check(said: Mapping[str, str | None]) -> str | None:
        return 'no quantity "spo"' if said["clear"] else None

    said = reading.read([path], today=TODAY, check_trigger=check)
    assert [str(p).replace(f"{tmp_path}/", "") for p in said.problems] == [
        'a.toml:10: clear of trigger low-spo2: no quantity "spo"'
    ]
    assert ("people", "ada") in said.flawed
    assert reading.read([path], today=TODAY).problems == ()  # no check, any text
