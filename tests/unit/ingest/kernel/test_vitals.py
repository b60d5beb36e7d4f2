"""The nomenclature holds together."""

from __future__ import annotations

import re

import pytest

from ingest.kernel import units, vitals

CONTRACT = {
    "heart_rate": "/min", "spo2": "%", "resp_rate": "/min", "systolic": "mm[Hg]",
    "diastolic": "mm[Hg]", "body_temperature": "Cel", "weight": "kg", "glucose": "mmol/L",
    "on_oxygen": "1", "acvpu": "1", "body_water": "%", "steps": "1", "fev1": "L", "inr": "1",
    "motion": "1", "door_open": "1", "bed_occupied": "1", "chair_occupied": "1",
    "room_temperature": "Cel", "humidity": "%", "fall": "1", "sos": "1", "smoke": "1",
    "carbon_monoxide": "1", "flood": "1", "pill_taken": "1", "tamper": "1", "mains": "1",
    "battery": "%", "symptom": "1", "illuminance": "lx",
}  # fmt: skip


def _mod_10_check(digits: str) -> int:
    """LOINC's check digit (Luhn), as the LOINC users' guide tells it."""
    total = 0
    for i, d in enumerate(reversed(digits)):
        doubled = int(d) * 2 if i % 2 == 0 else int(d)
        total += doubled - 9 if doubled > 9 else doubled
    return -total % 10


def test_numbers_and_names_are_unique_and_zero_is_kept_for_unknown_alarms():
    assert len(vitals.BY_NO) == len(vitals.BY_NAME) == len(vitals.QUANTITIES)
    assert vitals.UNKNOWN_ALARM not in vitals.BY_NO
    assert all(0 < q.no < 2**15 for q in vitals.QUANTITIES)


def test_every_quantity_of_the_published_contract_is_there_in_its_unit():
    assert {name: vitals.BY_NAME[name].unit for name in CONTRACT} == CONTRACT


def test_the_emergencies_are_the_five_that_always_page():
    names = {vitals.BY_NO[no].name for no in vitals.EMERGENCIES}
    assert names == {"fall", "sos", "smoke", "carbon_monoxide", "flood"}


@pytest.mark.parametrize("quantity", vitals.QUANTITIES, ids=lambda q: q.name)
def test_a_quantity_is_well_formed(quantity):
    assert re.fullmatch(r"[a-z][a-z0-9_]*", quantity.name)
    assert quantity.low < quantity.high
    assert units.conversion(quantity.unit, quantity.unit) is not None
    bounded = quantity.low > float("-inf") or quantity.high < float("inf")
    assert bounded == (quantity.kind is vitals.ValueKind.NUMBER)


@pytest.mark.parametrize(
    "quantity", [q for q in vitals.QUANTITIES if q.loinc], ids=lambda q: q.name
)
def test_a_loinc_code_has_its_shape_and_its_check_digit(quantity):
    number, dash, check = quantity.loinc.partition("-")
    assert dash == "-"
    assert number.isdigit()
    assert 1 <= len(number) <= 7
    assert check == str(_mod_10_check(number))


def test_loinc_and_mdc_codes_are_unique():
    for codes in ([q.loinc for q in vitals.QUANTITIES if q.loinc],
                  [q.mdc for q in vitals.QUANTITIES if q.mdc]):  # fmt: skip
        assert len(codes) == len(set(codes))


@pytest.mark.parametrize(
    ("quantity", "value", "letter"),
    [
        (vitals.ACVPU, 0.0, "A"),
        (vitals.ACVPU, 4.0, "U"),
        (vitals.ACVPU, 5.0, None),
        (vitals.ACVPU, -1.0, None),
        (vitals.HEART_RATE, 1.0, None),
        (9999, 1.0, None),
    ],
)
def test_a_stored_code_stands_for_its_letter(quantity, value, letter):
    assert vitals.code_letter(quantity, value) == letter
