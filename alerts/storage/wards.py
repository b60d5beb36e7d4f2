"""Virtual wards in the database: census, admission, discharge, and the alerts that they ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import psycopg

from alerts import errors, model, routing, wards
from alerts.policies import responses
from alerts.storage.ledger import Ledger
from alerts.storage.routing import Router
from ingest.storage.pool import Connection, Pool, store_errors

_COLUMNS = (
    "e.no, e.person_no, e.ward, e.admitted_at, e.admitted_by, e.reason, e.expires_at,"
    " t.id AS team, e.discharged_at, e.discharged_by, e.outcome, e.follow_up_at"
)
_FROM = "FROM alerts.ward_episode e LEFT JOIN alerts.team t ON t.no = e.team_no"
_CENSUS = f"""
SELECT {_COLUMNS} {_FROM} WHERE (%(ward)s::text IS NULL OR e.ward = %(ward)s)
AND (%(person)s::bigint IS NULL OR e.person_no = %(person)s)
AND (%(all)s OR e.discharged_at IS NULL) ORDER BY e.expires_at, e.no LIMIT %(most)s
"""
_GET = f"SELECT {_COLUMNS} {_FROM} WHERE e.no = %s FOR UPDATE OF e"
_ADMIT = """
INSERT INTO alerts.ward_episode (person_no, ward, team_no, admitted_at, admitted_by, reason,
    expires_at)
VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING no
"""
_TEAM = "SELECT no FROM alerts.team WHERE id = %s"
_EXTEND = """
UPDATE alerts.ward_episode SET expires_at = %s, reason = %s, review_raised_at = NULL WHERE no = %s
"""
_DISCHARGE = """
UPDATE alerts.ward_episode SET discharged_at = %s, discharged_by = %s, outcome = %s,
    follow_up_at = %s WHERE no = %s
"""
_REVIEWS = f"""
SELECT {_COLUMNS} {_FROM} WHERE e.discharged_at IS NULL AND e.review_raised_at IS NULL
AND e.expires_at <= %s ORDER BY e.no LIMIT 100 FOR UPDATE OF e SKIP LOCKED
"""
_FOLLOW_UPS = f"""
SELECT {_COLUMNS} {_FROM} WHERE e.follow_up_raised_at IS NULL AND e.follow_up_at <= %s
ORDER BY e.no LIMIT 100 FOR UPDATE OF e SKIP LOCKED
"""
_REVIEWED = "UPDATE alerts.ward_episode SET review_raised_at = %s WHERE no = ANY(%s)"
_FOLLOWED = "UPDATE alerts.ward_episode SET follow_up_raised_at = %s WHERE no = ANY(%s)"
_MOST = 500


class Wards:
    """Episodes on virtual wards, through a pool that is shared with others."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def census(
        self, *, ward: str | None = None, person_no: int | None = None, over: bool = False
    ) -> list[wards.Episode]:
        """Return who is on a ward, the first to be looked at first; with ``over`` who was, too."""
        values = {"ward": ward, "person": person_no, "all": over, "most": _MOST}
        with store_errors(), self._pool.connection() as db:
            return [_episode(row) for row in db.execute(_CENSUS, values).fetchall()]

    def get(self, no: int) -> wards.Episode | None:
        """Return one episode."""
        with store_errors(), self._pool.connection() as db:
            row = db.execute(_GET, [no]).fetchone()
        return None if row is None else _episode(row)

    def admit(self, episode: wards.Episode) -> wards.Episode:
        """Begin an episode.

        Raises
        ------
        WardRefusedError
            The person is on a ward already, there is no such team, or its end makes no sense.
        """
        _refuse(wards.admission(episode))
        e = episode
        with store_errors(), self._pool.connection() as db, db.transaction():
            team = db.execute(_TEAM, [e.team]).fetchone() if e.team else None
            _refuse("there is no such team" if e.team and team is None else None)
            values = [e.person_no, e.ward.strip(), team and team[0], e.admitted_at, e.admitted_by,
                      e.reason.strip(), e.expires_at]  # fmt: skip
            try:
                row = db.execute(_ADMIT, values).fetchone()
            except psycopg.errors.UniqueViolation:
                raise errors.WardRefusedError(reason="the person is on a ward already") from None
        assert row is not None  # noqa: S101  (an insert returns its row)
        return replace(episode, no=int(row[0]))

    def extend(self, no: int, *, until: datetime, reason: str, now: datetime) -> wards.Episode:
        """Go on until then; before that it is asked anew.

        Raises
        ------
        UnknownEpisodeError, WardRefusedError
        """

        def change(db: Connection, episode: wards.Episode) -> None:
            _refuse(wards.extension(episode, until=until, reason=reason, now=now))
            db.execute(_EXTEND, [until, f"{episode.reason}; {reason.strip()}", no])

        return self._change(no, change)

    def discharge(
        self, no: int, *, by: str, outcome: wards.Outcome, follow_up_at: datetime | None,
        now: datetime,
    ) -> wards.Episode:  # fmt: skip
        """End an episode and say what came of it.

        Raises
        ------
        UnknownEpisodeError, WardRefusedError
        """

        def change(db: Connection, episode: wards.Episode) -> None:
            _refuse(wards.discharge(episode, follow_up_at=follow_up_at, now=now))
            db.execute(_DISCHARGE, [now, by, outcome, follow_up_at, no])

        return self._change(no, change)

    def tick(
        self, *, router: Router, now: datetime, answers: responses.Responses | None = None
    ) -> int:
        """Ask for what is to be looked at, each once; return how much."""
        asked = 0
        with store_errors(), self._pool.connection() as db:
            for query, before, mark, word in (
                (_REVIEWS, now + wards.REVIEW_BEFORE, _REVIEWED, wards.review),
                (_FOLLOW_UPS, now, _FOLLOWED, wards.follow_up),
            ):
                while True:
                    with db.transaction():
                        found = [_episode(r) for r in db.execute(query, [before]).fetchall()]
                        if not found:
                            break
                        db.execute(mark, [now, [e.no for e in found]])
                        ledger = Ledger(db, answers)
                        _ask(db, ledger, router, [(e, word(e)) for e in found], now)
                    asked += len(found)
        return asked

    def _change(
        self, no: int, change: Callable[[Connection, wards.Episode], None]
    ) -> wards.Episode:
        with store_errors(), self._pool.connection() as db, db.transaction():
            row = db.execute(_GET, [no]).fetchone()
            if row is None:
                raise errors.UnknownEpisodeError(no=no)
            change(db, _episode(row))
            after = db.execute(_GET, [no]).fetchone()
        assert after is not None  # noqa: S101  (it is locked)
        return _episode(after)


