"""The list of long-term conditions and marks holds together."""

from __future__ import annotations

import pytest

from ingest.kernel import conditions

# Verhoeff's tables, as in the SNOMED CT Technical Implementation Guide, "Check-digit computation"
_PRODUCTS = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 2, 3, 4, 0, 6, 7, 8, 9, 5), (2, 3, 4, 0, 1, 7, 8, 9, 5, 6),
    (3, 4, 0, 1, 2, 8, 9, 5, 6, 7), (4, 0, 1, 2, 3, 9, 5, 6, 7, 8), (5, 9, 8, 7, 6, 0, 4, 3, 2, 1),
    (6, 5, 9, 8, 7, 1, 0, 4, 3, 2), (7, 6, 5, 9, 8, 2, 1, 0, 4, 3), (8, 7, 6, 5, 9, 3, 2, 1, 0, 4),
    (9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
)  # fmt: skip
_TURN = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def _checks(digits: str) -> bool:
    """Tell whether a number ends in its Verhoeff check digit."""
    check = 0
    for turns, digit in enumerate(reversed(digits)):
        turned = int(digit)
        for _ in range(turns % 8):
            turned = _TURN[turned]
        check = _PRODUCTS[check][turned]
    return check == 0


def test_names_are_words_once_each():
    assert len(conditions.BY_NAME) == len(conditions.CONDITIONS)
    assert all(name.isidentifier() and name.islower() for name in conditions.BY_NAME)


def test_the_list_is_as_agreed():
    assert {c.name: c.snomed for c in conditions.CONDITIONS} == {
        "copd": "13645005", "heart_failure": "84114007", "hypertension": "38341003",
        "diabetes": "73211009", "dementia": "52448006", "falls_risk": "129839007",
        "cold_risk": "", "frailty": "248279007",
    }  # fmt: skip


@pytest.mark.parametrize(
    "condition", [c for c in conditions.CONDITIONS if c.snomed], ids=lambda c: c.name
)
def test_a_code_is_that_of_a_concept_and_has_its_check_digit(condition):
    assert condition.snomed[-3:-1] == "00"  # a concept of the international edition
    assert _checks(condition.snomed)
    assert not _checks(condition.snomed[:-1] + str((int(condition.snomed[-1]) + 1) % 10))


def test_names_are_kept_once_each_in_the_order_of_the_list():
    assert conditions.in_order(["frailty", "copd", "frailty"]) == ("copd", "frailty")
    assert conditions.in_order([]) == ()
