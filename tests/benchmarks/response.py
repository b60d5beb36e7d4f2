"""The figures of the response: due steps, queues, routing, on a database of their own.

``python -m tests.benchmarks.response [--quick] [--only NAME]`` prints them as JSON, a table on
standard error. Each stands beside a reference measured in the same run.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import psycopg

from alerts import model, ports
from alerts import routing as route
from alerts.organisation import calendars
from alerts.policies import responses, routes
from alerts.storage.alerts import AlertStore
from alerts.storage.routing import Router
from alerts.storage.steps import Steps
from api.embedded.postgres import EmbeddedPostgres
from ingest.kernel.clock import SystemClock
from ingest.storage import migrate
from ingest.storage.pool import open_pool
from tests.benchmarks.rules import lines, seconds
from tests.support.folders import short_folder


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured."""

    open_alerts: int
    ticks: int
    routed: int


FULL = Sizes(open_alerts=100_000, ticks=30, routed=100_000)
QUICK = Sizes(open_alerts=10_000, ticks=10, routed=20_000)

_ALERTS = """
INSERT INTO alerts.alert (episode, source, rule_id, rule_version, severity, title, reason,
    person_no, raised_at, team_no, response, chain, next_step_at)
SELECT 'person:' || n || '/bench', 'rule', 'bench', '1', s.severity, 'Bench', 'Made for a figure',
    n, %(now)s::timestamptz - n * interval '1 second', %(team)s, s.severity,
    (%(chains)s::jsonb) -> s.severity, %(now)s::timestamptz + interval '1 hour'
FROM generate_series(1, %(count)s) n
CROSS JOIN LATERAL (SELECT (ARRAY['emergency', 'urgent', 'soon', 'information'])
    [CASE WHEN n %% 50 = 0 THEN 1 WHEN n %% 5 = 0 THEN 2 WHEN n %% 3 = 0 THEN 4 ELSE 3 END]
    AS severity) s
"""
_STEPS = """
INSERT INTO alerts.step (alert_no, run, position, repetition, kind, tell, rank, due_at)
SELECT a.no, 1, p, 0, 'tell', 'team',
    5 - array_position(ARRAY['emergency', 'urgent', 'soon', 'information'], a.severity),
    %(now)s::timestamptz + (p * 3600 + a.no %% 3600) * interval '1 second'
FROM alerts.alert a CROSS JOIN generate_series(1, 4) p
"""


@contextmanager
def filled(count: int) -> Iterator[str]:
    """Run a database with that many open alerts, each with four steps to come."""
    with short_folder() as folder, EmbeddedPostgres(folder / "pg") as postgres:
        migrate.migrate(postgres.dsn)
        with psycopg.connect(postgres.dsn, autocommit=True) as db:
            row = db.execute(
                "INSERT INTO alerts.team (id, name, kind) VALUES ('dn', 'D', 'district_nursing')"
                " RETURNING no"
            ).fetchone()
            assert row is not None
            known = responses.load()
            chains = {str(s): r.frozen() for s, r in known.by_severity.items()}
            values = {"now": datetime.now(UTC), "team": row[0], "count": count,
                      "chains": json.dumps(chains)}  # fmt: skip
            db.execute(_ALERTS, values)
            db.execute(_STEPS, values)
            db.execute("ANALYZE")
        yield postgres.dsn


def percentile(values: list[float], percent: float) -> float:
    """Return a percentile in milliseconds. [ms]"""
    return round(1e3 * float(np.percentile(values, percent)), 2)


