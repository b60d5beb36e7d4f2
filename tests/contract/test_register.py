"""The register on a real database: loaded as one, again without effect, read and changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ingest.kernel import broker_password, errors, registration
from ingest.kernel.registration import Contact, Limit, Origin
from ingest.register import command
from ingest.storage import pool as pools
from ingest.storage import register
from ingest.storage.register import RefusedError, RegisterStore, UnknownError
from ingest.storage.vault import Vault, WrongKeyError

pytestmark = pytest.mark.service

SECRET = "a secret of the tests with 32 letters or more"
EXAMPLE = Path(__file__).parents[2] / "docs" / "howto" / "examples" / "rowan-court.toml"
NOWHERE = Origin(file="", line=0)
Load = Callable[..., tuple[int, list[str]]]
TABLES = (
    "ingest.area", "ingest.practice", "alerts.team", "ingest.site", "ingest.home",
    "ingest.person", "ingest.contact", "ingest.device", "ingest.assignment",
)  # fmt: skip


@pytest.fixture
def load(store_url: str, tmp_path: Path) -> Load:
    """Load files, given as ``name_suffix=content``."""

    def run(*, check: bool = False, **files: str) -> tuple[int, list[str]]:
        paths = []
        for name, content in files.items():
            stem, _, suffix = name.rpartition("_")
            path = tmp_path / f"{stem}.{suffix}"
            path.write_text(content)
            paths.append(path)
        code, lines = command.register_files(
            paths, check=check, database_url=store_url, secret=SECRET
        )
        return code, [line.replace(f"{tmp_path}/", "") for line in lines]

    return run


@pytest.fixture
def example(load: Load) -> str:
    """The guide's example, loaded."""
    content = EXAMPLE.read_text()
    code, lines = load(example_toml=content)
    assert code == 0, lines
    return content


@pytest.fixture
def db(store_url: str) -> Iterator[pools.Connection]:
    with psycopg.connect(store_url, autocommit=True) as session:
        yield session


@pytest.fixture
def store(store_url: str) -> Iterator[RegisterStore]:
    pool = pools.open_pool(store_url, name="test", most=2)
    yield RegisterStore(pool, vault=Vault(SECRET))
    pool.close()


def contents(db: pools.Connection) -> dict[str, list[Any]]:
    """Return every row of the register."""
    return {
        table: db.execute(f"SELECT t::text FROM {table} t ORDER BY 1").fetchall()
        for table in TABLES
    }


def spans(db: pools.Connection, device: str) -> list[tuple[Any, ...]]:
    return db.execute(
        "SELECT p.id, h.id, a.starts::date::text, a.ends::date::text FROM ingest.assignment a"
        " JOIN ingest.device d ON d.no = a.device_no JOIN ingest.home h ON h.no = a.home_no"
        " LEFT JOIN ingest.person p ON p.no = a.person_no WHERE d.name = %s ORDER BY a.starts",
        [device],
    ).fetchall()


def heard(store_url: str, act: Callable[[], Any]) -> set[str]:
    """Return the channels on which something was said while acting."""
    channels = ("ingest_register", "ingest_credentials", "ingest_replay")
    with psycopg.connect(store_url, autocommit=True) as listener:
        for channel in channels:
            listener.execute(f"LISTEN {channel}")
        act()
        return {notice.channel for notice in listener.notifies(timeout=0.3)}


def quarantine(db: pools.Connection, device: str, reason: str = "unregistered") -> None:
    db.execute(
        "INSERT INTO ingest.quarantine (site, device, topic, payload, digest, reason, received_at,"
        " last_received_at, times) VALUES ('rowan-court', %s, 't', 'x', gen_random_uuid()::text"
        "::bytea, %s, '2026-01-03Z', '2026-01-04Z', 3)",
        [device, reason],
    )


# -- loading -------------------------------------------------------------------------------------


def test_what_a_file_says_is_in_the_register(example, store, db):
    amy = store.person_by_id("amy")
    assert amy is not None
    assert (amy.name, amy.nhs_number, amy.born) == (
        "Amy Example",
        "9434765919",
        date(1941, 3, 2),
    )
    assert (amy.home, amy.site, amy.practice, amy.language) == (
        "rowan-1", "rowan-court", "holly", "en",
    )  # fmt: skip
    assert [c.name for c in amy.contacts] == ["Cora Example", "Dan Neighbour"]
    assert amy.limits == {
        "spo2": Limit(low=90, high=None),
        "heart_rate": Limit(low=50, high=110),
    }
    assert db.execute("SELECT id, kind, area_no IS NULL FROM alerts.team ORDER BY id").fetchall()
    oximeter = store.device_named("rowan-court", "oximeter-1")
    assert oximeter is not None
    assert oximeter.cadence == {"spo2": 86400, "heart_rate": 86400}
    (stored,) = db.execute(
        "SELECT password_hash FROM ingest.device WHERE name = 'oximeter-1'"
    ).fetchone() or ("",)
    assert broker_password.matches("change-me-H3cL6pZ5", stored)


