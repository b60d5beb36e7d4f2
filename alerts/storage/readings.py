"""The log of readings: cursors per shard and writer, and the transaction that moves them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import psycopg

from alerts import errors, lifecycle, model, ports, words
from alerts.rules import early_warning, pack
from alerts.storage import rows
from alerts.storage.ledger import Ledger
from alerts.storage.shards import ShardLocks
from alerts.storage.teams import Teams
from alerts.windows import Person, Told
from ingest.kernel import vitals
from ingest.kernel.clock import Clock
from ingest.kernel.observation import NOT_LIVE, ROW, ROW_VERSION, Quality, Rows
from ingest.storage.pool import Connection, connect, store_errors

_WRITERS = """
SELECT no, extract(epoch FROM opened_at)::float8 FROM ingest.writer WHERE retired_at IS NULL
ORDER BY no
"""
_ENSURE = """
INSERT INTO alerts.cursor (stream, writer)
SELECT s, w FROM unnest(%(streams)s::smallint[]) s CROSS JOIN unnest(%(writers)s::bigint[]) w
ORDER BY s, w ON CONFLICT DO NOTHING
"""
_CURSORS = """
SELECT stream, writer, batch FROM alerts.cursor
WHERE stream = ANY(%(streams)s::smallint[]) AND writer = ANY(%(writers)s::bigint[])
"""
_READ = """
SELECT c.shard, c.writer, l.batch, l.version, extract(epoch FROM l.at)::float8, l.rows
FROM unnest(%(shards)s::smallint[], %(writers)s::bigint[], %(batches)s::bigint[],
    %(since)s::float8[]) AS c (shard, writer, batch, since)
CROSS JOIN LATERAL (
    SELECT l.batch, l.version, l.at, l.rows FROM ingest.log l
    WHERE l.writer = c.writer AND l.shard = c.shard AND l.batch > c.batch
    AND l.at >= to_timestamp(c.since)
    ORDER BY l.batch LIMIT %(each)s
) l
"""
_MOVE = """
UPDATE alerts.cursor c SET batch = n.after
FROM unnest(%s::smallint[], %s::bigint[], %s::bigint[], %s::bigint[])
    AS n (stream, writer, before, after)
WHERE c.stream = n.stream AND c.writer = n.writer AND c.batch = n.before
"""
_IN_SHARDS = """
SELECT p.no FROM ingest.person p JOIN ingest.home h ON h.no = p.home_no
WHERE h.shard = ANY(%s::smallint[]) ORDER BY p.no
"""
_THOSE = "SELECT no FROM ingest.person WHERE no = ANY(%s::bigint[]) ORDER BY no"
_PEOPLE = """
SELECT p.no, h.shard, p.scale2, p.on_oxygen, p.pregnant, p.born, p.limits
FROM ingest.person p JOIN ingest.home h ON h.no = p.home_no WHERE p.no = ANY(%s::bigint[])
"""
_TOLD = """
SELECT a.person_no, a.rule_id, a.severity, a.condition, a.evidence,
    extract(epoch FROM (SELECT max(e.at) FROM alerts.event e WHERE e.alert_no = a.no))::float8