def _ask(
    db: Connection, ledger: Ledger, router: Router,
    asked: list[tuple[wards.Episode, wards.Asked]], now: datetime,
) -> None:  # fmt: skip
    """Raise an alert for each thing that is asked, unless one is open."""
    ledger.lock(_key(episode, one) for episode, one in asked)
    for episode, one in asked:
        if ledger.open(_key(episode, one)) is not None:
            continue
        request = routing.Request(
            alert_class=model.AlertClass.REFERRAL, severity=model.Severity.INFORMATION,
            kind=model.TeamKind.COMMUNITY_MATRON, source=model.Source.SYSTEM, rule_id="ward",
            now=now, person_no=episode.person_no,
        )  # fmt: skip
        routed = router.route(db, request)
        alert = model.Alert(
            no=0, episode=_key(episode, one), source=request.source, rule_id=request.rule_id,
            rule_version="1", severity=request.severity, title=one.title, reason=one.reason,
            evidence=(), person_no=episode.person_no, dwelling_no=None, device_no=None, site=None,
            raised_at=now, reading_at=None, late=False, state=model.State.OPEN,
            condition=model.Condition.ACTIVE, team_no=routed.team.no,
            routed_because=routed.because, alert_class=request.alert_class,
            response=routed.response,
        )  # fmt: skip
        ledger.open_new(alert, now=now, detail={"routing": routed.detail()})
    ledger.write()


def _key(episode: wards.Episode, asked: wards.Asked) -> str:
    return f"ward:{episode.no}/{asked.key}"


def _episode(row: tuple[Any, ...]) -> wards.Episode:
    (no, person_no, ward, admitted_at, admitted_by, reason, expires_at, team, discharged_at,
     discharged_by, outcome, follow_up_at) = row  # fmt: skip
    return wards.Episode(
        no=no, person_no=person_no, ward=ward, admitted_at=admitted_at, admitted_by=admitted_by,
        reason=reason, expires_at=expires_at, team=team, discharged_at=discharged_at,
        discharged_by=discharged_by, outcome=outcome, follow_up_at=follow_up_at,
    )  # fmt: skip


def _refuse(wrong: str | None) -> None:
    if wrong is not None:
        raise errors.WardRefusedError(reason=wrong)
