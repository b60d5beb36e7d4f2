"""From messages to rows: decode, name, convert, time, attribute. Pure but for its two ports.

Nothing is dropped: every record becomes a row, an alarm, or a refusal with its reason.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ingest import ports
from ingest.batch import WHOLE, Batch, Envelope, Refusal
from ingest.kernel import units, vitals
from ingest.kernel.device import Device
from ingest.kernel.observation import RE_TIMED, ROW, Alarm, Quality
from ingest.kernel.vitals import Quantity, ValueKind
from ingest.validation import plausibility, timing, wire

_LONGEST_ANSWER = 500
_LONGEST_ALARM_ID = 200
_LONGEST_RECEIPT_ID = 1_000
_MOST_CACHED = 50_000
_LONGEST_CACHED = 200
_FIRST_DATE, _LAST_DATE = -62_135_596_800.0, 253_402_300_800.0  # years 1 to 9999
_PART = re.compile(rf"{vitals.PLACE}\Z")


@dataclass(slots=True)
class _Message:
    """One envelope on its way through: its number, and its device's place in the batch."""

    no: int
    envelope: Envelope
    local: int  # -1: not registered


@dataclass(slots=True)
class _Draft:
    """An alarm before its time and its wearer are known."""

    row: int
    alarm_id: str
    receipt_id: str
    quantity: int
    cancel: bool
    place: str
    detail: str


@dataclass(slots=True)
class _Columns:
    """The batch while it is being built, one entry a row."""

    message: list[int] = field(default_factory=list)
    record: list[int] = field(default_factory=list)
    device: list[int] = field(default_factory=list)  # index into the batch's devices, -1: none
    quantity: list[int] = field(default_factory=list)
    part: list[str] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    time: list[float] = field(default_factory=list)
    hub_timed: list[bool] = field(default_factory=list)
    answers: dict[int, str] = field(default_factory=dict)
    drafts: list[_Draft] = field(default_factory=list)
    refusals: dict[int, Refusal] = field(default_factory=dict)

    def add(
        self, message: _Message, record: int, quantity: int, part: str, value: float,
        time: tuple[float, bool],
    ) -> int:  # fmt: skip
        self.message.append(message.no)
        self.record.append(record)
        self.device.append(message.local)
        self.quantity.append(quantity)
        self.part.append(part)
        self.value.append(value)
        self.time.append(time[0])
        self.hub_timed.append(time[1])
        return len(self.message) - 1

    def refuse(self, message: int, record: int, reason: str, code: str = "record") -> None:
        refusal = self.refusals.get(message)
        if refusal is None:
            refusal = self.refusals[message] = Refusal(code)
        refusal.records.append((record, reason))


