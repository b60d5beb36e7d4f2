"""The reference: a stock paho consumer that does nothing but acknowledge.

``python -m tests.benchmarks.consumer HOST PORT USER PASSWORD COUNT`` prints the seconds between
the first and the last of COUNT messages.
"""

from __future__ import annotations

import sys
import time

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion


def main() -> None:
    host, port, user, password, count = sys.argv[1:]
    wanted, seen, first = int(count), 0, 0.0

    def on_message(*_: object) -> None:
        nonlocal seen, first
        if seen == 0:
            first = time.perf_counter()
        seen += 1
        if seen == wanted:
            print(time.perf_counter() - first, flush=True)
            client.disconnect()

    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="bare-consumer")
    if user:
        client.username_pw_set(user, password)
    client.on_connect = lambda c, *_: c.subscribe("telecare/v1/+/+/obs", qos=1)
    client.on_subscribe = lambda *_: print("ready", flush=True)
    client.on_message = on_message
    client.connect(host, int(port))
    client.loop_forever()


if __name__ == "__main__":
    main()
