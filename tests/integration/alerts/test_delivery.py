"""Messages that really go out: to a mail server, a webhook, and a service, on good and bad days."""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from alerts.calling import Owner
from alerts.delivery import dispatch as dispatching
from alerts.delivery.links import Links, Opened
from alerts.delivery.ports import Due, Failed, Message, Sent, Store
from ingest.kernel import errors
from tests.contract import told
from tests.contract.told import Told
from tests.integration.alerts.conftest import PUBLIC, Start
from tests.support.receivers import MailReceiver, NotifyService, Post, WebReceiver, slowly
from tests.support.waiting import until

pytestmark = pytest.mark.service
KEY_ID, SECRET = "key-1", "s3cret/with:signs"
_API_KEY = "hub-11111111-2222-3333-4444-555555555555-66666666-7777-8888-9999-000000000000"


def now() -> datetime:
    return datetime.now(UTC)


def hook(web: WebReceiver, path: str = "/alerts?x=1") -> str:
    return f"http://{KEY_ID}:s3cret%2Fwith%3Asigns@127.0.0.1:{web.port}{path}"


def tell(here: Told, **more: Any) -> int:
    alert = here.alert(raised_at=now(), severity=more.get("severity", "urgent"))
    assert here.queue(alert, now=now(), **more).count
    return alert


def row(here: Told, alert: int, n: int = 0) -> Mapping[str, Any]:
    return here.log(alert)[n]


def settled(here: Told, alert: int, states: Sequence[str], timeout: float = 15) -> None:
    until(
        lambda: [r["state"] for r in here.log(alert)] == list(states),
        f"deliveries are {states}: {[dict(r) for r in here.log(alert)]}",
        timeout=timeout,
    )


def nothing_personal(said: str) -> None:
    for secret in ("Ada", "Lovelace", told.NHS_NUMBER, "84", "SpO2", "Heart", "Byron"):
        assert secret not in said


# -- good days ---------------------------------------------------------------------------------


def test_a_mail_arrives_and_says_no_more_than_it_must(
    here: Told, dispatch: Start, mail: MailReceiver
) -> None:
    here.receiver("apprise", mail.url("team%40example.org"))
    here.receiver("apprise", mail.url("tim%40example.org"), language="cy")
    dispatch()
    alert = tell(here)
    settled(here, alert, ["sent", "sent"])
    assert sorted(to for to, _ in mail.got) == [["team@example.org"], ["tim@example.org"]]
    assert f"{PUBLIC}/alerts/alert_{alert}" in mail.words
    assert "URGENT: an alert is waiting" in mail.words
    assert "BRYS: mae rhybudd yn aros" in mail.words
    nothing_personal(mail.words.replace(f"alert_{alert}", ""))


def test_a_webhook_arrives_signed_with_its_key_and_its_answer_is_proof(
    here: Told, dispatch: Start, web: WebReceiver
) -> None:
    here.receiver("webhook", hook(web))
    dispatch()
    alert = tell(here)
    settled(here, alert, ["delivered"])
    (post,) = web.got
    assert post.path == "/alerts?x=1"
    assert post.key == row(here, alert)["key"]
    assert "Authorization" not in post.headers
    assert post.json["severity"] == "urgent"
    assert post.json["link"] == f"{PUBLIC}/alerts/alert_{alert}"
    nothing_personal(re.sub(r'"(since|text)": "[^"]*"', "", post.body.decode()))
    signed = re.fullmatch(
        r"t=(\d+),key=key-1,v1=([0-9a-f]{64})", post.headers["Telecare-Signature"]
    )
    assert signed
    assert abs(int(signed[1]) - time.time()) < 60
    wanted = hmac.new(SECRET.encode(), signed[1].encode() + b"." + post.body, hashlib.sha256)
    assert signed[2] == wanted.hexdigest()


