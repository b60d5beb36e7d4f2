"""Device passwords as the broker keeps them: mosquitto's ``$7$`` PBKDF2 strings."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets

# mosquitto 2.0's own default; made for secrets of the hub's making, which are long and random.
ITERATIONS = 101
_SALT_BYTES = 12
_KEY_BYTES = 64
_STORED = re.compile(r"\$7\$(\d{1,7})\$([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+)")


def digest(password: str, *, salt: bytes | None = None, iterations: int = ITERATIONS) -> str:
    """Return ``$7$<iterations>$<salt>$<key>``, PBKDF2 with SHA-512, both parts in base64.

    Parameters
    ----------
    password
        The secret the device is given. Use `new`: the few iterations are only enough for a
        long random one.
    salt
        Random when not given; give one only to compare or to test.
    iterations
        Rounds of PBKDF2. [1]
    """
    salt = secrets.token_bytes(_SALT_BYTES) if salt is None else salt
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, iterations, _KEY_BYTES)
    return f"$7${iterations}${_text(salt)}${_text(key)}"


def matches(password: str, stored: str) -> bool:
    """Tell whether the password is the one that a stored string was made of."""
    parts = _STORED.fullmatch(stored)
    if parts is None:
        return False
    try:
        salt = base64.b64decode(parts[2], validate=True)
    except binascii.Error:
        return False
    made = digest(password, salt=salt, iterations=max(1, int(parts[1])))
    return hmac.compare_digest(made.encode(), stored.encode())


def well_formed(stored: str) -> bool:
    """Tell whether a string can stand in a password file without spoiling its other lines."""
    return _STORED.fullmatch(stored) is not None


def new() -> str:
    """Return a password for a device: 24 random bytes, safe in URLs and config files."""
    return secrets.token_urlsafe(24)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
