"""Who is told: a pure, total choice of one team, with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from alerts.model import Team, TeamKind

DEFAULT_TEAM_ID = "hub-default"
"""The built-in team that takes what nobody else takes; it exists before anything is routed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """A team and why it."""

    team: Team
    because: str


def route(kind: TeamKind, area_no: int | None, teams: Sequence[Team], default: Team) -> Routed:
    """Return the team of a kind for an area; there is always one.

    In order: the area's own, one that serves every area, any of the kind, the telecare operator
    in the same order, the built-in team. Of several alike the oldest, so that the answer doesn't
    depend on chance.
    """
    words = kind.replace("_", " ")
    for team, because in (
        (_first(teams, kind, area_no), f"{words} team of the area"),
        (_first(teams, kind, None), f"{words} team that serves every area"),
        (_any(teams, kind), f"no {words} team serves this area: another area's"),
    ):
        if team is not None:
            return Routed(team=team, because=because)
    operator = (
        _first(teams, TeamKind.TELECARE_OPERATOR, area_no)
        or _first(teams, TeamKind.TELECARE_OPERATOR, None)
        or _any(teams, TeamKind.TELECARE_OPERATOR)
    )
    if operator is not None:
        return Routed(team=operator, because=f"there is no {words} team: telecare operator")
    return Routed(team=default, because=f"there is no {words} team and no telecare operator")


def _first(teams: Sequence[Team], kind: TeamKind, area_no: int | None) -> Team | None:
    fit = (t for t in teams if t.kind == kind and t.area_no == area_no)
    return min(fit, key=lambda t: t.no, default=None)


def _any(teams: Sequence[Team], kind: TeamKind) -> Team | None:
    return min((t for t in teams if t.kind == kind), key=lambda t: t.no, default=None)
