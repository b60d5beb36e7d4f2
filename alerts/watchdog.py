"""The hub watching itself and that devices are tested: pure decisions about facts of both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from alerts import coverage, ports, words

READINGS_LATE: Final = "hub.readings_late"
GATEWAY_SILENT: Final = "hub.gateway_silent"
TICK_MISSED: Final = "hub.tick_missed"
STEPS_OVERDUE: Final = "hub.steps_overdue"
BROKER_DROPPED: Final = "hub.broker_dropped"
DISK_LOW: Final = "hub.disk_low"
DATABASE_GROWING: Final = "hub.database_growing"
QUARANTINE_FILLING: Final = "hub.quarantine_filling"
NOBODY_ON_DUTY: Final = "hub.nobody_on_duty"
CLOCK_OFF: Final = "hub.clock_off"
CERTIFICATE_ENDING: Final = "hub.certificate_ending"
ROOTS_UNPUBLISHED: Final = "hub.roots_unpublished"
TEST_OVERDUE: Final = "equipment.test_overdue"

VITAL: Final = frozenset((READINGS_LATE, GATEWAY_SILENT, TICK_MISSED, STEPS_OVERDUE, DISK_LOW))
"""While one of these holds, somebody outside has to know: the hub may not be able to tell."""
_GIB = 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class Worn:
    """A device that calls for help, and who relies on it."""

    device_no: int
    person_no: int | None
    dwelling_no: int
    site: str
    tested: float  # the last press that came, or since when one is expected; Unix seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether one thing about the hub is as it should be, and why not."""

    rule_id: str
    bad: bool
    reason: str
    about: Worn | None = None  # None: about the hub itself
    team: str = ""  # which of several teams it is about
    title: str = ""  # its own, where the rule's doesn't say which


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From where on the hub has something to say about itself. All unsourced."""

    ticks_s: Mapping[str, float]  # by name: how old the last one may be
    steps_overdue_s: float
    quarantined_hour: int
    disk_free: int  # bytes
    grown_day: int  # bytes
    clock_off_s: float
    certificate: timedelta
    root_s: float


def judge(
    health: ports.Health, *, up_s: float, lag_limit_s: float, probe_limit_s: float
) -> Iterator[Verdict]:
    """Judge the hub; nothing is said while it may still be catching up after its start."""
    if up_s < max(lag_limit_s, probe_limit_s):
        return
    lag = max(health.readings_lag_s, health.alarms_lag_s)
    what = "alarms" if health.alarms_lag_s >= health.readings_lag_s else "readings"
    yield Verdict(
        rule_id=READINGS_LATE,
        bad=lag > lag_limit_s,
        reason=f"The oldest unjudged {what} have waited {words.span(lag)};"
        f" more than {words.span(lag_limit_s)} means that silence and deterioration go unseen."
        if lag > lag_limit_s
        else "The hub has caught up with what devices sent.",
    )
    if health.probe_age_s is None:
        return  # no gateway has ever been ready: there is nothing that has fallen silent
    age = health.probe_age_s
    yield Verdict(
        rule_id=GATEWAY_SILENT,
        bad=age > probe_limit_s,
        reason=f"The hub's own test message has not come back for {words.span(age)}:"
        " alarms from homes may not be arriving. Check the gateway and the broker."
        if age > probe_limit_s
        else "The hub hears its own test message again.",
    )


def judge_itself(
    facts: ports.Facts, limits: Limits, *, up_s: float, now: datetime
) -> Iterator[Verdict]:
    """Judge all that the hub knows of itself beside what it hears."""
    yield from _ticks(facts, limits, up_s)
    yield from _overdue(facts, limits, up_s)
    yield _said(
        BROKER_DROPPED,
        facts.broker_lost > 0,
        f"The broker gave up on {facts.broker_lost} messages within the last hour: readings or"
        " alarms of homes are lost. See whether a gateway runs for each slot, and the broker's"
        " limits.",
        "The broker has dropped nothing for an hour.",
    )
    yield _said(
        QUARANTINE_FILLING,
        facts.quarantined > limits.quarantined_hour,
        f"{facts.quarantined} messages that can't be taken came within the last hour. Their"
        " reasons are in the quarantine: a device that nobody registered, or one that changed.",
        "Few messages go to quarantine again.",
    )
    if facts.disk_free is not None:
        yield _said(
            DISK_LOW,
            facts.disk_free < limits.disk_free,
            f"{facts.disk_free / _GIB:.1f} GiB are free where the hub keeps its data. A full disk"
            " stops it from confirming anything: make room.",
            "There is room on the disk again.",
        )
    if facts.grown_day is not None:
        yield _said(
            DATABASE_GROWING,
            facts.grown_day > limits.grown_day,
            f"The database has grown by {facts.grown_day / _GIB:.1f} GiB within a day. See whether"
            " a device sends without end, and how long readings are kept.",
            "The database grows as it should again.",
        )
    ahead = "behind" if facts.clock_off_s > 0 else "ahead of"
    yield _said(
        CLOCK_OFF,
        abs(facts.clock_off_s) > limits.clock_off_s,
        f"The hub's clock is {abs(facts.clock_off_s):.1f} s {ahead} the database's: times of"
        " readings and of steps can't be trusted. Set both by NTP.",
        "The clocks of hub and database agree again.",
    )
    yield from _certificates(facts, limits, now)
    if facts.root_waits_s is not None:
        yield _said(
            ROOTS_UNPUBLISHED,
            facts.root_waits_s > limits.root_s,
            f"No root over the history of alerts was published for {words.span(facts.root_waits_s)}"
            ": changes to it since then could not be proved. See the log of the alerts role.",
            "Roots over the history are published again.",
        )


def judge_test(worn: Worn, *, every: timedelta, grace: timedelta, now: datetime) -> Verdict:
    """Judge whether a device has been tried lately: who presses it once a month knows it works."""
    age_s = now.timestamp() - worn.tested
    bad = age_s > (every + grace).total_seconds()
    return Verdict(
        rule_id=TEST_OVERDUE,
        bad=bad,
        about=worn,
        reason=f"No test call and no alarm has come from it for {words.span(age_s)}; a test is due"
        f" every {words.span(every.total_seconds())}. Put it into test mode and have it pressed."
        if bad
        else "It has been pressed again.",
    )


def _ticks(facts: ports.Facts, limits: Limits, up_s: float) -> Iterator[Verdict]:
    """Judge what has to run by the clock; what never ran has been due since the hub is up."""
    late = [
        (age, name)
        for name, limit in limits.ticks_s.items()
        if (age := min(facts.ticks_s.get(name, up_s), up_s)) > limit
    ]
    if up_s <= min(limits.ticks_s.values(), default=0.0):
        return
    age, name = max(late, default=(0.0, ""))
    yield _said(
        TICK_MISSED,
        bool(late),
        f"'{name}' has not run for {words.span(age)}. Nobody may be told of what waits: see"
        " whether the alerts role runs, and its log.",
        "All that works by the clock runs again.",
    )


def _overdue(facts: ports.Facts, limits: Limits, up_s: float) -> Iterator[Verdict]:
    """Judge steps that are due; after a start they are caught up first."""
    if up_s <= limits.steps_overdue_s:
        return
    yield _said(
        STEPS_OVERDUE,
        facts.steps_overdue > 0,
        f"{facts.steps_overdue} steps of alerts are overdue, the first for"
        f" {words.span(facts.overdue_s)}: somebody should have been told and was not. Look at the"
        " queue, and see the log of the alerts role.",
        "No step of an alert is overdue.",
    )


def _certificates(facts: ports.Facts, limits: Limits, now: datetime) -> Iterator[Verdict]:
    if not facts.certificates:
        return
    end, host = min((end, host) for host, end in facts.certificates.items())
    gone = "ended" if end <= now else "ends"
    yield _said(
        CERTIFICATE_ENDING,
        end - now < limits.certificate,
        f"The certificate of {host} {gone} on {end:%Y-%m-%d at %H:%M} UTC; then devices and"
        " people can't reach the hub any more. Renew it.",
        "Certificates are good for long again.",
    )


def judge_rotas(found: Iterable[coverage.Rota], *, now: datetime) -> Iterator[Verdict]:
    """Judge each team that has a rota: while it is open, somebody is on duty or on call."""
    for rota in found:
        missing = rota.missing(now, now + coverage.AHEAD)
        empty = bool(missing) and missing[0].start <= now
        until = f" Nobody is until {missing[0].end:%a %d %b %H:%M} UTC." if empty else ""
        yield Verdict(
            rule_id=NOBODY_ON_DUTY,
            bad=empty,
            reason=f"{rota.team.name} is open, and by its rota nobody is on duty or on call.{until}"
            " Its alerts wait in the queue; change the rota, or see that somebody looks."
            if empty
            else f"Somebody of {rota.team.name} is on duty or on call, or it is closed.",
            team=rota.team.id,
            title=f"Nobody is on duty: {rota.team.name}",
        )


def _said(rule_id: str, bad: bool, why: str, well: str) -> Verdict:
    return Verdict(rule_id=rule_id, bad=bad, reason=why if bad else well)
