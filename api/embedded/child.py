"""Child processes that die with the hub, own their folder alone and keep their log small."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from api.embedded import account as accounts
from api.embedded import errors

_SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of <linux/prctl.h>
LOG_BYTES = 10 * 1024 * 1024
MINIMAL_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def start(
    command: Sequence[str | Path],
    *,
    log: Path,
    death: signal.Signals,
    account: accounts.Account | None = None,
    environment: Mapping[str, str] = MINIMAL_ENVIRONMENT,
    folder: Path = Path("/"),
) -> subprocess.Popen[bytes]:
    """Start a process that gets the signal ``death`` when we die, however we die.

    The kernel ties that signal to the *thread* that started the process, so only the main
    thread may. The child has a session of its own: Ctrl-C reaches the hub alone, which then
    stops its children in order.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("a child that dies with the hub must be started from the main thread")
    with log.open("ab") as sink:
        return subprocess.Popen(  # noqa: S603 - the hub's own programs, no shell
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            cwd=folder,
            env=dict(environment),
            start_new_session=True,
            preexec_fn=_die_with_parent(death),  # noqa: PLW1509 - one prctl call, looked up before the fork
            **accounts.switch(account),
        )


def _die_with_parent(death: signal.Signals) -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def in_child() -> None:
        prctl(_SET_DEATH_SIGNAL, int(death))
        if os.getppid() != parent:  # it died between the fork and the call above
            os._exit(1)

    return in_child


def stop(
    process: subprocess.Popen[bytes],
    *,
    gently: signal.Signals,
    patience: float,
    then: signal.Signals = signal.SIGKILL,
) -> None:
    """Stop a process in order, and after ``patience`` seconds without asking."""
    if process.poll() is not None:
        return
    process.send_signal(gently)
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.send_signal(then)
        process.wait(30)


def tail(log: Path, lines: int = 4) -> str:
    """Return the last lines of a log as one line, for an error message."""
    try:
        text = log.read_bytes()[-4000:].decode(errors="replace")
    except OSError:
        return "(no log)"
    return " / ".join(line.strip() for line in text.splitlines()[-lines:] if line.strip())


def trim_log(log: Path, limit: int = LOG_BYTES) -> None:
    """Keep a log that a child appends to below ``limit`` bytes, its last half in ``.1``.

    The child holds the file open for appending, so emptying it in place is safe; lines written
    between the copy and the cut are lost, which is acceptable for a log.
    """
    try:
        if log.stat().st_size < limit:
            return
        with log.open("rb+") as current:
            current.seek(-limit // 2, os.SEEK_END)
            log.with_name(log.name + ".1").write_bytes(current.read())
            current.truncate(0)
    except FileNotFoundError:
        return


class FolderLock:
    """Holds a folder for one owner; the kernel lets go of it when the owner dies."""

    def __init__(self, what: str, file: Path) -> None:
        self._what = what
        self._file = file
        self._held: IO[str] | None = None

    def take(self) -> None:
        """Take the folder, or say who has it."""
        if self._held is not None:
            return
        held = self._file.open("a+")
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held.seek(0)
            pid = held.read().strip() or "unknown"
            held.close()
            raise errors.AlreadyRunningError(
                what=self._what, folder=self._file.parent, pid=pid
            ) from None
        held.truncate(0)
        held.write(str(os.getpid()))
        held.flush()
        self._held = held

    def release(self) -> None:
        """Let go of the folder."""
        if self._held is not None:
            self._held.close()
            self._held = None
