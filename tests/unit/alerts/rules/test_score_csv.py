"""`telecare rules score`: rows come back scored, bad cells are named by line and column."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from alerts import errors
from alerts.rules import score_csv

HEADER = "id,resp_rate,spo2,on_oxygen,systolic,heart_rate,body_temperature,acvpu,scale2"


def scored(tmp_path: Path, *lines: str, header: str = HEADER) -> list[dict[str, str]]:
    path = tmp_path / "in.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return list(csv.DictReader(score_csv.score_file("news2", path).splitlines()))


def test_rows_keep_their_columns_and_gain_parts_total_level_and_partial(tmp_path: Path) -> None:
    (row,) = scored(tmp_path, "a,27.0,84,true,230,150,34,C,1.0")
    assert row["id"] == "a"
    assert (row["total"], row["level"], row["partial"]) == ("19", "high", "false")
    assert (row["resp_rate_score"], row["spo2_score"], row["on_oxygen_score"]) == ("3", "2", "2")


def test_an_empty_cell_is_not_measured(tmp_path: Path) -> None:
    (row,) = scored(tmp_path, "a,,91,,,,,,")
    assert (row["total"], row["level"], row["partial"]) == ("3", "low-medium", "true")
    assert row["resp_rate_score"] == ""


def test_a_row_without_any_measurement_has_no_total(tmp_path: Path) -> None:
    (row,) = scored(tmp_path, "a,,,,,,,,")
    assert (row["total"], row["level"], row["partial"]) == ("", "", "true")


def test_columns_may_be_left_out_and_stand_in_any_order(tmp_path: Path) -> None:
    (row,) = scored(tmp_path, "131,x", header="heart_rate,note")
    assert (row["total"], row["note"], row["partial"]) == ("3", "x", "true")


def test_bad_cells_are_named_by_line_and_column(tmp_path: Path) -> None:
    with pytest.raises(errors.ScoreInputError) as caught:
        scored(tmp_path, "a,16,98,0,120,70,37,A,", "b,fast,98,2,120,-1,37,X,")
    text = str(caught.value)
    assert "in.csv:3: column resp_rate: 'fast' is not a number" in text
    assert "in.csv:3: column on_oxygen" in text
    assert "in.csv:3: column heart_rate" in text
    assert "in.csv:3: column acvpu" in text
    assert "in.csv:2" not in text


def test_the_columns_added_are_those_of_the_chart_in_its_order(tmp_path: Path) -> None:
    (row,) = scored(tmp_path, "a,16,98,0,120,70,37,A,")
    assert list(row) == [
        *HEADER.split(","), "resp_rate_score", "spo2_score", "on_oxygen_score", "systolic_score",
        "heart_rate_score", "acvpu_score", "body_temperature_score", "total", "level", "partial",
    ]  # fmt: skip


@pytest.mark.parametrize(("cell", "points"), [("38.05", "1"), ("38.04", "0"), ("36.05", "1")])
def test_ties_of_temperature_take_the_higher_score(tmp_path: Path, cell: str, points: str) -> None:
    (row,) = scored(tmp_path, cell, header="body_temperature")
    assert row["body_temperature_score"] == points


@pytest.mark.parametrize("cell", ["nan", "inf", "-1", "1e400"])
def test_what_cannot_have_been_measured_is_refused(tmp_path: Path, cell: str) -> None:
    with pytest.raises(errors.ScoreInputError, match="can't have been measured"):
        scored(tmp_path, cell, header="spo2")


def test_a_column_that_is_there_twice_and_a_row_that_is_too_long_are_named(tmp_path: Path) -> None:
    with pytest.raises(errors.ScoreInputError, match="column spo2 is there more than once"):
        scored(tmp_path, "93,94", header="spo2,spo2")
    with pytest.raises(errors.ScoreInputError, match=r"in\.csv:2: has 2 cells, the header 1"):
        scored(tmp_path, "93,94", header="spo2")


def test_no_more_than_twenty_problems_are_listed(tmp_path: Path) -> None:
    with pytest.raises(errors.ScoreInputError, match="and 5 more") as refused:
        scored(tmp_path, *["x"] * 25, header="spo2")
    assert str(refused.value).count("is not a number") == 20


def test_a_file_without_a_known_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.ScoreInputError, match="no column is named"):
        scored(tmp_path, "1", header="pulse")


def test_an_unknown_score_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(errors.ScoreInputError, match="there is: news2"):
        score_csv.score_file("limits", tmp_path / "none.csv")
