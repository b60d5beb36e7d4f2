"""Registration files: read, checked to the line, and handed to the store as one."""

from __future__ import annotations
