"""All that the rules remember, as one whole: who is here, what they sent, what was told of them."""

from __future__ import annotations

import io
import json
import math
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from alerts.plan import BATHROOMS, DOORS_OUT, EVERYBODY, FIRST_KEY, MARKS, WIDE, Plan
from alerts.state.activity import Activity
from alerts.state.series import Series
from alerts.state.subjects import (
    BANDS,
    STATES,
    Device,
    Devices,
    Feeds,
    Home,
    Homes,
    People,
    Person,
    States,
    Subjects,
)
from alerts.state.table import (
    ABSENT,
    BoolArray,
    Column,
    FloatArray,
    IntArray,
    Keyed,
    Paired,
    exact,
    places,
)
from alerts.state.table import renumbered as _renumbered
from ingest.kernel import localtime, vitals

VERSION: Final = 2
"""Of the layout of a checkpoint: what is of another version is not read."""
BY_HAND_S: Final = 4 * 3_600.0
"""From this cadence on a person's quantity is one that somebody has to measure. Unsourced. [s]"""


class Limits(Keyed):
    """Limits that care plans set for single people; NaN where a side is not set."""

    LOOK_UP = Paired
    COLUMNS: ClassVar = {
        "slot": Column("i4", ABSENT),
        "column": Column("u1", 0),
        "low": Column("f4", np.nan),
        "high": Column("f4", np.nan),
    }
    column: NDArray[np.uint8]
    low: NDArray[np.float32]
    high: NDArray[np.float32]


