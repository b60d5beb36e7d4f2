"""Writing what the rules found: alerts and their events, decisions that page nobody, commands."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from alerts import lifecycle, model, ports, routing, telling, words
from alerts.policies import responses
from alerts.rules import language, pack, vocabulary
from alerts.rules import plain as labels
from alerts.storage import rows
from alerts.storage.ledger import Ledger
from alerts.storage.routing import Router
from ingest.kernel import ids, vitals
from ingest.kernel.clock import Clock
from ingest.storage.pool import Connection

_WHERE_HOMES = """
SELECT h.no, s.id, s.area_no, s.timezone,
    (SELECT count(*) FROM ingest.person p WHERE p.home_no = h.no)
FROM ingest.home h JOIN ingest.site s ON s.no = h.site_no WHERE h.no = ANY(%s::bigint[])
"""
_WHERE_PEOPLE = "SELECT no, home_no FROM ingest.person WHERE no = ANY(%s::bigint[])"
_WHERE_DEVICES = """
SELECT d.no, s.id, s.area_no, s.timezone, d.name FROM ingest.device d
JOIN ingest.site s ON s.no = d.site_no WHERE d.no = ANY(%s::bigint[])
"""
_WHERE_SITES = (
    "SELECT no, id, area_no, timezone, name FROM ingest.site WHERE no = ANY(%s::bigint[])"
)
_PAGED = """
SELECT e.alert_no, extract(epoch FROM max(e.at))::float8 FROM alerts.event e
WHERE e.alert_no = ANY(%s::bigint[]) AND (e.detail ->> 'page')::boolean GROUP BY e.alert_no
"""
_DECISION = """
INSERT INTO alerts.decision (at, kind, outcome, rule_id, rule_version, severity, person_no,
    dwelling_no, device_no, title, reason, reading_at, detail)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
_LIGHTS = """
SELECT d.name, s.id, nextval(pg_get_serial_sequence('ingest.outbox', 'no'))
FROM ingest.assignment a JOIN ingest.device d ON d.no = a.device_no
JOIN ingest.site s ON s.no = d.site_no
WHERE a.home_no = %(home)s AND d.kind = %(kind)s AND a.starts <= now() AND a.ends > now()
AND (d.place IS NULL OR d.place = %(place)s OR NOT EXISTS (
    SELECT FROM ingest.assignment b JOIN ingest.device e ON e.no = b.device_no
    WHERE b.home_no = %(home)s AND e.kind = %(kind)s AND e.place = %(place)s
    AND b.starts <= now() AND b.ends > now()))
"""
_COMMAND = """
INSERT INTO ingest.outbox (no, site, device, tail, body, created_at, expires_at, next_try_at)
OVERRIDING SYSTEM VALUE VALUES (%s, %s, %s, 'cmd', %s, %s, %s, %s)
"""
_COMMAND_LIVES_S = 60.0
"""A light that comes on later than this helps nobody. Unsourced. [s]"""
FAULT_RULE = "equipment.implausible"


