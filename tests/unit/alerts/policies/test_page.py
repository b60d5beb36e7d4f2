"""The page of clinical sources says what the responses and routes hold, with their sources."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from alerts.policies import files, responses, routes

PAGE = (Path(__file__).parents[4] / "docs/clinical-sources.md").read_text(encoding="utf-8")
LENGTHS = (
    "acknowledged_for", "in_progress_for", "on_scene_for", "offered_for", "snooze_most",
    "stale_after",
)  # fmt: skip


def step(one: Mapping[str, Any]) -> str:
    said = f"{one['tell']} after {one['after']}"
    if "repeat" in one:
        said += f", every {one['repeat']}" + (f", {one['times']} in all" if "times" in one else "")
    return said + (f" ({', '.join(one['channels'])})" if "channels" in one else "")


def response_lines(text: str) -> Iterator[str]:
    for one in tomllib.loads(text)["response"]:
        lengths = " | ".join(one.get(key, "never") for key in LENGTHS)
        steps = "; ".join(step(s) for s in one["step"])
        yield f"| {one['id']} | {steps} | {lengths} | {one['source']} |"


def route_lines(text: str) -> Iterator[str]:
    for one in tomllib.loads(text)["route"]:
        said = "; ".join(
            f"{key} {' or '.join(value) if isinstance(value, list) else value}"
            for key, value in one.get("when", {}).items()
        )
        under = f"{one['under']}: " if "under" in one else ""
        yield (
            f"| {one['id']} | {under}{said or 'all'} | {', '.join(one.get('to', ())) or 'as above'}"
            f" | {one.get('response', 'as above')} | {one['source']} |"
        )


@pytest.mark.parametrize(
    ("heading", "wanted"),
    [
        ("## Responses", list(response_lines(files.read(responses.FILE)[0]))),
        ("## Routes", list(route_lines(files.read(routes.FILE)[0]))),
    ],
)
def test_the_page_lists_exactly_what_is_shipped_with_its_source(
    heading: str, wanted: list[str]
) -> None:
    part = PAGE.partition(f"{heading}\n")[2].partition("\n## ")[0]
    assert [line for line in part.splitlines() if line.startswith("| ")][1:] == wanted
