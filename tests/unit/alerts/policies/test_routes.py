"""The routing tree is read with what it inherits, and refused with file, line and a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from alerts import errors
from alerts.policies import responses, routes

HEAD = (
    'id = "r"\nversion = "1"\ntitle = "t"\napprover = "a"\nreview_by = 2027-01-01\nsource = "s"\n'
)
ROOT = '[[route]]\nid = "all"\nto = ["kind anywhere", "any"]\nresponse = "soon"\nsource = "s"\n'


def below(own: str, when: str, more: str = "", under: str = "all") -> str:
    return f'[[route]]\nid = "{own}"\nunder = "{under}"\nwhen = {when}\n{more}source = "s"\n'


def traits(**said: object) -> routes.Traits:
    given = {"alert_class": "clinical", "severity": "urgent", "source": "rule",
             "kind": "district_nursing", "rule": "news2"}  # fmt: skip
    return routes.Traits(**{**given, **said})  # type: ignore[arg-type]


def test_the_shipped_tree_is_sound_and_every_route_has_a_source() -> None:
    tree = routes.load()
    assert tree.version
    assert all(r.source for r in tree.routes())


def test_a_route_has_what_it_does_not_say_from_the_one_above() -> None:
    tree = routes.parse(
        HEAD
        + ROOT
        + below("worse", '{ severity = ["urgent"] }', 'response = "urgent"\nnote = "look"\n')
        + below("worse.red", '{ risk_band = ["red"] }', 'to = ["site"]\n', under="worse"),
        file="r.toml",
    )
    red = tree.find(traits(risk_band="red"))
    assert red.path == ("all", "worse", "worse.red")
    assert (red.response, red.note, [str(c) for c in red.to]) == ("urgent", "look", ["site"])
    assert [str(c) for c in tree.find(traits()).to] == ["kind anywhere", "any"]
    assert tree.find(traits(severity="soon")).id == "all"


def test_of_routes_beside_one_another_the_first_that_fits_is_taken() -> None:
    tree = routes.parse(
        HEAD + ROOT + below("one", '{ class = ["clinical"] }') + below("two", '{ rule = ["n*"] }'),
        file="r.toml",
    )
    assert tree.find(traits()).id == "one"
    assert tree.find(traits(alert_class="carer")).id == "two"


@pytest.mark.parametrize(
    ("when", "fitting", "other"),
    [
        ('source = ["person"]', {"source": "person"}, {}),
        ('kind = ["gp"]', {"kind": "gp"}, {}),
        ('area = ["north"]', {"area": "north"}, {"area": "south"}),
        ('area = ["north"]', {"council_area": "north"}, {}),
        ('practice = ["elm"]', {"practice": "elm"}, {}),
        ('cluster = ["hills"]', {"cluster": "hills"}, {}),
        ('site = ["maple"]', {"site": "maple"}, {}),
        ('caseload = ["key_worker"]', {"caseload": frozenset({"key_worker"})}, {}),
        ("virtual_ward = true", {"virtual_ward": True}, {}),
        ('place_of_care = ["home"]', {"place_of_care": "home"}, {"place_of_care": "hospital"}),
        ("open = false", {"open": False}, {}),
        ('class = ["clinical"], severity = ["urgent", "soon"]', {}, {"severity": "information"}),
    ],
)
def test_a_route_fits_when_all_that_it_asks_for_holds(
    when: str, fitting: dict[str, object], other: dict[str, object]
) -> None:
    tree = routes.parse(HEAD + ROOT + below("it", f"{{ {when} }}"), file="r.toml")
    assert tree.find(traits(**fitting)).id == "it"
    assert tree.find(traits(**other)).id == "all"


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        (HEAD, 1, "at least one"),
        (HEAD + ROOT.replace('"any"', '"anybody"'), 9, "'anybody' is nobody"),
        (HEAD + ROOT.replace('"any"', '"any anywhere"'), 9, "'any anywhere' is nobody"),
        (HEAD + ROOT.replace('"any"', '"kind anywhere"'), 9, "twice"),
        (HEAD + ROOT.replace('response = "soon"', 'response = "later"'), 10, "'later'"),
        (HEAD + ROOT.replace('to = ["kind anywhere", "any"]\n', ""), 7, "'to' names nobody"),
        (HEAD + ROOT + below("x", '{ class = ["clinical"] }', under="alle"), 14, "'alle'"),
        (HEAD + ROOT + below("all", '{ class = ["clinical"] }'), 13, "twice"),
        (HEAD + ROOT + below("x", '{ klass = ["clinical"] }'), 15, "'klass'"),
        (HEAD + ROOT + below("x", '{ class = ["clinic"] }'), 15, "'clinic' is no class"),
        (HEAD + ROOT + below("x", "{ severity = [] }"), 15, "never fit"),
        (HEAD + ROOT + below("x", '{ open = "no" }'), 15, "true or false"),
        (HEAD + ROOT + below("x", "{ }"), 15, "must be a table"),
        (HEAD + ROOT + ROOT.replace('"all"', '"b"'), 12, "'under' is missing"),
        (HEAD + ROOT + below("x", '{ class = ["hub"] }', 'tp = ["any"]\n'), 16, "'tp'"),
        (HEAD + ROOT + 'broken = "\n', 12, "Illegal"),
    ],
)
def test_what_is_wrong_is_told_by_file_and_line(text: str, line: int, problem: str) -> None:
    with pytest.raises(errors.PackError) as refused:
        routes.parse(text, file="r.toml")
    assert str(refused.value).startswith(f"r.toml:{line}: ")
    assert problem in str(refused.value)


def test_a_folder_without_a_tree_leaves_the_shipped_one_and_one_that_is_no_text_is_told(
    tmp_path: Path,
) -> None:
    assert routes.load(tmp_path) == routes.load()
    (tmp_path / "routing.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(errors.PackError, match="can't be read"):
        routes.load(tmp_path)


def test_every_response_that_a_route_may_name_is_there() -> None:
    assert set(routes.RESPONSES) <= responses.load().by_id.keys()
