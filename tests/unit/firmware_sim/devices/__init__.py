"""Tests of the simulated devices."""

from __future__ import annotations