class Pipeline:
    """Turns messages into what the store takes. One per lane; keeps only caches."""

    def __init__(
        self, *, devices: ports.Devices, parts: ports.Parts, limits: timing.Limits
    ) -> None:
        self._devices = devices
        self._parts = parts
        self._limits = limits
        self._names: dict[str, tuple[Quantity, str] | str] = {}

    def prepare(self, envelopes: Sequence[Envelope]) -> Batch:
        """Decode, check and attribute; what the ports raise (store gone) goes through."""
        known = self._devices.lookup({(e.site, e.device) for e in envelopes})
        columns = _Columns()
        devices: list[Device] = []
        index: dict[int, int] = {}
        for m, envelope in enumerate(envelopes):
            device = known.get((envelope.site, envelope.device))
            local = -1
            if device is not None:
                local = index.setdefault(device.no, len(devices))
                if local == len(devices):
                    devices.append(device)
            self._read(columns, _Message(m, envelope, local))
        return self._assemble(envelopes, columns, devices)

    def refuse(self, envelope: Envelope, reason: str) -> Batch:
        """Return a batch that only says why this message could not be kept; its alarms page."""
        columns = _Columns()
        message = _Message(0, envelope, -1)
        columns.refuse(0, WHOLE, reason, "store")
        if envelope.lane == "event":
            _unreadable(columns, message, reason)
        return self._assemble([envelope], columns, [])

    # -- one message ------------------------------------------------------------------------

    def _read(self, columns: _Columns, message: _Message) -> None:
        """Read one message into the columns."""
        envelope = message.envelope
        pack = wire.decode(envelope.payload, envelope.content_type)
        refused = _refused_whole(pack, message)
        if refused is not None:
            columns.refuse(message.no, WHOLE, *refused)
            if pack.whole and envelope.lane == "event":
                _unreadable(columns, message, pack.whole)
        if pack.whole:
            self._only_emergencies(columns, message, pack)
            return
        bases = wire.Bases()
        for j, record in enumerate(pack.records):
            bases.take(record)
            if isinstance(record, wire.Bad):
                _refuse(columns, message, j, record.reason)
                continue
            found, wrong = self._named(bases.name, record, envelope.device)
            wrong = wrong or bases.problem()
            if found is None:
                _refuse(columns, message, j, wrong, record, bases)
            elif found[0].emergency:
                _emergency(columns, message, j, record, found, bases, wrong)
            elif wrong:
                columns.refuse(message.no, j, wrong)
            elif refused is None:
                self._measurement(columns, message, j, record, found, bases)

    def _only_emergencies(self, columns: _Columns, message: _Message, pack: wire.Pack) -> None:
        """Find the emergencies in what is refused whole; on the alarm topic the whole pages."""
        if message.envelope.lane == "event":
            return
        bases = wire.Bases()
        for j, record in enumerate(pack.records):
            bases.take(record)
            if isinstance(record, wire.Record):
                found, wrong = self._named(bases.name, record, message.envelope.device)
                if found is not None and found[0].emergency:
                    _emergency(columns, message, j, record, found, bases, wrong)

    def _named(
        self, base: str, record: wire.Record, device: str
    ) -> tuple[tuple[Quantity, str] | None, str]:
        """Return what a record's name means, and what is wrong with it."""
        wrong = ""
        if base.startswith("urn:"):
            name, wrong = wire.local_name(base, record.n, device)
        else:
            name = (base + record.n) if record.n else base
        found = self._names.get(name)
        if found is None:
            found = meaning(name)
            if len(name) <= _LONGEST_CACHED:
                if len(self._names) >= _MOST_CACHED:
                    self._names.clear()
                self._names[name] = found
        return (None, wrong or found) if isinstance(found, str) else (found, wrong)

    def _measurement(
        self, columns: _Columns, message: _Message, j: int, record: wire.Record,
        named: tuple[Quantity, str], bases: wire.Bases,
    ) -> None:  # fmt: skip
        quantity, part = named
        found: float | str
        if quantity.kind is ValueKind.NUMBER:
            found = self._number(quantity, record, bases)
        else:
            found = _other_value(quantity, record)
        when = bases.moment(record, message.envelope.received)
        if not isinstance(found, str):
            columns.add(message, j, quantity.no, part, found, when)
        elif quantity.kind is ValueKind.ANSWER and found.startswith("="):
            row = columns.add(message, j, quantity.no, part, math.nan, when)
            columns.answers[row] = found[1:]
        else:
            columns.refuse(message.no, j, found)

    def _number(self, quantity: Quantity, record: wire.Record, bases: wire.Bases) -> float | str:
        value = record.v
        if bases.value is not None:
            value = bases.value + (value or 0.0)
        if value is None:
            return f"{quantity.name} needs a number in v"
        if not math.isfinite(value):
            return f"{quantity.name} must be a finite number"
        unit = record.u if record.u is not None else bases.unit
        if unit == quantity.unit or not unit:
            return value
        linear = units.conversion(quantity.unit, unit)
        if linear is None:
            allowed = ", ".join(units.spellings(quantity.unit))
            return f"unit {unit[:20]!r} does not measure {quantity.name}: expected {allowed}"
        value = value * linear.scale + linear.offset
        return value if math.isfinite(value) else f"{quantity.name} must be a finite number"

    # -- the whole batch --------------------------------------------------------------------

    def _assemble(
        self, envelopes: Sequence[Envelope], columns: _Columns, devices: list[Device]
    ) -> Batch:
        n = len(columns.message)
        message = np.array(columns.message, dtype=np.int64)
        record = np.array(columns.record, dtype=np.int64)
        local = np.array(columns.device, dtype=np.int64)
        quantity = np.array(columns.quantity, dtype=np.int16)
        value = np.array(columns.value, dtype=np.float64) + 0.0  # -0.0 becomes 0.0
        sent = np.array(columns.time, dtype=np.float64)
        received = np.fromiter((e.received for e in envelopes), np.float64, len(envelopes))[message]
        hub_timed = np.array(columns.hub_timed, dtype=bool)
        time, flags = timing.judge(sent, received, hub_timed, message, self._limits)
        flags |= _message_flags(envelopes)[message]
        flags[plausibility.implausible(quantity, value)] |= np.int32(Quality.IMPLAUSIBLE)

        person, dwelling, assigned = _attribute(devices, local, time)
        part, part_ok = self._intern(columns.part)
        for i in np.flatnonzero(~part_ok):
            columns.refuse(int(message[i]), int(record[i]), "too many different rooms or keys")
        device_no = np.array([d.no for d in devices] + [0], dtype=np.int64)[local]
        keep = (local >= 0) & (quantity > 0) & part_ok
        refused = _wholly_refused(columns.refusals, len(envelopes))
        keep &= ~refused[message] if n else keep
        for i in np.flatnonzero(keep & ~assigned):
            columns.refuse(
                int(message[i]),
                int(record[i]),
                "the device was nobody's at that time",
                "unassigned",
            )
        keep &= assigned

        rows = np.zeros(n, dtype=ROW)
        rows["time"], rows["received"], rows["value"] = time, received, value
        rows["device"], rows["person"], rows["dwelling"] = device_no, person, dwelling
        rows["part"], rows["flags"], rows["quantity"] = part, flags, quantity
        alarms = [
            _alarm(draft, envelopes[int(message[draft.row])], rows[draft.row])
            for draft in columns.drafts
        ]
        at = np.cumsum(keep) - 1
        stored = np.bincount(message[keep], minlength=len(envelopes)).tolist()
        retimed = (flags & int(RE_TIMED & ~Quality.HUB_TIMED)) != 0
        retimed &= (sent >= _FIRST_DATE) & (sent < _LAST_DATE)
        return Batch(
            envelopes=envelopes,
            rows=rows[keep],
            message=message[keep],
            sent=np.where(retimed, sent, np.nan)[keep],
            answers={int(at[i]): text for i, text in columns.answers.items() if keep[i]},
            alarms=alarms,
            refusals=columns.refusals,
            stored=stored,
        )

    def _intern(self, names: list[str]) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        """Return the number of each part name (0 for none), and whether it has one."""
        wanted = {n for n in names if n}
        if not wanted:
            return np.zeros(len(names), dtype=np.int32), np.ones(len(names), dtype=bool)
        numbers = self._parts.numbers(wanted)
        part = np.array([numbers.get(n, -1) if n else 0 for n in names], dtype=np.int32)
        ok = part >= 0
        return np.where(ok, part, 0).astype(np.int32), ok


