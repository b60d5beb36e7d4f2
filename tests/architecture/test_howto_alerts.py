"""The page on working an alert against the responses and steps that are in force."""

from __future__ import annotations

import re

from alerts import lifecycle
from alerts.policies import responses
from api.routes import alerts
from tests.architecture.test_layout import ROOT

PAGE = ROOT / "docs" / "howto" / "work-an-alert.md"
_SECONDS = {"min": 60.0, "h": 3_600.0, "d": 86_400.0}


def _rows(heading: str) -> list[list[str]]:
    part = PAGE.read_text(encoding="utf-8").partition(f"## {heading}")[2].partition("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def _seconds(text: str) -> float:
    number, _, unit = text.partition(" ")
    return 0.0 if text == "never" else float(number) * _SECONDS[unit]


def test_the_lengths_are_those_of_the_responses() -> None:
    said = {name: [_seconds(c) for c in cells] for name, *cells in _rows("How long things stand")}
    assert said == {
        r.id: [r.acknowledged_s, r.in_progress_s, r.on_scene_s, r.offer_s, r.snooze_most_s]
        for r in responses.load().by_id.values()
    }


def test_every_step_is_told_and_no_other() -> None:
    told = {name.strip("`") for name, *_ in _rows("What to do with it")}
    there = {
        path.rpartition("/")[2]
        for r in alerts.router.routes
        if "POST" in (getattr(r, "methods", None) or ()) and (path := getattr(r, "path", ""))
    }
    assert told == there


def test_the_dispositions_of_falls_and_outcomes_of_calls_are_named() -> None:
    text = PAGE.read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+)`", text))
    assert set(lifecycle.FALLS) | set(lifecycle.HELPED) | set(lifecycle.OUTCOMES) <= named
