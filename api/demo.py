"""What ``telecare up --demo`` adds: invented homes and people, accounts, a running scenario.

The simulator is run as a program, never imported: it is a stranger to the hub.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from api import errors, security
from api.embedded import child
from api.embedded import errors as embedded_errors
from api.storage import accounts
from ingest.kernel import ids
from ingest.register import command as register
from ingest.storage import pool as pools

SCENARIO = "demo"
_SIMULATOR = (sys.executable, "-P", "-m", "firmware_sim")
# user name, shown name, role
_ACCOUNTS = (
    ("nurse", "Nina Nurse", "nurse"),
    ("operator", "Oscar Operator", "operator"),
    ("responder", "Rita Responder", "responder"),
    ("equipment", "Edgar Equipment", "equipment"),
    ("admin", "Alice Admin", "admin"),
)
_PASSWORD_BYTES = 12


class Demo:
    """The demonstration's own files, below the hub's data folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.register_file = folder / "register.toml"
        self._logins = folder / "logins"
        self._state = folder / "simulator.json"

    def prepare(self, *, database_url: str, secret: str) -> None:
        """Load the demonstration's register and accounts. Doing it again changes nothing."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._write_register()
        code, lines = register.register_files(
            [self.register_file], check=False, database_url=database_url, secret=secret
        )
        if code != 0:
            raise embedded_errors.ServerFailedError(
                server="The demonstration's register", detail=" / ".join(lines[-4:])
            )
        self._make_accounts(database_url)

    def logins(self) -> dict[str, str]:
        """Return the demonstration's user names and passwords."""
        if not self._logins.exists():
            made = [f"{user} {ids.token(_PASSWORD_BYTES)}" for user, _, _ in _ACCOUNTS]
            self._logins.touch(0o600)
            self._logins.write_text("\n".join(made) + "\n")
        lines = self._logins.read_text().splitlines()
        return {user: password for user, _, password in (line.partition(" ") for line in lines)}

    def simulator(self, mqtt_port: int) -> tuple[str, ...]:
        """Return the command that plays the demonstration's homes."""
        return (
            *_SIMULATOR,
            "run",
            SCENARIO,
            "--url",
            f"mqtt://127.0.0.1:{mqtt_port}",
            "--credentials",
            str(self.register_file),
            "--state",
            str(self._state),
            "--linger",
            "1",
        )

    @staticmethod
    def simulator_environment(environment: Mapping[str, str]) -> dict[str, str]:
        """Return an environment without the hub's secrets: the simulator is a stranger."""
        return {k: v for k, v in environment.items() if not k.startswith("TELECARE_")}

    def _write_register(self) -> None:
        """Have the simulator write its homes; passwords of an earlier run are kept."""
        done = subprocess.run(  # noqa: S603 - our own module
            [*_SIMULATOR, "run", SCENARIO, "--register-file", str(self.register_file)],
            check=False,
            capture_output=True,
            text=True,
            cwd=self._folder,
            env=child.MINIMAL_ENVIRONMENT,
        )
        if done.returncode != 0:
            raise embedded_errors.ServerFailedError(
                server="The simulator", detail=done.stderr.strip()[-300:]
            )

    def _make_accounts(self, database_url: str) -> None:
        passwords = security.Passwords()
        logins = self.logins()
        with pools.open_pool(database_url, name="demo accounts", most=1) as pool:
            kept = accounts.Accounts(pool)
            known = {account.username for account in kept.every()}
            for user, name, role in _ACCOUNTS:
                if user in known:
                    continue
                digest = passwords.hash(logins[user])
                try:
                    kept.add(username=user, name=name, role=role, password_hash=digest)
                except errors.ConflictError:
                    continue  # somebody was faster
