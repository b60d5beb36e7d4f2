"""The psycopg side of alerts: cursors, the log, alerts, events, teams."""

from __future__ import annotations
