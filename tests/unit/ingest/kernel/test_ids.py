"""Opaque public ids."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.kernel import ids


@given(st.integers(1, 10**18 - 1))
def test_a_public_id_leads_back_to_its_number(number):
    assert ids.number("person", ids.public("person", number)) == number


@pytest.mark.parametrize(
    "text",
    [
        "", "person", "person_", "17", "device_17", "person_-1", "person_+1", "person_1.0",
        "person_ 1", "person_1 ", "person_٣", "person_1_2", "person_" + "9" * 19, "PERSON_1",
    ],
)  # fmt: skip
def test_what_is_no_public_id_of_that_kind_has_no_number(text):
    assert ids.number("person", text) is None


def test_tokens_are_long_different_and_safe_in_urls():
    tokens = {ids.token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(len(t) >= 43 and t.replace("-", "").replace("_", "").isalnum() for t in tokens)
