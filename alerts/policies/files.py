"""Where policies stand: in a folder of one's own, else as they are shipped."""

from __future__ import annotations

from pathlib import Path

from alerts import errors

SHIPPED = Path(__file__).parent


def read(name: str, folder: Path | None = None) -> tuple[str, str]:
    """Return the text of a policy and the path it was read from.

    Raises
    ------
    PackError
        It can't be read.
    """
    own = None if folder is None else folder / name
    path = own if own is not None and own.exists() else SHIPPED / name
    try:
        return path.read_text(encoding="utf-8"), str(path)
    except (OSError, UnicodeDecodeError) as error:
        raise errors.PackError(file=path, line=0, problem=f"can't be read: {error}") from error
