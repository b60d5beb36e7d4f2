"""Every example of the published wire format is read by the hub as the page says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway import lane, presence, topics
from gateway.client import Received
from ingest.batch import Batch, Refusal
from ingest.kernel import vitals
from ingest.kernel.device import Assignment, Device
from ingest.kernel.observation import Quality
from ingest.pipeline import Pipeline, meaning
from ingest.validation import timing, wire
from tests.unit.ingest import doubles

FOLDER = Path(__file__).parents[2] / "docs" / "wire" / "examples"
INDEX: list[dict[str, Any]] = json.loads((FOLDER / "index.json").read_text())
BY_FILE = {entry["file"]: entry for entry in INDEX}
RECEIVED = 1_795_406_500.0
UP = [entry for entry in INDEX if entry["direction"] == "up"]
SENML = [entry["file"] for entry in UP if topics.parse(entry["topic"]).tail in {"obs", "event"}]
STATUS = [entry["file"] for entry in UP if entry["topic"].endswith("/status")]


def received(name: str) -> Received:
    entry = BY_FILE[name]
    return Received(
        topic=entry["topic"],
        payload=(FOLDER / name).read_bytes(),
        mid=1,
        retained=False,
        content_type=entry.get("content_type"),
        response_topic=entry.get("response_topic"),
        correlation=entry["correlation"].encode() if "correlation" in entry else None,
    )


def read(name: str) -> Batch:
    """Return what the hub makes of an example of a registered device."""
    message = received(name)
    address = topics.parse(message.topic)
    assert not address.problem
    device = Device(
        no=7, site=address.site, name=address.device, kind="x",
        assignments=(
            Assignment(start=0.0, end=float("inf"), person_no=3, dwelling_no=5),
        ),
    )  # fmt: skip
    pipeline = Pipeline(
        devices=doubles.Register(device), parts=doubles.Words(), limits=timing.Limits()
    )
    kind: Any = address.tail
    return pipeline.prepare([lane.envelope(message, kind, RECEIVED)])


def table(batch: Batch) -> list[tuple[str, float, float]]:
    return [
        (vitals.BY_NO[int(row["quantity"])].name, float(row["value"]), float(row["time"]))
        for row in batch.rows
    ]


def test_every_example_file_is_listed_and_every_listed_file_is_there() -> None:
    files = {p.name for p in FOLDER.iterdir()} - {"index.json"}
    listed = {e["file"] for e in INDEX} | {e["diagnostic"] for e in INDEX if "diagnostic" in e}
    assert files == listed


def test_every_example_has_a_test_here() -> None:
    tested = {*SENML, *STATUS, "cmd-ack.json", "cmd.json", "answer.json"}
    assert {e["file"] for e in INDEX if not e["file"].startswith("receipt-")} == tested


@pytest.mark.parametrize("entry", UP, ids=lambda e: e["file"])
def test_every_topic_up_is_one_the_hub_reads(entry: dict[str, Any]) -> None:
    assert topics.parse(entry["topic"]).problem == ""


@pytest.mark.parametrize(
    "entry", [e for e in INDEX if e["direction"] == "down"], ids=lambda e: e["file"]
)
def test_every_topic_down_is_one_the_hub_writes(entry: dict[str, Any]) -> None:
    _, _, site, device, tail = entry["topic"].split("/", 4)
    assert topics.to_device(site, device, tail) == entry["topic"]
    assert tail in {"cmd", "receipt"} or topics.may_answer(entry["topic"], site, device)


@pytest.mark.parametrize("name", SENML)
def test_every_record_of_every_pack_is_accepted(name: str) -> None:
    batch = read(name)
    assert not batch.refusals
    assert batch.stored == [len(batch.rows)]
    assert len(batch.rows) > 0


@pytest.mark.parametrize("name", [e["file"] for e in INDEX if "same_as" in e])
def test_the_cbor_form_means_the_same_as_the_json_form(name: str) -> None:
    other = read(BY_FILE[name]["same_as"])
    batch = read(name)
    assert batch.rows.tobytes() == other.rows.tobytes()
    assert batch.alarms == other.alarms


@pytest.mark.parametrize("name", [e["file"] for e in INDEX if "same_as" in e])
def test_cbor_is_told_with_and_without_its_content_type(name: str) -> None:
    payload = (FOLDER / name).read_bytes()
    with_type = wire.decode(payload, BY_FILE[name]["content_type"])
    assert with_type == wire.decode(payload, None)


def test_obs() -> None:
    at = 1_795_406_400.0
    batch = read("obs.json")
    assert table(batch) == [
        ("spo2", 96.0, at),
        ("heart_rate", 72.5, at + 1),
        ("resp_rate", 16.0, at + 1),
        ("on_oxygen", 0.0, at),
        ("acvpu", 0.0, at + 30),
    ]
    assert set(batch.rows["person"]) == {3}
    assert set(batch.rows["flags"]) == {0}
    envelope = batch.envelopes[0]
    assert envelope.response_topic is not None
    assert topics.may_answer(envelope.response_topic, envelope.site, envelope.device)


def test_obs_rooms() -> None:
    at = 1_795_406_400.0
    batch = read("obs-rooms.json")
    assert table(batch) == [
        ("motion", 1.0, at - 95),
        ("room_temperature", 19.5, at - 60),
        ("door_open", 1.0, at - 12.5),
        ("door_open", 0.0, at),
    ]
    kitchen, same, door, shut = batch.rows["part"].tolist()
    assert kitchen == same
    assert door == shut
    assert kitchen != door


def test_obs_no_clock() -> None:
    batch = read("obs-no-clock.json")
    ((quantity, value, time),) = table(batch)
    assert (quantity, time) == ("weight", RECEIVED)
    assert value == pytest.approx(158.4 * 0.45359237)
    assert batch.rows["flags"].tolist() == [Quality.HUB_TIMED]
    assert 0 in batch.hub_timed()


def test_event_fall() -> None:
    (alarm,) = read("event-fall.json").alarms
    assert alarm.quantity == vitals.BY_NAME["fall"].no
    assert (alarm.place, alarm.cancel, alarm.time) == ("bathroom", False, 1_795_406_400.25)
    assert alarm.receipt_id == json.loads((FOLDER / "receipt-received.json").read_text())["alarm"]


def test_event_cancel() -> None:
    (fall,) = read("event-fall.json").alarms
    (cancel,) = read("event-cancel.json").alarms
    assert cancel.cancel
    assert (cancel.alarm_id, cancel.quantity) == (fall.alarm_id, fall.quantity)


def test_event_sos() -> None:
    (alarm,) = read("event-sos.json").alarms
    assert alarm.quantity == vitals.BY_NAME["sos"].no
    assert (alarm.alarm_id, alarm.place, alarm.cancel) == ("p-19b0d4", "", False)


@pytest.mark.parametrize("name", STATUS)
def test_every_status_is_read(name: str) -> None:
    said = json.loads((FOLDER / name).read_text())
    found = presence.read_status((FOLDER / name).read_bytes())
    assert isinstance(found, presence.Status)
    for field in ("state", "session", "at", "battery", "rssi", "fw", "cadence"):
        assert getattr(found, field) == said.get(field)


def test_the_will_ends_the_session_that_began() -> None:
    online, offline = (
        presence.read_status((FOLDER / f"status-{s}.json").read_bytes())
        for s in ("online", "offline")
    )
    assert isinstance(online, presence.Status)
    assert isinstance(offline, presence.Status)
    assert online.session == offline.session


def test_the_answer_to_a_command_names_it() -> None:
    answer = presence.read_answer((FOLDER / "cmd-ack.json").read_bytes())
    assert isinstance(answer, presence.Answer)
    assert answer.id == json.loads((FOLDER / "cmd.json").read_text())["id"]
    assert (answer.ok, answer.detail) == (True, "on for 5 min")


def test_the_hubs_answers_have_the_published_shape() -> None:
    published = json.loads((FOLDER / "answer.json").read_text())
    ours = json.loads(lane.answer(3, Refusal("record", [(1, "a reason")])))
    assert ours.keys() == published.keys()
    assert ours["stored"] == published["stored"]
    assert [r.keys() for r in ours["refused"]] == [r.keys() for r in published["refused"]]
    assert [r["record"] for r in ours["refused"]] == [r["record"] for r in published["refused"]]


def test_every_quantity_of_the_page_is_known_to_the_hub() -> None:
    page = (FOLDER.parent / "README.md").read_text()
    page = page[page.index("### Names") : page.index("### Time")]
    rows = [line for line in page.splitlines() if line.startswith("| `") and line.count("|") == 5]
    names = [n.strip(" `") for row in rows for n in row.split("|")[1].split(",")]
    assert "heart_rate" in names
    for name in names:
        assert not isinstance(meaning(name.replace("<key>", "cough")), str), name