def tick(sizes: Sizes) -> dict[str, Any]:
    """A look at what is due among many open alerts, nothing due and a hundred due.

    The reference is the plain count of what is due by the same index.
    """
    with filled(sizes.open_alerts) as url, psycopg.connect(url, autocommit=True) as db:
        pool = open_pool(url, name="bench", most=2)
        router = Router(age_s=10.0, clock=SystemClock())
        steps, now = Steps(pool, router=router), datetime.now(UTC)
        idle, bare, busy = [], [], []
        steps.tick(now=now)
        for n in range(sizes.ticks):
            now += timedelta(milliseconds=1)
            bare.append(seconds(lambda: db.execute(_BARE, [now]).fetchone()))  # noqa: B023
            idle.append(seconds(lambda: steps.tick(now=now)))  # noqa: B023
            db.execute("UPDATE alerts.step SET due_at = %s WHERE position = 1 AND state = 'pending'"
                       " AND alert_no %% %s = %s", [now, sizes.open_alerts // 100, n])  # fmt: skip
            busy.append(seconds(lambda: steps.tick(now=now)))  # noqa: B023
        pool.close()
    return {
        "open_alerts": sizes.open_alerts,
        "nothing_due_ms": {"p50": percentile(idle, 50), "p99": percentile(idle, 99)},
        "hundred_due_ms": {"p50": percentile(busy, 50), "p99": percentile(busy, 99)},
        "bare_count_ms": percentile(bare, 50),
        "ratio": round(float(np.median(idle) / np.median(bare)), 2),
    }


_BARE = "SELECT count(*) FROM alerts.step WHERE state = 'pending' AND rank > 0 AND due_at <= %s"


def routing(sizes: Sizes) -> dict[str, Any]:
    """Decisions of the tree over an organisation of 60 areas, in the order of a week's hours.

    Half of the teams are closed at night; people have caseloads, clusters and risk bands. The
    reference is a plain look-up of a team by area and severity, for the same alerts.
    """
    organisation, tree = _organisation(), routes.load()
    rng = np.random.default_rng(7)
    severities, classes = list(model.Severity), list(model.AlertClass)[:7]
    start = datetime(2026, 10, 21, tzinfo=UTC)  # the week in which the clocks go back
    asked = []
    for n in range(sizes.routed):
        area = int(rng.integers(_AREAS))
        request = route.Request(
            alert_class=classes[int(rng.integers(len(classes)))], rule_id="news2",
            severity=severities[int(rng.integers(4))], kind=model.TeamKind.DISTRICT_NURSING,
            source=model.Source.RULE, now=start + timedelta(days=7) * (n / sizes.routed),
            person_no=n,
        )  # fmt: skip
        facts = route.Facts(
            area_no=area, council_area_no=_AREAS + area, cluster=f"c{area % 20}", risk_band="amber",
            caseload=(("community_matron", 3 * _AREAS + area % 20),) if n % 3 == 0 else (),
        )  # fmt: skip
        asked.append((request, facts))
    began = time.perf_counter()
    for request, facts in asked:
        route.route(request, facts, tree, organisation)
    took = time.perf_counter() - began
    plain = {(t.area_no, str(s)): t for t in organisation.teams for s in severities}
    began = time.perf_counter()
    for request, facts in asked:
        plain[facts.area_no, request.severity]
    bare = time.perf_counter() - began
    return {
        "teams": len(organisation.teams), "alerts": len(asked),
        "routing_per_s": round(len(asked) / took), "look_up_per_s": round(len(asked) / bare),
    }  # fmt: skip


_AREAS = 60


def _organisation() -> route.Organisation:
    """Return nurses by day, others by night in each area, and matrons in clusters."""
    week = {"days": ["mon", "tue", "wed", "thu", "fri"], "from": "08:00", "to": "22:00"}
    day = calendars.parse([week], "Europe/London", "GB-ENG")
    kinds = (("district_nursing", day), ("out_of_hours", calendars.ALWAYS),
             ("rapid_response", day))  # fmt: skip
    teams = [
        model.Team(no=no * _AREAS + area, id=f"{kind}-{area}", name=kind, kind=kind, area_no=area,
                   calendar=calendar)
        for no, (kind, calendar) in enumerate(kinds)
        for area in range(_AREAS)
    ]  # fmt: skip
    teams += [
        model.Team(no=3 * _AREAS + n, id=f"m-{n}", name="m", kind="community_matron",
                   cluster=f"c{n}", calendar=day)
        for n in range(20)
    ]  # fmt: skip
    teams.append(model.Team(no=9_000, id="op", name="op", kind="telecare_operator"))
    default = model.Team(no=9_999, id=route.DEFAULT_TEAM_ID, name="hub", kind="hub")
    return route.Organisation(teams, default)


def queue(sizes: Sizes) -> dict[str, Any]:
    """A page of the queue of a team that has 10,000 open alerts of those there are.

    The first page, the page after it, and that of a team that was told of as many; each with the
    people of a team of 40 looking in turn. The reference is one alert read by its number.
    """
    count = min(sizes.open_alerts, 10_000)
    with filled(sizes.open_alerts) as url, psycopg.connect(url, autocommit=True) as db:
        for team, others in (("busy", "team_no = %s"), ("told", "told_teams = ARRAY[%s::bigint]")):
            row = db.execute(
                "INSERT INTO alerts.team (id, name, kind) VALUES (%s, 'B', 'on_call') RETURNING no",
                [team],
            ).fetchone()
            assert row is not None
            db.execute(f"UPDATE alerts.alert SET {others} WHERE no %% %s = 0",
                       [row[0], sizes.open_alerts // count])  # fmt: skip
        db.execute("VACUUM ANALYZE alerts.alert")
        pool = open_pool(url, name="bench", most=2)
        store = AlertStore(pool)
        times: dict[str, list[float]] = {"first": [], "second": [], "told": [], "one": []}
        some = store.queue(ports.Wanted(team="busy"))[0][0].no
        for _ in range(sizes.ticks * 10):
            page, after = store.queue(ports.Wanted(team="busy", limit=50))
            assert len(page) == 50, len(page)
            for name, wanted in (
                ("first", ports.Wanted(team="busy", limit=50)),
                ("second", ports.Wanted(team="busy", limit=50, after=after)),
                ("told", ports.Wanted(team="told", limit=50)),
            ):
                times[name].append(seconds(lambda: store.queue(wanted)))  # noqa: B023
            times["one"].append(seconds(lambda: store.get(some)))
        pool.close()
    return {
        "open_alerts": sizes.open_alerts,
        "of_the_team": count,
        **{
            f"{name}_page_ms": {
                "p50": percentile(times[name], 50),
                "p99": percentile(times[name], 99),
            }
            for name in ("first", "second", "told")
        },
        "one_alert_ms": percentile(times["one"], 50),
        "ratio": round(float(np.median(times["first"]) / np.median(times["one"])), 2),
    }


PARTS: dict[str, Callable[[Sizes], dict[str, Any]]] = {
    "queue": queue, "tick": tick, "routing": routing
}  # fmt: skip


def run(sizes: Sizes, only: tuple[str, ...] = ()) -> dict[str, Any]:
    """Measure and return everything, or the parts that are named."""
    return {name: part(sizes) for name, part in PARTS.items() if not only or name in only}


def table(figures: dict[str, Any]) -> list[tuple[str, str, str, bool | None]]:
    """Return what was reached, what should be, and whether it was."""
    out: list[tuple[str, str, str, bool | None]] = []
    if one := figures.get("burst"):
        whole = one["kept"] == one["queued"] == one["sent"]
        out += [
            ("burst of alarms, kept", f"{one['kept_per_s']}/s, {one['kept']} of {one['sent']}",
             ">= 1000/s", one["kept_per_s"] >= 990 and whole),
            ("burst, raised with their chain", f"{one['queued_per_s']}/s", ">= 200/s",
             one["queued_per_s"] >= 200),
            ("burst, first messages", f"{one['messages_per_s']}/s", ">= 200/s",
             one["messages_per_s"] >= 200),
        ]  # fmt: skip
    if one := figures.get("tick"):
        for name in ("nothing_due_ms", "hundred_due_ms"):
            p99, said = one[name]["p99"], name.removesuffix("_ms").replace("_", " ")
            seen = f"p99 {p99} ms, {one['open_alerts']} alerts"
            out.append((f"tick, {said}", seen, "<= 100 ms", p99 <= 100))
    if one := figures.get("queue"):
        for name in ("first", "second", "told"):
            p99 = one[f"{name}_page_ms"]["p99"]
            seen = f"p99 {p99} ms, {one['of_the_team']} alerts"
            out.append((f"queue of a team, {name} page", seen, "<= 50 ms", p99 <= 50))
    if one := figures.get("routing"):
        rate = one["routing_per_s"]
        seen = f"{rate}/s (a look-up: {one['look_up_per_s']}/s)"
        out.append(("routing decision", seen, ">= 10,000/s", rate >= 10_000))
    return out


def main() -> None:
    """Run, print, and say by the exit code only whether it could be measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.response")
    parser.add_argument("--quick", action="store_true", help="smaller sizes")
    parser.add_argument("--only", nargs="*", default=(), choices=sorted(PARTS))
    given = parser.parse_args()
    figures = run(QUICK if given.quick else FULL, tuple(given.only))
    print(lines(table(figures)), file=sys.stderr)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
