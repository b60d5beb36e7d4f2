"""People: registering, finding, reading and changing them, and what lies below them."""

from __future__ import annotations

from typing import Any, NoReturn

from fastapi import APIRouter

from api import deps, errors, security, wire
from api.routes import devices, observations
from ingest.kernel import conditions, ids, nhs_number, registration, vitals
from ingest.storage import register

router = APIRouter(tags=["patients"])

_ORIGIN = registration.Origin(file="", line=0)
_PLAN = frozenset(
    {"limits", "conditions", "risk_band", "triggers", "scale2", "on_oxygen", "pregnant"}
)


@router.post("/patients", status_code=201, summary="Register a person")
def create(hub: deps.Hub, who: deps.PatientWriter, body: wire.NewPerson) -> wire.Person:
    """Register a person who lives in a registered home."""
    if not who.may(security.Permission.PLAN_WRITE) and _PLAN & body.model_fields_set:
        raise errors.ForbiddenError(role=who.role, permission=security.Permission.PLAN_WRITE)
    made = hub.register.create_person(
        registration.Person(
            id=body.id or register.new_person_id(),
            home=body.home,
            name=body.name,
            nhs_number=body.nhs_number,
            born=body.born,
            phone=body.phone,
            language=body.language,
            communication=body.communication,
            practice=body.practice,
            scale2=body.scale2,
            on_oxygen=body.on_oxygen,
            pregnant=body.pregnant,
            contacts=_contacts(body.contacts),
            limits=_limits(body.limits),
            conditions=conditions.in_order(body.conditions),
            risk_band=body.risk_band,
            triggers=_triggers(body.triggers),
            origin=_ORIGIN,
        )
    )
    deps.seen(hub, who, "patients.create", people=[made.no])
    return shown(hub, made)


@router.post("/patients/search", summary="Find people by NHS number or name")
def search(
    hub: deps.Hub, who: deps.PatientReader, body: wire.Search
) -> wire.Page[wire.PersonBrief]:
    """Look for people. What is looked for stands in the body: never in an address or a log."""
    if (body.nhs_number is None) == (body.name is None):
        raise errors.InvalidError(what="Give either nhs_number or name")
    found: list[register.Person]
    if body.nhs_number is not None:
        wrong = nhs_number.problem(body.nhs_number)
        if wrong:
            raise errors.InvalidError(
                what="The NHS number is not valid",
                errors=[{"at": "body.nhs_number", "problem": wrong}],
            )
        one_found = hub.register.person_by_nhs_number(nhs_number.normalise(body.nhs_number))
        found = [one_found] if one_found else []
    else:
        found = hub.register.people_named(body.name or "", limit=body.limit)
    deps.seen(hub, who, "patients.search", people=[p.no for p in found])
    return wire.Page(items=[_brief(p) for p in found])


@router.get("/patients", summary="Everybody, a page at a time")
def everybody(
    hub: deps.Hub, who: deps.PatientReader, limit: deps.Limit = 50, cursor: deps.Cursor = None
) -> wire.Page[wire.PersonBrief]:
    """Return people in the order of their registration."""
    start = deps.whole(deps.opened(cursor, 1)[0]) if cursor else 0
    found = hub.register.people_after(start, limit=limit + 1)
    after = deps.cursor([found[limit - 1].no]) if len(found) > limit else None
    deps.seen(hub, who, "patients.list", people=[p.no for p in found[:limit]])
    return wire.Page(items=[_brief(p) for p in found[:limit]], next=after)


@router.get("/patients/{patient}", summary="One person")
def one(hub: deps.Hub, who: deps.PatientReader, patient: str) -> wire.Person:
    """Return a person: how to reach them, whom to ring, their devices and newest readings."""
    found = deps.person(hub, patient)
    deps.seen(hub, who, "patients.view", people=[found.no])
    return shown(hub, found)


@router.patch("/patients/{patient}", summary="Change a person")
def change(
    hub: deps.Hub, who: deps.PatientWriter, patient: str, body: wire.PersonChange
) -> wire.Person:
    """Change what is given; an empty text or list clears, `null` and absent leave as it is."""
    if not who.may(security.Permission.PLAN_WRITE) and _PLAN & body.model_fields_set:
        raise errors.ForbiddenError(role=who.role, permission=security.Permission.PLAN_WRITE)
    before = deps.person(hub, patient)
    after = hub.register.change_person(
        before.no,
        register.PersonChange(
            home=body.home,
            name=body.name,
            nhs_number=body.nhs_number,
            born=body.born,
            phone=body.phone,
            language=body.language,
            communication=body.communication,
            practice=body.practice,
            scale2=body.scale2,
            on_oxygen=body.on_oxygen,
            pregnant=body.pregnant,
            contacts=None if body.contacts is None else _contacts(body.contacts),
            limits=None if body.limits is None else _limits(body.limits),
            conditions=None if body.conditions is None else conditions.in_order(body.conditions),
            risk_band=body.risk_band,
            triggers=None if body.triggers is None else _triggers(body.triggers),
        ),
    )
    deps.seen(
        hub,
        who,
        "patients.change",
        people=[before.no],
        detail={"fields": sorted(body.model_fields_set)},
    )
    return shown(hub, after)


