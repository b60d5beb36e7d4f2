"""Whatever a device sends: the bad is kept aside with its reason, the good is stored, and an
alarm that nobody can read still reaches somebody.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from typing import Any

import cbor2
import pytest

from ingest.kernel.observation import Quality
from tests.support import waiting
from tests.support.hub import SITE, Hub, Link, topic

pytestmark = [pytest.mark.service, pytest.mark.slow]
MEGABYTE = 1024 * 1024


def good(value: float, **more: Any) -> dict[str, Any]:
    return {"n": "heart_rate", "u": "/min", "v": value, **more}


def now() -> float:
    return round(time.time(), 3)


# What is wrong with each, its payload (or that of one bad record between two good ones), and what
# the reason must say.
NO_PACK: dict[str, tuple[bytes, str]] = {
    "no bytes": (b"", "not JSON"),
    "text": (b"hello", "not CBOR"),
    "broken off": (b'[{"n": "heart_rate", "v": 7', "not JSON"),
    "no array": (b'{"n": "heart_rate", "v": 70}', "not CBOR"),
    "an empty pack": (b"[]", "empty pack"),
    "bytes at random": (bytes(range(255, 0, -1)), "not CBOR"),
    "nested without end": (b"[" * 100_000, "not JSON"),
    "a megabyte": (b"[" + b" " * MEGABYTE, "not JSON"),
    "a megabyte of zeros": (bytes(MEGABYTE), "array"),
    "10,000 records": (json.dumps([good(70, t=1 + n) for n in range(10_000)]).encode(), "10000"),
    "half a character": (b'[{"n": "heart_rate\xff", "v": 70}]', "not JSON"),
}
BAD_RECORDS: dict[str, tuple[object, str]] = {
    "an unknown name": ({"n": "shoe_size", "v": 44}, "unknown name"),
    "no name": ({"v": 44}, "unknown name"),
    "a unit of another kind": ({"n": "heart_rate", "u": "kg", "v": 70}, "does not measure"),
    "no number": (good(math.nan), "finite"),
    "infinite": (good(-math.inf), "finite"),
    "a number that is text": ({"n": "heart_rate", "v": "70"}, "wrong type"),
    "no value": ({"n": "heart_rate", "u": "/min"}, "needs a number"),
    "NUL in an answer": ({"n": "symptom.cough", "vs": "a\0b"}, "NUL"),
    "NUL in a name": ({"n": "heart\0rate", "v": 70}, "unknown name"),
    "no object": (17, "object"),
    "a room of 41 letters": ({"n": "x" * 41 + "/motion", "vb": True}, "room"),
    "a field that must be understood": (good(70, crc_=7), "must be understood"),
    "an answer of 501 letters": ({"n": "symptom.cough", "vs": "x" * 501}, "at most"),
}


@pytest.fixture(scope="module")
def link(hub: Hub) -> Any:
    link = Link(hub.broker, f"{SITE}/onboarding")
    yield link
    link.close()


@pytest.fixture
def device(hub: Hub, request: pytest.FixtureRequest) -> str:
    """A registered device of the test's own."""
    name = f"d-{abs(hash(request.node.name)):x}"
    hub.register(name)
    return name


def refusals(hub: Hub, device: str) -> list[tuple[Any, ...]]:
    return hub.rows(
        "SELECT reason, refused, times, payload FROM ingest.quarantine"
        " WHERE device = %s ORDER BY no",
        device,
    )


def goes_on(hub: Hub, link: Link, device: str) -> None:
    """A good reading sent after it all is stored."""
    at = now() - 30 + 0.001
    link.publish(topic(device, "obs"), json.dumps([good(71, t=at)]))
    key = (device, round(at * 1e6))
    waiting.until(lambda: key in hub.readings(), "a good reading sent later is stored", timeout=30)


def nothing_comes_again(hub: Hub, count: Callable[[], object]) -> None:
    """What was taken once stays as it is: the broker doesn't deliver it again."""
    before = count()
    time.sleep(1.0)  # a redelivery would come at once, and for ever
    assert count() == before
    assert all(p.running for p in hub.processes)


