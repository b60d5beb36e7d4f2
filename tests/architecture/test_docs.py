"""The documents say what is there: modules, tables, links, tests, files and commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from api import cli

ROOT = Path(__file__).parents[2]
ARCHITECTURE = ROOT / "docs" / "architecture.md"
PACKAGES = ("gateway", "ingest", "alerts", "api", "firmware_sim")
DECISIONS = sorted((ROOT / "docs" / "adr").glob("0*.md"))
PAGES = sorted(
    [*ROOT.glob("*.md"), *(p for p in (ROOT / "docs").rglob("*.md") if "examples" not in p.parts)]
)
_PARTS = ("## Context", "## Decision", "## Consequences", "## Checked by")


def _read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _modules() -> set[str]:
    return {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if path.name not in {"__init__.py", "__main__.py"}
    }


def _tests() -> set[str]:
    return {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)\(", _read(path))
    } | {path.stem for path in (ROOT / "tests").rglob("test_*.py")}


def test_the_architecture_page_lists_every_module():
    listed = re.findall(r"^\| `([\w/]+\.py)` \|", _read(ARCHITECTURE), re.MULTILINE)
    assert len(listed) == len(set(listed)), "a module is listed twice"
    there = _modules()
    missing, gone = sorted(there - set(listed)), sorted(set(listed) - there)
    assert not missing, f"add a line to docs/architecture.md for each of {missing}"
    assert not gone, f"take out of docs/architecture.md: {gone}"


def test_the_architecture_page_lists_every_table():
    made = {
        name
        for path in (ROOT / "ingest" / "storage" / "migrations").glob("*.sql")
        for name in re.findall(r"CREATE TABLE ((?:ingest|alerts|api)\.\w+)", _read(path))
        if not name.endswith("_default")
    }
    listed = set(re.findall(r"^\| `((?:ingest|alerts|api)\.\w+)` \|", _read(ARCHITECTURE), re.M))
    assert listed == made


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_link_leads_somewhere(page: Path):
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", _read(page))
    local = [link for link in links if "://" not in link and not link.startswith("mailto:")]
    assert [link for link in local if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_test_named_exists(page: Path):
    assert set(re.findall(r"`(test_\w+)`", _read(page))) - _tests() == set()


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_file_named_exists(page: Path):
    top = "|".join((*PACKAGES, "tests", "docs", "bootstrap", r"\.ci"))
    named = set(re.findall(rf"`((?:{top})/[\w./-]*)`", _read(page)))
    assert sorted(name for name in named if not (ROOT / name).exists()) == []


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_command_named_exists(page: Path):
    text = _read(page)
    targets = set(re.findall(r"^([a-z]+):", _read(ROOT / "Makefile"), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)", text)) - targets == set()
    commands = set(typer.main.get_command(cli.app).commands)  # type: ignore[attr-defined]
    assert set(re.findall(r"`telecare ([a-z]+)", text)) - commands == set()


@pytest.mark.parametrize("decision", DECISIONS, ids=_name)
def test_a_decision_says_why_what_follows_and_how_it_is_checked(decision: Path):
    text = _read(decision)
    assert [part for part in _PARTS if f"\n{part}\n" not in text] == []
    checked = text.partition("## Checked by")[2]
    assert re.search(r"`(?:test_\w+|make \w+|telecare \w+|pyproject\.toml|tests/)", checked)


def test_every_decision_is_in_the_list():
    listed = set(
        re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", _read(ROOT / "docs" / "adr" / "README.md"))
    )
    assert listed == {p.name for p in DECISIONS}
