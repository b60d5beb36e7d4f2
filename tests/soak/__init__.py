"""The long form of `tests.e2e`: run by ``make soak``."""

from __future__ import annotations
