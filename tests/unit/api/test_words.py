"""How times, ages, readings and queries are said and read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from api import deps, errors, health, showing, wire
from api.routes import observations
from api.storage import health as health_store
from api.web import phrases, views
from ingest.kernel import vitals

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "0 s ago"),
        (59, "59 s ago"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (3600, "1 h 0 min ago"),
        (172_799, "47 h 59 min ago"),
        (172_800, "2 days ago"),
    ],
)
def test_an_age_is_said_in_words(seconds: int, said: str) -> None:
    assert phrases.ago(NOW - timedelta(seconds=seconds), NOW) == said


def test_clock_times_are_the_countrys_own() -> None:
    assert phrases.clock_time(NOW) == "Mon 1 Jun 13:00"  # British Summer Time


def test_figures_and_labels_are_for_people() -> None:
    assert [views.figure(v) for v in (7.0, 36.65, 0.5)] == ["7", "36.65", "0.5"]
    assert views.label("kitchen/room_temperature") == "Room temperature (kitchen)"
    assert views.dial("+44 (0)20-7946 0000") == "+4402079460000"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("15m", 900),
        ("1h", 3600),
        ("1d", 86_400),
        ("1w", 604_800),
        ("PT15M", 900),
        ("P1DT1H", 90_000),
    ],
)
def test_a_buckets_width_can_be_said_both_ways(text: str, seconds: int) -> None:
    assert observations.width(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "0h", "1y", "h", "-1h", "P", "PT", "1.5h"])
def test_a_width_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(errors.InvalidError):
        observations.width(text)


def test_quantities_are_named_by_name_or_loinc() -> None:
    assert observations.named(["spo2,8867-4"]) == [vitals.SPO2, vitals.HEART_RATE]
    assert observations.named(["symptom.breathless"]) == [vitals.SYMPTOM]
    assert observations.named(None) is None
    with pytest.raises(errors.InvalidError):
        observations.named(["happiness"])


def test_a_page_of_the_timeline_never_parts_one_moment() -> None:
    def item(seconds: int) -> wire.TimelineItem:
        return wire.TimelineItem(time=NOW - timedelta(seconds=seconds), kind="note", what="x")

    items = [item(0), item(1), item(1), item(2)]
    kept, before = observations.cut(items, 2)
    assert len(kept) == 1
    assert before == NOW
    assert observations.cut(items, 4) == (items, None)


def test_a_cursor_comes_back_as_it_was_and_a_made_up_one_is_refused() -> None:
    assert deps.opened(deps.cursor([7, "ü", None]), 3) == [7, "ü", None]
    for text in ("", "x", "!!!", deps.cursor([1, 2])):
        with pytest.raises(errors.BadRequestError):
            deps.opened(text, 1)


@pytest.mark.parametrize(
    "time", ["2026-06-01T11:59:00+00:00", "2026-06-01T11:59:00Z", NOW.timestamp() - 60]
)
def test_evidence_tells_its_age(time: object) -> None:
    shown = showing.evidence(
        {"code": "spo2", "value": 88.0, "unit": "%", "time": time, "points": 3}, NOW
    )
    assert shown.age_s == 60
    assert shown.model_dump()["points"] == 3


def test_evidence_without_a_readable_time_has_no_age() -> None:
    assert showing.evidence({"code": "x", "value": 1, "time": "noon"}, NOW).age_s is None


def _slot(lane: str, *, held: bool = True, age: float | None = 1.0) -> health_store.Slot:
    return health_store.Slot(lane=lane, position=0, held=held, probe_age_s=age)


def test_readiness_says_who_does_not_listen() -> None:
    assert health.listening([_slot("obs"), _slot("event")], oldest_probe_s=60) == []
    assert health.listening([_slot("obs")], oldest_probe_s=60) == [
        "no gateway listens on the lane event: start one"
    ]
    late = health.listening([_slot("obs", age=90), _slot("event", age=None)], oldest_probe_s=60)
    assert "90 s ago" in late[1]
    assert "never came back" in late[0]
    left = [_slot("obs"), _slot("event"), _slot("obs", held=False)]
    assert "nobody holds slot 0 of the lane obs" in health.listening(left, oldest_probe_s=60)[0]


def test_readiness_says_when_readings_wait() -> None:
    assert health.lagging(59, most_s=60) == []
    assert "since 61 s" in health.lagging(61, most_s=60)[0]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-5, "now"), (0, "now"), (40, "in 40 s"), (90, "in 1 min"), (3600, "in 1 h 0 min"),
     (172_800, "in 2 days")],
)  # fmt: skip
def test_what_comes_is_said_in_words(seconds: int, said: str) -> None:
    assert phrases.ahead(NOW + timedelta(seconds=seconds), NOW) == said


def _alert(**changed: object) -> wire.Alert:
    example = dict(wire.Alert.model_config["json_schema_extra"]["examples"][0])  # type: ignore[index,call-overload]
    return wire.Alert.model_validate(example | {"state": "acknowledged", "owner": "n"} | changed)


def test_where_an_alert_stands_is_said_with_what_has_to_be_noticed_first() -> None:
    until = NOW + timedelta(minutes=5)
    assert phrases.standing(_alert(acknowledged_until=until), NOW) == [
        "Acknowledged by n; open again at 13:05 unless more is recorded"
    ]
    stale = phrases.standing(_alert(state="open", owner=None, stale=True, pages=3), NOW)
    assert stale[0].startswith("Too late to page anybody")
    assert stale[-1] == "Asked 3 times"
    tomorrow = NOW + timedelta(days=1)
    held = {"id": "event_1", "at": NOW, "kind": "snoozed", "by": "n", "reason": "rests",
            "detail": {"held": "rests"}, "version": 2}  # fmt: skip
    off = _alert(snoozed_until=tomorrow, acknowledged_until=None, history=[held], offered_to="m")
    assert phrases.standing(off, NOW) == [
        "With n", "Put off until Tue 2 Jun 13:00: rests", "Offered to m, who has not answered",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"team": "rr"}, "Rapid was sent and has not answered"),
        ({"team": "rr", "accepted_at": NOW}, "Rapid on the way since 13:00"),
        ({"team": None}, "Rapid on the way since 12:55"),
        ({"team": "rr", "accepted_at": NOW, "on_scene_at": NOW}, "Rapid there since 13:00"),
        ({"team": "rr", "declined_at": NOW}, None),
        ({"team": "rr", "on_scene_at": NOW, "done_at": NOW}, None),
    ],
)
def test_where_somebody_who_was_sent_is_stands_on_the_alert(
    sent: dict[str, object], said: str | None
) -> None:
    plain = dict.fromkeys(wire.Dispatch.model_fields)
    one = {**plain, "to": "Rapid", "by": "n", "sent_at": NOW - timedelta(minutes=5), **sent}
    found = phrases.standing(_alert(state="in_progress", dispatches=[one]), NOW)
    assert found[1:] == ([said] if said else [])


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ({"kind": "tell", "tell": "team"}, "District nurses north is told"),
        ({"kind": "tell", "tell": "on_call"}, "who is on call is told"),
        ({"kind": "tell", "tell": "contacts"}, "the person's contacts are told"),
        ({"kind": "offer_ends", "tell": None}, "the offer ends"),
        ({"kind": "look_again", "tell": None}, "it asks again"),
        ({"kind": "snooze_ends", "tell": None}, None),
    ],
)
def test_what_comes_next_of_an_alert(step: dict[str, object], said: str | None) -> None:
    assert phrases.coming(_alert(next_step={"at": NOW, **step})) == said


def test_every_kind_of_event_that_people_make_has_its_own_words() -> None:
    kinds = ["assigned", "handover_offered", "handover_accepted", "handover_ended", "snoozed",
             "contacted", "contact_tried", "dispatched", "set_out", "turned_down", "arrived",
             "escalated", "closed"]  # fmt: skip
    for kind in kinds:
        event = wire.Event(id="event_1", at=NOW, kind=kind, by="n", reason=None,
                           detail={"to": "m"}, version=2)  # fmt: skip
        assert phrases.happened(event) != kind.replace("_", " ").capitalize(), kind
