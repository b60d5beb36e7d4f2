"""Keep the embedded broker's accounts equal to the register's."""

from __future__ import annotations

import threading
from collections.abc import Callable

from api.embedded import mosquitto
from ingest.kernel import errors
from ingest.storage import notices, pool

CHANNEL = "ingest_credentials"
_AGAIN_S = 2.0  # after a lost session
_REFRESH_S = 60.0  # a notice may be lost; a tick never is


def read(database_url: str) -> tuple[dict[str, str], list[str]]:
    """Return the accounts (user name -> ``$7$`` string) and all sites."""
    with pool.store_errors(), pool.connect(database_url, name="credentials") as db:
        sites = db.execute("SELECT id, onboarding_hash FROM ingest.site").fetchall()
        devices = db.execute(
            "SELECT s.id, d.name, d.password_hash"
            " FROM ingest.device d JOIN ingest.site s ON s.no = d.site_no"
            " WHERE d.password_hash IS NOT NULL"
        ).fetchall()
    stored = {f"{site}/{device}": str(digest) for site, device, digest in devices}
    for site, digest in sites:
        if digest is not None:
            stored[f"{site}/{mosquitto.ONBOARDING}"] = str(digest)
    return stored, [str(site) for site, _ in sites]


class CredentialKeeper:
    """Writes the accounts at the start, at each notice, and once a minute in any case."""

    def __init__(
        self,
        database_url: str,
        broker: mosquitto.EmbeddedMosquitto,
        *,
        say: Callable[[str], None],
    ) -> None:
        self._database_url = database_url
        self._broker = broker
        self._say = say
        self._stop = threading.Event()
        self._news = threading.Event()
        self._written: object = None
        self._threads = [
            threading.Thread(target=self._listen, name="credentials-listen", daemon=True),
            threading.Thread(target=self._write, name="credentials-write", daemon=True),
        ]

    def start(self) -> None:
        """Write what is registered now, then keep at it."""
        self.refresh()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End both threads."""
        self._stop.set()
        self._news.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(5.0)

    def refresh(self) -> None:
        """Write the accounts if they changed since the last time."""
        stored, sites = read(self._database_url)
        if (stored, sites) != self._written:
            self._broker.write_credentials(stored, sites)
            self._written = (stored, sites)

    def _listen(self) -> None:
        while not self._stop.is_set():
            self._news.set()  # what changed while nobody listened
            try:
                for _ in notices.listen(self._database_url, [CHANNEL], stop=self._stop):
                    self._news.set()
            except errors.HubError:
                self._stop.wait(_AGAIN_S)

    def _write(self) -> None:
        said = False
        while not self._stop.is_set():
            self._news.wait(_REFRESH_S)
            self._news.clear()
            if self._stop.is_set():
                return
            try:
                self.refresh()
                said = False
            except (errors.HubError, ValueError, OSError) as error:
                if not said:
                    self._say(f"the broker's accounts could not be brought up to date: {error}")
                said = True
                self._stop.wait(_AGAIN_S)
                self._news.set()
