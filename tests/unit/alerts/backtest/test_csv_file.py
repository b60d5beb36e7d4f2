"""Readings in a CSV file: what is kept, what is told of, and that each problem says its mend."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alerts import errors
from alerts.backtest import csv_file
from alerts.backtest.sources import Source
from ingest.kernel import vitals
from ingest.kernel.observation import Quality, Rows

HEAD = "person,time,quantity,value"
GOOD = "ada,2026-11-23T08:00:00Z,heart_rate,72"


def write(folder: Path, *lines: str) -> Path:
    path = folder / "readings.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def rows(source: Source) -> Rows:
    return np.concatenate(list(source.chunks()))


def test_a_person_without_a_home_lives_alone(tmp_path: Path) -> None:
    source = csv_file.read(write(tmp_path, HEAD, GOOD, "bert,2026-11-23T09:00:00+01:00,spo2,95"))
    assert sorted(source.person_ids.values()) == ["ada", "bert"]
    assert [len(h.people) for h in source.homes] == [1, 1]
    found = rows(source)
    assert found["time"].tolist() == [1795420800.0, 1795420800.0]
    assert found["received"].tolist() == found["time"].tolist()
    assert source.refused == []


def test_rows_come_in_the_order_of_receipt(tmp_path: Path) -> None:
    source = csv_file.read(
        write(
            tmp_path, f"{HEAD},received",
            "ada,2026-11-23T08:00:00Z,heart_rate,72,2026-11-23T10:00:00Z",
            "ada,2026-11-23T09:00:00Z,heart_rate,73,2026-11-23T09:00:01Z",
        )
    )  # fmt: skip
    found = rows(source)
    assert found["value"].tolist() == [73.0, 72.0]
    assert (found["flags"] & int(Quality.LATE) != 0).tolist() == [False, True]


def test_rooms_questions_letters_and_yes_or_no_are_understood(tmp_path: Path) -> None:
    source = csv_file.read(
        write(
            tmp_path, f"{HEAD},home,place,conditions",
            "ada,2026-11-23T08:00:00Z,motion,true,h1,kitchen,",
            "ada,2026-11-23T08:01:00Z,symptom.breathless,3,h1,,copd; dementia",
            "ada,2026-11-23T08:02:00Z,acvpu,C,h1,,",
            ",2026-11-23T08:03:00Z,door_open,1,h1,front-door,",
        )
    )  # fmt: skip
    found = rows(source)
    parts = [source.parts.get(int(p), "") for p in found["part"]]
    assert parts == ["kitchen", "breathless", "", "front-door"]
    assert found["person"].tolist() == [0, 1, 1, 0], "what a home's sensor says is the home's"
    assert found["value"].tolist() == [1.0, 3.0, float("ACVPU".index("C")), 1.0]
    assert found["quantity"][1] == vitals.SYMPTOM
    assert [p.conditions for p in source.people] == [("copd", "dementia")]


def test_impossible_values_are_kept_and_flagged(tmp_path: Path) -> None:
    source = csv_file.read(write(tmp_path, HEAD, "ada,2026-11-23T08:00:00Z,body_temperature,74"))
    assert rows(source)["flags"][0] & int(Quality.IMPLAUSIBLE)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("ada,2026-11-23T08:00:00,heart_rate,72", "write RFC 3339 with its offset"),
        ("ada,yesterday,heart_rate,72", "write RFC 3339 with its offset"),
        ("ada,2026-11-23T08:00:00Z,pulse,72", "no quantity"),
        ("ada,2026-11-23T08:00:00Z,heart_rate,high", "no number: write it in /min"),
        ("ada,2026-11-23T08:00:00Z,heart_rate,nan", "no number"),
        ("ada,2026-11-23T08:00:00Z,motion,7", "true or false"),
        ("ada,2026-11-23T08:00:00Z,acvpu,X", "one of A, C, V, P, U"),
        ("ada,2026-11-23T08:00:00Z,symptom,3", "no quantity"),
        (",2026-11-23T08:00:00Z,heart_rate,72", "name the person"),
        ("ada,2026-11-23T08:00:00Z,heart_rate,72,9", "more values than columns"),
        ("ada,2026-11-23T08:00:00Z,heart_rate", "no number"),
    ],
)
def test_a_bad_row_is_told_by_line_and_the_good_ones_beside_it_are_kept(
    tmp_path: Path, line: str, said: str
) -> None:
    path = write(tmp_path, HEAD, GOOD, line, GOOD.replace("72", "73"))
    source = csv_file.read(path)
    assert rows(source)["value"].tolist() == [72.0, 73.0]
    (told,) = source.refused
    assert told.startswith(f"{path}:3: ")
    assert said in told


def test_a_person_in_two_homes_and_an_unknown_condition_are_refused(tmp_path: Path) -> None:
    source = csv_file.read(
        write(
            tmp_path, f"{HEAD},home,conditions",
            "ada,2026-11-23T08:00:00Z,heart_rate,72,h1,",
            "ada,2026-11-23T08:01:00Z,heart_rate,72,h2,",
            "ada,2026-11-23T08:02:00Z,heart_rate,72,h1,gout",
        )
    )  # fmt: skip
    assert ["another home" in line or "'gout' is not known" in line for line in source.refused] == [
        True, True,
    ]  # fmt: skip
    assert rows(source).size == 1
    assert [h.no for h in source.homes] == [1], "nothing of a refused row is kept"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (("person,time,value", GOOD), ":1: there is no column quantity"),
        ((f"{HEAD},colour", f"{GOOD},red"), ":1: column 'colour' is not known"),
        ((HEAD,), "holds no row that can be read"),
        ((HEAD, "ada,never,heart_rate,72"), "readings.csv:2: time 'never'"),
    ],
)
def test_a_file_with_nothing_to_read_says_what_is_wrong(
    tmp_path: Path, lines: tuple[str, ...], said: str
) -> None:
    with pytest.raises(errors.BacktestError) as caught:
        csv_file.read(write(tmp_path, *lines))
    assert said in str(caught.value)


def test_a_file_that_is_not_there_or_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(errors.BacktestError, match="there is no such file"):
        csv_file.read(tmp_path / "none.csv")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(errors.BacktestError, match="no UTF-8 text"):
        csv_file.read(tmp_path / "b.csv")
