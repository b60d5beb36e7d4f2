"""Links for a contact's answer: only this hub's, only for a while, and they name no person."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.delivery.links import Links, Opened, Refused

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SECRET = "a" * 40
LINKS = Links(SECRET)


def signed(no: int = 17, *, hours: float = 2) -> str:
    return LINKS.sign(no, expires=NOW + timedelta(hours=hours))


def test_a_link_opens_until_it_expires():
    assert LINKS.open(signed(), now=NOW) == Opened(17)
    assert LINKS.open(signed(), now=NOW + timedelta(minutes=119)) == Opened(17)
    assert LINKS.open(signed(), now=NOW + timedelta(hours=2)) is Refused.EXPIRED


def test_a_link_is_short_enough_for_a_text_and_safe_in_an_address():
    assert len(signed(10**9)) <= 64
    assert set(signed()) <= set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~"
    )


@given(st.integers(0, 70), st.characters(codec="ascii"))
def test_a_link_that_was_changed_anywhere_is_refused(place: int, letter: str):
    token = signed()
    changed = token[:place] + letter + token[place + 1 :]
    # the last letter of base64 carries bits that are not looked at
    if changed != token and place < len(token) - 1:
        assert LINKS.open(changed, now=NOW) is Refused.FORGED


@pytest.mark.parametrize("token", ["", "17", "~", "17.5f~", "ä~ö", "17.6a1d9b40~" + "A" * 43])
def test_what_was_never_a_link_is_refused(token: str):
    assert LINKS.open(token, now=NOW) is Refused.FORGED


def test_another_hubs_link_is_refused_and_an_older_key_of_ours_is_good():
    token = signed()
    assert Links("b" * 40).open(token, now=NOW) is Refused.FORGED
    assert Links(f"{'b' * 40},{SECRET}").open(token, now=NOW) == Opened(17)
    newest = Links(f"{'b' * 40}, {SECRET}").sign(17, expires=NOW + timedelta(hours=1))
    assert Links("b" * 40).open(newest, now=NOW) == Opened(17)
