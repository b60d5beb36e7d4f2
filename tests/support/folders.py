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


@contextmanager
def short_folder(prefix: str = "tc-") -> Iterator[Path]:
    """Make a folder that lasts for the block, open to the servers' account when we are root."""
    folder = _make(prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _make(prefix: str) -> Path:
    if os.geteuid() != 0:
        return Path(tempfile.mkdtemp(prefix=prefix))
    account = accounts.choose(
        "A test server", ("postgres", "nobody"), existing=Path("/nonexistent")
    )
    for place in _PLACES:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
        folder.chmod(0o711)
        if accounts.can(account, "-x", folder):
            return folder
        folder.rmdir()
    raise RuntimeError(f"no temporary folder that the account {account} can reach")
