"""A burst of alarms at a set rate, from one connection that speaks for a whole site.

``python -m tests.benchmarks.presses HOST PORT USER PASSWORD SITE DEVICES RATE SECONDS`` publishes
and prints how many were acknowledged by the broker, and in what time, as JSON.
"""

from __future__ import annotations

import json
import sys
import threading
import time

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

_TICK_S = 0.01


def run(
    host: str, port: int, user: str, password: str, *, site: str, devices: int, rate: float,
    seconds: float,
) -> dict[str, float]:  # fmt: skip
    """Publish one alarm after another, each device in its turn, each with an id of its own."""
    acknowledged, done = [0], threading.Event()
    wanted = int(rate * seconds)

    def on_publish(*_: object) -> None:
        acknowledged[0] += 1
        if acknowledged[0] == wanted:
            done.set()

    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
    client.username_pw_set(user, password)
    client.max_inflight_messages_set(1_000)
    client.max_queued_messages_set(0)
    client.on_publish = on_publish
    client.connect(host, port)
    client.loop_start()
    began = time.monotonic()
    for n in range(wanted):
        at = began + n / rate
        if (wait := at - time.monotonic()) > _TICK_S:
            time.sleep(wait)
        body = f'[{{"n":"sos","vb":true,"t":{time.time():.3f},"alarm_id":"b{n}"}}]'
        client.publish(f"telecare/v1/{site}/pendant-{n % devices}/event", body, qos=1)
    sent = time.monotonic() - began
    done.wait(120)
    took = time.monotonic() - began
    client.disconnect()
    client.loop_stop()
    return {"sent": wanted, "sent_s": sent, "acknowledged": acknowledged[0], "seconds": took}


if __name__ == "__main__":
    where, port_, user_, password_, site_, devices_, rate_, seconds_ = sys.argv[1:]
    print(json.dumps(run(where, int(port_), user_, password_, site=site_, devices=int(devices_),
                         rate=float(rate_), seconds=float(seconds_))))  # fmt: skip
