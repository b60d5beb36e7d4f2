"""``telecare receiver``: how people are reached, added, listed, tried and taken away."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api import terminal

if TYPE_CHECKING:
    from ingest.storage.pool import Connection

receivers = typer.Typer(
    help="How teams, staff, contacts and the hub's operators are reached.", no_args_is_help=True
)
_OWNERS = ("team", "member", "contact", "hub")
_CHANNELS = ("apprise", "email", "sms", "letter", "webhook", "fhir", "console")


@receivers.command("add")
def receiver_add(
    whose: Annotated[
        str, typer.Argument(help="team:ID, member:ACCOUNT, contact:PERSON/RANK, or hub.")
    ],
    channel: Annotated[str, typer.Argument(help=f"One of {', '.join(_CHANNELS)}.")],
    address: Annotated[str, typer.Argument(help="The address; - reads it from stdin.")],
    rank: Annotated[int, typer.Option(min=1, help="1 is told; the next when it fails.")] = 1,
    language: Annotated[str, typer.Option(help="Language of the messages.")] = "en",
    quiet: Annotated[str, typer.Option(help="Quiet hours, such as 22:00-07:00.")] = "",
    timezone: Annotated[str, typer.Option(help="Of the quiet hours.")] = "Europe/London",
    below: Annotated[
        str, typer.Option(help="What is less severe than this keeps quiet.")
    ] = "emergency",
) -> None:
    """Add a way to reach somebody."""
    if channel not in _CHANNELS:
        terminal.fail(f"There is no channel {channel!r}. There are: {', '.join(_CHANNELS)}.")
    kind, _, name = whose.partition(":")
    if kind not in _OWNERS or bool(name) is (kind == "hub"):
        terminal.fail("Say whose it is: team:ID, member:ACCOUNT, contact:PERSON/RANK, or hub.")
    hours = _quiet(quiet, timezone, below) if quiet else None
    address = sys.stdin.readline().strip() if address == "-" else address
    with _database() as (db, store, vault):
        owner = store.owner(db, kind, name)
        if owner is None:
            terminal.fail(f"There is no {kind} {name!r}.")
        no = store.add(
            db, vault, owner, channel=channel, address=address, rank=rank, language=language,
            quiet=hours,
        )  # fmt: skip
    typer.echo(f"Added receiver {no}. Try it: telecare receiver try {no}")


@receivers.command("list")
def receiver_list() -> None:
    """List the receivers, without their addresses."""
    with _database() as (db, store, _):
        found = store.every(db)
    if not found:
        typer.echo("No receivers: alerts are seen on the screen only.")
    for one in found:
        quiet = f", quiet {one.quiet['from']}-{one.quiet['to']}" if one.quiet else ""
        failing = (
            f", FAILING since {one.failing_since:%Y-%m-%d %H:%M}Z" if one.failing_since else ""
        )
        ready = "" if one.ready else ", no alerts role has set this channel up"
        typer.echo(
            f"{one.no:>5}  {one.owner:<28} rank {one.rank}  {one.channel:<8} {one.language}"
            f"{quiet}{failing}{ready}"
        )


@receivers.command("remove")
def receiver_remove(no: int) -> None:
    """Take a receiver away. What was sent to it stays in the log."""
    with _database() as (db, store, _):
        if not store.remove(db, no):
            terminal.fail(f"There is no receiver {no}: see telecare receiver list.")
    typer.echo(f"Removed receiver {no}.")


@receivers.command("try")
def receiver_try(no: int) -> None:
    """Send a test message now, with the settings of this environment, and say what came of it."""
    from alerts.delivery import trial  # noqa: PLC0415
    from alerts.settings import AlertsSettings  # noqa: PLC0415

    with _database() as (db, store, vault):
        found = store.opened(db, vault, no)
        if found is None:
            terminal.fail(f"There is no receiver {no}: see telecare receiver list.")
        outcome = trial.send(AlertsSettings(), *found)
    if outcome.failed:
        terminal.fail(f"It was not sent: {outcome.said}.")
    typer.echo(f"Sent: {outcome.said}.")


def _quiet(hours: str, timezone: str, below: str) -> dict[str, str]:
    """Read quiet hours, and refuse what would keep nobody quiet."""
    from datetime import time  # noqa: PLC0415
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415

    from alerts.model import Severity  # noqa: PLC0415

    start, _, end = hours.partition("-")
    try:
        time.fromisoformat(start), time.fromisoformat(end), ZoneInfo(timezone), Severity(below)
    except (ValueError, ZoneInfoNotFoundError):
        terminal.fail("Quiet hours look like 22:00-07:00, with an IANA time zone and a severity.")
    return {"from": start, "to": end, "timezone": timezone, "below": below}


@contextmanager
def _database() -> Iterator[tuple[Connection, Any, Any]]:
    """Lend a session, the receivers' store and the vault."""
    from alerts.storage import receivers as store  # noqa: PLC0415
    from ingest.storage.vault import Vault  # noqa: PLC0415

    with terminal.told(), terminal.pool("receivers") as pool, pool.connection() as db:
        yield db, store, Vault(terminal.settings().require_secret())
