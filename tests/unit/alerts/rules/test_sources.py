"""The page of clinical sources says what the packs and settings hold."""

from __future__ import annotations

import re
from pathlib import Path

from alerts.rules import registry, sources
from alerts.settings import AlertsSettings

PAGE = (Path(__file__).parents[4] / "docs/clinical-sources.md").read_text(encoding="utf-8")


def test_the_page_lists_every_number_of_every_pack() -> None:
    there = {line for line in PAGE.splitlines() if line.startswith("| ")}
    missing = [line for line in sources.table() if line.startswith("| ") and line not in there]
    assert missing == []


def test_every_band_and_limit_of_the_packs_is_in_the_table() -> None:
    rows = "\n".join(sources.table())
    for rule in registry.load().rules.values():
        assert f"| {rule.id} | severity" in rows


def test_the_page_names_each_clinical_setting_with_its_default() -> None:
    said = dict(re.findall(r"^\| `([A-Z_]+)` \| (\d+) \|", PAGE, flags=re.MULTILINE))
    settings = AlertsSettings(_env_file=None)  # type: ignore[call-arg]
    assert len(said) == 10
    for name, default in said.items():
        assert getattr(settings, name.lower()) == float(default), name
