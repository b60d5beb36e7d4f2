"""The MQTT edge: topics, bytes and connections; nothing clinical."""

from __future__ import annotations
