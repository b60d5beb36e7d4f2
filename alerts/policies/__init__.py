"""Policy data: where alerts go and how they are answered, as files that may be replaced."""

from __future__ import annotations
