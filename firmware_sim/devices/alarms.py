"""Devices that call for help: an alarm is repeated, unchanged, until its receipt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from firmware_sim import wire
from firmware_sim.devices import base

FIRST_REPEAT_S = 10.0
SLOWEST_REPEAT_S = 60.0
"""docs/wire, Alarms: after 10 s, 20 s, 40 s, then every 60 s."""


@dataclass(slots=True, kw_only=True)
class Pending:
    """An alarm that nobody has confirmed yet."""

    record: wire.Record
    first: float  # the world's time of its first publication
    wait: float = FIRST_REPEAT_S

    def row(self) -> dict[str, Any]:
        """Return what has to survive a restart."""
        r = self.record
        return {"name": r.name, "value": r.value, "time": r.time, "alarm_id": r.alarm_id}


class AlarmDevice(base.Device):
    """A device with a button or a sensor whose news must not be lost."""

    resolution = 0.001

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.pending: dict[str, Pending] = {}
        self._last: dict[str, str] = {}  # name -> alarm id, for a cancel

    def started(self) -> None:
        """Take up what the last run could not deliver."""
        for row in self.world.recall(self.spec.key):
            record = wire.Record(**row)
            self.pending[record.alarm_id] = Pending(record=record, first=self.world.real())

    def connected(self) -> None:
        """Say that the device is there, then everything that is still unconfirmed."""
        super().connected()
        for alarm_id in tuple(self.pending):
            self._publish(alarm_id, repeat=True)

    def alarm(self, name: str) -> str:
        """Raise an alarm now and keep at it until the hub has it."""
        alarm_id = self.unique()
        record = wire.Record(name=name, value=True, time=self.time(), alarm_id=alarm_id)
        self.pending[alarm_id] = Pending(record=record, first=self.world.real())
        self._last[name] = alarm_id
        self.world.tally.alarms["raised"] += 1
        self._keep()
        self._publish(alarm_id, repeat=False)
        self.world.after_real(FIRST_REPEAT_S, lambda: self._repeat(alarm_id))
        return alarm_id

    def cancel(self, name: str) -> None:
        """Tell that the last alarm of this name was cancelled at the device."""
        alarm_id = self._last.get(name)
        if alarm_id is None:
            return
        self.world.tally.alarms["cancelled"] += 1
        record = wire.Record(name=name, value=False, time=self.time(), alarm_id=alarm_id)
        self._event(record)

    def receipt(self, receipt: wire.Receipt) -> None:
        """Stop repeating: any state says that the hub has it."""
        pending = self.pending.pop(receipt.alarm, None)
        if pending is not None:
            self.world.tally.receipt_ms.append((self.world.real() - pending.first) * 1000)
            self._keep()

    def _repeat(self, alarm_id: str) -> None:
        pending = self.pending.get(alarm_id)
        if pending is None or self.dead:
            return
        self._publish(alarm_id, repeat=True)
        pending.wait = min(pending.wait * 2, SLOWEST_REPEAT_S)
        self.world.after_real(pending.wait, lambda: self._repeat(alarm_id))

    def _publish(self, alarm_id: str, *, repeat: bool) -> None:
        if not self.link.up:
            return  # it goes out as soon as the connection stands
        if repeat:
            self.world.tally.alarms["repeats"] += 1
        self._event(self.pending[alarm_id].record)

    def _event(self, record: wire.Record) -> None:
        if self.dead or self.silent:
            return
        payload = wire.to_json(wire.fields([record]))
        self.send(self._message("event", payload, content_type=wire.SENML_JSON))

    def _keep(self) -> None:
        self.world.remember(self.spec.key, [p.row() for p in self.pending.values()])

    def place(self, name: str) -> str:
        """Return the name with the device's place before it, if it has one."""
        place = self.spec.play.get("place", "")
        return f"{place}/{name}" if place else name

    def incident(self, do: str, args: Mapping[str, Any]) -> None:
        """Let something happen to the device, or make it say the alarm it is named after."""
        if do == "cancel":
            for name in tuple(self._last):
                self.cancel(name)
        else:
            super().incident(do, args)
