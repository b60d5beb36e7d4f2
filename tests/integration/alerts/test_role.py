"""The alerts role as a process: it sends, is killed in the middle, tells of a broken channel."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.contract import homes, told
from tests.contract.told import Told
from tests.support.receivers import MailReceiver, Post, WebReceiver
from tests.support.roles import AlertsProcesses
from tests.support.waiting import until

pytestmark = [pytest.mark.service, pytest.mark.slow]


class Role(AlertsProcesses):
    """Alerts processes that lose patience soon, with what they log."""

    def __init__(self, url: str, log: Path) -> None:
        super().__init__(
            url, log=log, secret_key=told.SECRET, alerts_health_every_s="0.3",
            delivery_broken_s="1", delivery_lease_s="2", delivery_first_s="0.3",
            delivery_longest_s="0.5", delivery_timeout_s="1.5",
        )  # fmt: skip

    @property
    def said(self) -> str:
        """Return everything the processes logged."""
        assert self.log is not None
        return self.log.read_text(encoding="utf-8")


@pytest.fixture
def here(database_url: str) -> Told:
    return Told.make(database_url)


@pytest.fixture
def role(here: Told, tmp_path: Path) -> Iterator[Role]:
    made = Role(here.url, tmp_path / "log")
    yield made
    made.kill_all()


def tell(here: Told) -> int:
    now = datetime.now(UTC)
    alert = here.alert(raised_at=now)
    here.queue(alert, now=now)
    return alert


def state(here: Told, alert: int) -> str:
    return str(here.log(alert)[0]["state"])


def test_killed_while_sending_it_sends_again_with_the_same_key_after_its_lease(
    here: Told, role: Role, web: WebReceiver
) -> None:
    arrived = threading.Event()

    def answer(_: Post) -> tuple[int, dict[str, str], bytes]:
        if not arrived.is_set():
            role.kill_all()  # it has arrived, and the hub will never know
            arrived.set()
        return 200, {}, b""

    web.answer = answer
    here.receiver("webhook", f"http://key:secret@127.0.0.1:{web.port}/")
    role.start()
    alert = tell(here)
    assert arrived.wait(30)
    role.start()
    until(lambda: state(here, alert) == "delivered", "sent again", timeout=30)
    assert web.keys == [here.log(alert)[0]["key"]] * 2


def test_a_channel_that_reaches_nobody_is_an_alert_of_the_hubs_own_that_clears(
    here: Told, role: Role, web: WebReceiver
) -> None:
    web.answer = lambda _: (503, {}, b"")
    here.receiver("webhook", f"http://key:secret@127.0.0.1:{web.port}/hidden-path")
    role.start()
    alert = tell(here)

    def broken() -> list[tuple[str, str]]:
        with homes.connect(here.url) as db:
            return db.execute(
                "SELECT condition, reason FROM alerts.alert WHERE rule_id = 'hub.channel_broken'"
            ).fetchall()

    ((condition, reason),) = until(broken, "raised", timeout=30)
    assert condition == "active"
    assert "by webhook for" in reason
    assert "the receiver answered 503" in reason
    web.answer = lambda _: (200, {}, b"")
    until(lambda: state(here, alert) == "delivered", "sent", timeout=30)
    until(lambda: broken()[0][0] == "cleared", "cleared", timeout=15)
    assert len(broken()) == 1
    assert "A message was not taken" in role.said
    for secret in ("hidden-path", "secret@", told.NHS_NUMBER, "Ada"):
        assert secret not in role.said


def test_what_a_mail_server_says_of_an_address_stays_out_of_the_log(
    here: Told, role: Role, mail: MailReceiver
) -> None:
    mail.refuse_recipient = "550 tim@example.org is not known here"
    here.receiver("apprise", mail.url("tim%40example.org"))
    process = role.start()
    alert = tell(here)
    until(lambda: state(here, alert) == "dead", "dead", timeout=30)
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0
    assert "the mail server refused it for good" in role.said
    assert "tim" not in role.said.replace("timestamp", "")
