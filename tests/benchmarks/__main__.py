"""``make bench``: the hub's figures, each beside its reference measured in the same run.

JSON on standard output, a table on standard error. Broker, database, rules worker and API run
together with the generator on this machine; the same generator serves hub and reference.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import numpy as np
import psutil
import psycopg

from alerts.calling import Owner
from alerts.storage import receivers
from ingest.kernel import observation
from ingest.storage.vault import Vault
from tests.benchmarks import response, rules
from tests.support import watching
from tests.support.broker import Broker
from tests.support.receivers import WebReceiver
from tests.support.whole_hub import WholeHub, whole_hub

SITE = "load"
BURST = "burst"
ONBOARDING = "bench-onboarding-secret"
PENDANTS = 120
_COPY_COLUMNS = (
    "time, received_at, device_no, quantity, part, value, answer, flags, person_no, dwelling_no,"
    " sent_time"
)


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured."""

    messages: int
    packs: int
    presses: int
    devices: int
    repeats: int
    burst_devices: int
    burst_s: float


FULL = Sizes(messages=150_000, packs=15_000, presses=100, devices=1_000, repeats=3,
             burst_devices=20_000, burst_s=60.0)  # fmt: skip
QUICK = Sizes(messages=30_000, packs=4_000, presses=30, devices=200, repeats=1,
              burst_devices=3_000, burst_s=10.0)  # fmt: skip


