"""Short temporary folders that the embedded servers' account can reach.

pytest's own ``tmp_path`` lies below a folder closed to other accounts, and its paths can be
too long for a socket.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from api.embedded import account as accounts

_PLACES = (None, "/tmp", "/var/tmp")  # None: what TMPDIR says
_MEMORY = Path("/dev/shm")
_ENOUGH = 2 * 2**30  # [byte] more than the tests' databases ever take together


@contextmanager
def short_folder(prefix: str = "tc-", *, memory: bool = False) -> Iterator[Path]:
    """Make a folder that lasts for the block, open to the servers' account when we are root.

    With ``memory`` it lies in memory where there is room: making and dropping hundreds of
    databases is mostly waiting for the disk. Not for tests of what survives a power cut.
    """
    folder = _make(prefix, (str(_MEMORY), *_PLACES) if memory and _roomy() else _PLACES)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _roomy() -> bool:
    return os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ENOUGH


def _make(prefix: str, places: tuple[str | None, ...]) -> Path:
    if os.geteuid() != 0:
        return Path(tempfile.mkdtemp(prefix=prefix, dir=places[0]))
    account = accounts.choose(
        "A test server", ("postgres", "nobody"), existing=Path("/nonexistent")
    )
    for place in places:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
        folder.chmod(0o711)
        if accounts.can(account, "-x", folder):
            return folder
        folder.rmdir()
    raise RuntimeError(f"no temporary folder that the account {account} can reach")