def test_loading_again_changes_nothing_and_says_unchanged(example, load, db, store_url):
    before = contents(db)
    result: list[Any] = []
    assert heard(store_url, lambda: result.append(load(example_toml=example))) == set()
    ((code, lines),) = result
    assert code == 0
    assert contents(db) == before
    assert "unchanged" in lines[-1]
    assert not any("created" in line or "updated" in line for line in lines)


def test_a_check_tells_what_it_would_do_and_does_nothing(load, db):
    code, lines = load(check=True, example_toml=EXAMPLE.read_text())
    assert code == 0
    assert "people       2 created" in lines
    assert "nothing was changed" in lines[-1]
    assert not any(contents(db).values())


def test_changed_fields_are_updated_and_what_is_not_said_stays(example, load, store):
    people = '[[people]]\nid = "amy"\nhome = "rowan-1"\nname = "Amy Newname"\nphone = ""\n'
    code, lines = load(people_toml=people)
    assert (code, lines[0]) == (0, "people       1 updated")
    amy = store.person_by_id("amy")
    assert amy is not None
    assert (amy.name, amy.phone) == ("Amy Newname", None)  # an empty text clears
    assert amy.communication == "hard of hearing: ring twice"
    assert len(amy.contacts) == 2
    assert len(amy.limits) == 2


def test_contacts_that_are_said_replace_the_others(example, load, store):
    people = '[[people]]\nid = "amy"\nhome = "rowan-1"\nname = "Amy Example"\n'
    contact = '[[people.contacts]]\nname = "Eve"\nphone = "101"\n'
    assert load(people_toml=people + contact)[1][0] == "people       1 updated"
    assert load(people_toml=people + contact)[1][0] == "people       1 unchanged"
    assert [c.name for c in store.person_by_id("amy").contacts] == ["Eve"]
    assert load(people_toml=people + "contacts = []\n")[1][0] == "people       1 updated"
    assert store.person_by_id("amy").contacts == ()


def test_several_files_refer_to_each_other_and_to_what_is_there(load):
    sites = "id,name\nelm,Elm\n"
    homes = "id,site\nelm-1,elm\n"
    assert load(homes_csv=homes, sites_csv=sites)[0] == 0
    devices = "id,site,kind,home\npir-1,elm,pir,elm-1\n"
    assert load(devices_csv=devices)[0] == 0


def test_with_one_mistake_nothing_of_any_file_is_loaded(load, db):
    code, lines = load(
        good_toml=EXAMPLE.read_text(),
        devices_csv="id,site,kind,person\nd-1,rowan-court,pendant,amyy\n",
    )
    assert code == 1
    assert lines == [
        'devices.csv:2: person "amyy" is not registered; did you mean "amy"?'
        " the id of a person in these files or in the register",
        "1 problem in 2 files: nothing was changed.",
    ]
    assert not any(contents(db).values())


def test_mistakes_in_the_files_and_against_the_register_are_told_together(example, load, db):
    before = contents(db)
    code, lines = load(
        more_toml="""\
[[people]]
id = "carl"
home = "nowhere"
name = ""
[[people]]
id = "dora"
home = "rowan-1"
name = "Dora"
nhs_number = "9434765919"
[[homes]]
id = "rowan-9"
site = "rowna-court"
[[devices]]
id = "d-9"
site = "rowan-court"
kind = "pendant"
person = "carl"
from = 2026-01-01T00:00:00Z
"""
    )
    assert code == 1
    assert lines == [
        'more.toml:3: home "nowhere" is not registered; the id of a home in these files or in the'
        " register",
        "more.toml:4: name is empty; some text",
        'more.toml:9: nhs_number is already that of person "amy"; each person has a number of'
        " their own",
        'more.toml:12: site "rowna-court" is not registered; did you mean "rowan-court"? the id of'
        " a site in these files or in the register",
        "4 problems in 1 file: nothing was changed.",
    ]
    assert contents(db) == before


