"""Teams, rotas and caseloads in the register: loaded as one, again without effect."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ingest.register import command

pytestmark = pytest.mark.service

Load = Callable[..., tuple[int, list[str]]]
TABLES = ("ingest.area", "ingest.practice", "ingest.site", "alerts.team", "alerts.member",
          "alerts.shift", "ingest.person", "alerts.caseload")  # fmt: skip
GUIDE = Path(__file__).parents[2] / "docs" / "howto" / "examples" / "organisation.toml"


@pytest.fixture
def load(store_url: str, tmp_path: Path) -> Load:
    def run(text: str, *, check: bool = False) -> tuple[int, list[str]]:
        path = tmp_path / "o.toml"
        path.write_text(text)
        code, lines = command.register_files(
            [path], check=check, database_url=store_url, secret="s" * 40
        )
        return code, [line.replace(f"{tmp_path}/", "") for line in lines]

    return run


def rows(url: str, query: str) -> list[Any]:
    with psycopg.connect(url) as db:
        return db.execute(query).fetchall()  # type: ignore[arg-type]


def contents(url: str) -> list[Any]:
    return [rows(url, f"SELECT t::text FROM {table} t ORDER BY 1") for table in TABLES]


def test_the_guide_s_organisation_is_loaded_and_again_changes_nothing(
    load: Load, store_url: str
) -> None:
    code, lines = load(GUIDE.read_text(), check=True)
    assert code == 0, lines
    assert rows(store_url, "SELECT FROM alerts.team") == []
    assert load(GUIDE.read_text())[0] == 0
    before = contents(store_url)
    assert all(before)
    code, lines = load(GUIDE.read_text())
    assert code == 0
    assert not any("created" in line and " 0 created" not in line for line in lines[:-1]), lines
    assert contents(store_url) == before


def test_what_is_loaded_is_what_was_said(load: Load, store_url: str) -> None:
    load(GUIDE.read_text())
    ((hours, zone, holidays, fallback, classes),) = rows(
        store_url,
        "SELECT hours, timezone, holidays, fallback, classes FROM alerts.team"
        " WHERE id = 'nurses-upland'",
    )
    assert hours == [
        {"days": ["mon", "tue", "wed", "thu", "fri"], "from": "08:00", "to": "22:00"},
        {"days": ["sat"], "from": "08:30", "to": "13:00"},
    ]
    assert (zone, holidays, fallback, classes) == ("Europe/London", "GB-ENG", "night-upland", None)
    assert rows(store_url, "SELECT name, rank FROM alerts.member ORDER BY rank, name") != []
    swapped = "SELECT b.name, o.no IS NOT NULL FROM alerts.shift s JOIN alerts.member b" \
              " ON b.no = s.member_no LEFT JOIN alerts.shift o ON o.no = s.swapped_from" \
              " WHERE s.swapped_from IS NOT NULL"  # fmt: skip
    assert rows(store_url, swapped) == [("Ben Example", True)]


def test_what_is_not_said_stays_and_empty_takes_it_back(load: Load, store_url: str) -> None:
    load(GUIDE.read_text())
    team = '[[teams]]\nid = "nurses-upland"\nname = "Nurses"\nkind = "district_nursing"\n'
    before = rows(store_url, "SELECT hours, holidays FROM alerts.team WHERE id = 'nurses-upland'")
    load(team)
    after = rows(store_url, "SELECT hours, holidays FROM alerts.team WHERE id = 'nurses-upland'")
    assert after == before
    load(team + 'hours = "always"\nholidays = ""\nfallback = ""\nclasses = ["clinical"]\n')
    load(team + "classes = []\n")
    assert rows(
        store_url,
        "SELECT hours, holidays, fallback, classes FROM alerts.team WHERE id = 'nurses-upland'",
    ) == [([], None, None, None)]


TEAM = '[[teams]]\nid = "dn"\nname = "N"\nkind = "district_nursing"\n'
MEMBERS = '[[teams.members]]\nname = "Ann"\n[[teams.members]]\nname = "Ben"\n'
SHIFT = "from = 2026-07-22T08:00:00Z\nto = 2026-07-22T16:00:00Z\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (TEAM + 'fallback = "dnn"\n', 'o.toml:5: fallback "dnn" is not registered; did you'),
        (TEAM + 'site = "maple"\n', 'o.toml:5: site "maple" is not registered'),
        ('[[members]]\nteam = "xx"\nname = "Ann"\n', 'o.toml:2: team "xx" is not registered'),
        (TEAM + MEMBERS + '[[teams.shifts]]\nmember = "Zoe"\n' + SHIFT,
         'o.toml:10: member "Zoe" is not in team "dn"'),
        (TEAM + MEMBERS + '[[teams.shifts]]\nmember = "Ann"\ninstead_of = "Ben"\n' + SHIFT,
         'o.toml:11: "Ben" has no shift at its beginning to take over'),
        ('[[caseloads]]\nperson = "amy"\nrole = "key_worker"\naccount = "a"\n',
         'o.toml:2: person "amy" is not registered'),
    ],
)  # fmt: skip
def test_what_is_not_there_is_told_by_its_line_and_nothing_is_loaded(
    load: Load, store_url: str, text: str, problem: str
) -> None:
    code, lines = load(text)
    assert code == 1
    assert any(line.startswith(problem) for line in lines), lines
    assert rows(store_url, "SELECT FROM alerts.team") == []


def test_a_swap_that_is_said_later_counts_as_a_change(load: Load) -> None:
    both = (
        TEAM + MEMBERS + '[[teams.shifts]]\nmember = "Ben"\n' + SHIFT
        + '[[teams.shifts]]\nmember = "Ann"\n' + SHIFT
    )  # fmt: skip
    assert load(both)[0] == 0
    code, lines = load(both + 'instead_of = "Ben"\n')
    assert code == 0
    (line,) = [line for line in lines if line.startswith("shifts")]
    assert "1 updated" in line
    assert "1 unchanged" in line
