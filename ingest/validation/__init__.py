"""What a valid observation is: wire structs, units, plausibility, timing. No IO."""

from __future__ import annotations
