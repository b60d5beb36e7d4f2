"""Addresses are kept so that only the hub's key opens them."""

from __future__ import annotations

import pytest

from ingest.kernel import errors
from ingest.storage.vault import Vault, WrongKeyError

OLD, NEW = "o" * 40, "n" * 40


def test_what_is_sealed_can_be_opened_and_does_not_show():
    vault = Vault(OLD)
    sealed = vault.seal("1 Maple Court, Ängland")
    assert vault.open(sealed) == "1 Maple Court, Ängland"
    assert b"Maple" not in sealed
    assert vault.seal("1 Maple Court, Ängland") != sealed
    assert vault.open(None) is None


def test_another_key_says_so_and_what_to_do():
    with pytest.raises(WrongKeyError, match="TELECARE_SECRET_KEY") as caught:
        Vault(NEW).open(Vault(OLD).seal("secret"))
    assert "the new one first" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_keys_are_changed_by_giving_both_and_renewing():
    sealed = Vault(OLD).seal("x")
    both = Vault(f"{NEW}, {OLD}")
    assert both.open(sealed) == "x"
    renewed = both.renew(sealed)
    assert Vault(NEW).open(renewed) == "x"
    with pytest.raises(WrongKeyError):
        Vault(OLD).open(renewed)
    with pytest.raises(WrongKeyError):
        Vault(NEW).renew(sealed)


@pytest.mark.parametrize("secret", ["", "short", f"{NEW},", f"{NEW},short"])
def test_a_short_key_is_refused(secret):
    with pytest.raises(errors.SettingsError, match="at least 32"):
        Vault(secret)


def test_a_spoilt_secret_is_not_opened():
    vault = Vault(NEW)
    sealed = bytearray(vault.seal("x"))
    sealed[20] ^= 1
    with pytest.raises(WrongKeyError):
        vault.open(bytes(sealed))
