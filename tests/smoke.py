"""``make smoke``: the whole hub, scripted homes, one JSON object; exit code 0 only if all held."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg

from tests.support import watching
from tests.support.whole_hub import WholeHub, simulate, whole_hub

PEOPLE = 20
SCENARIOS = {  # name -> how it is told, so that all of it fits into the time
    "night_fall": ("--speed", "3600", "--duration", "5h12m30s"),
    "copd_exacerbation": ("--speed", "14400"),
    "duplicates": ("--speed", "6000",),
    "garbage": ("--duration", "30s",),
}  # fmt: skip


@dataclass(slots=True)
class Findings:
    """What was expected and what was found."""

    expectations: list[dict[str, Any]] = field(default_factory=list)

    def expect(self, name: str, ok: object, detail: object = "") -> None:
        self.expectations.append({"name": name, "ok": bool(ok), "detail": str(detail)})

    @property
    def ok(self) -> bool:
        return all(e["ok"] for e in self.expectations)


def registration() -> str:
    """Return the smoke test's own homes: a pendant for each of many people."""
    return _SHARED + "".join(_HOME.format(n=n, nn=f"{n:02}") for n in range(PEOPLE))


_SHARED = """
[[areas]]
id = "north"
name = "North"

[[teams]]
id = "dn-north"
name = "District nurses North"
kind = "district_nursing"
area = "north"

[[teams]]
id = "operators"
name = "Telecare operators"
kind = "telecare_operator"

[[teams]]
id = "equipment"
name = "Equipment"
kind = "equipment"

[[sites]]
id = "smoke"
name = "Smoke Street"
area = "north"
onboarding_password = "onboarding-secret"
"""
_HOME = """
[[homes]]
id = "smoke-{n}"
site = "smoke"
address = "{n} Smoke Street"

[[people]]
id = "person-{n}"
home = "smoke-{n}"
name = "Person Number {n}"
born = 1940-01-01

[[people.contacts]]
name = "Contact {n}"
relation = "daughter"
phone = "01632 9603{nn}"

[[devices]]
id = "pendant-{n}"
site = "smoke"
kind = "pendant"
person = "person-{n}"
password = "pendant-secret-{n}"
"""


def prepare(hub: WholeHub) -> dict[str, str]:
    """Register all homes; return each scenario's registration file."""
    files: dict[str, str] = {}
    own = hub.folder / "smoke.toml"
    own.write_text(registration())
    hub.command("register", str(own))
    writing = []
    for name in SCENARIOS:
        files[name] = str(hub.folder / f"{name}.toml")
        writing.append(simulate("run", name, "--register-file", files[name]))
    for process in writing:
        process.communicate(timeout=30)
    for file in files.values():
        hub.command("register", file)
    return files


def latency(hub: WholeHub, nurse: httpx.Client, found: Findings) -> dict[str, float]:
    """Press a pendant for each person and time it to the nurse's stream. [ms]"""
    devices = {d["device"]: d["id"] for d in _all(nurse, "/devices", site="smoke")}
    watcher = watching.Watcher(nurse)
    pendants = [
        watching.Pendant("127.0.0.1", hub.mqtt_port, f"smoke/pendant-{n}", f"pendant-secret-{n}")
        for n in range(PEOPLE)
    ]
    names = [devices[f"pendant-{n}"] for n in range(PEOPLE)]
    took = watching.presses(pendants, watcher, names, every=0.05, timeout=10)
    seen = [t for t in took if t < float("inf")]
    found.expect("every press is in the nurses' queue", len(seen) == PEOPLE, f"{len(seen)}")
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and not all(p.receipts for p in pendants):
        time.sleep(0.05)
    told = sum(any(k.endswith(":received") for k in p.receipts) for p in pendants)
    found.expect("every pendant is told that it was received", told == PEOPLE, told)
    _act(nurse, found, pendants[0], names[0])
    for pendant in pendants:
        pendant.stop()
    watcher.stop()
    if not seen:
        return {"p50": -1.0, "p99": -1.0}
    shares = {"p50": 0.5, "p99": 0.99}
    return {k: round(watching.percentile(seen, v) * 1000, 1) for k, v in shares.items()}


def _act(nurse: httpx.Client, found: Findings, pendant: watching.Pendant, device: str) -> None:
    """Take one alert through its life, as a nurse does."""
    alert = next(a for a in _all(nurse, "/alerts") if a["device"] == device)
    found.expect("the alert shows whom to ring first", (alert["ring_first"] or {}).get("phone"))
    where = f"/alerts/{alert['id']}"
    taken = nurse.post(f"{where}/acknowledge", json={"expected_version": alert["version"]})
    found.expect("a nurse can acknowledge it", taken.status_code == 200, taken.status_code)
    stale = nurse.post(f"{where}/acknowledge", json={"expected_version": alert["version"]})
    found.expect("a stale version is refused", stale.status_code == 409, stale.status_code)
    closed = nurse.post(
        f"{where}/close",
        json={"expected_version": taken.json()["version"], "disposition": "advice"},
    )
    found.expect("and close it", closed.status_code == 200, closed.text[:200])
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and len(pendant.receipts) < 3:
        time.sleep(0.05)
    states = {k.rpartition(":")[2] for k in pendant.receipts}
    found.expect(
        "its pendant hears of each step", states == {"received", "acknowledged", "closed"}, states
    )