@router.get("/patients/{patient}/contacts", summary="Whom to ring, in order")
def contacts(hub: deps.Hub, who: deps.PatientReader, patient: str) -> wire.Page[wire.Contact]:
    """Return a person's contacts in ringing order."""
    found = deps.person(hub, patient)
    deps.seen(hub, who, "patients.contacts", people=[found.no])
    return wire.Page(items=_shown_contacts(found))


@router.put("/patients/{patient}/contacts", summary="Set whom to ring, in order")
def put_contacts(
    hub: deps.Hub, who: deps.PatientWriter, patient: str, body: list[wire.Contact]
) -> wire.Page[wire.Contact]:
    """Replace a person's contacts; their order is the ringing order."""
    found = deps.person(hub, patient)
    after = hub.register.change_person(found.no, register.PersonChange(contacts=_contacts(body)))
    deps.seen(hub, who, "patients.change", people=[found.no], detail={"fields": ["contacts"]})
    return wire.Page(items=_shown_contacts(after))


@router.get("/patients/{patient}/devices", summary="A person's devices")
def devices_below(hub: deps.Hub, who: deps.PatientReader, patient: str) -> wire.Page[wire.Device]:
    """Return what a person wears or uses, and what their home shares, at present."""
    found = deps.person(hub, patient)
    deps.seen(hub, who, "patients.devices", people=[found.no])
    return wire.Page(items=[devices.shown(d) for d in _devices(hub, found)])


@router.get("/patients/{patient}/audit", summary="Who has looked at a person")
def audit(
    hub: deps.Hub,
    who: deps.AuditReader,
    patient: str,
    limit: deps.Limit = 50,
    cursor: deps.Cursor = None,
) -> wire.Page[wire.AuditEntry]:
    """Return who saw or changed something about a person, newest first."""
    found = deps.person(hub, patient)
    before = deps.whole(deps.opened(cursor, 1)[0]) if cursor else None
    entries = hub.audit.of_person(found.no, before=before, limit=limit + 1)
    after = deps.cursor([entries[limit - 1].no]) if len(entries) > limit else None
    return wire.Page(
        items=[
            wire.AuditEntry(at=e.at, account=e.account, action=e.action, subject=e.subject)
            for e in entries[:limit]
        ],
        next=after,
    )


@router.get("/patients/{patient}/risk", summary="The band of risk, and who judged it")
def risk(hub: deps.Hub, who: deps.PatientReader, patient: str) -> wire.Risk:
    """Return the band that counts, the model's beside it, and every judgement, newest first."""
    found = deps.person(hub, patient)
    known = hub.register.risk(found.no)
    deps.seen(hub, who, "patients.risk", people=[found.no])
    return _risk(known)


@router.post("/patients/{patient}/risk", summary="Judge somebody's risk up or down")
def judge_risk(
    hub: deps.Hub, who: deps.PlanWriter, patient: str, body: wire.RiskJudgement
) -> wire.Risk:
    """Set the band by professional judgement, or take one back with a null band.

    The model's band stays beside it: a later import or run changes that alone.
    """
    found = deps.person(hub, patient)
    known = hub.register.judge_risk(
        found.no, band=body.band, by=who.username, reason=body.reason, at=hub.clock.now()
    )
    deps.seen(hub, who, "patients.judge_risk", people=[found.no], detail={"band": body.band})
    return _risk(known)


def _risk(known: register.Risk | None) -> wire.Risk:
    if known is None:
        raise errors.NotFoundError(what="patient")
    return wire.Risk(
        band=known.band, model_band=known.model_band, judged=known.judged,
        judgements=[
            wire.Judgement(at=j.at, by=j.by, band=j.band, model_band=j.model_band, reason=j.reason)
            for j in known.judgements
        ],
    )  # fmt: skip


