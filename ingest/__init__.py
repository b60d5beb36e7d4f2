"""What a valid observation is, and where it is kept; owns the shared kernel."""

from __future__ import annotations
