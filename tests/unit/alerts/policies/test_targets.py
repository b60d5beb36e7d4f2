"""Published targets: those that are shipped, and what is refused with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from alerts import errors
from alerts.policies import targets

PAGE = (Path(__file__).parents[4] / "docs/clinical-sources.md").read_text(encoding="utf-8")
HEAD = 'id = "t"\nversion = "1"\napprover = "none"\nreview_by = 2027-01-01\n'
ONE = (
    '[[target]]\nid = "a"\ntitle = "A"\nmeasure = "alert_to_answer"\nseverities = ["emergency"]\n'
    'within = "60 s"\nshare = 0.9\nsource = "s"\n'
)


def test_the_shipped_targets_are_the_published_ones_and_cite_them() -> None:
    said = {t.id: (t.measure, t.within_s, t.share) for t in targets.load()}
    assert said == {
        "answered_60s": ("alert_to_answer", 60.0, 0.975),
        "answered_180s": ("alert_to_answer", 180.0, 0.99),
        "on_scene_45min": ("sent_to_scene", 2_700.0, 0.9),
        "on_scene_60min": ("sent_to_scene", 3_600.0, 1.0),
        "urgent_2h": ("alert_to_scene", 7_200.0, 0.7),
    }
    assert all(t.source for t in targets.load())


def test_the_page_of_sources_names_each_target_with_its_number_and_source() -> None:
    for one in targets.load():
        severities = ", ".join(one.severities)
        line = (
            f"| {one.id} | {one.measure} | {severities} | {one.within_s:g} s |"
            f" {100 * one.share:g} % | {one.source} |"
        )
        assert line in PAGE.splitlines()


def test_ones_own_file_stands_in_for_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / targets.FILE).write_text(HEAD + ONE, encoding="utf-8")
    assert [t.id for t in targets.load(tmp_path)] == ["a"]
    assert targets.load(tmp_path / "elsewhere") == targets.load()


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("share = 0.9", "share = 90", "share"),
        ('"60 s"', '"soon"', "length of time"),
        ("alert_to_answer", "alert_to_tea", "measure"),
        ('["emergency"]', "[]", "severities"),
        ('["emergency"]', '["dire"]', "severities"),
        ('source = "s"', "", "source"),
        ('title = "A"', 'title = "A"\nname = "B"', "name"),
        (ONE, ONE + ONE, "twice"),
        (ONE, "[[target]", "Expected"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(old: str, new: str, problem: str) -> None:
    with pytest.raises(errors.PackError, match=rf"targets\.toml.*{problem}"):
        targets.parse((HEAD + ONE).replace(old, new), file="targets.toml")