class Memory:
    """The state of the rules for the homes of some shards."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.zones = localtime.Zones()
        self.people, self.homes, self.devices = People(), Homes(), Devices()
        self.people.have_rules(len(plan.person))
        self.homes.have_rules(len(plan.home))
        self.devices.have_rules(len(plan.device))
        self.series = Series(self.dated)
        self.limits = Limits()
        self.home_states = States(held=plan.holds("home"))
        self.device_states = States(held=plan.holds("device"))
        self.feeds = Feeds()
        self.activity = Activity()
        self.open = {"person": self.people.open, "home": self.homes.open,
                     "device": self.devices.open}  # fmt: skip
        self.sites_down: set[int] = set()
        self._senders: dict[int, int] | None = None  # by site, counted when it is asked for
        self.heard_since = -np.inf  # the hub has been listening without a break since then
        self._key_of_part = np.full(1, ABSENT, dtype=np.int16)
        self.bathroom = np.zeros(1, dtype=bool)  # by part number
        self.door_out = np.ones(1, dtype=bool)
        self.part_names: dict[int, str] = {0: ""}

    @property
    def nbytes(self) -> int:
        """Return the memory of all tables. [B]"""
        tables = (self.people, self.homes, self.devices, self.series, self.limits,
                  self.home_states, self.device_states, self.feeds, self.activity,
                  *self.open.values())  # fmt: skip
        return sum(t.nbytes for t in tables)

    def subjects(self, kind: str) -> Subjects:
        """Return the table of one kind of subject."""
        return {"person": self.people, "home": self.homes, "device": self.devices}[kind]

    # -- rooms and questionnaire keys -----------------------------------------------------------

    def learn_parts(self, names: Mapping[int, str]) -> None:
        """Take in which part number is which room or questionnaire key."""
        self.part_names.update(names)
        size = max(self.part_names) + 1
        self._key_of_part = np.full(size, ABSENT, dtype=np.int16)
        self.bathroom, self.door_out = np.zeros(size, dtype=bool), np.zeros(size, dtype=bool)
        for no, name in self.part_names.items():
            key = name.rpartition("/")[2]
            self._key_of_part[no] = self.plan.keys.get(key, ABSENT)
            self.bathroom[no] = name in BATHROOMS
            self.door_out[no] = name in DOORS_OUT

    def knows_parts(self, parts: NDArray[np.integer]) -> bool:
        """Tell whether all these part numbers are known by name."""
        return not parts.size or all(int(p) in self.part_names for p in np.unique(parts))

    def known_part(self, part: NDArray[np.integer]) -> NDArray[np.integer]:
        """Return part numbers, 0 for those that are not known by name."""
        if part.size and int(part.max()) < self.door_out.size:
            return part
        return np.where(part < self.door_out.size, part, 0)

    def columns_of(self, quantity: IntArray, part: IntArray) -> IntArray:
        """Return the column of each reading of a person, ``ABSENT`` where no rule reads it."""
        inside = (quantity >= 0) & (quantity < FIRST_KEY)
        column = np.where(inside, quantity, 0)
        asked = quantity == vitals.SYMPTOM
        if asked.any():
            column = np.where(asked, self._key_of_part[self.known_part(part)], column)
        keep = inside & (column >= 0) & self.plan.kept[np.maximum(column, 0)]
        return np.where(keep, column, ABSENT)

    # -- the register ---------------------------------------------------------------------------

    def put_homes(self, homes: Sequence[Home]) -> None:
        """Add homes, or renew what the register says of those that are here."""
        if not homes:
            return
        slots, new = self.homes.meet([h.no for h in homes])
        self.homes.shard[slots] = [h.shard for h in homes]
        self.homes.zone[slots] = [self.zones.number(h.zone) for h in homes]
        self.homes.site[slots] = [h.site_no for h in homes]
        self.homes.residents[slots] = [min(len(h.people), 255) for h in homes]
        self.homes.only[slots] = [h.people[0] if len(h.people) == 1 else 0 for h in homes]
        self.homes.due[slots[new]] = -np.inf

    def put_people(self, people: Sequence[Person]) -> IntArray:
        """Add people, or renew what the register says of those who are here.

        Returns
        -------
        IntArray
            Slots of people rules for whom now read days that were not kept so far.
        """
        if not people:
            return np.zeros(0, dtype=np.int64)
        slots, _ = self.people.meet([p.no for p in people])
        table = self.people
        table.shard[slots] = [p.shard for p in people]
        table.home[slots] = [p.home_no for p in people]
        at_home = self.homes.rows(table.home[slots])
        table.zone[slots] = np.where(at_home >= 0, self.homes.zone[np.maximum(at_home, 0)], 0)
        if not self.zones.names:
            self.zones.number("UTC")
        table.scale2[slots] = [p.scale2 for p in people]
        table.oxygen[slots] = [p.on_oxygen for p in people]
        table.pregnant[slots] = [p.pregnant for p in people]
        table.band[slots] = [BANDS.index(p.band) if p.band in BANDS else 0 for p in people]
        table.marks[slots] = [sum(MARKS.get(c, 0) for c in p.conditions) for p in people]
        table.born[slots] = [-np.inf if p.born is None else p.born for p in people]
        self._put_limits(slots, people)
        self._mark_homes(at_home[at_home >= 0])
        begun = [slots[:0]]
        for column in places(self.plan.dated):
            rows = self.series.find(slots, int(column))
            asked = (rows >= 0) & self.dated(slots, np.full(slots.size, column))
            begun.append(slots[asked][self._begin_days(rows[asked])])
        return np.unique(np.concatenate(begun))

    def dated(self, slots: IntArray, columns: IntArray) -> BoolArray:
        """Tell of which people's quantities days are kept: some rule for that person reads them."""
        marks = self.people.marks[slots] | np.uint32(EVERYBODY)
        return np.asarray((self.plan.dated[columns] & marks) != 0)

    def date(self, slots: IntArray, columns: IntArray) -> IntArray:
        """Keep the days of these quantities of people; return who had none of them so far."""
        rows = self.series.meet(slots, columns)
        return np.unique(slots[self._begin_days(rows)])

    def _begin_days(self, rows: IntArray) -> BoolArray:
        """Keep the days of series; return which had none."""
        without = self.series.days[rows] < 0
        self.series.begin_days(rows[without])
        return np.asarray(without)

    def _mark_homes(self, homes: IntArray) -> None:
        """Say of homes what is said of anybody who lives there."""
        homes = np.unique(homes)
        if not homes.size:
            return
        n = self.people.count
        lives = self.homes.rows(self.people.home[:n])
        self.homes.marks[homes] = 0
        mine = np.isin(lives, homes)
        np.bitwise_or.at(self.homes.marks, lives[mine], self.people.marks[:n][mine])

    def _put_limits(self, slots: IntArray, people: Sequence[Person]) -> None:
        had = np.isin(self.limits.slot[: self.limits.count], slots)
        if had.any():
            self.limits.keep(places(~had))
        said: list[tuple[int, int, float, float]] = []
        for slot, one in zip(slots.tolist(), people, strict=True):
            for name, own in (one.limits or {}).items():  # only whose care plan sets limits
                q = vitals.BY_NAME.get(name)
                if q is not None and isinstance(own, Mapping):
                    low = _bound(own, "low", off=-math.inf)
                    high = _bound(own, "high", off=math.inf)
                    said.append((slot, q.no, low, high))
        if said:
            at = self.limits.add(len(said))
            columns = list(zip(*said, strict=True))
            for name, values in zip(("slot", "column", "low", "high"), columns, strict=True):
                getattr(self.limits, name)[at] = values
        if said or had.any():
            self.limits.reindex()

    def put_devices(self, devices: Sequence[Device]) -> None:
        """Add devices, or renew what the register says of those that are here."""
        self._senders = None
        if not devices:
            return
        slots, _ = self.devices.meet([d.no for d in devices])
        self.devices.shard[slots] = [d.shard for d in devices]
        self.devices.home[slots] = [d.home_no for d in devices]
        self.devices.person[slots] = [d.person_no for d in devices]
        self.devices.site[slots] = [d.site_no for d in devices]
        self.devices.state[slots] = [STATES.get(d.state, 0) for d in devices]
        wanted: dict[tuple[int, int], tuple[float, float]] = {}
        for slot, one in zip(slots.tolist(), devices, strict=True):
            for name, cadence in one.cadence.items():
                q = vitals.BY_NAME.get(name.partition(".")[0])
                if q is not None and _positive(cadence):
                    wanted[slot, q.no] = (float(cadence), one.since)
        self._put_feeds(slots, wanted)

    def _put_feeds(
        self, slots: IntArray, wanted: Mapping[tuple[int, int], tuple[float, float]]
    ) -> None:
        mine = self.feeds.of(np.unique(slots))
        pairs = zip(self.feeds.whose(mine).tolist(), self.feeds.column[mine].tolist(), strict=True)
        kept = [pair in wanted for pair in pairs]
        if mine.size and not all(kept):
            self.feeds.drop(mine[~np.array(kept)])
        if not wanted:
            return
        keys = np.array(sorted(wanted), dtype=np.int64)
        cadence, since = np.array([wanted[key] for key in sorted(wanted)]).T
        rows = self.feeds.find(keys[:, 0], keys[:, 1])
        new = rows < 0
        if new.any():
            self.feeds.promise(keys[new, 0], keys[new, 1], since[new])
            rows = self.feeds.find(keys[:, 0], keys[:, 1])
        changed = self.feeds.cadence[rows] != cadence.astype(np.float32)
        self.feeds.cadence[rows] = cadence
        self.set_due(rows[changed & (self.feeds.told[rows] == 0)])

    def set_due(self, feeds: IntArray, *, begin: float = -np.inf) -> None:
        """Say when feeds will be overdue: by the receive clock, and never before a grace.

        They have as long as ever from their last word on, and from ``begin``. [s, Unix]
        """
        if not feeds.size:
            return
        column = self.feeds.column[feeds]
        rule = self.plan.silences
        taken = taken_by_hand(column, self.feeds.cadence[feeds])
        cadence = self.feeds.cadence[feeds].astype(np.float64)
        span = np.full(feeds.size, np.inf)
        for mine, name in ((taken, "reading"), (~taken, "device")):
            if name in rule:
                wait = np.maximum(rule[name].factor * cadence, rule[name].least_s)
                span = np.where(mine, wait, span)
        due = np.maximum(self.feeds.received[feeds], begin) + span
        if np.isfinite(self.heard_since):  # a grace of one cadence after the hub was deaf
            late = self.feeds.received[feeds] < self.heard_since
            due = np.where(late, np.maximum(due, self.heard_since + cadence), due)
        self.feeds.set_due(feeds, due)

    def senders(self, site: int) -> int:
        """Return how many devices of a site send by themselves, whatever a person does."""
        if self._senders is None:
            n = self.feeds.count
            sends = np.zeros(self.devices.count, dtype=bool)
            by_itself = ~taken_by_hand(self.feeds.column[:n], self.feeds.cadence[:n])
            sends[self.feeds.pairs()[0][by_itself]] = True
            sites, counts = np.unique(
                self.devices.site[: self.devices.count][sends], return_counts=True
            )
            self._senders = dict(zip(sites.tolist(), counts.tolist(), strict=True))
        return self._senders.get(site, 0)

    def gone(self, kind: str, numbers: IntArray) -> None:
        """Drop subjects that the register has no longer."""
        table = self.subjects(kind)
        keep = places(~np.isin(table.no[: table.count], numbers))
        if keep.size < table.count:
            self._keep({name: keep if name == kind else None for name in self.open})

    # -- limits ---------------------------------------------------------------------------------

    def limit(self, slots: IntArray, column: int) -> tuple[FloatArray, FloatArray, IntArray]:
        """Return people's limits of a quantity, and from where each person's come.

        Returns
        -------
        tuple[FloatArray, FloatArray, IntArray]
            Lower and upper limit, infinite where there is none; 0 default, 1 risk band, plus 2
            where the lower and plus 4 where the upper one is the care plan's; shape (n,) each.
        """
        low, high = np.full(slots.size, -np.inf), np.full(slots.size, np.inf)
        origin = np.zeros(slots.size, dtype=np.int64)
        for one in self.plan.limits.get(column, ()):
            marks = sum(MARKS[name] for name in one.conditions)
            fit = (self.people.marks[slots] & marks) != 0 if marks else np.ones(slots.size, bool)
            if one.low is not None:
                low = np.where(fit, one.low, low)
            if one.high is not None:
                high = np.where(fit, one.high, high)
            if one.low_scale2 is not None:
                low = np.where(fit & self.people.scale2[slots], one.low_scale2, low)
            for band, (least, most) in one.bands.items():
                mine = fit & (self.people.band[slots] == BANDS.index(band))
                origin = np.where(mine, 1, origin)
                low = low if least is None else np.where(mine, least, low)
                high = high if most is None else np.where(mine, most, high)
        if self.limits.count:
            rows = self.limits.find(slots, column)
            there = rows >= 0
            own = exact(self.limits.low[np.maximum(rows, 0)])
            said = there & ~np.isnan(own)
            low, origin = np.where(said, own, low), origin | np.where(said, 2, 0)
            own = exact(self.limits.high[np.maximum(rows, 0)])
            said = there & ~np.isnan(own)
            high, origin = np.where(said, own, high), origin | np.where(said, 4, 0)
        return low, high, origin

    # -- growing and shrinking ------------------------------------------------------------------

    def forget(self, shards: Sequence[int]) -> None:
        """Drop everything of the given shards and close the gaps."""
        gone = list(shards)
        self._keep({
            kind: places(~np.isin(t.shard[: t.count], gone))
            for kind, t in ((k, self.subjects(k)) for k in self.open)
        })  # fmt: skip

    def _keep(self, kept: Mapping[str, IntArray | None]) -> None:
        self._senders = None
        maps: dict[str, IntArray] = {}
        for kind, keep in kept.items():
            table = self.subjects(kind)
            if keep is not None:
                maps[kind] = _renumbered(keep, table.count)
                table.forget(keep)
        for kind, new_slot in maps.items():
            self.open[kind].forget(new_slot)
        if "person" in maps:
            self.series.forget(maps["person"])
            self.limits.forget(maps["person"])
        if "home" in maps:
            self.home_states.forget(maps["home"])
            self._pack_activity()
        if "device" in maps:
            self.device_states.forget(maps["device"])
            self.feeds.forget(maps["device"])

    def _pack_activity(self) -> None:
        n = self.homes.count
        used = self.homes.activity[:n] >= 0
        rows = self.homes.activity[:n][used].astype(np.int64)
        self.activity.keep(rows)
        self.homes.activity[places(used)] = np.arange(rows.size)

    # -- checkpoints ----------------------------------------------------------------------------

    def dump(self, shard: int, *, packs: str) -> bytes:
        """Return everything of one shard as bytes; ``packs`` names the rules it belongs to."""
        parts: dict[str, NDArray[Any]] = {}

        def put(name: str, columns: Mapping[str, NDArray[Any]]) -> None:
            parts.update({f"{name}.{c}": a for c, a in columns.items()})

        for kind in self.open:
            table = self.subjects(kind)
            slots = places(table.shard[: table.count] == shard)
            put(kind, {c: a for c, a in table.dump(slots).items() if c != "busy"})
            shipped = len(self.plan.of(kind))  # what care plans add comes from the store
            put(f"{kind}.open", _of(self.open[kind], slots, table, below=shipped))
            if kind == "person":
                put("series", _of(self.series, slots, table))
                mine = places(np.isin(self.series.pairs()[0], slots))
                days = self.series.days[mine]
                put("days", self.series.by_day.dump(days[days >= 0].astype(np.int64)))
                put("limits", _of(self.limits, slots, table))
            if kind == "home":
                put("home_states", _of(self.home_states, slots, table))
                rows = self.homes.activity[slots]
                put("activity", self.activity.dump(rows[rows >= 0].astype(np.int64)))
            if kind == "device":
                put("device_states", _of(self.device_states, slots, table))
                put("feeds", _of(self.feeds, slots, table))
        head = {"version": VERSION, "packs": packs, "zones": self.zones.names,
                "keys": self.plan.keys, "heard_since": self.heard_since,
                "sites_down": self._sites_down_of(shard)}  # fmt: skip
        out = io.BytesIO()
        parts["head"] = np.frombuffer(json.dumps(head).encode(), dtype=np.uint8)
        np.savez(out, **parts)  # type: ignore[arg-type]  # numpy's stub takes names for flags
        return zlib.compress(out.getvalue(), 1)

    def _sites_down_of(self, shard: int) -> list[int]:
        n = self.devices.count
        here = np.unique(self.devices.site[:n][self.devices.shard[:n] == shard])
        return sorted(self.sites_down.intersection(here.tolist()))

    def load(self, data: bytes, *, packs: str) -> bool:
        """Take in a dumped shard of which nobody is here; False where it is of another kind."""
        try:
            with np.load(io.BytesIO(zlib.decompress(data)), allow_pickle=False) as file:
                parts = {name: file[name] for name in file.files}
            head = json.loads(bytes(parts.pop("head")))
        except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error, KeyError):
            return False
        if (
            head.get("version") != VERSION
            or head["packs"] != packs
            or head["keys"] != self.plan.keys
        ):
            return False

        def of(name: str) -> dict[str, NDArray[Any]]:
            return {k.removeprefix(f"{name}."): v for k, v in parts.items()
                    if k.rpartition(".")[0] == name}  # fmt: skip

        zones = np.array([self.zones.number(z) for z in head["zones"]] or [0], dtype=np.uint8)
        for kind in ("home", "person", "device"):
            self._load_subjects(kind, of(kind), zones)
            if kind == "home":
                self.activity.extend(of("activity"))
            self.subjects(kind).phase.recall(self._take(self.open[kind], kind, of(f"{kind}.open")))
        rows = self._take(self.series, "person", of("series"))
        self.series.take_days(rows, of("days"))
        self._take(self.limits, "person", of("limits"))
        self._take(self.home_states, "home", of("home_states"))
        self._take(self.device_states, "device", of("device_states"))
        self._take(self.feeds, "device", of("feeds"))
        self.heard_since = max(self.heard_since, head["heard_since"])
        self._senders = None
        self.sites_down.update(head["sites_down"])
        return True

    def _load_subjects(
        self, kind: str, columns: dict[str, NDArray[Any]], zones: NDArray[np.uint8]
    ) -> None:
        table = self.subjects(kind)
        if "zone" in columns:
            columns["zone"] = zones[columns["zone"]]
        if kind == "home":
            moving = places(columns["activity"] >= 0)
        busy = np.zeros((len(columns["no"]), *table.columns["busy"].shape), dtype=np.uint8)
        rows = table.extend({**columns, "busy": busy})
        table.numbers.put(columns["no"], rows)
        if kind == "home":
            self.homes.activity[rows[moving]] = self.activity.count + np.arange(moving.size)

    def _take(self, table: Keyed, kind: str, columns: dict[str, NDArray[Any]]) -> IntArray:
        slots = self.subjects(kind).rows(columns.pop("slot_no"))
        return table.take(columns, slots)


