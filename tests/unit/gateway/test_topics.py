"""Topics read, written and subscribed to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import topics


@pytest.mark.parametrize("tail", ["obs", "event", "status", "cmd/ack"])
def test_a_topic_says_whose_and_of_which_sort(tail: str) -> None:
    found = topics.parse(f"telecare/v1/maple-court/pendant-1/{tail}")
    assert found == topics.Address(site="maple-court", device="pendant-1", tail=tail)


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "telecare",
        "telecare/v1/site/device",
        "telecare/v2/site/device/obs",
        "other/v1/site/device/obs",
        "telecare/v1/Site/device/obs",
        "telecare/v1/site/dev ice/obs",
        "telecare/v1//device/obs",
        "telecare/v1/site/device/",
        "telecare/v1/site/device/obs/",
        "telecare/v1/site/device/obs/extra",
        "telecare/v1/site/device/cmd",
        "telecare/v1/site/device/receipt",
        "telecare/v1/site/device/via/zigbee2mqtt/x",
        "telecare/v1/site\n/device/obs",
        f"telecare/v1/{'a' * 65}/device/obs",
        f"telecare/v1/site/{'a' * 65}/obs",
        "telecare/v1/_hub/telecare-hub-obs-0/probe",
    ],
)
def test_a_misshapen_topic_has_a_problem(topic: str) -> None:
    assert topics.parse(topic).problem


def test_names_of_64_letters_are_sound() -> None:
    assert topics.parse(f"telecare/v1/{'a' * 64}/{'b' * 64}/obs").problem == ""


@given(st.text(max_size=400) | st.text(max_size=40).map(lambda t: f"telecare/v1/{t}/obs"))
def test_no_topic_raises_or_keeps_much(topic: str) -> None:
    found = topics.parse(topic)
    assert len(found.site) <= 80
    assert len(found.device) <= 80
    assert "\0" not in found.site + found.device


def test_only_short_topics_are_remembered() -> None:
    before = topics._remembered.cache_info().currsize
    topics.parse("telecare/v1/site/device/obs/" + "x" * 1_000)
    assert topics._remembered.cache_info().currsize == before


@pytest.mark.parametrize(
    ("topic", "allowed"),
    [
        ("telecare/v1/s/d/reply/obs", True),
        ("telecare/v1/s/d/reply/a/b", True),
        ("telecare/v1/s/d/reply/", True),
        ("telecare/v1/s/d/reply", False),
        ("telecare/v1/s/d/obs", False),
        ("telecare/v1/s/d/cmd", False),
        ("telecare/v1/s/d2/reply/x", False),
        ("telecare/v1/s/d/reply/+", False),
        ("telecare/v1/s/d/reply/#", False),
        ("telecare/v1/s/d/reply/\n", False),
        ("telecare/v1/s/d/reply/\0", False),
        ("telecare/v1/s/d/reply/" + "x" * 300, False),
        ("$SYS/reply/", False),
        ("", False),
    ],
)
def test_answers_go_only_below_the_devices_own_reply(topic: str, allowed: bool) -> None:
    assert topics.may_answer(topic, "s", "d") is allowed


def test_each_lane_subscribes_to_its_own() -> None:
    assert topics.lane_filters("obs", "hub") == [
        "$share/hub/telecare/v1/+/+/obs/#",
        "$share/hub/telecare/v1/+/+/via/#",
    ]
    assert topics.lane_filters("event", "hub") == ["$share/hub/telecare/v1/+/+/event/#"]


def test_status_is_not_shared_since_it_is_retained() -> None:
    assert topics.lane_filters("status", "hub") == [
        "telecare/v1/+/+/status",
        "telecare/v1/+/+/cmd/ack",
    ]


def test_topics_to_devices_and_of_probes() -> None:
    assert topics.to_device("s", "d", "receipt") == "telecare/v1/s/d/receipt"
    assert topics.probe("c") == "telecare/v1/_hub/c/probe"