def test_a_fhir_body_alone_says_whom_it_is_about_and_only_where_nobody_reads_along(
    here: Told, dispatch: Start, web: WebReceiver
) -> None:
    here.receiver("fhir", hook(web))
    here.receiver("fhir", f"http://k:s@192.0.2.1:{web.port}/")
    dispatch()
    alert = tell(here, severity="emergency")
    settled(here, alert, ["delivered", "dead"])
    (post,) = web.got
    assert post.headers["Content-Type"] == "application/fhir+json"
    body = post.json
    assert (body["resourceType"], body["priority"]) == ("Communication", "stat")
    assert body["subject"]["identifier"]["value"] == told.NHS_NUMBER
    assert "Ada" not in post.body.decode()
    assert "https or to this machine" in row(here, alert, 1)["error"]


def test_texts_go_through_notify_and_their_fate_is_asked(
    here: Told, dispatch: Start, notify: NotifyService
) -> None:
    notify.status = "sending"
    dispatch(
        notify_api_key=_API_KEY, notify_url=f"http://127.0.0.1:{notify.port}",
        notify_sms_template="t-sms", notify_email_template="t-mail",
        notify_letter_template="t-letter",
    )  # fmt: skip
    until(lambda: here.one("SELECT ready FROM alerts.channel WHERE name = 'sms'"), "declared")
    for channel, address in (
        ("email", "a@example.org"), ("letter", "The Surgery\n1 High Street\nLeeds\nLS1 1AA"),
    ):  # fmt: skip
        here.receiver(channel, address)
    alert = tell(here, owners=[here.contact, here.team], template="help")
    settled(here, alert, ["sent"] * 3)
    sent = {one["kind"]: one for one in notify.sent.values()}
    text = sent["sms"]
    assert text["phone_number"] == told.PHONE
    assert text["template_id"] == "t-sms"
    assert text["reference"] == row(here, alert)["key"]
    assert "angen help" in text["personalisation"]["text"]  # the person's language
    token = text["personalisation"]["link"].removeprefix(f"{PUBLIC}/answer/")
    opened = Links(told.SECRET).open(token, now=now())
    assert opened == Opened(row(here, alert)["no"])
    nothing_personal(str(text["personalisation"]["text"].replace(token, "")))
    assert sent["letter"]["personalisation"]["address_line_4"] == "LS1 1AA"
    assert sent["letter"]["personalisation"]["nhs_number"] == told.NHS_NUMBER
    assert "nhs_number" not in sent["email"]["personalisation"]
    notify.status = "delivered"
    settled(here, alert, ["delivered"] * 3)
    assert row(here, alert)["provider_ref"] in notify.sent


def test_a_text_gateway_and_a_mail_server_of_the_hubs_own_take_plain_addresses(
    here: Told, dispatch: Start, mail: MailReceiver, web: WebReceiver
) -> None:
    dispatch(email_url=mail.url("{address}"), sms_url=f"json://127.0.0.1:{web.port}/{{address}}")
    here.receiver("email", "tim@example.org")
    here.receiver("sms", "+44 7700 900123")
    alert = tell(here)
    settled(here, alert, ["sent", "sent"])
    assert mail.got[0][0] == ["tim@example.org"]
    assert web.got[0].path.startswith("/+44%207700%20900123")
    assert "is waiting since" in web.got[0].json["message"]


def test_the_console_is_for_development(
    here: Told, dispatch: Start, capfd: pytest.CaptureFixture[str]
) -> None:
    here.receiver("console", "-")
    dispatch(delivery_console=True)
    alert = tell(here)
    settled(here, alert, ["delivered"])
    assert f"[{row(here, alert)['key']}] URGENT: an alert" in capfd.readouterr().err


# -- bad days ----------------------------------------------------------------------------------


def test_a_webhook_that_is_down_for_a_while_gets_everything_once_when_it_is_back(
    here: Told, dispatch: Start, web: WebReceiver
) -> None:
    here.receiver("webhook", hook(web))
    web.stop()
    dispatch()
    alerts = [tell(here) for _ in range(5)]
    until(lambda: all(row(here, a)["attempts"] >= 2 for a in alerts), "tried while it was down")
    assert "not reached" in row(here, alerts[0])["error"]
    web.start()
    for alert in alerts:
        settled(here, alert, ["delivered"])
    assert Counter(web.keys) == Counter(row(here, a)["key"] for a in alerts)


