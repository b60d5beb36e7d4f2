"""Which account an embedded server runs as, and what that account can reach.

PostgreSQL refuses to run as root and a broker has no business to, so a hub started as root
hands its servers to an account that exists on any Debian; no account is created and no folder
above the hub's own is opened up.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.embedded import errors

COPIES = Path("/var/cache/telecare")  # programs that the account can't reach where they are


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An unprivileged account of this machine."""

    name: str
    uid: int
    gid: int


def choose(server: str, names: Sequence[str], *, existing: Path) -> Account | None:
    """Return the account for a server, None for "as we are".

    A folder that a server already owns decides, so that data stay readable when an account of a
    better name is added later.
    """
    if os.geteuid() != 0:
        return None
    if existing.exists() and (uid := existing.stat().st_uid) != 0:
        try:
            return _of(pwd.getpwuid(uid))
        except KeyError:
            pass  # the account is gone: hand the folder to one that exists
    for name in names:
        try:
            return _of(pwd.getpwnam(name))
        except KeyError:
            continue
    raise errors.NoAccountError(server=server, accounts=", ".join(names))


def _of(entry: pwd.struct_passwd) -> Account:
    return Account(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)


def switch(account: Account | None) -> dict[str, Any]:
    """Return the `subprocess` arguments that make a child run as the account."""
    if account is None:
        return {}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


def can(account: Account | None, flag: str, path: Path) -> bool:
    """Tell whether ``test FLAG PATH`` holds for the account, asked of the kernel itself."""
    done = subprocess.run(  # noqa: S603 - a fixed program, the path is an argument
        ["/bin/sh", "-c", 'test "$1" "$2"', "sh", flag, str(path)],
        check=False,
        cwd="/",
        capture_output=True,
        **switch(account),
    )
    return done.returncode == 0


def make_folder(path: Path, *, account: Account | None = None, mode: int = 0o700) -> Path:
    """Make a folder of the given mode, owned by the account; parents only when missing."""
    missing = [parent for parent in path.parents if not parent.exists()]
    for parent in reversed(missing):
        parent.mkdir(exist_ok=True)
        parent.chmod(0o755 if os.geteuid() == 0 else 0o700)
    path.mkdir(exist_ok=True)
    path.chmod(mode)
    if account is not None:
        os.chown(path, account.uid, account.gid)
    return path


def require_reach(server: str, account: Account | None, folder: Path) -> None:
    """Refuse, naming the closed parent, a folder that the account can't get into."""
    if account is None or can(account, "-w", folder):
        return
    closed = [p for p in reversed((folder, *folder.parents)) if not can(account, "-x", p)]
    raise errors.UnreachableFolderError(
        server=server, account=account.name, folder=folder, obstacle=closed[0] if closed else folder
    )


def reachable_copy(
    name: str, sources: Mapping[str, Path], *, account: Account | None, probes: Sequence[str]
) -> Path:
    """Return a folder that holds the sources under their names, where the account can run them.

    Parameters
    ----------
    name
        What the copy is called, for a person who looks at the folder.
    sources
        Name within the copy -> file tree. All lie in one folder under the same names.
    account
        Who must reach them.
    probes
        Paths within the copy that have to be readable.
    """
    first_name, first = next(iter(sources.items()))
    home = first.parents[len(Path(first_name).parts) - 1]
    if all(can(account, "-r", home / probe) for probe in probes):
        return home
    parent = make_folder(COPIES, mode=0o755)
    copy = parent / f"{name}-{_stamp(sources)}"
    if not copy.exists():
        fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=parent))
        for target, source in sources.items():
            shutil.copytree(source, fresh / target, symlinks=True, ignore=_NOT_NEEDED)
        _open_for_reading(fresh)
        try:
            fresh.rename(copy)
        except OSError:  # another hub was faster: its copy is the same
            shutil.rmtree(fresh)
    return copy


_NOT_NEEDED = shutil.ignore_patterns("include", "*.a", "pkgconfig", "__pycache__")


def _stamp(sources: Mapping[str, Path]) -> str:
    seen = hashlib.sha256()
    for target, source in sorted(sources.items()):
        for path in sorted(source.rglob("*")):
            facts = path.lstat()
            inside = path.relative_to(source)
            seen.update(f"{target}/{inside} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    return seen.hexdigest()[:12]


def _open_for_reading(tree: Path) -> None:
    for path in (tree, *tree.rglob("*")):
        if path.is_symlink():
            continue
        mode = stat.S_IMODE(path.stat().st_mode) | 0o444
        path.chmod(mode | 0o111 if path.is_dir() or mode & 0o100 else mode)