def _refused_whole(pack: wire.Pack, message: _Message) -> tuple[str, str] | None:
    """Return why none of a message's measurements can be kept, and the code for it."""
    if message.envelope.misaddressed:
        return message.envelope.misaddressed, "topic"
    if pack.whole:
        return pack.whole, "unreadable"
    if message.local < 0:
        return "the device is not registered", "unregistered"
    return None


def _emergency(
    columns: _Columns, message: _Message, j: int, record: wire.Record,
    named: tuple[Quantity, str], bases: wire.Bases, wrong: str,
) -> None:  # fmt: skip
    """Take an alarm; whatever its value says that isn't plainly "no" is an alarm.

    Something wrong with the rest of it is told with the alarm, and keeps it out of the readings.
    """
    quantity, part = named
    when = bases.moment(record, message.envelope.received)
    off = record.vb is False or (record.vb is None and record.v == 0)
    stored = vitals.UNKNOWN_ALARM if wrong else quantity.no
    row = columns.add(message, j, stored, part, 0.0 if off else 1.0, when)
    if wrong:
        columns.refuse(message.no, j, wrong)
    if off and not record.alarm_id:
        return  # a detector saying that all is well
    alarm_id, receipt_id = _alarm_ids(record, message.envelope, bases)
    columns.drafts.append(_Draft(row, alarm_id, receipt_id, quantity.no, off, part, wrong))


