"""The only package that people and other systems talk to; starts the whole hub."""

from __future__ import annotations
