"""What messages say, in every form and language, and what they never say."""

from __future__ import annotations

import dataclasses
import itertools
import tomllib
from datetime import UTC, datetime

import pytest

from alerts.delivery import rendering
from alerts.delivery.ports import Message
from alerts.model import AlertClass, Severity
from tests.unit.alerts.delivery.messages import NHS_NUMBER, message

EVERY = list(
    itertools.product(
        sorted(rendering.languages()), ("sms", "email", "letter"),
        (rendering.WAITING, rendering.DELAYED, rendering.HELP, rendering.TEST),
    )
)  # fmt: skip
_GSM = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà~"
)


def test_there_are_english_and_welsh():
    assert {"en", "cy"} <= rendering.languages()


@pytest.mark.parametrize(("language", "form", "template"), EVERY)
def test_no_template_says_who_it_is_about(language: str, form: str, template: str):
    """Whatever of a person could have come along: its number is the only thing a message holds."""
    text = rendering.render(message(language=language, template=template), form)
    said = text.subject + text.body
    for secret in (NHS_NUMBER, "nobody", "Ada", "84 %", "spo2", "None"):
        assert secret not in said
    assert (message().link in text.body) is (template != rendering.TEST)


def test_a_message_has_no_place_for_a_name_or_a_reading():
    assert {f.name for f in dataclasses.fields(Message)} == {
        "key", "repeated", "address", "language", "template", "severity", "alert_class", "since",
        "zone", "now", "alert_id", "link", "nhs_number",
    }  # fmt: skip


@pytest.mark.parametrize(("language", "form", "template"), EVERY)
def test_every_severity_and_class_has_a_word_in_every_language(language, form, template):
    words = tomllib.loads((rendering.FOLDER / language / "words.toml").read_text("utf-8"))
    assert set(words["severity"]) == set(Severity)
    assert set(words["class"]) == {*AlertClass, "other"}
    for severity in Severity:
        rendering.render(message(language=language, template=template, severity=severity), form)


@pytest.mark.parametrize("language", sorted(rendering.languages()))
def test_a_text_fits_into_one_and_is_made_of_letters_that_cost_one_each(language):
    """160 characters of the GSM alphabet; a longer or stranger text is sent and billed in parts."""
    for severity, kind in itertools.product(Severity, AlertClass):
        for template in (rendering.WAITING, rendering.DELAYED, rendering.TEST):
            text = rendering.render(
                message(language=language, template=template, severity=severity, alert_class=kind),
                "sms",
            ).body
            assert len(text) <= 160, text
            assert set(text) <= _GSM, set(text) - _GSM


def test_it_says_how_soon_what_and_since_when_in_the_homes_time():
    text = rendering.render(message(), "sms").body
    assert text.startswith("URGENT: an alert (call for help) is waiting since 02:14: https://")
    other_day = message(now=datetime(2026, 6, 2, 9, tzinfo=UTC))
    assert "since 01/06 02:14" in rendering.render(other_day, "sms").body


def test_an_email_has_a_subject_and_a_text_none():
    text = rendering.render(message(template="delayed"), "email")
    assert text.subject == "URGENT: an alert is waiting (told late)"
    assert text.body.startswith("An alert is waiting since 02:14.")
    assert rendering.render(message(), "sms").subject == ""


def test_a_language_nobody_wrote_and_a_template_nobody_knows_are_told_in_plain_english():
    english = rendering.render(message(), "sms")
    assert rendering.render(message(language="pl"), "sms") == english
    assert rendering.render(message(template="fanfare", alert_class="new"), "sms").body == (
        english.body.replace("call for help", "alert")
    )
    welsh = rendering.render(message(language="cy-GB"), "sms").body
    assert welsh.startswith("BRYS: mae rhybudd")
