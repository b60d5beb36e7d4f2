"""Virtual wards: what may be done to an episode, and what it asks people to look at when. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

LONGEST: Final = timedelta(weeks=6)
"""The longest that an episode is planned for at once: "up to six weeks", as services say."""
REVIEW_BEFORE: Final = timedelta(days=2)
"""How long before its end somebody is asked whether it goes on. Unsourced."""
LATEST_FOLLOW_UP: Final = timedelta(days=180)
"""How far ahead a follow-up may lie. Unsourced."""

Outcome = Literal["recovered", "other_service", "care_home", "hospital", "died", "left", "other"]
"""What came of an episode; unsourced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One person's time on a ward."""

    no: int  # 0 until it is stored
    person_no: int
    ward: str
    admitted_at: datetime
    admitted_by: str
    reason: str
    expires_at: datetime
    team: str | None = None  # the id of who takes the person's alerts
    discharged_at: datetime | None = None
    discharged_by: str | None = None
    outcome: str | None = None
    follow_up_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What an episode asks people to look at."""

    key: str  # of the alert's episode, after the ward episode's own
    title: str
    reason: str


def admission(episode: Episode) -> str | None:
    """Return what is wrong with a new episode, None where nothing is."""
    if not episode.ward.strip() or not episode.reason.strip():
        return "a ward and a reason have to be named"
    return _end(episode.expires_at, episode.admitted_at)


def extension(episode: Episode, *, until: datetime, reason: str, now: datetime) -> str | None:
    """Return what is wrong with going on until then, None where nothing is."""
    if episode.discharged_at is not None:
        return "it is over"
    if not reason.strip():
        return "going on needs a reason"
    return _end(until, now)


def discharge(episode: Episode, *, follow_up_at: datetime | None, now: datetime) -> str | None:
    """Return what is wrong with a discharge, None where nothing is."""
    if episode.discharged_at is not None:
        return "it is over"
    if follow_up_at is not None and not now < follow_up_at <= now + LATEST_FOLLOW_UP:
        return f"a follow-up lies ahead, by {LATEST_FOLLOW_UP.days} days at most"
    return None


def review(episode: Episode) -> Asked:
    """Return what is asked before an episode ends."""
    return Asked(
        key=f"review/{episode.expires_at:%Y-%m-%d}",
        title="Virtual ward: does it go on?",
        reason=f"On the ward {episode.ward} since {episode.admitted_at:%d %B %Y}, planned until"
        f" {episode.expires_at:%d %B %Y}. It goes on until somebody discharges.",
    )


def follow_up(episode: Episode) -> Asked:
    """Return what is asked after a discharge."""
    left = f"{episode.discharged_at:%d %B %Y}" if episode.discharged_at else "an unknown day"
    return Asked(
        key="follow-up",
        title="Follow-up after a virtual ward",
        reason=f"Left the ward {episode.ward} on {left} ({episode.outcome}).",
    )


def _end(until: datetime, now: datetime) -> str | None:
    if until <= now:
        return "its end lies in the past"
    if until > now + LONGEST:
        return f"it is planned for {LONGEST.days} days at most; then it is looked at again"
    return None
