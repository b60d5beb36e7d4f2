"""Places outside the hub: where roots go, what has to be pinged, whose certificate ends when."""

from __future__ import annotations

import os
import socket
import ssl
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from cryptography import x509

from alerts import errors

_TIMEOUT_S = 10.0
_TLS_PORTS = {"https": 443, "mqtts": 8883}


class RootFile:
    """A file that only grows: on other storage, collected by another machine, or append-only."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def publish(self, line: str) -> None:
        """Append a line and see it safe.

        Raises
        ------
        PlaceUnavailableError
        """
        try:
            with self._path.open("a", encoding="ascii") as file:
                file.write(line + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise errors.PlaceUnavailableError(place=self._path, why=why) from error


class RootUrl:
    """An address that keeps what is posted to it."""

    def __init__(self, url: str) -> None:
        self._url = url

    def publish(self, line: str) -> None:
        """Post a line of JSON.

        Raises
        ------
        PlaceUnavailableError
            It can't be reached or did not say that it has it.
        """
        _post(self._url, line, "application/json")


class DeadMansSwitch:
    """A service that raises an alarm of its own when it isn't pinged any more."""

    def __init__(self, url: str, *, every_s: float) -> None:
        self._url = url.rstrip("/")
        self._every_s = every_s
        self._pinged: float | None = None
        self._failed: frozenset[str] = frozenset()

    def tend(self, wrong: frozenset[str] | None, *, monotonic: float) -> None:
        """Ping where it is time and all is well; say at once what has gone wrong.

        ``wrong`` are ids of rules, which is all that is ever sent; None: nobody knows how the hub
        is, so nothing is said and the service will miss the ping.

        Raises
        ------
        PlaceUnavailableError
            It is tried again at the next call.
        """
        if wrong is None:
            return
        if wrong:
            if wrong != self._failed:
                _post(f"{self._url}/fail", "\n".join(sorted(wrong)), "text/plain")
                self._failed, self._pinged = wrong, None
            return
        if self._pinged is None or monotonic - self._pinged >= self._every_s:
            _post(self._url, "", "text/plain")
            self._failed, self._pinged = frozenset(), monotonic


def certificate_end(url: str) -> datetime | None:
    """Return when the certificate behind an address ends; None where there is none to be seen.

    Whether it is trusted is not asked: an authority of one's own is no fault, and one that has
    ended must be read too.
    """
    parts = urlsplit(url)
    if parts.scheme not in _TLS_PORTS or not parts.hostname:
        return None
    address = (parts.hostname, parts.port or _TLS_PORTS[parts.scheme])
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # it is read and nothing is sent to it
    try:
        with (
            socket.create_connection(address, timeout=_TIMEOUT_S) as plain,
            context.wrap_socket(plain, server_hostname=parts.hostname) as secure,
        ):
            there = secure.getpeercert(binary_form=True)
    except OSError:
        return None
    return None if there is None else x509.load_der_x509_certificate(there).not_valid_after_utc


def _post(url: str, body: str, kind: str) -> None:
    try:
        answer = httpx.post(
            url, content=body.encode(), headers={"Content-Type": kind}, timeout=_TIMEOUT_S
        )
        answer.raise_for_status()
    except httpx.HTTPStatusError as error:
        why = f"it answered {error.response.status_code}"
        raise errors.PlaceUnavailableError(place=_host(url), why=why) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise errors.PlaceUnavailableError(place=_host(url), why=type(error).__name__) from error


def _host(url: str) -> str:
    """Return what may be logged of an address: its path is often a secret."""
    try:
        return httpx.URL(url).host
    except httpx.InvalidURL:
        return "an address that can't be read"
