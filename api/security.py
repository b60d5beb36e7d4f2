"""Signing in, tokens, and what each role may do.

Tokens are opaque random strings; the database keeps only their SHA-256. Nothing here says more
to a stranger than "wrong": an unknown user, a wrong password and a disabled account take the
same time and get the same answer.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import re
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from api import errors
from api.storage import accounts
from ingest.kernel import clock as clocks
from ingest.kernel import ids


class Permission(enum.StrEnum):
    """One thing that somebody may be allowed to do."""

    ALERTS_READ = "alerts.read"
    ALERTS_ACT = "alerts.act"
    REFER = "referrals.create"
    PATIENTS_READ = "patients.read"
    PATIENTS_WRITE = "patients.write"
    PLAN_WRITE = "plan.write"  # limits and prescriptions that the rules judge by
    OBSERVATIONS_READ = "observations.read"
    DEVICES_READ = "devices.read"
    DEVICES_WRITE = "devices.write"
    DEVICES_COMMAND = "devices.command"
    CREDENTIALS_ISSUE = "credentials.issue"
    QUARANTINE_READ = "quarantine.read"
    QUARANTINE_REPLAY = "quarantine.replay"
    TEAMS_READ = "teams.read"
    TEAMS_WRITE = "teams.write"
    METRICS_READ = "metrics.read"
    AUDIT_READ = "audit.read"
    REPORTS_READ = "reports.read"
    REPORTS_EXPORT = "reports.export"  # a row per alert, and small counts
    DOCS_READ = "docs.read"


_P = Permission
_EVERYBODY = frozenset({_P.ALERTS_READ, _P.TEAMS_READ, _P.DEVICES_READ, _P.DOCS_READ})
_CLINICAL = _EVERYBODY | {
    _P.ALERTS_ACT,
    _P.REFER,
    _P.PATIENTS_READ,
    _P.OBSERVATIONS_READ,
    _P.DEVICES_COMMAND,
}
POLICY: dict[str, frozenset[Permission]] = {
    "nurse": _CLINICAL
    | {
        _P.PATIENTS_WRITE,
        _P.PLAN_WRITE,
        _P.DEVICES_WRITE,
        _P.QUARANTINE_READ,
        _P.REPORTS_READ,
    },
    "responder": _CLINICAL,
    "operator": _CLINICAL
    | {
        _P.PATIENTS_WRITE,
        _P.DEVICES_WRITE,
        _P.CREDENTIALS_ISSUE,
        _P.QUARANTINE_READ,
        _P.QUARANTINE_REPLAY,
        _P.METRICS_READ,
    },
    # sees alerts of equipment teams only, and nobody's readings
    "equipment": _EVERYBODY
    | {
        _P.ALERTS_ACT,
        _P.DEVICES_WRITE,
        _P.DEVICES_COMMAND,
        _P.CREDENTIALS_ISSUE,
        _P.QUARANTINE_READ,
        _P.QUARANTINE_REPLAY,
        _P.METRICS_READ,
    },
    "admin": frozenset(_P),
}
"""Role -> permissions. What is not here is refused."""

ROLES = tuple(POLICY)
EQUIPMENT_ONLY = frozenset({"equipment"})
"""Roles that see only the alerts of equipment teams."""


def role_may(role: str, permission: Permission) -> bool:
    """Tell whether a role has a permission."""
    return permission in POLICY.get(role, frozenset())


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who is asking."""

    account_no: int
    username: str
    name: str
    role: str
    expires_at: datetime
    digest: bytes  # of the token this came with
    csrf: str  # what a page's forms must bring back
    by_cookie: bool

    def may(self, permission: Permission) -> bool:
        """Tell whether the role has a permission."""
        return role_may(self.role, permission)

    @property
    def equipment_only(self) -> bool:
        """Tell whether only the alerts of equipment teams may be shown."""
        return self.role in EQUIPMENT_ONLY


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A new token, told once."""

    token: str
    expires_at: datetime
    username: str
    role: str


def digest(token: str) -> bytes:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode()).digest()


def csrf_of(token: str) -> str:
    """Return the secret that a page of this session carries in its forms.

    Made from the token, which another site can neither read nor guess, so it needs no storing.
    """
    return hmac.new(token.encode(), b"telecare csrf 1", hashlib.sha256).hexdigest()


def csrf_fits(principal: Principal, given: str | None) -> bool:
    """Compare without telling by the time taken how much of it was right."""
    return given is not None and hmac.compare_digest(principal.csrf.encode(), given.encode())


USERNAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")
"""User names are kept in lower case, so that nobody can pass for somebody by a capital."""
SHORTEST_PASSWORD = 12
"""NCSC and NIST SP 800-63B ask for length over rules; 12 is unsourced, between their examples."""
LONGEST_PASSWORD = 256
_HASHERS_AT_ONCE = 2  # argon2 takes 64 MiB each
_HASHER_PATIENCE_S = 8.0


class Passwords:
    """Argon2 hashes, a bounded number at once so that sign-ins can't exhaust the memory."""

    def __init__(self) -> None:
        self._hash = PasswordHash((Argon2Hasher(),))
        self._turn = threading.BoundedSemaphore(_HASHERS_AT_ONCE)
        self._nobody = self._hash.hash(ids.token())

    def hash(self, password: str) -> str:
        """Return what is kept of a password."""
        if len(password) < SHORTEST_PASSWORD:
            raise errors.BadRequestError(
                what=f"A password has at least {SHORTEST_PASSWORD} characters"
            )
        if len(password) > LONGEST_PASSWORD:
            raise errors.BadRequestError(
                what=f"A password has at most {LONGEST_PASSWORD} characters"
            )
        return self._hash.hash(password)

    def check(self, password: str, kept: str | None) -> tuple[bool, str | None]:
        """Compare; with no hash to compare with, take the same time and say no.

        The second part is a new hash where the kept one was made with older parameters.
        """
        if not self._turn.acquire(timeout=_HASHER_PATIENCE_S):
            raise errors.BusyError
        try:
            good, renewed = self._hash.verify_and_update(
                password[:LONGEST_PASSWORD], kept or self._nobody
            )
        finally:
            self._turn.release()
        return (good and kept is not None), (renewed if kept is not None else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How often a sign-in may fail, and how long a token lasts."""

    login_failures: int
    address_failures: int
    window: timedelta
    token_life: timedelta


class Gatekeeper:
    """Signs people in and out, and tells whose token it is."""

    def __init__(
        self,
        *,
        accounts: accounts.Accounts,
        passwords: Passwords,
        limits: Limits,
        clock: clocks.Clock,
    ) -> None:
        self._accounts = accounts
        self._passwords = passwords
        self._limits = limits
        self._clock = clock

    def sign_in(self, username: str, password: str, *, address: str) -> Issued:
        """Give a token for a user name and a password.

        Failures are counted for the account as asked for from this address, and for the address
        over all accounts; never for an account alone, so nobody can lock somebody else out.
        A name that doesn't exist is counted the same.
        """
        now = self._clock.now()
        username = username.strip().lower()
        own = _key("account and address", username, address)
        shared = _key("address", address)
        wait = self._accounts.count_attempt(
            {own: self._limits.login_failures, shared: self._limits.address_failures},
            now=now,
            window=self._limits.window,
        )
        if wait is not None:
            raise errors.TooManyAttemptsError(seconds=max(1, round(wait)))
        found = self._accounts.secret(username)
        good, renewed = self._passwords.check(password, found.password_hash if found else None)
        if found is None or not good or found.disabled:
            raise errors.WrongCredentialsError
        self._accounts.forget_attempts([own], also_one_of=[shared])
        if renewed:
            self._accounts.renew_hash(found.no, renewed)
        return self.issue(found.no, username, self._limits.token_life)

    def issue(self, account_no: int, username: str, life: timedelta) -> Issued:
        """Make a token for an account that is known to be good."""
        now = self._clock.now()
        token = ids.token()
        until = now + life
        self._accounts.issue(account_no, digest=digest(token), now=now, until=until)
        session = self._accounts.session(digest(token), now)
        role = session.role if session else ""
        return Issued(token=token, expires_at=until, username=username, role=role)

    def who(self, token: str, *, by_cookie: bool) -> Principal | None:
        """Return whose token it is, None when it is no good (any more)."""
        kept = digest(token)
        session = self._accounts.session(kept, self._clock.now())
        if session is None:
            return None
        return Principal(
            account_no=session.account_no,
            username=session.username,
            name=session.name,
            role=session.role,
            expires_at=session.expires_at,
            digest=kept,
            csrf=csrf_of(token),
            by_cookie=by_cookie,
        )

    def still_good(self, principal: Principal) -> bool:
        """Tell whether an open stream's token has not been revoked or run out since."""
        return self._accounts.session(principal.digest, self._clock.now()) is not None

    def sign_out(self, principal: Principal) -> None:
        """End the token."""
        self._accounts.revoke(principal.digest)


def _key(*parts: str) -> bytes:
    text = "\0".join(parts)
    return hashlib.sha256(text.encode()).digest()
