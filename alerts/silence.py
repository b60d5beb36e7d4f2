"""What was promised and did not come: judged by the receive clock, only while the hub listened.

A box that is silent is equipment; a box that talks while one of its streams is dead is equipment
too, and no longer called silent itself; a reading that a person was to take and didn't is that
person's; most of a site silent at once is one outage.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from alerts import model
from alerts.plan import WIDE
from alerts.rules import pack
from alerts.state.memory import Memory, taken_by_hand
from alerts.state.subjects import OFFLINE, ONLINE
from alerts.state.table import BoolArray, FloatArray, IntArray, any_of, places
from ingest.kernel import vitals
from ingest.kernel.observation import Quality, Rows

_NO_SIGN_OF_LIFE: Final = int(Quality.RETAINED | Quality.IMPORTED)
_DEVICE, _STREAM, _READING, _HELD = 1, 2, 3, 4
"""What a feed's silence was told as; held: the outage of its whole site speaks for it."""
_FEW: Final = 64
"""Looking through so many promises costs as much as finding those of one device."""
_NAMES: Final = {_DEVICE: "device", _STREAM: "stream", _READING: "reading"}


def heard(memory: Memory, rows: Rows, *, now: float) -> Iterator[model.Finding]:
    """Take in that devices sent something, whatever it was; tell which silences are over."""
    alive = (rows["flags"] & _NO_SIGN_OF_LIFE) == 0
    slot = memory.devices.rows(rows["device"])
    received, quantity = np.ascontiguousarray(rows["received"]), rows["quantity"].astype(np.int64)
    hit = alive & (slot >= 0)
    if not hit.all():
        slot, received, quantity = slot[hit], received[hit], quantity[hit]
    if not slot.size:
        return
    _latest(memory.devices.heard, slot, received)
    if not memory.feeds.count:
        return
    if quantity.min() < 0 or quantity.max() >= WIDE:
        quantity = np.where((quantity >= 0) & (quantity < WIDE), quantity, 0)
    feeds = memory.feeds.find(slot, quantity)
    there = places(feeds >= 0)
    feeds, received = feeds[there], received[there]
    _latest(memory.feeds.received, feeds, received)
    yield from back(memory, slot, feeds, now=now)
    memory.set_due(feeds)


def _latest(times: FloatArray, rows: IntArray, at: FloatArray) -> None:
    """Take in times of rows, which may be repeated; the latest counts."""
    if (at[1:] >= at[:-1]).all():  # as they come: of several the last one written stays
        times[rows] = np.maximum(times[rows], at)
    else:
        np.maximum.at(times, rows, at)


def back(
    memory: Memory, devices: IntArray, feeds: IntArray, *, now: float
) -> Iterator[model.Finding]:
    """Tell what is over because devices were heard, and of them these streams.

    A device that is heard in any way is not silent itself. Its other streams have as long as ever
    from now on, and are told as dead ones after that.
    """
    told = memory.feeds.told
    silent = _told_of(memory, devices)
    if not silent.size:  # nearly always
        return
    itself = np.isin(told[silent], (_DEVICE, _HELD))
    over = silent[itself | np.isin(silent, feeds)]
    kind = told[over].astype(np.int64)
    told[over] = 0
    memory.set_due(over, begin=now)
    over, kind = over[kind != _HELD], kind[kind != _HELD]
    still = places(told[: memory.feeds.count])
    whom = np.stack([kind, _subject_of(memory, over, kind)])
    for begin in np.sort(np.unique(whom, axis=1, return_index=True)[1]):
        same = (whom == whom[:, begin, None]).all(axis=0)
        yield from _over(memory, over[same], int(kind[begin]), still, now)


def _told_of(memory: Memory, devices: IntArray) -> IntArray:
    """Return the silences that were told of devices, which may be repeated, by the shorter way."""
    feeds = memory.feeds
    if feeds.count > _FEW * devices.size:
        mine = feeds.of(np.unique(devices))
        return np.asarray(mine[feeds.told[mine] != 0])
    silent = places(feeds.told[: feeds.count])
    return silent[np.isin(feeds.whose(silent), devices)]


