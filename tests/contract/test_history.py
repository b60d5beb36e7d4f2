"""What the database holds of a span of time, for trying packs on it: on a real database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from alerts import errors
from alerts.backtest import command
from alerts.storage import history
from ingest.kernel.clock import SystemClock
from tests.contract.homes import Homes, Writer, connect, epoch

pytestmark = pytest.mark.service
BEGIN = datetime(2026, 11, 23, 8, tzinfo=UTC)


def stored(url: str) -> Homes:
    """Three homes with a week of readings, one outside limits for a day."""
    made = Homes.make(url)
    writer = Writer(url)
    for day in range(7):
        now = epoch(BEGIN + timedelta(days=day))
        low = 45.0 if day == 3 else 70.0
        writer.rows(made.rows((0, "heart_rate", low, now - 60), (1, "spo2", 96, now), now=now))
    writer.close()
    return made


def test_rows_come_in_order_of_receipt_with_the_register(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = stored(store_url)
    monkeypatch.setattr(history, "_CHUNK", 5)
    with history.opened(store_url, begin=None, end=None, clock=SystemClock()) as found:
        chunks = list(found.chunks())
        again = np.concatenate(list(found.chunks()))
    rows = np.concatenate(chunks)
    assert [c.size for c in chunks] == [5, 5, 4], "some at a time"
    assert rows.tobytes() == again.tobytes(), "from the beginning each time"
    assert (np.diff(rows["received"]) >= 0).all()
    assert (found.begin, found.end) == (rows["received"][0], rows["received"][-1])
    assert sorted(p.no for p in found.people) == sorted(made.people)
    assert {found.person_ids[n] for n in made.people} == {"p0", "p1", "p2"}
    assert {found.home_ids[n] for n in made.homes} == {"h0", "h1", "h2"}
    assert set(rows["person"].tolist()) == set(made.people[:2])


def test_a_span_is_by_receipt_and_an_empty_one_is_told(store_url: str) -> None:
    stored(store_url)
    begin, end = BEGIN + timedelta(days=2), BEGIN + timedelta(days=4)
    with history.opened(store_url, begin=begin, end=end, clock=SystemClock()) as found:
        rows = np.concatenate(list(found.chunks()))
    assert sorted(set(rows["received"].tolist())) == [
        epoch(BEGIN + timedelta(days=2)), epoch(BEGIN + timedelta(days=3)),
    ]  # fmt: skip
    with (
        pytest.raises(errors.BacktestError, match="holds no reading received"),
        history.opened(store_url, begin=None, end=datetime(2020, 1, 1, tzinfo=UTC),
                       clock=SystemClock()),
    ):  # fmt: skip
        pass


def test_the_command_tries_packs_on_what_is_stored(store_url: str, tmp_path: Path) -> None:
    made = stored(store_url)
    with connect(store_url) as db:
        db.execute(
            'UPDATE ingest.person SET limits = \'{"spo2": {"low": 97}}\' WHERE no = %s',
            [made.people[1]],
        )
    code, lines = command.backtest(
        source="stored", out=tmp_path / "out.csv", database_url=lambda: store_url,
        clock=SystemClock(), quiet=True,
    )  # fmt: skip
    assert code == 0, lines
    text = (tmp_path / "out.csv").read_text(encoding="utf-8")
    assert [line.split(",")[:2] for line in text.splitlines()[1:]] == [
        ["p1", "limits.spo2"], ["p0", "limits.heart_rate"],
    ]  # fmt: skip
    assert "14 readings of 3 people in 3 homes" in lines[0]


def test_no_database_is_told(tmp_path: Path) -> None:
    code, lines = command.backtest(
        source="stored", out=tmp_path / "out.csv",
        database_url=lambda: "postgresql://127.0.0.1:1/none", clock=SystemClock(), quiet=True,
    )  # fmt: skip
    assert code == 2
    assert "can't be reached" in lines[0]
