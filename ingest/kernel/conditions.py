"""Long-term conditions and marks that a person can be registered with: a closed list.

The prose twin is in ``docs/nomenclature.md``; a test renders it from here and compares.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One of them; without a code it is a mark of the hub's own."""

    name: str
    label: str
    snomed: str = ""  # SNOMED CT concept id


SOURCE = "recalled, to be verified by the deploying organisation's terminology team"
"""Where the SNOMED CT codes come from. Nothing is decided by them: the hub goes by the names."""

CONDITIONS: tuple[Condition, ...] = (
    Condition(name="copd", label="Chronic obstructive pulmonary disease", snomed="13645005"),
    Condition(name="heart_failure", label="Heart failure", snomed="84114007"),
    Condition(name="hypertension", label="Hypertension", snomed="38341003"),
    Condition(name="diabetes", label="Diabetes mellitus", snomed="73211009"),
    Condition(name="dementia", label="Dementia", snomed="52448006"),
    Condition(name="falls_risk", label="At risk for falls", snomed="129839007"),
    Condition(name="cold_risk", label="At risk in a cold home"),
    Condition(name="frailty", label="Frailty", snomed="248279007"),
)

BY_NAME: dict[str, Condition] = {c.name: c for c in CONDITIONS}


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Return known names once each, in the order of the list: how they are kept."""
    given = frozenset(names)
    return tuple(c.name for c in CONDITIONS if c.name in given)