def test_what_answers_500_or_too_many_is_tried_again_with_the_same_key(
    here: Told, dispatch: Start, web: WebReceiver
) -> None:
    said = iter([(500, {}, b"oh"), (503, {}, b""), (429, {"Retry-After": "1"}, b"")])
    web.answer = lambda _: next(said, (204, {}, b""))
    here.receiver("webhook", hook(web))
    dispatch()
    alert = tell(here)
    settled(here, alert, ["delivered"])
    assert web.keys == [row(here, alert)["key"]] * 4
    assert row(here, alert)["attempts"] == 4


def test_too_many_is_given_the_time_it_asks_for(
    here: Told, dispatch: Start, web: WebReceiver
) -> None:
    times: list[float] = []

    def answer(_: Post) -> tuple[int, dict[str, str], bytes]:
        times.append(time.monotonic())
        return (429, {"Retry-After": "1"}, b"") if len(times) == 1 else (200, {}, b"")

    web.answer = answer
    here.receiver("webhook", hook(web))
    dispatch()
    settled(here, tell(here), ["delivered"])
    assert times[1] - times[0] >= 1.0


def test_what_is_refused_for_good_is_handed_to_the_next_receiver_at_once(
    here: Told, dispatch: Start, web: WebReceiver, mail: MailReceiver
) -> None:
    web.answer = lambda _: (404, {}, b"")
    here.receiver("webhook", hook(web))
    here.receiver("apprise", mail.url("next%40example.org"), rank=2)
    dispatch()
    alert = tell(here)
    settled(here, alert, ["dead", "sent"])
    assert len(web.got) == 1
    assert mail.got[0][0] == ["next@example.org"]
    log = here.log(alert)
    assert log[1]["fallback_of"] == log[0]["no"]
    assert log[0]["error"] == "the receiver answered 404"


def test_an_emergency_is_handed_over_after_two_failures_while_the_first_is_down(
    here: Told, dispatch: Start, web: WebReceiver, mail: MailReceiver
) -> None:
    web.answer = lambda _: (500, {}, b"")
    here.receiver("webhook", hook(web))
    here.receiver("apprise", mail.url("next%40example.org"), rank=2)
    dispatch()
    settled(here, tell(here, severity="emergency"), ["dead", "sent"])
    assert len(web.got) == 2


def test_a_mail_server_that_refuses_for_good_and_one_that_refuses_for_now(
    here: Told, dispatch: Start, mail: MailReceiver
) -> None:
    here.receiver("apprise", mail.url("gone%40example.org"))
    dispatch()
    mail.refuse_recipient = "550 no such mailbox"
    alert = tell(here)
    settled(here, alert, ["dead"])
    assert row(here, alert)["error"] == "the mail server refused it for good"
    mail.refuse_recipient = None
    mail.refuse_mail = "451 try later"
    alert = tell(here)
    until(lambda: row(here, alert)["attempts"] >= 2, "tried again")
    assert row(here, alert)["error"] == "the mail server refused it for now"
    mail.refuse_mail = None
    settled(here, alert, ["sent"])


def test_notify_refuses_is_busy_and_loses_a_text(
    here: Told, dispatch: Start, notify: NotifyService, web: WebReceiver
) -> None:
    url = f"http://127.0.0.1:{notify.port}"
    dispatch(notify_api_key=_API_KEY, notify_url=url, notify_sms_template="t")
    here.receiver("sms", "07700900123")
    here.receiver("webhook", hook(web), rank=2)
    notify.refusal = (429, {}, b'{"errors": [{"error": "RateLimitError", "message": "07700"}]}')
    alert = tell(here)
    until(lambda: row(here, alert)["attempts"] >= 2, "tried again")
    assert row(here, alert)["error"] == "GOV.UK Notify answered 429"
    notify.refusal = None
    notify.status = "permanent-failure"
    settled(here, alert, ["failed", "delivered"])
    notify.refusal = (400, {}, b'{"errors": [{"error": "ValidationError", "message": "07700"}]}')
    with_sms_well = "UPDATE alerts.receiver SET failing_since = NULL RETURNING no"
    here.one(with_sms_well)
    alert = tell(here)
    settled(here, alert, ["dead", "delivered"])
    assert row(here, alert)["error"] == "GOV.UK Notify answered 400"