FROM alerts.alert a
WHERE a.person_no = ANY(%s::bigint[]) AND a.source = 'rule' AND a.state <> 'closed'
"""
_LATEST = """
SELECT p.no, q.no, extract(epoch FROM o.time)::float8, o.value
FROM unnest(%(people)s::bigint[]) AS p (no)
CROSS JOIN unnest(%(quantities)s::smallint[]) AS q (no)
CROSS JOIN LATERAL (
    SELECT o.time, o.value FROM ingest.observation o
    WHERE o.person_no = p.no AND o.quantity = q.no AND o.value IS NOT NULL
    AND o.time >= to_timestamp(%(since)s) AND o.time <= to_timestamp(%(until)s)
    AND (o.flags & %(not_judged)s) = 0
    ORDER BY o.time DESC, o.value DESC LIMIT 1
) o
"""
_FAULTS = """
SELECT o.device_no, count(*) FROM ingest.observation o
WHERE o.device_no = ANY(%s::bigint[]) AND o.time >= to_timestamp(%s)
AND (o.flags & %s) <> 0 AND (o.flags & %s) = 0
GROUP BY o.device_no HAVING count(*) >= %s
"""
_WHERE_PEOPLE = """
SELECT p.no, h.no, s.id, s.area_no, s.timezone FROM ingest.person p
JOIN ingest.home h ON h.no = p.home_no JOIN ingest.site s ON s.no = h.site_no
WHERE p.no = ANY(%s::bigint[])
"""
_WHERE_DEVICES = """
SELECT d.no, s.id, s.area_no, s.timezone, d.name FROM ingest.device d
JOIN ingest.site s ON s.no = d.site_no WHERE d.no = ANY(%s::bigint[])
"""
_PAGED = """
SELECT e.alert_no, extract(epoch FROM max(e.at))::float8 FROM alerts.event e
WHERE e.alert_no = ANY(%s::bigint[]) AND (e.detail ->> 'page')::boolean GROUP BY e.alert_no
"""
_CLOSED = """
SELECT a.person_no, a.rule_id FROM alerts.event e JOIN alerts.alert a ON a.no = e.alert_no
WHERE e.no > %s AND e.no <= %s AND e.kind = 'closed' AND a.person_no IS NOT NULL ORDER BY e.no
"""
_LAST_EVENT = "SELECT coalesce(max(no), 0) FROM alerts.event"
_FAULT_RULE = "equipment.implausible"
_NOT_JUDGED = int(NOT_LIVE | Quality.IMPLAUSIBLE)
_CLOCK_STEP_S = 300.0
"""How far the database's clock may step back without the log being missed for a while."""
_WHOLE_EVERY_S = 60.0
_SUSPECT_S = 900.0
"""A device that was found suspect isn't counted again for this long: it may be flooding."""
_MOST_EACH = 512


