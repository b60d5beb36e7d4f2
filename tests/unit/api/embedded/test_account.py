"""Who an embedded server runs as, and what that account reaches."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from api.embedded import account, errors


def test_a_plain_user_stays_who_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert account.choose("PostgreSQL", ("nobody",), existing=tmp_path) is None
    assert account.switch(None) == {}


def test_as_root_the_first_account_that_exists_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    missing = tmp_path / "none"
    chosen = account.choose("PostgreSQL", ("no-such-account", "nobody"), existing=missing)
    assert chosen is not None
    assert chosen.name == "nobody"
    with pytest.raises(errors.NoAccountError, match="no-such-account"):
        account.choose("PostgreSQL", ("no-such-account",), existing=missing)


def test_new_parents_are_made_and_existing_ones_left_as_they_are(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(0o700)
    made = account.make_folder(closed / "hub" / "pg", mode=0o711)
    assert made.stat().st_mode & 0o777 == 0o711
    assert closed.stat().st_mode & 0o777 == 0o700


def test_a_program_that_can_be_reached_is_used_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "tool").mkdir()
    (tmp_path / "tool" / "run").write_text("x")
    home = account.reachable_copy(
        "tool", {"tool": tmp_path / "tool"}, account=None, probes=("tool/run",)
    )
    assert home == tmp_path


def test_a_closed_program_is_copied_once_and_opened_for_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tool").mkdir(0o700)
    program = tmp_path / "tool" / "run"
    program.write_text("x")
    program.chmod(0o700)
    monkeypatch.setattr(account, "COPIES", tmp_path / "copies")
    monkeypatch.setattr(account, "can", lambda *_: False)
    homes = {
        account.reachable_copy(
            "tool", {"tool": tmp_path / "tool"}, account=None, probes=("tool/run",)
        )
        for _ in range(2)
    }
    (home,) = homes
    assert (home / "tool" / "run").stat().st_mode & 0o777 == 0o755
    program.write_text("another release")
    other = account.reachable_copy(
        "tool", {"tool": tmp_path / "tool"}, account=None, probes=("tool/run",)
    )
    assert other != home
