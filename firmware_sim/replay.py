"""Publishes recorded packs: a few connections, many messages in flight, all acknowledged."""

from __future__ import annotations

import contextlib
import selectors
import time
import zlib
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from firmware_sim import bulk, tihm, timing, transport, wire

_PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How to replay."""

    end: int  # Unix seconds of the newest reading
    imported: bool = True
    speed: float | None = None  # None: as fast as it goes
    connections: int = 4
    window: int = 200
    answers: bool = False  # ask the hub, and wait until it has said that all is stored


class Hub:
    """What the hub answered."""

    def __init__(self) -> None:
        self.count = self.stored = 0
        self.refused: Counter[str] = Counter()

    def heard(self, _topic: str, payload: bytes, _correlation: bytes) -> None:
        """Take note of an answer."""
        answer = wire.read_answer(payload)
        self.count += 1
        self.stored += answer.stored
        self.refused.update(reason for _, reason in answer.refused)


def run(
    packs: Sequence[tihm.Pack],
    plan: Plan,
    broker: transport.Broker,
    *,
    credentials: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Publish the packs and return the report; with credentials each device has its account."""
    newest = max(p.last for p in packs)
    started = time.monotonic()
    hub = Hub()
    total = Counter(sent=0, acked=0, readings=0)
    reasons: Counter[int] = Counter()
    for lanes in _lanes(packs, plan, credentials):
        _publish(
            lanes, plan, broker, newest=newest, hub=hub, total=total, reasons=reasons,
            credentials=credentials, progress=progress,
        )  # fmt: skip
    return {
        "end": plan.end,
        "shift_s": plan.end - newest,
        "messages": total["sent"],
        "acked": total["acked"],
        "readings": total["readings"],
        "seconds": round(time.monotonic() - started, 3),
        "puback_reasons": {f"0x{code:02x}": n for code, n in sorted(reasons.items())},
        "answers": {"count": hub.count, "stored": hub.stored, "refused": dict(hub.refused)},
    }


Lanes = dict[str, deque[tihm.Pack]]


def _lanes(
    packs: Sequence[tihm.Pack], plan: Plan, credentials: Mapping[str, str] | None
) -> list[Lanes]:
    """Deal the packs to connections: by device, so that each device's stay in order.

    With accounts of their own all devices are connected at once when the replay keeps time, else
    a few at a time.
    """
    lanes: Lanes = {}
    for pack in packs:
        lane = (
            pack.device if credentials else str(zlib.crc32(pack.device.encode()) % plan.connections)
        )
        lanes.setdefault(lane, deque()).append(pack)
    if not credentials or plan.speed is not None:
        return [lanes]
    names = list(lanes)
    step = plan.connections
    return [{n: lanes[n] for n in names[i : i + step]} for i in range(0, len(names), step)]


def _publish(
    lanes: Lanes,
    plan: Plan,
    broker: transport.Broker,
    *,
    newest: int,
    hub: Hub,
    total: Counter[str],
    reasons: Counter[int],
    credentials: Mapping[str, str] | None,
    progress: Callable[[int, int], None] | None,
) -> None:
    with contextlib.ExitStack() as stack:
        selector = selectors.DefaultSelector()
        stack.callback(selector.close)
        pipes: dict[str, bulk.Pipe] = {}
        for lane in lanes:
            user = f"{tihm.SITE}/{lane}"
            account = (user, credentials[user]) if credentials else None
            name = f"replay-{lane}-{time.time_ns() % 10**9:x}"
            pipe = bulk.Pipe(
                broker, name, account=account, version=5, window=plan.window, heard=hub.heard
            )
            stack.callback(pipe.close)
            if plan.answers:
                pipe.subscribe(wire.topic(tihm.SITE, lane if credentials else "+", "reply/#"))
            selector.register(pipe.sock, selectors.EVENT_READ, pipe)
            pipes[lane] = pipe
        sender = _Sender(lanes, pipes, plan, newest=newest, total=total)
        before, answered = total["acked"], hub.count
        deadline = time.monotonic() + _PATIENCE_S
        while (
            sender.left
            or any(p.in_flight or p.busy for p in pipes.values())
            or (plan.answers and hub.count - answered < sender.sent)
        ):
            moved = sender.send_due()
            bulk.serve(list(pipes.values()), selector, 0.0 if moved else 0.05)
            total["acked"] = before + sum(p.acked for p in pipes.values())
            if moved or sender.left:
                deadline = time.monotonic() + _PATIENCE_S
            elif time.monotonic() > deadline:
                break
            for pipe in pipes.values():
                pipe.keep_alive()
            if progress:
                progress(total["sent"], total["acked"])
        for pipe in pipes.values():
            reasons.update(pipe.reasons)


class _Sender:
    """Sends what is due, as far as there is room."""

    def __init__(
        self,
        lanes: Lanes,
        pipes: Mapping[str, bulk.Pipe],
        plan: Plan,
        *,
        newest: int,
        total: Counter[str],
    ) -> None:
        self._lanes = lanes
        self._pipes = pipes
        self._plan = plan
        self._shift = plan.end - newest
        self._total = total
        first = min(lane[0].last for lane in lanes.values())
        self._clock = timing.StoryClock(started=time.time(), live_from=newest - first,
                                        speed=plan.speed or 1.0)  # fmt: skip
        self._first = first
        self.sent = 0

    @property
    def left(self) -> bool:
        """Return whether anything is still to be sent."""
        return any(self._lanes.values())

    def send_due(self) -> int:
        """Send what is due now and return how many messages that was."""
        moved = 0
        for name, lane in self._lanes.items():
            pipe = self._pipes[name]
            while lane and pipe.room > 0 and self._due(lane[0]):
                self._send(pipe, lane.popleft())
                moved += 1
        return moved

    def _due(self, pack: tihm.Pack) -> bool:
        if self._plan.speed is None:
            return True
        return pack.last - self._first <= self._clock.story(time.time())

    def _send(self, pipe: bulk.Pipe, pack: tihm.Pack) -> None:
        message = pack.message(self._shift, imported=self._plan.imported)
        if self._plan.answers:
            topic = wire.topic(tihm.SITE, pack.device, "reply/replay")
            number = str(self._total["sent"]).encode()
            message = replace(message, response_topic=topic, correlation=number)
        pipe.publish(message)
        self.sent += 1
        self._total["sent"] += 1
        self._total["readings"] += len(pack.rows)