class ReadingLog:
    """The readings of the shards held, through one session for work and one for the locks."""

    def __init__(
        self,
        db: Connection,
        locks: ShardLocks,
        *,
        rules: Mapping[str, pack.Rule],
        round_rows: int,
        repage_s: float,
        implausible: tuple[int, float],
        teams_age_s: float,
        clock: Clock,
    ) -> None:
        self._db = db
        self._locks = locks
        self._rules = rules
        self._round_rows = round_rows
        self._repage_s = repage_s
        self._implausible_count, self._implausible_window_s = implausible
        self._teams = Teams(age_s=teams_age_s)
        self._clock = clock
        self._held: set[int] = set()
        self._cursors: dict[tuple[int, int], int] = {}  # (shard, writer) -> batch
        self._writers: dict[int, float] = {}  # live writer -> when it was opened
        self._since: dict[int, float] = {}  # writer -> nothing older than this is unread
        self._whole_at = clock.monotonic()
        self._each = 8
        self._suspects: dict[int, float] = {}  # device -> not counted again until

    @classmethod
    def open(
        cls,
        database_url: str,
        *,
        rules: Mapping[str, pack.Rule],
        round_rows: int,
        repage_s: float,
        implausible: tuple[int, float],
        teams_age_s: float,
        clock: Clock,
    ) -> ReadingLog:
        """Open its sessions."""
        locks = ShardLocks.open(database_url)
        try:
            db = connect(database_url, name="alerts readings", autocommit=True)
        except BaseException:
            locks.close()
            raise
        return cls(
            db, locks, rules=rules, round_rows=round_rows, repage_s=repage_s,
            implausible=implausible, teams_age_s=teams_age_s, clock=clock,
        )  # fmt: skip

    def close(self) -> None:
        """Give up everything."""
        self._db.close()
        self._locks.close()

    def forget_teams(self) -> None:
        """Read the teams again before the next alert is routed."""
        self._teams.forget()

    # -- who is judged here ---------------------------------------------------------------------

    def balance(self) -> tuple[Sequence[int], Sequence[int]]:
        """Take and give up shards, so that every process has its share: gained, lost."""
        gained, lost = self._locks.balance()
        for shard in lost:
            self._held.discard(shard)
        self._cursors = {k: v for k, v in self._cursors.items() if k[0] in self._locks.held}
        self._held.update(gained)
        if gained:
            self._since.clear()  # these shards have been read by nobody here
        return gained, lost

    def people(self, *, shards: Sequence[int], numbers: Sequence[int]) -> Sequence[int]:
        """Return who lives in the shards, or which of the numbers exist."""
        with store_errors():
            found = [r[0] for r in self._db.execute(_IN_SHARDS, [list(shards)]).fetchall()]
            if len(numbers):
                found += [r[0] for r in self._db.execute(_THOSE, [list(numbers)]).fetchall()]
        return found

    def memory(
        self, numbers: Sequence[int], *, quantities: Sequence[int], since: float, until: float
    ) -> ports.Memory:
        """Return what is known of the people, readings measured from ``since`` on."""
        wanted = [int(n) for n in numbers]
        values = {
            "people": wanted, "quantities": list(quantities), "since": since, "until": until,
            "not_judged": _NOT_JUDGED,
        }  # fmt: skip
        with store_errors():
            people = [_person(r) for r in self._db.execute(_PEOPLE, [wanted]).fetchall()]
            told = [_told(r) for r in self._db.execute(_TOLD, [wanted]).fetchall()]
            found = self._db.execute(_LATEST, values).fetchall() if since < until else []
        readings = np.zeros(len(found), ROW)
        if found:
            columns = list(zip(*found, strict=True))
            for name, column in zip(("person", "quantity", "time", "value"), columns, strict=True):
                readings[name] = column
        return ports.Memory(people=people, told=told, readings=readings)

    # -- reading --------------------------------------------------------------------------------

    def read(self) -> ports.Chunk:
        """Return the next rows of the shards held, a bounded number."""
        with store_errors():
            self._ensure()
            if not self._cursors:
                return ports.Chunk(rows=np.zeros(0, ROW))
            keys = list(self._cursors)
            found = self._fetch(keys)
        return self._chunk(found, self._each)

    def _ensure(self) -> None:
        """Have a cursor for every live writer and shard held."""
        self._writers = dict(self._db.execute(_WRITERS).fetchall())
        self._since = {w: s for w, s in self._since.items() if w in self._writers}
        now = self._clock.monotonic()
        if now - self._whole_at > _WHOLE_EVERY_S:
            self._whole_at = now
            self._since.clear()
        if len(self._cursors) == len(self._writers) * len(self._held) and all(
            w in self._writers for _, w in self._cursors
        ):
            return
        values = {"streams": sorted(self._held), "writers": sorted(self._writers)}
        self._db.execute(_ENSURE, values)
        known = self._cursors
        self._cursors = {
            (s, w): known.get((s, w), batch)
            for s, w, batch in self._db.execute(_CURSORS, values).fetchall()
        }

    def _fetch(self, keys: Sequence[tuple[int, int]]) -> list[tuple[Any, ...]]:
        day = 86_400.0
        values = {
            "shards": [s for s, _ in keys],
            "writers": [w for _, w in keys],
            "batches": [self._cursors[k] for k in keys],
            "since": [self._since.get(w, self._writers[w] - day) for _, w in keys],
            "each": self._each,
        }
        with self._db.cursor(binary=True) as cursor:
            return cursor.execute(_READ, values, prepare=True).fetchall()

    def _chunk(self, found: list[tuple[Any, ...]], each: int) -> ports.Chunk:
        if not found:
            return ports.Chunk(rows=np.zeros(0, ROW))
        last: dict[tuple[int, int], int] = {}
        count: dict[tuple[int, int], int] = {}
        newest: dict[int, float] = {}
        for shard, writer, batch, version, at, _ in found:
            if version != ROW_VERSION:
                raise ValueError(f"log rows of version {version}; this release reads {ROW_VERSION}")
            key = (shard, writer)
            last[key] = max(batch, last.get(key, 0))
            count[key] = count.get(key, 0) + 1
            newest[writer] = max(at, newest.get(writer, at))
        rows_ = np.frombuffer(b"".join([f[5] for f in found]), dtype=ROW)
        more = False
        cut = {w for (_, w), n in count.items() if n >= each}
        for writer, at in newest.items():
            if writer in cut:
                more = True
            else:  # all of it was read, and a writer's batches come in the order of their time
                self._since[writer] = max(at - _CLOCK_STEP_S, self._since.get(writer, 0.0))
        self._adapt(len(rows_), more=more)
        moves = [(s, w, self._cursors[s, w], batch) for (s, w), batch in last.items()]
        return ports.Chunk(rows=rows_, moves=moves, more=more)

    def _adapt(self, size: int, *, more: bool) -> None:
        """Keep rounds near the wished size, whatever the size of the batches."""
        if size > self._round_rows and self._each > 1:
            self._each //= 2
        elif more and size < self._round_rows // 2 and self._each < _MOST_EACH:
            self._each *= 2

    # -- writing --------------------------------------------------------------------------------

    def faults(self, rows: Rows) -> Sequence[model.DeviceFault]:
        """Count impossible readings of the devices that sent one, and return the suspect ones."""
        bad = rows[(rows["flags"] & _NOT_JUDGED) == int(Quality.IMPLAUSIBLE)]
        now = self._clock.monotonic()
        self._suspects = {d: until for d, until in self._suspects.items() if until > now}
        bad = bad[~np.isin(bad["device"], list(self._suspects))]
        if not bad.size:
            return []
        order = np.lexsort((bad["quantity"], bad["value"], bad["time"]))
        last = {int(r["device"]): r for r in bad[order]}  # few: only what is impossible
        since = self._clock.epoch() - self._implausible_window_s
        with store_errors():
            found = self._db.execute(
                _FAULTS,
                [list(last), since, int(Quality.IMPLAUSIBLE), int(NOT_LIVE),
                 self._implausible_count],
            ).fetchall()  # fmt: skip
        self._suspects.update({device: now + _SUSPECT_S for device, _ in found})
        return [
            model.DeviceFault(
                device_no=device,
                person_no=int(last[device]["person"]) or None,
                dwelling_no=int(last[device]["dwelling"]),
                quantity=int(last[device]["quantity"]),
                value=float(last[device]["value"]),
                time=float(last[device]["time"]),
                count=count,
                within_s=self._implausible_window_s,
            )
            for device, count in found
        ]

    def commit(self, chunk: ports.Chunk, findings: ports.Findings) -> Mapping[str, int]:
        """Write alerts and move the cursors in one transaction; say what was written."""
        with store_errors():
            try:
                with self._db.transaction():
                    counts = self._commit(chunk, findings)
            except (psycopg.errors.IntegrityError, psycopg.errors.DeadlockDetected) as error:
                raise errors.LostCursorError from error
        for shard, writer, _, after in chunk.moves:
            self._cursors[shard, writer] = after
        return counts

    def _commit(self, chunk: ports.Chunk, findings: ports.Findings) -> Mapping[str, int]:
        if not findings.people and not findings.faults:
            # Should the server lose this in a crash, rows that raised nothing are judged again.
            self._db.execute("SET LOCAL synchronous_commit = off")
        moves = sorted(chunk.moves)  # one order in all processes: no deadlock
        if moves:
            columns = [list(c) for c in zip(*moves, strict=True)]
            if self._db.execute(_MOVE, columns).rowcount != len(moves):
                raise errors.LostCursorError
        ledger = Ledger(self._db)
        if findings.people:
            self._write_people(ledger, findings.people)
        if findings.faults:
            self._write_faults(ledger, findings.faults)
        ledger.write()
        return ledger.counts

    def _write_people(self, ledger: Ledger, found: Sequence[model.Finding]) -> None:
        ledger.lock(_episode(f) for f in found)
        numbers = sorted({f.person_no for f in found})
        where = {r[0]: r[1:] for r in self._db.execute(_WHERE_PEOPLE, [numbers]).fetchall()}
        paged = self._paged(ledger, found)
        for one in found:
            if one.person_no not in where:
                continue  # no longer in the register
            dwelling, site, area, timezone = where[one.person_no]
            setting = ports.Setting(
                dwelling_no=dwelling, site=site, area_no=area, timezone=timezone
            )
            self._write_finding(ledger, one, setting, paged)

    def _paged(self, ledger: Ledger, found: Sequence[model.Finding]) -> dict[str, float]:
        """Return when each open alert last asked for attention."""
        open_ = {a.no: a.episode for f in found if (a := ledger.open(_episode(f))) is not None}
        if not open_:
            return {}
        return {open_[no]: at for no, at in self._db.execute(_PAGED, [list(open_)]).fetchall()}

    def _write_finding(
        self, ledger: Ledger, one: model.Finding, setting: ports.Setting, paged: dict[str, float]
    ) -> None:
        episode = _episode(one)
        now, at = self._clock.epoch(), self._clock.now()
        before = ledger.open(episode)
        title, reason = words.finding(one, now=now, zone=rows.zone(setting.timezone))
        if before is None:
            if one.outcome is not model.Outcome.CLEAR:
                alert = self._alert(one, setting, title=title, reason=reason, at=at)
                ledger.apply(lifecycle.raised(alert, now=at, detail=_detail(one)))
                paged[episode] = now
            return
        if one.outcome is model.Outcome.CLEAR:
            cleared = lifecycle.clear(before, reason=reason, now=at)
            if isinstance(cleared, lifecycle.Change):
                ledger.apply(cleared)
            return
        change = lifecycle.found_again(
            before,
            severity=one.severity,
            title=title,
            reason=reason,
            evidence=_evidence(one),
            reading_at=rows.moment(one.at),
            late=one.late,
            since_page_s=now - paged.get(episode, float("-inf")),
            repage_s=self._repage_s,
            now=at,
        )
        if change.page:
            paged[episode] = now
        ledger.apply(change)

    def _alert(
        self, one: model.Finding, setting: ports.Setting, *, title: str, reason: str, at: datetime
    ) -> model.Alert:
        rule = self._rules[one.rule_id]
        routed = self._teams.route(
            self._db, rule.team, setting.area_no, monotonic=self._clock.monotonic()
        )
        return model.Alert(
            no=0,
            episode=_episode(one),
            source=model.Source.RULE,
            rule_id=one.rule_id,
            rule_version=one.rule_version,
            severity=one.severity,
            title=title,
            reason=reason,
            evidence=_evidence(one),
            person_no=one.person_no,
            dwelling_no=setting.dwelling_no,
            device_no=None,
            site=setting.site,
            raised_at=at,
            reading_at=rows.moment(one.at),
            late=one.late,
            state=model.State.OPEN,
            condition=model.Condition.ACTIVE,
            team_no=routed.team.no,
            routed_because=routed.because,
        )

    def _write_faults(self, ledger: Ledger, faults: Sequence[model.DeviceFault]) -> None:
        rule = self._rules[_FAULT_RULE]
        ledger.lock(_fault_episode(f) for f in faults)
        numbers = [f.device_no for f in faults]
        where = {r[0]: r[1:] for r in self._db.execute(_WHERE_DEVICES, [numbers]).fetchall()}
        now, at = self._clock.epoch(), self._clock.now()
        for fault in faults:
            if fault.device_no not in where or ledger.open(_fault_episode(fault)) is not None:
                continue  # one open alert says it; more of the same is in the store
            site, area, timezone, name = where[fault.device_no]
            routed = self._teams.route(self._db, rule.team, area, monotonic=self._clock.monotonic())
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
            )
            ledger.apply(lifecycle.raised(alert, now=at))

    def closed_since(self, event_no: int) -> tuple[Sequence[tuple[int, str]], int]:
        """Return persons and rules whose alerts people closed, and the last event seen."""
        with store_errors():
            row = self._db.execute(_LAST_EVENT).fetchone()
            last = int(row[0]) if row else 0
            if event_no < 0 or last <= event_no:
                return [], last
            found = self._db.execute(_CLOSED, [event_no, last]).fetchall()
        return found, last


