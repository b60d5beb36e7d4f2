"""Composition root of the alerts role: the only place where its parts meet."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import numpy as np
from prometheus_client import start_http_server

from alerts import outside, plan, ports, reader, scheduler, watch, watchdog
from alerts.delivery import configured, health
from alerts.delivery.dispatch import Composer, Dispatcher, Pace
from alerts.delivery.links import Links
from alerts.policies import responses
from alerts.rules import pack, registry
from alerts.settings import AlertsSettings
from alerts.storage.alarms import AlarmLog
from alerts.storage.deliveries import Deliveries
from alerts.storage.measures import Measures
from alerts.storage.readings import ReadingLog
from alerts.storage.roots import Roots
from alerts.storage.rotas import Rotas
from alerts.storage.routing import Router
from alerts.storage.selfcheck import SelfCheck
from alerts.storage.signals import Signals
from alerts.storage.steps import Steps
from alerts.storage.test_calls import MonthlyTests
from alerts.storage.upkeep import Upkeep
from alerts.storage.wards import Wards
from ingest import telemetry
from ingest.kernel.clock import Clock, SystemClock
from ingest.storage.pool import Pool, open_pool
from ingest.storage.vault import Vault

_SWITCH_S = 0.0005
"""How long a thread may keep the interpreter: an alarm must not wait behind readings."""


class _Seen:
    """Jobs of a ticker that are written down when they have run: what always fails shows."""

    def __init__(self, ticker: scheduler.Ticker, check: SelfCheck) -> None:
        self._ticker, self._check = ticker, check
        self.periods: dict[str, float] = {}

    def every(
        self, seconds: float, job: Callable[[], object], *, name: str, at_start: bool = False
    ) -> None:
        """Call a job every so often."""

        def work() -> None:
            job()
            self._check.beat(name)

        self.periods[name] = seconds
        self._ticker.every(seconds, work, name=name, at_start=at_start)


class Alerts:
    """The running role: threads, the ticker, and what ended them."""

    def __init__(self, settings: AlertsSettings, *, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._stop = threading.Event()
        self._crash: BaseException | None = None
        self._say = telemetry.logger()
        self._answers = responses.load(settings.alerts_policies_dir)

    def stop(self) -> None:
        """Ask everything to end after what it is doing."""
        self._stop.set()

    def run(self) -> int:
        """Work until stopped; return 0, or 1 when a part crashed (the supervisor starts anew)."""
        s = self._settings
        packs = registry.load(s.alerts_packs_dir, shadow=s.shadow_packs)
        url = s.require_database()
        with ExitStack() as stack:
            if s.alerts_metrics_port is not None:
                server, thread = start_http_server(
                    s.alerts_metrics_port, addr="127.0.0.1", registry=telemetry.REGISTRY
                )
                stack.callback(thread.join)
                stack.callback(server.server_close)
                stack.callback(server.shutdown)
            pool = open_pool(url, name="alerts upkeep", most=5)
            stack.callback(pool.close)
            upkeep = Upkeep(
                pool,
                rules=packs.rules,
                keep_log_days=s.keep_log_days,
                keep_readings_days=s.keep_readings_days,
                keep_quarantine_days=s.keep_quarantine_days,
                hub_timed_window_s=s.hub_timed_window_s,
                clock=self._clock,
                answers=self._answers,
                policies=s.alerts_policies_dir,
            )
            roots, check, tests = self._roots(pool), self._selfcheck(pool), self._tests(pool)
            counts, stays = Measures(pool), Wards(pool)
            pool = open_pool(url, name="alerts steps", most=2)
            stack.callback(pool.close)
            router = Router(
                age_s=s.alerts_teams_age_s, clock=self._clock, policies=s.alerts_policies_dir
            )
            steps = Steps(pool, router=router, answers=self._answers)
            # what a crash forgets of it is sent again with the same key
            pool = open_pool(url, name="alerts delivery", most=8, durable=False)
            stack.callback(pool.close)
            deliveries = Deliveries(pool)
            rotas = Rotas(pool, clock=self._clock)
            ticker = scheduler.Ticker(clock=self._clock)
            seen = _Seen(ticker, check)
            self._tick(ticker, seen, upkeep, steps, roots, check, tests)
            often = seen.every
            often(s.alerts_rotas_every_s, lambda: self._rotas(upkeep, rotas), name="rotas")
            often(
                s.alerts_health_every_s, lambda: self._channels(upkeep, deliveries), name="channels"
            )
            often(s.alerts_wards_every_s, self._wards(stays), name="wards", at_start=True)
            often(
                s.alerts_person_days_every_s, lambda: counts.count_today(now=self._clock.now()),
                name="person_days", at_start=True,
            )  # fmt: skip
            loops = [
                self._alarm_loop(url, packs).run,
                self._reading_loop(url, packs).run,
                self._dispatcher(url, deliveries).run,
            ]
            threads = [threading.Thread(target=self._guarded, args=[loop]) for loop in loops]
            for thread in threads:
                thread.start()
                stack.callback(thread.join)
            stack.callback(self._stop.set)
            ticker.start()
            stack.callback(ticker.stop)
            self._say.info("Alerts are being judged", rules=len(packs.rules))
            self._stop.wait()
        if self._crash is not None:
            self._say.error("A part of the alerts role crashed", exc_info=self._crash)
            return 1
        self._say.info("Alerts stopped in order")
        return 0

    def _alarm_loop(self, url: str, packs: registry.Registry) -> reader.AlarmLoop:
        s = self._settings
        return reader.AlarmLoop(
            log=lambda: AlarmLog.open(
                url,
                rules=packs.of(pack.AlarmRule),
                late_after_s=s.late_after_s,
                teams_age_s=s.alerts_teams_age_s,
                policies=s.alerts_policies_dir,
                clock=self._clock,
                answers=self._answers,
            ),
            signals=lambda: Signals.open(url, "ingest_alarm", "ingest_register"),
            tick_s=s.alerts_tick_s,
            clock=self._clock,
            rng=np.random.default_rng(),
        )

    def _reading_loop(self, url: str, packs: registry.Registry) -> reader.ReadingLoop:
        s = self._settings
        return reader.ReadingLoop(
            log=lambda: ReadingLog.open(
                url,
                rules=packs.rules,
                round_rows=s.alerts_round_rows,
                repage_s=s.alerts_repage_s,
                implausible=(s.alerts_implausible_count, s.alerts_implausible_window_s),
                teams_age_s=s.alerts_teams_age_s,
                policies=s.alerts_policies_dir,
                clock=self._clock,
                answers=self._answers,
            ),
            signals=lambda: Signals.open(url, "ingest_log", "ingest_register", "alerts_event"),
            plan=lambda: plan.compile_packs(
                packs.packs.values(),
                plan.Defaults(
                    fresh=s.alerts_latest_age_s,
                    live=s.alerts_live_age_s,
                    refresh=s.alerts_refresh_s,
                ),
            ),
            packs=packs.digest,
            pace=reader.Pace(
                tick=s.alerts_tick_s,
                pause=s.alerts_pause_s,
                balance=s.alerts_balance_s,
                sweep=s.alerts_sweep_s,
                checkpoint=s.alerts_checkpoint_s,
            ),
            clock=self._clock,
            rng=np.random.default_rng(),
        )

    def _roots(self, pool: Pool) -> Roots:
        s = self._settings
        places: dict[str, ports.Place] = {}
        if s.chain_root_file is not None:
            places["file"] = outside.RootFile(s.chain_root_file)
        if url := s.chain_root_url.get_secret_value():
            places["url"] = outside.RootUrl(url)
        return Roots(pool, places=places, every_s=s.alerts_root_every_s, clock=self._clock)

    def _wards(self, stays: Wards) -> Callable[[], object]:
        s = self._settings
        router = Router(
            age_s=s.alerts_teams_age_s, clock=self._clock, policies=s.alerts_policies_dir
        )
        return lambda: stays.tick(router=router, now=self._clock.now(), answers=self._answers)

    def _selfcheck(self, pool: Pool) -> SelfCheck:
        s = self._settings
        return SelfCheck(
            pool,
            data_dir=s.data_dir or Path.cwd(),
            overdue_s=s.watch_steps_overdue_s,
            root_file=s.chain_root_file is not None,
            root_url=bool(s.chain_root_url.get_secret_value()),
            clock=self._clock,
        )

    def _tests(self, pool: Pool) -> MonthlyTests | None:
        s = self._settings
        if not s.alerts_test_days:
            return None
        return MonthlyTests(
            pool,
            kinds=[kind.strip() for kind in s.alerts_test_kinds.split(",")],
            every=timedelta(days=s.alerts_test_days),
            grace=timedelta(days=s.alerts_test_grace_days),
            clock=self._clock,
        )

    def _rotas(self, upkeep: Upkeep, rotas: Rotas) -> None:
        """Tell of teams whose rota has nobody now."""
        upkeep.tell(watchdog.judge_rotas(rotas.found(), now=self._clock.now()))

    def _tick(
        self,
        ticker: scheduler.Ticker,
        seen: _Seen,
        upkeep: Upkeep,
        steps: Steps,
        roots: Roots,
        check: SelfCheck,
        tests: MonthlyTests | None,
    ) -> None:
        s, often = self._settings, seen.every
        watching = watch.Watch(
            s, upkeep=upkeep, check=check, periods=seen.periods, clock=self._clock
        )
        # the steps' tick is written down by itself, by the database's clock
        ticker.every(s.alerts_steps_every_s, steps.tick, name="steps", at_start=True)
        often(s.alerts_resume_every_s, steps.resume, name="resume", at_start=True)
        often(s.alerts_partitions_every_s, upkeep.partitions, name="partitions", at_start=True)
        often(s.alerts_retention_every_s, upkeep.retention, name="retention")
        often(s.alerts_retire_every_s, upkeep.retire_writers, name="writers")
        # whether roots are published is a verdict of its own
        ticker.every(s.alerts_publish_every_s, roots.keep, name="roots", at_start=True)
        often(s.alerts_measure_every_s, check.measure, name="measure", at_start=True)
        often(
            s.alerts_certificates_every_s, watching.look_at_certificates,
            name="certificates", at_start=True,
        )  # fmt: skip
        if tests is not None:
            often(s.alerts_test_every_s, lambda: upkeep.tell(tests.verdicts()), name="tests")
        ticker.every(s.alerts_health_every_s, watching.judge, name="health")
        if url := s.deadman_url.get_secret_value():
            switch = outside.DeadMansSwitch(url, every_s=s.deadman_every_s)
            ticker.every(
                s.alerts_health_every_s,
                lambda: switch.tend(watching.wrong(), monotonic=self._clock.monotonic()),
                name="deadman",
            )

    def _dispatcher(self, url: str, deliveries: Deliveries) -> Dispatcher:
        s = self._settings
        secret = s.secret_key.get_secret_value() and s.require_secret()
        return Dispatcher(
            store=deliveries,
            signals=lambda: Signals.open(url, "alerts_delivery"),
            channels=configured.channels(s),
            composer=Composer(
                vault=Vault(secret) if secret else None,
                links=Links(secret) if secret else None,
                public_url=s.public_url,
                link_s=s.delivery_link_s,
                clock=self._clock,
            ),
            patience=configured.patience(s),
            workers=s.delivery_workers,
            pace=Pace(
                tick=s.delivery_tick_s, lease=s.delivery_lease_s, confirm=s.delivery_confirm_s
            ),
            clock=self._clock,
            rng=np.random.default_rng(),
        )

    def _channels(self, upkeep: Upkeep, deliveries: Deliveries) -> None:
        """Tell when a channel reaches nobody any more."""
        verdict = health.judge(
            deliveries.failing(), now=self._clock.now(), limit_s=self._settings.delivery_broken_s
        )
        upkeep.tell([verdict])

    def _guarded(self, loop: Callable[[threading.Event], None]) -> None:
        try:
            loop(self._stop)
        except BaseException as error:
            self._crashed(error)

    def _crashed(self, error: BaseException) -> None:
        self._crash = self._crash or error
        self._stop.set()


def run(settings: AlertsSettings | None = None, *, clock: Clock | None = None) -> int:
    """Run the role until it is told to stop; return the process's exit code."""
    settings = settings or AlertsSettings()
    telemetry.configure("alerts", settings.log_level)
    sys.setswitchinterval(_SWITCH_S)
    alerts = Alerts(settings, clock=clock or SystemClock())
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: alerts.stop())
    return alerts.run()