def test_two_nhs_numbers_that_were_mixed_up_can_be_put_right(example, load, store):
    people = "id,home,name,nhs_number\namy,rowan-1,Amy,9990000018\nbob,rowan-2,Bob,9434765919\n"
    assert load(people_csv=people)[0] == 0
    assert store.person_by_nhs_number("9434765919").id == "bob"
    assert load(people_csv=people)[1][0] == "people       2 unchanged"


CARE = """\
[[people]]
id = "amy"
home = "rowan-1"
name = "Amy Example"
conditions = ["frailty", "dementia"]
risk_band = "red"
  [[people.triggers]]
  id = "up-at-night"
  title = "Up at night"
  severity = "soon"
  when = "motion"
"""


def test_conditions_band_triggers_and_places_are_kept_until_others_are_said(
    example, load, store, store_url
):
    amy, bob = store.person_by_id("amy"), store.person_by_id("bob")
    assert (amy.conditions, amy.risk_band) == (("copd", "falls_risk"), "amber")
    (trigger,) = amy.triggers
    assert trigger.said() == {
        "id": "low-spo2", "title": "Oxygen below the plan's level", "severity": "urgent",
        "when": "spo2 < '88 %'", "clear": "spo2 >= '90 %'", "for": "20 min",
    }  # fmt: skip
    assert (bob.conditions, bob.risk_band, bob.triggers) == ((), None, ())
    assert store.device_named("rowan-court", "pir-kitchen").place == "kitchen"
    assert store.device_named("rowan-court", "pendant-1").place is None
    renamed = load(people_csv="id,home,name\namy,rowan-1,Amy Other\n")
    assert renamed[1][0] == "people       1 updated"
    kept = store.person_by_id("amy")
    assert (kept.conditions, kept.risk_band, kept.triggers) == (
        amy.conditions, amy.risk_band, amy.triggers,
    )  # fmt: skip
    assert load(check=True, care_toml=CARE)[1][0] == "people       1 updated"
    assert store.person_by_id("amy") == kept
    assert heard(store_url, lambda: load(care_toml=CARE)) == {"ingest_register"}
    assert load(care_toml=CARE)[1][0] == "people       1 unchanged"
    changed = store.person_by_id("amy")
    assert (changed.conditions, changed.risk_band) == (("dementia", "frailty"), "red")
    assert [t.id for t in changed.triggers] == ["up-at-night"]
    bare = CARE.partition("conditions")[0] + 'conditions = []\nrisk_band = ""\ntriggers = []\n'
    assert load(bare_toml=bare)[1][0] == "people       1 updated"
    assert load(bare_toml=bare)[1][0] == "people       1 unchanged"
    cleared = store.person_by_id("amy")
    assert (cleared.conditions, cleared.risk_band, cleared.triggers) == ((), None, ())


def test_a_device_put_into_another_room_is_told_and_an_empty_place_clears(
    example, load, store, store_url
):
    pir = '[[devices]]\nid = "pir-kitchen"\nsite = "rowan-court"\nkind = "motion_sensor"\n'
    pir += 'home = "rowan-1"\nfrom = 2026-01-01T00:00:00Z\n'
    assert load(same_toml=pir)[1][0] == "devices      1 unchanged"
    assert heard(store_url, lambda: load(hall_toml=pir + 'place = "hall"\n')) == {"ingest_register"}
    assert store.device_named("rowan-court", "pir-kitchen").place == "hall"
    assert load(none_toml=pir + 'place = ""\n')[1][0] == "devices      1 updated"
    assert store.device_named("rowan-court", "pir-kitchen").place is None


def test_a_trigger_that_the_check_refuses_is_not_loaded(store_url, tmp_path, db):
    path = tmp_path / "rowan.toml"
    path.write_text(EXAMPLE.read_text())
    line = path.read_text().splitlines().index("when = \"spo2 < '88 %'\"") + 1
    refuse: dict[str, Any] = {"check_trigger": lambda said: "there is no quantity spo2"}
    wrong = f"{path}:{line}: when of trigger low-spo2: there is no quantity spo2"
    code, lines = command.register_files(
        [path], check=False, database_url=store_url, secret=SECRET, **refuse
    )
    assert (code, lines[0]) == (1, wrong)
    assert not any(contents(db).values())
    assert command.check_files([path], **refuse)[1][0] == wrong
    assert command.check_files([path])[0] == 0


