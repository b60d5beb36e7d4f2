"""What a request is given: the hub's services, who is asking, and pages of lists."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Query, Request

from alerts import service
from alerts.delivery import links
from alerts.storage.wards import Wards
from api import errors, reports, security, settings, showing, stream
from api.storage import (
    accounts,
    audit,
    commands,
    commissioning,
    health,
    organisation,
    quarantine,
    rotas,
    timeline,
)
from ingest.kernel import clock as clocks
from ingest.kernel import ids
from ingest.storage import device_tests, readings, register


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything the endpoints work with, made once by `api.main`."""

    settings: settings.ApiSettings
    clock: clocks.Clock
    gatekeeper: security.Gatekeeper
    accounts: accounts.Accounts
    audit: audit.Audit
    alerts: service.Alerts
    links: links.Links
    mutes: service.Mutes
    showing: showing.Showing
    feed: stream.Feed
    register: register.RegisterStore
    readings: readings.Readings
    timeline: timeline.Timeline
    quarantine: quarantine.Quarantine
    commands: commands.Commands
    device_tests: device_tests.DeviceTests
    commissioning: commissioning.Commissioning
    organisation: organisation.Organisation
    reports: reports.Reports
    rotas: rotas.Rotas
    wards: Wards
    health: health.Health


def services(request: Request) -> Services:
    """Return the hub's services."""
    found: Services = request.app.state.services
    return found


Hub = Annotated[Services, Depends(services)]


class Allow:
    """Lets a request pass whose role has a permission. Each endpoint names one."""

    def __init__(self, permission: security.Permission) -> None:
        self.permission = permission

    def __call__(self, request: Request) -> security.Principal:
        """Return who is asking, or refuse."""
        principal: security.Principal | None = getattr(request.state, "principal", None)
        if principal is None:
            raise errors.NotSignedInError
        if not principal.may(self.permission):
            raise errors.ForbiddenError(role=principal.role, permission=self.permission.value)
        return principal


class Open:
    """Marks an endpoint that needs no token, and says why."""

    def __init__(self, because: str) -> None:
        self.because = because

    def __call__(self) -> None:
        """Let everybody pass."""


class SignedIn(Allow):
    """Lets anybody pass who is signed in."""

    def __init__(self) -> None:
        super().__init__(security.Permission.DOCS_READ)


_P = security.Permission
Who = Annotated[security.Principal, Depends(SignedIn())]
AlertReader = Annotated[security.Principal, Depends(Allow(_P.ALERTS_READ))]
AlertActor = Annotated[security.Principal, Depends(Allow(_P.ALERTS_ACT))]
Referrer = Annotated[security.Principal, Depends(Allow(_P.REFER))]
PatientReader = Annotated[security.Principal, Depends(Allow(_P.PATIENTS_READ))]
PatientWriter = Annotated[security.Principal, Depends(Allow(_P.PATIENTS_WRITE))]
ReadingReader = Annotated[security.Principal, Depends(Allow(_P.OBSERVATIONS_READ))]
DeviceReader = Annotated[security.Principal, Depends(Allow(_P.DEVICES_READ))]
DeviceWriter = Annotated[security.Principal, Depends(Allow(_P.DEVICES_WRITE))]
Commander = Annotated[security.Principal, Depends(Allow(_P.DEVICES_COMMAND))]
CredentialIssuer = Annotated[security.Principal, Depends(Allow(_P.CREDENTIALS_ISSUE))]
QuarantineReader = Annotated[security.Principal, Depends(Allow(_P.QUARANTINE_READ))]
QuarantineReplayer = Annotated[security.Principal, Depends(Allow(_P.QUARANTINE_REPLAY))]
TeamReader = Annotated[security.Principal, Depends(Allow(_P.TEAMS_READ))]
TeamWriter = Annotated[security.Principal, Depends(Allow(_P.TEAMS_WRITE))]
AuditReader = Annotated[security.Principal, Depends(Allow(_P.AUDIT_READ))]
PlanWriter = Annotated[security.Principal, Depends(Allow(_P.PLAN_WRITE))]
ReportReader = Annotated[security.Principal, Depends(Allow(_P.REPORTS_READ))]

Limit = Annotated[int, Query(ge=1, le=500, description="how many at most")]
Cursor = Annotated[
    str | None, Query(max_length=500, description="`next` of the page before, as it was given")
]


def number(kind: ids.Kind, text: str) -> int:
    """Return the number behind a public id, or say that there is no such thing."""
    found = ids.number(kind, text)
    if found is None:
        raise errors.NotFoundError(what=_WORDS.get(kind, kind))
    return found


_WORDS: Mapping[str, str] = {"person": "patient", "quarantine": "quarantined message"}


def person(hub: Services, patient: str) -> register.Person:
    """Return a registered person by their public id, or say that there is none."""
    found = hub.register.person(number("person", patient))
    if found is None:
        raise errors.NotFoundError(what="patient")
    return found


def cursor(parts: Iterable[Any]) -> str:
    """Return an opaque cursor that holds the parts."""
    raw = json.dumps(list(parts), default=_plain, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError


def opened(text: str, count: int) -> list[Any]:
    """Return the parts of a cursor; one that was made up is refused."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        parts = json.loads(raw)
    except (binascii.Error, ValueError) as error:
        raise errors.BadRequestError(what="The cursor is not one of this list") from error
    if not isinstance(parts, list) or len(parts) != count:
        raise errors.BadRequestError(what="The cursor is not one of this list")
    return parts


def whole(part: object) -> int:
    """Return a cursor's part that has to be a whole number."""
    if not isinstance(part, int) or isinstance(part, bool) or abs(part) > _MOST:
        raise errors.BadRequestError(what="The cursor is not one of this list")
    return part


_MOST = 2**63 - 1


def seen(
    hub: Services,
    who: security.Principal,
    action: str,
    *,
    people: Iterable[int | None] = (None,),
    subject: str | None = None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Write into the audit what is about to be shown or was changed."""
    hub.audit.write(
        at=hub.clock.now(),
        account=who.username,
        action=action,
        people=people,
        subject=subject,
        detail=detail,
    )
