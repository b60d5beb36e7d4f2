"""The guide says what the code reads."""

from __future__ import annotations

import re
from pathlib import Path

from ingest.kernel import registration
from ingest.register import entries, source
from tests.unit.ingest.register.writing import problems

GUIDE = (Path(__file__).parents[4] / "docs" / "howto" / "register.md").read_text(encoding="utf-8")


def test_every_key_of_every_kind_is_in_the_guide():
    for kind in registration.KINDS:
        (row,) = re.findall(rf"^\| `\[\[{kind}\]\]`(?: or \S+)? \|(.*)\|$", GUIDE, flags=re.M)
        missing = [key for key in entries.KEYS[kind] if not re.search(rf"\b{key}\b", row)]
        assert missing in ([], ["assignments"])


def test_every_kind_of_team_is_in_the_guide():
    assert all(f"`{kind}`" in GUIDE for kind in registration.TEAM_KINDS)


def test_the_largest_file_is_as_the_guide_says():
    assert f"at most {source.MOST_BYTES / 1e6:.0f} MB" in GUIDE


def test_the_guide_s_pieces_of_toml_have_no_problem(tmp_path):
    pieces = re.findall(r"```toml\n(.*?)```", GUIDE, flags=re.S)
    assert pieces
    for piece in pieces:
        assert problems(tmp_path, a_toml=piece) == []
