"""Packs: the shipped ones are sound, and a wrong one is refused with file and line."""

from __future__ import annotations

import pytest

from alerts import errors, model
from alerts.rules import language, pack, registry

SHIPPED = {path.stem: path.read_text(encoding="utf-8") for path in registry.SHIPPED.glob("*.toml")}
HEAD = """id = "local"
version = "3"
title = "Local"
approver = "nobody"
review_by = 2027-01-01
source = "made up"

"""
RULE = """[[rule]]
id = "local.one"
title = "One"
severity = "soon"
when = "spo2 < 90"
clear = "spo2 >= 92"
team = "district_nursing"
audience = "nurse"
source = "made up"
"""


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_a_shipped_pack_is_sound_and_every_rule_and_limit_names_a_source(name: str) -> None:
    one = pack.parse(SHIPPED[name], file=f"{name}.toml")
    assert one.id == name
    assert one.approver.startswith("none")
    assert all(r.source and r.version == one.version and r.pack == name for r in one.rules)
    assert all(limit.source for limit in one.limits)


def broken(text: str) -> errors.PackError:
    with pytest.raises(errors.PackError) as caught:
        pack.parse(text, file="local.toml")
    return caught.value


@pytest.mark.parametrize(
    ("of", "old", "new", "said"),
    [
        # keys, texts, numbers, dates
        ("limits", "low = 55", "lo = 55", "'lo' is not known here; known are"),
        ("limits", "low = 93", 'low = "93"', "'low' must be a number"),
        ("limits", "low = 93", "low = true", "'low' must be a number"),
        ("limits", 'id = "limits"', "id = 7", "'id' must be a text"),
        ("limits", 'id = "limits"', 'id = " "', "'id' must be a text"),
        ("limits", "review_by = 2027-11-23", "review_by = 1", "'review_by' must be a date"),
        ("copd", 'again = "24 h"', 'agian = "24 h"', "'agian' is not known here"),
        ("copd", 'again = "24 h"', 'again = "24 hours"', "'24 hours' is no length of time"),
        ("copd", 'again = "24 h"', "again = 24", "'again' must be a text"),
        ("news2", "[levels]", "[tables]", "'levels' is missing"),
        ("news2", "[levels]", "[limits]\nx = 1\n[levels]", "'limits' is not known here"),
        # what is chosen from a list
        ("limits", 'severity = "urgent"', 'severity = "red"', "must be one of emergency, urgent"),
        ("limits", 'team = "district_nursing"', 'team = "nurses"', "must be one of district"),
        ("limits", 'audience = "nurse"', 'audience = "doctor"', "must be one of nurse, responder"),
        ("falls", 'subject = "home"', 'subject = "house"', "must be one of person, home, device"),
        ("telecare", 'kind = "alarm"', 'kind = "limits"', "must be one of condition, alarm"),
        ("equipment", 'what = "stream"', 'what = "river"', "must be one of device, stream"),
        # quantities and units
        ("limits", 'quantity = "spo2"', 'quantity = "spo"', "'spo' is no quantity"),
        ("telecare", 'quantity = "fall"', 'quantity = "motion"', "'motion' is no emergency"),
        ("copd", "z(spo2) <= -3.5", "z(spo) <= -3.5", "'spo' is no quantity"),
        ("diabetes", "'4.0 mmol/L'", "'4.0 mmol'", "'mmol' is no unit of this"),
        ("diabetes", "glucose < '4.0", "glucose <> '4.0", "this is no condition"),
        # numbers that can't be
        ("limits", "low = 93", "low = 193", "193 is outside what is plausible, 35 to 100"),
        ("limits", "high = 100", "high = 500", "500 is outside what is plausible, 20 to 300"),
        ("limits", "low_scale2 = 88", "low_scale2 = 8", "8 is outside what is plausible"),
        ("limits", "low = 55\nhigh = 100", "low = 100\nhigh = 100", "must be below the upper one"),
        ("limits", "least_spread = 3", "least_spread = 0", "'least_spread' must be above 0"),
        ("diabetes", "'30 mmol/L'", "'90 mmol/L'", "90 is outside what is plausible of glucose"),
        ("hypertension", "systolic < 90", "systolic < 9", "9 is outside what is plausible"),
        ("equipment", "factor = 2", "factor = 0.9", "'factor' must be at least 1"),
        # what makes no sense together
        ("equipment", "battery <= '10 %'", "battery < '0 %'", "this can never hold"),
        ("limits", "spo2 >= low(spo2) + 1 and", "spo2 >= low(spo2) - 1 and",
         "raise and clear overlap"),
        ("hypertension", "systolic < 175 and", "systolic < 175 and systolic > 299.999 and",
         "no reading could ever clear this"),
        ("copd", 'severity = "urgent", when', 'severity = "soon", when', "must rise in severity"),
        ("copd", 'severity = "urgent", when', 'severity = "information", when', "must rise"),
        # whom it is for and what is known of them
        ("copd", 'conditions = ["copd"]', 'conditions = ["cold"]', "'cold' is no condition: copd,"),
        ("copd", 'conditions = ["copd"]', 'conditions = "copd"', "must be a list of texts"),
        ("copd", 'applies = { conditions = ["copd"] }', "applies = 3", "'applies' must be a table"),
        ("inactivity", "{ alone = true }", "{ alone = 1 }", "'alone' must be true or false"),
        ("inactivity", "{ alone = true }", "{ lonely = true }", "'lonely' is not known here"),
        ("inactivity", 'subject = "home"', 'subject = "device"', "is not known of a device"),
        ("equipment", "battery <= '20 %'", "spo2 <= '20 %'", "'spo2' is not kept of a device"),
        ("equipment", 'when = "tamper"', 'when = "motion"', "motion comes and goes"),
        ("copd", "resp_rate >= usual(resp_rate) + 4.4", "battery < 20", "is not kept of a person"),
        ("falls", "count('night_bathroom_visits') >= 3", "spo2 >= 3", "'spo2' is not kept of"),
        ("falls", "after_fall() >= '15 min'", "low(spo2) > 3", "is not known of a home"),
        ("environment", "room_temperature < '18 Cel'",
         "times(room_temperature < 18, 1, 2, '2 h')", "times() is known of people only"),
        # commands
        ("falls", "args = { seconds = 300 }, every", "volts = 300, every", "'volts' is not known"),
        ("falls", 'do = "light_on", ', "", "'do' is missing"),
        # scores
        ("news2", "medium = 5", "medium = 9", "the levels must rise"),
        ("news2", "step = 0.1", "step = 0", "'step' above 0"),
        ("news2", "{ to = 8, points = 3 }", "{ to = 80, points = 3 }", "bands must rise"),
        ("news2", "{ to = 8, points = 3 }", "{ at = 8, points = 3 }", "a band is"),
        ("news2", "{ to = 24, points = 2 }, { points = 3 }", "{ to = 24, points = 2 }",
         "only the last one is without 'to'"),
        ("news2", "[chart.heart_rate]", "[chart.pulse]", "'pulse' is no quantity"),
        ("news2", "[chart.on_oxygen]", '[chart.air]\nquantity = "mains"', "needs the part"),
        ("news2", "yes = 2", "yes = 200", "must not add up to more than 127"),
        ("equipment", 'version = "2.0.0"\n', "", "'version' is missing"),
    ],
)  # fmt: skip
def test_a_wrong_pack_is_refused_with_what_is_wrong(of: str, old: str, new: str, said: str) -> None:
    assert old in SHIPPED[of]
    text = SHIPPED[of].replace(old, new, 1)
    error = broken(text)
    assert said in str(error)
    assert str(error).startswith("local.toml:")
    assert 1 <= error.data["line"] <= text.count("\n") + 1


