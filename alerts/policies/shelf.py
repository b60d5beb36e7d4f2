"""The policy files in force as they stand: what they are, who approved them, and their text."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from alerts.policies import files, responses, routes, targets

_FILES: Final = (routes.FILE, responses.FILE, targets.FILE)
_ABOUT: Final = ("id", "version", "title", "approver", "source")


def policies(folder: Path | None = None) -> Iterator[dict[str, Any]]:
    """Return each policy: a folder's own file where it has one, else the shipped one."""
    for name in _FILES:
        text, _ = files.read(name, folder)
        said = tomllib.loads(text)
        about = {key: str(said.get(key, "")) for key in _ABOUT}
        yield {**about, "review_by": said["review_by"], "text": text}
