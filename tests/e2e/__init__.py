"""The hub's roles as real processes, broker and database: what goes in, what comes out."""

from __future__ import annotations
