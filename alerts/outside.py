"""What the hub tells places outside itself: roots of its history, and that all is well. Only IO."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import httpx

from alerts import errors

_TIMEOUT_S = 10.0


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

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def ping(self) -> None:
        """Say that all is well.

        Raises
        ------
        PlaceUnavailableError
        """
        _post(self._url, "", "text/plain")

    def fail(self, rule_ids: Sequence[str]) -> None:
        """Say at once that something is wrong, by the ids of rules and nothing else.

        Raises
        ------
        PlaceUnavailableError
        """
        _post(f"{self._url}/fail", "\n".join(rule_ids), "text/plain")


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
