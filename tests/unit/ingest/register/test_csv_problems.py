"""CSV registration files: one kind per file, mistakes told by the line of their row."""

from __future__ import annotations

import pytest

from ingest.kernel import registration
from tests.unit.ingest.register.writing import problems, read

PEOPLE = "id,home,name"
CASES = {
    "an unknown column, told once at the header": (
        "people_csv", f"{PEOPLE},nhs\na,h,A,1\nb,h,B,2\n", 1, 'unknown column "nhs"',
        'did you mean "nhs_number"?',
    ),
    "a bad cell": (
        "people_csv", f"{PEOPLE},born\na,h,A,1941-03-02\nb,h,B,2.3.41\n", 3, '"2.3.41" is no date',
        "1941-03-02",
    ),
    "a row after one that has line breaks in a cell": (
        "people_csv", f'{PEOPLE},communication\na,h,A,"one\ntwo\nthree"\nb,h,,\n', 5,
        '"name" is missing', "id, home, name",
    ),
    "a row after empty ones": (
        "people_csv", f"{PEOPLE}\n\n,,\nB,h,b\n", 4, 'id "B" is no id', "a-z",
    ),
    "too few cells": ("people_csv", f"{PEOPLE}\na,h\n", 2, "has 2 cells", "3, as in the header"),
    "too many cells": ("people_csv", f"{PEOPLE}\na,h,b,c\n", 2, "has 4 cells", "3, as in"),
    "a quote that never ends": (
        "people_csv", f'{PEOPLE}\na,h,"b\nc\n', 2, "is no CSV", "cells separated by commas",
    ),
    "another separator": (
        "people_csv", "id;home;name\na;h;b\n", 1, "not separated by commas", "save it with commas",
    ),
    "a column twice": (
        "people_csv", "id,home,name,id\na,h,b,a\n", 1, 'column "id" is there twice', "each column",
    ),
    "a column without a name": (
        "people_csv", "id,home,name,\na,h,b,\n", 1, "column 4 has no name", "a name",
    ),
    "only separators": ("people_csv", ",,,\n", 1, "has no header", "first row"),
    "a kind that isn't one, with the nearest": (
        "export_csv", "kind,id,name\nareaz,a,A\n", 2, 'unknown kind "areaz"',
        'did you mean "areas"?',
    ),
    "two kinds in one file": (
        "export_csv", "kind,id,name\nareas,a,A\npractices,p,P\n", 3, 'is of kind "practices"',
        "one kind per file",
    ),
    "a contact without a number": (
        "people_csv", f"{PEOPLE},contact1_name\na,h,A,Joan\n", 2, '"phone" is missing', "a contact",
    ),
    "a limit of something unknown": (
        "people_csv", f"{PEOPLE},limit_spo_low\na,h,A,90\n", 2, "no measured quantity", '"spo2"',
    ),
    "a limit that is no number": (
        "people_csv", f"{PEOPLE},limit_spo2_low\na,h,A,low\n", 2, '"low" is no number', "90",
    ),
    "a cadence that is no number": (
        "devices_csv", "id,site,kind,home,cadence_spo2\nd,s,oximeter,h,daily\n", 2, "is no number",
        "86400",
    ),
    "an NHS number that a spreadsheet spoilt": (
        "people_csv", f"{PEOPLE},nhs_number\na,h,A,9.43E+09\n", 2, "exactly 10 digits", "10 digits",
    ),
    "an unknown condition": (
        "people_csv", f"{PEOPLE},conditions\na,h,A,copd; heart-failure\n", 2,
        '"heart-failure" is no condition', 'did you mean "heart_failure"?',
    ),
    "an unknown band of risk": (
        "people_csv", f"{PEOPLE},risk_band\na,h,A,Amber\n", 2, '"Amber" is no band of risk',
        "green, amber, red",
    ),
    "triggers, which only TOML has": (
        "people_csv", f"{PEOPLE},triggers\na,h,A,x\n", 1, 'unknown column "triggers"',
        "conditions, risk_band",
    ),
    "a bad place": (
        "devices_csv", "id,site,kind,home,place\nd,s,light,h,Living room\n", 2, "is no place",
        '"kitchen"',
    ),
    "a list that only TOML has": (
        "devices_csv", "id,site,kind,home,assignments\nd,s,pir,h,x\n", 1,
        'unknown column "assignments"', "allowed are",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda name: name.replace(" ", "-"))
def test_a_mistake_is_named_by_its_line(tmp_path, case):
    name, content, line, what, allowed = CASES[case]
    found = problems(tmp_path, **{name: content})
    assert len(found) == 1, found
    place, _, rest = found[0].partition(": ")
    assert place == f"{name.replace('_', '.')}:{line}", found
    assert what in rest
    assert allowed in rest.partition(what)[2]


def test_a_file_that_does_not_say_its_kind_is_refused_as_a_whole(tmp_path):
    (found,) = problems(tmp_path, export_csv="id,name\na,A\n")
    assert found.startswith("export.csv: does not say what it registers; a name as devices.csv")


def test_what_toml_nests_stands_in_columns(tmp_path):
    said = read(
        tmp_path,
        people_csv="id,home,name,contact2_name,contact2_phone,contact1_name,contact1_relation,"
        "contact1_phone,limit_spo2_low,limit_heart_rate_high,pregnant\n"
        "ada,h,Ada,Dan,101,Joan,daughter,102,90,110,no\n"
        "bob,h,Bob,Dan,101,,,,,,\n",
        devices_csv="id,site,kind,person,cadence_heart_rate,cadence_spo2\nd,s,watch,ada,60,\n",
    )
    assert said.problems == ()
    ada, bob = said.people
    assert [(c.name, c.relation, c.phone) for c in ada.contacts or ()] == [
        ("Joan", "daughter", "102"),
        ("Dan", None, "101"),
    ]
    assert ada.limits == {
        "spo2": registration.Limit(low=90, high=None),
        "heart_rate": registration.Limit(low=None, high=110),
    }
    assert ada.pregnant is False
    assert [c.name for c in bob.contacts or ()] == ["Dan"]
    assert (bob.limits, bob.pregnant) == (None, None)
    assert said.devices[0].cadence == {"heart_rate": 60}


def test_a_first_column_can_say_the_kind_of_the_entries(tmp_path):
    said = read(
        tmp_path,
        export_csv="kind,id,site,device_kind,home\ndevices,d-1,s,pir,h\ndevices,d-2,s,door,h\n",
    )
    assert said.problems == ()
    assert [(d.id, d.kind) for d in said.devices] == [("d-1", "pir"), ("d-2", "door")]


def test_a_file_of_a_header_alone_registers_nothing(tmp_path):
    assert read(tmp_path, people_csv=f"{PEOPLE}\n").people == ()


def test_a_device_in_two_files_is_one_device(tmp_path):
    said = read(
        tmp_path,
        devices_csv="id,site,kind,person,from\nd,s,watch,ada,2026-01-01T00:00:00Z\n",
        more_toml='[[devices]]\nid = "d"\nsite = "s"\nperson = "bob"\n'
        "from = 2026-02-01T00:00:00Z\n",
    )
    assert said.problems == ()
    assert [a.person for a in said.devices[0].assignments] == ["ada", "bob"]


def test_conditions_stand_in_one_cell_with_spaces_or_semicolons_between(tmp_path):
    said = read(
        tmp_path,
        people_csv="id,home,name,conditions,risk_band\na,h,A,frailty copd,red\n"
        "b,h,B,diabetes;dementia; ,\nc,h,C,,\n",
        devices_csv="id,site,kind,home,place\nl-1,s,light,h,kitchen\nl-2,s,light,h,\n",
    )
    assert said.problems == ()
    assert [(p.conditions, p.risk_band) for p in said.people] == [
        (("copd", "frailty"), "red"),
        (("diabetes", "dementia"), None),
        (None, None),
    ]
    assert [d.place for d in said.devices] == ["kitchen", None]
