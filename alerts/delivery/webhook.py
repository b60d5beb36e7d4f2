"""Signed webhooks: JSON, or a FHIR Communication, to another system"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import httpx

from alerts.delivery import answers
from alerts.delivery.ports import Failed, Message, Render, Sent
from alerts.model import Severity

SIGNATURE = "Telecare-Signature"
_PRIORITY = {
    Severity.EMERGENCY: "stat",
    Severity.URGENT: "urgent",
    Severity.SOON: "asap",
    Severity.INFORMATION: "routine",
}
_NO_KEY = Failed(
    permanent=True,
    reason="the webhook's address names no key: it has to be https://KEY-ID:SECRET@host/path",
)
_NOT_PRIVATE = Failed(
    permanent=True, reason="a body with an NHS number goes over https or to this machine only"
)


@dataclass(frozen=True, slots=True)
class _Target:
    url: str
    key_id: str
    secret: str
    private: bool  # nobody on the way can read it


class Webhook:
    """Posts to the receiver's address, ``https://KEY-ID:SECRET@host/path``.

    The key and its secret sign the body and are never sent. What answers 2xx has taken it; no
    redirect is followed, and of an answer only status and headers are read.
    """

    def __init__(self, name: str, *, render: Render, timeout_s: float, workers: int) -> None:
        self.name = name
        self._render = render
        self._client = httpx.Client(
            timeout=httpx.Timeout(timeout_s),
            follow_redirects=False,
            limits=httpx.Limits(max_connections=workers, max_keepalive_connections=workers),
        )

    def close(self) -> None:
        """Close the connections that are kept."""
        self._client.close()

    def send(self, message: Message) -> Sent | Failed:
        """Post it."""
        target = _target(message.address)
        if isinstance(target, Failed):
            return target
        fhir = self.name == "fhir"
        if fhir and not target.private:
            return _NOT_PRIVATE
        text = self._render(message, "sms").body
        content = communication(message, text) if fhir else notice(message, text)
        body = json.dumps(content, ensure_ascii=False).encode()
        headers = {
            "Content-Type": "application/fhir+json" if fhir else "application/json",
            "Idempotency-Key": message.key,
            SIGNATURE: sign(
                body, key_id=target.key_id, secret=target.secret, at=int(message.now.timestamp())
            ),
        }
        try:
            with self._client.stream("POST", target.url, content=body, headers=headers) as answer:
                if answer.is_success:
                    return Sent(proof=True)
                return answers.refused(
                    answer.status_code, who="the receiver", headers=answer.headers,
                    now=message.now,
                )  # fmt: skip
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            return Failed(permanent=True, reason="the webhook's address is no http address")
        except httpx.TimeoutException:
            return Failed(permanent=False, reason="the receiver did not answer in time")
        except httpx.HTTPError as error:
            return Failed(
                permanent=False, reason=f"the receiver was not reached ({type(error).__name__})"
            )


def sign(body: bytes, *, key_id: str, secret: str, at: int) -> str:
    """Return the header that proves who sent a body and when: HMAC-SHA256 of ``time.body``."""
    made = hmac.new(secret.encode(), b"%d." % at + body, hashlib.sha256).hexdigest()
    return f"t={at},key={key_id},v1={made}"


def notice(message: Message, text: str) -> dict[str, Any]:
    """Return the plain JSON body: that an alert waits, and where to look."""
    return {
        "id": message.key,
        "alert": message.alert_id,
        "template": message.template,
        "severity": message.severity.value,
        "class": message.alert_class,
        "since": message.since.isoformat(),
        "link": message.link,
        "text": text,
    }


def communication(message: Message, text: str) -> dict[str, Any]:
    """Return a FHIR R4 Communication. It alone says whom it is about: by NHS number, never by name.

    https://hl7.org/fhir/R4/communication.html
    """
    subject = message.nhs_number and {
        "subject": {
            "type": "Patient",
            "identifier": {
                "system": "https://fhir.nhs.uk/Id/nhs-number",
                "value": message.nhs_number,
            },
        }
    }
    return {
        "resourceType": "Communication",
        "identifier": [{"system": "urn:telecare:delivery", "value": message.key}],
        "status": "in-progress",
        "category": [{"text": message.alert_class or "alert"}],
        "priority": _PRIORITY[message.severity],
        **(subject or {}),
        "sent": message.now.isoformat(),
        "payload": [{"contentString": text}],
    }


def _target(address: str) -> _Target | Failed:
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https"):
        return Failed(permanent=True, reason="the webhook's address is no http address")
    if not parts.username or not parts.password:
        return _NO_KEY
    bare = f"[{host}]" if ":" in host else host
    place = bare if port is None else f"{bare}:{port}"
    return _Target(
        url=urlunsplit((parts.scheme, place, parts.path, parts.query, "")),
        key_id=unquote(parts.username),
        secret=unquote(parts.password),
        private=parts.scheme == "https" or _is_here(host),
    )


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
