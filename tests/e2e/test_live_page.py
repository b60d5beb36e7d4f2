"""The live page in a real browser: what a nurse does tonight."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.integration.api import served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.service, pytest.mark.slow]
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_SECOND = 1000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """System Chromium, headless."""
    found = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium here: the live page is not tried in a browser")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=found)
        yield running
        running.close()


@pytest.fixture
def hub(database_url: str) -> Iterator[served.Served]:
    served.seed(database_url)
    with served.serving(database_url) as running:
        yield running


@contextmanager
def nurse(
    browser: Browser, hub: served.Served, *, width: int = 1280, script: bool = True
) -> Iterator[Page]:
    """A nurse's page, signed in; no complaint of the browser is let pass."""
    complaints: list[str] = []
    context = browser.new_context(
        viewport={"width": width, "height": 844}, java_script_enabled=script
    )
    page = context.new_page()
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: complaints.append(str(e)))
    page.goto(hub.url)
    page.get_by_label("User name").fill("nurse")
    page.get_by_label("Password").fill(served.PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Queue").wait_for()
    yield page
    context.close()
    assert [c for c in complaints if "409" not in c] == []


def test_an_alert_appears_within_a_second_is_acknowledged_noted_and_closed(
    browser: Browser, hub: served.Served
) -> None:
    with nurse(browser, hub) as page:
        page.locator("#live.is-live").wait_for()
        assert page.get_by_text("Nothing is waiting here.").is_visible()
        alert = hub.alert()
        card = page.locator(f"#{alert}")
        card.wait_for(timeout=_SECOND)
        assert "Emergency" in card.inner_text()
        assert "Ada Example" in card.inner_text()
        assert "1 Maple Court" in card.inner_text()
        assert "020 7946 0001" in card.locator(".fact-ring").inner_text()
        assert re.search(r"\d+ s ago", card.inner_text())
        assert page.title().startswith("(1)")
        card.get_by_role("button", name="Acknowledge").click()
        page.get_by_text("Acknowledged. The alert is yours").wait_for()
        assert "Acknowledged by nurse" in page.locator(f"#{alert}").inner_text()
        page.locator(f"#{alert}").get_by_role("link", name="Act or close").click()
        page.get_by_label("Note", exact=True).fill("rang <b>Joan</b>")
        page.get_by_role("button", name="Save the note").click()
        page.get_by_text("rang <b>Joan</b>").wait_for()  # shown as typed, never as markup
        assert page.locator(".ring li").all_inner_texts()[0].startswith("020 7946 0001")
        page.get_by_label("What came of it").select_option("false_alarm")
        page.get_by_role("button", name="Close the alert").click()
        page.get_by_text("The alert is closed.").wait_for()
        assert page.locator(".card").count() == 0


def test_it_works_without_script(browser: Browser, hub: served.Served) -> None:
    alert = hub.alert()
    with nurse(browser, hub, script=False) as page:
        assert page.get_by_text("This page does not update by itself here").is_visible()
        page.get_by_role("button", name="Acknowledge").click()
        page.goto(f"{hub.url}/alerts/{alert}")
        page.get_by_label("What came of it").select_option("advice")
        page.get_by_role("button", name="Close the alert").click()
        assert page.get_by_text("The alert is closed.").is_visible()


def test_nothing_moves_under_the_pointer(browser: Browser, hub: served.Served) -> None:
    first = hub.alert(episode="a", severity="soon")
    with nurse(browser, hub) as page:
        page.locator("#live.is-live").wait_for()
        card = page.locator(f"#{first}")
        card.hover()
        before = card.bounding_box()
        second = hub.alert(episode="b", severity="emergency")
        page.locator("#held").wait_for(timeout=2 * _SECOND)
        assert "1 emergency waiting" in page.locator("#held").inner_text()
        assert page.locator(f"#{second}").count() == 0
        after = card.bounding_box()
        assert before is not None
        assert after is not None
        assert after == before
        page.get_by_role("button", name="Show now").click()
        page.locator(f"#{second}").wait_for(timeout=_SECOND)
        assert page.locator(".card").nth(0).get_attribute("id") == second
        assert page.locator("#held").is_hidden()


def test_what_somebody_else_did_is_seen_and_a_stale_action_is_refused(
    browser: Browser, hub: served.Served
) -> None:
    alert = hub.alert()
    with nurse(browser, hub) as page, hub.client("responder") as other:
        page.goto(f"{hub.url}/alerts/{alert}")
        page.locator("#live.is-live").wait_for()
        page.get_by_label("Note", exact=True).fill("half typed")
        other.post(f"/api/v1/alerts/{alert}/acknowledge", json={"expected_version": 1})
        page.get_by_text("This alert has changed meanwhile.").wait_for(timeout=2 * _SECOND)
        assert page.get_by_label("Note", exact=True).input_value() == "half typed"
        with page.expect_response(lambda r: r.request.method == "POST") as answer:
            page.evaluate("document.querySelector('form[action$=note]').submit()")
        assert answer.value.status == 409
        page.get_by_text("Somebody else changed this alert first").wait_for()
        assert page.get_by_label("Note", exact=True).input_value() == "half typed"


def test_it_says_so_when_it_is_no_longer_live(browser: Browser, hub: served.Served) -> None:
    with nurse(browser, hub) as page:
        page.locator("#live.is-live").wait_for()
        hub.server.config.app.state.services.feed.close()  # type: ignore[union-attr]
        page.get_by_text("NOT LIVE since").wait_for(timeout=5 * _SECOND)


def test_a_page_comes_back_to_life_after_being_refused(
    browser: Browser, hub: served.Served
) -> None:
    with nurse(browser, hub) as page:
        page.locator("#live.is-live").wait_for()
        page.route("**/alerts/stream*", lambda route: route.fulfill(status=204))
        feed = hub.server.config.app.state.services.feed  # type: ignore[union-attr]
        for client in list(feed._shared.clients):
            feed._soon(feed._cut, client)
        page.get_by_text("NOT LIVE since").wait_for(timeout=5 * _SECOND)
        alert = hub.alert()
        page.unroute("**/alerts/stream*")
        page.locator(f"#{alert}").wait_for(timeout=12 * _SECOND)
        page.locator("#live.is-live").wait_for()


def test_it_fits_a_telephone(browser: Browser, hub: served.Served) -> None:
    hub.alert()
    with nurse(browser, hub, width=390) as page:
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        for target in page.locator("main button, main a.button").all():
            box = target.bounding_box()
            if box is not None:
                assert box["height"] >= 44  # WCAG 2.5.5


def test_on_a_telephone_acknowledging_needs_no_scrolling(
    browser: Browser, hub: served.Served
) -> None:
    alert = hub.alert()
    with nurse(browser, hub, width=390) as page:
        page.goto(f"{hub.url}/alerts/{alert}")
        page.locator("#live.is-live").wait_for()
        button = page.get_by_role("button", name="Acknowledge: I have it")
        box = button.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < 667  # a small telephone's height
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        button.click()
        page.get_by_text("Acknowledged. The alert is yours").wait_for()
        assert button.count() == 0


def test_a_form_from_elsewhere_is_refused(browser: Browser, hub: served.Served) -> None:
    alert = hub.alert()
    with nurse(browser, hub) as page:
        cookies = page.context.cookies()
        session = next(c for c in cookies if c["name"] == "telecare_session")
        assert session["httpOnly"] is True
        assert session["sameSite"] == "Lax"
        with hub.client() as forger:
            forger.cookies.set("telecare_session", session["value"])
            path = f"/alerts/{alert}/acknowledge"
            form = {"expected_version": "1"}
            assert forger.post(path, data=form).status_code == 403
            assert forger.post(path, data=form | {"csrf_token": "0" * 64}).status_code == 403
            foreign = {"Origin": "https://evil.example"}
            assert forger.post(path, data=form, headers=foreign).status_code == 403
            api = f"/api/v1/alerts/{alert}/acknowledge"
            assert forger.post(api, json={"expected_version": 1}).status_code == 403
        page.get_by_role("button", name="Sign out").click()
        page.get_by_role("heading", name="Sign in").wait_for()
        with hub.client() as late:
            late.cookies.set("telecare_session", session["value"])
            assert late.get("/api/v1/alerts").status_code == 401


def test_a_fall_is_rung_about_sent_for_arrived_at_and_closed_with_what_came_of_it(
    browser: Browser, hub: served.Served
) -> None:
    alert = hub.alert(rule="fall")
    weight = hub.alert(episode="weight", severity="soon", title="Weight up")
    with nurse(browser, hub, width=390) as page:
        page.goto(f"{hub.url}/alerts/{alert}")
        standing = page.locator(".standing")
        assert "Next: District nursing north is told" in standing.inner_text()
        assert "nobody has it yet" in standing.inner_text()
        joan = page.locator(".ring li").filter(has_text="Joan Example")
        joan.get_by_role("button", name="No answer").click()
        page.get_by_text("The call is written down").wait_for()
        assert "In progress with nurse; open again at" in standing.inner_text()
        page.get_by_text("Send somebody").click()
        page.get_by_label("A team, which answers here").select_option("telecare-operator-north")
        page.get_by_role("button", name="Send them").click()
        page.get_by_text("Telecare operator north was sent and has not answered").wait_for()
        page.get_by_role("button", name="On the way").click()
        page.get_by_text("On the way. The device was told.").wait_for()
        page.get_by_role("button", name="Somebody is there").click()
        page.locator(".box", has_text="Somebody is there.").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        choice = page.get_by_label("What came of it")
        assert choice.locator("option").nth(1).inner_text() == "Fall, no injury"
        choice.select_option("fall_no_injury")
        page.get_by_label("How the person sees it").fill("slipped on the mat")
        page.get_by_label("Hospital").select_option("avoided")
        page.get_by_label("Soon: Weight up").check()
        page.get_by_role("button", name="Close the alert").click()
        page.get_by_text("The alert is closed.").wait_for()
        assert page.locator(".card").count() == 0
        page.goto(f"{hub.url}/alerts/{alert}")
        told = page.locator(".history li").all_inner_texts()
    wanted = [
        'Closed - Fall, no injury. Hospital was avoided. The person says: "slipped on the mat"',
        "Somebody is there by nurse",
        "On the way: Telecare operator north by nurse",
        "Sent: Telecare operator north by nurse",
        "Rang Joan Example (daughter): no answer by nurse",
        "Raised by the hub",
    ]
    assert [w in t for w, t in zip(wanted, told, strict=True)] == [True] * 6, told
    with hub.client("nurse") as other:
        assert other.get(f"/api/v1/alerts/{weight}").json()["state"] == "closed"


def test_handing_over_putting_off_and_asking_more_people_work_without_script(
    browser: Browser, hub: served.Served
) -> None:
    alert = hub.alert(severity="urgent")
    with nurse(browser, hub, script=False) as page, hub.client("responder") as other:
        page.goto(f"{hub.url}/alerts/{alert}")
        page.get_by_role("button", name="Acknowledge: I have it").click()
        page.goto(f"{hub.url}/?state=mine")
        assert page.locator(f"#{alert}").is_visible()
        page.goto(f"{hub.url}/alerts/{alert}")
        page.get_by_text("Hand it over").click()
        page.get_by_label("To whom").select_option("responder")
        page.get_by_role("button", name="Offer it").click()
        assert (
            "Offered to responder, who has not answered" in page.locator(".standing").inner_text()
        )
        page.get_by_role("button", name="Take the offer back").click()
        assert page.get_by_text("The offer has ended.").is_visible()
        page.get_by_text("Put it off", exact=True).first.click()
        page.get_by_label("For how long").select_option("15")
        page.get_by_label("Why it can wait").fill("rests until then")
        page.get_by_role("button", name="Put it off").click()
        standing = page.locator(".standing").inner_text()
        assert re.search(r"Put off until \d\d:\d\d: rests until then", standing), standing
        assert "Next" not in standing
        page.get_by_text("Ask more people", exact=True).click()
        page.get_by_role("button", name="Ask more people now").click()
        standing = page.locator(".standing").inner_text()
        assert "Open" in standing
        assert "who is on call is told" in standing
        version = other.get(f"/api/v1/alerts/{alert}").json()["version"]
        other.post(f"/api/v1/alerts/{alert}/acknowledge", json={"expected_version": version})
        page.get_by_label("Note", exact=True).fill("half typed")
        page.get_by_role("button", name="Save the note").click()
        assert page.get_by_text("Somebody else changed this alert first").is_visible()
        assert page.get_by_label("Note", exact=True).input_value() == "half typed"
        assert "Acknowledged by responder" in page.locator(".standing").inner_text()
