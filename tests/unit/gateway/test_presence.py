"""What a status message says."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import presence

NOW = 1_795_406_400.0


def status(**fields: Any) -> presence.Status:
    found = presence.read_status(json.dumps({"state": "online", **fields}).encode())
    assert isinstance(found, presence.Status)
    return found


@pytest.mark.parametrize("state", sorted(presence.STATES))
def test_the_three_states_are_read(state: str) -> None:
    assert status(state=state).state == state


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"online",
        b"[]",
        b"{}",
        b"\xff",
        b'{"state":"asleep"}',
        b'{"state":7}',
        b'{"state":"online","battery":"full"}',
        b'{"state":"online","battery":1e300}',
        b'{"state":"online","rssi":-1e40}',
        b'{"state":"online","cadence":{"spo2":1e300}}',
        b'{"state":"online","cadence":{"a\\u0000b":1}}',
        b'{"state":"online","cadence":{"' + b"x" * 101 + b'":1}}',
        b'{"state":"online","session":"a\\u0000b"}',
        b'{"state":"online","session":"' + b"x" * 101 + b'"}',
        b'{"state":"online","session":"\\ud800"}',
        b'{"state":"online","at":' + b"9" * 5_000 + b"}",
        b'{"state":"online","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        json.dumps({"state": "online", "cadence": {str(i): 1 for i in range(101)}}).encode(),
    ],
)
def test_what_can_not_be_kept_is_unreadable(payload: bytes) -> None:
    found = presence.read_status(payload)
    assert isinstance(found, presence.Unreadable)
    assert found.reason


@given(st.binary(max_size=200))
def test_no_bytes_make_it_raise(payload: bytes) -> None:
    presence.read_status(payload)
    presence.read_answer(payload)


def test_a_skew_is_told_by_a_fresh_message_only() -> None:
    ahead = status(at=NOW + 30)
    assert presence.clock_skew(ahead, NOW, retained=False) == 30
    assert presence.clock_skew(ahead, NOW, retained=True) is None


@pytest.mark.parametrize("fields", [{"state": "offline", "at": NOW}, {}, {"at": 946_684_799.0}])
def test_a_will_or_a_lost_clock_tells_no_skew(fields: dict[str, Any]) -> None:
    assert presence.clock_skew(status(**fields), NOW, retained=False) is None


@pytest.mark.parametrize(
    ("at", "kept"),
    [
        (None, False),
        (946_684_799.9, False),
        (946_684_800.0, True),
        (4_102_444_799.9, True),
        (4_102_444_800.0, False),
        (float("nan"), False),
        (float("inf"), False),
    ],
)
def test_a_devices_time_is_kept_where_a_calendar_has_room(at: float | None, kept: bool) -> None:
    assert (presence.usable_time(at) == at) is kept or at is None


def test_an_answer_to_a_command_is_bounded_and_has_no_nul() -> None:
    raw = {"id": "c\0-7" + "x" * 300, "ok": True, "detail": "\\u0000\0" + "y" * 3_000}
    found = presence.read_answer(json.dumps(raw).encode())
    assert isinstance(found, presence.Answer)
    assert len(str(found.id)) == 200
    assert len(found.detail) == 2_000
    body = json.loads(msgspec.json.encode(found))
    assert "\0" not in body["id"] + body["detail"]
    assert body["detail"].startswith("\\u0000y")


def test_a_command_id_may_be_a_number() -> None:
    found = presence.read_answer(b'{"id":7,"ok":false}')
    assert found == presence.Answer(id="7", ok=False)


@pytest.mark.parametrize(
    "payload", [b"", b"{}", b'{"id":"c"}', b'{"id":"c","ok":1}', b'{"ok":true}', b"[[["]
)
def test_what_is_no_answer_is_unreadable(payload: bytes) -> None:
    assert isinstance(presence.read_answer(payload), presence.Unreadable)
