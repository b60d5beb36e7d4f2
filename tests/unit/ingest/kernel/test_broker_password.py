"""Passwords in the form mosquitto reads."""

from __future__ import annotations

import base64

import pytest

from ingest.kernel import broker_password

SALT = bytes(range(12))


def test_a_known_password_gives_mosquitto_s_own_string() -> None:
    made = broker_password.digest("secret", salt=SALT)
    kind, iterations, salt, key = made.split("$")[1:]
    assert (kind, iterations) == ("7", "101")
    assert base64.b64decode(salt) == SALT
    assert len(base64.b64decode(key)) == 64


def test_only_the_password_it_was_made_of_matches() -> None:
    stored = broker_password.digest("secret")
    assert broker_password.matches("secret", stored)
    assert not broker_password.matches("Secret", stored)
    assert stored != broker_password.digest("secret"), "each has a salt of its own"


@pytest.mark.parametrize(
    "stored",
    ["", "secret", "$6$abc$def", "$7$101$a b$c", "$7$101$QQ==$QQ==\nhub:x", "$7$x$QQ==$QQ=="],
)
def test_anything_else_is_not_well_formed_and_matches_nothing(stored: str) -> None:
    assert not broker_password.well_formed(stored)
    assert not broker_password.matches("secret", stored)


def test_new_passwords_differ_and_need_no_quoting() -> None:
    made = {broker_password.new() for _ in range(50)}
    assert len(made) == 50
    assert all(
        len(word) == 32 and word.replace("-", "").replace("_", "").isalnum() for word in made
    )
