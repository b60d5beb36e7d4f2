"""A small register and a writer of the log, for tests of the alerts role on a real database."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import psycopg

from alerts import model
from ingest.kernel import vitals
from ingest.kernel.observation import ROW, ROW_VERSION, Quality, Rows
from ingest.storage.pool import LOCK_WRITER
from tests.support.clock import FixedClock


def connect(url: str) -> psycopg.Connection[Any]:
    return psycopg.connect(url, autocommit=True)


@dataclass
class Homes:
    """One site with homes of one person each; numbers are the database's."""

    url: str
    people: list[int] = field(default_factory=list)
    homes: list[int] = field(default_factory=list)
    devices: list[int] = field(default_factory=list)
    teams: dict[str, int] = field(default_factory=dict)

    @classmethod
    def make(cls, url: str, *, count: int = 3) -> Homes:
        made = cls(url)
        with connect(url) as db:
            area = _one(db, "INSERT INTO ingest.area (id, name) VALUES ('a', 'A') RETURNING no")
            site = _one(
                db,
                "INSERT INTO ingest.site (id, name, area_no) VALUES ('maple-court', 'M', %s)"
                " RETURNING no",
                area,
            )
            for kind, area_no in (
                ("district_nursing", area),
                ("telecare_operator", None),
                ("equipment", None),
            ):
                made.teams[kind] = _one(
                    db,
                    "INSERT INTO alerts.team (id, name, kind, area_no) VALUES (%s, %s, %s, %s)"
                    " RETURNING no",
                    kind.replace("_", "-"),
                    f"Team {kind}",
                    kind,
                    area_no,
                )
            for n in range(count):
                home = _one(
                    db,
                    "INSERT INTO ingest.home (id, site_no) VALUES (%s, %s) RETURNING no",
                    f"h{n}",
                    site,
                )
                person = _one(
                    db,
                    "INSERT INTO ingest.person (id, home_no, name) VALUES (%s, %s, 'P')"
                    " RETURNING no",
                    f"p{n}",
                    home,
                )
                device = _one(
                    db,
                    "INSERT INTO ingest.device (site_no, name, kind) VALUES (%s, %s, 'oximeter')"
                    " RETURNING no",
                    site,
                    f"d{n}",
                )
                made.homes.append(home)
                made.people.append(person)
                made.devices.append(device)
        return made

    def rows(self, *readings: tuple[int, str, float, float], now: float, flags: int = 0) -> Rows:
        """Rows of (person's position, quantity, value, time)."""
        out = np.zeros(len(readings), ROW)
        for n, (who, name, value, time) in enumerate(readings):
            out[n] = (
                time, now, value, self.devices[who], self.people[who], self.homes[who], 0, flags,
                vitals.BY_NAME[name].no,
            )  # fmt: skip
        return out


