"""Packs: the shipped ones are sound, and a wrong one is refused with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from alerts import errors
from alerts.rules import pack, registry

SHIPPED = {path.stem: path.read_text(encoding="utf-8") for path in registry.SHIPPED.glob("*.toml")}


def test_the_shipped_packs_load_and_every_rule_names_a_source() -> None:
    loaded = registry.load()
    assert set(loaded.packs) == {"news2", "limits", "telecare", "equipment"}
    assert all(rule.source for rule in loaded.rules.values())
    assert len({r.id for p in loaded.packs.values() for r in p.rules}) == len(loaded.rules)


def broken(text: str) -> errors.PackError:
    with pytest.raises(errors.PackError) as caught:
        pack.parse(text, file="local.toml")
    return caught.value


@pytest.mark.parametrize(
    ("of", "old", "new", "said"),
    [
        ("limits", "low = 55\nhigh = 100", "lo = 55\nhigh = 100", "'lo' is not known here"),
        ("limits", 'quantity = "spo2"', 'quantity = "spo"', "'spo' is no quantity"),
        ("limits", "low = 93", "low = 193", "193 is outside what is plausible"),
        ("limits", "low = 55\nhigh = 100", "low = 99\nhigh = 100", "no reading could ever clear"),
        ("limits", "low = 93", 'low = "93"', "'low' must be a number"),
        ("limits", 'severity = "urgent"', 'severity = "red"', "must be one of emergency"),
        ("limits", 'team = "district_nursing"', 'team = "nurses"', "must be one of district"),
        ("limits", 'id = "limits.heart_rate"', 'id = "limits.spo2"', "is there twice"),
        ("limits", "clear_margin = 2", "clear_margin = -2", "must not be negative"),
        ("limits", "review_by = 2027-11-23", "review_by = 1", "must be a date"),
        ("limits", 'kind = "limits"', 'kind = "limit"', "'kind' is 'limit'"),
        ("telecare", 'quantity = "fall"', 'quantity = "motion"', "'motion' is no emergency"),
        ("news2", "medium = 5", "medium = 9", "the levels must rise"),
        ("news2", "step = 0.1", "step = 0", "'step' above 0"),
        ("news2", "{ to = 8, points = 3 }", "{ to = 80, points = 3 }", "bands must rise"),
        ("news2", "{ to = 8, points = 3 }", "{ at = 8, points = 3 }", "a band is"),
        ("equipment", 'version = "1.0.0"\n', "", "'version' is missing"),
    ],
)
def test_a_wrong_pack_is_refused_with_what_is_wrong(of: str, old: str, new: str, said: str) -> None:
    assert old in SHIPPED[of]
    error = broken(SHIPPED[of].replace(old, new, 1))
    assert said in str(error)
    assert str(error).startswith("local.toml:")


def test_the_line_is_that_of_the_wrong_key() -> None:
    text = SHIPPED["limits"].replace("low = 55", "lo = 55", 1)
    line = text.splitlines().index("lo = 55") + 1
    assert broken(text).data["line"] == line
    text = SHIPPED["limits"].replace("low = 93", "low =", 1)
    assert broken(text).data["line"] == text.splitlines().index("low =") + 1


def test_two_packs_may_not_share_a_rule(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(SHIPPED["equipment"], encoding="utf-8")
    (tmp_path / "b.toml").write_text(
        SHIPPED["equipment"].replace('id = "equipment"', 'id = "other"', 1), encoding="utf-8"
    )
    with pytest.raises(errors.PackError, match="is in another pack already"):
        registry.load(tmp_path)


def test_a_folder_without_packs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.PackError, match="no pack here"):
        registry.load(tmp_path)
