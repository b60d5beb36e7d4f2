"""Files that are no registration at all are told apart from ones with a mistake."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.register import reading, source
from tests.unit.ingest.register.writing import GOOD, TODAY, problems, read


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a.toml:1: is empty; at least one entry to register"),
        (b" \n\n", "a.toml:1: is empty; at least one entry to register"),
        (b"\xef\xbb\xbf", "a.toml:1: is empty; at least one entry to register"),
        (b"# nothing yet\n", "a.toml:1: registers nothing; at least one entry"),
        (b"a = 1\nb\0 = 2", "a.toml:2: holds a NUL byte: this is no text file; text in UTF-8"),
        (
            "# caf\u00e9\n# na\u00efve\nx = 1".encode("latin-1"),
            "a.toml:1: byte 0xe9 is not UTF-8; save it as UTF-8",
        ),
        (GOOD.encode("utf-16"), "a.toml:1: is UTF-16, not UTF-8; save it as UTF-8"),
    ],
)
def test_bytes_that_are_no_text_are_named_with_their_line(tmp_path, content, message):
    assert problems(tmp_path, a_toml=content) == [message]


def test_a_byte_order_mark_is_no_problem(tmp_path):
    assert problems(tmp_path, a_toml=b"\xef\xbb\xbf" + GOOD.encode()) == []


def test_a_file_of_a_hundred_megabytes_is_refused_unread(tmp_path):
    path = tmp_path / "huge.toml"
    with path.open("wb") as file:
        os.truncate(file.fileno(), 100_000_000)
    (problem,) = reading.read([path], today=TODAY).problems
    assert problem.what == "is 100 MB large"
    assert str(source.MOST_BYTES // 1_000_000) in problem.allowed


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("nowhere.toml", "can not be read: no such file or directory"),
        ("folder.toml", "can not be read: is a directory"),
        ("people.xlsx", "is neither TOML nor CSV by its name"),
        ("people", "is neither TOML nor CSV by its name"),
    ],
)
def test_what_can_not_be_read_is_said(tmp_path, name, what):
    (tmp_path / "folder.toml").mkdir()
    (problem,) = reading.read([tmp_path / name], today=TODAY).problems
    assert problem.what == what
    assert str(problem).startswith(str(tmp_path / name))


def test_one_bad_file_does_not_hide_what_is_wrong_with_another(tmp_path):
    found = problems(tmp_path, a_toml=b"", b_toml='[[areas]]\nid = "x"\n')
    assert [p.split(":")[0] for p in found] == ["a.toml", "b.toml"]


def test_the_same_file_given_twice_is_read_once(tmp_path):
    assert read(tmp_path, a_toml=GOOD).problems == ()
    path = tmp_path / "a.toml"
    assert reading.read([path, path], today=TODAY).problems == ()


def test_the_examples_of_the_guide_have_no_problem():
    folder = Path(__file__).parents[4] / "docs" / "howto" / "examples"
    for paths in ([folder / "rowan-court.toml"], sorted(folder.glob("*.csv"))):
        assert paths
        said = reading.read(paths, today=TODAY)
        assert said.problems == ()
        assert said.people
        assert said.devices


def test_the_examples_of_the_guide_add_to_a_running_demonstration(tmp_path):
    folder = Path(__file__).parents[4] / "docs" / "howto" / "examples"
    demo = tmp_path / "demo.toml"
    words = ["firmware_sim", "run", "demo", "--register-file", str(demo)]
    subprocess.run([sys.executable, "-m", *words], check=True, capture_output=True)
    there = reading.read([demo], today=TODAY)
    said = reading.read([*folder.glob("*.toml"), *folder.glob("*.csv")], today=TODAY)
    for kind in ("areas", "practices", "teams", "sites", "homes", "people"):
        ids = {entry.id for entry in getattr(there, kind)}
        assert ids.isdisjoint(entry.id for entry in getattr(said, kind)), kind
    taken = {p.nhs_number for p in there.people if p.nhs_number}
    assert taken.isdisjoint(p.nhs_number for p in said.people)
