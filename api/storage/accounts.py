"""Staff accounts, their tokens, and the count of failed sign-ins."""

# ruff: noqa: S608  (queries are put together from LiteralStrings only: the type checker holds it)

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString

import psycopg
from psycopg.rows import class_row

from api import errors
from ingest.storage import pool as pools


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Somebody who may sign in."""

    no: int
    username: str
    name: str
    role: str
    disabled: bool
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """What a sign-in is checked against."""

    no: int
    password_hash: str
    disabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A token that is good: whose it is, and until when."""

    account_no: int
    username: str
    name: str
    role: str
    expires_at: datetime


_COLUMNS: LiteralString = "no, username, name, role, disabled, created_at"


class Accounts:
    """The accounts, on a pool of database sessions. Safe for many threads."""

    def __init__(self, pool: pools.Pool) -> None:
        self._pool = pool

    def add(self, *, username: str, name: str, role: str, password_hash: str) -> Account:
        """Add an account. Raises `errors.ConflictError` where the user name is taken."""
        with pools.store_errors(), self._pool.connection() as db:
            try:
                with db.cursor(row_factory=class_row(Account)) as rows:
                    rows.execute(
                        "INSERT INTO api.account (username, name, role, password_hash)"
                        f" VALUES (%s, %s, %s, %s) RETURNING {_COLUMNS}",
                        [username, name, role, password_hash],
                    )
                    made = rows.fetchone()
            except psycopg.errors.UniqueViolation as error:
                raise errors.ConflictError(what="That user name is taken") from error
        assert made is not None  # noqa: S101  (an INSERT ... RETURNING that did not raise)
        return made

    def every(self) -> list[Account]:
        """Return all accounts by user name."""
        with (
            pools.store_errors(),
            self._pool.connection() as db,
            db.cursor(row_factory=class_row(Account)) as rows,
        ):
            return rows.execute(f"SELECT {_COLUMNS} FROM api.account ORDER BY username").fetchall()

    def find(self, username: str) -> Account | None:
        """Return an account by its user name."""
        with (
            pools.store_errors(),
            self._pool.connection() as db,
            db.cursor(row_factory=class_row(Account)) as rows,
        ):
            return rows.execute(
                f"SELECT {_COLUMNS} FROM api.account WHERE username = %s", [username]
            ).fetchone()

    def set_disabled(self, username: str, disabled: bool) -> bool:
        """Disable or enable an account; disabling ends its sessions. False: no such account."""
        with pools.store_errors(), self._pool.connection() as db:
            row = db.execute(
                "UPDATE api.account SET disabled = %s WHERE username = %s RETURNING no",
                [disabled, username],
            ).fetchone()
            if row is not None and disabled:
                db.execute("DELETE FROM api.token WHERE account_no = %s", [row[0]])
        return row is not None

    def set_password(self, username: str, password_hash: str) -> bool:
        """Change a password and end the account's sessions. False: no such account."""
        with pools.store_errors(), self._pool.connection() as db:
            row = db.execute(
                "UPDATE api.account SET password_hash = %s WHERE username = %s RETURNING no",
                [password_hash, username],
            ).fetchone()
            if row is not None:
                db.execute("DELETE FROM api.token WHERE account_no = %s", [row[0]])
        return row is not None

    def renew_hash(self, no: int, password_hash: str) -> None:
        """Keep the same password hashed with newer parameters; sessions go on."""
        with pools.store_errors(), self._pool.connection() as db:
            db.execute(
                "UPDATE api.account SET password_hash = %s WHERE no = %s", [password_hash, no]
            )

    def secret(self, username: str) -> Secret | None:
        """Return what a sign-in is checked against, None where there is no such account."""
        with (
            pools.store_errors(),
            self._pool.connection() as db,
            db.cursor(row_factory=class_row(Secret)) as rows,
        ):
            return rows.execute(
                "SELECT no, password_hash, disabled FROM api.account WHERE username = %s",
                [username],
            ).fetchone()

    def issue(self, account_no: int, *, digest: bytes, now: datetime, until: datetime) -> None:
        """Keep a new token's digest, and forget the expired ones."""
        with pools.store_errors(), self._pool.connection() as db:
            db.execute("DELETE FROM api.token WHERE expires_at < %s", [now])
            db.execute(
                "INSERT INTO api.token (digest, account_no, issued_at, expires_at)"
                " VALUES (%s, %s, %s, %s)",
                [digest, account_no, now, until],
            )

    def session(self, digest: bytes, now: datetime) -> Session | None:
        """Return whose token it is, None when unknown, expired, revoked or disabled."""
        with (
            pools.store_errors(),
            self._pool.connection() as db,
            db.cursor(row_factory=class_row(Session)) as rows,
        ):
            return rows.execute(
                "SELECT a.no AS account_no, a.username, a.name, a.role, t.expires_at"
                " FROM api.token t JOIN api.account a ON a.no = t.account_no"
                " WHERE t.digest = %s AND t.expires_at > %s AND NOT a.disabled",
                [digest, now],
            ).fetchone()

    def revoke(self, digest: bytes) -> None:
        """End one token. One that is unknown is as good as ended."""
        with pools.store_errors(), self._pool.connection() as db:
            db.execute("DELETE FROM api.token WHERE digest = %s", [digest])

    def count_attempt(
        self, keys: dict[bytes, int], *, now: datetime, window: timedelta
    ) -> float | None:
        """Count one attempt under each key; return the seconds to wait where one is over its limit.

        Counted before the password is looked at, so that many at once can't slip past; refused
        attempts are not counted, so that a wait always ends. ``keys`` maps a key to its limit.
        """
        with pools.store_errors(), self._pool.connection() as db:
            db.execute("DELETE FROM api.login_failure WHERE since <= %s", [now - window])
            waits: list[float] = []
            for key, limit in sorted(keys.items()):  # one order, so that two never wait in a ring
                row: tuple[Any, ...] | None = db.execute(
                    "INSERT INTO api.login_failure AS f (key, failures, since) VALUES (%s, 1, %s)"
                    " ON CONFLICT (key) DO UPDATE SET failures = f.failures + 1"
                    " RETURNING failures, since",
                    [key, now],
                ).fetchone()
                assert row is not None  # noqa: S101  (an upsert always returns its row)
                if row[0] > limit:
                    waits.append((row[1] + window - now).total_seconds())
            if waits:
                db.rollback()
                return max(waits)
        return None

    def forget_attempts(self, keys: list[bytes], *, also_one_of: list[bytes]) -> None:
        """Clear the own count of a sign-in that went well, and take one off the shared ones."""
        with pools.store_errors(), self._pool.connection() as db:
            db.execute("DELETE FROM api.login_failure WHERE key = ANY(%s)", [keys])
            db.execute(
                "UPDATE api.login_failure SET failures = greatest(failures - 1, 0)"
                " WHERE key = ANY(%s)",
                [also_one_of],
            )
