"""Watching the alert stream as a nurse's screen does, and pressing pendants beside it."""

from __future__ import annotations

import copy
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion


class Watcher:
    """Reads the event stream on a thread and notes when each alert event came."""

    def __init__(self, client: httpx.Client) -> None:
        self.events: list[tuple[float, dict[str, Any]]] = []
        self._client = client
        self._stop = False
        self._live = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        assert self._live.wait(20), "the event stream did not begin"

    def stop(self) -> None:
        """Stop to watch; the thread ends with the next line."""
        self._stop = True

    def find(self, wanted: Callable[[dict[str, Any]], bool], timeout: float) -> float | None:
        """Return when (monotonic) the first event that is wanted came, None if it didn't."""
        deadline = time.monotonic() + timeout
        at = 0
        while time.monotonic() < deadline:
            while at < len(self.events):
                when, event = self.events[at]
                at += 1
                if wanted(event):
                    return when
            time.sleep(0.005)
        return None

    def _read(self) -> None:
        try:
            with self._client.stream("GET", "/alerts/stream", timeout=None) as answer:
                for line in answer.iter_lines():
                    self._live.set()
                    if line.startswith("data:"):
                        body = json.loads(line[5:])
                        if "kind" in body:
                            self.events.append((time.monotonic(), body))
                    if self._stop:
                        return
        except (httpx.TransportError, httpx.StreamError):
            return


class Pendant:
    """A pendant that is pressed once a person, from one connection with a device's account."""

    def __init__(self, host: str, port: int, user: str, password: str) -> None:
        self.receipts: dict[str, float] = {}
        self._root = user
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self._client.username_pw_set(user, password)
        self._ready = threading.Event()
        self._client.on_connect = lambda c, *_: c.subscribe(f"telecare/v1/{user}/receipt", qos=1)
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = self._heard
        self._client.connect(host, port)
        self._client.loop_start()
        assert self._ready.wait(20), "the pendant was not let in"

    def of(self, root: str) -> Pendant:
        """Return a pendant of another device on this connection, whose account may speak for it."""
        other = copy.copy(self)
        other._root = root
        return other

    def press(self, alarm_id: str, name: str = "sos") -> float:
        """Press it and return when (monotonic)."""
        pack = [{"n": name, "vb": True, "t": time.time(), "alarm_id": alarm_id}]
        pressed = time.monotonic()
        self._client.publish(f"telecare/v1/{self._root}/event", json.dumps(pack), qos=1)
        return pressed

    def publish(self, tail: str, pack: object) -> None:
        """Publish something else."""
        self._client.publish(f"telecare/v1/{self._root}/{tail}", json.dumps(pack), qos=1)

    def stop(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _heard(self, _c: object, _u: object, message: paho.MQTTMessage) -> None:
        body = json.loads(message.payload)
        self.receipts.setdefault(f"{body['alarm']}:{body['state']}", time.monotonic())


def presses(
    pendants: list[Pendant], watcher: Watcher, devices: list[str], *, every: float, timeout: float
) -> list[float]:
    """Press each pendant once and return the times from press to the stream. [s]

    ``devices`` are the devices' public ids. A press that is never seen is an infinite time.
    """
    pressed: dict[str, float] = {}
    for n, (pendant, device) in enumerate(zip(pendants, devices, strict=True)):
        pressed[device] = pendant.press(f"press-{n}-{time.time_ns()}")
        time.sleep(every)
    took = []
    for device, at in pressed.items():

        def of_device(event: dict[str, Any], device: str = device, at: float = at) -> bool:
            raised = event["kind"] in {"raised", "pressed_again"}
            return raised and event["alert"]["device"] == device

        seen = _after(watcher, of_device, at, timeout)
        took.append(float("inf") if seen is None else seen - at)
    return took


def _after(
    watcher: Watcher, wanted: Callable[[dict[str, Any]], bool], at: float, timeout: float
) -> float | None:
    deadline = time.monotonic() + timeout
    while True:
        for when, event in list(watcher.events):
            if when >= at and wanted(event):
                return when
        if time.monotonic() > deadline:
            return None
        time.sleep(0.01)


def percentile(values: list[float], share: float) -> float:
    """Return the nearest-rank percentile."""
    ordered = sorted(values)
    rank = max(0, min(len(ordered) - 1, round(share * len(ordered) + 0.5) - 1))
    return ordered[rank]
