"""Reports: which there are, what each may be asked, and the table that answers. For API and CLI."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal, get_args

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from alerts.measures import burden, coverage, evaluation, outcomes, response, small_numbers, table
from alerts.measures.grouping import BYS, By
from alerts.policies.targets import Target
from alerts.storage.measures import Measures, day_number
from api import errors, wire
from ingest.kernel.clock import Clock

Name = Literal["response", "burden", "coverage", "outcomes", "evaluation"]
NAMES: Final[tuple[Name, ...]] = get_args(Name)
_MAY: Final[dict[Name, tuple[By, ...]]] = {
    "response": BYS,
    "burden": BYS,
    "coverage": coverage.BYS,
    "outcomes": BYS,
    "evaluation": (),
}
_LONGEST_DAYS = 1_100  # three years: more than that in one table is a mistake
_PURPOSE = b"telecare evaluation: pseudonyms, version 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One report as it is asked for; the last day is in it."""

    name: Name
    first: date
    last: date
    by: By | None = None
    baseline: tuple[date, date] | None = None

    def said(self) -> dict[str, str | None]:
        """Return it as it is kept and shown."""
        return {"from": self.first.isoformat(), "to": self.last.isoformat(), "by": self.by}


def asked(
    name: Name,
    *,
    first: date,
    last: date,
    by: By | None,
    baseline: tuple[date | None, date | None],
) -> Asked:
    """Return what is asked for, checked.

    Raises
    ------
    BadRequestError
        When there is no such report.
    """
    whole = (baseline[0], baseline[1]) if baseline[0] and baseline[1] else None
    if whole is None and any(baseline):
        raise errors.BadRequestError(what="A baseline has a first and a last day")
    if whole is not None and name != "outcomes":
        raise errors.BadRequestError(what="Only the report outcomes has a baseline")
    for begin, end in ((first, last), *((whole,) if whole else ())):
        if end < begin:
            raise errors.BadRequestError(what="The last day lies before the first")
        if (end - begin).days >= _LONGEST_DAYS:
            raise errors.BadRequestError(
                what=f"A report is of at most {_LONGEST_DAYS} days; ask for parts"
            )
    if by is not None and by not in _MAY[name]:
        allowed = ", ".join(_MAY[name]) or "nothing: it has a row for each alert"
        raise errors.BadRequestError(what=f"The report {name} can be told by {allowed}")
    return Asked(name=name, first=first, last=last, by=by, baseline=whole)


class Reports:
    """Makes reports."""

    def __init__(
        self, measures: Measures, *, targets: Sequence[Target], secret: str, clock: Clock
    ) -> None:
        self._measures = measures
        self._targets = targets
        self._key = pseudonym_key(secret)
        self._clock = clock

    def make(self, asked: Asked, *, small_counts: bool) -> table.Table:
        """Answer with a table; without ``small_counts`` it tells of nobody by a small number."""
        now = self._clock.now()
        first, last, by = asked.first, asked.last, asked.by
        if asked.name == "coverage":
            people, names = self._measures.people(now=now)
            return coverage.table(people, names, by=by)
        if asked.name == "burden":
            record, decisions = self._measures.decisions(first, last)
            days = self._measures.person_days(first, last, now=now)
            return burden.table(record, days, decisions, by=by)
        if asked.name == "outcomes":
            baseline = self._period(*asked.baseline) if asked.baseline else None
            full = outcomes.table(self._period(first, last), baseline, by=by)
            return full if small_counts else small_numbers.suppressed(full, totals=bool(by))
        record = self._measures.record(first, last)
        if asked.name == "evaluation":
            return evaluation.table(
                record, key=self._key, first_day=day_number(first), now=now.timestamp()
            )
        return response.table(record, by=by, targets=self._targets, now=now.timestamp())

    def written(
        self, asked: Asked, answer: table.Table, *, form: Literal["csv", "json"]
    ) -> Iterator[bytes]:
        """Write a report's table in pieces."""
        if form == "csv":
            return table.chunks(table.csv_lines(answer))
        head = {
            "report": asked.name,
            **asked.said(),
            "generated_at": wire.rfc3339(self._clock.now()),
        }
        return table.chunks(table.json_parts(answer, head))

    def _period(self, first: date, last: date) -> outcomes.Period:
        days = self._measures.person_days(first, last, now=self._clock.now())
        return outcomes.Period(record=self._measures.record(first, last), person_days=days)


def pseudonym_key(secret: str) -> bytes:
    """Return what pseudonyms are made with, from the newest of the secret's keys.

    Stretched by HKDF-SHA256 and bound to this purpose: whoever has it opens no address, and an
    export made after a change of keys has other pseudonyms.
    """
    newest = secret.split(",", 1)[0].strip()
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=_PURPOSE).derive(
        newest.encode()
    )
