"""The teams, as routing needs them; the built-in one is made where nobody else would be found."""

from __future__ import annotations

from typing import Any

import psycopg

from alerts import model, routing

_TEAMS = "SELECT no, id, name, kind, area_no, phone FROM alerts.team ORDER BY no"
_DEFAULT = """
INSERT INTO alerts.team (id, name, kind) VALUES (%s, 'Hub (nobody else is set up)', 'hub')
ON CONFLICT (id) DO NOTHING
"""


class Teams:
    """A copy of the teams that is renewed when it is old or after `forget`."""

    def __init__(self, *, age_s: float) -> None:
        self._age_s = age_s
        self._read_at = float("-inf")
        self._teams: list[model.Team] = []
        self._default: model.Team | None = None

    def forget(self) -> None:
        """Read again at the next need."""
        self._read_at = float("-inf")

    def route(
        self,
        db: psycopg.Connection[Any],
        kind: model.TeamKind,
        area_no: int | None,
        *,
        monotonic: float,
    ) -> routing.Routed:
        """Return who takes it; reads the teams in the caller's transaction when they are old."""
        if monotonic - self._read_at > self._age_s or self._default is None:
            self._default = self._load(db)
            self._read_at = monotonic
        return routing.route(kind, area_no, self._teams, self._default)

    def _load(self, db: psycopg.Connection[Any]) -> model.Team:
        default = self._fetch(db)
        if default is None:
            db.execute(_DEFAULT, [routing.DEFAULT_TEAM_ID])
            default = self._fetch(db)
        assert default is not None  # noqa: S101  (just made)
        return default

    def _fetch(self, db: psycopg.Connection[Any]) -> model.Team | None:
        found = [
            model.Team(no=no, id=id_, name=name, kind=kind, area_no=area, phone=phone)
            for no, id_, name, kind, area, phone in db.execute(_TEAMS).fetchall()
        ]
        self._teams = [t for t in found if t.id != routing.DEFAULT_TEAM_ID]
        return next((t for t in found if t.id == routing.DEFAULT_TEAM_ID), None)