class Writer:
    """A gateway's session, as far as the rules see it."""

    def __init__(self, url: str, lane: str = "obs") -> None:
        self.db = psycopg.connect(url)
        self.no = _one(self.db, "INSERT INTO ingest.writer (lane) VALUES (%s) RETURNING no", lane)
        self.db.execute("SELECT pg_advisory_lock(%s, %s)", [LOCK_WRITER, self.no])
        self.db.commit()
        self.batch = 0

    def rows(self, rows: Rows, *, commit: bool = True) -> None:
        """Write a batch: readings into the store, and per shard into the log."""
        self.batch += 1
        with self.db.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO ingest.observation (time, received_at, device_no, quantity, part,"
                " value, flags, person_no, dwelling_no) VALUES (to_timestamp(%s),"
                " to_timestamp(%s), %s, %s, 0, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                [
                    (
                        float(r["time"]), float(r["received"]), int(r["device"]),
                        int(r["quantity"]), float(r["value"]), int(r["flags"]),
                        int(r["person"]) or None, int(r["dwelling"]),
                    )
                    for r in rows
                ],
            )  # fmt: skip
        self.log(rows)
        if commit:
            self.db.commit()

    def log(self, rows: Rows) -> None:
        shard = rows["dwelling"] % 64
        for s in np.unique(shard):
            self.db.execute(
                "INSERT INTO ingest.log (writer, batch, shard, version, rows)"
                " VALUES (%s, %s, %s, %s, %s)",
                [self.no, self.batch, int(s), ROW_VERSION, rows[shard == s].tobytes()],
            )
        self.db.execute("NOTIFY ingest_log")

    def alarm(
        self,
        homes: Homes,
        who: int | None,
        *,
        now: float,
        quantity: str = "sos",
        alarm_id: str = "a1",
        time: float | None = None,
        cancel: bool = False,
        flags: int = 0,
        device: str = "pendant",
        place: str = "",
    ) -> None:
        """Write an alarm as a batch of its own; ``who`` None is an unregistered device."""
        self.batch += 1
        q = vitals.BY_NAME[quantity].no if quantity else vitals.UNKNOWN_ALARM
        self.db.execute(
            "INSERT INTO ingest.alarm (writer, batch, site, device, alarm_id, receipt_id, quantity,"
            " cancel, place, time, received_at, flags, device_no, person_no, dwelling_no,"
            " last_received_at) VALUES (%s, %s, 'maple-court', %s, %s, %s, %s, %s, %s,"
            " to_timestamp(%s), to_timestamp(%s), %s, %s, %s, %s, to_timestamp(%s))"
            " ON CONFLICT (site, device, alarm_id, quantity, cancel)"
            " DO UPDATE SET repeats = ingest.alarm.repeats + 1",
            [
                self.no, self.batch, device, alarm_id, alarm_id, q, cancel, place,
                now if time is None else time, now, flags,
                None if who is None else homes.devices[who],
                None if who is None else homes.people[who],
                None if who is None else homes.homes[who], now,
            ],
        )  # fmt: skip
        self.db.execute("NOTIFY ingest_alarm")
        self.db.commit()

    def close(self) -> None:
        self.db.close()


def make(
    here: Homes, clock: FixedClock, number: int = 0, *, rule: str | None = None, **changed: Any
) -> model.Alert:
    """Return an alert of the first person, of a rule with a number or a name."""
    rule = rule or f"rule{number}"
    alert = model.Alert(
        no=0, episode=f"person:{here.people[0]}/{rule}", source=model.Source.RULE,
        rule_id=rule, rule_version="1", severity=model.Severity.SOON, title="T",
        reason="R", evidence=({"code": "spo2", "value": 84.0, "unit": "%", "time": "t"},),
        person_no=here.people[0], dwelling_no=here.homes[0], device_no=None, site="maple-court",
        raised_at=clock.now(), reading_at=clock.now(), late=False, state=model.State.OPEN,
        condition=model.Condition.ACTIVE, team_no=here.teams["district_nursing"],
        routed_because="r",
    )  # fmt: skip
    return replace(alert, **changed)


def alerts(url: str, what: str = "rule_id, severity, state, condition, title, reason") -> list[Any]:
    with connect(url) as db:
        return db.execute(f"SELECT {what} FROM alerts.alert ORDER BY no").fetchall()


def kinds(url: str) -> list[str]:
    with connect(url) as db:
        return [r[0] for r in db.execute("SELECT kind FROM alerts.event ORDER BY no").fetchall()]


def epoch(moment: datetime) -> float:
    return moment.astimezone(UTC).timestamp()


def _one(db: psycopg.Connection[Any], statement: str, *values: Any) -> int:
    row = db.execute(statement, list(values)).fetchone()
    assert row is not None
    return int(row[0])


IMPLAUSIBLE = int(Quality.IMPLAUSIBLE)
HISTORICAL = int(Quality.HISTORICAL)
RETAINED = int(Quality.RETAINED)
IMPORTED = int(Quality.IMPORTED)
REPLAYED = int(Quality.REPLAYED)