@pytest.mark.parametrize(
    ("old", "new", "line_of"),
    [
        ("when = ", "wenn = ", "[[rule]]"),  # what is missing: where the rule begins
        ('severity = "soon"', 'severity = "soonish"', "severity ="),
        ('when = "spo2 < 90"', 'when = "spo < 90"', "when ="),
        ('clear = "spo2 >= 92"', 'clear = "spo2 >="', "clear ="),
        ('clear = "spo2 >= 92"', 'clear = "spo2 >= 89"', "clear ="),
        ('clear = "spo2 >= 92"', 'clear = "spo2 > 100"', "clear ="),
        ('when = "spo2 < 90"', 'when = "spo2 < 90 and spo2 > 90"', "when ="),
        ('when = "spo2 < 90"', 'when = "spo2 < 10"', "when ="),
        ('team = "district_nursing"', "team = 3", "team ="),
        ('source = "made up"\n', 'source = "made up"\ncolour = "red"\n', "colour ="),
        ('source = "made up"\n', 'source = "made up"\nfor = "soon"\n', "for ="),
        ('severity = "soon"\n', 'severity = "soon"\nprotocol = 5\n', "protocol ="),
        ('id = "local.one"', "id =", "id ="),
    ],
)
def test_the_line_is_that_of_the_wrong_key(old: str, new: str, line_of: str) -> None:
    good = RULE.replace("local.one", "local.zero").replace("spo2", "heart_rate")
    wrong = RULE.replace(old, new, 1)
    text = HEAD + good + wrong
    at = HEAD.count("\n") + good.count("\n")
    place = next(n for n, t in enumerate(wrong.splitlines(), 1) if t.startswith(line_of))
    assert broken(text).data["line"] == at + place


