"""Where observations, the register and the log are kept: the psycopg side of ingest."""

from __future__ import annotations
