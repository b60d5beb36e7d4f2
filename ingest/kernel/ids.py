"""Identifiers: opaque public ids, and the few random ones."""

from __future__ import annotations

import secrets
from typing import Literal

Kind = Literal[
    "person", "home", "device", "site", "alert", "event", "quarantine", "account", "team",
    "command", "mute", "shift", "ward",
]  # fmt: skip


def public(kind: Kind, number: int) -> str:
    """Return the opaque id the outside sees, for example ``person_17``."""
    return f"{kind}_{number}"


_MOST_DIGITS = 18  # what fits a bigint


def number(kind: Kind, text: str) -> int | None:
    """Return the internal number behind a public id, None when it is not one of that kind."""
    prefix, _, digits = text.partition("_")
    sound = prefix == kind and digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS
    return int(digits) if sound else None


def token(size: int = 32) -> str:
    """Return an unguessable URL-safe string made of ``size`` random bytes."""
    return secrets.token_urlsafe(size)
