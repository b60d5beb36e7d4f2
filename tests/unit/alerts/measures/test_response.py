"""How fast people answered, worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.measures import grouping, response
from alerts.measures.record import moments
from alerts.model import Severity
from alerts.policies import targets
from tests.unit.alerts.measures.told import RAISED, alert, as_dicts, record

LATER = RAISED + 30 * 86_400.0
MINUTE = targets.Target(
    id="minute", title="", measure="alert_to_answer", severities=(Severity.EMERGENCY,),
    within_s=60.0, share=0.5, source="",
)  # fmt: skip


def judged(*alerts: dict[str, Any], now: float = LATER, target: targets.Target = MINUTE):
    kept = record(*alerts)
    found = response.intervals(kept, moments(kept), now)[target.measure]
    return response.judge(target, found)


def row(table, **wanted: Any) -> dict[str, Any]:
    (found,) = [r for r in as_dicts(table) if all(r[k] == v for k, v in wanted.items())]
    return found


def test_exactly_sixty_seconds_is_within_sixty_seconds() -> None:
    assert judged(alert(("acknowledged", 60.0))).within == 1
    assert judged(alert(("acknowledged", 60.01))).within == 0


@pytest.mark.parametrize("fraction", [0.1, 0.123457, 0.3, 0.7, 0.999999])
def test_sixty_seconds_are_sixty_at_any_fraction_of_a_second(fraction: float) -> None:
    kept = record(alert(("acknowledged", 60.0 + fraction)))
    kept.alerts["raised"] += fraction
    kept.events["at"][0] += fraction
    found = response.intervals(kept, moments(kept), LATER)["alert_to_answer"]
    assert found.length.tolist() == [60.0]


def test_what_nobody_ever_answered_has_missed_and_is_not_left_out() -> None:
    found = judged(alert(("acknowledged", 30.0)), alert())
    assert (found.within, found.decided, found.share, found.met) == (1, 2, 0.5, True)


def test_what_still_has_time_is_undecided() -> None:
    young = judged(alert(("acknowledged", 30.0)), alert(), now=RAISED + 60.0)
    assert (young.within, young.decided, young.share) == (1, 1, 1.0)
    assert judged(alert(), now=RAISED + 60.01).decided == 1
    assert judged(alert(), now=RAISED).share is None


def test_a_share_that_is_exactly_the_targets_meets_it() -> None:
    for hits, of, share in ((39, 40, 0.975), (99, 100, 0.99), (9, 10, 0.9), (7, 10, 0.7)):
        aim = targets.Target(
            id="x", title="", measure="alert_to_answer", severities=(Severity.EMERGENCY,),
            within_s=60.0, share=share, source="",
        )  # fmt: skip
        good, bad = [alert(("acknowledged", 1.0))], [alert()]
        assert judged(*good * hits, *bad * (of - hits), target=aim).met is True
        assert judged(*good * (hits - 1), *bad * (of - hits + 1), target=aim).met is False


def test_an_alert_that_came_back_counts_by_its_first_answer() -> None:
    kept = record(
        alert(("acknowledged", 20.0), ("lapsed", 320.0), ("acknowledged", 900.0), ("closed", 1e3))
    )
    found = moments(kept)
    assert found.answered - RAISED == 20.0
    assert found.lapses.tolist() == [1]
    assert found.closed - RAISED == 1_000.0


def test_an_alert_that_becomes_worse_is_answered_anew_from_then_on() -> None:
    kept = record(
        alert(
            ("acknowledged", 20.0), ("changed", 600.0, "emergency"), ("told", 601.0),
            ("acknowledged", 645.0), severity="emergency", raised_as="soon",
        )
    )  # fmt: skip
    found = response.intervals(kept, moments(kept), LATER)["alert_to_answer"]
    assert found.length.tolist() == [45.0]


def test_a_change_that_is_no_worse_moves_nothing() -> None:
    kept = record(alert(("changed", 100.0, "emergency"), ("acknowledged", 130.0)))
    found = response.intervals(kept, moments(kept), LATER)["alert_to_answer"]
    assert found.length.tolist() == [130.0]


@pytest.mark.parametrize("kind", ["assigned", "contact_tried", "dispatched", "snoozed", "closed"])
def test_whatever_takes_it_on_is_an_answer(kind: str) -> None:
    assert (moments(record(alert((kind, 5.0)))).answered - RAISED).tolist() == [5.0]


@pytest.mark.parametrize("kind", ["told", "cleared", "cancelled", "lapsed", "pressed_again"])
def test_what_the_hub_or_the_device_does_is_no_answer(kind: str) -> None:
    assert np.isnan(moments(record(alert((kind, 5.0)))).answered).all()


def test_on_scene_is_counted_of_those_that_somebody_was_sent_for() -> None:
    table = response.table(
        record(
            alert(("dispatched", 100.0), ("arrived", 100.0 + 2_700.0), ("closed", 9e3)),
            alert(("dispatched", 100.0), ("closed", 9e3)),
            alert(("acknowledged", 10.0), ("closed", 9e3)),
        ),
        by=None, targets=targets.load(), now=LATER,
    )  # fmt: skip
    found = row(table, measure="sent_to_scene", target="on_scene_45min")
    assert (found["alerts"], found["reached"], found["waiting"], found["never"]) == (2, 1, 0, 1)
    assert (found["p50"], found["within"], found["decided"], found["met"]) == (2_700.0, 1, 2, "no")


def test_percentiles_are_of_those_reached_and_interpolate() -> None:
    ten = [alert(("acknowledged", 10.0 * n)) for n in range(1, 11)]
    found = row(
        response.table(record(*ten, alert()), by=None, targets=targets.load(), now=LATER),
        measure="alert_to_answer", target="answered_60s",
    )  # fmt: skip
    assert (found["alerts"], found["reached"], found["waiting"]) == (11, 10, 1)
    assert (found["p50"], found["p90"]) == (55.0, 91.0)
    assert found["share"] == round(6 / 11, 4)


def test_the_reading_is_the_one_that_raised_it_not_the_newest() -> None:
    kept = record(
        alert(("changed", 900.0), reading=880.0, said_reading=-30.0),
        alert(("changed", 900.0), reading=880.0),  # from before events said it
        alert(reading=-12.0),
        alert(reading=4.0),  # a clock that runs ahead
    )
    found = response.intervals(kept, moments(kept), LATER)["reading_to_alert"]
    assert found.meant.tolist() == [True, False, True, True]
    assert found.length[found.meant].tolist() == [30.0, 12.0, 0.0]


def test_a_report_without_alerts_has_no_rows() -> None:
    assert as_dicts(response.table(record(), by="team", targets=targets.load(), now=LATER)) == []


ALERTS = st.lists(
    st.builds(
        lambda events, **said: alert(*events, **said),
        st.lists(
            st.tuples(
                st.sampled_from(["acknowledged", "lapsed", "dispatched", "arrived", "closed"]),
                st.floats(0.0, 1e5),
            ),
            max_size=5,
        ),
        severity=st.sampled_from([str(s) for s in Severity]),
        team=st.integers(0, 2), site=st.integers(0, 2), practice=st.integers(0, 2),
        day=st.integers(0, 80), rule=st.sampled_from(["fall", "sos"]),
    ),
    max_size=12,
)  # fmt: skip


@given(ALERTS, st.sampled_from([by for by in grouping.BYS if by != "severity"]))
def test_groups_add_up_to_the_total(alerts: list[dict[str, Any]], by: grouping.By) -> None:
    table = response.table(record(*alerts), by=by, targets=targets.load(), now=LATER)
    sums: dict[tuple[Any, ...], dict[str, dict[str, int]]] = {}
    for one in as_dicts(table):
        key = one["severity"], one["measure"], one["target"]
        side = "all" if one[by] == grouping.ALL else "groups"
        counted = sums.setdefault(key, {}).setdefault(side, dict.fromkeys(COUNTED, 0))
        for name in COUNTED:
            counted[name] += one[name] or 0
    for both in sums.values():
        assert both["all"] == both["groups"]


COUNTED = ("alerts", "reached", "waiting", "never", "within", "decided")


def test_by_severity_is_how_it_is_told_anyway() -> None:
    kept, aims = record(alert(), alert(severity="soon")), targets.load()
    plain = response.table(kept, by=None, targets=aims, now=LATER)
    assert response.table(kept, by="severity", targets=aims, now=LATER) == plain


@given(ALERTS)
def test_every_alert_is_reached_waiting_or_never(alerts: list[dict[str, Any]]) -> None:
    table = response.table(record(*alerts), by=None, targets=targets.load(), now=LATER)
    for one in as_dicts(table):
        assert one["reached"] + one["waiting"] + one["never"] == one["alerts"]
        assert min(one["reached"], one["waiting"], one["never"]) >= 0
        if one["target"]:
            assert one["within"] <= one["decided"] <= one["alerts"]
