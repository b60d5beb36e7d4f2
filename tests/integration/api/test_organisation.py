"""Teams with hours and members, rotas with swaps, and the policies in force, over the API."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.integration.api import served

pytestmark = pytest.mark.service

TEAM: dict[str, Any] = {
    "id": "night",
    "name": "Night",
    "kind": "out_of_hours",
    "area": "north",
    "classes": ["clinical", "telecare"],
    "severities": ["emergency", "urgent"],
    "hours": [{"days": ["mon", "holiday"], "from": "22:00", "to": "08:00"}],
    "holidays": "GB-ENG",
    "fallback": "district-nursing-north",
    "capacity": 12,
    "professions": ["nurse"],
    "members": [{"name": "Ann"}, {"name": "Ben", "account": "ben", "rank": 2}],
}


def team(client: httpx.Client, id_: str = "night") -> dict[str, Any]:
    (found,) = [t for t in client.get("/api/v1/teams").json()["items"] if t["id"] == id_]
    return dict(found)


def test_a_team_comes_back_as_it_was_given(admin: httpx.Client) -> None:
    made = admin.post("/api/v1/teams", json=TEAM)
    assert made.status_code == 201, made.text
    assert team(admin) == made.json()
    given = {key: made.json()[key] for key in TEAM if key != "members"}
    assert given == {key: value for key, value in TEAM.items() if key != "members"}
    assert [(m["name"], m["account"], m["rank"]) for m in made.json()["members"]] == [
        ("Ann", None, 1),
        ("Ben", "ben", 2),
    ]


def test_members_that_are_not_said_stay_and_said_ones_are_all(admin: httpx.Client) -> None:
    admin.post("/api/v1/teams", json=TEAM).raise_for_status()
    without = {key: value for key, value in TEAM.items() if key != "members"}
    admin.put("/api/v1/teams/night", json=without | {"hours": []}).raise_for_status()
    assert team(admin)["hours"] == []
    assert [m["name"] for m in team(admin)["members"]] == ["Ann", "Ben"]
    admin.put("/api/v1/teams/night", json=TEAM | {"members": [{"name": "Zoe"}]}).raise_for_status()
    assert [m["name"] for m in team(admin)["members"]] == ["Zoe"]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"hours": [{"days": ["fun"], "from": "08:00", "to": "09:00"}]}, 422),
        ({"hours": [{"days": ["mon"], "from": "24:00", "to": "09:00"}]}, 422),
        ({"hours": [{"days": [], "from": "08:00", "to": "09:00"}]}, 422),
        ({"timezone": "Europe/Londn"}, 422),
        ({"holidays": "GB"}, 422),
        ({"classes": ["clinic"]}, 422),
        ({"fallback": "nobody"}, 400),
        ({"site": "nowhere"}, 400),
        ({"members": [{"name": "Ann"}, {"name": "Ann"}]}, 400),
    ],
)
def test_a_team_that_makes_no_sense_is_refused(
    admin: httpx.Client, change: dict[str, Any], status: int
) -> None:
    assert admin.post("/api/v1/teams", json=TEAM | change).status_code == status
    assert "night" not in [t["id"] for t in admin.get("/api/v1/teams").json()["items"]]


SHIFT = {
    "team": "night", "member": "Ann", "from": "2026-07-22T22:00:00Z", "to": "2026-07-23T06:00:00Z",
}  # fmt: skip


def test_shifts_are_added_swapped_changed_and_removed(
    admin: httpx.Client, nurse: httpx.Client
) -> None:
    admin.post("/api/v1/teams", json=TEAM).raise_for_status()
    first = admin.post("/api/v1/rotas", json=SHIFT)
    assert first.status_code == 201, first.text
    assert first.json()["duty"] == "duty"
    assert admin.post("/api/v1/rotas", json=SHIFT).status_code == 409
    swap = SHIFT | {"member": "Ben", "instead_of": first.json()["id"]}
    second = admin.post("/api/v1/rotas", json=swap).json()
    assert second["instead_of"] == first.json()["id"]
    longer = swap | {"to": "2026-07-23T07:00:00Z"}
    changed = admin.put(f"/api/v1/rotas/{second['id']}", json=longer)
    assert changed.json()["to"] == "2026-07-23T07:00:00.000Z"
    assert nurse.get("/api/v1/rotas", params={"team": "night"}).json()["items"] == [
        first.json(), changed.json(),
    ]  # fmt: skip
    after = {"team": "night", "from": "2026-07-23T06:30:00Z", "to": "2026-07-24T00:00:00Z"}
    assert nurse.get("/api/v1/rotas", params=after).json()["items"] == [changed.json()]
    assert admin.delete(f"/api/v1/rotas/{second['id']}").status_code == 204
    assert len(nurse.get("/api/v1/rotas").json()["items"]) == 1


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"member": "Zoe"}, 400),
        ({"team": "nobody"}, 400),
        ({"instead_of": "shift_99"}, 400),
        ({"instead_of": "person_1"}, 404),
        ({"to": "2026-07-22T22:00:00Z"}, 422),
        ({"to": "2026-07-22T23:00:00"}, 422),
        ({"duty": "holiday"}, 422),
    ],
)
def test_a_shift_that_makes_no_sense_is_refused(
    admin: httpx.Client, change: dict[str, Any], status: int
) -> None:
    admin.post("/api/v1/teams", json=TEAM).raise_for_status()
    assert admin.post("/api/v1/rotas", json=SHIFT | change).status_code == status
    assert admin.put("/api/v1/rotas/shift_99", json=SHIFT).status_code == 404


def test_rotas_are_changed_by_who_may_change_teams(hub: served.Served, nurse: httpx.Client) -> None:
    assert nurse.post("/api/v1/rotas", json=SHIFT).status_code == 403
    assert nurse.delete("/api/v1/rotas/shift_1").status_code == 403


def test_the_policies_in_force_are_shown_with_version_and_source(nurse: httpx.Client) -> None:
    found = {p["id"]: p for p in nurse.get("/api/v1/policies").json()["items"]}
    assert {"routing", "responses"} <= set(found)
    for policy in found.values():
        assert policy["version"]
        assert policy["review_by"]
        assert f'version = "{policy["version"]}"' in policy["text"]
    assert nurse.post("/api/v1/policies", json={}).status_code == 501
