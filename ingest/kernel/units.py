"""Units at the door: a UCUM subset and the SenML units, converted to one unit per quantity."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """``hub value = value * scale + offset``."""

    scale: float = 1.0
    offset: float = 0.0


_SAME = Linear()
_POUND = Linear(
    scale=0.45359237
)  # international pound, exact: Weights and Measures Act 1985, Sch 1
_STONE = Linear(scale=6.35029318)  # 14 international pounds, exact: the same schedule
_FAHRENHEIT = Linear(scale=5 / 9, offset=-160 / 9)  # NIST SP 811 (2008), B.8
_KELVIN = Linear(offset=-273.15)  # SI Brochure, 9th edition, 2.3.1
_GLUCOSE = Linear(scale=1 / 18.0156)
"""mg/dL to mmol/L: molar mass of glucose C6H12O6, 180.156 g/mol (PubChem CID 5793)."""
_KPA = Linear(scale=7.500617)  # 1 kPa in mmHg: 1 mmHg = 133.322 Pa, BS 350:2004
_RATIO = Linear(scale=100.0)

# hub unit -> spelling on the wire -> conversion. UCUM, SenML (RFC 8428, section 12.1) and the
# spellings that devices are known to use. Case matters: UCUM is case-sensitive.
_TABLE: dict[str, dict[str, Linear]] = {
    "/min": {"/min": _SAME, "beat/min": _SAME, "beats/min": _SAME, "1/min": _SAME, "bpm": _SAME,
             "{beats}/min": _SAME, "{breaths}/min": _SAME, "Hz": Linear(scale=60.0),
             "beat/s": Linear(scale=60.0)},
    "%": {"%": _SAME, "%RH": _SAME, "%EL": _SAME, "/": _RATIO},
    "mm[Hg]": {"mm[Hg]": _SAME, "mmHg": _SAME, "kPa": _KPA},
    "Cel": {"Cel": _SAME, "°C": _SAME, "C": _SAME, "[degF]": _FAHRENHEIT, "degF": _FAHRENHEIT,
            "°F": _FAHRENHEIT, "K": _KELVIN},
    "kg": {"kg": _SAME, "g": Linear(scale=0.001), "[lb_av]": _POUND, "lb": _POUND, "lbs": _POUND,
           "[stone_av]": _STONE, "st": _STONE, "stone": _STONE},
    "mmol/L": {"mmol/L": _SAME, "mmol/l": _SAME, "mg/dL": _GLUCOSE, "mg/dl": _GLUCOSE,
               "mol/m3": _SAME},
    "L": {"L": _SAME, "l": _SAME, "mL": Linear(scale=0.001), "ml": Linear(scale=0.001),
          "m3": Linear(scale=1000.0)},
    "lx": {"lx": _SAME, "lux": _SAME},
    "1": {"1": _SAME, "": _SAME, "count": _SAME, "{steps}": _SAME, "{INR}": _SAME, "bool": _SAME,
          "//": _SAME},
}  # fmt: skip


def conversion(to: str, unit: str) -> Linear | None:
    """Return how a value in ``unit`` becomes one in the hub's unit, None when it is another kind.

    An absent unit (empty string) means the hub's own unit.
    """
    if not unit:
        return _SAME
    return _TABLE.get(to, {}).get(unit)


def spellings(to: str) -> tuple[str, ...]:
    """Return every spelling accepted for a hub unit, for error messages and the documentation."""
    return tuple(u for u in _TABLE.get(to, {}) if u)
