"""How fast people answered: each interval's count, median and 90th percentile, beside targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from alerts import model
from alerts.measures import grouping
from alerts.measures.grouping import By
from alerts.measures.record import BoolArray, FloatArray, IntArray, Moments, Record, moments
from alerts.measures.table import Cell, Column, Table
from alerts.policies.targets import MEASURES, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """One interval of each alert."""

    meant: BoolArray  # alerts it applies to, shape (n,)
    length: FloatArray  # [s], shape (n,); NaN: its end has not come
    waited: FloatArray  # how long it has lasted while its end can still come, NaN: it can't

    def take(self, rows: IntArray) -> Intervals:
        """Return that of some of the alerts."""
        return Intervals(meant=self.meant[rows], length=self.length[rows], waited=self.waited[rows])


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """How a target was met."""

    within: int
    decided: int  # those whose time is over, or that were within it
    share: float | None  # of the decided; None: none is
    met: bool | None


def intervals(record: Record, found: Moments, now: float) -> dict[str, Intervals]:
    """Work out all intervals of all alerts.

    Parameters
    ----------
    record, found
        The alerts and their moments.
    now : float
        Until when is looked at. [s, Unix]

    Returns
    -------
    dict
        By the names of :data:`alerts.policies.targets.MEASURES`.
    """
    everything = np.ones(len(record), dtype=np.bool_)
    open_ = np.isnan(found.closed)
    sent = ~np.isnan(found.dispatched)

    def one(meant: BoolArray, begin: FloatArray, end: FloatArray) -> Intervals:
        # A device's clock runs ahead, somebody is there before being sent: that took no time.
        # Sixty seconds are sixty: times of today are floats to a fifth of a microsecond.
        length = np.maximum(np.round(end - begin, 6), 0.0)
        waited = np.maximum(np.round(now - begin, 6), 0.0)
        waited = np.where(open_ & np.isnan(end), waited, np.nan)
        return Intervals(meant=meant, length=length, waited=waited)

    return {
        "reading_to_alert": one(~np.isnan(found.reading), found.reading, record.alerts["raised"]),
        "alert_to_answer": one(everything, found.start, found.answered),
        "alert_to_contact": one(everything, found.start, found.contacted),
        "sent_to_scene": one(sent, found.dispatched, found.arrived),
        "alert_to_scene": one(sent | ~np.isnan(found.arrived), found.start, found.arrived),
        "alert_to_close": one(everything, found.start, found.closed),
    }


def judge(target: Target, found: Intervals) -> Judged:
    """Hold a target against an interval of some alerts.

    What takes exactly as long as the target says is within it. What was never answered has
    missed it, once its time is over; before that it is undecided and in no share.
    """
    meant = found.meant
    within = meant & (found.length <= target.within_s)
    undecided = meant & (found.waited <= target.within_s)
    decided = int(np.sum(meant & ~undecided))
    hits = int(np.sum(within))
    if not decided:
        return Judged(within=hits, decided=0, share=None, met=None)
    share = hits / decided
    return Judged(within=hits, decided=decided, share=share, met=share >= target.share)


COLUMNS: Final = (
    Column(name="severity"), Column(name="measure"),
    Column(name="alerts", kind="count"), Column(name="reached", kind="count"),
    Column(name="waiting", kind="count"), Column(name="never", kind="count"),
    Column(name="p50", unit="s", kind="rate", of=("reached",)),
    Column(name="p90", unit="s", kind="rate", of=("reached",)),
    Column(name="target"), Column(name="target_within", unit="s"),
    Column(name="target_share", unit="1"), Column(name="within", kind="count"),
    Column(name="decided", kind="count"),
    Column(name="share", unit="1", kind="rate", of=("within", "decided")), Column(name="met"),
)  # fmt: skip
NOTES: Final = (
    "alert_to_answer, _contact, _scene and _close count from when the alert became as severe as it"
    " is; the first answer counts, also where nothing followed it.",
    "reached: the interval ended; waiting: it can still end; never: the alert was closed without"
    " it. Percentiles are of those reached, shares of those decided: what was not answered in time"
    " counts as missed.",
)  # fmt: skip


def table(record: Record, *, by: By | None, targets: Sequence[Target], now: float) -> Table:
    """Tell the response by group, severity and interval, a row for each target."""
    if by == "severity":
        by = None  # it is told by severity anyway
    found = intervals(record, moments(record), now)
    rows: list[tuple[Cell, ...]] = []
    for group, members in grouping.of_alerts(record, by).each():
        for severity in model.Severity:
            rows_of = members[record.alerts["severity"][members] == severity.rank]
            if not len(rows_of):
                continue
            for measure in MEASURES:
                mine = found[measure].take(rows_of)
                counted = _counted(mine)
                aims = [t for t in targets if t.measure == measure and severity in t.severities]
                rows.extend(
                    (*((group,) if by else ()), str(severity), measure, *counted,
                     *_held(t, mine))
                    for t in aims or (None,)
                )  # fmt: skip
    head = (Column(name=by),) if by else ()
    sources = tuple(f"{t.id}: {t.title}. {t.source}" for t in targets)
    return Table(columns=(*head, *COLUMNS), rows=rows, notes=(*NOTES, *sources))


def _counted(found: Intervals) -> tuple[Cell, ...]:
    meant = found.meant
    lengths = found.length[meant & ~np.isnan(found.length)]
    count, waiting = int(meant.sum()), int(np.sum(meant & ~np.isnan(found.waited)))
    p50, p90 = (
        (round(float(p), 1) for p in np.percentile(lengths, (50, 90))) if len(lengths)
        else (None, None)
    )  # fmt: skip
    return count, len(lengths), waiting, count - len(lengths) - waiting, p50, p90


def _held(target: Target | None, found: Intervals) -> tuple[Cell, ...]:
    if target is None:
        return (None,) * 7
    judged = judge(target, found)
    share = None if judged.share is None else round(judged.share, 4)
    met = None if judged.met is None else ("yes" if judged.met else "no")
    return (
        target.id, target.within_s, target.share, judged.within, judged.decided, share, met,
    )  # fmt: skip