class Writer:
    """Writes findings within the caller's transaction."""

    def __init__(
        self, *, rules: Mapping[str, pack.Rule], repage_s: float, router: Router, clock: Clock,
        answers: responses.Responses | None = None,
    ) -> None:  # fmt: skip
        self._rules = rules
        self._responses = answers or responses.load()
        self._repage_s = repage_s
        self._router = router
        self._clock = clock
        self.part_names: dict[int, str] = {}

    def forget_teams(self) -> None:
        """Read the teams again before the next alert is routed."""
        self._router.forget()

    def write(
        self, db: Connection, found: Sequence[model.Finding], faults: Sequence[model.DeviceFault]
    ) -> Mapping[str, int]:
        """Write what was found; nothing may follow in the transaction but its commit."""
        ledger = Ledger(db, self._responses)
        extra: dict[str, int] = {}
        if found:
            places = _Places(db, found)
            ledger.lock(_locked(f) for f in found)
            paged = self._paged(db, ledger, found)
            self._look_up(db, ledger, found, places)
            for one in found:
                kind = self._write(db, ledger, one, places, paged)
                if kind:
                    extra[kind] = extra.get(kind, 0) + 1
        if faults:
            self._write_faults(db, ledger, faults)
        ledger.write()
        return {**ledger.counts, **extra}

    def _write(
        self, db: Connection, ledger: Ledger, one: model.Finding, places: _Places,
        paged: dict[str, float],
    ) -> str | None:  # fmt: skip
        """Write one finding; return what kind of decision it was, None for an alert's change."""
        rule = self._rules.get(one.rule_id)
        where = places.of(one)
        if where is None:
            return None  # no longer in the register
        setting, shared = where
        now = self._clock.epoch()
        told = telling.Setting(
            now=now, zone=rows.zone(setting.timezone), shared=shared,
            place=self.part_names.get(one.part, "").replace("-", " ").replace("_", " "),
        )  # fmt: skip
        title, reason = telling.finding(one, told)
        title = places.named(one, title)
        if one.outcome is model.Outcome.COMMAND:
            asked = self._command(db, one) if rule is not None else 0
            if not asked:
                return None  # there is no such device in the home
            self._decide(db, "command", one, title, reason)
            return "command"
        if rule is not None and rule.shadow:
            if one.outcome is not model.Outcome.REFRESH:
                self._decide(db, "shadow", one, title, reason)
            return "shadow"
        if one.outcome is model.Outcome.MUTED:
            self._decide(db, "muted", one, title, reason)
            speaks = ledger.open(_episode(one, one.muted_by))
            if speaks is not None:
                ledger.apply(
                    lifecycle.muted(
                        speaks, rule_id=one.rule_id, reason=reason, now=self._clock.now()
                    )
                )
            return "muted"
        self._change(db, ledger, one, setting, paged, title=title, reason=reason)
        return None

    def _change(
        self, db: Connection, ledger: Ledger, one: model.Finding, setting: ports.Setting,
        paged: dict[str, float], *, title: str, reason: str,
    ) -> None:  # fmt: skip
        episode = _episode(one, one.rule_id)
        now, at = self._clock.epoch(), self._clock.now()
        before = ledger.open(episode)
        if before is None:
            if one.outcome is not model.Outcome.CLEAR:
                alert, routed = self._alert(db, one, setting, title=title, reason=reason, at=at)
                rule = self._rules.get(one.rule_id)
                what: dict[str, Any] = {"routing": routed.detail()}
                if rule is not None and rule.protocol:
                    what["protocol"] = rule.protocol
                ledger.open_new(alert, now=at, detail={**_detail(one), **what})
                paged[episode] = now
            return
        if one.outcome is model.Outcome.CLEAR:
            cleared = lifecycle.clear(before, reason=reason, now=at, detail=_detail(one))
            if isinstance(cleared, lifecycle.Change):
                ledger.apply(cleared)
            return
        change = lifecycle.found_again(
            before,
            severity=one.severity,
            title=title,
            reason=reason,
            evidence=_evidence(one),
            reading_at=rows.moment(one.reading_at),
            late=one.late,
            since_page_s=now - paged.get(episode, float("-inf")),
            repage_s=self._repage_s,
            now=at,
            detail=_detail(one),
            response=self._responses.choose("", one.severity, before.alert_class),
        )
        if change.page:
            paged[episode] = now
        ledger.apply(change)

    def _paged(
        self, db: Connection, ledger: Ledger, found: Sequence[model.Finding]
    ) -> dict[str, float]:
        """Return when each open alert last asked for attention."""
        open_ = {
            a.no: a.episode for f in found if (a := ledger.open(_episode(f, f.rule_id))) is not None
        }
        if not open_:
            return {}
        return {open_[no]: at for no, at in db.execute(_PAGED, [list(open_)]).fetchall()}

    def _alert(
        self, db: Connection, one: model.Finding, setting: ports.Setting, *, title: str,
        reason: str, at: datetime,
    ) -> tuple[model.Alert, routing.Routed]:  # fmt: skip
        request = self._request(one, setting)
        routed = self._router.route(db, request)
        alert = model.Alert(
            no=0,
            episode=_episode(one, one.rule_id),
            source=model.Source.RULE,
            rule_id=one.rule_id,
            rule_version=one.rule_version,
            severity=one.severity,
            title=title,
            reason=reason,
            evidence=_evidence(one),
            person_no=one.person_no,
            dwelling_no=one.home_no,
            device_no=one.device_no,
            site=setting.site,
            raised_at=at,
            reading_at=rows.moment(one.reading_at),
            late=one.late,
            state=model.State.OPEN,
            condition=model.Condition.ACTIVE,
            team_no=routed.team.no,
            routed_because=routed.because,
            alert_class=request.alert_class,
            response=routed.response,
        )
        return alert, routed

    def _look_up(
        self, db: Connection, ledger: Ledger, found: Sequence[model.Finding], places: _Places
    ) -> None:
        """Read at once what routing needs of everybody about whom an alert may be raised."""
        self._router.look_up(
            db,
            [
                self._request(one, where[0])
                for one in found
                if one.outcome is not model.Outcome.CLEAR
                and ledger.open(_episode(one, one.rule_id)) is None
                and (where := places.of(one)) is not None
            ],
        )

    def _request(self, one: model.Finding, setting: ports.Setting) -> routing.Request:
        rule = self._rules.get(one.rule_id)  # None: a care plan's
        return routing.Request(
            alert_class=rule.alert_class if rule else model.AlertClass.CLINICAL,
            severity=one.severity,
            kind=rule.team if rule else model.TeamKind.DISTRICT_NURSING,
            source=model.Source.RULE,
            rule_id=one.rule_id,
            now=self._clock.now(),
            person_no=one.person_no,
            dwelling_no=one.home_no,
            site=setting.site,
            area_no=setting.area_no,
        )

    def _decide(
        self, db: Connection, kind: str, one: model.Finding, title: str, reason: str
    ) -> None:
        db.execute(
            _DECISION,
            [
                self._clock.now(), kind, one.outcome, one.rule_id, one.rule_version, one.severity,
                one.person_no, one.home_no, one.device_no, title, reason,
                rows.moment(one.reading_at), json.dumps({**_detail(one), "muted_by": one.muted_by}),
            ],
        )  # fmt: skip

    def _command(self, db: Connection, one: model.Finding) -> int:
        """Put a command for each fitting device of the home into the outbox; return how many."""
        rule = self._rules[one.rule_id]
        if rule.shadow or not isinstance(rule, pack.ConditionRule) or rule.command is None:
            return 0
        values = {
            "home": one.home_no, "kind": rule.command.kind,
            "place": self.part_names.get(one.part, ""),
        }  # fmt: skip
        now = self._clock.now()
        expires = now + timedelta(seconds=_COMMAND_LIVES_S)
        found = db.execute(_LIGHTS, values).fetchall()
        for device, site, number in found:
            body = {"id": ids.public("command", number), "do": rule.command.do,
                    "args": dict(rule.command.args), "expires": expires.timestamp()}  # fmt: skip
            db.execute(_COMMAND, [number, site, device, json.dumps(body), now, expires, now])
        if found:
            db.execute("NOTIFY ingest_outbox")
        return len(found)

    def _write_faults(
        self, db: Connection, ledger: Ledger, faults: Sequence[model.DeviceFault]
    ) -> None:
        rule = self._rules[FAULT_RULE]
        ledger.lock(_fault_episode(f) for f in faults)
        numbers = [f.device_no for f in faults]
        where = {r[0]: r[1:] for r in db.execute(_WHERE_DEVICES, [numbers]).fetchall()}
        now, at = self._clock.epoch(), self._clock.now()
        asked = {
            f.device_no: _of_fault(rule, f, where[f.device_no][0], where[f.device_no][1], at)
            for f in faults
            if f.device_no in where
        }
        self._router.look_up(db, asked.values())
        for fault in faults:
            if fault.device_no not in where or ledger.open(_fault_episode(fault)) is not None:
                continue  # one open alert says it; more of the same is in the store
            site, _, timezone, name = where[fault.device_no]
            routed = self._router.route(db, asked[fault.device_no])
            q = vitals.BY_NO[fault.quantity]
            item = {"code": q.name, "value": fault.value, "unit": q.unit, "time": _iso(fault.time)}
            alert = model.Alert(
                no=0,
                episode=_fault_episode(fault),
                source=model.Source.RULE,
                rule_id=rule.id,
                rule_version=rule.version,
                severity=rule.severity,
                title=f"{rule.title} from {name}",
                reason=words.fault_reason(fault, now=now, zone=rows.zone(timezone)),
                evidence=(item,),
                person_no=fault.person_no,
                dwelling_no=fault.dwelling_no,
                device_no=fault.device_no,
                site=site,
                raised_at=at,
                reading_at=rows.moment(fault.time),
                late=False,
                state=model.State.OPEN,
                condition=model.Condition.ACTIVE,
                team_no=routed.team.no,
                routed_because=routed.because,
                alert_class=rule.alert_class,
                response=routed.response,
            )
            ledger.open_new(alert, now=at, detail={"routing": routed.detail()})


