"""The hazard log names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_every_test_named_in_the_hazard_log_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs/hazard-log.md").read_text("utf-8")))
    there: set[str] = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        there.update(re.findall(r"^\s*def (test_\w+)", path.read_text("utf-8"), flags=re.MULTILINE))
    assert named
    assert named - there == set()
