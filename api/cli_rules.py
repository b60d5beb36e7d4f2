"""``telecare rules``: packs listed, shown, checked, scored, tried on the past; alerts explained."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from api import terminal
from ingest.kernel import ids

if TYPE_CHECKING:
    from alerts.rules import registry

rules = typer.Typer(help="Rule packs: what the hub raises alerts by.", no_args_is_help=True)


@rules.command("list")
def rules_list() -> None:
    """List the rule packs in force and their rules."""
    found = _packs()
    for pack in found.packs.values():
        shade = " (in the shadow: pages nobody)" if pack.shadow else ""
        typer.echo(f"{pack.id} {pack.version}: {pack.title}{shade}")
        typer.echo(f"  approved by {pack.approver}, review by {pack.review_by}")
        for rule in pack.rules:
            typer.echo(f"  {rule.id:<34} {rule.severity.value:<12} {rule.title}")


@rules.command("show")
def rules_show(rule: Annotated[str, typer.Argument(help="A pack's or a rule's id.")]) -> None:
    """Show a pack or a rule in plain words, with its source."""
    from alerts.rules import plain  # noqa: PLC0415

    found = _packs()
    if rule in found.packs:
        lines = plain.of_pack(found.packs[rule])
    elif rule in found.rules:
        lines = plain.of_rule(found.rules[rule])
    else:
        terminal.fail(f"There is no pack or rule {rule!r}: see telecare rules list.")
    for line in lines:
        typer.echo(line)


@rules.command("check")
def rules_check(
    folder: Annotated[
        Optional[Path],  # noqa: UP045  (typer reads this at run time)
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

    with terminal.told():
        try:
            text = score_csv.score_file(pack, file)
        except OSError as error:
            terminal.fail(f"{file}: {error.strerror}")
        except UnicodeDecodeError:
            terminal.fail(f"{file}: is not text in UTF-8")
    if out is None:
        sys.stdout.write(text)
    else:
        out.write_text(text, encoding="utf-8")
        typer.echo(f"Written to {out}.")


@rules.command("explain")
def rules_explain(
    alert: Annotated[str, typer.Argument(help="An alert's id, as the API and the page show it.")],
) -> None:
    """Show the numbers behind an alert, and make its decision again from them."""
    from alerts import explain  # noqa: PLC0415
    from alerts.storage import alerts as store  # noqa: PLC0415

    number = ids.number("alert", alert)
    if number is None:
        terminal.fail(f"{alert!r} is no id of an alert: the page and GET /api/v1/alerts show them.")
    packs = _packs()
    with terminal.told(), terminal.pool("explain") as pool:
        kept = store.AlertStore(pool)
        found = kept.get(number)
        if found is None:
            terminal.fail(f"There is no alert {alert!r}.")
        for line in explain.lines(found, kept.history(number), packs.rules):
            typer.echo(line)


@rules.command("backtest")
def rules_backtest(  # noqa: PLR0917  (a command's options, each by name)
    source: Annotated[str, typer.Option(help="stored, tihm:DIR or csv:FILE.")],
    out: Annotated[Path, typer.Option(help="Write the alerts here, as CSV.")],
    pack: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help="Only this pack, or a pack file; may be given again."),
    ] = None,
    packs_dir: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="A folder of packs instead of the shipped ones."),
    ] = None,
    begin: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--from", help="Received from: a date or an RFC 3339 time."),
    ] = None,
    end: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--to", help="Received before."),
    ] = None,
    labels: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="CSV of patient_id,date,type: days on which somebody found something."),
    ] = None,
    report: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Write a page with plots here; tables and pictures beside it."),
    ] = None,
    compare: Annotated[bool, typer.Option("--compare", help="Judge by two packs.")] = False,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="Judge again with limits narrower and wider.")
    ] = False,
    step: Annotated[str, typer.Option(help="How often the virtual clock ticks.")] = "5 min",
) -> None:
    """Run packs over stored or file data with a virtual clock; nobody is told anything."""
    from alerts import plan  # noqa: PLC0415
    from alerts import settings as alert_settings  # noqa: PLC0415
    from alerts.backtest import command  # noqa: PLC0415
    from ingest.kernel.clock import SystemClock  # noqa: PLC0415

    with terminal.told():
        config = alert_settings.AlertsSettings()
        code, lines = command.backtest(
            source=source,
            out=out,
            packs=pack or (),
            packs_dir=packs_dir or config.alerts_packs_dir,
            begin=begin,
            end=end,
            label_file=labels,
            report_file=report,
            compare=compare,
            sweep=sweep,
            step=step,
            defaults=plan.Defaults(
                fresh=config.alerts_latest_age_s,
                live=config.alerts_live_age_s,
                refresh=config.alerts_refresh_s,
            ),
            database_url=config.require_database,
            clock=SystemClock(),
        )
    for line in lines:
        typer.echo(line, err=code != 0)
    terminal.end(code)


def _packs(folder: Path | None = None) -> registry.Registry:
    from alerts import settings as alert_settings  # noqa: PLC0415
    from alerts.rules import registry  # noqa: PLC0415

    with terminal.told():
        config = alert_settings.AlertsSettings()
        return registry.load(
            folder or config.alerts_packs_dir, shadow=() if folder else config.shadow_packs
        )
    raise AssertionError  # pragma: no cover  (told ends the process)
