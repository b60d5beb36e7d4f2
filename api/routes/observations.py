"""A person's readings, raw or bucketed, and everything about them in one order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from api import deps, errors, wire
from api.storage import timeline as happenings
from ingest.kernel import ids, observation, vitals
from ingest.storage import readings, register

router = APIRouter(tags=["observations"])

_EVERY = re.compile(
    r"(\d{1,6})([smhdw])|P(?:(\d{1,4})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,7})S)?)?"
)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_MOST_BUCKETS = 20_000
_BY_LOINC = {q.loinc: q for q in vitals.QUANTITIES if q.loinc}
_AMBIENT = tuple(q.no for q in vitals.QUANTITIES if q.place and not q.emergency)

Since = Annotated[datetime | None, Query(description="from this time on, RFC 3339 with an offset")]
Until = Annotated[datetime | None, Query(description="before this time, RFC 3339 with an offset")]


@router.get("/patients/{patient}/observations", summary="Readings, raw or bucketed")
def series(  # noqa: PLR0917  (the framework gives them by name)
    hub: deps.Hub,
    who: deps.ReadingReader,
    patient: str,
    code: Annotated[
        list[str] | None,
        Query(description="name or LOINC code; several, or with commas; all where not given"),
    ] = None,
    since: Since = None,
    until: Until = None,
    every: Annotated[
        str | None,
        Query(max_length=30, description="width of buckets: 15m, 1h, 1d, or PT15M; raw without"),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=5000)] = 500,
    cursor: deps.Cursor = None,
) -> wire.Observations:
    """Return readings oldest first, each with what is known against it.

    Buckets need `since`; implausible readings are counted but enter no figure, and spans in
    which nothing was measured are left out.
    """
    person = deps.person(hub, patient)
    quantities = named(code)
    since, until = _aware(since, "since"), _aware(until, "until")
    deps.seen(hub, who, "observations.view", people=[person.no])
    if every is not None:
        if cursor is not None:
            raise errors.BadRequestError(what="Buckets come in one piece, without a cursor")
        return _buckets(hub, person, quantities, since, until, width(every))
    found = hub.readings.series(
        person.no,
        quantities=quantities,
        since=since,
        until=until,
        after=_place(cursor) if cursor else None,
        limit=limit + 1,
    )
    after = _cursor(found[limit - 1]) if len(found) > limit else None
    now = hub.clock.now()
    return wire.Observations(items=[shown(r, now=now) for r in found[:limit]], next=after)


@router.get("/patients/{patient}/timeline", summary="Readings, alerts, actions and notes")
def timeline(
    hub: deps.Hub,
    who: deps.ReadingReader,
    patient: str,
    ambient: Annotated[
        bool, Query(description="also motion, doors, beds and the room's climate")
    ] = False,
    limit: deps.Limit = 100,
    cursor: deps.Cursor = None,
) -> wire.Page[wire.TimelineItem]:
    """Return what happened, newest first, in one order."""
    person = deps.person(hub, patient)
    before = _moment(deps.opened(cursor, 1)[0]) if cursor else None
    deps.seen(hub, who, "timeline.view", people=[person.no])
    measured = hub.readings.recent(
        person.no, without=() if ambient else _AMBIENT, before=before, limit=limit + 1
    )
    happened = hub.timeline.recent(person.no, before=before, limit=limit + 1)
    now = hub.clock.now()
    items = [_of_reading(r, now) for r in measured] + [_of_happening(h) for h in happened]
    items.sort(key=lambda item: item.time, reverse=True)
    kept, after = cut(items, limit)
    return wire.Page(items=kept, next=deps.cursor([after]) if after else None)


def cut(
    items: Sequence[wire.TimelineItem], limit: int
) -> tuple[list[wire.TimelineItem], datetime | None]:
    """Return the first ``limit`` items and the time the next page starts before.

    Items of one moment stay on one page: the next page starts strictly before it. Where a whole
    page is one moment, the page ends there and what does not fit is left to a larger limit.
    """
    if len(items) <= limit:
        return list(items), None
    edge = items[limit].time
    kept = [item for item in items[:limit] if item.time > edge]
    if not kept:
        kept = list(items[:limit])
    return kept, kept[-1].time


def named(codes: Sequence[str] | None) -> list[int] | None:
    """Return the quantities meant by names or LOINC codes; None for all."""
    if not codes:
        return None
    found: list[int] = []
    for code in ",".join(codes).split(","):
        name = code.strip()
        quantity = vitals.BY_NAME.get(name) or _BY_LOINC.get(name)
        if quantity is None and name.startswith("symptom."):
            quantity = vitals.BY_NAME["symptom"]
        if quantity is None:
            raise errors.InvalidError(
                what="There is no such quantity",
                errors=[
                    {
                        "at": "query.code",
                        "problem": f"allowed: {', '.join(sorted(vitals.BY_NAME))}",
                    }
                ],
            )
        found.append(quantity.no)
    return found


def width(text: str) -> timedelta:
    """Return a bucket's width: 15m, 1h, 1d, 1w, or an ISO 8601 duration of days and less."""
    match = _EVERY.fullmatch(text)
    seconds = 0
    if match is not None and match[1]:
        seconds = int(match[1]) * _UNITS[match[2]]
    elif match is not None:
        days, hours, minutes, rest = (int(g or 0) for g in match.groups()[2:])
        seconds = days * 86_400 + hours * 3600 + minutes * 60 + rest
    if seconds <= 0:
        raise errors.InvalidError(
            what="The width of the buckets is not valid",
            errors=[{"at": "query.every", "problem": "for example 15m, 1h, 1d or PT15M"}],
        )
    return timedelta(seconds=seconds)