def test_what_is_wrong_in_a_level_or_a_band_is_wrong_on_its_line() -> None:
    text = SHIPPED["copd"].replace("symptom.sputum >= 2", "sputum >= 2", 1)
    error = broken(text)
    assert error.data["line"] == text.splitlines().index("levels = [") + 1
    assert "'when' (at character 35)" in str(error)


def test_what_stands_there_twice_or_not_at_all_is_refused() -> None:
    assert "'local.one' is there twice" in str(broken(HEAD + RULE + RULE))
    assert "at least one [[rule]] is needed" in str(broken(HEAD))
    assert "must be a list of tables" in str(broken(HEAD + "rule = 3\n"))
    assert broken("id = ").data["line"] == 1


def one(text: str) -> pack.ConditionRule:
    (rule,) = pack.parse(HEAD + text, file="local.toml").rules
    assert isinstance(rule, pack.ConditionRule)
    return rule


def test_a_condition_is_read_with_its_lengths_of_time_in_seconds() -> None:
    rule = one(
        RULE + 'for = "10 min"\nclear_for = "1 h"\nagain = "2 d"\nfresh = "30 s"\n'
        'applies = { conditions = ["copd"], from_age = 18, pregnant = false, alone = true }\n'
        'mutes = ["limits.spo2"]\nprotocol = "ring"\n'
    )
    assert (rule.wait_s, rule.clear_s, rule.again_s, rule.fresh_s) == (600, 3_600, 172_800, 30)
    assert rule.applies == pack.Applies(
        conditions=("copd",), from_age=18.0, pregnant=False, alone=True
    )
    assert (rule.subject, rule.severity, rule.pack) == ("person", model.Severity.SOON, "local")
    assert (rule.mutes, rule.protocol, rule.version) == (("limits.spo2",), "ring", "3")
    plain = one(RULE)
    assert (plain.wait_s, plain.clear_s, plain.again_s, plain.fresh_s) == (0, 0, 0, None)


def test_a_condition_without_an_end_ends_with_its_contrary() -> None:
    rule = one(RULE.replace('clear = "spo2 >= 92"\n', ""))
    assert rule.clear == language.parse("spo2 >= 90")
    assert rule.clear_text == "not (spo2 < 90)"


def test_a_rule_is_as_bad_as_its_worst_level() -> None:
    levels = """levels = [
    { severity = "information", when = "spo2 < 90" },
    { severity = "emergency", when = "spo2 < 80" },
]
"""
    rule = one(RULE.replace('severity = "soon"\nwhen = "spo2 < 90"\n', levels))
    assert rule.severity is model.Severity.EMERGENCY
    assert [level.severity.rank for level in rule.levels] == [1, 4]


def test_a_pack_in_the_shadow_shadows_its_rules_but_no_alarm_and_not_the_hubs_own() -> None:
    rules = {r.id: r for name in ("telecare", "equipment", "hub")
             for r in pack.parse("shadow = true\n" + SHIPPED[name], file="x").rules}  # fmt: skip
    assert rules["equipment.battery_low"].shadow
    assert rules["equipment.device_silent"].shadow
    assert not rules["sos"].shadow
    assert not rules["hub.gateway_silent"].shadow


@pytest.mark.parametrize(
    ("bands", "said"),
    [
        ("{ purple = { low = 90 } }", "'purple' is no risk band: green, amber, red"),
        ("{ red = 90 }", "'red' is no risk band"),
        ("{ red = { lower = 90 } }", "'lower' is not known here"),
        ('{ red = { low = "90" } }', "'low' must be a number"),
        ("{ red = { low = 9 } }", "9 is outside what is plausible"),
        ("{ red = { low = 99, high = 98 } }", "must be below"),
    ],
)
def test_limits_of_a_risk_band_are_checked_like_the_default(bands: str, said: str) -> None:
    text = (
        f'[[limit]]\nquantity = "spo2"\nlow = 93\nleast_spread = 1\nsource = "x"\nbands = {bands}\n'
    )
    error = broken(HEAD + text)
    assert said in str(error)
    assert error.data["line"] == (HEAD + text).splitlines().index(f"bands = {bands}") + 1


def test_limits_of_conditions_are_for_known_ones_only() -> None:
    text = '[[limit]]\nquantity = "spo2"\nlow = 93\nleast_spread = 1\nsource = "x"\nconditions = '
    found = pack.parse(HEAD + text + '["copd"]\n', file="x").limits
    assert found[0].conditions == ("copd",)
    assert "'cold' is no condition" in str(broken(HEAD + text + '["cold"]\n'))
