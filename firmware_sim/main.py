"""Command line of the simulator: ``telecare-sim run | load | replay | list``."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich import console, progress, table

from firmware_sim import (
    bulk,
    fleet,
    load,
    registration,
    replay,
    scenarios,
    tihm,
    timing,
    transport,
)

app = typer.Typer(
    name="telecare-sim",
    help="Simulated homes and devices for the telecare hub.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
replay_app = typer.Typer(no_args_is_help=True, help="Publish recorded homes.")
app.add_typer(replay_app, name="replay")

Url = Annotated[
    str | None,
    typer.Option(
        "--url", envvar="TELECARE_MQTT_URL", help="The broker: mqtt[s]://user:pass@host:port."
    ),
]
Cafile = Annotated[
    str | None, typer.Option("--cafile", help="Certificate authorities for mqtts, as a PEM file.")
]
RegisterFile = Annotated[
    Path | None,
    typer.Option("--register-file", help="Write the registration of the homes here, and stop."),
]
Credentials = Annotated[
    Path | None,
    typer.Option(
        "--credentials",
        help='Device passwords: JSON {"site/device": "password"} or a registration file.',
    ),
]
Report = Annotated[
    Literal["text", "json"], typer.Option("--report", help="How to tell what happened.")
]


def _broker(url: str | None, cafile: str | None) -> transport.Broker:
    if not url:
        raise typer.BadParameter("give --url mqtt://user:pass@host:port, or set TELECARE_MQTT_URL")
    try:
        return transport.Broker.from_url(url, cafile=cafile)
    except transport.BadUrlError as problem:
        raise typer.BadParameter(str(problem)) from problem


def _say(text: str) -> None:
    """Write for a person, beside the machine's stdout."""
    console.Console(stderr=True).print(text, highlight=False, markup=False)


def _tell(document: Mapping[str, Any], how: str) -> None:
    if how == "json":
        typer.echo(json.dumps(document))
        return
    rows = table.Table(show_header=False, box=None)
    for key, value in document.items():
        rows.add_row(key, json.dumps(value) if isinstance(value, dict | list) else str(value))
    console.Console().print(rows)


def _fail(problem: Exception) -> typer.Exit:
    _say(f"telecare-sim: {problem}")
    return typer.Exit(1)


