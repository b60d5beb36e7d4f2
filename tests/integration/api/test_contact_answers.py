"""A contact's link: looking changes nothing, answering works once, and shows nobody's name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from alerts.delivery.links import Links
from tests.integration.api import served

pytestmark = pytest.mark.service


@pytest.fixture
def asked(hub: served.Served) -> tuple[str, str]:
    """Return an alert's id and a link that one of the person's contacts was sent."""
    alert = hub.alert()
    delivery = hub.value(
        "INSERT INTO alerts.delivery (key, alert_no, run, position, repetition, channel,"
        " receiver_kind, owner_no, language, template, urgency, state, next_at, queued_at)"
        " SELECT 'k', %s, 1, 3, 0, 'sms', 'contact', c.no, 'en', 'help', 4, 'sent', now(), now()"
        " FROM ingest.contact c JOIN ingest.person p ON p.no = c.person_no"
        " WHERE p.id = 'ada' AND c.rank = 2 RETURNING no",
        int(alert.removeprefix("alert_")),
    )
    token = Links(served.SECRET).sign(delivery, expires=datetime.now(UTC) + timedelta(hours=1))
    return alert, f"/answer/{token}"


def test_opening_the_link_shows_a_question_and_nobody_s_name_and_changes_nothing(
    hub: served.Served, asked: tuple[str, str]
) -> None:
    with hub.client() as contact:
        for _ in range(3):
            page = contact.get(asked[1])
            assert page.status_code == 200
            assert "Can you go?" in page.text
            for name in ("Ada", "Example", "Neil", "Joan"):
                assert name not in page.text
    assert hub.value("SELECT count(*) FROM alerts.event WHERE kind = 'contact_answered'") == 0


def test_an_answer_is_in_the_alert_s_history_and_counts_once(
    hub: served.Served, asked: tuple[str, str]
) -> None:
    alert, link = asked
    with hub.client() as contact, hub.client("nurse") as nurse:
        before = nurse.get(f"/api/v1/alerts/{alert}").json()
        assert "on your way" in contact.post(link, data={"going": "yes"}).text
        again = contact.post(link, data={"going": "no"})
        assert again.status_code == 410
        assert "answered already" in again.text
        assert contact.get(link).status_code == 410
        after = nurse.get(f"/api/v1/alerts/{alert}").json()
    said = [e for e in after["history"] if e["kind"] == "contact_answered"]
    assert [(e["reason"], e["detail"]["going"]) for e in said] == [("contact 2 is going", True)]
    assert after["version"] == before["version"]  # whoever acts now is not refused for it
    assert (after["state"], after["owner"]) == (before["state"], before["owner"])


def test_a_link_that_is_old_made_up_or_of_another_kind_is_no_good(
    hub: served.Served, asked: tuple[str, str]
) -> None:
    links = Links(served.SECRET)
    old = links.sign(1, expires=datetime.now(UTC) - timedelta(seconds=1))
    nobody = links.sign(10**9, expires=datetime.now(UTC) + timedelta(hours=1))
    with hub.client() as contact:
        for link in (f"/answer/{old}", "/answer/made-up", f"{asked[1]}x", f"/answer/{nobody}"):
            assert contact.get(link).status_code == 410, link
            assert contact.post(link, data={"going": "yes"}).status_code == 410, link
        assert contact.post(asked[1], data={"going": "perhaps"}).status_code == 422
        assert contact.post(asked[1]).status_code == 422
        foreign = {"Origin": "https://evil.example"}
        assert contact.post(asked[1], data={"going": "yes"}, headers=foreign).status_code == 403
    assert hub.value("SELECT count(*) FROM alerts.event WHERE kind = 'contact_answered'") == 0
