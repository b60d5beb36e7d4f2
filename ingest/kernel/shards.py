"""Which shard judges a home: fixed by the dwelling, so a home is judged in one place."""

from __future__ import annotations

SHARDS = 64
"""Fixed for the life of a database; stored on every row."""


def of(dwelling_no: int) -> int:
    """Return the shard of a dwelling."""
    return dwelling_no % SHARDS
