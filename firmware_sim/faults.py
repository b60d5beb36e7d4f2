"""What goes wrong in real homes: doubled messages, drifting clocks, and bytes that mean nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from firmware_sim import scenarios, timing, wire

_MEGABYTE = 1_000_000
_TOO_MANY = 10_000
_GPS_EPOCH = 315_964_800  # 1980-01-06: what many receivers show before their first fix
_YEAR_2100 = 4_102_444_800


class Faults:
    """The standing faults of one device."""

    def __init__(self, faults: Sequence[scenarios.Fault], *, rng: np.random.Generator) -> None:
        self._rng = rng
        self._doubled = 0.0
        self._most = 2
        self._drift = 0.0
        self._offset = 0.0
        for fault in faults:
            match fault.kind:
                case "duplicates":
                    self._doubled = float(fault.args["percent"]) / 100
                    self._most = int(fault.args.get("most", 2))
                case "drift":
                    self._drift = float(fault.args.get("seconds_per_day", 0))
                    self._offset = timing.seconds(fault.args.get("ahead", 0))
                    self._offset -= timing.seconds(fault.args.get("behind", 0))
                case _:
                    raise ValueError(f"no fault is called {fault.kind!r}")

    def apply_clock(self, clock: timing.DeviceClock) -> None:
        """Make a device's clock as wrong as it is."""
        clock.drift_per_day, clock.offset = self._drift, self._offset

    def copies(self) -> int:
        """Return how often the next message goes out."""
        if self._doubled and self._rng.random() < self._doubled:
            return int(self._rng.integers(2, self._most + 1))
        return 1


def garbage(
    site: str, device: str, now: float, *, rng: np.random.Generator
) -> Iterator[tuple[str, wire.Message]]:
    """Yield messages that no device should send, each with what it is called.

    Topics of a wrong shape come last: a broker that denies them may close the connection.
    """
    at = round(now)

    def obs(payload: bytes, content_type: str = "") -> wire.Message:
        return wire.Message(
            topic=wire.topic(site, device, "obs"), payload=payload, content_type=content_type
        )

    def pack(*records: dict[str, Any]) -> wire.Message:
        return obs(json.dumps(records).encode())

    def event(payload: bytes) -> wire.Message:
        return wire.Message(topic=wire.topic(site, device, "event"), payload=payload)

    good = {"n": "heart_rate", "u": "/min", "v": 71, "t": at - 5}
    yield "random bytes", obs(rng.bytes(200))
    yield "half a pack", obs(b'[{"n":"heart_rate","v":7')
    yield "no array", obs(b'{"n":"heart_rate","v":71}')
    yield "empty", obs(b"")
    yield "cbor that is none", obs(b"\x81\xbf\xff\xff", wire.SENML_CBOR)
    yield "unknown name", pack({"n": "blood_alcohol", "v": 0.3, "t": at}, good)
    yield "unit of another kind", pack({"n": "heart_rate", "u": "kg", "v": 72, "t": at - 1}, good)
    yield "not a number", obs(b'[{"n":"heart_rate","v":NaN,"t":%d}]' % at)
    yield "infinite", obs(wire.to_cbor([{"n": "spo2", "v": float("inf"), "t": at}]))
    yield "text for a number", pack({"n": "heart_rate", "vs": "seventy", "t": at - 2}, good)
    yield "no value", pack({"n": "heart_rate", "t": at - 3}, good)
    yield "NUL in text", pack({"n": "symptom.note", "vs": "a\x00b", "t": at})
    yield "NUL in a name", pack({"n": "heart\x00rate", "v": 70, "t": at})
    yield "year 1970", pack({"n": "heart_rate", "v": 69, "t": -at})
    yield "year 1980", pack({"n": "heart_rate", "v": 68, "t": _GPS_EPOCH})
    yield "year 2100", pack({"n": "heart_rate", "v": 67, "t": _YEAR_2100})
    yield "implausible", pack({"n": "heart_rate", "v": 400, "t": at - 4})
    yield "foreign urn", pack({"bn": "urn:dev:telecare:x:other:", "n": "spo2", "v": 97, "t": at})
    yield "one megabyte", pack({"n": "symptom.note", "vs": "x" * _MEGABYTE, "t": at})
    many = [{"n": "heart_rate", "v": 60 + i % 40, "t": at - i} for i in range(_TOO_MANY)]
    yield "10,000 records", pack(*many)
    yield (
        "status that is none",
        wire.Message(
            topic=wire.topic(site, device, "status"), payload=b'{"state":"dancing"}', retain=True
        ),
    )
    yield (
        "another dialect",
        wire.Message(
            topic=wire.topic(site, device, "via/zigbee2mqtt/0x1"), payload=b'{"occupancy":true}'
        ),
    )
    yield "alarm of 1970", event(_alarm(time=-at, alarm_id=f"g1-{at}"))
    yield "alarm of 2100", event(_alarm(time=_YEAR_2100, alarm_id=f"g2-{at}"))
    yield "unreadable alarm", event(b"\xff\xfesos" + str(at).encode())
    for tail in ("obs/extra", "OBS", "nothing"):
        yield (
            "wrong topic",
            wire.Message(topic=wire.topic(site, device, tail), payload=json.dumps([good]).encode()),
        )


def _alarm(*, time: float, alarm_id: str) -> bytes:
    return json.dumps([{"n": "sos", "vb": True, "t": time, "alarm_id": alarm_id}]).encode()