def test_the_release_before_goes_on_writing_people_and_devices(example, store, db):
    db.execute(
        "INSERT INTO ingest.person (id, home_no, name, language)"
        " SELECT 'old', no, 'Old', 'en' FROM ingest.home WHERE id = 'rowan-1'"
    )
    db.execute(
        "INSERT INTO ingest.device (site_no, name, kind) SELECT no, 'old', 'pir' FROM ingest.site"
    )
    old = store.person_by_id("old")
    assert (old.conditions, old.risk_band, old.triggers) == ((), None, ())
    assert store.device_named("rowan-court", "old").place is None


# -- who has which device ------------------------------------------------------------------------


def test_a_device_issued_again_ends_with_the_one_before(example, db):
    assert spans(db, "pendant-1") == [
        ("amy", "rowan-1", "2026-01-01", "2026-06-01"),
        ("bob", "rowan-2", "2026-06-01", "infinity"),
    ]
    assert spans(db, "pir-kitchen") == [(None, "rowan-1", "2026-01-01", "infinity")]


def test_it_can_be_issued_again_in_a_later_file_and_the_older_file_changes_nothing(
    example, load, db
):
    code, lines = load(
        later_toml='[[devices]]\nid = "oximeter-1"\nsite = "rowan-court"\nkind = "oximeter"\n'
        'person = "bob"\nfrom = 2026-09-01T00:00:00Z\n'
    )
    assert (code, lines[:2]) == (
        0,
        ["devices      1 unchanged", "assignments  1 created, 1 updated"],
    )
    expected = [
        ("amy", "rowan-1", "2026-01-01", "2026-09-01"),
        ("bob", "rowan-2", "2026-09-01", "infinity"),
    ]
    assert spans(db, "oximeter-1") == expected
    assert "unchanged" in load(example_toml=example)[1][-1]
    assert spans(db, "oximeter-1") == expected


@pytest.mark.parametrize(
    ("start", "what"),
    [
        ("from = 2026-03-01T00:00:00Z\n", "that time overlaps another assignment"),
        ("from = 2026-06-01T09:00:00Z\n", "given away twice from the same moment"),
        ("", "say from when"),
    ],
)
def test_an_assignment_against_a_known_one_is_refused_by_its_line(example, load, db, start, what):
    before = contents(db)
    code, lines = load(
        later_toml='[[devices]]\nid = "pendant-1"\nsite = "rowan-court"\nkind = "pendant"\n'
        f'home = "rowan-1"\n{start}'
    )
    assert code == 1
    assert lines[0].startswith(f"later.toml:{6 if start else 5}: ")
    assert what in lines[0]
    assert contents(db) == before


def test_readings_of_a_device_issued_again_belong_to_one_person_each(example, db):
    found = register.devices_for(
        db, [("rowan-court", "pendant-1"), ("rowan-court", "pir-kitchen"), ("rowan-court", "no")]
    )
    assert set(found) == {("rowan-court", "pendant-1"), ("rowan-court", "pir-kitchen")}
    people = dict(db.execute("SELECT id, no FROM ingest.person").fetchall())
    pendant = found["rowan-court", "pendant-1"]

    def whose(*moment: int) -> int | None:
        span = pendant.at(datetime(*moment, tzinfo=UTC).timestamp())  # type: ignore[misc]
        return span and span.person_no

    assert whose(2025, 12, 31) is None
    assert whose(2026, 1, 1) == whose(2026, 6, 1, 8, 59, 59) == people["amy"]
    assert whose(2026, 6, 1, 9) == whose(2036, 1, 1) == people["bob"]
    assert [a.start for a in pendant.assignments] == sorted(
        (a.start for a in pendant.assignments), reverse=True
    )
    (shared,) = found["rowan-court", "pir-kitchen"].assignments
    assert (shared.person_no, shared.end) == (0, float("inf"))
    assert register.devices_for(db, []) == {}


ELM = '[[sites]]\nid = "elm"\nname = "Elm"\n[[homes]]\nid = "elm-1"\nsite = "elm"\n'  # 6 lines


def test_a_device_and_its_home_have_the_same_site(example, load):
    code, lines = load(
        elm_toml=ELM + '[[devices]]\nid = "d"\nsite = "elm"\nkind = "pir"\nhome = "rowan-1"\n'
        '[[devices]]\nid = "e"\nsite = "elm"\nkind = "watch"\nperson = "amy"\n'
    )
    assert code == 1
    assert lines[0].startswith('elm.toml:11: home "rowan-1" is at site "rowan-court", the device')
    assert lines[1].startswith('elm.toml:16: the home of person "amy" is at site "rowan-court"')


