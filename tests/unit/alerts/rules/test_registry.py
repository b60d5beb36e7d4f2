"""The packs in force, together: complete, and never two answers to one question."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from alerts import errors
from alerts.rules import pack, registry


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped packs, to be spoiled."""
    return Path(shutil.copytree(registry.SHIPPED, tmp_path / "packs"))


def change(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / name).read_text(encoding="utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")


def refusal(folder: Path, **more) -> str:
    with pytest.raises(errors.PackError) as refused:
        registry.load(folder, **more)
    return str(refused.value)


def test_the_shipped_packs_lack_nothing() -> None:
    loaded = registry.load()
    assert set(loaded.packs) == {
        "copd", "diabetes", "environment", "equipment", "falls", "heart_failure", "hub",
        "hypertension", "inactivity", "limits", "news2", "telecare",
    }  # fmt: skip
    assert registry.lacking(loaded.rules.values()) == []
    assert registry.clashing(loaded.packs.values()) == []
    assert len({r.id for p in loaded.packs.values() for r in p.rules}) == len(loaded.rules)
    assert [r.id for r in loaded.of(pack.ScoreRule)] == ["news2"]
    assert not any(r.shadow for r in loaded.rules.values())


@pytest.mark.parametrize(
    ("pack", "said"),
    [
        ("telecare.toml", "no rule for the alarm 'fall'"),
        ("telecare.toml", "no rule for the alarm 'unreadable_alarm'"),
        ("environment.toml", "no rule for the alarm 'smoke'"),
        ("news2.toml", "exactly one early-warning score is needed, there are 0"),
        ("equipment.toml", "the rule 'equipment.implausible' is missing"),
        ("hub.toml", "the rule 'hub.readings_late' is missing"),
        ("limits.toml", "rule 'news2' mutes 'limits.spo2', which is not there"),
    ],
)
def test_a_folder_that_would_silence_something_is_refused(
    folder: Path, pack: str, said: str
) -> None:
    (folder / pack).unlink()
    assert said in refusal(folder)


def test_two_default_limits_for_one_quantity_are_refused(folder: Path) -> None:
    limit = '[[limit]]\nquantity = "spo2"\nlow = 90\nleast_spread = 1\nsource = "x"\n'
    change(folder, "copd.toml", "[[rule]]", limit + "\n[[rule]]")
    assert "2 default limits for spo2: one is allowed" in refusal(folder)
    for_some = limit + 'conditions = ["copd"]\n'
    change(folder, "copd.toml", limit, for_some)
    assert registry.load(folder).packs["copd"].limits[0].low == 90
    change(folder, "diabetes.toml", "[[rule]]", for_some + "\n[[rule]]")
    assert "2 default limits for spo2 with copd: one is allowed" in refusal(folder)


def test_two_silences_of_one_kind_are_refused(folder: Path) -> None:
    change(folder, "equipment.toml", 'what = "stream"', 'what = "device"')
    assert "2 silence rules for 'device': one is allowed" in refusal(folder)


def test_muting_a_rule_that_is_not_there_is_refused(folder: Path) -> None:
    change(folder, "diabetes.toml", '"limits.glucose"', '"limits.sugar"')
    assert "mutes 'limits.sugar', which is not there" in refusal(folder)


def test_two_packs_may_not_share_an_id_or_a_rule(folder: Path) -> None:
    shutil.copy(folder / "copd.toml", folder / "copd2.toml")
    assert "pack 'copd' is there twice" in refusal(folder)
    change(folder, "copd2.toml", 'id = "copd"', 'id = "other"')
    assert "copd2.toml:1: rule 'copd.exacerbation' is in another pack already" in refusal(folder)


def test_a_folder_without_packs_is_refused(tmp_path: Path) -> None:
    assert "there is no pack here" in refusal(tmp_path)


def test_a_pack_in_the_shadow_pages_nobody_and_an_unknown_one_is_refused(folder: Path) -> None:
    shaded = registry.load(folder, shadow=["copd", "telecare", "equipment"])
    assert shaded.packs["copd"].shadow
    assert all(r.shadow for r in shaded.packs["copd"].rules)
    assert not any(shaded.rules[name].shadow for name in ("sos", "fall", *registry.OWN))
    assert shaded.rules["equipment.battery_low"].shadow
    assert not shaded.rules["news2"].shadow
    assert "there is no pack cold to put into the shadow" in refusal(folder, shadow=["cold"])


def test_the_digest_changes_with_every_number_and_with_nothing_else(folder: Path) -> None:
    shipped = registry.load().digest
    assert registry.load(folder).digest == shipped
    change(folder, "limits.toml", "# %", "# per cent")
    assert registry.load(folder).digest == shipped
    change(folder, "limits.toml", "low = 93", "low = 92")
    assert registry.load(folder).digest != shipped
    assert registry.load(shadow=["copd"]).digest != shipped


def test_each_rule_is_of_a_class_that_teams_can_take() -> None:
    found = {r.id: str(r.alert_class) for r in registry.load().rules.values()}
    wanted = {
        "fall": "telecare", "sos": "telecare", "unreadable_alarm": "telecare", "smoke": "safety",
        "carbon_monoxide": "safety", "flood": "safety", "news2": "clinical",
        "limits.spo2": "clinical", "readings.overdue": "clinical", "falls.repeated": "clinical",
        "inactivity.still": "activity", "environment.cold": "environment",
        "equipment.battery_low": "equipment", "hub.gateway_silent": "hub",
    }  # fmt: skip
    assert {rule: found[rule] for rule in wanted} == wanted