@pytest.mark.parametrize(
    ("channel", "address", "why"),
    [
        ("webhook", "https://hub.example.org/no-key", "names no key"),
        ("webhook", "gopher://k:s@x/", "no http address"),
        ("webhook", "http://k:s@[half", "no http address"),
        ("apprise", "no-such-thing://x", "no URL that Apprise knows"),
        ("sms", "07700900123", "the channel sms is not set up"),
        ("pigeon", "coop 3", "the channel pigeon is not set up"),
    ],
)
def test_an_address_that_can_not_work_is_dead_with_a_reason_that_does_not_repeat_it(
    here: Told, dispatch: Start, channel: str, address: str, why: str
) -> None:
    here.receiver(channel, address)
    dispatch()
    alert = tell(here)
    settled(here, alert, ["dead"])
    assert why in row(here, alert)["error"]
    assert address not in row(here, alert)["error"]


def test_an_address_of_another_hubs_key_is_dead_and_the_next_is_told(
    here: Told, dispatch: Start, web: WebReceiver
) -> None:
    no = here.receiver("webhook", hook(web, "/first"))
    here.receiver("webhook", hook(web, "/second"), rank=2)
    here.one("UPDATE alerts.receiver SET address = 'garbage' WHERE no = %s RETURNING no", no)
    dispatch()
    alert = tell(here)
    settled(here, alert, ["dead", "delivered"])
    assert "TELECARE_SECRET_KEY" in row(here, alert)["error"]
    assert [post.path for post in web.got] == ["/second"]


def test_a_slow_receiver_holds_up_no_other_and_neither_does_a_slow_channel(
    here: Told, dispatch: Start, web: WebReceiver, mail: MailReceiver
) -> None:
    quick = WebReceiver().start()
    web.answer = slowly(1.5)
    here.receiver("webhook", hook(web))
    dispatch()
    for _ in range(8):
        tell(here)
    until(lambda: len(web.got) >= 2, "the slow one is busy")
    other = Owner("team", here.here.teams["equipment"])
    here.receiver("webhook", hook(quick), owner=other)
    here.receiver("apprise", mail.url("a%40example.org"), owner=other)
    began = time.monotonic()
    alert = tell(here, owners=[other])
    settled(here, alert, ["delivered", "sent"])
    assert time.monotonic() - began < 1.4
    assert len(web.got) <= 4  # half of its four threads
    quick.stop()
    web.answer = lambda _: (200, {}, b"")


def test_an_answer_that_never_comes_is_given_up_in_time(
    here: Told, dispatch: Start, web: WebReceiver
) -> None:
    web.answer = slowly(3)
    here.receiver("webhook", hook(web))
    dispatch(delivery_timeout_s=0.3)
    alert = tell(here)
    until(lambda: row(here, alert)["error"], "given up", timeout=2.5)
    assert row(here, alert)["error"] == "the receiver did not answer in time"
    here.stop(alert)


def test_a_message_that_makes_its_channel_fail_ends_neither_the_role_nor_the_others(
    here: Told, dispatch: Start
) -> None:
    class Odd:
        name = "odd"

        def send(self, message: Message) -> Sent | Failed:
            if message.address == "bad":
                raise ValueError(message.address)
            return Sent(proof=True)

    here.receiver("odd", "bad")
    here.receiver("odd", "good")
    dispatch(extra={"odd": Odd()})
    alert = tell(here)
    until(lambda: row(here, alert)["attempts"] >= 2, "tried again")
    assert row(here, alert)["error"] == "unexpected: ValueError"
    assert row(here, alert, 1)["state"] == "delivered"


# -- once, and never not at all ----------------------------------------------------------------


def test_two_dispatchers_at_once_send_each_key_exactly_once(
    here: Told, dispatch: Start, web: WebReceiver
) -> None:
    here.receiver("webhook", hook(web))
    other = Owner("team", here.here.teams["equipment"])
    here.receiver("webhook", hook(web, "/other"), owner=other)
    dispatch()
    dispatch()
    alerts = [tell(here, owners=[here.team, other]) for _ in range(60)]
    for alert in alerts:
        settled(here, alert, ["delivered"] * 2, timeout=30)
    assert len(web.keys) == len(set(web.keys)) == 120