def test_a_home_keeps_its_site(example, load):
    code, lines = load(elm_toml=ELM + '[[homes]]\nid = "rowan-1"\nsite = "elm"\n')
    assert code == 1
    assert lines[0].startswith('elm.toml:9: home "rowan-1" is at site "rowan-court"')


def test_who_moves_within_a_site_takes_their_devices_along(example, load, db):
    moved = '[[people]]\nid = "amy"\nhome = "rowan-2"\nname = "Amy Example"\n'
    assert load(moved_toml=moved)[0] == 0
    assert spans(db, "oximeter-1") == [("amy", "rowan-2", "2026-01-01", "infinity")]
    assert spans(db, "pendant-1")[0] == ("amy", "rowan-1", "2026-01-01", "2026-06-01")  # past
    assert "unchanged" in load(moved_toml=moved)[1][-1]


def test_who_moves_to_another_site_gives_their_devices_back_first(example, load, store):
    moved = ELM + '[[people]]\nid = "amy"\nhome = "elm-1"\nname = "Amy Example"\n'
    code, lines = load(moved_toml=moved)
    assert code == 1
    assert lines[0].startswith("moved.toml:9: that home is at another site than device")
    ended = (
        '[[devices]]\nid = "oximeter-1"\nsite = "rowan-court"\nkind = "oximeter"\nperson = "amy"\n'
        "from = 2026-01-01T00:00:00Z\nto = 2026-01-04T00:00:00Z\n"
    )
    assert load(moved_toml=moved, ended_toml=ended)[0] == 0
    assert store.person_by_id("amy").site == "elm"


# -- the way to the other parts ------------------------------------------------------------------


def test_others_are_told_what_changed(load, store_url):
    content = EXAMPLE.read_text()
    assert heard(store_url, lambda: load(example_toml=content)) == {
        "ingest_register",
        "ingest_credentials",
    }
    renamed = content.replace("Bob Example", "Bob Other")
    assert heard(store_url, lambda: load(example_toml=renamed)) == {"ingest_register"}
    other = renamed.replace("change-me-W9dF1sG7", "change-me-again-1")
    assert "ingest_credentials" in heard(store_url, lambda: load(example_toml=other))
    onboarding = other.replace("change-me-Q7mN2xV9", "change-me-again-2")
    assert "ingest_credentials" in heard(store_url, lambda: load(example_toml=onboarding))
    checked = heard(store_url, lambda: load(check=True, example_toml=content))
    assert checked == set()


def test_a_password_that_is_the_same_keeps_its_hash(example, load, db):
    before = register.broker_accounts(db)
    assert [user for user, _ in before] == [
        "rowan-court/onboarding", "rowan-court/oximeter-1", "rowan-court/pendant-1",
        "rowan-court/pir-kitchen",
    ]  # fmt: skip
    load(example_toml=example)
    assert register.broker_accounts(db) == before


def test_what_a_device_sent_before_it_was_registered_is_queued(load, db, store_url, store):
    content = EXAMPLE.read_text()
    quarantine(db, "oximeter-1")
    quarantine(db, "oximeter-1")
    quarantine(db, "oximeter-1", reason="unreadable")
    quarantine(db, "stranger")
    assert [(w.device, w.messages) for w in store.waiting(limit=9)] == [
        ("oximeter-1", 6),
        ("stranger", 3),
    ]
    assert [w.device for w in store.waiting(after=("rowan-court", "oximeter-1"), limit=9)] == [
        "stranger"
    ]
    result: list[Any] = []
    assert "ingest_replay" in heard(store_url, lambda: result.append(load(example_toml=content)))
    assert "2 messages of devices that were waiting for this are replayed" in result[0][1]
    assert db.execute(
        "SELECT device, reason, state FROM ingest.quarantine ORDER BY 1, 2, 3"
    ).fetchall() == [
        ("oximeter-1", "unreadable", "waiting"),
        ("oximeter-1", "unregistered", "queued"),
        ("oximeter-1", "unregistered", "queued"),
        ("stranger", "unregistered", "waiting"),
    ]
    assert [w.device for w in store.waiting(limit=9)] == ["stranger"]


def test_what_came_in_while_its_device_was_registered_is_queued_later(example, db, store_url):
    quarantine(db, "oximeter-1")
    assert register.queue_registered(db) == 1
    assert register.queue_registered(db) == 0


