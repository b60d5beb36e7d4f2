"""The responses file: what it must say, and what is chosen for which alert."""

from __future__ import annotations

from pathlib import Path

import pytest

from alerts import errors
from alerts.model import AlertClass, Severity
from alerts.policies import files, responses

TEXT, _ = files.read(responses.FILE)


def refused(text: str) -> str:
    with pytest.raises(errors.PackError) as caught:
        responses.parse(text, file="r.toml")
    return str(caught.value)


def test_every_severity_has_a_response_and_each_says_its_source() -> None:
    found = responses.load()
    assert set(found.by_severity) == set(Severity)
    assert TEXT.count("\n[[response]]") == TEXT.count("\nsource = ") == len(found.by_id)


def test_an_emergency_is_answered_as_one_whatever_was_asked_for() -> None:
    found = responses.load()
    for name in ("", "soon", "nonsense"):
        for one in set(AlertClass) - {AlertClass.HUB}:
            assert found.choose(name, Severity.EMERGENCY, one).id == "emergency"
    assert found.choose("", Severity.EMERGENCY, AlertClass.HUB).id == "hub"


def test_a_name_counts_before_the_class_and_the_class_before_the_severity() -> None:
    found = responses.load()
    assert found.choose("soon", Severity.URGENT, AlertClass.EQUIPMENT).id == "soon"
    assert found.choose("", Severity.URGENT, AlertClass.EQUIPMENT).id == "equipment"
    assert found.choose("", Severity.URGENT, AlertClass.CLINICAL).id == "urgent"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('tell = "team"', 'tell = "everybody"', "'tell' is 'everybody', must be one of"),
        ('after = "0 s"', 'after = "soon"', "'soon' is no length of time"),
        ('severity = "urgent"\n', "", "no response for urgent"),
        ('severity = "urgent"\n', 'severity = "soon"\n', "'soon' has two responses"),
        ('id = "urgent"', 'id = "soon"', "'soon' is there twice"),
        ('on_scene_for = "60 min"\n', "", "'on_scene_for' is missing"),
        ('offered_for = "2 min"', 'offered_for = "2 min"\nsnooze_most = "1 min"', "never put off"),
        ('offered_for = "2 min"', 'offered_for = "2 min"\nstale_after = "1 h"', "never too late"),
        ('title = "Soon', 'colour = "red"\ntitle = "Soon', "'colour' is not known here"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(old: str, new: str, said: str) -> None:
    assert old in TEXT
    told = refused(TEXT.replace(old, new, 1))
    assert said in told
    assert told.startswith("r.toml:")


def test_the_line_is_that_of_the_step_and_not_of_the_first_alike() -> None:
    before, _, rest = TEXT.partition('[[response.step]]\ntell = "last_resort"')
    told = refused(before + '[[response.step]]\ntell = "nobody"' + rest)
    line = before.count("\n") + 2
    assert told.startswith(f"r.toml:{line}:")


def test_a_folder_of_ones_own_replaces_the_shipped_ones(tmp_path: Path) -> None:
    assert responses.load(tmp_path) == responses.load()
    own = tmp_path / "own"
    own.mkdir()
    (own / responses.FILE).write_text(TEXT.replace('version = "1.0.0"', 'version = "9"'))
    assert responses.load(own).version == "9"


def test_broken_toml_is_told_with_its_line() -> None:
    assert refused('id = "x"\nversion = \n').startswith("r.toml:2:")
