"""``telecare routes``: the routing tree checked against the teams, and alerts explained by it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from api import terminal
from ingest.kernel import ids

if TYPE_CHECKING:
    from collections.abc import Iterable

    from alerts.policies import routes as trees

routes = typer.Typer(help="Routes: who gets which alert, and why.", no_args_is_help=True)
_MOST = 40
"""Lines of a kind that are shown."""


@routes.command("check")
def routes_check(
    folder: Annotated[
        Optional[Path],  # noqa: UP045  (typer reads this at run time)
        typer.Argument(help="A folder with a routing.toml; the one in force where not given."),
    ] = None,
    year: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(help="Every hour of this year; of the next 365 days where not given."),
    ] = None,
) -> None:
    """Check the tree, and that somebody takes every alert at every hour; exit code 1 if not."""
    from alerts import coverage  # noqa: PLC0415
    from alerts.rules import registry  # noqa: PLC0415
    from alerts.settings import AlertsSettings  # noqa: PLC0415
    from alerts.storage.rotas import Rotas  # noqa: PLC0415
    from ingest.kernel.clock import SystemClock  # noqa: PLC0415

    tree = _tree(folder)
    typer.echo(f"{tree.id} {tree.version}: {len(tree.routes())} routes are sound.")
    with terminal.told():
        settings = AlertsSettings()
        if not settings.database_url.get_secret_value():
            typer.echo("Teams were not compared: TELECARE_DATABASE_URL is not set.")
            return
        rules = registry.load(settings.alerts_packs_dir, shadow=settings.shadow_packs).rules
        clock = SystemClock()
        with terminal.pool("routes") as pool:
            store = Rotas(pool, clock=clock)
            organisation, places = store.places()
            rotas = store.found()
    now = clock.now()
    start, end = coverage.year(year) if year else (now, now + timedelta(days=365))
    asked = coverage.sorts(rules.values())
    places = coverage.distinct(places, tree, organisation.teams)
    gaps = list(coverage.gaps(tree, organisation, places, asked, start=start, end=end))
    empty = [
        f"{rota.team.name}: nobody is on duty or on call from {span.start:%a %d %b %H:%M} to"
        f" {span.end:%a %d %b %H:%M} UTC"
        for rota in rotas
        for span in rota.missing(now, now + coverage.AHEAD)
    ]
    alike = [
        f"{one.name} and {other.name} serve the same and are open together: the first gets it all"
        for one, other in coverage.overlaps(organisation, start=start, end=end)
    ]
    _list("Gaps", gaps)
    _list("Rotas without anybody, in the next 14 days", empty)
    _list("Overlaps", alike)
    if gaps or empty:
        terminal.end(1)
    typer.echo(
        f"Somebody takes every alert: {len(places)} places, {len(asked)} sorts of alerts, every"
        f" hour from {start:%d %b %Y} to {end:%d %b %Y}."
    )


@routes.command("explain")
def routes_explain(
    alert: Annotated[str, typer.Argument(help="An alert's id, as the API and the page show it.")],
) -> None:
    """Say why an alert went where it went."""
    from alerts.storage import alerts as store  # noqa: PLC0415

    number = ids.number("alert", alert)
    if number is None:
        terminal.fail(f"{alert!r} is no id of an alert: the page and GET /api/v1/alerts show them.")
    with terminal.told(), terminal.pool("explain") as pool:
        kept = store.AlertStore(pool)
        found = kept.get(number)
        if found is None:
            terminal.fail(f"There is no alert {alert!r}.")
        typer.echo(f"{found.id}: {found.alert_class}, {found.severity}, by {found.rule_id}")
        typer.echo(f"  now with: {found.team_name} ({found.team})")
        typer.echo(f"  because:  {found.routed_because}")
        for event in kept.history(number):
            if "routing" in event.detail:
                _explain(event.detail["routing"], f"{event.at:%Y-%m-%d %H:%M:%S} UTC")


def _explain(said: dict[str, Any], when: str) -> None:
    typer.echo(f"  at {when}, by the tree {said.get('policy')}:")
    typer.echo(f"    route:     {' > '.join(said.get('path', ()))}")
    typer.echo(f"    candidate: {said.get('candidate')} -> {said.get('team')}")
    typer.echo(f"    response:  {said.get('response')}")
    if said.get("note"):
        typer.echo(f"    note:      {said['note']}")
    for passed in said.get("passed", ()):
        typer.echo(f"    passed over: {passed['team']} {passed['why']}")


def _list(what: str, found: Iterable[object]) -> None:
    lines = [str(one) for one in found]
    if lines:
        typer.echo(f"{what}: {len(lines)}")
    for line in lines[:_MOST]:
        typer.echo(f"  {line}")
    if len(lines) > _MOST:
        typer.echo(f"  ... and {len(lines) - _MOST} more")


def _tree(folder: Path | None) -> trees.Tree:
    from alerts.policies import routes as trees  # noqa: PLC0415
    from alerts.settings import AlertsSettings  # noqa: PLC0415

    with terminal.told():
        return trees.load(folder or AlertsSettings().alerts_policies_dir)
    raise AssertionError  # pragma: no cover  (told ends the process)