class _Places:
    """Where the subjects of findings are, read at once for all of them."""

    def __init__(self, db: Connection, found: Sequence[model.Finding]) -> None:
        homes = sorted({f.home_no for f in found if f.home_no})
        people = sorted({f.person_no for f in found if f.person_no})
        devices = sorted({f.device_no for f in found if f.device_no})
        sites = sorted({f.subject_no for f in found if f.subject == "site"})
        self._people = dict(db.execute(_WHERE_PEOPLE, [people]).fetchall()) if people else {}
        homes = sorted({*homes, *self._people.values()})
        self._homes = {r[0]: r[1:] for r in db.execute(_WHERE_HOMES, [homes]).fetchall()}
        self._devices = (
            {r[0]: r[1:] for r in db.execute(_WHERE_DEVICES, [devices]).fetchall()}
            if devices else {}
        )  # fmt: skip
        self._sites = (
            {r[0]: r[1:] for r in db.execute(_WHERE_SITES, [sites]).fetchall()} if sites else {}
        )

    def of(self, one: model.Finding) -> tuple[ports.Setting, bool] | None:
        """Return where it is and whether several people live there; None where it is gone."""
        if one.subject == "site":
            site = self._sites.get(one.subject_no)
            return None if site is None else (_setting(None, site), False)
        of_person = one.subject == "person"
        home_no = self._people.get(one.subject_no) if of_person else one.home_no
        home = self._homes.get(home_no) if home_no else None
        if home is not None:
            return _setting(home_no, home), one.subject == "home" and home[3] > 1
        device = self._devices.get(one.device_no) if one.device_no else None
        return None if device is None else (_setting(None, device), False)

    def named(self, one: model.Finding, title: str) -> str:
        """Return a title with the name of the device or site it is about."""
        if one.subject == "device" and one.device_no in self._devices:
            return f"{title}: {self._devices[one.device_no][3]}"
        if one.subject == "site" and one.subject_no in self._sites:
            return f"{title}: {self._sites[one.subject_no][3]}"
        return title


