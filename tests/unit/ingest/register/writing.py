"""Registration files for tests, and what reading them gives."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from ingest.kernel.registration import Registration
from ingest.register import reading

TODAY = date(2026, 1, 5)

GOOD = """\
[[areas]]
id = "north"
name = "North"
[[sites]]
id = "maple-court"
name = "Maple Court"
[[homes]]
id = "maple-1"
site = "maple-court"
[[people]]
id = "ada"
home = "maple-1"
name = "Ada Example"
[[devices]]
id = "pendant-1"
site = "maple-court"
kind = "pendant"
person = "ada"
from = 2026-01-01T00:00:00Z
"""


def read(folder: Path, **files: str | bytes) -> Registration:
    """Write files (``devices_csv=...``) and read them as one."""
    paths = []
    for name, content in files.items():
        stem, _, suffix = name.rpartition("_")
        path = folder / f"{stem}.{suffix}"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        paths.append(path)
    return reading.read(paths, today=TODAY)


def problems(folder: Path, **files: str | bytes) -> list[str]:
    """Return what is wrong with files, without the folder's name."""
    return [str(p).replace(f"{folder}/", "") for p in read(folder, **files).problems]
