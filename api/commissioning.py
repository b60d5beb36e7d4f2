"""Is a home ready to be relied on: a short list of what is there and what is missing. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from api.storage import commissioning
from ingest.kernel import ids

CALLS_FOR_HELP = ("pendant", "fall_detector")
"""Kinds of devices that have to be pressed before they are relied on."""
_HEARD = timedelta(days=1)  # unsourced: a device that is set up says something within a day
_BATTERY = 20.0  # [%]; unsourced, as in the equipment pack


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing to be seen to."""

    what: str  # a short code
    about: str  # public id of the home, person or device
    done: bool | None  # None: not known
    said: str


def checklist(setup: commissioning.Setup, *, now: datetime) -> list[Item]:
    """Return everything that has to be seen to before a home is relied on, done or not."""
    return [*_home(setup), *_people(setup), *_devices(setup, now)]


def ready(items: list[Item]) -> bool:
    """Tell whether nothing is missing; what isn't known doesn't count as missing."""
    return all(item.done is not False for item in items)


def _home(setup: commissioning.Setup) -> Iterator[Item]:
    about = ids.public("home", setup.home.no)
    yield _item("address", about, setup.home.address, "The address is known", "No address")
    yield _item(
        "way_in", about, setup.home.way_in, "It is known how to get in",
        "Neither a key safe nor access notes: nobody could get in",
    )  # fmt: skip
    yield _item("people", about, bool(setup.people), "Somebody lives there", "Nobody lives there")
    yield _item("devices", about, bool(setup.devices), "Devices are there", "No device is there")


def _people(setup: commissioning.Setup) -> Iterator[Item]:
    for person in setup.people:
        about = ids.public("person", person.no)
        yield _item("phone", about, person.phone, "Can be rung", "No telephone number")
        yield _item(
            "contacts", about, person.contacts > 0, f"{person.contacts} contacts to ring",
            "No contact to ring",
        )  # fmt: skip
        said = "Limits or a risk band of their own" if person.plan else "The default limits hold"
        yield Item(what="plan", about=about, done=person.plan or None, said=said)


def _devices(setup: commissioning.Setup, now: datetime) -> Iterator[Item]:
    for device in setup.devices:
        about = ids.public("device", device.no)
        heard = device.heard_at is not None and now - device.heard_at <= _HEARD
        yield _item(
            "heard", about, heard, "Heard within a day",
            "Never heard of" if device.heard_at is None else "Not heard for over a day",
        )  # fmt: skip
        if device.battery is None:
            yield Item(what="battery", about=about, done=None, said="Battery not known")
        else:
            level = f"Battery at {device.battery:.0f} %"
            yield _item("battery", about, device.battery >= _BATTERY, level, level)
        if device.kind in CALLS_FOR_HELP:
            yield _item(
                "tested", about, device.tested_at is not None, "Pressed in test mode",
                "Never pressed in test mode",
            )  # fmt: skip


def _item(what: str, about: str, done: bool, well: str, missing: str) -> Item:
    return Item(what=what, about=about, done=done, said=well if done else missing)
