"""The nomenclature: every quantity the hub knows, with its codes, unit and plausible range.

The prose twin is ``docs/nomenclature.md``; a test renders it from here and compares.
Numbers (``no``) are stored in every row: never renumber, only add.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class ValueKind(enum.Enum):
    """How a quantity's value travels and is kept."""

    NUMBER = "number"
    BOOLEAN = "boolean"  # kept as 0.0 or 1.0
    CODE = "code"  # a letter out of a list, kept as its index
    ANSWER = "answer"  # a questionnaire answer: number, boolean or short text


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """One thing that can be measured.

    ``low`` and ``high`` bound what a working device can report from a living person or a real
    room, not what is healthy: beyond them a value is flagged implausible, kept, never judged.
    """

    no: int
    name: str
    label: str
    kind: ValueKind
    unit: str  # UCUM; "1" for booleans, codes and counts
    loinc: str = ""
    mdc: int = 0
    low: float = float("-inf")
    high: float = float("inf")
    emergency: bool = False
    place: bool = False  # a room may stand before the name: kitchen/motion
    codes: str = ""
    source: str = ""


_PLAUSIBLE = "unsourced: wider than any device range in use, meant to catch device errors only"
_LOINC = "HL7 FHIR R4 vital signs value set; IEEE 11073-10101"

_N, _B, _C, _A = ValueKind.NUMBER, ValueKind.BOOLEAN, ValueKind.CODE, ValueKind.ANSWER

# ruff: noqa: E501  (a table reads best as one)
QUANTITIES: tuple[Quantity, ...] = (
    Quantity(no=1, name="heart_rate", label="Heart rate", kind=_N, unit="/min", loinc="8867-4",
             mdc=149530, low=20, high=300, source=_LOINC),
    Quantity(no=2, name="spo2", label="Oxygen saturation", kind=_N, unit="%", loinc="2708-6",
             mdc=150456, low=35, high=100, source=_LOINC),
    Quantity(no=3, name="resp_rate", label="Respiration rate", kind=_N, unit="/min",
             loinc="9279-1", mdc=151562, low=2, high=80, source=_LOINC),
    Quantity(no=4, name="systolic", label="Systolic blood pressure", kind=_N, unit="mm[Hg]",
             loinc="8480-6", mdc=150021, low=40, high=300, source=_LOINC),
    Quantity(no=5, name="diastolic", label="Diastolic blood pressure", kind=_N, unit="mm[Hg]",
             loinc="8462-4", mdc=150022, low=20, high=180, source=_LOINC),
    Quantity(no=6, name="body_temperature", label="Body temperature", kind=_N, unit="Cel",
             loinc="8310-5", mdc=150364, low=25, high=45, source=_LOINC),
    Quantity(no=7, name="weight", label="Body weight", kind=_N, unit="kg", loinc="29463-7",
             mdc=188736, low=20, high=350, source=_LOINC),
    Quantity(no=8, name="glucose", label="Capillary glucose", kind=_N, unit="mmol/L", loinc="14743-9",
             mdc=160184, low=0.5, high=60, source="LOINC 14743-9 (glucose, capillary blood, glucometer)"),
    Quantity(no=9, name="on_oxygen", label="On supplementary oxygen", kind=_B, unit="1"),
    Quantity(no=10, name="acvpu", label="Consciousness (ACVPU)", kind=_C, unit="1", codes="ACVPU",
             source="SNOMED CT 1104441000000107; RCP, National Early Warning Score (NEWS) 2, 2017"),
    Quantity(no=11, name="body_water", label="Total body water", kind=_N, unit="%", low=15, high=85),
    Quantity(no=12, name="steps", label="Steps", kind=_N, unit="1", low=0, high=200_000),
    Quantity(no=13, name="fev1", label="FEV1", kind=_N, unit="L", loinc="20150-9", low=0.1, high=8),
    Quantity(no=14, name="inr", label="INR", kind=_N, unit="1", loinc="6301-6", low=0.5, high=15),
    Quantity(no=15, name="motion", label="Motion", kind=_B, unit="1", place=True),
    Quantity(no=16, name="door_open", label="Door open", kind=_B, unit="1", place=True),
    Quantity(no=17, name="bed_occupied", label="Bed occupied", kind=_B, unit="1", place=True),
    Quantity(no=18, name="chair_occupied", label="Chair occupied", kind=_B, unit="1", place=True),
    Quantity(no=19, name="room_temperature", label="Room temperature", kind=_N, unit="Cel", place=True,
             low=-30, high=60),
    Quantity(no=20, name="humidity", label="Relative humidity", kind=_N, unit="%", place=True,
             low=0, high=100),
    Quantity(no=21, name="fall", label="Fall", kind=_B, unit="1", emergency=True, place=True),
    Quantity(no=22, name="sos", label="Call for help", kind=_B, unit="1", emergency=True, place=True),
    Quantity(no=23, name="smoke", label="Smoke", kind=_B, unit="1", emergency=True, place=True),
    Quantity(no=24, name="carbon_monoxide", label="Carbon monoxide", kind=_B, unit="1",
             emergency=True, place=True),
    Quantity(no=25, name="flood", label="Flood", kind=_B, unit="1", emergency=True, place=True),
    Quantity(no=26, name="pill_taken", label="Medicine taken", kind=_B, unit="1"),
    Quantity(no=27, name="tamper", label="Tamper", kind=_B, unit="1", place=True),
    Quantity(no=28, name="mains", label="Mains power", kind=_B, unit="1"),
    Quantity(no=29, name="battery", label="Battery", kind=_N, unit="%", mdc=67996, low=0, high=100),
    Quantity(no=30, name="symptom", label="Questionnaire answer", kind=_A, unit="1"),
    Quantity(no=31, name="muscle_mass", label="Muscle mass", kind=_N, unit="kg", low=5, high=120),
    Quantity(no=32, name="skin_temperature", label="Skin temperature", kind=_N, unit="Cel",
             low=15, high=45),
    Quantity(no=33, name="illuminance", label="Illuminance", kind=_N, unit="lx", place=True,
             low=0, high=200_000),
)  # fmt: skip
PLAUSIBLE_SOURCE = _PLAUSIBLE

BY_NAME: dict[str, Quantity] = {q.name: q for q in QUANTITIES}
BY_NO: dict[int, Quantity] = {q.no: q for q in QUANTITIES}
EMERGENCIES: frozenset[int] = frozenset(q.no for q in QUANTITIES if q.emergency)

HEART_RATE = BY_NAME["heart_rate"].no
SPO2 = BY_NAME["spo2"].no
RESP_RATE = BY_NAME["resp_rate"].no
SYSTOLIC = BY_NAME["systolic"].no
DIASTOLIC = BY_NAME["diastolic"].no
BODY_TEMPERATURE = BY_NAME["body_temperature"].no
WEIGHT = BY_NAME["weight"].no
GLUCOSE = BY_NAME["glucose"].no
ON_OXYGEN = BY_NAME["on_oxygen"].no
ACVPU = BY_NAME["acvpu"].no
SYMPTOM = BY_NAME["symptom"].no
PLACE = r"[a-z0-9_.-]{1,40}"
"""How a room is spelt, where a reading names one and where the register does."""

UNKNOWN_ALARM = 0
"""The number an alarm carries when it could not be read or named: it pages all the same."""


def code_letter(no: int, value: float) -> str | None:
    """Return the letter a stored code stands for, None for other quantities."""
    q = BY_NO.get(no)
    if q is None or not q.codes:
        return None
    index = int(value)
    return q.codes[index] if 0 <= index < len(q.codes) else None
