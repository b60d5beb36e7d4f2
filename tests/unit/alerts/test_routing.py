"""Routing is total, deterministic, and says why."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts import routing
from alerts.model import Team, TeamKind

DEFAULT = Team(no=999, id=routing.DEFAULT_TEAM_ID, name="Hub", kind="hub")
KINDS = [str(k) for k in TeamKind]


def team(no: int, kind: str, area_no: int | None = None) -> Team:
    return Team(no=no, id=f"t{no}", name=f"T{no}", kind=kind, area_no=area_no)


TREE = [
    team(1, "district_nursing", 10),
    team(2, "district_nursing", 10),
    team(3, "district_nursing"),
    team(4, "telecare_operator"),
    team(5, "equipment", 20),
]


@pytest.mark.parametrize(
    ("kind", "area", "teams", "wanted", "because"),
    [
        (TeamKind.DISTRICT_NURSING, 10, TREE, 1, "team of the area"),
        (TeamKind.DISTRICT_NURSING, 20, TREE, 3, "serves every area"),
        (TeamKind.DISTRICT_NURSING, None, TREE, 3, "team"),
        (TeamKind.EQUIPMENT, 10, TREE, 5, "no equipment team serves this area"),
        (TeamKind.RAPID_RESPONSE, 10, TREE, 4, "there is no rapid response team"),
        (TeamKind.RAPID_RESPONSE, 10, [], 999, "no telecare operator"),
        (TeamKind.DISTRICT_NURSING, 10, [TREE[4]], 999, "no telecare operator"),
    ],
)
def test_an_alert_goes_to_the_nearest_team_of_its_kind(
    kind: TeamKind, area: int | None, teams: list[Team], wanted: int, because: str
) -> None:
    routed = routing.route(kind, area, teams, DEFAULT)
    assert routed.team.no == wanted
    assert because in routed.because


teams = st.lists(
    st.builds(team, st.integers(1, 50), st.sampled_from(KINDS), st.none() | st.integers(1, 4)),
    unique_by=lambda t: t.no,
)


@given(st.sampled_from(list(TeamKind)), st.none() | st.integers(1, 5), teams, st.randoms())
def test_every_alert_reaches_somebody_and_the_order_of_teams_does_not_matter(
    kind: TeamKind, area: int | None, found: list[Team], chance: object
) -> None:
    routed = routing.route(kind, area, found, DEFAULT)
    assert routed.team in [*found, DEFAULT]
    assert routed.because
    shuffled = sorted(found, key=lambda t: (t.no * 7919) % 101)
    assert routing.route(kind, area, shuffled, DEFAULT) == routed
