"""The ``telecare`` command: one word per thing it does. Heavy parts are only loaded when used."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from api import cli_receivers, cli_reports, cli_routes, cli_rules, terminal
from ingest.kernel import errors

if TYPE_CHECKING:
    from api.storage.accounts import Accounts
    from api.storage.quarantine import Quarantine

_WRONG, _NO_WAY_TO_TELL = 1, 2
_WORDS = 70

app = typer.Typer(
    name="telecare",
    help="Telehealth and telecare monitoring hub: from a reading at home to a person who acts."
    " Not a certified medical device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
account = typer.Typer(help="Who may sign in.", no_args_is_help=True)
quarantine = typer.Typer(help="Messages that could not be taken, and why.", no_args_is_help=True)
app.add_typer(account, name="account")
app.add_typer(cli_rules.rules, name="rules")
app.add_typer(cli_routes.routes, name="routes")
app.add_typer(quarantine, name="quarantine")
app.add_typer(cli_receivers.receivers, name="receiver")


# -- roles


@app.command()
def up(
    demo: Annotated[bool, typer.Option("--demo", help="Add invented homes and people.")] = False,
    data: Annotated[
        Optional[Path],  # noqa: UP045  (typer reads this at run time)
        typer.Option(help="Where everything is kept.", show_default="a folder of its own"),
    ] = None,
    http_port: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=1, max=65535, help="Port of the web page and the API."),
    ] = None,
    mqtt_port: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=1, max=65535, help="Port of the embedded broker."),
    ] = None,
    http_host: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Address to listen on; 127.0.0.1 unless given."),
    ] = None,
) -> None:
    """Run the whole hub until Ctrl-C: every role, and the database and broker it isn't given."""
    from api import hub  # noqa: PLC0415  (only when used)

    terminal.end(
        hub.run_hub(
            hub.HubOptions(
                demo=demo, data=data, http_host=http_host, http_port=http_port, mqtt_port=mqtt_port
            )
        )
    )


@app.command()
def gateway() -> None:
    """Run one gateway: from the broker into the database. Any number may run."""
    from gateway import main as role  # noqa: PLC0415
    from gateway import settings  # noqa: PLC0415

    with terminal.told():
        code = role.run(settings.GatewaySettings())
    terminal.end(code)


@app.command()
def alerts() -> None:
    """Run one rules worker: from readings to alerts. Any number may run."""
    from alerts import main as role  # noqa: PLC0415

    with terminal.told():
        code = role.run()
    terminal.end(code)


@app.command()
def api(
    http_host: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Address to listen on, instead of TELECARE_HTTP_HOST."),
    ] = None,
    http_port: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=0, max=65535, help="Port, instead of TELECARE_HTTP_PORT."),
    ] = None,
) -> None:
    """Run one web server: the API and the nurses' page. Any number may run."""
    from api import main as role  # noqa: PLC0415

    with terminal.told():
        code = role.main(http_host=http_host, http_port=http_port)
    terminal.end(code)


# -- the database


@app.command()
def migrate() -> None:
    """Bring the database to this release's schema. Safe to run again."""
    from ingest.storage import migrate as migrations  # noqa: PLC0415

    with terminal.told():
        done = migrations.migrate(terminal.settings().require_database())
    for name in done:
        typer.echo(f"applied {name}")
    typer.echo(f"{len(done)} migrations applied." if done else "Nothing to do: up to date.")


@app.command()
def doctor(
    days: Annotated[float, typer.Option(help="How far back the history is checked.")] = 7.0,
    full: Annotated[bool, typer.Option("--full", help="Check the whole history.")] = False,
) -> None:
    """Check configuration, connections, and that the history of alerts is as it was written.

    What is wrong is said in plain words, each with its mend.
    """
    from api import doctor as checks  # noqa: PLC0415

    with terminal.told():
        found = checks.examine(terminal.settings(), days=None if full else days)
    for finding in found:
        typer.echo(finding.line())
    bad = sum(f.verdict is checks.Verdict.BAD for f in found)
    warned = sum(f.verdict is checks.Verdict.WARN for f in found)
    typer.echo("")
    if bad:
        typer.echo(f"{bad} {_things(bad)} wrong. The line under each says how to mend it.")
        terminal.end(_WRONG)
    typer.echo(
        f"Nothing is wrong; {warned} {_things(warned)} to know." if warned else "All is well."
    )


