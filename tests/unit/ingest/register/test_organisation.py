"""Teams, members, rotas and caseloads: read from TOML or CSV, refused with line and mend."""

from __future__ import annotations

from pathlib import Path

import pytest

from alerts import model
from alerts.organisation import calendars, rotas
from alerts.policies import routes
from ingest.kernel import registration
from tests.unit.ingest.register.writing import problems, read

TEAM = '[[teams]]\nid = "dn"\nname = "Nurses"\nkind = "district_nursing"\n'  # 4 lines
SHIFT = (
    '[[shifts]]\nteam = "dn"\nmember = "Ann"\nfrom = 2026-07-22T08:00:00Z\n'
    "to = 2026-07-22T16:00:00Z\n"
)  # 5 lines


def test_the_register_s_words_are_those_of_the_alerts() -> None:
    assert set(registration.TEAM_KINDS) == {k.value for k in model.TeamKind}
    assert set(registration.ALERT_CLASSES) == {c.value for c in model.AlertClass}
    assert (*calendars.DAYS, calendars.HOLIDAY) == registration.DAYS
    assert registration.HOLIDAYS == calendars.HOLIDAYS
    assert registration.DUTIES == rotas.DUTIES
    assert registration.CASELOAD_ROLES == routes.ROLES
    assert registration.PLACES_OF_CARE == routes.PLACES_OF_CARE


def test_hours_in_one_text_and_in_tables_are_the_same(tmp_path: Path) -> None:
    text = read(tmp_path, a_toml=TEAM + 'hours = "mon-fri 08:00-22:00; sat, holiday 08:30-13:00"\n')
    tables = read(
        tmp_path,
        b_toml=TEAM
        + '[[teams.hours]]\ndays = "mon-fri"\nfrom = "08:00"\nto = "22:00"\n'
        + '[[teams.hours]]\ndays = ["holiday", "sat"]\nfrom = "08:30"\nto = "13:00"\n',
    )
    row = 'dn,Nurses,district_nursing,"mon-fri 08:00-22:00; sat holiday 08:30-13:00"'
    cells = read(tmp_path, teams_csv=f"id,name,team_kind,hours\n{row}\n")
    assert text.problems == tables.problems == cells.problems == ()
    assert text.teams[0].hours == tables.teams[0].hours == cells.teams[0].hours
    said = [h.said() for h in text.teams[0].hours or ()]
    assert said[1] == {"days": ["sat", "holiday"], "from": "08:30", "to": "13:00"}
    assert len(calendars.parse(said, "Europe/London", None).hours) == 2


def test_a_team_that_is_always_open_says_so(tmp_path: Path) -> None:
    assert read(tmp_path, a_toml=TEAM + 'hours = "always"\n').teams[0].hours == ()
    assert read(tmp_path, a_toml=TEAM).teams[0].hours is None  # not said: stays as it is


def test_members_and_shifts_stand_with_their_team_or_in_files_of_their_own(tmp_path: Path) -> None:
    nested = read(
        tmp_path,
        a_toml=TEAM
        + '[[teams.members]]\nname = "Ann"\nrank = 2\n'
        + '[[teams.shifts]]\nmember = "Ann"\nfrom = 2026-07-22T08:00:00Z\n'
        + "to = 2026-07-22T16:00:00Z\n",
    )
    cells = read(
        tmp_path,
        members_csv="team,name,rank\ndn,Ann,2\n",
        shifts_csv="team,member,from,to\ndn,Ann,2026-07-22T08:00:00Z,2026-07-22T16:00:00Z\n",
    )
    assert nested.problems == cells.problems == ()
    assert nested.members == cells.members
    assert nested.shifts == cells.shifts
    assert nested.members[0].origin.line == 5
    assert nested.shifts[0].duty == "duty"


@pytest.mark.parametrize(
    ("text", "line", "what", "allowed"),
    [
        (TEAM + 'hours = "mon-fry 08:00-22:00"\n', 5, '"mon-fry" is no day', "mon-fri 08:00"),
        (TEAM + 'hours = "mon-fri 8-22"\n', 5, "are no hours", "always"),
        (TEAM + 'hours = "mon 08:00-25:00"\n', 5, '"25:00" is no clock time', "always"),
        (TEAM + 'hours = "fri-mon 08:00-09:00"\n', 5, "runs backwards", "always"),
        (TEAM + 'hours = "mon 24:00-08:00"\n', 5, "24:00 is an end", "always"),
        (TEAM + "hours = 8\n", 5, "hours must be a list", "[[teams.hours]]"),
        (TEAM + '[[teams.hours]]\ndays = "mon"\nfrom = "8:00"\nto = "09:00"\n', 7,
         '"8:00" is no clock time', '"24:00"'),
        (TEAM + '[[teams.hours]]\ndays = "mon"\nfrom = "08:00"\n', 5, '"to" is missing', "days"),
        (TEAM + 'classes = ["clinic"]\n', 5, '"clinic" is no class', 'did you mean "clinical"?'),
        (TEAM + 'severities = ["soon", "later"]\n', 5, '"later" is no severity', "urgent"),
        (TEAM + 'holidays = "GB"\n', 5, '"GB" is no list of bank holidays', "GB-SCT"),
        (TEAM + "capacity = 0\n", 5, "no such number", "1 to"),
        (TEAM + '[[teams.members]]\nnames = "A"\nname = "Ann"\n', 6, 'unknown key "names"', "name"),
        (TEAM + '[[teams.members]]\nrank = 1\n', 5, '"name" is missing', "team, name"),
        (TEAM + "members = 7\n", 5, 'unknown key "members"', "allowed are"),
        (SHIFT.replace("16:00", "08:00"), 5, "to is not after from", "later"),
        (SHIFT + 'duty = "holiday"\n', 6, '"holiday" is no duty', "on_call"),
        (SHIFT + 'duty = "leave"\ninstead_of = "Ben"\n', 7, "leave is not taken", "a shift"),
        (SHIFT + SHIFT, 6, "is given twice in shifts", "once"),
        ('[[caseloads]]\nperson = "ada"\nrole = "key_worker"\n', 1, "not one of team and account",
         "account"),
        ('[[caseloads]]\nperson = "ada"\nrole = "friend"\nteam = "dn"\n', 3, '"friend" is no role',
         "specialist"),
        ('[[areas]]\nid = "c"\nname = "C"\nkind = "parish"\n', 4, '"parish" is no kind of area',
         "council"),
        ('[[people]]\nid = "a"\nhome = "h"\nname = "A"\nplace_of_care = "sea"\n', 5,
         '"sea" is no place of care', "hospice"),
    ],
)  # fmt: skip
def test_each_mistake_is_told_with_its_line_and_what_is_allowed(
    tmp_path: Path, text: str, line: int, what: str, allowed: str
) -> None:
    (found,) = problems(tmp_path, a_toml=text)
    assert found.startswith(f"a.toml:{line}: "), found
    assert what in found
    assert allowed in found
