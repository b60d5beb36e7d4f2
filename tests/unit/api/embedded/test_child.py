"""Logs that stay small, folders with one owner, children of the main thread only."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from api.embedded import child, errors


def test_a_log_is_cut_in_place_and_its_end_kept_once(tmp_path: Path) -> None:
    log = tmp_path / "role.log"
    with log.open("ab") as writer:
        writer.write(b"old line\n" * 100)
        writer.flush()
        child.trim_log(log, limit=500)
        writer.write(b"new line\n")
    assert log.read_bytes() == b"new line\n"
    kept = (tmp_path / "role.log.1").read_bytes()
    assert len(kept) == 250
    assert kept.endswith(b"old line\n")


def test_a_small_or_missing_log_is_left_alone(tmp_path: Path) -> None:
    child.trim_log(tmp_path / "none.log", limit=10)
    small = tmp_path / "small.log"
    small.write_text("line")
    child.trim_log(small, limit=10)
    assert small.read_text() == "line"
    assert not (tmp_path / "small.log.1").exists()


def test_the_last_lines_of_a_log_become_one(tmp_path: Path) -> None:
    log = tmp_path / "role.log"
    log.write_text("one\ntwo\n  three\n")
    assert child.tail(log, lines=2) == "two / three"
    assert child.tail(tmp_path / "none.log") == "(no log)"


def test_a_folder_has_one_owner_and_the_second_learns_who(tmp_path: Path) -> None:
    first, second = (child.FolderLock("A hub", tmp_path / "hub.lock") for _ in range(2))
    first.take()
    first.take()
    with pytest.raises(errors.AlreadyRunningError, match=rf"{tmp_path} \(process {os.getpid()}\)"):
        second.take()
    first.release()
    second.take()
    second.release()


def test_only_the_main_thread_may_start_a_child(tmp_path: Path) -> None:
    caught: list[BaseException] = []

    def elsewhere() -> None:
        try:
            child.start(["true"], log=tmp_path / "log", death=signal.SIGTERM)
        except RuntimeError as error:
            caught.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert len(caught) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="the death signal is Linux's")
def test_a_child_dies_with_a_killed_parent(tmp_path: Path) -> None:
    code = (
        "import signal, sys, time; from pathlib import Path; from api.embedded import child\n"
        "p = child.start(['sleep', '60'], log=Path(sys.argv[1]), death=signal.SIGTERM)\n"
        "print(p.pid, flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "log")], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        watch = os.pidfd_open(pid)
        parent.kill()
    import select

    ready, _, _ = select.select([watch], [], [], 10)
    os.close(watch)
    assert ready, "the child still runs"


def test_a_child_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    deaf = child.start(
        ["/bin/sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done"],
        log=tmp_path / "log",
        death=signal.SIGKILL,
    )
    while "up" not in (tmp_path / "log").read_text():
        pass
    child.stop(deaf, gently=signal.SIGTERM, patience=0.2)
    assert deaf.returncode == -signal.SIGKILL
