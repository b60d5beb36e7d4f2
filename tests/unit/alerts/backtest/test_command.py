"""The command: what it writes, and that each mistake is one sentence with its mend."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from alerts.backtest import command, report
from tests.support.clock import FixedClock

READINGS = """\
person,time,quantity,value
ada,2026-11-23T08:00:00Z,heart_rate,45
ada,2026-11-23T09:00:00Z,heart_rate,70
ada,2026-11-24T09:00:00Z,spo2,80
bert,2026-11-23T09:00:00Z,heart_rate,71
bert,bad,heart_rate,71
"""


def no_database() -> str:
    raise AssertionError("a file needs no database")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "r.csv").write_text(READINGS, encoding="utf-8")
    (tmp_path / "l.csv").write_text(
        "patient_id,date,type\nada,2026-11-23,Pulse\nbert,2026-11-23,Pulse\n", encoding="utf-8"
    )
    return tmp_path


def run(folder: Path, **more: Any) -> tuple[int, str]:
    given: dict[str, Any] = {
        "source": f"csv:{folder / 'r.csv'}", "out": folder / "out.csv",
        "database_url": no_database, "clock": FixedClock(), "quiet": True,
    }  # fmt: skip
    code, lines = command.backtest(**given | more)
    return code, "\n".join(lines)


def alerts(folder: Path) -> list[dict[str, str]]:
    with (folder / "out.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_alerts_are_written_in_order_with_their_columns(folder: Path) -> None:
    code, said = run(folder)
    assert code == 0
    first, *others = alerts(folder)
    assert list(first)[:10] == [
        "person", "rule", "version", "severity", "audience", "raised_at", "reading_at",
        "cleared_at", "late", "title",
    ]  # fmt: skip
    assert (first["person"], first["rule"], first["audience"]) == (
        "ada",
        "limits.heart_rate",
        "nurse",
    )
    assert (first["raised_at"], first["cleared_at"]) == (
        "2026-11-23T08:00:00Z", "2026-11-23T09:00:00Z",
    )  # fmt: skip
    assert (first["severity"], first["late"]) == ("soon", "false")
    assert {o["rule"] for o in others} == {"limits.spo2", "news2"}
    assert "r.csv:6: time 'bad'" in said
    assert "for nurse:" in said


def test_only_the_packs_named_are_judged(folder: Path) -> None:
    assert run(folder, packs=["limits"])[0] == 0
    assert {a["rule"] for a in alerts(folder)} == {"limits.heart_rate", "limits.spo2"}


def test_a_pack_file_stands_in_for_the_pack_of_its_id(folder: Path) -> None:
    shipped = command.choosing.registry.SHIPPED / "limits.toml"
    text = shipped.read_text(encoding="utf-8").replace(
        "low = 55\nhigh = 100", "low = 40\nhigh = 100"
    )
    own = folder / "mine.toml"
    own.write_text(text, encoding="utf-8")
    assert run(folder, packs=[str(own)])[0] == 0
    assert {a["rule"] for a in alerts(folder)} == {"limits.spo2"}


def test_labels_and_a_report_with_everything_beside_it(folder: Path) -> None:
    code, said = run(
        folder, label_file=folder / "l.csv", report_file=folder / "rep.html", sweep=True
    )
    assert code == 0
    assert "Pulse: an alert was open on 1 of 2 labelled days" in said
    found = json.loads((folder / "rep.json").read_text(encoding="utf-8"))
    (pulse,) = found["sides"]["packs"]["labels"]
    assert (pulse["found_days"], pulse["labelled_days"]) == (1, 2)
    page = (folder / "rep.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 3
    for name in ("burden", "funnel", "recall"):
        assert (folder / f"rep-{name}.png").read_bytes().startswith(b"\x89PNG")
    with (folder / "rep-curve.csv").open(encoding="utf-8", newline="") as file:
        shipped = [r for r in csv.DictReader(file) if r["factor"] == "1"]
    assert [r["found_days"] for r in shipped] == ["1"]


def test_two_packs_are_compared_side_by_side(folder: Path) -> None:
    code, said = run(
        folder, packs=["limits", "news2"], compare=True, report_file=folder / "rep.html"
    )
    assert code == 0
    assert "limits:" in said.splitlines()
    assert "news2:" in said.splitlines()
    found = json.loads((folder / "rep.json").read_text(encoding="utf-8"))
    assert set(found["sides"]) == {"limits", "news2"}
    assert {a["rule"] for a in alerts(folder)} <= {"limits.heart_rate", "limits.spo2"}


def test_the_page_holds_no_markup_of_others(folder: Path) -> None:
    text = READINGS.replace("ada", "<script>x")
    (folder / "r.csv").write_text(text, encoding="utf-8")
    run(folder, report_file=folder / "rep.html")
    assert "<script>" not in (folder / "rep.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"source": "tape:x"}, "write stored, tihm:DIR or csv:FILE"),
        ({"source": "csv:"}, "write stored, tihm:DIR or csv:FILE"),
        ({"source": "csv:/none.csv"}, "there is no such file"),
        ({"packs": ["nonsense"]}, "--pack nonsense: there is no such pack: name one of copd"),
        ({"packs": ["x.toml"]}, "--pack x.toml: there is no such file"),
        ({"packs_dir": Path("/none")}, "--packs-dir /none: there is no such folder"),
        ({"begin": "soon"}, "--from soon is no date"),
        ({"begin": "2026-11-24", "end": "2026-11-23"}, "--from is not before --to"),
        ({"begin": "2030-01-01"}, "no reading between --from and --to"),
        ({"step": "0"}, "--step 0: between 1 s and 1 d"),
        ({"step": "often"}, "no length of time"),
        ({"out": Path("/none/out.csv")}, "--out /none/out.csv: there is no folder"),
        ({"compare": True}, "two --pack, or --packs-dir"),
        ({"sweep": True}, "--sweep needs --labels and --report"),
    ],
)
def test_a_mistake_is_told_in_a_sentence_and_nothing_is_written(
    folder: Path, more: dict[str, Any], said: str
) -> None:
    code, told = run(folder, **more)
    assert code == 1
    assert said in told
    assert told.endswith("Nothing was written.")
    assert not (folder / "out.csv").exists()


def test_a_span_of_time_is_what_was_received_in_it(folder: Path) -> None:
    assert run(folder, begin="2026-11-24")[0] == 0
    assert {a["rule"] for a in alerts(folder)} == {"limits.spo2", "news2"}


def test_columns_are_those_promised() -> None:
    promised = "person,rule,version,severity,audience,raised_at,reading_at,cleared_at,late,title"
    assert ",".join(report.COLUMNS).startswith(promised)
