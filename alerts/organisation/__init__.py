"""The organisation: when teams are open, and who of them is there. Pure."""

from __future__ import annotations
