"""Rules: pure array functions, and the packs of numbers they run on. No IO but the pack files."""

from __future__ import annotations
