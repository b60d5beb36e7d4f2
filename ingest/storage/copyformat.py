"""Batches of rows as PostgreSQL's binary COPY format, built by numpy rather than row by row."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from ingest.kernel.observation import Rows

HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack("!ii", 0, 0)
TRAILER = struct.pack("!h", -1)

_PG_EPOCH_US = 946_684_800_000_000  # 2000-01-01, where PostgreSQL's timestamps start
_FIELDS = 11

OBSERVATION_COLUMNS = (
    "time, received_at, device_no, quantity, part, value, answer, flags,"
    " person_no, dwelling_no, sent_time"
)


def _layout(*, person: bool, sent: bool) -> np.dtype[np.void]:
    """Return the fixed layout of a tuple without answer; nulls are a length of -1 and no bytes."""
    parts: list[tuple[str, str]] = [("n", ">i2")]

    def add(name: str, kind: str, present: bool = True) -> None:
        parts.append((f"{name}_len", ">i4"))
        if present:
            parts.append((name, kind))

    add("time", ">i8")
    add("received", ">i8")
    add("device", ">i8")
    add("quantity", ">i2")
    add("part", ">i4")
    add("value", ">f8")
    add("answer", "", present=False)
    add("flags", ">i4")
    add("person", ">i8", present=person)
    add("dwelling", ">i8")
    add("sent", ">i8", present=sent)
    return np.dtype(parts)


_LAYOUTS = {(p, s): _layout(person=p, sent=s) for p in (False, True) for s in (False, True)}


def _microseconds(time: float) -> int:
    return round(time * 1e6) - _PG_EPOCH_US


def microseconds(time: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return Unix seconds as PostgreSQL's microseconds since 2000."""
    return np.rint(time * 1e6).astype(np.int64) - _PG_EPOCH_US


def observations(rows: Rows, sent: NDArray[np.float64], answers: dict[int, str]) -> bytes:
    """Return rows as one binary COPY stream for :data:`OBSERVATION_COLUMNS`.

    Parameters
    ----------
    rows
        Rows of :data:`ingest.kernel.observation.ROW`, shape (n,).
    sent
        Time as sent where it was corrected, NaN elsewhere, shape (n,). [s, Unix]
    answers
        Text answers by row; those rows have a null value.
    """
    has_person = rows["person"] != 0
    has_sent = ~np.isnan(sent)
    group = has_person * 2 + has_sent
    if answers:
        group[list(answers)] = 4
    out = [HEADER]
    for code in np.unique(group):
        if code == 4:  # noqa: PLR2004  (the group of text answers, named just above)
            out.extend(_with_answer(rows[i], float(sent[i]), text) for i, text in answers.items())
            continue
        which = group == code
        out.append(
            _fixed(rows[which], sent[which], person=bool(code & 2), sent_time=bool(code & 1))
        )
    out.append(TRAILER)
    return b"".join(out)


def _fixed(rows: Rows, sent: NDArray[np.float64], *, person: bool, sent_time: bool) -> bytes:
    layout = _LAYOUTS[person, sent_time]
    out = np.empty(len(rows), dtype=layout)
    out["n"] = _FIELDS
    names = layout.names or ()
    for name in names:
        if name.endswith("_len"):
            field = name[:-4]
            out[name] = layout[field].itemsize if field in names else -1
    out["time"] = microseconds(rows["time"])
    out["received"] = microseconds(rows["received"])
    for name in ("device", "quantity", "part", "value", "flags", "dwelling"):
        out[name] = rows[name]
    if person:
        out["person"] = rows["person"]
    if sent_time:
        out["sent"] = microseconds(sent)
    return out.tobytes()


def _with_answer(row: np.void, sent: float, text: str) -> bytes:
    encoded = text.encode()
    time, received = (_microseconds(float(row[k])) for k in ("time", "received"))
    person = int(row["person"])
    head = struct.pack(
        "!hiqiqiqihii", _FIELDS, 8, time, 8, received, 8, int(row["device"]),
        2, int(row["quantity"]), 4, int(row["part"]),
    )  # fmt: skip
    value = struct.pack("!ii", -1, len(encoded)) + encoded
    tail = struct.pack("!ii", 4, int(row["flags"]))
    tail += struct.pack("!iq", 8, person) if person else struct.pack("!i", -1)
    tail += struct.pack("!iq", 8, int(row["dwelling"]))
    if np.isnan(sent):
        tail += struct.pack("!i", -1)
    else:
        tail += struct.pack("!iq", 8, _microseconds(sent))
    return head + value + tail


_LOG = struct.Struct("!hiqiqihihi")


def log(writer: int, batch: int, version: int, shards: dict[int, bytes]) -> bytes:
    """Return the log rows of a batch, one a shard, as one binary COPY stream."""
    out = [HEADER]
    for shard, packed in shards.items():
        out.append(_LOG.pack(5, 8, writer, 8, batch, 2, shard, 2, version, len(packed)))
        out.append(packed)
    out.append(TRAILER)
    return b"".join(out)
