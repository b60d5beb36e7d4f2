"""The check that tells a typing error from a person."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.kernel import nhs_number

# The worked example of the NHS Data Dictionary's check, and numbers of the range kept for tests.
VALID = ["9434765919", "943 476 5919", "943-476-5919", "9990000018", "4010232137"]


def _check_digit(nine: str) -> int:
    """The sum written out once more, by another road: minus the weights, modulo 11."""
    return -sum(int(d) * (10 - i) for i, d in enumerate(nine)) % 11


@pytest.mark.parametrize("number", VALID)
def test_a_valid_number_has_no_problem(number):
    assert nhs_number.problem(number) is None


@pytest.mark.parametrize(
    ("number", "why"),
    [
        ("9434765918", "check digit"),  # the last digit mistyped
        ("9434756919", "check digit"),  # two neighbours swapped
        ("943476591", "exactly 10"),
        ("94347659190", "exactly 10"),
        ("943476591X", "exactly 10"),
        ("", "exactly 10"),
        ("٩٤٣٤٧٦٥٩١٩", "exactly 10"),  # digits, but not these digits
        ("9.43E+09", "exactly 10"),  # what a spreadsheet makes of it
        ("0000000000", "ten equal"),
        ("1111111111", "ten equal"),  # its sum would fit
    ],
)
def test_what_is_wrong_is_said(number, why):
    assert why in (nhs_number.problem(number) or "")


@given(st.from_regex(r"[0-9]{9}", fullmatch=True))
def test_of_ten_last_digits_exactly_one_fits_unless_it_would_be_ten(nine):
    fitting = [d for d in range(10) if nhs_number.problem(f"{nine}{d}") is None]
    expected = [_check_digit(nine)]
    if expected == [10] or (len(set(nine)) == 1 and int(nine[0]) == expected[0]):
        expected = []
    assert fitting == expected


@given(st.from_regex(r"[0-9]{9}", fullmatch=True), st.integers(0, 9), st.integers(0, 9))
def test_one_mistyped_digit_is_always_found(nine, position, digit):
    number = f"{nine}{_check_digit(nine)}"
    if nhs_number.problem(number) is not None or number[position] == str(digit):
        return
    mistyped = number[:position] + str(digit) + number[position + 1 :]
    assert nhs_number.problem(mistyped) is not None


def test_it_is_shown_in_groups_and_read_from_them():
    assert nhs_number.shown("9434765919") == "943 476 5919"
    assert nhs_number.normalise("943 476\u00a05919") == "9434765919"