def _later(what: str) -> None:
    def refuse(who: deps.PatientReader, patient: str) -> NoReturn:
        raise errors.NotYetError(what=f"A person's {what}")

    refuse.__doc__ = "Not yet: answers 501."
    router.add_api_route(
        f"/patients/{{patient}}/{what}",
        refuse,
        methods=["GET"],
        name=f"patient {what}",
        summary=f"A person's {what} (not there yet)",
        status_code=501,
        response_model=None,
        responses={501: {"model": wire.Problem}},
    )


for _what in ("plan", "consents"):
    _later(_what)


def shown(hub: deps.Services, person: register.Person) -> wire.Person:
    """Return a person with everything that is known of them."""
    access = hub.register.access(person.home_no)
    now = hub.clock.now()
    open_alerts, _ = hub.alerts.queue(person_no=person.no, limit=100)
    return wire.Person.model_construct(
        id=ids.public("person", person.no),
        register_id=person.id,
        name=person.name,
        nhs_number=nhs_number.shown(person.nhs_number) if person.nhs_number else None,
        born=person.born,
        phone=person.phone,
        language=person.language,
        communication=person.communication,
        home=wire.Home(
            id=ids.public("home", person.home_no),
            name=person.home,
            address=access.address if access else None,
            access_notes=access.access_notes if access else None,
            key_safe=access.key_safe if access else None,
        ),
        site=person.site,
        practice=person.practice,
        contacts=_shown_contacts(person),
        limits={k: wire.Limit(low=v.low, high=v.high) for k, v in person.limits.items()},
        conditions=list(person.conditions),
        risk_band=person.risk_band,
        triggers=[_shown_trigger(t) for t in person.triggers],
        scale2=person.scale2,
        on_oxygen=person.on_oxygen,
        pregnant=person.pregnant,
        devices=[devices.brief(d) for d in _devices(hub, person)],
        latest=[observations.shown(r, now=now) for r in hub.readings.latest(person.no, now=now)],
        open_alerts=[a.id for a in open_alerts],
    )


def _devices(hub: deps.Services, person: register.Person) -> list[register.Device]:
    """Return the person's own devices and the home's shared ones, nobody else's."""
    now = hub.clock.now()
    shared = [
        d
        for d in hub.register.devices_of_home(person.home_no)
        if any(
            a.person_no is None and a.home_no == person.home_no
            for a in d.assignments
            if a.starts <= now and (a.ends is None or a.ends > now)
        )
    ]
    mine = hub.register.devices_of_person(person.no)
    return list({d.no: d for d in [*mine, *shared]}.values())


def _brief(person: register.Person) -> wire.PersonBrief:
    return wire.PersonBrief(
        id=ids.public("person", person.no),
        name=person.name,
        nhs_number=nhs_number.shown(person.nhs_number) if person.nhs_number else None,
        born=person.born,
    )


def _contacts(given: list[wire.Contact]) -> tuple[registration.Contact, ...]:
    return tuple(
        registration.Contact(name=c.name, relation=c.relation, phone=c.phone, told=c.told)
        for c in given
    )


def _shown_contacts(person: register.Person) -> list[wire.Contact]:
    # not checked again: what an import left in the register is shown as it is
    return [
        wire.Contact.model_construct(name=c.name, relation=c.relation, phone=c.phone, told=c.told)
        for c in person.contacts
    ]


def _triggers(given: list[wire.Trigger]) -> tuple[registration.Trigger, ...]:
    return tuple(
        registration.Trigger(
            id=t.id,
            title=t.title,
            severity=t.severity,
            when=t.when,
            clear=t.clear,
            lasting=t.lasting,
        )
        for t in given
    )


def _shown_trigger(trigger: registration.Trigger) -> wire.Trigger:
    said: dict[str, Any] = dict(trigger.said())
    return wire.Trigger.model_construct(**said)  # not checked again: like the contacts


def _limits(given: dict[str, wire.Limit]) -> dict[str, registration.Limit]:
    for name, limit in given.items():
        quantity = vitals.BY_NAME.get(name)
        if quantity is None or quantity.kind is not vitals.ValueKind.NUMBER:
            raise errors.InvalidError(
                what="A limit is for a quantity that is a number",
                errors=[{"at": f"body.limits.{name}", "problem": "there is no such quantity"}],
            )
        if limit.low is not None and limit.high is not None and limit.low >= limit.high:
            raise errors.InvalidError(
                what="The lower limit is not below the upper one",
                errors=[{"at": f"body.limits.{name}", "problem": "low is not below high"}],
            )
    return {name: registration.Limit(low=v.low, high=v.high) for name, v in given.items()}
