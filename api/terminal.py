"""What every command shares: settings, what went wrong as one sentence, the exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import typer

from ingest.kernel import errors

if TYPE_CHECKING:
    from api.settings import ApiSettings
    from ingest.storage.pool import Pool

_WRONG = 1


def settings() -> ApiSettings:
    """Return the settings."""
    from api.settings import ApiSettings as Settings  # noqa: PLC0415

    return Settings()


@contextmanager
def told() -> Iterator[None]:
    """Turn what the hub could not do into one sentence and an exit code."""
    from pydantic import ValidationError  # noqa: PLC0415

    try:
        yield
    except errors.HubError as error:
        fail(str(error))
    except ValidationError as error:
        for found in error.errors():
            name = "TELECARE_" + "_".join(str(p) for p in found["loc"]).upper()
            typer.echo(f"{name}: {found['msg']}", err=True)
        end(_WRONG)


@contextmanager
def pool(name: str) -> Iterator[Pool]:
    """Lend a pool of one session; says at once when there is no database."""
    from ingest.storage import pool as pools  # noqa: PLC0415

    url = settings().require_database()
    pools.connect(url, name=name).close()
    with pools.open_pool(url, name=name, most=1) as opened:
        yield opened


def fail(sentence: str) -> NoReturn:
    """Say what is wrong, and end."""
    typer.echo(sentence, err=True)
    raise typer.Exit(_WRONG)


def end(code: int) -> None:
    """End with a code that isn't 0."""
    if code:
        raise typer.Exit(code)
