"""Shared vocabulary: clock, ids, errors, units, nomenclature, observation. No IO."""

from __future__ import annotations