def _setting(home_no: int | None, row: tuple[Any, ...]) -> ports.Setting:
    return ports.Setting(dwelling_no=home_no, site=row[0], area_no=row[1], timezone=row[2])


def _episode(found: model.Finding, rule_id: str) -> str:
    return f"{found.subject}:{found.subject_no}/{rule_id}"


def _locked(found: model.Finding) -> str:
    return _episode(found, found.muted_by or found.rule_id)


def _fault_episode(fault: model.DeviceFault) -> str:
    return f"device:{fault.device_no}/{FAULT_RULE}"


def _of_fault(
    rule: pack.Rule, fault: model.DeviceFault, site: str, area_no: int | None, now: datetime
) -> routing.Request:
    return routing.Request(
        alert_class=rule.alert_class, severity=rule.severity, kind=rule.team,
        source=model.Source.RULE, rule_id=rule.id, now=now, person_no=fault.person_no,
        dwelling_no=fault.dwelling_no, site=site, area_no=area_no,
    )  # fmt: skip


def _iso(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).isoformat().replace("+00:00", "Z")


def _evidence(found: model.Finding) -> model.Evidence:
    """Return the readings behind a finding, as people see them; ages are told at reading."""
    items: dict[str, dict[str, Any]] = {}
    for fact in found.facts:
        if fact.value is None or fact.origin in ("care plan", "risk band", "default"):
            continue
        plain = fact.name == fact.quantity
        if not plain and (fact.time is None or fact.name.startswith(("recent(", "silent("))):
            continue
        signal, _, _ = fact.name.partition("(")
        unit = vocabulary.unit_of("value" if plain else signal, fact.quantity or "battery")
        item: dict[str, Any] = {
            "code": fact.name,
            "value": _shown(fact) if plain else fact.value,
            "unit": "1" if unit.startswith("code:") else unit,
            # what only the register says has no time of its own: that of the decision stands in
            "time": _iso(fact.time if fact.time is not None else found.at),
        }
        if fact.points is not None:
            item["points"] = fact.points
        if not plain or "." in fact.quantity:  # the nomenclature has no label for it
            item["label"] = labels.signal(fact.name)
        if unit == "s":
            item["said"] = words.span(fact.value)
        elif unit == "min" and not plain:  # of the day
            item["said"] = language.clock_text(fact.value)
        items[fact.name] = item
    return tuple(items.values())


def _shown(fact: model.Fact) -> object:
    assert fact.value is not None  # noqa: S101  (whoever calls has looked)
    q = vocabulary.quantity_of(fact.quantity)
    if q.kind is vitals.ValueKind.BOOLEAN:
        return bool(fact.value)
    return vitals.code_letter(q.no, fact.value) or round(fact.value, 3)


def _detail(found: model.Finding) -> dict[str, Any]:
    """Return what an event keeps of a finding: enough to make the decision again."""
    detail: dict[str, Any] = {
        "when": found.when,
        "facts": [{k: v for k, v in asdict(f).items() if v not in (None, "", ())}
                  for f in found.facts],
    }  # fmt: skip
    if found.score is not None:
        detail |= {"score": found.score, "level": found.level, "partial": found.partial}
    low = next((f for f in found.facts if f.name.startswith("low(")), None)
    high = next((f for f in found.facts if f.name.startswith("high(")), None)
    if low or high:
        detail |= {"low": low and low.value, "high": high and high.value,
                   "personal": any(f is not None and f.origin == "care plan"
                                   for f in (low, high))}  # fmt: skip
    return detail
