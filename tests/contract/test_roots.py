"""Roots over the chains: made each hour, published outside, compared with the events later."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from alerts import chain, errors, outside
from alerts.service import Alerts
from alerts.storage import chains
from alerts.storage.alerts import AlertStore
from alerts.storage.roots import Roots
from ingest.storage.pool import Pool
from tests.contract.homes import Homes, connect, make
from tests.support.clock import FixedClock
from tests.support.receivers import WebReceiver, answering

pytestmark = pytest.mark.service


class Hub:
    """Alerts that happen, and roots that are kept of them."""

    def __init__(self, here: Homes, pool: Pool, clock: FixedClock, file: Path, url: str) -> None:
        self.here, self.file, self.clock = here, file, clock
        self.store = AlertStore(pool)
        self.alerts = Alerts(store=self.store, clock=clock)
        self.roots = Roots(
            pool,
            places={"file": outside.RootFile(file), "url": outside.RootUrl(url)},
            every_s=3_300,
            clock=clock,
        )
        self.made = 0

    def live(self, hours: int = 1) -> None:
        for _ in range(hours):
            alert = self.store.open(make(self.here, self.clock, self.made))
            self.made += 1
            self.alerts.note(alert.no, by="n", expected_version=1, text="rang")
            self.roots.keep()
            self.clock.advance(3_600)

    def published(self) -> list[chain.Root]:
        lines = self.file.read_text().splitlines()
        return [root for line in lines if (root := chain.read_line(line)) is not None]

    def wrong(self) -> list[str]:
        with connect(self.here.url) as db:
            return chains.against(db, self.published())


@pytest.fixture
def hub(here: Homes, pool: Pool, clock: FixedClock, tmp_path: Path, web: WebReceiver) -> Hub:
    return Hub(here, pool, clock, tmp_path / "roots", web.url + "/roots")


def test_a_root_is_made_each_hour_and_published_in_both_places(hub: Hub, web: WebReceiver) -> None:
    hub.live(3)
    published = hub.published()
    assert [(r.after, r.event_no, r.heads) for r in published] == [(0, 2, 1), (2, 4, 1), (4, 6, 1)]
    assert [chain.read_line(body) for path, body in web.said if path == "/roots"] == published
    assert hub.wrong() == []


def test_within_the_hour_there_is_no_second_one_whatever_restarts(hub: Hub) -> None:
    hub.live()
    hub.clock.advance(-3_500)
    hub.roots.keep()
    assert len(hub.published()) == 1


def test_an_hour_without_any_event_has_its_root_too(hub: Hub) -> None:
    hub.roots.keep()
    hub.clock.advance(3_600)
    hub.roots.keep()
    assert [(r.event_no, r.heads) for r in hub.published()] == [(0, 0), (0, 0)]
    assert hub.wrong() == []


def test_a_place_that_was_away_gets_all_of_them_in_order_later(hub: Hub, web: WebReceiver) -> None:
    web.answer = answering(503)
    with pytest.raises(errors.PlaceUnavailableError, match=r"127\.0\.0\.1.*503"):
        hub.live()
    hub.clock.advance(3_600)
    assert len(hub.published()) == 1, "the other place has it all the same"
    web.answer = answering(200)
    web.got.clear()
    hub.live(1)
    assert [chain.read_line(body) for _, body in web.said] == hub.published()
    assert len(web.got) == 2


def test_a_file_that_can_not_be_written_is_told_and_tried_again(hub: Hub) -> None:
    hub.file.mkdir()
    with pytest.raises(errors.PlaceUnavailableError, match="directory"):
        hub.live()
    hub.file.rmdir()
    hub.roots.keep()
    assert len(hub.published()) == 1


def test_while_one_process_publishes_another_passes_by(hub: Hub, here: Homes) -> None:
    with psycopg.connect(here.url) as db:
        db.execute("SELECT pg_advisory_lock(3, 1000002)")
        hub.live()
        assert not hub.file.exists()
        db.execute("SELECT pg_advisory_unlock(3, 1000002)")  # its session may end a little later
    hub.roots.keep()
    assert len(hub.published()) == 1


@pytest.mark.parametrize(
    "statement",
    [
        # an alert with all that happened to it, as if it had never been
        "WITH gone AS (DELETE FROM alerts.event WHERE alert_no = {no})"
        " DELETE FROM alerts.alert WHERE no = {no}",
        # the newest event, with the head set back so that the alert's own chain holds
        "WITH gone AS (DELETE FROM alerts.event WHERE alert_no = {no} AND kind = 'note')"
        " UPDATE alerts.alert a SET head = e.hash FROM alerts.event e"
        " WHERE a.no = {no} AND e.alert_no = a.no AND e.kind = 'raised'",
    ],
)
def test_what_is_changed_with_its_chain_made_to_fit_is_found_by_the_published_roots(
    hub: Hub, statement: str
) -> None:
    hub.live(3)
    with connect(hub.here.url) as db:
        row = db.execute("SELECT min(no) + 1 FROM alerts.alert").fetchone()
        assert row is not None
        db.execute("SET session_replication_role = replica")
        db.execute(statement.format(no=row[0]))
        assert chains.check(db).broken == []
    (wrong,) = hub.wrong()
    assert "events 3 to 4" in wrong


def test_a_database_set_back_to_an_older_state_is_found(hub: Hub) -> None:
    hub.live(2)
    before = hub.file.read_text()
    with connect(hub.here.url) as db:  # the last hour is lost, the hub goes on
        db.execute("SET session_replication_role = replica")
        db.execute("DELETE FROM alerts.event WHERE no > 2")
        db.execute("DELETE FROM alerts.root WHERE event_no > 2")
        db.execute("SELECT setval('alerts.event_no', 2)")
    assert hub.wrong()
    hub.live(1)
    assert hub.file.read_text().startswith(before)
    assert any("older state" in wrong for wrong in hub.wrong())


def test_a_root_published_twice_is_no_fault(hub: Hub) -> None:
    hub.live(2)
    first, second = hub.file.read_text().splitlines(keepends=True)
    hub.file.write_text(first + first + second + second)
    assert hub.wrong() == []
