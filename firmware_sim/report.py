"""What a run counted, as JSON and for reading."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from firmware_sim import wire


def percentiles(values: Iterable[float]) -> dict[str, float | None]:
    """Return the median, 90th, 99th percentile and greatest of some times. [ms]"""
    data = np.fromiter(values, float)
    if not data.size:
        return {"p50": None, "p90": None, "p99": None, "max": None}
    p50, p90, p99 = np.percentile(data, (50, 90, 99))
    found = {"p50": p50, "p90": p90, "p99": p99, "max": data.max()}
    return {name: round(float(value), 3) for name, value in found.items()}


@dataclass(slots=True, kw_only=True)
class Tally:
    """Counts of one run, by kind of message."""

    sent: Counter[str] = field(default_factory=Counter)
    acked: Counter[str] = field(default_factory=Counter)
    receipts: Counter[str] = field(default_factory=Counter)
    alarms: Counter[str] = field(default_factory=Counter)
    commands: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    readings: int = 0
    answers: int = 0
    stored: int = 0
    receipt_ms: list[float] = field(default_factory=list)
    answer_ms: list[float] = field(default_factory=list)
    distinct: set[tuple[str, str, object, object]] = field(default_factory=set)

    def observed(self, device: str, records: Iterable[wire.Record]) -> None:
        """Count readings sent, and which of them are new."""
        for record in records:
            self.readings += 1
            self.distinct.add((device, record.name, record.time, record.value))

    def answered(self, answer: wire.Answer, waited_ms: float | None) -> None:
        """Count what the hub said of a message."""
        self.answers += 1
        self.stored += answer.stored
        self.refused.update(reason for _, reason in answer.refused)
        if waited_ms is not None:
            self.answer_ms.append(waited_ms)

    def document(self) -> dict[str, Any]:
        """Return the counts for a machine."""
        return {
            "sent": dict(self.sent),
            "acked": dict(self.acked),
            "readings": self.readings,
            "distinct_readings": len(self.distinct),
            "alarms": {name: self.alarms[name] for name in ("raised", "cancelled", "repeats")},
            "receipts": dict(self.receipts),
            "receipt_ms": percentiles(self.receipt_ms),
            "answers": {
                "count": self.answers,
                "stored": self.stored,
                "refused": dict(self.refused),
                "wait_ms": percentiles(self.answer_ms),
            },
            "commands": dict(self.commands),
            "faults": dict(self.faults),
        }