def _things(count: int) -> str:
    return "thing is" if count == 1 else "things are"


@app.command()
def register(
    files: Annotated[list[Path], typer.Argument(help="TOML or CSV files, loaded as one.")],
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Say what it would do, and change nothing. Without a database the files alone.",
        ),
    ] = False,
) -> None:
    """Load sites, teams, homes, people and devices. Loading the same again changes nothing."""
    from alerts.rules import triggers  # noqa: PLC0415
    from ingest.register import command  # noqa: PLC0415

    with terminal.told():
        config = terminal.settings()
        try:
            if check and not config.database_url.get_secret_value():
                code, lines = command.check_files(files, check_trigger=triggers.problem)
            else:
                code, lines = command.register_files(
                    files,
                    check=check,
                    database_url=config.require_database(),
                    secret=config.require_secret(),
                    check_trigger=triggers.problem,
                )
        except errors.SettingsError as error:
            code, lines = _NO_WAY_TO_TELL, [str(error), "Nothing was changed."]
    for line in lines:
        typer.echo(line, err=code != 0)
    terminal.end(code)


app.command("reports")(cli_reports.reports)


# -- accounts


@account.command("add")
def account_add(
    username: Annotated[str, typer.Argument(help="What they sign in with.")],
    role: Annotated[str, typer.Option(help="nurse, responder, operator, equipment or admin.")],
    name: Annotated[str, typer.Option(help="As it is shown; the user name where not given.")] = "",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password's one line from stdin.")
    ] = False,
) -> None:
    """Add an account. The password is asked for, or read from standard input."""
    from api import security  # noqa: PLC0415

    if role not in security.ROLES:
        terminal.fail(f"There is no role {role!r}. There are: {', '.join(security.ROLES)}.")
    username = username.strip().lower()
    if not security.USERNAME.fullmatch(username):
        terminal.fail("A user name has 1 to 64 of the characters a-z 0-9 . _ @ -")
    password = _password(password_stdin)
    with terminal.told(), _accounts() as accounts:
        accounts.add(
            username=username,
            name=name.strip() or username,
            role=role,
            password_hash=security.Passwords().hash(password),
        )
    typer.echo(f"Added {username}, role {role}.")


@account.command("list")
def account_list() -> None:
    """List the accounts."""
    with terminal.told(), _accounts() as accounts:
        found = accounts.every()
    if not found:
        typer.echo("No accounts yet: add one with telecare account add.")
        return
    _table(
        ("user name", "name", "role", "state", "since"),
        [
            (
                a.username,
                a.name,
                a.role,
                "disabled" if a.disabled else "active",
                f"{a.created_at:%Y-%m-%d}",
            )
            for a in found
        ],
    )


@account.command("disable")
def account_disable(username: str) -> None:
    """Disable an account and end its sessions, at once. What it did stays on record."""
    with terminal.told(), _accounts() as accounts:
        known = accounts.set_disabled(username.lower(), True)
    _known(known, username)
    typer.echo(f"{username} is disabled and signed out everywhere.")


@account.command("enable")
def account_enable(username: str) -> None:
    """Let a disabled account sign in again."""
    with terminal.told(), _accounts() as accounts:
        known = accounts.set_disabled(username.lower(), False)
    _known(known, username)
    typer.echo(f"{username} may sign in again.")


@account.command("password")
def account_password(
    username: str,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password's one line from stdin.")
    ] = False,
) -> None:
    """Set a new password and end the account's sessions."""
    from api import security  # noqa: PLC0415

    password = _password(password_stdin)
    with terminal.told(), _accounts() as accounts:
        known = accounts.set_password(username.lower(), security.Passwords().hash(password))
    _known(known, username)
    typer.echo(f"{username} has a new password and is signed out everywhere.")


@account.command("token")
def account_token(
    username: str,
    days: Annotated[float, typer.Option(min=0.01, max=366, help="How long it is good.")] = 30,
) -> None:
    """Print a token for a program (a monitoring system, say). It is shown this once."""
    from datetime import timedelta  # noqa: PLC0415

    from api import security  # noqa: PLC0415
    from ingest.kernel import clock, ids  # noqa: PLC0415

    with terminal.told(), _accounts() as accounts:
        found = accounts.secret(username.lower())
        _known(found is not None and not found.disabled, username)
        assert found is not None  # noqa: S101  (just checked)
        token = ids.token()
        now = clock.SystemClock().now()
        accounts.issue(
            found.no, digest=security.digest(token), now=now, until=now + timedelta(days=days)
        )
    typer.echo(token)


# -- quarantine


@quarantine.command("list")
def quarantine_list(
    site: Annotated[Optional[str], typer.Option(help="Only of this site.")] = None,  # noqa: UP045
    device: Annotated[Optional[str], typer.Option(help="Only of this device.")] = None,  # noqa: UP045
    state: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="waiting, queued, replayed or refused."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
) -> None:
    """List what could not be taken, newest first, without what it said."""
    from ingest.kernel import ids  # noqa: PLC0415

    with terminal.told(), _quarantine() as kept:
        found = kept.page(site=site, device=device, state=state, limit=limit)
    if not found:
        typer.echo("Nothing is in quarantine.")
        return
    _table(
        ("id", "received (UTC)", "device", "reason", "state", "times", "bytes", "first refused"),
        [
            (
                ids.public("quarantine", e.no),
                f"{e.received_at:%Y-%m-%d %H:%M:%S}",
                f"{e.site}/{e.device}",
                e.reason,
                e.state,
                str(e.times),
                str(e.size),
                _first_refused(e.refused),
            )
            for e in found
        ],
    )


@quarantine.command("replay")
def quarantine_replay(
    entry: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(help="One message's id, for example quarantine_3."),
    ] = None,
    site: Annotated[Optional[str], typer.Option(help="All that wait of this site.")] = None,  # noqa: UP045
    device: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Of the site, only this device's."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that wait.")] = False,
) -> None:
    """Have the gateways take messages once more. What is stored already changes nothing."""
    from ingest.kernel import ids  # noqa: PLC0415

    if sum((entry is not None, site is not None, everything)) != 1:
        terminal.fail("Say which: an id, or --site (with --device), or --all.")
    if device is not None and site is None:
        terminal.fail("--device needs --site: device names are a site's own.")
    no = None
    if entry is not None:
        no = ids.number("quarantine", entry)
        if no is None:
            terminal.fail(
                f"{entry!r} is no id of a quarantined message: see telecare quarantine list."
            )
    with terminal.told(), _quarantine() as kept:
        queued = kept.queue(no=no, site=site, device=device)
    if not queued:
        typer.echo("Nothing was waiting there.")
        return
    typer.echo(
        f"{queued} handed to the gateways. See telecare quarantine list for what came of it."
    )


# -- what they share


def main() -> None:
    """Run the command line."""
    app()


@contextmanager
def _accounts() -> Iterator[Accounts]:
    from api.storage import accounts  # noqa: PLC0415

    with terminal.pool("accounts") as pool:
        yield accounts.Accounts(pool)


@contextmanager
def _quarantine() -> Iterator[Quarantine]:
    from api.storage import quarantine as store  # noqa: PLC0415

    with terminal.pool("quarantine") as pool:
        yield store.Quarantine(pool)


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        terminal.fail("There is nobody to ask for a password: give it with --password-stdin.")
    text: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return text


def _known(known: bool, username: str) -> None:
    if not known:
        terminal.fail(f"There is no active account {username!r}: see telecare account list.")


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Print columns that line up, in a pipe as on a screen."""
    widths = [max(len(row[n]) for row in [head, *rows]) for n in range(len(head))]
    for row in [head, *rows]:
        typer.echo("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip())


def _first_refused(refused: list[Any]) -> str:
    """Return why a message, or the first refused record of it, was not taken; in one line."""
    first = refused[0] if refused else None
    said = str(first.get("reason") or "") if isinstance(first, dict) else ""
    line = "".join(c if c.isprintable() else " " for c in said)  # devices' own words are in it
    return line if len(line) <= _WORDS else line[: _WORDS - 3].rstrip() + "..."


if __name__ == "__main__":
    main()
