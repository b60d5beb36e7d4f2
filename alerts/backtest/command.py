"""``telecare rules backtest``: what packs would have told of what was recorded."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import Progress, TaskID

from alerts import errors
from alerts import plan as plans
from alerts.backtest import choosing, csv_file, figures, labels, report, sources, tihm
from alerts.backtest import run as runs
from alerts.backtest import sweep as sweeps
from alerts.backtest.sources import Source
from alerts.rules import language
from alerts.rules.registry import Registry
from alerts.storage import history
from ingest.kernel import errors as hub_errors
from ingest.kernel.clock import Clock

_DONE, _BAD, _NO_WAY_TO_TELL = 0, 1, 2
_TOLD: Final = 20
_LEAST_STEP_S, _MOST_STEP_S = 1.0, 86_400.0


def backtest(
    *,
    source: str,
    out: Path,
    packs: Sequence[str] = (),
    packs_dir: Path | None = None,
    begin: str | None = None,
    end: str | None = None,
    label_file: Path | None = None,
    report_file: Path | None = None,
    compare: bool = False,
    sweep: bool = False,
    step: str = "5 min",
    defaults: plans.Defaults | None = None,
    database_url: Callable[[], str],
    clock: Clock,
    quiet: bool = False,
) -> tuple[int, list[str]]:
    """Run packs over stored or file data with a virtual clock, and write what they told.

    Parameters
    ----------
    source
        ``stored``, ``tihm:DIR`` or ``csv:FILE``.
    out
        CSV of alerts to be written.
    packs
        Ids of packs, or pack files; all where none is given.
    packs_dir
        A folder of packs instead of the shipped ones.
    begin, end
        Dates or RFC 3339 moments: received from, and before.
    label_file
        CSV of ``patient_id,date,type``.
    report_file
        HTML to be written, with JSON, plots and tables beside it.
    compare
        Judge twice: by each of two ``packs``, or by ``packs_dir`` and the shipped ones.
    sweep
        Judge again with default limits narrower and wider; needs labels and a report.
    step
        How often the virtual clock ticks.
    defaults
        Settings that rules without their own go by.
    database_url
        Asked for a stored source only.
    clock
        The machine's, for the session with the database.
    quiet
        No progress bar.

    Returns
    -------
    tuple[int, list[str]]
        Exit code, and lines for whoever gave the command.
    """
    try:
        _writable(out, "--out")
        if report_file is not None:
            _writable(report_file, "--report")
        tick = _step(step)
        _needed(label_file, report_file, sweep=sweep)
        sides = _sides(packs, packs_dir, compare=compare)
        with _opened(
            source, _moment(begin, "--from"), _moment(end, "--to"), database_url, clock
        ) as s:
            return _DONE, _work(
                s, sides, out=out, label_file=label_file, report_file=report_file, sweep=sweep,
                step=tick, defaults=defaults or plans.Defaults(), quiet=quiet,
            )  # fmt: skip
    except (errors.BacktestError, errors.PackError) as error:
        return _BAD, [str(error), "Nothing was written."]
    except hub_errors.RecoverableError as error:
        return _NO_WAY_TO_TELL, [str(error), "Nothing was written."]


def _work(
    source: Source,
    sides: dict[str, Registry],
    *,
    out: Path,
    label_file: Path | None,
    report_file: Path | None,
    sweep: bool,
    step: float,
    defaults: plans.Defaults,
    quiet: bool,
) -> list[str]:
    marks = None if label_file is None else labels.read(label_file, source)
    found: dict[str, runs.Run] = {}
    with _progress(quiet=quiet) as bar:
        for name, rules in sides.items():
            task = bar.add_task(name, total=1.0)
            found[name] = runs.run(
                source, rules, step=step, defaults=defaults,
                progress=partial(_show, bar, task),
            )  # fmt: skip
            bar.update(task, completed=1.0)
        first, rules = next(iter(found.values())), next(iter(sides.values()))
        points = []
        if sweep and marks is not None:
            task = bar.add_task("other limits", total=None)
            points = sweeps.sweep(first, rules, marks, step=step, defaults=defaults)
            bar.update(task, total=1.0, completed=1.0)
    said = {name: figures.summary(one, marks) for name, one in found.items()}
    report.write_alerts(first, out)
    lines = _refused("rows of the source", source.refused)
    lines += _refused("labels", () if marks is None else marks.refused)
    for name, one in said.items():
        lines += [f"{name}:"] * (len(said) > 1) + report.lines(one)
    lines.append(f"Alerts written to {out}{_of(found)}.")
    if report_file is not None:
        digests = ", ".join(f"{name}: {r.digest[:12]}" for name, r in sides.items())
        report.write(report_file, said, points, about=f"Rules by digest: {digests}.")
        lines.append(f"Report written to {report_file}, its figures and plots beside it.")
    return lines


def _of(found: dict[str, Any]) -> str:
    return f", those of {next(iter(found))}" if len(found) > 1 else ""


def _refused(what: str, told: Sequence[str]) -> list[str]:
    if not told:
        return []
    more = [f"  and {len(told) - _TOLD} more"] if len(told) > _TOLD else []
    head = f"{len(told)} {what} could not be read and are left out:"
    return [head, *(f"  {line}" for line in told[:_TOLD]), *more]


def _show(bar: Progress, task: TaskID, share: float) -> None:
    bar.update(task, completed=share)


def _needed(label_file: Path | None, report_file: Path | None, *, sweep: bool) -> None:
    if sweep and (label_file is None or report_file is None):
        raise errors.BacktestError(problem="--sweep needs --labels and --report: add them")


def _progress(*, quiet: bool) -> Progress:
    return Progress(console=Console(stderr=True), transient=True, disable=quiet)


# -- what was asked for --------------------------------------------------------------------------


def _sides(packs: Sequence[str], folder: Path | None, *, compare: bool) -> dict[str, Registry]:
    if folder is not None and not folder.is_dir():
        raise errors.BacktestError(problem=f"--packs-dir {folder}: there is no such folder")
    if not compare:
        return {"packs": choosing.choose(packs, folder)}
    if folder is not None:
        return {
            str(folder): choosing.choose(packs, folder),
            "shipped": choosing.choose(packs, None),
        }
    if len(packs) < 2:  # noqa: PLR2004  (two are compared)
        raise errors.BacktestError(
            problem="--compare needs something to compare: two --pack, or --packs-dir with a folder"
        )
    return {name: choosing.choose([name], None) for name in packs}


@contextlib.contextmanager
def _opened(
    said: str,
    begin: datetime | None,
    end: datetime | None,
    database_url: Callable[[], str],
    clock: Clock,
) -> Iterator[Source]:
    if begin is not None and end is not None and begin >= end:
        raise errors.BacktestError(problem="--from is not before --to: exchange them")
    kind, _, place = said.partition(":")
    if kind == "stored" and not place:
        with history.opened(database_url(), begin=begin, end=end, clock=clock) as stored:
            yield Source(
                said="stored", homes=stored.homes, people=stored.people, devices=stored.devices,
                parts=stored.parts, person_ids=stored.person_ids, home_ids=stored.home_ids,
                device_ids=stored.device_ids, chunks=stored.chunks, begin=stored.begin,
                end=stored.end,
            )  # fmt: skip
        return
    readers = {"tihm": tihm.read, "csv": csv_file.read}
    if kind not in readers or not place:
        raise errors.BacktestError(
            problem=f"--source '{said}' is no source: write stored, tihm:DIR or csv:FILE"
        )
    found = readers[kind](Path(place), said=said)
    yield sources.within(
        found, None if begin is None else begin.timestamp(),
        None if end is None else end.timestamp(),
    )  # fmt: skip


def _moment(text: str | None, option: str) -> datetime | None:
    """Read a date or a moment; without an offset it is UTC."""
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise errors.BacktestError(
            problem=f"{option} {text} is no date: write 2026-11-01 or 2026-11-01T08:00:00Z"
        ) from None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _step(text: str) -> float:
    try:
        step = float(text) if text.replace(".", "", 1).isdigit() else language.duration(text)
    except language.LanguageError as error:
        raise errors.BacktestError(problem=f"--step: {error.problem}") from None
    if not (math.isfinite(step) and _LEAST_STEP_S <= step <= _MOST_STEP_S):
        raise errors.BacktestError(problem=f"--step {text}: between 1 s and 1 d, such as '5 min'")
    return step


def _writable(path: Path, option: str) -> None:
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise errors.BacktestError(
            problem=f"{option} {path}: there is no folder to write that file into: make it first"
        )
