"""``telecare register FILE...``: read files, load them as one, tell what became of it.

The composition root of this one command: the only place where reading meets the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ingest.kernel import clock, errors, registration
from ingest.register import reading
from ingest.storage import pool, register_load, vault

_DONE, _REFUSED, _FAILED = 0, 1, 2
_SHOWN = 1_000
_NOT_COMPARED = "What the database holds was not compared: TELECARE_DATABASE_URL is not set."


def register_files(
    paths: Sequence[Path],
    *,
    check: bool,
    database_url: str,
    secret: str,
    check_trigger: registration.TriggerCheck | None = None,
) -> tuple[int, list[str]]:
    """Load registration files as one unit and return an exit code and what to print.

    The code is 0 when everything was loaded (with ``check``: could be), 1 when something is wrong
    with the files, 2 when there was no way to tell. Unless it is 0 nothing was changed.
    """
    said = _read(paths, check_trigger)
    try:
        with pool.connect(database_url, name="register") as db:
            report = register_load.load(db, said, vault=vault.Vault(secret), check=check)
    except errors.HubError as error:
        lines = _problems(said.problems, paths) if said.problems else []
        return _FAILED, [*lines, str(error), "Nothing was changed."]
    if report.problems:
        return _REFUSED, [*_problems(report.problems, paths), *_verdict(report, paths)]
    return _DONE, [*_counts(report), *_verdict(report, paths)]


def check_files(
    paths: Sequence[Path], *, check_trigger: registration.TriggerCheck | None = None
) -> tuple[int, list[str]]:
    """Check files by themselves where there is no database; 0 when they are sound, else 1."""
    said = _read(paths, check_trigger)
    if said.problems:
        return _REFUSED, [
            *_problems(said.problems, paths),
            f"{_number(said.problems)} in {_files(paths)}. {_NOT_COMPARED}",
        ]
    return _DONE, [f"{_files(paths)} checked: sound. {_NOT_COMPARED}"]


def _read(
    paths: Sequence[Path], check_trigger: registration.TriggerCheck | None
) -> registration.Registration:
    return reading.read(paths, today=clock.SystemClock().now().date(), check_trigger=check_trigger)


def _number(problems: Iterable[registration.Problem]) -> str:
    number = len(set(problems))
    return f"{number} problem{'s' if number > 1 else ''}"


def _files(paths: Sequence[Path]) -> str:
    return "1 file" if len(paths) == 1 else f"{len(paths)} files"


def _problems(problems: Iterable[registration.Problem], paths: Sequence[Path]) -> list[str]:
    order = {str(path): i for i, path in enumerate(paths)}
    found = sorted(set(problems), key=lambda p: (order.get(p.file, 0), p.line, p.what))
    lines = [str(problem) for problem in found[:_SHOWN]]
    return lines if len(found) <= _SHOWN else [*lines, f"... and {len(found) - _SHOWN} more"]


def _counts(report: registration.Report) -> list[str]:
    """Return one line per kind that the files spoke of."""
    lines: list[str] = []
    for kind in registration.COUNTED:
        count = report.counts.get(kind)
        if count is None:
            continue
        parts = [
            f"{number:,} {word}"
            for number, word in (
                (count.created, "created"),
                (count.updated, "updated"),
                (count.unchanged, "unchanged"),
            )
            if number
        ]
        lines.append(f"{kind:<12} {', '.join(parts) or 'none'}")
    if report.queued:
        lines.append(
            f"{report.queued:,} messages of devices that were waiting for this are replayed"
        )
    return lines


def _verdict(report: registration.Report, paths: Sequence[Path]) -> list[str]:
    files = _files(paths)
    if report.problems:
        return [f"{_number(report.problems)} in {files}: nothing was changed."]
    if report.check:
        return [f"{files} checked: can be loaded. This was a check: nothing was changed."]
    if not report.changed and not report.queued:
        return [f"{files} loaded: unchanged, the register said all of this already."]
    return [f"{files} loaded."]