class Bench:
    """One running hub and what is measured on it."""

    def __init__(self, hub: WholeHub, sizes: Sizes) -> None:
        self.hub = hub
        self.sizes = sizes
        self.cpu_us: dict[str, float] = {}  # CPU a message of the last run, by role
        self.environment = hub.environment
        self.db = psycopg.connect(self.environment["TELECARE_DATABASE_URL"], autocommit=True)
        self.url = f"mqtt://{SITE}%2Fonboarding:{ONBOARDING}@127.0.0.1:{hub.mqtt_port}"

    def register(self) -> None:
        """Register the generator's devices, and pendants of people at a site of their own."""
        file = self.hub.folder / "load.toml"
        generate(self.url, self.sizes.devices, "--register-file", str(file))
        text = file.read_text().replace(
            f'[[sites]]\nid = "{SITE}"\n',
            f'[[sites]]\nid = "{SITE}"\nonboarding_password = "{ONBOARDING}"\n',
        )
        file.write_text(text)
        self.hub.command("register", str(file))
        lines = [f'[[sites]]\nid = "press"\nname = "Press"\nonboarding_password = "{ONBOARDING}"']
        lines += ['[[teams]]\nid = "dn"\nname = "District nurses"\nkind = "district_nursing"']
        for n in range(PENDANTS):
            lines.append(f'[[homes]]\nid = "press-{n}"\nsite = "press"')
            lines.append(f'[[people]]\nid = "press-{n}"\nhome = "press-{n}"\nname = "Press {n}"')
            lines.append(
                f'[[devices]]\nid = "pendant-{n}"\nsite = "press"\nkind = "pendant"\n'
                f'person = "press-{n}"'
            )
        lines.append(
            f'[[sites]]\nid = "{BURST}"\nname = "Burst"\nonboarding_password = "{ONBOARDING}"'
        )
        for n in range(self.sizes.burst_devices):
            lines.append(f'[[homes]]\nid = "burst-{n}"\nsite = "{BURST}"')
            lines.append(
                f'[[devices]]\nid = "pendant-{n}"\nsite = "{BURST}"\nkind = "pendant"\n'
                f'home = "burst-{n}"'
            )
        file.write_text("\n".join(lines))
        self.hub.command("register", str(file))

    # -- rates ------------------------------------------------------------------------------

    def ingest(self, *, count: int, pack: int = 1, duplicates: float = 0.0) -> dict[str, float]:
        """Return durable messages/s and readings/s of the hub, from first to last commit."""
        self._empty()
        before = self._cpu()
        report = generate(
            self.url, self.sizes.devices, "--count", str(count), "--pack", str(pack),
            "--duplicates", str(duplicates),
        )  # fmt: skip
        wanted = int(report["distinct_readings"])
        deadline = time.monotonic() + 120
        rows, seconds = 0, 0.0
        while rows < wanted and time.monotonic() < deadline:
            time.sleep(0.25)
            rows, seconds = self._logged()
        if rows != wanted:
            raise AssertionError(f"{rows} of {wanted} readings were stored")
        after = self._cpu()
        spent = {role: after[role] - before.get(role, 0.0) for role in after}
        self.cpu_us = {r: round(t / count * 1e6, 1) for r, t in spent.items() if t > 0}
        self.cpu_us["generator"] = round(report["cpu_s"] / count * 1e6, 1)
        messages = count * (1 - duplicates / 100) if duplicates else count
        return {
            "messages_per_s": round(messages / seconds, 1),
            "readings_per_s": round(rows / seconds, 1),
        }

    def _cpu(self) -> dict[str, float]:
        """Return the CPU time each role has taken so far, every gateway counted. [s]"""
        found: dict[str, float] = {}
        here = psutil.Process(os.getpid())
        for process in here.children(recursive=True):
            try:
                role, times = _role(process.cmdline()), process.cpu_times()
            except psutil.Error:
                continue
            found[role] = found.get(role, 0.0) + times.user + times.system
        return found

    def raw_copy(self) -> float:
        """Return rows/s of a plain binary COPY of the rows just stored, into the same table."""
        chunk = 50_000
        chunks = []
        row = self.db.execute("SELECT count(*) FROM ingest.observation").fetchone()
        total = row[0] if row else 0
        for offset in range(0, total, chunk):
            with self.db.cursor().copy(
                f"COPY (SELECT {_COPY_COLUMNS} FROM ingest.observation ORDER BY received_at, time"
                f" OFFSET {offset} LIMIT {chunk}) TO STDOUT (FORMAT BINARY)"
            ) as copy:
                chunks.append(b"".join(copy))
        self._empty()
        began = time.perf_counter()
        for data in chunks:
            with self.db.cursor().copy(
                f"COPY ingest.observation ({_COPY_COLUMNS}) FROM STDIN (FORMAT BINARY)"
            ) as copy:
                copy.write(data)
        return float(total / (time.perf_counter() - began))

    # -- alarms -----------------------------------------------------------------------------

    def alarms(self, nurse: httpx.Client, *, rate: float | None = None) -> dict[str, float]:
        """Return p50 and p99 from a press to the nurse's stream, idle or under a load. [ms]"""
        devices = {}
        cursor: str | None = None
        while True:
            query = {"site": "press", "limit": "200"} | ({"cursor": cursor} if cursor else {})
            page = nurse.get("/devices", params=query).json()
            devices.update({d["device"]: d["id"] for d in page["items"]})
            cursor = page.get("next")
            if not cursor:
                break
        names = [f"pendant-{n}" for n in range(min(PENDANTS, self.sizes.presses))]
        watcher = watching.Watcher(nurse)
        hand = watching.Pendant("127.0.0.1", self.hub.mqtt_port, "press/onboarding", ONBOARDING)
        every = 0.1
        running = None
        if rate is not None:
            self._empty()
            seconds = len(names) * every + 6
            running = load(self.url, self.sizes.devices, "--rate", str(round(rate)),
                           "--seconds", str(seconds))  # fmt: skip
            time.sleep(3)
        pendants = [hand.of(f"press/{name}") for name in names]
        took = watching.presses(
            pendants, watcher, [devices[n] for n in names], every=every, timeout=20
        )
        figures = {
            "p50": round(watching.percentile(took, 0.5) * 1000, 1),
            "p99": round(watching.percentile(took, 0.99) * 1000, 1),
            "max": round(max(took) * 1000, 1),
            "presses": len(took),
        }
        if running is not None:
            out, _ = running.communicate(timeout=60)
            figures["load_messages_per_s"] = round(json.loads(out)["acked_per_s"], 1)
        hand.stop()
        watcher.stop()
        return figures

    # -- a burst of alarms ------------------------------------------------------------------

    def burst(self, *, rate: float, seconds: float) -> dict[str, Any]:
        """Press many pendants at a rate; return how fast alarms were kept, queued and told.

        Kept is the time from the first to the last that was received; queued the same until the
        last has its event in an alert's history; told how many messages of first steps a second
        were handed to a webhook on this machine.
        """
        sink = WebReceiver().start()
        team = self.db.execute("SELECT no FROM alerts.team WHERE id = 'dn'").fetchone()
        vault = Vault(self.environment["TELECARE_SECRET_KEY"])
        assert team is not None
        address = f"http://bench:secret@127.0.0.1:{sink.port}/team"
        receivers.add(self.db, vault, Owner("team", team[0]), channel="webhook", address=address)
        began = self.db.execute("SELECT clock_timestamp()").fetchone()
        assert began is not None
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.presses", "127.0.0.1",
             str(self.hub.mqtt_port), f"{BURST}/onboarding", ONBOARDING, BURST,
             str(self.sizes.burst_devices), str(rate), str(seconds)],
            stdout=subprocess.PIPE, text=True, check=True, timeout=400,
        )  # fmt: skip
        sent = json.loads(done.stdout)
        deadline = time.monotonic() + 120
        events = 0
        while events < sent["sent"] and time.monotonic() < deadline:
            time.sleep(0.5)
            row = self.db.execute(
                "SELECT count(*), extract(epoch FROM max(e.at) - %s)::float8 FROM alerts.event e"
                " JOIN alerts.alert a ON a.no = e.alert_no AND a.site = %s"
                " WHERE e.kind IN ('raised', 'pressed_again') AND e.at >= %s",
                [began[0], BURST, began[0]],
            ).fetchone()
            events, queued_s = (int(row[0]), float(row[1] or 0)) if row else (0, 0.0)
        kept = self.db.execute(
            "SELECT count(*), extract(epoch FROM max(received_at) - min(received_at))::float8"
            " FROM ingest.alarm WHERE site = %s",
            [BURST],
        ).fetchone()
        told = self.db.execute(
            "SELECT count(*), extract(epoch FROM max(sent_at) - min(sent_at))::float8"
            " FROM alerts.delivery WHERE sent_at IS NOT NULL AND queued_at >= %s"
            " AND position = 0 AND repetition = 0",
            [began[0]],
        ).fetchone()
        sink.stop()
        assert kept is not None
        assert told is not None
        return {
            "sent": sent["sent"], "rate": rate, "acknowledged_by_broker": sent["acknowledged"],
            "kept": kept[0], "kept_per_s": round(kept[0] / kept[1], 1),
            "queued": events, "queued_per_s": round(events / queued_s, 1),
            "messages_attempted": told[0],
            "messages_per_s": round(told[0] / told[1], 1) if told[1] else 0.0,
            "messages_that_came": len(sink.got),
        }  # fmt: skip

    # -- memory -----------------------------------------------------------------------------

    def memory(self) -> dict[str, float]:
        """Return the proportional memory of the whole hub by process. [MB]"""
        found: dict[str, float] = {}
        root = psutil.Process(self.hub.pid)
        for process in [root, *root.children(recursive=True)]:
            try:
                name = _role(process.cmdline()) if process.pid != root.pid else "supervisor"
                found[name] = found.get(name, 0.0) + process.memory_full_info().pss / 2**20
            except psutil.Error:
                continue
        return {k: round(v, 1) for k, v in found.items()}

    @contextmanager
    def second_gateway(self) -> Iterator[None]:
        """Run one more gateway and wait until the two share the slots."""
        with (self.hub.folder / "second-gateway.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "gateway"], env=self.environment, stdout=log, stderr=log
            )
        try:
            deadline = time.monotonic() + 40
            while time.monotonic() < deadline and self._holders() < 2:
                time.sleep(0.2)
            time.sleep(6)  # until both have heard their probes
            yield
        finally:
            process.terminate()
            process.wait(30)

    def _holders(self) -> int:
        row = self.db.execute(
            "SELECT count(DISTINCT holder) FROM ingest.slot WHERE lane = 'obs'"
        ).fetchone()
        return int(row[0]) if row else 0

    # -- helpers ----------------------------------------------------------------------------

    def _empty(self) -> None:
        """Start from an empty table, with the rules caught up, so that runs are alike."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            row = self.db.execute(
                "SELECT count(*) FROM ingest.log l"
                " JOIN ingest.writer w ON w.no = l.writer AND w.retired_at IS NULL"
                " LEFT JOIN alerts.cursor c ON c.stream = l.shard AND c.writer = l.writer"
                " WHERE l.batch > coalesce(c.batch, 0)"
            ).fetchone()
            if row and row[0] == 0:
                break
            time.sleep(0.3)
        self.db.execute("TRUNCATE ingest.observation")
        self.db.execute("CHECKPOINT")
        row = self.db.execute("SELECT clock_timestamp()").fetchone()
        self._since = row[0] if row else None

    def _logged(self) -> tuple[int, float]:
        row = self.db.execute(
            "SELECT coalesce(sum(octet_length(rows)), 0) / %s,"
            " coalesce(extract(epoch FROM max(at) - min(at)), 0) FROM ingest.log WHERE at > %s",
            [observation.ROW.itemsize, self._since],
        ).fetchone()
        return (int(row[0]), float(row[1])) if row else (0, 0.0)


def _role(command: list[str]) -> str:
    text = " ".join(command)
    for name in ("gateway", "alerts", "api"):
        if f"-m {name}" in text:
            return name
    return "database" if "postgres" in text else "broker" if "mosquitto" in text else "other"


class Pairs:
    """A figure and its reference, measured one after the other several times."""

    def __init__(self) -> None:
        self._pairs: list[tuple[float, float]] = []

    def add(self, value: float, reference: float) -> None:
        """Add what was measured."""
        self._pairs.append((value, reference))

    @property
    def value(self) -> float:
        """The figure's median."""
        return float(np.median([v for v, _ in self._pairs]))

    @property
    def reference(self) -> float:
        """The reference's median."""
        return float(np.median([r for _, r in self._pairs]))

    def told(self) -> dict[str, Any]:
        """Return the medians, and the median, least and greatest of the ratios pair by pair."""
        ratios = sorted(v / r for v, r in self._pairs)
        return {
            "value": round(self.value),
            "ratio": round(float(np.median(ratios)), 3),
            "ratios": [round(r, 3) for r in ratios],
            "reference": round(self.reference),
        }


