"""What clinicians found worth an alert, person-day by person-day, against what rules told.

A labelled day is found when an alert about it was open on that day, in the home's own time. That a
day isn't labelled doesn't prove that nothing was the matter.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final

import numpy as np

from alerts import errors
from alerts.backtest import sources, statistics, tihm
from alerts.backtest.episodes import Episode
from alerts.backtest.run import Run
from alerts.backtest.sources import Source
from ingest.kernel import localtime, vitals

PersonDay = tuple[int, int]
"""Number of a person, and a local day since 1970-01-01."""
_EPOCH: Final = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Labelled person-days by type, and what of the file isn't about anybody here."""

    days: Mapping[str, frozenset[PersonDay]]
    rows: int
    strangers: int = 0  # rows of people the source doesn't have
    refused: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How well alerts find one type of labelled days; intervals are of 95 %."""

    type: str
    about: tuple[str, ...]  # quantities; empty: any alert for a nurse
    labelled: int
    found: int
    found_raised: int  # by an alert raised on that very day
    alert_days: int  # recorded person-days with such an alert open
    by_home: Mapping[int, tuple[int, int, int, int]]  # found, labelled, alert days, recorded days
    recall: float
    recall_95: tuple[float, float]
    recall_95_homes: tuple[float, float]  # homes drawn instead of days
    precision: float
    precision_95: tuple[float, float]
    f1: float
    f1_95: tuple[float, float]


def read(path: Path, source: Source) -> Labels:
    """Read labels: ``patient_id,date,type``, one a row; ``person`` does for ``patient_id``.

    The day is the date as written. Several labels of one type on one day are one.

    Raises
    ------
    BacktestError
        When there is no such file, a column is missing, or no row can be read.
    """
    numbers = {name: no for no, name in source.person_ids.items()}
    days: dict[str, set[PersonDay]] = {}
    refused: list[str] = []
    rows = strangers = 0
    try:
        with sources.text(path) as lines:
            reader = csv.DictReader(lines)
            names = set(reader.fieldnames or ())
            who = "patient_id" if "patient_id" in names else "person"
            missing = [c for c in (who, "date", "type") if c not in names]
            if missing:
                raise errors.BacktestError(
                    problem=f"{path}:1: there is no column {', '.join(missing)}: the first line is"
                    " patient_id,date,type"
                )
            for row in reader:
                day = day_of(row["date"] or "")
                kind = (row["type"] or "").strip()
                if day is None or not kind:
                    refused.append(
                        f"{path}:{reader.line_num}: needs a date such as 2019-04-30 and a type"
                    )
                    continue
                rows += 1
                number = numbers.get((row[who] or "").strip())
                if number is None:
                    strangers += 1
                    continue
                days.setdefault(kind, set()).add((number, day))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise errors.BacktestError(problem=f"{path} can't be read: {sources.why(error)}") from error
    if not days:
        why = f": {refused[0]}" if refused else f": nobody of it is in {source.said}"
        raise errors.BacktestError(problem=f"{path} holds no label that can be used{why}")
    return Labels(
        days={kind: frozenset(days[kind]) for kind in sorted(days)}, rows=rows,
        strangers=strangers, refused=refused,
    )  # fmt: skip


def day_of(text: str) -> int | None:
    """Return the date of a text as written, days since 1970-01-01; None where it is none."""
    try:
        return datetime.fromisoformat(text.strip()).date().toordinal() - _EPOCH
    except ValueError:
        return None


def about(kind: str) -> tuple[str, ...]:
    """Return the quantities that a type of label is about: TIHM's types, or a quantity's name."""
    if kind in tihm.LABELS:
        return tihm.LABELS[kind]
    return (kind,) if kind in vitals.BY_NAME else ()


def open_days(
    episodes: Iterable[Episode], source: Source, *, raised_only: bool = False
) -> set[PersonDay]:
    """Return the local days on which alerts were open, from being raised to being over.

    An alert that is still open at the end of a home's record was open until then.
    """
    zones = {h.no: localtime.zone(h.zone) for h in source.homes}
    home_of = {p.no: p.home_no for p in source.people}
    found: set[PersonDay] = set()
    for one in episodes:
        if one.person_no is None:
            continue
        home = home_of.get(one.person_no, one.home_no or 0)
        zone = zones.get(home) or localtime.zone(sources.ZONE)
        end = one.cleared_at
        if end is None:
            end = max(one.raised_at, source.ends.get(home, source.end))
        times = np.array([one.raised_at, end])
        first, last = localtime.day(times + zone.offset(times)).tolist()
        found.update(
            (one.person_no, day) for day in range(first, first + 1 if raised_only else last + 1)
        )
    return found


def score(run: Run, labels: Labels, kind: str, *, audience: str = "nurse") -> Score:
    """Compare alerts for an audience with the labelled days of one type."""
    wanted = about(kind)
    mine = [
        e for e in run.episodes
        if run.rules[e.rule_id].audience == audience
        and (not wanted or e.quantities.intersection(wanted))
    ]  # fmt: skip
    labelled = labels.days[kind]
    alerts = open_days(mine, run.source)
    raised = open_days(mine, run.source, raised_only=True)
    recorded = {(no, day) for no, days in run.days.items() for day in days} | labelled
    alerts &= recorded
    found = alerts & labelled
    home_of = {p.no: p.home_no for p in run.source.people}
    by_home: dict[int, list[int]] = {home: [0, 0, 0, 0] for home in sorted(set(home_of.values()))}
    for n, days in enumerate((found, labelled, alerts, recorded)):
        for person, _ in days:
            by_home[home_of[person]][n] += 1
    counts = np.array(list(by_home.values()), dtype=np.float64)
    hits, n_labels, n_alerts = len(found), len(labelled), len(alerts)
    return Score(
        type=kind, about=wanted, labelled=n_labels, found=hits,
        found_raised=len(raised & labelled), alert_days=n_alerts,
        by_home={h: (c[0], c[1], c[2], c[3]) for h, c in by_home.items()},
        recall=_share(hits, n_labels), recall_95=statistics.wilson(hits, n_labels),
        recall_95_homes=statistics.over_homes(counts[:, [0, 1]], statistics.ratio),
        precision=_share(hits, n_alerts), precision_95=statistics.wilson(hits, n_alerts),
        f1=_share(2 * hits, n_alerts + n_labels),
        f1_95=statistics.over_homes(counts[:, [0, 2, 1]], statistics.f1),
    )  # fmt: skip


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
