"""Simulated devices: a stranger to the hub, sharing only the published wire format."""

from __future__ import annotations