def test_acknowledging_stops_what_is_queued_while_a_slow_one_is_under_way(
    here: Told, dispatch: Start, web: WebReceiver, mail: MailReceiver
) -> None:
    release = threading.Event()

    def answer(_: Post) -> tuple[int, dict[str, str], bytes]:
        release.wait(10)
        return 200, {}, b""

    web.answer = answer
    here.receiver("webhook", hook(web))
    dispatch(delivery_timeout_s=15, delivery_workers=4)  # of which one receiver keeps half
    alerts = [tell(here) for _ in range(4)]
    until(lambda: len(web.got) == 2, "two are under way")
    began = time.monotonic()
    stopped = sum(here.stop(alert) for alert in alerts)
    assert time.monotonic() - began < 2  # nobody waits for a slow receiver
    assert stopped == 4
    release.set()
    time.sleep(1)
    assert len(web.got) == 2
    states = sorted(row(here, alert)["state"] for alert in alerts)
    assert states == ["delivered", "delivered", "stopped", "stopped"]
    assert mail.got == []


class _AtFirst:
    """A store whose first records of what was sent go another way, each once."""

    def __init__(self, store: Store, first: Iterator[Callable[[], bool]]) -> None:
        self._store = store
        self._first = first

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def sent(self, due: Due, outcome: Sent, *, now: datetime) -> bool:
        otherwise = next(self._first, None)
        return otherwise() if otherwise else self._store.sent(due, outcome, now=now)


def _killed() -> bool:
    """What this process knew is gone."""
    return True


def _refused() -> bool:
    """Refuse it as if the words made no sense to the database."""
    raise errors.PoisonError(detail="22021")


def _away() -> bool:
    """Be away for a moment."""
    raise errors.StoreUnavailableError(detail="away")


def test_killed_between_sending_and_recording_it_is_sent_again_with_the_same_key(
    here: Told, dispatch: Start, web: WebReceiver
) -> None:
    here.receiver("webhook", hook(web))
    first = iter([_killed])
    dispatch(store=lambda s: _AtFirst(s, first), lease_s=0.5)  # type: ignore[arg-type,return-value]
    alert = tell(here)
    settled(here, alert, ["delivered"])
    assert web.keys == [row(here, alert)["key"]] * 2


def test_what_can_not_be_recorded_does_not_end_the_role_and_is_sent_again_with_the_same_key(
    here: Told, dispatch: Start, web: WebReceiver
) -> None:
    here.receiver("webhook", hook(web))
    first = iter([_refused])
    dispatch(store=lambda s: _AtFirst(s, first), lease_s=0.5)  # type: ignore[arg-type,return-value]
    alert = tell(here)
    settled(here, alert, ["delivered"])
    assert web.keys == [row(here, alert)["key"]] * 2


def test_notify_is_asked_before_a_text_goes_out_a_second_time(
    here: Told, dispatch: Start, notify: NotifyService
) -> None:
    """It takes the same reference twice: two texts in one night for one alert."""
    here.receiver("sms", "07700900123")
    first = iter([_killed])
    dispatch(
        store=lambda s: _AtFirst(s, first),  # type: ignore[arg-type,return-value]
        lease_s=0.5, notify_api_key=_API_KEY, notify_sms_template="t",
        notify_url=f"http://127.0.0.1:{notify.port}",
    )  # fmt: skip
    settled(here, tell(here), ["delivered"])
    assert next(first, None) is None  # it was killed
    assert len(notify.sent) == 1


def test_a_database_that_is_away_for_a_moment_makes_nobody_be_told_twice(
    here: Told, dispatch: Start, web: WebReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatching, "_LOOK_S", 0.1)
    here.receiver("webhook", hook(web))
    first = iter([_away, _away])
    dispatch(store=lambda s: _AtFirst(s, first))  # type: ignore[arg-type,return-value]
    alert = tell(here)
    settled(here, alert, ["delivered"])
    assert next(first, None) is None
    assert len(web.got) == 1
