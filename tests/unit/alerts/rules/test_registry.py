"""The packs in force, together: complete, and never two answers to one question."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from alerts import errors
from alerts.rules import registry


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped packs, to be spoiled."""
    return Path(shutil.copytree(registry.SHIPPED, tmp_path / "packs"))


def test_the_shipped_packs_lack_nothing() -> None:
    assert registry.lacking(registry.load().rules.values()) == []


@pytest.mark.parametrize(
    ("pack", "said"),
    [
        ("telecare.toml", "no rule for the alarm 'fall'"),
        ("telecare.toml", "no rule for the alarm 'unreadable_alarm'"),
        ("news2.toml", "exactly one early-warning score is needed, there are 0"),
        ("equipment.toml", "the rule 'hub.gateway_silent' is missing"),
    ],
)
def test_a_folder_that_would_silence_something_is_refused(
    folder: Path, pack: str, said: str
) -> None:
    (folder / pack).unlink()
    with pytest.raises(errors.PackError) as refused:
        registry.load(folder)
    assert said in str(refused.value)


def test_two_limit_rules_for_one_quantity_are_refused(folder: Path) -> None:
    text = (folder / "limits.toml").read_text()
    head, _, rest = text.partition("[[rule]]")
    rules = rest.split("[[rule]]")
    spo2 = next(r for r in rules if 'quantity = "spo2"' in r)
    second = head.replace('id = "limits"', 'id = "more"') + "[[rule]]" + spo2
    first = spo2.split('id = "', 1)[1].split('"', 1)[0]
    (folder / "more.toml").write_text(second.replace(f'id = "{first}"', 'id = "more.spo2"'))
    with pytest.raises(errors.PackError) as refused:
        registry.load(folder)
    assert "2 limit rules for spo2" in str(refused.value)