def test_what_is_no_pack_is_kept_aside_with_its_reason(hub: Hub, link: Link, device: str) -> None:
    for payload, _ in NO_PACK.values():
        link.publish(topic(device, "obs"), payload)
    waiting.until(
        lambda: len(refusals(hub, device)) == len(NO_PACK), "each is in quarantine", timeout=30
    )
    kept = {payload: rest for *rest, payload in refusals(hub, device)}
    for what, (payload, why) in NO_PACK.items():
        reason, refused, times = kept[payload]
        assert (reason, times) == ("unreadable", 1), what
        assert why in refused[0]["reason"], what
    goes_on(hub, link, device)
    nothing_comes_again(hub, lambda: refusals(hub, device))
    assert hub.living("gateway")[0].memory < 300 * MEGABYTE


@pytest.mark.parametrize("what", BAD_RECORDS)
def test_a_bad_record_is_refused_and_the_others_of_its_pack_are_kept(
    hub: Hub, link: Link, device: str, what: str
) -> None:
    bad, why = BAD_RECORDS[what]
    at = now() - 10
    pack = [good(70, t=at), bad, good(72, t=at + 1)]
    link.publish(topic(device, "obs"), json.dumps(pack))
    waiting.until(lambda: refusals(hub, device), "it is in quarantine", timeout=30)
    ((reason, refused, times, _),) = refusals(hub, device)
    assert (reason, times, len(refused)) == ("record", 1, 1)
    assert refused[0]["record"] == 1
    assert why in refused[0]["reason"]
    stored = {key for key in hub.readings() if key[0] == device}
    assert stored == {(device, round(at * 1e6)), (device, round((at + 1) * 1e6))}


def test_all_bad_records_together_are_refused_one_by_one_also_as_cbor(
    hub: Hub, link: Link, device: str
) -> None:
    labels = {"n": 0, "u": 1, "v": 2, "vs": 3, "vb": 4, "t": 6}
    records: list[object] = [good(70, t=now() - 9)]
    records += [bad for bad, _ in BAD_RECORDS.values()]
    records += [good(72, t=now() - 8)]
    pack = [
        {labels.get(k, k): v for k, v in r.items()} if isinstance(r, dict) else r for r in records
    ]
    link.publish(topic(device, "obs"), cbor2.dumps(pack), content_type="application/senml+cbor")
    waiting.until(lambda: refusals(hub, device), "it is in quarantine", timeout=30)
    ((_, refused, _, _),) = refusals(hub, device)
    assert [r["record"] for r in refused] == list(range(1, len(BAD_RECORDS) + 1))
    for (what, (_, why)), found in zip(BAD_RECORDS.items(), refused, strict=True):
        assert why in found["reason"], what
    assert len([key for key in hub.readings() if key[0] == device]) == 2


def test_a_time_in_1970_or_2100_is_replaced_and_flagged(hub: Hub, link: Link, device: str) -> None:
    lost, future = 300_000_000.0, 4_102_444_800.0  # 1979: below 2^28 s a time is relative
    pack = [good(61, t=lost), good(62, t=future), good(63, t=now() - 5), good(64, t=-200_000.0)]
    before = time.time()
    link.publish(topic(device, "obs"), json.dumps(pack))
    found = waiting.until(
        lambda: hub.rows(
            "SELECT value, flags, extract(epoch FROM time)::float8,"
            " extract(epoch FROM sent_time)::float8 FROM ingest.observation o"
            " JOIN ingest.device d ON d.no = o.device_no WHERE d.name = %s ORDER BY value",
            device,
        ),
        "the readings are stored",
        timeout=30,
    )
    flags = [Quality(row[1]) for row in found]
    assert flags[0] == Quality.CLOCK_LOST
    assert flags[1] == Quality.FUTURE
    assert flags[2] == Quality.NONE
    assert flags[3] == Quality.HUB_TIMED | Quality.LATE | Quality.HISTORICAL
    assert [row[3] for row in found[:2]] == [lost, future]  # as sent is kept beside
    assert all(before - 1 <= row[2] <= time.time() for row in found[:2])
    assert refusals(hub, device) == []