def _episode(found: model.Finding) -> str:
    return f"person:{found.person_no}/{found.rule_id}"


def _fault_episode(fault: model.DeviceFault) -> str:
    return f"device:{fault.device_no}/{_FAULT_RULE}"


def _iso(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).isoformat().replace("+00:00", "Z")


def _evidence(found: model.Finding) -> model.Evidence:
    items = []
    for reading in found.evidence:
        q = vitals.BY_NO[reading.quantity]
        item: dict[str, Any] = {
            "code": q.name,
            "value": _shown(q, reading.value),
            "unit": q.unit,
            # what only the register says has no time of its own: that of the score stands in
            "time": _iso(reading.time if np.isfinite(reading.time) else found.at),
        }
        if reading.points is not None:
            item["points"] = reading.points
        items.append(item)
    return tuple(items)


def _shown(q: vitals.Quantity, value: float) -> object:
    if q.kind is vitals.ValueKind.BOOLEAN:
        return bool(value)
    return vitals.code_letter(q.no, value) or value


def _detail(found: model.Finding) -> dict[str, Any]:
    if found.score is None:
        return {"low": found.low, "high": found.high, "personal": found.personal}
    return {"score": found.score, "level": found.level, "partial": found.partial}


def _person(row: tuple[Any, ...]) -> Person:
    no, shard, scale2, on_oxygen, pregnant, born, limits = row
    birth = None if born is None else datetime(born.year, born.month, born.day, tzinfo=UTC)
    return Person(
        no=no,
        shard=shard,
        scale2=scale2,
        on_oxygen=on_oxygen,
        pregnant=pregnant,
        born=None if birth is None else birth.timestamp(),
        limits=limits if isinstance(limits, dict) else None,
    )


def _told(row: tuple[Any, ...]) -> Told:
    person_no, rule_id, severity, condition, evidence, at = row
    codes = {item.get("code") for item in evidence}
    bits = sum(1 << n for n, name in enumerate(early_warning.PARTS) if name in codes)
    active = condition == model.Condition.ACTIVE
    return Told(
        person_no=person_no,
        rule_id=rule_id,
        rank=model.Severity(severity).rank if active else 0,
        at=at or 0.0,
        measured=bits,
    )
