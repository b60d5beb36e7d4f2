"""``telecare reports``: measures of some days, written to a file or to standard output."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Optional, cast

import typer

from api import terminal

if TYPE_CHECKING:
    from alerts.measures.grouping import By
    from api.reports import Name

_DAY = ["%Y-%m-%d"]


def reports(
    name: Annotated[
        str, typer.Argument(help="response, burden, coverage, outcomes or evaluation.")
    ],
    first: Annotated[datetime, typer.Option("--from", formats=_DAY, help="First local day.")],
    last: Annotated[datetime, typer.Option("--to", formats=_DAY, help="Last local day, in it.")],
    by: Annotated[
        Optional[str],  # noqa: UP045  (typer reads this at run time)
        typer.Option(help="team, practice, site, area, severity or month."),
    ] = None,
    form: Annotated[str, typer.Option("--format", help="csv or json.")] = "csv",
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--out", help="Write here instead of to standard output."),
    ] = None,
    baseline_from: Annotated[
        Optional[datetime],  # noqa: UP045
        typer.Option(formats=_DAY, help="For outcomes: first day of the baseline."),
    ] = None,
    baseline_to: Annotated[
        Optional[datetime],  # noqa: UP045
        typer.Option(formats=_DAY, help="For outcomes: its last day."),
    ] = None,
) -> None:
    """Write what alerts of some days came to: how fast, how many, with what outcome.

    Small counts are shown: it is for who may see everything.
    """
    from alerts.measures import grouping  # noqa: PLC0415
    from alerts.policies import targets  # noqa: PLC0415
    from alerts.storage.measures import Measures  # noqa: PLC0415
    from api import reports as making  # noqa: PLC0415
    from api.storage import audit  # noqa: PLC0415
    from ingest.kernel.clock import SystemClock  # noqa: PLC0415

    _one_of(name, making.NAMES, "report")
    _one_of(form, ("csv", "json"), "format")
    if by is not None:
        _one_of(by, grouping.BYS, "grouping")
    with terminal.told():
        asked = making.asked(
            cast("Name", name), first=first.date(), last=last.date(), by=cast("By | None", by),
            baseline=(baseline_from and baseline_from.date(), baseline_to and baseline_to.date()),
        )  # fmt: skip
        config, clock = terminal.settings(), SystemClock()
        aims = targets.load(config.alerts_policies_dir)
        secret = config.require_secret()
        with terminal.pool("reports") as pool:
            made = making.Reports(Measures(pool), targets=aims, secret=secret, clock=clock)
            answer = made.make(asked, small_counts=True)
            audit.Audit(pool).write(
                at=clock.now(), account="command line", action="reports.view", subject=name,
                detail={**asked.said(), "format": form},
            )  # fmt: skip
        pieces = made.written(asked, answer, form=cast('Literal["csv", "json"]', form))
        _write(pieces, out)


def _one_of(word: str, allowed: tuple[str, ...], what: str) -> None:
    if word not in allowed:
        terminal.fail(f"There is no {what} {word!r}. There are: {', '.join(allowed)}.")


def _write(pieces: Iterator[bytes], out: Path | None) -> None:
    if out is None:
        for piece in pieces:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return
    try:
        with out.open("wb") as file:
            file.writelines(pieces)
    except OSError as error:
        terminal.fail(f"{out}: {error.strerror}")