def test_a_topic_of_the_wrong_shape_is_kept_aside(hub: Hub, link: Link, device: str) -> None:
    body = json.dumps([good(70, t=now())])
    link.publish(f"telecare/v1/{SITE}/No_Device/obs", body)
    found = waiting.until(lambda: refusals(hub, "No_Device"), "it is in quarantine", timeout=30)
    assert found[0][0] == "topic"
    assert "a-z, 0-9" in found[0][1][0]["reason"]
    goes_on(hub, link, device)


def test_another_dialect_is_kept_aside_saying_so(hub: Hub, device: str) -> None:
    user = f"{SITE}/{device}"
    hub.broker.add(user)
    own = Link(hub.broker, user)
    own.publish(topic(device, "via/zigbee2mqtt/bulb"), b'{"state": "ON"}')
    found = waiting.until(lambda: refusals(hub, device), "it is in quarantine", timeout=30)
    own.close()
    assert found[0][0] == "topic"
    assert "other dialects" in found[0][1][0]["reason"]


def alerts_of(hub: Hub, device: str) -> list[tuple[Any, ...]]:
    """Return rule, severity, team and pages of the alerts that speak for a device's alarms."""
    return hub.rows(
        "SELECT DISTINCT a.no, a.rule_id, a.severity, t.kind, a.pages FROM alerts.alert a"
        " JOIN alerts.alert_alarm x ON x.alert_no = a.no"
        " LEFT JOIN alerts.team t ON t.no = a.team_no WHERE x.device = %s ORDER BY a.no",
        device,
    )


@pytest.mark.parametrize("what", [*NO_PACK])
def test_what_nobody_can_read_on_the_alarm_topic_pages(
    hub: Hub, link: Link, device: str, what: str
) -> None:
    payload, _ = NO_PACK[what]
    link.publish(topic(device, "event"), payload)
    found = waiting.until(lambda: alerts_of(hub, device), "it is an alert", timeout=30)
    assert [row[2:4] for row in found] == [("emergency", "district_nursing")]
    assert found[0][4] == 1
    assert [row[2] for row in refusals(hub, device)] == [1]


@pytest.mark.parametrize("what", [*BAD_RECORDS])
def test_a_bad_record_beside_an_alarm_neither_stops_it_nor_passes_unheard(
    hub: Hub, link: Link, device: str, what: str
) -> None:
    bad, _ = BAD_RECORDS[what]
    pack = [{"n": "sos", "vb": True, "t": now(), "alarm_id": f"{device}-a"}, bad]
    link.publish(topic(device, "event"), json.dumps(pack))
    waiting.until(lambda: hub.alarm(f"{device}-a"), "the press is kept", timeout=30)
    waiting.until(lambda: alerts_of(hub, device), "it is an alert", timeout=30)
    rules = {row[1] for row in alerts_of(hub, device)}
    assert "sos" in rules
    assert refusals(hub, device)[0][1][0]["record"] == 1


@pytest.mark.parametrize(
    ("what", "record", "flag"),
    [
        ("1970", {"t": 300_000_000}, Quality.CLOCK_LOST),
        ("2100", {"t": 4_102_444_800}, Quality.FUTURE),
        ("six hours ago", {"t": -6 * 3600}, Quality.LATE),
        ("no time", {}, Quality.HUB_TIMED),
        ("last week", {"t": time.time() - 7 * 86_400}, Quality.HISTORICAL),
        ("a value that is none", {"v": "loud", "vb": None}, Quality.HUB_TIMED),
    ],
)
def test_an_alarm_pages_whatever_its_time_and_value(
    hub: Hub, link: Link, device: str, what: str, record: dict[str, Any], flag: Quality
) -> None:
    pack = [{"n": "sos", "vb": True, "alarm_id": f"{device}-a", **record}]
    link.publish(topic(device, "event"), json.dumps(pack))
    found = waiting.until(lambda: alerts_of(hub, device), f"{what}: it is an alert", timeout=30)
    assert found[0][2] == "emergency"
    kept = hub.rows("SELECT flags FROM ingest.alarm WHERE device = %s", device)
    assert Quality(kept[0][0]) & flag