def overdue(memory: Memory, *, now: float) -> Iterator[model.Finding]:
    """Return which promises have not been kept, and which sites are back."""
    yield from _sites_back(memory, now)
    due = memory.feeds.overdue(now)
    if not due.size:
        return
    memory.feeds.wait[due] = np.inf
    rules = memory.plan.silences
    kind = _kinds(memory, due)
    kept = np.isin(kind, [k for k, name in _NAMES.items() if name in rules])
    due, kind = due[kept], kind[kept]
    memory.feeds.told[due] = kind
    if "site" in rules:
        by_itself = kind != _READING
        device = memory.feeds.whose(due[by_itself])
        yield from _sites_down(memory, rules["site"], np.unique(memory.devices.site[device]), now)
        down = np.array(sorted(memory.sites_down), dtype=np.int64)
        held = by_itself & np.isin(memory.devices.site[memory.feeds.whose(due)], down)
        memory.feeds.told[due[held]] = _HELD
        due, kind = due[~held], kind[~held]
    for number in _NAMES:
        yield from _told(memory, due[kind == number], number, now)


def _kinds(memory: Memory, feeds: IntArray) -> IntArray:
    """Return what each overdue feed is a sign of."""
    device = memory.feeds.whose(feeds)
    taken = taken_by_hand(memory.feeds.column[feeds], memory.feeds.cadence[feeds])
    kind = np.where(_alive(memory, feeds), _STREAM, _DEVICE)
    # a cuff is off between readings: only one that vanished is called broken for it
    offline = memory.devices.state[device] == OFFLINE
    kind = np.where(taken & ~offline, _READING, kind)
    # a device that fell silent again after a word or two is silent itself, with all its streams
    told = memory.feeds.told[: memory.feeds.count]
    down = np.r_[device[kind == _DEVICE], memory.feeds.whose(places(told == _DEVICE))]
    return np.where((kind == _STREAM) & np.isin(device, down), _DEVICE, kind)


def _alive(memory: Memory, feeds: IntArray) -> BoolArray:
    """Tell for which overdue feeds the device itself has been heard since it should have sent."""
    device = memory.feeds.whose(feeds)
    since = memory.feeds.received[feeds] + memory.feeds.cadence[feeds]
    recent = (memory.devices.heard[device] > since) & (memory.devices.heard[device] > -np.inf)
    connected = memory.devices.state[device] == ONLINE
    return np.asarray((recent | connected) & (memory.devices.state[device] != OFFLINE))


def _sites_down(
    memory: Memory, rule: pack.SilenceRule, sites: IntArray, now: float
) -> Iterator[model.Finding]:
    """Tell of sites, in which something has just fallen silent, that most of them is."""
    quiet = _silent_of(memory, sites)
    for n in places(quiet >= max(rule.fewest, 1)).tolist():
        one, every = int(sites[n]), memory.senders(int(sites[n]))
        if one not in memory.sites_down and quiet[n] >= rule.share * every:
            memory.sites_down.add(one)
            said = f"{quiet[n]} of {every} devices that send by themselves are silent."
            yield _finding(rule, model.Outcome.RAISE, "site", one, now, said=said)


def _sites_back(memory: Memory, now: float) -> Iterator[model.Finding]:
    """Tell of sites that are back; what is still silent there is told device by device."""
    rule = memory.plan.silences.get("site")
    for one in sorted(memory.sites_down):
        quiet, every = int(_silent_of(memory, np.array([one]))[0]), memory.senders(one)
        if rule is None or quiet < rule.share * every:
            memory.sites_down.discard(one)
            n = memory.feeds.count
            held = places(memory.feeds.told[:n] == _HELD)
            mine = held[memory.devices.site[memory.feeds.whose(held)] == one]
            memory.feeds.told[mine], memory.feeds.wait[mine] = 0, 0.0  # at once
            if rule is not None:
                said = f"{every - quiet} of its {every} devices are heard again."
                yield _finding(rule, model.Outcome.CLEAR, "site", one, now, said=said)


def _silent_of(memory: Memory, sites: IntArray) -> IntArray:
    """Return how many devices of each site that send by themselves are silent."""
    feeds = memory.feeds
    told = places(feeds.told[: feeds.count])
    told = told[feeds.told[told] != _READING]
    told = told[~taken_by_hand(feeds.column[told], feeds.cadence[told])]
    site = np.sort(memory.devices.site[np.unique(feeds.whose(told))])
    return np.searchsorted(site, sites, "right") - np.searchsorted(site, sites, "left")


