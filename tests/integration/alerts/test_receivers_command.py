"""``telecare receiver`` against a real database and real receivers."""

from __future__ import annotations

import subprocess
import sys

import pytest

from alerts.calling import Owner
from tests.contract import told
from tests.contract.told import Told
from tests.support.receivers import MailReceiver, WebReceiver

pytestmark = pytest.mark.service


@pytest.fixture
def here(database_url: str) -> Told:
    return Told.make(database_url)


def telecare(here: Told, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "api.cli", "receiver", *words],
        check=False, capture_output=True, text=True, input=stdin,
        env={"TELECARE_DATABASE_URL": here.url, "TELECARE_SECRET_KEY": told.SECRET, "PATH": ""},
    )  # fmt: skip


def test_a_receiver_is_added_tried_listed_without_its_address_and_removed(
    here: Told, web: WebReceiver, mail: MailReceiver
) -> None:
    assert "seen on the screen only" in telecare(here, "list").stdout
    address = f"http://key:secret@127.0.0.1:{web.port}/hidden\n"
    done = telecare(here, "add", "team:telecare-operator", "webhook", "-", stdin=address)
    assert (done.returncode, done.stdout[:17]) == (0, "Added receiver 1."), done.stderr
    added = telecare(
        here, "add", "contact:p0/1", "apprise", mail.url("a%40example.org"), "--language", "cy",
        "--quiet", "22:00-07:00", "--below", "urgent",
    )  # fmt: skip
    assert added.returncode == 0, added.stderr
    assert telecare(here, "add", "hub", "console", "-", "--rank", "2", stdin="x\n").returncode == 0

    tried = telecare(here, "try", "1")
    assert (tried.returncode, tried.stdout) == (0, "Sent: the receiver says that it has it.\n")
    assert web.got[0].json["text"] == "Test message of the telecare hub. No alert is waiting."
    assert telecare(here, "try", "2").stdout == "Sent: the service took it.\n"
    assert "Neges brawf" in mail.words
    not_set_up = telecare(here, "try", "3")
    assert not_set_up.returncode == 1
    assert "the channel console is not set up" in not_set_up.stderr

    listed = telecare(here, "list").stdout
    assert "contact:p0/1" in listed
    assert "quiet 22:00-07:00" in listed
    assert "team:telecare-operator" in listed
    for secret in ("secret", "hidden", "example.org"):
        assert secret not in listed
    row = here.one("SELECT contact_no, quiet ->> 'below' FROM alerts.receiver WHERE no = 2")
    assert (Owner("contact", row[0]), row[1]) == (here.contact, "urgent")
    assert telecare(here, "remove", "1").returncode == 0
    assert telecare(here, "remove", "1").returncode == 1
    assert telecare(here, "try", "1").returncode == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["team:nobody", "sms", "1"], "There is no team 'nobody'."),
        (["contact:p0/9", "sms", "1"], "There is no contact 'p0/9'."),
        (["member:mary", "sms", "1"], "There is no member 'mary'."),
        (["somebody", "sms", "1"], "Say whose it is"),
        (["team:", "sms", "1"], "Say whose it is"),
        (["hub:x", "sms", "1"], "Say whose it is"),
        (["hub", "pigeon", "1"], "There is no channel 'pigeon'."),
        (["hub", "sms", "1", "--quiet", "late"], "Quiet hours look like"),
        (["hub", "sms", "1", "--quiet", "22:00-07:00", "--timezone", "No/Where"], "Quiet hours"),
        (["hub", "sms", "1", "--quiet", "22:00-07:00", "--below", "never"], "Quiet hours"),
    ],
)
def test_what_can_not_be_a_receiver_is_refused(here: Told, words: list[str], said: str) -> None:
    done = telecare(here, "add", *words)
    assert done.returncode == 1
    assert said in done.stderr
    assert here.one("SELECT count(*) FROM alerts.receiver") == (0,)
