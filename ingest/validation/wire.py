"""SenML packs (RFC 8428), JSON and CBOR: bytes to resolved records, one refusal per bad record.

Strict about meaning, liberal about field order and unknown fields. A pack with a bad record still
yields its good ones; only bytes that are no pack at all are refused whole.
"""

from __future__ import annotations

import io
import json
import math
from dataclasses import dataclass
from typing import Any

import cbor2
import msgspec

MOST_RECORDS = 5_000
"""Records in one pack. Unsourced: half a day of one-per-10-s readings; more is a device error."""

_RELATIVE_BELOW = 2.0**28
"""RFC 8428, section 4.5.3: smaller times are relative to now."""

CBOR_CONTENT_TYPE = "application/senml+cbor"


class Record(msgspec.Struct, gc=False):
    """One record as sent, JSON spelling."""

    n: str | None = None
    u: str | None = None
    v: float | None = None
    vb: bool | None = None
    vs: str | None = None
    t: float | None = None
    bn: str | None = None
    bt: float | None = None
    bu: str | None = None
    bv: float | None = None
    bs: float | None = None
    s: float | None = None
    bver: int | None = None
    alarm_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """A decoded pack: each entry a record, or the reason it is none. ``whole`` refuses it all."""

    records: list[Record | str]
    whole: str = ""


_JSON = msgspec.json.Decoder(list[Record])
_FIELDS = frozenset(Record.__struct_fields__)
_CBOR_LABELS = {
    -1: "bver", -2: "bn", -3: "bt", -4: "bu", -5: "bv", -6: "bs",
    0: "n", 1: "u", 2: "v", 3: "vs", 4: "vb", 5: "s", 6: "t", 7: "ut", 8: "vd",
}  # fmt: skip
_OPEN_BRACKET, _SPACES = ord("["), frozenset(b" \t\r\n")


def decode(payload: bytes, content_type: str | None) -> Pack:
    """Return the records of a payload; never raises on bytes from outside."""
    if is_cbor(payload, content_type):
        return _from_cbor(payload)
    if b'_":' not in payload:  # a label ending in "_" must be understood (RFC 8428, 4.4)
        try:
            records = _JSON.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass
        else:
            return _bounded(list(records))
    return _from_loose_json(payload)


def is_cbor(payload: bytes, content_type: str | None) -> bool:
    """Tell CBOR from JSON: by content type, else by the first byte."""
    if content_type is not None:
        return content_type.split(";")[0].strip().lower() == CBOR_CONTENT_TYPE
    return bool(payload) and payload[0] != _OPEN_BRACKET and payload[0] not in _SPACES


def _bounded(records: list[Record | str]) -> Pack:
    if not records:
        return Pack(records=[], whole="an empty pack: a SenML pack holds at least one record")
    if len(records) > MOST_RECORDS:
        return Pack(
            records=[],
            whole=f"{len(records)} records in one pack: at most {MOST_RECORDS}; send several packs",
        )
    return Pack(records=records)


def _from_loose_json(payload: bytes) -> Pack:
    """Read what the typed decoder refused, record by record."""
    try:
        found = json.loads(payload)  # accepts NaN and Infinity, so that only their record is bad
    except (ValueError, RecursionError):
        return Pack(records=[], whole="not JSON and not CBOR: expected a SenML pack (RFC 8428)")
    return _from_objects(found)


def _from_cbor(payload: bytes) -> Pack:
    try:
        stream = io.BytesIO(payload)
        found = cbor2.CBORDecoder(stream).decode()
    except Exception:
        return Pack(records=[], whole="not CBOR: expected a SenML pack (RFC 8428)")
    if isinstance(found, list):
        found = [
            {_CBOR_LABELS.get(k, str(k)) if isinstance(k, int) else k: x for k, x in r.items()}
            if isinstance(r, dict)
            else r
            for r in found
        ]
    return _from_objects(found)


def _from_objects(found: Any) -> Pack:
    if not isinstance(found, list):
        return Pack(records=[], whole="a SenML pack is an array of records")
    if len(found) > MOST_RECORDS:
        return _bounded(found)
    return _bounded([_record(r) for r in found])


def _record(raw: Any) -> Record | str:
    if not isinstance(raw, dict):
        return "a record is an object"
    for key in raw:
        if isinstance(key, str) and key.endswith("_") and key not in _FIELDS:
            return f"field {key[:40]!r} must be understood and is not"
    try:
        return msgspec.convert({k: x for k, x in raw.items() if k in _FIELDS}, Record)
    except (msgspec.ValidationError, ValueError, TypeError) as error:
        return f"a field of the wrong type: {str(error)[:120]}"


@dataclass(slots=True)
class Bases:
    """The base fields in force while a pack is read from first to last record."""

    name: str = ""
    time: float = 0.0
    unit: str = ""
    value: float | None = None

    def take(self, record: Record) -> None:
        """Let a record's base fields replace those in force."""
        if record.bn is not None:
            self.name = record.bn
        if record.bt is not None:
            self.time = record.bt
        if record.bu is not None:
            self.unit = record.bu
        if record.bv is not None:
            self.value = record.bv

    def moment(self, record: Record, received: float) -> tuple[float, bool]:
        """Return a record's absolute time [s] and whether the hub's clock made it."""
        total = self.time + (record.t or 0.0)
        if not math.isfinite(total):
            return received, True
        if abs(total) < _RELATIVE_BELOW:
            return received + total, True
        return total, False


def local_name(base: str, name: str | None, device: str) -> tuple[str, str]:
    """Return the quantity name without the device's own URN, and what is wrong with it.

    A base name may be a room (``kitchen/``) or a device URN (``urn:dev:ops:acme-pendant-7:``),
    which must end in the device's id from the topic.
    """
    if base.startswith("urn:"):
        owner = base.rstrip(":/_")
        rest = name or ""
        if owner == base:  # no separator: the record's name is joined to the URN by RFC 8428
            full = base + rest
            owner, rest = (full[: -len(rest)], rest) if rest else (full, "")
        tail = owner.replace("/", ":").rsplit(":", 1)[-1]
        if tail == device or tail.endswith("-" + device):
            return rest, ""
        return rest, "bn names another device than the topic"
    return base + (name or ""), ""