def test_what_was_nobody_s_is_replayed_when_it_becomes_somebody_s(example, load, db):
    quarantine(db, "oximeter-1", reason="unassigned")
    assert "unchanged" in load(example_toml=example)[1][-1]
    earlier = example.replace("from = 2026-01-01", "from = 2025-12-01").replace(
        "from = 2025-12-01T00:00:00Z\ncadence", "from = 2026-01-01T00:00:00Z\ncadence"
    )
    assert load(example_toml=earlier)[0] == 0  # other devices: not this one
    assert db.execute("SELECT state FROM ingest.quarantine").fetchone() == ("waiting",)
    assert load(example_toml=example.replace("from = 2026-01-01", "from = 2025-12-01"))[0] == 0
    assert db.execute("SELECT state FROM ingest.quarantine").fetchone() == ("queued",)


# -- one by one ----------------------------------------------------------------------------------


def person(**changes: Any) -> registration.Person:
    said: dict[str, Any] = {
        "id": "dora", "home": "rowan-1", "name": "Dora Müller-Example", "nhs_number": None,
        "born": None, "phone": None, "language": None, "communication": None, "practice": None,
        "scale2": None, "on_oxygen": None, "pregnant": None, "contacts": None, "limits": None,
        "conditions": None, "risk_band": None, "triggers": None, "origin": NOWHERE,
    }  # fmt: skip
    return registration.Person(**{**said, **changes})


TRIGGER = registration.Trigger(
    id="low-spo2", title="Low oxygen", severity="urgent", when="spo2 < '88 %'", clear=None,
    lasting="20 min",
)  # fmt: skip


def test_a_care_plan_is_set_one_by_one_and_its_triggers_are_checked(example, store_url, store):
    dora = store.create_person(person(conditions=("copd",), risk_band="green", triggers=(TRIGGER,)))
    assert (dora.conditions, dora.risk_band, dora.triggers) == (("copd",), "green", (TRIGGER,))
    assert store.change_person(dora.no, register.PersonChange(phone="101")).triggers == (TRIGGER,)
    change = register.PersonChange(conditions=(), risk_band="", triggers=())
    done: list[register.Person] = []
    said = heard(store_url, lambda: done.append(store.change_person(dora.no, change)))
    assert said == {"ingest_register"}
    assert (done[0].conditions, done[0].risk_band, done[0].triggers) == ((), None, ())
    pool = pools.open_pool(store_url, name="test", most=1)
    try:
        strict = RegisterStore(
            pool,
            vault=Vault(SECRET),
            check_trigger=lambda said: "for is too short" if said["for"] else None,
        )
        with pytest.raises(RefusedError) as caught:
            strict.change_person(dora.no, register.PersonChange(triggers=(TRIGGER,)))
    finally:
        pool.close()
    assert [(p.key, p.what) for p in caught.value.problems] == [
        ("triggers.0.for", "for is too short")
    ]


def test_a_person_is_created_found_and_changed(example, store):
    dora = store.create_person(
        person(nhs_number="9990000026", contacts=(Contact(name="J", relation=None, phone="101"),))
    )
    assert store.person(dora.no) == dora
    assert store.people([dora.no, 10**9]) == {dora.no: dora}
    assert store.person_by_nhs_number("9990000026") == dora
    assert store.people_named("dor", limit=5) == [dora]
    assert store.people_named("EXAMPLE", limit=5)[0].name == "Amy Example"
    assert [p.name for p in store.people_named("exam", limit=5)] == ["Amy Example", "Bob Example"]
    assert store.people_named("%", limit=5) == []
    assert store.people_named("_da", limit=5) == []
    assert {p.id for p in store.people_of_home(dora.home_no)} == {"amy", "dora"}
    limits = {"spo2": Limit(low=88, high=None)}
    change = register.PersonChange(phone="102", scale2=True, limits=limits)
    changed = store.change_person(dora.no, change)
    assert (changed.phone, changed.scale2, changed.contacts) == ("102", True, dora.contacts)
    assert changed.limits["spo2"].low == 88
    assert store.people_after(0, limit=2)[0].id == "amy"
    assert store.person(10**9) is None


