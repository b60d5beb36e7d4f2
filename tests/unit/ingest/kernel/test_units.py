"""Units at the door: each conversion against a published or worked value."""

from __future__ import annotations

import pytest

from ingest.kernel import units, vitals

WORKED = [
    # hub unit, unit on the wire, value there, value here, where from
    ("Cel", "[degF]", 98.6, 37.0, "(98.6 - 32) / 1.8, NIST SP 811 B.8"),
    ("Cel", "[degF]", 212.0, 100.0, "boiling water, NIST SP 811 B.8"),
    ("Cel", "degF", 32.0, 0.0, "freezing water, NIST SP 811 B.8"),
    ("Cel", "°F", -40.0, -40.0, "where both scales meet"),
    ("Cel", "K", 310.15, 37.0, "SI Brochure 2.3.1: t/°C = T/K - 273.15"),
    ("Cel", "Cel", 36.6, 36.6, "the same"),
    ("Cel", "°C", 36.6, 36.6, "the same"),
    ("kg", "[lb_av]", 154.3235835, 70.0, "70 kg / 0.45359237, Weights and Measures Act 1985"),
    ("kg", "lb", 1.0, 0.45359237, "the same act, exact"),
    ("kg", "[stone_av]", 11.0, 69.85322498, "14 pounds, the same act"),
    ("kg", "st", 1.0, 6.35029318, "14 x 0.45359237"),
    ("kg", "g", 70_500.0, 70.5, "SI prefix"),
    ("mmol/L", "mg/dL", 180.156, 10.0, "molar mass 180.156 g/mol, PubChem CID 5793"),
    ("mmol/L", "mg/dl", 100.0, 5.55075, "100 / 18.0156"),
    ("mmol/L", "mol/m3", 5.6, 5.6, "1 mol/m3 = 1 mmol/L"),
    ("mm[Hg]", "kPa", 16.0, 120.00987, "16 / 0.1333224, BS 350:2004"),
    ("mm[Hg]", "mmHg", 120.0, 120.0, "the same"),
    ("%", "/", 0.97, 97.0, "RFC 8428 12.1: a ratio"),
    ("%", "%RH", 45.0, 45.0, "RFC 8428 12.1"),
    ("%", "%EL", 80.0, 80.0, "RFC 8428 12.1"),
    ("/min", "Hz", 1.2, 72.0, "60 s to the minute"),
    ("/min", "beat/s", 1.0, 60.0, "60 s to the minute"),
    ("/min", "beat/min", 72.0, 72.0, "the same"),
    ("/min", "bpm", 72.0, 72.0, "the same"),
    ("L", "mL", 2_400.0, 2.4, "SI prefix"),
    ("L", "m3", 0.0024, 2.4, "1 m3 = 1000 L"),
    ("lx", "lx", 320.0, 320.0, "RFC 8428 12.1"),
    ("lx", "lux", 320.0, 320.0, "the same, written out"),
    ("1", "count", 12.0, 12.0, "the same"),
]  # fmt: skip


@pytest.mark.parametrize(("hub", "wire", "there", "here", "source"), WORKED)
def test_a_worked_value_comes_out(hub, wire, there, here, source):
    linear = units.conversion(hub, wire)
    assert linear is not None, source
    assert there * linear.scale + linear.offset == pytest.approx(here, rel=1e-5, abs=1e-9), source


def test_every_scale_in_use_has_a_worked_value():
    worked = {(hub, wire) for hub, wire, *_ in WORKED}
    scales = {units.conversion(hub, wire) for hub, wire in worked}
    for unit in {q.unit for q in vitals.QUANTITIES}:
        for wire in units.spellings(unit):
            assert units.conversion(unit, wire) in scales, (unit, wire)


@pytest.mark.parametrize("unit", sorted({q.unit for q in vitals.QUANTITIES}))
def test_the_hub_s_own_unit_and_none_at_all_change_nothing(unit):
    assert units.conversion(unit, unit) == units.Linear()
    assert units.conversion(unit, "") == units.Linear()


@pytest.mark.parametrize(
    ("hub", "wire"), [("Cel", "kg"), ("kg", "Cel"), ("mm[Hg]", "/min"), ("Cel", "CEL"), ("?", "kg")]
)
def test_a_unit_of_another_kind_is_refused(hub, wire):
    assert units.conversion(hub, wire) is None
