"""Composition root of a gateway process."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import threading
from contextlib import ExitStack

from prometheus_client import Gauge, start_http_server

from gateway import topics
from gateway.client import BrokerClient
from gateway.commands import CommandPump
from gateway.lane import Bounds, LaneSession
from gateway.replay import Replayer
from gateway.settings import BrokerAddress, GatewaySettings, broker_address
from gateway.slots import Session, SlotKeeper
from gateway.status import StatusSession
from ingest.batch import Lane
from ingest.kernel import ids
from ingest.kernel.clock import SystemClock
from ingest.kernel.errors import SettingsError, StoreUnavailableError
from ingest.pipeline import Pipeline
from ingest.ports import Position
from ingest.storage.device_cache import DeviceCache
from ingest.storage.devices import RegisteredDevices
from ingest.storage.notices import listen
from ingest.storage.outbox import PostgresOutbox
from ingest.storage.parts import PostgresParts
from ingest.storage.pool import open_pool
from ingest.storage.presence import PostgresPresence
from ingest.storage.quarantine import PostgresQuarantine
from ingest.storage.slots import PostgresSlots
from ingest.storage.stream import StreamWriters
from ingest.telemetry import REGISTRY, configure, logger
from ingest.validation import timing

_TICK_S = 1.0
_SESSION_EXPIRY_S = 7 * 86_400

LISTENING = Gauge("telecare_gateway_listening", "1 while every probe comes back", registry=REGISTRY)


def run(settings: GatewaySettings) -> int:
    """Serve until SIGTERM or SIGINT; 0 after an orderly stop, 2 where a setting is wrong."""
    configure("gateway", settings.log_level)
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    try:
        serve(settings, stop=stop)
    except SettingsError as error:
        print(f"telecare gateway: {error}", file=sys.stderr)
        return 2
    return 0


def serve(settings: GatewaySettings, *, stop: threading.Event) -> None:
    """Wire one gateway and keep it running until ``stop``; a crash of any part is raised."""
    clock = SystemClock()
    log = logger()
    url = settings.require_database()
    address = broker_address(settings.require_mqtt(), settings.mqtt_ca_file)
    holder = f"{os.uname().nodename}:{os.getpid()}"
    limits = timing.Limits(
        future_tolerance=settings.future_tolerance_s,
        late_after=settings.late_after_s,
        historical_after=settings.historical_after_s,
    )
    bounds = Bounds(
        messages=settings.gateway_receive_maximum,
        held_bytes=settings.gateway_held_bytes,
        batch_messages=settings.gateway_batch_messages,
        batch_bytes=settings.gateway_batch_bytes,
    )
    with ExitStack() as stack:
        if settings.gateway_metrics_port:
            server, _ = start_http_server(
                settings.gateway_metrics_port, addr="127.0.0.1", registry=REGISTRY
            )
            stack.callback(server.shutdown)
        pool = stack.enter_context(contextlib.closing(open_pool(url, name="gateway", most=6)))
        cache = DeviceCache(clock=clock)
        stores = StreamWriters(url, clock=clock, window=settings.hub_timed_window_s)

        def pipeline() -> Pipeline:
            devices = RegisteredDevices(pool=pool, cache=cache)
            return Pipeline(devices=devices, parts=PostgresParts(pool), limits=limits)

        def lane(position: Position, *, retiring: bool = False) -> LaneSession:
            stream: Lane = "event" if position[0] == "event" else "obs"
            return LaneSession(
                lane=stream,
                client=_client(address, settings, position),
                group=settings.gateway_group,
                pipeline=pipeline(),
                stores=stores,
                clock=clock,
                bounds=bounds,
                retiring=retiring,
            )

        def session(position: Position) -> Session:
            if position[0] == "status":
                store = PostgresPresence(pool)
                own = _client(address, settings, position)
                return StatusSession(client=own, store=store, clock=clock)
            return lane(position)

        keeper = SlotKeeper(
            open_slots=lambda: PostgresSlots.open(url, holder=holder),
            make=session,
            retire=lambda position: lane(position, retiring=True),
            positions=positions(settings),
            clock=clock,
        )
        replayer = Replayer(quarantine=PostgresQuarantine(pool), pipeline=pipeline(), stores=stores)
        answers = BrokerClient(
            address, client_id=f"telecare-{settings.gateway_group}-out-{ids.token(6)}"
        )  # fmt: skip
        pump = CommandPump(client=answers, open_outbox=lambda: PostgresOutbox.open(url))
        for part in (replayer, pump):
            part.start()
            stack.callback(part.join, 10.0)
            stack.callback(part.ask_stop)
        stack.callback(keeper.close)
        notices = threading.Thread(
            target=_follow, args=(url, cache, replayer, stop), name="notices", daemon=True
        )
        notices.start()
        _quieten_collector()
        log.info("The gateway is up", holder=holder)
        while not stop.is_set():
            keeper.tick()
            LISTENING.set(keeper.listening())
            for part in (replayer, pump):
                if part.crashed is not None:
                    raise part.crashed
            stop.wait(_TICK_S)
        log.info("The gateway stops")


def _client(address: BrokerAddress, settings: GatewaySettings, position: Position) -> BrokerClient:
    return BrokerClient(
        address,
        client_id=topics.client_id(settings.gateway_group, *position),
        receive_maximum=settings.gateway_receive_maximum,
        session_expiry_s=_SESSION_EXPIRY_S,
    )


def positions(settings: GatewaySettings) -> list[Position]:
    """Return the slots there are in all, emergencies first."""
    return [
        *(("event", n) for n in range(settings.gateway_event_slots)),
        *(("obs", n) for n in range(settings.gateway_obs_slots)),
        ("status", 0),
    ]


def _quieten_collector() -> None:
    """Let the cycle collector look seldom: it took a good part of the gateway's CPU under load.

    A message is thousands of small objects and no cycle; what is not in a cycle is freed at once.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)


def _follow(url: str, cache: DeviceCache, replayer: Replayer, stop: threading.Event) -> None:
    """Pass on the database's notices; while they can't be heard nothing is remembered for long."""
    while not stop.is_set():
        cache.forget()
        try:
            for channel in listen(url, ["ingest_register", "ingest_replay"], stop=stop):
                if channel == "ingest_register":
                    cache.forget()
                replayer.news()
        except StoreUnavailableError:
            stop.wait(1.0)
