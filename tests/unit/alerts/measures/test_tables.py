"""Tables: CSV that is safe to open, JSON that says the same, small numbers that name nobody."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.measures import evaluation, small_numbers
from alerts.measures.table import Column, Table, chunks, csv_lines, json_parts
from tests.unit.alerts.measures.told import DAY, RAISED, alert, as_dicts, record


def table(*rows: tuple[Any, ...]) -> Table:
    return Table(columns=(Column(name="site"), Column(name="note")), rows=rows)


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("cell", ["=1+1", "+44", "-2", "@x", "\t=1", "\r=1", "\n=1", "=1"])
def test_a_text_that_a_spreadsheet_would_run_is_made_a_text(cell: str) -> None:
    (_, row) = read("".join(csv_lines(table((cell, "plain")))))
    assert row == [f"'{cell}", "plain"]


def test_numbers_below_zero_stay_numbers() -> None:
    (_, row) = read("".join(csv_lines(table((-0.25, None)))))
    assert row == ["-0.25", ""]


CELLS = st.text().map(lambda text: "a" + text.replace("\x00", ""))


@given(st.lists(st.tuples(CELLS, CELLS), max_size=5))
def test_what_is_written_is_read_back(clean: list[tuple[str, str]]) -> None:
    data = b"".join(chunks(csv_lines(table(*clean)), size=7))
    assert read(data.decode())[1:] == [list(r) for r in clean]
    said = json.loads(b"".join(chunks(json_parts(table(*clean), {"report": "x"}))))
    assert [(r["site"], r["note"]) for r in said["rows"]] == clean
    assert said["columns"] == [{"name": "site", "unit": ""}, {"name": "note", "unit": ""}]


COLUMNS = (
    Column(name="site"), Column(name="closed", kind="count"),
    Column(name="home", kind="count", part_of="closed"),
    Column(name="gp", kind="count", part_of="closed"),
    Column(name="share", kind="rate", of=("home", "closed")), Column(name="days", kind="size"),
)  # fmt: skip


def hidden(*rows: tuple[Any, ...], totals: bool = True) -> list[dict[str, Any]]:
    return as_dicts(small_numbers.suppressed(Table(columns=COLUMNS, rows=rows), totals=totals))


def test_four_is_not_shown_and_five_is() -> None:
    (one,) = hidden(("elm", 9, 5, 4, 0.5, 3), totals=False)
    assert one["gp"] == "<5"
    assert one["home"] == "withheld"  # nine less the five would tell the four
    assert (one["share"], one["closed"], one["days"]) == (None, 9, 3)
    (one,) = hidden(("elm", 10, 5, 5, 0.5, 3), totals=False)
    assert (one["home"], one["gp"], one["share"]) == (5, 5, 0.5)


def test_the_only_hidden_one_of_a_column_takes_another_with_it() -> None:
    elm, oak, ash, total = hidden(
        ("elm", 60, 30, 30, 0.5, 1), ("oak", 17, 7, 10, 0.5, 1), ("ash", 14, 3, 11, 0.5, 1),
        ("all", 91, 40, 51, 0.5, 3),
    )  # fmt: skip
    assert (ash["home"], ash["gp"], ash["share"]) == ("<5", "withheld", None)
    assert (oak["home"], oak["gp"]) == ("withheld", "withheld")
    assert (elm["home"], elm["gp"], total["home"]) == (30, 30, 40)


@given(
    st.lists(
        st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=5
    )
)  # fmt: skip
def test_no_hidden_count_is_alone_in_a_sum_that_is_shown(parts: list[tuple[int, int]]) -> None:
    rows = [(f"s{n}", a + b, a, b, 0.1, 1) for n, (a, b) in enumerate(parts)]
    a, b = sum(p[0] for p in parts), sum(p[1] for p in parts)
    out = hidden(*rows, ("all", a + b, a, b, 0.1, 1))
    for row in out:
        assert all(not isinstance(row[c], int) or row[c] >= 5 for c in ("closed", "home", "gp"))
        assert (isinstance(row["home"], str)) == (isinstance(row["gp"], str))
    for name in ("closed", "home", "gp"):
        assert sum(isinstance(row[name], str) for row in out) != 1


def test_an_evaluation_has_a_row_per_alert_and_names_nobody() -> None:
    kept = record(
        alert(("acknowledged", 20.0), ("closed", 90.0), person=77, day=3, said_reading=-5.0,
              disposition="advice"),
        alert(person=77, rule="sos"), alert(person=0, home=5), alert(person=0, home=0, site=0),
    )  # fmt: skip
    made = evaluation.table(kept, key=b"k" * 32, first_day=DAY, now=RAISED + 1e6)
    first, second, third, fourth = as_dicts(made)
    assert (first["day"], first["alert_to_answer"], first["reading_to_alert"]) == (3, 20.0, 5.0)
    assert (first["disposition"], first["closed"], first["alert_to_scene"]) == ("advice", 1, None)
    assert first["subject"] == second["subject"] != third["subject"]
    (other,) = as_dicts(evaluation.table(
        record(alert(person=78)), key=b"k" * 32, first_day=DAY, now=RAISED))  # fmt: skip
    assert other["subject"] != first["subject"]
    assert (fourth["subject"], fourth["site"]) == (None, None)
    assert len(first["subject"]) == 16
    said = {str(v) for row in (first, second, third) for v in row.values()}
    assert not said & {"elm", "high-street", "77", "dn-north"}


def test_pseudonyms_hang_on_the_key_and_on_what_they_are_of() -> None:
    one = evaluation.pseudonym(b"a" * 32, "person", 5)
    assert one == evaluation.pseudonym(b"a" * 32, "person", 5)
    assert one != evaluation.pseudonym(b"b" * 32, "person", 5)
    assert one != evaluation.pseudonym(b"a" * 32, "home", 5)
