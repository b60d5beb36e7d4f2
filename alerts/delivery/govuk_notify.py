"""GOV.UK Notify: texts, e-mails and letters by templates kept there. Its client's only home"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any

from notifications_python_client.errors import APIError
from notifications_python_client.notifications import NotificationsAPIClient

from alerts.delivery import answers
from alerts.delivery.ports import Failed, Message, Render, Sent

_Client: Any = NotificationsAPIClient  # its methods carry no types
_KEY_LENGTH = 73
_LINES = 7
_DONE = frozenset({"delivered", "received"})
_LOST = frozenset({
    "permanent-failure", "temporary-failure", "technical-failure", "cancelled",
    "validation-failed", "virus-scan-failed",
})  # fmt: skip

# its warnings repeat what the service said, which may name the receiver
logging.getLogger("notifications_python_client").setLevel(logging.CRITICAL)


class Service:
    """The hub's account with GOV.UK Notify. The client isn't for sharing: one per thread."""

    def __init__(self, *, api_key: str, url: str, timeout_s: float) -> None:
        self._api_key = api_key
        self._url = url
        self._timeout_s = timeout_s
        self._local = threading.local()

    @staticmethod
    def looks_like_a_key(api_key: str) -> bool:
        """Return whether a key has the form of one: a name, the service's id, a secret."""
        return len(api_key) >= _KEY_LENGTH

    @property
    def client(self) -> Any:
        """Return this thread's client."""
        made = getattr(self._local, "client", None)
        if made is None:
            made = _Client(self._api_key, self._url, timeout=self._timeout_s)
            self._local.client = made
        return made


class GovukNotify:
    """One kind of message of GOV.UK Notify: ``sms``, ``email`` or ``letter``.

    The template there may use ``((text))`` and ``((subject))``, which are the hub's own words, or
    ``((severity))``, ``((since))``, ``((link))`` with words of its own; a letter also
    ``((nhs_number))``.
    """

    def __init__(self, name: str, *, service: Service, template_id: str, render: Render) -> None:
        self.name = name
        self._service = service
        self._template_id = template_id
        self._render = render

    def send(self, message: Message) -> Sent | Failed:
        """Hand it to the service; what becomes of it is asked later."""
        text = self._render(message, self.name)
        words = {
            "text": text.body,
            "subject": text.subject or text.body,
            "severity": message.severity.value,
            "since": f"{message.since.astimezone(message.zone):%d/%m %H:%M}",
            "link": message.link,
        }
        try:
            # The service takes the same reference twice, so it is asked before a repetition.
            answer = self._taken_before(message) or self._post(message, words)
        except APIError as error:
            return _failed(error, message)
        return Sent(ref=str(answer["id"]))

    def confirm(self, ref: str) -> Sent | Failed | None:
        """Ask what became of a message."""
        try:
            status = str(self._service.client.get_notification_by_id(ref)["status"])
        except APIError:
            return None  # nothing is known; asked again
        if status in _DONE:
            return Sent(ref=ref, proof=True)
        if status in _LOST:
            return Failed(permanent=True, reason=f"GOV.UK Notify could not deliver it: {status}")
        return None

    def _taken_before(self, message: Message) -> Any:
        if not message.repeated:
            return None
        found = self._service.client.get_all_notifications(reference=message.key)["notifications"]
        return next((one for one in found if one["status"] not in _LOST), None)

    def _post(self, message: Message, words: Mapping[str, str]) -> Any:
        client, to = self._service.client, message.address
        if self.name == "sms":
            return client.send_sms_notification(to, self._template_id, dict(words), message.key)
        if self.name == "email":
            return client.send_email_notification(to, self._template_id, dict(words), message.key)
        lines = [line.strip() for line in to.splitlines() if line.strip()][:_LINES]
        letter = {
            **words,
            **{f"address_line_{n}": line for n, line in enumerate(lines, start=1)},
            "nhs_number": message.nhs_number or "",
        }
        return client.send_letter_notification(self._template_id, letter, message.key)


def _failed(error: APIError, message: Message) -> Failed:
    if error.response is None:
        return Failed(permanent=False, reason="GOV.UK Notify was not reached")
    return answers.refused(
        error.status_code, who="GOV.UK Notify", headers=error.response.headers, now=message.now
    )
