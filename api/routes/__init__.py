"""The JSON endpoints, one module for each kind of thing."""

from __future__ import annotations
