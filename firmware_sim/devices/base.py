"""What all devices share: a connection, presence, a clock, commands and honest counting."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from firmware_sim import faults, households, physiology, report, scenarios, timing, transport, wire

_STATUS_EVERY = 6 * 3600.0  # docs/wire: at least daily
_FIRMWARE = "sim-1.0"
_BATTERY_PER_DAY = 0.2  # percent (unsourced)


class World(Protocol):
    """The story as a device sees it."""

    tally: report.Tally

    def now(self) -> float:
        """Return the present moment of the story, Unix seconds."""
        ...

    def story(self) -> float:
        """Return the present moment, seconds since the story began."""
        ...

    def real(self) -> float:
        """Return the world's time, which radio links and people live in."""
        ...

    def clock_time(self) -> float:
        """Return the time of day. [s]"""
        ...

    def after(self, delay: float, action: Callable[[], None]) -> None:
        """Call ``action`` after so many story seconds."""
        ...

    def after_real(self, delay: float, action: Callable[[], None]) -> None:
        """Call ``action`` after so many seconds of the world's time."""
        ...

    def household(self, home: str) -> households.Household:
        """Return the daily life of a home."""
        ...

    def body(self, person: str) -> physiology.Body:
        """Return a person's body."""
        ...

    def remember(self, device: str, pending: Sequence[Mapping[str, Any]]) -> None:
        """Keep a device's undelivered alarms over a restart."""
        ...

    def recall(self, device: str) -> Sequence[Mapping[str, Any]]:
        """Return the undelivered alarms of the last run."""
        ...

    def session(self) -> str:
        """Return a name for a new connection, never used before."""
        ...


