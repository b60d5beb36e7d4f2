"""The event stream: at once, in order, resumed without a gap, honest when it can't know."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg
import pytest

from api.embedded.postgres import EmbeddedPostgres
from tests.integration.api import served

pytestmark = pytest.mark.service


class Watching:
    """A client that reads the stream in a thread."""

    def __init__(self, response: httpx.Response) -> None:
        self.events: list[tuple[str, str, Any, float]] = []
        self.comments = 0
        self.ended = threading.Event()
        self._new = threading.Condition()
        self._thread = threading.Thread(target=self._read, args=(response,), daemon=True)
        self._thread.start()

    def _read(self, response: httpx.Response) -> None:
        number = kind = ""
        try:
            for line in response.iter_lines():
                if line.startswith(":"):
                    self.comments += 1
                elif line.startswith("id: "):
                    number = line[4:]
                elif line.startswith("event: "):
                    kind = line[7:]
                elif line.startswith("data: "):
                    with self._new:
                        self.events.append((number, kind, json.loads(line[6:]), time.monotonic()))
                        self._new.notify_all()
        except httpx.HTTPError:
            pass
        finally:
            self.ended.set()

    def of(self, kind: str) -> list[tuple[str, str, Any, float]]:
        return [e for e in self.events if e[1] == kind]

    def until(self, true: Callable[[], bool], timeout: float) -> None:
        with self._new:
            assert self._new.wait_for(true, timeout), self.events

    def wait(self, kind: str, count: int, timeout: float = 5) -> list[tuple[str, str, Any, float]]:
        with self._new:
            assert self._new.wait_for(lambda: len(self.of(kind)) >= count, timeout), self.events
        return self.of(kind)


@contextmanager
def watching(hub: served.Served, role: str = "nurse", **headers: str) -> Iterator[Watching]:
    with (
        hub.client(role) as client,
        client.stream("GET", "/api/v1/alerts/stream", headers=headers, timeout=30) as response,
    ):
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        watch = Watching(response)
        watch.wait("hub", 1)
        yield watch


def test_an_alert_reaches_everybody_who_watches_at_once(hub: served.Served) -> None:
    with watching(hub) as one, watching(hub, "operator") as two:
        before = time.monotonic()
        alert = hub.alert()
        for watch in (one, two):
            number, _, data, at = watch.wait("alert", 1)[0]
            assert int(number) > 0
            assert data["kind"] == "raised"
            assert data["alert"]["id"] == alert
            assert data["alert"]["patient"] == hub.person()
            assert at - before < 1
        assert "Ada" not in json.dumps(one.events[-1][2])


def test_a_client_that_comes_back_misses_nothing_and_sees_nothing_twice(
    hub: served.Served,
) -> None:
    with watching(hub) as watch:
        first = hub.alert(episode="e0")
        last_seen = watch.wait("alert", 1)[0][0]
    missed = [hub.alert(episode=f"e{n}") for n in range(1, 4)]
    with watching(hub, **{"Last-Event-ID": last_seen}) as watch:
        live = hub.alert(episode="e9")
        got = watch.wait("alert", 4)
        assert [e[2]["alert"]["id"] for e in got] == [*missed, live]
        numbers = [int(e[0]) for e in got]
        assert numbers == sorted(set(numbers))
    with watching(hub, **{"Last-Event-ID": "0"}) as watch:
        assert watch.wait("alert", 5)[0][2]["alert"]["id"] == first


def test_resuming_while_events_come_in_neither_skips_nor_repeats(hub: served.Served) -> None:
    done = threading.Event()

    def press() -> None:
        for n in range(40):
            hub.alert(episode=f"p{n}")
        done.set()

    presser = threading.Thread(target=press)
    presser.start()
    seen: list[int] = []
    while not done.is_set() or len(seen) < 40:
        with watching(hub, **{"Last-Event-ID": str(seen[-1] if seen else 0)}) as watch:
            deadline = time.monotonic() + 0.3
            while time.monotonic() < deadline and len(seen) + len(watch.of("alert")) < 40:
                time.sleep(0.02)
            seen += [int(e[0]) for e in watch.of("alert")]
    presser.join()
    assert len(seen) == 40
    assert seen == sorted(set(seen))


def test_equipment_staff_hear_of_equipment_alerts_only(hub: served.Served) -> None:
    with watching(hub, "equipment") as watch:
        hub.alert(episode="clinical")
        fault = hub.alert(episode="fault", kind="equipment", register_id=None)
        assert [e[2]["alert"]["id"] for e in watch.wait("alert", 1)] == [fault]


def test_a_made_up_last_event_id_is_refused(hub: served.Served, nurse: httpx.Client) -> None:
    answer = nurse.get("/api/v1/alerts/stream", headers={"Last-Event-ID": "x"})
    assert answer.status_code == 400


def test_pings_come_and_a_disabled_accounts_stream_ends(database_url: str) -> None:
    served.seed(database_url)
    with (
        served.serving(database_url, stream_ping_s=0.1, stream_recheck_s=0.3) as hub,
        watching(hub) as watch,
    ):
        time.sleep(0.5)
        assert watch.comments >= 2
        assert len(watch.of("hub")) >= 3  # what a page can see of a ping
        assert not watch.ended.is_set()
        with psycopg.connect(database_url) as db:
            db.execute("UPDATE api.account SET disabled = true WHERE username = 'nurse'")
        assert watch.ended.wait(3)


def test_stopping_ends_open_streams_within_about_a_second(hub: served.Served) -> None:
    with watching(hub) as watch:
        started = time.monotonic()
        hub.server.handle_exit(15, None)
        assert watch.ended.wait(3)
        assert time.monotonic() - started < 1.5


def test_watchers_are_told_when_the_database_goes_and_when_it_is_back(
    own_postgres: EmbeddedPostgres,
) -> None:
    served.seed(own_postgres.dsn)
    with served.serving(own_postgres.dsn) as hub, watching(hub) as watch:
        assert watch.of("hub")[0][2] == {"live": True}
        hub.alert(episode="before")
        watch.wait("alert", 1)  # past the reading of what was missed
        own_postgres.stop()
        watch.until(lambda: watch.of("hub")[-1][2]["live"] is False, timeout=15)
        told = watch.of("hub")[-1][2]
        assert told["live"] is False
        assert "database" in told["reason"]
        with hub.client() as stranger:
            assert stranger.get("/healthz").status_code == 200
            ready = stranger.get("/readyz")
            assert ready.status_code == 503
            assert "the database can't be reached" in ready.json()["reasons"]
            gone = stranger.get("/api/v1/alerts", headers={"Authorization": "Bearer x"})
            assert gone.status_code == 503
            assert gone.headers["content-type"] == "application/problem+json"
        own_postgres.start()
        watch.until(lambda: watch.of("hub")[-1][2] == {"live": True}, timeout=30)
        alert = hub.alert(episode="after")
        assert watch.wait("alert", 2, timeout=10)[1][2]["alert"]["id"] == alert