def _told(memory: Memory, feeds: IntArray, kind: int, now: float) -> Iterator[model.Finding]:
    rule = memory.plan.silences.get(_NAMES[kind])
    if rule is None or not feeds.size:
        return
    subject = _subject_of(memory, feeds, kind)
    others = np.setdiff1d(places(memory.feeds.told[: memory.feeds.count] == kind), feeds)
    known = _subject_of(memory, others, kind)
    same = np.isin(known, subject)
    others, known = others[same], known[same]
    order = np.lexsort((feeds, subject))
    feeds, subject = feeds[order], subject[order]
    begins = places(np.r_[True, subject[1:] != subject[:-1]])
    for mine, one in zip(np.split(feeds, begins[1:]), subject[begins], strict=True):
        before = others[known == one]
        every = np.sort(np.r_[before, mine])
        # one more stream of what is called silent already is no news, only more to show
        outcome = model.Outcome.REFRESH if before.size else model.Outcome.RAISE
        yield _silence(memory, rule, outcome, kind, every, now)


def _subject_of(memory: Memory, feeds: IntArray, kind: IntArray | int) -> IntArray:
    """Return whom silences are told of: a person's number, or the device's, negative."""
    device = memory.feeds.whose(feeds)
    person = memory.devices.person[device]
    return np.where((kind == _READING) & (person > 0), person, -memory.devices.no[device])


def _silence(
    memory: Memory, rule: pack.SilenceRule, outcome: model.Outcome, kind: int, feeds: IntArray,
    now: float,
) -> model.Finding:  # fmt: skip
    """Tell of one silence: of a device with its streams, of a stream, of a person's readings."""
    device = int(memory.feeds.whose(feeds[:1])[0])
    person = int(memory.devices.person[device])
    facts = tuple(_fact(memory, int(f), now) for f in feeds)
    subject = ("person", person) if kind == _READING and person else (
        "device", int(memory.devices.no[device])
    )  # fmt: skip
    return _finding(
        rule, outcome, *subject, now, facts=facts, person=person or None,
        home=int(memory.devices.home[device]) or None, device=int(memory.devices.no[device]),
    )  # fmt: skip


def _over(
    memory: Memory, feeds: IntArray, kind: int, still: IntArray, now: float
) -> Iterator[model.Finding]:
    """Tell that a silence of one subject is over, once nothing is left of it."""
    rule = memory.plan.silences.get(_NAMES[kind])
    if rule is None:
        return
    still = still[memory.feeds.told[still] == kind]
    if any_of(_subject_of(memory, still, kind) == _subject_of(memory, feeds[:1], kind)):
        return
    yield _silence(memory, rule, model.Outcome.CLEAR, kind, feeds, now)


def _fact(memory: Memory, feed: int, now: float) -> model.Fact:
    q = vitals.BY_NO[int(memory.feeds.column[feed])]
    received = float(memory.feeds.received[feed])
    return model.Fact(
        name=f"silent({q.name})",
        quantity=q.name,
        value=now - received if np.isfinite(received) else None,
        time=received if np.isfinite(received) else None,
        values=(float(memory.feeds.cadence[feed]),),
    )


def _finding(
    rule: pack.SilenceRule,
    outcome: model.Outcome,
    subject: str,
    no: int,
    now: float,
    *,
    facts: tuple[model.Fact, ...] = (),
    person: int | None = None,
    home: int | None = None,
    device: int | None = None,
    said: str = "",
) -> model.Finding:
    return model.Finding(
        outcome=outcome, subject=subject, subject_no=no, rule_id=rule.id,
        rule_version=rule.version, severity=rule.severity, title=rule.title, facts=facts, at=now,
        person_no=person, home_no=home, device_no=device, said=said,
    )  # fmt: skip


def forget(memory: Memory, kind: str, number: int, rule_id: str, *, now: float) -> None:
    """Forget that a silence was told, so that it is told again when it lasts."""
    feeds, which = _feeds_of(memory, kind, number, rule_id)
    if which is None:
        return
    mine = feeds[memory.feeds.told[feeds] == which]
    memory.feeds.told[mine] = 0
    # whoever closed it has looked: it is told again when the same time has passed once more
    rule = memory.plan.silences[_NAMES[which]]
    cadence = memory.feeds.cadence[mine].astype(np.float64)  # four bytes hold no instant
    memory.feeds.set_due(mine, now + np.maximum(rule.factor * cadence, rule.least_s))


def _feeds_of(memory: Memory, kind: str, number: int, rule_id: str) -> tuple[IntArray, int | None]:
    which = next(
        (k for k, name in _NAMES.items()
         if name in memory.plan.silences and memory.plan.silences[name].id == rule_id), None,
    )  # fmt: skip
    devices = memory.devices
    if kind == "person":
        slots = places(devices.person[: devices.count] == number)
    else:
        slots = devices.rows(np.array([number]))
    return memory.feeds.of(slots), which
