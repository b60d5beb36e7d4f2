"""Labelled person-days: read, matched in the home's own time at both ends of the day."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from alerts import errors
from alerts.backtest import labels
from alerts.backtest.episodes import Episode
from alerts.backtest.run import Crossings, Run
from alerts.backtest.sources import Source
from alerts.model import Severity
from alerts.rules import registry
from alerts.state.subjects import Home, Person
from ingest.kernel.observation import ROW

RULES = registry.load().rules
HOMES = [Home(no=n, shard=n, zone="Europe/London", people=(n,)) for n in (1, 2)]
SOURCE = Source(
    said="test", homes=HOMES, people=[Person(no=n, shard=n, home_no=n) for n in (1, 2)],
    devices=(), parts={}, person_ids={1: "ada", 2: "bert"}, home_ids={1: "h1", 2: "h2"},
    device_ids={}, chunks=lambda: iter([np.zeros(0, ROW)]), begin=0.0,
    end=datetime(2019, 7, 31, 12, tzinfo=UTC).timestamp(),
)  # fmt: skip


def day(text: str) -> int:
    return date.fromisoformat(text).toordinal() - date(1970, 1, 1).toordinal()


def episode(begin: str, end: str | None, **more: object) -> Episode:
    def at(text: str) -> float:
        return datetime.fromisoformat(text).timestamp()

    said: dict[str, object] = {
        "subject": "person", "subject_no": 1, "rule_id": "limits.heart_rate", "version": "2",
        "title": "", "severity": Severity.SOON, "raised_at": at(begin), "reading_at": at(begin),
        "cleared_at": None if end is None else at(end), "person_no": 1, "home_no": 1,
        "quantities": {"heart_rate"},
    }  # fmt: skip
    return Episode(**said | more)  # type: ignore[arg-type]


def run(*episodes: Episode, days: tuple[str, ...] = ()) -> Run:
    recorded = frozenset(day(d) for d in days)
    return Run(
        source=SOURCE, rules=RULES, packs={}, episodes=list(episodes),
        days={1: recorded, 2: recorded}, home_days={}, rows=0, crossings=Crossings(), muted={},
        commands={},
    )  # fmt: skip


def write(folder: Path, *lines: str) -> Path:
    path = folder / "labels.csv"
    path.write_text("patient_id,date,type\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("begin", "end", "days"),
    [
        # British Summer Time: the local day begins at 23:00 UTC
        ("2019-06-10T22:59:59Z", "2019-06-10T22:59:59Z", ["2019-06-10"]),
        ("2019-06-10T23:00:00Z", "2019-06-10T23:00:00Z", ["2019-06-11"]),
        ("2019-06-10T22:59:59Z", "2019-06-10T23:00:00Z", ["2019-06-10", "2019-06-11"]),
        (
            "2019-06-10T12:00:00Z",
            "2019-06-12T12:00:00Z",
            ["2019-06-10", "2019-06-11", "2019-06-12"],
        ),
        ("2019-07-30T12:00:00Z", None, ["2019-07-30", "2019-07-31"]),  # open until the end
    ],
)
def test_an_alert_is_open_on_the_homes_own_days(
    begin: str, end: str | None, days: list[str]
) -> None:
    found = labels.open_days([episode(begin, end)], SOURCE)
    assert sorted(found) == [(1, day(d)) for d in days]


def test_an_open_alert_ends_with_the_record_of_its_home() -> None:
    ends = {1: datetime(2019, 6, 12, 1, tzinfo=UTC).timestamp()}
    found = labels.open_days([episode("2019-06-11T12:00:00Z", None)], replace(SOURCE, ends=ends))
    assert sorted(found) == [(1, day("2019-06-11")), (1, day("2019-06-12"))]


def test_an_alert_of_a_shared_home_is_nobodys_day() -> None:
    assert (
        labels.open_days([episode("2019-06-10T12:00:00Z", None, person_no=None)], SOURCE) == set()
    )


def test_labels_of_one_type_and_day_are_one_and_strangers_are_counted(tmp_path: Path) -> None:
    found = labels.read(
        write(
            tmp_path, "ada,2019-06-10 09:10:29,Pulse", "ada,2019-06-10,Pulse",
            "ada,2019-06-10,Blood pressure", "carl,2019-06-10,Pulse", "ada,soon,Pulse",
        ),
        SOURCE,
    )  # fmt: skip
    assert found.days == {
        "Blood pressure": {(1, day("2019-06-10"))}, "Pulse": {(1, day("2019-06-10"))},
    }  # fmt: skip
    assert (found.rows, found.strangers) == (4, 1)
    (bad,) = found.refused
    assert bad.startswith(f"{tmp_path / 'labels.csv'}:6: ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("patient_id,type\nada,Pulse\n", "no column date"),
        ("patient_id,date,type\ncarl,2019-06-10,Pulse\n", "nobody of it is in test"),
        ("patient_id,date,type\nada,soon,Pulse\n", ":2: needs a date"),
    ],
)
def test_labels_that_are_of_no_use_say_why(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(errors.BacktestError) as caught:
        labels.read(path, SOURCE)
    assert said in str(caught.value)


def test_recall_and_precision_count_person_days(tmp_path: Path) -> None:
    marks = labels.read(
        write(tmp_path, "ada,2019-06-10,Pulse", "ada,2019-06-13,Pulse", "bert,2019-06-10,Pulse"),
        SOURCE,
    )
    judged = run(
        episode("2019-06-10T12:00:00Z", "2019-06-11T12:00:00Z"),
        episode("2019-06-13T12:00:00Z", "2019-06-13T13:00:00Z", quantities={"systolic"}),
        episode("2019-06-13T12:00:00Z", None, rule_id="inactivity.still"),
        days=("2019-06-10", "2019-06-11", "2019-06-12"),
    )
    found = labels.score(judged, marks, "Pulse")
    assert (found.labelled, found.found, found.found_raised, found.alert_days) == (3, 1, 1, 2)
    assert (found.recall, found.precision) == (pytest.approx(1 / 3), pytest.approx(1 / 2))
    assert found.f1 == pytest.approx(2 / 5)
    assert found.by_home == {1: (1, 2, 2, 4), 2: (0, 1, 0, 3)}


def test_a_type_about_nothing_is_found_by_any_alert_for_a_nurse(tmp_path: Path) -> None:
    marks = labels.read(write(tmp_path, "ada,2019-06-10,Agitation"), SOURCE)
    nurse = run(episode("2019-06-10T12:00:00Z", None), days=("2019-06-10",))
    other = run(
        episode("2019-06-10T12:00:00Z", None, rule_id="inactivity.still"), days=("2019-06-10",)
    )
    assert labels.score(nurse, marks, "Agitation").found == 1
    assert labels.score(other, marks, "Agitation").found == 0
    assert labels.about("systolic") == ("systolic",)