def run(sizes: Sizes) -> dict[str, Any]:
    """Measure everything and return it; each figure right after its reference, as pairs."""
    with whole_hub() as hub, bare_broker(hub.folder) as broker:
        bench = Bench(hub, sizes)
        bench.register()
        nurse = hub.login("nurse")
        time.sleep(8)
        idle_memory = bench.memory()
        idle = bench.alarms(nurse)
        singles, dups, twos, packed = Pairs(), Pairs(), Pairs(), Pairs()
        for _ in range(sizes.repeats):
            reference = broker.consume(sizes)
            singles.add(bench.ingest(count=sizes.messages)["messages_per_s"], reference)
            repeated = bench.ingest(count=sizes.messages, duplicates=1.0)
            dups.add(repeated["messages_per_s"], reference)
        for _ in range(sizes.repeats):
            readings = bench.ingest(count=sizes.packs, pack=20)["readings_per_s"]
            packed.add(readings, bench.raw_copy())
        loaded = bench.alarms(nurse, rate=0.7 * singles.value)
        peak = bench.memory()
        with bench.second_gateway():
            for _ in range(sizes.repeats):
                reference = broker.consume(sizes)
                twos.add(bench.ingest(count=sizes.messages)["messages_per_s"], reference)
            profile = bench.cpu_us
        # last: what it raises goes on telling people
        burst = bench.burst(rate=1_000.0, seconds=sizes.burst_s)
        bench.db.close()
    return {
        "machine": {"cores": os.cpu_count(), "load": [round(x, 2) for x in os.getloadavg()]},
        "ingest": {
            "single": {
                **singles.told(),
                "two_gateways": {**twos.told(), "cpu_us_per_message": profile},
                "one_percent_duplicates": dups.told(),
                "bare_paho_consumer": round(singles.reference),
                "unit": "durable messages/s",
            },
            "packed": {
                **packed.told(),
                "raw_copy": round(packed.reference),
                "unit": "durable readings/s",
            },
        },
        "rules": rules.run(rules.QUICK if sizes is QUICK else rules.FULL),
        "response": {
            "burst": burst,
            **response.run(response.QUICK if sizes is QUICK else response.FULL),
        },
        "alarm_latency_ms": {"idle": idle, "under_load": loaded},
        "memory_pss_mb": {
            "hub_idle": round(sum(idle_memory.values()), 1),
            "by_role_idle": idle_memory,
            "gateway_loaded": peak.get("gateway"),
        },
    }


