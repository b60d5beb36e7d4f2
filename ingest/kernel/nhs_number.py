"""NHS numbers: the check that tells a typing error from a person."""

from __future__ import annotations

_LENGTH = 10
_MODULUS = 11
_NO_CHECK_DIGIT = 10


def normalise(text: str) -> str:
    """Return the number without the spaces and hyphens people write it with."""
    return "".join(ch for ch in text if ch not in " -\u00a0")


def problem(text: str) -> str | None:
    """Say what is wrong with an NHS number, None when it is valid.

    Ten digits, weights 10 to 2 on the first nine, check digit 11 minus the sum modulo 11, with
    11 written 0 and 10 never issued. Ten equal digits can pass the sum and are refused.

    References
    ----------
    .. [1] NHS Data Model and Dictionary, attribute NHS NUMBER.
    """
    digits = normalise(text)
    if len(digits) != _LENGTH or not (digits.isascii() and digits.isdigit()):
        return "an NHS number has exactly 10 digits"
    if len(set(digits)) == 1:
        return "ten equal digits are no NHS number"
    total = sum(int(d) * w for d, w in zip(digits, range(10, 1, -1), strict=False))
    check = _MODULUS - total % _MODULUS
    check = 0 if check == _MODULUS else check
    if check == _NO_CHECK_DIGIT or check != int(digits[-1]):
        return "the check digit does not fit: a digit is probably mistyped"
    return None


def shown(digits: str) -> str:
    """Return the number grouped 3-3-4, as it is printed."""
    return f"{digits[:3]} {digits[3:6]} {digits[6:]}"
