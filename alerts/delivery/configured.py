"""Which channels the settings provide. A channel that isn't among them is not set up."""

from __future__ import annotations

import sys
from collections.abc import Callable

from alerts.delivery.apprise import Apprise, Gateway
from alerts.delivery.console import Console
from alerts.delivery.govuk_notify import GovukNotify, Service
from alerts.delivery.ports import Channel
from alerts.delivery.rendering import render
from alerts.delivery.retry import Patience
from alerts.delivery.webhook import Webhook
from alerts.model import Severity
from alerts.settings import AlertsSettings
from ingest.kernel import errors


def channels(s: AlertsSettings) -> dict[str, Channel]:
    """Return the channels by name: receivers with a URL of their own need no settings."""
    anything = Apprise(render=render, timeout_s=s.delivery_timeout_s)
    made: list[Channel] = [
        anything,
        *(
            Webhook(name, render=render, timeout_s=s.delivery_timeout_s, workers=s.delivery_workers)
            for name in ("webhook", "fhir")
        ),
        *(
            Gateway(name, url=url.get_secret_value(), apprise=anything)
            for name, url in (("sms", s.sms_url), ("email", s.email_url))
            if url.get_secret_value()
        ),
        *_notify(s),  # where both are given it is GOV.UK Notify that sends
    ]
    if s.delivery_console:
        made.append(Console(render=render, write=lambda text: print(text, file=sys.stderr)))
    return {channel.name: channel for channel in made}


def _notify(s: AlertsSettings) -> list[Channel]:
    key = s.notify_api_key.get_secret_value()
    if not key:
        return []
    if not Service.looks_like_a_key(key):
        raise errors.SettingsError(
            setting="TELECARE_NOTIFY_API_KEY",
            problem="is no key of GOV.UK Notify: give it whole, as the service shows it once",
        )
    service = Service(api_key=key, url=s.notify_url, timeout_s=s.delivery_timeout_s)
    templates = {
        "sms": s.notify_sms_template,
        "email": s.notify_email_template,
        "letter": s.notify_letter_template,
    }
    return [
        GovukNotify(name, service=service, template_id=template, render=render)
        for name, template in templates.items()
        if template
    ]


def patience(s: AlertsSettings) -> Callable[[Severity], Patience]:
    """Return how long is waited for a receiver, by severity."""
    usual = Patience(
        first_s=s.delivery_first_s,
        longest_s=s.delivery_longest_s,
        tries=s.delivery_tries,
        give_up_s=s.delivery_give_up_s,
    )
    emergency = Patience(
        first_s=s.delivery_first_s,
        longest_s=s.delivery_emergency_longest_s,
        tries=s.delivery_emergency_tries,
        give_up_s=s.delivery_give_up_s,
    )
    return lambda severity: emergency if severity is Severity.EMERGENCY else usual
