"""Renders docs/nomenclature.md: ``python -m tests.architecture.nomenclature``."""

from __future__ import annotations

import math
from pathlib import Path

from ingest.kernel import conditions, units, vitals

PAGE = Path(__file__).parents[2] / "docs" / "nomenclature.md"

_HEAD = """\
# Nomenclature

Every quantity that the hub knows, and every condition that a person can be registered with. This
page is made from `ingest/kernel/vitals.py`, `ingest/kernel/units.py` and
`ingest/kernel/conditions.py`; a test holds them equal. After a change there:
`python -m tests.architecture.nomenclature`.

A device names a quantity in a SenML record (`n`), with the value in the unit below or any other
that is accepted for it; the hub converts at the door and keeps one unit per quantity. Where a place
may be told it stands in front: `kitchen/motion`. A questionnaire's answer is named
`symptom.<key>`. Booleans are `vb`; a code is one of its letters in `vs`.

The plausible range says what a working device can report from a living person or a real room, not
what is healthy: beyond it a value is kept, flagged `implausible`, and never judged. The ranges are
{source}.

Numbers are stored in every row: they are never given to another quantity.

## Quantities

| no | name | meaning | value | unit | plausible | place | LOINC | MDC |
|---|---|---|---|---|---|---|---|---|
"""

_EMERGENCIES = """
## Emergencies

These always page, whatever else is wrong with the message: {names}. On the `event` topic an alarm
that can't be read pages all the same.

## Units

Spelling matters: UCUM is case-sensitive. No unit at all means the hub's own.

| hub unit | accepted | which becomes |
|---|---|---|
"""

_CONDITIONS = """
## Long-term conditions and marks

What a person can be [registered](howto/register.md) with. One without a code is a mark of the hub's
own. The SNOMED CT codes are {source};
nothing is decided by them.

| name | meaning | SNOMED CT |
|---|---|---|
"""

_SOURCES = """
## Sources

| quantity | source |
|---|---|
"""


def render() -> str:
    """Return the whole page."""
    quantities = "".join(_row(q) for q in vitals.QUANTITIES)
    names = ", ".join(f"`{q.name}`" for q in vitals.QUANTITIES if q.emergency)
    known = sorted({q.unit for q in vitals.QUANTITIES})
    sources = "".join(f"| `{q.name}` | {q.source} |\n" for q in vitals.QUANTITIES if q.source)
    return (
        _HEAD.format(source=vitals.PLAUSIBLE_SOURCE)
        + quantities
        + _EMERGENCIES.format(names=names)
        + "".join(_conversions(unit) for unit in known)
        + _CONDITIONS.format(source=conditions.SOURCE)
        + "".join(f"| `{c.name}` | {c.label} | {c.snomed} |\n" for c in conditions.CONDITIONS)
        + _SOURCES
        + sources
    )


def _row(q: vitals.Quantity) -> str:
    kind = f"one of {' '.join(q.codes)}" if q.codes else q.kind.value
    name = "symptom.&lt;key&gt;" if q.no == vitals.SYMPTOM else q.name
    cells = [
        str(q.no), f"`{name}`" if "&" not in name else name, q.label, kind, f"`{q.unit}`",
        f"{q.low:g} to {q.high:g}" if math.isfinite(q.low) else "",
        "yes" if q.place else "", q.loinc, str(q.mdc or ""),
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |\n"


def _conversions(unit: str) -> str:
    rows = ""
    for spelling in units.spellings(unit):
        linear = units.conversion(unit, spelling)
        if linear is None:
            continue
        becomes = f"x {linear.scale:.10g}" if linear.scale != 1 else ""
        if linear.offset:
            sign = "+" if linear.offset > 0 else "-"
            becomes += f" {sign} {abs(linear.offset):.10g}"
        rows += f"| `{unit}` | `{spelling}` | {becomes.strip() or 'the same'} |\n"
    return rows


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