def _refuse(
    columns: _Columns, message: _Message, j: int, reason: str,
    record: wire.Record | None = None, bases: wire.Bases | None = None,
) -> None:  # fmt: skip
    """Refuse a record; on the alarm topic what can't be understood still pages."""
    columns.refuse(message.no, j, reason)
    if message.envelope.lane != "event" or (record is not None and record.vb is False):
        return
    if record is None or bases is None:
        _unreadable(columns, message, reason, j)
    else:
        _unreadable(columns, message, reason, j, _alarm_ids(record, message.envelope, bases))


def _unreadable(
    columns: _Columns, message: _Message, reason: str, j: int = WHOLE,
    alarm_ids: tuple[str, str] | None = None,
) -> None:  # fmt: skip
    envelope = message.envelope
    row = columns.add(message, j, vitals.UNKNOWN_ALARM, "", math.nan, (envelope.received, True))
    alarm_id, receipt_id = alarm_ids or (f"unreadable {envelope.digest().hex()}", "")
    columns.drafts.append(
        _Draft(row, alarm_id, receipt_id, vitals.UNKNOWN_ALARM, False, "", reason)
    )


def meaning(name: str) -> tuple[Quantity, str] | str:
    """Return the quantity and part a full name stands for, or why it stands for none."""
    place, _, last = name.rpartition("/")
    key = ""
    if last.startswith("symptom."):
        last, key = "symptom", last[len("symptom.") :]
    quantity = vitals.BY_NAME.get(last)
    if quantity is None:
        return f"unknown name {name[:60]!r}: see the nomenclature"
    if last == "symptom" and not key:
        return "a questionnaire answer is named symptom.<key>"
    part = f"{place}.{key}" if place and key else (key or place)
    part = part.replace("/", ".").lower()
    if part and not _PART.match(part):
        if quantity.emergency:
            return quantity, ""  # it pages all the same
        return f"room or key {part[:60]!r}: at most 40 lower-case letters, digits, - _ ."
    return quantity, part


def _other_value(quantity: Quantity, record: wire.Record) -> float | str:
    """Return the value of a quantity that is no number, or the reason; "=..." is a text answer."""
    if quantity.kind is ValueKind.BOOLEAN:
        if record.vb is not None:
            return float(record.vb)
        if record.v in (0, 1):
            return float(record.v)
        return f"{quantity.name} needs true or false in vb"
    if quantity.kind is ValueKind.CODE:
        letter = (record.vs or "").strip().upper()
        if len(letter) == 1 and letter in quantity.codes:
            return float(quantity.codes.index(letter))
        return f"{quantity.name} needs one of {'|'.join(quantity.codes)} in vs"
    return _answer(quantity, record)


