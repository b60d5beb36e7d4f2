"""From numbers to a person who answers: rules, alerts, routing."""

from __future__ import annotations