def test_a_person_who_can_not_be_is_refused_with_the_key(example, store):
    for said, key in (
        (person(id="amy"), "id"),
        (person(nhs_number="9434765919"), "nhs_number"),
        (person(home="nowhere"), "home"),
        (person(practice="nowhere"), "practice"),
        (person(limits={"spo": Limit(low=88, high=None)}), "limits.spo"),
        (person(limits={"spo2": Limit(low=99, high=90)}), "limits.spo2"),
        (person(conditions=("copd", "gout")), "conditions.1"),
        (person(triggers=(TRIGGER, TRIGGER)), "triggers.1.id"),
    ):
        with pytest.raises(RefusedError) as caught:
            store.create_person(said)
        assert [p.key for p in caught.value.problems] == [key]
    with pytest.raises(UnknownError):
        store.change_person(10**9, register.PersonChange(phone="101"))
    assert store.person_by_id("dora") is None


def test_a_device_is_created_told_its_password_once_and_given_to_another(
    example, store, db, store_url
):
    quarantine(db, "watch-1")
    assert store.first_heard("rowan-court", "watch-1") == datetime(2026, 1, 2, tzinfo=UTC)
    said = registration.Device(
        site="rowan-court", id="watch-1", kind="watch", model=None, password=None,
        cadence={"heart_rate": 600}, place="bedroom", origin=NOWHERE,
        assignments=(
            registration.Assignment(
                person="amy", home=None, start=datetime(2026, 1, 3, tzinfo=UTC), end=None,
                origin=NOWHERE,
            ),
        ),
    )  # fmt: skip
    made, credentials = store.create_device(said)
    assert credentials is not None
    assert credentials.username == "rowan-court/watch-1"
    assert credentials.password not in repr(credentials)
    accounts = dict(register.broker_accounts(db))
    assert broker_password.matches(credentials.password, accounts["rowan-court/watch-1"])
    assert store.first_heard("rowan-court", "watch-1") is None  # queued
    with pytest.raises(RefusedError):
        store.create_device(said)
    assert [d.name for d in store.devices_of_person(store.person_by_id("amy").no)] == [
        "oximeter-1", "watch-1",
    ]  # fmt: skip
    given = store.assign(
        made.no,
        registration.Assignment(
            person=None, home="rowan-2", start=datetime(2026, 2, 1, tzinfo=UTC), end=None,
            origin=NOWHERE,
        ),
    )  # fmt: skip
    assert [(a.person, a.home, a.ends is None) for a in given.assignments] == [
        (None, "rowan-2", True),
        ("amy", "rowan-1", False),
    ]
    assert (given.model, given.cadence, given.has_credentials) == (None, {"heart_rate": 600}, True)
    assert given.place == "bedroom"
    renewed: list[register.Credentials] = []
    assert heard(store_url, lambda: renewed.append(store.new_credentials(made.no))) == {
        "ingest_credentials"
    }
    accounts = dict(register.broker_accounts(db))
    assert broker_password.matches(renewed[0].password, accounts["rowan-court/watch-1"])
    with pytest.raises(UnknownError):
        store.new_credentials(10**9)
    with pytest.raises(UnknownError):
        store.assign(10**9, said.assignments[0])


def test_devices_are_listed_by_pages_homes_and_with_their_state(example, store, db):
    names = [d.name for d in store.devices_after(0, limit=2)]
    rest = store.devices_after(store.devices_after(0, limit=2)[-1].no, limit=9)
    assert names + [d.name for d in rest] == ["pendant-1", "oximeter-1", "pir-kitchen"]
    assert store.devices_after(0, limit=9, site="elm") == []
    home = store.home_by_id("rowan-1")
    assert home is not None
    assert store.home(home.no) == home
    assert {d.name for d in store.devices_of_home(home.no)} == {"oximeter-1", "pir-kitchen"}
    assert (home.people, home.devices) == (1, 2)
    pir = rest[0]
    assert pir.state is None
    db.execute(
        "INSERT INTO ingest.device_state (device_no, state, seen_at, battery, cadence)"
        " VALUES (%s, 'online', now(), 80, '{\"motion\": 3600}')",
        [pir.no],
    )
    state = store.devices([pir.no])[pir.no].state
    assert state is not None
    assert (state.state, state.battery, state.cadence) == ("online", 80, {"motion": 3600})


def test_the_places_are_listed(example, store):
    assert [(s.id, s.area, s.homes) for s in store.sites()] == [("rowan-court", "south", 2)]
    assert [(a.id, a.name) for a in store.areas()] == [("south", "South")]
    assert [(p.id, p.area) for p in store.practices()] == [("holly", "south")]
    assert [h.id for h in store.homes_after(0, limit=9, site="rowan-court")] == [
        "rowan-1", "rowan-2",
    ]  # fmt: skip