class Device:
    """A device that does nothing but say that it is there. The kinds derive from it."""

    resolution = 1.0
    """Seconds to which the device's clock is written."""

    def __init__(
        self,
        *,
        spec: scenarios.DeviceSpec,
        world: World,
        rng: np.random.Generator,
        network: transport.Network,
        account: tuple[str, str] | None,
        trouble: Sequence[scenarios.Fault] = (),
    ) -> None:
        self.spec = spec
        self.world = world
        self.rng = rng
        self.clock = timing.DeviceClock(resolution=self.resolution)
        self.clock_set_at = world.now()
        self.silent = False  # switched on, connected, and saying nothing
        self.dead = False
        self._faults = faults.Faults(trouble, rng=rng.spawn(1)[0])
        self._faults.apply_clock(self.clock)
        self._battery = float(rng.uniform(60, 100))
        self._begun = world.story()
        self._session = world.session()
        self._asked: dict[bytes, tuple[float, Callable[[wire.Answer], None] | None]] = {}
        self._ask_number = 0
        self._done: dict[str, bytes] = {}  # command id -> the answer given
        self._sequence = 0
        root = wire.topic(spec.site, spec.id, "")
        self.link = network.link(
            client_id=f"{spec.site}.{spec.id}",
            account=account,
            topics=[root + tail for tail in ("cmd", "receipt", "reply/#")],
            owner=self,
        )

    # -- life --

    def begin(self) -> None:
        """Switch on."""
        if not self.sleepy:
            self.connect()
        self.started()
        self.world.after(_STATUS_EVERY, self._daily_status)

    def started(self) -> None:
        """Begin whatever the kind does."""

    @property
    def sleepy(self) -> bool:
        """Return whether the device is on the network only to speak."""
        return bool(self.spec.play.get("sleepy", False))

    def connect(self) -> None:
        """Connect, leaving a will that names this session."""
        if self.dead or self.link.up:
            return
        self._session = self.world.session()
        will = wire.status("offline", self._session)
        self.link.connect(will=self._message("status", will, retain=True))

    def sleep(self) -> None:
        """Leave the network on purpose until the next reading."""
        self._say_status("sleeping", then=self.link.disconnect)

    def drop(self) -> None:
        """Lose the connection without a word."""
        self.link.drop()

    def die(self) -> None:
        """Stop for good, as with an empty battery."""
        self.dead = True
        self.link.drop()

    def stop(self) -> None:
        """Shut down in order at the end of a run."""
        if not self.dead and self.link.up:
            self._say_status("offline")

    # -- speaking --

    def unique(self) -> str:
        """Return what makes an alarm of this moment different from all others of the device."""
        self._sequence += 1
        return f"{round(self.world.now() * 1000):x}-{self._sequence}"

    def time(self) -> float | int | None:
        """Return what the device writes as the time of a reading taken now."""
        return self.clock.show(self.world.now(), self.clock_set_at)

    def record(self, name: str, value: wire.Value, unit: str = "", **extra: Any) -> wire.Record:
        """Return a reading taken now."""
        time = self.time()
        if time is None:  # nothing else tells two packs without a time apart
            self._sequence += 1
            extra["seq"] = self._sequence
        return wire.Record(name=name, value=value, unit=unit, time=time, extra=extra)

    def observe(
        self,
        records: Sequence[wire.Record],
        *,
        stored: Callable[[wire.Answer], None] | None = None,
        imported: bool = False,
    ) -> None:
        """Publish measurements, through whatever is wrong with the device."""
        if self.dead or self.silent or not records:
            return
        base = None if any(r.time is None for r in records) else records[0].time
        pack = wire.fields(records, base_time=base)
        as_cbor = self.spec.play.get("encoding") == "cbor"
        encoded = wire.to_cbor(pack) if as_cbor else wire.to_json(pack)
        self.world.tally.observed(self.spec.key, records)
        kind = wire.SENML_CBOR if as_cbor else wire.SENML_JSON
        for copy in range(self._faults.copies()):
            message = self._message("obs", encoded, content_type=kind, imported=imported)
            if copy:
                self.world.tally.faults["duplicate"] += 1
            self.send(self._asking(message, stored))

    def _asking(
        self, message: wire.Message, stored: Callable[[wire.Answer], None] | None
    ) -> wire.Message:
        """Return the message with a response topic, unless the story's devices never ask."""
        if not self.spec.play.get("ask", True):
            return message
        self._ask_number += 1
        # unique over runs: an answer to the last run's may still be waiting for this device
        correlation = f"{self._session}.{self._ask_number}".encode()
        self._asked[correlation] = (self.world.real(), stored)
        return dataclasses.replace(
            message,
            response_topic=wire.topic(self.spec.site, self.spec.id, "reply/obs"),
            correlation=correlation,
        )

    def send(self, message: wire.Message, *, then: Callable[[], None] | None = None) -> None:
        """Publish, count it, and do what is to be done once the broker has it."""
        kind, tally = message.tail, self.world.tally
        tally.sent[kind] += 1

        def acked(taken: bool) -> None:
            (tally.acked if taken else tally.faults)[kind if taken else "denied by broker"] += 1
            if then is not None:
                then()

        self.link.publish(message, acked)

    def _message(
        self,
        tail: str,
        payload: bytes,
        *,
        retain: bool = False,
        content_type: str = "",
        imported: bool = False,
    ) -> wire.Message:
        return wire.Message(
            topic=wire.topic(self.spec.site, self.spec.id, tail),
            payload=payload,
            retain=retain,
            content_type=content_type,
            imported=imported,
        )

    def battery(self) -> float:
        """Return what is left in the battery. [%]"""
        days = (self.world.story() - self._begun) / timing.DAY
        return round(max(self._battery - days * _BATTERY_PER_DAY, 0.0), 1)

    def set_battery(self, percent: float) -> None:
        """Make the battery hold this much, and say so: as presence, and as a reading."""
        self._battery, self._begun = percent, self.world.story()
        self._say_status("online")
        if self.link.up:
            self.observe([self.record("battery", percent, "%")])

    def _say_status(self, state: str, *, then: Callable[[], None] | None = None) -> None:
        if self.silent or not self.link.up:
            return
        said = wire.status(
            state,
            self._session,
            at=self.time(),
            battery=self.battery(),
            rssi=float(self.rng.integers(-85, -45)),
            firmware=_FIRMWARE,
            cadence=self.spec.cadence,
        )
        self.send(self._message("status", said, retain=True), then=then)

    def _daily_status(self) -> None:
        if not self.dead:
            if not self.sleepy:
                self._say_status("online")
            self.world.after(_STATUS_EVERY, self._daily_status)

    # -- hearing --

    def connected(self) -> None:
        """Say that the device is there."""
        self._say_status("online")

    def disconnected(self) -> None:
        """Take note that the connection is gone; the next one is another session."""
        if not self.dead and self.link.wanted:
            self.connect()

    def heard(self, topic: str, payload: bytes, correlation: bytes) -> None:
        """Handle a message from the hub; what can't be read is counted and left."""
        if self.dead:
            return
        tail = topic.split("/", 4)[4]
        try:
            if tail == "receipt":
                receipt = wire.read_receipt(payload)
                self.world.tally.receipts[receipt.state] += 1
                self.receipt(receipt)
            elif tail == "cmd":
                self._command(wire.read_command(payload))
            elif tail.startswith("reply/"):
                self._answer(wire.read_answer(payload), correlation)
        except (json.JSONDecodeError, KeyError, TypeError, UnicodeDecodeError):
            self.world.tally.faults["unreadable from hub"] += 1

    def receipt(self, receipt: wire.Receipt) -> None:
        """Handle what became of an alarm."""

    def _answer(self, answer: wire.Answer, correlation: bytes) -> None:
        since, stored = self._asked.pop(correlation, (None, None))
        waited = None if since is None else (self.world.real() - since) * 1000
        self.world.tally.answered(answer, waited)
        if stored is not None:
            stored(answer)

    @property
    def unanswered(self) -> int:
        """Return how many messages the hub still owes an answer."""
        return len(self._asked)

    def _command(self, command: wire.Command) -> None:
        """Do what is asked once; the same id again is answered again."""
        said = self._done.get(command.id)
        if said is None:
            late = command.expires is not None and self.world.real() > command.expires
            ok, detail = (False, "expired") if late else self.do(command)
            self.world.tally.commands[command.do if ok else f"{command.do}: {detail}"] += 1
            said = self._done[command.id] = wire.command_answer(command.id, ok=ok, detail=detail)
        self.send(self._message("cmd/ack", said))

    def do(self, command: wire.Command) -> tuple[bool, str]:
        """Carry out a command, and return whether it went well and what to say of it."""
        if command.do == "identify":
            return True, "blinked"
        return False, f"a {self.spec.kind} does not know {command.do}"

    # -- what a story can do to it --

    def incident(self, do: str, args: Mapping[str, Any]) -> None:
        """Let something happen to the device."""
        match do:
            case "drop":
                self.drop()
                if "for" in args:
                    self.world.after(timing.seconds(args["for"]), self.connect)
            case "die":
                self.die()
            case "mute" | "unmute":
                self.silent = do == "mute"
            case "battery":
                self.set_battery(float(args["percent"]))
            case "say":
                said = self.record(str(args["name"]), args["value"], str(args.get("unit", "")))
                self.observe([said], imported=bool(args.get("imported", False)))
            case "tamper" | "mains":
                self.observe([self.record(do, bool(args.get("on", True)))])
            case "lose_clock" | "set_clock":
                self._turn_clock(do, args)
            case "garbage":
                self._babble()
            case _:
                raise ValueError(f"nothing called {do!r} can happen to a {self.spec.kind}")

    def _turn_clock(self, do: str, args: Mapping[str, Any]) -> None:
        if do == "lose_clock":
            self.clock.lose(self.world.now(), restarts_at=args.get("restarts_at"))
        else:
            self.clock.set()
            self.clock_set_at = self.world.now()

    def _babble(self) -> None:
        for label, message in faults.garbage(
            self.spec.site, self.spec.id, self.world.now(), rng=self.rng
        ):
            self.world.tally.faults[label] += 1
            self.send(message)
