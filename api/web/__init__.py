"""The plain live page: the queue, an alert, signing in and out."""

from __future__ import annotations
