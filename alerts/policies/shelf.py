"""The policy files in force as they stand: what they are, who approved them, and their text."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from alerts.policies import responses, routes, targets

_FILES: Final = (
    (routes.FILE, routes.SHIPPED), (responses.FILE, responses.SHIPPED),
    (targets.FILE, targets.SHIPPED),
)  # fmt: skip
_ABOUT: Final = ("id", "version", "title", "approver", "source")


def policies(folder: Path | None = None) -> Iterator[dict[str, Any]]:
    """Return each policy: a folder's own file where it has one, else the shipped one."""
    for name, shipped in _FILES:
        own = None if folder is None else folder / name
        text = (own if own is not None and own.exists() else shipped).read_text(encoding="utf-8")
        said = tomllib.loads(text)
        about = {key: str(said.get(key, "")) for key in _ABOUT}
        yield {**about, "review_by": said["review_by"], "text": text}