@contextmanager
def _stoppable() -> Iterator[Callable[[], bool]]:
    """Turn Ctrl-C and SIGTERM into an orderly stop; a second one stops at once."""
    asked: list[int] = []

    def ask(number: int, _frame: object) -> None:
        asked.append(number)
        signal.signal(number, signal.SIG_DFL)

    old = {n: signal.signal(n, ask) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


@app.command("list")
def list_scenarios(report: Report = "text") -> None:
    """List the scenarios."""
    found = [scenarios.load(name) for name in scenarios.names()]
    if report == "json":
        typer.echo(json.dumps([{"name": s.name, "title": s.title} for s in found]))
        return
    rows = table.Table("scenario", "devices", "takes", "what happens", box=None)
    for s in found:
        clock = timing.StoryClock(started=0, live_from=s.live_from, speed=s.speed)
        takes = "until stopped" if s.duration == float("inf") else f"{clock.real(s.duration):.0f} s"
        rows.add_row(s.name, str(len(s.devices)), takes, s.title)
    console.Console().print(rows)


@app.command()
def run(
    scenario: Annotated[str, typer.Argument(help="A name from `list`, or a TOML file.")],
    *,
    url: Url = None,
    cafile: Cafile = None,
    speed: Annotated[
        float | None, typer.Option(min=1, help="How many times faster the story's past runs.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Another seed tells the story otherwise.")
    ] = None,
    credentials: Credentials = None,
    shared_account: Annotated[
        bool,
        typer.Option(
            "--shared-account",
            "--as-hub-user",
            help="All devices use the account in the URL, for a broker without access rules.",
        ),
    ] = False,
    register_file: RegisterFile = None,
    state: Annotated[
        Path | None,
        typer.Option(help="Keep undelivered alarms here over a restart, as devices do."),
    ] = None,
    linger: Annotated[
        float, typer.Option(help="Seconds to wait at the end for receipts and answers.")
    ] = 15.0,
    duration: Annotated[
        str | None, typer.Option(help="End the story after this, for example 90s or 2h.")
    ] = None,
    report: Report = "text",
) -> None:
    """Play a scenario's homes against a broker."""
    try:
        story = scenarios.load(scenario)
        if register_file is not None:
            _write_register(register_file, story.registration(time.time()), story.title)
            return
        broker = _broker(url, cafile)
        passwords = None
        if credentials is not None and not shared_account:
            passwords = registration.credentials(credentials)
        network = transport.PahoNetwork(broker)
        players = fleet.Fleet(
            scenario=story,
            network=network,
            real_time=time.time,
            speed=speed,
            seed=seed,
            credentials=passwords,
            memory=fleet.AlarmMemory(state),
            until=timing.seconds(duration) if duration else None,
        )
    except (scenarios.ScenarioError, fleet.MissingPasswordError, ValueError, OSError) as problem:
        raise _fail(problem) from problem
    _say(f"{story.name}: {story.title} ({len(players.devices)} devices)")
    with _stoppable() as stopped:
        players.run(linger=linger, stopped=stopped)
        document = players.document()
        network.close()
    refused = sorted({link.refused for link in network.links if link.refused})
    _tell({**document, "refused_connections": refused}, report)
    if refused and not document["acked"]:
        raise typer.Exit(1)


def _write_register(path: Path, tables: Mapping[str, Any], title: str) -> None:
    registration.write(path, tables, title=title, passwords=True)
    _say(f"registration of {len(tables['devices'])} devices written to {path}")


@app.command("load")
def load_command(
    *,
    url: Url = None,
    cafile: Cafile = None,
    site: Annotated[str, typer.Option(help="Site of the devices load-000001 and on.")] = "load",
    devices: Annotated[int, typer.Option(min=1, max=900_000)] = 1000,
    connections: Annotated[int, typer.Option(min=1)] = 4,
    rate: Annotated[
        float | None, typer.Option(min=0.1, help="Messages per second; without it flat out.")
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="For how long.")] = None,
    count: Annotated[int | None, typer.Option(min=1, help="How many messages.")] = None,
    pack: Annotated[int, typer.Option(min=1, max=5000, help="Readings per message.")] = 1,
    duplicates: Annotated[
        float, typer.Option(min=0, max=100, help="Percent of messages that repeat an earlier one.")
    ] = 0.0,
    window: Annotated[
        int, typer.Option(min=1, max=65_535, help="Unacknowledged messages per connection.")
    ] = 1000,
    mqtt: Annotated[
        Literal["3.1.1", "5"],
        typer.Option(help="5 obeys the broker's receive maximum, often only 20."),
    ] = "3.1.1",
    seed: Annotated[int, typer.Option(help="Which messages are repeated.")] = 1,
    register_file: RegisterFile = None,
    bar: Annotated[
        bool, typer.Option("--bar/--no-bar", help="Show a progress bar on a terminal.")
    ] = True,
    report: Report = "json",
) -> None:
    """Publish as many devices, at a set rate or flat out, and report sent, acked and latency."""
    if seconds is None and count is None:
        seconds = 10.0
    plan = load.Plan(
        site=site, devices=devices, connections=connections, rate=rate, seconds=seconds,
        count=count, pack=pack, duplicates=duplicates, window=window,
        version=5 if mqtt == "5" else 4,
    )  # fmt: skip
    if register_file is not None:
        try:
            _write_load_register(register_file, plan)
        except (ValueError, OSError) as problem:
            raise _fail(problem) from problem
        return
    broker = _broker(url, cafile)
    total = count if count is not None else (rate * seconds if rate and seconds else None)
    try:
        with _stoppable() as stopped, _bar("load", total, shown=bar) as moved:
            document = load.run(plan, broker, progress=moved, stopped=stopped, seed=seed)
    except (OSError, bulk.BrokerError) as problem:
        raise _fail(problem) from problem
    _tell(document, report)
    if document["lost"]:
        raise typer.Exit(1)


