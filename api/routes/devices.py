"""Devices: the register of them, their credentials, commands, and those that wait for adoption."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query

from api import deps, errors, security, wire
from api.storage import commands as command_store
from ingest.kernel import ids, registration
from ingest.storage import register

router = APIRouter(tags=["devices"])

_SHORTLY = wire.NewTest()
_ORIGIN = registration.Origin(file="", line=0)


@router.get("/devices", summary="Registered devices")
def listing(
    hub: deps.Hub,
    who: deps.DeviceReader,
    site: Annotated[str | None, Query(max_length=64)] = None,
    limit: deps.Limit = 50,
    cursor: deps.Cursor = None,
) -> wire.Page[wire.Device]:
    """Return devices in the order of their registration."""
    start = deps.whole(deps.opened(cursor, 1)[0]) if cursor else 0
    found = hub.register.devices_after(start, limit=limit + 1, site=site)
    after = deps.cursor([found[limit - 1].no]) if len(found) > limit else None
    return wire.Page(items=[shown(d) for d in found[:limit]], next=after)


@router.post("/devices", status_code=201, summary="Register a device")
def create(hub: deps.Hub, who: deps.DeviceWriter, body: wire.NewDevice) -> wire.NewlyRegistered:
    """Register a device for a person or a home; what it sent before is replayed.

    Its credentials are told here, this once, to those who may issue them.
    """
    starts = body.starts or hub.register.first_heard(body.site, body.device) or hub.clock.now()
    return _register(hub, who, body, starts, "devices.create")


@router.get("/devices/waiting", summary="Devices that speak and are not registered")
def waiting(
    hub: deps.Hub, who: deps.DeviceReader, limit: deps.Limit = 50, cursor: deps.Cursor = None
) -> wire.Page[wire.Waiting]:
    """Return devices heard through a site's onboarding account."""
    site, device = deps.opened(cursor, 2) if cursor else ("", "")
    found = hub.register.waiting(after=(str(site), str(device)), limit=limit + 1)
    last = found[limit - 1] if len(found) > limit else None
    return wire.Page(
        items=[
            wire.Waiting(
                site=w.site,
                device=w.device,
                messages=w.messages,
                first_seen_at=w.first_seen_at,
                last_seen_at=w.last_seen_at,
            )
            for w in found[:limit]
        ],
        next=deps.cursor([last.site, last.device]) if last else None,
    )


@router.post("/devices/adopt", status_code=201, summary="Register a waiting device")
def adopt(hub: deps.Hub, who: deps.DeviceWriter, body: wire.Adopt) -> wire.NewlyRegistered:
    """Say what a waiting device is and whose; what it sent so far is replayed."""
    heard = hub.register.first_heard(body.site, body.device)
    if heard is None:
        raise errors.NotFoundError(what="waiting device")
    return _register(hub, who, body, body.starts or heard, "devices.adopt")


@router.get("/devices/{device}", summary="One device")
def one(hub: deps.Hub, who: deps.DeviceReader, device: str) -> wire.Device:
    """Return a device, whose it is and was, and how it does."""
    return shown(_known(hub, device))


@router.post("/devices/{device}/credentials", status_code=201, summary="New credentials")
def credentials(hub: deps.Hub, who: deps.CredentialIssuer, device: str) -> wire.Credentials:
    """Make a new password for the broker, told this once; the old one stops working."""
    found = _known(hub, device)
    made = hub.register.new_credentials(found.no)
    deps.seen(hub, who, "devices.credentials", subject=ids.public("device", found.no))
    return _credentials(made)


@router.post("/devices/{device}/test", summary="Test a device")
def begin_test(
    hub: deps.Hub, who: deps.DeviceWriter, device: str, body: wire.NewTest = _SHORTLY
) -> wire.Device:
    """Say that a device is being tested: its alarms get their receipts and page nobody.

    It ends by itself, after two hours at the latest however often it is prolonged; what is pressed
    before or after, or while an alert of the same is open, is real.
    """
    found, now = _known(hub, device), hub.clock.now()
    until = now + timedelta(minutes=body.minutes)
    hub.device_tests.begin(found.no, until=until, by=who.username, now=now)
    return _tested(hub, who, found, "devices.test", now)


@router.delete("/devices/{device}/test", summary="End a test")
def end_test(hub: deps.Hub, who: deps.DeviceWriter, device: str) -> wire.Device:
    """Say that a device is no longer tested: from now on every press is real."""
    found, now = _known(hub, device), hub.clock.now()
    hub.device_tests.end(found.no, by=who.username, now=now)
    return _tested(hub, who, found, "devices.test_end", now)


