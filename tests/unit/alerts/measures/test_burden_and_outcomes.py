"""Burden and outcomes, worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.measures import burden, grouping, outcomes
from alerts.measures.burden import DECISIONS, PERSON_DAYS
from tests.unit.alerts.measures.told import DAY, RULES, alert, as_dicts, record


def days(*rows: tuple[int, int, int, int]) -> Any:
    """Return person-days: day from the first, practice, site, people."""
    return np.array([(DAY + d, p, s, 1, n) for d, p, s, n in rows], dtype=PERSON_DAYS)


NO_DECISIONS = np.empty(0, dtype=DECISIONS)


def test_the_burden_of_a_rule_is_told_per_thousand_person_days() -> None:
    kept = record(
        alert(("acknowledged", 5.0), ("closed", 9.0), disposition="false_alarm"),
        alert(("pressed_again", 3.0), ("pressed_again", 6.0), ("cancelled", 7.0),
              ("acknowledged", 9.0), ("closed", 20.0), disposition="no_further_action", pages=3),
        alert(("told", 1.0), ("told", 2.0), ("lapsed", 3.0), rule="sos", pages=2),
        alert(("acknowledged", 2.0), ("cleared", 5.0), rule="sos"),
    )  # fmt: skip
    table = burden.table(kept, days((0, 1, 1, 300), (1, 2, 2, 200)), NO_DECISIONS, by=None)
    total, falls, sos = as_dicts(table)
    assert (total["rule"], total["alerts"], total["person_days"]) == ("all", 4, 500)
    assert total["per_1000_person_days"] == 8.0
    assert (falls["rule"], falls["closed"], falls["false_alarms"], falls["no_action"]) == (
        "fall", 2, 1, 1)  # fmt: skip
    assert (falls["override_share"], falls["pressed_again"], falls["over_unseen"]) == (1.0, 2, 1)
    assert falls["pages_per_alert"] == 2.0
    assert (sos["rule"], sos["over_unseen"], sos["lapsed"], sos["told_per_alert"]) == (
        "sos", 0, 1, 1.0)  # fmt: skip
    assert sos["override_share"] is None


def test_what_cleared_in_the_moment_it_was_answered_was_seen() -> None:
    kept = record(alert(("acknowledged", 5.0), ("cleared", 5.0)), alert(("cleared", 5.0)))
    total, *_ = as_dicts(burden.table(kept, days(), NO_DECISIONS, by=None))
    assert (total["over_unseen"], total["per_1000_person_days"]) == (1, None)


def test_a_site_is_held_against_its_own_person_days_and_a_team_against_all() -> None:
    kept = record(alert(site=1, team=1), alert(site=2, team=1), alert(site=2, team=2))
    heard = days((0, 1, 1, 100), (0, 1, 2, 400))
    by_site = {r["site"]: r for r in as_dicts(burden.table(kept, heard, NO_DECISIONS, by="site"))
               if r["rule"] == "all"}  # fmt: skip
    assert {n: r["person_days"] for n, r in by_site.items()} == {"elm": 100, "oak": 400, "all": 500}
    assert by_site["oak"]["per_1000_person_days"] == 5.0
    by_team = as_dicts(burden.table(kept, heard, NO_DECISIONS, by="team"))
    assert {r["person_days"] for r in by_team} == {500}


def test_decisions_that_paged_nobody_stand_beside_also_where_nothing_was_raised() -> None:
    decided = np.array(
        [(1, RULES.index("sos"), 3, DAY, 1, 2, 1, 7), (0, RULES.index("fall"), 4, DAY, 1, 1, 1, 2)],
        dtype=DECISIONS,
    )
    table = burden.table(record(alert(site=1)), days(), decided, by="site")
    said = {(r["site"], r["rule"]): (r["alerts"], r["held_back"], r["in_shadow"])
            for r in as_dicts(table)}  # fmt: skip
    assert said == {
        ("elm", "all"): (1, 2, 0), ("elm", "fall"): (1, 2, 0), ("oak", "all"): (0, 0, 7),
        ("oak", "sos"): (0, 0, 7), ("all", "all"): (1, 2, 7), ("all", "fall"): (1, 2, 0),
        ("all", "sos"): (0, 0, 7),
    }  # fmt: skip


def test_months_are_those_of_the_local_day() -> None:
    kept = record(alert(day=30), alert(day=31), alert(day=58), alert(day=59))
    table = burden.table(kept, days((30, 1, 1, 10), (31, 1, 1, 5)), NO_DECISIONS, by="month")
    said = {r["month"]: (r["alerts"], r["person_days"]) for r in as_dicts(table)
            if r["rule"] == "all"}  # fmt: skip
    assert said == {"2026-01": (1, 10), "2026-02": (2, 5), "2026-03": (1, 0), "all": (4, 15)}


def test_falls_are_counted_by_what_they_were_and_held_against_the_baseline() -> None:
    def at(site: int, *dispositions: str | None, rule: str = "fall") -> list[dict[str, Any]]:
        return [alert(("closed", 9.0), site=site, rule=rule, disposition=d) for d in dispositions]

    now = record(
        *at(1, "fall_injury", "fall_no_injury", "not_a_fall", "false_alarm"),
        *at(1, "fall_conveyed", "advice", rule="sos"), alert(site=1),
    )  # fmt: skip
    then = record(*at(1, *["fall_injury"] * 8), *at(2, "fall_injury"))
    table = outcomes.table(
        outcomes.Period(record=now, person_days=days((0, 1, 1, 1_000), (0, 1, 2, 500))),
        outcomes.Period(record=then, person_days=days((0, 1, 1, 1_000), (0, 1, 2, 250))),
        by="site",
    )
    elm, oak, total = as_dicts(table)
    assert (elm["site"], elm["falls"], elm["baseline_falls"]) == ("elm", 4, 8)
    assert (elm["falls_per_1000_person_days"], elm["falls_change"]) == (4.0, -0.5)
    assert (oak["site"], oak["falls"], oak["person_days"], oak["falls_change"]) == (
        "oak", 0, 500, -1.0)  # fmt: skip
    assert (total["falls"], total["baseline_falls"], total["baseline_person_days"]) == (4, 9, 1_250)
    assert elm["hospital_conveyed"] == 1


def test_who_was_attended_and_stayed_at_home_is_told_beside_who_was_conveyed() -> None:
    came = (("dispatched", 5.0), ("arrived", 9.0), ("closed", 99.0))
    kept = record(
        alert(*came, disposition="rapid_response", hospital="avoided"),
        alert(*came, disposition="fall_conveyed"), alert(*came, hospital="conveyed"),
        alert(("closed", 9.0), disposition="advice", hospital="avoided"),
    )  # fmt: skip
    (only,) = as_dicts(outcomes.table(
        outcomes.Period(record=kept, person_days=days()), None, by=None))  # fmt: skip
    assert (only["attended"], only["attended_stayed_home"], only["attended_conveyed"]) == (3, 1, 2)
    assert (only["stayed_home_share"], only["hospital_avoided_estimate"]) == (0.3333, 2)
    assert only["baseline_falls"] is None


@given(
    st.lists(
        st.builds(
            lambda **said: alert(("closed", 9.0), **said),
            site=st.integers(0, 2), practice=st.integers(0, 2), team=st.integers(0, 2),
            day=st.integers(0, 80), rule=st.sampled_from(RULES),
            severity=st.sampled_from(["emergency", "urgent", "soon"]),
            disposition=st.sampled_from(["advice", "fall_injury", "false_alarm", "gp"]),
            hospital=st.sampled_from([None, "avoided", "conveyed"]),
        ),
        max_size=15,
    ),
    st.sampled_from(grouping.BYS),
)  # fmt: skip
def test_groups_add_up_to_the_total(alerts: list[dict[str, Any]], by: grouping.By) -> None:
    kept, heard = record(*alerts), days((0, 1, 1, 3), (40, 2, 2, 4), (3, 0, 1, 5))
    tables = (
        outcomes.table(outcomes.Period(record=kept, person_days=heard), None, by=by),
        burden.table(kept, heard, NO_DECISIONS, by=by),
    )
    for table in tables:
        counts = [c.name for c in table.columns if c.kind == "count"
                  and not c.name.startswith("baseline")]  # fmt: skip
        rows = [r for r in as_dicts(table) if r.get("rule", "all") == "all"]
        for name in counts:
            groups = sum(r[name] for r in rows if r[by] != "all")
            assert groups == sum(r[name] for r in rows if r[by] == "all"), name
        if by not in ("team", "severity"):
            assert sum(r["person_days"] for r in rows if r[by] != "all") == 12
    closed = [r for r in as_dicts(tables[0]) if r[by] == "all"]
    parts = sum(closed[0][c.name] for c in tables[0].columns if c.part_of == "closed")
    assert parts == closed[0]["closed"]


@pytest.mark.parametrize("by", grouping.BYS)
def test_what_is_of_no_group_is_told_as_none_and_last(by: grouping.By) -> None:
    kept = record(alert(site=0, practice=0, team=0), alert())
    groups = grouping.of_alerts(kept, by)
    if by in ("site", "practice", "team"):
        assert groups.names[-1] == "none"
        assert groups.codes.tolist() == [1, 0]
