"""The lines of a TOML document's keys, whatever way they are written."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.register import toml_lines
from ingest.register.record import OWN

EVERYTHING = '''\
# a comment with [[brackets]] and "quotes"
top = 1
long = """
one "quoted" word
and four: """"

"odd key" = 'literal # no comment'   # a comment
[[people]]
id = "ada"
limits.spo2 = { low = 90, "high" = 99 }
moved = 1979-05-27 07:32:00
numbers = [ 1, [2, 3],   # a comment ]
  4,
]
tables = [ { a = 1 },
  { a = "}]" },
]

  [[people.contacts]]
  name = \'\'\'multi
line\'\'\'

  [[people.contacts]]
  name = "x"

  [people.limitz]
  low = 1
[[people]]
"id" = "bob"
'''


def test_every_way_of_writing_has_its_lines():
    assert tomllib.loads(EVERYTHING)
    assert toml_lines.lines(EVERYTHING) == {
        OWN: 1,
        "top": 2,
        "long": 3,
        "odd key": 7,
        "people": [
            {
                OWN: 8,
                "id": 9,
                "limits": {OWN: 10, "spo2": {OWN: 10, "low": 10, "high": 10}},
                "moved": 11,
                "numbers": [12, [12, 12], 13],
                "tables": [{OWN: 15, "a": 15}, {OWN: 16, "a": 16}],
                "contacts": [{OWN: 19, "name": 20}, {OWN: 23, "name": 24}],
                "limitz": {OWN: 26, "low": 27},
            },
            {OWN: 28, "id": 29},
        ],
    }


def test_windows_line_ends_count_like_others():
    assert toml_lines.lines(EVERYTHING.replace("\n", "\r\n")) == toml_lines.lines(EVERYTHING)


keys = st.from_regex(r"[A-Za-z0-9_-]{1,8}", fullmatch=True)
scalars = st.sampled_from(
    ["1", "-1.5e3", "true", "inf", "0x1F", '"a # ] } , = b"', "'c:\\d'", '"\\" \\u00e9"',
     '"""\na""b\n"""', "'''\n'\n'''", "2026-01-01T00:00:00Z", "2026-01-01 00:00:00", '""', "''"]
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda v: f"[ {', '.join(v)} ]")
        | st.lists(inner, max_size=3).map(
            lambda v: "[" + "".join(f"\n {i}, # ,]" for i in v) + "\n]"
        )
    ),
    max_leaves=6,
)


@given(st.lists(st.tuples(keys, values), max_size=8, unique_by=lambda pair: pair[0]))
def test_each_key_is_found_on_the_line_where_it_was_written(pairs):
    text, expected = "", {}
    for key, value in pairs:
        text += "\n  # between\n"
        expected[key] = text.count("\n") + 1
        text += f"{key} = {value} # after\n"
    assert tomllib.loads(text).keys() == expected.keys()
    found = toml_lines.lines(text)
    assert found.keys() - {OWN} == expected.keys()
    for key, value in pairs:
        if not value.startswith("["):
            assert found[key] == expected[key]


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment", "a=1"])
def test_the_smallest_documents_are_walked_to_their_end(text):
    assert toml_lines.lines(text)[OWN] == 1