def _answer(quantity: Quantity, record: wire.Record) -> float | str:
    if record.vb is not None:
        return float(record.vb)
    if record.v is not None:
        return record.v if math.isfinite(record.v) else "an answer must be a finite number"
    if record.vs is None:
        return f"{quantity.name} needs an answer in v, vb or vs"
    if "\0" in record.vs:
        return "NUL in text"
    if len(record.vs) > _LONGEST_ANSWER:
        return f"an answer has at most {_LONGEST_ANSWER} characters"
    return "=" + record.vs


def _alarm_ids(record: wire.Record, envelope: Envelope, bases: wire.Bases) -> tuple[str, str]:
    """Return the id that tells this alarm from others, and the one its receipt names.

    Without an id of the device's own, only a calendar time tells a repeat from a second press;
    where there is none each message pages: two presses must never be taken for one.
    """
    own = (record.alarm_id or "").replace("\0", "")
    if own:
        return _short(own), own[:_LONGEST_RECEIPT_ID]
    name = (record.n or "").replace("\0", "")[:_LONGEST_RECEIPT_ID]
    receipt_id = name if record.t is None else f"{name}@{_as_sent(record.t)}"
    time, hub_timed = bases.moment(record, envelope.received)
    full = bases.name.replace("\0", "") + name
    if hub_timed or time < timing.CLOCK_EPOCH:
        return _short(f"{full} received {envelope.received:.6f}"), receipt_id
    return _short(f"{full}@{_as_sent(time)}"), receipt_id


def _short(text: str) -> str:
    """Return an id of bounded length that stays different from others."""
    if len(text) <= _LONGEST_ALARM_ID:
        return text
    return text[:100] + hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _as_sent(time: float) -> int | float:
    """Return a time as a device most likely wrote it."""
    return int(time) if abs(time) < _LAST_DATE and time == int(time) else time


def _message_flags(envelopes: Sequence[Envelope]) -> NDArray[np.int32]:
    return np.fromiter(
        (
            (Quality.RETAINED if e.retained else 0)
            | (Quality.IMPORTED if e.imported else 0)
            | (Quality.REPLAYED if e.replayed else 0)
            for e in envelopes
        ),
        np.int32,
        len(envelopes),
    )


def _wholly_refused(refusals: dict[int, Refusal], n: int) -> NDArray[np.bool_]:
    refused = np.zeros(n, dtype=bool)
    for m, refusal in refusals.items():
        refused[m] = any(record == WHOLE for record, _ in refusal.records)
    return refused


def _attribute(
    devices: list[Device], local: NDArray[np.int64], time: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Return person, dwelling and whether anybody's, by who had the device at that time."""
    newest = [d.assignments[0] if d.assignments else None for d in devices] + [None]
    start = np.array([a.start if a else np.inf for a in newest])[local]
    end = np.array([a.end if a else -np.inf for a in newest])[local]
    person = np.array([a.person_no if a else 0 for a in newest], dtype=np.int64)[local]
    dwelling = np.array([a.dwelling_no if a else 0 for a in newest], dtype=np.int64)[local]
    assigned = (start <= time) & (time < end)
    for i in np.flatnonzero(~assigned & (local >= 0)):  # before the newest assignment: rare
        earlier = devices[int(local[i])].at(float(time[i]))
        if earlier is not None:
            person[i], dwelling[i], assigned[i] = earlier.person_no, earlier.dwelling_no, True
    person[~assigned], dwelling[~assigned] = 0, 0
    return person, dwelling, assigned


def _alarm(draft: _Draft, envelope: Envelope, row: np.void) -> Alarm:
    return Alarm(
        site=envelope.site,
        device=envelope.device,
        alarm_id=draft.alarm_id,
        receipt_id=draft.receipt_id,
        quantity=draft.quantity,
        cancel=draft.cancel,
        place=draft.place,
        time=float(row["time"]),
        received=envelope.received,
        flags=int(row["flags"]),
        device_no=int(row["device"]) or None,
        person_no=int(row["person"]) or None,
        dwelling_no=int(row["dwelling"]) or None,
        detail=draft.detail,
    )
