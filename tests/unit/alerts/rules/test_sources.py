"""The page of clinical sources says what the packs and settings hold."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

from alerts.rules import registry, sources
from alerts.settings import AlertsSettings

PAGE = (Path(__file__).parents[4] / "docs/clinical-sources.md").read_text(encoding="utf-8")


def test_the_page_lists_every_number_of_every_pack() -> None:
    there = {line for line in PAGE.splitlines() if line.startswith("| ")}
    missing = [line for line in sources.table() if line.startswith("| ") and line not in there]
    assert missing == []


def test_the_page_lists_no_number_that_no_pack_has() -> None:
    part = PAGE.partition("## Packs")[2].partition("## Settings")[0]
    listed = [line for line in part.splitlines() if line.startswith("|")]
    assert listed == sources.table()


def test_every_rule_limit_and_length_of_time_is_in_the_table() -> None:
    rows = "\n".join(sources.table())
    loaded = registry.load()
    for rule in loaded.rules.values():
        assert f"| {rule.id} | severity" in rows
    for one in loaded.packs.values():
        for limit in one.limits:
            for name in ("low", "high", "low_scale2", "least_spread"):
                value = getattr(limit, name)
                said = f"| limit of {limit.quantity} | {name} | {value:g} |" if value else ""
                assert said in rows


def test_every_number_of_a_pack_file_is_in_some_row(tmp_path: Path) -> None:
    """Whatever a pack holds outside its words, its dates and its version."""
    for path in registry.SHIPPED.glob("*.toml"):
        name = path.stem
        rows = "\n".join(row for row in sources.table() if row.startswith(f"| {name} "))
        cells = "\n".join(" ".join(row.split(" | ")[1:4]) for row in rows.splitlines())
        for line in path.read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition("=")
            words = ("title", "version", "review_by", "source", "protocol", "approver", "id", "#")
            if key.strip().startswith(words) or key.strip() in ("mutes", "quantity"):
                continue
            value = re.sub(r"source = \".*?\"", "", value.partition(" #")[0])
            for number in re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.])", value):
                assert f"{float(number):g}" in cells or number in cells, (name, line, number)


def test_a_bar_in_a_condition_does_not_break_the_table() -> None:
    assert sources._code("a | b") == "`a \\| b`"
    assert all(line.replace("\\|", "").count(" | ") == 4 for line in sources.table()[2:])


def test_constants_of_the_method_stand_on_the_page_with_their_values() -> None:
    part = PAGE.partition("## In the code")[2].partition("## References")[0]
    listed = re.findall(r"^\| `([\w.]+)\.(\w+)` \| ([\d.]+) \|", part, flags=re.MULTILINE)
    assert len(listed) == 17
    for module, name, value in listed:
        assert getattr(importlib.import_module(module), name) == float(value), name


def test_the_page_names_each_clinical_setting_with_its_default() -> None:
    said = dict(re.findall(r"^\| `([A-Z_]+)` \| (\d+) \|", PAGE, flags=re.MULTILINE))
    settings = AlertsSettings(_env_file=None)  # type: ignore[call-arg]
    assert len(said) == 28
    for name, default in said.items():
        assert getattr(settings, name.lower()) == float(default), name