def taken_by_hand(column: NDArray[np.integer], cadence: NDArray[np.floating]) -> BoolArray:
    """Tell which feeds need a person to do something, from quantity and cadence.

    A quantity of a person that is promised no more often than `BY_HAND_S`.
    """
    return np.asarray(_BY_HAND[column] & (cadence >= BY_HAND_S))


_BY_HAND = np.zeros(WIDE, dtype=bool)
for _q in vitals.QUANTITIES:
    _BY_HAND[_q.no] = not _q.place and _q.name not in (
        "battery",
        "mains",
        "steps",
        "skin_temperature",
    )


def _of(
    table: Keyed, slots: IntArray, subjects: Subjects, *, below: int | None = None
) -> dict[str, NDArray[Any]]:
    """Return the rows of a table that belong to subjects, with their numbers instead of slots."""
    slot, small = table.pairs()
    mine = np.isin(slot, slots)
    if below is not None:
        mine &= small < below
    rows = places(mine)
    columns: dict[str, NDArray[Any]] = table.dump(rows)
    columns.pop("slot", None)
    columns["slot_no"], columns[table.SMALL] = subjects.no[slot[rows]], small[rows].astype(np.uint8)
    return columns


def _bound(own: Mapping[str, Any], key: str, *, off: float) -> float:
    """Return a personal bound: null switches the default off, what is no number leaves it."""
    if key not in own:
        return math.nan
    value = own[key]
    if value is None:
        return off
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if good else math.nan


def _positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf
