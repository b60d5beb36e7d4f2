"""The ``telecare`` command: one word per thing it does. Heavy parts are only loaded when used."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, Optional

import typer

from ingest.kernel import errors

if TYPE_CHECKING:
    from alerts.rules import early_warning, pack, registry
    from api.settings import ApiSettings
    from api.storage.accounts import Accounts
    from api.storage.quarantine import Quarantine
    from ingest.storage.pool import Pool

_WRONG, _NOT_YET, _NO_WAY_TO_TELL = 1, 2, 2
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
rules = typer.Typer(help="Rule packs: what the hub raises alerts by.", no_args_is_help=True)
quarantine = typer.Typer(help="Messages that could not be taken, and why.", no_args_is_help=True)
app.add_typer(account, name="account")
app.add_typer(rules, name="rules")
app.add_typer(quarantine, name="quarantine")


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

    _end(
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

    with _told():
        code = role.run(settings.GatewaySettings())
    _end(code)


@app.command()
def alerts() -> None:
    """Run one rules worker: from readings to alerts. Any number may run."""
    from alerts import main as role  # noqa: PLC0415

    with _told():
        code = role.run()
    _end(code)


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

    with _told():
        code = role.main(http_host=http_host, http_port=http_port)
    _end(code)


# -- the database


@app.command()
def migrate() -> None:
    """Bring the database to this release's schema. Safe to run again."""
    from ingest.storage import migrate as migrations  # noqa: PLC0415

    with _told():
        done = migrations.migrate(_settings().require_database())
    for name in done:
        typer.echo(f"applied {name}")
    typer.echo(f"{len(done)} migrations applied." if done else "Nothing to do: up to date.")


@app.command()
def doctor() -> None:
    """Check configuration, connections and capabilities; say in plain words what is wrong."""
    from api import doctor as checks  # noqa: PLC0415

    with _told():
        found = checks.examine(_settings())
    for finding in found:
        typer.echo(finding.line())
    bad = sum(f.verdict is checks.Verdict.BAD for f in found)
    warned = sum(f.verdict is checks.Verdict.WARN for f in found)
    typer.echo("")
    if bad:
        typer.echo(f"{bad} {_things(bad)} wrong. The line under each says how to mend it.")
        _end(_WRONG)
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
    from ingest.register import command  # noqa: PLC0415

    check_trigger = None  # any text is taken for a trigger's
    with _told():
        config = _settings()
        try:
            if check and not config.database_url.get_secret_value():
                code, lines = command.check_files(files, check_trigger=check_trigger)
            else:
                code, lines = command.register_files(
                    files,
                    check=check,
                    database_url=config.require_database(),
                    secret=config.require_secret(),
                    check_trigger=check_trigger,
                )
        except errors.SettingsError as error:
            code, lines = _NO_WAY_TO_TELL, [str(error), "Nothing was changed."]
    for line in lines:
        typer.echo(line, err=code != 0)
    _end(code)


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
        _fail(f"There is no role {role!r}. There are: {', '.join(security.ROLES)}.")
    username = username.strip().lower()
    if not security.USERNAME.fullmatch(username):
        _fail("A user name has 1 to 64 of the characters a-z 0-9 . _ @ -")
    password = _password(password_stdin)
    with _told(), _accounts() as accounts:
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
    with _told(), _accounts() as accounts:
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
    with _told(), _accounts() as accounts:
        known = accounts.set_disabled(username.lower(), True)
    _known(known, username)
    typer.echo(f"{username} is disabled and signed out everywhere.")


@account.command("enable")
def account_enable(username: str) -> None:
    """Let a disabled account sign in again."""
    with _told(), _accounts() as accounts:
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
    with _told(), _accounts() as accounts:
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

    with _told(), _accounts() as accounts:
        found = accounts.secret(username.lower())
        _known(found is not None and not found.disabled, username)
        assert found is not None  # noqa: S101  (just checked)
        token = ids.token()
        now = clock.SystemClock().now()
        accounts.issue(
            found.no, digest=security.digest(token), now=now, until=now + timedelta(days=days)
        )
    typer.echo(token)


# -- rules


@rules.command("list")
def rules_list() -> None:
    """List the rule packs in force and their rules."""
    found = _packs()
    for pack in found.packs.values():
        typer.echo(f"{pack.id} {pack.version}: {pack.title}")
        typer.echo(f"  approved by {pack.approver}, review by {pack.review_by}")
        for rule in pack.rules:
            typer.echo(f"  {rule.id:<34} {rule.severity.value:<12} {rule.title}")


@rules.command("show")
def rules_show(rule: Annotated[str, typer.Argument(help="A pack's or a rule's id.")]) -> None:
    """Show a pack or a rule in full, with its source."""
    found = _packs()
    one = found.packs.get(rule) or found.rules.get(rule)
    if one is None:
        _fail(f"There is no pack or rule {rule!r}: see telecare rules list.")
    _fields(one, but=("rules",))
    for each in getattr(one, "rules", ()):
        typer.echo("")
        _fields(each, but=("version",))


@rules.command("check")
def rules_check(
    folder: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Argument(help="A folder of pack files; the shipped ones where not given."),
    ] = None,
) -> None:
    """Check rule packs: every problem stops them from being used, and is told by file and line."""
    found = _packs(folder)
    typer.echo(f"{len(found.packs)} packs with {len(found.rules)} rules are sound.")


@rules.command("score")
def rules_score(
    pack: Annotated[str, typer.Argument(help="A score's pack, for example news2.")],
    file: Annotated[Path, typer.Argument(help="A CSV file, columns named by the nomenclature.")],
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--out", help="Write here instead of to standard output."),
    ] = None,
) -> None:
    """Score the rows of a CSV file; they come back with total, level, partial and each part."""
    from alerts.rules import score_csv  # noqa: PLC0415

    with _told():
        try:
            text = score_csv.score_file(pack, file)
        except OSError as error:
            _fail(f"{file}: {error.strerror}")
        except UnicodeDecodeError:
            _fail(f"{file}: is not text in UTF-8")
    if out is None:
        sys.stdout.write(text)
    else:
        out.write_text(text, encoding="utf-8")
        typer.echo(f"Written to {out}.")


@rules.command(
    "explain", context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
)
def rules_explain(_context: typer.Context) -> None:
    """Explain why a rule did or didn't raise (comes with the rules-core issue)."""
    _not_yet("telecare rules explain")


@rules.command(
    "backtest", context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
)
def rules_backtest(_context: typer.Context) -> None:
    """Run packs over stored or file data with a virtual clock (comes with the rules-core issue)."""
    _not_yet("telecare rules backtest")


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

    with _told(), _quarantine() as kept:
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
        _fail("Say which: an id, or --site (with --device), or --all.")
    if device is not None and site is None:
        _fail("--device needs --site: device names are a site's own.")
    no = None
    if entry is not None:
        no = ids.number("quarantine", entry)
        if no is None:
            _fail(f"{entry!r} is no id of a quarantined message: see telecare quarantine list.")
    with _told(), _quarantine() as kept:
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


def _settings() -> ApiSettings:
    from api import settings  # noqa: PLC0415

    return settings.ApiSettings()


@contextmanager
def _told() -> Iterator[None]:
    """Turn what the hub could not do into one sentence and an exit code."""
    from pydantic import ValidationError  # noqa: PLC0415

    try:
        yield
    except errors.HubError as error:
        _fail(str(error))
    except ValidationError as error:
        for found in error.errors():
            name = "TELECARE_" + "_".join(str(p) for p in found["loc"]).upper()
            typer.echo(f"{name}: {found['msg']}", err=True)
        _end(_WRONG)


@contextmanager
def _pool(name: str) -> Iterator[Pool]:
    from ingest.storage import pool  # noqa: PLC0415

    url = _settings().require_database()
    pool.connect(url, name=name).close()  # says at once when there is no database
    with pool.open_pool(url, name=name, most=1) as opened:
        yield opened


@contextmanager
def _accounts() -> Iterator[Accounts]:
    from api.storage import accounts  # noqa: PLC0415

    with _pool("accounts") as pool:
        yield accounts.Accounts(pool)


@contextmanager
def _quarantine() -> Iterator[Quarantine]:
    from api.storage import quarantine as store  # noqa: PLC0415

    with _pool("quarantine") as pool:
        yield store.Quarantine(pool)


def _packs(folder: Path | None = None) -> registry.Registry:
    from alerts import settings as alert_settings  # noqa: PLC0415
    from alerts.rules import registry  # noqa: PLC0415

    with _told():
        return registry.load(folder or alert_settings.AlertsSettings().alerts_packs_dir)
    raise AssertionError  # pragma: no cover  (_told ends the process)


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        _fail("There is nobody to ask for a password: give it with --password-stdin.")
    text: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return text


def _known(known: bool, username: str) -> None:
    if not known:
        _fail(f"There is no active account {username!r}: see telecare account list.")


def _fields(one: pack.Pack | pack.Rule, *, but: tuple[str, ...]) -> None:
    """Print what a pack or a rule says, a line each; a chart as its points and where they end."""
    import dataclasses  # noqa: PLC0415

    from alerts.rules import early_warning  # noqa: PLC0415

    for field in dataclasses.fields(one):
        if field.name in but:
            continue
        value = getattr(one, field.name)
        if isinstance(value, early_warning.Chart):
            for part in dataclasses.fields(value):
                of_part = getattr(value, part.name)
                said = _bands(of_part) if isinstance(of_part, early_warning.Table) else of_part
                typer.echo(f"{part.name:<18} {said}")
        elif field.name == "quantity":
            typer.echo(f"{field.name:<18} {_quantity(value)}")
        else:
            typer.echo(f"{field.name:<18} {_said(value)}")


def _bands(table: early_warning.Table) -> str:
    """Return the points of a chart's quantity, each with the highest value that scores them."""
    points = [int(p) for p in table.points[::2]]  # the odd ones are ties between two values
    ends = [
        f"{p} to {(table.first + n) * table.step:g}"
        for n, p in enumerate(points[:-1])
        if points[n + 1] != p
    ]
    return f"{', '.join(ends)}, {points[-1]} above"


def _quantity(no: int) -> str:
    from ingest.kernel import vitals  # noqa: PLC0415

    known = vitals.BY_NO.get(no)
    if known is None:
        return "any alarm that can not be read"
    return known.name if known.unit == "1" else f"{known.name} [{known.unit}]"


def _said(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:g}"
    return str(getattr(value, "value", value))


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


def _not_yet(what: str) -> NoReturn:
    typer.echo(f"{what} comes with the rules-core issue: it is not in this release.", err=True)
    raise typer.Exit(_NOT_YET)


def _fail(sentence: str) -> NoReturn:
    typer.echo(sentence, err=True)
    raise typer.Exit(_WRONG)


def _end(code: int) -> None:
    if code:
        raise typer.Exit(code)


if __name__ == "__main__":
    main()
