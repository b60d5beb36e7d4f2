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

VERSION = 10
"""Of SenML (RFC 8428, section 4.4)."""

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
class Bad:
    """A record that can't be read, and why; its base fields hold for the records after it."""

    reason: str
    bases: Record | None = None  # what could be read of them
    lost: frozenset[str] = frozenset()  # which could not


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """A decoded pack: each entry a record, or why it is none. ``whole`` refuses it all."""

    records: list[Record | Bad]
    whole: str = ""


_JSON = msgspec.json.Decoder(list[Record])
_FIELDS = frozenset(Record.__struct_fields__)
_BASES = ("bn", "bt", "bu", "bv", "bver")
_CBOR_LABELS = {
    -1: "bver", -2: "bn", -3: "bt", -4: "bu", -5: "bv", -6: "bs",
    0: "n", 1: "u", 2: "v", 3: "vs", 4: "vb", 5: "s", 6: "t", 7: "ut", 8: "vd",
}  # fmt: skip
_SELF_DESCRIBED = b"\xd9\xd9\xf7"  # the tag "this is CBOR" (RFC 8949, section 3.4.6)
_OPEN_BRACKET, _SPACES = ord("["), frozenset(b" \t\r\n")


def decode(payload: bytes, content_type: str | None) -> Pack:
    """Return the records of a payload; never raises on bytes from outside."""
    if is_cbor(payload, content_type):
        return _from_cbor(payload)
    if b'_"' not in payload:  # a label ending in "_" must be understood (RFC 8428, 4.4)
        try:
            records = _JSON.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
        else:
            return _bounded(list(records))
    return _from_loose_json(payload)


def is_cbor(payload: bytes, content_type: str | None) -> bool:
    """Tell CBOR from JSON: by a content type that names one of them, else by the first byte."""
    said = (content_type or "").split(";")[0].strip().lower()
    if said == CBOR_CONTENT_TYPE:
        return True
    if said.endswith("json"):
        return False
    return bool(payload) and payload[0] != _OPEN_BRACKET and payload[0] not in _SPACES


def _bounded(records: list[Record | Bad]) -> Pack:
    if not records:
        return Pack(records=[], whole="an empty pack: a SenML pack holds at least one record")
    if len(records) > MOST_RECORDS:
        return Pack(  # with its records: an emergency among them has to be found
            records=records,
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
        stream = io.BytesIO(payload.removeprefix(_SELF_DESCRIBED))
        found = cbor2.CBORDecoder(stream).decode()
    except Exception:  # whatever a tag's content makes the library raise
        return Pack(records=[], whole="not CBOR: expected a SenML pack (RFC 8428)")
    if isinstance(found, list):
        found = [
            {_CBOR_LABELS.get(k) if isinstance(k, int) else k: x for k, x in r.items()}
            if isinstance(r, dict)
            else r
            for r in found
        ]
    return _from_objects(found)


def _from_objects(found: Any) -> Pack:
    if not isinstance(found, list):
        return Pack(records=[], whole="a SenML pack is an array of records")
    return _bounded([_record(r) for r in found])


def _record(raw: Any) -> Record | Bad:
    if not isinstance(raw, dict):
        return Bad(reason="a record is an object")
    known = {k: _readable(x) for k, x in raw.items() if k in _FIELDS}
    for key in raw:
        if isinstance(key, str) and key.endswith("_"):
            return _bad(f"field {_readable(key[:40])!r} must be understood and is not", known)
    record = _converted(known)
    return record if isinstance(record, Record) else _bad(record, known)


def _converted(fields: dict[str, Any]) -> Record | str:
    try:
        return msgspec.convert(fields, Record)
    except (ValueError, TypeError, ArithmeticError, RecursionError) as error:
        return f"a field of the wrong type: {str(error)[:120]}"


def _bad(reason: str, fields: dict[str, Any]) -> Bad:
    """Refuse a record, keeping what it says about those after it."""
    said = {k: fields[k] for k in _BASES if fields.get(k) is not None}
    lost = frozenset(k for k, x in said.items() if isinstance(_converted({k: x}), str))
    bases = _converted({k: x for k, x in said.items() if k not in lost}) if said else None
    return Bad(reason=reason, bases=bases if isinstance(bases, Record) else None, lost=lost)


def _readable(value: Any) -> Any:
    """Return text without lone surrogates (halves of characters): no database takes them."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else value


@dataclass(slots=True)
class Bases:
    """The base fields in force while a pack is read from first to last record."""

    name: str = ""
    time: float = 0.0
    unit: str = ""
    value: float | None = None
    version: int = VERSION
    lost: frozenset[str] = frozenset()  # were given and could not be read

    def take(self, record: Record | Bad) -> None:
        """Let a record's base fields replace those in force."""
        if isinstance(record, Bad):
            if record.bases is not None:
                self._replace(record.bases)
            self.lost |= record.lost
        else:
            self._replace(record)

    def problem(self) -> str:
        """Return why the records from here on can't be read, empty when they can."""
        if self.lost:
            return f"a base field before it could not be read: {', '.join(sorted(self.lost))}"
        if self.version > VERSION:  # RFC 8428, section 4.4: MUST NOT use this object
            return f"SenML version {self.version}: at most {VERSION} is understood"
        return ""

    def _replace(self, record: Record) -> None:
        if record.bn is not None:
            self.name = record.bn
        if record.bt is not None:
            self.time = record.bt
        if record.bu is not None:
            self.unit = record.bu
        if record.bv is not None:
            self.value = record.bv
        if record.bver is not None:
            self.version = record.bver
        if self.lost:
            self.lost -= {k for k in self.lost if getattr(record, k) is not None}

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
