"""Recorded homes: what each row means, and local times in the hours when clocks change."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from alerts import errors
from alerts.backtest import sources, tihm
from ingest.kernel import vitals
from ingest.kernel.observation import Quality


def recording(folder: Path, activity: str, physiology: str) -> Path:
    with gzip.open(folder / "Activity.csv.gz", "wt", encoding="utf-8") as file:
        file.write("patient_id,location_name,date\n" + activity)
    (folder / "Physiology.csv").write_text(
        "patient_id,date,device_type,value,unit\n" + physiology, encoding="utf-8"
    )
    (folder / "Demographics.csv").write_text(
        'patient_id,age,sex\na1,"(70, 80]",Female\n', encoding="utf-8"
    )
    return folder


def utc(*when: int) -> float:
    return datetime(*when, tzinfo=UTC).timestamp()  # type: ignore[arg-type,misc]


def test_doors_open_everything_else_moves_and_twice_the_same_is_once(tmp_path: Path) -> None:
    source = tihm.read(
        recording(
            tmp_path,
            "a1,front-door,2019-06-28 13:03:29\na1,kitchen,2019-06-28 13:11:44\n"
            "a1,kitchen,2019-06-28 13:11:44\n",
            "a1,2019-06-28 13:42:09,Heart rate,61,beats/min\n"
            "a1,2019-06-28 13:43:09,Skin Temperature,74,Cel\n",
        )
    )
    rows = np.concatenate(list(source.chunks()))
    assert [vitals.BY_NO[int(q)].name for q in rows["quantity"]] == [
        "door_open", "motion", "heart_rate", "skin_temperature",
    ]  # fmt: skip
    assert rows["time"][0] == utc(2019, 6, 28, 12, 3, 29), "British Summer Time"
    assert rows["person"].tolist() == [0, 0, 1, 1]
    assert (rows["flags"] & int(Quality.IMPLAUSIBLE) != 0).tolist() == [False, False, False, True]
    (person,) = source.people
    assert person.conditions == ("dementia",)
    assert person.born == utc(1944, 7, 1)
    assert {source.parts[int(p)] for p in rows["part"] if p} == {"front-door", "kitchen"}
    assert source.ends == {1: rows["received"][-1]}


def test_of_the_hour_that_a_clock_shows_twice_the_first_pass_is_meant(tmp_path: Path) -> None:
    source = tihm.read(recording(tmp_path, "a1,kitchen,2019-10-27 01:30:00\n", ""))
    assert next(source.chunks())["time"][0] == utc(2019, 10, 27, 0, 30)


def test_what_cannot_be_read_is_told_and_the_rest_is_kept(tmp_path: Path) -> None:
    source = tihm.read(
        recording(
            tmp_path, "a1,kitchen,tomorrow\na1,kitchen,2019-06-28 13:11:44\n",
            "a1,2019-06-28 13:42:09,Mood,3,1\n",
        )
    )  # fmt: skip
    assert len(source.refused) == 2
    assert sum(chunk.size for chunk in source.chunks()) == 1


def test_a_folder_without_a_recording_says_so(tmp_path: Path) -> None:
    with pytest.raises(errors.BacktestError, match="there is no such file"):
        tihm.read(tmp_path)


def test_a_part_of_a_source_is_what_was_received_in_it(tmp_path: Path) -> None:
    source = tihm.read(
        recording(
            tmp_path,
            "a1,kitchen,2019-06-28 13:00:00\na1,kitchen,2019-06-29 13:00:00\n"
            "a1,kitchen,2019-06-30 13:00:00\n",
            "",
        )
    )
    part = sources.within(source, utc(2019, 6, 29), utc(2019, 6, 30, 12))
    assert (part.begin, part.end) == (utc(2019, 6, 29, 12), utc(2019, 6, 29, 12))
    assert part.ends == {1: utc(2019, 6, 30, 12)}
    with pytest.raises(errors.BacktestError, match="has readings from 2019-06-28T12:00:00Z"):
        sources.within(source, utc(2020, 1, 1), None)