def shown(reading: readings.Reading, *, now: datetime) -> wire.Reading:
    """Return a reading as the API shows it, with its age by the server's clock."""
    quantity = vitals.BY_NO.get(reading.quantity)
    return wire.Reading(
        time=reading.time,
        received_at=reading.received_at,
        sent_time=reading.sent_time,
        code=_code(reading.quantity, reading.place),
        loinc=(quantity.loinc or None) if quantity else None,
        label=quantity.label if quantity else "unknown",
        value=reading.shown(),
        unit=quantity.unit if quantity else "1",
        place=reading.place or None,
        device=ids.public("device", reading.device_no),
        quality=observation.flag_names(reading.flags),
        age_s=round(max(0.0, (now - reading.time).total_seconds()), 1),
    )


def _code(no: int, place: str) -> str:
    quantity = vitals.BY_NO.get(no)
    if quantity is None:
        return f"quantity-{no}"
    return f"symptom.{place}" if no == vitals.SYMPTOM and place else quantity.name


def _buckets(
    hub: deps.Services,
    person: register.Person,
    quantities: list[int] | None,
    since: datetime | None,
    until: datetime | None,
    every: timedelta,
) -> wire.Observations:
    if since is None:
        raise errors.InvalidError(
            what="Buckets need to know since when",
            errors=[{"at": "query.since", "problem": "give a time"}],
        )
    until = until or hub.clock.now()
    if (until - since) / every > _MOST_BUCKETS:
        raise errors.InvalidError(
            what=f"That would be more than {_MOST_BUCKETS} buckets",
            errors=[{"at": "query.every", "problem": "take wider ones, or a shorter time"}],
        )
    found = hub.readings.buckets(
        person.no, quantities=quantities, since=since, until=until, every=every,
        limit=_MOST_BUCKETS,
    )  # fmt: skip
    return wire.Observations(
        items=[_bucket(b) for b in found], next=None, every_s=every.total_seconds()
    )


def _bucket(bucket: readings.Bucket) -> wire.Bucket:
    quantity = vitals.BY_NO.get(bucket.quantity)
    return wire.Bucket(
        start=bucket.start,
        code=_code(bucket.quantity, bucket.place),
        loinc=(quantity.loinc or None) if quantity else None,
        unit=quantity.unit if quantity else "1",
        place=bucket.place or None,
        count=bucket.count,
        implausible=bucket.implausible,
        min=bucket.least,
        mean=bucket.mean,
        max=bucket.greatest,
        last=bucket.last,
        quality=observation.flag_names(bucket.flags),
    )


def _of_reading(reading: readings.Reading, now: datetime) -> wire.TimelineItem:
    item = shown(reading, now=now)
    place = f" in the {item.place}" if item.place and item.code in vitals.BY_NAME else ""
    value = ("yes" if item.value else "no") if isinstance(item.value, bool) else item.value
    unit = f" {item.unit}" if item.unit != "1" else ""
    return wire.TimelineItem(
        time=item.time,
        kind="reading",
        what=f"{item.label}{place}: {value}{unit}",
        device=item.device,
        reading=item,
    )


_RAISED = frozenset({"raised", "pressed_again", "changed", "cancelled", "cleared", "late"})


def _of_happening(h: happenings.Happening) -> wire.TimelineItem:
    if h.kind == "command":
        return wire.TimelineItem(
            time=h.time,
            kind="command",
            what=f"Command to {h.device}: {h.title}" + (f" ({h.reason})" if h.reason else ""),
            device=h.device,
            detail=dict(h.detail),
        )
    alert = None if h.alert_no is None else ids.public("alert", h.alert_no)
    if h.kind == "note":
        return wire.TimelineItem(
            time=h.time, kind="note", what=h.reason or "", by=h.by, alert=alert
        )
    said = f": {h.reason}" if h.reason else ""
    return wire.TimelineItem(
        time=h.time,
        kind="alert" if h.kind in _RAISED else "action",
        what=f"{h.title} - {h.kind.replace('_', ' ')}{said}",
        by=h.by,
        alert=alert,
        detail=dict(h.detail),
    )


def _cursor(reading: readings.Reading) -> str:
    place = readings.place_of(reading)
    value = place.value if place.value != float("-inf") else None
    return deps.cursor(
        [place.time, place.quantity, place.part, place.device_no, value, place.answer]
    )


def _place(cursor: str) -> readings.Place:
    time, quantity, part, device_no, value, answer = deps.opened(cursor, 6)
    if not isinstance(answer, str) or not isinstance(value, int | float | None):
        raise errors.BadRequestError(what="The cursor is not one of this list")
    return readings.Place(
        time=_moment(time),
        quantity=deps.whole(quantity),
        part=deps.whole(part),
        device_no=deps.whole(device_no),
        value=float("-inf") if value is None else float(value),
        answer=answer,
    )


def _moment(text: object) -> datetime:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise errors.BadRequestError(what="The cursor is not one of this list") from error
    if moment.tzinfo is None:
        raise errors.BadRequestError(what="The cursor is not one of this list")
    return moment


def _aware(moment: datetime | None, name: str) -> datetime | None:
    if moment is not None and moment.tzinfo is None:
        raise errors.InvalidError(
            what="A time needs its offset",
            errors=[{"at": f"query.{name}", "problem": "for example 2026-01-31T08:00:00Z"}],
        )
    return moment
