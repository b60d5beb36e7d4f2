"""`telecare doctor` on the history of alerts: whole, changed, published, or not."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from alerts import outside
from alerts.service import Alerts
from alerts.storage.alerts import AlertStore
from alerts.storage.roots import Roots
from api import doctor, settings
from ingest.kernel.clock import SystemClock
from ingest.storage.pool import open_pool
from tests.contract.homes import Homes, make
from tests.integration.api import served
from tests.support.clock import FixedClock

pytestmark = pytest.mark.service

Config = settings.ApiSettings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "roots"


@pytest.fixture
def config(database_url: str, file: Path) -> Config:
    """A hub with a little history, and its roots published."""
    here, clock = Homes.make(database_url), SystemClock()
    pool = open_pool(database_url, name="test", most=2)
    alerts = Alerts(store=AlertStore(pool), clock=clock)
    roots = Roots(pool, places={"file": outside.RootFile(file)}, every_s=0, clock=clock)
    for n in range(3):
        alert = AlertStore(pool).open(make(here, FixedClock(clock.now()), n))
        alerts.note(alert.no, by="n", expected_version=1, text="rang")
        roots.keep()
    pool.close()
    return Config(
        _env_file=None, database_url=database_url, secret_key=served.SECRET, chain_root_file=file
    )


def history(config: Config, days: float | None = 7.0) -> list[tuple[doctor.Verdict, str]]:
    found = doctor.examine(config, days=days)
    return [(f.verdict, f.what) for f in found if f.what.startswith("history")]


def tamper(config: Config, statement: str) -> None:
    with psycopg.connect(config.require_database()) as db:
        db.execute("SET session_replication_role = replica")
        db.execute(statement)


@pytest.mark.parametrize("days", [7.0, None])
def test_a_history_that_is_whole_is_said_to_be(config: Config, days: float | None) -> None:
    said = history(config, days)
    assert {verdict for verdict, _ in said} == {doctor.Verdict.GOOD}
    assert "3, with 6 events" in said[0][1]
    assert "3 roots published" in said[1][1]


def test_a_changed_event_is_named(config: Config) -> None:
    tamper(config, "UPDATE alerts.event SET reason = 'never rang' WHERE no = 4")
    verdict, what = history(config)[0]
    assert verdict is doctor.Verdict.BAD
    assert "event 4 says another reason than was written" in what


def test_an_alert_removed_with_its_chain_is_found_by_the_published_roots(config: Config) -> None:
    tamper(
        config,
        "WITH gone AS (DELETE FROM alerts.event WHERE alert_no = 2)"
        " DELETE FROM alerts.alert WHERE no = 2",
    )
    bad = [what for verdict, what in history(config) if verdict is doctor.Verdict.BAD]
    assert len(bad) == 1
    assert "no longer comes out of the events 3 to 4" in bad[0]


def test_a_changed_root_in_the_database_changes_nothing_for_the_published_ones(
    config: Config,
) -> None:
    tamper(config, "UPDATE alerts.root SET hash = 'x'")
    assert {verdict for verdict, _ in history(config)} == {doctor.Verdict.GOOD}


def test_a_line_of_the_file_that_is_no_root_is_told(config: Config, file: Path) -> None:
    file.write_text(file.read_text() + "half a li")
    assert any("line 4" in what for verdict, what in history(config) if verdict.value == "WRONG")


def test_a_file_that_is_gone_is_wrong_once_roots_were_made(config: Config, file: Path) -> None:
    file.unlink()
    assert any("can't be read" in what for verdict, what in history(config))


def test_roots_that_are_published_nowhere_are_noted_and_those_in_the_database_checked(
    config: Config,
) -> None:
    said = history(config.model_copy(update={"chain_root_file": None}))
    assert [verdict.name for verdict, _ in said] == ["GOOD", "WARN", "GOOD"]
    assert "published nowhere" in said[1][1]
    assert "3 roots kept in the database" in said[2][1]


def test_roots_that_nobody_makes_any_more_are_wrong(config: Config) -> None:
    tamper(config, "UPDATE alerts.root SET at = at - interval '3 hours'")
    assert any("the last root" in what for verdict, what in history(config))


def test_a_hub_without_a_dead_mans_switch_is_noted(config: Config) -> None:
    found = doctor.examine(config)
    assert any(f.verdict is doctor.Verdict.WARN and "dead-man" in f.what for f in found)
    url = config.model_copy(update={"deadman_url": type(config.secret_key)("https://x/y")})
    assert not any(
        f.verdict is doctor.Verdict.WARN and "dead-man" in f.what for f in doctor.examine(url)
    )
