"""By what measures are told apart: team, practice, site, area, severity, month, or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from alerts import model
from alerts.measures.record import IntArray, Record

By = Literal["team", "practice", "site", "area", "severity", "month"]
BYS: Final[tuple[By, ...]] = get_args(By)
PLACED: Final[tuple[By, ...]] = ("practice", "site", "area", "month")
"""Those that person-days belong to as well."""
NOBODY: Final[IntArray] = np.empty(0, dtype=np.int64)
"""The rows of a group that has none."""
NONE: Final = "none"
"""What is in no group: an alert without a site, a person without a practice."""
ALL: Final = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """Which group each row is in, and the groups' names in the order they are shown."""

    codes: IntArray  # shape (n,), places in ``names``
    names: tuple[str, ...]

    def each(self) -> Iterator[tuple[str, IntArray]]:
        """Give each group's name and the places of its rows, and last those of all rows."""
        order = np.argsort(self.codes, kind="stable")
        ends = np.searchsorted(self.codes[order], np.arange(len(self.names) + 1))
        for n, name in enumerate(self.names):
            yield name, order[ends[n] : ends[n + 1]]
        yield ALL, np.arange(len(self.codes))


def of_alerts(record: Record, by: By | None) -> Groups:
    """Put alerts into groups."""
    if by is None:
        return Groups(codes=np.zeros(len(record), dtype=np.int64), names=())
    if by == "severity":
        return of_severities(record.alerts["severity"])
    if by == "month":
        return months(record.alerts["day"])
    return _grouped(record.alerts[by], record.names[by], by)


def of_places(
    places: NDArray[np.void], names: Mapping[str, Mapping[int, str]], by: By | None
) -> Groups:
    """Put rows that have a practice, a site, an area and a day into groups.

    They are of no team and no severity: then there are no groups among them.
    """
    if by == "month":
        return months(places["day"])
    if by in ("practice", "site", "area"):
        return _grouped(places[by], names[by], by)
    return Groups(codes=np.zeros(len(places), dtype=np.int64), names=())


def joined(by: By | None, *names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of groups that several sorts of rows are in, each once, ordered."""
    every = {n for some in names for n in some if n != ALL}
    place = {name: n for n, name in enumerate(_WORST_FIRST)} if by == "severity" else {}
    return tuple(sorted(every, key=lambda name: (name == NONE, place.get(name, 0), name)))


def months(days: NDArray[np.integer]) -> Groups:
    """Put local days (days since 1970) into months."""
    found, codes = np.unique(
        days.astype("datetime64[D]").astype("datetime64[M]"), return_inverse=True
    )
    return Groups(codes=codes.astype(np.int64), names=tuple(str(m) for m in found))


def of_severities(ranks: NDArray[np.integer]) -> Groups:
    """Put rows into groups by the rank of their severity."""
    return _grouped(ranks, {rank: str(s) for rank, s in model.BY_RANK.items()}, "severity")


_WORST_FIRST: Final = tuple(str(s) for s in model.Severity)


def _grouped(numbers: NDArray[np.integer], names: Mapping[int, str], by: By) -> Groups:
    found, codes = np.unique(numbers, return_inverse=True)
    said = [names.get(int(n), NONE) for n in found]
    shown = joined(by, said)
    to = np.array([shown.index(name) for name in said], dtype=np.int64)
    return Groups(codes=to[codes] if len(found) else codes.astype(np.int64), names=shown)
