"""Roles, tokens and passwords."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from api import errors, security

WHO = security.Principal(
    account_no=1,
    username="nurse",
    name="N",
    role="nurse",
    expires_at=datetime(2026, 1, 1, tzinfo=UTC),
    digest=b"",
    csrf=security.csrf_of("token"),
    by_cookie=True,
)


def test_a_role_that_nobody_declared_may_do_nothing() -> None:
    stranger = replace(WHO, role="gardener")
    assert not any(stranger.may(p) for p in security.Permission)


def test_every_permission_is_somebodys() -> None:
    granted = {p for role, ps in security.POLICY.items() if role != "admin" for p in ps}
    assert set(security.Permission) - granted <= {
        security.Permission.TEAMS_WRITE,
        security.Permission.AUDIT_READ,
        security.Permission.REPORTS_EXPORT,
    }


def test_equipment_staff_read_nobodys_readings() -> None:
    equipment = replace(WHO, role="equipment")
    assert equipment.equipment_only
    assert not equipment.may(security.Permission.OBSERVATIONS_READ)
    assert not equipment.may(security.Permission.PATIENTS_READ)


def test_a_forms_secret_fits_its_own_session_only() -> None:
    assert security.csrf_fits(WHO, security.csrf_of("token"))
    assert not security.csrf_fits(WHO, security.csrf_of("another"))
    assert not security.csrf_fits(WHO, None)
    assert not security.csrf_fits(WHO, "ü")


def test_passwords_are_checked_and_unknown_users_cost_the_same() -> None:
    passwords = security.Passwords()
    kept = passwords.hash("correct horse battery")
    assert kept.startswith("$argon2id$")
    assert passwords.check("correct horse battery", kept) == (True, None)
    assert passwords.check("wrong", kept)[0] is False
    assert passwords.check("wrong", None) == (False, None)


@pytest.mark.parametrize("password", ["", "short", "x" * 257])
def test_a_password_too_short_or_too_long_is_refused(password: str) -> None:
    with pytest.raises(errors.BadRequestError):
        security.Passwords().hash(password)