class BareBroker:
    """A broker with the hub's settings and a stock paho consumer that only acknowledges.

    The reference has a broker of its own, so that no session of the hub's collects the same
    messages; the hub is idle meanwhile.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._user = f"{SITE}/onboarding"
        broker.add(self._user)

    def consume(self, sizes: Sizes) -> float:
        """Return messages/s from the first to the last."""
        hub_user = urlsplit(self._broker.hub_url)
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.consumer", self._broker.host,
             str(self._broker.port), unquote(hub_user.username or ""),
             unquote(hub_user.password or ""), str(sizes.messages)],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "ready"
        generate(self._broker.url(self._user), sizes.devices, "--count", str(sizes.messages))
        seconds = float(process.stdout.readline())
        process.wait(10)
        return sizes.messages / seconds


@contextmanager
def bare_broker(folder: Path) -> Iterator[BareBroker]:
    """Run the reference's broker for the block."""
    broker = Broker(folder / "bare-broker")
    broker.start()
    try:
        yield BareBroker(broker)
    finally:
        broker.stop()


def load(url: str, devices: int, *args: str) -> subprocess.Popen[str]:
    """Start the generator."""
    command = [sys.executable, "-m", "firmware_sim", "load", "--url", url, "--site", SITE,
               "--devices", str(devices), "--connections", "2", "--no-bar", "--report", "json",
               *args]  # fmt: skip
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def generate(url: str, devices: int, *args: str) -> dict[str, Any]:
    """Run the generator to its end and return its report."""
    process = load(url, devices, *args)
    out, _ = process.communicate(timeout=180)
    if process.returncode:
        raise AssertionError(f"the generator failed: {out}")
    report: dict[str, Any] = json.loads(out) if out.strip().startswith("{") else {}
    return report