def _write_load_register(path: Path, plan: load.Plan) -> None:
    tables = load.register(plan)
    registration.write(path, tables, title="Devices of the load generator", passwords=False)
    _say(f"registration of {plan.devices} devices written to {path}")


@contextmanager
def _bar(
    what: str, total: float | None, *, shown: bool
) -> Iterator[Callable[[int, int], None] | None]:
    """Yield what to call with (sent, acked), None where nobody looks."""
    if not shown or not sys.stderr.isatty():
        yield None
        return
    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.TextColumn("{task.completed:,.0f} acked, {task.fields[open]:,} under way"),
        progress.TextColumn("{task.speed:,.0f}/s" if total is None else ""),
        progress.TimeElapsedColumn(),
    )
    with progress.Progress(*columns[:3], columns[4], console=console.Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total, open=0)
        yield lambda sent, acked: bar.update(task, completed=acked, open=sent - acked)


@replay_app.command("tihm")
def replay_tihm(
    folder: Annotated[Path, typer.Argument(help="The folder with Activity.csv.gz.")],
    *,
    end: Annotated[
        str, typer.Option(help="When the last event shall be: now, or an ISO 8601 time.")
    ] = "now",
    url: Url = None,
    cafile: Cafile = None,
    credentials: Credentials = None,
    register_file: RegisterFile = None,
    speed: Annotated[
        float | None,
        typer.Option(min=1, help="Keep the recorded pace, so many times faster; else flat out."),
    ] = None,
    declared: Annotated[
        bool,
        typer.Option(
            "--import/--live",
            help="Declare the readings as imported (they page nobody), or send them as if live.",
        ),
    ] = True,
    size: Annotated[
        int, typer.Option("--pack", min=1, max=5000, help="Most readings per message.")
    ] = 200,
    connections: Annotated[int, typer.Option(min=1)] = 4,
    answers: Annotated[
        bool,
        typer.Option(
            "--answers",
            help="Ask the hub to confirm each message and wait for it; needs an account that may "
            "read the devices' reply topics, or --credentials.",
        ),
    ] = False,
    report: Report = "json",
) -> None:
    """Publish the recorded homes of TIHM, shifted so that the last event is at --end."""
    try:
        rows = tihm.read(folder)
        if register_file is not None:
            _write_register(register_file, tihm.register(folder, rows), "Recorded homes of TIHM")
            return
        broker = _broker(url, cafile)
        finish = _end(end)
        _say(f"last event at {datetime.fromtimestamp(finish, UTC).isoformat()}; repeat with --end")
        plan = replay.Plan(
            end=finish, imported=declared, speed=speed, connections=connections, answers=answers
        )
        packs = tihm.packs(rows, size=size, span=speed)
        passwords = registration.credentials(credentials) if credentials else None
        with _bar("replay", len(packs), shown=True) as moved:
            said = replay.run(packs, plan, broker, credentials=passwords, progress=moved)
    except (OSError, KeyError, ValueError, bulk.BrokerError) as problem:
        raise _fail(problem) from problem
    document = {
        **said,
        "end": datetime.fromtimestamp(finish, UTC).isoformat().replace("+00:00", "Z"),
        "distinct_rows": len(rows),
        "streams": tihm.counts(rows),
    }
    _tell(document, report)
    if said["acked"] != said["messages"]:
        raise typer.Exit(1)


def _end(text: str) -> int:
    """Return the whole Unix second meant; a time without an offset is UTC."""
    if text == "now":
        return int(time.time())
    when = datetime.fromisoformat(text)
    return round((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())


def main() -> None:
    """Run the command line."""
    app()
