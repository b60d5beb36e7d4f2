"""The virtual clock: the same answers as live, whatever the chunks; nobody is judged too early."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from alerts.backtest import csv_file, run
from alerts.backtest.sources import Source
from alerts.rules import pack, registry
from ingest.kernel.observation import Rows

RULES = registry.load()
BEGIN = datetime(2026, 6, 1, tzinfo=UTC)


def source(
    folder: Path, *lines: str, head: str = "person,time,quantity,value,home,place"
) -> Source:
    path = folder / "readings.csv"
    path.write_text(head + "\n" + "\n".join(lines) + "\n", encoding="utf-8")
    found = csv_file.read(path)
    assert found.refused == []
    return found


def at(**after: float) -> str:
    return (BEGIN + timedelta(**after)).isoformat()


def told(found: run.Run) -> list[tuple[str, float]]:
    begin = BEGIN.timestamp()
    return [(e.rule_id, e.raised_at - begin) for e in found.episodes]


def test_a_reading_outside_limits_is_told_when_it_is_received(tmp_path: Path) -> None:
    found = run.run(
        source(
            tmp_path,
            f"ada,{at(minutes=7)},heart_rate,45,,", f"ada,{at(minutes=70)},heart_rate,70,,",
        ),
        RULES,
    )  # fmt: skip
    (one,) = found.episodes
    assert one.rule_id == "limits.heart_rate"
    begin = BEGIN.timestamp()
    assert (one.raised_at - begin, one.cleared_at) == (420.0, begin + 4200.0)
    assert (found.crossings.raw, found.crossings.plausible, found.person_days) == (1, 1, 1)


def motions(hours: float, *, every: float = 0.5) -> list[str]:
    count = int(hours / every)
    return [f"ada,{at(hours=n * every)},motion,true,h1,hall" for n in range(count)]


def test_stillness_is_told_by_the_clock_between_readings(tmp_path: Path) -> None:
    lines = [*motions(24), f"ada,{at(hours=48)},motion,true,h1,hall"]
    found = run.run(source(tmp_path, *lines), RULES)
    (still,) = [e for e in found.episodes if e.rule_id == "inactivity.still"]
    after = still.raised_at - BEGIN.timestamp() - 23.5 * 3600
    assert 12 * 3600 <= after <= 12 * 3600 + run.STEP_S + 1
    assert still.cleared_at is not None, "it moved again"


def test_a_recording_that_ends_is_no_stillness(tmp_path: Path) -> None:
    bert = [f"bert,{at(hours=n)},heart_rate,70,h2," for n in range(72)]
    found = run.run(source(tmp_path, *motions(24), *bert), RULES)
    assert [r for r, _ in told(found) if r == "inactivity.still"] == []


def test_chunks_and_their_borders_change_nothing(tmp_path: Path) -> None:
    whole = source(
        tmp_path, *motions(30), f"ada,{at(hours=2)},heart_rate,45,h1,",
        f"ada,{at(hours=2, seconds=1)},systolic,70,h1,", f"ada,{at(hours=50)},sos,true,h1,",
    )  # fmt: skip
    rows = np.concatenate(list(whole.chunks()))

    def pieces() -> Iterator[Rows]:
        return (rows[n : n + 3] for n in range(0, rows.size, 3))

    one, other = run.run(whole, RULES), run.run(replace(whole, chunks=pieces), RULES)
    assert told(one) == told(other)
    assert {r for r, _ in told(one)} >= {"limits.heart_rate", "news2", "sos"}
    assert one.days == other.days


def test_a_shared_homes_sensor_is_a_day_of_each_who_lives_there(tmp_path: Path) -> None:
    found = run.run(
        source(
            tmp_path, f"ada,{at(hours=1)},heart_rate,70,h1,",
            f"bert,{at(hours=30)},heart_rate,70,h1,", f",{at(hours=60)},motion,true,h1,hall",
        ),
        RULES,
    )  # fmt: skip
    assert {found.source.person_ids[p]: len(d) for p, d in found.days.items()} == {
        "ada": 2, "bert": 2,
    }  # fmt: skip


def test_the_day_of_a_reading_is_the_homes_own(tmp_path: Path) -> None:
    found = run.run(
        source(
            tmp_path, f"ada,{at(hours=22, minutes=59)},heart_rate,70,,",
            f"ada,{at(hours=23, minutes=1)},heart_rate,70,,",
        ),
        RULES,
    )  # fmt: skip
    assert found.person_days == 2, "in British Summer Time midnight is 23:00 UTC"


def test_impossible_readings_are_counted_and_raise_no_limit(tmp_path: Path) -> None:
    found = run.run(source(tmp_path, f"ada,{at(hours=1)},heart_rate,900,,"), RULES)
    assert (found.crossings.raw, found.crossings.plausible, found.episodes) == (1, 0, [])


TWO = """
id = "two"
version = "1"
title = "Two"
approver = "none"
review_by = 2027-01-01
source = "test"
[[rule]]
id = "a"
title = "A"
severity = "urgent"
when = "spo2 < 90"
team = "district_nursing"
audience = "nurse"
source = "test"
mutes = ["b"]
[[rule]]
id = "b"
title = "B"
levels = [{ severity = "soon", when = "heart_rate > 100" },
          { severity = "urgent", when = "heart_rate > 120" }]
clear = "heart_rate < 95"
team = "district_nursing"
audience = "nurse"
source = "test"
"""


def test_an_alert_that_gets_worse_beside_one_that_would_mute_it_is_still_told_to_be_over(
    tmp_path: Path,
) -> None:
    one = pack.parse(TWO, file="two.toml")
    rules = registry.Registry({one.id: one}, {r.id: r for r in one.rules})
    readings = (("heart_rate", 110), ("spo2", 80), ("heart_rate", 130), ("heart_rate", 80))
    lines = [f"ada,{at(minutes=n)},{q},{v},," for n, (q, v) in enumerate(readings)]
    found = {e.rule_id: e for e in run.run(source(tmp_path, *lines), rules).episodes}
    assert found["b"].cleared_at == BEGIN.timestamp() + 180
    assert (found["b"].severity, found["b"].told) == ("urgent", 2)
    assert found["a"].cleared_at is None