def table(figures: dict[str, Any]) -> str:
    """Return the figures against what they have to reach."""
    single = figures["ingest"]["single"]
    packed = figures["ingest"]["packed"]
    alarms = figures["alarm_latency_ms"]
    memory = figures["memory_pss_mb"]
    rows = [
        ("single readings, 1 gateway", f"{single['value']}/s = {single['ratio']}x", ">= 0.6x",
         single["ratio"] >= 0.6),
        ("single readings, 2 gateways",
         f"{single['two_gateways']['value']}/s = {single['two_gateways']['ratio']}x", ">= 0.9x",
         single["two_gateways"]["ratio"] >= 0.9),
        ("1 % duplicates",
         f"{single['one_percent_duplicates']['value']}/s = "
         f"{single['one_percent_duplicates']['ratio']}x", ">= 0.3x",
         single["one_percent_duplicates"]["ratio"] >= 0.3),
        ("packs of 20", f"{packed['value']}/s = {packed['ratio']}x", ">= 0.4x",
         packed["ratio"] >= 0.4),
        ("alarm to queue, idle", f"p99 {alarms['idle']['p99']} ms", "<= 250 ms",
         alarms["idle"]["p99"] <= 250),
        ("alarm to queue, 70 % load", f"p99 {alarms['under_load']['p99']} ms", "<= 1000 ms",
         alarms["under_load"]["p99"] <= 1000),
        ("memory, whole hub idle", f"{memory['hub_idle']} MB", "<= 600 MB",
         memory["hub_idle"] <= 600),
        ("memory, gateway loaded", f"{memory['gateway_loaded']} MB", "<= 150 MB",
         (memory["gateway_loaded"] or 1e9) <= 150),
        *rules.table(figures["rules"]),
        *response.table(figures["response"]),
    ]  # fmt: skip
    lines = [rules.lines(rows)]
    profile = single["two_gateways"]["cpu_us_per_message"]
    total, cores = sum(profile.values()), figures["machine"]["cores"]
    parts = ", ".join(f"{role} {us:g}" for role, us in profile.items())
    lines.append(
        f"what bounds two gateways: {total:.0f} us of CPU a message ({parts}) on {cores} cores:"
        f" at most {cores / total * 1e6:.0f}/s"
    )
    return "\n".join(lines)


def only_burst(sizes: Sizes) -> dict[str, Any]:
    """Measure the burst of alarms and nothing else."""
    with whole_hub() as hub:
        bench = Bench(hub, sizes)
        bench.register()
        time.sleep(8)
        found = bench.burst(rate=1_000.0, seconds=sizes.burst_s)
        bench.db.close()
    return {"burst": found}


def main() -> None:
    """Run, print, and say by the exit code only whether it could be measured."""
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--quick", action="store_true", help="a fifth of the size, once each")
    parser.add_argument("--burst", action="store_true", help="only the burst of alarms")
    given = parser.parse_args()
    sizes = QUICK if given.quick else FULL
    if given.burst:
        print(json.dumps(only_burst(sizes), indent=2))
        return
    figures = run(sizes)
    print(table(figures), file=sys.stderr)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
