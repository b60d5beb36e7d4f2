"""An alert, a contact and receivers, for tests of deliveries on a real database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alerts import model
from alerts.calling import Owner
from alerts.delivery.ports import Queued
from alerts.storage import deliveries, receivers
from ingest.storage.vault import Vault
from tests.contract import homes
from tests.contract.homes import Homes

SECRET = "not a secret only long enough to be one"
VAULT = Vault(SECRET)
NAME, NHS_NUMBER, PHONE = "Ada Lovelace", "9434765919", "+447700900123"
TITLE, REASON = "Heart failure: 84 % oxygen", "SpO2 84 % of Ada Lovelace"


@dataclass
class Told:
    """Whom alerts are told to; owners are the database's numbers."""

    here: Homes
    url: str
    team: Owner
    contact: Owner

    @classmethod
    def make(cls, url: str) -> Told:
        here = Homes.make(url)
        with homes.connect(url) as db:
            db.execute(
                "UPDATE ingest.person SET name = %s, nhs_number = %s, language = 'cy'"
                " WHERE no = %s",
                [NAME, NHS_NUMBER, here.people[0]],
            )
            row = db.execute(
                "INSERT INTO ingest.contact (person_no, rank, name, phone)"
                " VALUES (%s, 1, 'Ann Byron', %s) RETURNING no",
                [here.people[0], PHONE],
            ).fetchone()
            assert row is not None
        team = Owner("team", here.teams["telecare_operator"])
        return cls(here, url, team, Owner("contact", int(row[0])))

    def receiver(
        self, channel: str, address: str, *, owner: Owner | None = None, rank: int = 1, **more: Any
    ) -> int:
        with homes.connect(self.url) as db:
            return receivers.add(
                db, VAULT, owner or self.team, channel=channel, address=address, rank=rank, **more
            )

    def alert(self, *, severity: str = "urgent", raised_at: datetime) -> int:
        with homes.connect(self.url) as db:
            row = db.execute(
                "INSERT INTO alerts.alert (episode, source, rule_id, rule_version, severity, title,"
                " reason, person_no, dwelling_no, site, raised_at, alert_class)"
                " VALUES ('e' || (SELECT count(*) FROM alerts.alert), 'rule', 'r', '1', %s, %s, %s,"
                " %s, %s, 'maple-court', %s, 'telecare') RETURNING no",
                [severity, TITLE, REASON, self.here.people[0], self.here.homes[0], raised_at],
            ).fetchone()
            assert row is not None
            # as every alert has a step to come: the role begins the response of one without
            db.execute(
                "INSERT INTO alerts.step (alert_no, run, position, repetition, kind, rank, due_at)"
                " VALUES (%s, 1, 104, 0, 'look_again', 1, now() + interval '1 day')",
                [row[0]],
            )
        return int(row[0])

    def queue(
        self,
        alert_no: int,
        *,
        now: datetime,
        owners: Sequence[Owner] | None = None,
        severity: str = "urgent",
        template: str = "waiting",
        run: int = 1,
        position: int = 0,
        repetition: int = 0,
        channels: Sequence[str] | None = None,
    ) -> Queued:
        with homes.connect(self.url) as db, db.transaction():
            outgoing = deliveries.Outgoing(db, now=now)
            asked = outgoing.ask(
                alert_no=alert_no, run=run, position=position, repetition=repetition,
                urgency=model.Severity(severity).rank, owners=owners or [self.team],
                template=template, channels=channels,
            )  # fmt: skip
            return Queued(count=outgoing.write(), said=asked.said)

    def stop(self, alert_no: int) -> int:
        with homes.connect(self.url) as db, db.transaction():
            return deliveries.stop(db, alert_no)

    def log(self, alert_no: int) -> list[Mapping[str, Any]]:
        with homes.connect(self.url) as db:
            return list(deliveries.log(db, alert_no))

    def one(self, statement: str, *values: Any) -> Any:
        with homes.connect(self.url) as db:
            return db.execute(statement, list(values)).fetchone()
