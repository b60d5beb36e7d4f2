"""Where somebody lives and how to get in, encrypted at rest with the hub's secret key."""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ingest.kernel import errors

_PURPOSE = b"telecare register: address, access, key safe, version 1"
_SHORTEST_KEY = 32


class WrongKeyError(errors.HubError):
    """What the register keeps encrypted was encrypted with a key that TELECARE_SECRET_KEY lacks."""

    def __str__(self) -> str:
        return (
            f"{super().__str__()} Put that key back; to change keys give both, separated by a"
            " comma, the new one first."
        )


class Vault:
    """Encrypts with the first of the secret's comma-separated keys, decrypts with any of them.

    Each key is stretched to a Fernet key (AES-128-CBC with HMAC-SHA256) by HKDF-SHA256, bound to
    this one purpose, so that the secret can serve others too.
    """

    def __init__(self, secret: str) -> None:
        keys = [key.strip() for key in secret.split(",")]
        if any(len(key) < _SHORTEST_KEY for key in keys):
            raise errors.SettingsError(
                setting="TELECARE_SECRET_KEY",
                problem=f"needs at least {_SHORTEST_KEY} characters in each of its"
                " comma-separated keys",
            )
        self._keys = MultiFernet([_fernet(key) for key in keys])

    def seal(self, text: str) -> bytes:
        """Encrypt; the same text gives other bytes each time."""
        return self._keys.encrypt(text.encode())

    def open(self, sealed: bytes | None) -> str | None:
        """Decrypt what `seal` gave, None for nothing.

        Raises
        ------
        WrongKeyError
            When none of the keys is the one that it was encrypted with.
        """
        if sealed is None:
            return None
        try:
            return self._keys.decrypt(bytes(sealed)).decode()
        except InvalidToken as error:
            raise WrongKeyError from error

    def renew(self, sealed: bytes) -> bytes:
        """Encrypt again with the first key, so that the others can be given up."""
        try:
            return self._keys.rotate(bytes(sealed))
        except InvalidToken as error:
            raise WrongKeyError from error


def _fernet(key: str) -> Fernet:
    derived = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=_PURPOSE)
    return Fernet(base64.urlsafe_b64encode(derived.derive(key.encode())))