@router.post("/devices/{device}/commands", status_code=202, summary="Tell a device to do something")
def command(hub: deps.Hub, who: deps.Commander, device: str, body: wire.NewCommand) -> wire.Command:
    """Put a command on its way. Past its expiry it isn't carried out any more."""
    found = _known(hub, device)
    now = hub.clock.now()
    sent = hub.commands.send(
        site=found.site,
        device=found.name,
        do=body.do,
        args=body.args,
        now=now,
        expires_at=now + timedelta(seconds=body.expires_in_s),
    )
    deps.seen(
        hub,
        who,
        "devices.command",
        people=_wearers(found, now) or [None],
        subject=ids.public("device", found.no),
        detail={"do": body.do},
    )
    return _command(sent, found)


@router.get("/devices/{device}/commands", summary="A device's commands, newest first")
def command_list(
    hub: deps.Hub, who: deps.DeviceReader, device: str, limit: deps.Limit = 50
) -> wire.Page[wire.Command]:
    """Return what a device was told to do and what came of it."""
    found = _known(hub, device)
    sent = hub.commands.recent(site=found.site, device=found.name, limit=limit)
    return wire.Page(items=[_command(c, found) for c in sent])


def brief(device: register.Device) -> wire.DeviceBrief:
    """Return a device as it stands below a person."""
    return wire.DeviceBrief(**_members(device))


def shown(device: register.Device) -> wire.Device:
    """Return a device with everything known of it."""
    state = device.state
    return wire.Device(
        **_members(device),
        model=device.model,
        place=device.place,
        cadence=dict(device.cadence),
        assignments=[
            wire.Assignment(
                patient=None if a.person_no is None else ids.public("person", a.person_no),
                home=ids.public("home", a.home_no),
                # the register's "since ever" is an infinity in the database
                starts=a.starts,
                ends=a.ends,
            )
            for a in device.assignments
        ],
        has_credentials=device.has_credentials,
        rssi=state.rssi if state else None,
        firmware=state.firmware if state else None,
        clock_skew_s=state.clock_skew_s if state else None,
    )


def _members(device: register.Device) -> dict[str, Any]:
    state = device.state
    return {
        "id": ids.public("device", device.no),
        "site": device.site,
        "device": device.name,
        "kind": device.kind,
        "state": state.state if state else None,
        "battery": state.battery if state else None,
        "seen_at": state.seen_at if state else None,
        "test": None
        if device.test_until is None
        else wire.TestMode(until=device.test_until, by=device.test_by or ""),
    }


def _tested(
    hub: deps.Services, who: security.Principal, found: register.Device, action: str, now: datetime
) -> wire.Device:
    deps.seen(
        hub,
        who,
        action,
        people=_wearers(found, now) or [None],
        subject=ids.public("device", found.no),
    )
    return shown(_known(hub, ids.public("device", found.no)))


def _register(
    hub: deps.Services,
    who: security.Principal,
    body: wire.NewDevice | wire.Adopt,
    starts: datetime,
    action: str,
) -> wire.NewlyRegistered:
    if (body.patient is None) == (body.home is None):
        raise errors.InvalidError(
            what="Give either the patient who wears it or the home that shares it"
        )
    person = deps.person(hub, body.patient) if body.patient is not None else None
    may_issue = who.may(security.Permission.CREDENTIALS_ISSUE)
    device, made = hub.register.create_device(
        registration.Device(
            site=body.site,
            id=body.device,
            kind=body.kind,
            model=body.model,
            password=None,
            cadence=_cadence(body.cadence),
            place=body.place,
            assignments=(
                registration.Assignment(
                    person=person.id if person else None,
                    home=body.home,
                    start=starts,
                    end=None,
                    origin=_ORIGIN,
                ),
            ),
            origin=_ORIGIN,
        ),
        credentials=may_issue,
    )
    deps.seen(
        hub,
        who,
        action,
        people=[person.no if person else None],
        subject=ids.public("device", device.no),
    )
    return wire.NewlyRegistered(
        **dict(shown(device)), credentials=_credentials(made) if made else None
    )


def _cadence(given: Mapping[str, float]) -> dict[str, int]:
    return {name: max(1, round(seconds)) for name, seconds in given.items()}


def _credentials(made: register.Credentials) -> wire.Credentials:
    return wire.Credentials(
        username=made.username,
        password=made.password,
        topic_root=f"telecare/v1/{made.username}/",
    )


def _command(sent: command_store.Command, device: register.Device) -> wire.Command:
    return wire.Command(
        id=str(sent.body.get("id", "")),
        device=ids.public("device", device.no),
        do=str(sent.body.get("do", "")),
        args=dict(sent.body.get("args") or {}),
        created_at=sent.created_at,
        expires_at=sent.expires_at,
        state=sent.state(),
        answer=None if sent.answer is None else dict(sent.answer),
    )


def _wearers(device: register.Device, now: datetime) -> list[int | None]:
    return [
        a.person_no
        for a in device.assignments
        if a.person_no is not None and a.starts <= now and (a.ends is None or a.ends > now)
    ]


def _known(hub: deps.Services, device: str) -> register.Device:
    found = hub.register.device(deps.number("device", device))
    if found is None:
        raise errors.NotFoundError(what="device")
    return found