def test_an_unregistered_device_waits_and_is_replayed_once_adopted(hub: Hub, link: Link) -> None:
    device = "stranger-1"
    at = now() - 20
    packs = [[good(65 + n, t=at + n)] for n in range(5)]
    for pack in packs:
        link.publish(topic(device, "obs"), json.dumps(pack))
    waiting.until(lambda: len(refusals(hub, device)) == 5, "all are in quarantine", timeout=30)
    assert {row[0] for row in refusals(hub, device)} == {"unregistered"}
    waits = hub.rows(
        "SELECT count(*) FROM ingest.quarantine WHERE state = 'waiting' AND site = %s"
        " AND device = %s AND reason = 'unregistered'",
        SITE, device,
    )  # fmt: skip
    assert waits == [(5,)]
    hub.register(device)
    hub.rows("UPDATE ingest.quarantine SET state = 'queued' WHERE device = %s", device)
    hub.rows("NOTIFY ingest_replay")
    waiting.until(
        lambda: (
            hub.count("ingest.quarantine WHERE device = %s AND state = 'replayed'", device) == 5
        ),
        "all were replayed",
        timeout=30,
    )
    stored = hub.rows(
        "SELECT o.value, o.flags & %s FROM ingest.observation o"
        " JOIN ingest.device d ON d.no = o.device_no WHERE d.name = %s ORDER BY o.time",
        int(Quality.REPLAYED), device,
    )  # fmt: skip
    assert stored == [(65.0 + n, int(Quality.REPLAYED)) for n in range(5)]
    goes_on(hub, link, device)


def test_an_unregistered_devices_sos_pages_the_telecare_operator(hub: Hub, link: Link) -> None:
    device = "stranger-2"
    hub.register("d-teams")  # so that there are teams
    pack = [{"n": "sos", "vb": True, "t": now(), "alarm_id": "s2"}]
    link.publish(topic(device, "event"), json.dumps(pack))
    found = waiting.until(lambda: alerts_of(hub, device), "it is an alert", timeout=30)
    assert [row[1:5] for row in found] == [("sos", "emergency", "telecare_operator", 1)]
    assert [row[0] for row in refusals(hub, device)] == ["unregistered"]
    hub.register(device)
    hub.rows("UPDATE ingest.quarantine SET state = 'queued' WHERE device = %s", device)
    hub.rows("NOTIFY ingest_replay")
    waiting.until(
        lambda: hub.count("ingest.quarantine WHERE device = %s AND state = 'replayed'", device),
        "it was replayed",
        timeout=30,
    )
    time.sleep(1.0)  # an alert would be there within this
    assert [row[1:5] for row in alerts_of(hub, device)] == [
        ("sos", "emergency", "telecare_operator", 1)
    ]  # told once


def test_a_heart_rate_of_400_is_kept_flagged_and_raises_only_an_equipment_fault(
    hub: Hub, link: Link, device: str
) -> None:
    def alerts() -> list[tuple[Any, ...]]:
        return hub.rows(
            "SELECT a.rule_id, t.kind FROM alerts.alert a"
            " JOIN ingest.device d ON d.name = %s"
            " JOIN ingest.assignment g ON g.device_no = d.no"
            " LEFT JOIN alerts.team t ON t.no = a.team_no"
            " WHERE a.person_no = g.person_no OR a.device_no = d.no OR a.dwelling_no = g.home_no",
            device,
        )

    for n in range(2):
        link.publish(topic(device, "obs"), json.dumps([good(400, t=now() - 20 + n)]))
    goes_on(hub, link, device)
    assert alerts() == []
    link.publish(topic(device, "obs"), json.dumps([good(400, t=now())]))
    found = waiting.until(alerts, "an equipment fault is raised", timeout=30)
    assert found == [("equipment.implausible", "equipment")]
    stored = hub.rows(
        "SELECT o.value, o.flags FROM ingest.observation o"
        " JOIN ingest.device d ON d.no = o.device_no WHERE d.name = %s AND o.value = 400",
        device,
    )
    assert stored == [(400.0, int(Quality.IMPLAUSIBLE))] * 3
