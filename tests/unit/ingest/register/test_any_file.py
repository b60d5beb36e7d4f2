"""Whatever a file holds, reading it ends with entries or with problems, never with a crash."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.kernel import registration
from ingest.register import entries
from tests.unit.ingest.register.writing import read

VALUES = [
    '""', '"x"', '"ada"', "1", "-1", "0.5", "nan", "inf", "1e400", "true", "[]", "{}", "[[]]",
    "[{}]", "[{a=1}]", '{spo2={low=90}}', '{spo2="x"}', "{spo2=60}", "1941-03-02", "07:32:00",
    "2026-01-01T00:00:00Z", "2026-01-01T00:00:00", "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59", '"9434765919"', '"\\u0007"', "'''a\nb'''", "9" * 400,
    '[{person="ada"}, {home="h", from=1}, 7]', '[{name="J", phone=""}, "x"]',
]  # fmt: skip
CELLS = ["", "x", "ada", "id", '"', "1", "\n", ";", "é"]
kinds = st.sampled_from(registration.KINDS)


@st.composite
def documents(draw) -> str:
    text = ""
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(kinds)
        keys = draw(st.lists(st.sampled_from([*entries.KEYS[kind], "xyz"]), unique=True))
        text += f"[[{kind}]]\n"
        text += "".join(f"{key} = {draw(st.sampled_from(VALUES))}\n" for key in keys)
    return text


def _check(said: registration.Registration) -> None:
    for problem in said.problems:
        assert problem.what
        assert problem.line >= 0
        assert "\n" not in str(problem)


@settings(deadline=None, max_examples=300)
@given(documents())
def test_any_values_of_any_keys(text):
    with tempfile.TemporaryDirectory() as folder:
        _check(read(Path(folder), a_toml=text))


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes(raw):
    with tempfile.TemporaryDirectory() as folder:
        said = read(Path(folder), a_toml=raw, people_csv=raw, b_csv=b"kind," + raw)
        _check(said)
        assert said.problems


@settings(deadline=None)
@given(kinds, st.lists(st.lists(st.sampled_from(CELLS), min_size=1)))
def test_any_cells(kind, rows):
    header = ",".join(key for key in entries.KEYS[kind])
    text = "\n".join([header, *(",".join(row) for row in rows)])
    with tempfile.TemporaryDirectory() as folder:
        _check(read(Path(folder), **{f"{kind}_csv": text}))
