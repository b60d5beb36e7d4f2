"""Rotas and places as stored: who is to be there when, and where alerts come from."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from alerts import coverage, routing
from alerts.organisation import rotas
from alerts.storage.routing import Router
from ingest.kernel.clock import Clock
from ingest.storage.pool import Connection, Pool, store_errors

_MEMBERS = """
SELECT m.no, m.team_no, m.name, m.account, m.profession, m.rank FROM alerts.member m
WHERE m.team_no = ANY(%s) ORDER BY m.rank, m.no
"""
_SHIFTS = """
SELECT s.team_no, s.no, s.member_no, s.starts, s.ends, s.duty, s.swapped_from FROM alerts.shift s
WHERE s.ends > %s AND s.starts < %s ORDER BY s.starts, s.no
"""
_PLACES = """
SELECT DISTINCT s.name, s.no, s.id, s.area_no, s.council_area_no, r.id, r.cluster
FROM ingest.site s LEFT JOIN ingest.home h ON h.site_no = s.no
LEFT JOIN ingest.person p ON p.home_no = h.no LEFT JOIN ingest.practice r ON r.no = p.practice_no
ORDER BY 1, 2, 6
"""
_AREAS = "SELECT no, name, kind FROM ingest.area ORDER BY name, no"


class Rotas:
    """Rotas through a pool that is shared with others."""

    def __init__(self, pool: Pool, *, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    def found(self) -> list[coverage.Rota]:
        """Return the rotas of the teams that have one around now."""
        now = self._clock.now()
        with store_errors(), self._pool.connection() as db, db.transaction():
            organisation = Router(age_s=0.0, clock=self._clock).organisation(db)
            return _rotas(db, organisation, now - coverage.AHEAD, now + coverage.AHEAD)

    def places(self) -> tuple[routing.Organisation, list[coverage.Place]]:
        """Return the organisation, and everywhere that alerts can come from."""
        with store_errors(), self._pool.connection() as db, db.transaction():
            organisation = Router(age_s=0.0, clock=self._clock).organisation(db)
            places = [
                coverage.Place(
                    name=f"{name}, practices of {cluster}" if cluster else name,
                    facts=routing.Facts(
                        site_no=no, site=id_, area_no=area, council_area_no=council,
                        practice=practice, cluster=cluster,
                    ),
                )
                for name, no, id_, area, council, practice, cluster in db.execute(_PLACES)
            ]  # fmt: skip
            for no, name, kind in db.execute(_AREAS).fetchall():
                facts = (
                    routing.Facts(council_area_no=no)
                    if kind == "council"
                    else routing.Facts(area_no=no)
                )
                places.append(coverage.Place(name=f"area {name}", facts=facts))
        places.append(coverage.Place(name="nowhere in particular", facts=routing.NOTHING_KNOWN))
        return organisation, places


def _rotas(
    db: Connection, organisation: routing.Organisation, since: datetime, until: datetime
) -> list[coverage.Rota]:
    shifts: dict[int, list[rotas.Shift]] = {}
    for team_no, no, member, starts, ends, duty, swapped in db.execute(_SHIFTS, [since, until]):
        one = rotas.Shift(
            no=no, member_no=member, starts=starts, ends=ends, duty=duty, swapped_from=swapped
        )
        shifts.setdefault(team_no, []).append(one)
    members: dict[int, list[rotas.Member]] = {}
    for row in db.execute(_MEMBERS, [sorted(shifts)]).fetchall():
        members.setdefault(row[1], []).append(_member(row))
    return [
        coverage.Rota(team=team, members=members.get(no, ()), shifts=shifts[no])
        for no in sorted(shifts)
        if (team := organisation.team(no)) is not None
        and any(s.duty != rotas.LEAVE for s in shifts[no])
    ]


def _member(row: tuple[Any, ...]) -> rotas.Member:
    no, team_no, name, account, profession, rank = row
    return rotas.Member(
        no=no, team_no=team_no, name=name, account=account, profession=profession, rank=rank
    )
