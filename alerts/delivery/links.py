"""Links by which a contact may answer ("I am going"): signed, expiring, and good for one answer.

A link names one delivery and nothing else: whom and what it is about stays in the database.
Opening it shows a question and changes nothing; confirming answers the delivery, once
(`alerts.storage.deliveries.answer`).
"""

from __future__ import annotations

import enum
import hashlib
import string
from dataclasses import dataclass
from datetime import datetime

from itsdangerous import BadSignature, Signer

_LETTERS = frozenset(string.ascii_letters + string.digits + "-_.~")
_PURPOSE = b"telecare delivery: a contact's answer, version 1"


class Refused(enum.StrEnum):
    """Why a link is no good."""

    FORGED = "forged"  # not from this hub, or changed
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Opened:
    """What a good link names."""

    delivery_no: int


class Links:
    """Signs with the first of the secret's comma-separated keys, accepts any of them."""

    def __init__(self, secret: str) -> None:
        newest_first = [key.strip() for key in secret.split(",")]
        self._signer = Signer(
            newest_first[::-1],  # itsdangerous signs with the last
            salt=_PURPOSE,
            sep="~",
            key_derivation="hmac",
            digest_method=hashlib.sha256,
        )

    def sign(self, delivery_no: int, *, expires: datetime) -> str:
        """Return the token that stands in a link."""
        return self._signer.sign(f"{delivery_no}.{int(expires.timestamp()):x}").decode()

    def open(self, token: str, *, now: datetime) -> Opened | Refused:
        """Return what a token names, or why it is refused."""
        if not _LETTERS.issuperset(token):  # base64 has two more, which would stand for two others
            return Refused.FORGED
        try:
            no, _, expires = self._signer.unsign(token).decode().partition(".")
        except BadSignature:
            return Refused.FORGED
        if now.timestamp() >= int(expires, 16):
            return Refused.EXPIRED
        return Opened(int(no))
