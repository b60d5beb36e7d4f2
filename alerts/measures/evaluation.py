"""One row per alert for an evaluation: intervals and what came of it, nobody's name or number.

People, sites and practices are pseudonyms made with a key that stays here: the same person is the
same pseudonym in every export made with that key, and nobody without it can go back.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

import numpy as np

from alerts import model
from alerts.measures.record import DISPOSITIONS, HOSPITAL, FloatArray, Record, moments
from alerts.measures.response import intervals
from alerts.measures.table import Cell, Column, Table
from alerts.policies.targets import MEASURES

_LENGTH: Final = (
    16  # hexadecimal digits: 64 bits, among a million people one chance in 37 million of a clash
)
COLUMNS: Final = (
    Column(name="subject"), Column(name="site"), Column(name="practice"),
    Column(name="day", unit="d"), Column(name="rule"), Column(name="class"),
    Column(name="severity"),
    *(Column(name=m, unit="s") for m in MEASURES),
    Column(name="pages"), Column(name="told"), Column(name="pressed_again"),
    Column(name="lapsed"), Column(name="over_before_answer"), Column(name="closed"),
    Column(name="disposition"), Column(name="hospital_estimate"),
)  # fmt: skip
NOTES: Final = (
    "subject, site, practice: pseudonyms; with other knowledge somebody may still be recognised, so"
    " this is personal data (UK GDPR, recital 26). day: whole local days since the first day asked"
    " for.",
    "hospital_estimate is the judgement of whoever closed the alert.",
)  # fmt: skip


def table(record: Record, *, key: bytes, first_day: int, now: float) -> Table:
    """Tell of each alert, in the order of their numbers.

    Parameters
    ----------
    key : bytes
        What pseudonyms are made with; 32 random bytes or derived from a secret.
    first_day : int
        What days are counted from. [days since 1970]
    now : float
        Until when is looked at. [s, Unix]
    """
    return Table(columns=COLUMNS, rows=_rows(record, key, first_day, now), notes=NOTES)


def pseudonym(key: bytes, kind: str, number: int) -> str:
    """Return what stands for somebody or something, the same for the same key."""
    said = f"{kind}:{number}".encode()
    return hmac.new(key, said, hashlib.sha256).hexdigest()[:_LENGTH]


def _rows(record: Record, key: bytes, first_day: int, now: float) -> Iterator[tuple[Cell, ...]]:
    found = moments(record)
    spans = intervals(record, found, now)
    said = lru_cache(maxsize=100_000)(lambda kind, number: pseudonym(key, kind, number))
    alerts = record.alerts
    lengths = [_whole(spans[m].length, spans[m].meant) for m in MEASURES]
    unseen = ~np.isnan(found.over) & ~(found.answered <= found.over)
    columns = zip(
        alerts["person"].tolist(), alerts["home"].tolist(), alerts["site"].tolist(),
        alerts["practice"].tolist(), (alerts["day"] - first_day).tolist(),
        alerts["rule"].tolist(), alerts["class"].tolist(), alerts["severity"].tolist(),
        zip(*lengths, strict=True), alerts["pages"].tolist(), found.told.tolist(),
        found.presses.tolist(), found.lapses.tolist(), unseen.tolist(),
        (~np.isnan(found.closed)).tolist(), alerts["disposition"].tolist(),
        alerts["hospital"].tolist(), strict=True,
    )  # fmt: skip
    for (person, home, site, practice, day, rule, sort, severity, spent, pages, told, presses,
         lapses, before, closed, disposition, hospital) in columns:  # fmt: skip
        yield (
            said("person", person) if person else said("home", home) if home else None,
            said("site", site) if site else None,
            said("practice", practice) if practice else None,
            day, record.rules[rule], record.classes[sort], str(model.BY_RANK[severity]), *spent,
            pages, told, presses, lapses, int(before), int(closed),
            DISPOSITIONS[disposition] if disposition >= 0 else None,
            HOSPITAL[hospital] if hospital >= 0 else None,
        )  # fmt: skip


def _whole(length: FloatArray, meant: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> list[Cell]:
    """Return lengths of time in tenths of a second, None where there is none."""
    return [
        round(value, 1) if there else None
        for value, there in zip(length.tolist(), (meant & ~np.isnan(length)).tolist(), strict=True)
    ]
