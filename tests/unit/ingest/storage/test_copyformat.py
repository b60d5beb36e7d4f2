"""Rows as PostgreSQL's binary COPY format, read back field by field."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.kernel.observation import ROW, Rows
from ingest.storage import copyformat

EPOCH_US = 946_684_800_000_000
KINDS = ["!q", "!q", "!q", "!h", "!i", "!d", "text", "!i", "!q", "!q", "!q"]


def rows(*values: dict[str, Any]) -> Rows:
    out = np.zeros(len(values), dtype=ROW)
    for i, value in enumerate(values):
        for name, x in {"time": 1e9, "received": 1e9, "dwelling": 5, **value}.items():
            out[i][name] = x
    return out


def tuples(packed: bytes) -> list[tuple[Any, ...]]:
    """Read a binary COPY stream as PostgreSQL would."""
    assert packed.startswith(copyformat.HEADER)
    at = len(copyformat.HEADER)
    found = []
    while True:
        (count,) = struct.unpack_from("!h", packed, at)
        at += 2
        if count == -1:
            assert at == len(packed)
            return found
        assert count == len(KINDS)
        one: list[Any] = []
        for kind in KINDS:
            (size,) = struct.unpack_from("!i", packed, at)
            at += 4
            if size == -1:
                one.append(None)
                continue
            piece = packed[at : at + size]
            at += size
            if kind == "text":
                one.append(piece.decode())
            else:
                assert size == struct.calcsize(kind)
                one.append(struct.unpack(kind, piece)[0])
        found.append(tuple(one))


def test_no_rows_are_an_empty_stream() -> None:
    assert tuples(copyformat.observations(rows(), np.zeros(0), {})) == []


@pytest.mark.parametrize("person", [0, 17])
@pytest.mark.parametrize("sent", [float("nan"), 12.5])
@pytest.mark.parametrize("answer", [None, "", "so-so", "größer \N{GRINNING FACE}"])
def test_what_there_is_is_written_and_what_there_isnt_is_null(
    person: int, sent: float, answer: str | None
) -> None:
    row = {"device": 7, "person": person, "value": 1.5, "part": 3, "flags": 40, "quantity": 30}
    answers = {} if answer is None else {0: answer}
    (found,) = tuples(copyformat.observations(rows(row), np.array([sent]), answers))
    time = 10**15 - EPOCH_US
    assert found == (
        time, time, 7, 30, 3, None if answer is not None else 1.5, answer, 40, person or None, 5,
        None if np.isnan(sent) else 12_500_000 - EPOCH_US,
    )  # fmt: skip


@given(
    st.lists(
        st.tuples(
            st.floats(allow_nan=False),
            st.integers(0, 2**62),
            st.none() | st.text(max_size=5),
            st.floats(-1e9, 4e9) | st.just(float("nan")),
        ),
        max_size=8,
    )
)
def test_every_row_is_written_once_with_what_is_its_own(mixed: list[Any]) -> None:
    made = rows(*({"value": v, "device": i, "person": p} for i, (v, p, _, _) in enumerate(mixed)))
    sent = np.array([s for _, _, _, s in mixed], dtype=np.float64)
    answers = {i: a for i, (_, _, a, _) in enumerate(mixed) if a is not None}
    found = sorted(tuples(copyformat.observations(made, sent, answers)), key=lambda t: t[2])
    assert [t[2] for t in found] == list(range(len(mixed)))
    for one, (value, person, answer, when) in zip(found, mixed, strict=True):
        assert one[5] == (None if answer is not None else value)
        assert one[6] == answer
        assert one[8] == (person or None)
        assert (one[10] is None) == np.isnan(when)


@given(st.floats(0, 4e9))
def test_both_ways_of_rounding_a_time_agree(time: float) -> None:
    assert copyformat._microseconds(time) == int(copyformat.microseconds(np.array([time]))[0])


def test_a_log_row_for_each_shard() -> None:
    packed = copyformat.log(9, 4, 1, {3: b"abc", 5: b""})
    body = packed[len(copyformat.HEADER) : -2]
    first = struct.pack("!hiqiqihihi", 5, 8, 9, 8, 4, 2, 3, 2, 1, 3) + b"abc"
    assert body == first + struct.pack("!hiqiqihihi", 5, 8, 9, 8, 4, 2, 5, 2, 1, 0)
    assert packed.endswith(copyformat.TRAILER)
