"""The rules core: a batch of readings applied to the state and judged, with array operations.

The only loops are over moments (rows of one person at different times are judged one after
another, everybody's n-th moment at once) and over what is found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alerts import model
from alerts.rules import early_warning
from alerts.rules.early_warning import BoolArray, FloatArray, IntArray
from alerts.windows import Columns, Latest, judged
from ingest.kernel import vitals
from ingest.kernel.observation import Rows

_SOON = model.Severity.SOON.rank


@dataclass(frozen=True, slots=True, kw_only=True)
class Ages:
    """How old readings may be for what, and how often an open alert is renewed. [s]"""

    latest: float
    live: float
    refresh: float


@dataclass(frozen=True, slots=True)
class _Batch:
    """The judged rows of a batch in the order of person, time and quantity."""

    slot: IntArray
    column: IntArray
    time: FloatArray
    value: FloatArray
    moment: IntArray  # how many different times of the same person come before


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the score of each of n people rests on."""

    slot: IntArray
    time: FloatArray
    values: FloatArray
    times: FloatArray  # NaN: said by the register, not by a reading
    scores: early_warning.Scores
    rank: IntArray
    bits: IntArray
    late: BoolArray


def on_data(state: Latest, rows: Rows, *, now: float, ages: Ages) -> list[model.Finding]:
    """Apply a batch to the state and return what its rules found, oldest moment first.

    The order of rows within the batch doesn't matter. A row older than what is known judges its
    own moment against the limits and never replaces the latest value. The state remembers what
    it has told, so that only news comes out; the caller forgets the state if it can't store it.
    """
    batch = _ordered(state, rows)
    if batch is None:
        return []
    found: list[model.Finding] = []
    last = int(batch.moment.max())
    if last == 0:
        return list(_moment(state, batch, slice(None), now, ages))
    by_moment = np.argsort(batch.moment, kind="stable")
    cuts = np.searchsorted(batch.moment[by_moment], np.arange(last + 2))
    for n in range(last + 1):
        found.extend(_moment(state, batch, by_moment[cuts[n] : cuts[n + 1]], now, ages))
    return found


def _ordered(state: Latest, rows: Rows) -> _Batch | None:
    keep = np.flatnonzero(judged(rows))
    column = state.columns.index(rows["quantity"][keep].astype(np.int64))
    keep, column = keep[column >= 0], column[column >= 0]
    slot = state.slots(np.ascontiguousarray(rows["person"][keep]))
    keep, column, slot = keep[slot >= 0], column[slot >= 0], slot[slot >= 0]
    if not keep.size:
        return None
    time = np.ascontiguousarray(rows["time"][keep])
    value = np.ascontiguousarray(rows["value"][keep])
    # Two devices may measure the same at the same moment: value and device decide, not order.
    order = np.lexsort((rows["device"][keep], value, column, time, slot))
    slot, column, time, value = slot[order], column[order], time[order], value[order]
    new_person = np.r_[True, slot[1:] != slot[:-1]]
    new_time = new_person | np.r_[True, time[1:] != time[:-1]]
    nth = np.cumsum(new_time) - 1
    first = np.maximum.accumulate(np.where(new_person, nth, 0))
    return _Batch(slot, column, time, value, nth - first)


def _moment(
    state: Latest, batch: _Batch, at: slice | NDArray[np.intp], now: float, ages: Ages
) -> Iterator[model.Finding]:
    """Judge rows of which each person has one moment only."""
    slot, column = batch.slot[at], batch.column[at]
    time, value = batch.time[at], batch.value[at]
    newest = time >= state.time[slot, column]
    state.time[slot[newest], column[newest]] = time[newest]
    state.value[slot[newest], column[newest]] = value[newest]
    yield from _limits(state, slot, column, time, value, newest, now, ages)
    scored = newest & np.isin(column, state.columns.parts)
    if scored.any():
        people, where = np.unique(slot[scored], return_index=True)
        yield from _score(state, people, time[scored][where], now, ages)


def _limits(
    state: Latest,
    slot: IntArray,
    column: IntArray,
    time: FloatArray,
    value: FloatArray,
    newest: BoolArray,
    now: float,
    ages: Ages,
) -> Iterator[model.Finding]:
    c = state.columns
    limited = c.limit_of[column] >= 0
    slot, time, value, newest = slot[limited], time[limited], value[limited], newest[limited]
    rule = c.limit_of[column[limited]]
    low, high = state.low[slot, rule], state.high[slot, rule]
    with np.errstate(invalid="ignore"):
        outside = (value < low) | (value > high)
        inside = ~(value < low + c.margin[rule]) & ~(value > high - c.margin[rule])
    late = now - time > ages.live
    rank = np.where(outside, c.rank[1 + rule], 0)
    rank = np.where(late, np.minimum(rank, _SOON), rank)
    told, told_at = state.told[slot, 1 + rule], state.told_at[slot, 1 + rule]
    worse = rank > told
    renew = (rank > 0) & ~worse & newest & (now - told_at >= ages.refresh)
    clear = inside & newest & (told > 0)
    _remember(state, slot, 1 + rule, rank, worse, renew, clear, now)
    for n in np.flatnonzero(worse | renew | clear):
        yield _limit_finding(
            state, int(slot[n]), int(rule[n]), _outcome(worse[n], clear[n]), int(rank[n]),
            float(time[n]), float(value[n]), late=bool(late[n]),
        )  # fmt: skip
    over = np.flatnonzero(worse & ~newest)
    if over.size:
        yield from _already_over(state, slot[over], rule[over], now, ages)


