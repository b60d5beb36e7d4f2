"""Apprise: e-mail, text gateways, push and chat, by one URL per receiver. Its only home"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import apprise

from alerts.delivery import answers
from alerts.delivery.ports import Failed, Message, Render, Sent

_MAIL = ("mailto", "mailtos")
_HTTP_STATUS = re.compile(r"\berror=(\d{3})\b")
_SMTP_STATUS = re.compile(r"\(([45])\d\d, b")
_SMTP_PERMANENT = "5"
_UNREADABLE = Failed(permanent=True, reason="the address is no URL that Apprise knows")


class _Heard(logging.Handler):
    """Keeps what Apprise logs in this thread: it answers no more than yes or no.

    Its lines can hold addresses, so they go nowhere else.
    """

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._local = threading.local()

    @contextmanager
    def listening(self) -> Iterator[list[str]]:
        """Return a list that fills with what is logged in this thread within the block."""
        lines: list[str] = []
        self._local.lines = lines
        try:
            yield lines
        finally:
            self._local.lines = None

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line, if this thread listens."""
        lines = getattr(self._local, "lines", None)
        if lines is not None:
            lines.append(record.getMessage())


_HEARD = _Heard()
_LOGGER = logging.getLogger("apprise")


class Apprise:
    """Sends to whatever an Apprise URL names."""

    name = "apprise"

    def __init__(self, *, render: Render, timeout_s: float) -> None:
        self._render = render
        self._timeout_s = timeout_s
        self._asset = apprise.AppriseAsset(
            app_id="telecare", app_desc="telecare", app_url="", async_mode=False,
            image_url_mask=None, image_url_logo=None, storage_mode="memory",
        )  # fmt: skip
        _LOGGER.setLevel(logging.DEBUG)
        _LOGGER.propagate = False
        if _HEARD not in _LOGGER.handlers:
            _LOGGER.addHandler(_HEARD)

    def send(self, message: Message) -> Sent | Failed:
        """Send to the URL that is the receiver's address."""
        return self.to(message.address, message)

    def to(self, url: str, message: Message) -> Sent | Failed:
        """Send to a URL."""
        plugin = apprise.Apprise.instantiate(url, asset=self._asset, suppress_exceptions=True)
        if plugin is None:
            return _UNREADABLE
        plugin.socket_connect_timeout = plugin.socket_read_timeout = self._timeout_s
        mail = url.partition(":")[0].lower() in _MAIL
        text = self._render(message, "email" if mail else "sms")
        with _HEARD.listening() as lines:
            taken = plugin.notify(
                body=text.body,
                title=text.subject,
                notify_type=apprise.NotifyType.WARNING,
                body_format=apprise.NotifyFormat.TEXT,
            )
        return Sent() if taken else _failed(lines)


class Gateway:
    """A channel whose receivers are plain addresses, sent through one Apprise URL of the hub's.

    ``{address}`` in the URL stands for the address: a telephone number for a text gateway, a
    mailbox for the hub's own mail server.
    """

    def __init__(self, name: str, *, url: str, apprise: Apprise) -> None:
        self.name = name
        self._url = url
        self._apprise = apprise

    def send(self, message: Message) -> Sent | Failed:
        """Send to the address through the gateway."""
        return self._apprise.to(
            self._url.replace("{address}", quote(message.address, safe="")), message
        )


def _failed(lines: list[str]) -> Failed:
    """Tell from what Apprise said while failing whether another try can help."""
    said = "\n".join(lines)
    status = _HTTP_STATUS.search(said)
    if status:
        return answers.refused(int(status[1]), who="the service")
    smtp = _SMTP_STATUS.search(said)
    if smtp:
        kind = "for good" if smtp[1] == _SMTP_PERMANENT else "for now"
        return Failed(
            permanent=smtp[1] == _SMTP_PERMANENT, reason=f"the mail server refused it {kind}"
        )
    return Failed(permanent=False, reason="the service was not reached or did not take it")
