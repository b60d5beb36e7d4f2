"""The load generator: many devices over a few connections, at a set rate or as fast as it goes."""

from __future__ import annotations

import contextlib
import selectors
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware_sim import bulk, registration, timing, transport, wire

_BATCH = 500
_TICK_S = 0.25
_WAKES_PER_S = 250
_GATHER_S = 0.001  # flat out, acknowledgements are let gather: reading them singly costs more
_MARK = b"#"  # stands in a template where digits are patched in
_MICRO = 1_000_000
_SINCE = datetime(2020, 1, 1, tzinfo=UTC)
_BORN = date(1950, 1, 1)
_QUANTITIES = (
    # a quantity, its unit, and its value with a mark per digit that varies: in the normal range
    # of adults at rest (NEWS2, RCP 2017: each scores 0), so that load alone raises no alert
    ("heart_rate", "/min", b"6#.###"),
    ("spo2", "%", b"97.###"),
    ("resp_rate", "/min", b"15.###"),
    ("systolic", "mm[Hg]", b"12#.###"),
    ("diastolic", "mm[Hg]", b"7#.###"),
    ("body_temperature", "Cel", b"36.###"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to publish."""

    site: str = "load"
    devices: int = 1000
    connections: int = 4
    rate: float | None = None  # messages/s over all connections; None: as fast as it goes
    seconds: float | None = None
    count: int | None = None
    pack: int = 1  # readings per message
    duplicates: float = 0.0  # percent of the messages that repeat an earlier one
    window: int = 1000  # unacknowledged messages per connection
    version: int = 4  # 4 is MQTT 3.1.1; 5 obeys the broker's receive maximum, often only 20


def device_name(number: int) -> str:
    """Return the name of the ``number``-th device, counted from 1."""
    return f"load-{number:06d}"


class Template:
    """The packet of one message, as an array in which digits are patched column by column."""

    def __init__(self, *, site: str, pack: int, version: int) -> None:
        records = [self._record(i, pack) for i in range(pack)]
        message = wire.Message(
            topic=wire.topic(site, "load-######", "obs"), payload=b"[" + b",".join(records) + b"]"
        )
        raw = bulk.publish_packet(message, 0, version=version)
        self.bytes: bulk.Bytes = np.frombuffer(raw, np.uint8)
        start = raw.index(wire.ROOT.encode())  # a length before it may look like a mark
        marks = start + np.flatnonzero(self.bytes[start:] == _MARK[0])
        self.device = marks[:6]  # device number
        self.packet_id = int(self.device[-1]) + 1 + len("/obs")
        self.times: list[NDArray[np.int64]] = []
        self.values: list[NDArray[np.int64]] = []
        at = 6
        for i in range(pack):
            width = _QUANTITIES[i % len(_QUANTITIES)][2].count(_MARK)
            self.values.append(marks[at : at + width])
            self.times.append(marks[at + width : at + width + 16])
            at += width + 16

    @staticmethod
    def _record(index: int, pack: int) -> bytes:
        name, unit, value = _QUANTITIES[index % len(_QUANTITIES) if pack > 1 else 0]
        head = f'{{"n":"{name}","u":"{unit}","v":'.encode()
        return head + value + b',"t":' + _MARK * 10 + b"." + _MARK * 6 + b"}"

    def fill(
        self, devices: NDArray[np.int64], micros: NDArray[np.int64], serial: NDArray[np.int64]
    ) -> bulk.Bytes:
        """Return one row of packet bytes per message, all but the packet ids.

        ``micros`` is the time of each message's first reading in microseconds; the following ones
        are a microsecond apart. ``serial`` varies the values.
        """
        rows = np.tile(self.bytes, (len(devices), 1))
        _digits(rows, self.device, devices)
        for i, (times, values) in enumerate(zip(self.times, self.values, strict=True)):
            _digits(rows, times[:10], (micros + i) // _MICRO)
            _digits(rows, times[10:], (micros + i) % _MICRO)
            _digits(rows, values, (serial + i) * 7919 % 10 ** len(values))
        return rows

    def number(self, rows: bulk.Bytes, ids: NDArray[np.int64]) -> None:
        """Write the packet ids."""
        rows[:, self.packet_id] = ids >> 8
        rows[:, self.packet_id + 1] = ids & 0xFF


_THREE = np.array([list(f"{n:03d}".encode()) for n in range(1000)], np.uint8)
"""The digits of 000 to 999: three columns are written at once."""


def _digits(rows: bulk.Bytes, columns: NDArray[np.int64], numbers: NDArray[np.int64]) -> None:
    """Write numbers in decimal into adjoining columns, or those around a decimal point."""
    left, end = numbers, len(columns)
    while end > 0:
        left, low = np.divmod(left, 1000)
        part = columns[max(end - 3, 0) : end]
        three = _THREE[low, 3 - len(part) :]
        if part[-1] - part[0] == len(part) - 1:
            rows[:, part[0] : part[-1] + 1] = three
        else:
            rows[:, part] = three
        end -= 3


class Generator:
    """Makes the messages of one connection's devices, each reading distinct."""

    def __init__(
        self, plan: Plan, template: Template, connection: int, rng: np.random.Generator
    ) -> None:
        self._template = template
        self._plan = plan
        self._rng = rng
        self._mine = np.arange(connection + 1, plan.devices + 1, plan.connections)
        self._made = 0
        self._last = 0  # microseconds of the newest reading
        self._kept: bulk.Bytes | None = None
        self.duplicates = 0

    def batch(self, count: int, now: float) -> bulk.Bytes:
        """Return ``count`` messages as rows of bytes, their times now and never twice."""
        first = max(int(now * _MICRO), self._last + 1)
        serial = np.arange(self._made, self._made + count)
        micros = first + np.arange(count) * self._plan.pack
        self._last = int(micros[-1]) + self._plan.pack
        self._made += count
        rows = self._template.fill(self._mine[serial % len(self._mine)], micros, serial)
        if self._plan.duplicates:
            self._repeat(rows)
        return rows

    def _repeat(self, rows: bulk.Bytes) -> None:
        """Overwrite some messages with earlier ones of this or the last batch."""
        again = np.flatnonzero(self._rng.random(len(rows)) * 100 < self._plan.duplicates)
        old = rows if self._kept is None else self._kept
        if self._kept is None:
            again = again[again > 0]
            rows[again] = rows[0]
        else:
            rows[again] = old[self._rng.integers(0, len(old), again.size)]
        self.duplicates += again.size
        self._kept = rows.copy()


def run(
    plan: Plan,
    broker: transport.Broker,
    *,
    progress: Callable[[int, int], None] | None = None,
    stopped: Callable[[], bool] = lambda: False,
    seed: int = 1,
) -> dict[str, Any]:
    """Publish as planned and return the report."""
    template = Template(site=plan.site, pack=plan.pack, version=plan.version)
    connections = min(plan.connections, plan.devices)
    with _pipes(plan, broker, connections) as (pipes, selector):
        makers = [
            Generator(plan, template, i, np.random.default_rng([seed, i]))
            for i in range(connections)
        ]
        started, cpu = time.monotonic(), time.process_time()
        pace = _Pace(plan, started)
        sent, shown = 0, started
        while pace.left(sent) and not stopped():
            moved = 0
            for pipe, maker in zip(pipes, makers, strict=True):
                allowed = pace.allowed(sent)
                count = min(pipe.room, _BATCH, allowed)
                # a few large batches cost less than many small ones
                if count > 0 and count >= min(allowed, _BATCH // 4, pipe.window):
                    rows = maker.batch(count, time.time())
                    template.number(rows, pipe.take_ids(count))
                    pipe.send(rows)
                    sent += count
                    moved += count
            if not moved and plan.rate is None:
                time.sleep(_GATHER_S)
            bulk.serve(pipes, selector, pace.pause(sent, moved))
            now = time.monotonic()
            if now - shown > _TICK_S:
                shown = now
                for pipe in pipes:
                    pipe.keep_alive()
                if progress:
                    progress(sent, sum(p.acked for p in pipes))
        sending = time.monotonic() - started
        _drain(pipes, selector)
        elapsed = time.monotonic() - started
        if progress:
            progress(sent, sum(p.acked for p in pipes))
        used = time.process_time() - cpu
        return _document(plan, pipes, makers, sent=sent, sending=sending, elapsed=elapsed, cpu=used)


class _Pace:
    """How much may be sent by when."""

    def __init__(self, plan: Plan, started: float) -> None:
        self._plan = plan
        self._started = started
        # a few messages at once: a wake-up for each would be what is measured
        self._quantum = max(1, round((plan.rate or 0) / _WAKES_PER_S))

    def left(self, sent: int) -> bool:
        plan = self._plan
        if plan.count is not None and sent >= plan.count:
            return False
        return plan.seconds is None or time.monotonic() - self._started < plan.seconds

    def allowed(self, sent: int) -> int:
        most = self._plan.count - sent if self._plan.count is not None else _BATCH
        if self._plan.rate is None:
            return most
        due = int((time.monotonic() - self._started) * self._plan.rate) + 1 - sent
        return min(most, due) if due >= min(self._quantum, most) else 0

    def pause(self, sent: int, moved: int) -> float:
        """Return how long to wait for the network: not at all while there is more to send."""
        if self._plan.rate is None or (not moved and self.allowed(sent) > 0):
            return 0.0 if moved else 0.05  # acknowledgements end the wait
        due = self._started + (sent + self._quantum) / self._plan.rate
        return min(max(due - time.monotonic(), 0.0), 0.05)


def _drain(pipes: list[bulk.Pipe], selector: selectors.BaseSelector, limit: float = 30.0) -> None:
    deadline = time.monotonic() + limit
    while any(p.in_flight or p.busy for p in pipes) and time.monotonic() < deadline:
        bulk.serve(pipes, selector, 0.1)


@contextlib.contextmanager
def _pipes(
    plan: Plan, broker: transport.Broker, connections: int
) -> Iterator[tuple[list[bulk.Pipe], selectors.BaseSelector]]:
    with contextlib.ExitStack() as stack:
        selector = selectors.DefaultSelector()
        stack.callback(selector.close)
        pipes = []
        for i in range(connections):
            name = f"load-{plan.site}-{time.time_ns() % 10**9:x}-{i}"
            pipe = bulk.Pipe(broker, name, version=plan.version, window=plan.window)
            stack.callback(pipe.close)
            selector.register(pipe.sock, selectors.EVENT_READ, pipe)
            pipes.append(pipe)
        yield pipes, selector


def _document(
    plan: Plan,
    pipes: list[bulk.Pipe],
    makers: list[Generator],
    *,
    sent: int,
    sending: float,
    elapsed: float,
    cpu: float,
) -> dict[str, Any]:
    waits, acked = bulk.Waits(), sum(p.acked for p in pipes)
    reasons: dict[str, int] = {}
    for pipe in pipes:
        waits.counts += pipe.waits.counts
        waits.longest = max(waits.longest, pipe.waits.longest)
        for code, count in pipe.reasons.items():
            reasons[f"0x{code:02x}"] = reasons.get(f"0x{code:02x}", 0) + count
    duplicates = sum(m.duplicates for m in makers)
    return {
        "sent": sent,
        "acked": acked,
        "lost": sent - acked,
        "duplicates": duplicates,
        "readings": sent * plan.pack,
        "distinct_readings": (sent - duplicates) * plan.pack,
        "seconds": round(elapsed, 3),
        "sent_per_s": round(sent / max(sending, 1e-9), 1),
        "acked_per_s": round(acked / max(elapsed, 1e-9), 1),
        "latency_ms": waits.document(),
        "puback_reasons": reasons,
        "cpu_s": round(cpu, 3),
        "site": plan.site,
        "devices": plan.devices,
        "connections": len(pipes),
        "pack": plan.pack,
        "mqtt": "5" if plan.version == 5 else "3.1.1",  # noqa: PLR2004 -- MQTT's own number
    }


def register(plan: Plan) -> dict[str, list[dict[str, Any]]]:
    """Return the registration of the load's devices: each worn by a person living alone."""
    numbers = range(1, plan.devices + 1)
    cadence = {name: timing.DAY for name, _, _ in _QUANTITIES}
    return {
        "areas": [{"id": "load", "name": "Load"}],
        "sites": [{"id": plan.site, "name": "Load", "area": "load", "timezone": "Europe/London"}],
        "homes": [{"id": f"{plan.site}-{n:06d}", "site": plan.site, "address": f"{n} Load Street"}
                  for n in numbers],
        "people": [{"id": f"{plan.site}-{n:06d}", "home": f"{plan.site}-{n:06d}",
                    "name": f"Load Person {n}", "nhs_number": registration.nhs_number(n - 1),
                    "born": _BORN} for n in numbers],
        "devices": [{"id": device_name(n), "site": plan.site, "kind": "monitor",
                     "model": "Load generator", "person": f"{plan.site}-{n:06d}", "from": _SINCE,
                     "cadence": cadence} for n in numbers],
    }  # fmt: skip