def _already_over(
    state: Latest, slot: IntArray, rule: IntArray, now: float, ages: Ages
) -> Iterator[model.Finding]:
    """Clear what an overtaken reading raised, where the latest reading is back inside."""
    c = state.columns
    column = c.index(np.array([c.limits[r].quantity for r in rule]))
    time, value = state.time[slot, column], state.value[slot, column]
    low, high = state.low[slot, rule], state.high[slot, rule]
    inside = ~(value < low + c.margin[rule]) & ~(value > high - c.margin[rule])
    for n in np.flatnonzero(inside):
        state.told[slot[n], 1 + rule[n]] = 0
        yield _limit_finding(
            state, int(slot[n]), int(rule[n]), model.Outcome.CLEAR, 0, float(time[n]),
            float(value[n]), late=bool(now - time[n] > ages.live),
        )  # fmt: skip


def _limit_finding(
    state: Latest,
    slot: int,
    rule: int,
    outcome: model.Outcome,
    rank: int,
    time: float,
    value: float,
    *,
    late: bool,
) -> model.Finding:
    one = state.columns.limits[rule]
    low, high = float(state.low[slot, rule]), float(state.high[slot, rule])
    side = 0 if value < low else 1
    own = state.personal[slot, rule]
    return model.Finding(
        outcome=outcome,
        person_no=int(state.person[slot]),
        rule_id=one.id,
        rule_version=one.version,
        severity=model.BY_RANK[rank] if rank else one.severity,
        title=one.title,
        evidence=(model.Reading(quantity=one.quantity, value=value, time=time),),
        at=time,
        late=late,
        low=None if np.isnan(low) else low,
        high=None if np.isnan(high) else high,
        personal=bool(own[side] if rank else own.any()),
    )


def _score(
    state: Latest, slot: IntArray, time: FloatArray, now: float, ages: Ages
) -> Iterator[model.Finding]:
    fit = ~state.pregnant[slot] & (time >= state.adult_at[slot])
    slot, time = slot[fit], time[fit]
    if not slot.size:
        return
    c = state.columns
    values, times = _parts_at(state, slot, time, ages.latest)
    scores = early_warning.score(
        c.score.chart,
        {name: values[:, n] for n, name in enumerate(early_warning.PARTS)},
        state.scale2[slot],
    )
    ranks = np.array(
        [0, 0, c.score.severity_single.rank, c.score.severity_medium.rank, c.score.severity.rank]
    )
    rank = ranks[scores.level + 1]
    late = now - time > ages.live
    rank = np.where(late, np.minimum(rank, _SOON), rank)
    measured = ~np.isnan(scores.parts)
    bits = measured @ (1 << np.arange(measured.shape[1]))
    column = np.zeros(slot.size, dtype=np.int64)
    told, told_at = state.told[slot, 0], state.told_at[slot, 0]
    before = state.told_parts[slot]
    worse = rank > told
    renew = (rank > 0) & ~worse & (now - told_at >= ages.refresh)
    # Only a reading clears: every part the alert rested on must still be measured.
    clear = (rank == 0) & (told > 0) & ((bits & before) == before)
    _remember(state, slot, column, rank, worse, renew, clear, now)
    state.told_parts[slot] = np.where(worse | renew, bits, before)
    seen = _Seen(slot, time, values, times, scores, rank, bits, late)
    for n in np.flatnonzero(worse | renew | clear):
        yield _score_finding(state, seen, int(n), _outcome(worse[n], clear[n]))


def _parts_at(
    state: Latest, slot: IntArray, time: FloatArray, age: float
) -> tuple[FloatArray, FloatArray]:
    """Return the values that count at each person's moment, and when they were measured."""
    c: Columns = state.columns
    times = state.time[slot[:, None], c.parts]
    values = state.value[slot[:, None], c.parts]
    values = np.where(time[:, None] - times <= age, values, np.nan)
    # Whether oxygen is given is known from the register where no device says it.
    n = early_warning.PARTS.index("on_oxygen")
    unsaid = np.isnan(values[:, n])
    values[:, n] = np.where(unsaid, state.oxygen[slot], values[:, n])
    times[:, n] = np.where(unsaid, np.nan, times[:, n])
    return values, times


def _score_finding(state: Latest, seen: _Seen, n: int, outcome: model.Outcome) -> model.Finding:
    rule, scores, rank = state.columns.score, seen.scores, int(seen.rank[n])
    evidence = tuple(
        model.Reading(
            quantity=vitals.BY_NAME[name].no,
            value=float(seen.values[n, p]),
            time=float(seen.times[n, p]),
            points=int(scores.parts[n, p]),
        )
        for p, name in enumerate(early_warning.PARTS)
        if np.isfinite(seen.times[n, p]) or scores.parts[n, p] > 0
        if not np.isnan(seen.values[n, p])
    )
    return model.Finding(
        outcome=outcome,
        person_no=int(state.person[seen.slot[n]]),
        rule_id=rule.id,
        rule_version=rule.version,
        severity=model.BY_RANK[rank] if rank else rule.severity_single,
        title=rule.title,
        evidence=evidence,
        at=float(seen.time[n]),
        late=bool(seen.late[n]),
        score=int(scores.total[n]),
        partial=bool(scores.partial[n]),
        level=early_warning.LEVELS[int(scores.level[n])],
        measured=int(seen.bits[n]),
    )


def _remember(
    state: Latest,
    slot: IntArray,
    column: IntArray,
    rank: IntArray,
    worse: BoolArray,
    renew: BoolArray,
    clear: BoolArray,
    now: float,
) -> None:
    state.told[slot[worse], column[worse]] = rank[worse]
    state.told[slot[clear], column[clear]] = 0
    news = worse | renew | clear
    state.told_at[slot[news], column[news]] = now


def _outcome(worse: np.bool_, clear: np.bool_) -> model.Outcome:
    if worse:
        return model.Outcome.RAISE
    return model.Outcome.CLEAR if clear else model.Outcome.REFRESH
