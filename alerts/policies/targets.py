"""The published targets that measures are shown beside: read from their file, checked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from alerts.model import Severity
from alerts.policies import files
from alerts.rules import document
from alerts.rules.document import Node

FILE = "targets.toml"
MEASURES: Final = (
    "reading_to_alert", "alert_to_answer", "alert_to_contact", "sent_to_scene", "alert_to_scene",
    "alert_to_close",
)  # fmt: skip
"""What a target can be of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """At least a share of the alerts of some severities, within a time."""

    id: str
    title: str
    measure: str
    severities: tuple[Severity, ...]
    within_s: float
    share: float
    source: str


def parse(text: str, *, file: str) -> tuple[Target, ...]:
    """Read targets, or say in which line they are wrong.

    Raises
    ------
    PackError
        At the first thing that is wrong, with file and line.
    """
    top = document.parse(text, file=file)
    for key in ("id", "version", "approver"):
        top.text(key)
    top.day("review_by")
    targets: list[Target] = []
    for node in top.children("target"):
        one = _target(node)
        if one.id in {t.id for t in targets}:
            raise node.error("id", f"'{one.id}' is there twice")
        targets.append(one)
    top.done()
    return tuple(targets)


def _target(node: Node) -> Target:
    severities = node.texts("severities")
    known = {str(s) for s in Severity}
    if not severities or not known.issuperset(severities):
        raise node.error("severities", f"'severities' must be some of {', '.join(sorted(known))}")
    within, share = node.duration("within"), node.number("share")
    if not within or within <= 0:
        raise node.error("within", "'within' must be a length of time")
    if not 0 < share <= 1:
        raise node.error("share", "'share' must be above 0 and at most 1")
    one = Target(
        id=node.text("id"), title=node.text("title"), measure=node.choice("measure", MEASURES),
        severities=tuple(Severity(s) for s in severities), within_s=within, share=share,
        source=node.text("source"),
    )  # fmt: skip
    node.done()
    return one


@cache
def load(folder: Path | None = None) -> tuple[Target, ...]:
    """Read the targets of a folder, the shipped ones where it has none.

    Raises
    ------
    PackError
        At the first thing that is wrong, with file and line.
    """
    text, path = files.read(FILE, folder)
    return parse(text, file=path)
