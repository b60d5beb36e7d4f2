"""The simulator's own encoder of the published format (docs/wire), sharing no code with the hub."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

ROOT = "telecare/v1"
SENML_JSON = "application/senml+json"
SENML_CBOR = "application/senml+cbor"

LABELS = {
    "bver": -1, "bn": -2, "bt": -3, "bu": -4, "bv": -5, "bs": -6,
    "n": 0, "u": 1, "v": 2, "vs": 3, "vb": 4, "s": 5, "t": 6, "ut": 7, "vd": 8,
}  # fmt: skip
"""CBOR labels of SenML fields (RFC 8428, table 4)."""

Value = float | int | bool | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One reading or alarm as a device says it."""

    name: str
    value: Value
    unit: str = ""
    time: float | int | None = None  # Unix seconds by the device's clock; None: it has no clock
    alarm_id: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is published: a topic, bytes and the MQTT properties that go with them."""

    topic: str
    payload: bytes
    retain: bool = False
    content_type: str = ""
    response_topic: str = ""
    correlation: bytes = b""
    imported: bool = False  # the declared import path: user property import=true

    @property
    def tail(self) -> str:
        """Return the topic below the device's root."""
        return "/".join(self.topic.split("/")[4:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of an alarm."""

    alarm: str
    state: str
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Something the hub asks a device to do."""

    id: str
    do: str
    args: Mapping[str, Any]
    expires: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The hub's answer to a message that asked for one."""

    stored: int
    refused: tuple[tuple[int | None, str], ...]  # record, reason


def topic(site: str, device: str, tail: str) -> str:
    """Return a topic below a device's root."""
    return f"{ROOT}/{site}/{device}/{tail}"


def fields(
    records: Sequence[Record], *, base_name: str = "", base_time: float | None = None
) -> list[dict[str, Any]]:
    """Return the records as SenML maps with JSON keys, base fields in the first."""
    pack: list[dict[str, Any]] = []
    for record in records:
        item: dict[str, Any] = {}
        if not pack and base_name:
            item["bn"] = base_name
        if not pack and base_time is not None:
            item["bt"] = base_time
        name = record.name.removeprefix(base_name)
        if name:
            item["n"] = name
        if record.unit:
            item["u"] = record.unit
        item[_value_key(record.value)] = record.value
        if record.time is not None:
            offset = record.time
            if base_time is not None:  # microseconds: more digits are the subtraction's noise
                offset = round(record.time - base_time, 6)
            if offset or base_time is None:
                item["t"] = offset
        if record.alarm_id:
            item["alarm_id"] = record.alarm_id
        item.update(record.extra)
        pack.append(item)
    return pack


def _value_key(value: Value) -> str:
    if isinstance(value, bool):
        return "vb"
    return "vs" if isinstance(value, str) else "v"


def to_json(pack: Sequence[Mapping[str, Any]]) -> bytes:
    """Return a pack as SenML JSON."""
    return json.dumps(pack, separators=(",", ":"), ensure_ascii=False).encode()


def to_cbor(pack: Sequence[Mapping[str, Any]]) -> bytes:
    """Return a pack as SenML CBOR: integer labels where RFC 8428 gives one, text keys elsewhere."""
    return cbor([{LABELS.get(key, key): value for key, value in item.items()} for item in pack])


def _head(major: int, number: int) -> bytes:
    if number < 24:  # noqa: PLR2004 -- RFC 8949, section 3
        return bytes([major << 5 | number])
    for code, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 1 << (8 * size):
            return bytes([major << 5 | code]) + number.to_bytes(size, "big")
    raise ValueError("too large for CBOR")


def cbor(value: Any) -> bytes:
    """Return a value as CBOR (RFC 8949): what SenML needs of it, floats always in 64 bits."""
    match value:
        case bool():
            return b"\xf5" if value else b"\xf4"
        case None:
            return b"\xf6"
        case int():
            return _head(0, value) if value >= 0 else _head(1, -1 - value)
        case float():
            return b"\xfb" + struct.pack(">d", value)
        case bytes():
            return _head(2, len(value)) + value
        case str():
            text = value.encode()
            return _head(3, len(text)) + text
        case dict():
            pairs = b"".join(cbor(k) + cbor(v) for k, v in value.items())
            return _head(5, len(value)) + pairs
        case list() | tuple():
            return _head(4, len(value)) + b"".join(cbor(v) for v in value)
    raise TypeError(f"no CBOR for {type(value).__name__}")


def status(
    state: str,
    session: str,
    *,
    at: float | None = None,
    battery: float | None = None,
    rssi: float | None = None,
    firmware: str = "",
    cadence: Mapping[str, float] | None = None,
) -> bytes:
    """Return a status document; what isn't known is left out."""
    said = {
        "state": state, "session": session, "at": at, "battery": battery, "rssi": rssi,
        "fw": firmware or None, "cadence": dict(cadence) if cadence else None,
    }  # fmt: skip
    return json.dumps({k: v for k, v in said.items() if v is not None}).encode()


def command_answer(command_id: str, *, ok: bool, detail: str) -> bytes:
    """Return what a device says came of a command."""
    return json.dumps({"id": command_id, "ok": ok, "detail": detail}).encode()


def read_receipt(payload: bytes) -> Receipt:
    """Read a receipt."""
    said = json.loads(payload)
    return Receipt(alarm=said["alarm"], state=said["state"], by=said.get("by") or "")


def read_command(payload: bytes) -> Command:
    """Read a command."""
    said = json.loads(payload)
    return Command(
        id=str(said["id"]),
        do=said["do"],
        args=said.get("args") or {},
        expires=said.get("expires"),
    )


def read_answer(payload: bytes) -> Answer:
    """Read the answer to a message that asked for one."""
    said = json.loads(payload)
    refused = tuple((item.get("record"), item.get("reason", "")) for item in said["refused"])
    return Answer(stored=said["stored"], refused=refused)