# -- secrets -------------------------------------------------------------------------------------


def test_an_address_is_encrypted_at_rest_and_opened_on_demand(example, store, db):
    home = store.home_by_id("rowan-1")
    assert home is not None
    access = store.access(home.no)
    assert access is not None
    assert access.address == "1 Rowan Court, Anytown AN1 1AA"
    assert access.key_safe == "1066"
    assert "1066" not in repr(access)
    assert store.access(10**9) is None
    kept = str(db.execute("SELECT address, access_notes, key_safe FROM ingest.home").fetchall())
    assert "Maple" not in kept
    assert "1066" not in kept


def test_with_another_key_nothing_is_loaded_and_it_is_said_why(example, store_url, db):
    before = contents(db)
    code, lines = command.register_files(
        [EXAMPLE],
        check=False,
        database_url=store_url,
        secret="another secret that is just as long as it",
    )
    assert code == 2
    assert "TELECARE_SECRET_KEY" in lines[0]
    assert contents(db) == before


def test_keys_can_be_changed_for_all_homes(example, store_url, load):
    newer = "the newer secret of the tests and as long"
    pool = pools.open_pool(store_url, name="test", most=1)
    try:
        both = RegisterStore(pool, vault=Vault(f"{newer},{SECRET}"))
        assert both.renew_encryption() == 1
        newest = RegisterStore(pool, vault=Vault(newer))
        assert newest.access(newest.home_by_id("rowan-1").no).key_safe == "1066"
        oldest = RegisterStore(pool, vault=Vault(SECRET))
        with pytest.raises(WrongKeyError):
            oldest.access(oldest.home_by_id("rowan-1").no)
    finally:
        pool.close()


# -- bad days ------------------------------------------------------------------------------------


def test_without_a_database_the_files_are_checked_all_the_same(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text("id,home,name\nA,h,a\n")
    code, lines = command.register_files(
        [path], check=True, database_url="host=127.0.0.1 port=1", secret=SECRET
    )
    assert code == 2
    assert 'id "A" is no id' in lines[0]
    assert "can't be reached" in lines[1]
    assert lines[2] == "Nothing was changed."


def test_a_database_without_tables_says_what_to_run(empty_database_url):
    code, lines = command.register_files(
        [EXAMPLE], check=False, database_url=empty_database_url, secret=SECRET
    )
    assert code == 2
    assert "telecare migrate" in lines[0]


def test_a_database_of_an_older_hub_says_what_to_run(store_url, db):
    db.execute("ALTER TABLE ingest.device RENAME place TO not_yet")
    try:
        code, lines = command.register_files(
            [EXAMPLE], check=False, database_url=store_url, secret=SECRET
        )
    finally:
        db.execute("ALTER TABLE ingest.device RENAME not_yet TO place")
    assert code == 2
    assert "telecare migrate" in lines[0]


def test_two_loadings_at_once_wait_for_each_other(store_url, db):
    with psycopg.connect(store_url) as other:
        other.execute("INSERT INTO ingest.area (id, name) VALUES ('south', 'N')")
        with psycopg.connect(store_url, options="-c lock_timeout=200ms") as late:
            said = registration.Registration(
                areas=(registration.Area(id="south", name="South", origin=NOWHERE),)
            )
            with pytest.raises(errors.StoreUnavailableError):
                register.register_load.load(late, said, vault=Vault(SECRET), check=False)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_twenty_thousand_devices_are_loaded_set_by_set(database_url, tmp_path, capsys):
    number = 20_000
    homes = (f"h-{i},big" for i in range(number // 4))
    devices = (
        f"d-{i},big,pir,a-password-for-{i},h-{i % (number // 4)},2026-01-01T00:00:00Z"
        for i in range(number)
    )
    for name, header, rows in (
        ("sites", "id,name", ["big,Big"]),
        ("homes", "id,site", homes),
        ("devices", "id,site,kind,password,home,from", devices),
    ):
        (tmp_path / f"{name}.csv").write_text("\n".join([header, *rows]) + "\n")
    began = time.monotonic()
    code, lines = command.register_files(
        sorted(tmp_path.glob("*.csv")), check=False, database_url=database_url, secret=SECRET
    )
    took = time.monotonic() - began
    assert code == 0
    assert f"devices      {number:,} created" in lines
    with capsys.disabled():
        print(f"\n{number:,} devices with their passwords loaded in {took:.1f} s")