def unregistered(hub: WholeHub, operator: httpx.Client, found: Findings) -> None:
    """A device nobody knows: its reading waits, its alarm pages the operator."""
    stranger = watching.Pendant("127.0.0.1", hub.mqtt_port, "smoke/onboarding", "onboarding-secret")
    pack = [{"n": "heart_rate", "u": "/min", "v": 70, "t": time.time()}]
    for tail, body in (
        ("obs", pack),
        ("event", [{"n": "sos", "vb": True, "t": time.time(), "alarm_id": "s1"}]),
    ):
        stranger._client.publish(f"telecare/v1/smoke/stranger/{tail}", json.dumps(body), qos=1)
    mine: list[Any] = []
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and not mine:
        mine = [a for a in _all(operator, "/alerts") if a["site"] == "smoke" and not a["device"]]
        time.sleep(0.1)
    who = [a["routed_because"] for a in mine]
    paged = len(mine) == 1 and "telecare operator" in who[0]
    found.expect("a stranger's SOS pages the telecare operator", paged, who)
    waiting = operator.get("/devices/waiting").json()
    found.expect("the stranger waits for adoption", "stranger" in json.dumps(waiting))
    stranger.stop()


def scenarios(hub: WholeHub, files: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Play all scenarios at once and return their reports."""
    running = {
        name: simulate(
            "run", name, "--url", hub.device_url, "--credentials", files[name],
            "--report", "json", "--linger", "6", *how,
        )
        for name, how in SCENARIOS.items()
    }  # fmt: skip
    reports = {}
    for name, process in running.items():
        out, error = process.communicate(timeout=75)
        reports[name] = json.loads(out) if out.strip() else {"failed": error[-300:]}
    return reports


def stored(hub: WholeHub, sites: list[str]) -> int:
    """Return how many measurements of these sites are stored."""
    with psycopg.connect(hub.environment["TELECARE_DATABASE_URL"]) as db:
        row = db.execute(
            "SELECT count(*) FROM ingest.observation o JOIN ingest.device d ON d.no = o.device_no"
            " JOIN ingest.site s ON s.no = d.site_no WHERE s.id = ANY(%s)"
            " AND o.quantity NOT IN (21, 22, 23, 24, 25)",
            [sites],
        ).fetchone()
    return int(row[0]) if row else 0


def _all(client: httpx.Client, path: str, **query: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        extra = {"cursor": cursor} if cursor else {}
        answer = client.get(path, params={**query, **extra, "limit": "200"})
        answer.raise_for_status()
        page = answer.json()
        items += page["items"]
        cursor = page.get("next")
        if not cursor:
            return items


def run() -> dict[str, Any]:
    """Run everything and return what ``make smoke`` prints."""
    began = time.monotonic()
    found = Findings()
    with whole_hub() as hub:
        files = prepare(hub)
        nurse, operator = hub.login("nurse"), hub.login("operator")
        ms = latency(hub, nurse, found)
        found.expect("a press is on the nurses' screen within a second", 0 < ms["p99"] < 1000, ms)
        unregistered(hub, operator, found)
        reports = scenarios(hub, files)
        failed = {n: r["failed"] for n, r in reports.items() if "failed" in r}
        found.expect("the homes ran", not failed, failed)
        sites = ["night-fall", "copd", "twice"]
        plain = ["night_fall", "copd_exacerbation", "duplicates"]
        sent = sum(reports[n].get("distinct_readings", 0) for n in plain)
        kept = stored(hub, sites)
        deadline = time.monotonic() + 5
        while kept < sent and time.monotonic() < deadline:
            time.sleep(0.2)
            kept = stored(hub, sites)
        found.expect("every reading is stored, once", kept == sent > 0, f"{kept} of {sent}")
        alerts = _all(nurse, "/alerts") + _all(operator, "/alerts")
        counts: dict[str, int] = {}
        for alert in {a["id"]: a for a in alerts}.values():
            counts[alert["rule"]["id"]] = counts.get(alert["rule"]["id"], 0) + 1
        found.expect("the fall at night pages", counts.get("fall", 0) >= 1, counts)
        early = [k for k in counts if k.startswith("news2")]
        found.expect("falling oxygen becomes an early warning", early, counts)
        quarantined = quarantined_garbage(hub)
        found.expect("garbage lies in the quarantine with reasons", quarantined >= 5, quarantined)
        ready = httpx.get(f"{hub.url}/readyz", timeout=5)
        found.expect("the hub is still well", ready.status_code == 200, ready.text[:200])
        if not found.ok:
            print(hub.said(), file=sys.stderr)
    return {
        "ok": found.ok,
        "seconds": round(time.monotonic() - began, 1),
        "readings_sent": sent,
        "readings_stored": kept,
        "alerts": counts,
        "fall_to_queue_ms": ms,
        "expectations": found.expectations,
    }


def quarantined_garbage(hub: WholeHub) -> int:
    """Return how many messages of the garbage lie in the quarantine."""
    with psycopg.connect(hub.environment["TELECARE_DATABASE_URL"]) as db:
        row = db.execute(
            "SELECT count(*) FROM ingest.quarantine WHERE site = 'garbage' AND refused <> '[]'"
        ).fetchone()
    return int(row[0]) if row else 0


def main() -> None:
    """Print the outcome."""
    outcome = run()
    print(json.dumps(outcome, indent=2))
    sys.exit(0 if outcome["ok"] else 1)


if __name__ == "__main__":
    main()
