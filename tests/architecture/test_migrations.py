"""Migrations stand in one order that nobody has to guess."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "ingest/storage/migrations"


def test_each_number_is_used_once() -> None:
    numbers = Counter(path.name.partition(".")[0] for path in FOLDER.glob("*.sql"))
    assert [number for number, count in numbers.items() if count > 1] == []
    assert all(len(number) == 4 and number.isdigit() for number in numbers)
